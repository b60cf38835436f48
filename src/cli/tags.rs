//! `tags`, `search oci://…` and `resolve`: what a repository holds.

use super::{
    Run,
    exit::Exit,
    location::LayoutReference,
    output::{self, Format},
    remote::RemoteArgs,
    table::table,
};
use crate::{
    Error, Result,
    constraint::Constraint,
    limits::Limits,
    oci::{Reference, TagOrDigest, chart, media},
    ops::{place::Place, tags as op},
    store::{Fetch, Resolve, Tags},
    version::Version,
};
use clap::Args;
use futures_util::{StreamExt, TryStreamExt};
use serde_json::json;

/// Manifests and configs fetched side by side for a search.
const AT_ONCE: usize = 16;

#[derive(Debug, Args)]
pub(super) struct TagsArgs {
    /// `host/ns/name`, `oci://host/ns/name` or `layout:DIR`
    reference: String,
    /// How to write the list
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(super) struct SearchArgs {
    /// `oci://host/ns/name`
    reference: String,
    /// Show every version, not only the newest
    #[arg(long, short = 'l')]
    versions: bool,
    /// Only versions in a range
    #[arg(long)]
    version: Option<String>,
    /// Show prereleases too
    #[arg(long)]
    devel: bool,
    /// Widest column
    #[arg(long, default_value_t = 50)]
    max_col_width: usize,
    /// How to write the list
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(super) struct ResolveArgs {
    /// `host/ns/name:tag`, `oci://…` or `layout:DIR:tag`
    reference: String,
    /// Print the whole reference by digest
    #[arg(long, short = 'l')]
    full_reference: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// A repository to ask, its name, and what was asked of it.
fn place(
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

pub(super) fn tags(run: &Run, args: TagsArgs) -> Result<Exit> {
    run.block_on(async {
        let (place, _, _) = place(run, &args.reference, &args.remote)?;
        let mut tags = place.tags().await?;
        op::sort(&mut tags);
        match args.output {
            Format::Text => {
                output::print(tags.iter().map(|tag| format!("{tag}\n")).collect::<String>())
            }
            format => output::print_value(format, &json!({ "tags": tags })),
        }
    })?;
    Ok(Exit::Ok)
}

pub(super) fn search(run: &Run, args: SearchArgs) -> Result<Exit> {
    if !args.reference.starts_with("oci://") && !args.reference.starts_with("layout:") {
        return Err(Error::usage(format!("`{}` is no `oci://` reference", args.reference))
            .with_hint("searching chart repositories is not supported yet"));
    }
    run.block_on(async {
        let (place, name, _) = place(run, &args.reference, &args.remote)?;
        let range = match (&args.version, args.devel) {
            (Some(version), _) => version.as_str(),
            (None, true) => ">0.0.0-0",
            // Helm's own default for `search repo`, which hides 0.0.0.
            (None, false) => ">0.0.0",
        };
        let constraint = Constraint::parse(range).map_err(|error| Error::usage(error.to_string()))?;
        let mut tags = place.tags().await?;
        op::sort(&mut tags);
        tags.retain(|tag| {
            Version::parse_loose(&tag.replace('_', "+")).is_ok_and(|version| constraint.matches(&version))
        });
        if !args.versions {
            tags.truncate(1);
        }
        let rows: Vec<Option<Row>> = futures_util::stream::iter(tags)
            .map(|tag| row(&place, &name, tag))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let rows: Vec<Row> = rows.into_iter().flatten().collect();
        match args.output {
            Format::Text if rows.is_empty() => output::print("No results found\n"),
            Format::Text => {
                let cells: Vec<Vec<String>> = rows
                    .iter()
                    .map(|row| vec![row.name.clone(), row.version.clone(), row.app_version.clone(), row.description.clone()])
                    .collect();
                let header = ["NAME", "CHART VERSION", "APP VERSION", "DESCRIPTION"];
                output::print(table(&header, &cells, args.max_col_width))
            }
            format => {
                let values: Vec<serde_json::Value> = rows
                    .iter()
                    .map(|row| {
                        json!({"name": row.name, "version": row.version, "app_version": row.app_version, "description": row.description})
                    })
                    .collect();
                output::print_value(format, &values)
            }
        }
    })?;
    Ok(Exit::Ok)
}

struct Row {
    name: String,
    version: String,
    app_version: String,
    description: String,
}

/// Two small GETs a version: the manifest and its config, never the chart.
async fn row(place: &Place, name: &str, tag: String) -> Result<Option<Row>> {
    let manifest = place.fetch_manifest(&TagOrDigest::Tag(tag.parse()?)).await?;
    let Ok(found) = chart::find(&manifest) else { return Ok(None) };
    let mut config = serde_json::Value::Null;
    if let Some(blob) = found.config.filter(|config| config.media_type == media::CHART_CONFIG) {
        let bytes = place.fetch_blob(blob, Limits::default().config_bytes).await?;
        config = serde_json::from_slice(&bytes).unwrap_or_default();
    }
    let text = |key: &str, annotation: &str| {
        config
            .get(key)
            .and_then(|value| value.as_str())
            .or_else(|| manifest.document().annotations.get(annotation).map(String::as_str))
            .unwrap_or_default()
            .to_owned()
    };
    Ok(Some(Row {
        name: format!("oci://{name}"),
        version: text("version", media::VERSION),
        app_version: text("appVersion", ""),
        description: text("description", media::DESCRIPTION),
    }))
}

pub(super) fn resolve(run: &Run, args: ResolveArgs) -> Result<Exit> {
    run.block_on(async {
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
