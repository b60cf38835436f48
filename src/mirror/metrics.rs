//! Reports as the text that Prometheus' node exporter collects from files.

use super::report::{Report, Verdict};
use std::fmt::Write as _;

/// The metrics of some runs. `now` is Unix time.
pub fn text(reports: &[Report], now: i64) -> String {
    let mut text = String::new();
    let mut metric = |name: &str, help: &str, values: &dyn Fn(&Report) -> Vec<(String, f64)>| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for report in reports {
            let labels = format!(
                "source=\"{}\",destination=\"{}\",shard=\"{}\"",
                escaped(&report.source),
                escaped(&report.destination),
                escaped(&report.shard)
            );
            for (more, value) in values(report) {
                let _ = writeln!(text, "{name}{{{labels}{more}}} {value}");
            }
        }
    };
    metric(
        "chartferry_mirror_versions",
        "Versions of charts in the last run, by what they came to.",
        &|report| {
            let counts = &report.counts;
            [
                ("drift", counts.drift),
                ("failed", counts.failed),
                ("in_step", counts.in_step),
                ("left_out", counts.left_out),
                ("pruned", counts.pruned),
                ("refused", counts.refused),
                ("replaced", counts.replaced),
                ("sent", counts.sent),
            ]
            .map(|(status, count)| (format!(",status=\"{status}\""), count as f64))
            .to_vec()
        },
    );
    metric(
        "chartferry_mirror_selected_versions",
        "Versions of charts that the last run was to carry.",
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
        "Whether all that was selected is at the destination after the last run.",
        &|report| vec![(String::new(), f64::from(u8::from(report.verdict() == Verdict::InStep)))],
    );
    metric("chartferry_mirror_last_run_timestamp_seconds", "When the last run ended.", &|_| {
        vec![(String::new(), now as f64)]
    });
    text
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
        let text = text(&[one, two], 1_767_225_600);
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
}
