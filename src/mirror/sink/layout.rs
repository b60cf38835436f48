//! An image layout of many charts: its entries are called `NAME:TAG`. States lie beside its index, in files that begin
//! with a dot.

use super::{Held, Naming, Place, Putting, Stored, folder, hub, registry};
use crate::{
    Error, ErrorKind, Result,
    digest::Digest,
    mirror::{candidate::Payload, state::Key},
    oci::{Descriptor, Manifest, RepositoryName, Tag, TagOrDigest},
    store::{
        BlobFile, Fetch, Push, Sent, Source, Tags, blocking, layout::Layout as Store,
        ref_name::RefName,
    },
    template::Template,
};
use bytes::Bytes;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// A layout, to be written to.
#[derive(Clone, Debug)]
pub struct Layout {
    store: Store,
    identity: String,
    template: Option<Template>,
    options: Arc<registry::Composing>,
    batch: Arc<Batch>,
}

/// Manifests that wait to be listed: the index is one file, so those that come side by side are listed together.
#[derive(Debug, Default)]
struct Batch {
    waiting: Mutex<Vec<(RepositoryName, Manifest, Option<Tag>)>>,
    /// Held while the index is written, by whoever writes it. It holds what went wrong, once something has.
    writing: tokio::sync::Mutex<Option<String>>,
}

impl Layout {
    /// This layout.
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

    pub(super) fn place(&self, naming: &Naming<'_>) -> Result<Place> {
        let path = match &self.template {
            Some(template) => template.render(naming)?,
            None => naming.chart.to_owned(),
        };
        let name: RepositoryName = path.parse()?;
        let tag = Tag::from_version(naming.version)?;
        Ok(Place { group: name.to_string(), name: tag.to_string() })
    }

    pub(super) fn show(&self, place: &Place) -> String {
        format!("{}:{}:{}", self.identity, place.group, place.name)
    }

    pub(super) fn is_bare(&self) -> bool {
        self.store.entries().is_ok_and(|entries| entries.is_empty())
    }

    fn repository(&self, group: &str) -> Result<Store> {
        Ok(self.store.repository(&group.parse()?))
    }

    pub(super) async fn present(&self, group: &str) -> Result<HashMap<String, Option<Digest>>> {
        let tags = self.repository(group)?.tags().await?;
        Ok(tags.into_iter().map(|tag| (tag, None)).collect())
    }

    pub(super) async fn look(&self, place: &Place) -> Result<Held> {
        registry::look(&self.repository(&place.group)?, place).await
    }

    pub(super) async fn put(
        &self,
        place: &Place,
        payload: &Payload,
        putting: Putting<'_>,
    ) -> Result<Stored> {
        let name: RepositoryName = place.group.parse()?;
        let repository =
            Listed { store: self.store.repository(&name), name, batch: Arc::clone(&self.batch) };
        registry::put(&repository, &self.show(place), place, payload, putting, &self.options).await
    }

    pub(super) async fn delete(&self, place: &Place, manifest: Option<&Digest>) -> Result<()> {
        let repository = self.repository(&place.group)?;
        match repository.delete(&TagOrDigest::Tag(place.name.parse()?)).await {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let Some(manifest) = manifest else { return Ok(()) };
        // It stays listed without a name, as in a registry; but here nobody would ever take it away.
        let entries = self.store.entries()?;
        let mut named = entries.iter().filter(|entry| entry.digest == *manifest);
        if named.any(|entry| RefName::of(entry) != RefName { repository: None, tag: None }) {
            return Ok(());
        }
        match repository.delete(&TagOrDigest::Digest(manifest.clone())).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) async fn describe(&self, group: &str, metadata: &Bytes) -> Result<()> {
        hub::put(&self.repository(group)?, metadata).await
    }

    pub(super) async fn recall(&self, key: &Key) -> Result<Option<Bytes>> {
        folder::recall(self.store.root(), key, self.options.limits.state_bytes).await
    }

    pub(super) async fn remember(&self, key: &Key, state: &[u8]) -> Result<()> {
        folder::remember(self.store.root(), key, state).await
    }
}

/// One repository of a layout, whose manifests are listed together with others'.
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
    async fn push_blob(&self, blob: &Descriptor, source: &Source) -> Result<Sent> {
        self.store.push_blob(blob, source).await
    }

    /// When this returns, the manifest is listed: by us, or by who wrote the index while we waited.
    async fn push_manifest(&self, manifest: &Manifest, tag: Option<&Tag>) -> Result<()> {
        let own = (self.name.clone(), manifest.clone(), tag.cloned());
        self.batch.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(own);
        let mut failure = self.batch.writing.lock().await;
        if let Some(reason) = &*failure {
            return Err(Error::new(ErrorKind::Io, reason.clone()));
        }
        let all = {
            let mut waiting = self.batch.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *waiting)
        };
        if all.is_empty() {
            return Ok(());
        }
        let listed = self.store.push_manifests(all).await;
        if let Err(error) = &listed {
            *failure = Some(error.chain());
        }
        listed
    }
}

/// Makes the layout of a path, off the executor's threads.
///
/// # Errors
/// `Conflict` when the folder holds other things.
pub(super) async fn create(root: std::path::PathBuf) -> Result<Store> {
    blocking(move || Store::create(&root)).await
}
