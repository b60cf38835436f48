//! The push of an artifact: its blobs, then its manifest, then its tags. It reads the manifest back
//! by every tag.

use super::{compose::Artifact, layer::Layer};
use crate::{
    Result,
    oci::{Digest, Manifest, Tag, TagOrDigest},
    ops::{
        lost_tags,
        push::{READ_BACK_DELAYS, Verify, read_back::read_back},
    },
    store::{Fetch, Push, Resolve, Sent},
};
use futures_util::{StreamExt, TryStreamExt, stream};

/// A step of a push, for its progress.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// A blob is to be sent, unless it exists.
    Begun(&'a Layer),
    /// A blob is at the destination.
    Blob(&'a Layer, Sent),
    /// The manifest is at the destination.
    Manifest(&'a Manifest),
    /// A further tag refers to the manifest.
    Tagged(&'a Tag),
}

/// Pushes an artifact with these tags, or by digest without one. Returns the tags that another
/// manifest had, with the digest of each.
///
/// # Errors
/// `Integrity` if the registry stored something else; any error of the destination.
pub async fn push<R: Fetch + Push + Resolve>(
    repository: &R,
    name: &str,
    artifact: &Artifact,
    tags: &[Tag],
    at_once: usize,
    listener: &(dyn Fn(Step<'_>) + Send + Sync),
) -> Result<Vec<(Tag, Digest)>> {
    let lost = lost_tags::among(repository, &artifact.manifest, tags).await?;
    let sent = artifact.blobs.iter().map(|blob| async move {
        listener(Step::Begun(blob));
        let sent = repository.push_blob(&blob.descriptor, &blob.content.source()).await?;
        listener(Step::Blob(blob, sent));
        Ok::<_, crate::Error>(())
    });
    stream::iter(sent).buffer_unordered(at_once.max(1)).try_collect::<Vec<()>>().await?;
    let manifest = &artifact.manifest;
    repository.push_manifest(manifest, tags.first()).await?;
    let target = |tag: Option<&Tag>| match tag {
        Some(tag) => TagOrDigest::Tag(tag.clone()),
        None => TagOrDigest::Digest(manifest.digest().clone()),
    };
    let verify = |target: TagOrDigest| async move {
        let delays = READ_BACK_DELAYS;
        read_back(repository, name, &target, manifest, Verify::Manifest, &delays).await
    };
    verify(target(tags.first())).await?;
    listener(Step::Manifest(manifest));
    for tag in tags.iter().skip(1) {
        repository.push_manifest(manifest, Some(tag)).await?;
        verify(target(Some(tag))).await?;
        listener(Step::Tagged(tag));
    }
    Ok(lost)
}
