//! Manifests of a remote repository: fetched, resolved, pushed and deleted, each compared with what
//! the registry says of it and with what we know.

use super::request::Trouble;
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

/// Number of times that a registry that lags behind is asked again: for about four seconds in all.
const LAGS: u32 = 4;

impl Repository {
    /// GET by tag or digest. One request when all is well.
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
                // We have just pushed it: some registries need a moment to know it everywhere.
                let trouble =
                    Trouble::Damaged(error_response::from_registry(self.registry(), &act, &answer));
                if self.client.pause(&self.host, &mut late, &act, &trouble).await? {
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
                    // A cache on the way may hold a damaged copy; it is asked to fetch its own
                    // again, once.
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

    /// HEAD, and GET where HEAD does not say enough.
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
            // 404 of we know not whom, 405 of a registry without HEAD, 400 of GitLab's to a HEAD by
            // digest: the body of a GET tells.
            400 | 404 | 405 | 501 => {}
            _ => return Err(error_response::from_registry(self.registry(), &act, &answer)),
        }
        match self.get_manifest(target).await {
            Ok(fetched) => Ok(Some(fetched.manifest.descriptor())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// PUT by tag, or by digest without one.
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

    /// Sends a PUT and compares the digest in the response.
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

    /// DELETE by tag or digest.
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

/// A manifest and the ETag it came with.
pub(crate) struct Fetched {
    pub(crate) manifest: Manifest,
    pub(crate) etag: Option<String>,
}

/// The descriptor that the headers of an answer to HEAD make, if they suffice.
fn described(target: &TagOrDigest, answer: &Response) -> Option<Descriptor> {
    let digest = match target {
        TagOrDigest::Digest(digest) => digest.clone(),
        TagOrDigest::Tag(_) => digest_header(answer)?,
    };
    let size = text(&answer.headers, "content-length")?.parse().ok()?;
    let media_type = text(&answer.headers, "content-type")?.split(';').next()?.trim();
    // A host that answers every path with 200 says neither a digest nor that this is a manifest.
    let is_manifest = || media::ACCEPT_MANIFEST.split(", ").any(|kind| kind == media_type);
    let says = digest_header(answer).is_some() || is_manifest();
    (says && !error_response::is_page_head(answer))
        .then(|| Descriptor::new(media_type, digest, size))
}

/// The digest an answer says it is about.
pub(crate) fn digest_header(answer: &Response) -> Option<Digest> {
    text(&answer.headers, "docker-content-digest")?.trim().parse().ok()
}

/// Compares an answer's digest with ours, where it gives one of the same algorithm.
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

/// The content coding of an answer, if it says one. Digests are over the bytes as they are stored,
/// so an answer compressed on its way is another's bytes. Yet storage keeps codings that were never
/// applied (`aws-chunked`, `utf-8`): bytes that fit their digest are taken, whatever the header
/// says.
pub(crate) fn coding(headers: &::http::HeaderMap) -> Option<&str> {
    let coding = text(headers, "content-encoding")?.trim();
    (!coding.is_empty() && !coding.eq_ignore_ascii_case("identity")).then_some(coding)
}

/// Why the bytes of an answer are not those that were asked for, if a coding tells.
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
