//! Dependencies of the selected charts: those that the source has too, and those that a destination
//! has when rewritten dependencies refer to it.

use crate::lock::Locked as _;
use crate::{
    Result,
    chart::Metadata,
    constraint::Constraint,
    index::Index,
    limits::Limits,
    mirror::{
        candidate::{Candidate, ChartVersion},
        select::Selected,
        sink::Sink,
        source::Source,
    },
    oci::{Manifest, Tag},
    ops::{pull::chart_of, repository::entry},
    store::Fetch,
    version::Version,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex},
};

/// A chart that another chart depends on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// The repository, as the chart gives it.
    pub repository: String,
    /// The name of the chart.
    pub name: String,
    /// The version, or a range of versions.
    pub version: String,
}

impl Need {
    /// Returns the dependencies in a chart's metadata, except for charts inside the chart itself.
    pub(crate) fn all(metadata: &Metadata) -> Vec<Self> {
        let elsewhere =
            |repository: &str| !repository.is_empty() && !repository.starts_with("file:");
        let all = metadata.dependencies.iter().flatten();
        let all = all.filter(|one| elsewhere(&one.repository)).map(|one| Self {
            repository: one.repository.clone(),
            name: one.name.clone(),
            version: one.version.clone(),
        });
        all.collect()
    }

    /// Returns the dependencies from the config of a manifest's chart.
    ///
    /// # Errors
    /// `Invalid` if it is not a chart, and any error of the repository.
    pub(crate) async fn of_manifest<R: Fetch>(
        repository: &R,
        manifest: Manifest,
        limits: &Limits,
    ) -> Result<Vec<Self>> {
        let manifest = chart_of(repository, manifest).await?;
        let Some(config) = entry::config(&manifest)? else { return Ok(Vec::new()) };
        let config = repository.fetch_blob(config, limits.config_bytes).await?;
        Ok(Self::all(&entry::entry(&manifest, Some(&config), limits)?.metadata))
    }

    /// Returns true if a version satisfies this dependency.
    fn takes(&self, version: &str) -> bool {
        if self.version == version {
            return true;
        }
        let range = if self.version.is_empty() { "*" } else { self.version.as_str() };
        let parsed = Version::parse_loose(version);
        Constraint::parse(range).is_ok_and(|range| parsed.is_ok_and(|it| range.matches(&it)))
    }
}

/// Adds the dependencies of the selected charts, at any depth: for each chart, the newest matching
/// version of the source. A selected version that matches is enough. Warns about charts that the
/// source does not have.
///
/// # Errors
/// Fails if the source does not return a version's dependencies.
pub(crate) async fn follow(
    source: &Source,
    index: Option<&Index>,
    all: Vec<Candidate>,
    selected: &mut Selected,
) -> Result<Vec<String>> {
    let mut charts: HashMap<String, Vec<Candidate>> = HashMap::new();
    for candidate in all {
        charts.entry(candidate.id.chart.clone()).or_default().push(candidate);
    }
    let mut taken: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for one in &selected.candidates {
        taken.entry(one.id.chart.clone()).or_default().push(one.id.version.clone());
    }
    let mut lacking: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    let mut seen = HashSet::new();
    let mut at = 0;
    while let Some(parent) = selected.candidates.get(at).cloned() {
        at += 1;
        for need in source.needs(&parent, index).await? {
            if !seen.insert((need.name.clone(), need.version.clone())) {
                continue;
            }
            let versions = taken.entry(need.name.clone()).or_default();
            if versions.iter().any(|version| need.takes(version)) {
                continue;
            }
            let fitting = charts.get(&need.name).into_iter().flatten();
            let fitting = fitting.filter(|one| need.takes(&one.id.version));
            let newest = fitting.max_by_key(|one| Version::parse_loose(&one.id.version).ok());
            match newest {
                Some(newest) => {
                    versions.push(newest.id.version.clone());
                    selected.candidates.push(newest.clone());
                    selected.left_out = selected.left_out.saturating_sub(1);
                }
                None => {
                    let key = (need.name, need.version);
                    lacking.entry(key).or_default().insert(parent.id.to_string());
                }
            }
        }
    }
    Ok(lacking
        .into_iter()
        .map(|((name, version), by)| {
            format!("the source has no `{name}` in `{version}`, which {} needs", some(&by))
        })
        .collect())
}

