//! The commands `push FILE|DIR… oci://host/ns` and the old `push REF`.

pub(super) mod candidates;
pub(super) mod destination;
pub(super) mod legacy;
pub(super) mod report;

use super::{
    Run,
    shell::{
        exit::Exit,
        journal::JournalArgs,
        links::LinkArgs,
        location::is_in_repository,
        location_grammar::LocationText,
        output::{self, Format},
        progress::Progress,
        remote::RemoteArgs,
        repository_flags::{self, Chart, RepositoryArgs},
        results::{Outcomes, conclude},
    },
};
use crate::{
    Error, ErrorKind, Result,
    limits::Limits,
    oci::{Reference, Tag, chart::LayerOrder},
    ops::{
        package,
        pull::Provenance,
        push::{
            self as op, Existing, Outgoing, Verify,
            prepare::{self, Beside},
        },
        repository::open::beside,
    },
};
use clap::{Args, ValueEnum};
use destination::Destination;
use futures_util::StreamExt;
use report::Told;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

/// The number of charts pushed at once. Registries count requests, not connections; 8 hides a round
/// trip of 100 ms.
const AT_ONCE: usize = 8;

#[derive(Debug, Args)]
pub(super) struct PushArgs {
    /// Push archives, chart sources, `repo/chart` or `https://….tgz` to `oci://host/namespace` or
    /// `layout:DIR`; or one `host/ns/name:tag`
    #[arg(required = true, value_name = "CHART|DESTINATION")]
    items: Vec<String>,
    /// Use this version or range of a repository's chart
    #[arg(long)]
    version: Option<String>,
    /// Include prereleases of it if no version is given
    #[arg(long)]
    devel: bool,
    /// Replace a version that is a different chart
    #[arg(long, visible_alias = "force")]
    overwrite: bool,
    /// Keep an existing tag as it is
    #[arg(long, conflicts_with = "overwrite")]
    skip_existing: bool,
    /// Send no provenance, and request none from a repository
    #[arg(long)]
    no_prov: bool,
    /// Verify the push in this way
    #[arg(long, value_enum, default_value_t = VerifyArg::Manifest)]
    verify: VerifyArg,
    /// Order chart and provenance in the manifest like this
    #[arg(long, value_enum, default_value_t = OrderArg::ChartFirst)]
    layer_order: OrderArg,
    /// Take the manifest's creation time from this source: `file`, `archive`, `now`, or a time in
    /// RFC 3339
    #[arg(long, value_name = "SOURCE|TIME", default_value = "file")]
    created_from: CreatedFrom,
    /// Add this annotation to the manifest
    #[arg(long, value_name = "KEY=VALUE")]
    annotation: Vec<String>,
    /// Write the digests to a file, one a line
    #[arg(long, value_name = "FILE")]
    digest_file: Option<PathBuf>,
    /// Push this chart; only with a single reference
    #[arg(long, value_name = "PATH")]
    chart: Option<PathBuf>,
    /// Take the chart from here; only with a single reference
    #[arg(long, value_enum)]
    from: Option<From>,
    /// Write the result in this format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    links: LinkArgs,
    #[command(flatten)]
    journal: JournalArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum VerifyArg {
    /// Read the manifest back
    Manifest,
    /// Read the manifest and every layer back
    Full,
    /// Compare only the digests in the registry's responses
    None,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OrderArg {
    /// Put the chart before its provenance
    ChartFirst,
    /// Order by digest, as Helm
    Helm,
}

/// The source of a manifest's `org.opencontainers.image.created`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CreatedFrom {
    /// The archive's file, or the newest file of a source. A chart of a repository has the time of
    /// its index.
    File,
    /// The Chart.yaml in the archive.
    Archive,
    /// This time, RFC 3339 in UTC.
    At(String),
}

impl std::str::FromStr for CreatedFrom {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "file" => Ok(Self::File),
            "archive" => Ok(Self::Archive),
            "now" => Ok(Self::At(output::now())),
            time => prepare::created(time).map(Self::At).ok_or_else(|| {
                "expected `file`, `archive`, `now` or a time such as 2026-01-31T12:00:00Z"
                    .to_owned()
            }),
        }
    }
}

impl CreatedFrom {
    /// Sets the creation time of a chart that has no manifest of its own.
    pub(super) fn date(&self, chart: &mut Outgoing, limits: &Limits) -> Result<()> {
        match self {
            Self::File => {}
            Self::Archive => chart.created = prepare::created_in(&chart.archive, limits)?,
            Self::At(time) => chart.created = Some(time.clone()),
        }
        Ok(())
    }
}

/// The place from which the old `push REF` takes the chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum From {
    /// Take a saved chart
    Store,
    /// Take an archive in this folder
    Archive,
    /// Take a chart's source: `.`, `./NAME` or `./charts/NAME`
    Dir,
}

pub(super) fn push(run: &Run, args: PushArgs) -> Result<Exit> {
    let limits = Limits::default();
    let options = args.options(run)?;
    let (destination, charts) =
        args.items.split_last().ok_or_else(|| Error::usage("nothing to push"))?;
    if charts.is_empty() {
        if args.no_prov {
            return Err(Error::usage(
                "`--no-prov` goes with charts and a destination: chartferry push --no-prov CHART oci://HOST/NAMESPACE",
            ));
        }
        if Path::new(destination).exists() {
            return Err(Error::usage(format!("`{destination}` has no destination"))
                .with_hint(format!("chartferry push {destination} oci://HOST/NAMESPACE")));
        }
        let pushed = run.block_on(legacy::push(
            run,
            &args.remote,
            destination,
            legacy::Source {
                chart: args.chart.as_deref(),
                from: args.from,
                links: args.links,
                created: &args.created_from,
            },
            &options,
            &limits,
        ));
        return finish(run, &args, vec![(destination.clone(), pushed)]);
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
        finish(run, &args, charts.iter().cloned().zip(results).collect())
    })
}

