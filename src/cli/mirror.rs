//! `mirror SRC... DST`: whole repositories carried elsewhere, and again for nothing.

use super::{
    Run,
    exit::Exit,
    output::{self, Format},
    progress::Progress,
    remote::TransportArgs,
};
use crate::{
    Error, ErrorKind, Result,
    limits::Limits,
    mirror::{
        self, Fingerprint, Report, Shard, metrics,
        prune::Guard,
        report::{Mode, Verdict},
        rewrite::Rules,
        run::{Alias, Earlier, Event, Listener, OnConflict, OnMismatch, Options, Remembering},
        select::{Pattern, Rule, Selection},
        state::Key,
    },
    ops::payload::write_file,
    yaml,
};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use ends::{Ends, Side};
use file::{Document, HostEntry};
use jiff::Timestamp;
use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

mod ends;
mod file;
mod schema;
mod told;

/// What a template is tried with.
const SAMPLE: mirror::sink::Naming<'static> =
    mirror::sink::Naming { repo: "repo", chart: "chart", version: "1.0.0" };
/// Versions under way at once. An upload is five requests in a row; on a line of 100 ms this carries 120 a second.
const AT_ONCE: usize = 64;
/// What a file says itself, so that no flag beside it is read and forgotten.
const IN_FILE: [&str; 20] = [
    "ends",
    "chart",
    "exclude",
    "charts",
    "versions",
    "latest",
    "since",
    "min_age",
    "skip_deprecated",
    "skip_prerelease",
    "template",
    "alias_without_v",
    "rewrite_dependencies",
    "dependency_url",
    "artifacthub",
    "create_repository_command",
    "on_digest_mismatch",
    "on_conflict",
    "concurrency",
    "rate",
];
/// Bytes of a file for Artifact Hub: a name, some owners, some packages to leave out.
const MAX_METADATA: u64 = 1 << 20;

