//! The mount of a blob: the registry takes it from another of its repositories, and no byte is
//! sent.

use super::{
    host::Capability,
    session::{Mount, OpenUpload},
    upload::{Body, Upload},
};
use crate::{
    Result,
    client::{
        Repository,
        auth::access::{Access, Action},
        http::{error_response, message::Request},
    },
    oci::Descriptor,
};
use ::http::Method;
use bytes::Bytes;
use std::sync::Arc;

impl Repository {
    /// Asks the registry to take a blob from another of its repositories. It cannot if the other
    /// repository is of another registry or was opened with other credentials. A refusal is no
    /// error, since registries may always refuse.
    ///
    /// # Errors
    /// `Interrupted`, and errors of the own address.
    pub async fn mount(&self, blob: &Descriptor, from: &Self) -> Result<Mount> {
        // Repositories of one client share the state of their host, and so their credentials.
        let is_same_host = Arc::ptr_eq(&self.host, &from.host);
        if !is_same_host || self.name == from.name {
            return Ok(Mount::Refused(None));
        }
        self.mount_from(blob, Some(from)).await
    }

    /// Asks the registry to take a blob from any of its repositories. Few registries do.
    ///
    /// # Errors
    /// As [`Self::mount`].
    pub async fn mount_from_anywhere(&self, blob: &Descriptor) -> Result<Mount> {
        self.mount_from(blob, None).await
    }

    async fn mount_from(&self, blob: &Descriptor, from: Option<&Self>) -> Result<Mount> {
        if self.host.mounts().known() == Some(Capability::No) {
            return Ok(Mount::Refused(None));
        }
        let mut url = self.url("blobs/uploads/")?;
        url.query_pairs_mut().append_pair("mount", blob.digest.as_str());
        if let Some(from) = from {
            url.query_pairs_mut().append_pair("from", from.name.as_str());
        }
        let act = format!("mount `{}` in `{}/{}`", blob.digest, self.registry(), self.name);
        let upload = Upload::new(self, blob, Body::Bytes(Bytes::new()), act);
        let ticket =
            Access { also: from.map(|from| from.name.clone()), ..self.ticket(Action::Write) };
        let Ok(answer) = upload.ask_as(&ticket, &Request::new(Method::POST, url)).await else {
            // Some registries refuse the token for both repositories.
            self.host.mounts().learn(Capability::No);
            return Ok(Mount::Refused(None));
        };
        match answer.status.as_u16() {
            201 if error_response::is_success(&answer) => Ok(Mount::Done),
            // The registry opened an upload instead, which the caller fills.
            202 => Ok(Mount::Refused(upload.session(&answer).ok().map(OpenUpload))),
            _ => Ok(Mount::Refused(None)),
        }
    }
}
