//! Forms in: the files of a `multipart/form-data` body, of those fields that are looked for.

use super::{
    answer::Denial,
    intake::{Intake, Received, frames},
    options::{CHART_FIELD, Options, PROVENANCE_FIELD},
};
use axum::body::Body;
use futures_util::StreamExt;
use http::{HeaderMap, header};
use multer::Multipart;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// The content of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Chart,
    Provenance,
}

/// Reports whether a request has a form. As in ChartMuseum, the comparison of the type is exact.
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
    let mut form = Multipart::new(frames, boundary);
    let read = async {
        while let Some(mut field) = form.next_field().await? {
            let place = fields
                .iter()
                .position(|(name, _)| field.name() == Some(*name) && field.file_name().is_some())
                .filter(|place| found[*place].is_none());
            // Dropped, a field is read away.
            let Some(place) = place else { continue };
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

/// Remembers that a body was too large while the form's reader passes its own errors on.
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
