//! The commands `tags` and `resolve`, which print the tags and digests of a repository.

use super::{
    Run,
    shell::{
        exit::Exit,
        location::{LayoutReference, is_in_repository},
        location_grammar::LocationText,
        output::{self, Format},
        remote::RemoteArgs,
        repository_flags::{self, Chart, RepositoryArgs},
    },
};
use crate::{
    Error, Result,
    limits::Limits,
    oci::{Reference, TagOrDigest},
    ops::{
        any_repository::AnyRepository,
        chart_manifest::first_chart,
        pull::Provenance,
        tag_not_found, tag_order,
        tags::{self as op, ChartRequest, Devel},
    },
    redact::without_proof,
    store::{Resolve, Tags},
};
use clap::Args;
use serde_json::json;

#[derive(Debug, Args)]
pub(super) struct TagsArgs {
    /// List the tags of `host/ns/name`, `oci://host/ns/name`, `repo/chart` or `layout:DIR`
    reference: String,
    /// Write the list in this format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(super) struct ResolveArgs {
    /// Resolve `host/ns/name[:tag]`, `oci://…`, `repo/chart` or `layout:DIR[:tag]`; default: the
    /// newest version
    reference: String,
    /// Print the whole reference by digest
    #[arg(long, short = 'l')]
    full_reference: bool,
    /// Use this version, range or tag
    #[arg(long)]
    version: Option<String>,
    /// Include prereleases if no version is given
    #[arg(long)]
    devel: bool,
    /// Write the result in this format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Returns a repository for requests, its name, and the rest of the reference.
pub(super) fn place(
    run: &Run,
    text: &str,
    remote: &RemoteArgs,
) -> Result<(AnyRepository, String, Option<TagOrDigest>)> {
    if let LocationText::Layout(rest) = LocationText::parse(text) {
        let layout = LayoutReference::parse(rest)?;
        let target = layout
            .digest
            .clone()
            .map(TagOrDigest::Digest)
            .or(layout.tag.clone().map(TagOrDigest::Tag));
        return Ok((
            AnyRepository::Layout(Box::new(layout.open()?)),
            format!("layout:{}", layout.folder.display()),
            target,
        ));
    }
    let reference: Reference = text.parse()?;
    let repository = remote.client(run)?.repository(&reference.registry, &reference.repository);
    Ok((AnyRepository::Registry(repository), reference.repository_path(), reference.target()))
}

/// Returns the versions of `repo/chart`, newest first, if `text` is one.
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
                tag_order::sort(&mut tags);
                tags.iter().map(ToString::to_string).collect()
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

/// The result of resolving a reference.
struct Resolved {
    /// The reference by digest.
    full: String,
    /// The digest of the manifest, or of the archive in a chart repository.
    digest: String,
    /// The tag, or the version in a chart repository. `None` for a digest.
    version: Option<String>,
}

/// Resolves `repo/chart`: returns the archive's digest from the index. If the index refers to a
/// registry, returns the manifest's digest.
async fn resolve_chart(
    run: &Run,
    args: &ResolveArgs,
    repository: &str,
    chart: &str,
) -> Result<Resolved> {
    let repository = &run.repository_files().find(repository, &Limits::default())?;
    let chart = Chart::Configured { repository, chart };
    let version = args.version.as_deref();
    let chart_repository = RepositoryArgs::default();
    let located = chart_repository.locate(run, &args.remote, chart, version, args.devel).await?;
    if located.url.starts_with("oci://") {
        // The index names that registry, so it does not get the user name and password of the
        // flags.
        let remote = args.remote.nameless();
        let found = resolve_registry(run, &located.url, &remote, (None, false)).await?;
        return Ok(Resolved { version: Some(located.version), ..found });
    }
    let digest = match located.digest.digest() {
        Some(digest) => digest.to_string(),
        // Only the archive itself has the digest.
        None => repository_flags::fetch(run, &located, Provenance::Leave).await?.digest.to_string(),
    };
    Ok(Resolved {
        full: format!("{}@{digest}", located.url),
        digest,
        version: Some(located.version),
    })
}

/// Returns the digest for a tag, or for the newest tag within a range.
async fn resolve_registry(
    run: &Run,
    text: &str,
    remote: &RemoteArgs,
    (version, devel): (Option<String>, bool),
) -> Result<Resolved> {
    let (place, name, target) = place(run, text, remote)?;
    let (tag, digest) = match target {
        Some(TagOrDigest::Tag(tag)) => (Some(tag), None),
        Some(TagOrDigest::Digest(digest)) => (None, Some(digest)),
        None => (None, None),
    };
    let devel = if devel { Devel::Prereleases } else { Devel::Releases };
    let wanted = ChartRequest { tag, digest, version, devel };
    let choice = op::choose(&place, &name, &wanted).await?;
    op::require_agreement(&place, &name, &choice).await?;
    let (target, digest) = match (choice.fitting(), choice.target.clone()) {
        ([], target) => {
            let Some(found) = place.resolve(&target).await? else {
                return Err(match target {
                    TagOrDigest::Tag(tag) => tag_not_found::error(&place, &name, &tag, None).await,
                    TagOrDigest::Digest(digest) => {
                        Error::not_found(format!("{name}@{digest}: not found"))
                    }
                });
            };
            (target, found.digest)
        }
        (tags, _) => {
            let first = first_chart(&place, &name, tags).await?;
            for passed in &first.passed {
                run.talk.warn(passed);
            }
            (TagOrDigest::Tag(first.tag), first.root.digest().clone())
        }
    };
    Ok(Resolved {
        full: format!("{name}@{digest}"),
        digest: digest.to_string(),
        version: match target {
            TagOrDigest::Tag(tag) => Some(tag.to_string()),
            TagOrDigest::Digest(_) => None,
        },
    })
}

pub(super) fn resolve(run: &Run, args: ResolveArgs) -> Result<Exit> {
    run.block_on(async {
        let chart = args.reference.split_once('/').filter(|_| is_in_repository(&args.reference));
        let found = match chart {
            Some((repository, chart)) => resolve_chart(run, &args, repository, chart).await?,
            None => {
                let wanted = (args.version.clone(), args.devel);
                resolve_registry(run, &args.reference, &args.remote, wanted).await?
            }
        };
        match args.output {
            Format::Text if args.full_reference => output::println(found.full),
            Format::Text => output::println(found.digest),
            format => output::print_value(
                format,
                &json!({
                    "ref": without_proof(&found.full),
                    "version": found.version,
                    "digest": found.digest,
                }),
            ),
        }
    })?;
    Ok(Exit::Ok)
}
