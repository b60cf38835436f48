//! The command `mirror SRC... DST`, which copies whole repositories. A repeated run transfers
//! nothing.

use super::{
    Run,
    shell::{
        advice::{ReadBy, render},
        exit::Exit,
        output::{self, Format},
        progress::Progress,
        remote::{TransportArgs, http_redirects},
    },
};
use crate::{
    Error, Result,
    atomic_file::write_file,
    limits::Limits,
    mirror::{
        self, Ask, Fingerprint, Report, Shard,
        finish::prune::Guard,
        metrics,
        report::{Mode, Verdict},
        rewrite::Rules,
        run::{
            Alias, Belongings, Detail, Earlier, Event, LOOK_EVERY, Listener, OnConflict,
            OnMismatch, Options, Remembering, Trust,
        },
        select::{Needs, Pattern, Rule, Selection},
        source::Tags,
        state::Key,
    },
    yaml,
};
use args::AT_ONCE;
pub(super) use args::MirrorArgs;
use bytes::Bytes;
use ends::{Ends, Side};
use file::{Document, HostEntry};
use jiff::Timestamp;
use std::{
    io::{Read, Write},
    path::{Path, PathBuf},
    sync::{Mutex, atomic::Ordering},
    time::Duration,
};

mod args;
mod ends;
mod file;
mod report;
mod schema;

/// The sample names for checking a template.
const SAMPLE: mirror::sink::Naming<'static> =
    mirror::sink::Naming { repo: "repo", chart: "chart", version: "1.0.0" };
/// The largest file of metrics in bytes: about 4 KiB for each source, so a thousand sources.
const MAX_METRICS: u64 = 4 << 20;
/// The largest file for Artifact Hub in bytes: a name, some owners, some packages to skip.
const MAX_METADATA: u64 = 1 << 20;

/// A source and its selection.
#[derive(Clone, Debug)]
struct SourceSettings {
    location: String,
    name: Option<String>,
    repositories: Vec<String>,
    tags: Tags,
    selection: Selection,
}

/// The settings from flags or file.
#[derive(Debug)]
struct Settings {
    sources: Vec<SourceSettings>,
    destination: String,
    template: Option<String>,
    alias: Alias,
    /// Additional addresses of dependencies, beside those of the sources. `None` rewrites nothing.
    rewrite: Option<Vec<Rules>>,
    artifact_hub: Option<PathBuf>,
    belongings: Belongings,
    create: Option<String>,
    provenance: Ask,
    mismatch: OnMismatch,
    conflict: OnConflict,
    prune: Option<Guard>,
    state_file: Option<PathBuf>,
    state_ref: Option<String>,
    look_every: Duration,
    trust: Trust,
    concurrency: usize,
    rate: Option<f64>,
    metrics_file: Option<PathBuf>,
    report_file: Option<PathBuf>,
    hosts: Vec<HostEntry>,
    from: Side,
    to: Side,
}

pub(super) fn mirror(run: &Run, args: MirrorArgs) -> Result<Exit> {
    let settings = args.settings(run)?;
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
        failed: Mutex::default(),
    };
    let progress = Progress::start(run, "copied", "versions", 0);
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
    options.trust = settings.trust;
    options.detail = if args.all { Detail::Every } else { Detail::Notable };
    options.look_every = if args.look { Duration::ZERO } else { settings.look_every };
    options.belongings = settings.belongings;
    options.artifact_hub = settings.artifact_hub.as_deref().map(metadata).transpose()?;
    options.prune = settings.prune;
    options.at_once = settings.concurrency;
    options.naming = Fingerprint::of(settings.template.as_deref().unwrap_or_default().as_bytes());
    options.advise = |advice| render(advice, ReadBy::Unknown);
    options.listener = Listener::new(move |event| match event {
        Event::Planned(more) => {
            counts.total.fetch_add(more as u64, Ordering::Relaxed);
        }
        Event::Done(_) => {
            counts.items.fetch_add(1, Ordering::Relaxed);
        }
        Event::Failed => {
            counts.failed.fetch_add(1, Ordering::Relaxed);
        }
    });
    for (what, path) in [("metrics", &settings.metrics_file), ("the report", &settings.report_file)]
    {
        if let Some(path) = path {
            writable(what, path)?;
        }
    }
    let stop = options.stop.clone();
    let (ended, signal) = run.block_on_stoppable(every(&ends, &options, &args), move || stop.ask());
    drop(progress);
    // The metrics file is written for every end of the run.
    let (reports, stopped) = match ended {
        Ok(reports) => (reports, None),
        Err(error) => {
            let fail = |source: &SourceSettings| {
                unmirrored(&source.location, &settings.destination, &options, &error)
            };
            (settings.sources.iter().map(fail).collect(), Some(error))
        }
    };
    let reports: Vec<Report> = reports.into_iter().map(Report::shown).collect();
    let told = tell(run, &args, &settings, &reports);
    match (signal, stopped) {
        (Some(signal), _) => Err(signal.error()),
        (None, Some(error)) => Err(error),
        (None, None) => told.map(|()| exit(&reports, &ends.failed)),
    }
}

