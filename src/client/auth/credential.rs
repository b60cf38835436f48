//! Types of credentials, and the headers that contain them. [`super::credentials`] looks them up.

use crate::{Error, ErrorKind, Result};
use ::http::HeaderValue;
use base64::{Engine, engine::general_purpose::STANDARD};
use std::fmt;

/// Secret text that no output shows.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Credential for a registry or a chart repository.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Credential {
    /// User name and password.
    Basic {
        /// Name of the user.
        username: String,
        /// Password, or a token in its place.
        password: Secret,
    },
    /// Refresh token, which the client exchanges for short-lived tokens (`identitytoken` in the
    /// files).
    Identity(Secret),
    /// Token that the client sends unchanged (`registrytoken` in the files).
    Bearer(Secret),
}

/// User name of an identity token in helpers and files.
pub(crate) const TOKEN_USER: &str = "<token>";

impl Credential {
    /// Makes a credential from the name and secret of a helper.
    pub(crate) fn from_pair(username: String, secret: String) -> Self {
        if username == TOKEN_USER || username.is_empty() {
            Self::Identity(Secret(secret))
        } else {
            Self::Basic { username, password: Secret(secret) }
        }
    }
}

/// Builds a Basic header. An identity token has no name of its own.
pub(crate) fn basic(credential: &Credential) -> Result<HeaderValue> {
    let pair = match credential {
        Credential::Basic { username, password } => format!("{username}:{}", password.expose()),
        Credential::Identity(token) | Credential::Bearer(token) => {
            format!("{TOKEN_USER}:{}", token.expose())
        }
    };
    secret_header(&format!("Basic {}", STANDARD.encode(pair)))
}

/// Builds a header that logs redact.
pub(crate) fn secret_header(text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        Error::new(ErrorKind::Denied, "the credential has characters that a header cannot contain")
    })?;
    value.set_sensitive(true);
    Ok(value)
}
