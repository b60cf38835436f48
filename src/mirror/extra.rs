//! The reverse side of a check: content of the destination that the source does not have. It lists
//! every tag or file of the charts that the source lists or the state knows. It skips other
//! repositories of a namespace.

use super::{
    candidate::ChartVersion,
    report::{Report, Status, Told},
    run::{Run, place_of},
    sink::{Naming, Target},
    source::is_attached,
    state::Record,
};
use crate::{Error, oci::Tag};
use futures_util::StreamExt;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// The number of tag lists requested at once.
const LISTS: usize = 32;

impl Run<'_> {
    /// Reports destination content that the source does not list. `listed` has everything that the
    /// source lists, whatever is selected.
    pub(super) async fn extras(&mut self, listed: &HashSet<ChartVersion>) {
        let naming = |id: &ChartVersion| {
            let (repo, chart, version) = (self.source.name(), &*id.chart, &*id.version);
            self.sink.place(&Naming { repo, chart, version }).ok()
        };
        let mut charts: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        let mut expected: HashSet<Target> = HashSet::new();
        for id in listed {
            let Some(place) = naming(id) else { continue };
            charts.entry(place.group.clone()).or_default().insert(&id.chart);
            if let Some(alias) = self.options.alias.of(&place.name) {
                expected.insert(place.renamed(alias));
            }
            expected.insert(place);
        }
        let mut known: HashMap<Target, &Record> = HashMap::new();
        for record in self.before.iter().flat_map(|state| state.records()) {
            let Some(place) = place_of(record, self.source, self.sink) else { continue };
            charts.entry(place.group.clone()).or_default().insert(&record.id.chart);
            if listed.contains(&record.id) {
                let alias = record.alias.as_ref().map(|alias| place.renamed(alias));
                expected.extend(alias);
                expected.insert(place);
            } else {
                known.insert(place, record);
            }
        }
        self.options.placed.claim(expected.iter().map(|place| self.sink.show(place)));
        let sink = self.sink;
        let lists: Vec<_> = futures_util::stream::iter(charts.keys().cloned().collect::<Vec<_>>())
            .map(|group| async move {
                let names = sink.present(&group).await;
                (group, names)
            })
            .buffered(LISTS)
            .collect()
            .await;
        let mut extras = Vec::new();
        let mut unseen: Vec<(String, Error)> = Vec::new();
        for (group, names) in lists {
            let names = match names {
                Ok(names) => names,
                Err(error) => {
                    unseen.push((group, error));
                    continue;
                }
            };
            for (name, digest) in names {
                let place = Target { group: group.clone(), name };
                if expected.contains(&place) || is_attached(&place.name) {
                    continue;
                }
                let record = known.get(&place);
                let id = match record {
                    Some(record) => record.id.clone(),
                    None => id_of(&place, charts.get(&group)),
                };
                let pruned = self.options.prune.is_some()
                    && record.is_some_and(|record| record.outcome.is_in_step());
                if pruned || !self.options.shard.has(&id) {
                    continue;
                }
                let reason = match record {
                    Some(_) => "the source no longer has it",
                    None => "the source does not have it",
                };
                extras.push(Told {
                    place: Some(self.sink.show(&place)),
                    reason: Some(reason.to_owned()),
                    destination_digest: digest
                        .or_else(|| record.and_then(|record| record.content.clone())),
                    manifest: record.and_then(|record| record.manifest.clone()),
                    ..Told::new(id, Status::Extra)
                });
            }
        }
        extras.into_iter().for_each(|one| self.report.tell(one));
        for (group, error) in unseen {
            self.report.warnings.push(format!(
                "extra versions in `{group}` are not known, since it cannot be listed: {}",
                error.chain()
            ));
        }
    }
}

/// Removes content from one run's extras if another run has it as its own.
pub fn reconcile(reports: &mut [Report], placed: &super::run::Placed) {
    for report in reports {
        let before = report.versions.len();
        report.versions.retain(|told| {
            let claimed = told.place.as_ref().is_some_and(|place| placed.is_claimed(place));
            !(told.status == Status::Extra && claimed)
        });
        report.counts.extra -= before - report.versions.len();
    }
}

/// Returns the chart and version of unlisted content, by its name.
fn id_of(place: &Target, charts: Option<&BTreeSet<&str>>) -> ChartVersion {
    if let Some(file) = place.name.strip_suffix(".tgz") {
        let digit = |at: &usize| file[at + 1..].starts_with(|c: char| c.is_ascii_digit());
        let cut = file.match_indices('-').map(|(at, _)| at).find(digit);
        let (chart, version) = cut.map_or((file, ""), |at| (&file[..at], &file[at + 1..]));
        return ChartVersion::new(chart, version);
    }
    let version = match place.name.parse::<Tag>() {
        Ok(tag) => tag.to_version(),
        Err(_) => place.name.clone(),
    };
    let last = place.group.rsplit('/').next().unwrap_or_default();
    let chart = charts.and_then(BTreeSet::first).copied().unwrap_or(last);
    ChartVersion::new(chart, version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_files_and_tags_have_the_name_and_version_that_they_show() {
        for (group, name, chart, version) in [
            ("", "demo-1.0.0.tgz", "demo", "1.0.0"),
            ("", "kube-2-x-1.0.0-rc.1.tgz", "kube", "2-x-1.0.0-rc.1"),
            ("", "odd.tgz", "odd", ""),
            ("ns/demo", "1.0.0_x", "demo", "1.0.0+x"),
            ("ns/demo", "prod", "demo", "prod"),
        ] {
            let place = Target { group: group.into(), name: name.into() };
            assert_eq!(id_of(&place, None), ChartVersion::new(chart, version), "{name}");
        }
    }
}
