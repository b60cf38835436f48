//! Manifests of a remote repository: download, resolution, push and deletion. Each operation
//! compares the registry's response with the known values.

use super::request::RetryCause;
use crate::{
    Error, ErrorKind, Result,
    client::{
        Repository,
        auth::access::Action,
        http::{
            error_response,
            message::{Payload, Request, Response, Strangers, text},
            retry::Tries,
        },
    },
    oci::{Descriptor, Digest, Manifest, Registry, Tag, TagOrDigest, media},
    store::Resolve,
};
use ::http::Method;

/// Maximum number of retries with a registry that is not yet consistent: about four seconds in all.
const LAGS: u32 = 4;

impl Repository {
    /// Sends GET by tag or digest. The usual case needs one request.
    pub(crate) async fn get_manifest(&self, target: &TagOrDigest) -> Result<Fetched> {
        let act = format!("fetch manifest `{target}` of `{}/{}`", self.registry(), self.name);
        let cap = self.client.options().limits.manifest_bytes;
        let ticket = self.ticket(Action::Read);
        let mut call = Request::new(Method::GET, self.url(&format!("manifests/{target}"))?)
            .header("accept", media::ACCEPT_MANIFEST);
        let mut damaged = false;
        let (mut late, mut lags) = (Tries::default(), 0);
        loop {
            let answer = self.client.settle(&ticket, &act, &call, cap).await?;
            if answer.status.as_u16() == 404 && lags < LAGS && self.host.holds(&self.name, target) {
                lags += 1;
                // This client has just pushed the manifest: some registries need a moment until all
                // their servers have it.
                let cause = RetryCause::Damaged(error_response::from_registry(
                    self.registry(),
                    &act,
                    &answer,
                ));
                if self.client.pause(&self.host, &mut late, &act, &cause).await? {
                    continue;
                }
            }
            if answer.status.as_u16() != 200 || error_response::is_page(&answer) {
                return Err(error_response::from_registry(self.registry(), &act, &answer));
            }
            match self.verify(target, &answer) {
                Ok(manifest) => {
                    let etag = text(&answer.headers, "etag").map(str::to_owned);
                    return Ok(Fetched { manifest, etag });
                }
                Err(error) if damaged => return Err(error.context(format!("cannot {act}"))),
                Err(_) => {
                    // A cache may hold a damaged copy. The client asks once for a fresh one.
                    damaged = true;
                    call = call.header("cache-control", "no-cache");
                }
            }
        }
    }

    fn verify(&self, target: &TagOrDigest, answer: &Response) -> Result<Manifest> {
        let registry = self.registry();
        let manifest = Manifest::parse(answer.body.clone(), text(&answer.headers, "content-type"));
        let manifest = manifest.map_err(|error| coded(registry, &answer.headers).unwrap_or(error));
        let integrity = |expected: &Digest, said: &str| {
            if let Some(coded) = coded(registry, &answer.headers) {
                return coded;
            }
            let found = Digest::of(expected.algorithm(), &answer.body);
            Error::new(
                ErrorKind::Integrity,
                format!(
                    "`{registry}` {said} `{expected}`, but the content has the digest `{found}`"
                ),
            )
        };
        if let TagOrDigest::Digest(digest) = target
            && !digest.matches(&answer.body)
        {
            return Err(integrity(digest, "was asked for"));
        }
        if let Some(said) = digest_header(answer)
            && !said.matches(&answer.body)
        {
            return Err(integrity(&said, "declares the digest"));
        }
        manifest
    }

