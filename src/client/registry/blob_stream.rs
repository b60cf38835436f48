//! Stream of a registry's blob. The stream computes the digest if the caller reads the whole blob,
//! and resumes after a broken connection. For a blob that must be stored, [`super::download`]
//! returns nothing before the blob is complete.

use super::{
    manifest::{coded, coding},
    request::{Reply, RetryCause},
};
use crate::{
    Error, ErrorKind, Result,
    client::{
        Repository,
        auth::access::Action,
        http::{
            failure::{AttemptError, TransportError},
            message::{Redirects, Request, text},
            redirect::follow,
            retry::{TransportErrorKind, Tries, is_beyond},
            transport::StreamedResponse,
        },
    },
    digest::Hasher,
    oci::Descriptor,
    store::{Opened, ReadBlob, RemoteBlob, StreamBlob},
};
use ::http::Method;
use bytes::{Buf, Bytes};
use futures_util::{
    future::BoxFuture,
    stream::{self, StreamExt},
};
use std::ops::{Range, RangeInclusive};

impl StreamBlob for Repository {
    async fn open_blob(
        &self,
        blob: &Descriptor,
        part: Option<RangeInclusive<u64>>,
    ) -> Result<Opened> {
        let whole = part.is_none();
        let (start, end) = part.map_or((0, blob.size), |part| (*part.start(), *part.end() + 1));
        let mut reading = Reading::new(self, blob, start..end.min(blob.size), whole);
        if let Some(elsewhere) = reading.ask().await? {
            return Ok(Opened::Elsewhere(elsewhere));
        }
        let parts = stream::try_unfold(reading, |mut reading| async move {
            Ok(reading.next().await?.map(|bytes| (bytes, reading)))
        });
        Ok(Opened::Stream(parts.boxed()))
    }
}

impl Repository {
    /// Returns a blob as the source of a push to another store. Its bytes are read while they are
    /// sent, and checked before the last of them.
    pub fn remote_blob(&self, blob: &Descriptor) -> RemoteBlob {
        // The caller sends the bytes and cannot use an address.
        let this = Self { redirects: Redirects::Follow, ..self.clone() };
        let reading = Reading::new(&this, blob, 0..blob.size, true);
        RemoteBlob::new(blob.size, Box::new(reading))
    }
}

impl ReadBlob for Reading {
    fn read_at(&mut self, offset: u64) -> BoxFuture<'_, Result<Option<Bytes>>> {
        Box::pin(async move {
            if offset != self.at {
                self.answer = None;
                self.skip = 0;
                self.at = offset;
            }
            self.next().await
        })
    }
}

/// State of a blob's stream.
struct Reading {
    repository: Repository,
    blob: Descriptor,
    at: u64,
    end: u64,
    /// True if the stream covers the whole blob, whose digest is checked.
    whole: bool,
    /// Hash of the first bytes, until it was checked.
    hasher: Option<Hasher>,
    /// Number of bytes in the hash. It does not go back with `at`.
    hashed: u64,
    /// Marker for an answer that could not be right. The next request goes past any cache, and a
    /// second such answer is an error.
    damaged: bool,
    /// Marker for a registry that refused the rest as a part: the whole is requested instead.
    refuses_parts: bool,
    answer: Option<Box<StreamedResponse>>,
    /// Bytes to skip: a registry without range requests sends the whole blob.
    skip: u64,
    tries: Tries,
    /// Offset at which the tries were last reset.
    furthest: u64,
}

impl Reading {
    fn new(repository: &Repository, blob: &Descriptor, part: Range<u64>, whole: bool) -> Self {
        Self {
            repository: repository.clone(),
            blob: blob.clone(),
            at: part.start,
            end: part.end,
            whole,
            hasher: whole.then(|| blob.digest.algorithm().hasher()),
            hashed: 0,
            damaged: false,
            refuses_parts: false,
            answer: None,
            skip: 0,
            tries: Tries::default(),
            furthest: part.start,
        }
    }

    fn act(&self) -> String {
        let Repository { name, .. } = &self.repository;
        format!("fetch blob `{}` of `{}/{name}`", self.blob.digest, self.repository.registry())
    }

    /// Requests the missing bytes. The result is an address if the registry redirects and the
    /// caller wants the address.
    async fn ask(&mut self) -> Result<Option<String>> {
        let act = self.act();
        loop {
            let repository = self.repository.clone();
            let ticket = repository.ticket(Action::Read);
            let call = self.call()?;
            let cause = match repository.client.ask(&ticket, &call).await {
                Ok(Reply::Open(answer)) if answer.status.is_redirection() => {
                    let place = text(&answer.headers, "location");
                    let (place, _) = follow(&answer.url, place).map_err(|error| {
                        Error::new(ErrorKind::Protocol, format!("cannot {act}")).with_source(error)
                    })?;
                    return Ok(Some(place.into()));
                }
                Ok(Reply::Open(answer)) => match self.check(&answer, &act) {
                    Ok(skip) => {
                        self.skip = skip;
                        self.answer = Some(answer);
                        return Ok(None);
                    }
                    // Its digest will show if the next answer is right.
                    Err(_) if self.whole && !self.damaged => {
                        self.damaged = true;
                        continue;
                    }
                    Err(error) => return Err(error),
                },
                Ok(Reply::Refused(full))
                    if full.status.as_u16() == 416 && self.whole && !self.refuses_parts =>
                {
                    self.refuses_parts = true;
                    continue;
                }
                Ok(Reply::Refused(full)) => RetryCause::Refused(full),
                Err(AttemptError::Again(fault)) => RetryCause::Transport(fault),
                Err(AttemptError::Fatal(error)) => return Err(error),
            };
            if !repository.client.pause(&repository.host, &mut self.tries, &act, &cause).await? {
                return Err(cause.into_error(repository.registry(), &act));
            }
        }
    }

