//! `dependency update` and `build`: downloads the dependencies in Chart.yaml to `charts/` and
//! writes the lock. The sources are folders, registries and chart repositories, each with the
//! caller's credentials and TLS settings. Flow and texts follow helm.md 3.13.

pub(super) mod download;
pub mod list;
pub mod repositories;
pub(super) mod resolve;

use super::{any_repository::AnyRepository, package};
use crate::{
    Advice, Error, ErrorKind, Result,
    archive::{Chart, Keep, dir},
    atomic_file,
    chart::{
        Dependency,
        lock::{self, Lock},
        time::Time,
    },
    limits::Limits,
    oci::Reference,
};
use download::{Folder, download};
use repositories::{Known, Repositories};
use resolve::resolve;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// An event for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The number of dependencies to save.
    Saving(usize),
    /// A dependency is being downloaded.
    Downloading {
        /// The name of the dependency.
        name: String,
        /// The repository of the dependency.
        repository: String,
    },
    /// The same chart was downloaded a moment ago, for another alias.
    Already {
        /// The name of the dependency.
        name: String,
        /// The repository of the dependency.
        repository: String,
    },
    /// A dependency has no repository, so it must be in `charts/`.
    Undeclared(String),
    /// The indexes of unconfigured repositories are being downloaded.
    RefreshingUnmanaged,
    /// The indexes of all configured repositories are being downloaded.
    Refreshing,
    /// All indexes were downloaded.
    Refreshed,
    /// The index of one repository was downloaded.
    Updated {
        /// The repository's name, or its URL if it has none.
        shown: String,
    },
    /// The index of one repository is unavailable.
    NotUpdated {
        /// The repository's name, or its URL if it has none.
        shown: String,
        /// The repository's URL, if it has a name.
        url: Option<String>,
        /// The reason for the failure.
        why: String,
    },
    /// Archives in `charts/` that are not needed are deleted.
    Deleting,
    /// A warning for the user.
    Warning(String),
}

/// Options of an update or a build.
#[non_exhaustive]
pub struct Options<'a> {
    /// The chart's source.
    pub chart: &'a Path,
    /// The creation time of the lock.
    pub generated: Time,
    /// Options of packaging `file://` folders.
    pub package: package::Options,
    /// The settings for chart repositories.
    pub repositories: Repositories,
    /// Opens a repository of a registry.
    pub connect: &'a (dyn Fn(&Reference) -> Result<AnyRepository> + Sync),
    /// The receiver of events.
    pub tell: &'a (dyn Fn(Event) + Sync),
    /// The limits on sizes and counts.
    pub limits: Limits,
}

impl<'a> Options<'a> {
    /// Creates options for the chart at `chart`, with no receiver of events.
    pub fn new(
        chart: &'a Path,
        generated: Time,
        repositories: Repositories,
        connect: &'a (dyn Fn(&Reference) -> Result<AnyRepository> + Sync),
    ) -> Self {
        Self {
            chart,
            generated,
            package: package::Options::new(None),
            repositories,
            connect,
            tell: &|_| {},
            limits: Limits::default(),
        }
    }
}

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("chart", &self.chart).finish_non_exhaustive()
    }
}

/// Resolves every dependency again, downloads it, and writes the lock if it changed.
///
/// # Errors
/// `Invalid` for a bad range or a lock that is a link. `NotFound` for a dependency that is not
/// available. Any error of a registry.
pub async fn update(options: &Options<'_>) -> Result<()> {
    let chart = load(options)?;
    let mut wanted: Vec<Dependency> =
        chart.metadata.dependencies.iter().flatten().cloned().collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let charts = Folder::of(options.chart)?;
    let known = Known::find(options, &mut wanted)?;
    known.refresh().await;
    let locked = resolve(options, &known, &wanted).await?;
    let paths = LockFile::of(options.chart, &chart.metadata.api_version);
    paths.check()?;
    download(options, &known, &charts, &locked, &wanted).await?;
    let lock = Lock::new(options.generated, &wanted, locked);
    if chart.lock.as_ref().is_some_and(|old| old.digest == lock.digest) {
        return Ok(());
    }
    atomic_file::write_file(&paths.0, |file| io::Write::write_all(file, lock.to_yaml().as_bytes()))
}

/// Downloads the dependencies in the lock. Without a lock, it does an update.
///
/// # Errors
/// `Invalid` if the lock is out of sync with Chart.yaml, and the errors of [`update`].
pub async fn build(options: &Options<'_>) -> Result<()> {
    let chart = load(options)?;
    let Some(lock) = chart.lock else { return update(options).await };
    let charts = Folder::of(options.chart)?;
    let mut wanted: Vec<Dependency> =
        chart.metadata.dependencies.iter().flatten().cloned().collect();
    // Helm 2 computed its digest before it replaced aliases.
    let helm2 = lock::helm2_digest(&wanted);
    Known::find(options, &mut wanted)?;
    let old = chart.metadata.api_version == "v1";
    if lock::digest(&wanted, &lock.dependencies) != lock.digest {
        if !old {
            return Err(out_of_step("Chart.lock", "Chart.yaml"));
        }
        (options.tell)(Event::Warning(
            "a valid Helm v3 hash was not found. Checking against Helm v2 hash...".to_owned(),
        ));
        if helm2 != lock.digest {
            return Err(out_of_step("requirements.lock", "requirements.yaml"));
        }
    }
    let mut locked = lock.dependencies;
    let known = Known::find(options, &mut locked)?;
    known.require_configured()?;
    known.refresh().await;
    download(options, &known, &charts, &locked, &wanted).await
}

/// Loads the chart's metadata and lock. It ignores links out of the chart, because nothing is
/// written through them.
fn load(options: &Options<'_>) -> Result<Chart> {
    dir::load_with(options.chart, Keep::Nothing, dir::Outside::Skip, &options.limits)
}

fn out_of_step(lock: &str, file: &str) -> Error {
    Error::invalid(format!(
        "the lock file ({lock}) is out of sync with the dependencies file ({file}). Please update the dependencies"
    ))
    .with_advice(Advice::UpdateDependencies)
}

/// The path of a chart's lock.
struct LockFile(PathBuf);

impl LockFile {
    fn of(chart: &Path, api_version: &str) -> Self {
        Self(chart.join(if api_version == "v1" { "requirements.lock" } else { "Chart.lock" }))
    }

    /// Refuses a lock that is a link, because a write would follow it (CVE-2025-53547).
    fn check(&self) -> Result<()> {
        match fs::symlink_metadata(&self.0) {
            Ok(meta) if meta.file_type().is_symlink() => {
                let target = fs::read_link(&self.0)
                    .map_err(|error| Error::io("read link", &self.0, error))?;
                let name = self
                    .0
                    .file_name()
                    .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
                Err(Error::new(
                    ErrorKind::Invalid,
                    format!("the {name} file is a symlink to \"{}\"", target.display()),
                )
                .with_hint("replace the link by a file; it would be overwritten"))
            }
            _ => Ok(()),
        }
    }
}
