//! An image layout of many charts: its entries are named `NAME:TAG`. States are beside its index,
//! in files whose names begin with a dot.

use super::{Held, Naming, Putting, Stored, Target, artifact_hub, folder, registry};
use crate::lock::Locked as _;
use crate::{
    Error, ErrorKind, Result,
    digest::Digest,
    mirror::{candidate::Payload, state::Key},
    oci::{Descriptor, Manifest, RepositoryName, Tag, TagOrDigest},
    ops::any_repository::AnyRepository,
    store::{
        BlobFile, BlobSource, Durability, Fetch, Push, Sent, Tags, blocking,
        layout::Layout as Store,
    },
    template::Template,
};
use bytes::Bytes;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

/// A layout as destination.
#[derive(Clone, Debug)]
pub struct Layout {
    store: Store,
    identity: String,
    template: Option<Template>,
    options: Arc<registry::Composing>,
    batch: Arc<Batch>,
}

/// Manifests that are waiting to be listed. The list is one file, so parallel additions are written
/// together.
#[derive(Debug, Default)]
struct Batch {
    waiting: Mutex<Vec<(RepositoryName, Manifest, Option<Tag>)>>,
    /// The lock of the list, held during a write. It has the error of a failed write.
    writing: tokio::sync::Mutex<Option<String>>,
}

impl Layout {
    /// Creates a sink for a layout.
    pub fn new(store: Store, template: Option<Template>, options: registry::Composing) -> Self {
        let identity = format!("layout:{}", store.root().display());
        Self { store, identity, template, options: Arc::new(options), batch: Arc::default() }
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn identity(&self) -> &str {
        &self.identity
    }

    pub(super) fn place(&self, naming: &Naming<'_>) -> Result<Target> {
        let path = match &self.template {
            Some(template) => template.render(naming)?,
            None => naming.chart.to_owned(),
        };
        let name: RepositoryName = path.parse()?;
        let tag = Tag::from_version(naming.version)?;
        Ok(Target { group: name.to_string(), name: tag.to_string() })
    }

    pub(super) fn show(&self, place: &Target) -> String {
        format!("{}:{}:{}", self.identity, place.group, place.name)
    }

    pub(super) fn is_bare(&self) -> bool {
        self.store.entries().is_ok_and(|entries| entries.is_empty())
    }

    fn repository(&self, group: &str) -> Result<Store> {
        Ok(self.store.repository(&group.parse()?))
    }

    pub(super) fn repository_at(&self, group: &str) -> Result<AnyRepository> {
        Ok(AnyRepository::Layout(Box::new(self.repository(group)?)))
    }

    fn listed(&self, group: &str) -> Result<Listed> {
        let name: RepositoryName = group.parse()?;
        Ok(Listed { store: self.store.repository(&name), name, batch: Arc::clone(&self.batch) })
    }

    /// Returns true if a place's content is no longer listed, as after a loss of power or another
    /// program's change.
    pub(super) fn has_lost(&self, place: &Target) -> bool {
        lists(&self.store, place) == Some(false)
    }

    pub(super) fn is_unfinished(&self) -> bool {
        !self.store.is_settled()
    }

    /// Writes the index, for tools that do not read our journal.
    pub(super) async fn finish(&self) -> Result<()> {
        self.store.settle().await
    }

    pub(super) async fn present(&self, group: &str) -> Result<HashMap<String, Option<Digest>>> {
        let tags = self.repository(group)?.tags().await?;
        Ok(tags.into_iter().map(|tag| (tag.to_string(), None)).collect())
    }

    pub(super) async fn look(&self, place: &Target) -> Result<Held> {
        registry::look(&self.repository(&place.group)?, place).await
    }

    pub(super) async fn put(
        &self,
        place: &Target,
        payload: &Payload,
        putting: Putting<'_>,
    ) -> Result<Stored> {
        let repository = self.listed(&place.group)?;
        registry::put(&repository, &self.show(place), place, payload, putting, &self.options).await
    }

    pub(super) async fn tag(&self, place: &Target, alias: &str) -> Result<()> {
        registry::tag(&self.listed(&place.group)?, place, alias).await
    }

    pub(super) async fn delete(&self, place: &Target, manifest: Option<&Digest>) -> Result<()> {
        self.repository(&place.group)?.forget(&place.name.parse()?, manifest).await
    }

    pub(super) async fn describe(&self, group: &str, metadata: &Bytes) -> Result<()> {
        artifact_hub::put(&self.listed(group)?, metadata).await
    }

    pub(super) async fn recall(&self, key: &Key) -> Result<Option<Bytes>> {
        folder::recall(self.store.root(), key, self.options.limits.state_bytes).await
    }

    /// Writes the index too: a loss of power then loses nothing that the state names.
    pub(super) async fn remember(&self, key: &Key, state: &[u8]) -> Result<()> {
        self.store.settle().await?;
        folder::remember(self.store.root(), key, state).await
    }
}

/// A repository of a layout, whose manifests are listed together with those of others.
struct Listed {
    store: Store,
    name: RepositoryName,
    batch: Arc<Batch>,
}

impl Fetch for Listed {
    async fn fetch_manifest(&self, target: &TagOrDigest) -> Result<Manifest> {
        self.store.fetch_manifest(target).await
    }

    async fn fetch_blob(&self, blob: &Descriptor, cap: u64) -> Result<Bytes> {
        self.store.fetch_blob(blob, cap).await
    }

    async fn fetch_blob_file(&self, blob: &Descriptor) -> Result<BlobFile> {
        self.store.fetch_blob_file(blob).await
    }
}

impl Push for Listed {
    async fn push_blob(&self, blob: &Descriptor, source: &BlobSource) -> Result<Sent> {
        self.store.push_blob(blob, source).await
    }

    /// Stores a manifest and returns once it is listed, by this call or by a parallel one.
    async fn push_manifest(&self, manifest: &Manifest, tag: Option<&Tag>) -> Result<()> {
        let own = (self.name.clone(), manifest.clone(), tag.cloned());
        self.batch.waiting.locked().push(own);
        let mut failure = self.batch.writing.lock().await;
        if let Some(reason) = &*failure {
            return Err(Error::new(ErrorKind::Io, reason.clone()));
        }
        let all = {
            let mut waiting = self.batch.waiting.locked();
            std::mem::take(&mut *waiting)
        };
        if all.is_empty() {
            return Ok(());
        }
        let listed = self.store.note_manifests(all).await;
        if let Err(error) = &listed {
            *failure = Some(error.chain());
        }
        listed
    }
}

/// Creates a temporary layout, off the executor's threads. It survives a kill, but not a loss of
/// power, so packing verifies every byte.
///
/// # Errors
/// `Conflict` if the folder has other content.
pub(super) async fn create(root: std::path::PathBuf) -> Result<Store> {
    blocking(move || Store::create_with(&root, Durability::None)).await
}

/// Returns true if a layout lists a place, or `None` if that is unknown.
pub(super) fn lists(store: &Store, place: &Target) -> Option<bool> {
    store.repository(&place.group.parse().ok()?).lists(&place.name.parse().ok()?).ok()
}
