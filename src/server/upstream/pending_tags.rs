//! Tags of events that the registry does not show yet. The distribution project's registry sends
//! its event before it links the tag, so an immediate lookup finds no tag, or the old manifest. The
//! bridge repeats the lookup a few times in the background, then leaves the tag to the next list.

use crate::lock::Locked as _;
use crate::{
    digest::Digest,
    oci::{RepositoryName, Tag},
    server::index_view::Follower,
    store::Catalog,
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

/// Waits before each repeated lookup: three seconds in all.
const WAITS: [Duration; 6] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1600),
];
/// Maximum number of tags for which the bridge waits, since any client may be able to send events.
const MOST: usize = 256;

/// Pushed tag, with the digest that the event names, if any.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pushed {
    pub(crate) repository: RepositoryName,
    pub(crate) tag: Tag,
    pub(crate) manifest: Option<Digest>,
}

impl Pushed {
    /// Returns true if the view has the tag with the event's digest, or with any digest if the
    /// event names none.
    pub(crate) fn is_seen<C: Catalog>(&self, charts: &Follower<C>) -> bool {
        let on = charts.last_on(&self.repository, &self.tag);
        on.is_some_and(|on| self.manifest.as_ref().is_none_or(|manifest| *manifest == on))
    }

    /// Repeats the lookup after each of the waits, until the view has the tag.
    async fn wait_for<C: Catalog>(&self, charts: &Follower<C>, wait: impl AsyncFn(Duration)) {
        for time in WAITS {
            wait(time).await;
            if let Err(error) = charts.refresh(&self.repository, &self.tag).await {
                tracing::debug!(
                    error = error.chain(),
                    "cannot read the tags of a notification again"
                );
            }
            if self.is_seen(charts) {
                return;
            }
        }
        let Self { repository, tag, .. } = self;
        tracing::info!(%repository, %tag, "the registry does not list a tag that a notification named");
    }
}

/// Pushed tags that the index does not show yet. Clones share the set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Late(Arc<Mutex<BTreeSet<Pushed>>>);

impl Late {
    fn waiting(&self) -> MutexGuard<'_, BTreeSet<Pushed>> {
        self.0.locked()
    }

    /// Starts repeated lookups in the background, unless they already run.
    pub(crate) fn look_later<C: Catalog>(&self, charts: &Follower<C>, pushed: Pushed) {
        {
            let mut waiting = self.waiting();
            if waiting.len() >= MOST || !waiting.insert(pushed.clone()) {
                return;
            }
        }
        let (this, charts) = (self.clone(), charts.clone());
        tokio::spawn(async move {
            pushed.wait_for(&charts, async |time| tokio::time::sleep(time).await).await;
            this.waiting().remove(&pushed);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        limits::Limits,
        oci::{Descriptor, Manifest, media},
        server::index_view::{Cache, LookCost, View},
        store::{BlobSource, Durability, Push, disk::Disk},
    };
    use std::sync::atomic::{AtomicUsize, Ordering};

    async fn link(disk: &Disk, text: &str) -> Digest {
        let repository = disk.repository(&"a".parse().expect("name"));
        let blob = Descriptor::of(media::IMAGE_CONFIG, text.as_bytes());
        repository
            .push_blob(&blob, &BlobSource::Bytes(text.to_owned().into()))
            .await
            .expect("blob");
        let document = serde_json::json!({ "schemaVersion": 2, "config": blob, "layers": [blob] });
        let manifest =
            Manifest::parse(document.to_string().into(), Some(media::MANIFEST)).expect("manifest");
        let tag = "1.0.0".parse().expect("tag");
        repository.push_manifest(&manifest, Some(&tag)).await.expect("linked");
        manifest.digest().clone()
    }

    #[tokio::test]
    async fn a_tag_that_is_linked_late_is_looked_at_until_it_is() {
        let root = tempfile::tempdir().expect("folder");
        let disk = Disk::open(root.path(), Durability::None).expect("store");
        let charts = Follower::new(
            disk.clone(),
            View::default(),
            LookCost::Far,
            Limits::default(),
            Cache::none(),
        );
        let before = link(&disk, "{}").await;
        let (repository, tag): (RepositoryName, Tag) =
            ("a".parse().expect("name"), "1.0.0".parse().expect("tag"));
        charts.refresh(&repository, &tag).await.expect("looked");
        let pushed = |manifest| Pushed {
            repository: repository.clone(),
            tag: tag.clone(),
            manifest: Some(manifest),
        };
        assert!(pushed(before.clone()).is_seen(&charts));

        // The registry links the tag during the third wait.
        let after = Digest::sha256(b"not yet known");
        let waits = AtomicUsize::new(0);
        pushed(after.clone())
            .wait_for(&charts, async |time| {
                assert_eq!(time, WAITS[waits.fetch_add(1, Ordering::Relaxed)]);
            })
            .await;
        assert_eq!(waits.into_inner(), WAITS.len(), "what never comes is not waited for longer");
        assert_eq!(charts.last_on(&repository, &tag), Some(before.clone()));

        let other = tempfile::tempdir().expect("folder");
        let twin = Disk::open(other.path(), Durability::None).expect("store");
        let after = link(&twin, "{ }").await;
        let waits = AtomicUsize::new(0);
        pushed(after.clone())
            .wait_for(&charts, async |_| {
                if waits.fetch_add(1, Ordering::Relaxed) == 2 {
                    link(&disk, "{ }").await;
                }
            })
            .await;
        assert_eq!(waits.into_inner(), 3);
        assert_eq!(charts.last_on(&repository, &tag), Some(after));
    }
}
