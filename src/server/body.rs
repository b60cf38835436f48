//! Request bodies: read with a bound on silence, and drained with a bound on length when they are not wanted.

use super::refusal::{Code, Refusal};
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header, request::Parts};
use http_body_util::BodyExt;
use std::time::Duration;

/// How much of an unwanted body is read, and for how long, so that a client that sends before it listens hears why.
/// Closing at once would reset the connection under the answer.
const DRAIN_BYTES: usize = 1024 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// The next bytes of a body, or `None` at its end.
pub(super) async fn frame(body: &mut Body, stall: Duration) -> Result<Option<Bytes>, Refusal> {
    loop {
        match tokio::time::timeout(stall, body.frame()).await {
            Err(_) => {
                let status = StatusCode::REQUEST_TIMEOUT;
                let message = format!("no byte of the body came for {} s", stall.as_secs());
                return Err(Refusal::new(status, Code::BlobUploadInvalid, message)
                    .with(header::CONNECTION, HeaderValue::from_static("close")));
            }
            Ok(None) => return Ok(None),
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Ok(Some(Err(error))) => {
                let message = format!("the body ended early: {error}");
                return Err(Refusal::bad_request(Code::SizeInvalid, message));
            }
        }
    }
}

/// Reads away the rest of the body of a request that is refused, as far as that is cheap.
pub(super) async fn drain(head: &Parts, mut body: Body) {
    // A client that says this waits to be asked for its body; reading would ask.
    if head.headers.contains_key(header::EXPECT) {
        return;
    }
    let mut left = DRAIN_BYTES;
    let read = async {
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            let Some(rest) = left.checked_sub(length) else { return };
            left = rest;
        }
    };
    // Whether it ended or not, the answer goes out now.
    let _ = tokio::time::timeout(DRAIN_TIME, read).await;
}
