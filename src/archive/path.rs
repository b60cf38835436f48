//! The only rules for names within a chart: the names that Helm refuses, in its order and words,
//! and those that only chartferry refuses. A [`Name`] can be joined to a directory and stays within
//! it.

use crate::{Error, ErrorKind, Result, limits::Limits};
use std::fmt;

/// A file's path within a chart: relative, clean, separated by `/`, without `..`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Name(String);

impl Name {
    /// Returns the name of an archive's entry. The first segment is the chart's directory, whatever
    /// its name, and is dropped. In a name with any `\`, that is the separator.
    ///
    /// # Errors
    /// Helm's errors, in its order (helm.md 1.8); then an error for a name that is not UTF-8, has
    /// control characters, is too long or too deep.
    pub(super) fn from_entry(bytes: &[u8], limits: &Limits) -> Result<Self> {
        if bytes.len() > limits.path_bytes {
            return Err(too_long(limits));
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            let text = String::from_utf8_lossy(bytes);
            return Err(Error::invalid(format!(
                "chart contains a file name that is not UTF-8: {text:?}"
            )));
        };
        if let Some((first, rest)) = text.split_once('/')
            && is_ordinary(rest)
            && is_ordinary(first)
            && first != CHART
        {
            return Self::within(rest.to_owned(), limits);
        }
        let separator = if text.contains('\\') { '\\' } else { '/' };
        let (first, rest) = text.split_once(separator).unwrap_or((text, ""));
        let rest = rest.replace(separator, "/");
        if rest.starts_with('/') {
            return Err(Error::invalid("chart illegally contains absolute paths"));
        }
        let name = clean(&rest);
        if name == "." {
            return Err(Error::invalid(format!(
                "chart illegally contains content outside the base directory: {text:?}"
            )));
        }
        if name.starts_with("..") {
            return Err(Error::invalid("chart illegally references parent directory"));
        }
        if is_drive(&name) {
            return Err(Error::invalid("chart contains illegally named files"));
        }
        if first == CHART {
            return Err(Error::invalid("chart yaml not in base directory"));
        }
        Self::checked(name, limits)
    }

    /// Returns the name of a file in a chart's directory.
    ///
    /// # Errors
    /// The errors of [`Self::from_entry`] that apply to files on disk.
    pub(super) fn from_walk(path: String, limits: &Limits) -> Result<Self> {
        Self::checked(path, limits)
    }

