//! The report of a mirror as text: a line for each notable version, then the totals.

use crate::{
    cli::{shell::progress::duration, size},
    mirror::{
        Report,
        report::{Mode, Status, Told},
        state::Outcome,
    },
    oci::Digest,
};
use std::collections::BTreeMap;

/// The number of lines of one kind that are printed. The rest is in the JSON.
const LINES: usize = 50;

/// The number of failures with one cause from which they share one line.
const ALIKE: usize = 4;
/// The number of versions named in that line.
const NAMED: usize = 3;

/// Returns the tags of registries that the runs moved: the repository, the tag, and the digest of
/// the manifest that had it.
pub(super) fn moved_tags(reports: &[Report]) -> impl Iterator<Item = (&str, &str, &Digest)> {
    reports.iter().flat_map(|report| &report.versions).filter_map(|told| {
        let (repository, tag) = told.place.as_deref()?.strip_prefix("oci://")?.rsplit_once(':')?;
        Some((repository, tag, told.replaced.as_ref()?))
    })
}

/// Returns the report as text.
pub(super) fn text(report: &Report) -> String {
    let mut text = format!("{} -> {}\n", report.source, report.destination);
    for status in [
        Status::Planned,
        Status::WouldReplace,
        Status::ToCompare,
        Status::Replaced,
        Status::Pruned,
        Status::WouldPrune,
        Status::Recorded,
        Status::InStep,
        Status::Skipped,
        Status::Missing,
        Status::Drift,
        Status::Extra,
        Status::Refused,
    ] {
        let told: Vec<&Told> =
            report.versions.iter().filter(|told| told.status == status).collect();
        for told in told.iter().take(LINES) {
            text.push_str(&line(told));
        }
        if told.len() > LINES {
            let more = told.len() - LINES;
            text.push_str(&format!("  and {more} more; `--report-file FILE` keeps all\n"));
        }
    }
    text.push_str(&failures(report));
    // A copied version needs no line, unless it has a remark.
    for told in report.versions.iter().filter(|told| told.status == Status::Sent) {
        if told.reason.is_some() {
            text.push_str(&line(told));
        }
    }
    if let Some(reason) = &report.prune_refused {
        text.push_str(&format!("  nothing was removed: {reason}\n"));
    }
    if let Some(reason) = &report.stopped {
        text.push_str(&format!("  {reason}\n"));
    }
    text.push_str(&sum(report));
    for hint in hints(report) {
        text.push_str(&format!("hint: {hint}\n"));
    }
    text
}

/// Returns the failures: a line for each, or one line for many with the same cause.
fn failures(report: &Report) -> String {
    let mut causes: BTreeMap<&str, Vec<&Told>> = BTreeMap::new();
    for told in report.versions.iter().filter(|told| told.status == Status::Failed) {
        let cause = told.cause.as_deref().or(told.reason.as_deref()).unwrap_or_default();
        causes.entry(cause).or_default().push(told);
    }
    let mut text = String::new();
    for (cause, all) in causes {
        if all.len() < ALIKE {
            text.extend(all.into_iter().map(line));
            continue;
        }
        text.push_str(&format!("  failed {} versions: {cause}\n", all.len()));
        let named: Vec<String> = all.iter().take(NAMED).map(|told| told.id.to_string()).collect();
        text.push_str(&format!("    {}", named.join(", ")));
        if all.len() > NAMED {
            text.push_str(&format!(" and {} more", all.len() - NAMED));
        }
        // The line shows the whole reason of one failure, with its version and its advice.
        let first = all[0].reason.as_deref().filter(|reason| *reason != cause);
        text.extend(first.map(|reason| format!("; the first: {reason}")));
        text.push('\n');
    }
    text
}

/// Returns hints for refusals.
fn hints(report: &Report) -> Vec<&'static str> {
    let refused = || report.versions.iter().filter(|told| told.status == Status::Refused);
    let has = |outcome| refused().any(|told| told.outcome == Some(outcome));
    let mut hints = Vec::new();
    if has(Outcome::Conflict) {
        hints.push(
            "`--on-conflict overwrite` replaces other charts, `--on-conflict skip` leaves them",
        );
    }
    if has(Outcome::Mismatch) {
        hints.push("`--on-digest-mismatch warn` copies archives that differ from their index");
    }
    if report.mode == Mode::Run && refused().next().is_some() {
        hints.push("once the reason is resolved, `--retry` tries refused versions again");
    }
    hints
}

