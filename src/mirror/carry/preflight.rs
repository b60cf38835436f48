//! Warnings before a run begins: names that match nothing, and charts that a template maps to one
//! place.

use crate::mirror::{
    candidate::{Candidate, ChartVersion},
    plan::Wanted,
    report::Status,
    run::Run,
    sink::Sink,
};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Number of repositories with several charts that are named one by one.
const NAMED: usize = 10;

impl Run<'_> {
    /// Warns about requested charts that the source does not list.
    pub(crate) fn miss(&mut self, candidates: &[Candidate], absent: Vec<String>) {
        let (source, selection) = (self.source.identity(), &self.options.selection);
        let report = &mut self.report;
        report.missing = absent;
        if candidates.is_empty() {
            report.missing.push(format!("{source} has no charts"));
            return;
        }
        let unmatched = selection.unmatched(candidates);
        let said = unmatched.rules.iter().map(|text| format!("no chart of {source} fits `{text}`"));
        let mut warnings: Vec<String> = Vec::new();
        if unmatched.rules.len() < selection.rules.len() {
            warnings.extend(said);
        } else {
            report.missing.extend(said);
        }
        warnings.extend(
            unmatched
                .exclude
                .iter()
                .map(|text| format!("no chart of {source} fits `{text}`, so it excludes nothing")),
        );
        self.warn(warnings);
    }

    /// Counts skipped artifacts: those that are not charts, and those attached to charts.
    /// `attached` is the number of those with tags.
    pub(crate) fn leave(&mut self, wanted: &[Wanted], attached: usize) {
        let others: HashSet<&ChartVersion> = self
            .report
            .versions
            .iter()
            .filter(|told| told.status == Status::Other)
            .map(|told| &told.id)
            .collect();
        let ids = wanted.iter().map(|one| &one.candidate.id);
        let charts: Vec<&ChartVersion> = ids.filter(|id| !others.contains(id)).collect();
        let known = charts.iter().filter_map(|id| self.after.find(id));
        let attached = attached + known.map(|record| record.attached).sum::<usize>();
        let names: HashSet<&str> = charts.iter().map(|id| id.chart.as_str()).collect();
        let (names, others) = (names.len(), others.len());
        let (report, header) = (&mut self.report, &mut self.after.header);
        (report.counts.attached, header.attached) = (attached, attached);
        if others > 0 {
            report.counts.selected -= others;
            header.selected -= others;
            (report.charts, header.charts) = (names, names);
        }
        if attached > 0 {
            let text = format!(
                "{attached} signatures, attestations or other referrers were skipped: `mirror` copies only charts"
            );
            self.warn(vec![text]);
        }
    }

    /// Adds warnings that later runs repeat while nothing changes.
    pub(crate) fn warn(&mut self, warnings: Vec<String>) {
        self.report.warnings.extend(warnings.iter().cloned());
        self.after.header.remarks.extend(warnings);
    }

    /// Warns if nothing is left to copy, and if a template maps several charts to one repository.
    pub(crate) fn warn_of_mixed_groups(&mut self, wanted: &[Wanted]) {
        let (left_out, whole) = (self.report.counts.left_out, self.options.shard.is_whole());
        if wanted.is_empty() && left_out > 0 && whole && self.report.missing.is_empty() {
            let text = format!("nothing is selected: all {left_out} versions are excluded");
            self.warn(vec![text]);
        }
        if matches!(self.sink, Sink::Folder(_) | Sink::Museum(_)) {
            return;
        }
        let mut groups: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for one in wanted {
            if let Ok(place) = &one.place {
                groups.entry(&place.group).or_default().insert(&one.candidate.id.chart);
            }
        }
        let mixed = groups.into_iter().filter(|(_, charts)| charts.len() > 1).take(NAMED);
        let said = mixed.map(|(group, charts)| {
            let charts: Vec<String> = charts.iter().map(|chart| format!("`{chart}`")).collect();
            format!(
                "`{group}` would get several charts, which clients cannot distinguish: {}",
                charts.join(", ")
            )
        });
        self.warn(said.collect());
    }
}
