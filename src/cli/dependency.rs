//! The commands `dependency list|update|build CHART`.

use super::{
    Run, repo,
    shell::{
        exit::Exit, links::LinkArgs, output, remote::RemoteArgs, repository_flags::MismatchArgs,
        table::table,
    },
};
use crate::{
    Error, Result,
    archive::{self, Keep, dir::Outside},
    chart::{Dependency, time::Time},
    limits::Limits,
    oci::{Reference, Registry},
    ops::{
        any_repository::AnyRepository,
        dependency::{
            self as op, Event,
            list::{self, Row},
            repositories::{Refresh, Repositories},
        },
        package,
        repository::{listed::OnMismatch, open::Opener},
    },
    quote, redact,
};
use clap::{Args, Subcommand};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

#[derive(Debug, Subcommand)]
pub(super) enum DependencyCommand {
    /// List a chart's dependencies and their status
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Update charts/ to match Chart.yaml, and write the lock
    #[command(visible_alias = "up")]
    Update(UpdateArgs),
    /// Update charts/ to match the lock
    Build(UpdateArgs),
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Read this chart source or archive
    #[arg(default_value = ".")]
    chart: PathBuf,
    /// Cut columns at this width; 0 sets no limit
    #[arg(long, default_value_t = 80)]
    max_col_width: usize,
}

#[derive(Debug, Args)]
pub(super) struct UpdateArgs {
    /// Read this chart source
    #[arg(default_value = ".")]
    chart: PathBuf,
    /// Skip downloading the indexes of chart repositories first
    #[arg(long)]
    skip_refresh: bool,
    /// Use the public keys in this file; ignored without `--verify`, as Helm does
    #[arg(long, value_name = "FILE", hide = true)]
    keyring: Option<PathBuf>,
    #[command(flatten)]
    links: LinkArgs,
    #[command(flatten)]
    mismatch: MismatchArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

impl UpdateArgs {
    fn ways(&self) -> Ways<'_> {
        let refresh = if self.skip_refresh { Refresh::No } else { Refresh::Yes };
        Ways {
            remote: &self.remote,
            refresh,
            outside: self.links.strictly(),
            mismatch: self.mismatch.into(),
        }
    }
}

pub(super) fn dependency(run: &Run, command: DependencyCommand) -> Result<Exit> {
    match command {
        DependencyCommand::List(args) => {
            list(&args)?;
        }
        DependencyCommand::Update(args) => {
            work(run, &args.chart, args.ways(), Work::Update, &tell(run))?;
        }
        DependencyCommand::Build(args) => {
            work(run, &args.chart, args.ways(), Work::Build, &tell(run))?;
        }
    }
    Ok(Exit::Ok)
}

/// Lists dependencies as Helm prints them: the table, and after a blank line the unexpected files.
fn list(args: &ListArgs) -> Result<()> {
    let report = list::list(&args.chart, &Limits::default())?;
    if report.rows.is_empty() {
        return output::println(format!("WARNING: no dependencies at {}", report.place.display()));
    }
    let cells = |row: &Row| {
        let Dependency { name, version, repository, .. } = &row.dependency;
        vec![name.clone(), version.clone(), repository.clone(), row.status.to_string()]
    };
    let cells: Vec<_> = report.rows.iter().map(cells).collect();
    let header = ["NAME", "VERSION", "REPOSITORY", "STATUS"];
    let table = table(&header, &cells, args.max_col_width);
    let warnings: String =
        report.warnings.iter().map(|warning| format!("WARNING: {warning}\n")).collect();
    output::print(format!("{table}\n{warnings}"))
}

/// Updates for `package -u`: it prints warnings only.
pub(super) fn update_quietly(
    run: &Run,
    chart: &Path,
    links: LinkArgs,
    mismatch: MismatchArgs,
    remote: &RemoteArgs,
) -> Result<()> {
    let talk = run.talk.clone();
    let ways = Ways {
        remote,
        refresh: Refresh::Yes,
        outside: links.strictly(),
        mismatch: mismatch.into(),
    };
    work(run, chart, ways, Work::Update, &move |event| {
        if let Event::Warning(text) = event {
            talk.warn(&text);
        }
    })
}

/// The settings for the download of dependencies and for reading charts.
struct Ways<'a> {
    remote: &'a RemoteArgs,
    refresh: Refresh,
    outside: Outside,
    mismatch: OnMismatch,
}

