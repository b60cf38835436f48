//! Comparison of declared dependencies with the present ones: the missing ones, the archive of
//! each, and the state of each. The module is pure; `crate::ops` looks into `charts/`, resolves and
//! downloads.

use super::glob::{BadPattern, Glob};
use super::{Dependency, Metadata};
use crate::constraint::Constraint;
use crate::version::Version;
use crate::{Error, Result};
use std::fmt;

/// The state of a declared dependency, as `dependency list` prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// The archive exists and matches.
    Ok,
    /// A folder, or an archive with another name, has the dependency in a matching version.
    Unpacked,
    /// The chart does not contain the dependency.
    Missing,
    /// The archive is not a chart.
    Corrupt,
    /// The archive has a chart of another name.
    Misnamed,
    /// The chart contains the dependency in a version outside the declared range.
    WrongVersion,
    /// The declared range or the present version is invalid.
    InvalidVersion,
    /// Several archives match the name.
    TooManyMatches,
    /// The dependency's name contains characters of a pattern, so it is not a file's name.
    BadPattern,
}

impl Status {
    /// Returns Helm's word for the state.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unpacked => "unpacked",
            Self::Missing => "missing",
            Self::Corrupt => "corrupt",
            Self::Misnamed => "misnamed",
            Self::WrongVersion => "wrong version",
            Self::InvalidVersion => "invalid version",
            Self::TooManyMatches => "too many matches",
            Self::BadPattern => "bad pattern",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The result of the search for a dependency's archive in `charts/`, by file names alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Archive<'n> {
    /// The name of the only match.
    One(&'n str),
    /// No file has a matching name.
    None,
    /// Several files have a matching name, so none is examined: [`Status::TooManyMatches`].
    Several,
    /// The dependency's name is an invalid pattern: [`Status::BadPattern`].
    BadPattern,
}

/// The name and version of a chart that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Present<'c> {
    /// The name of the chart.
    pub name: &'c str,
    /// The version of the chart.
    pub version: &'c str,
}

/// Returns the requirements.yaml of a chart for Helm 2 that declares these dependencies.
pub fn requirements(dependencies: &[Dependency]) -> String {
    use super::decode::Target as _;
    let list: Vec<Option<Dependency>> = dependencies.iter().cloned().map(Some).collect();
    crate::yaml::emit_node(&crate::yaml::Node::Map(vec![("dependencies", list.encode())]))
}

impl Dependency {
    /// Picks the dependency's archive, `NAME-*.tgz`, from the names of the files in `charts/`. It
    /// ignores names whose ending is not a strict version, if one other remains: `a-b-1.0.0.tgz` is
    /// not an archive of `a`.
    pub fn archive<'n>(&self, files: &[&'n str]) -> Archive<'n> {
        let pattern = Glob::new(format!("{}-*.tgz", self.name).as_bytes());
        let candidates = files.iter().filter_map(|file| match pattern.matches(file.as_bytes()) {
            Ok(false) => None,
            Ok(true) => Some(Ok(*file)),
            Err(BadPattern) => Some(Err(BadPattern)),
        });
        let Ok(candidates) = candidates.collect::<Result<Vec<_>, _>>() else {
            return Archive::BadPattern;
        };
        if let [one] = *candidates {
            return Archive::One(one);
        }
        let versioned = |file: &&&str| {
            let stem = file.strip_suffix(".tgz").unwrap_or(file);
            let version =
                stem.strip_prefix(self.name.as_str()).and_then(|rest| rest.strip_prefix('-'));
            Version::parse_strict(version.unwrap_or(stem)).is_ok()
        };
        match *candidates.iter().filter(versioned).collect::<Vec<_>>() {
            [] => Archive::None,
            [one] => Archive::One(one),
            _ => Archive::Several,
        }
    }

    /// Returns the state of a dependency whose archive has this chart, or no chart.
    pub fn status_of_archive(&self, chart: Option<Present<'_>>) -> Status {
        match chart {
            None => Status::Corrupt,
            Some(chart) if chart.name != self.name => Status::Misnamed,
            Some(chart) => self.misfit(chart.version).unwrap_or(Status::Ok),
        }
    }

    /// Returns the state of a dependency without an archive, by the charts that were loaded. Of
    /// several with its name, the last one counts.
    pub fn status_among(&self, charts: &[Present<'_>]) -> Status {
        match charts.iter().rfind(|chart| chart.name == self.name) {
            None => Status::Missing,
            Some(chart) => self.misfit(chart.version).unwrap_or(Status::Unpacked),
        }
    }

    /// Returns the state for a `version` that does not match, or `None` if it matches. The declared
    /// text itself always matches, without being parsed.
    fn misfit(&self, version: &str) -> Option<Status> {
        if version == self.version {
            return None;
        }
        match (Constraint::parse(&self.version), Version::parse_loose(version)) {
            (Ok(constraint), Ok(version)) if constraint.matches(&version) => None,
            (Ok(_), Ok(_)) => Some(Status::WrongVersion),
            _ => Some(Status::InvalidVersion),
        }
    }
}

