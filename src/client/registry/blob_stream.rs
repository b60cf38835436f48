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
            message::{Request, text},
            redirect::follow,
            retry::{TransportErrorKind, Tries, is_beyond},
            transport::StreamedResponse,
        },
    },
    digest::Hasher,
    oci::Descriptor,
    store::{Opened, StreamBlob},
};
use ::http::Method;
use bytes::{Buf, Bytes};
use futures_util::stream::{self, StreamExt};
use std::ops::RangeInclusive;

impl StreamBlob for Repository {
    async fn open_blob(
        &self,
        blob: &Descriptor,
        part: Option<RangeInclusive<u64>>,
    ) -> Result<Opened> {
        let whole = part.is_none();
        let (start, end) = part.map_or((0, blob.size), |part| (*part.start(), *part.end() + 1));
        let mut reading = Reading {
            repository: self.clone(),
            blob: blob.clone(),
            at: start,
            end: end.min(blob.size),
            hasher: whole.then(|| blob.digest.algorithm().hasher()),
            answer: None,
            skip: 0,
            tries: Tries::default(),
            furthest: start,
        };
        if let Some(elsewhere) = reading.ask().await? {
            return Ok(Opened::Elsewhere(elsewhere));
        }
        let parts = stream::try_unfold(reading, |mut reading| async move {
            Ok(reading.next().await?.map(|bytes| (bytes, reading)))
        });
        Ok(Opened::Stream(parts.boxed()))
    }
}

/// State of a blob's stream.
struct Reading {
    repository: Repository,
    blob: Descriptor,
    at: u64,
    end: u64,
    /// Hash of the bytes so far, if the stream covers the whole blob.
    hasher: Option<Hasher>,
    answer: Option<Box<StreamedResponse>>,
    /// Bytes to skip: a registry without range requests sends the whole blob.
    skip: u64,
    tries: Tries,
    /// Offset at which the tries were last reset.
    furthest: u64,
}

impl Reading {
    fn act(&self) -> String {
        let Repository { name, .. } = &self.repository;
        format!("fetch blob `{}` of `{}/{name}`", self.blob.digest, self.repository.registry())
    }

    /// Requests the missing bytes. The result is an address if the registry redirects and the
    /// caller wants the address.
    async fn ask(&mut self) -> Result<Option<String>> {
        let repository = &self.repository;
        let act = self.act();
        let ticket = repository.ticket(Action::Read);
        let url = repository.url(&format!("blobs/{}", self.blob.digest))?;
        let mut call = Request::new(Method::GET, url).redirects(repository.redirects);
        // A part of a blob has no digest that could protect it.
        if self.hasher.is_some() {
            call = call.downgrade(repository.client.options().http_redirects.of_blob());
        }
        if self.end < self.blob.size {
            let last = self.end.saturating_sub(1);
            call = call.header("range", &format!("bytes={}-{last}", self.at));
        } else if self.at > 0 {
            call = call.header("range", &format!("bytes={}-", self.at));
        }
        loop {
            let cause = match repository.client.ask(&ticket, &call).await {
                Ok(Reply::Open(answer)) if answer.status.is_redirection() => {
                    let place = text(&answer.headers, "location");
                    let (place, _) = follow(&answer.url, place).map_err(|error| {
                        Error::new(ErrorKind::Protocol, format!("cannot {act}")).with_source(error)
                    })?;
                    return Ok(Some(place.into()));
                }
                Ok(Reply::Open(answer)) => {
                    self.skip = self.check(&answer, &act)?;
                    self.answer = Some(answer);
                    return Ok(None);
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
            _ if compressed && self.hasher.is_none() => (false, 0),
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
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&chunk);
        }
        // This check precedes the last bytes: without them the receiver knows that the blob is
        // incomplete.
        if self.at == self.end
            && let Some(hasher) = self.hasher.take()
        {
            let found = hasher.finish();
            if found != self.blob.digest {
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
