//! Warnings before a run begins: names that match nothing, and charts that a template maps to one
//! place.

use crate::mirror::{
    candidate::{Candidate, ChartVersion},
    plan::Wanted,
    report::{Mode, Status},
    run::{Belongings, Run},
    sink::Sink,
    state::Record,
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
        let known: Vec<&Record> = charts.iter().filter_map(|id| self.after.find(id)).collect();
        let attached = attached + known.iter().map(|record| record.attached).sum::<usize>();
        let carried = known.iter().map(|record| record.carried).sum::<usize>();
        // A chart whose manifest is another at the destination has lost what names its manifest.
        let is_left =
            |record: &&&Record| record.attached + record.digest_tags > 0 && record.carried == 0;
        let left = known.iter().filter(is_left).count();
        let names: HashSet<&str> = charts.iter().map(|id| id.chart.as_str()).collect();
        let (names, others) = (names.len(), others.len());
        let (report, header) = (&mut self.report, &mut self.after.header);
        (report.counts.attached, header.attached) = (attached, attached);
        (report.counts.carried, header.carried) = (carried, carried);
        if others > 0 {
            report.counts.selected -= others;
            header.selected -= others;
            (report.charts, header.charts) = (names, names);
        }
        let what = "signatures, attestations or other referrers";
        let takes = self.sink.takes_belongings();
        let text = match self.options.belongings {
            _ if attached == 0 => return,
            Belongings::LeaveBehind => format!("{attached} {what} were left behind, as requested"),
            Belongings::Carry if !takes => {
                format!("{attached} {what} were left behind: this destination cannot hold them")
            }
            Belongings::Carry if left > 0 && self.options.mode == Mode::Run => format!(
                "{left} charts have {what} that were left behind: their manifests differ at the destination"
            ),
            Belongings::Carry => return,
        };
        self.warn(vec![text]);
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
