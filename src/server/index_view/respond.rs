//! Response with an index: conditions, codings, HEAD. The router decides on its path, and if a
//! namespace without charts has one.

use super::{Follower, View, etag, index::Coding};
use crate::{server::net::response::header_value, store::Catalog};
use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};

impl<C: Catalog> Follower<C> {
    /// Answers a `GET` or `HEAD` with the index of a namespace, which is empty if there are no
    /// charts. While the store is not reachable, the response has the last known index and a
    /// warning. Before the follower is ready, the index has the charts known by then.
    pub(in crate::server) async fn index(&self, namespace: &str, head: &Parts) -> Response {
        let mut response = respond(self.view(), namespace, head).await;
        if self.trouble().is_some() {
            // Code of RFC 7234. Its successor has no replacement.
            let warning = HeaderValue::from_static("110 chartferry \"Response is Stale\"");
            response.headers_mut().insert(header::WARNING, warning);
        }
        response
    }
}

/// Returns the index of a namespace, which is empty if there are no charts.
pub(super) async fn respond(view: &View, namespace: &str, head: &Parts) -> Response {
    let coding = accepted(&head.headers);
    let sum = view.sum(namespace);
    let known = head.headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut response = Response::new(Body::empty());
    let (sum, body) = if known.is_some_and(|known| etag::matches(known, view.settings(), sum)) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        (sum, None)
    } else {
        let index = view.index(namespace);
        (index.sum(), Some(index.body(coding).await))
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, header_value(&etag::of(view.settings(), sum, coding)));
    // A cache must revalidate the index each time, which is cheap.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    let Some(body) = body else { return response };
    // ChartMuseum uses this type for JSON too.
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-yaml"));
    headers.insert(header::CONTENT_LENGTH, body.len().into());
    if let Some(name) = coding.name() {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    if head.method != Method::HEAD {
        *response.body_mut() = Body::from(body);
    }
    response
}

/// Returns the best coding that the client accepts: by its weights and, among equals, by our order.
fn accepted(headers: &HeaderMap) -> Coding {
    let mut best = (Coding::Identity, 0.0);
    for value in headers.get_all(header::ACCEPT_ENCODING) {
        for part in value.to_str().unwrap_or_default().split(',') {
            let (name, parameters) = part.split_once(';').unwrap_or((part, ""));
            let coding = match name.trim().to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => Coding::Gzip,
                "zstd" => Coding::Zstd,
                _ => continue,
            };
            let weight = parameters
                .split(';')
                .find_map(|parameter| parameter.trim().strip_prefix("q="))
                .map_or(1.0, |weight| weight.trim().parse().unwrap_or(0.0));
            let better = weight > best.1 || (weight == best.1 && coding == PREFERRED);
            if weight > 0.0 && better {
                best = (coding, weight);
            }
        }
    }
    best.0
}

/// Preferred coding: for an index, gzip gives a smaller result than our zstd encoder.
const PREFERRED: Coding = Coding::Gzip;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coding_that_the_client_likes_best() {
        for (text, coding) in [
            ("", Coding::Identity),
            ("identity", Coding::Identity),
            ("gzip", Coding::Gzip),
            ("zstd", Coding::Zstd),
            ("gzip, deflate, br, zstd", Coding::Gzip),
            ("zstd;q=1.0, gzip;q=0.8", Coding::Zstd),
            ("gzip;q=0, zstd;q=0.1", Coding::Zstd),
            ("gzip;q=0", Coding::Identity),
            ("GZIP;q=x", Coding::Identity),
            ("br, *", Coding::Identity),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(text));
            assert_eq!(accepted(&headers), coding, "{text}");
        }
    }
}
