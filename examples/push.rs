//! Pushes a chart archive to a registry, and reads the tag back.
//!
//! ```text
//! cargo run --example push -- mychart-1.0.0.tgz oci://localhost:5000/charts
//! ```

#![allow(clippy::print_stdout, reason = "the example prints its result")]

use chartferry::{
    Error, Result,
    client::{Client, Options},
    limits::Limits,
    oci::{Reference, Tag},
    ops::{Beside, PushOptions, from_archive, push},
};
use std::path::Path;

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(archive), Some(namespace)) = (args.next(), args.next()) else {
        return Err(Error::usage("push ARCHIVE oci://HOST/NAMESPACE"));
    };
    let chart = from_archive(Path::new(&archive), Beside::Take, &Limits::default())?;
    let Reference { registry, repository, .. } =
        format!("{namespace}/{}", chart.metadata.name).parse()?;
    let tag = Tag::from_version(&chart.metadata.version)?;

    let client = Client::new(Options::default())?;
    let target = client.repository(&registry, &repository);
    let name = format!("{registry}/{repository}");
    let report = push(&target, &name, &chart, &tag, &PushOptions::default()).await?;
    println!("{:?} {name}:{} at {}", report.status, report.tag, report.digest);
    Ok(())
}
