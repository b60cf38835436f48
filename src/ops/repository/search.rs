//! `search repo`: finds and orders the charts of all configured repositories as Helm does (helm.md
//! 4.7). Charts with the same output are in Helm's order, if Helm defines one.

use crate::{
    Error, Result,
    constraint::Constraint,
    index::{Index, Line},
    version::Version,
};
use regex::Regex;
use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

/// The meaning of the search term.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Term {
    /// A text, in any case.
    #[default]
    Text,
    /// A regular expression.
    Regex,
}

/// The number of a chart's versions to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Show {
    /// The first version in order.
    #[default]
    Newest,
    /// All versions.
    All,
}

/// Options of a search. The default is every chart's newest version.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// The search words. Without any, everything matches.
    pub words: Vec<String>,
    /// The meaning of the terms.
    pub term: Term,
    /// The range of versions; empty for all.
    pub range: String,
    /// The number of a chart's versions to show.
    pub show: Show,
}

/// A version that was found.
#[derive(Clone, Copy, Debug)]
pub struct Hit<'i> {
    /// The repository's name.
    pub repository: &'i str,
    /// The name under which the chart is listed.
    pub chart: &'i str,
    /// The index line of the version.
    pub line: &'i Line,
}

impl Hit<'_> {
    /// Returns the name, `repository/chart`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.repository, self.chart)
    }
}

/// Looks for charts in the indexes of repositories.
///
/// # Errors
/// `Usage` for a bad range or a bad regular expression.
pub fn search<'i>(indexes: &'i [(String, Index)], options: &Options) -> Result<Vec<Hit<'i>>> {
    let constraint = match options.range.as_str() {
        "" => None,
        range => Some(Constraint::parse(range).map_err(|error| {
            Error::usage(format!("an invalid version/constraint format: {error}"))
        })?),
    };
    let matcher = Matcher::new(options)?;
    let mut found: Vec<Found<'i>> = Vec::new();
    let mut text = String::new();
    for (repository, index) in indexes {
        for chart in index.charts() {
            let name: Rc<str> = format!("{repository}/{}", chart.name()).into();
            // Of a version that is listed twice, Helm keeps the last, even if that does not match.
            let mut places: HashMap<&str, usize> = HashMap::new();
            for line in chart.versions() {
                let score = matcher.score(repository, line, &mut text);
                let hit = Hit { repository, chart: chart.name(), line };
                let one = Found { score, name: Rc::clone(&name), hit };
                match places.get(line.version()) {
                    Some(at) => found[*at] = one,
                    None => {
                        places.insert(line.version(), found.len());
                        found.push(one);
                    }
                }
            }
        }
    }
    found.retain(|one| one.score.is_some());
    // An index has its versions newest first, and this sort keeps the order of equal ones.
    found.sort_by(|a, b| (a.score, &a.name).cmp(&(b.score, &b.name)));
    let mut seen: HashSet<Rc<str>> = HashSet::new();
    let mut hits = Vec::new();
    for Found { name, hit, .. } in found {
        if options.show == Show::Newest && seen.contains(&name) {
            continue;
        }
        if let Some(constraint) = &constraint
            && !Version::parse_loose(hit.line.version())
                .is_ok_and(|version| constraint.matches(&version))
        {
            continue;
        }
        seen.insert(name);
        hits.push(hit);
    }
    Ok(hits)
}

/// A version on its way to be a hit.
struct Found<'i> {
    /// The number of the field in which the match begins. 0 is the best.
    score: Option<usize>,
    name: Rc<str>,
    hit: Hit<'i>,
}

/// The separator of a line's fields.
const SEPARATOR: char = '\u{b}';

enum Matcher {
    Everything,
    Text(String),
    Regex(Regex),
}

impl Matcher {
    fn new(options: &Options) -> Result<Self> {
        if options.words.is_empty() {
            return Ok(Self::Everything);
        }
        let term = options.words.join(" ");
        Ok(match options.term {
            Term::Text => Self::Text(term.to_lowercase()),
            Term::Regex => Self::Regex(Regex::new(&term).map_err(|error| {
                Error::usage(format!("`{term}` is not a regular expression")).with_source(error)
            })?),
        })
    }