#[derive(Debug, Args)]
pub(super) struct MirrorArgs {
    /// Sources, then the destination: `https://…`, a name of `repo list`, a folder, `oci://HOST/NAMESPACE`, `layout:DIR`, a
    /// bundle
    #[arg(value_name = "SRC|DST", required_unless_present = "file")]
    ends: Vec<String>,
    /// Take sources, destination and all the rest from a file
    #[arg(long, short = 'f', value_name = "FILE", conflicts_with_all = IN_FILE)]
    file: Option<PathBuf>,
    /// Only these charts: `NAME`, `GLOB` or `/REGEX/`, each with `@RANGE` if wanted
    #[arg(long, value_name = "PATTERN[@RANGE]", help_heading = "Selection")]
    chart: Vec<String>,
    /// Not these charts
    #[arg(long, value_name = "PATTERN", help_heading = "Selection")]
    exclude: Vec<String>,
    /// The charts of a registry that does not list them
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "Selection")]
    charts: Vec<String>,
    /// Only versions in a range
    #[arg(long, value_name = "RANGE", help_heading = "Selection")]
    versions: Option<String>,
    /// Only the newest versions of each chart
    #[arg(long, value_name = "N", value_parser = positive, help_heading = "Selection")]
    latest: Option<usize>,
    /// Only what was made on this day or later
    #[arg(long, value_name = "DATE", help_heading = "Selection")]
    since: Option<String>,
    /// Only what was made this long ago or longer: `7d`, `36h`
    #[arg(long, value_name = "AGE", help_heading = "Selection")]
    min_age: Option<String>,
    /// No deprecated charts
    #[arg(long, help_heading = "Selection")]
    skip_deprecated: bool,
    /// No prereleases
    #[arg(long, help_heading = "Selection")]
    skip_prerelease: bool,
    /// Where a chart lies below the destination: `{{repo}}`, `{{chart}}`, `{{version}}`
    #[arg(long, value_name = "TEMPLATE")]
    template: Option<String>,
    /// Tag `v1.2.3` as `1.2.3` too
    #[arg(long)]
    alias_without_v: bool,
    /// Package charts anew whose dependencies point at a source, so that they point at the destination
    #[arg(long)]
    rewrite_dependencies: bool,
    /// Another address for dependencies, beside the sources' own
    #[arg(long, value_name = "OLD-URL=NEW-URL", requires = "rewrite_dependencies")]
    dependency_url: Vec<Rules>,
    /// Put Artifact Hub's repository metadata beside each chart
    #[arg(long, value_name = "FILE")]
    artifacthub: Option<PathBuf>,
    /// Make repositories that are not there: run by a shell, with $REGISTRY and $REPOSITORY
    #[arg(long, value_name = "COMMAND")]
    create_repository_command: Option<String>,
    /// When an archive is not what its index says
    #[arg(long, value_enum, default_value_t, value_name = "POLICY")]
    on_digest_mismatch: MismatchArg,
    /// When a version is there in other bytes
    #[arg(long, value_enum, default_value_t, value_name = "POLICY")]
    on_conflict: ConflictArg,
    /// Remove what vanished at the source
    #[arg(long)]
    prune: bool,
    /// Refuse to remove more than this, a number or a part
    #[arg(long, value_name = "N|N%", default_value_t, requires = "prune")]
    max_delete: Guard,
    /// Carry one part of several, such as `1/4`
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Say what would be done
    #[arg(long, conflicts_with = "check")]
    dry_run: bool,
    /// Compare what is there, and change nothing
    #[arg(long)]
    check: bool,
    /// Keep the state in a file too
    #[arg(long, value_name = "FILE", help_heading = "State")]
    state: Option<PathBuf>,
    /// Keep the state in this repository instead of `chartferry-state`
    #[arg(long, value_name = "oci://REF", help_heading = "State")]
    state_ref: Option<String>,
    /// Do not believe the last state; list what is there
    #[arg(long, help_heading = "State")]
    ignore_state: bool,
    /// Try again what was refused
    #[arg(long, conflicts_with = "ignore_state", help_heading = "State")]
    retry: bool,
    /// Versions under way at once
    #[arg(long, value_name = "N", default_value_t = AT_ONCE, value_parser = positive)]
    concurrency: usize,
    /// Most requests a second to each host
    #[arg(long, value_name = "N", value_parser = above_zero)]
    rate: Option<f64>,
    /// Write what it came to for Prometheus
    #[arg(long, value_name = "FILE")]
    metrics_file: Option<PathBuf>,
    /// How to write the report
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    both: BothArgs,
    #[command(flatten)]
    from: FromArgs,
    #[command(flatten)]
    to: ToArgs,
}

/// What holds for both sides.
#[derive(Clone, Debug, Args)]
struct BothArgs {
    /// Speak HTTP without TLS to registries
    #[arg(long, help_heading = "Both sides")]
    plain_http: bool,
    /// Do not verify certificates
    #[arg(long, visible_alias = "insecure", help_heading = "Both sides")]
    insecure_skip_tls_verify: bool,
    /// Send the source's credentials to every host that its index names
    #[arg(long, help_heading = "Both sides")]
    pass_credentials: bool,
}

/// How the sources are reached.
#[derive(Clone, Debug, Args)]
struct FromArgs {
    /// User name for the sources
    #[arg(long, value_name = "NAME", help_heading = "Sources")]
    from_username: Option<String>,
    /// Read their password from stdin
    #[arg(long, conflicts_with = "to_password_stdin", help_heading = "Sources")]
    from_password_stdin: bool,
    /// File with their credentials
    #[arg(long, value_name = "FILE", help_heading = "Sources")]
    from_registry_config: Option<PathBuf>,
    /// Certificates to trust beside the system's
    #[arg(long, value_name = "FILE", help_heading = "Sources")]
    from_ca_file: Option<PathBuf>,
    /// Speak HTTP without TLS to source registries
    #[arg(long, help_heading = "Sources")]
    from_plain_http: bool,
}

