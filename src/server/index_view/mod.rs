//! Chart repository in memory over a store: the charts of every namespace, and the index of each.
//! [`View`] does not know its store: a [`Follower`] updates it.
//!
//! A version that comes or goes costs the logarithm of their number: its lines in the index are
//! made once, when it comes, and joined when somebody asks. Two views with the same charts give the
//! same index under the same ETag, whatever happened before.
//!
//! A namespace is what stands before a chart's name: `team/charts` for the repository
//! `team/charts/demo`, and the empty text for charts at the root.

mod cache;
mod chart_version;
mod compress;
mod doubts;
mod follow;
mod index;
mod namespace;
mod poll;
mod respond;
mod tag_cache;

pub use cache::Cache;
pub use chart_version::{Found, Item, Origin};
pub use follow::{Follower, LookCost, Turn};

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
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

/// Settings of the indexes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Before every entry's URL, without a slash at its end; empty for URLs relative to the index.
    /// The namespace is put between.
    pub chart_url: String,
    /// Path of the server below its host, such as `/charts`; empty for the root. The index contains
    /// it, and so do absolute URLs.
    pub context_path: String,
    /// YAML or JSON.
    pub format: Format,
}

/// The format of an index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// YAML, as everybody does.
    #[default]
    Yaml,
    /// JSON, which is YAML too and is read faster.
    Json,
}

/// The charts of every namespace. Clones are the same view.
#[derive(Clone, Debug, Default)]
pub struct View(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    settings: Arc<Settings>,
    namespaces: RwLock<HashMap<Box<str>, Namespace>>,
}

/// A file of a version.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The version.
    pub found: Found,
    /// The file of the version.
    pub file: FileKind,
}

/// The kind of a version's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// The archive, `NAME-VERSION.tgz`.
    Archive,
    /// The provenance file, `NAME-VERSION.tgz.prov`.
    Provenance,
}

impl Stored {
    /// The bytes; `None` for the provenance of a version that has none.
    pub fn descriptor(&self) -> Option<&Descriptor> {
        match self.file {
            FileKind::Archive => Some(&self.found.item.archive),
            FileKind::Provenance => self.found.item.provenance.as_ref(),
        }
    }
}

/// The size of a namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The number of charts.
    pub charts: usize,
    /// Versions of all of them.
    pub versions: usize,
}

impl View {
    /// A view of nothing.
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(Inner { settings: Arc::new(settings), namespaces: RwLock::default() }))
    }

    /// Returns the settings of the indexes.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// A version as it will stand in the index of `namespace`: the entry's URLs are set here, its
    /// digest is the archive's.
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

    /// Adds a version, or replaces what came from the same origin. Of several origins of one
    /// version one is shown, by the same rule everywhere.
    pub fn put(&self, namespace: &str, origin: Origin, item: Arc<Item>) {
        let mut all = self.0.namespaces.write().unwrap_or_else(PoisonError::into_inner);
        all.entry(namespace.into()).or_default().put(origin, item);
    }

    /// Takes away a version, as far as it comes from `origin`.
    pub fn remove(&self, namespace: &str, name: &str, version: &str, origin: &Origin) {
        let mut all = self.0.namespaces.write().unwrap_or_else(PoisonError::into_inner);
        let Some(found) = all.get_mut(namespace) else { return };
        found.remove(name, version, origin);
        if found.is_empty() {
            all.remove(namespace);
        }
    }

    /// One version, by its exact text.
    pub fn find(&self, namespace: &str, name: &str, version: &str) -> Option<Found> {
        self.all().get(namespace)?.find(name, version).cloned()
    }

    /// Everything in the store that says it is this version, the one shown first: all of it must go
    /// for the version to be gone.
    pub fn origins(&self, namespace: &str, name: &str, version: &str) -> Vec<Found> {
        let all = self.all();
        all.get(namespace).map(|found| found.origins(name, version)).unwrap_or_default()
    }

    /// The versions of a chart, newest first; `None` when there is no such chart.
    pub fn versions(&self, namespace: &str, name: &str) -> Option<Vec<Found>> {
        self.all().get(namespace)?.versions(name)
    }

    /// The names of a namespace's charts, in byte order.
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

    /// The namespaces that have charts, in byte order.
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

    /// The hash of a namespace's index. It costs next to nothing.
    fn sum(&self, namespace: &str) -> Sum {
        self.all().get(namespace).map(Namespace::sum).unwrap_or_default()
    }

    /// The index of a namespace; an empty one for a namespace without charts.
    fn index(&self, namespace: &str) -> Arc<Index> {
        let all = self.all();
        let none = Namespace::default();
        let found = all.get(namespace).unwrap_or(&none);
        found.index(&self.0.settings)
    }

    /// The text of a namespace's index.
    pub async fn text(&self, namespace: &str) -> Bytes {
        self.index(namespace).body(Coding::Identity).await
    }

    fn all(&self) -> RwLockReadGuard<'_, HashMap<Box<str>, Namespace>> {
        self.0.namespaces.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
use respond::respond;
#[cfg(test)]
mod tests;
