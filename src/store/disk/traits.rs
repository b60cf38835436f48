//! The traits of [`crate::store`] for a repository on disk. Slow work leaves the executor's
//! threads.

use super::{
    commit::Removed,
    repository::{Missing, Repository},
};
use crate::{
    Error, ErrorKind, Result,
    oci::{Descriptor, Digest, Manifest, Tag, TagOrDigest},
    store::{
        BlobFile, BlobSource, Exists, Fetch, Held, Push, Referrers, Resolve, Sent, Tags, TagsOn,
        verify::{check_blob, check_size, damaged, read_blob, read_source},
    },
};
use bytes::Bytes;
use std::path::PathBuf;

impl Fetch for Repository {
    async fn fetch_manifest(&self, target: &TagOrDigest) -> Result<Manifest> {
        let (this, wanted) = (self.clone(), target.clone());
        let found = blocking(move || this.manifest(&wanted)).await?;
        let found = found.ok_or_else(|| {
            Error::not_found(format!("`{}` has no manifest `{target}`", self.name()))
        })?;
        if !found.descriptor.digest.matches(&found.bytes) {
            self.disk.forget_intact(&found.descriptor.digest);
            return Err(damaged(&found.descriptor.digest));
        }
        Manifest::parse(found.bytes, Some(&found.descriptor.media_type))
    }

    async fn fetch_blob(&self, blob: &Descriptor, cap: u64) -> Result<Bytes> {
        let (this, wanted) = (self.clone(), blob.clone());
        blocking(move || {
            let read = read_blob(&this.require_blob(&wanted)?, &wanted, cap);
            this.forget_damaged(&wanted.digest, read)
        })
        .await
    }

    async fn fetch_blob_file(&self, blob: &Descriptor) -> Result<BlobFile> {
        let (this, wanted) = (self.clone(), blob.clone());
        blocking(move || {
            let read = check_blob(this.require_blob(&wanted)?, &wanted);
            this.forget_damaged(&wanted.digest, read)
        })
        .await
    }
}

impl Push for Repository {
    async fn push_blob(&self, blob: &Descriptor, source: &BlobSource) -> Result<Sent> {
        let (this, wanted, source) = (self.clone(), blob.clone(), source.clone());
        blocking(move || {
            if let Some(blob) = this.blob(&wanted.digest)?
                && this.disk.has_intact(&wanted.digest, blob.size)
            {
                return Ok(Sent::Present);
            }
            let mut upload = this.start_whole(wanted.digest.algorithm())?;
            let size = read_source(&source, |bytes| upload.append(&[bytes]))?;
            check_size(&wanted, size)?;
            upload.finish(&wanted.digest).map(|()| Sent::Uploaded)
        })
        .await
    }

    async fn push_manifest(&self, manifest: &Manifest, tag: Option<&Tag>) -> Result<()> {
        let (this, manifest) = (self.clone(), manifest.clone());
        let tags: Vec<Tag> = tag.cloned().into_iter().collect();
        blocking(move || this.put_manifest(&manifest, manifest.digest(), &tags, Missing::Refuse))
            .await
    }

    async fn push_artifact(
        &self,
        blobs: &[(Descriptor, BlobSource)],
        manifest: &Manifest,
        tag: Option<&Tag>,
    ) -> Result<()> {
        let (this, blobs, manifest) = (self.clone(), blobs.to_vec(), manifest.clone());
        let tags: Vec<Tag> = tag.cloned().into_iter().collect();
        blocking(move || this.put_artifact(&blobs, &manifest, &tags, Missing::Refuse)).await
    }
}

impl Exists for Repository {
    async fn holds_blob(&self, blob: &Descriptor) -> Result<Held> {
        let found = self.blob(&blob.digest)?;
        Ok(match found {
            Some(found) if found.size == blob.size => Held::Yes,
            _ => Held::Unknown,
        })
    }
}

impl Resolve for Repository {
    async fn resolve(&self, target: &TagOrDigest) -> Result<Option<Descriptor>> {
        let (this, target) = (self.clone(), target.clone());
        blocking(move || this.find(&target)).await
    }
}

impl Tags for Repository {
    async fn tags(&self) -> Result<Vec<Tag>> {
        let this = self.clone();
        blocking(move || {
            if !this.exists() {
                return Err(Error::not_found(format!("there is no repository `{}`", this.name())));
            }
            this.tag_names()
        })
        .await
    }

    async fn tags_on(&self) -> Result<Option<TagsOn>> {
        let this = self.clone();
        blocking(move || {
            let tags = this.tag_names()?;
            let read = |tag: Tag| {
                // A request for that one tag gets the error.
                let digest = this.read_tag(&tag).ok().flatten();
                (tag, digest)
            };
            Ok(Some(tags.into_iter().map(read).collect()))
        })
        .await
    }

    async fn delete(&self, target: &TagOrDigest) -> Result<()> {
        let (this, wanted) = (self.clone(), target.clone());
        match blocking(move || this.remove(&wanted)).await? {
            Removed::Yes => Ok(()),
            Removed::WasAbsent => {
                Err(Error::not_found(format!("`{}` has no manifest `{target}`", self.name())))
            }
        }
    }
}

impl Referrers for Repository {
    async fn referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>> {
        let (this, subject) = (self.clone(), subject.clone());
        let mut found = blocking(move || this.list_referrers(&subject)).await?;
        if let Some(wanted) = artifact_type {
            found.retain(|referrer| referrer.artifact_type.as_deref() == Some(wanted));
        }
        Ok(found)
    }
}

impl Repository {
    /// Returns the result of a read. The store no longer counts a damaged blob as intact, so that
    /// the blob is replaced when it arrives again.
    fn forget_damaged<T>(&self, digest: &Digest, read: Result<T>) -> Result<T> {
        read.inspect_err(|error| {
            if error.kind() == ErrorKind::Integrity {
                self.disk.forget_intact(digest);
            }
        })
    }

    fn require_blob(&self, wanted: &Descriptor) -> Result<PathBuf> {
        let found = self.blob(&wanted.digest)?.ok_or_else(|| {
            Error::not_found(format!("`{}` has no blob `{}`", self.name(), wanted.digest))
        })?;
        check_size(wanted, found.size).map(|()| found.path)
    }
}

/// Runs blocking work on a thread for such work, and continues its panic here.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The work never began: the runtime is shutting down, and this task with it.
            Err(_) => std::future::pending().await,
        },
    }
}