fn line(told: &Told) -> String {
    let word = match told.status {
        Status::InStep if told.outcome == Some(Outcome::Alias) => "left",
        Status::InStep => "in step",
        Status::Recorded => "recorded",
        Status::Skipped => "skipped",
        Status::Sent => "sent",
        Status::Replaced => "replaced",
        Status::Pruned => "removed",
        Status::Planned => "to send",
        Status::WouldReplace => "to replace",
        Status::ToCompare => "to compare",
        Status::WouldPrune => "to remove",
        Status::Drift => "differs",
        Status::Missing => "missing",
        Status::Extra => "extra",
        Status::Other => "other",
        Status::Refused => "refused",
        Status::Failed => "failed",
    };
    let mut line = format!("  {word} {}", told.id);
    // A failed version's reason already names its place.
    if let Some(place) = told.place.as_ref().filter(|_| told.status != Status::Failed) {
        line.push_str(&format!(" at {place}"));
    }
    if let Some(reason) = &told.reason {
        line.push_str(": ");
        line.push_str(reason);
    }
    line.push('\n');
    line
}

fn sum(report: &Report) -> String {
    let counts = &report.counts;
    let mut parts = Vec::new();
    for (count, what) in [
        (counts.sent, "sent"),
        (counts.replaced, "replaced"),
        (counts.planned, "to send"),
        (counts.would_replace, "to replace"),
        (counts.to_compare, "to compare"),
        (counts.in_step, "in step"),
        (counts.skipped, "skipped"),
        (counts.pruned, "removed"),
        (counts.would_prune, "to remove"),
        (counts.drift, "differ"),
        (counts.missing, "missing"),
        (counts.extra, "extra"),
        (counts.refused, "refused"),
        (counts.failed, "failed"),
        (counts.not_tried, "not tried"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    if counts.recorded > 0 {
        let ago = duration(report.looked_ago);
        parts.push(format!("{} recorded, last looked at {ago} ago", counts.recorded));
    }
    let idle = parts.is_empty();
    if idle {
        parts.push(
            if counts.selected == 0 { "nothing is selected" } else { "nothing to do" }.to_owned(),
        );
    }
    let number = |count: usize, one: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {one}s"),
    };
    let mut line = format!(
        "{} of {}: {}",
        number(counts.selected, "version"),
        number(report.charts, "chart"),
        parts.join(", ")
    );
    if report.bytes > 0 {
        line.push_str(&format!(" ({})", size(report.bytes)));
    }
    if counts.aliases > 0 {
        line.push_str(&match counts.aliases {
            1 => "; 1 tag is another name of one".to_owned(),
            more => format!("; {more} tags are other names of them"),
        });
    }
    if counts.others > 0 {
        line.push_str(&match counts.others {
            1 => "; 1 other tag holds no chart".to_owned(),
            more => format!("; {more} other tags hold no charts"),
        });
    }
    if report.unchanged {
        line.push_str("; the source has not changed");
    } else if report.mode == Mode::DryRun && !idle {
        line.push_str("; nothing was done");
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::{ChartVersion, Shard};

    fn told(n: usize, status: Status, reason: &str, cause: Option<&str>) -> Told {
        Told {
            id: ChartVersion::new("demo", format!("1.{n}.0")),
            status,
            place: Some(format!("oci://r/demo:1.{n}.0")),
            outcome: None,
            reason: Some(reason.to_owned()),
            cause: cause.map(str::to_owned),
            digest: None,
            destination_digest: None,
            manifest: None,
            replaced: None,
            size: None,
        }
    }

    fn report(versions: Vec<Told>) -> Report {
        let mut report = Report::new("a", "oci://r", Shard::default(), Mode::Run);
        versions.iter().for_each(|told| report.counts.count(told.status));
        (report.counts.selected, report.charts) = (versions.len(), 1);
        Report { versions, ..report }
    }

    #[test]
    fn failures_with_one_cause_are_one_line_and_others_a_line_each() {
        let refused = |n| told(n, Status::Failed, "cannot push: refused", Some("refused"));
        let mut versions: Vec<Told> = (0..6).map(refused).collect();
        versions.push(told(6, Status::Failed, "cannot push: 403", Some("403")));
        assert_eq!(
            text(&report(versions)),
            "a -> oci://r\n  failed demo 1.6.0: cannot push: 403\n  failed 6 versions: refused\n    demo 1.0.0, demo 1.1.0, \
             demo 1.2.0 and 3 more; the first: cannot push: refused\n7 versions of 1 chart: 7 failed\n"
        );
        let few: Vec<Told> = (0..3).map(refused).collect();
        assert_eq!(text(&report(few)).matches("  failed demo").count(), 3);
    }

    #[test]
    fn records_are_told_with_their_age_and_skipped_versions_with_their_place() {
        let mut report = report(vec![told(0, Status::Skipped, "its place has x", None)]);
        (report.counts.recorded, report.counts.selected, report.looked_ago) = (2, 3, 3 * 3600);
        report.counts.others = 1;
        report.stopped = Some("the mirror was interrupted".into());
        assert_eq!(
            text(&report),
            "a -> oci://r\n  skipped demo 1.0.0 at oci://r/demo:1.0.0: its place has x\n  the mirror was interrupted\n\
             3 versions of 1 chart: 1 skipped, 2 recorded, last looked at 3 h ago; 1 other tag holds no chart\n"
        );
    }
}
