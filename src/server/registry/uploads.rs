//! Uploads of blobs: the four ways of the specification (one request, POST then PUT, chunks,
//! stream), mounts, and cancellation. The server writes bytes to disk on arrival, and hashes them.

use super::{Registry, blobs::accepted};
use crate::{
    ErrorKind, Result as StoreResult,
    limits::MOUNT_SOURCES,
    oci::{Digest, RepositoryName, digest::Algorithm},
    server::{
        auth::Reader,
        body::frame,
        net::{
            query::Query,
            refusal::{Code, Refusal},
            response::{DIGEST_HEADER, header_value},
        },
    },
    store::{
        blocking,
        disk::{
            Disk,
            repository::{Mounted, Repository},
            upload::Upload,
        },
    },
};
use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts};
use std::time::{Duration, SystemTime};

/// Bytes that the server gathers before a write to disk. The server receives the next batch
/// meanwhile.
const BATCH: usize = 512 * 1024;
/// Time that a session may stay idle if too many are open.
const SHORT_REST: Duration = Duration::from_secs(60);

pub(crate) async fn start(
    registry: &Registry,
    repository: Repository,
    query: &Query,
    head: &Parts,
    body: &mut Body,
) -> Result<Response, Refusal> {
    if let Some(digest) = query.value("mount") {
        let digest = parse_digest(digest)?;
        let reader = registry.config.access.reader(&head.headers);
        if mount(&repository, &digest, query.value("from"), reader).await? == Mounted::Yes {
            return Ok(created(&repository, &digest));
        }
    }
    let digest = query.value("digest").map(parse_digest).transpose()?;
    let algorithm = match (&digest, query.value("digest-algorithm")) {
        (Some(digest), _) => digest.algorithm(),
        (None, Some(name)) => name.parse().map_err(|_| {
            let message = format!("`{name}` is not a digest algorithm of this registry");
            Refusal::bad_request(Code::DigestInvalid, message)
        })?,
        (None, None) => Algorithm::Sha256,
    };
    let started = repository.clone();
    let Some(digest) = digest else {
        let (disk, most) = (registry.disk.clone(), registry.config.limits.upload_sessions);
        if !blocking(move || has_room(&disk, most)).await? {
            let message = format!("{most} uploads are open; finish some, or try again later");
            return Err(Refusal::new(
                StatusCode::TOO_MANY_REQUESTS,
                Code::TooManyRequests,
                message,
            )
            .with(header::RETRY_AFTER, HeaderValue::from_static("60")));
        }
        let upload = blocking(move || started.start_upload(algorithm)).await?;
        return Ok(position(StatusCode::ACCEPTED, &repository, upload.id(), 0));
    };
    let upload = blocking(move || started.start_whole(algorithm)).await?;
    let upload = receive(registry, upload, body, None).await?;
    commit(&repository, upload, digest).await
}

/// Returns true if the server can open one more session. If there are too many, it removes idle
/// sessions early.
fn has_room(disk: &Disk, most: usize) -> StoreResult<bool> {
    if disk.count_uploads()? < most {
        return Ok(true);
    }
    let moment = SystemTime::now().checked_sub(SHORT_REST);
    let expired = moment.map_or(Ok(0), |moment| disk.expire_uploads(moment))?;
    if expired > 0 {
        tracing::warn!(count = expired, "inactive uploads were removed: too many were open");
    }
    Ok(disk.count_uploads()? < most)
}

pub(crate) fn status(repository: &Repository, id: &str) -> Result<Response, Refusal> {
    let size = repository.upload_size(id)?.ok_or_else(|| unknown(id))?;
    Ok(position(StatusCode::NO_CONTENT, repository, id, size))
}