    /// Makes the request for the missing bytes.
    fn call(&self) -> Result<Request> {
        let repository = &self.repository;
        let url = repository.url(&format!("blobs/{}", self.blob.digest))?;
        let mut call = Request::new(Method::GET, url).redirects(repository.redirects);
        if self.damaged {
            call = call.header("cache-control", "no-cache, no-transform");
        }
        // A part of a blob has no digest that could protect it.
        if self.whole {
            call = call.downgrade(repository.client.options().http_redirects.of_blob());
        }
        if self.end < self.blob.size {
            let last = self.end.saturating_sub(1);
            call = call.header("range", &format!("bytes={}-{last}", self.at));
        } else if self.at > 0 && !self.refuses_parts {
            call = call.header("range", &format!("bytes={}-", self.at));
        }
        Ok(call)
    }

    /// Checks that a response holds the requested part or the whole blob, since the caller cannot
    /// correct an error. Returns the number of bytes before the requested ones.
    fn check(&self, answer: &StreamedResponse, act: &str) -> Result<u64> {
        let registry = self.repository.registry();
        let length: Option<u64> =
            text(&answer.headers, "content-length").and_then(|length| length.parse().ok());
        let range = format!("bytes {}-{}/", self.at, self.end.saturating_sub(1));
        // A part has no digest of its own, and a compressing coding changes its bytes.
        let compressed = coding(&answer.headers).is_some_and(|coding| {
            ["gzip", "x-gzip", "deflate", "br", "zstd", "compress"]
                .iter()
                .any(|known| coding.eq_ignore_ascii_case(known))
        });
        let (fits, skip) = match answer.status.as_u16() {
            _ if compressed && !self.whole => (false, 0),
            200 => (length.is_none_or(|length| length == self.blob.size), self.at),
            206 => {
                let said = text(&answer.headers, "content-range");
                (said.is_some_and(|said| said.starts_with(&range)), 0)
            }
            _ => (false, 0),
        };
        if fits {
            return Ok(skip);
        }
        if let Some(coded) = coded(registry, &answer.headers) {
            return Err(coded);
        }
        let status = answer.status.as_u16();
        Err(Error::new(
            ErrorKind::Protocol,
            format!(
                "cannot {act}: `{registry}` answers {status} with a different range than requested"
            ),
        ))
    }

    /// Returns the next bytes. The result is `None` at the end, after the digest has been checked.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        while self.at < self.end {
            let Some(answer) = &mut self.answer else {
                if self.ask().await?.is_some() {
                    let message =
                        format!("cannot {}: its address changed during the download", self.act());
                    return Err(Error::new(ErrorKind::Protocol, message));
                }
                continue;
            };
            match answer.chunk().await {
                Ok(Some(mut chunk)) => {
                    let before = self.skip.min(chunk.len() as u64);
                    self.skip -= before;
                    chunk.advance(before as usize);
                    let left = self.end - self.at;
                    if chunk.len() as u64 > left {
                        if self.end == self.blob.size {
                            let message = format!(
                                "cannot {}: it is longer than its descriptor says",
                                self.act()
                            );
                            return Err(Error::new(ErrorKind::Integrity, message));
                        }
                        chunk.truncate(left as usize);
                    }
                    if !chunk.is_empty() {
                        return self.pass(chunk).map(Some);
                    }
                }
                // The connection broke: resume here, as long as that makes progress.
                Ok(None) => {
                    let registry = self.repository.registry();
                    let fault = TransportError::new(TransportErrorKind::Cut, registry.as_str());
                    self.again(fault).await?;
                }
                Err(fault) => self.again(fault).await?,
            }
        }
        Ok(None)
    }

    fn pass(&mut self, chunk: Bytes) -> Result<Bytes> {
        self.at += chunk.len() as u64;
        if is_beyond(self.at, self.furthest, self.end) {
            self.furthest = self.at;
            self.tries.progressed();
        }
        let start = self.at - chunk.len() as u64;
        if let Some(hasher) = &mut self.hasher
            && self.at > self.hashed
        {
            // The part before was hashed when it was read first. No gap can arise: the receiver
            // asks for nothing beyond what it has received.
            hasher.update(&chunk[(self.hashed.saturating_sub(start)) as usize..]);
            self.hashed = self.at;
        }
        // This check precedes the last bytes: without them the receiver knows that the blob is
        // incomplete.
        if self.at == self.end
            && let Some(hasher) = self.hasher.take()
        {
            let found = hasher.finish();
            if found != self.blob.digest {
                // The receiver may begin again.
                self.hasher = Some(self.blob.digest.algorithm().hasher());
                self.hashed = 0;
                self.answer = None;
                self.damaged = true;
                return Err(Error::new(
                    ErrorKind::Integrity,
                    format!("cannot {}: the content has the digest `{found}`", self.act()),
                ));
            }
        }
        Ok(chunk)
    }

    async fn again(&mut self, fault: TransportError) -> Result<()> {
        self.answer = None;
        let act = self.act();
        let repository = &self.repository;
        let cause = RetryCause::Transport(fault);
        if repository.client.pause(&repository.host, &mut self.tries, &act, &cause).await? {
            return Ok(());
        }
        match cause {
            RetryCause::Transport(fault) => Err(fault.into_error(&act)),
            RetryCause::Refused(_) | RetryCause::Damaged(_) => Ok(()),
        }
    }
}