/// Mirrors one source after the other. If one fails, the others still run; it is an error only if
/// it is the only source.
async fn every(ends: &Ends<'_>, options: &Options, args: &MirrorArgs) -> Result<Vec<Report>> {
    let sink = ends.sink().await?;
    if let Some(template) = &ends.settings.template {
        // One error now is better than one for every version later.
        sink.place(&SAMPLE).map_err(|error| {
            Error::usage(format!("the template `{template}` gives no valid place"))
                .with_source(error)
        })?;
    }
    let sources = &ends.settings.sources;
    let mut reports = Vec::new();
    for settings in sources {
        match one(ends, settings, &sink, options, args).await {
            Ok(report) => reports.push(report),
            Err(error) if sources.len() == 1 => return Err(error),
            Err(error) if options.stop.is_asked() => {
                reports.push(unmirrored(&settings.location, sink.identity(), options, &error));
            }
            Err(error) => {
                reports.push(unmirrored(&settings.location, sink.identity(), options, &error));
                if let Ok(mut failed) = ends.failed.lock() {
                    failed.push(Exit::from(&error));
                }
                let what = format!("`{}` is not mirrored", settings.location);
                ends.run.talk.error(&error.context(what));
            }
        }
    }
    mirror::extra::reconcile(&mut reports, &options.placed);
    // Flags apply to all sources together: a chart of one source need not exist in the others.
    if args.file.is_none() && reports.iter().any(|report| report.missing.is_empty()) {
        for report in &mut reports {
            report.warnings.append(&mut report.missing);
        }
    }
    Ok(reports)
}

/// Returns the report of a source that could not be listed.
fn unmirrored(source: &str, destination: &str, options: &Options, error: &Error) -> Report {
    Report {
        error: Some(error.chain()),
        ..Report::new(source.trim_end_matches('/'), destination, options.shard, options.mode)
    }
}

/// Checks that a file can be written at the end.
fn writable(what: &str, path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let fail = |error| {
        Error::io(&format!("write {what} to"), path, error)
            .with_hint("its folder must be there before")
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
    if let (Some(name), Some(template)) = (&settings.name, &ends.settings.template)
        && template.contains("repo")
    {
        // Under another name, the charts have other places.
        options.naming = Fingerprint::of(format!("{template}\n{name}").as_bytes());
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
    mirror::run(&source, sink, &options).await
}

/// Returns the rules that point dependencies from a source to the destination, and any warnings.
fn rules(source: &mirror::Source, sink: &mirror::Sink, urls: &[Rules]) -> Result<Rules> {
    let own = match sink.address() {
        Some(address) => {
            // A template may place the charts of a source below it.
            let naming = mirror::sink::Naming { repo: source.name(), ..SAMPLE };
            let shown = sink.place(&naming).map(|place| sink.show(&place));
            let folder =
                shown.ok().and_then(|shown| Some(shown.strip_suffix("/chart:1.0.0")?.to_owned()));
            Rules::new([(source.identity().to_owned(), folder.unwrap_or(address))])
        }
        None if urls.is_empty() => {
            return Err(Error::usage(format!(
                "the address for dependencies is unknown: `{}` is not an address",
                sink.identity()
            ))
            .with_hint("name it with `--dependency-url OLD-URL=NEW-URL`"));
        }
        None => Rules::default(),
    };
    Ok(urls.iter().cloned().fold(own, Rules::and))
}

/// Reads the file for Artifact Hub.
fn metadata(path: &Path) -> Result<Bytes> {
    let size = std::fs::metadata(path).map_err(|error| Error::input("read", path, error))?.len();
    if size > MAX_METADATA {
        return Err(Error::usage(format!("`{}` has {size} bytes", path.display()))
            .with_hint("Artifact Hub's metadata is a small YAML file"));
    }
    let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, error))?;
    let bad = |error: Error| error.with_hint("write an artifacthub-repo.yml");
    match yaml::parse(&bytes, yaml::Duplicates::LastWins, &Limits::default()) {
        Ok(yaml::Value::Map(_)) => Ok(bytes.into()),
        Ok(_) => Err(bad(Error::usage(format!("`{}` is not a mapping", path.display())))),
        Err(error) => {
            let what = format!("`{}` is not YAML", path.display());
            Err(bad(Error::usage(what).with_source(error)))
        }
    }
}