enum Work {
    Update,
    Build,
}

fn work(
    run: &Run,
    chart: &Path,
    Ways { remote, refresh, outside, mismatch }: Ways<'_>,
    work: Work,
    tell: &(dyn Fn(Event) + Sync),
) -> Result<()> {
    let meant = meant(chart, remote)?;
    let nameless = remote.nameless();
    let connect = |reference: &Reference| -> Result<AnyRepository> {
        let remote = match &meant {
            Some(registry) if *registry != reference.registry => &nameless,
            _ => remote,
        };
        Ok(AnyRepository::Registry(
            remote.client(run)?.repository(&reference.registry, &reference.repository),
        ))
    };
    let epoch = run.epoch()?;
    let now = jiff::Timestamp::now();
    let generated = match epoch {
        Some(epoch) => Time::from_unix(epoch.unix(), 0),
        None => Time::from_unix(now.as_second(), now.subsec_nanosecond()),
    };
    let options = op::Options {
        chart,
        generated: generated.unwrap_or_default(),
        package: package::Options { outside, ..package::Options::new(epoch) },
        repositories: Repositories {
            files: run.repository_files(),
            opener: Opener { mismatch, ..repo::opener(run)? },
            refresh,
        },
        connect: &connect,
        tell,
        limits: Limits::default(),
    };
    run.block_on(async {
        match work {
            Work::Update => op::update(&options).await,
            Work::Build => op::build(&options).await,
        }
    })
}

/// Returns the registry that `--username` and `--password` are for: the only one that the chart's
/// dependencies name. `None` without these flags.
///
/// The author of Chart.yaml chose its hosts. So one of several hosts must not get the password for
/// another.
fn meant(chart: &Path, remote: &RemoteArgs) -> Result<Option<Registry>> {
    if remote.given()?.is_none() {
        return Ok(None);
    }
    let limits = Limits::default();
    let chart = archive::dir::load_with(chart, Keep::Nothing, Outside::Skip, &limits)?;
    let named = chart.metadata.dependencies.iter().flatten();
    let locked = chart.lock.iter().flat_map(|lock| &lock.dependencies);
    let hosts: BTreeSet<Registry> = named
        .chain(locked)
        .filter(|one| one.repository.starts_with("oci://"))
        .filter_map(|one| Reference::parse_namespace(&one.repository).ok())
        .map(|(host, _)| host)
        .collect();
    if hosts.len() > 1 {
        let list: Vec<_> = hosts.iter().map(|host| format!("`{host}`")).collect();
        return Err(Error::usage(format!(
            "`--username` is for one registry, and the dependencies name {}",
            list.join(", ")
        ))
        .with_hint("log in to each with `chartferry login HOST`, and leave the flags out"));
    }
    Ok(hosts.into_iter().next())
}

/// Returns the function that prints Helm's lines.
fn tell(run: &Run) -> impl Fn(Event) + Sync {
    let talk = run.talk.clone();
    move |event| {
        let line = match event {
            Event::Saving(count) => format!("Saving {count} charts"),
            Event::Downloading { name, repository } => {
                format!("Downloading {name} from repo {repository}")
            }
            Event::Already { name, repository } => {
                format!("Already downloaded {name} from repo {repository}")
            }
            Event::Undeclared(name) => {
                format!(
                    "Dependency {name} did not declare a repository. Assuming it exists in the charts directory"
                )
            }
            Event::RefreshingUnmanaged => {
                "Getting updates for unmanaged Helm repositories...".to_owned()
            }
            Event::Refreshing => {
                "Hang tight while we grab the latest from your chart repositories...".to_owned()
            }
            Event::Refreshed => "Update Complete. ⎈Happy Helming!⎈".to_owned(),
            Event::Updated { shown } => format!(
                "...Successfully got an update from the {} chart repository",
                quote::go(&shown)
            ),
            Event::NotUpdated { shown, url, why } => {
                let url = url.map(|url| format!(" ({url})")).unwrap_or_default();
                format!(
                    "...Unable to get an update from the {} chart repository{url}:\n\t{why}",
                    quote::go(&shown)
                )
            }
            Event::Deleting => "Deleting outdated charts".to_owned(),
            Event::Warning(text) => return talk.warn(&text),
        };
        // Helm's lines go to stdout. A closed stdout does not stop the work.
        let _ = output::println(redact::without_proof(&line));
    }
}
