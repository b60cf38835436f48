//! Credentials: the types, and the headers that carry them. The lookup is in
//! [`super::credentials`].

use crate::{Error, ErrorKind, Result};
use ::http::HeaderValue;
use base64::{Engine, engine::general_purpose::STANDARD};
use std::fmt;

/// A text that must not be shown.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
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
    /// A name and a password.
    Basic {
        /// The name.
        username: String,
        /// The password, or what stands for one.
        password: Secret,
    },
    /// A refresh token, to be changed for short-lived ones (`identitytoken` in the files).
    Identity(Secret),
    /// A token that is sent as it is (`registrytoken` in the files).
    Bearer(Secret),
}

/// The name under which helpers and files keep an identity token.
pub(crate) const TOKEN_USER: &str = "<token>";

impl Credential {
    /// From a name and a secret as helpers give them.
    pub(crate) fn from_pair(username: String, secret: String) -> Self {
        if username == TOKEN_USER || username.is_empty() {
            Self::Identity(Secret(secret))
        } else {
            Self::Basic { username, password: Secret(secret) }
        }
    }
}

/// A Basic header. An identity token has no name of its own.
pub(crate) fn basic(credential: &Credential) -> Result<HeaderValue> {
    let pair = match credential {
        Credential::Basic { username, password } => format!("{username}:{}", password.expose()),
        Credential::Identity(token) | Credential::Bearer(token) => {
            format!("{TOKEN_USER}:{}", token.expose())
        }
    };
    secret_header(&format!("Basic {}", STANDARD.encode(pair)))
}

/// A header that is kept out of logs.
pub(crate) fn secret_header(text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        Error::new(ErrorKind::Denied, "the credential has characters that a header cannot contain")
    })?;
    value.set_sensitive(true);
    Ok(value)
}
