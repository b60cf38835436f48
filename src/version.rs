//! Versions as Helm reads them: loosely (`1`, `v1.2`, `01.2.3`) for charts, strictly (SemVer 2) for
//! tags and plugins. The rules and error texts are those of Masterminds/semver 3.5. Ranges are in
//! [`crate::constraint`].

use semver::{BuildMetadata, Prerelease};
use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
};

/// Bytes of the longest version that is read. The number is that of Masterminds.
const LONGEST: usize = 256;

/// A version with its original text.
///
/// Two versions are equal if neither precedes the other: build metadata does not count, nor does
/// the spelling.
///
/// ```
/// use chartferry::version::Version;
///
/// let (short, long) = (Version::parse_loose("v1.2")?, Version::parse_loose("1.2.0+build")?);
/// assert!(short == long);
/// assert!(Version::parse_strict("1.2").is_err());
/// # Ok::<(), chartferry::version::ParseVersionError>(())
/// ```
#[derive(Clone)]
pub struct Version {
    parsed: semver::Version,
    original: Box<str>,
}

impl Version {
    /// Parses `text` loosely: an optional `v`, one to three numbers, which may have leading zeros,
    /// then an optional prerelease and build metadata.
    pub fn parse_loose(text: &str) -> Result<Self, ParseVersionError> {
        if text.len() > LONGEST {
            return Err(ParseVersionError::TooLong);
        }
        let (parts, length) =
            Parts::scan(text, |c| c.is_ascii_digit()).ok_or(ParseVersionError::Invalid)?;
        if length != text.len() {
            return Err(ParseVersionError::Invalid);
        }
        let number = |part: &str| {
            if part.is_empty() {
                Ok(0)
            } else {
                parse_number(part).map_err(ParseVersionError::Segment)
            }
        };
        Ok(Self {
            parsed: semver::Version {
                major: number(parts.major)?,
                minor: number(parts.minor)?,
                patch: number(parts.patch)?,
                pre: parse_prerelease(parts.pre)?,
                build: parse_build(parts.build)?,
            },
            original: text.into(),
        })
    }

    /// Parses `text` as SemVer 2 only.
    pub fn parse_strict(text: &str) -> Result<Self, ParseVersionError> {
        if text.is_empty() {
            return Err(ParseVersionError::Empty);
        }
        if text.len() > LONGEST {
            return Err(ParseVersionError::TooLong);
        }
        let mut parts = text.splitn(3, '.');
        let (Some(major), Some(minor), Some(rest)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(ParseVersionError::Invalid);
        };
        // The order of checks is that of Masterminds, because it decides which message appears.
        let (rest, build) = match rest.split_once('+') {
            Some((_, "")) => return Err(ParseVersionError::Metadata),
            Some((rest, build)) => (rest, parse_build(build)?),
            None => (rest, BuildMetadata::EMPTY),
        };
        let (patch, pre) = match rest.split_once('-') {
            Some((_, "")) => return Err(ParseVersionError::Prerelease),
            Some((patch, pre)) => (patch, parse_prerelease(pre)?),
            None => (rest, Prerelease::EMPTY),
        };
        for part in [major, minor, patch] {
            if !part.bytes().all(|b| b.is_ascii_digit()) {
                return Err(ParseVersionError::Characters);
            }
            if part.len() > 1 && part.starts_with('0') {
                return Err(ParseVersionError::LeadingZero);
            }
        }
        let number = |part: &str| parse_number(part).map_err(ParseVersionError::Number);
        let parsed = semver::Version {
            major: number(major)?,
            minor: number(minor)?,
            patch: number(patch)?,
            pre,
            build,
        };
        Ok(Self { parsed, original: text.into() })
    }

    /// Returns the original text.
    pub fn original(&self) -> &str {
        &self.original
    }

    /// Returns the numbers, prerelease and build metadata. The order of this type considers build
    /// metadata, ours does not.
    pub fn precedence(&self) -> &semver::Version {
        &self.parsed
    }

    /// Returns true if the version has a prerelease part.
    pub fn is_prerelease(&self) -> bool {
        !self.parsed.pre.is_empty()
    }
}

impl FromStr for Version {
    type Err = ParseVersionError;

    /// Parses loosely.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse_loose(text)
    }
}

impl fmt::Display for Version {
    /// Writes the full form: `1.2.0` for `v1.2`. [`Version::original`] has the text as written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parsed.fmt(f)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.original.fmt(f)
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parsed.cmp_precedence(&other.parsed)
    }
}

impl Hash for Version {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let semver::Version { major, minor, patch, pre, build: _ } = &self.parsed;
        (major, minor, patch, pre).hash(state);
    }
}