/// How the destination is reached.
#[derive(Clone, Debug, Args)]
struct ToArgs {
    /// User name for the destination
    #[arg(long, value_name = "NAME", help_heading = "Destination")]
    to_username: Option<String>,
    /// Read its password from stdin
    #[arg(long, help_heading = "Destination")]
    to_password_stdin: bool,
    /// File with its credentials
    #[arg(long, value_name = "FILE", help_heading = "Destination")]
    to_registry_config: Option<PathBuf>,
    /// Certificates to trust beside the system's
    #[arg(long, value_name = "FILE", help_heading = "Destination")]
    to_ca_file: Option<PathBuf>,
    /// Speak HTTP without TLS to it
    #[arg(long, help_heading = "Destination")]
    to_plain_http: bool,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum MismatchArg {
    /// Refuse the version
    #[default]
    Fail,
    /// Carry it and say so
    Warn,
    /// Carry it
    Accept,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum ConflictArg {
    /// Refuse the version
    #[default]
    Fail,
    /// Leave what is there
    Skip,
    /// Replace it
    Overwrite,
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err("it is no number".to_owned()),
    }
}

fn above_zero(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        Ok(_) => Err("it must be above 0".to_owned()),
        Err(_) => Err("it is no number".to_owned()),
    }
}

/// One source and what is taken of it.
#[derive(Clone, Debug)]
struct SourceSettings {
    location: String,
    name: Option<String>,
    repositories: Vec<String>,
    selection: Selection,
}

/// What flags or file say.
#[derive(Debug)]
struct Settings {
    sources: Vec<SourceSettings>,
    destination: String,
    template: Option<String>,
    alias: Alias,
    /// Addresses for dependencies beside the sources' own; none of them is rewritten without.
    rewrite: Option<Vec<Rules>>,
    artifact_hub: Option<PathBuf>,
    create: Option<String>,
    mismatch: OnMismatch,
    conflict: OnConflict,
    prune: Option<Guard>,
    state_file: Option<PathBuf>,
    state_ref: Option<String>,
    concurrency: usize,
    rate: Option<f64>,
    metrics_file: Option<PathBuf>,
    hosts: Vec<HostEntry>,
    from: Side,
    to: Side,
}

pub(super) fn mirror(run: &Run, args: MirrorArgs) -> Result<Exit> {
    let settings = args.settings()?;
    let shard = match args.shard {
        Some(shard) => shard,
        None => shard_of_job(run)?,
    };
    let now = Timestamp::now();
    let ends = Ends {
        run,
        settings: &settings,
        now,
        limits: Limits::default(),
        from: settings.from.credential()?,
        to: settings.to.credential()?,
    };
    let progress = Progress::start(run, "carried", "versions", 0);
    let counts = progress.counts();
    let mut options = Options::new(now);
    options.mode = match (args.dry_run, args.check) {
        (true, _) => Mode::DryRun,
        (_, true) => Mode::Check,
        _ => Mode::Run,
    };
    options.shard = shard;
    options.mismatch = settings.mismatch;
    options.conflict = settings.conflict;
    options.alias = settings.alias;
    options.artifact_hub = settings.artifact_hub.as_deref().map(metadata).transpose()?;
    options.prune = settings.prune;
    options.at_once = settings.concurrency;
    options.naming = Fingerprint::of(settings.template.as_deref().unwrap_or_default().as_bytes());
    options.listener = Listener::new(move |event| match event {
        Event::Planned(more) => {
            counts.total.fetch_add(more as u64, Ordering::Relaxed);
        }
        Event::Done(_) => {
            counts.items.fetch_add(1, Ordering::Relaxed);
        }
    });
    if let Some(path) = &settings.metrics_file {
        writable(path)?;
    }
    let ended = run.block_on_several(every(&ends, &options, &args));
    drop(progress);
    // Whatever stopped the run, a monitor is told.
    let (reports, stopped) = match ended {
        Ok(reports) => (reports, None),
        Err(error) => {
            let fail = |source: &SourceSettings| {
                unmirrored(&source.location, &settings.destination, &options, &error)
            };
            (settings.sources.iter().map(fail).collect(), Some(error))
        }
    };
    let told = tell(run, &args, &settings, &reports);
    match stopped {
        Some(error) => Err(error),
        None => told.map(|()| exit(&reports)),
    }
}

