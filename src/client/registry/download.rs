//! Downloads of blobs: streamed, hashed on arrival, resumed after a broken connection, and returned
//! only if complete and correct. The cache folder keeps a partial file, so that the next run
//! resumes it.

use super::{
    manifest::coded,
    partial::{Partial, Sink},
    request::{Reply, RetryCause},
    sweep,
};
use crate::{
    Error, ErrorKind, Result,
    client::{
        Repository,
        auth::access::Action,
        event::{ClientEvent, TOLD_EVERY, Way},
        http::{
            error_response,
            failure::{AttemptError, TransportError},
            message::{Request, is_html, text},
            retry::{TransportErrorKind, Tries, is_beyond},
            transport::StreamedResponse,
        },
    },
    oci::{Descriptor, Digest, Manifest, TagOrDigest},
    store::{BlobFile, Fetch},
};
use ::http::Method;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;

impl Fetch for Repository {
    async fn fetch_manifest(&self, target: &TagOrDigest) -> Result<Manifest> {
        Ok(self.get_manifest(target).await?.manifest)
    }

    async fn fetch_blob(&self, blob: &Descriptor, cap: u64) -> Result<Bytes> {
        if blob.size > cap {
            return Err(Error::new(
                ErrorKind::Limit,
                format!(
                    "blob `{}` has {} bytes, more than the {cap} allowed here",
                    blob.digest, blob.size
                ),
            ));
        }
        if let Some(bytes) = embedded(blob) {
            return Ok(bytes);
        }
        let mut partial = Partial::in_memory(blob);
        self.fill(blob, &mut partial).await?;
        Ok(partial.into_bytes())
    }

    async fn fetch_blob_file(&self, blob: &Descriptor) -> Result<BlobFile> {
        let cache = self.client.options().cache.as_deref();
        if let Some(cache) = cache {
            self.client.inner.swept.call_once(|| sweep::sweep(cache));
        }
        let mut partial = Partial::in_file(blob, cache).await?;
        self.fill(blob, &mut partial).await?;
        partial.into_file()
    }
}

/// Returns the content of a small blob that is part of its descriptor.
fn embedded(blob: &Descriptor) -> Option<Bytes> {
    let bytes = STANDARD.decode(blob.data.as_ref()?).ok()?;
    (bytes.len() as u64 == blob.size && blob.digest.matches(&bytes)).then(|| bytes.into())
}

impl Repository {
    /// Downloads the missing bytes, until size and digest are correct.
    async fn fill<S: Sink>(&self, blob: &Descriptor, partial: &mut Partial<S>) -> Result<()> {
        let client = &self.client;
        let act = format!("fetch blob `{}` of `{}/{}`", blob.digest, self.registry(), self.name);
        let ticket = self.ticket(Action::Read);
        let url = self.url(&format!("blobs/{}", blob.digest))?;
        let mut tries = Tries::default();
        // Only an offset well beyond the previous maximum is progress: a server that makes the
        // client start over makes none.
        let mut furthest = partial.len();
        // The client requests a complete but wrong blob once more, past any cache.
        let mut damaged = false;
        loop {
            let cause = if partial.len() == blob.size {
                let found = partial.digest();
                if found == blob.digest {
                    return Ok(());
                }
                partial.restart()?;
                RetryCause::Damaged(wrong_digest(&act, &blob.digest, &found))
            } else {
                let downgrade = client.options().http_redirects.of_blob();
                let mut call = Request::new(Method::GET, url.clone()).downgrade(downgrade);
                if partial.len() > 0 {
                    let (at, total) = (partial.len(), blob.size);
                    let (host, digest) = (self.registry().to_string(), blob.digest.clone());
                    client.options().notify.tell(ClientEvent::Resumed { host, digest, at, total });
                    call = call.header("range", &format!("bytes={at}-"));
                    if let Some(etag) = partial.etag() {
                        call = call.header("if-range", etag);
                    }
                }
                if damaged {
                    call = call.header("cache-control", "no-cache, no-transform");
                }
                let ended = match client.ask(&ticket, &call).await {
                    Ok(Reply::Open(answer)) => self.take(blob, partial, *answer, &act).await,
                    Ok(Reply::Refused(full))
                        if full.status.as_u16() == 416 && partial.len() > 0 =>
                    {
                        partial.restart()?;
                        Err(RetryCause::Damaged(error_response::from_registry(
                            self.registry(),
                            &act,
                            &full,
                        ))
                        .into())
                    }
                    Ok(Reply::Refused(full)) => Err(RetryCause::Refused(full).into()),
                    Err(error) => Err(error.into()),
                };
                if is_beyond(partial.len(), furthest, blob.size) {
                    furthest = partial.len();
                    tries.progressed();
                }
                match ended {
                    Ok(()) => continue,
                    Err(AttemptError::Again(cause)) => cause,
                    Err(AttemptError::Fatal(error)) => return Err(error),
                }
            };
            if let RetryCause::Damaged(error) = cause {
                if damaged {
                    return Err(error);
                }
                damaged = true;
                furthest = 0;
                continue;
            }
            if !client.pause(&self.host, &mut tries, &act, &cause).await? {
                return Err(cause.into_error(self.registry(), &act));
            }
        }
    }

