//! `push FILE|DIR… oci://host/ns`, and the old `push REF`.

use super::{
    Run,
    exit::Exit,
    legacy,
    output::{self, Format},
    progress::Progress,
    remote::RemoteArgs,
};
use crate::{
    Error, Result,
    client::Intent,
    limits::Limits,
    oci::{Reference, Registry, RepositoryName, Tag, chart::LayerOrder},
    ops::{
        package,
        place::Place,
        prepare::{self, Beside},
        push::{self as op, Existing, Outgoing, Report, Status, Verified, Verify},
        saved::is_registry,
    },
    store::layout::Layout,
};
use clap::{Args, ValueEnum};
use futures_util::StreamExt;
use serde_json::json;
use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

/// Charts pushed side by side. Registries count requests, not connections; 8 hides a round trip of 100 ms.
const AT_ONCE: usize = 8;

#[derive(Debug, Args)]
pub(super) struct PushArgs {
    /// Archives or chart sources, then `oci://host/namespace` or `layout:DIR`; or one `host/ns/name:tag`
    #[arg(required = true, value_name = "CHART|DESTINATION")]
    items: Vec<String>,
    /// Replace a version that holds another chart
    #[arg(long, visible_alias = "force")]
    overwrite: bool,
    /// Leave a tag that exists as it is
    #[arg(long, conflicts_with = "overwrite")]
    skip_existing: bool,
    /// How to verify what was pushed
    #[arg(long, value_enum, default_value_t = VerifyArg::Manifest)]
    verify: VerifyArg,
    /// Order of chart and provenance in the manifest
    #[arg(long, value_enum, default_value_t = OrderArg::ChartFirst)]
    layer_order: OrderArg,
    /// Annotation of the manifest
    #[arg(long, value_name = "KEY=VALUE")]
    annotation: Vec<String>,
    /// Write the digests to a file, one a line
    #[arg(long, value_name = "FILE")]
    digest_file: Option<PathBuf>,
    /// With a reference alone: the chart to push
    #[arg(long, value_name = "PATH")]
    chart: Option<PathBuf>,
    /// With a reference alone: where the chart is taken from
    #[arg(long, value_enum)]
    from: Option<From>,
    /// How to write the result
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum VerifyArg {
    /// Read the manifest back
    Manifest,
    /// Read the manifest and every layer back
    Full,
    /// Only compare the digests the registry answers
    None,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OrderArg {
    /// The chart, then its provenance
    ChartFirst,
    /// By digest, as Helm
    Helm,
}

/// Where the old `push REF` takes the chart from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum From {
    /// The saved charts
    Store,
    /// An archive in this folder
    Archive,
    /// A chart's source: `.`, `./NAME` or `./charts/NAME`
    Dir,
}

/// A finished push, ready to be told.
#[derive(Debug)]
pub(super) struct Told {
    /// `host/ns/name`
    pub(super) name: String,
    pub(super) report: Report,
}

pub(super) fn push(run: &Run, args: PushArgs) -> Result<Exit> {
    let limits = Limits::default();
    let options = args.options(run)?;
    let (destination, charts) =
        args.items.split_last().ok_or_else(|| Error::usage("nothing to push"))?;
    if charts.is_empty() {
        if Path::new(destination).exists() {
            return Err(Error::usage(format!("`{destination}` has no destination"))
                .with_hint(format!("chartferry push {destination} oci://HOST/NAMESPACE")));
        }
        return run
            .block_on(legacy::push(
                run,
                &args.remote,
                destination,
                args.chart.as_deref(),
                args.from,
                &options,
                &limits,
            ))
            .and_then(|told| args.tell(run, &[told]))
            .map(|()| Exit::Ok);
    }
    if args.chart.is_some() || args.from.is_some() {
        return Err(Error::usage(
            "`--chart` and `--from` go with a reference alone: chartferry push --chart PATH HOST/NS/NAME:TAG",
        ));
    }
    let destination = Destination::parse(destination)?;
    run.block_on(async {
        let progress = Progress::start(run, "pushed", "charts", charts.len());
        let counts = progress.counts();
        let results: Vec<Result<Told>> = futures_util::stream::iter(charts)
            .map(|path| {
                let (args, destination, options, limits, counts) =
                    (&args, &destination, &options, &limits, &counts);
                async move {
                    let result = one(run, args, path, destination, options, limits).await;
                    counts.items.fetch_add(1, Ordering::Relaxed);
                    result
                }
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        drop(progress);
        let mut told = Vec::new();
        let mut failed = Vec::new();
        for (path, result) in charts.iter().zip(results) {
            match result {
                Ok(one) => told.push(one),
                Err(error) if charts.len() == 1 => return Err(error),
                Err(error) => {
                    run.talk.error(&error.context(format!("`{path}` was not pushed")));
                    failed.push(path.as_str());
                }
            }
        }
        args.tell(run, &told)?;
        run.partly(charts.len(), &failed, "pushed")
    })
}

impl PushArgs {
    fn options(&self, run: &Run) -> Result<op::Options> {
        let mut annotations = BTreeMap::new();
        for pair in &self.annotation {
            let (key, value) =
                pair.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(|| {
                    Error::usage(format!("`--annotation {pair}` is not of the form KEY=VALUE"))
                })?;
            annotations.insert(key.to_owned(), value.to_owned());
        }
        Ok(op::Options {
            verify: match self.verify {
                VerifyArg::Manifest => Verify::Manifest,
                VerifyArg::Full => Verify::Full,
                VerifyArg::None => Verify::None,
            },
            existing: if self.skip_existing {
                Existing::Skip
            } else if self.overwrite || run.env.flag("CHARTFERRY_OVERWRITE") {
                Existing::Overwrite
            } else {
                Existing::Refuse
            },
            order: match self.layer_order {
                OrderArg::ChartFirst => LayerOrder::ChartFirst,
                OrderArg::Helm => LayerOrder::ByDigest,
            },
            annotations,
            ..op::Options::default()
        })
    }

    /// Prints what was pushed.
    fn tell(&self, run: &Run, all: &[Told]) -> Result<()> {
        for Told { name, report } in all {
            let reference = format!("{name}:{}", report.tag);
            match report.status {
                Status::Unchanged if self.skip_existing => {
                    run.talk.info(&format!("{reference} exists; skipped"));
                }
                Status::Unchanged => run
                    .talk
                    .info(&format!("{reference} already holds this chart; nothing was sent")),
                Status::Moved | Status::Pushed => {}
            }
            if let Some(lost) = &report.lost {
                run.talk.warn(&format!(
                    "{name}@{lost} just lost the tag `{}`; without another tag it is dangling",
                    report.tag
                ));
            }
            if report.verified == Verified::Unreadable {
                run.talk.warn(&format!(
                    "{reference} was pushed, not verified: these credentials may push but not read"
                ));
            }
            if report.tag.as_str().contains('_') {
                run.talk.info(&format!(
                    "{reference} stands for the version {}: a tag cannot hold a plus sign, so it is written as an underscore",
                    report.tag.to_version()
                ));
            }
        }
        if let Some(path) = &self.digest_file {
            let digests: String =
                all.iter().map(|told| format!("{}\n", told.report.digest)).collect();
            crate::ops::pull::write_file(path, |file| file.write_all(digests.as_bytes()))?;
        }
        match self.output {
            Format::Text => output::print(all.iter().map(|told| told.text()).collect::<String>()),
            format => {
                let mut values: Vec<serde_json::Value> = all.iter().map(Told::value).collect();
                if self.items.len() <= 2 {
                    return values
                        .pop()
                        .map_or(Ok(()), |value| output::print_value(format, &value));
                }
                output::print_value(format, &values)
            }
        }
    }
}

impl Told {
    /// Helm's two lines.
    fn text(&self) -> String {
        format!("Pushed: {}:{}\nDigest: {}\n", self.name, self.report.tag, self.report.digest)
    }

    fn value(&self) -> serde_json::Value {
        let report = &self.report;
        let mut value = json!({
            "ref": format!("{}:{}", self.name, report.tag),
            "tag": report.tag.as_str(),
            "digest": report.digest,
            "size": report.size,
            "status": report.status,
            "verified": report.verified == Verified::Yes,
        });
        if let Some(lost) = &report.lost {
            value["lost"] = json!(lost);
        }
        value
    }
}

/// Where charts are pushed.
enum Destination {
    Registry(Registry, Option<RepositoryName>),
    Layout(PathBuf),
}

impl Destination {
    fn parse(text: &str) -> Result<Self> {
        if let Some(folder) = text.strip_prefix("layout:") {
            return Ok(Self::Layout(PathBuf::from(folder)));
        }
        if let Some(rest) = text.strip_prefix("oci://") {
            let last = rest.rsplit('/').next().unwrap_or(rest);
            if rest.contains('/') && last.contains([':', '@']) {
                return Err(Error::usage(format!("`{text}` names a tag; a destination is a registry and a namespace"))
                    .with_hint(format!("the tag is the chart's version; for another: chartferry push --chart PATH {rest}")));
            }
            let (registry, namespace) = Reference::parse_namespace(text)?;
            return Ok(Self::Registry(registry, namespace));
        }
        match text.split_once("://") {
            Some((scheme, _)) => Err(Error::usage(format!("scheme \"{scheme}\" not supported"))
                .with_hint("a registry is named by `oci://host/namespace`")),
            None => {
                let error = Error::usage("scheme prefix missing from remote (e.g. \"oci://\")");
                let registry = text.split('/').next().is_some_and(is_registry);
                Err(if registry {
                    error.with_hint(format!("did you mean `oci://{text}`?"))
                } else {
                    error.with_hint("the last argument is the destination: `oci://host/namespace`")
                })
            }
        }
    }

    /// The place for a chart, and its name for the user.
    fn place(&self, run: &Run, remote: &RemoteArgs, chart: &str) -> Result<(Place, String)> {
        match self {
            Self::Registry(registry, namespace) => {
                let repository: RepositoryName = match namespace {
                    Some(namespace) => namespace.join(chart),
                    None => chart.parse(),
                }
                .map_err(|error| {
                    Error::from(error)
                        .context(format!("the chart's name `{chart}` cannot be a repository's"))
                })?;
                if namespace.as_ref().is_some_and(|namespace| namespace.last_segment() == chart) {
                    run.talk.warn(&format!(
                        "the chart goes to {registry}/{repository}: the destination is a namespace and the chart's name is added to it"
                    ));
                }
                let name = format!("{registry}/{repository}");
                let repository = remote
                    .client(run)?
                    .repository(registry, &repository)
                    .with_intent(Intent::Writing);
                Ok((Place::Registry(repository), name))
            }
            Self::Layout(folder) => Ok((
                Place::Layout(Box::new(Layout::create(folder)?)),
                format!("layout:{}", folder.display()),
            )),
        }
    }
}

async fn one(
    run: &Run,
    args: &PushArgs,
    path: &str,
    destination: &Destination,
    options: &op::Options,
    limits: &Limits,
) -> Result<Told> {
    let chart = prepare(run, Path::new(path), limits)?;
    let tag = Tag::from_version(&chart.metadata.version)?;
    let (place, name) = destination.place(run, &args.remote, &chart.metadata.name)?;
    let report = op::push(&place, &name, &chart, &tag, options).await?;
    Ok(Told { name, report })
}

/// An archive as it is, or a chart's source packaged.
pub(super) fn prepare(run: &Run, path: &Path, limits: &Limits) -> Result<Outgoing> {
    if !path.is_dir() {
        return prepare::from_archive(path, Beside::Take, limits);
    }
    if !path.join("Chart.yaml").exists() {
        return Err(Error::invalid(format!(
            "`{}` is a folder without Chart.yaml, so no chart's source",
            path.display()
        ))
        .with_hint("push an archive (.tgz) or the folder that holds Chart.yaml"));
    }
    let options = package::Options::new(run.epoch()?);
    prepare::from_source(path, &options, limits)
}
