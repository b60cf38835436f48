//! An archive from a classic repository: streamed into memory or a file, hashed as it comes,
//! resumed where the server knows how. Its bytes are taken as they are; no content coding is
//! undone, since servers name the archive's own gzip as one.

use super::index::HttpRepository;
use crate::{
    Error, ErrorKind, Result,
    client::{
        http::{
            error_response,
            failure::{Failure, TransportError},
            message::{Request, is_html, text},
            redirect::host_of,
            retry::{Origin, PROGRESS, Reach, TransportErrorKind, Tries},
            transport::StreamedResponse,
        },
        registry::{
            partial::temporary,
            request::{Reply, Trouble, reply},
        },
    },
    digest::{Algorithm, Digest, Hasher},
    store::BlobFile,
};
use ::http::Method;
use bytes::{Bytes, BytesMut};
use std::{io::Write, sync::Arc};
use tempfile::NamedTempFile;
use url::Url;

/// A chart's archive as it came.
#[derive(Clone, Debug)]
pub struct Archive {
    /// Its bytes.
    pub body: Body,
    /// Their digest.
    pub digest: Digest,
    /// How many there are.
    pub size: u64,
}

/// Where the bytes are.
#[derive(Clone, Debug)]
pub enum Body {
    /// In memory, up to `Limits::memory_blob`.
    Memory(Bytes),
    /// In a file that goes with the last copy of this value.
    File(BlobFile),
}

/// Helm gives chart servers this much longer than registries: some build the archive while we wait.
const STALL_FACTOR: u32 = 4;

impl HttpRepository {
    pub(crate) async fn fetch_archive(&self, url: Url, cap: u64) -> Result<Archive> {
        let (call, header) = self.authorized(
            Request::new(Method::GET, url)
                .header("accept", "application/gzip,application/octet-stream,*/*;q=0.5")
                .header("accept-encoding", "identity"),
        );
        let url = call.url.clone();
        let host = host_of(&url);
        let act = format!("fetch {url}");
        let mut spool = Spool::new(self.client.options().limits.memory_blob, cap);
        let mut tries = Tries::default();
        let mut reach = Reach::Unreached;
        let mut furthest = 0_u64;
        loop {
            let mut call = call.clone();
            if let Some(validator) = spool.validator.as_deref().filter(|_| spool.length > 0) {
                call = call
                    .header("range", &format!("bytes={}-", spool.length))
                    .header("if-range", validator);
            }
            let trouble = match reply(self.transport.exchange(&call, header.as_ref()).await).await {
                Ok(Reply::Open(answer)) => {
                    reach = Reach::Reached;
                    match self.take(&mut spool, *answer, &url).await {
                        Ok(()) => return spool.finish(),
                        Err(Failure::Transport(fault)) => Trouble::Transport(fault),
                        Err(Failure::Fatal(error)) => return Err(error),
                    }
                }
                Ok(Reply::Refused(mut full)) => {
                    reach = Reach::Reached;
                    if full.status.as_u16() == 416 && spool.length > 0 {
                        spool.restart();
                        continue;
                    }
                    // A refusal is one wherever a redirect led.
                    full.from = Origin::Registry;
                    Trouble::Refused(full)
                }
                Err(Failure::Transport(fault)) => Trouble::Transport(fault),
                Err(Failure::Fatal(error)) => return Err(error),
            };
            if spool.length >= furthest.saturating_add(PROGRESS) {
                furthest = spool.length;
                tries.progressed();
            }
            if spool.validator.is_none() {
                spool.restart();
            }
            if !self.client.pause_for(&host, reach, &mut tries, &act, &trouble).await? {
                return Err(match trouble {
                    Trouble::Refused(full) => error_response::from_web(&url, &full),
                    Trouble::Transport(fault) => fault.into_error(&act),
                    Trouble::Damaged(error) => error,
                });
            }
        }
    }

