//! Updates a view from a store. After a change of a tag, the follower looks up the tag's manifest
//! and adds the chart to the view, or removes it. It never reads an archive: an entry needs only
//! the manifest and the config, two small reads per version.

use super::{
    View,
    cache::Cache,
    chart_version::{Item, Origin},
    doubts::Doubts,
    tag_cache::{Known, TagCache, namespace_of, origin},
};
use crate::lock::Locked as _;
use crate::{
    Error, ErrorKind, Result,
    digest::Digest,
    index::Entry,
    limits::Limits,
    oci::{Descriptor, Manifest, RepositoryName, Tag, TagOrDigest, chart},
    ops::{
        chart_manifest::{self, Located},
        repository::entry,
    },
    store::{Catalog, Fetch, Resolve, blocking},
};
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::OnceCell;

/// Method by which a follower detects that a tag has moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookCost {
    /// A lookup costs almost nothing, and only this server writes: the follower looks up each tag
    /// at the start and after each change that the server reports.
    Near,
    /// A lookup costs a request: the follower keeps the last result until the upstream reports a
    /// change or the tag disappears from the list.
    Far,
}

/// Follower that updates a view from a store. All clones share one state.
#[derive(Clone, Debug)]
pub struct Follower<C> {
    pub(super) catalog: C,
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) view: View,
    pub(super) sight: LookCost,
    limits: Limits,
    memory: Mutex<TagCache>,
    pub(super) cache: Cache,
    /// Number of reported changes whose lookup is complete.
    told: AtomicU64,
    /// Locks for changes and lookups of a tag, chosen by a hash of its name, so that their number
    /// is bounded.
    turns: Vec<tokio::sync::Mutex<()>>,
    pub(super) filled: OnceCell<()>,
    pub(super) fresh: super::poll::Freshness,
    pub(super) doubts: Doubts,
}

/// Lock on a tag, with which its holder may change the tag and report the change.
#[must_use]
#[derive(Debug)]
pub struct Turn<'f, C> {
    follower: &'f Follower<C>,
    repository: RepositoryName,
    tag: Tag,
    _alone: tokio::sync::MutexGuard<'f, ()>,
}

const TURNS: usize = 1024;

impl<C: Catalog> Follower<C> {
    /// Makes a follower of `catalog`. Its view is empty before the first lookup.
    pub fn new(catalog: C, view: View, sight: LookCost, limits: Limits, cache: Cache) -> Self {
        let inner = Arc::new(Inner {
            view,
            sight,
            limits,
            memory: Mutex::default(),
            cache,
            told: AtomicU64::new(0),
            turns: (0..TURNS).map(|_| tokio::sync::Mutex::default()).collect(),
            filled: OnceCell::new(),
            fresh: super::poll::Freshness::default(),
            doubts: Doubts::default(),
        });
        Self { catalog, inner }
    }

    /// Returns the store.
    pub fn catalog(&self) -> &C {
        &self.catalog
    }

    /// Returns the same follower with another access to the store, such as with another client's
    /// credentials.
    #[must_use]
    pub fn by_way_of(&self, catalog: C) -> Self {
        Self { catalog, inner: Arc::clone(&self.inner) }
    }

    /// Returns the view that the follower updates.
    pub fn view(&self) -> &View {
        &self.inner.view
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, TagCache> {
        self.inner.memory.locked()
    }

    /// Waits for the lock on this tag. The holder may change the tag, and then reports the change.
    /// All of this needs a task of its own: if a client disconnects in between, the view must not
    /// miss the change.
    pub async fn turn(&self, repository: &RepositoryName, tag: &Tag) -> Turn<'_, C> {
        let mut hasher = DefaultHasher::new();
        (repository, tag).hash(&mut hasher);
        let turn = &self.inner.turns[(hasher.finish() % TURNS as u64) as usize];
        let _alone = turn.lock().await;
        Turn { follower: self, repository: repository.clone(), tag: tag.clone(), _alone }
    }

    /// Looks up the manifest of a tag. The caller calls this after every change of a tag by another
    /// client.
    ///
    /// # Errors
    /// Returns the error of the store. The view then remains unchanged.
    pub async fn refresh(&self, repository: &RepositoryName, tag: &Tag) -> Result<()> {
        self.turn(repository, tag).await.refresh().await
    }

    /// Returns the manifest of a tag at its last lookup.
    pub fn last_on(&self, repository: &RepositoryName, tag: &Tag) -> Option<Digest> {
        self.memory().tag(repository, tag).map(|known| known.manifest.clone())
    }

    /// Looks up every tag that pointed to a manifest, or to an index with that chart, as after its
    /// deletion.
    ///
    /// # Errors
    /// As [`Self::refresh`].
    pub async fn refresh_manifest(
        &self,
        repository: &RepositoryName,
        manifest: &Digest,
    ) -> Result<()> {
        let mut tags = self.memory().tags_on(repository, manifest);
        tags.extend(self.memory().tags_through(repository, manifest));
        for tag in tags {
            self.refresh(repository, &tag).await?;
        }
        Ok(())
    }

