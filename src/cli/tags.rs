//! `tags` and `resolve`: what a repository holds.

use super::{
    Run,
    classic::{self, Chart, ClassicArgs},
    exit::Exit,
    location::{LayoutReference, is_in_repository},
    output::{self, Format},
    remote::RemoteArgs,
};
use crate::{
    Error, Result,
    limits::Limits,
    oci::{Reference, TagOrDigest},
    ops::{place::Place, pull::Provenance, tags as op},
    store::{Resolve, Tags},
};
use clap::Args;
use serde_json::json;

#[derive(Debug, Args)]
pub(super) struct TagsArgs {
    /// `host/ns/name`, `oci://host/ns/name`, `repo/chart` or `layout:DIR`
    reference: String,
    /// How to write the list
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(super) struct ResolveArgs {
    /// `host/ns/name:tag`, `oci://…`, `repo/chart` or `layout:DIR:tag`
    reference: String,
    /// Print the whole reference by digest
    #[arg(long, short = 'l')]
    full_reference: bool,
    /// Version or range, for a chart of a repository
    #[arg(long)]
    version: Option<String>,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// A repository to ask, its name, and what was asked of it.
pub(super) fn place(
    run: &Run,
    text: &str,
    remote: &RemoteArgs,
) -> Result<(Place, String, Option<TagOrDigest>)> {
    if let Some(rest) = text.strip_prefix("layout:") {
        let layout = LayoutReference::parse(rest)?;
        let target = layout
            .digest
            .clone()
            .map(TagOrDigest::Digest)
            .or(layout.tag.clone().map(TagOrDigest::Tag));
        return Ok((
            Place::Layout(Box::new(layout.open()?)),
            format!("layout:{}", layout.folder.display()),
            target,
        ));
    }
    let reference: Reference = text.parse()?;
    let repository = remote.client(run)?.repository(&reference.registry, &reference.repository);
    Ok((Place::Registry(repository), reference.repository_path(), reference.target()))
}

/// The versions of `repo/chart`, newest first, if that is what `text` is.
fn versions(run: &Run, text: &str) -> Result<Option<Vec<String>>> {
    let Some((repository, chart)) = text.split_once('/').filter(|_| is_in_repository(text)) else {
        return Ok(None);
    };
    let (files, limits) = (run.repository_files(), Limits::default());
    files.find(repository, &limits)?;
    let index = files.index(repository, &limits)?;
    let chart = index.chart(chart).ok_or_else(|| {
        Error::not_found(format!("the index of `{repository}` has no chart `{chart}`"))
            .with_hint("`chartferry repo update` fetches the newest index")
    })?;
    Ok(Some(chart.versions().iter().map(|line| line.version().to_owned()).collect()))
}

pub(super) fn tags(run: &Run, args: TagsArgs) -> Result<Exit> {
    run.block_on(async {
        let tags = match versions(run, &args.reference)? {
            Some(versions) => versions,
            None => {
                let (place, _, _) = place(run, &args.reference, &args.remote)?;
                let mut tags = place.tags().await?;
                op::sort(&mut tags);
                tags
            }
        };
        match args.output {
            Format::Text => {
                output::print(tags.iter().map(|tag| format!("{tag}\n")).collect::<String>())
            }
            format => output::print_value(format, &json!({ "tags": tags })),
        }
    })?;
    Ok(Exit::Ok)
}

/// `resolve repo/chart`: the digest of the archive, as the index has it.
async fn resolve_chart(run: &Run, args: &ResolveArgs, repository: &str, chart: &str) -> Result<()> {
    let repository = &run.repository_files().find(repository, &Limits::default())?;
    let chart = Chart::Configured { repository, chart };
    let version = args.version.as_deref();
    let located = ClassicArgs::default().locate(run, &args.remote, chart, version, false).await?;
    let digest = match &located.digest {
        Some(digest) => format!("sha256:{digest}"),
        // Only the archive itself can tell.
        None => classic::fetch(run, &located, Provenance::Leave).await?.digest.to_string(),
    };
    output::println(if args.full_reference { format!("{}@{digest}", located.url) } else { digest })
}

pub(super) fn resolve(run: &Run, args: ResolveArgs) -> Result<Exit> {
    run.block_on(async {
        if let Some((repository, chart)) =
            args.reference.split_once('/').filter(|_| is_in_repository(&args.reference))
        {
            return resolve_chart(run, &args, repository, chart).await;
        }
        if args.version.is_some() {
            return Err(Error::usage("`--version` is for a chart of a repository")
                .with_hint("write `host/ns/name:tag`"));
        }
        let (place, name, target) = place(run, &args.reference, &args.remote)?;
        let target = target.ok_or_else(|| {
            Error::usage(format!("`{}` names no tag", args.reference))
                .with_hint("write `host/ns/name:tag`")
        })?;
        let Some(found) = place.resolve(&target).await? else {
            return Err(match target {
                TagOrDigest::Tag(tag) => op::missing(&place, &name, &tag, None).await,
                TagOrDigest::Digest(digest) => {
                    Error::not_found(format!("{name}@{digest}: not found"))
                }
            });
        };
        output::println(if args.full_reference {
            format!("{name}@{}", found.digest)
        } else {
            found.digest.to_string()
        })
    })?;
    Ok(Exit::Ok)
}
