//! Blobs in: the four ways of the specification (in one request, POST then PUT, in chunks, as a stream), mounting, and
//! cancelling. Bytes go to disk as they come, hashed on the way.

use super::{
    blobs::accepted,
    body::frame,
    refusal::{Code, Refusal},
    registry::{DIGEST_HEADER, Query, Registry, header_value},
};
use crate::{
    Result as StoreResult,
    oci::{Digest, RepositoryName, digest::Algorithm},
    store::{
        blocking,
        repository::{MountSource, Mounted, Repository},
        upload::Upload,
    },
};
use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts};

/// How much of a body is gathered before it is handed to the disk, while the next is being received.
const BATCH: usize = 512 * 1024;

pub(super) async fn start(
    registry: &Registry,
    repository: Repository,
    query: &Query,
    head: &Parts,
    body: &mut Body,
) -> Result<Response, Refusal> {
    if let Some(digest) = query.value("mount") {
        let digest = parse_digest(digest)?;
        let source = query.value("from").map(str::parse::<RepositoryName>);
        let mountable = match &source {
            // A source that cannot be a name holds nothing, so the client is asked to upload.
            Some(Err(_)) => false,
            Some(Ok(name)) => registry.config.access.may_pull(&head.headers, name),
            None => true,
        };
        if mountable && mount(&repository, &digest, source.and_then(Result::ok)).await? {
            return Ok(created(&repository, &digest));
        }
    }
    let digest = query.value("digest").map(parse_digest).transpose()?;
    let algorithm = match (&digest, query.value("digest-algorithm")) {
        (Some(digest), _) => digest.algorithm(),
        (None, Some(name)) => name.parse().map_err(|_| {
            let message = format!("`{name}` is no digest algorithm of this registry");
            Refusal::bad_request(Code::DigestInvalid, message)
        })?,
        (None, None) => Algorithm::Sha256,
    };
    let started = repository.clone();
    let Some(digest) = digest else {
        let upload = blocking(move || started.start_upload(algorithm)).await?;
        return Ok(position(StatusCode::ACCEPTED, &repository, upload.id(), 0));
    };
    let upload = blocking(move || started.start_whole(algorithm)).await?;
    let upload = receive(registry, upload, body, None).await?;
    commit(&repository, upload, digest).await
}

pub(super) fn status(repository: &Repository, id: &str) -> Result<Response, Refusal> {
    let size = repository.upload_size(id)?.ok_or_else(|| unknown(id))?;
    Ok(position(StatusCode::NO_CONTENT, repository, id, size))
}

pub(super) async fn append(
    registry: &Registry,
    repository: Repository,
    id: &str,
    head: &Parts,
    body: &mut Body,
) -> Result<Response, Refusal> {
    let upload = take(&repository, id).await?;
    let length = chunk_length(&repository, &upload, &head.headers)?;
    let upload = receive(registry, upload, body, length).await?;
    Ok(position(StatusCode::ACCEPTED, &repository, id, upload.size()))
}

pub(super) async fn finish(
    registry: &Registry,
    repository: Repository,
    id: &str,
    query: &Query,
    head: &Parts,
    body: &mut Body,
) -> Result<Response, Refusal> {
    let upload = take(&repository, id).await?;
    // The order of chunks is judged before the digest, so that a client can go on after either mistake.
    let length = chunk_length(&repository, &upload, &head.headers)?;
    let digest = query.value("digest").ok_or_else(|| {
        Refusal::bad_request(Code::DigestInvalid, "the parameter `digest` is missing")
    })?;
    let digest = parse_digest(digest)?;
    let upload = receive(registry, upload, body, length).await?;
    commit(&repository, upload, digest).await
}

