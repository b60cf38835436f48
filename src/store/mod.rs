//! Stores of content: small traits by ability over one repository of a store. The disk store, an
//! image layout, memory and the client of a registry implement them alike, so that push, pull,
//! export and copy are one engine with different ends.

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
mod verify;

pub use blob_bytes::{BlobBytes, BlobFile, BlobSource};
pub use catalog::{Catalog, Opened, StreamBlob};
pub(crate) use disk::commit::unique;
pub use disk::commit::{Durability, Removed};
pub(crate) use disk::traits::blocking;

/// Gives manifests and blobs. Everything it hands over has been checked against its digest and
/// size.
pub trait Fetch: Send + Sync {
    /// The manifest by tag or digest. By digest, the bytes have that digest.
    ///
    /// # Errors
    /// `NotFound` only when the store said so.
    fn fetch_manifest(&self, target: &TagOrDigest)
    -> impl Future<Output = Result<Manifest>> + Send;

    /// A whole blob in memory; refused when its descriptor says more than `cap` bytes.
    fn fetch_blob(&self, blob: &Descriptor, cap: u64)
    -> impl Future<Output = Result<Bytes>> + Send;

    /// A whole blob as a file, however large. It never lies beside any target.
    fn fetch_blob_file(&self, blob: &Descriptor) -> impl Future<Output = Result<BlobFile>> + Send;
}

/// Result of a push of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The blob was sent.
    Uploaded,
    /// The store already had the blob.
    Present,
}

/// Takes blobs and manifests.
pub trait Push: Send + Sync {
    /// Stores a blob, if it is not there.
    fn push_blob(
        &self,
        blob: &Descriptor,
        source: &BlobSource,
    ) -> impl Future<Output = Result<Sent>> + Send;

    /// Stores a manifest under its digest and, if given, a tag. The store's own digest is compared
    /// with ours.
    fn push_manifest(
        &self,
        manifest: &Manifest,
        tag: Option<&Tag>,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Asks whether something may be stored here, and leaves nothing behind. A store on this
    /// machine asks nobody.
    ///
    /// # Errors
    /// `Denied` when the store refuses; whatever else kept it from answering.
    fn may_push(&self) -> impl Future<Output = Result<()>> + Send {
        std::future::ready(Ok(()))
    }

    /// Stores a manifest with the blobs that it names. A store may do it in fewer steps than one by
    /// one.
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
    /// The store does not have the blob, or does not say.
    Unknown,
}

/// Says whether a blob is there, without fetching it.
pub trait Exists: Send + Sync {
    /// Only a clear yes counts.
    fn holds_blob(&self, blob: &Descriptor) -> impl Future<Output = Result<Held>> + Send;
}

/// Says what a tag or digest is, without fetching it.
pub trait Resolve: Send + Sync {
    /// The descriptor, or `None` on a definite not-found.
    fn resolve(
        &self,
        target: &TagOrDigest,
    ) -> impl Future<Output = Result<Option<Descriptor>>> + Send;
}

/// Tags, each with the digest of its manifest; `None` if the store does not say.
pub type TagsOn = Vec<(Tag, Option<Digest>)>;

/// Lists tags and takes them away.
pub trait Tags: Send + Sync {
    /// Every tag, in the store's order. `NotFound` when the repository does not exist.
    fn tags(&self) -> impl Future<Output = Result<Vec<String>>> + Send;

    /// Every tag with the digest of what it is on, where all of them cost little more than their
    /// list; whether that is there is not looked at. `None` from a store that must be asked for
    /// each.
    ///
    /// # Errors
    /// As [`Self::tags`].
    fn tags_on(&self) -> impl Future<Output = Result<Option<TagsOn>>> + Send {
        std::future::ready(Ok(None))
    }

    /// Removes a tag, or a manifest with all its tags.
    fn delete(&self, target: &TagOrDigest) -> impl Future<Output = Result<()>> + Send;
}

/// Lists what speaks of a manifest.
pub trait Referrers: Send + Sync {
    /// Descriptors of the manifests whose subject is `subject`, of one artifact type or of all.
    fn referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> impl Future<Output = Result<Vec<Descriptor>>> + Send;
}
