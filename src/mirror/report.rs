//! The report of a run: counts, and each notable version by name. Its JSON follows the schema in
//! `docs/mirror.md`.

use super::{candidate::ChartVersion, shard::Shard, state::Outcome};
use crate::{digest::Digest, redact::without_proof};
use serde::Serialize;

/// The kind of run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Bring the destination in step.
    #[default]
    Run,
    /// Report the planned actions without downloading archives.
    DryRun,
    /// Compare the destination with one request for each version, and change nothing.
    Check,
}

/// The result for a version in this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Present: this run has seen it.
    InStep,
    /// Present when an earlier run looked, and the record is still valid.
    Recorded,
    /// Skipped: the place has a different chart, which `--on-conflict skip` keeps.
    Skipped,
    /// Copied to the destination.
    Sent,
    /// Copied over a different chart of its name.
    Replaced,
    /// Removed, because it vanished at the source.
    Pruned,
    /// Missing: a run would copy it.
    Planned,
    /// Different: a run would copy it over the other chart.
    WouldReplace,
    /// Undecided: its place is taken, and only its archive can show the content.
    ToCompare,
    /// Vanished: a run would remove it.
    WouldPrune,
    /// Different: a check found other content in its place.
    Drift,
    /// Missing: a check did not find it.
    Missing,
    /// Surplus: a check found it at the destination, and the source does not have it.
    Extra,
    /// Skipped, because it is a different kind of artifact.
    Other,
    /// Refused for good; `outcome` gives the kind of reason.
    Refused,
    /// Failed in this run.
    Failed,
}

/// A version in the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// The chart and its version.
    #[serde(flatten)]
    pub id: ChartVersion,
    /// The result for the version.
    pub status: Status,
    /// The place of the version at the destination, real or planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The kind of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The reason, or another remark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The innermost cause of a failure, which others may share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The digest of its archive at the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The digest of the archive at its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_digest: Option<Digest>,
    /// The digest of the manifest at its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Digest>,
    /// The digest of the manifest that had its tag before, if this run moved the tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaced: Option<Digest>,
    /// Bytes of its archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

impl Told {
    /// Creates a report of a version without details.
    pub(super) fn new(id: ChartVersion, status: Status) -> Self {
        Self {
            id,
            status,
            place: None,
            outcome: None,
            reason: None,
            cause: None,
            digest: None,
            destination_digest: None,
            manifest: None,
            replaced: None,
            size: None,
        }
    }
}

/// The number of versions per result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Selected versions of this shard.
    pub selected: usize,
    /// Versions that the selection excluded.
    pub left_out: usize,
    /// Tags of a registry that are other names of versions. They count nowhere else.
    pub aliases: usize,
    /// Versions that this run saw at the destination.
    pub in_step: usize,
    /// Signatures, attestations and other referrers of the source's charts. They count nowhere
    /// else.
    pub attached: usize,
    /// Referrers and signatures that are at the destination, by this run or an earlier one.
    pub carried: usize,
    /// Tags of a registry without a chart. They count nowhere else.
    pub others: usize,
    /// Versions that an earlier run saw at the destination.
    pub recorded: usize,
    /// Versions skipped because their place has a different chart.
    pub skipped: usize,
    /// Versions copied.
    pub sent: usize,
    /// Versions copied over different charts.
    pub replaced: usize,
    /// Versions removed.
    pub pruned: usize,
    /// Versions that a run would copy.
    pub planned: usize,
    /// Versions that a run would copy over different charts.
    pub would_replace: usize,
    /// Versions to be downloaded for a comparison.
    pub to_compare: usize,
    /// Versions that a run would remove.
    pub would_prune: usize,
    /// Versions whose place has different content, found by a check.
    pub drift: usize,
    /// Versions that a check did not find.
    pub missing: usize,
    /// Versions that only the destination has. They do not count as selected.
    pub extra: usize,
    /// Versions that are refused for good.
    pub refused: usize,
    /// Versions that failed in this run.
    pub failed: usize,
    /// Versions not started or not finished when the run was interrupted.
    pub not_tried: usize,
}

impl Counts {
    /// Counts one.
    pub fn count(&mut self, status: Status) {
        let place = match status {
            Status::InStep => &mut self.in_step,
            Status::Recorded => &mut self.recorded,
            Status::Skipped => &mut self.skipped,
            Status::Sent => &mut self.sent,
            Status::Replaced => &mut self.replaced,
            Status::Pruned => &mut self.pruned,
            Status::Planned => &mut self.planned,
            Status::WouldReplace => &mut self.would_replace,
            Status::ToCompare => &mut self.to_compare,
            Status::WouldPrune => &mut self.would_prune,
            Status::Drift => &mut self.drift,
            Status::Missing => &mut self.missing,
            Status::Extra => &mut self.extra,
            Status::Other => &mut self.others,
            Status::Refused => &mut self.refused,
            Status::Failed => &mut self.failed,
        };
        *place += 1;
    }
}

