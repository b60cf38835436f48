//! A writer of a chart archive's files to a directory, for `pull --untar` and `export`. The final
//! name appears only after the whole archive was found valid.

use super::{path::Name, read};
use crate::{Error, ErrorKind, Result, chart::Metadata, limits::Limits};
use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, Read, Write as _},
    path::{Path, PathBuf},
};

/// The treatment of a file or directory that already has the chart's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Refuse it, whatever it is.
    Refuse,
    /// Replace it with the new chart if it is a chart's directory, else refuse it.
    Replace,
    /// Overwrite the files of the chart and keep all others, as `helm chart export` did. Refuse a
    /// path that is not a directory, and a symbolic link in the place of a directory.
    Merge,
}

/// A chart that was written to a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expanded {
    /// The chart's directory.
    pub path: PathBuf,
    /// Sentences about entries that were skipped, as in [`super::Chart::skipped`].
    pub skipped: Vec<String>,
}

/// Writes the chart in the archive `reader` to `parent`/NAME. Creates `parent`.
///
/// # Errors
/// The errors of [`read::read`]; Helm's errors for a name that no directory can have;
/// [`ErrorKind::Conflict`] if the path exists.
pub fn expand(
    reader: impl Read,
    parent: &Path,
    existing: Existing,
    limits: &Limits,
) -> Result<Expanded> {
    create_directories(parent)?;
    let place = tempfile::Builder::new()
        .prefix(".chartferry-")
        .tempdir_in(parent)
        .map_err(|error| Error::io("create temporary directory in", parent, error))?;
    let new = place.path().join("new");
    create_directories(&new)?;
    let mut writer = Writer::new(&new, limits);
    let chart = read::observed(reader, limits, &mut writer)?;
    let target = parent.join(&chart.metadata.name);
    let skipped = chart.skipped;
    if fs::symlink_metadata(&target).is_ok() {
        if existing == Existing::Merge {
            merge(&new, &target)?;
            return Ok(Expanded { path: target, skipped });
        }
        set_aside(&target, existing, &place.path().join("old"))?;
    }
    if let Err(error) = fs::rename(&new, &target) {
        // Another process was faster, or the disk failed, so the old directory gets its name back.
        let _ = fs::rename(place.path().join("old"), &target);
        return Err(Error::io("create chart directory", &target, error));
    }
    Ok(Expanded { path: target, skipped })
}

/// Moves the files in `new` over those in `target`. A file replaces a link of its name, so nothing
/// is written through a link.
fn merge(new: &Path, target: &Path) -> Result<()> {
    let mut files = Vec::new();
    let mut directories = vec![PathBuf::new()];
    // All paths are checked before anything is moved.
    while let Some(within) = directories.pop() {
        // An empty name would leave a slash after the target, and a slash follows a link.
        let there =
            if within.as_os_str().is_empty() { target.to_owned() } else { target.join(&within) };
        match fs::symlink_metadata(&there) {
            Ok(found) if !found.is_dir() => return Err(in_the_way(&there, "is not a directory")),
            _ => {}
        }
        let from = new.join(&within);
        let fail = |error| Error::io("list directory", &from, error);
        for entry in fs::read_dir(&from).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = within.join(entry.file_name());
            if entry.file_type().map_err(fail)?.is_dir() {
                directories.push(name);
            } else if fs::symlink_metadata(target.join(&name)).is_ok_and(|found| found.is_dir()) {
                return Err(in_the_way(&target.join(&name), "is a directory"));
            } else {
                files.push(name);
            }
        }
    }
    for name in files {
        let to = target.join(&name);
        if let Some(folder) = to.parent() {
            create_directories(folder)?;
        }
        fs::rename(new.join(&name), &to)
            .map_err(|error| Error::io("write chart file", &to, error))?;
    }
    Ok(())
}

fn in_the_way(path: &Path, what: &str) -> Error {
    Error::new(ErrorKind::Conflict, format!("`{}` {what}", path.display()))
}

fn set_aside(target: &Path, existing: Existing, aside: &Path) -> Result<()> {
    let path = target.display();
    if existing == Existing::Refuse {
        let message = format!("a file or directory with the name `{path}` already exists");
        return Err(Error::new(ErrorKind::Conflict, message));
    }
    let is_chart = target.join("Chart.yaml").is_file();
    if !is_chart || target.is_symlink() {
        let message = format!("`{path}` is not a chart's directory, so it was not changed");
        return Err(Error::new(ErrorKind::Conflict, message));
    }
    fs::rename(target, aside).map_err(|error| Error::io("replace chart directory", target, error))
}

/// A writer of an archive's files as they are read.
struct Writer<'a> {
    root: &'a Path,
    limits: &'a Limits,
    directories: HashSet<PathBuf>,
    /// The number of directories that may still be made: the path of one file can need as many as
    /// it has parts.
    left: u64,
    current: Option<(PathBuf, File)>,
    /// The content of Chart.yaml, because the check needs the chart's name as written there.
    chart_yaml: Option<Vec<u8>>,
}

impl<'a> Writer<'a> {
    fn new(root: &'a Path, limits: &'a Limits) -> Self {
        let left = limits.chart_entries;
        Self { root, limits, directories: HashSet::new(), left, current: None, chart_yaml: None }
    }

    fn directory(&mut self, path: &Path) -> Result<()> {
        if path == self.root || self.directories.contains(path) {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.directory(parent)?;
        }
        self.left = self.left.checked_sub(1).ok_or_else(|| {
            let count = self.limits.chart_entries;
            Error::new(ErrorKind::Limit, format!("chart has more than {count} directories"))
        })?;
        match fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::io("create chart directory", path, error));
            }
            _ => self.directories.insert(path.to_owned()),
        };
        Ok(())
    }
}

impl read::Observer for Writer<'_> {
    fn begin(&mut self, name: &Name) -> Result<()> {
        let path = self.root.join(name.as_str());
        if let Some(parent) = path.parent() {
            self.directory(parent)?;
        }
        let file =
            File::create(&path).map_err(|error| Error::io("create chart file", &path, error))?;
        self.current = Some((path, file));
        self.chart_yaml = (name.as_str() == "Chart.yaml").then(Vec::new);
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(chart_yaml) = &mut self.chart_yaml {
            chart_yaml.extend_from_slice(bytes);
        }
        match &mut self.current {
            Some((path, file)) => {
                file.write_all(bytes).map_err(|error| Error::io("write chart file", &*path, error))
            }
            None => Ok(()),
        }
    }

    fn end(&mut self) -> Result<()> {
        self.current = None;
        match self.chart_yaml.take() {
            Some(bytes) => check_name(&bytes, self.limits),
            None => Ok(()),
        }
    }
}

/// Checks the name as Helm does before it expands a chart (CVE-2026-35206).
fn check_name(chart_yaml: &[u8], limits: &Limits) -> Result<()> {
    let name = Metadata::from_yaml(chart_yaml, limits)
        .map_err(|error| error.context("cannot load Chart.yaml"))?
        .name;
    Err(Error::invalid(match name.as_str() {
        "" => "chart name not specified".to_owned(),
        "." | ".." => format!("chart name {name:?} is not allowed"),
        _ if name.contains(['/', std::path::MAIN_SEPARATOR]) => {
            format!("chart name {name:?} must not contain path separators")
        }
        _ => return Ok(()),
    }))
}

fn create_directories(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|error| Error::io("create directory", path, error))
}