    /// Takes in what an answer brings.
    async fn take(
        &self,
        spool: &mut Spool,
        mut answer: StreamedResponse,
        url: &Url,
    ) -> Result<(), Failure> {
        let failed = |kind, why: &str| {
            Failure::Fatal(Error::new(kind, format!("failed to fetch {url} : {why}")))
        };
        match answer.status.as_u16() {
            200 => {
                spool.restart();
                let header = |name| text(&answer.headers, name);
                // Without a strong tag nothing says that two parts belong together.
                spool.validator =
                    header("etag").filter(|etag| etag.starts_with('"')).map(str::to_owned);
            }
            206 if continues(text(&answer.headers, "content-range"), spool.length) => {}
            206 => {
                spool.restart();
                return Err(TransportError::new(TransportErrorKind::Garbled, &host_of(url))
                    .with_source("it sends another part than was asked for")
                    .into());
            }
            status => {
                return Err(failed(ErrorKind::Protocol, &format!("it answers {status}")));
            }
        }
        let announced = text(&answer.headers, "content-length")
            .and_then(|length| length.parse::<u64>().ok())
            .unwrap_or_default();
        if spool.length.saturating_add(announced) > spool.cap {
            return Err(too_large(url, spool.cap).into());
        }
        answer.wait_longer(STALL_FACTOR);
        let typed = is_html(&answer.headers);
        while let Some(chunk) = answer.chunk().await? {
            // The bytes decide: some hosts call every file a page. An archive begins as gzip does.
            if typed && spool.length == 0 && !chunk.is_empty() && !chunk.starts_with(b"\x1f") {
                let message = format!("failed to fetch {url} : it is a web page, not a chart");
                return Err(Error::new(ErrorKind::Protocol, message)
                    .with_hint("a login page or proxy may stand in between; or the address is that of a page about the chart")
                    .into());
            }
            if spool.length + chunk.len() as u64 > spool.cap {
                return Err(too_large(url, spool.cap).into());
            }
            spool.write(&chunk, self.client.options().cache.as_deref())?;
        }
        Ok(())
    }
}

fn too_large(url: &Url, cap: u64) -> Error {
    Error::new(ErrorKind::Limit, format!("{url} has more than the {cap} bytes allowed here"))
}

/// Whether a `Content-Range` begins at `at`.
fn continues(range: Option<&str>, at: u64) -> bool {
    range
        .and_then(|range| range.trim().strip_prefix("bytes ")?.split_once('-'))
        .is_some_and(|(start, _)| start.trim().parse() == Ok(at))
}

/// What has come so far.
struct Spool {
    memory: BytesMut,
    file: Option<NamedTempFile>,
    hasher: Hasher,
    length: u64,
    validator: Option<String>,
    most_memory: u64,
    cap: u64,
}

impl Spool {
    fn new(most_memory: u64, cap: u64) -> Self {
        Self {
            memory: BytesMut::new(),
            file: None,
            hasher: Algorithm::Sha256.hasher(),
            length: 0,
            validator: None,
            most_memory,
            cap,
        }
    }

    fn restart(&mut self) {
        *self = Self::new(self.most_memory, self.cap);
    }

    fn write(&mut self, bytes: &[u8], folder: Option<&std::path::Path>) -> Result<()> {
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        if self.file.is_none() {
            if self.length <= self.most_memory {
                self.memory.extend_from_slice(bytes);
                return Ok(());
            }
            let mut file = temporary(folder)?;
            let held = std::mem::take(&mut self.memory);
            let written = file.write_all(&held);
            written.map_err(|error| Error::io("write the download in", file.path(), error))?;
            self.file = Some(file);
        }
        if let Some(file) = &mut self.file {
            let written = file.write_all(bytes);
            written.map_err(|error| Error::io("write the download in", file.path(), error))?;
        }
        Ok(())
    }

    fn finish(self) -> Result<Archive> {
        let body = match self.file {
            None => Body::Memory(self.memory.freeze()),
            Some(file) => Body::File(BlobFile::Temporary(Arc::new(file.into_temp_path()))),
        };
        Ok(Archive { body, digest: self.hasher.finish(), size: self.length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_part_that_was_asked_for_is_taken() {
        for (range, at, yes) in [
            (Some("bytes 5-9/10"), 5, true),
            (Some("bytes 4-9/10"), 5, false),
            (Some("bytes */10"), 5, false),
            (Some("5-9/10"), 5, false),
            (None, 5, false),
        ] {
            assert_eq!(continues(range, at), yes, "{range:?}");
        }
    }

    #[test]
    fn what_does_not_fit_memory_goes_to_a_file() {
        let mut spool = Spool::new(4, 100);
        spool.write(b"0123", None).expect("memory");
        assert!(spool.file.is_none());
        spool.write(b"4567", None).expect("file");
        let archive = spool.finish().expect("archive");
        assert_eq!((archive.size, archive.digest), (8, Digest::sha256(b"01234567")));
        let Body::File(file) = archive.body else { panic!("in memory") };
        assert_eq!(std::fs::read(file.path()).expect("read"), b"01234567");
    }
}
