//! Body of a request, sent in pieces and counted, so that the client detects a stall and reports
//! progress.

use super::message::{Payload, Report};
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream, StreamExt};
use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

/// Request body that counts the bytes sent.
#[derive(Clone)]
pub(crate) struct UploadBody {
    sent: Arc<AtomicU64>,
    waits: Arc<AtomicBool>,
    report: Option<Report>,
}

impl UploadBody {
    pub(crate) fn new(report: Option<Report>) -> Self {
        Self { sent: Arc::default(), waits: Arc::default(), report }
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Returns true while the body waits for its source. The source has time limits of its own.
    pub(crate) fn waits_for_source(&self) -> bool {
        self.waits.load(Ordering::Relaxed)
    }

    fn add(&self, bytes: usize) {
        let sent = self.sent.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        if let Some(report) = &self.report {
            report.tell(sent);
        }
    }
}

/// Bytes of one piece. A piece is small enough to detect a stall, and large enough for a gigabit
/// per second.
const PIECE: usize = 256 * 1024;

/// Returns a body and its length.
pub(crate) async fn outgoing(
    payload: &Payload,
    going: &UploadBody,
) -> Result<(Option<reqwest::Body>, u64), (Arc<Path>, io::Error)> {
    Ok(match payload {
        Payload::None => (None, 0),
        Payload::Bytes(bytes) if bytes.len() <= PIECE => {
            going.add(bytes.len());
            (Some(reqwest::Body::from(bytes.clone())), bytes.len() as u64)
        }
        Payload::Bytes(_) | Payload::File { .. } | Payload::Remote { .. } => {
            let (pieces, length) = pieces(payload, going).await?;
            (Some(reqwest::Body::wrap_stream(pieces)), length)
        }
        Payload::Parts(parts) => {
            let mut all = Vec::with_capacity(parts.len());
            let mut total = 0;
            for part in parts.iter() {
                let (pieces, length) = pieces(part, going).await?;
                all.push(pieces);
                total += length;
            }
            let all = stream::iter(all).flatten();
            (Some(reqwest::Body::wrap_stream(all)), total)
        }
    })
}

type Pieces = BoxStream<'static, io::Result<Bytes>>;

/// Streams one part, piece by piece. Parts do not contain parts.
async fn pieces(
    payload: &Payload,
    going: &UploadBody,
) -> Result<(Pieces, u64), (Arc<Path>, io::Error)> {
    let going = going.clone();
    Ok(match payload {
        Payload::None | Payload::Parts(_) => (stream::empty().boxed(), 0),
        Payload::Bytes(bytes) => {
            let pieces = stream::unfold((bytes.clone(), going), |(mut bytes, going)| async {
                if bytes.is_empty() {
                    return None;
                }
                let piece = bytes.split_to(bytes.len().min(PIECE));
                going.add(piece.len());
                Some((io::Result::Ok(piece), (bytes, going)))
            });
            (pieces.boxed(), bytes.len() as u64)
        }
        Payload::File { path, start, length } => {
            let named = |error| (Arc::clone(path), error);
            let mut file = tokio::fs::File::open(path).await.map_err(named)?;
            file.seek(io::SeekFrom::Start(*start)).await.map_err(named)?;
            let pieces = stream::unfold((file.take(*length), going), |(mut part, going)| async {
                let mut piece = BytesMut::with_capacity(PIECE);
                match part.read_buf(&mut piece).await {
                    Ok(0) => None,
                    Ok(read) => {
                        going.add(read);
                        Some((Ok(piece.freeze()), (part, going)))
                    }
                    Err(error) => Some((Err(error), (part, going))),
                }
            });
            (pieces.boxed(), *length)
        }
        Payload::Remote { blob, start, length } => {
            let pieces = blob.pieces(*start, *length);
            let pieces = stream::unfold((pieces, going), |(mut pieces, going)| async {
                going.waits.store(true, Ordering::Relaxed);
                let piece = pieces.next().await;
                going.waits.store(false, Ordering::Relaxed);
                if let Some(Ok(piece)) = &piece {
                    going.add(piece.len());
                }
                piece.map(|piece| (piece, (pieces, going)))
            });
            (pieces.boxed(), *length)
        }
    })
}
