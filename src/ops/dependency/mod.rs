//! `dependency update` and `build`: brings what Chart.yaml asks for into `charts/` and writes the
//! lock. From folders, registries and chart repositories; each is asked with the credentials and
//! TLS settings of the caller. Flow and texts of helm.md 3.13.

pub(super) mod download;
pub mod list;
pub mod repositories;
pub(super) mod resolve;

use super::{any_repository::AnyRepository, chart_bytes, package};
use crate::{
    Advice, Error, ErrorKind, Result,
    archive::{Chart, Keep, dir},
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

/// What happens on the way, for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// So many dependencies are saved.
    Saving(usize),
    /// One is downloaded.
    Downloading {
        /// Its name.
        name: String,
        /// From where.
        repository: String,
    },
    /// The same chart was downloaded a moment ago, for another alias.
    Already {
        /// Its name.
        name: String,
        /// From where.
        repository: String,
    },
    /// One has no repository: it must be in `charts/`.
    Undeclared(String),
    /// The indexes of repositories that nobody configured are fetched.
    RefreshingUnmanaged,
    /// The indexes of all configured repositories are fetched.
    Refreshing,
    /// They are there.
    Refreshed,
    /// The index of one repository is there.
    Updated {
        /// Its name, or its URL when it has none.
        shown: String,
    },
    /// The index of one could not be had.
    NotUpdated {
        /// Its name, or its URL when it has none.
        shown: String,
        /// Its URL, when it has a name.
        url: Option<String>,
        /// Why.
        why: String,
    },
    /// Archives in `charts/` that are not needed are deleted.
    Deleting,
    /// Something the user should know.
    Warning(String),
}

/// What an update or a build works with.
pub struct Options<'a> {
    /// The chart's source.
    pub chart: &'a Path,
    /// When the lock was made.
    pub generated: Time,
    /// How folders of `file://` are packaged.
    pub package: package::Options,
    /// How chart repositories are reached.
    pub repositories: Repositories,
    /// Opens a repository of a registry.
    pub connect: &'a (dyn Fn(&Reference) -> Result<AnyRepository> + Sync),
    /// Hears what happens.
    pub tell: &'a (dyn Fn(Event) + Sync),
    /// Caps.
    pub limits: Limits,
}

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("chart", &self.chart).finish_non_exhaustive()
    }
}

/// Resolves every dependency anew, downloads, and writes the lock if it changed.
///
/// # Errors
/// `Invalid` for a bad range or a lock that is a link, `NotFound` for what cannot be had, and what
/// a registry says.
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
    chart_bytes::write_file(&paths.0, |file| io::Write::write_all(file, lock.to_yaml().as_bytes()))
}

/// Downloads what the lock says; without a lock it is an update.
///
/// # Errors
/// `Invalid` when the lock is out of step with Chart.yaml, and as [`update`].
pub async fn build(options: &Options<'_>) -> Result<()> {
    let chart = load(options)?;
    let Some(lock) = chart.lock else { return update(options).await };
    let charts = Folder::of(options.chart)?;
    let mut wanted: Vec<Dependency> =
        chart.metadata.dependencies.iter().flatten().cloned().collect();
    // Helm 2 made its digest before it replaced aliases.
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

/// The chart's metadata and lock. Links that lead out of it are of no concern here: nothing is
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

/// Where a chart's lock is.
struct LockFile(PathBuf);

impl LockFile {
    fn of(chart: &Path, api_version: &str) -> Self {
        Self(chart.join(if api_version == "v1" { "requirements.lock" } else { "Chart.lock" }))
    }

    /// A lock that is a link would be written through (CVE-2025-53547).
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
