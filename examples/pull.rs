//! Pulls the newest version of a chart within a range, and saves it in the working folder.
//!
//! ```text
//! cargo run --example pull -- oci://localhost:5000/charts/mychart '^1.0'
//! ```

#![allow(clippy::print_stdout, reason = "the example prints its result")]

use chartferry::{
    Error, Result,
    client::{Client, Options},
    limits::Limits,
    oci::Reference,
    ops::{ChartRequest, Provenance, pull, save_pulled},
};
use std::path::Path;

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let Some(text) = args.next() else {
        return Err(Error::usage("pull oci://HOST/REPOSITORY[:TAG] [RANGE]"));
    };
    let reference: Reference = text.parse()?;
    let wanted = ChartRequest {
        tag: reference.tag.clone(),
        digest: reference.digest.clone(),
        version: args.next(),
        ..ChartRequest::default()
    };

    let client = Client::new(Options::default())?;
    let repository = client.repository(&reference.registry, &reference.repository);
    let limits = Limits::default();
    let pulled = pull(&repository, &text, &wanted, Provenance::IfPresent, &limits).await?;
    let saved = save_pulled(&pulled, reference.repository.last_segment(), Path::new("."))?;
    println!("{} {}", saved.archive.display(), pulled.root);
    Ok(())
}
