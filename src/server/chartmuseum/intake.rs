//! Receipt of request bodies: with a limit on their length, hashed on arrival, and held in memory
//! only if they are small.

use super::answer::Denial;
use crate::{
    Error, Result,
    oci::{Descriptor, media},
    server::body::frame,
    spool::{Spool, Spooled},
    store::{BlobBytes, blocking},
};
use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use http::StatusCode;
use std::{io::Write, time::Duration};

/// Largest body in bytes that is held in memory. Nine of ten public charts are smaller than 100 kB.
const IN_MEMORY: u64 = 1024 * 1024;

/// File that the server received.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub(super) archive: BlobBytes,
    /// Digest and size, as for a chart's layer.
    pub(super) content: Descriptor,
}

/// File that a client is uploading.
pub(super) struct Intake(Spool);

impl Intake {
    pub(super) fn new() -> Self {
        Self(Spool::new(IN_MEMORY, None))
    }

    /// Appends the next bytes. Writes to disk run on a blocking thread.
    pub(super) async fn take(mut self, chunk: Bytes) -> Result<Self> {
        if self.0.stays_in_memory(chunk.len()) {
            self.write(&chunk)?;
            return Ok(self);
        }
        blocking(move || self.write(&chunk).map(|()| self)).await
    }

    fn write(&mut self, chunk: &[u8]) -> Result<()> {
        let written = self.0.write_all(chunk);
        written.map_err(|error| Error::io("write", std::env::temp_dir(), error))
    }

    pub(super) fn finish(self) -> Received {
        let Spooled { bytes: archive, digest, size } = self.0.finish();
        Received { archive, content: Descriptor::new(media::CHART_CONTENT, digest, size) }
    }
}

/// Returns the frames of a body, with at most `cap` bytes in total. After an error, the caller
/// drains the rest.
pub(super) fn frames(
    body: &mut Body,
    stall: Duration,
    cap: u64,
) -> impl Stream<Item = Result<Bytes, Denial>> + Send {
    stream::try_unfold((body, cap), move |(body, left)| async move {
        if http_body::Body::size_hint(body).lower() > left {
            return Err(Denial::too_large());
        }
        let next = frame(body, stall).await;
        let next = next.map_err(|refusal| Denial::new(refusal.status(), "the body ended early"))?;
        let Some(chunk) = next else { return Ok(None) };
        let left = left.checked_sub(chunk.len() as u64).ok_or_else(Denial::too_large)?;
        Ok(Some((chunk, (body, left))))
    })
}

/// Receives a whole body as one file.
pub(super) async fn receive(
    body: &mut Body,
    stall: Duration,
    cap: u64,
) -> Result<Received, Denial> {
    let mut frames = std::pin::pin!(frames(body, stall, cap));
    let mut intake = Intake::new();
    while let Some(chunk) = futures_util::TryStreamExt::try_next(&mut frames).await? {
        intake = intake.take(chunk).await?;
    }
    Ok(intake.finish())
}

/// Returns the content of a small file that the server received.
pub(super) fn small(received: &Received, cap: u64) -> Result<Bytes, Denial> {
    match &received.archive {
        BlobBytes::Memory(bytes) if bytes.len() as u64 <= cap => Ok(bytes.clone()),
        BlobBytes::File(file) if received.content.size <= cap => {
            let path = file.path();
            let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, error))?;
            Ok(bytes.into())
        }
        _ => Err(Denial::new(StatusCode::BAD_REQUEST, "provenance file is too large")),
    }
}
