//! Downloads of archives and provenance files: whole or a range, from a local or a remote store.

use super::{
    ChartMuseum,
    answer::{Denial, typed},
};
use crate::{
    oci::Descriptor,
    server::{
        index_view::Origin,
        net::response::header_value,
        registry::blobs::{self, Range, parse_range},
    },
    store::{Catalog, Opened, StreamBlob},
};
use axum::{body::Body, response::Response};
use http::{HeaderValue, Method, StatusCode, header, request::Parts};
use std::time::Duration;

const ARCHIVE: &str = "application/x-tar";
const PROVENANCE: &str = "application/pgp-signature";

impl<C: Catalog> ChartMuseum<C> {
    /// Handles `GET /:repo/charts/:filename`.
    pub(super) async fn file(
        &self,
        namespace: &str,
        file_name: &str,
        head: &Parts,
    ) -> Result<Response, Denial> {
        let content_type = if file_name.ends_with("tgz.prov") {
            PROVENANCE
        } else if file_name.ends_with("tgz") {
            ARCHIVE
        } else {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return Err(Denial::new(status, "unsupported file extension"));
        };
        let absent = || Denial::not_found("object not found");
        let (store, blob, origin) = match self.shelf.view().file(namespace, file_name) {
            Some(stored) => {
                let blob = stored.descriptor().cloned().ok_or_else(absent)?;
                let store = self.shelf.repository(namespace, &stored.found)?;
                (store, blob, Some(stored.found.origin))
            }
            // A provenance file may exist without its chart.
            None if content_type == PROVENANCE => {
                let (store, blob) =
                    self.shelf.aside(namespace, file_name).await?.ok_or_else(absent)?;
                (store, blob, None)
            }
            None => return Err(absent()),
        };
        let sent = send(&store, &blob, content_type, head).await;
        if let (Err(denial), Some(Origin::Tag { repository, tag, .. })) = (&sent, origin)
            && denial.status == StatusCode::NOT_FOUND
        {
            // The tag has moved or was removed, and the server has received no notification.
            let charts = self.shelf.0.clone();
            tokio::spawn(async move {
                if let Err(error) = charts.refresh(&repository, &tag).await {
                    tracing::warn!(
                        error = error.chain(),
                        "cannot read the current manifest of a tag"
                    );
                }
            });
        }
        sent
    }
}

/// Time that a client waits for the first byte from a remote store.
const PATIENCE: Duration = Duration::from_secs(30);

async fn send<R: StreamBlob>(
    store: &R,
    blob: &Descriptor,
    content_type: &'static str,
    head: &Parts,
) -> Result<Response, Denial> {
    let mut response = typed(content_type, Body::empty());
    let headers = response.headers_mut();
    let etag = header_value(&format!("\"{}\"", blob.digest));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let unchanged = head.headers.get(header::IF_NONE_MATCH).is_some_and(|known| *known == etag);
    headers.insert(header::ETAG, etag.clone());
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    // A client must never join parts of two different files.
    let same = head.headers.get(header::IF_RANGE).is_none_or(|known| *known == etag);
    let range = match head.headers.get(header::RANGE).filter(|_| same) {
        Some(value) if head.method == Method::GET => parse_range(value, blob.size),
        _ => Range::Whole,
    };
    let part = match range {
        Range::Whole => None,
        Range::Part(part) => {
            let value = format!("bytes {}-{}/{}", part.start(), part.end(), blob.size);
            headers.insert(header::CONTENT_RANGE, header_value(&value));
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            Some(part)
        }
        Range::Unsatisfiable => {
            let value = format!("bytes */{}", blob.size);
            headers.insert(header::CONTENT_RANGE, header_value(&value));
            headers.remove(header::CONTENT_TYPE);
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            return Ok(response);
        }
    };
    let (start, length) =
        part.as_ref().map_or((0, blob.size), |part| (*part.start(), part.end() - part.start() + 1));
    response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    if head.method == Method::HEAD {
        return Ok(response);
    }
    let opened = tokio::time::timeout(PATIENCE, store.open_blob(blob, part)).await;
    let opened = opened.map_err(|_| {
        Denial::new(StatusCode::GATEWAY_TIMEOUT, "the upstream registry does not answer")
    })?;
    match opened? {
        Opened::File(file) => {
            let body = blobs::body(&file, start, length).map_err(|refusal| {
                Denial::new(refusal.status(), "the store failed; see the server's log")
            })?;
            *response.body_mut() = body;
        }
        Opened::Stream(stream) => *response.body_mut() = Body::from_stream(stream),
        Opened::Elsewhere(url) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
            response.headers_mut().insert(header::LOCATION, header_value(&url));
            return Ok(response);
        }
    }
    Ok(response)
}