/// Returns the result of the whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The destination has, or would have, every selected version.
    InStep,
    /// A check found a difference.
    Drift,
    /// The destination lacks some of the selected versions.
    Partly,
    /// No version succeeded.
    Failed,
    /// Every existing version succeeded, but a requested name does not exist.
    Missing,
}

/// The outcome of a run over one source.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Report {
    /// The source.
    pub source: String,
    /// The destination.
    pub destination: String,
    /// The shard that this run handled.
    pub shard: String,
    /// The kind of run.
    pub mode: Mode,
    /// `true` if the source reported no change since the last run.
    pub unchanged: bool,
    /// The last time at which every selected version was looked for at the destination; RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_looked: Option<String>,
    /// The age of the last look at the destination, in seconds.
    #[serde(skip)]
    pub looked_ago: u64,
    /// The duration of the run, in seconds.
    pub seconds: f64,
    /// The number of stored archives' bytes.
    pub bytes: u64,
    /// The number of charts among the selected versions.
    pub charts: usize,
    /// The number of versions per result.
    pub counts: Counts,
    /// The notable versions, by chart and version.
    pub versions: Vec<Told>,
    /// The number of recorded versions that vanished at the source and are still at the
    /// destination.
    pub vanished: usize,
    /// The reason for which vanished versions were not removed although the user asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prune_refused: Option<String>,
    /// The reason for which the run ended early, if it was interrupted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// The reason for which the source is not mirrored at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The requested names that do not exist, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// The warnings for the user, one sentence each.
    pub warnings: Vec<String>,
}

impl Report {
    /// Creates the report of a run that has not started.
    pub fn new(
        source: impl Into<String>,
        destination: impl Into<String>,
        shard: Shard,
        mode: Mode,
    ) -> Self {
        Self {
            source: source.into(),
            destination: destination.into(),
            shard: shard.to_string(),
            mode,
            unchanged: false,
            last_looked: None,
            looked_ago: 0,
            seconds: 0.0,
            bytes: 0,
            charts: 0,
            counts: Counts::default(),
            versions: Vec::new(),
            vanished: 0,
            prune_refused: None,
            stopped: None,
            error: None,
            missing: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Returns the report for any reader: its URLs have no credentials and no secret query values.
    #[must_use]
    pub fn shown(mut self) -> Self {
        let versions = self.versions.iter_mut();
        let texts = [&mut self.source, &mut self.destination]
            .into_iter()
            .chain(self.prune_refused.as_mut())
            .chain(self.error.as_mut())
            .chain(&mut self.missing)
            .chain(&mut self.warnings)
            .chain(versions.flat_map(|told| {
                told.place.iter_mut().chain(&mut told.reason).chain(&mut told.cause)
            }));
        for text in texts {
            *text = without_proof(text);
        }
        self
    }

    /// Returns the result of the whole run.
    pub fn verdict(&self) -> Verdict {
        if self.error.is_some() {
            return Verdict::Failed;
        }
        let counts = &self.counts;
        let bad = counts.refused + counts.failed;
        if self.mode == Mode::Check && counts.drift + counts.missing + counts.would_prune > 0 {
            return Verdict::Drift;
        }
        if bad > 0 && bad == counts.selected {
            return Verdict::Failed;
        }
        if bad > 0 || self.prune_refused.is_some() || self.stopped.is_some() {
            return Verdict::Partly;
        }
        if !self.missing.is_empty() {
            return Verdict::Missing;
        }
        Verdict::InStep
    }

    /// Adds a version and counts it.
    pub(super) fn tell(&mut self, told: Told) {
        self.counts.count(told.status);
        self.versions.push(told);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::mirror) fn report(mode: Mode, counts: Counts) -> Report {
        let (source, destination) = ("https://charts.example", "oci://registry.example/charts");
        let report = Report::new(source, destination, Shard::default(), mode);
        Report { seconds: 1.5, charts: 1, counts, ..report }
    }

    #[test]
    fn verdicts_follow_the_counts() {
        let counts = |selected, sent, refused, drift| Counts {
            selected,
            sent,
            refused,
            drift,
            ..Counts::default()
        };
        for (mode, counts, verdict) in [
            (Mode::Run, counts(0, 0, 0, 0), Verdict::InStep),
            (Mode::Run, counts(2, 2, 0, 0), Verdict::InStep),
            (Mode::Run, counts(2, 1, 1, 0), Verdict::Partly),
            (Mode::Run, counts(2, 0, 2, 0), Verdict::Failed),
            (Mode::Check, counts(2, 0, 1, 1), Verdict::Drift),
            (Mode::Check, counts(2, 0, 1, 0), Verdict::Partly),
            (Mode::DryRun, counts(2, 0, 0, 0), Verdict::InStep),
        ] {
            assert_eq!(report(mode, counts).verdict(), verdict, "{counts:?}");
        }
        let refused = Report {
            prune_refused: Some("too many".into()),
            ..report(Mode::Run, Counts::default())
        };
        assert_eq!(refused.verdict(), Verdict::Partly);
        let down =
            Report { error: Some("no answer".into()), ..report(Mode::Check, Counts::default()) };
        assert_eq!(down.verdict(), Verdict::Failed);
    }
}
