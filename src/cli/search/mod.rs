//! The command `search oci://…`, which lists the versions of a chart in a registry. `search repo`
//! is in its own file.

pub(super) mod repo;

use super::{
    Run,
    repo::Format,
    shell::{exit::Exit, location_grammar::LocationText, output, remote::RemoteArgs, table::table},
    tags::place,
};
use crate::{
    Error, ErrorKind, Result,
    constraint::Constraint,
    limits::Limits,
    oci::{Manifest, Tag, TagOrDigest, chart, media},
    ops::{
        any_repository::AnyRepository,
        chart_manifest::{chart_of, first_chart},
        tag_order,
    },
    store::{Fetch, Tags},
};
use clap::Args;
use futures_util::{StreamExt, TryStreamExt};
use serde_json::json;

/// The number of manifests and configs downloaded at once for a search.
const AT_ONCE: usize = 16;

#[derive(Debug, Args)]
pub(super) struct SearchArgs {
    /// Search `repo [KEYWORD…]`, or list `oci://host/ns/name`
    #[arg(required = true, value_name = "WHAT")]
    words: Vec<String>,
    /// Show every version, not only the newest
    #[arg(long, short = 'l')]
    pub(super) versions: bool,
    /// Show only versions in a range
    #[arg(long)]
    pub(super) version: Option<String>,
    /// Show prereleases too
    #[arg(long)]
    pub(super) devel: bool,
    /// Cut columns at this width
    #[arg(long, default_value_t = 50)]
    pub(super) max_col_width: usize,
    /// Match the keywords as a regular expression
    #[arg(long, short = 'r')]
    pub(super) regexp: bool,
    /// Fail when nothing is found
    #[arg(long)]
    pub(super) fail_on_no_result: bool,
    /// Write the list in this format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    pub(super) output: Format,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(super) fn search(run: &Run, args: SearchArgs) -> Result<Exit> {
    let reference = match &args.words[..] {
        [word, keywords @ ..] if word == "repo" => {
            return repo::search(run, &args, keywords);
        }
        [reference]
            if matches!(
                LocationText::parse(reference),
                LocationText::Oci(_) | LocationText::Layout(_)
            ) =>
        {
            reference.clone()
        }
        words => {
            let words = words.join(" ");
            return Err(Error::usage(format!("`{words}` is no `oci://` reference")).with_hint(
                format!("`chartferry search repo {words}` searches the chart repositories"),
            ));
        }
    };
    run.block_on(async {
        let (place, name, _) = place(run, &reference, &args.remote)?;
        let range = match (&args.version, args.devel) {
            (Some(version), _) => version.as_str(),
            (None, true) => ">0.0.0-0",
            // This is Helm's default for `search repo`, which hides 0.0.0.
            (None, false) => ">0.0.0",
        };
        let constraint = Constraint::parse(range).map_err(|error| Error::usage(error.to_string()))?;
        let mut tags = place.tags().await?;
        tag_order::sort(&mut tags);
        tags.retain(|tag| tag.version().is_some_and(|version| constraint.matches(&version)));
        let rows: Vec<Row> = if args.versions {
            let rows: Vec<Option<Row>> = futures_util::stream::iter(tags)
                .map(|tag| row_of(&place, &name, tag))
                .buffered(AT_ONCE)
                .try_collect()
                .await?;
            rows.into_iter().flatten().collect()
        } else {
            newest(&place, &name, &tags).await?.into_iter().collect()
        };
        match args.output {
            _ if rows.is_empty() && args.fail_on_no_result => {
                Err(Error::not_found("no results found"))
            }
            Format::Table if rows.is_empty() => output::print("No results found\n"),
            Format::Table => {
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
                output::print_value(format.into(), &values)
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

/// Returns the newest tag that refers to a chart; a repository may have images beside charts.
async fn newest(place: &AnyRepository, name: &str, tags: &[Tag]) -> Result<Option<Row>> {
    if tags.is_empty() {
        return Ok(None);
    }
    match first_chart(place, name, tags).await {
        Ok(first) => row(place, name, &first.manifest).await.map(Some),
        Err(error) if matches!(error.kind(), ErrorKind::Invalid | ErrorKind::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns a tag's row, or `None` if it is not a chart.
async fn row_of(place: &AnyRepository, name: &str, tag: Tag) -> Result<Option<Row>> {
    let manifest = place.fetch_manifest(&TagOrDigest::Tag(tag)).await?;
    match chart_of(place, manifest).await {
        Ok(manifest) if chart::find(&manifest).is_ok() => {
            row(place, name, &manifest).await.map(Some)
        }
        Ok(_) => Ok(None),
        Err(error) if error.kind() == ErrorKind::Invalid => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns a version's row. It takes two small GETs: the manifest and its config, never the chart.
async fn row(place: &AnyRepository, name: &str, manifest: &Manifest) -> Result<Row> {
    let found = chart::find(manifest)?;
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
    Ok(Row {
        name: format!("oci://{name}"),
        version: text("version", media::VERSION),
        app_version: text("appVersion", ""),
        description: text("description", media::DESCRIPTION),
    })
}
