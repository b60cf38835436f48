//! The selection of versions by name, range, age and number. It is pure: the caller passes the
//! time.

use super::candidate::{Candidate, Fingerprint};
use crate::{Error, Result, chart::glob::Glob, constraint::Constraint, version::Version};
use jiff::Timestamp;
use regex::Regex;
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
    time::Duration,
};

/// A pattern for charts' names: a glob, or `/regular expression/`.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Glob(Glob),
    Regex(Regex),
}

impl Pattern {
    /// Returns true if the pattern matches a name.
    pub fn takes(&self, name: &str) -> bool {
        match &self.kind {
            // The pattern was tried when it was parsed, so this does not fail.
            Kind::Glob(glob) => glob.matches(name.as_bytes()).unwrap_or(false),
            Kind::Regex(regex) => regex.is_match(name),
        }
    }
}

impl FromStr for Pattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let inner = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
        let kind = match inner {
            Some(regex) => Kind::Regex(Regex::new(regex).map_err(|error| {
                Error::usage(format!("`{text}` is not a regular expression")).with_source(error)
            })?),
            None => {
                let glob = Glob::new(text.as_bytes());
                if text.is_empty() || !glob.is_sound() {
                    return Err(Error::usage(format!(
                        "`{text}` is not a pattern for charts' names"
                    ))
                    .with_hint("write a glob such as `kube-*`, or `/^kube-(state|proxy)/`"));
                }
                Kind::Glob(glob)
            }
        };
        Ok(Self { text: text.to_owned(), kind })
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The rule for the charts that a pattern matches.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The charts that the rule applies to.
    pub name: Pattern,
    /// The range of versions. `None` selects all.
    pub versions: Option<Constraint>,
    /// The number of those versions, newest first. `None` selects all.
    pub latest: Option<usize>,
}

impl FromStr for Rule {
    type Err = Error;

    /// Parses `PATTERN` or `PATTERN@RANGE`.
    fn from_str(text: &str) -> Result<Self> {
        let (name, versions) = match text.split_once('@') {
            Some((name, range)) => (
                name,
                Some(range.parse().map_err(|error: crate::constraint::ParseConstraintError| {
                    Error::usage(format!("`{range}` is not a range of versions")).with_source(error)
                })?),
            ),
            None => (text, None),
        };
        Ok(Self { name: name.parse()?, versions, latest: None })
    }
}

/// The choice for a class of versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Class {
    /// Select them.
    #[default]
    Take,
    /// Exclude them.
    Skip,
}

/// The choice for the dependencies of selected charts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Needs {
    /// Exclude them.
    #[default]
    Leave,
    /// Select the newest matching version of each, at any depth.
    Follow,
}

/// The selection of versions. The default is all.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The rules for charts: the first rule that matches a name decides. Without rules, all charts
    /// are selected.
    pub rules: Vec<Rule>,
    /// Charts that are excluded, whatever the rules select.
    pub exclude: Vec<Pattern>,
    /// The range of versions for charts whose rule gives none.
    pub versions: Option<Constraint>,
    /// The number of versions, newest first, for charts whose rule gives none.
    pub latest: Option<usize>,
    /// The earliest creation time. `None` sets no bound.
    pub since: Option<Timestamp>,
    /// The minimum age. `None` sets no bound.
    pub min_age: Option<Duration>,
    /// The choice for deprecated charts.
    pub deprecated: Class,
    /// The choice for prereleases.
    pub prereleases: Class,
    /// The choice for dependencies of the selected charts.
    pub needs: Needs,
}

/// Patterns that match no chart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unmatched<'s> {
    /// The rules that match nothing.
    pub rules: Vec<&'s str>,
    /// The exclusions that match nothing.
    pub exclude: Vec<&'s str>,
}

/// The result of a selection.
#[derive(Clone, Debug, Default)]
pub struct Selected {
    /// The selected versions: charts by name, versions newest first.
    pub candidates: Vec<Candidate>,
    /// The number of versions that were excluded.
    pub left_out: usize,
    /// The number of those left out because they have no creation time.
    pub undated: usize,
    /// The time at which the first too young version is old enough. Unix time.
    pub revisit: Option<i64>,
    /// Versions that were listed twice with different digests.
    pub doubled: Vec<String>,
}

