//! The commands `oras repo ls` and `oras repo tags`.

use super::commands::TargetArgs;
use crate::{
    Error, ErrorKind, Result,
    cli::{
        Run,
        artifact::{
            dialect::{FormatArgs, Printing},
            place::{Place, Use},
        },
        shell::{exit::Exit, remote::RemoteArgs},
    },
    oci::{Digest, Reference, RepositoryName},
    store::Tags,
};
use clap::{Args, Subcommand};
use serde_json::json;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum RepoCommand {
    /// List the repositories of a registry
    #[command(visible_alias = "list")]
    Ls(RepoLsArgs),
    /// List the tags of a repository
    #[command(visible_alias = "show-tags")]
    Tags(RepoTagsArgs),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RepoLsArgs {
    /// List the repositories of `registry[/namespace]`
    name: String,
    /// List those after this one
    #[arg(long, value_name = "REPOSITORY")]
    last: Option<String>,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RepoTagsArgs {
    /// List the tags of `registry/repository`
    name: String,
    /// List those after this one
    #[arg(long, value_name = "TAG")]
    last: Option<String>,
    /// Leave out tags made of digests
    #[arg(long)]
    exclude_digest_tags: bool,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    target: TargetArgs,
}

pub(super) fn repo(run: &Run, command: RepoCommand) -> Result<Exit> {
    match command {
        RepoCommand::Ls(args) => {
            let printing = Printing::of_oras(&args.format, "text")?;
            let (registry, namespace) = Reference::parse_namespace(&args.name)?;
            let client = args.remote.client(run)?;
            let all = run.block_on(client.catalog(&registry))?;
            let names = below(&all, namespace.as_ref(), args.last.as_deref());
            // As in ORAS, only the text leaves the namespace out.
            let whole: Vec<String> = names
                .iter()
                .map(|name| match &namespace {
                    Some(namespace) => format!("{namespace}/{name}"),
                    None => name.clone(),
                })
                .collect();
            let value = json!({ "registry": registry.to_string(), "repositories": whole });
            printing.print(|| lines(&names), &value)?;
            Ok(Exit::Ok)
        }
        RepoCommand::Tags(args) => tags(run, &args),
    }
}

fn tags(run: &Run, args: &RepoTagsArgs) -> Result<Exit> {
    let printing = Printing::of_oras(&args.format, "text")?;
    let text = args.target.reference(&args.name);
    let place = Place::open(run, &text, &args.target.remote, Use::Read)?;
    let listed = run.block_on(place.repository.tags());
    let mut tags: Vec<String> = match listed {
        Ok(tags) => tags.iter().map(ToString::to_string).collect(),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return repositories_instead(run, args, &printing, error);
        }
        Err(error) => return Err(error),
    };
    tags.sort_unstable();
    if let Some(last) = &args.last {
        tags.retain(|tag| tag > last);
    }
    if args.exclude_digest_tags {
        // As in ORAS: a tag that is a digest once its first dash is read as a colon.
        tags.retain(|tag| tag.replacen('-', ":", 1).parse::<Digest>().is_err());
    }
    printing.print(|| lines(&tags), &json!({ "tags": tags }))?;
    Ok(Exit::Ok)
}

/// Lists the repositories of a namespace: the user asked for the tags of something that has none.
fn repositories_instead(
    run: &Run,
    args: &RepoTagsArgs,
    printing: &Printing,
    error: Error,
) -> Result<Exit> {
    if args.target.oci_layout {
        return Err(error);
    }
    let Ok((registry, Some(namespace))) = Reference::parse_namespace(&args.name) else {
        return Err(error);
    };
    let client = args.target.remote.client(run)?;
    // A registry that does not list its repositories gives the first error.
    let Ok(all) = run.block_on(client.catalog(&registry)) else { return Err(error) };
    let names = below(&all, Some(&namespace), None);
    if names.is_empty() {
        return Err(error);
    }
    run.talk.info(&format!(
        "note: `{}` is a namespace and has no tags; these are the repositories below it",
        args.name
    ));
    let value = json!({ "registry": registry.to_string(), "repositories": names });
    printing.print(|| lines(&names), &value)?;
    Ok(Exit::Ok)
}

/// Returns the names below a namespace, without the namespace, after `last`.
fn below(
    all: &[RepositoryName],
    namespace: Option<&RepositoryName>,
    last: Option<&str>,
) -> Vec<String> {
    let mut names: Vec<String> = all
        .iter()
        .filter_map(|name| match namespace {
            None => Some(name.as_str()),
            Some(namespace) => name.as_str().strip_prefix(namespace.as_str())?.strip_prefix('/'),
        })
        .filter(|name| last.is_none_or(|last| *name > last))
        .map(str::to_owned)
        .collect();
    names.sort_unstable();
    names
}

fn lines(all: &[String]) -> String {
    all.iter().map(|one| format!("{one}\n")).collect()
}
