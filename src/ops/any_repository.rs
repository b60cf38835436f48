//! A place: one repository of any kind. All commands use the same traits for each kind.

use crate::{
    Result, client,
    oci::{Descriptor, Digest, Manifest, Tag, TagOrDigest},
    store::{
        BlobFile, BlobSource, Exists, Fetch, Held, Push, Referrers, Resolve, Sent, Tags, TagsOn,
        disk::repository::Repository, layout,
    },
};
use bytes::Bytes;

/// A repository of a registry, of the store of saved charts, or of an image layout.
#[derive(Clone, Debug)]
pub enum AnyRepository {
    /// A repository in a registry.
    Registry(client::Repository),
    /// A repository in a content store on this machine.
    Disk(Repository),
    /// An OCI image layout.
    Layout(Box<layout::Layout>),
}

macro_rules! each {
    ($place:expr, $inner:ident => $call:expr) => {
        match $place {
            Self::Registry($inner) => $call.await,
            Self::Disk($inner) => $call.await,
            Self::Layout($inner) => $call.await,
        }
    };
}

impl Fetch for AnyRepository {
    async fn fetch_manifest(&self, target: &TagOrDigest) -> Result<Manifest> {
        each!(self, inner => inner.fetch_manifest(target))
    }

    async fn fetch_blob(&self, blob: &Descriptor, cap: u64) -> Result<Bytes> {
        each!(self, inner => inner.fetch_blob(blob, cap))
    }

    async fn fetch_blob_file(&self, blob: &Descriptor) -> Result<BlobFile> {
        each!(self, inner => inner.fetch_blob_file(blob))
    }
}

impl Push for AnyRepository {
    async fn push_blob(&self, blob: &Descriptor, source: &BlobSource) -> Result<Sent> {
        each!(self, inner => inner.push_blob(blob, source))
    }

    async fn push_manifest(&self, manifest: &Manifest, tag: Option<&Tag>) -> Result<()> {
        each!(self, inner => inner.push_manifest(manifest, tag))
    }

    async fn may_push(&self) -> Result<()> {
        each!(self, inner => inner.may_push())
    }

    async fn push_artifact(
        &self,
        blobs: &[(Descriptor, BlobSource)],
        manifest: &Manifest,
        tag: Option<&Tag>,
    ) -> Result<()> {
        each!(self, inner => inner.push_artifact(blobs, manifest, tag))
    }
}

impl Exists for AnyRepository {
    async fn holds_blob(&self, blob: &Descriptor) -> Result<Held> {
        each!(self, inner => inner.holds_blob(blob))
    }
}

impl Resolve for AnyRepository {
    async fn resolve(&self, target: &TagOrDigest) -> Result<Option<Descriptor>> {
        each!(self, inner => inner.resolve(target))
    }
}

impl Tags for AnyRepository {
    async fn tags(&self) -> Result<Vec<Tag>> {
        each!(self, inner => inner.tags())
    }

    async fn tags_within(&self, pages: usize) -> Result<Option<Vec<Tag>>> {
        each!(self, inner => inner.tags_within(pages))
    }

    async fn tags_after(&self, last: &str, count: usize) -> Result<Vec<Tag>> {
        each!(self, inner => inner.tags_after(last, count))
    }

    async fn tags_on(&self) -> Result<Option<TagsOn>> {
        each!(self, inner => inner.tags_on())
    }

    async fn delete(&self, target: &TagOrDigest) -> Result<()> {
        each!(self, inner => inner.delete(target))
    }
}

impl Referrers for AnyRepository {
    async fn referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>> {
        each!(self, inner => inner.referrers(subject, artifact_type))
    }
}