    /// Sends HEAD, and GET if the response to HEAD is incomplete.
    pub(crate) async fn head_manifest(&self, target: &TagOrDigest) -> Result<Option<Descriptor>> {
        let act = format!("resolve `{target}` of `{}/{}`", self.registry(), self.name);
        let call = Request::new(Method::HEAD, self.url(&format!("manifests/{target}"))?)
            .header("accept", media::ACCEPT_MANIFEST);
        let answer = self.client.settle(&self.ticket(Action::Read), &act, &call, 0).await?;
        match answer.status.as_u16() {
            200 => {
                if let Some(descriptor) = described(target, &answer) {
                    return Ok(Some(descriptor));
                }
            }
            404 if error_response::is_definite_not_found(&answer)
                && !self.host.holds(&self.name, target) =>
            {
                return Ok(None);
            }
            // A 404 of unknown origin, a 405 of a registry without HEAD, GitLab's 400 to a HEAD by
            // digest: the body of a GET explains it.
            400 | 404 | 405 | 501 => {}
            _ => return Err(error_response::from_registry(self.registry(), &act, &answer)),
        }
        match self.get_manifest(target).await {
            Ok(fetched) => Ok(Some(fetched.manifest.descriptor())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends PUT by tag or, without a tag, by digest.
    pub(crate) async fn put_manifest(&self, manifest: &Manifest, tag: Option<&Tag>) -> Result<()> {
        let target = tag.map_or_else(
            || TagOrDigest::Digest(manifest.digest().clone()),
            |tag| TagOrDigest::Tag(tag.clone()),
        );
        let answer = self.put(manifest, &target, &PutCondition::None).await?;
        if !error_response::is_success(&answer) {
            return Err(error_response::from_registry(
                self.registry(),
                &self.push_act(&target),
                &answer,
            ));
        }
        self.host.holds_now(&self.name, &target);
        match &manifest.document().subject {
            Some(subject) => self.register(manifest, subject, &answer).await,
            None => Ok(()),
        }
    }

    /// Sends PUT and compares the digest in the response.
    pub(crate) async fn put(
        &self,
        manifest: &Manifest,
        target: &TagOrDigest,
        condition: &PutCondition,
    ) -> Result<Response> {
        let mut call = Request::new(Method::PUT, self.url(&format!("manifests/{target}"))?)
            .strangers(Strangers::Refuse)
            .header("content-type", manifest.media_type())
            .payload(Payload::Bytes(manifest.bytes().clone()));
        match condition {
            PutCondition::None => {}
            PutCondition::Matches(etag) => call = call.header("if-match", etag),
            PutCondition::IsAbsent => call = call.header("if-none-match", "*"),
        }
        let cap = self.client.options().limits.answer_bytes;
        let act = self.push_act(target);
        let answer = self.client.settle(&self.ticket(Action::Write), &act, &call, cap).await?;
        if answer.status.is_success() {
            if !error_response::is_success(&answer) {
                return Err(error_response::from_registry(self.registry(), &act, &answer));
            }
            check_digest(self.registry(), manifest.digest(), &answer)?;
        }
        Ok(answer)
    }

    fn push_act(&self, target: &TagOrDigest) -> String {
        format!("push manifest `{target}` to `{}/{}`", self.registry(), self.name)
    }

    /// Sends DELETE by tag or digest.
    pub(crate) async fn delete_manifest(&self, target: &TagOrDigest) -> Result<()> {
        let act = format!("delete `{target}` of `{}/{}`", self.registry(), self.name);
        let subject = self.subject_to_clean(target).await;
        let url = self.url(&format!("manifests/{target}"))?;
        let call = Request::new(Method::DELETE, url).strangers(Strangers::Refuse);
        let cap = self.client.options().limits.answer_bytes;
        let answer = self.client.settle(&self.ticket(Action::Delete), &act, &call, cap).await?;
        if !error_response::is_success(&answer) {
            return Err(error_response::from_registry(self.registry(), &act, &answer));
        }
        self.host.holds_no_more(&self.name, target);
        match (subject, target) {
            (Some(subject), TagOrDigest::Digest(digest)) => self.unregister(&subject, digest).await,
            _ => Ok(()),
        }
    }

    /// Returns the subject of a manifest that is about to be deleted, if the client keeps the list
    /// of its referrers. A manifest that cannot be read has none; the deletion reports the cause.
    async fn subject_to_clean(&self, target: &TagOrDigest) -> Option<Digest> {
        if matches!(target, TagOrDigest::Tag(_)) || self.host.lists_referrers(&self.name) {
            return None;
        }
        let found = self.get_manifest(target).await.ok()?;
        found.manifest.document().subject.as_ref().map(|subject| subject.digest.clone())
    }
}

/// Condition of a PUT by tag. A registry may ignore it, so the caller reads the tag back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PutCondition {
    /// No condition.
    None,
    /// The tag refers to the manifest with this strong entity tag.
    Matches(String),
    /// The tag does not exist.
    IsAbsent,
}

/// Manifest with the ETag of its response.
pub(crate) struct Fetched {
    pub(crate) manifest: Manifest,
    pub(crate) etag: Option<String>,
}

/// Builds a descriptor from the headers of a response to HEAD, if they suffice.
fn described(target: &TagOrDigest, answer: &Response) -> Option<Descriptor> {
    let digest = match target {
        TagOrDigest::Digest(digest) => digest.clone(),
        TagOrDigest::Tag(_) => digest_header(answer)?,
    };
    let size = text(&answer.headers, "content-length")?.parse().ok()?;
    let media_type = text(&answer.headers, "content-type")?.split(';').next()?.trim();
    // A host that answers 200 for every path sends neither a digest nor a manifest's type.
    let is_manifest = || media::ACCEPT_MANIFEST.split(", ").any(|kind| kind == media_type);
    let says = digest_header(answer).is_some() || is_manifest();
    (says && !error_response::is_page_head(answer))
        .then(|| Descriptor::new(media_type, digest, size))
}

/// Returns the digest in the headers of a response.
pub(crate) fn digest_header(answer: &Response) -> Option<Digest> {
    text(&answer.headers, "docker-content-digest")?.trim().parse().ok()
}

/// Compares a response's digest with ours, if both have the same algorithm.
pub(crate) fn check_digest(registry: &Registry, ours: &Digest, answer: &Response) -> Result<()> {
    match digest_header(answer) {
        Some(theirs) if theirs.algorithm() == ours.algorithm() && theirs != *ours => Err(Error::new(
            ErrorKind::Integrity,
            format!("`{registry}` stored `{theirs}` where `{ours}` was pushed"),
        )
        .with_hint("the registry, or a proxy in front of it, rewrites manifests; signatures and pinned digests would not match")),
        _ => Ok(()),
    }
}

/// Returns the content coding of a response, if it names one. A digest covers the stored bytes, so
/// a response that was compressed in transit has other bytes. But storage also names codings that
/// were never applied (`aws-chunked`, `utf-8`). The client therefore accepts bytes that match their
/// digest, whatever the header.
pub(crate) fn coding(headers: &::http::HeaderMap) -> Option<&str> {
    let coding = text(headers, "content-encoding")?.trim();
    (!coding.is_empty() && !coding.eq_ignore_ascii_case("identity")).then_some(coding)
}

/// Explains a wrong digest by the content coding of the response, if it names one.
pub(crate) fn coded(registry: &Registry, headers: &::http::HeaderMap) -> Option<Error> {
    let message =
        format!("the content from `{registry}` was encoded as `{}` on its way", coding(headers)?);
    Some(Error::new(ErrorKind::Protocol, message).with_hint(
        "a proxy in front of the registry compresses responses; configure it not to change /v2/",
    ))
}

impl Resolve for Repository {
    async fn resolve(&self, target: &TagOrDigest) -> Result<Option<Descriptor>> {
        self.head_manifest(target).await
    }
}