impl Selection {
    /// Returns a fingerprint of the selection, to detect a change.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(format!("{self:?}").as_bytes())
    }

    /// Returns the name patterns that match none of these, as the user wrote them.
    pub fn unmatched<'s>(&'s self, candidates: &[Candidate]) -> Unmatched<'s> {
        let names: BTreeSet<&str> =
            candidates.iter().map(|candidate| candidate.id.chart.as_str()).collect();
        let idle = |pattern: &Pattern| !names.iter().any(|name| pattern.takes(name));
        let of = |patterns: &mut dyn Iterator<Item = &'s Pattern>| {
            patterns.filter(|pattern| idle(pattern)).map(|pattern| pattern.text.as_str()).collect()
        };
        Unmatched {
            rules: of(&mut self.rules.iter().map(|rule| &rule.name)),
            exclude: of(&mut self.exclude.iter()),
        }
    }

    /// Selects, at the time `now`.
    pub fn select(&self, candidates: Vec<Candidate>, now: Timestamp) -> Selected {
        let mut selected = Selected::default();
        let total = candidates.len();
        let mut charts: BTreeMap<String, Vec<Candidate>> = BTreeMap::new();
        for candidate in candidates {
            if self.takes_name(&candidate.id.chart).is_some() {
                charts.entry(candidate.id.chart.clone()).or_default().push(candidate);
            }
        }
        for (name, versions) in charts {
            let Some(rule) = self.takes_name(&name) else { continue };
            let versions = without_doubles(versions, &mut selected.doubled);
            let mut versions: Vec<(Option<Version>, Candidate)> = versions
                .into_iter()
                .map(|candidate| (Version::parse_loose(&candidate.id.version).ok(), candidate))
                .filter(|(version, candidate)| {
                    self.takes_version(rule, version.as_ref(), candidate, now, &mut selected)
                })
                .collect();
            versions.sort_by(newest_first);
            let latest = rule.and_then(|rule| rule.latest).or(self.latest);
            versions.truncate(latest.unwrap_or(usize::MAX));
            selected.candidates.extend(versions.into_iter().map(|(_, candidate)| candidate));
        }
        selected.left_out = total - selected.candidates.len();
        selected
    }

    /// Returns true if the selection needs a version's creation time, and the list has none.
    pub fn asks_date(&self, candidate: &Candidate) -> bool {
        if self.since.is_none() && self.min_age.is_none() {
            return false;
        }
        // A version that was read and has no creation time will have none next time.
        if !candidate.created.is_empty() || candidate.origin.is_some() {
            return false;
        }
        let version = Version::parse_loose(&candidate.id.version).ok();
        self.takes_name(&candidate.id.chart)
            .is_some_and(|rule| self.takes_kind(rule, version.as_ref(), candidate))
    }

    /// Returns the rule that selects a chart, if it is selected.
    fn takes_name(&self, name: &str) -> Option<Option<&Rule>> {
        if self.exclude.iter().any(|pattern| pattern.takes(name)) {
            return None;
        }
        if self.rules.is_empty() {
            return Some(None);
        }
        self.rules.iter().find(|rule| rule.name.takes(name)).map(Some)
    }

    /// Returns true if a version is selected, apart from times.
    fn takes_kind(
        &self,
        rule: Option<&Rule>,
        version: Option<&Version>,
        candidate: &Candidate,
    ) -> bool {
        let range = rule.and_then(|rule| rule.versions.as_ref()).or(self.versions.as_ref());
        if range.is_some_and(|range| !version.is_some_and(|version| range.matches(version))) {
            return false;
        }
        if self.deprecated == Class::Skip && candidate.deprecated {
            return false;
        }
        self.prereleases != Class::Skip || !version.is_some_and(Version::is_prerelease)
    }

    /// Returns true if a selected version stays selected if its archive has the version `real`. Of
    /// a chart selected as a dependency, only that version is wanted.
    pub(crate) fn still_takes(&self, candidate: &Candidate, real: &str) -> bool {
        let Some(rule) = self.takes_name(&candidate.id.chart) else { return false };
        let takes = |version: &str| {
            self.takes_kind(rule, Version::parse_loose(version).ok().as_ref(), candidate)
        };
        takes(&candidate.id.version) && takes(real)
    }

    fn takes_version(
        &self,
        rule: Option<&Rule>,
        version: Option<&Version>,
        candidate: &Candidate,
        now: Timestamp,
        selected: &mut Selected,
    ) -> bool {
        if !self.takes_kind(rule, version, candidate) {
            return false;
        }
        if self.since.is_none() && self.min_age.is_none() {
            return true;
        }
        let Some(created) = time(&candidate.created) else {
            selected.undated += 1;
            return false;
        };
        if self.since.is_some_and(|since| created < since) {
            return false;
        }
        if let Some(age) = self.min_age {
            let seconds = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
            let ripe = created.as_second().saturating_add(seconds);
            if ripe > now.as_second() {
                selected.revisit = Some(selected.revisit.map_or(ripe, |known| known.min(ripe)));
                return false;
            }
        }
        true
    }
}

