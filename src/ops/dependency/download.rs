//! Download of locked dependencies to a chart's `charts/`: first all to a separate folder, then
//! together into place.

use super::{
    Event, Options,
    repositories::{Known, is_http},
    resolve::{explain, local_folder, registry_reference},
};
use crate::{
    Advice, Error, ErrorKind, Result,
    archive::{self, Keep, dir},
    chart::Dependency,
    constraint::Constraint,
    limits::Limits,
    ops::{
        package,
        pull::{self, Provenance},
        tags::ChartRequest,
    },
    version::Version,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

/// A chart's folder `charts/`, in which archives are written and deleted. It need not exist.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Opens the `charts/` of the chart in `chart`.
    ///
    /// # Errors
    /// `Invalid` if it is a link. Otherwise archives would be written and deleted at the link's
    /// target (as CVE-2025-53547 for the lock). .helmignore can hide the link from the rules for
    /// links.
    pub(crate) fn of(chart: &Path) -> Result<Self> {
        let charts = chart.join("charts");
        let is_link =
            fs::symlink_metadata(&charts).is_ok_and(|found| found.file_type().is_symlink());
        if !is_link {
            return Ok(Self(charts));
        }
        let target =
            fs::read_link(&charts).map_err(|error| Error::io("read link", &charts, error))?;
        let message = format!("`{}` is a symlink to \"{}\"", charts.display(), target.display());
        Err(Error::invalid(message).with_hint(
            "replace the link by a folder; otherwise archives are written and deleted at its target",
        ))
    }
}

/// Downloads every locked dependency to `charts/`: first all to a separate folder, then together
/// into place.
pub(crate) async fn download(
    options: &Options<'_>,
    known: &Known<'_>,
    Folder(charts): &Folder,
    locked: &[Dependency],
    wanted: &[Dependency],
) -> Result<()> {
    let staging = tempfile::Builder::new()
        .prefix(".tmpcharts-")
        .tempdir_in(options.chart)
        .map_err(|error| Error::io("create a folder in", options.chart, error))?;
    (options.tell)(Event::Saving(locked.len()));
    let incoming = staging.path().join(INCOMING);
    fs::create_dir(&incoming).map_err(|error| Error::io("create folder", &incoming, error))?;
    let mut arrived = Arrived::default();
    let mut seen: BTreeSet<(String, String, String)> = BTreeSet::new();
    let mut urls: BTreeSet<String> = BTreeSet::new();
    for one in locked {
        if one.repository.is_empty() {
            (options.tell)(Event::Undeclared(one.name.clone()));
            check_undeclared(charts, one, &options.limits)?;
        } else if one.repository.starts_with("file://") {
            let folder = local_folder(options.chart, &one.repository)?;
            archive_folder(&folder, &incoming, &options.package)?;
        } else if is_http(one) {
            let (name, repository) = (one.name.clone(), one.repository.clone());
            let located = known.locate(one)?;
            if urls.insert(located.url.clone()) {
                (options.tell)(Event::Downloading { name, repository });
                known.download(&located, &incoming).await?;
            } else {
                (options.tell)(Event::Already { name, repository });
            }
        } else if seen.insert((one.repository.clone(), one.name.clone(), one.version.clone())) {
            let (name, repository) = (one.name.clone(), one.repository.clone());
            (options.tell)(Event::Downloading { name, repository });
            from_registry(options, one, &incoming).await?;
        } else {
            (options.tell)(Event::Already {
                name: one.name.clone(),
                repository: one.repository.clone(),
            });
        }
        arrived.take(one, &incoming, staging.path(), &options.limits)?;
    }
    fs::remove_dir(&incoming).map_err(|error| Error::io("delete", &incoming, error))?;
    // The folder is created only now, so that a failure leaves no empty folder.
    fs::create_dir_all(charts).map_err(|error| Error::io("create folder", charts, error))?;
    let fresh = move_into(staging.path(), charts)?;
    (options.tell)(Event::Deleting);
    delete_outdated(charts, &fresh, wanted, &options.limits)
}

