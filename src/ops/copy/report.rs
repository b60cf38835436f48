//! The outcome of a copy.

use crate::oci::Digest;
use serde::Serialize;

/// The outcome of a copy.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Report {
    /// The digest of the artifact.
    pub digest: Digest,
    /// The tags that refer to it now.
    pub tags: Vec<String>,
    /// The manifests that were copied or found, the referrers and signatures among them.
    pub manifests: usize,
    /// The referrers among them.
    pub referrers: usize,
    /// The tags of signatures and the like among them.
    pub digest_tags: usize,
    /// The blobs.
    pub blobs: BlobCounts,
    /// The tags that were left on something else.
    pub kept: Vec<String>,
    /// The tags that referred to something else before, each with that digest.
    pub moved: Vec<Moved>,
    /// The manifests, lists and tags that the destination lacks after the copy.
    pub lost: Vec<String>,
    /// The referrers and signatures that were not copied, by request.
    pub left_behind: usize,
    /// Remarks for the user.
    pub warnings: Vec<String>,
}

impl Report {
    /// Makes the report of an artifact of which nothing was copied yet.
    pub(super) fn of(digest: &Digest) -> Self {
        Self {
            digest: digest.clone(),
            tags: Vec::new(),
            manifests: 0,
            referrers: 0,
            digest_tags: 0,
            blobs: BlobCounts::default(),
            kept: Vec::new(),
            moved: Vec::new(),
            lost: Vec::new(),
            left_behind: 0,
            warnings: Vec::new(),
        }
    }
}

/// A tag that was moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// The tag.
    pub tag: String,
    /// The digest that it had.
    pub from: Digest,
}

/// The way in which a blob came to the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Found at the destination.
    There,
    /// Taken by the registry from another repository.
    Mounted,
    /// Sent by this copy.
    Sent,
}

/// The blobs of a copy, by their ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BlobCounts {
    /// The number of all blobs.
    pub total: usize,
    /// The number of sent blobs.
    pub sent: usize,
    /// The number of mounted blobs.
    pub mounted: usize,
    /// The number of blobs found at the destination.
    pub there: usize,
    /// The number of sent bytes.
    pub bytes: u64,
}
