//! What a source has to offer: one version of one chart, as its index says it, before anything of
//! it was fetched.

use crate::{
    digest::Digest,
    index::ListedDigest,
    ops::{push::Outgoing, repository::listed::Entry},
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One version of one chart, by the names its source gives them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChartVersion {
    /// The chart.
    pub chart: String,
    /// Its version, as written.
    pub version: String,
}

impl ChartVersion {
    /// This version of this chart.
    pub fn new(chart: impl Into<String>, version: impl Into<String>) -> Self {
        Self { chart: chart.into(), version: version.into() }
    }
}

impl fmt::Display for ChartVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.chart, self.version)
    }
}

/// A short hash of a text, to see that it is still the same. Not a promise against those who want
/// to deceive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let hex = Digest::sha256(bytes);
        // A SHA-256 in hex has 64 digits.
        Self(u64::from_str_radix(&hex.hex()[..16], 16).unwrap_or_default())
    }

    /// One that somebody else has made.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// Of several, in any order.
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

/// What is known of a version's provenance file at its source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provenance {
    /// Nobody has asked.
    #[default]
    Unasked,
    /// There is one.
    There,
    /// There is none: it was asked for and definitely not found.
    Missing,
}

/// A version that a source lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub id: ChartVersion,
    /// When it was made, as the source writes it; empty when it does not say.
    pub created: String,
    /// The digest the source says its archive has. Never believed, only compared.
    pub digest: Option<Digest>,
    /// The digest as an index gives it, which may be a SHA-512, or a manifest's. Other sources have
    /// `digest` alone.
    pub listed: ListedDigest,
    /// Where its archive is, in the source's own way: resolved addresses of a repository, a file's
    /// name in a folder, `repository:tag` of a registry.
    pub urls: Vec<String>,
    /// Whether it is marked as deprecated.
    pub deprecated: bool,
    /// Of its line in the index as it stands.
    pub fingerprint: Fingerprint,
    /// Of what its line says, times apart. Only where the line has no digest to compare instead.
    pub essence: Option<Fingerprint>,
    /// The digest of the manifest that its tag leads to at a registry, once somebody has looked.
    pub origin: Option<Digest>,
    /// What the source's listing already says of its provenance file.
    pub provenance: Provenance,
}

impl Candidate {
    /// Its index's entry, for the rules of addresses.
    pub(super) fn entry(&self) -> Entry<'_> {
        Entry { chart: &self.id.chart, version: &self.id.version }
    }
}

/// What was fetched of a version: archive judged and hashed, provenance, and the manifest it
/// already has if it comes from where there are manifests.
pub type Payload = Outgoing;

/// Whether a version's provenance file is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// It is.
    Provenance,
    /// It is known that there is none, or nobody wants it.
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
