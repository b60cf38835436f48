//! What an artifact is, without any transport: references, descriptors, manifests with their raw bytes,
//! media types, and how a chart becomes a manifest and back.

pub mod chart;
pub mod manifest;
pub mod media;
pub mod reference;

pub use crate::digest::{self, Digest, Hasher};
pub use manifest::{Descriptor, Document, Manifest};
pub use reference::{Reference, Registry, RepositoryName, Tag, TagOrDigest};
