//! Bundles: an OCI image layout in one tar file, for places that no network reaches. The tar is the
//! layout's own files and nothing else (`oci-layout`, `index.json`, `blobs/<algorithm>/<hex>`), in
//! an order that equal content makes equal, with zstd round it or plain. A delta lists all its
//! charts too, and leaves out the blobs that its base has.
//!
//! [`Writer`] writes one, [`Bundle`] reads one. Which charts go in and where they go is
//! `ops::bundle`'s business.

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

/// One artifact that a bundle lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name of the entry.
    pub name: RefName,
    /// Its manifest.
    pub manifest: Descriptor,
}

impl Entry {
    /// An entry for a manifest by tag or digest alone, below `repository`.
    pub fn new(repository: RepositoryName, target: &TagOrDigest, manifest: Descriptor) -> Self {
        let tag = match target {
            TagOrDigest::Tag(tag) => Some(tag.clone()),
            TagOrDigest::Digest(_) => None,
        };
        Self { name: RefName { repository: Some(repository), tag }, manifest }
    }

    /// The digest of its manifest.
    pub fn digest(&self) -> &Digest {
        &self.manifest.digest
    }
}

#[cfg(test)]
mod tests;
