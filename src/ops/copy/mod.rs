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

pub use options::{Attached, Existing, Options, Replaces, Side};
pub use report::{BlobCounts, Moved, Report, Way};
pub use step::{Listener, Step};
pub use tags::{TagChoice, TagsReport, copy_tags};

use crate::{
    Result,
    oci::{Tag, TagOrDigest},
};
use artifact::copy_one;
use digest_tag::DigestTags;

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
