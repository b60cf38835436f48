//! The meaning of a location on the command line: a path, a saved reference, a registry, a URL or
//! an image layout.

use super::location_grammar::LocationText;
use crate::{
    Error, ErrorKind, Result,
    cli::Run,
    index::config::RepositoryEntry,
    limits::Limits,
    oci::{Digest, Reference, Tag},
    ops::saved::{SavedCharts, SavedReference, is_registry},
    store::{Resolve, layout::Layout},
};
use std::path::{Path, PathBuf};

/// The location of a chart.
#[derive(Clone, Debug)]
pub(crate) enum Location {
    /// A file or folder on this machine.
    Path(PathBuf),
    /// A chart in the store of saved charts.
    Saved(SavedReference),
    /// A chart in a registry.
    Registry(Reference),
    /// A chart in an OCI image layout.
    Layout(LayoutReference),
    /// An archive at a URL.
    Url(String),
    /// A chart in a configured chart repository.
    Chart {
        /// The repository.
        repository: Box<RepositoryEntry>,
        /// The chart's name there.
        chart: String,
    },
}

/// A reference to a layout, `layout:DIR[:tag][@digest]`.
#[derive(Clone, Debug)]
pub(crate) struct LayoutReference {
    pub(crate) folder: PathBuf,
    pub(crate) tag: Option<Tag>,
    pub(crate) digest: Option<Digest>,
}

impl LayoutReference {
    /// Parses the text after `layout:`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let (rest, digest) = match text.rsplit_once("@sha") {
            Some((rest, digest)) => (rest, Some(format!("sha{digest}").parse::<Digest>()?)),
            None => (text, None),
        };
        // A path may hold a colon; the part after the last one is a tag only if no folder has the
        // whole name.
        let (folder, tag) = match rest.rsplit_once(':') {
            Some((folder, tag)) if !tag.contains(['/', '\\']) && !Path::new(rest).is_dir() => {
                (folder, Some(Tag::from_version(tag)?))
            }
            _ => (rest, None),
        };
        if folder.is_empty() {
            return Err(Error::usage(format!("`layout:{text}` names no folder")));
        }
        Ok(Self { folder: PathBuf::from(folder), tag, digest })
    }

    /// Opens the layout, which must exist.
    pub(crate) fn open(&self) -> Result<Layout> {
        Layout::open(&self.folder)
    }
}

/// Resolves a location without a scheme. It is an existing path, else a saved reference, else a
/// registry if its first segment looks like one, else `repo/chart`.
pub(crate) async fn resolve(run: &Run, text: &str) -> Result<Location> {
    match LocationText::parse(text) {
        LocationText::Layout(rest) => return LayoutReference::parse(rest).map(Location::Layout),
        LocationText::Oci(text) => return Ok(Location::Registry(text.parse()?)),
        LocationText::Http(text) | LocationText::OtherUrl(text) => {
            return Ok(Location::Url(text.to_owned()));
        }
        LocationText::Bare(_) => {}
    }
    let path = Path::new(text);
    if path.exists() {
        return Ok(Location::Path(path.to_owned()));
    }
    if path.is_absolute() || text.starts_with('.') {
        return Err(Error::not_found(format!("path \"{text}\" not found")));
    }
    if let Some(reference) = find_saved(text, &run.saved()).await? {
        return Ok(Location::Saved(reference));
    }
    match text.split_once('/') {
        Some((first, _)) if is_registry(first) => Ok(Location::Registry(text.parse()?)),
        Some((first, chart)) => in_repository(run, first, chart).map_err(|error| {
            if error.kind() != ErrorKind::NotFound {
                return error;
            }
            Error::not_found(format!(
                "`{text}` is not a path, a saved chart or a registry's reference"
            ))
            .with_source(error)
            .with_hint(format!(
                "`chartferry repo add {first} URL` would make it a chart of a repository"
            ))
        }),
        None => Err(Error::not_found(format!("`{text}` is neither a path nor a saved chart"))
            .with_hint("a registry's reference begins with its host, such as `localhost:5000/ns/name:1.0.0`, or with `oci://`")),
    }
}

/// Returns the location of `repo/chart`, if a repository of that name is configured.
///
/// # Errors
/// `NotFound` with Helm's text.
pub(crate) fn in_repository(run: &Run, name: &str, chart: &str) -> Result<Location> {
    let repository = run.repository_files().find(name, &Limits::default())?;
    Ok(Location::Chart { repository: Box::new(repository), chart: chart.to_owned() })
}

/// Returns true if `text` has the form `repo/chart`: two names without a tag, the first of which is
/// not a registry. If there are more segments or a tag, the first is a host without a dot.
pub(crate) fn is_in_repository(text: &str) -> bool {
    let mut segments = text.split('/');
    let (first, chart, rest) = (segments.next(), segments.next(), segments.next());
    let named = |segment: Option<&str>| segment.is_some_and(|segment| !segment.is_empty());
    named(first)
        && named(chart)
        && rest.is_none()
        && !text.contains([':', '@'])
        && !first.is_some_and(is_registry)
}

/// Returns the saved reference that `text` names, if it is saved.
pub(crate) async fn find_saved(text: &str, saved: &SavedCharts) -> Result<Option<SavedReference>> {
    let Ok(reference) = text.parse::<SavedReference>() else { return Ok(None) };
    let Some(tag) = &reference.tag else { return Ok(None) };
    let Some(repository) = saved.read(&reference)? else { return Ok(None) };
    match repository.resolve(&crate::oci::TagOrDigest::Tag(tag.clone())).await {
        Ok(found) => Ok(found.map(|_| reference)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_of_a_repository_is_two_names_without_a_tag() {
        for (text, yes) in [
            ("bitnami/nginx", true),
            ("bitnami/nginx:1.0.0", false),
            ("registry/ns/nginx", false),
            ("localhost/nginx", false),
            ("r.example/nginx", false),
            ("oci://a/b", false),
            ("layout:a/b", false),
            ("nginx", false),
            ("/nginx", false),
            ("a/", false),
        ] {
            assert_eq!(is_in_repository(text), yes, "{text}");
        }
    }
}
