//! A chart's source to be packaged, validated as `helm package` does before it saves.

use super::Options;
use crate::{
    Error, ErrorKind, Result,
    archive::{Chart, Content, dir},
    version::Version,
};
use std::{
    fs, io,
    path::{Path, absolute},
};

/// Loads the chart with the options' versions, and validates it as `helm package` does before it
/// saves.
pub(crate) fn load(
    source: &Path,
    aside: Option<&Path>,
    options: &Options,
) -> Result<Chart<Content>> {
    detect(source)?;
    let mut chart = dir::open(source, aside, options.outside, &options.limits)?;
    apply(&mut chart, options)?;
    Ok(chart)
}

/// Sets the options' versions and validates the chart.
pub(crate) fn apply(chart: &mut Chart<Content>, options: &Options) -> Result<()> {
    match chart.metadata.api_version.as_str() {
        "v1" | "v2" => {}
        "v3" => return Err(Error::invalid("invalid chart apiVersion")),
        _ => return Err(Error::invalid("unsupported chart version")),
    }
    let metadata = &mut chart.metadata;
    if let Some(version) = options.version.as_ref().filter(|version| !version.is_empty()) {
        metadata.version.clone_from(version);
    }
    Version::parse_loose(&metadata.version).map_err(|error| Error::invalid(error.to_string()))?;
    if let Some(app_version) = options.app_version.as_ref().filter(|version| !version.is_empty()) {
        metadata.app_version.clone_from(app_version);
    }
    let subcharts: Vec<_> =
        chart.subcharts.iter().map(|chart| chart.metadata.name.as_str()).collect();
    chart.metadata.require_dependencies(&subcharts)
}

/// Fails with Helm's words if there is no chart.
fn detect(source: &Path) -> Result<()> {
    if let Err(error) = fs::metadata(source) {
        let reason = reason(&error);
        let message = format!("stat {}: {reason}", source.display());
        return Err(Error::new(kind(&error), message));
    }
    let path =
        absolute(source).map_err(|error| Error::io("find", source, error))?.join("Chart.yaml");
    // Helm opens it, and waits for ever if no process writes to a FIFO.
    if fs::metadata(&path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        let path = path.display();
        let message = format!("unable to detect chart at {path}: it is not a regular file");
        return Err(Error::invalid(message));
    }
    match fs::File::open(&path) {
        Ok(_) => Ok(()),
        Err(error) => {
            let (path, reason) = (path.display(), reason(&error));
            let message = format!("unable to detect chart at {path}: open {path}: {reason}");
            Err(Error::new(kind(&error), message))
        }
    }
}

fn kind(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::NotADirectory => ErrorKind::Invalid,
        _ => ErrorKind::Io,
    }
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::NotADirectory => "not a directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}