/// Packages the chart of a `file://` repository. Unlike `package`, it does not check that chart's
/// own dependencies; neither does Helm.
fn archive_folder(folder: &Path, staging: &Path, options: &package::Options) -> Result<()> {
    let chart = dir::open(folder, Some(staging), options.outside, &options.limits)?;
    let path = staging.join(format!("{}-{}.tgz", chart.metadata.name, chart.metadata.version));
    let file = fs::File::create(&path).map_err(|error| Error::io("write", &path, error))?;
    let how = archive::write::Options { epoch: options.epoch, threads: options.threads };
    archive::write::write(&chart, io::BufWriter::new(file), how).and_then(|mut out| {
        io::Write::flush(&mut out).map_err(|error| Error::io("write", &path, error))
    })
}

fn check_undeclared(charts: &Path, one: &Dependency, limits: &Limits) -> Result<()> {
    let chart = dir::load_with(&charts.join(&one.name), Keep::Nothing, dir::Outside::Skip, limits)?;
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
    let wanted = ChartRequest { version: Some(one.version.clone()), ..ChartRequest::default() };
    let name = reference.repository_path();
    let pulled = pull::pull(&place, &name, &wanted, Provenance::Leave, &options.limits)
        .await
        .map_err(|error| {
            explain(one, error.context(format!("could not download oci://{name}:{}", one.version)))
        })?;
    for warning in &pulled.warnings {
        (options.tell)(Event::Warning(warning.describe(Advice::to_string)));
    }
    let chart = archive::read::read(pulled.archive.reader()?, Keep::Nothing, &options.limits)?;
    if let Some(other) = chart.metadata.other_than(&one.name, &one.version) {
        return Err(Error::invalid(format!(
            "oci://{name}:{} is not the chart that is asked for: {other}",
            one.version
        )));
    }
    pull::save(&pulled, &one.name, folder).map(drop)
}

/// The folder for the archive in transfer, within the folder for the complete ones.
const INCOMING: &str = "incoming";

/// The complete archives, each with the dependency that it belongs to.
#[derive(Default)]
struct Arrived(BTreeMap<PathBuf, String>);

impl Arrived {
    /// Moves the files of `one` from `incoming` to `staging`. A chart's loader reads only `.tgz`
    /// files of charts/, so an archive with another suffix gets its chart's name.
    ///
    /// # Errors
    /// `Conflict` if another dependency has a file of that name with other bytes.
    fn take(
        &mut self,
        one: &Dependency,
        incoming: &Path,
        staging: &Path,
        limits: &Limits,
    ) -> Result<()> {
        let fail = |error| Error::io("list folder", incoming, error);
        for entry in fs::read_dir(incoming).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let from = entry.path();
            let name = if is_tgz(&from) {
                PathBuf::from(entry.file_name())
            } else {
                let chart = archive::read::open(&from, Keep::Nothing, limits)?.metadata;
                format!("{}-{}.tgz", chart.name, chart.version).into()
            };
            let to = staging.join(&name);
            let shown = format!("{} from {}", one.name, one.repository);
            if let Some(first) = self.0.get(&name)
                && !same_bytes(&from, &to)?
            {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!(
                        "the dependencies {first} and {shown} are different charts of one name: both would be charts/{}",
                        name.display()
                    ),
                )
                .with_hint("remove one of the two from Chart.yaml"));
            }
            fs::rename(&from, &to).map_err(|error| Error::io("write", &to, error))?;
            self.0.insert(name, shown);
        }
        Ok(())
    }
}

/// Returns true if two archives, each within the limit on archives, have the same bytes.
fn same_bytes(a: &Path, b: &Path) -> Result<bool> {
    let read = |path: &Path| fs::read(path).map_err(|error| Error::io("read", path, error));
    Ok(read(a)? == read(b)?)
}

/// Moves the new archives into place, and names them.
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

fn is_tgz(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "tgz")
}

/// Deletes every archive of `charts/` that was not just saved, as Helm does: unless it cannot be
/// read, or its chart is a dependency without repository.
fn delete_outdated(
    charts: &Path,
    fresh: &BTreeSet<PathBuf>,
    wanted: &[Dependency],
    limits: &Limits,
) -> Result<()> {
    for entry in fs::read_dir(charts).map_err(|error| Error::io("list folder", charts, error))? {
        let path = entry.map_err(|error| Error::io("list folder", charts, error))?.path();
        if !is_tgz(&path) || fresh.contains(&path) {
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
