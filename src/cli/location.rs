//! What a location on the command line means: a path, a saved reference, a registry, a URL, an image layout.

use crate::{
    Error, ErrorKind, Result,
    oci::{Digest, Reference, Tag},
    ops::saved::{SavedCharts, SavedReference, is_registry},
    store::{Resolve, layout::Layout},
};
use std::path::{Path, PathBuf};

/// Where a chart is.
#[derive(Clone, Debug)]
pub(crate) enum Location {
    /// A file or folder on this machine.
    Path(PathBuf),
    /// In the store of saved charts.
    Saved(SavedReference),
    /// In a registry.
    Registry(Reference),
    /// In an OCI image layout.
    Layout(LayoutReference),
    /// An archive behind a URL.
    Url(String),
}

/// `layout:DIR[:tag][@digest]`
#[derive(Clone, Debug)]
pub(crate) struct LayoutReference {
    pub(crate) folder: PathBuf,
    pub(crate) tag: Option<Tag>,
    pub(crate) digest: Option<Digest>,
}

impl LayoutReference {
    /// Takes what follows `layout:`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let (rest, digest) = match text.rsplit_once("@sha") {
            Some((rest, digest)) => (rest, Some(format!("sha{digest}").parse::<Digest>()?)),
            None => (text, None),
        };
        // A path may hold a colon; the part after the last one is a tag only if no folder has the whole name.
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

    /// The layout, which must exist.
    pub(crate) fn open(&self) -> Result<Layout> {
        Layout::open(&self.folder)
    }
}

/// Decides what a bare location is: an existing path; else a saved reference; else a registry, if its first segment
/// looks like one; else `repo/chart`.
pub(crate) async fn resolve(text: &str, saved: &SavedCharts) -> Result<Location> {
    if let Some(rest) = text.strip_prefix("layout:") {
        return LayoutReference::parse(rest).map(Location::Layout);
    }
    if text.starts_with("oci://") {
        return Ok(Location::Registry(text.parse()?));
    }
    if text.starts_with("http://") || text.starts_with("https://") {
        return Ok(Location::Url(text.to_owned()));
    }
    let path = Path::new(text);
    if path.exists() {
        return Ok(Location::Path(path.to_owned()));
    }
    if path.is_absolute() || text.starts_with('.') {
        return Err(Error::not_found(format!("path \"{text}\" not found")));
    }
    if let Some(reference) = find_saved(text, saved).await? {
        return Ok(Location::Saved(reference));
    }
    match text.split_once('/') {
        Some((first, _)) if is_registry(first) => Ok(Location::Registry(text.parse()?)),
        Some((repository, chart)) if !chart.contains('/') => Err(Error::not_found(format!(
            "`{text}` is no path, no saved chart and no registry's reference"
        ))
        .with_hint(format!(
            "`{repository}/{chart}` of a chart repository is not supported yet; name the chart by its URL, or by `oci://`"
        ))),
        _ => Err(Error::not_found(format!("`{text}` is no path and no saved chart"))
            .with_hint("a registry's reference begins with its host, such as `localhost:5000/ns/name:1.0.0`, or with `oci://`")),
    }
}

/// The saved reference that `text` names, if it is saved.
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
