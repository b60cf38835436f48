//! Schedule of a follower's lookups: the whole store once at the start, then the lists of tags
//! again and again if nobody reports changes. If a lookup fails, the state stays as it was and
//! responses say so.

use super::{
    doubts::Turn,
    follow::{Follower, LookCost},
};
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

/// Repositories looked at together, and tags of one of them: 64 requests at most.
const REPOSITORIES: usize = 8;
const TAGS: usize = 8;
/// Failures of one repository that the log tells one by one.
const TOLD: usize = 3;
/// The time that a request waits for the first look at a store.
const SOON: Duration = Duration::from_secs(20);

/// The result of the last request to the store: success, or the error.
#[derive(Debug, Default)]
pub(super) struct Freshness(Mutex<Option<String>>);

impl Freshness {
    fn set(&self, trouble: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// Returns the last error, if the last request failed.
    fn trouble(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<C: Catalog> Follower<C> {
    /// Waits until the view holds what the store does; whoever comes first looks at all of it.
    ///
    /// # Errors
    /// What the store says, when nothing can be shown. The next to come tries again.
    pub async fn ready(&self) -> Result<()> {
        self.inner.filled.get_or_try_init(|| self.fill()).await.map(|_| ())
    }

    /// The same for somebody who can ask again: it does not take long.
    ///
    /// # Errors
    /// As [`Self::ready`]; `Network` when it is not ready in time.
    pub async fn ready_soon(&self) -> Result<()> {
        // In a task of its own, so that the first look goes on when nobody waits for it any longer.
        let this = self.clone();
        let looking = tokio::spawn(async move { this.ready().await });
        match tokio::time::timeout(SOON, looking).await {
            Ok(Ok(looked)) => looked,
            _ => {
                Err(Error::new(ErrorKind::Network, "the first read of the store is still running"))
            }
        }
    }

    /// Looks at the store now and then, until it is dropped. At a store that only we write, once.
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

    /// Returns the error of the last look at the store, if it failed.
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
            // What is remembered can be shown as long as the store does not answer.
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

    /// Says that there is no chart: a name that was written wrong looks like one that has none yet.
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

    /// Looks once at every repository: at all its tags where that costs nothing, else at those that
    /// have come or gone.
    ///
    /// # Errors
    /// What the store says, when nothing could be looked at, or something could not be reached.
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
            // Not there at all: nothing else would be answered.
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
                        // A registry that says no will say so the next time; it is no reason to
                        // show nothing.
                        if error.kind() != ErrorKind::Denied {
                            *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
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

    /// Looks at one repository in a task of its own, so that several processors share the work.
    async fn apart(&self, repository: &RepositoryName) -> Result<()> {
        let (this, name) = (self.clone(), repository.clone());
        match tokio::spawn(async move { this.refresh_repository(&name).await }).await {
            Ok(looked) => looked,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is going away.
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// Looks up the tags of one repository and logs a failure.
    ///
    /// # Errors
    /// What the store says when it does not list them.
    pub async fn refresh_repository(&self, repository: &RepositoryName) -> Result<()> {
        let since = self.told();
        let known = self.memory().tags(repository);
        let store = self.catalog.repository(repository)?;
        // What the cache knows need not be looked at one by one: a tag is written after all that it
        // stands for, and taken away before any of it, so that a tag on the same manifest is the
        // same chart.
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
            // Elsewhere a look costs a request, and Helm knows no chart under a tag that is no
            // version.
            .filter(|tag| !far || tag.version().is_some())
            .collect();
        let wanted: Vec<Tag> = if far {
            // A tag that is gone from the list is asked for too: it may have come while the list
            // was on its way.
            listed.symmetric_difference(&known).cloned().collect()
        } else {
            listed.union(&known).cloned().collect()
        };
        self.inner.doubts.retain(repository, &wanted.iter().collect());
        self.each(repository, wanted.iter().map(|tag| (tag, None)), since).await;
        Ok(())
    }

    /// Looks at tags of a repository, of which some were read just now, after `since`.
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
                    // The first few say what is wrong.
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