    async fn look(&self, repository: &RepositoryName, tag: &Tag) -> Result<Look> {
        match self.look_closely(repository, tag).await {
            // Damage on this machine remains until a user repairs it. The follower records the tag
            // as absent. The view then shows it after a push that repairs it, or at the next start.
            Err(error)
                if self.inner.sight == LookCost::Near && error.kind() == ErrorKind::Integrity =>
            {
                let error = error.chain();
                tracing::warn!(%repository, %tag, error, "skipping a damaged tag");
                Ok(Look::Now(None))
            }
            looked => looked,
        }
    }

    async fn look_closely(&self, repository: &RepositoryName, tag: &Tag) -> Result<Look> {
        let store = self.catalog.repository(repository)?;
        let mut target = TagOrDigest::Tag(tag.clone());
        if self.inner.sight == LookCost::Near {
            let Some(found) = store.resolve(&target).await? else { return Ok(Look::Now(None)) };
            if let Some(known) = self.known(repository, &found.digest) {
                return Ok(Look::Now(Some(known)));
            }
            if let Some(known) = self.inner.cache.recall(repository, tag, &found.digest) {
                return Ok(Look::Before(known));
            }
            target = TagOrDigest::Digest(found.digest);
        }
        let manifest = match store.fetch_manifest(&target).await {
            Ok(manifest) => manifest,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Look::Now(None)),
            // The tag points to an artifact that is not a chart.
            Err(error) if is_no_chart(&error) => {
                tracing::debug!(%repository, %tag, error = error.chain(), "not a manifest of a chart");
                return Ok(Look::Now(None));
            }
            Err(error) => return Err(error),
        };
        let digest = match target {
            TagOrDigest::Digest(digest) => digest,
            TagOrDigest::Tag(_) => manifest.digest().clone(),
        };
        if let Some(known) = self.known(repository, &digest) {
            return Ok(Look::Now(Some(known)));
        }
        let (item, through) = match self.chart(&store, repository, manifest).await {
            Ok(Some((item, through))) => (Some(item), through),
            Ok(None) => (None, Vec::new()),
            Err(error)
                if error.kind() == ErrorKind::NotFound && self.inner.sight == LookCost::Near =>
            {
                return Err(
                    Error::new(ErrorKind::Integrity, "a part of it is missing").with_source(error)
                );
            }
            Err(error) if is_no_chart(&error) => {
                match error.kind() {
                    ErrorKind::Limit => {
                        tracing::warn!(%repository, %tag, error = error.chain(), "skipping a chart");
                    }
                    _ => tracing::debug!(%repository, %tag, error = error.chain(), "no chart"),
                }
                (None, Vec::new())
            }
            Err(error) => return Err(error),
        };
        Ok(Look::Now(Some(Known { manifest: digest, item: item.map(Arc::new), through })))
    }

    /// Returns the cached facts about a manifest that cannot have changed. An index stays the same
    /// if the chart that it lists is deleted.
    fn known(&self, repository: &RepositoryName, manifest: &Digest) -> Option<Known> {
        self.memory().manifest(repository, manifest).filter(|known| known.through.is_empty())
    }

    /// Returns the chart of a manifest, or one of those that an index lists, with the manifests
    /// between.
    pub(in crate::server) async fn chart(
        &self,
        store: &C::Repository,
        repository: &RepositoryName,
        manifest: Manifest,
    ) -> Result<Option<(Item, Vec<Digest>)>> {
        let Located { manifest, through } = chart_manifest::locate(store, manifest).await?;
        // Some artifacts resemble charts but lack Helm's config.
        let Some(blob) = entry::config(&manifest)? else { return Ok(None) };
        let limits = &self.inner.limits;
        let config = store.fetch_blob(blob, limits.config_bytes).await?;
        let entry = entry::entry(&manifest, Some(&config), limits)?;
        self.item(repository, &manifest, entry).map(|item| Some((item, through)))
    }

    /// Creates the index entry of the chart that a manifest of a repository contains.
    ///
    /// # Errors
    /// `Invalid` if the manifest holds no chart, or one that Helm refuses. `Limit` if its entry is
    /// longer than [`Limits::entry_bytes`] or cannot be parsed.
    pub fn item(
        &self,
        repository: &RepositoryName,
        manifest: &Manifest,
        mut entry: Entry,
    ) -> Result<Item> {
        let found = chart::find(manifest)?;
        // The name becomes part of a file's name and a URL.
        entry.metadata.validate()?;
        let (archive, provenance) = (found.content, found.provenance);
        let plain =
            |blob: &Descriptor| Descriptor::new(&blob.media_type, blob.digest.clone(), blob.size);
        let namespace = namespace_of(repository);
        let item = self.inner.view.item(namespace, entry, plain(archive), provenance.map(plain));
        item.require_at_most(self.inner.limits.entry_bytes)?;
        // One entry that no reader accepts would make a namespace's whole index unusable.
        item.require_readable()?;
        Ok(item)
    }

    /// Returns the number of reported changes so far. A result read from the store stays valid only
    /// while this number is the same.
    pub(super) fn told(&self) -> u64 {
        self.inner.told.load(Ordering::SeqCst)
    }

    /// Updates cache, index and cache file with the current content of a tag.
    async fn set(&self, repository: &RepositoryName, tag: &Tag, now: Option<Known>) {
        let changed = self.remember(repository, tag, now.clone());
        if changed == Changed::Yes && self.inner.cache.keeps() {
            let (this, repository, tag) = (self.clone(), repository.clone(), tag.clone());
            let live = move || this.memory().live();
            let inner = Arc::clone(&self.inner);
            blocking(move || inner.cache.note(&repository, &tag, now.as_ref(), live)).await;
        }
    }

    /// Updates cache and index with the current content of a tag.
    pub(super) fn remember(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        now: Option<Known>,
    ) -> Changed {
        let before = self.memory().set(repository, tag, now.clone());
        let (view, namespace) = (&self.inner.view, namespace_of(repository));
        let same = match (&before, &now) {
            (Some(before), Some(now)) => {
                (&before.manifest, &before.through) == (&now.manifest, &now.through)
            }
            (None, None) => true,
            _ => false,
        };
        if same {
            return Changed::No;
        }
        let item = |known: &Option<Known>| {
            let known = known.as_ref()?;
            Some((origin(repository, tag, &known.manifest), known.item.clone()?))
        };
        let (gone, come) = (item(&before), item(&now));
        // The new version is added before the old one is removed, so a version that only moved is
        // never missing.
        if let Some((origin, item)) = &come {
            view.put(namespace, origin.clone(), Arc::clone(item));
        }
        if let Some((origin, item)) = gone {
            let replaced = come
                .is_some_and(|(_, now)| (&now.name, &now.version) == (&item.name, &item.version));
            if !replaced {
                view.remove(namespace, &item.name, &item.version, &origin);
            }
        }
        Changed::Yes
    }
}

