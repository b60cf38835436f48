//! A single request of the registry's protocol, and its answer.

use crate::{
    client::http::{
        message::{Response, text},
        redirect::{follow, with_digest},
    },
    oci::Digest,
};
use bytes::Bytes;

/// A request to a repository.
#[derive(Clone, Debug, Default)]
pub struct RawRequest {
    /// The method, in capitals.
    pub method: &'static str,
    /// The path below the repository, such as `tags/list?n=1`, or the address of an upload.
    pub path: String,
    /// The headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Bytes,
}

/// The answer to a [`RawRequest`].
#[derive(Clone, Debug)]
pub struct RawAnswer(pub(super) Response);

impl RawAnswer {
    /// Returns the status.
    pub fn status(&self) -> u16 {
        self.0.status.as_u16()
    }

    /// Returns the body.
    pub fn body(&self) -> &Bytes {
        &self.0.body
    }

    /// Returns a header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        text(&self.0.headers, name)
    }

    /// Returns the whole address of `Location`.
    pub fn location(&self) -> Option<String> {
        let (url, _) = follow(&self.0.url, self.header("location")).ok()?;
        Some(url.into())
    }
}

/// Returns the address that ends an upload, with the digest of its content.
pub fn upload_end(location: &str, digest: &Digest) -> Option<String> {
    Some(with_digest(&location.parse().ok()?, digest).into())
}
