//! Bodies in: received with a bound on their length, hashed as they come, and held in memory only
//! while they are small.

use super::answer::Denial;
use crate::{
    Error, Result,
    oci::{Descriptor, Hasher, digest::Algorithm, media},
    ops::chart_bytes::ChartBytes,
    server::body::frame,
    store::{BlobFile, blocking},
};
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, Stream};
use http::StatusCode;
use std::{io::Write, sync::Arc, time::Duration};
use tempfile::NamedTempFile;

/// Up to here a body is held in memory. Nine of ten public charts are smaller than 100 kB.
const IN_MEMORY: usize = 1024 * 1024;

/// A file that was received.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub(super) archive: ChartBytes,
    /// Its digest and size, as a chart's layer.
    pub(super) content: Descriptor,
}

/// A file on its way in.
pub(super) struct Intake {
    memory: BytesMut,
    file: Option<NamedTempFile>,
    hasher: Hasher,
    size: u64,
}

impl Intake {
    pub(super) fn new() -> Self {
        let hasher = Algorithm::Sha256.hasher();
        Self { memory: BytesMut::new(), file: None, hasher, size: 0 }
    }

    /// Takes the next bytes; what goes to disk goes from another thread.
    pub(super) async fn take(mut self, chunk: Bytes) -> Result<Self> {
        if self.file.is_none() && self.memory.len() + chunk.len() <= IN_MEMORY {
            self.hasher.update(&chunk);
            self.size += chunk.len() as u64;
            self.memory.extend_from_slice(&chunk);
            return Ok(self);
        }
        blocking(move || {
            self.write(&chunk).map_err(|error| Error::io("write", std::env::temp_dir(), error))?;
            Ok(self)
        })
        .await
    }

    fn write(&mut self, chunk: &[u8]) -> std::io::Result<()> {
        self.hasher.update(chunk);
        self.size += chunk.len() as u64;
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let mut file = NamedTempFile::new()?;
                file.write_all(&std::mem::take(&mut self.memory))?;
                none.insert(file)
            }
        };
        file.write_all(chunk)
    }

    pub(super) fn finish(self) -> Received {
        let archive = match self.file {
            Some(file) => ChartBytes::File(BlobFile::Temporary(Arc::new(file.into_temp_path()))),
            None => ChartBytes::Memory(self.memory.freeze()),
        };
        let content = Descriptor::new(media::CHART_CONTENT, self.hasher.finish(), self.size);
        Received { archive, content }
    }
}

/// The frames of a body, which may have `cap` bytes in all. What is left of it after an error is
/// the caller's to drain.
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

/// A whole body as one file.
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

/// The whole of a small file that was received.
pub(super) fn small(received: &Received, cap: u64) -> Result<Bytes, Denial> {
    match &received.archive {
        ChartBytes::Memory(bytes) if bytes.len() as u64 <= cap => Ok(bytes.clone()),
        ChartBytes::File(file) if received.content.size <= cap => {
            let path = file.path();
            let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, error))?;
            Ok(bytes.into())
        }
        _ => Err(Denial::new(StatusCode::BAD_REQUEST, "provenance file is too large")),
    }
}
