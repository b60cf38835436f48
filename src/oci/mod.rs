//! What an artifact is, without any transport: digests, references, descriptors, manifests with their raw bytes,
//! media types, and how a chart becomes a manifest and back.

pub mod chart;
pub mod digest;
pub mod manifest;
pub mod media;
pub mod reference;

pub use digest::{Digest, Hasher};
pub use manifest::{Descriptor, Document, Manifest};
pub use reference::{Reference, Registry, RepositoryName, Tag, TagOrDigest};
