//! The rules of `.helmignore`, which exclude files of a chart's directory. The format resembles
//! `.gitignore` but differs (helm.md 1.7): the first rule that decides wins, and a negated rule
//! ignores everything that it does *not* match.

use super::glob::{BadPattern, Glob};
use crate::{Error, ErrorKind, Result};

/// The rule that Helm appends to every set: files such as editors leave, directly in `templates/`.
const BUILT_IN: &str = "templates/.?*";

/// Bytes of a line that Go's scanner refuses.
const LINE_BYTES: usize = 64 * 1024;

/// The kind of the file at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file, or the file that a link points to.
    File,
    /// A directory. The walk does not enter an ignored one.
    Directory,
}

/// The rules of one chart, with Helm's built-in rule last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    negated: bool,
    only_directories: bool,
    scope: Scope,
    glob: Glob,
}

/// The part of a path to which a rule applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// The whole path, for a rule with a slash within or at the start.
    Path,
    /// The last segment of the path.
    Name,
}

impl Default for Rules {
    /// Returns the built-in rule alone, for a chart without a `.helmignore`.
    fn default() -> Self {
        let built_in = Rule::parse(BUILT_IN.as_bytes()).expect("the built-in rule is a pattern");
        Self(built_in.into_iter().collect())
    }
}

impl Rules {
    /// Reads a `.helmignore`. It skips a byte order mark.
    ///
    /// # Errors
    /// Helm's errors `double-star (**) syntax is not supported` and `syntax error in pattern`, with
    /// the line in the hint.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut rules = Vec::new();
        for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            if line.len() >= LINE_BYTES {
                return Err(Error::new(ErrorKind::Limit, "bufio.Scanner: token too long")
                    .with_hint(format!("line {} of .helmignore is longer than 64 KiB", at + 1)));
            }
            let rule = Rule::parse(line).map_err(|error| {
                let text = String::from_utf8_lossy(line);
                error.with_hint(format!("see line {} of .helmignore: `{}`", at + 1, text.trim()))
            })?;
            rules.extend(rule);
        }
        rules.extend(Self::default().0);
        Ok(Self(rules))
    }

    /// Returns true if the rules exclude `path`, which is relative to the chart and separated by
    /// `/`. For files below an ignored directory the result may be false: the caller skips the
    /// whole directory.
    pub fn ignores(&self, path: &str, kind: Kind) -> bool {
        if matches!(path, "" | "." | "./") {
            return false;
        }
        for rule in &self.0 {
            let matches = (!rule.only_directories || kind == Kind::Directory) && rule.matches(path);
            if matches != rule.negated {
                return true;
            }
        }
        false
    }
}

impl Rule {
    fn parse(line: &[u8]) -> Result<Option<Self>> {
        let line = trim(line);
        if line.is_empty() || line.starts_with(b"#") {
            return Ok(None);
        }
        if line.windows(2).any(|pair| pair == b"**") {
            return Err(Error::invalid("double-star (**) syntax is not supported"));
        }
        // Helm tries each rule on this name and does not notice a fault after the end of the match.
        Glob::new(line)
            .matches(b"abc")
            .map_err(|error: BadPattern| Error::invalid(error.to_string()))?;
        let (negated, line) = strip(line, line.strip_prefix(b"!"));
        let (only_directories, line) = strip(line, line.strip_suffix(b"/"));
        let (anchored, line) = strip(line, line.strip_prefix(b"/"));
        let scope = if anchored || line.contains(&b'/') { Scope::Path } else { Scope::Name };
        Ok(Some(Self { negated, only_directories, scope, glob: Glob::new(line) }))
    }

    fn matches(&self, path: &str) -> bool {
        let subject = match self.scope {
            Scope::Path => path,
            Scope::Name => {
                let path = path.trim_end_matches('/');
                path.rsplit_once('/').map_or(path, |(_, name)| name)
            }
        };
        // Helm logs the fault; the rule then matches nothing.
        self.glob.matches(subject.as_bytes()).unwrap_or(false)
    }
}

