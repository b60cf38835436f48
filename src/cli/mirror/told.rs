//! What a mirror came to, as text: a line a version there is something to say of, then the sum.

use crate::{
    cli::size,
    mirror::{
        Report,
        report::{Mode, Status, Told},
        state::Outcome,
    },
};

/// Lines of one kind that are written out; the rest is in the JSON.
const LINES: usize = 50;

/// The report as text.
pub(super) fn text(report: &Report) -> String {
    let mut text = format!("{} -> {}\n", report.source, report.destination);
    for status in [
        Status::Planned,
        Status::Replaced,
        Status::Pruned,
        Status::WouldPrune,
        Status::InStep,
        Status::Drift,
        Status::Refused,
        Status::Failed,
    ] {
        let told: Vec<&Told> =
            report.versions.iter().filter(|told| told.status == status).collect();
        for told in told.iter().take(LINES) {
            text.push_str(&line(told));
        }
        if told.len() > LINES {
            text.push_str(&format!("  and {} more; `-o json` has all\n", told.len() - LINES));
        }
    }
    // What was sent speaks for itself, unless there is something to say of it.
    for told in report.versions.iter().filter(|told| told.status == Status::Sent) {
        if told.reason.is_some() {
            text.push_str(&line(told));
        }
    }
    if let Some(reason) = &report.prune_refused {
        text.push_str(&format!("  nothing was removed: {reason}\n"));
    }
    text.push_str(&sum(report));
    for hint in hints(report) {
        text.push_str(&format!("hint: {hint}\n"));
    }
    text
}

/// What can be done about refusals.
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
        hints.push("`--on-digest-mismatch warn` carries what is not what its index says");
    }
    if report.mode == Mode::Run && refused().next().is_some() {
        hints.push("once the reason is gone, `--retry` tries again what was refused");
    }
    hints
}

fn line(told: &Told) -> String {
    let word = match told.status {
        Status::InStep => "left",
        Status::Sent => "sent",
        Status::Replaced => "replaced",
        Status::Pruned => "removed",
        Status::Planned => "to send",
        Status::WouldReplace => "to replace",
        Status::ToCompare => "to compare",
        Status::WouldPrune => "to remove",
        Status::Drift => "differs",
        Status::Refused => "refused",
        Status::Failed => "failed",
    };
    let mut line = format!("  {word} {}", told.id);
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
        (counts.pruned, "removed"),
        (counts.would_prune, "to remove"),
        (counts.drift, "not in step"),
        (counts.refused, "refused"),
        (counts.failed, "failed"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    if parts.is_empty() {
        parts.push("nothing to do".to_owned());
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
    if report.unchanged {
        line.push_str("; the source has not changed");
    } else if report.mode == Mode::DryRun {
        line.push_str("; nothing was done");
    }
    line.push('\n');
    line
}
