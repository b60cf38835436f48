//! The copy of an artifact with everything that belongs to it: the manifests of an index, referrers
//! to any depth, and signatures under tags of a digest. The bytes stay, so digests and signatures
//! stay valid. Tags are written last, so that nobody sees a tag before its signatures, and the copy
//! ends with a look at the destination.

mod ahead;
mod artifact;
mod blobs;
mod digest_tag;
mod graph;
mod identity;
mod journal;
mod merge;
mod options;
mod platform;
mod report;
mod step;
mod tags;
mod verify;

pub use digest_tag::DigestTags;
pub use options::{Attached, Existing, Options, Replaces, Side};
pub use report::{BlobCounts, Moved, Report, Way};
pub use step::{Listener, Step};
pub use tags::{TagChoice, TagsReport, copy_tags};

use crate::{
    Result,
    oci::{Digest, Tag, TagOrDigest},
    store::Fetch as _,
};
use artifact::copy_one;
use graph::Graph;

/// Copies the artifact `from`, and gives it these tags at the destination.
///
/// # Errors
/// `NotFound` if the source does not exist; `Conflict` if a requirement is not met, or the source's
/// tag moves meanwhile; `Integrity` for wrong bytes; any error of either side. The report has what
/// the destination lacks afterwards.
pub async fn copy(
    source: Side<'_>,
    target: Side<'_>,
    from: &TagOrDigest,
    tags: &[Tag],
    options: &Options,
    listener: Listener<'_>,
) -> Result<Report> {
    let known = DigestTags::list(source).await?;
    copy_one(source, target, from, tags, &known, options, listener).await
}

/// Copies what belongs to a manifest that the destination has: its referrers and signatures. `tags`
/// are those of digests at the source.
///
/// # Errors
/// As [`copy()`].
pub async fn copy_attached(
    source: Side<'_>,
    target: Side<'_>,
    digest: &Digest,
    tags: &DigestTags,
) -> Result<Report> {
    let from = TagOrDigest::Digest(digest.clone());
    copy_one(source, target, &from, &[], tags, &Options::default(), &|_| ()).await
}

/// Returns what the destination lacks of what belongs to a manifest, one phrase each.
///
/// # Errors
/// Any error of either side.
pub async fn missing_attached(
    source: Side<'_>,
    target: Side<'_>,
    digest: &Digest,
    tags: &DigestTags,
) -> Result<Vec<String>> {
    let root = TagOrDigest::Digest(digest.clone());
    let root = source.repository.fetch_manifest(&root).await?;
    let graph = Graph::read(source, root, tags, &Options::default()).await?;
    verify::missing(target, &graph, &Report::of(digest)).await
}
