//! `push FILE|DIR… oci://host/ns`, and the old `push REF`.

use super::{
    Run,
    classic::{self, Chart, ClassicArgs},
    destination::Destination,
    exit::Exit,
    legacy,
    location::is_in_repository,
    output::Format,
    progress::Progress,
    remote::RemoteArgs,
    told::{Number, Telling, Told, tell},
};
use crate::{
    Error, ErrorKind, Result,
    limits::Limits,
    oci::{Tag, chart::LayerOrder},
    ops::{
        package,
        prepare::{self, Beside},
        pull::Provenance,
        push::{self as op, Existing, Outgoing, Verify},
    },
};
use clap::{Args, ValueEnum};
use futures_util::StreamExt;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

/// Charts pushed side by side. Registries count requests, not connections; 8 hides a round trip of 100 ms.
const AT_ONCE: usize = 8;

#[derive(Debug, Args)]
pub(super) struct PushArgs {
    /// Archives, chart sources, `repo/chart` or `https://….tgz`, then `oci://host/namespace` or `layout:DIR`; or one
    /// `host/ns/name:tag`
    #[arg(required = true, value_name = "CHART|DESTINATION")]
    items: Vec<String>,
    /// Version or range of a chart of a repository
    #[arg(long)]
    version: Option<String>,
    /// Take prereleases of it too when no version is given
    #[arg(long)]
    devel: bool,
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
            .and_then(|told| tell(run, &[told], &args.telling(options.existing)))
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
        tell(run, &told, &args.telling(options.existing))?;
        run.partly(charts.len(), &failed, "pushed")
    })
}

impl PushArgs {
    fn telling(&self, existing: Existing) -> Telling<'_> {
        Telling {
            format: self.output,
            digest_file: self.digest_file.as_deref(),
            existing,
            number: if self.items.len() <= 2 { Number::One } else { Number::Several },
        }
    }

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
}

async fn one(
    run: &Run,
    args: &PushArgs,
    path: &str,
    destination: &Destination,
    options: &op::Options,
    limits: &Limits,
) -> Result<Told> {
    let chart = match Elsewhere::of(path) {
        Some(Elsewhere::Archive(url)) if args.version.is_some() => {
            return Err(Error::usage(format!("`{url}` is one archive, of one version"))
                .with_hint("`--version` chooses among those of a chart repository"));
        }
        Some(elsewhere) => elsewhere.fetch(run, args, path, limits).await?,
        None if args.version.is_some() => {
            let what = format!("`{path}` has the version that its Chart.yaml says");
            return Err(Error::usage(what)
                .with_hint("`--version` chooses among those of a chart repository"));
        }
        None => prepare(run, Path::new(path), limits)?,
    };
    let tag = Tag::from_version(&chart.metadata.version)?;
    let (place, name) = destination.place(run, &args.remote, &chart.metadata.name)?;
    let report = op::push(&place, &name, &chart, &tag, options).await?;
    Ok(Told { name, report })
}

/// A chart that is not on this machine.
enum Elsewhere<'a> {
    /// `repo/chart`.
    Repository { name: &'a str, chart: &'a str },
    /// An archive by its URL.
    Archive(&'a str),
}

impl<'a> Elsewhere<'a> {
    /// What is there as a path is meant as one.
    fn of(text: &'a str) -> Option<Self> {
        if text.contains("://") {
            return (!text.starts_with("oci://")).then_some(Self::Archive(text));
        }
        if Path::new(text).exists() || !is_in_repository(text) {
            return None;
        }
        text.split_once('/').map(|(name, chart)| Self::Repository { name, chart })
    }

    /// Fetches it with its provenance, as `pull --prov` would.
    async fn fetch(
        &self,
        run: &Run,
        args: &PushArgs,
        text: &str,
        limits: &Limits,
    ) -> Result<Outgoing> {
        // The credentials of the flags are the destination's, and nobody else's.
        let from = args.remote.nameless();
        let repository;
        let chart = match self {
            Self::Archive(url) => Chart::Archive { url },
            Self::Repository { name, chart } => {
                repository = run.repository_files().find(name, limits).map_err(|error| {
                    let hint = format!(
                        "`chartferry repo add {name} URL` would make it a chart of a repository"
                    );
                    match error.kind() {
                        ErrorKind::NotFound => {
                            let what = format!("{text}: no such file");
                            Error::not_found(what).with_source(error).with_hint(hint)
                        }
                        _ => error,
                    }
                })?;
                Chart::Configured { repository: &repository, chart }
            }
        };
        let (classic, version) = (ClassicArgs::default(), args.version.as_deref());
        // Its own flags name the user at the destination.
        let by_name = |error| {
            classic::named_by(
                error,
                "`chartferry repo add NAME URL --username NAME --password-stdin`, and push `NAME/CHART`",
            )
        };
        let located = classic.locate(run, &from, chart, version, args.devel).await;
        let located = located.map_err(by_name)?;
        let got = classic::fetch(run, &located, Provenance::IfPresent).await.map_err(by_name)?;
        prepare::from_repository(got, &located.created, limits)
            .map_err(|error| error.context(format!("{located} is no good chart archive")))
    }
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
