//! The outcome of a push.

use crate::oci::{Descriptor, Digest, Tag};
use serde::Serialize;

/// The result for a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The tag did not exist and was pushed.
    Pushed,
    /// The tag had this chart already; nothing was sent.
    Unchanged,
    /// The tag had other content, which [`Existing::Skip`](super::Existing::Skip) kept.
    Skipped,
    /// The tag had other content and now has this chart.
    Moved,
}

/// The extent to which a push was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verified {
    /// The push was verified to the requested extent.
    Yes,
    /// The push was not verified: [`Verify::None`](super::Verify::None), or a tag that was skipped.
    No,
    /// The credentials may push but not read.
    Unreadable,
}

/// The outcome of a push.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The tag of the push.
    pub tag: Tag,
    /// The digest of the tag's manifest now.
    pub digest: Digest,
    /// The name in Chart.yaml of the chart that was to be pushed.
    pub chart: String,
    /// The version in Chart.yaml.
    pub version: String,
    /// The archive for the tag now. `None` if a skipped tag has no chart.
    pub archive: Option<Descriptor>,
    /// The result for the tag.
    pub status: Status,
    /// The digest of the manifest that just lost the tag.
    pub lost: Option<Digest>,
    /// The extent to which the push was verified.
    pub verified: Verified,
}
