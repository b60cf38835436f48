//! Serves a folder as a registry and as a ChartMuseum at once, until Ctrl-C.
//!
//! ```text
//! cargo run --example serve -- data
//! ```

#![allow(clippy::print_stdout, reason = "the example prints its result")]

use chartferry::{
    Error, Result,
    server::{Config, bind},
    store::{Durability, disk::Disk},
};
use std::path::Path;

#[tokio::main]
async fn main() -> Result<()> {
    let Some(folder) = std::env::args().nth(1) else {
        return Err(Error::usage("serve FOLDER"));
    };
    let disk = Disk::open(Path::new(&folder), Durability::Full)?;
    let bound = bind(disk, Config::default()).await?;
    println!("{}", bound.url());
    bound
        .run(async {
            // Without a handler for the signal the process ends at once.
            let _ = tokio::signal::ctrl_c().await;
        })
        .await;
    Ok(())
}