/// Result of a lookup of a tag.
enum Look {
    /// Current content of the tag.
    Now(Option<Known>),
    /// Unchanged content, as the cache has it.
    Before(Known),
}

/// Result of an update of the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Changed {
    Yes,
    No,
}

impl<C: Catalog> Turn<'_, C> {
    /// Looks up the current manifest of the tag.
    ///
    /// # Errors
    /// Returns the error of the store. The view then remains unchanged.
    pub async fn refresh(self) -> Result<()> {
        self.follower.inner.told.fetch_add(1, Ordering::SeqCst);
        self.look().await
    }

    /// Takes the cached content of the tag, if it pointed to `manifest` when [`Follower::told`]
    /// returned `since`. Otherwise the function looks it up.
    ///
    /// # Errors
    /// As [`Self::refresh`].
    pub(super) async fn recall(self, manifest: &Digest, since: u64) -> Result<()> {
        let Self { follower, repository, tag, .. } = &self;
        // A client that changes a tag reports it before it releases the lock, which we hold.
        if follower.told() == since
            && let Some(known) = follower.inner.cache.recall(repository, tag, manifest)
        {
            follower.remember(repository, tag, Some(known));
            return Ok(());
        }
        self.look().await
    }

    /// Looks up as [`Self::refresh`], without a reported change.
    pub(super) async fn look(self) -> Result<()> {
        let seen = self.follower.look(&self.repository, &self.tag).await?;
        self.follower.inner.doubts.settle(&self.repository, &self.tag);
        match seen {
            Look::Now(now) => self.follower.set(&self.repository, &self.tag, now).await,
            Look::Before(known) => {
                self.follower.remember(&self.repository, &self.tag, Some(known));
            }
        }
        Ok(())
    }

    /// Records that the tag now points to this manifest, whose chart has this entry. No read is
    /// needed.
    ///
    /// # Errors
    /// As [`Follower::item`].
    pub async fn pushed(self, manifest: &Manifest, entry: Entry) -> Result<()> {
        let item = self.follower.item(&self.repository, manifest, entry)?;
        self.holds(manifest, item).await;
        Ok(())
    }

    /// Records as [`Self::pushed`], for an item from [`Follower::item`].
    pub(in crate::server) async fn holds(self, manifest: &Manifest, item: Item) {
        let (manifest, item) = (manifest.digest().clone(), Some(Arc::new(item)));
        let known = Known { manifest, item, through: Vec::new() };
        self.follower.inner.told.fetch_add(1, Ordering::SeqCst);
        self.follower.set(&self.repository, &self.tag, Some(known)).await;
    }

    /// Records that the tag was removed.
    pub async fn removed(self) {
        self.follower.inner.told.fetch_add(1, Ordering::SeqCst);
        self.follower.set(&self.repository, &self.tag, None).await;
    }

    /// Returns the chart that the tag referred to at the last lookup, if it was a chart.
    pub fn last_seen(&self) -> Option<(Origin, Arc<Item>)> {
        let memory = self.follower.memory();
        let known = memory.tag(&self.repository, &self.tag)?;
        Some((origin(&self.repository, &self.tag, &known.manifest), known.item.clone()?))
    }
}

/// Returns true if an error means that an artifact will never be a chart. Any other error may end
/// with the next lookup.
fn is_no_chart(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Invalid | ErrorKind::NotFound | ErrorKind::Limit)
}
