//! An artifact that is put into a repository on disk whole: blobs, manifest and tags in three
//! flushes instead of one for each file. [`super::repository`] describes the parts of a repository.

use super::{
    batch::{Batch, Mode, Turn},
    repository::{Missing, Repository},
};
use crate::lock::ManyReaders as _;
use crate::{
    Result,
    oci::{Descriptor, Manifest, Tag},
    store::{
        BlobSource,
        verify::{copy, has_bytes},
    },
};
use std::collections::BTreeMap;

impl Repository {
    /// Stores blobs, the manifest that names them, and tags on it. First it flushes the data, then
    /// the names of the blobs, then the record of the manifest and, after it, the tags. A crash
    /// never leaves a manifest without the blobs that it names.
    ///
    /// # Errors
    /// `Integrity` if a blob does not match its descriptor; `Invalid` with a
    /// [`MissingContent`](super::repository::MissingContent) as its source; `Io`. After an error,
    /// only blobs are visible.
    pub fn put_artifact(
        &self,
        blobs: &[(Descriptor, BlobSource)],
        manifest: &Manifest,
        tags: &[Tag],
        missing: Missing,
    ) -> Result<()> {
        let writer = self.disk.writable()?;
        let _shared = self.disk.guard(self.name()).reading();
        let coming: BTreeMap<_, _> =
            blobs.iter().map(|(blob, _)| (&blob.digest, blob.size)).collect();
        self.require_content(manifest.document(), missing, |digest| coming.get(digest).copied())?;
        let mut batch = Batch::new(writer);
        for (blob, source) in blobs {
            let place = self.disk.blob_path(&blob.digest);
            if self.disk.has_intact(&blob.digest, blob.size) {
                batch.trust(&place)?;
                continue;
            }
            batch.stage(place, Turn::First, Mode::ReadOnly, |write| copy(blob, source, write))?;
        }
        let (digest, bytes) = (manifest.digest(), manifest.bytes());
        let place = self.disk.blob_path(digest);
        if has_bytes(&place, bytes) {
            batch.trust(&place)?;
        } else {
            batch.stage(place, Turn::First, Mode::Writable, |write| write(bytes))?;
        }
        let tags = tags.iter().map(|tag| self.tag_file(tag, digest));
        for (place, content) in self.entries(manifest, digest).into_iter().chain(tags) {
            batch.stage(place, Turn::Last, Mode::Writable, |write| write(&content))?;
        }
        batch.flush()?;
        for (blob, _) in blobs {
            batch.mark(&self.blob_marker(&blob.digest), blob.size.to_string().as_bytes())?;
        }
        batch.place(Turn::First)?;
        blobs.iter().for_each(|(blob, _)| self.disk.note_intact(&blob.digest));
        batch.place(Turn::Last)
    }
}
