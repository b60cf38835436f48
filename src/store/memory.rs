//! A repository in memory: the traits of [`crate::store`] without a disk, for tests and for
//! short-lived content.

use super::{
    BlobFile, BlobSource, Fetch, Push, Referrers, Resolve, Sent, Tags,
    verify::{check_cap, check_size, damaged, read_source},
};
use crate::lock::Locked as _;
use crate::{
    Error, ErrorKind, Result,
    oci::{Descriptor, Digest, Manifest, Tag, TagOrDigest},
};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    io::Write,
    sync::{Arc, Mutex, MutexGuard},
};

/// A repository in memory. Clones are the same repository.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<Content>>);

#[derive(Debug, Default)]
struct Content {
    blobs: BTreeMap<Digest, Bytes>,
    manifests: BTreeMap<Digest, Manifest>,
    tags: BTreeMap<Tag, Digest>,
}

impl Content {
    fn manifest(&self, target: &TagOrDigest) -> Option<&Manifest> {
        match target {
            TagOrDigest::Digest(digest) => self.manifests.get(digest),
            TagOrDigest::Tag(tag) => self.manifests.get(self.tags.get(tag)?),
        }
    }
}

impl Memory {
    /// Makes an empty repository.
    pub fn new() -> Self {
        Self::default()
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.locked()
    }
}

impl Fetch for Memory {
    async fn fetch_manifest(&self, target: &TagOrDigest) -> Result<Manifest> {
        self.content().manifest(target).cloned().ok_or_else(|| no_manifest(target))
    }

    async fn fetch_blob(&self, blob: &Descriptor, cap: u64) -> Result<Bytes> {
        check_cap(blob, cap)?;
        let bytes = self.content().blobs.get(&blob.digest).cloned();
        let bytes =
            bytes.ok_or_else(|| Error::not_found(format!("there is no blob `{}`", blob.digest)))?;
        check_size(blob, bytes.len() as u64).map(|()| bytes)
    }

    async fn fetch_blob_file(&self, blob: &Descriptor) -> Result<BlobFile> {
        let bytes = self.fetch_blob(blob, blob.size).await?;
        let file = tempfile::NamedTempFile::new().and_then(|mut file| {
            file.write_all(&bytes)?;
            Ok(file.into_temp_path())
        });
        let path = file.map_err(|error| {
            Error::new(ErrorKind::Io, "cannot write a temporary file").with_source(error)
        })?;
        Ok(BlobFile::Temporary(Arc::new(path)))
    }
}

impl Push for Memory {
    async fn push_blob(&self, blob: &Descriptor, source: &BlobSource) -> Result<Sent> {
        if self.content().blobs.contains_key(&blob.digest) {
            return Ok(Sent::Present);
        }
        let mut bytes = Vec::new();
        let size = read_source(source, |part| {
            bytes.extend_from_slice(part);
            Ok(())
        })?;
        check_size(blob, size)?;
        if !blob.digest.matches(&bytes) {
            return Err(damaged(&blob.digest));
        }
        self.content().blobs.insert(blob.digest.clone(), bytes.into());
        Ok(Sent::Uploaded)
    }

    async fn push_manifest(&self, manifest: &Manifest, tag: Option<&Tag>) -> Result<()> {
        let mut content = self.content();
        content.manifests.insert(manifest.digest().clone(), manifest.clone());
        if let Some(tag) = tag {
            content.tags.insert(tag.clone(), manifest.digest().clone());
        }
        Ok(())
    }
}

impl Resolve for Memory {
    async fn resolve(&self, target: &TagOrDigest) -> Result<Option<Descriptor>> {
        Ok(self.content().manifest(target).map(Manifest::descriptor))
    }
}

impl Tags for Memory {
    async fn tags(&self) -> Result<Vec<Tag>> {
        Ok(self.content().tags.keys().cloned().collect())
    }

    async fn delete(&self, target: &TagOrDigest) -> Result<()> {
        let mut content = self.content();
        let removed = match target {
            TagOrDigest::Tag(tag) => content.tags.remove(tag).is_some(),
            TagOrDigest::Digest(digest) => {
                content.tags.retain(|_, tagged| tagged != digest);
                content.manifests.remove(digest).is_some()
            }
        };
        if removed { Ok(()) } else { Err(no_manifest(target)) }
    }
}

impl Referrers for Memory {
    async fn referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>> {
        let content = self.content();
        let referrers = content
            .manifests
            .values()
            .filter(|manifest| manifest.speaks_of(subject))
            .map(Manifest::as_referrer)
            .filter(|referrer| {
                artifact_type.is_none() || referrer.artifact_type.as_deref() == artifact_type
            });
        Ok(referrers.collect())
    }
}

fn no_manifest(target: &TagOrDigest) -> Error {
    Error::not_found(format!("there is no manifest `{target}`"))
}