/// One source after the other. One that fails does not stop the others, and is an error only if it is alone.
async fn every(ends: &Ends<'_>, options: &Options, args: &MirrorArgs) -> Result<Vec<Report>> {
    let sink = ends.sink().await?;
    if let Some(template) = &ends.settings.template {
        // Better once and now than of every version and late.
        sink.place(&SAMPLE).map_err(|error| {
            Error::usage(format!("the template `{template}` leads nowhere")).with_source(error)
        })?;
    }
    let sources = &ends.settings.sources;
    let mut reports = Vec::new();
    for settings in sources {
        match one(ends, settings, &sink, options, args).await {
            Ok(report) => reports.push(report),
            Err(error) if sources.len() == 1 => return Err(error),
            Err(error) => {
                reports.push(unmirrored(&settings.location, sink.identity(), options, &error));
                let what = format!("`{}` is not mirrored", settings.location);
                ends.run.talk.error(&error.context(what));
            }
        }
    }
    // Flags hold for all sources together: what one has need not be in the others.
    if args.file.is_none() && reports.iter().any(|report| report.missing.is_empty()) {
        for report in &mut reports {
            report.warnings.append(&mut report.missing);
        }
    }
    Ok(reports)
}

/// The report of a source that could not even be listed.
fn unmirrored(source: &str, destination: &str, options: &Options, error: &Error) -> Report {
    Report {
        error: Some(error.chain()),
        ..Report::new(source.trim_end_matches('/'), destination, options.shard, options.mode)
    }
}

/// Whether a file can be written when all is done.
fn writable(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let fail = |error| {
        Error::io("write metrics to", path, error).with_hint("its folder must be there before")
    };
    if path.is_dir() {
        return Err(fail(std::io::ErrorKind::IsADirectory.into()));
    }
    tempfile::tempfile_in(folder.unwrap_or(Path::new("."))).map(drop).map_err(fail)
}

async fn one(
    ends: &Ends<'_>,
    settings: &SourceSettings,
    sink: &mirror::Sink,
    options: &Options,
    args: &MirrorArgs,
) -> Result<Report> {
    let source = ends.source(settings).await?;
    let mut options = options.clone();
    if let Some(urls) = &ends.settings.rewrite {
        options.rewrite = Some(rules(&source, sink, urls)?);
    }
    options.selection = settings.selection.clone();
    let several = ends.settings.sources.len() > 1 || !options.shard.is_whole();
    options.remembering = Remembering {
        file: ends.settings.state_file.clone().map(|path| {
            if !several {
                return path;
            }
            let key = Key::new(source.identity(), options.shard);
            let mut name = path.into_os_string();
            name.push(format!(".{}", &key.as_str()[..12]));
            name.into()
        }),
        earlier: match (args.ignore_state, args.retry) {
            (true, _) => Earlier::Ignore,
            (_, true) => Earlier::Retry,
            _ => Earlier::Use,
        },
    };
    mirror::run(&source, sink, &options).await.map_err(|error| who(error, sink))
}

/// Names the flag that says who we are at the end that does not let us in.
fn who(error: Error, sink: &mirror::Sink) -> Error {
    let said = error.hint().is_some_and(|hint| hint.contains("--from-username"));
    if error.kind() != ErrorKind::Denied || said {
        return error;
    }
    let host = ends::host_of(sink.identity());
    let side = if error.chain().contains(&host) { "to" } else { "from" };
    error.with_hint(format!(
        "name yourself with `--{side}-username NAME --{side}-password-stdin`, or by `chartferry login`"
    ))
}

/// Where dependencies on a source are found afterwards, and what else was said.
fn rules(source: &mirror::Source, sink: &mirror::Sink, urls: &[Rules]) -> Result<Rules> {
    let own = match sink.address() {
        Some(address) => Rules::new([(source.identity().to_owned(), address)]),
        None if urls.is_empty() => {
            return Err(Error::usage(format!(
                "nothing says where dependencies are found: `{}` is no address",
                sink.identity()
            ))
            .with_hint("name it with `--dependency-url OLD-URL=NEW-URL`"));
        }
        None => Rules::default(),
    };
    Ok(urls.iter().cloned().fold(own, Rules::and))
}