    /// Returns the text of the name.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    fn checked(name: String, limits: &Limits) -> Result<Self> {
        if name.chars().any(char::is_control) {
            return Err(Error::invalid(format!(
                "chart contains control characters in a file name: {name:?}"
            )));
        }
        Self::within(name, limits)
    }

    fn within(name: String, limits: &Limits) -> Result<Self> {
        if name.len() > limits.path_bytes {
            return Err(too_long(limits));
        }
        if name.matches('/').count() > limits.depth {
            let message = format!("chart contains directories more than {} deep", limits.depth);
            return Err(Error::new(ErrorKind::Limit, message));
        }
        Ok(Self(name))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a file in the place of the chart's directory.
const CHART: &str = "Chart.yaml";

/// Returns true if a path consists of letters, digits, `-`, `_` and points, and no segment is empty
/// or begins with a point. All tools read such a path in the same way.
fn is_ordinary(path: &str) -> bool {
    let mut before = b'/';
    for byte in path.bytes() {
        let is_sound = match byte {
            b'/' | b'.' => before != b'/',
            _ => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'),
        };
        if !is_sound {
            return false;
        }
        before = byte;
    }
    before != b'/'
}

/// Returns Go's `path.Clean` of a relative path: without empty or `.` segments, and with `..` only
/// at the start.
fn clean(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." if segments.last().is_some_and(|last| *last != "..") => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    if segments.is_empty() { ".".to_owned() } else { segments.join("/") }
}

fn is_drive(name: &str) -> bool {
    matches!(name.as_bytes(), [letter, b':', b'/', ..] if letter.is_ascii_alphabetic())
}

fn too_long(limits: &Limits) -> Error {
    let message = format!("chart contains a file name longer than {} bytes", limits.path_bytes);
    Error::new(ErrorKind::Limit, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(entry: &str) -> Result<String, String> {
        Name::from_entry(entry.as_bytes(), &Limits::default())
            .map(|name| name.0)
            .map_err(|error| error.message().to_owned())
    }

    #[test]
    fn names_are_judged_as_helm_does() {
        const PARENT: &str = "chart illegally references parent directory";
        const ABSOLUTE: &str = "chart illegally contains absolute paths";
        const ILLEGAL: &str = "chart contains illegally named files";
        const OUTSIDE: &str = "chart illegally contains content outside the base directory: ";
        for (entry, error) in [
            ("../../malformed-helm-test", PARENT),
            ("/foo/../../malformed-helm-test", PARENT),
            ("/../../malformed-helm-test", PARENT),
            ("./../../malformed-helm-test", PARENT),
            (r"\..\..\foo", PARENT),
            ("demo/..foo", PARENT),
            ("demo/..data/x", PARENT),
            ("demo/a/../../b", PARENT),
            ("./.", &format!("{OUTSIDE}\"./.\"")),
            ("/./.", &format!("{OUTSIDE}\"/./.\"")),
            ("missing-leading-slash", &format!("{OUTSIDE}\"missing-leading-slash\"")),
            ("Chart.yaml", &format!("{OUTSIDE}\"Chart.yaml\"")),
            ("//foo", ABSOLUTE),
            ("///foo", ABSOLUTE),
            (r"\\foo", ABSOLUTE),
            (r"\\?\Some\windows\magic", ABSOLUTE),
            (r"\.\c:\\foo", ILLEGAL),
            ("/./c://foo", ILLEGAL),
            ("demo/c:/x", ILLEGAL),
            ("Chart.yaml/sub", "chart yaml not in base directory"),
            ("demo/a\nb", "chart contains control characters in a file name: \"a\\nb\""),
            ("demo/a\u{9b}b", "chart contains control characters in a file name: \"a\\u{9b}b\""),
        ] {
            assert_eq!(name(entry), Err(error.to_owned()), "{entry}");
        }
        for (entry, expected) in [
            ("/Chart.yaml", "Chart.yaml"),
            (r"c:\Chart.yaml", "Chart.yaml"),
            ("/missing-leading-slash", "missing-leading-slash"),
            ("files/whatever.yaml", "whatever.yaml"),
            ("demo/a/../b", "b"),
            ("demo/a/c:/x", "a/c:/x"),
            (r"foo/bar\baz", "baz"),
            ("demo/./a//b/", "a/b"),
            ("demo/é/日本.yaml", "é/日本.yaml"),
        ] {
            assert_eq!(name(entry), Ok(expected.to_owned()), "{entry}");
        }
    }

    #[test]
    fn caps_hold() {
        let limits = Limits::default();
        let deep = format!("demo/{}x", "a/".repeat(limits.depth + 1));
        assert_eq!(name(&deep), Err("chart contains directories more than 64 deep".to_owned()));
        let long = format!("demo/{}", "a".repeat(limits.path_bytes));
        assert_eq!(
            name(&long),
            Err("chart contains a file name longer than 4096 bytes".to_owned())
        );
        let bad = Name::from_entry(b"demo/\xff", &limits).expect_err("not UTF-8");
        assert_eq!(
            bad.message(),
            "chart contains a file name that is not UTF-8: \"demo/\u{fffd}\""
        );
    }

    proptest! {
        #[test]
        fn a_name_never_leaves_its_directory(entry in r"[a-c./\\:]{0,24}") {
            if let Some((first, rest)) = entry.split_once('/')
                && is_ordinary(first) && is_ordinary(rest)
            {
                prop_assert_eq!(clean(rest), rest);
                prop_assert_eq!(name(&entry), Ok(rest.to_owned()));
            }
            if let Ok(name) = name(&entry) {
                prop_assert!(!name.starts_with('/') && !name.is_empty());
                prop_assert!(name.split('/').all(|segment| !matches!(segment, "" | "." | "..")));
            }
        }
    }
}
