//! `dependency list`: the dependencies in Chart.yaml and their status in `charts/`. It only reads;
//! [`crate::ops::dependency`] downloads.

use crate::{
    Error, Result,
    archive::{self, Chart, Keep},
    chart::{
        Dependency,
        dependency::{Archive, Present, Status},
    },
    limits::Limits,
    quote,
};
use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

/// A declared dependency and its state.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The dependency as declared.
    pub dependency: Dependency,
    /// The state of the dependency.
    pub status: Status,
}

/// The result of listing dependencies.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// The expected folder of the charts: the chart's `charts/`.
    pub place: PathBuf,
    /// One row for each declared dependency, in the order of Chart.yaml.
    pub rows: Vec<Row>,
    /// Unexpected content of `charts/`, in Helm's words.
    pub warnings: Vec<String>,
}

/// Lists the dependencies of the chart at `path`, a folder or an archive.
///
/// # Errors
/// The reason for which the chart cannot be loaded.
pub fn list(path: &Path, limits: &Limits) -> Result<Report> {
    let chart = load(path, limits)?;
    let place: PathBuf =
        path.join("charts").components().filter(|part| *part != Component::CurDir).collect();
    let names = names(&place)?;
    let subcharts: Vec<_> = chart.subcharts.iter().map(present).collect();
    let rows: Vec<_> = chart
        .metadata
        .dependencies
        .iter()
        .flatten()
        .map(|dependency| Row {
            status: status(dependency, &place, &names, &subcharts, limits),
            dependency: dependency.clone(),
        })
        .collect();
    // Like Helm, this does not look into a chart without dependencies.
    let warnings =
        if rows.is_empty() { Vec::new() } else { warnings(&place, &names, &rows, limits) };
    Ok(Report { place, rows, warnings })
}

fn load(path: &Path, limits: &Limits) -> Result<Chart> {
    if path.is_dir() {
        archive::dir::load_with(path, Keep::Nothing, archive::dir::Outside::Skip, limits)
    } else {
        archive::read::open(path, Keep::Nothing, limits)
    }
}

fn present(chart: &Chart) -> Present<'_> {
    Present { name: &chart.metadata.name, version: &chart.metadata.version }
}

/// Returns the names in `charts/`, sorted. It ignores names that are no text.
fn names(place: &Path) -> Result<Vec<String>> {
    let fail = |error| Error::io("list folder", place, error);
    let entries = match fs::read_dir(place) {
        Ok(entries) => entries,
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(fail(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(fail)?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

fn status(
    dependency: &Dependency,
    place: &Path,
    names: &[String],
    subcharts: &[Present<'_>],
    limits: &Limits,
) -> Status {
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    match dependency.archive(&names) {
        Archive::BadPattern => Status::BadPattern,
        Archive::Several => Status::TooManyMatches,
        Archive::None => dependency.status_among(subcharts),
        Archive::One(name) => {
            let chart = load(&place.join(name), limits).ok();
            dependency.status_of_archive(chart.as_ref().map(present))
        }
    }
}

fn warnings(place: &Path, names: &[String], rows: &[Row], limits: &Limits) -> Vec<String> {
    let mut warnings = Vec::new();
    for path in names.iter().map(|name| place.join(name)) {
        if !path.is_dir() && path.extension().is_none_or(|extension| extension != "tgz") {
            continue;
        }
        match load(&path, limits) {
            Err(_) => warnings.push(format!("{} is not a chart.", quoted(&path))),
            Ok(chart) if rows.iter().any(|row| row.dependency.name == chart.metadata.name) => {}
            Ok(_) => warnings.push(format!("{} is not in Chart.yaml.", quoted(&path))),
        }
    }
    warnings
}

fn quoted(path: &Path) -> String {
    quote::go(&path.display().to_string())
}
