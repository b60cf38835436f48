//! The commands `oras manifest` and `oras blob`.

use super::commands::TargetArgs;
use crate::{
    Result,
    cli::{
        Run,
        artifact::dialect::{FormatArgs, Printing},
        object::{
            self,
            index::{self, ChangeArgs, IndexArgs},
        },
        shell::{exit::Exit, journal::JournalArgs},
    },
    oci::{Platform, media},
};
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ManifestCommand {
    /// Print a manifest
    #[command(visible_aliases = ["get", "show"])]
    Fetch(ManifestFetchArgs),
    /// Print the config of a manifest
    #[command(visible_alias = "get-config")]
    FetchConfig(FetchConfigArgs),
    /// Push a manifest
    Push(ManifestPushArgs),
    /// Delete a manifest with all its tags
    #[command(visible_aliases = ["remove", "rm"])]
    Delete(DeleteArgs),
    /// Compose and change indexes of manifests
    #[command(subcommand)]
    Index(IndexCommand),
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum IndexCommand {
    /// Push an index of manifests of the same repository
    #[command(visible_alias = "pack")]
    Create(IndexCreateArgs),
    /// Change the entries of an index
    Update(IndexUpdateArgs),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ManifestFetchArgs {
    /// Print the manifest of `registry/repository:tag` or `registry/repository@digest`
    name: String,
    /// Print its descriptor
    #[arg(long)]
    descriptor: bool,
    /// Indent the JSON
    #[arg(long)]
    pretty: bool,
    /// Accept these media types; all of them are accepted
    #[arg(long, value_name = "TYPE")]
    media_type: Vec<String>,
    /// Take the manifest of this platform of an index, `os/arch[/variant][:os-version]`
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<Platform>,
    /// Write it to this file, or to stdout with `-`
    #[arg(long, short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct FetchConfigArgs {
    /// Print the config of `registry/repository:tag` or `registry/repository@digest`
    name: String,
    /// Print its descriptor
    #[arg(long)]
    descriptor: bool,
    /// Indent the JSON
    #[arg(long)]
    pretty: bool,
    /// Take the manifest of this platform of an index, `os/arch[/variant][:os-version]`
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<Platform>,
    /// Write it to this file, or to stdout with `-`
    #[arg(long, short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ManifestPushArgs {
    /// Push to `registry/repository[:tag,…|@digest]`
    name: String,
    /// Push the manifest in this file; `-` is stdin
    file: PathBuf,
    /// Use this media type if the manifest names none
    #[arg(long, value_name = "TYPE")]
    media_type: Option<String>,
    /// Print the descriptor
    #[arg(long)]
    descriptor: bool,
    /// Indent the descriptor
    #[arg(long)]
    pretty: bool,
    /// Do this many things at once; a manifest is one
    #[arg(long, value_name = "N")]
    concurrency: Option<usize>,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DeleteArgs {
    /// Delete `registry/repository:tag` or `registry/repository@digest`
    name: String,
    /// Do not ask
    #[arg(long, short = 'f')]
    force: bool,
    /// Print the descriptor
    #[arg(long)]
    descriptor: bool,
    /// Indent the descriptor
    #[arg(long)]
    pretty: bool,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct IndexCreateArgs {
    /// Push the index to `registry/repository[:tag,…]`
    name: String,
    /// Add these manifests of the repository: tags or digests
    #[arg(value_name = "TAG|DIGEST")]
    sources: Vec<String>,
    #[command(flatten)]
    own: IndexArgs,
    /// Write the index to this file and push nothing; `-` is stdout
    #[arg(long, short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,
    /// Indent the index of `--output`
    #[arg(long)]
    pretty: bool,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct IndexUpdateArgs {
    /// Change the index `registry/repository:tag` or `registry/repository@digest`
    name: String,
    #[command(flatten)]
    changes: ChangeArgs,
    /// Write the index to this file and push nothing; `-` is stdout
    #[arg(long, short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,
    /// Indent the index of `--output`
    #[arg(long)]
    pretty: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// Returns the choice of a descriptor: whether it is printed, and whether it is indented.
fn described(descriptor: bool, pretty: bool) -> Option<bool> {
    descriptor.then_some(pretty)
}

pub(super) fn manifest(run: &Run, command: ManifestCommand) -> Result<Exit> {
    match command {
        ManifestCommand::Fetch(args) => {
            let job = object::manifest::Reading {
                reference: &args.target.reference(&args.name),
                descriptor: args.descriptor,
                pretty: args.pretty,
                platform: args.platform.as_ref(),
                to: args.output.as_deref(),
                printing: Printing::of_oras(&args.format, "text")?,
                remote: &args.target.remote,
            };
            object::manifest::fetch_job(run, &job)
        }
        ManifestCommand::FetchConfig(args) => {
            let job = object::manifest::Reading {
                reference: &args.target.reference(&args.name),
                descriptor: args.descriptor,
                pretty: args.pretty,
                platform: args.platform.as_ref(),
                to: args.output.as_deref(),
                printing: Printing::OrasText,
                remote: &args.target.remote,
            };
            object::manifest::config_job(run, &job)
        }
        ManifestCommand::Push(args) => {
            let job = object::manifest::Pushing {
                reference: &args.target.reference(&args.name),
                file: &args.file,
                media_type: args.media_type.as_deref(),
                descriptor: described(args.descriptor, args.pretty),
                printing: Printing::OrasText,
                journal: &JournalArgs::default(),
                remote: &args.target.remote,
            };
            object::manifest::push_job(run, &job)
        }
        ManifestCommand::Delete(args) => {
            let reference = args.target.reference(&args.name);
            object::manifest::delete_job(run, &deleting(&args, &reference))
        }
        ManifestCommand::Index(IndexCommand::Create(args)) => {
            let reference = args.target.reference(&args.name);
            let job = index_job(&reference, &args.output, args.pretty, &args.target);
            index::create_job(run, &job, &args.sources, &args.own)
        }
        ManifestCommand::Index(IndexCommand::Update(args)) => {
            let reference = args.target.reference(&args.name);
            let job = index_job(&reference, &args.output, args.pretty, &args.target);
            index::update_job(run, &job, &args.changes)
        }
    }
}

fn deleting<'a>(args: &'a DeleteArgs, reference: &'a str) -> object::manifest::Deleting<'a> {
    object::manifest::Deleting {
        reference,
        force: args.force,
        descriptor: described(args.descriptor, args.pretty),
        printing: Printing::OrasText,
        remote: &args.target.remote,
    }
}

fn index_job<'a>(
    reference: &'a str,
    output: &'a Option<PathBuf>,
    pretty: bool,
    target: &'a TargetArgs,
) -> index::Job<'a> {
    index::Job {
        reference,
        to: output.as_deref(),
        pretty,
        printing: Printing::OrasText,
        journal: const { &JournalArgs { journal: None } },
        remote: &target.remote,
    }
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum BlobCommand {
    /// Write a blob to a file or to stdout
    #[command(visible_alias = "get")]
    Fetch(BlobFetchArgs),
    /// Push a file as a blob
    Push(BlobPushArgs),
    /// Delete a blob
    #[command(visible_aliases = ["remove", "rm"])]
    Delete(DeleteArgs),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct BlobFetchArgs {
    /// Fetch `registry/repository@digest`
    name: String,
    /// Print its descriptor
    #[arg(long)]
    descriptor: bool,
    /// Indent the descriptor
    #[arg(long)]
    pretty: bool,
    /// Write it to this file, or to stdout with `-`
    #[arg(long, short = 'o', value_name = "FILE", required_unless_present = "descriptor")]
    output: Option<PathBuf>,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct BlobPushArgs {
    /// Push to `registry/repository[@digest]`
    name: String,
    /// Push this file; `-` is stdin
    file: PathBuf,
    /// Print the descriptor
    #[arg(long)]
    descriptor: bool,
    /// Indent the descriptor
    #[arg(long)]
    pretty: bool,
    /// Name this media type in the descriptor
    #[arg(long, value_name = "TYPE", default_value = media::IMAGE_LAYER)]
    media_type: String,
    /// Require that the content has this many bytes
    #[arg(long, value_name = "BYTES")]
    size: Option<u64>,
    #[command(flatten)]
    target: TargetArgs,
}

pub(super) fn blob(run: &Run, command: BlobCommand) -> Result<Exit> {
    match command {
        BlobCommand::Fetch(args) => {
            let reference = args.target.reference(&args.name);
            let descriptor = described(args.descriptor, args.pretty);
            let to = args.output.as_deref();
            object::blob::fetch_job(run, &reference, descriptor, to, &args.target.remote)
        }
        BlobCommand::Push(args) => {
            let job = object::blob::Pushing {
                reference: &args.target.reference(&args.name),
                file: &args.file,
                media_type: &args.media_type,
                size: args.size,
                descriptor: described(args.descriptor, args.pretty),
                printing: Printing::OrasText,
                remote: &args.target.remote,
            };
            object::blob::push_job(run, &job)
        }
        BlobCommand::Delete(args) => {
            let reference = args.target.reference(&args.name);
            object::blob::delete_job(run, &deleting(&args, &reference))
        }
    }
}
