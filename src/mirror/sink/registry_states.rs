//! The manifests of states in a registry. Each write of a state replaces the manifest under its
//! tag; the old one, which nothing refers to any more, is deleted.

use crate::{
    client::Repository,
    lock::Locked as _,
    mirror::state::Key,
    oci::{Digest, Manifest, TagOrDigest},
    store::Tags,
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

/// Annotation with the key of a state. Two states of equal content are two manifests by it, so that
/// the deletion of one leaves the other.
const KEY: &str = "io.chartferry.mirror.key";

/// The manifests of states, as far as this run has seen them.
#[derive(Debug, Default)]
pub(super) struct States {
    current: Mutex<HashMap<Key, Digest>>,
    /// `true` once the registry has refused a deletion.
    is_kept: AtomicBool,
}

impl States {
    /// Returns the annotations of a state's manifest.
    pub(super) fn annotations(key: &Key) -> BTreeMap<String, String> {
        BTreeMap::from([(KEY.to_owned(), key.as_str().to_owned())])
    }

    /// Notes the manifest under a key's tag, if only this key can refer to it.
    pub(super) fn found(&self, key: &Key, manifest: &Manifest) {
        if manifest.document().annotations.get(KEY).is_some_and(|own| own == key.as_str()) {
            self.current.locked().insert(key.clone(), manifest.digest().clone());
        }
    }

    /// Notes the new manifest, and deletes the one before it. A registry that refuses keeps the old
    /// manifests; that harms nothing, so it is no error.
    pub(super) async fn replace(&self, repository: &Repository, key: &Key, manifest: &Manifest) {
        let new = manifest.digest().clone();
        let old = self.current.locked().insert(key.clone(), new.clone());
        let Some(old) = old.filter(|old| *old != new) else { return };
        if self.is_kept.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = repository.delete(&TagOrDigest::Digest(old)).await {
            tracing::debug!("the old state stays: {error:?}");
            self.is_kept.store(true, Ordering::Relaxed);
        }
    }
}
