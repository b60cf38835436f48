//! The commands for single objects: `manifest`, `blob`, `tag` and `untag`. [`crate::cli::oras`] has
//! the same work with the flags and texts of ORAS.

pub(super) mod blob;
mod confirm;
pub(super) mod document;
pub(super) mod index;
pub(super) mod manifest;
pub(super) mod tag;

use super::{Run, shell::exit::Exit};
use crate::Result;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum ManifestCommand {
    /// Print a manifest
    #[command(visible_alias = "get")]
    Fetch(manifest::FetchArgs),
    /// Print the config of a manifest
    #[command(visible_alias = "get-config")]
    FetchConfig(manifest::FetchConfigArgs),
    /// Push a manifest
    Push(manifest::PushArgs),
    /// Delete a manifest with all its tags
    #[command(visible_alias = "rm")]
    Delete(manifest::DeleteArgs),
    /// Compose and change indexes of manifests
    #[command(subcommand)]
    Index(IndexCommand),
}

#[derive(Debug, Subcommand)]
pub(super) enum IndexCommand {
    /// Push an index of manifests of the same repository
    Create(index::CreateArgs),
    /// Change the entries of an index
    Update(index::UpdateArgs),
}

#[derive(Debug, Subcommand)]
pub(super) enum BlobCommand {
    /// Write a blob to a file or to stdout
    #[command(visible_alias = "get")]
    Fetch(blob::FetchArgs),
    /// Push a file as a blob
    Push(blob::PushArgs),
    /// Delete a blob
    #[command(visible_alias = "rm")]
    Delete(blob::DeleteArgs),
}

pub(super) fn manifest(run: &Run, command: ManifestCommand) -> Result<Exit> {
    match command {
        ManifestCommand::Fetch(args) => manifest::fetch(run, &args),
        ManifestCommand::FetchConfig(args) => manifest::fetch_config(run, &args),
        ManifestCommand::Push(args) => manifest::push(run, &args),
        ManifestCommand::Delete(args) => manifest::delete(run, &args),
        ManifestCommand::Index(IndexCommand::Create(args)) => index::create(run, &args),
        ManifestCommand::Index(IndexCommand::Update(args)) => index::update(run, &args),
    }
}

pub(super) fn blob(run: &Run, command: BlobCommand) -> Result<Exit> {
    match command {
        BlobCommand::Fetch(args) => blob::fetch(run, &args),
        BlobCommand::Push(args) => blob::push(run, &args),
        BlobCommand::Delete(args) => blob::delete(run, &args),
    }
}
