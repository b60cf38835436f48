//! The command `artifact`, for artifacts of any files. [`crate::cli::oras`] has the same work with
//! the flags and texts of ORAS.

pub(super) mod attach;
pub(super) mod dialect;
pub(super) mod discover;
pub(super) mod files;
pub(super) mod place;
pub(super) mod pull;
pub(super) mod push;
pub(super) mod show;
mod tree;

use super::{Run, shell::exit::Exit};
use crate::Result;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum ArtifactCommand {
    /// Push files and directories as one artifact
    Push(push::PushArgs),
    /// Write the files of an artifact to a folder
    Pull(pull::PullArgs),
    /// Attach files or annotations to an artifact, such as an SBOM
    Attach(attach::AttachArgs),
    /// List what is attached to an artifact, as a tree
    Discover(discover::DiscoverArgs),
    /// Show what an artifact is, its layers and what is attached to it
    Show(show::ShowArgs),
}

pub(super) fn artifact(run: &Run, command: ArtifactCommand) -> Result<Exit> {
    match command {
        ArtifactCommand::Push(args) => push::push(run, args),
        ArtifactCommand::Pull(args) => pull::pull(run, args),
        ArtifactCommand::Attach(args) => attach::attach(run, args),
        ArtifactCommand::Discover(args) => discover::discover(run, args),
        ArtifactCommand::Show(args) => show::show(run, args),
    }
}
