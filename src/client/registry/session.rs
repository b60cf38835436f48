//! An upload session that a registry opened, and its answer to a mount, which may be one.

use crate::client::http::redirect::Credentials;
use url::Url;

/// Open session of an upload.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) url: Url,
    pub(crate) credentials: Credentials,
    /// Minimum size of a chunk in bytes, if the registry names one.
    pub(crate) least: Option<u64>,
}

/// An upload that a registry opened and that has no content yet.
#[derive(Clone, Debug)]
pub struct OpenUpload(pub(super) Session);

/// The registry's answer to a mount.
#[derive(Clone, Debug)]
pub enum Mount {
    /// The registry has the blob in the repository now.
    Done,
    /// The caller sends the blob, with the upload that the registry may have opened for it.
    Refused(Option<OpenUpload>),
}
