//! Resolution of Chart.yaml's ranges to current versions, from folders, registries and chart
//! repositories.

use super::{
    Event, Options,
    repositories::{Known, is_http},
};
use crate::{
    Error, ErrorKind, Result,
    archive::{Keep, dir},
    chart::Dependency,
    constraint::Constraint,
    oci::Reference,
    ops::{chart_manifest::first_chart, tags},
    store::Tags,
    version::Version,
};
use std::path::{Path, PathBuf};

/// Returns the current version for each dependency.
pub(crate) async fn resolve(
    options: &Options<'_>,
    known: &Known<'_>,
    wanted: &[Dependency],
) -> Result<Vec<Dependency>> {
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
            let chart =
                dir::load_with(&folder, Keep::Nothing, dir::Outside::Skip, &options.limits)?;
            let version = Version::parse_loose(&chart.metadata.version)
                .map_err(|error| Error::invalid(error.to_string()))?;
            constraint.matches(&version).then_some(chart.metadata.version)
        } else if is_http(one) {
            known.version(one, &constraint)?
        } else if Version::parse_loose(&one.version).is_ok() {
            Some(one.version.clone())
        } else {
            let reference = registry_reference(one)?;
            let place = (options.connect)(&reference)?;
            let all = place.tags().await.map_err(|error| explain(one, error))?;
            // If no tag matches, Helm leaves the range in the lock, and then the download fails
            // with an unclear error.
            let fitting = tags::fitting(&all, &one.version, &constraint);
            match fitting.first() {
                None => None,
                Some(_) => {
                    // The newest tag may be an image, whose version the lock must not contain.
                    let name = reference.repository_path();
                    let first = first_chart(&place, &name, &fitting).await?;
                    for passed in first.passed {
                        (options.tell)(Event::Warning(passed));
                    }
                    Some(first.tag.to_version())
                }
            }
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

/// Adds a hint to a registry's error if `repository` already ends in the chart's name.
pub(crate) fn explain(one: &Dependency, error: Error) -> Error {
    let named = one.repository.trim_end_matches('/').strip_suffix(&one.name);
    let Some(namespace) = named.and_then(|rest| rest.strip_suffix('/')) else { return error };
    if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Denied) {
        return error;
    }
    error.with_hint(format!(
        "write `repository: {namespace}`: the name `{}` is added to it, so leave it out",
        one.name
    ))
}

pub(crate) fn registry_reference(one: &Dependency) -> Result<Reference> {
    format!("{}/{}", one.repository.trim_end_matches('/'), one.name).parse::<Reference>().map_err(
        |error| {
            Error::invalid(format!("dependency `{}` has a bad repository", one.name))
                .with_source(error)
        },
    )
}

/// Returns the folder of a `file://` repository, from the chart's folder if it is relative.
pub(crate) fn local_folder(chart: &Path, repository: &str) -> Result<PathBuf> {
    let path = repository.trim_start_matches("file://");
    let folder = chart.join(path);
    if folder.is_dir() {
        Ok(folder)
    } else {
        Err(Error::not_found(format!("directory {} not found", folder.display())))
    }
}
