//! The ChartMuseum API of `serve`: what the real one answered, replayed; and what it does that the
//! real one cannot.

mod flags;
mod recording;
mod replay;
mod shared;
mod uploads;

use crate::{
    registry::wire::{self, Answer},
    support::daemon::Daemon,
};

/// Asks for a path.
#[track_caller]
fn ask(server: &Daemon, path: &str) -> Answer {
    send(server, "GET", path, b"")
}

#[track_caller]
fn send(server: &Daemon, method: &str, path: &str, body: &[u8]) -> Answer {
    wire::send(server.address().parse().unwrap(), method, path, &[], body)
}

/// A chart's archive with a file of that content.
fn chart(name: &str, version: &str, content: &[u8]) -> Vec<u8> {
    let metadata = format!("apiVersion: v2\nname: {name}\nversion: {version}\n");
    let encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut archive = tar::Builder::new(encoder);
    for (path, content) in [("Chart.yaml", metadata.as_bytes()), ("data", content)] {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, format!("{name}/{path}"), content).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}
