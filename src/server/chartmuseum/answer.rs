//! Responses in ChartMuseum's words: JSON with its content type, and `{"error": …}` for a refusal.
//! The callers log the cause.

use crate::{
    Error, ErrorKind,
    server::{
        auth::{Barred, LATER},
        net::refusal::is_full,
    },
};
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::json;

/// Refusal with its status and message.
#[derive(Debug)]
pub(super) struct Denial {
    pub(super) status: StatusCode,
    said: Said,
    challenge: Option<String>,
}

#[derive(Debug)]
enum Said {
    Error(String),
    Text(&'static str),
}

impl Denial {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, said: Said::Error(error.into()), challenge: None }
    }

    pub(super) fn not_found(error: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error)
    }

    pub(super) fn bad_request(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    pub(super) fn conflict(error: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, error)
    }

    /// Returns the refusal for a body that is too long. This response alone is not JSON.
    pub(super) fn too_large() -> Self {
        let said = Said::Text("request too large");
        Self { status: StatusCode::PAYLOAD_TOO_LARGE, said, challenge: None }
    }

    pub(super) fn unauthorized(challenge: String) -> Self {
        let said = Said::Error("unauthorized".to_owned());
        Self { status: StatusCode::UNAUTHORIZED, said, challenge: Some(challenge) }
    }
}

impl From<Barred> for Denial {
    fn from(barred: Barred) -> Self {
        match barred {
            Barred::Challenge(challenge) => Self::unauthorized(challenge),
            Barred::Busy(busy) => Self::new(busy.status(), "too many passwords are being checked"),
        }
    }
}

impl From<Error> for Denial {
    /// Converts an error of the store. Paths of this machine appear in the log only.
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound => Self::not_found("object not found"),
            ErrorKind::Denied => {
                tracing::warn!(error = error.chain(), "the store refused");
                Self::new(StatusCode::FORBIDDEN, "the upstream registry refuses it")
            }
            ErrorKind::Network | ErrorKind::Protocol => {
                tracing::error!(error = error.chain(), "the store cannot be reached");
                Self::new(StatusCode::BAD_GATEWAY, "the upstream registry does not answer")
            }
            _ => {
                tracing::error!(error = error.chain(), "the store failed");
                let (status, message) = if is_full(&error) {
                    (StatusCode::INSUFFICIENT_STORAGE, "the store has no space left")
                } else {
                    (StatusCode::INTERNAL_SERVER_ERROR, "the store failed; see the server's log")
                };
                Self::new(status, message)
            }
        }
    }
}

impl IntoResponse for Denial {
    fn into_response(self) -> Response {
        let mut response = match self.said {
            Said::Error(error) => json_answer(&json!({ "error": error })),
            Said::Text(text) => typed("text/plain; charset=utf-8", text),
        };
        *response.status_mut() = self.status;
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(header::RETRY_AFTER, LATER);
        }
        let challenge = self.challenge.and_then(|text| HeaderValue::from_str(&text).ok());
        if let Some(challenge) = challenge {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// Returns an error in ChartMuseum's format, for any request outside of the registry API.
pub(in crate::server) fn error(message: &str) -> Response {
    json_answer(&json!({ "error": message }))
}

/// Returns a JSON response with the character set in its type, as from ChartMuseum's framework. The
/// registry API's [`crate::server::net::response::json_answer`] has none, as in distribution.
pub(super) fn json_answer<T: Serialize + ?Sized>(value: &T) -> Response {
    typed("application/json; charset=utf-8", crate::json::to_vec(value))
}

/// Returns a body with a content type.
pub(super) fn typed(content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
