//! Schedule of a follower's lookups: the whole store once at the start. Without notifications, the
//! follower then lists the tags at intervals. If a lookup fails, the state remains, and responses
//! say so.

use super::{
    doubts::Turn,
    follow::{Follower, LookCost},
};
use crate::lock::Locked as _;
use crate::{
    Error, ErrorKind, Result,
    digest::Digest,
    oci::{RepositoryName, Tag},
    store::{Catalog, Tags},
};
use futures_util::{StreamExt, stream};
use std::{
    collections::{BTreeSet, HashSet},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// Number of repositories and of their tags that the follower looks up at once: 64 requests at
/// most.
const REPOSITORIES: usize = 8;
const TAGS: usize = 8;
/// Number of failures of one repository that the log contains one by one.
const TOLD: usize = 3;
/// Time that a request waits for the first lookup of a store.
const SOON: Duration = Duration::from_secs(20);

/// Result of the last request to the store: success, or the error.
#[derive(Debug, Default)]
pub(super) struct Freshness(Mutex<Option<String>>);

impl Freshness {
    fn set(&self, trouble: Option<String>) {
        *self.0.locked() = trouble;
    }

    /// Returns the last error, if the last request failed.
    fn trouble(&self) -> Option<String> {
        self.0.locked().clone()
    }
}

impl<C: Catalog> Follower<C> {
    /// Waits until the view contains the charts of the store. The first caller runs the lookup of
    /// the whole store.
    ///
    /// # Errors
    /// Returns the error of the store, if the view has no charts to show. The next caller tries
    /// again.
    pub async fn ready(&self) -> Result<()> {
        self.inner.filled.get_or_try_init(|| self.fill()).await.map(|_| ())
    }

    /// Waits as [`Self::ready`], for a short time: the caller can ask again.
    ///
    /// # Errors
    /// As [`Self::ready`], or `Network` if the view is not ready in time.
    pub async fn ready_soon(&self) -> Result<()> {
        // The lookup has its own task, so that it continues without a waiting caller.
        let this = self.clone();
        let looking = tokio::spawn(async move { this.ready().await });
        match tokio::time::timeout(SOON, looking).await {
            Ok(Ok(looked)) => looked,
            _ => {
                Err(Error::new(ErrorKind::Network, "the first read of the store is still running"))
            }
        }
    }

    /// Lists the store at intervals, until the caller drops the future. If only this server writes
    /// to the store, it does so once.
    pub async fn follow(self, every: Duration) {
        loop {
            let looked = if self.inner.filled.initialized() {
                self.round().await
            } else {
                self.ready().await
            };
            if let Err(error) = looked {
                tracing::warn!(error = error.chain(), "cannot read the charts of the store");
            } else if self.inner.sight == LookCost::Near && !self.inner.doubts.is_open() {
                return;
            }
            tokio::time::sleep(every).await;
        }
    }

    /// Returns the error of the last lookup of the store, if it failed.
    pub fn trouble(&self) -> Option<String> {
        self.inner.fresh.trouble()
    }

    async fn fill(&self) -> Result<()> {
        let start = std::time::Instant::now();
        if self.inner.sight == LookCost::Far {
            for (repository, tag, known) in self.inner.cache.take() {
                let _turn = self.turn(&repository, &tag).await;
                self.remember(&repository, &tag, Some(known));
            }
        }
        let cached = self.memory().len();
        match self.round().await {
            // While the store does not answer, the view shows the cached charts.
            Err(error) if cached == 0 => return Err(error),
            _ => {}
        }
        let this = self.clone();
        crate::store::blocking(move || this.inner.cache.settle(|| this.memory().live())).await;
        let tags = self.memory().len();
        tracing::info!(tags, seconds = start.elapsed().as_secs_f64(), "the charts are known");
        if self.inner.sight == LookCost::Far {
            self.warn_of_nothing().await;
        }
        Ok(())
    }

    /// Warns if there is no chart. A misspelled name looks like one without charts.
    async fn warn_of_nothing(&self) {
        if self.memory().all().any(|(_, _, known)| known.item.is_some()) {
            return;
        }
        let Ok(names) = self.catalog.repositories().await else { return };
        let names = names.iter().map(RepositoryName::as_str).collect::<Vec<_>>().join(",");
        tracing::warn!(
            repositories = names,
            "the upstream has no charts: check the namespace and the names of the charts"
        );
    }

    /// Looks up every repository once: all its tags if that costs nothing, else those that were
    /// added or removed.
    ///
    /// # Errors
    /// Returns the error of the store if no lookup succeeded, or if a part was not reachable.
    pub async fn round(&self) -> Result<()> {
        let done = self.look_around().await;
        self.inner.fresh.set(done.as_ref().err().map(Error::chain));
        done
    }

    async fn look_around(&self) -> Result<()> {
        let mut names = self.memory().repositories();
        let listed = self.catalog.repositories().await;
        let unlisted = match listed {
            Ok(listed) => {
                names.extend(listed);
                None
            }
            // The store is not reachable at all, so other requests would fail too.
            Err(error) if error.kind() == ErrorKind::Network => return Err(error),
            Err(error) => Some(error),
        };
        let failed: Mutex<Option<Error>> = Mutex::new(unlisted);
        stream::iter(names)
            .for_each_concurrent(REPOSITORIES, |name| {
                let failed = &failed;
                async move {
                    if let Err(error) = self.apart(&name).await {
                        tracing::warn!(repository = %name, error = error.chain(), "cannot read a repository");
                        // A registry that denies access will do so again. The other charts remain
                        // visible.
                        if error.kind() != ErrorKind::Denied {
                            *failed.locked() = Some(error);
                        }
                    }
                }
            })
            .await;
        failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)?;
        let known = self.memory().len();
        if self.inner.doubts.count(known) {
            return Err(Error::new(ErrorKind::Network, "some tags could not be read"));
        }
        Ok(())
    }

    /// Looks up one repository in its own task, so that several processors share the work.
    async fn apart(&self, repository: &RepositoryName) -> Result<()> {
        let (this, name) = (self.clone(), repository.clone());
        match tokio::spawn(async move { this.refresh_repository(&name).await }).await {
            Ok(looked) => looked,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down.
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// Looks up the tags of one repository and logs a failure.
    ///
    /// # Errors
    /// Returns the error of the store if it cannot list the tags.
    pub async fn refresh_repository(&self, repository: &RepositoryName) -> Result<()> {
        let since = self.told();
        let known = self.memory().tags(repository);
        let store = self.catalog.repository(repository)?;
        // Cached tags need no lookup of their own. A server writes a tag after its content and
        // removes it before, so a tag with the same manifest has the same chart.
        let read = match self.inner.cache.keeps() && self.inner.sight == LookCost::Near {
            true => store.tags_on().await?,
            false => None,
        };
        if let Some(read) = read {
            let here: HashSet<&Tag> = read.iter().map(|(tag, _)| tag).collect();
            let gone = known.iter().filter(|tag| !here.contains(tag)).map(|tag| (tag, None));
            let all = read.iter().map(|(tag, digest)| (tag, digest.as_ref())).chain(gone);
            self.each(repository, all, since).await;
            return Ok(());
        }
        let listed = match store.tags().await {
            Ok(listed) => listed,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let far = self.inner.sight == LookCost::Far;
        let listed: BTreeSet<Tag> = listed
            .into_iter()
            // In a remote store a lookup costs a request, and Helm recognises no chart by a tag
            // that is not a version.
            .filter(|tag| !far || tag.version().is_some())
            .collect();
        let wanted: Vec<Tag> = if far {
            // The follower also looks up a tag that is missing in the list: it may be newer than
            // the list.
            listed.symmetric_difference(&known).cloned().collect()
        } else {
            listed.union(&known).cloned().collect()
        };
        self.inner.doubts.retain(repository, &wanted.iter().collect());
        self.each(repository, wanted.iter().map(|tag| (tag, None)), since).await;
        Ok(())
    }

    /// Looks up tags of a repository. The store read some of them just now, after `since`.
    async fn each<'t>(
        &self,
        repository: &RepositoryName,
        tags: impl Iterator<Item = (&'t Tag, Option<&'t Digest>)>,
        since: u64,
    ) {
        let doubts = &self.inner.doubts;
        let failures = AtomicUsize::new(0);
        let tags = tags.filter(|(tag, _)| doubts.turn(repository, tag) == Turn::Look);
        stream::iter(tags)
            .for_each_concurrent(TAGS, |(tag, on)| {
                let failures = &failures;
                async move {
                    let turn = self.turn(repository, tag).await;
                    let looked = match on {
                        Some(manifest) => turn.recall(manifest, since).await,
                        None => turn.look().await,
                    };
                    let Err(error) = looked else { return };
                    // The first few errors suffice to explain the problem.
                    let often = doubts.add(repository, tag);
                    if often == 1 && failures.fetch_add(1, Ordering::Relaxed) < TOLD {
                        tracing::warn!(%repository, %tag, error = error.chain(), "cannot read a tag");
                    }
                }
            })
            .await;
        let count = failures.into_inner();
        if count > TOLD {
            tracing::warn!(%repository, count, "cannot read some tags of a repository");
        }
    }
}
