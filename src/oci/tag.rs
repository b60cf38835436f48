//! A tag, by the grammar of distribution-spec 1.1, and its version: a `+` in a version is a `_` in
//! its tag, as in Helm, because tags have no `+`.

use super::parse_error::ParseReferenceError;
use crate::version::Version;
use std::{fmt, str::FromStr};

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
