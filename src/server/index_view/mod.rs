//! Chart repository in memory over a store: the charts of every namespace, and the index of each.
//! [`View`] does not depend on its store: a [`Follower`] updates it.
//!
//! A change of a version costs the logarithm of their number. The view builds the version's lines
//! once, and joins them for a request. Two views with the same charts have the same index and the
//! same ETag, whatever happened before.
//!
//! The namespace is the path before a chart's name: `team/charts` for the repository
//! `team/charts/demo`, and empty for charts at the root.

mod cache;
mod chart_version;
mod compress;
mod doubts;
mod etag;
mod follow;
mod index;
mod namespace;
mod poll;
mod respond;
mod tag_cache;

pub use cache::Cache;
pub use chart_version::{Found, Item, Origin};
pub use follow::{Follower, LookCost, Turn};

use crate::lock::ManyReaders as _;
use crate::{
    index::{Entry, write},
    oci::Descriptor,
};
use bytes::Bytes;
use index::{Coding, Index};
use namespace::{Namespace, Sum};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    sync::{Arc, RwLock, RwLockReadGuard},
};

/// Settings of the indexes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Prefix of every entry's URL, without a slash at its end. The namespace follows it. An empty
    /// prefix makes URLs relative to the index.
    pub chart_url: String,
    /// Path of the server below its host, such as `/charts`, or empty for the root. The index
    /// contains it, and so do absolute URLs.
    pub context_path: String,
    /// Format of the indexes: YAML or JSON.
    pub format: Format,
}

/// Format of an index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// YAML, as in any chart repository.
    #[default]
    Yaml,
    /// JSON, which is valid YAML and faster to parse.
    Json,
}

/// Charts of every namespace. All clones are the same view.
#[derive(Clone, Debug, Default)]
pub struct View(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    settings: Arc<Settings>,
    namespaces: RwLock<HashMap<Box<str>, Namespace>>,
}

/// File of a version.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Version to which the file belongs.
    pub found: Found,
    /// Kind of the file.
    pub file: FileKind,
}

/// Kind of a version's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// Archive, `NAME-VERSION.tgz`.
    Archive,
    /// Provenance file, `NAME-VERSION.tgz.prov`.
    Provenance,
}

impl Stored {
    /// Returns the descriptor of the file, or `None` if the version has no provenance file.
    pub fn descriptor(&self) -> Option<&Descriptor> {
        match self.file {
            FileKind::Archive => Some(&self.found.item.archive),
            FileKind::Provenance => self.found.item.provenance.as_ref(),
        }
    }
}

/// Size of a namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Number of charts.
    pub charts: usize,
    /// Number of versions of all charts.
    pub versions: usize,
}

impl View {
    /// Makes an empty view.
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(Inner { settings: Arc::new(settings), namespaces: RwLock::default() }))
    }

    /// Returns the settings of the indexes.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Builds a version for the index of `namespace`. The function sets the entry's URLs, and its
    /// digest to that of the archive.
    pub fn item(
        &self,
        namespace: &str,
        mut entry: Entry,
        archive: Descriptor,
        provenance: Option<Descriptor>,
    ) -> Item {
        let file = format!("charts/{}-{}.tgz", entry.metadata.name, entry.metadata.version);
        let Settings { chart_url, context_path, .. } = self.settings();
        let url = if chart_url.is_empty() {
            file
        } else {
            let parts =
                [chart_url.trim_end_matches('/'), context_path.trim_matches('/'), namespace];
            let base: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            format!("{}/{file}", base.join("/"))
        };
        entry.urls = vec![url];
        entry.digest = archive.digest.hex().to_owned();
        let format = self.settings().format;
        let text = match format {
            Format::Yaml => write::fragment(&entry),
            Format::Json => String::from_utf8_lossy(&crate::json::to_vec(&entry)).into_owned(),
        };
        Item {
            text: text.into(),
            format,
            name: entry.metadata.name.into(),
            version: entry.metadata.version.into(),
            created: entry.created.into(),
            archive,
            provenance,
        }
    }

    /// Adds a version, or replaces the one with the same origin. If a version has several origins,
    /// every view shows the same one.
    pub fn put(&self, namespace: &str, origin: Origin, item: Arc<Item>) {
        let mut all = self.0.namespaces.writing();
        all.entry(namespace.into()).or_default().put(origin, item);
    }

    /// Removes a version with the origin `origin`.
    pub fn remove(&self, namespace: &str, name: &str, version: &str, origin: &Origin) {
        let mut all = self.0.namespaces.writing();
        let Some(found) = all.get_mut(namespace) else { return };
        found.remove(name, version, origin);
        if found.is_empty() {
            all.remove(namespace);
        }
    }

    /// Returns one version, by its exact text.
    pub fn find(&self, namespace: &str, name: &str, version: &str) -> Option<Found> {
        self.all().get(namespace)?.find(name, version).cloned()
    }

    /// Returns all origins of a version, the visible one first. To remove the version, the caller
    /// must remove all of them.
    pub fn origins(&self, namespace: &str, name: &str, version: &str) -> Vec<Found> {
        let all = self.all();
        all.get(namespace).map(|found| found.origins(name, version)).unwrap_or_default()
    }

    /// Returns the versions of a chart, newest first, or `None` if there is no such chart.
    pub fn versions(&self, namespace: &str, name: &str) -> Option<Vec<Found>> {
        self.all().get(namespace)?.versions(name)
    }

    /// Returns the names of a namespace's charts, in byte order.
    pub fn names(&self, namespace: &str) -> Vec<Arc<str>> {
        self.all().get(namespace).map(Namespace::names).unwrap_or_default()
    }

    /// Returns the content of `NAME-VERSION.tgz` or `NAME-VERSION.tgz.prov`.
    pub fn file(&self, namespace: &str, file_name: &str) -> Option<Stored> {
        let (stem, file) = match file_name.strip_suffix(".tgz.prov") {
            Some(stem) => (stem, FileKind::Provenance),
            None => (file_name.strip_suffix(".tgz")?, FileKind::Archive),
        };
        let found = self.all().get(namespace)?.by_stem(stem)?.clone();
        Some(Stored { found, file })
    }

    /// Returns the namespaces with charts, in byte order.
    pub fn namespaces(&self) -> Vec<Box<str>> {
        let mut names: Vec<_> = self.all().keys().cloned().collect();
        names.sort_unstable();
        names
    }

    /// Returns the size of a namespace; zero if it has no charts.
    pub fn counts(&self, namespace: &str) -> Counts {
        let counts = self.all().get(namespace).map(Namespace::counts).unwrap_or_default();
        Counts { charts: counts.0, versions: counts.1 }
    }

    /// Returns the hash of a namespace's index. The cost is negligible.
    fn sum(&self, namespace: &str) -> Sum {
        self.all().get(namespace).map(Namespace::sum).unwrap_or_default()
    }

    /// Returns the index of a namespace. It is empty for a namespace without charts.
    fn index(&self, namespace: &str) -> Arc<Index> {
        let all = self.all();
        let none = Namespace::default();
        let found = all.get(namespace).unwrap_or(&none);
        found.index(&self.0.settings)
    }

    /// Returns the text of a namespace's index.
    pub async fn text(&self, namespace: &str) -> Bytes {
        self.index(namespace).body(Coding::Identity).await
    }

    fn all(&self) -> RwLockReadGuard<'_, HashMap<Box<str>, Namespace>> {
        self.0.namespaces.reading()
    }
}

#[cfg(test)]
use respond::respond;
#[cfg(test)]
mod tests;
