//! Manifests: upload and download by tag or digest, with unchanged bytes.

use super::{Registry, blobs::accepted, changed, condition::Condition};
use crate::{
    oci::{Digest, Manifest, Tag, TagOrDigest},
    server::{
        auth::parent,
        body::{HeldBody, frame},
        net::{
            query::Query,
            refusal::{Code, Refusal},
            response::{DIGEST_HEADER, header_value, unbroken},
        },
    },
    store::{
        Removed, blocking,
        disk::repository::{Repository, StoredManifest},
    },
};
use axum::{body::Body, response::Response};
use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};

/// Maximum number of tags in one request's `tag` parameters. The specification requires ten.
const MAX_TAGS: usize = 64;

pub(crate) fn get(
    repository: &Repository,
    target: &TagOrDigest,
    head: &Parts,
) -> Result<Response, Refusal> {
    let unknown = || unknown(repository, target);
    let (found, bytes) = if head.method == Method::HEAD {
        (repository.find(target)?.ok_or_else(unknown)?, Bytes::new())
    } else {
        let StoredManifest { descriptor, bytes } =
            repository.manifest(target)?.ok_or_else(unknown)?;
        (descriptor, bytes)
    };
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header_value(&found.media_type));
    headers.insert(DIGEST_HEADER, header_value(found.digest.as_str()));
    let etag = header_value(&format!("\"{}\"", found.digest));
    let unchanged = head.headers.get(header::IF_NONE_MATCH).is_some_and(|tag| *tag == etag);
    headers.insert(header::ETAG, etag);
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    headers.insert(header::CONTENT_LENGTH, found.size.into());
    *response.body_mut() = Body::from(bytes);
    Ok(response)
}

pub(crate) async fn put(
    registry: &Registry,
    repository: Repository,
    target: &TagOrDigest,
    query: &Query,
    head: &Parts,
    body: &mut Body,
) -> Result<Response, Refusal> {
    let asked = tags(query)?;
    let (condition, target) = (Condition::of(&head.headers), target.clone());
    let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let (bytes, held) = read(registry, body).await?;
    let manifest = Manifest::parse(bytes, content_type)?;
    require_manifest(&manifest)?;
    let (digest, mut tags) = match &target {
        TagOrDigest::Tag(tag) => (manifest.digest().clone(), vec![tag.clone()]),
        TagOrDigest::Digest(digest) => (digest.clone(), Vec::new()),
    };
    tags.extend(asked.iter().cloned());
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::CREATED;
    let headers = response.headers_mut();
    let location = format!("/v2/{}/manifests/{digest}", repository.name());
    headers.insert(header::LOCATION, header_value(&location));
    headers.insert(DIGEST_HEADER, header_value(digest.as_str()));
    if let Some(subject) = &manifest.document().subject {
        let name = HeaderName::from_static("oci-subject");
        headers.insert(name, header_value(subject.digest.as_str()));
    }
    if !asked.is_empty() {
        let list = asked.iter().map(Tag::as_str).collect::<Vec<_>>().join(", ");
        headers.insert(HeaderName::from_static("oci-tag"), header_value(&list));
    }
    let (missing, charts) = (registry.config.missing, registry.charts.clone());
    let rules = registry.rules.clone();
    unbroken(async move {
        let _held = held;
        let (name, put) = (repository.name().clone(), tags.clone());
        let mut _turns = Vec::new();
        if rules.judge_tags() && !tags.is_empty() {
            let versions: Vec<String> = tags.iter().map(Tag::to_version).collect();
            let mut versions: Vec<(&str, &str)> =
                versions.iter().map(|version| (name.last_segment(), version.as_str())).collect();
            let shown = rules.shows(&charts, &repository, &manifest).await?;
            versions.extend(shown.as_ref().map(|item| (&*item.name, &*item.version)));
            _turns = rules.turns.take(parent(&name), &versions).await;
            rules.may_tag(&charts, &repository, &manifest, &digest, &tags).await?;
        }
        blocking(move || {
            if condition.is_none() {
                return repository.put_manifest(&manifest, &digest, &put, missing);
            }
            let may_put = |current: Option<&Digest>| condition.holds(current);
            repository.put_manifest_if(&manifest, &digest, (&target, &put), missing, may_put)
        })
        .await?;
        for tag in tags {
            changed(&charts, &name, &TagOrDigest::Tag(tag)).await;
        }
        Ok(response)
    })
    .await
}

