//! Manifests, tags and referrers of a remote repository.

use super::{Repository, http::Answer};
use crate::{
    Error, ErrorKind, Result,
    oci::{Descriptor, Digest, Document, Manifest, Tag, TagOrDigest, media},
    store::{Fetch, Push, Referrers, Resolve, Sent, Source, Tags},
};
use ::http::{Method, StatusCode};
use bytes::Bytes;

impl Repository {
    pub(crate) fn url(&self, rest: &str) -> String {
        format!("http://{}/v2/{}/{rest}", self.registry, self.name)
    }

    pub(crate) fn refuse(&self, act: &str, answer: &Answer) -> Error {
        let kind = match answer.status {
            StatusCode::NOT_FOUND => ErrorKind::NotFound,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorKind::Denied,
            _ => ErrorKind::Protocol,
        };
        Error::new(kind, format!("cannot {act}: `{}` answers {}", self.registry, answer.status))
    }
}

impl Fetch for Repository {
    async fn fetch_manifest(&self, target: &TagOrDigest) -> Result<Manifest> {
        let url = self.url(&format!("manifests/{target}"));
        let cap = self.client.inner.options.limits.manifest_bytes;
        let accept = [("accept", media::ACCEPT_MANIFEST)];
        let answer = self.client.call(Method::GET, &url, &accept, None, cap).await?;
        if answer.status != StatusCode::OK {
            return Err(self.refuse(&format!("fetch manifest `{target}`"), &answer));
        }
        let manifest = Manifest::parse(answer.body.clone(), answer.header("content-type"))?;
        if let TagOrDigest::Digest(digest) = target
            && !digest.matches(manifest.bytes())
        {
            return Err(Error::new(
                ErrorKind::Integrity,
                format!("`{}` sent `{}` for `{digest}`", self.registry, manifest.digest()),
            ));
        }
        Ok(manifest)
    }

    async fn fetch_blob(&self, blob: &Descriptor, cap: u64) -> Result<Bytes> {
        self.download(blob, cap).await
    }

    async fn fetch_blob_file(&self, blob: &Descriptor) -> Result<crate::store::BlobFile> {
        self.download_file(blob).await
    }
}

impl Push for Repository {
    async fn push_blob(&self, blob: &Descriptor, source: &Source) -> Result<Sent> {
        self.upload(blob, source).await
    }

    async fn push_manifest(&self, manifest: &Manifest, tag: Option<&Tag>) -> Result<()> {
        let name = tag.map_or(manifest.digest().as_str(), Tag::as_str);
        let url = self.url(&format!("manifests/{name}"));
        let kind = [("content-type", manifest.media_type())];
        let body = manifest.bytes().clone();
        let cap = self.client.inner.options.limits.answer_bytes;
        let answer = self.client.call(Method::PUT, &url, &kind, Some(body.into()), cap).await?;
        if !answer.status.is_success() {
            return Err(self.refuse(&format!("push manifest `{name}`"), &answer));
        }
        Ok(())
    }
}

impl Resolve for Repository {
    async fn resolve(&self, target: &TagOrDigest) -> Result<Option<Descriptor>> {
        match self.fetch_manifest(target).await {
            Ok(manifest) => Ok(Some(manifest.descriptor())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Tags for Repository {
    async fn tags(&self) -> Result<Vec<String>> {
        #[derive(serde::Deserialize)]
        struct Page {
            #[serde(default)]
            tags: Option<Vec<String>>,
        }
        let cap = self.client.inner.options.limits.answer_bytes;
        let answer = self.client.call(Method::GET, &self.url("tags/list"), &[], None, cap).await?;
        if answer.status != StatusCode::OK {
            return Err(self.refuse("list tags", &answer));
        }
        let page: Page = serde_json::from_slice(&answer.body).map_err(|error| {
            Error::new(ErrorKind::Protocol, "the list of tags is no JSON").with_source(error)
        })?;
        Ok(page.tags.unwrap_or_default())
    }

    async fn delete(&self, target: &TagOrDigest) -> Result<()> {
        let url = self.url(&format!("manifests/{target}"));
        let cap = self.client.inner.options.limits.answer_bytes;
        let answer = self.client.call(Method::DELETE, &url, &[], None, cap).await?;
        if !answer.status.is_success() {
            return Err(self.refuse(&format!("delete `{target}`"), &answer));
        }
        Ok(())
    }
}

impl Referrers for Repository {
    async fn referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>> {
        let cap = self.client.inner.options.limits.manifest_bytes;
        let url = self.url(&format!("referrers/{subject}"));
        let answer = self.client.call(Method::GET, &url, &[], None, cap).await?;
        if answer.status != StatusCode::OK {
            return Err(self.refuse("list referrers", &answer));
        }
        let index: Document = serde_json::from_slice(&answer.body).map_err(|error| {
            Error::new(ErrorKind::Protocol, "the list of referrers is no JSON").with_source(error)
        })?;
        let wanted = |d: &&Descriptor| {
            artifact_type.is_none_or(|kind| d.artifact_type.as_deref() == Some(kind))
        };
        Ok(index.manifests().iter().filter(wanted).cloned().collect())
    }
}
