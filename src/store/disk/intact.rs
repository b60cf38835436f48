//! Record of the stored blobs that are known to be intact. A disk can damage a file without a
//! change of its size, so that a blob which arrives again replaces a stored one that no longer has
//! its digest.

use crate::lock::Locked as _;
use crate::{
    oci::{Descriptor, Digest},
    store::verify::check_blob,
};
use std::{collections::HashSet, fs, path::Path, sync::Mutex};

/// Largest number of remembered digests, about 8 MiB. A full record starts again empty: the cost is
/// one more reading of each blob that arrives again.
const REMEMBERED: usize = 65_536;

/// Digests of blobs that were written or verified since the store was opened.
#[derive(Debug, Default)]
pub(super) struct Intact(Mutex<HashSet<Digest>>);

impl Intact {
    /// Returns true if the file at `path` has the blob's size and digest. It reads a file at most
    /// once, as long as the digest is remembered. Unreadable files count as damaged.
    pub(super) fn check(&self, path: &Path, digest: &Digest, size: u64) -> bool {
        if !fs::metadata(path).is_ok_and(|metadata| metadata.len() == size) {
            return false;
        }
        if self.digests().contains(digest) {
            return true;
        }
        let blob = Descriptor::new("", digest.clone(), size);
        let intact = check_blob(path.to_owned(), &blob).is_ok();
        if intact {
            self.note(digest);
        }
        intact
    }

    /// Records a blob that was just written with the right digest.
    pub(super) fn note(&self, digest: &Digest) {
        let mut digests = self.digests();
        if digests.len() >= REMEMBERED {
            digests.clear();
        }
        digests.insert(digest.clone());
    }

    /// Removes a blob that a read found damaged, so that its next arrival replaces it.
    pub(super) fn forget(&self, digest: &Digest) {
        self.digests().remove(digest);
    }

    fn digests(&self) -> std::sync::MutexGuard<'_, HashSet<Digest>> {
        self.0.locked()
    }
}
