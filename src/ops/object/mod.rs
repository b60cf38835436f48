//! Single objects of a repository: manifests, blobs, tags and indexes that a user composes or
//! removes.

pub mod blob;
pub mod index;
pub mod manifest;
pub mod untag;
