//! Download of an archive from a chart repository: into memory or a file, hashed on arrival, and
//! resumed if the server supports it. The client does not decode a content coding, since servers
//! declare the archive's own gzip as one.

use super::index::HttpRepository;
use crate::{
    Error, ErrorKind, Result,
    client::{
        http::{
            error_response,
            failure::{AttemptError, TransportError},
            message::{Request, is_html, text},
            redirect::host_of,
            retry::{Origin, PROGRESS, Reach, TransportErrorKind, Tries},
            transport::StreamedResponse,
        },
        registry::request::{Reply, RetryCause, reply},
    },
    digest::Digest,
    spool::{Spool, Spooled},
    store::BlobBytes,
};
use ::http::Method;
use std::{io::Write, path::Path};
use url::Url;

/// Downloaded archive of a chart.
#[derive(Clone, Debug)]
pub struct Archive {
    /// Unchanged bytes of the response.
    pub bytes: BlobBytes,
    /// Digest of the bytes.
    pub digest: Digest,
    /// Size in bytes.
    pub size: u64,
}

/// Factor of the time limit: Helm allows chart servers this much more than registries, since some
/// build the archive during the request.
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
        let options = self.client.options();
        let mut download = Download {
            spool: Spool::new(options.limits.memory_blob, options.cache.clone()),
            validator: None,
            cap,
        };
        let mut tries = Tries::default();
        let mut reach = Reach::Unreached;
        let mut furthest = 0_u64;
        loop {
            let mut call = call.clone();
            if let Some(validator) = download.validator.as_deref().filter(|_| download.size() > 0) {
                call = call
                    .header("range", &format!("bytes={}-", download.size()))
                    .header("if-range", validator);
            }
            let cause = match reply(self.transport.exchange(&call, header.as_ref()).await).await {
                Ok(Reply::Open(answer)) => {
                    reach = Reach::Reached;
                    match self.take(&mut download, *answer, &url).await {
                        Ok(()) => return Ok(download.finish()),
                        Err(AttemptError::Again(fault)) => RetryCause::Transport(fault),
                        Err(AttemptError::Fatal(error)) => return Err(error),
                    }
                }
                Ok(Reply::Refused(mut full)) => {
                    reach = Reach::Reached;
                    if full.status.as_u16() == 416 && download.size() > 0 {
                        download.restart();
                        continue;
                    }
                    // A refusal is final, even behind a redirect.
                    full.from = Origin::Registry;
                    RetryCause::Refused(full)
                }
                Err(AttemptError::Again(fault)) => RetryCause::Transport(fault),
                Err(AttemptError::Fatal(error)) => return Err(error),
            };
            if download.size() >= furthest.saturating_add(PROGRESS) {
                furthest = download.size();
                tries.progressed();
            }
            if download.validator.is_none() {
                download.restart();
            }
            if !self.client.pause_for(&host, reach, &mut tries, &act, &cause).await? {
                return Err(match cause {
                    RetryCause::Refused(full) => error_response::from_web(&url, &full),
                    RetryCause::Transport(fault) => fault.into_error(&act),
                    RetryCause::Damaged(error) => error,
                });
            }
        }
    }

    /// Appends the bytes of a response.
    async fn take(
        &self,
        download: &mut Download,
        mut answer: StreamedResponse,
        url: &Url,
    ) -> Result<(), AttemptError> {
        let failed = |kind, why: &str| {
            AttemptError::Fatal(Error::new(kind, format!("failed to fetch {url} : {why}")))
        };
        match answer.status.as_u16() {
            200 => {
                download.restart();
                let header = |name| text(&answer.headers, name);
                // Without a strong ETag, nothing proves that two parts belong together.
                download.validator =
                    header("etag").filter(|etag| etag.starts_with('"')).map(str::to_owned);
            }
            206 if continues(text(&answer.headers, "content-range"), download.size()) => {}
            206 => {
                download.restart();
                return Err(TransportError::new(TransportErrorKind::Garbled, &host_of(url))
                    .with_source("it sends a different range than requested")
                    .into());
            }
            status => {
                return Err(failed(ErrorKind::Protocol, &format!("it answers {status}")));
            }
        }
        let announced = text(&answer.headers, "content-length")
            .and_then(|length| length.parse::<u64>().ok())
            .unwrap_or_default();
        if download.size().saturating_add(announced) > download.cap {
            return Err(too_large(url, download.cap).into());
        }
        answer.wait_longer(STALL_FACTOR);
        let folder = self.client.options().cache.clone().unwrap_or_else(std::env::temp_dir);
        let typed = is_html(&answer.headers);
        while let Some(chunk) = answer.chunk().await? {
            // The bytes decide: some hosts declare every file as a web page. An archive begins with
            // the bytes of gzip.
            if typed && download.size() == 0 && !chunk.is_empty() && !chunk.starts_with(b"\x1f") {
                let message = format!("failed to fetch {url} : it is a web page, not a chart");
                return Err(Error::new(ErrorKind::Protocol, message)
                    .with_hint("a login page or proxy may have answered, or the address is that of a page about the chart")
                    .into());
            }
            if download.size() + chunk.len() as u64 > download.cap {
                return Err(too_large(url, download.cap).into());
            }
            download.write(&chunk, &folder)?;
        }
        Ok(())
    }
}

fn too_large(url: &Url, cap: u64) -> Error {
    Error::new(ErrorKind::Limit, format!("{url} has more than the {cap} bytes allowed here"))
}

/// Returns true if a `Content-Range` begins at `at`.
fn continues(range: Option<&str>, at: u64) -> bool {
    range
        .and_then(|range| range.trim().strip_prefix("bytes ")?.split_once('-'))
        .is_some_and(|(start, _)| start.trim().parse() == Ok(at))
}

/// Part of an archive that has arrived.
struct Download {
    spool: Spool,
    /// Strong `ETag` of the response that had the bytes. Without one, a broken download starts
    /// again at the first byte.
    validator: Option<String>,
    cap: u64,
}

impl Download {
    fn size(&self) -> u64 {
        self.spool.size()
    }

    fn restart(&mut self) {
        self.spool.restart();
        self.validator = None;
    }

    fn write(&mut self, bytes: &[u8], folder: &Path) -> Result<()> {
        let written = self.spool.write_all(bytes);
        written.map_err(|error| Error::io("write the download in", folder, error))
    }

    fn finish(self) -> Archive {
        let Spooled { bytes, digest, size } = self.spool.finish();
        Archive { bytes, digest, size }
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
}
