//! The command `save PATH REF`: it saves a chart on this machine under a reference.

use super::{
    Run,
    push::{self, legacy},
    shell::{exit::Exit, links::LinkArgs, output},
};
use crate::{
    Result,
    limits::Limits,
    oci::Tag,
    ops::{push::prepare, saved::SavedReference},
    version::Version,
};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct SaveArgs {
    /// Save this chart source or archive
    path: PathBuf,
    /// Save as `[host/]namespace/name[:tag]`; without a tag, the chart's version
    reference: String,
    #[command(flatten)]
    links: LinkArgs,
}

pub(super) fn save(run: &Run, args: &SaveArgs) -> Result<Exit> {
    let mut reference: SavedReference = args.reference.parse()?;
    let chart = push::prepare(run, &args.path, args.links, &Limits::default())?;
    push::print_notes(run, &chart);
    let tag = match &reference.tag {
        Some(tag) => tag.clone(),
        None => Tag::from_version(&chart.metadata.version)?,
    };
    let version = &chart.metadata.version;
    // A commit or a word may be the tag of any version, but another version is probably an error.
    if Version::parse_strict(tag.as_str()).is_ok()
        && Tag::from_version(version).is_ok_and(|own| own != tag)
    {
        run.talk.warn(&format!("the chart has version {version} and is saved as `{tag}`"));
    }
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