/// The file for Artifact Hub.
fn metadata(path: &Path) -> Result<Bytes> {
    let size = std::fs::metadata(path).map_err(|error| Error::io("read", path, error))?.len();
    if size > MAX_METADATA {
        return Err(Error::usage(format!("`{}` has {size} bytes", path.display()))
            .with_hint("Artifact Hub's metadata is a small YAML file"));
    }
    let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, error))?;
    let bad = |error: Error| error.with_hint("it is the text of an artifacthub-repo.yml");
    match yaml::parse(&bytes, yaml::Duplicates::LastWins, &Limits::default()) {
        Ok(yaml::Value::Map(_)) => Ok(bytes.into()),
        Ok(_) => Err(bad(Error::usage(format!("`{}` is no mapping", path.display())))),
        Err(error) => {
            let what = format!("`{}` is no YAML", path.display());
            Err(bad(Error::usage(what).with_source(error)))
        }
    }
}

/// The report to stdout, what the user should know to stderr, the metrics to their file.
fn tell(run: &Run, args: &MirrorArgs, settings: &Settings, reports: &[Report]) -> Result<()> {
    for report in reports {
        for warning in report.missing.iter().chain(&report.warnings) {
            run.talk.warn(warning);
        }
    }
    if let Some(path) = &settings.metrics_file {
        let text = metrics::text(reports, Timestamp::now().as_second());
        write_file(path, |file| file.write_all(text.as_bytes()))?;
    }
    match args.output {
        // Why a source is not mirrored was said on stderr.
        Format::Text => output::print(
            reports
                .iter()
                .filter(|report| report.error.is_none())
                .map(told::text)
                .collect::<String>(),
        ),
        format => output::print_value(format, &serde_json::json!({ "runs": reports })),
    }
}

fn exit(reports: &[Report]) -> Exit {
    let has = |verdict| reports.iter().any(|report| report.verdict() == verdict);
    if has(Verdict::Failed) {
        let none = reports.iter().all(|report| report.verdict() == Verdict::Failed);
        return if none { Exit::Failure } else { Exit::Partial };
    }
    if has(Verdict::Partly) {
        return Exit::Partial;
    }
    if has(Verdict::Missing) {
        return Exit::NotFound;
    }
    if has(Verdict::Drift) { Exit::Drift } else { Exit::Ok }
}

/// The part that an indexed job of Kubernetes gives this pod. It counts from 0 and does not say how many there are.
fn shard_of_job(run: &Run) -> Result<Shard> {
    let number = |name: &str| -> Result<Option<u32>> {
        run.env
            .text(name)
            .map(|text| {
                text.parse().map_err(|_| Error::usage(format!("{name} `{text}` is no number")))
            })
            .transpose()
    };
    match (number("JOB_COMPLETION_INDEX")?, number("JOB_COMPLETIONS")?) {
        (None, _) | (Some(0), None) => Ok(Shard::default()),
        (Some(index), Some(count)) => Shard::new(index.saturating_add(1), count),
        (Some(index), None) => Err(Error::usage(format!(
            "JOB_COMPLETION_INDEX is {index}, but nothing says of how many"
        ))
        .with_hint("set JOB_COMPLETIONS to the job's `completions`, or write `--shard`")),
    }
}

impl MirrorArgs {
    fn settings(&self) -> Result<Settings> {
        let mut settings = match &self.file {
            Some(path) => from_file(Document::read(path)?)?,
            None => self.flags()?,
        };
        if self.state.is_some() {
            settings.state_file.clone_from(&self.state);
        }
        if self.state_ref.is_some() {
            settings.state_ref.clone_from(&self.state_ref);
        }
        if self.metrics_file.is_some() {
            settings.metrics_file.clone_from(&self.metrics_file);
        }
        if self.prune {
            settings.prune = Some(self.max_delete);
        }
        let (both, from, to) = (&self.both, &self.from, &self.to);
        let transport = |plain: bool, ca_file: &Option<PathBuf>| TransportArgs {
            plain_http: both.plain_http || plain,
            insecure_skip_tls_verify: both.insecure_skip_tls_verify,
            ca_file: ca_file.clone(),
            ..TransportArgs::default()
        };
        settings.from = Side {
            username: from.from_username.clone(),
            password_stdin: from.from_password_stdin,
            registry_config: from.from_registry_config.clone(),
            transport: transport(from.from_plain_http, &from.from_ca_file),
            pass_credentials: both.pass_credentials,
        };
        settings.to = Side {
            username: to.to_username.clone(),
            password_stdin: to.to_password_stdin,
            registry_config: to.to_registry_config.clone(),
            transport: transport(to.to_plain_http, &to.to_ca_file),
            pass_credentials: false,
        };
        Ok(settings)
    }

