//! The name of a repository within its registry, by the grammar of distribution-spec 1.1.

use super::parse_error::ParseReferenceError;
use std::{fmt, str::FromStr};

/// A repository's name within its registry, such as `team/charts/demo`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryName(Box<str>);

/// Longest name in bytes. The specification limits `host/name`, but the host may be an alias here,
/// so the limit is for the name alone.
const MAX_NAME: usize = 255;

impl RepositoryName {
    /// Returns the name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Makes a name that no repository can have, for the other content of a store.
    pub(crate) fn reserved(name: &'static str) -> Self {
        debug_assert!(name.parse::<Self>().is_err(), "`{name}` could be a repository's");
        Self(name.into())
    }

    /// Returns the last segment. For a chart it is the chart's name.
    pub fn last_segment(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// Returns this name with `segment` below it.
    pub fn join(&self, segment: &str) -> Result<Self, ParseReferenceError> {
        format!("{}/{segment}", self.0).parse()
    }
}

impl PartialEq<str> for RepositoryName {
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other
    }
}

impl PartialEq<&str> for RepositoryName {
    fn eq(&self, other: &&str) -> bool {
        *self.0 == **other
    }
}

impl FromStr for RepositoryName {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_NAME || !text.split('/').all(is_name_component) {
            let mut reason = format!("invalid repository \"{text}\"");
            if text.bytes().any(|b| b.is_ascii_uppercase()) {
                reason.push_str(": registries take lower case only");
            }
            return Err(ParseReferenceError::new(text, reason));
        }
        Ok(Self(text.into()))
    }
}

/// Returns true if `text` matches `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`.
fn is_name_component(text: &str) -> bool {
    let bytes = text.as_bytes();
    let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let mut at = 0;
    loop {
        let run = bytes[at..].iter().take_while(|b| alphanumeric(b)).count();
        if run == 0 {
            return false;
        }
        at += run;
        if at == bytes.len() {
            return true;
        }
        let separator = bytes[at..].iter().take_while(|b| !alphanumeric(b)).count();
        let legal = match &bytes[at..at + separator] {
            b"." | b"_" | b"__" => true,
            other => other.iter().all(|b| *b == b'-'),
        };
        if !legal {
            return false;
        }
        at += separator;
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
