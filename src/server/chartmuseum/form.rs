//! Forms of uploads: the files of a `multipart/form-data` body in the known fields.

use super::{
    answer::Denial,
    intake::{Intake, Received, frames},
    options::{CHART_FIELD, Options, PROVENANCE_FIELD},
};
use crate::limits::PART_HEADER_BYTES;
use axum::body::Body;
use bytes::Bytes;
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, Stream},
};
use http::{HeaderMap, header};
use multer::Multipart;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

/// Content of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Chart,
    Provenance,
}

/// Returns true if a request has a form. As in ChartMuseum, the comparison of the type is exact.
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    content_type(headers)
        .and_then(|text| text.split([';', ' ']).next())
        .is_some_and(|kind| kind == "multipart/form-data")
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok())
}

/// Reads the files of a form: the first of each field, in the order of the checks. A form that
/// cannot be parsed has no files.
pub(super) async fn receive(
    headers: &HeaderMap,
    body: &mut Body,
    stall: Duration,
    options: &Options,
) -> Result<Vec<(Part, Received)>, Denial> {
    let fields = [
        (CHART_FIELD, Part::Chart),
        (options.chart_field.as_str(), Part::Chart),
        (PROVENANCE_FIELD, Part::Provenance),
        (options.provenance_field.as_str(), Part::Provenance),
    ];
    let mut found: [Option<Received>; 4] = [const { None }; 4];
    let boundary = content_type(headers).and_then(|text| multer::parse_boundary(text).ok());
    let Some(boundary) = boundary else { return Ok(Vec::new()) };
    let denied = Denied::default();
    let frames = {
        let denied = denied.clone();
        frames(body, stall, options.max_upload_bytes)
            .map(move |frame| frame.map_err(|denial| denied.note(denial)))
    };
    let left = Arc::new(AtomicI64::new(PART_HEADER_BYTES));
    let mut form = Multipart::new(pieces(frames, Arc::clone(&left)), boundary);
    let read = async {
        loop {
            left.store(PART_HEADER_BYTES, Ordering::Release);
            let Some(mut field) = form.next_field().await? else { break };
            left.store(i64::MAX, Ordering::Release);
            let place = fields
                .iter()
                .position(|(name, _)| field.name() == Some(*name) && field.file_name().is_some())
                .filter(|place| found[*place].is_none());
            let Some(place) = place else {
                // If the field were dropped here, the reader would take its rest for the next
                // header.
                while field.chunk().await?.is_some() {}
                continue;
            };
            let mut intake = Intake::new();
            while let Some(chunk) = field.chunk().await? {
                intake = match intake.take(chunk).await {
                    Ok(intake) => intake,
                    Err(error) => return Ok(Err(Denial::from(error))),
                };
            }
            found[place] = Some(intake.finish());
        }
        Ok::<_, multer::Error>(Ok(()))
    };
    match read.await {
        Ok(outcome) => outcome?,
        Err(_) if denied.0.load(Ordering::Acquire) => return Err(Denial::too_large()),
        Err(error) => {
            tracing::debug!(%error, "a form cannot be read");
            return Ok(Vec::new());
        }
    }
    let parts = fields.into_iter().zip(found);
    Ok(parts.filter_map(|((_, part), found)| found.map(|found| (part, found))).collect())
}

/// Splits the frames into small pieces, since the form's reader buffers all available input before
/// it parses any. The result is an error after `left` bytes.
fn pieces(
    frames: impl Stream<Item = std::io::Result<Bytes>> + Send,
    left: Arc<AtomicI64>,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send {
    stream::try_unfold(
        (Box::pin(frames), Bytes::new(), left),
        |(mut frames, mut frame, left)| async move {
            tokio::task::yield_now().await;
            if left.load(Ordering::Acquire) <= 0 {
                return Err(std::io::Error::other("the header of a part is too long"));
            }
            while frame.is_empty() {
                match frames.try_next().await? {
                    Some(next) => frame = next,
                    None => return Ok(None),
                }
            }
            let piece = frame.split_to(frame.len().min(PIECE));
            left.fetch_sub(piece.len() as i64, Ordering::AcqRel);
            Ok(Some((piece, (frames, frame, left))))
        },
    )
}

/// Bytes of one piece for the form's reader.
const PIECE: usize = 16 * 1024;

/// Marker for a body that is too large, which the errors of the form's reader do not show.
#[derive(Clone, Default)]
struct Denied(Arc<AtomicBool>);

impl Denied {
    fn note(&self, denial: Denial) -> std::io::Error {
        if denial.status == http::StatusCode::PAYLOAD_TOO_LARGE {
            self.0.store(true, Ordering::Release);
        }
        std::io::Error::other("the body ended early")
    }
}
