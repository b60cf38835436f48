//! The language of version ranges that charts use: `^1.2 || >=3 <4`, `~1.2.x`, `1.2 - 2.0.0`. The
//! grammar, its oddities and the error texts are those of Masterminds/semver 3.5, which Helm uses.
//! Cargo's ranges (`semver::VersionReq`) have another meaning.

use crate::version::{Parts, Version};
use std::{fmt, str::FromStr};

/// Bytes of the longest constraint that is read. The number is that of Masterminds.
const LONGEST: usize = 512;
/// Alternatives in one constraint. The number is that of Masterminds.
const MOST_GROUPS: usize = 32;

/// A range of versions: alternatives, each with comparators that must all match.
///
/// ```
/// use chartferry::{constraint::Constraint, version::Version};
///
/// let range = Constraint::parse("^1.2 || ~3.0").expect("range");
/// assert!(range.matches(&Version::parse_loose("1.9.0").expect("version")));
/// assert!(!range.matches(&Version::parse_loose("2.0.0").expect("version")));
/// ```
#[derive(Clone, Debug)]
pub struct Constraint {
    groups: Vec<Group>,
}

#[derive(Clone, Debug)]
struct Group {
    comparators: Vec<Comparator>,
    /// True if one comparator names a prerelease, which admits prereleases to its whole group.
    prereleases: bool,
}

#[derive(Clone, Debug)]
struct Comparator {
    operator: Operator,
    version: semver::Version,
    /// Precision of the written version: `1.x` and `1` leave the minor open.
    open: Open,
    /// Both parts as written, for display.
    written: (Box<str>, Box<str>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Tilde,
    Caret,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Nothing,
    Patch,
    Minor,
    Major,
}

impl Constraint {
    /// Parses a constraint.
    pub fn parse(text: &str) -> Result<Self, ParseConstraintError> {
        if text.len() > LONGEST {
            return Err(ParseConstraintError::TooLong);
        }
        let text = rewrite_ranges(text);
        if text.split("||").count() > MOST_GROUPS {
            return Err(ParseConstraintError::TooManyGroups);
        }
        let groups = text.split("||").map(Group::parse).collect::<Result<_, _>>()?;
        Ok(Self { groups })
    }

    /// Returns true if `version` satisfies the constraint. A prerelease satisfies it only if some
    /// comparator of the same alternative names a prerelease.
    pub fn matches(&self, version: &Version) -> bool {
        let version = version.precedence();
        self.groups.iter().any(|group| {
            (version.pre.is_empty() || group.prereleases)
                && group.comparators.iter().all(|comparator| comparator.matches(version))
        })
    }
}

impl FromStr for Constraint {
    type Err = ParseConstraintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, group) in self.groups.iter().enumerate() {
            if at > 0 {
                f.write_str(" || ")?;
            }
            for (at, comparator) in group.comparators.iter().enumerate() {
                if at > 0 {
                    f.write_str(" ")?;
                }
                let (operator, version) = &comparator.written;
                write!(f, "{operator}{version}")?;
            }
        }
        Ok(())
    }
}

/// Reasons why a text is not a constraint. The texts are those of Masterminds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseConstraintError {
    /// One alternative has the wrong form. The value is its text between the bars.
    #[error("improper constraint: {}", crate::quote::go(.0))]
    Improper(Box<str>),
    /// The form is right, but a number (`1x`, `99999999999999999999`) or a prerelease (`1.0.0-01`)
    /// is invalid.
    #[error("constraint parser error")]
    Version,
    /// The text is longer than a constraint may be.
    #[error("constraint string is too long (max {LONGEST} bytes)")]
    TooLong,
    /// The text has more alternatives than a constraint may have.
    #[error("too many constraint groups (max {MOST_GROUPS})")]
    TooManyGroups,
}

impl Group {
    fn parse(text: &str) -> Result<Self, ParseConstraintError> {
        let improper = || ParseConstraintError::Improper(text.into());
        // The form of the whole group is checked before any version in it.
        let mut found = Vec::new();
        let mut rest = trim_start(text);
        loop {
            let (operator, after) = cut_operator(rest);
            let after = trim_start(after);
            let (parts, length) = Parts::scan(after, is_part).ok_or_else(improper)?;
            let (version, after) = after.split_at(length);
            found.push((operator, version, parts));
            rest = trim_start(after);
            if rest.is_empty() {
                break;
            }
            match rest.strip_prefix(',') {
                Some(after) => rest = trim_start(after),
                None if rest.len() < after.len() => {}
                None => return Err(improper()),
            }
        }
        let comparators = found
            .into_iter()
            .map(|(operator, version, parts)| Comparator::new(operator, version, &parts))
            .collect::<Result<Vec<_>, _>>()?;
        let prereleases = comparators.iter().any(|comparator| !comparator.version.pre.is_empty());
        Ok(Self { comparators, prereleases })
    }
}

