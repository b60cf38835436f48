//! Reports as the text that Prometheus' node exporter collects from files.

use super::report::{Report, Verdict};
use std::fmt::Write as _;

/// The name of the metric for the last success of a run.
const LAST_SUCCESS: &str = "chartferry_mirror_last_success_timestamp_seconds";
/// The name of the metric for the time since which runs find versions missing, different, refused
/// or failed.
const OLDEST_DRIFT: &str = "chartferry_mirror_oldest_drift_timestamp_seconds";

/// Returns the metrics of some runs. `now` is Unix time. `before` is the text of the last run, for
/// times that outlast a run.
pub fn text(reports: &[Report], now: i64, before: &str) -> String {
    let mut text = format!(
        "# HELP chartferry_mirror_build_info The program that made the last run.\n\
         # TYPE chartferry_mirror_build_info gauge\n\
         chartferry_mirror_build_info{{version=\"{}\"}} 1\n",
        env!("CARGO_PKG_VERSION")
    );
    let mut metric = |name: &str, help: &str, values: &dyn Fn(&Report) -> Vec<(String, f64)>| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for report in reports {
            let labels = labels(report);
            for (more, value) in values(report) {
                let _ = writeln!(text, "{name}{{{labels}{more}}} {value}");
            }
        }
    };
    metric(
        "chartferry_mirror_versions",
        "Versions of charts in the last run, by result.",
        &|report| {
            let counts = &report.counts;
            [
                ("drift", counts.drift),
                ("extra", counts.extra),
                ("failed", counts.failed),
                ("in_step", counts.in_step),
                ("others", counts.others),
                ("attached", counts.attached),
                ("left_out", counts.left_out),
                ("missing", counts.missing),
                ("not_tried", counts.not_tried),
                ("pruned", counts.pruned),
                ("recorded", counts.recorded),
                ("refused", counts.refused),
                ("replaced", counts.replaced),
                ("sent", counts.sent),
                ("skipped", counts.skipped),
            ]
            .map(|(status, count)| (format!(",status=\"{status}\""), count as f64))
            .to_vec()
        },
    );
    metric(
        "chartferry_mirror_selected_versions",
        "Versions of charts that the last run had to copy.",
        &|report| vec![(String::new(), report.counts.selected as f64)],
    );
    metric(
        "chartferry_mirror_sent_bytes",
        "Bytes of the archives that the last run put.",
        &|report| vec![(String::new(), report.bytes as f64)],
    );
    metric("chartferry_mirror_duration_seconds", "How long the last run took.", &|report| {
        vec![(String::new(), report.seconds)]
    });
    metric(
        "chartferry_mirror_success",
        "Whether all that was selected is at the destination after the last run, or was skipped as the policy for conflicts asks.",
        &|report| vec![(String::new(), f64::from(u8::from(report.verdict() == Verdict::InStep)))],
    );
    metric("chartferry_mirror_last_run_timestamp_seconds", "When the last run ended.", &|_| {
        vec![(String::new(), now as f64)]
    });
    metric(LAST_SUCCESS, "Time of the last successful run; no line if none is known.", &|report| {
        let last = match report.verdict() {
            Verdict::InStep => Some(now as f64),
            _ => kept(before, LAST_SUCCESS, report),
        };
        last.map(|time| (String::new(), time)).into_iter().collect()
    });
    metric(
        OLDEST_DRIFT,
        "Time since which runs find versions missing, different, refused or failed; 0 if the last run found none.",
        &|report| {
            let counts = &report.counts;
            let wrong = counts.drift + counts.missing + counts.refused + counts.failed;
            let since = match wrong > 0 || report.error.is_some() {
                true => kept(before, OLDEST_DRIFT, report).filter(|time| *time > 0.0),
                false => Some(0.0),
            };
            vec![(String::new(), since.unwrap_or(now as f64))]
        },
    );
    metric(
        "chartferry_mirror_vanished_versions",
        "Versions that vanished at the source and are still at the destination.",
        &|report| vec![(String::new(), report.vanished as f64)],
    );
    metric(
        "chartferry_mirror_refused_deletions",
        "Vanished versions that pruning refused to remove in the last run.",
        &|report| {
            let refused = report.prune_refused.as_ref().map_or(0, |_| report.vanished);
            vec![(String::new(), refused as f64)]
        },
    );
    text
}

fn labels(report: &Report) -> String {
    format!(
        "source=\"{}\",destination=\"{}\",shard=\"{}\"",
        escaped(&report.source),
        escaped(&report.destination),
        escaped(&report.shard)
    )
}

/// Returns a value of the last run's text.
fn kept(before: &str, name: &str, report: &Report) -> Option<f64> {
    let start = format!("{name}{{{}}} ", labels(report));
    before.lines().find_map(|line| line.strip_prefix(start.as_str())?.trim().parse().ok())
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::report::{Counts, Mode, tests::report};

    #[test]
    fn every_run_has_its_lines_and_every_metric_is_declared_once() {
        let counts = Counts { selected: 3, sent: 2, refused: 1, ..Counts::default() };
        let one = report(Mode::Run, counts);
        let mut two = report(Mode::Run, Counts::default());
        two.source = "a \"b\"\n".into();
        let text = text(&[one, two], 1_767_225_600, "");
        for line in [
            "chartferry_mirror_versions{source=\"https://charts.example\",destination=\"oci://registry.example/charts\",shard=\"1/1\",status=\"sent\"} 2",
            "chartferry_mirror_success{source=\"https://charts.example\",destination=\"oci://registry.example/charts\",shard=\"1/1\"} 0",
            "chartferry_mirror_success{source=\"a \\\"b\\\"\\n\",destination=\"oci://registry.example/charts\",shard=\"1/1\"} 1",
            "chartferry_mirror_last_run_timestamp_seconds{source=\"https://charts.example\",destination=\"oci://registry.example/charts\",shard=\"1/1\"} 1767225600",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        let declared: Vec<&str> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
        let mut once = declared.clone();
        once.dedup();
        assert_eq!(declared, once);
    }

    #[test]
    fn the_last_success_and_the_oldest_drift_outlast_a_run() {
        let name = |metric: &str| {
            let labels = "source=\"https://charts.example\",destination=\"oci://registry.example/charts\",shard=\"1/1\"";
            format!("chartferry_mirror_{metric}{{{labels}}} ")
        };
        let (good, bad) = (
            Counts { selected: 1, in_step: 1, ..Counts::default() },
            Counts { selected: 1, missing: 1, ..Counts::default() },
        );
        let mut last = String::new();
        for (now, mode, counts, success, drift) in [
            (100, Mode::Check, bad, None, "100"),
            (200, Mode::Run, good, Some("200"), "0"),
            (300, Mode::Check, bad, Some("200"), "300"),
            (400, Mode::Check, bad, Some("200"), "300"),
            (500, Mode::Run, good, Some("500"), "0"),
        ] {
            last = text(&[report(mode, counts)], now, &last);
            let value =
                |metric: &str| last.lines().find_map(|line| line.strip_prefix(&name(metric)));
            assert_eq!(value("last_success_timestamp_seconds"), success, "{now}");
            assert_eq!(value("oldest_drift_timestamp_seconds"), Some(drift), "{now}");
        }
        let refused = Report {
            prune_refused: Some("too many".into()),
            vanished: 7,
            ..report(Mode::Run, good)
        };
        let text = text(&[refused], 1, "");
        assert!(text.contains(&format!("{}7", name("refused_deletions"))), "{text}");
        assert!(text.contains("chartferry_mirror_build_info{version=\""), "{text}");
    }
}