fn strip<'l>(line: &'l [u8], stripped: Option<&'l [u8]>) -> (bool, &'l [u8]) {
    (stripped.is_some(), stripped.unwrap_or(line))
}

/// Removes the white space of Unicode at both ends, even if the text between is not UTF-8.
fn trim(line: &[u8]) -> &[u8] {
    let Ok(text) = std::str::from_utf8(line) else {
        return line.trim_ascii();
    };
    text.trim().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Results of Helm's own code: `"rules" path=verdict …`, or its error.
    const ANSWERS: &str = include_str!("../../testdata/chart/ign.txt");

    fn unquote(text: &str) -> String {
        serde_json::from_str(text).expect("a quoted string")
    }

    fn judge(rules: &Rules, path: &str) -> bool {
        match path.strip_suffix('/') {
            Some(directory) => rules.ignores(directory, Kind::Directory),
            None => rules.ignores(path, Kind::File),
        }
    }

    #[test]
    fn every_answer_of_helm_is_ours() {
        let mut checked = 0;
        for line in ANSWERS.lines() {
            let Some(end) = line.rfind('"') else {
                let (path, verdict) = line.rsplit_once(' ').expect("path and verdict");
                assert_eq!(judge(&Rules::default(), path).to_string(), verdict, "built-in: {path}");
                checked += 1;
                continue;
            };
            let text = unquote(&line[..=end]);
            let rest = line[end + 1..].trim();
            let rules = Rules::parse(text.as_bytes());
            if let Some(message) = rest.strip_prefix("ERR ").or_else(|| rest.strip_prefix("-> ")) {
                assert_eq!(rules.expect_err(&text).message(), message, "{text}");
                checked += 1;
                continue;
            }
            let rules = rules.expect(&text);
            for (path, verdict) in
                rest.split(' ').map(|pair| pair.rsplit_once('=').expect("path=verdict"))
            {
                assert_eq!(judge(&rules, path).to_string(), verdict, "{text:?} on {path}");
                checked += 1;
            }
        }
        assert_eq!(checked, 59, "the whole table was read");
    }

    #[test]
    fn marks_blanks_and_crlf_around_a_line_do_not_count() {
        let rules = Rules::parse("\u{feff}\u{a0}a.txt \r\n\r\n  # note\r\n\tb.txt".as_bytes())
            .expect("rules");
        assert!(rules.ignores("a.txt", Kind::File) && rules.ignores("x/b.txt", Kind::File));
        assert!(!rules.ignores("# note", Kind::File));
    }

    #[test]
    fn what_is_left_of_a_rule_may_be_no_pattern_and_then_matches_nothing() {
        for (text, ignored) in
            [("\\/", false), ("!\\/", true), ("/", false), ("!", true), ("!/", true), ("//", false)]
        {
            let rules = Rules::parse(text.as_bytes()).expect(text);
            assert_eq!(rules.ignores("a", Kind::Directory), ignored, "{text}");
        }
    }

    #[test]
    fn a_refused_line_is_named() {
        let error = Rules::parse(b"a\nb/**\n").expect_err("double star");
        assert_eq!(error.hint().as_deref(), Some("see line 2 of .helmignore: `b/**`"));
        assert!(Rules::parse(&[b'a'; LINE_BYTES]).is_err());
        assert!(Rules::parse(&[b'a'; LINE_BYTES - 1]).is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64), path in ".{0,24}") {
            if let Ok(rules) = Rules::parse(&bytes) {
                rules.ignores(&path, Kind::File);
                rules.ignores(&path, Kind::Directory);
            }
        }

        #[test]
        fn the_chart_itself_is_never_ignored(text in "[!*?a-z/.\n]{0,24}") {
            if let Ok(rules) = Rules::parse(text.as_bytes()) {
                prop_assert!(!rules.ignores(".", Kind::Directory));
            }
        }
    }
}