impl Comparator {
    fn new(operator: &str, written: &str, parts: &Parts<'_>) -> Result<Self, ParseConstraintError> {
        let is_open = |part: &str| matches!(part, "" | "x" | "X" | "*");
        let open = if is_open(parts.major) {
            Open::Major
        } else if is_open(parts.minor) {
            Open::Minor
        } else if is_open(parts.patch) {
            Open::Patch
        } else {
            Open::Nothing
        };
        let pre = if parts.pre.is_empty() { "" } else { "-" };
        let (major, minor, pre) = (parts.major, parts.minor, format!("{pre}{}", parts.pre));
        let full = match open {
            Open::Nothing => written.into(),
            Open::Patch => format!("{major}.{minor}.0{pre}"),
            Open::Minor => format!("{major}.0.0{pre}"),
            Open::Major => format!("0.0.0{pre}"),
        };
        let version = Version::parse_loose(&full).map_err(|_| ParseConstraintError::Version)?;
        Ok(Self {
            operator: match operator {
                "!=" => Operator::NotEqual,
                ">" => Operator::Greater,
                "<" => Operator::Less,
                ">=" | "=>" => Operator::GreaterEqual,
                "<=" | "=<" => Operator::LessEqual,
                "~" | "~>" => Operator::Tilde,
                "^" => Operator::Caret,
                _ => Operator::Equal,
            },
            version: version.precedence().clone(),
            open,
            written: (operator.into(), written.into()),
        })
    }

    fn matches(&self, version: &semver::Version) -> bool {
        let own = &self.version;
        let order = version.cmp_precedence(own);
        let minor_open = self.open == Open::Minor;
        match self.operator {
            Operator::Equal if self.open == Open::Nothing => order.is_eq(),
            Operator::Equal | Operator::Tilde => order.is_ge() && self.tilde(version),
            Operator::NotEqual if self.open == Open::Nothing => order.is_ne(),
            Operator::NotEqual => self.differs(version),
            Operator::Less => order.is_lt(),
            Operator::GreaterEqual => order.is_ge(),
            Operator::Greater => match self.open {
                Open::Nothing => order.is_gt(),
                Open::Minor => version.major > own.major,
                Open::Patch => (version.major, version.minor) > (own.major, own.minor),
                Open::Major => version.major > 0 || order.is_gt(),
            },
            Operator::LessEqual if self.open == Open::Nothing => order.is_le(),
            Operator::LessEqual => {
                version.major < own.major
                    || version.major == own.major && (minor_open || version.minor <= own.minor)
            }
            Operator::Caret => order.is_ge() && self.caret(version),
        }
    }

    /// Matches the same major number, and the same minor number unless that is open. `~0.0.0` and
    /// `~*` match everything.
    fn tilde(&self, version: &semver::Version) -> bool {
        let own = &self.version;
        let any = (own.major, own.minor, own.patch) == (0, 0, 0)
            && !matches!(self.open, Open::Minor | Open::Patch);
        any || version.major == own.major
            && (self.open == Open::Minor || version.minor == own.minor)
    }

    /// Matches the same leftmost number that is not zero. `^*` means `^0.0.0`, which matches only
    /// 0.0.0, as in Masterminds.
    fn caret(&self, version: &semver::Version) -> bool {
        let own = &self.version;
        if own.major > 0 || self.open == Open::Minor {
            return version.major == own.major;
        }
        if own.minor > 0 || self.open == Open::Patch {
            return version.major == 0 && version.minor == own.minor;
        }
        (version.major, version.minor, version.patch) == (0, 0, own.patch)
    }

    /// Matches `!=` with an open part.
    fn differs(&self, version: &semver::Version) -> bool {
        let own = &self.version;
        if version.major != own.major {
            return true;
        }
        match self.open {
            Open::Minor => false,
            Open::Patch => {
                version.minor != own.minor
                    || !(version.pre.is_empty() && own.pre.is_empty()) && version.pre != own.pre
            }
            // `!=*` means `!=0.0.0`, without regard to build metadata.
            Open::Major | Open::Nothing => version.cmp_precedence(own).is_ne(),
        }
    }
}

/// Returns true for a character that Masterminds accepts in a version. The bar is in its class by
/// mistake and fails later, as a number.
fn is_part(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, 'x' | 'X' | '*' | '|')
}

/// Returns true for a character of Go's `\s`.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}')
}

fn trim_start(text: &str) -> &str {
    text.trim_start_matches(is_space)
}

fn cut_operator(text: &str) -> (&str, &str) {
    let length = ["!=", ">=", "=>", "<=", "=<", "~>", "=", ">", "<", "~", "^"]
        .iter()
        .find(|operator| text.starts_with(**operator))
        .map_or(0, |operator| operator.len());
    text.split_at(length)
}

/// Rewrites `1.2 - 2.0.0` as `>= 1.2, <= 2.0.0` anywhere in the text before it is parsed, as
/// Masterminds does.
fn rewrite_ranges(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some((low, high, after)) = cut_range(rest) {
            out.push_str(">= ");
            out.push_str(low);
            out.push_str(", <= ");
            out.push_str(high);
            out.push(' ');
            rest = after;
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

/// Cuts a range from the start of `text`, with the spaces around it.
fn cut_range(text: &str) -> Option<(&str, &str, &str)> {
    let text = trim_start(text);
    let (_, length) = Parts::scan(text, is_part)?;
    let (low, rest) = text.split_at(length);
    let rest = trim_some_space(trim_some_space(rest)?.strip_prefix('-')?)?;
    let (_, length) = Parts::scan(rest, is_part)?;
    let (high, rest) = rest.split_at(length);
    Some((low, high, trim_start(rest)))
}

fn trim_some_space(text: &str) -> Option<&str> {
    let rest = trim_start(text);
    (rest.len() < text.len()).then_some(rest)
}
