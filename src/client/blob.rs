//! Blobs of a remote repository, up and down.

use super::Repository;
use crate::{
    Error, ErrorKind, Result,
    oci::Descriptor,
    store::{BlobFile, Sent, Source},
};
use ::http::{Method, StatusCode};
use bytes::Bytes;
use std::{io::Write, sync::Arc};

impl Repository {
    pub(crate) async fn download(&self, blob: &Descriptor, cap: u64) -> Result<Bytes> {
        if blob.size > cap {
            return Err(Error::new(
                ErrorKind::Limit,
                format!("`{}` has {} bytes, more than {cap}", blob.digest, blob.size),
            ));
        }
        let url = self.url(&format!("blobs/{}", blob.digest));
        let answer = self.client.call(Method::GET, &url, &[], None, blob.size).await?;
        if answer.status != StatusCode::OK {
            return Err(self.refuse(&format!("fetch blob `{}`", blob.digest), &answer));
        }
        if !blob.digest.matches(&answer.body) {
            return Err(Error::new(
                ErrorKind::Integrity,
                format!("`{}` sent other bytes for `{}`", self.registry, blob.digest),
            ));
        }
        Ok(answer.body)
    }

    pub(crate) async fn download_file(&self, blob: &Descriptor) -> Result<BlobFile> {
        let bytes = self.download(blob, u64::MAX).await?;
        let mut file = tempfile::NamedTempFile::new()
            .map_err(|error| Error::io("create a file in", std::env::temp_dir(), error))?;
        file.write_all(&bytes).map_err(|error| Error::io("write blob", file.path(), error))?;
        Ok(BlobFile::Temporary(Arc::new(file.into_temp_path())))
    }

    pub(crate) async fn upload(&self, blob: &Descriptor, source: &Source) -> Result<Sent> {
        let cap = self.client.inner.options.limits.answer_bytes;
        let url = self.url("blobs/uploads/");
        let answer = self.client.call(Method::POST, &url, &[], None, cap).await?;
        let location = match answer.header("location") {
            Some(location) if answer.status == StatusCode::ACCEPTED => location,
            _ => return Err(self.refuse("open an upload", &answer)),
        };
        let base = reqwest::Url::parse(&url)
            .map_err(|error| Error::invalid("bad upload URL").with_source(error))?;
        let mut session = base
            .join(location)
            .map_err(|error| Error::new(ErrorKind::Protocol, "bad Location").with_source(error))?;
        session.query_pairs_mut().append_pair("digest", blob.digest.as_str());
        let body = match source {
            Source::Bytes(bytes) => bytes.clone(),
            Source::File(path) => {
                std::fs::read(path).map_err(|error| Error::io("read blob", path, error))?.into()
            }
        };
        let kind = [("content-type", "application/octet-stream")];
        let answer =
            self.client.call(Method::PUT, session.as_str(), &kind, Some(body.into()), cap).await?;
        if !answer.status.is_success() {
            return Err(self.refuse(&format!("push blob `{}`", blob.digest), &answer));
        }
        Ok(Sent::Uploaded)
    }
}