/// Parses a time as indexes write it.
pub fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

fn newest_first(a: &(Option<Version>, Candidate), b: &(Option<Version>, Candidate)) -> Ordering {
    match (&a.0, &b.0) {
        (Some(left), Some(right)) => right.cmp(left),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
    .then_with(|| a.1.id.version.cmp(&b.1.id.version))
}

/// Keeps one entry of each version that is listed twice: the latest, or of equal times the first.
fn without_doubles(versions: Vec<Candidate>, doubled: &mut Vec<String>) -> Vec<Candidate> {
    let mut kept: Vec<Candidate> = Vec::with_capacity(versions.len());
    let mut at: BTreeMap<String, usize> = BTreeMap::new();
    for candidate in versions {
        match at.get(&candidate.id.version) {
            None => {
                at.insert(candidate.id.version.clone(), kept.len());
                kept.push(candidate);
            }
            Some(&first) => {
                let kept = &mut kept[first];
                let same = kept.digest == candidate.digest && kept.listed == candidate.listed;
                if !same {
                    doubled.push(candidate.id.to_string());
                }
                let younger = time(&candidate.created) > time(&kept.created);
                // These are one archive at several addresses, and each of them is right.
                let pinned = same && (kept.digest.is_some() || kept.listed.digest().is_some());
                let other = if younger { std::mem::replace(kept, candidate) } else { candidate };
                if pinned {
                    for url in other.urls {
                        if !kept.urls.contains(&url) {
                            kept.urls.push(url);
                        }
                    }
                }
            }
        }
    }
    kept
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        digest::Digest,
        index::ListedDigest,
        mirror::candidate::{ChartVersion, Provenance},
    };

    pub(in crate::mirror) fn candidate(chart: &str, version: &str) -> Candidate {
        Candidate {
            id: ChartVersion::new(chart, version),
            created: String::new(),
            digest: Some(Digest::sha256(format!("{chart} {version}").as_bytes())),
            listed: ListedDigest::Missing,
            urls: Vec::new(),
            deprecated: false,
            fingerprint: Fingerprint::of(format!("{chart} {version}").as_bytes()),
            content_fingerprint: None,
            provenance_fingerprint: None,
            origin: None,
            provenance: Provenance::Unasked,
        }
    }

    fn now() -> Timestamp {
        "2026-01-31T00:00:00Z".parse().expect("time")
    }

    fn chosen(selection: &Selection, candidates: Vec<Candidate>) -> Vec<String> {
        selection
            .select(candidates, now())
            .candidates
            .iter()
            .map(|candidate| candidate.id.to_string())
            .collect()
    }

    fn some() -> Vec<Candidate> {
        ["nginx 1.0.0", "nginx 1.2.0", "nginx v1.10.0", "nginx 2.0.0-rc.1", "nginx odd"]
            .iter()
            .chain(["kube-a 0.1.0", "kube-b 0.1.0", "Legacy 1.0.0"].iter())
            .map(|text| {
                let (chart, version) = text.split_once(' ').expect("two words");
                candidate(chart, version)
            })
            .collect()
    }

    #[test]
    fn names_ranges_and_numbers_choose_as_the_table_says() {
        let rule = |text: &str| text.parse::<Rule>().expect(text);
        let all = |rules: &[&str]| Selection {
            rules: rules.iter().map(|text| rule(text)).collect(),
            ..Selection::default()
        };
        let nginx =
            ["nginx 2.0.0-rc.1", "nginx v1.10.0", "nginx 1.2.0", "nginx 1.0.0", "nginx odd"];
        for (selection, expected) in [
            (all(&["nginx"]), nginx.to_vec()),
            (all(&["kube-*"]), vec!["kube-a 0.1.0", "kube-b 0.1.0"]),
            (all(&["/^(kube-b|Leg)/"]), vec!["Legacy 1.0.0", "kube-b 0.1.0"]),
            (all(&["nginx@>=1.2", "kube-a"]), vec!["kube-a 0.1.0", "nginx v1.10.0", "nginx 1.2.0"]),
            (all(&["nginx@>=1.1-0"]), vec!["nginx 2.0.0-rc.1", "nginx v1.10.0", "nginx 1.2.0"]),
            (
                Selection { exclude: vec!["nginx".parse().expect("glob")], ..Selection::default() },
                vec!["Legacy 1.0.0", "kube-a 0.1.0", "kube-b 0.1.0"],
            ),
            (Selection { latest: Some(2), ..all(&["nginx"]) }, nginx[..2].to_vec()),
            (
                Selection { latest: Some(1), prereleases: Class::Skip, ..all(&["nginx"]) },
                vec!["nginx v1.10.0"],
            ),
            (
                Selection {
                    rules: vec![Rule { latest: Some(1), ..rule("nginx") }, rule("*")],
                    latest: Some(7),
                    ..Selection::default()
                },
                vec!["Legacy 1.0.0", "kube-a 0.1.0", "kube-b 0.1.0", "nginx 2.0.0-rc.1"],
            ),
        ] {
            assert_eq!(chosen(&selection, some()), expected, "{selection:?}");
        }
        for bad in ["[", "/(/", "", "x@nonsense range"] {
            bad.parse::<Rule>().expect_err(bad);
        }
    }

    #[test]
    fn ages_and_dates_choose_and_say_when_to_look_again() {
        let dated = |version: &str, created: &str| Candidate {
            created: created.to_owned(),
            ..candidate("a", version)
        };
        let all = vec![
            dated("1.0.0", "2025-12-01T00:00:00Z"),
            dated("1.1.0", "2026-01-29T12:00:00.5+02:00"),
            dated("1.2.0", "2026-01-30T00:00:00Z"),
            dated("1.3.0", ""),
        ];
        let week =
            Selection { min_age: Some(Duration::from_secs(7 * 86_400)), ..Selection::default() };
        let selected = week.select(all.clone(), now());
        assert_eq!(selected.candidates.len(), 1);
        assert_eq!((selected.left_out, selected.undated), (3, 1));
        let ripe: Timestamp = "2026-02-05T10:00:00Z".parse().expect("time");
        assert_eq!(selected.revisit, Some(ripe.as_second()));
        let since = Selection {
            since: Some("2026-01-01T00:00:00Z".parse().expect("time")),
            ..Selection::default()
        };
        assert_eq!(chosen(&since, all), ["a 1.2.0", "a 1.1.0"]);
    }

    #[test]
    fn of_a_version_listed_twice_the_younger_is_taken_and_said() {
        let double = |digest: &[u8], created: &str| Candidate {
            digest: Some(Digest::sha256(digest)),
            created: created.to_owned(),
            ..candidate("a", "1.0.0")
        };
        let old = double(b"old", "2025-01-01T00:00:00Z");
        let new = double(b"new", "2025-06-01T00:00:00Z");
        for pair in [vec![old.clone(), new.clone()], vec![new.clone(), old]] {
            let selected = Selection::default().select(pair, now());
            assert_eq!(selected.candidates, std::slice::from_ref(&new));
            assert_eq!(selected.doubled, ["a 1.0.0"]);
        }
        let same = Selection::default().select(vec![new.clone(), new], now());
        assert!(same.doubled.is_empty() && same.candidates.len() == 1);
    }
}