/// Prints each tag's result, writes the digests, and returns the exit code.
fn finish(run: &Run, args: &PushArgs, outcomes: Outcomes<Told>) -> Result<Exit> {
    let pushed: Vec<&Told> = outcomes.iter().filter_map(|(_, told)| told.as_ref().ok()).collect();
    report::notes(run, &pushed);
    args.journal.note(run, "push", pushed.iter().filter_map(|told| told.lost()));
    if let Some(path) = &args.digest_file {
        report::write_digests(&pushed, path)?;
    }
    let printed = |(input, told): (String, Result<Told>)| (input, told.map(|told| told.printed()));
    conclude(run, args.output, "pushed", outcomes.into_iter().map(printed).collect())
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
}

async fn one(
    run: &Run,
    args: &PushArgs,
    path: &str,
    destination: &Destination,
    options: &op::Options,
    limits: &Limits,
) -> Result<Told> {
    let mut chart = match Elsewhere::of(path) {
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
        None if matches!(LocationText::parse(path), LocationText::Oci(_)) => {
            return Err(in_registry(path));
        }
        None => {
            let beside = if args.no_prov { Beside::Leave } else { Beside::Take };
            prepare_with(run, Path::new(path), beside, args.links, limits)?
        }
    };
    print_notes(run, &chart);
    args.created_from.date(&mut chart, limits)?;
    let tag = Tag::from_version(&chart.metadata.version)?;
    let (place, name) = destination.place(run, &args.remote, &chart.metadata.name)?;
    let pushed = op::push(&place, &name, &chart, &tag, options).await;
    let report = pushed.map_err(|error| match error.kind() {
        // The digest of the first refused blob would not help the user.
        ErrorKind::Denied => error.context(format!("cannot push `{name}:{tag}`")),
        _ => error,
    })?;
    Ok(Told { name, report })
}

/// Returns the error for a chart that is in a registry already.
fn in_registry(text: &str) -> Error {
    let error = Error::usage(format!("`{text}` is in a registry; `push` sends charts from here"));
    let Ok(reference) = text.parse::<Reference>() else { return error };
    let version = reference.tag.as_ref().map(|tag| format!("@{}", tag.to_version()));
    error.with_hint(format!(
        "chartferry mirror oci://{} DESTINATION --chart '{}{}'",
        reference.repository_path(),
        reference.repository.last_segment(),
        version.unwrap_or_default()
    ))
}

/// A chart that is not on this machine.
enum Elsewhere<'a> {
    /// A chart of a configured repository, `repo/chart`.
    Repository { name: &'a str, chart: &'a str },
    /// An archive by its URL.
    Archive(&'a str),
}

impl<'a> Elsewhere<'a> {
    /// Returns the chart that a text names, unless it is an existing path.
    fn of(text: &'a str) -> Option<Self> {
        match LocationText::parse(text) {
            LocationText::Http(url) | LocationText::OtherUrl(url) => {
                return Some(Self::Archive(url));
            }
            LocationText::Oci(_) => return None,
            LocationText::Layout(_) | LocationText::Bare(_) => {}
        }
        if Path::new(text).exists() || !is_in_repository(text) {
            return None;
        }
        text.split_once('/').map(|(name, chart)| Self::Repository { name, chart })
    }

    /// Downloads it with its provenance, as `pull --prov` does.
    async fn fetch(
        &self,
        run: &Run,
        args: &PushArgs,
        text: &str,
        limits: &Limits,
    ) -> Result<Outgoing> {
        // The credentials of the flags are for the destination only.
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
        let (chart_repository, version) = (RepositoryArgs::default(), args.version.as_deref());
        let located = chart_repository.locate(run, &from, chart, version, args.devel).await?;
        let wanted = if args.no_prov { Provenance::Leave } else { Provenance::IfPresent };
        let got = repository_flags::fetch(run, &located, wanted).await?;
        if let Some(why) = &got.unsigned {
            run.talk.warn(&format!(
                "{text} is pushed without provenance: {} : {why}",
                beside(&located.url)
            ));
        }
        prepare::from_repository(got, &located.created, limits)
            .map_err(|error| error.context(format!("{located} is not a valid chart archive")))
    }
}

/// Prepares an archive unchanged, or packages a chart's source.
pub(super) fn prepare(
    run: &Run,
    path: &Path,
    links: LinkArgs,
    limits: &Limits,
) -> Result<Outgoing> {
    prepare_with(run, path, Beside::Take, links, limits)
}

/// Prepares in the same way; `beside` decides whether to include an archive's provenance.
fn prepare_with(
    run: &Run,
    path: &Path,
    beside: Beside,
    links: LinkArgs,
    limits: &Limits,
) -> Result<Outgoing> {
    if !path.is_dir() {
        return prepare::from_archive(path, beside, limits);
    }
    if !path.join("Chart.yaml").exists() {
        return Err(Error::invalid(format!(
            "`{}` is a folder without Chart.yaml, so no chart's source",
            path.display()
        ))
        .with_hint("push an archive (.tgz) or the folder that holds Chart.yaml"));
    }
    let options =
        package::Options { outside: links.strictly(), ..package::Options::new(run.epoch()?) };
    prepare::from_source(path, &options, limits)
}

/// Prints the notes and warnings of a packaged source.
pub(super) fn print_notes(run: &Run, chart: &Outgoing) {
    chart.notes.iter().for_each(|note| run.talk.info(note));
    chart.warnings.iter().for_each(|warning| run.talk.warn(warning));
}
