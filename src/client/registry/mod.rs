//! The OCI distribution API: manifests, blobs, tags, referrers.

pub(super) mod blob_stream;
pub(super) mod download;
pub(super) mod host;
pub(super) mod list;
pub(super) mod manifest;
mod mount;
pub(super) mod namespace;
pub(super) mod partial;
mod raw;
pub(super) mod raw_answer;
pub(super) mod referrers;
pub(super) mod request;
pub(super) mod session;
pub(super) mod sweep;
pub(super) mod upload;
pub(super) mod upload_chunked;