/// Reasons why a text is not a version. The texts are those of Masterminds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseVersionError {
    /// The text does not have the form of a version.
    #[error("invalid semantic version")]
    Invalid,
    /// The text is empty. Only strict parsing reports this.
    #[error("version string empty")]
    Empty,
    /// The text is longer than a version may be.
    #[error("version string is too long (max {LONGEST} bytes)")]
    TooLong,
    /// A number contains another character than a digit. Only strict parsing reports this.
    #[error("invalid characters in version")]
    Characters,
    /// A number or a numeric part of the prerelease starts with a zero.
    #[error("version segment starts with 0")]
    LeadingZero,
    /// The prerelease has other characters than letters, digits and hyphens.
    #[error("invalid prerelease string")]
    Prerelease,
    /// The build metadata has other characters than letters, digits and hyphens.
    #[error("invalid metadata string")]
    Metadata,
    /// A number is out of range in loose parsing.
    #[error("error parsing version segment: {0}")]
    Segment(ParseNumberError),
    /// A number is missing or out of range in strict parsing.
    #[error(transparent)]
    Number(ParseNumberError),
}

/// The reason why a part of a version is not a number. The text is that of Go's `strconv`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("strconv.ParseUint: parsing {}: {}", crate::quote::go(part), if part.is_empty() { "invalid syntax" } else { "value out of range" })]
pub struct ParseNumberError {
    part: Box<str>,
}

/// The parts of a version as both grammars split it, without validation.
#[derive(Debug, Default)]
pub(crate) struct Parts<'a> {
    pub(crate) major: &'a str,
    pub(crate) minor: &'a str,
    pub(crate) patch: &'a str,
    /// The prerelease without its hyphen.
    pub(crate) pre: &'a str,
    /// The build metadata without its plus sign.
    pub(crate) build: &'a str,
}

impl<'a> Parts<'a> {
    /// Cuts the longest version from the start of `text`: `v?part(.part)?(.part)?(-pre)?(+build)?`.
    /// `digit` selects the characters of a part. Returns the parts and the length, or `None` if the
    /// first part is missing.
    pub(crate) fn scan(
        text: &'a str,
        digit: impl Fn(char) -> bool + Copy,
    ) -> Option<(Self, usize)> {
        let identifier = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let mut rest = text.strip_prefix('v').unwrap_or(text);
        let mut parts = Self { major: cut(&mut rest, digit)?, ..Self::default() };
        for part in [&mut parts.minor, &mut parts.patch] {
            match cut_after(&mut rest, '.', |rest| cut(rest, digit)) {
                Some(found) => *part = found,
                None => break,
            }
        }
        parts.pre =
            cut_after(&mut rest, '-', |rest| cut_list(rest, identifier)).unwrap_or_default();
        parts.build =
            cut_after(&mut rest, '+', |rest| cut_list(rest, identifier)).unwrap_or_default();
        Some((parts, text.len() - rest.len()))
    }
}

/// Cuts the longest run of `wanted` characters, if there is one.
fn cut<'a>(rest: &mut &'a str, wanted: impl Fn(char) -> bool) -> Option<&'a str> {
    let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
    let (found, after) = rest.split_at(end);
    *rest = after;
    (!found.is_empty()).then_some(found)
}

/// Cuts `mark` and the text after it, if the text begins with `mark`.
fn cut_after<'a>(
    rest: &mut &'a str,
    mark: char,
    take: impl FnOnce(&mut &'a str) -> Option<&'a str>,
) -> Option<&'a str> {
    let mut after = rest.strip_prefix(mark)?;
    let found = take(&mut after)?;
    *rest = after;
    Some(found)
}

/// Cuts runs of `wanted` characters with dots between them.
fn cut_list<'a>(rest: &mut &'a str, wanted: impl Fn(char) -> bool + Copy) -> Option<&'a str> {
    let whole = *rest;
    cut(rest, wanted)?;
    while cut_after(rest, '.', |rest| cut(rest, wanted)).is_some() {}
    Some(&whole[..whole.len() - rest.len()])
}

fn parse_number(part: &str) -> Result<u64, ParseNumberError> {
    part.parse().map_err(|_| ParseNumberError { part: part.into() })
}

fn parse_prerelease(text: &str) -> Result<Prerelease, ParseVersionError> {
    Prerelease::new(text).map_err(|_| {
        // Masterminds checks one identifier after the other, its characters first.
        for identifier in text.split('.') {
            if identifier.is_empty()
                || !identifier.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            {
                return ParseVersionError::Prerelease;
            }
            if identifier.len() > 1
                && identifier.starts_with('0')
                && identifier.bytes().all(|b| b.is_ascii_digit())
            {
                return ParseVersionError::LeadingZero;
            }
        }
        ParseVersionError::Prerelease
    })
}

fn parse_build(text: &str) -> Result<BuildMetadata, ParseVersionError> {
    BuildMetadata::new(text).map_err(|_| ParseVersionError::Metadata)
}
