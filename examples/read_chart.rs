//! Reads a chart archive and prints what it holds. Nothing is unpacked.
//!
//! ```text
//! cargo run --example read_chart -- mychart-1.0.0.tgz
//! ```

#![allow(clippy::print_stdout, reason = "the example prints its result")]

use chartferry::{
    Error, Result,
    archive::{Keep, read},
    limits::Limits,
};
use std::path::Path;

fn main() -> Result<()> {
    let Some(path) = std::env::args().nth(1) else {
        return Err(Error::usage("read_chart ARCHIVE"));
    };
    let chart = read::open(Path::new(&path), Keep::Everything, &Limits::default())?;
    println!("{} {}", chart.metadata.name, chart.metadata.version);
    for dependency in chart.metadata.dependencies.iter().flatten() {
        println!("needs {} {}", dependency.name, dependency.version);
    }
    for crd in chart.crds() {
        println!("defines {}", crd.name);
    }
    Ok(())
}
