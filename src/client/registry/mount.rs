//! The mount of a blob: the registry takes it from another of its repositories, and no byte is
//! sent.

use super::{
    host::Capability,
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
    /// Asks the registry to take a blob from another of its repositories. Returns false if it does
    /// not, or if the other repository is of another registry or was opened with other credentials:
    /// then the caller sends the blob. A refusal is no error, since registries may always refuse.
    ///
    /// # Errors
    /// `Interrupted`, and errors of the own address.
    pub async fn mount(&self, blob: &Descriptor, from: &Self) -> Result<bool> {
        // Repositories of one client share the state of their host, and so their credentials.
        let is_same_host = Arc::ptr_eq(&self.host, &from.host);
        if !is_same_host || self.name == from.name {
            return Ok(false);
        }
        if self.host.mounts().known() == Some(Capability::No) {
            return Ok(false);
        }
        let mut url = self.url("blobs/uploads/")?;
        url.query_pairs_mut()
            .append_pair("mount", blob.digest.as_str())
            .append_pair("from", from.name.as_str());
        let upload = Upload {
            repository: self,
            blob,
            body: Body::Bytes(Bytes::new()),
            act: format!("mount `{}` in `{}/{}`", blob.digest, self.registry(), self.name),
        };
        let ticket = Access { also: Some(from.name.clone()), ..self.ticket(Action::Write) };
        let Ok(answer) = upload.ask_as(&ticket, &Request::new(Method::POST, url)).await else {
            // Some registries refuse the token for both repositories.
            self.host.mounts().learn(Capability::No);
            return Ok(false);
        };
        match answer.status.as_u16() {
            201 if error_response::is_success(&answer) => Ok(true),
            202 => {
                // The registry opened an upload instead, which would stay until it expires.
                if let Ok(session) = upload.session(&answer) {
                    let cancel = Request::new(Method::DELETE, session.url.clone());
                    let _ = upload.send(&session, &cancel).await;
                }
                Ok(false)
            }
            _ => Ok(false),
        }
    }
}