    /// Returns the number of the field in which the match begins. 0 is the best.
    fn score(&self, repository: &str, line: &Line, text: &mut String) -> Option<usize> {
        if matches!(self, Self::Everything) {
            return Some(0);
        }
        text.clear();
        text.push_str(line.name());
        text.push(SEPARATOR);
        text.push_str(repository);
        text.push('/');
        text.push_str(line.name());
        text.push(SEPARATOR);
        text.push_str(line.description());
        text.push(SEPARATOR);
        for (at, keyword) in line.keywords().enumerate() {
            if at > 0 {
                text.push(' ');
            }
            text.push_str(keyword);
        }
        let at = match self {
            Self::Everything => 0,
            Self::Text(term) => {
                if text.is_ascii() {
                    text.make_ascii_lowercase();
                } else {
                    *text = text.to_lowercase();
                }
                text.find(term.as_str())?
            }
            Self::Regex(regex) => regex.find(text)?.start(),
        };
        // A match on a separator counts for the field before it.
        Some(text[..at].matches(SEPARATOR).count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn index(text: &str) -> Index {
        Index::read(text.as_bytes().to_vec().into(), "test", &Limits::default()).expect("index")
    }

    fn names(hits: &[Hit<'_>]) -> Vec<String> {
        hits.iter().map(|hit| format!("{} {}", hit.name(), hit.line.version())).collect()
    }

    fn options(words: &[&str]) -> Options {
        Options {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            term: Term::Text,
            range: ">0.0.0".to_owned(),
            show: Show::Newest,
        }
    }

    fn entry(name: &str, version: &str, description: &str, keyword: &str) -> String {
        format!(
            "  - apiVersion: v2\n    name: {name}\n    version: {version}\n    description: {description}\n    \
             keywords: [{keyword}]\n    urls: [x.tgz]\n    created: \"2024-01-01T00:00:00Z\"\n"
        )
    }

    fn repositories() -> Vec<(String, Index)> {
        let head = "apiVersion: v1\nentries:\n";
        let one = format!(
            "{head}  alpine:\n{}{}  b:\n{}  zero:\n{}",
            entry("alpine", "1.0.0", "Linux", "os"),
            entry("alpine", "2.0.0-rc.1", "Linux next", "os"),
            entry("b", "0.1.0", "not ALPINE", "x"),
            entry("zero", "0.0.0", "nothing", "alpine"),
        );
        let two = format!("{head}  a:\n{}", entry("a", "1.0.0", "x", "alpine"));
        vec![("two".to_owned(), index(&two)), ("one".to_owned(), index(&one))]
    }

    #[test]
    fn the_field_of_the_match_decides_then_the_name() {
        let all = repositories();
        let found = search(&all, &options(&["Alpine"])).expect("hits");
        assert_eq!(names(&found), ["one/alpine 1.0.0", "one/b 0.1.0", "two/a 1.0.0"]);
        let found = search(&all, &options(&[])).expect("hits");
        assert_eq!(names(&found), ["one/alpine 1.0.0", "one/b 0.1.0", "two/a 1.0.0"]);
    }

    #[test]
    fn versions_prereleases_and_regular_expressions() {
        let all = repositories();
        let devel =
            Options { range: ">0.0.0-0".to_owned(), show: Show::All, ..options(&["one/al"]) };
        let found = search(&all, &devel).expect("hits");
        assert_eq!(names(&found), ["one/alpine 2.0.0-rc.1", "one/alpine 1.0.0"]);
        let regex = Options { term: Term::Regex, ..options(&["^b|L.nux$"]) };
        assert_eq!(names(&search(&all, &regex).expect("hits")), ["one/b 0.1.0"]);
        for bad in [
            Options { term: Term::Regex, ..options(&["("]) },
            Options { range: "x y".to_owned(), ..options(&[]) },
        ] {
            assert_eq!(search(&all, &bad).expect_err("bad").kind(), crate::ErrorKind::Usage);
        }
    }
}