/// Returns the metrics of an earlier run, for values that span runs.
fn earlier(path: &Path) -> String {
    let mut text = String::new();
    let read =
        std::fs::File::open(path).and_then(|file| file.take(MAX_METRICS).read_to_string(&mut text));
    match read {
        Ok(_) => text,
        Err(_) => String::new(),
    }
}

/// Prints the report to stdout and warnings to stderr, and writes the metrics to their file.
fn tell(run: &Run, args: &MirrorArgs, settings: &Settings, reports: &[Report]) -> Result<()> {
    for report in reports {
        for warning in report.missing.iter().chain(&report.warnings) {
            run.talk.warn(warning);
        }
    }
    args.journal.note(run, "mirror", report::moved_tags(reports));
    if let Some(path) = &settings.report_file {
        let document = serde_json::json!({ "runs": reports });
        let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
        text.push('\n');
        write_file(path, |file| file.write_all(text.as_bytes()))?;
    }
    // Without any work, there is nothing to report to Prometheus.
    if let Some(path) = settings.metrics_file.as_ref().filter(|_| !args.dry_run) {
        let before = earlier(path);
        let text = metrics::text(reports, Timestamp::now().as_second(), &before);
        write_file(path, |file| file.write_all(text.as_bytes()))?;
    }
    match args.output {
        // The reason why a source is not mirrored is on stderr already.
        Format::Text => output::print(
            reports
                .iter()
                .filter(|report| report.error.is_none())
                .map(report::text)
                .collect::<String>(),
        ),
        format => output::print_value(format, &serde_json::json!({ "runs": reports })),
    }
}

fn exit(reports: &[Report], failed: &Mutex<Vec<Exit>>) -> Exit {
    let has = |verdict| reports.iter().any(|report| report.verdict() == verdict);
    let listed = reports.iter().all(|report| report.error.is_none());
    // A difference that a check finds outranks known refusals.
    if listed && has(Verdict::Drift) {
        return Exit::Drift;
    }
    if has(Verdict::Failed) {
        let none = reports.iter().all(|report| report.verdict() == Verdict::Failed);
        if !none {
            return Exit::Partial;
        }
        // A failure of all sources is reported like that of one.
        let failed = failed.lock().map(|failed| failed.clone()).unwrap_or_default();
        return match failed.first() {
            Some(first) if failed.len() == reports.len() && failed.iter().all(|e| e == first) => {
                *first
            }
            _ => Exit::Failure,
        };
    }
    if has(Verdict::Partly) {
        return Exit::Partial;
    }
    if has(Verdict::Missing) { Exit::NotFound } else { Exit::Ok }
}

/// Returns the shard for this pod of an indexed Kubernetes job. The index counts from 0 and does
/// not give the number of pods.
fn shard_of_job(run: &Run) -> Result<Shard> {
    let number = |name: &str| -> Result<Option<u32>> {
        run.env
            .text(name)
            .map(|text| {
                text.parse().map_err(|_| Error::usage(format!("{name} `{text}` is not a number")))
            })
            .transpose()
    };
    match (number("JOB_COMPLETION_INDEX")?, number("JOB_COMPLETIONS")?) {
        (None, _) | (Some(0), None) => Ok(Shard::default()),
        (Some(index), Some(count)) => Shard::new(index.saturating_add(1), count),
        (Some(index), None) => Err(Error::usage(format!(
            "JOB_COMPLETION_INDEX is {index}, but JOB_COMPLETIONS is not set"
        ))
        .with_hint("set JOB_COMPLETIONS to the job's `completions`, or write `--shard`")),
    }
}