    /// Appends the bytes of a response.
    async fn take<S: Sink>(
        &self,
        blob: &Descriptor,
        partial: &mut Partial<S>,
        mut answer: StreamedResponse,
        act: &str,
    ) -> Result<(), AttemptError<RetryCause>> {
        let registry = self.registry();
        let coded =
            coded(registry, &answer.headers).map(|error| error.context(format!("cannot {act}")));
        let length: Option<u64> =
            text(&answer.headers, "content-length").and_then(|length| length.parse().ok());
        let garbled = |what: String| {
            AttemptError::Again(RetryCause::Transport(
                TransportError::new(TransportErrorKind::Garbled, registry.as_str())
                    .with_source(what),
            ))
        };
        let mut skip = match answer.status.as_u16() {
            200 => {
                if is_html(&answer.headers) && length != Some(blob.size) {
                    let full = answer.read_refusal().await;
                    return Err(RetryCause::Damaged(error_response::web_page(
                        registry, act, &full,
                    ))
                    .into());
                }
                if length.is_some_and(|length| length != blob.size) {
                    if let Some(error) = coded {
                        return Err(RetryCause::Damaged(error).into());
                    }
                    return Err(garbled(format!(
                        "it announces {} bytes for a blob of {}",
                        length.unwrap_or_default(),
                        blob.size
                    )));
                }
                // The registry sent the whole blob for a part. The client skips the bytes that it
                // has, unless they belong to another blob.
                let etag = strong(&answer);
                if partial.etag().is_some() && etag.is_some() && partial.etag() != etag {
                    partial.restart()?;
                }
                partial.set_etag(etag.map(str::to_owned));
                partial.len()
            }
            206 => {
                let range = text(&answer.headers, "content-range").and_then(parse_range);
                match range {
                    Some((start, total))
                        if start == partial.len()
                            && total.is_none_or(|total| total == blob.size) =>
                    {
                        0
                    }
                    _ => {
                        // An unexpected part is useless, and the next may be no better.
                        partial.restart()?;
                        return Err(garbled(
                            "it sends a different range than requested".to_owned(),
                        ));
                    }
                }
            }
            status => {
                let full = answer.read_refusal().await;
                let error = error_response::from_registry(registry, act, &full);
                debug_assert!(status < 400, "refusals do not come here");
                return Err(RetryCause::Damaged(error).into());
            }
        };
        let notify = &self.client.options().notify;
        let mut told = partial.len();
        loop {
            let chunk = answer.chunk().await.map_err(RetryCause::Transport)?;
            let Some(mut chunk) = chunk else {
                if partial.len() == blob.size {
                    break;
                }
                if let Some(error) = coded {
                    partial.restart()?;
                    return Err(RetryCause::Damaged(error).into());
                }
                return Err(RetryCause::Transport(TransportError::new(
                    TransportErrorKind::Cut,
                    registry.as_str(),
                ))
                .into());
            };
            if skip > 0 {
                let passed = chunk.len().min(usize::try_from(skip).unwrap_or(usize::MAX));
                let _ = chunk.split_to(passed);
                skip -= passed as u64;
            }
            if partial.len() + chunk.len() as u64 > blob.size {
                partial.restart()?;
                let error = coded.unwrap_or_else(|| {
                    Error::new(
                        ErrorKind::Integrity,
                        format!(
                            "cannot {act}: it sends more than the {} bytes of its descriptor",
                            blob.size
                        ),
                    )
                });
                return Err(RetryCause::Damaged(error).into());
            }
            partial.write(&chunk)?;
            let done = partial.len();
            if done - told >= TOLD_EVERY || done == blob.size {
                told = done;
                let digest = blob.digest.clone();
                notify.tell(ClientEvent::Moved { digest, way: Way::Down, done, total: blob.size });
            }
        }
        Ok(())
    }
}

fn wrong_digest(act: &str, expected: &Digest, found: &Digest) -> Error {
    Error::new(
        ErrorKind::Integrity,
        format!(
            "cannot {act}: `{expected}` was requested, but the content has the digest `{found}`"
        ),
    )
    .with_hint("the blob is damaged in the registry or on the way; push it again from its source")
}

/// Returns a strong ETag. Only a strong one proves that two parts belong together.
fn strong(answer: &StreamedResponse) -> Option<&str> {
    text(&answer.headers, "etag").filter(|etag| etag.starts_with('"'))
}

/// Parses the start and total of `bytes a-b/total`.
fn parse_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    Some((start.parse().ok()?, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        for (text, range) in [
            ("bytes 5-9/10", Some((5, Some(10)))),
            ("bytes 5-9/*", Some((5, None))),
            ("bytes */10", None),
            ("5-9/10", None),
            ("bytes 5-9/x", None),
        ] {
            assert_eq!(parse_range(text), range);
        }
    }

    #[test]
    fn a_descriptors_own_bytes_count_only_when_they_are_right() {
        let mut blob = Descriptor::of("t", b"{}");
        blob.data = Some("e30=".to_owned());
        assert_eq!(embedded(&blob).as_deref(), Some(&b"{}"[..]));
        blob.data = Some("e31=".to_owned());
        assert_eq!(embedded(&blob), None);
    }
}
