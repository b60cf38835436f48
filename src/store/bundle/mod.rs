//! Bundles: an OCI image layout in one tar file, for places without a network. The tar holds only
//! the files of the layout (`oci-layout`, `index.json`, `blobs/<algorithm>/<hex>`), in an order
//! that equal content makes equal. It is compressed with zstd, or plain. A delta lists all its
//! charts too, and leaves out the blobs that its base has.
//!
//! [`Writer`] writes a bundle and [`Bundle`] reads one. `ops::bundle` selects the charts and names
//! their destinations.

pub(super) mod read;
pub(super) mod scan;
pub(super) mod write;
pub(super) mod zstd;

use super::layout::ref_name::RefName;
use crate::oci::{Descriptor, Digest, RepositoryName, TagOrDigest};
pub use read::{Bundle, Part};
pub use write::{Format, Writer};

pub(super) const MARK: &str = "oci-layout";
pub(super) const MARK_TEXT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;
pub(super) const INDEX: &str = "index.json";
/// The annotation of a delta's `index.json`: the digest of its base's.
pub(super) const BASE: &str = "chartferry.bundle.base";

/// An artifact that a bundle lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name of the artifact.
    pub name: RefName,
    /// The descriptor of its manifest.
    pub manifest: Descriptor,
}

impl Entry {
    /// Makes an entry for a manifest by tag or digest alone, below `repository`.
    pub fn new(repository: RepositoryName, target: &TagOrDigest, manifest: Descriptor) -> Self {
        let tag = match target {
            TagOrDigest::Tag(tag) => Some(tag.clone()),
            TagOrDigest::Digest(_) => None,
        };
        Self { name: RefName { repository: Some(repository), tag }, manifest }
    }

    /// Returns the digest of the artifact's manifest.
    pub fn digest(&self) -> &Digest {
        &self.manifest.digest
    }
}

#[cfg(test)]
mod tests;
