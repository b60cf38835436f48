//! Stores of bytes. Each trait is one ability of a repository. The disk store, an image layout,
//! memory and the client of a remote registry implement the same traits, so that push, pull, export
//! and copy are one engine with different ends.

use crate::{
    Result,
    oci::{Descriptor, Digest, Manifest, Tag, TagOrDigest},
};
use bytes::Bytes;
use std::future::Future;

mod blob_bytes;
pub mod bundle;
mod catalog;
pub mod disk;
pub mod layout;
pub mod memory;
mod remote_blob;
mod verify;

pub use blob_bytes::{BlobBytes, BlobFile, BlobSource};
pub use catalog::{Catalog, Opened, StreamBlob};
pub(crate) use disk::commit::unique;
pub use disk::commit::{Durability, Removed};
pub(crate) use disk::traits::blocking;
pub use remote_blob::{ReadBlob, RemoteBlob};

/// The ability to read manifests and blobs. An implementation checks everything against its digest
/// and size before it returns it.
pub trait Fetch: Send + Sync {
    /// Returns the manifest by tag or digest. By digest, the bytes have that digest.
    ///
    /// # Errors
    /// `NotFound` only if the store reported it.
    fn fetch_manifest(&self, target: &TagOrDigest)
    -> impl Future<Output = Result<Manifest>> + Send;

    /// Returns a whole blob in memory. Refuses it if its descriptor names more than `cap` bytes.
    fn fetch_blob(&self, blob: &Descriptor, cap: u64)
    -> impl Future<Output = Result<Bytes>> + Send;

    /// Returns a whole blob of any size as a file. The file is never next to a target.
    fn fetch_blob_file(&self, blob: &Descriptor) -> impl Future<Output = Result<BlobFile>> + Send;
}

/// Result of a push of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The blob was sent.
    Uploaded,
    /// The store had the blob already.
    Present,
}

/// The ability to store blobs and manifests.
pub trait Push: Send + Sync {
    /// Stores a blob, unless it exists.
    fn push_blob(
        &self,
        blob: &Descriptor,
        source: &BlobSource,
    ) -> impl Future<Output = Result<Sent>> + Send;

    /// Stores a manifest under its digest and, if given, a tag. It compares the digest that the
    /// store reports with ours.
    fn push_manifest(
        &self,
        manifest: &Manifest,
        tag: Option<&Tag>,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Asks the store for permission to write, and leaves no content behind. A store on this
    /// machine always permits it.
    ///
    /// # Errors
    /// `Denied` if the store refuses; any other error that kept the store from answering.
    fn may_push(&self) -> impl Future<Output = Result<()>> + Send {
        std::future::ready(Ok(()))
    }

    /// Stores a manifest with the blobs that it names. A store may need fewer steps than for each
    /// alone.
    fn push_artifact(
        &self,
        blobs: &[(Descriptor, BlobSource)],
        manifest: &Manifest,
        tag: Option<&Tag>,
    ) -> impl Future<Output = Result<()>> + Send {
        async move {
            let sent = blobs.iter().map(|(blob, source)| self.push_blob(blob, source));
            futures_util::future::try_join_all(sent).await?;
            self.push_manifest(manifest, tag).await
        }
    }
}

/// Presence of a blob in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// The store has the blob, with its size in bytes.
    Yes,
    /// The store does not have the blob, or does not answer.
    Unknown,
}

/// The ability to look for a blob without a download.
pub trait Exists: Send + Sync {
    /// Asks for a blob. Only a clear yes counts.
    fn holds_blob(&self, blob: &Descriptor) -> impl Future<Output = Result<Held>> + Send;
}

/// The ability to resolve a tag or digest without a download.
pub trait Resolve: Send + Sync {
    /// Returns the descriptor, or `None` if the target definitely does not exist.
    fn resolve(
        &self,
        target: &TagOrDigest,
    ) -> impl Future<Output = Result<Option<Descriptor>>> + Send;
}

/// Tags, each with the digest of its manifest; `None` for a tag whose digest is unreadable.
pub type TagsOn = Vec<(Tag, Option<Digest>)>;

/// The ability to list and remove tags.
pub trait Tags: Send + Sync {
    /// Returns every tag, in the store's order. `NotFound` if the repository does not exist.
    fn tags(&self) -> impl Future<Output = Result<Vec<Tag>>> + Send;

    /// Returns every tag, or `None` if the list has more pages than that. Only a remote registry
    /// has pages.
    ///
    /// # Errors
    /// The errors of [`Self::tags`].
    fn tags_within(&self, _pages: usize) -> impl Future<Output = Result<Option<Vec<Tag>>>> + Send {
        async { self.tags().await.map(Some) }
    }

    /// Returns the tags after `last`, in the store's order: one page of about `count`. A registry
    /// may ignore both arguments, so the caller checks what it gets.
    ///
    /// # Errors
    /// The errors of [`Self::tags`].
    fn tags_after(
        &self,
        _last: &str,
        _count: usize,
    ) -> impl Future<Output = Result<Vec<Tag>>> + Send {
        self.tags()
    }

    /// Returns every tag with the digest of its manifest, if all of them cost little more than
    /// their list. It does not check that the manifests exist. `None` means that the store needs a
    /// request for each tag.
    ///
    /// # Errors
    /// The errors of [`Self::tags`].
    fn tags_on(&self) -> impl Future<Output = Result<Option<TagsOn>>> + Send {
        std::future::ready(Ok(None))
    }

    /// Removes a tag, or a manifest with all its tags.
    fn delete(&self, target: &TagOrDigest) -> impl Future<Output = Result<()>> + Send;
}

/// The ability to list the referrers of a manifest.
pub trait Referrers: Send + Sync {
    /// Returns the descriptors of the manifests whose subject is `subject`, of one artifact type or
    /// of all.
    fn referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> impl Future<Output = Result<Vec<Descriptor>>> + Send;
}