impl MirrorArgs {
    fn settings(&self, run: &Run) -> Result<Settings> {
        let mut settings = match &self.file {
            Some(path) => {
                self.refuse_beside_file()?;
                let stdin = self.from.from_password_stdin || self.to.to_password_stdin;
                if stdin && path.as_os_str() == file::STDIN {
                    return Err(Error::usage("`-f -` and a password cannot both come from stdin")
                        .with_hint("name the password in the file, by `hosts[].passwordEnv` or `hosts[].passwordFile`"));
                }
                from_file(Document::read(path, &|name| run.env.secret(name))?)?
            }
            None => self.flags()?,
        };
        settings.mismatch = self.on_digest_mismatch.map_or(settings.mismatch, Into::into);
        settings.conflict = self.on_conflict.map_or(settings.conflict, Into::into);
        settings.concurrency = self.concurrency.unwrap_or(settings.concurrency);
        settings.rate = self.rate.or(settings.rate);
        if self.no_prov {
            settings.provenance = Ask::Nothing;
        }
        settings.look_every = self.look_every.unwrap_or(settings.look_every);
        if self.trust_tags {
            settings.trust = Trust::Tags;
        }
        if self.charts_only {
            settings.belongings = Belongings::LeaveBehind;
        }
        if self.with_dependencies {
            for source in &mut settings.sources {
                source.selection.needs = Needs::Follow;
            }
        }
        if self.state.is_some() {
            settings.state_file.clone_from(&self.state);
        }
        if self.state_ref.is_some() {
            settings.state_ref.clone_from(&self.state_ref);
        }
        if self.metrics_file.is_some() {
            settings.metrics_file.clone_from(&self.metrics_file);
        }
        if self.report_file.is_some() {
            settings.report_file.clone_from(&self.report_file);
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
            http_redirects: http_redirects(both.allow_http_redirects),
            pass_credentials: both.pass_credentials,
        };
        settings.to = Side {
            username: to.to_username.clone(),
            password_stdin: to.to_password_stdin,
            registry_config: to.to_registry_config.clone(),
            transport: transport(to.to_plain_http, &to.to_ca_file),
            http_redirects: http_redirects(both.allow_http_redirects),
            pass_credentials: false,
        };
        Ok(settings)
    }

    fn flags(&self) -> Result<Settings> {
        let Some((destination, sources)) =
            self.ends.split_last().filter(|(_, sources)| !sources.is_empty())
        else {
            let only = self.ends.first().map_or("", String::as_str);
            return Err(Error::usage(format!("`{only}` alone is not a mirror"))
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
            needs: Needs::default(),
        };
        Ok(Settings {
            sources: sources
                .iter()
                .map(|location| SourceSettings {
                    location: location.clone(),
                    name: None,
                    repositories: self.charts.clone(),
                    tags: file::tags(self.immutable_tags),
                    selection: selection.clone(),
                })
                .collect(),
            destination: destination.clone(),
            template: self.template.clone(),
            alias: file::alias(self.alias_without_v),
            rewrite: self.rewrite_dependencies.then(|| self.dependency_url.clone()),
            artifact_hub: self.artifacthub.clone(),
            belongings: Belongings::default(),
            create: self.create_repository_command.clone(),
            provenance: Ask::Provenance,
            mismatch: OnMismatch::default(),
            conflict: OnConflict::default(),
            prune: None,
            state_file: None,
            state_ref: None,
            look_every: LOOK_EVERY,
            trust: Trust::default(),
            concurrency: AT_ONCE,
            rate: None,
            metrics_file: None,
            report_file: None,
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
                tags: file::tags(entry.immutable_tags),
                selection: Selection {
                    needs: file::needs(document.with_dependencies),
                    ..entry.selection(number)?
                },
            })
        })
        .collect::<Result<_>>()?;
    let look_every = document.look_every()?.unwrap_or(LOOK_EVERY);
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
        belongings: file::belongings(document.charts_only),
        create: destination.create_repository_command,
        provenance: if document.no_prov { Ask::Nothing } else { Ask::Provenance },
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
        look_every,
        trust: file::trust(document.trust_tags),
        concurrency: document.concurrency.unwrap_or(AT_ONCE),
        rate: document.rate,
        metrics_file: document.metrics_file,
        report_file: document.report_file,
        hosts: document.hosts,
        from: Side::default(),
        to: Side::default(),
    })
}
