//! Names within a registry: repositories and tags. The grammar is that of distribution-spec 1.1.

use super::reference::ParseReferenceError;
use crate::version::Version;
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

/// A tag in the spelling of a registry, with `_` for each `+` of a version.
///
/// ```
/// use chartferry::oci::Tag;
///
/// let tag = Tag::from_version("1.0.0+b1")?;
/// assert_eq!(tag, "1.0.0_b1");
/// assert!(tag.version().is_some());
/// # Ok::<(), chartferry::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(Box<str>);

impl Tag {
    /// Makes the tag of a version: every `+` becomes `_`.
    pub fn from_version(version: &str) -> Result<Self, ParseReferenceError> {
        version.replace('+', "_").parse().map_err(|_| {
            ParseReferenceError::new(version, format!("invalid tag \"{version}\": {TAG_RULE}"))
        })
    }

    /// Returns the tag in the spelling of the registry.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the version's text for this tag: every `_` becomes `+`. The text may not be a valid
    /// version.
    pub fn to_version(&self) -> String {
        self.0.replace('_', "+")
    }

    /// Parses the version of this tag as Helm does for a range: `v1` and `1.2` are versions too.
    /// Returns `None` for other tags, such as `latest`.
    pub fn version(&self) -> Option<Version> {
        Version::parse_loose(&self.to_version()).ok()
    }
}

impl PartialEq<str> for Tag {
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other
    }
}

impl PartialEq<&str> for Tag {
    fn eq(&self, other: &&str) -> bool {
        *self.0 == **other
    }
}

const TAG_RULE: &str =
    "a tag is up to 128 letters, digits, `.`, `_` and `-`, and begins with a letter, digit or `_`";

impl FromStr for Tag {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let bytes = text.as_bytes();
        let legal = (1..=128).contains(&bytes.len())
            && word(bytes[0])
            && bytes.iter().all(|&b| word(b) || b == b'.' || b == b'-');
        if !legal {
            return Err(ParseReferenceError::new(
                text,
                format!("invalid tag \"{text}\": {TAG_RULE}"),
            ));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
