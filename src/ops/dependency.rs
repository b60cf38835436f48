//! `dependency update` and `build`: brings what Chart.yaml asks for into `charts/` and writes the lock. From folders and
//! registries; each is asked with the credentials and TLS settings of the caller. Flow and texts of helm.md 3.13.

use crate::{
    Error, ErrorKind, Result,
    archive::{self, Keep},
    chart::{
        Dependency,
        lock::{self, Lock},
        time::Time,
    },
    constraint::Constraint,
    limits::Limits,
    oci::Reference,
    ops::{
        package,
        place::Place,
        pull::{self, Provenance},
        tags::{self, Wanted},
    },
    store::Tags,
    version::Version,
};
use std::{
    collections::BTreeSet,
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
    /// Opens a repository of a registry.
    pub connect: &'a (dyn Fn(&Reference) -> Result<Place> + Sync),
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
/// `Invalid` for a bad range or a lock that is a link, `NotFound` for what cannot be had, and what a registry says.
pub async fn update(options: &Options<'_>) -> Result<()> {
    let chart = archive::dir::load(options.chart, Keep::Nothing, &options.limits)?;
    let wanted: Vec<Dependency> = chart.metadata.dependencies.iter().flatten().cloned().collect();
    if wanted.is_empty() {
        return Ok(());
    }
    refuse_classic(&wanted)?;
    let locked = resolve(options, &wanted).await?;
    let paths = LockFile::of(options.chart, &chart.metadata.api_version);
    paths.check()?;
    download(options, &locked, &wanted).await?;
    let lock = Lock::new(options.generated, &wanted, locked);
    if chart.lock.as_ref().is_some_and(|old| old.digest == lock.digest) {
        return Ok(());
    }
    pull::write_file(&paths.0, |file| io::Write::write_all(file, lock.to_yaml().as_bytes()))
}

/// Downloads what the lock says; without a lock it is an update.
///
/// # Errors
/// `Invalid` when the lock is out of step with Chart.yaml, and as [`update`].
pub async fn build(options: &Options<'_>) -> Result<()> {
    let chart = archive::dir::load(options.chart, Keep::Nothing, &options.limits)?;
    let Some(lock) = chart.lock else { return update(options).await };
    let wanted: Vec<Dependency> = chart.metadata.dependencies.iter().flatten().cloned().collect();
    let old = chart.metadata.api_version == "v1";
    if lock::digest(&wanted, &lock.dependencies) != lock.digest {
        if !old {
            return Err(out_of_step("Chart.lock", "Chart.yaml"));
        }
        (options.tell)(Event::Warning(
            "a valid Helm v3 hash was not found. Checking against Helm v2 hash...".to_owned(),
        ));
        if lock::helm2_digest(&wanted) != lock.digest {
            return Err(out_of_step("requirements.lock", "requirements.yaml"));
        }
    }
    refuse_classic(&lock.dependencies)?;
    download(options, &lock.dependencies, &wanted).await
}

fn out_of_step(lock: &str, file: &str) -> Error {
    Error::invalid(format!(
        "the lock file ({lock}) is out of sync with the dependencies file ({file}). Please update the dependencies"
    ))
    .with_hint("chartferry dependency update CHART")
}

fn refuse_classic(all: &[Dependency]) -> Result<()> {
    let classic = |one: &&Dependency| {
        let repository = one.repository.as_str();
        !repository.is_empty()
            && !repository.starts_with("file://")
            && !repository.starts_with("oci://")
    };
    match all.iter().find(classic) {
        None => Ok(()),
        Some(one) => Err(Error::invalid(format!(
            "dependency `{}` is in the chart repository `{}`, which is not supported yet",
            one.name, one.repository
        ))
        .with_hint(
            "`file://` and `oci://` repositories are; `helm dependency update` brings the others",
        )),
    }
}

/// The version that each dependency means now.
async fn resolve(options: &Options<'_>, wanted: &[Dependency]) -> Result<Vec<Dependency>> {
    let mut locked = Vec::new();
    let mut missing = Vec::new();
    for one in wanted {
        let constraint = Constraint::parse(&one.version).map_err(|error| {
            Error::invalid(format!(
                "dependency \"{}\" has an invalid version/constraint format: {error}",
                one.name
            ))
        })?;
        let version = if one.repository.is_empty() {
            let folder = options.chart.join("charts").join(&one.name);
            if !folder.is_dir() {
                return Err(Error::not_found(format!("directory {} not found", folder.display())));
            }
            Some(one.version.clone())
        } else if one.repository.starts_with("file://") {
            let folder = local_folder(options.chart, &one.repository)?;
            let chart = archive::dir::load(&folder, Keep::Nothing, &options.limits)?;
            let version = Version::parse_loose(&chart.metadata.version)
                .map_err(|error| Error::invalid(error.to_string()))?;
            constraint.matches(&version).then_some(chart.metadata.version)
        } else if Version::parse_loose(&one.version).is_ok() {
            Some(one.version.clone())
        } else {
            let reference = registry_reference(one)?;
            let place = (options.connect)(&reference)?;
            let all = place.tags().await?;
            // Helm leaves the range in the lock when no tag fits; then the download fails with a stranger error.
            tags::select(&all, &one.version, &constraint).map(|tag| tag.replace('_', "+"))
        };
        match version {
            Some(version) => locked.push(Dependency {
                name: one.name.clone(),
                repository: one.repository.clone(),
                version,
                ..Dependency::default()
            }),
            None => missing.push(format!(
                "\"{}\" (repository \"{}\", version \"{}\")",
                one.name, one.repository, one.version
            )),
        }
    }
    if missing.is_empty() {
        return Ok(locked);
    }
    Err(Error::not_found(format!(
        "can't get a valid version for {} subchart(s): {}. Make sure a matching chart version exists in the repo, or change \
         the version constraint in Chart.yaml",
        missing.len(),
        missing.join(", ")
    )))
}

fn registry_reference(one: &Dependency) -> Result<Reference> {
    format!("{}/{}", one.repository.trim_end_matches('/'), one.name).parse::<Reference>().map_err(
        |error| {
            Error::invalid(format!("dependency `{}` has a bad repository", one.name))
                .with_source(error)
        },
    )
}

/// The folder of a `file://` repository, from the chart's folder if it is relative.
fn local_folder(chart: &Path, repository: &str) -> Result<PathBuf> {
    let path = repository.trim_start_matches("file://");
    let folder = chart.join(path);
    if folder.is_dir() {
        Ok(folder)
    } else {
        Err(Error::not_found(format!("directory {} not found", folder.display())))
    }
}

/// Brings every locked dependency into `charts/`: first all into a folder of its own, then at once into place.
async fn download(
    options: &Options<'_>,
    locked: &[Dependency],
    wanted: &[Dependency],
) -> Result<()> {
    let charts = options.chart.join("charts");
    fs::create_dir_all(&charts).map_err(|error| Error::io("create folder", &charts, error))?;
    let staging = tempfile::Builder::new()
        .prefix(".tmpcharts-")
        .tempdir_in(options.chart)
        .map_err(|error| Error::io("create a folder in", options.chart, error))?;
    (options.tell)(Event::Saving(locked.len()));
    let mut seen: BTreeSet<(String, String, String)> = BTreeSet::new();
    for one in locked {
        if one.repository.is_empty() {
            (options.tell)(Event::Undeclared(one.name.clone()));
            check_undeclared(&charts, one, &options.limits)?;
        } else if one.repository.starts_with("file://") {
            let folder = local_folder(options.chart, &one.repository)?;
            archive_folder(&folder, staging.path(), &options.package)?;
        } else if seen.insert((one.repository.clone(), one.name.clone(), one.version.clone())) {
            let (name, repository) = (one.name.clone(), one.repository.clone());
            (options.tell)(Event::Downloading { name, repository });
            from_registry(options, one, staging.path()).await?;
        } else {
            (options.tell)(Event::Already {
                name: one.name.clone(),
                repository: one.repository.clone(),
            });
        }
    }
    let fresh = move_into(staging.path(), &charts)?;
    (options.tell)(Event::Deleting);
    delete_outdated(&charts, &fresh, wanted, &options.limits)
}

/// Archives the chart of a `file://` repository. Unlike packaging it does not ask whether that chart's own
/// dependencies are there; neither does Helm.
fn archive_folder(folder: &Path, staging: &Path, options: &package::Options) -> Result<()> {
    let chart = archive::dir::open(folder, Some(staging), &options.limits)?;
    let path = staging.join(format!("{}-{}.tgz", chart.metadata.name, chart.metadata.version));
    let file = fs::File::create(&path).map_err(|error| Error::io("write", &path, error))?;
    let how = archive::write::Options { epoch: options.epoch, threads: options.threads };
    archive::write::write(&chart, io::BufWriter::new(file), how).and_then(|mut out| {
        io::Write::flush(&mut out).map_err(|error| Error::io("write", &path, error))
    })
}

fn check_undeclared(charts: &Path, one: &Dependency, limits: &Limits) -> Result<()> {
    let chart = archive::dir::load(&charts.join(&one.name), Keep::Nothing, limits)?;
    let constraint = Constraint::parse(&one.version).map_err(|error| {
        Error::invalid(format!(
            "dependency \"{}\" has an invalid version/constraint format: {error}",
            one.name
        ))
    })?;
    let version = Version::parse_loose(&chart.metadata.version)
        .map_err(|error| Error::invalid(error.to_string()))?;
    if constraint.matches(&version) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "dependency {} at version {} does not satisfy the constraint {}",
        one.name, chart.metadata.version, one.version
    )))
}

