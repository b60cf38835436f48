//! Artifacts, without any transport: references, descriptors, manifests with their raw bytes, media
//! types, and the conversion between a chart and a manifest.

pub mod chart;
mod find;
pub mod manifest;
pub mod media;
mod parse_error;
pub mod platform;
pub mod reference;
pub mod registry;
pub mod repository_name;
pub mod tag;

pub use crate::digest::{self, Digest, Hasher};
pub use manifest::{Descriptor, Document, Manifest};
pub use parse_error::ParseReferenceError;
pub use platform::Platform;
pub use reference::{Reference, TagOrDigest};
pub use registry::Registry;
pub use repository_name::RepositoryName;
pub use tag::Tag;
