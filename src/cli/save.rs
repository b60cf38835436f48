//! `save PATH REF`: keep a chart on this machine under a reference.

use super::{Run, exit::Exit, legacy, output, push};
use crate::{
    Result,
    limits::Limits,
    oci::Tag,
    ops::{prepare, saved::SavedReference},
};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct SaveArgs {
    /// A chart's source or archive
    path: PathBuf,
    /// `[host/]namespace/name[:tag]`; without a tag, the chart's version
    reference: String,
}

pub(super) fn save(run: &Run, args: &SaveArgs) -> Result<Exit> {
    let mut reference: SavedReference = args.reference.parse()?;
    let chart = push::prepare(run, &args.path, &Limits::default())?;
    let tag = match &reference.tag {
        Some(tag) => tag.clone(),
        None => Tag::from_version(&chart.metadata.version)?,
    };
    reference.tag = Some(tag.clone());
    let store = run.saved().write(&reference)?;
    let manifest = run.block_on(prepare::save(&store, &chart, &tag))?;
    let metadata = &chart.metadata;
    let block = legacy::block(
        &reference.to_string(),
        manifest.digest(),
        chart.content.size,
        &metadata.name,
        &metadata.version,
    );
    output::print(format!("{block}{tag}: saved\n")).map(|()| Exit::Ok)
}