pub(crate) async fn delete(
    registry: &Registry,
    repository: Repository,
    target: &TagOrDigest,
) -> Result<Response, Refusal> {
    let unknown = unknown(&repository, target);
    let (charts, target) = (registry.charts.clone(), target.clone());
    unbroken(async move {
        let (name, wanted) = (repository.name().clone(), target.clone());
        match blocking(move || repository.remove(&wanted)).await? {
            Removed::Yes => {
                changed(&charts, &name, &target).await;
                Ok(accepted())
            }
            Removed::WasAbsent => Err(unknown),
        }
    })
    .await
}

fn unknown(repository: &Repository, target: &TagOrDigest) -> Refusal {
    let message = format!("`{}` has no manifest `{target}`", repository.name());
    Refusal::not_found(Code::ManifestUnknown, message)
}

fn tags(query: &Query) -> Result<Vec<Tag>, Refusal> {
    let mut tags: Vec<Tag> = Vec::new();
    for text in query.values("tag") {
        if tags.len() == MAX_TAGS {
            let message = format!("more than {MAX_TAGS} tags in one request");
            return Err(Refusal::new(StatusCode::URI_TOO_LONG, Code::Unsupported, message));
        }
        let tag = text.parse().map_err(|error: crate::oci::ParseReferenceError| {
            Refusal::bad_request(Code::ManifestInvalid, error.to_string())
        })?;
        tags.push(tag);
    }
    Ok(tags)
}

/// Reads the whole body, up to the limit for manifests.
async fn read(registry: &Registry, body: &mut Body) -> Result<(Bytes, HeldBody), Refusal> {
    let limits = &registry.config.limits;
    let cap = limits.manifest_bytes.min(limits.upload_bytes);
    let too_large = || {
        let message = format!("a manifest is limited to {cap} bytes");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, Code::SizeInvalid, message)
    };
    let declared = http_body::Body::size_hint(body);
    if declared.lower() > cap {
        return Err(too_large());
    }
    let mut bytes = BytesMut::new();
    let mut held = registry.manifests.hold();
    while let Some(chunk) = frame(body, registry.config.stall).await? {
        if (bytes.len() + chunk.len()) as u64 > cap {
            return Err(too_large());
        }
        held.grow(bytes.len() + chunk.len()).map_err(|error| {
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, Code::TooManyRequests, error.to_string())
                .with(header::RETRY_AFTER, HeaderValue::from_static("5"))
                .with(header::CONNECTION, HeaderValue::from_static("close"))
        })?;
        bytes.extend_from_slice(&chunk);
    }
    Ok((bytes.freeze(), held))
}

/// Refuses a document that no client accepts as a manifest: another schema, or a media type that a
/// browser would show as a page.
fn require_manifest(manifest: &Manifest) -> Result<(), Refusal> {
    let invalid = |message: String| Err(Refusal::bad_request(Code::ManifestInvalid, message));
    let version = manifest.document().schema_version;
    if version != 2 {
        return invalid(format!("a manifest has the `schemaVersion` 2, not {version}"));
    }
    let media_type = manifest.media_type();
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
    match media_type.strip_prefix("application/").and_then(|rest| rest.strip_suffix("+json")) {
        Some(name) if !name.is_empty() && name.bytes().all(is_name) => Ok(()),
        _ => invalid(format!("`{media_type}` is not a media type of a manifest")),
    }
}