/// Returns the first of several names, and how many more there are.
fn some(names: &BTreeSet<String>) -> String {
    let first = names.first().map(String::as_str).unwrap_or_default();
    match names.len() {
        0 | 1 => first.to_owned(),
        more => format!("{first} (and {} more)", more - 1),
    }
}

/// Dependencies whose addresses a run has changed to its destination, with the charts that have
/// them. Clones share the content.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pointed(Arc<Mutex<BTreeMap<Need, BTreeSet<String>>>>);

impl Pointed {
    /// Records a chart's current dependencies.
    pub(crate) fn note(&self, by: &ChartVersion, needs: &[Need]) {
        let mut all = self.0.locked();
        for need in needs {
            all.entry(need.clone()).or_default().insert(by.to_string());
        }
    }

    /// Warns about dependencies that the destination does not have, once everything is stored. One
    /// list for each chart.
    pub(crate) async fn warnings(&self, sink: &Sink) -> Vec<String> {
        let all = std::mem::take(&mut *self.0.locked());
        let mut known: HashMap<String, Vec<String>> = HashMap::new();
        let mut warnings = Vec::new();
        for (need, by) in all {
            let Some(group) = sink.group_at(&need.repository, &need.name) else { continue };
            if !known.contains_key(&group) {
                // The failure to store reports an unreadable group later.
                let Ok(names) = sink.present(&group).await else { continue };
                known.insert(group.clone(), names.into_keys().collect());
            }
            let fits =
                |name: &String| name.parse::<Tag>().is_ok_and(|tag| need.takes(&tag.to_version()));
            if !known.get(&group).is_some_and(|names| names.iter().any(fits)) {
                let Need { repository, name, version } = &need;
                warnings.push(format!(
                    "{} depends on `{name}` in `{version}` at {repository} now, but it is missing there",
                    some(&by)
                ));
            }
        }
        warnings
    }
}

/// Returns the repository of a registry that a chart has at an address.
pub(crate) fn group_below(identity: &str, host: &str, address: &str, name: &str) -> Option<String> {
    let below = address.trim_end_matches('/').strip_prefix(identity)?;
    if !below.is_empty() && !below.starts_with('/') {
        return None;
    }
    let path = address.trim_end_matches('/').strip_prefix("oci://")?.strip_prefix(host)?;
    let path = path.trim_matches('/');
    Some(if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_need_takes_a_range_and_a_version_as_it_is_written() {
        let need = |version: &str| Need {
            repository: "oci://r.example/x".into(),
            name: "common".into(),
            version: version.into(),
        };
        for (range, version, takes) in [
            ("2.x.x", "2.31.10", true),
            ("2.x.x", "3.0.0", false),
            ("2.31.4", "2.31.10", false),
            ("2.31.4", "2.31.4", true),
            ("", "1.0.0", true),
            ("^1", "1.2.0+b1", true),
            ("odd", "odd", true),
        ] {
            assert_eq!(need(range).takes(version), takes, "{range} {version}");
        }
    }

    #[test]
    fn an_address_at_the_destination_is_a_repository_of_it() {
        let below = |address: &str| group_below("oci://h:5000/a", "h:5000", address, "x");
        assert_eq!(below("oci://h:5000/a").as_deref(), Some("a/x"));
        assert_eq!(below("oci://h:5000/a/b/").as_deref(), Some("a/b/x"));
        assert_eq!(below("oci://h:5000/ab"), None);
        assert_eq!(below("https://h:5000/a"), None);
        assert_eq!(group_below("oci://h", "h", "oci://h", "x").as_deref(), Some("x"));
    }
}
