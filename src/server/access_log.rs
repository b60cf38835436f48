//! Access log with one line for each request: the client, the request and the result, without
//! credentials. Each request has an id, which the client or the server chooses and the response
//! repeats.

use super::net::response::header_value;
use crate::store::unique;
use axum::{extract::Request, response::Response};
use http::{HeaderName, HeaderValue, header};
use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

const ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Address of the client, as seen by the listener.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// Log line of a request that has begun.
pub(super) struct Line {
    id: HeaderValue,
    user: Option<String>,
    begun: Instant,
    /// Method, path and client address. The server collects them only if the log is enabled.
    asked: Option<(http::Method, String, Option<SocketAddr>)>,
}

impl Line {
    pub(super) fn begin(request: &Request, ids: &Ids) -> Self {
        let asked = tracing::enabled!(target: "chartferry::access", tracing::Level::INFO);
        Self {
            id: ids.of(request),
            user: None,
            begun: Instant::now(),
            asked: asked.then(|| {
                let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
                // The log omits the query, since tools put secrets there.
                (request.method().clone(), request.uri().path().to_owned(), peer)
            }),
        }
    }

    /// Records the user who sent the request.
    pub(super) fn of(&mut self, user: Option<String>) {
        self.user = user;
    }

    /// Ends the line when the status is known. The body may still be in transit.
    pub(super) fn end(self, response: &mut Response) {
        if let Some((method, path, peer)) = self.asked {
            let length = response.headers().get(header::CONTENT_LENGTH);
            tracing::info!(
                target: "chartferry::access",
                id = self.id.to_str().unwrap_or_default(),
                peer = peer.map(|peer| peer.to_string()),
                user = self.user,
                %method,
                path,
                status = response.status().as_u16(),
                length = length.and_then(|length| length.to_str().ok()),
                milliseconds = self.begun.elapsed().as_millis() as u64,
            );
        }
        response.headers_mut().insert(ID_HEADER, self.id);
    }
}

/// Source of request ids.
#[derive(Debug)]
pub(super) struct Ids {
    start: String,
    next: AtomicU64,
}

impl Ids {
    pub(super) fn new() -> Self {
        let mut start = unique();
        start.truncate(8);
        Self { start, next: AtomicU64::new(1) }
    }

    /// Returns the id from the client or a proxy if it is a plain word, else a new one.
    fn of(&self, request: &Request) -> HeaderValue {
        let plain = |value: &&HeaderValue| {
            let bytes = value.as_bytes();
            let word = |b: &u8| b.is_ascii_alphanumeric() || b"-_.".contains(b);
            (1..=64).contains(&bytes.len()) && bytes.iter().all(word)
        };
        match request.headers().get(ID_HEADER).filter(plain) {
            Some(given) => given.clone(),
            None => {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                header_value(&format!("{}-{number}", self.start))
            }
        }
    }
}