impl Metadata {
    /// Checks that each declared dependency is among the charts of these names. It ignores aliases
    /// and conditions.
    ///
    /// # Errors
    /// Helm's text, which names the missing ones.
    pub fn require_dependencies(&self, charts: &[&str]) -> Result<()> {
        let declared = self.dependencies.iter().flatten().map(|one| one.name.as_str());
        let missing: Vec<_> = declared.filter(|name| !charts.contains(name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let missing = missing.join(", ");
        Err(Error::invalid(format!(
            "found in Chart.yaml, but missing in charts/ directory: {missing}"
        ))
        .with_hint("`dependency update` downloads the dependencies in Chart.yaml to charts/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dependency(name: &str, version: &str) -> Dependency {
        Dependency { name: name.into(), version: version.into(), ..Dependency::default() }
    }

    #[test]
    fn an_archive_is_known_by_its_name() {
        let archive = |name, files: &[&'static str]| dependency(name, "").archive(files);
        for (name, files, expected) in [
            (
                "a",
                &["a-1.0.0.tgz", "b-1.0.0.tgz", "a.tgz", "a-1.0.0.zip"][..],
                Archive::One("a-1.0.0.tgz"),
            ),
            ("a", &["a-whatever.tgz"], Archive::One("a-whatever.tgz")),
            ("a", &["a-b-1.0.0.tgz", "a-1.0.0.tgz"], Archive::One("a-1.0.0.tgz")),
            ("a", &["a-b-1.0.0.tgz", "a-v1.tgz"], Archive::None),
            ("a", &["a-1.0.0.tgz", "a-1.0.1.tgz"], Archive::Several),
            ("a", &["a", "ab-1.0.0.tgz", "A-1.0.0.tgz"], Archive::None),
            ("[", &["a-1.0.0.tgz"], Archive::BadPattern),
            ("?", &["a-1.0.0.tgz"], Archive::One("a-1.0.0.tgz")),
        ] {
            assert_eq!(archive(name, files), expected, "{name} {files:?}");
        }
    }

    #[test]
    fn a_version_that_is_there_is_held_against_the_range() {
        for (range, version, expected) in [
            ("1.0.0", "1.0.0", Status::Ok),
            ("^1", "1.9.0", Status::Ok),
            ("^1", "2.0.0", Status::WrongVersion),
            ("nonsense", "nonsense", Status::Ok),
            ("nonsense", "1.0.0", Status::InvalidVersion),
            ("", "1.0.0", Status::InvalidVersion),
            ("^1", "nonsense", Status::InvalidVersion),
            (">=1.0.0-0", "2.0.0-rc.1", Status::Ok),
            ("*", "2.0.0-rc.1", Status::WrongVersion),
        ] {
            let chart = Present { name: "a", version };
            let declared = dependency("a", range);
            assert_eq!(declared.status_of_archive(Some(chart)), expected, "{range} {version}");
            let unpacked = if expected == Status::Ok { Status::Unpacked } else { expected };
            assert_eq!(declared.status_among(&[chart]), unpacked, "{range} {version}");
        }
    }

    #[test]
    fn what_is_there_may_be_another_chart_or_none() {
        let declared = dependency("a", "1.0.0");
        let chart = |name, version| Present { name, version };
        assert_eq!(declared.status_of_archive(None), Status::Corrupt);
        assert_eq!(declared.status_of_archive(Some(chart("b", "1.0.0"))), Status::Misnamed);
        assert_eq!(declared.status_among(&[]), Status::Missing);
        assert_eq!(declared.status_among(&[chart("b", "1.0.0")]), Status::Missing);
        let twice = [chart("a", "1.0.0"), chart("a", "3.0.0")];
        assert_eq!(declared.status_among(&twice), Status::WrongVersion);
        assert_eq!(format!("{:16}|", Status::TooManyMatches), "too many matches|");
    }

    #[test]
    fn what_is_missing_is_named() {
        let mut named = dependency("a", "1");
        named.alias = "b".into();
        let dependencies =
            vec![Some(named), Some(dependency("c", "1")), Some(dependency("d", "1"))];
        let metadata = Metadata { dependencies, ..Metadata::default() };
        assert!(metadata.require_dependencies(&["a", "c", "d", "e"]).is_ok());
        assert_eq!(
            metadata.require_dependencies(&["b", "d"]).expect_err("missing").message(),
            "found in Chart.yaml, but missing in charts/ directory: a, c"
        );
    }
}
