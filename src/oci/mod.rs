//! Artifacts, without any transport: references, descriptors, manifests with their raw bytes, media
//! types, and the conversion between a chart and a manifest.

pub mod chart;
mod find;
pub mod manifest;
pub mod media;
pub mod name;
pub mod reference;
pub mod registry;

pub use crate::digest::{self, Digest, Hasher};
pub use manifest::{Descriptor, Document, Manifest};
pub use name::{RepositoryName, Tag};
pub use reference::{Reference, TagOrDigest};
pub use registry::Registry;
