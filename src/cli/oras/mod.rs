//! The commands of ORAS with its flags and texts, over the same work as chartferry's own commands.
//! The words after `oras` are parsed separately, as those after `chart`.

mod backup;
mod commands;
mod objects;
mod repo;
mod words;

use super::{Global, Run, shell::exit::Exit};
use crate::Result;
use clap::{Parser, Subcommand};

pub(super) use words::own;

/// Run the commands of ORAS
#[derive(Debug, Parser)]
#[command(name = "chartferry oras", max_term_width = 110)]
pub(super) struct OrasCli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: OrasCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum OrasCommand {
    /// Push files as an artifact
    Push(commands::PushArgs),
    /// Pull an artifact's files
    Pull(commands::PullArgs),
    /// Attach files to an artifact
    Attach(commands::AttachArgs),
    /// List what is attached to an artifact
    Discover(commands::DiscoverArgs),
    /// Copy an artifact
    #[command(alias = "copy")]
    Cp(commands::CopyArgs),
    /// Save tags of a repository to a folder or a tar file
    Backup(backup::BackupArgs),
    /// Restore the tags of a backup
    Restore(backup::RestoreArgs),
    /// Give further tags to an artifact
    Tag(commands::TagArgs),
    /// Print the digest of an artifact
    #[command(alias = "digest")]
    Resolve(commands::ResolveArgs),
    /// Sign in to a registry
    Login(super::registry::login::LoginArgs),
    /// Remove a registry's stored credentials
    Logout(super::registry::login::LogoutArgs),
    /// Work with manifests
    #[command(subcommand)]
    Manifest(objects::ManifestCommand),
    /// Work with blobs
    #[command(subcommand)]
    Blob(objects::BlobCommand),
    /// List repositories and tags
    #[command(subcommand)]
    Repo(repo::RepoCommand),
    /// Print this program's version
    Version,
}

pub(super) fn oras(run: &Run, command: OrasCommand) -> Result<Exit> {
    match command {
        OrasCommand::Push(args) => commands::push(run, args),
        OrasCommand::Pull(args) => commands::pull(run, args),
        OrasCommand::Attach(args) => commands::attach(run, args),
        OrasCommand::Discover(args) => commands::discover(run, args),
        OrasCommand::Cp(args) => commands::copy(run, args),
        OrasCommand::Backup(args) => backup::backup(run, &args),
        OrasCommand::Restore(args) => backup::restore(run, &args),
        OrasCommand::Tag(args) => commands::tag(run, args),
        OrasCommand::Resolve(args) => commands::resolve(run, args),
        OrasCommand::Login(args) => super::registry::login::login(run, args),
        OrasCommand::Logout(args) => super::registry::login::logout(run, &args),
        OrasCommand::Manifest(command) => objects::manifest(run, command),
        OrasCommand::Blob(command) => objects::blob(run, command),
        OrasCommand::Repo(command) => repo::repo(run, command),
        OrasCommand::Version => super::version(),
    }
}