    fn flags(&self) -> Result<Settings> {
        let Some((destination, sources)) =
            self.ends.split_last().filter(|(_, sources)| !sources.is_empty())
        else {
            let only = self.ends.first().map_or("", String::as_str);
            return Err(Error::usage(format!("`{only}` alone is no mirror"))
                .with_hint("name sources and a destination: `mirror SRC… DST`"));
        };
        let patterns = |texts: &[String]| {
            texts.iter().map(|text| text.parse::<Pattern>()).collect::<Result<Vec<_>>>()
        };
        let rules = self.chart.iter().map(|text| text.parse::<Rule>()).collect::<Result<_>>()?;
        let selection = Selection {
            rules,
            exclude: patterns(&self.exclude)?,
            versions: self.versions.as_deref().map(file::range).transpose()?,
            latest: self.latest,
            since: self.since.as_deref().map(file::since).transpose()?,
            min_age: self.min_age.as_deref().map(file::age).transpose()?,
            deprecated: file::class(self.skip_deprecated),
            prereleases: file::class(self.skip_prerelease),
        };
        Ok(Settings {
            sources: sources
                .iter()
                .map(|location| SourceSettings {
                    location: location.clone(),
                    name: None,
                    repositories: self.charts.clone(),
                    selection: selection.clone(),
                })
                .collect(),
            destination: destination.clone(),
            template: self.template.clone(),
            alias: file::alias(self.alias_without_v),
            rewrite: self.rewrite_dependencies.then(|| self.dependency_url.clone()),
            artifact_hub: self.artifacthub.clone(),
            create: self.create_repository_command.clone(),
            mismatch: match self.on_digest_mismatch {
                MismatchArg::Fail => OnMismatch::Fail,
                MismatchArg::Warn => OnMismatch::Warn,
                MismatchArg::Accept => OnMismatch::Accept,
            },
            conflict: match self.on_conflict {
                ConflictArg::Fail => OnConflict::Fail,
                ConflictArg::Skip => OnConflict::Skip,
                ConflictArg::Overwrite => OnConflict::Overwrite,
            },
            prune: None,
            state_file: None,
            state_ref: None,
            concurrency: self.concurrency,
            rate: self.rate,
            metrics_file: None,
            hosts: Vec::new(),
            from: Side::default(),
            to: Side::default(),
        })
    }
}

fn from_file(document: Document) -> Result<Settings> {
    let sources = document
        .sources
        .iter()
        .enumerate()
        .map(|(number, entry)| {
            Ok(SourceSettings {
                location: entry.url.clone(),
                name: entry.name.clone(),
                repositories: entry.repositories.clone(),
                selection: entry.selection(number)?,
            })
        })
        .collect::<Result<_>>()?;
    let destination = document.destination;
    Ok(Settings {
        sources,
        destination: destination.url,
        template: destination.template,
        alias: file::alias(destination.alias_without_v),
        rewrite: match (destination.rewrite_dependencies, destination.dependency_urls) {
            (false, urls) if urls.is_empty() => None,
            (_, urls) => {
                Some(urls.iter().map(|text| text.parse()).collect::<Result<Vec<Rules>>>()?)
            }
        },
        artifact_hub: destination.artifacthub,
        create: destination.create_repository_command,
        mismatch: document
            .on_digest_mismatch
            .as_deref()
            .map_or(Ok(OnMismatch::default()), file::mismatch)?,
        conflict: document
            .on_conflict
            .as_deref()
            .map_or(Ok(OnConflict::default()), file::conflict)?,
        prune: document.prune.as_ref().map(file::PruneEntry::guard).transpose()?,
        state_file: document.state.file,
        state_ref: document.state.reference,
        concurrency: document.concurrency.unwrap_or(AT_ONCE),
        rate: document.rate,
        metrics_file: document.metrics_file,
        hosts: document.hosts,
        from: Side::default(),
        to: Side::default(),
    })
}
