//! Error responses of the server: status, the specification's code, and a JSON body.

use crate::{
    Error, ErrorKind,
    store::disk::repository::{ConditionFailed, MissingContent},
};
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::json;
use std::{error::Error as StdError, io};

/// Error codes of the distribution specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    SizeInvalid,
    Unauthorized,
    Denied,
    TooManyRequests,
    Unsupported,
}

impl Code {
    fn as_str(self) -> &'static str {
        match self {
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::BlobUploadInvalid => "BLOB_UPLOAD_INVALID",
            Self::BlobUploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            Self::ManifestInvalid => "MANIFEST_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::SizeInvalid => "SIZE_INVALID",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Denied => "DENIED",
            Self::TooManyRequests => "TOOMANYREQUESTS",
            Self::Unsupported => "UNSUPPORTED",
        }
    }
}

/// Refusal with its status, code and message.
#[derive(Debug)]
pub(crate) struct Refusal(Box<Inner>);

#[derive(Debug)]
struct Inner {
    status: StatusCode,
    code: Code,
    message: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { status, code, message: message.into(), headers: Vec::new() }))
    }

    pub(crate) fn not_found(code: Code, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    pub(crate) fn bad_request(code: Code, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// Adds a header to the response.
    #[must_use]
    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }

    #[cfg(test)]
    pub(crate) fn code(&self) -> Code {
        self.0.code
    }
}

impl From<Error> for Refusal {
    /// Converts an error of the store. Paths of this machine appear in the log only.
    fn from(error: Error) -> Self {
        if is_full(&error) {
            tracing::error!(error = error.chain(), "the store is full");
            let message = "the registry has no space left";
            return Self::new(StatusCode::INSUFFICIENT_STORAGE, Code::Denied, message)
                .with(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let missing = StdError::source(&error).is_some_and(|source| source.is::<MissingContent>());
        match error.kind() {
            ErrorKind::Invalid if missing => {
                Self::bad_request(Code::ManifestBlobUnknown, error.message())
            }
            ErrorKind::Invalid => Self::bad_request(Code::ManifestInvalid, error.chain()),
            ErrorKind::Integrity => Self::bad_request(Code::DigestInvalid, error.message()),
            ErrorKind::Conflict
                if StdError::source(&error)
                    .is_some_and(|source| source.is::<ConditionFailed>()) =>
            {
                Self::new(StatusCode::PRECONDITION_FAILED, Code::Denied, error.message())
            }
            ErrorKind::Conflict => Self::bad_request(Code::BlobUploadInvalid, error.message()),
            _ => {
                tracing::error!(error = error.chain(), "the store failed");
                let message = "the registry failed; see its log";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Denied, message)
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Inner { status, code, message, headers } = *self.0;
        let body = json!({"errors": [{"code": code.as_str(), "message": message}]});
        let mut response = Response::new(Body::from(crate::json::to_vec(&body)));
        *response.status_mut() = status;
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.headers_mut().extend(headers);
        response
    }
}

/// Returns true if the cause of the error is a full disk, a quota or a limit on files.
pub(crate) fn is_full(error: &Error) -> bool {
    let mut next: Option<&(dyn StdError + 'static)> = StdError::source(error);
    while let Some(cause) = next {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            return matches!(
                io.kind(),
                io::ErrorKind::StorageFull
                    | io::ErrorKind::QuotaExceeded
                    | io::ErrorKind::FileTooLarge
            );
        }
        next = cause.source();
    }
    false
}
