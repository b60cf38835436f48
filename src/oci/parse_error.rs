//! The error for a text that is not a reference, a repository's name, a registry or a tag.

use crate::advice::{Advice, LogIn};

/// An error for a text that is not a reference, with the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid reference `{text}`: {reason}")]
pub struct ParseReferenceError {
    text: String,
    reason: String,
    /// The host for `login`, if the text has credentials before a host.
    login: Option<String>,
}

impl ParseReferenceError {
    pub(super) fn new(text: &str, reason: impl Into<String>) -> Self {
        Self { text: text.to_owned(), reason: reason.into(), login: None }
    }

    pub(super) fn into_reason(self) -> String {
        self.reason
    }

    /// Makes the error for a text with a user name before its host. The error does not print the
    /// text again, since it may contain a password.
    pub(super) fn of_user(text: &str) -> Option<Self> {
        let (scheme, bare) = match text.split_once("://") {
            Some((scheme, bare)) => (format!("{scheme}://"), bare),
            None => (String::new(), text),
        };
        let rest = &bare[crate::redact::user_end(bare)?..];
        Some(Self {
            text: format!("{scheme}{rest}"),
            reason: "a reference cannot contain a user name or a password".to_owned(),
            login: Some(rest.split('/').next().unwrap_or(rest).to_owned()),
        })
    }
}

impl From<ParseReferenceError> for crate::Error {
    fn from(error: ParseReferenceError) -> Self {
        let usage = Self::usage(error.to_string());
        match error.login {
            None => usage,
            Some(host) => {
                usage.with_advice(Advice::LogIn { registry: host, reason: LogIn::InReference })
            }
        }
    }
}