pub(crate) async fn append(
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

pub(crate) async fn finish(
    registry: &Registry,
    repository: Repository,
    id: &str,
    query: &Query,
    head: &Parts,
    body: &mut Body,
) -> Result<Response, Refusal> {
    let upload = take(&repository, id).await?;
    // The order of chunks is checked before the digest, so that a client can continue after either
    // mistake.
    let length = chunk_length(&repository, &upload, &head.headers)?;
    let digest = query.value("digest").ok_or_else(|| {
        Refusal::bad_request(Code::DigestInvalid, "the parameter `digest` is missing")
    })?;
    let digest = parse_digest(digest)?;
    let upload = receive(registry, upload, body, length).await?;
    commit(&repository, upload, digest).await
}

pub(crate) async fn cancel(repository: Repository, id: &str) -> Result<Response, Refusal> {
    let upload = take(&repository, id).await?;
    blocking(move || upload.cancel()).await?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// Mounts a blob from a repository that the client may read. For any other repository, the response
/// is that for a missing blob.
async fn mount(
    repository: &Repository,
    digest: &Digest,
    from: Option<&str>,
    reader: Reader,
) -> Result<Mounted, Refusal> {
    let (repository, digest) = (repository.clone(), digest.clone());
    let mounted = match from.map(str::parse::<RepositoryName>) {
        // A source with an invalid name has no blobs, so the client must upload.
        Some(Err(_)) => Ok(Mounted::NotThere),
        Some(Ok(name)) if !reader.may_pull(&name) => Ok(Mounted::NotThere),
        Some(Ok(name)) => blocking(move || repository.mount_blob(&digest, &name)).await,
        None => {
            let look = move || {
                let may_pull = |name: &RepositoryName| reader.may_pull(name);
                repository.mount_nearest(&digest, MOUNT_SOURCES, may_pull)
            };
            blocking(look).await
        }
    };
    Ok(mounted?)
}

async fn take(repository: &Repository, id: &str) -> Result<Upload, Refusal> {
    let (repository, wanted) = (repository.clone(), id.to_owned());
    blocking(move || repository.upload(&wanted)).await?.ok_or_else(|| unknown(id))
}

/// Returns the length in a `Content-Range`, if there is one. The range must begin at the end of the
/// session.
fn chunk_length(
    repository: &Repository,
    upload: &Upload,
    headers: &HeaderMap,
) -> Result<Option<u64>, Refusal> {
    let Some(range) = headers.get(header::CONTENT_RANGE) else { return Ok(None) };
    let range = range.to_str().ok().and_then(parse_content_range);
    let size = upload.size();
    let length = match range {
        Some((first, last)) if first == size && last >= first => {
            // A range of all possible bytes has a length that does not fit the number.
            (last - first)
                .checked_add(1)
                .ok_or_else(|| out_of_order(repository, upload.id(), size))?
        }
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

/// Parses `first-last`. Some clients write `bytes first-last/total`, as in other HTTP headers.
fn parse_content_range(text: &str) -> Option<(u64, u64)> {
    let text = text.strip_prefix("bytes").map_or(text, |rest| rest.trim_start_matches(['=', ' ']));
    let text = text.split('/').next().unwrap_or(text);
    let (first, last) = text.split_once('-')?;
    Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
}

/// Appends the body to the session. After a failure the received bytes remain, so that the client
/// can resume.
async fn receive(
    registry: &Registry,
    upload: Upload,
    body: &mut Body,
    length: Option<u64>,
) -> Result<Upload, Refusal> {
    let room = registry.config.limits.upload_bytes.saturating_sub(upload.size());
    let announced = length.or(http_body::Body::size_hint(body).exact());
    if announced.is_some_and(|announced| announced > room) {
        return Err(too_long(None, room));
    }
    let cap = length.unwrap_or(room);
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

/// Session between two batches: in this task, or on the thread that writes the last one.
enum Writing {
    Idle(Upload),
    Busy(tokio::task::JoinHandle<(Upload, StoreResult<()>)>),
}

impl Writing {
    /// Waits until the previous batch is written, then starts the write of this one.
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
    blocking(move || upload.finish(&wanted)).await.map_err(|error| match error.kind() {
        // Another request completes or continues the session.
        ErrorKind::Conflict => {
            Refusal::new(StatusCode::CONFLICT, Code::BlobUploadInvalid, error.message())
        }
        _ => Refusal::from(error),
    })?;
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

/// Returns a response with the location of the session and the number of bytes received.
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
    // An empty session also has `0-0`, as in distribution.
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
