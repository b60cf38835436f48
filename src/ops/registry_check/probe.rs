//! The repositories of a check, and what it puts there.

use super::row::Finding;
use crate::{
    Result,
    client::{RawAnswer, RawRequest, Repository},
    json,
    lock::Locked as _,
    oci::{Descriptor, Digest, Document, Manifest, Tag, TagOrDigest, media},
    store::{BlobSource, Push, Resolve as _, Tags},
};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

/// The result of one check: what the registry does, and what was seen.
pub(super) type Found = Result<(Finding, Option<String>)>;

/// The repositories of a check.
pub(super) struct Probe<'a> {
    pub(super) repository: &'a Repository,
    pub(super) beside: &'a Repository,
    manifests: Mutex<BTreeSet<Digest>>,
    blobs: Mutex<BTreeSet<Digest>>,
}

pub(super) fn yes() -> Found {
    Ok((Finding::Yes, None))
}

pub(super) fn no(seen: impl Into<String>) -> Found {
    Ok((Finding::No, Some(seen.into())))
}

pub(super) fn differs(seen: impl Into<String>) -> Found {
    Ok((Finding::Differs, Some(seen.into())))
}

impl<'a> Probe<'a> {
    pub(super) fn new(repository: &'a Repository, beside: &'a Repository) -> Self {
        Self { repository, beside, manifests: Mutex::default(), blobs: Mutex::default() }
    }

    /// Pushes a blob of the given content.
    pub(super) async fn blob(&self, media_type: &str, bytes: &[u8]) -> Result<Descriptor> {
        let blob = Descriptor::of(media_type, bytes);
        self.note_blob(&blob.digest);
        let source = BlobSource::Bytes(Bytes::copy_from_slice(bytes));
        self.repository.push_blob(&blob, &source).await?;
        Ok(blob)
    }

    /// Notes a blob that is to be deleted at the end.
    pub(super) fn note_blob(&self, digest: &Digest) {
        self.blobs.locked().insert(digest.clone());
    }

    /// Pushes a manifest.
    pub(super) async fn put(&self, manifest: &Manifest, tag: Option<&str>) -> Result<()> {
        self.note(manifest.digest());
        let tag = tag.map(|tag| tag.parse::<Tag>()).transpose()?;
        self.repository.push_manifest(manifest, tag.as_ref()).await
    }

    /// Notes a manifest that is to be deleted at the end.
    pub(super) fn note(&self, digest: &Digest) {
        self.manifests.locked().insert(digest.clone());
    }

    /// Makes a small artifact whose bytes differ by `text`, and pushes its blobs.
    pub(super) async fn artifact(
        &self,
        text: &str,
        subject: Option<&Manifest>,
    ) -> Result<Manifest> {
        let empty = self.blob(media::EMPTY, b"{}").await?;
        let document = Document {
            schema_version: 2,
            media_type: Some(media::MANIFEST.to_owned()),
            artifact_type: Some("application/vnd.chartferry.check".to_owned()),
            config: Some(empty.clone()),
            layers: Some(vec![empty]),
            manifests: None,
            subject: subject.map(Manifest::descriptor),
            annotations: BTreeMap::from([("io.chartferry.check".to_owned(), text.to_owned())]),
        };
        Manifest::parse(json::to_vec(&document).into(), Some(media::MANIFEST))
    }

    /// Sends one request to the repository.
    pub(super) async fn ask(
        &self,
        method: &'static str,
        path: impl Into<String>,
        headers: Vec<(&'static str, String)>,
        body: impl Into<Bytes>,
    ) -> Result<RawAnswer> {
        let request = RawRequest { method, path: path.into(), headers, body: body.into() };
        self.repository.raw(request).await
    }

    /// Deletes everything that the check put into its repositories, and what a repository of that
    /// name has beside it. Returns what is left.
    pub(super) async fn clean(&self) -> Vec<String> {
        let mut left = BTreeSet::new();
        for repository in [self.repository, self.beside] {
            for tag in repository.tags().await.unwrap_or_default() {
                let _ = repository.delete(&TagOrDigest::Tag(tag)).await;
            }
            let name = format!("{}/{}", repository.registry(), repository.name());
            // The referrers of a manifest go before it.
            let manifests: Vec<Digest> = self.manifests.locked().iter().cloned().collect();
            for digest in manifests {
                let target = TagOrDigest::Digest(digest.clone());
                let _ = repository.delete(&target).await;
                if matches!(repository.resolve(&target).await, Ok(Some(_))) {
                    left.insert(format!("{name}@{digest}"));
                }
            }
            for tag in repository.tags().await.unwrap_or_default() {
                left.insert(format!("{name}:{tag}"));
            }
            let blobs: Vec<Digest> = self.blobs.locked().iter().cloned().collect();
            for digest in blobs {
                // Blobs without a manifest are removed by every registry's own collection.
                let _ = repository.delete_blob(&digest).await;
            }
        }
        left.into_iter().collect()
    }
}
