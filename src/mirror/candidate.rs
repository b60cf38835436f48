//! A candidate: one version of one chart, as the source's index describes it before any download.

use crate::{
    digest::Digest,
    index::ListedDigest,
    ops::{push::Outgoing, repository::listed::Entry},
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One version of one chart, with the names that its source uses.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChartVersion {
    /// The name of the chart.
    pub chart: String,
    /// Its version, as written.
    pub version: String,
}

impl ChartVersion {
    /// Creates the pair of a chart and a version.
    pub fn new(chart: impl Into<String>, version: impl Into<String>) -> Self {
        Self { chart: chart.into(), version: version.into() }
    }
}

impl fmt::Display for ChartVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.chart, self.version)
    }
}

/// A short hash of a text, to detect a change. It does not resist a deliberate collision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// Returns the fingerprint of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let hex = Digest::sha256(bytes);
        // A SHA-256 in hex has 64 digits.
        Self(u64::from_str_radix(&hex.hex()[..16], 16).unwrap_or_default())
    }

    /// Wraps a fingerprint that was made elsewhere.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// Returns the fingerprint of several fingerprints, in any order.
    pub fn join(all: impl IntoIterator<Item = Self>) -> Self {
        Self(all.into_iter().fold(0, |sum, one| sum.wrapping_add(one.0)))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        u64::from_str_radix(&text, 16).map(Self).map_err(serde::de::Error::custom)
    }
}

/// The state of a version's provenance file at its source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provenance {
    /// No run has requested the file.
    #[default]
    Unasked,
    /// The file exists.
    There,
    /// The file definitely does not exist: a request found none.
    Missing,
}

/// A version that a source lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The chart and its version.
    pub id: ChartVersion,
    /// The creation time, as the source writes it. Empty if the source gives none.
    pub created: String,
    /// The archive's digest according to the source. It is only compared, never trusted.
    pub digest: Option<Digest>,
    /// The digest in an index, which may be a SHA-512, or a manifest's. Other sources only have
    /// `digest`.
    pub listed: ListedDigest,
    /// The archive's locations in the source's own form: resolved URLs of a repository, a file name
    /// in a folder, or `repository:tag` of a registry.
    pub urls: Vec<String>,
    /// `true` if the source marks it as deprecated.
    pub deprecated: bool,
    /// The fingerprint of its unchanged line in the index.
    pub fingerprint: Fingerprint,
    /// The fingerprint of its line without times. Set only if the line has no digest to compare.
    pub content_fingerprint: Option<Fingerprint>,
    /// The digest of the manifest that its tag refers to in a registry, once resolved.
    pub origin: Option<Digest>,
    /// The state of its provenance file according to the source's listing.
    pub provenance: Provenance,
    /// The fingerprint of its provenance file, if the source is a folder that has one.
    pub provenance_fingerprint: Option<Fingerprint>,
}

impl Candidate {
    /// Its index's entry, for the rules of addresses.
    pub(super) fn entry(&self) -> Entry<'_> {
        Entry { chart: &self.id.chart, version: &self.id.version }
    }
}

/// The downloaded parts of a version: the validated and hashed archive, its provenance, and its
/// manifest if the source has manifests.
pub type Payload = Outgoing;

/// A choice between requesting a version's provenance file and skipping it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Request the provenance file.
    Provenance,
    /// Skip the request, because the file is known to be missing or is not wanted.
    Nothing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_written_and_read_and_joined_in_any_order() {
        let (a, b) = (Fingerprint::of(b"a"), Fingerprint::of(b"b"));
        assert_ne!(a, b);
        assert_eq!(Fingerprint::join([a, b]), Fingerprint::join([b, a]));
        let text = serde_json::to_string(&a).expect("written");
        assert_eq!(text.len(), 18);
        assert_eq!(serde_json::from_str::<Fingerprint>(&text).expect("read"), a);
    }
}