pub(super) async fn cancel(repository: Repository, id: &str) -> Result<Response, Refusal> {
    let upload = take(&repository, id).await?;
    blocking(move || upload.cancel()).await?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

async fn mount(
    repository: &Repository,
    digest: &Digest,
    source: Option<RepositoryName>,
) -> Result<bool, Refusal> {
    let (repository, digest) = (repository.clone(), digest.clone());
    let mounted = blocking(move || {
        let source = source.as_ref().map_or(MountSource::Anywhere, MountSource::Repository);
        repository.mount_blob(&digest, source)
    });
    Ok(mounted.await? == Mounted::Yes)
}

async fn take(repository: &Repository, id: &str) -> Result<Upload, Refusal> {
    let (repository, wanted) = (repository.clone(), id.to_owned());
    blocking(move || repository.upload(&wanted)).await?.ok_or_else(|| unknown(id))
}

/// The length that a `Content-Range` announces, if there is one; it must begin where the session ends.
fn chunk_length(
    repository: &Repository,
    upload: &Upload,
    headers: &HeaderMap,
) -> Result<Option<u64>, Refusal> {
    let Some(range) = headers.get(header::CONTENT_RANGE) else { return Ok(None) };
    let range = range.to_str().ok().and_then(parse_content_range);
    let size = upload.size();
    let length = match range {
        Some((first, last)) if first == size && last >= first => last - first + 1,
        _ => return Err(out_of_order(repository, upload.id(), size)),
    };
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    match declared.map(str::parse::<u64>) {
        Some(Ok(declared)) if declared != length => {
            Err(out_of_order(repository, upload.id(), size))
        }
        _ => Ok(Some(length)),
    }
}

/// `first-last`; some clients write it as HTTP does elsewhere, `bytes first-last/total`.
fn parse_content_range(text: &str) -> Option<(u64, u64)> {
    let text = text.strip_prefix("bytes").map_or(text, |rest| rest.trim_start_matches(['=', ' ']));
    let text = text.split('/').next().unwrap_or(text);
    let (first, last) = text.split_once('-')?;
    Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
}

/// Appends the body to the session. What arrived before a failure stays, for the client to go on from.
async fn receive(
    registry: &Registry,
    upload: Upload,
    body: &mut Body,
    length: Option<u64>,
) -> Result<Upload, Refusal> {
    let cap = length.unwrap_or(registry.config.limits.upload_bytes.saturating_sub(upload.size()));
    let mut writing = Writing::Idle(upload);
    let mut batch = Vec::new();
    let mut gathered = 0;
    let mut total: u64 = 0;
    let outcome = loop {
        let chunk = match frame(body, registry.config.stall).await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => break Ok(()),
            Err(refusal) => break Err(refusal),
        };
        total += chunk.len() as u64;
        if total > cap {
            break Err(too_long(length, cap));
        }
        gathered += chunk.len();
        batch.push(chunk);
        if gathered >= BATCH {
            gathered = 0;
            writing = writing.append(std::mem::take(&mut batch)).await?;
        }
    };
    let upload = writing.append(batch).await?.settled().await?;
    outcome?;
    match length {
        Some(length) if total != length => Err(Refusal::bad_request(
            Code::SizeInvalid,
            format!("the chunk has {total} bytes, not {length}"),
        )),
        _ => Ok(upload),
    }
}

/// A session between two batches: here, or on the thread that writes the last one.
enum Writing {
    Idle(Upload),
    Busy(tokio::task::JoinHandle<(Upload, StoreResult<()>)>),
}

impl Writing {
    /// Waits until the batch before is written, then lets this one be.
    async fn append(self, batch: Vec<Bytes>) -> Result<Self, Refusal> {
        let mut upload = self.settled().await?;
        if batch.is_empty() {
            return Ok(Self::Idle(upload));
        }
        Ok(Self::Busy(tokio::task::spawn_blocking(move || {
            let result = upload.append(&batch);
            (upload, result)
        })))
    }

    async fn settled(self) -> Result<Upload, Refusal> {
        match self {
            Self::Idle(upload) => Ok(upload),
            Self::Busy(task) => {
                let (upload, result) = task.await.map_err(|_| {
                    let message = "the registry is shutting down";
                    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, Code::BlobUploadInvalid, message)
                })?;
                result?;
                Ok(upload)
            }
        }
    }
}

async fn commit(
    repository: &Repository,
    upload: Upload,
    digest: Digest,
) -> Result<Response, Refusal> {
    let wanted = digest.clone();
    blocking(move || upload.finish(&wanted)).await?;
    Ok(created(repository, &digest))
}

fn created(repository: &Repository, digest: &Digest) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::CREATED;
    let location = format!("/v2/{}/blobs/{digest}", repository.name());
    response.headers_mut().insert(header::LOCATION, header_value(&location));
    response.headers_mut().insert(DIGEST_HEADER, header_value(digest.as_str()));
    response
}

/// An answer that says where the session is and what it has.
fn position(status: StatusCode, repository: &Repository, id: &str, size: u64) -> Response {
    let mut response = accepted();
    *response.status_mut() = status;
    response.headers_mut().extend(position_headers(repository, id, size));
    response
}

fn position_headers(
    repository: &Repository,
    id: &str,
    size: u64,
) -> [(HeaderName, HeaderValue); 3] {
    let location = format!("/v2/{}/blobs/uploads/{id}", repository.name());
    // An empty session says `0-0` too, as it always did.
    let range = format!("0-{}", size.saturating_sub(1));
    [
        (header::LOCATION, header_value(&location)),
        (header::RANGE, header_value(&range)),
        (HeaderName::from_static("docker-upload-uuid"), header_value(id)),
    ]
}

fn out_of_order(repository: &Repository, id: &str, size: u64) -> Refusal {
    let message = format!("the session has {size} bytes; the next chunk must begin there");
    let refusal = Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, Code::BlobUploadInvalid, message);
    position_headers(repository, id, size)
        .into_iter()
        .fold(refusal, |refusal, (name, value)| refusal.with(name, value))
}

fn too_long(length: Option<u64>, cap: u64) -> Refusal {
    match length {
        Some(length) => Refusal::bad_request(
            Code::SizeInvalid,
            format!("the chunk is longer than the {length} bytes it announced"),
        ),
        None => Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            Code::SizeInvalid,
            format!("the upload is longer than the {cap} bytes it may have"),
        ),
    }
}

fn parse_digest(text: &str) -> Result<Digest, Refusal> {
    text.parse().map_err(|error: crate::oci::digest::ParseDigestError| {
        Refusal::bad_request(Code::DigestInvalid, error.to_string())
    })
}

fn unknown(id: &str) -> Refusal {
    Refusal::not_found(Code::BlobUploadUnknown, format!("there is no upload `{id}` here"))
}
