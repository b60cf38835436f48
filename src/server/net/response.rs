//! Parts of responses that the APIs share.

use axum::{body::Body, response::Response};
use http::{HeaderName, HeaderValue, header};

/// Header with the digest of a blob or a manifest.
pub(crate) const DIGEST_HEADER: HeaderName = HeaderName::from_static("docker-content-digest");

/// Runs work of several steps to its end, even if the client disconnects in between. A panic of the
/// work continues in the caller.
pub(crate) async fn unbroken<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    match tokio::spawn(work).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down, and this task with it.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Makes a header from text whose grammar excludes control characters.
pub(crate) fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

pub(crate) fn json_answer(value: &serde_json::Value) -> Response {
    let mut response = Response::new(Body::from(crate::json::to_vec(value)));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