async fn from_registry(options: &Options<'_>, one: &Dependency, folder: &Path) -> Result<()> {
    let reference = registry_reference(one)?;
    let place = (options.connect)(&reference)?;
    let wanted = Wanted { version: Some(one.version.clone()), ..Wanted::default() };
    let name = reference.repository_path();
    let pulled =
        pull::pull(&place, &name, &wanted, Provenance::Leave, &options.limits).await.map_err(
            |error| error.context(format!("could not download oci://{name}:{}", one.version)),
        )?;
    for warning in &pulled.warnings {
        (options.tell)(Event::Warning(warning.clone()));
    }
    let chart = archive::read::read(pulled.archive.reader()?, Keep::Nothing, &options.limits)?;
    if chart.metadata.name != one.name {
        return Err(Error::invalid(format!(
            "oci://{name} holds the chart `{}`, not `{}`",
            chart.metadata.name, one.name
        )));
    }
    pull::save(&pulled, &one.name, folder).map(drop)
}

/// Moves the new archives into place and names them.
fn move_into(staging: &Path, charts: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut fresh = BTreeSet::new();
    for entry in fs::read_dir(staging).map_err(|error| Error::io("list folder", staging, error))? {
        let entry = entry.map_err(|error| Error::io("list folder", staging, error))?;
        let target = charts.join(entry.file_name());
        fs::rename(entry.path(), &target).map_err(|error| Error::io("write", &target, error))?;
        fresh.insert(target);
    }
    Ok(fresh)
}

/// Deletes every archive of `charts/` that was not just saved, as Helm does: unless it cannot be read, or its chart is a
/// dependency without repository.
fn delete_outdated(
    charts: &Path,
    fresh: &BTreeSet<PathBuf>,
    wanted: &[Dependency],
    limits: &Limits,
) -> Result<()> {
    for entry in fs::read_dir(charts).map_err(|error| Error::io("list folder", charts, error))? {
        let path = entry.map_err(|error| Error::io("list folder", charts, error))?.path();
        if path.extension().is_none_or(|extension| extension != "tgz") || fresh.contains(&path) {
            continue;
        }
        let Ok(chart) = archive::read::open(&path, Keep::Nothing, limits) else { continue };
        if wanted.iter().any(|one| one.repository.is_empty() && one.name == chart.metadata.name) {
            continue;
        }
        fs::remove_file(&path).map_err(|error| Error::io("delete", &path, error))?;
    }
    Ok(())
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
