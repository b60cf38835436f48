//! Mirrors a folder of archives into a namespace of a registry. Running it again transfers nothing.
//!
//! ```text
//! cargo run --example mirror -- charts oci://localhost:5000/charts
//! ```

#![allow(clippy::print_stdout, reason = "the example prints its result")]

use chartferry::{
    Error, Result,
    client::{Client, Options as ClientOptions},
    limits::Limits,
    mirror::{Options, Sink, Source, run, sink, source},
    oci::Reference,
};
use std::path::Path;

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(folder), Some(namespace)) = (args.next(), args.next()) else {
        return Err(Error::usage("mirror FOLDER oci://HOST/NAMESPACE"));
    };
    let Reference { registry, repository, .. } = namespace.parse()?;
    let source =
        Source::Folder(source::folder::Folder::open(Path::new(&folder), &Limits::default())?);
    let client = Client::new(ClientOptions::default())?;
    let options = sink::registry::Options::new(client, registry, Some(repository));
    let sink = Sink::Registry(sink::registry::Registry::new(options));

    let report = run(&source, &sink, &Options::new(jiff::Timestamp::now())).await?;
    println!("{:?}", report.counts);
    for version in &report.versions {
        println!("{} {:?}", version.id, version.status);
    }
    Ok(())
}
