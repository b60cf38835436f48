//! What a mirror says of the destination is what it has seen there: looks, skipped conflicts, both
//! sides of a check.

use super::{Mirrored, archive, count, told};
use crate::registry::wire::untag;

const SKIP: [&str; 2] = ["--on-conflict", "skip"];

/// Three versions, carried.
fn carried() -> Mirrored {
    let place = Mirrored::new();
    for n in 0..3 {
        place.add("demo", &format!("1.{n}.0"));
    }
    place.publish();
    place.mirror(0, &[]);
    place.forget();
    place
}

/// Puts a chart at the destination by hand.
fn put(place: &Mirrored, version: &str, mark: &str) {
    let file = format!("demo-{version}.tgz");
    place.test.file(&file, archive("demo", version, mark));
    let destination = format!("oci://{}/charts", place.registry.address());
    place.test.run(["push", &file, &destination, "--overwrite"]).anything().succeeds();
}

#[test]
fn what_nobody_has_looked_at_is_recorded_and_not_in_step() {
    let place = carried();
    let report = place.mirror(0, &[]);
    let counts = &report["counts"];
    assert_eq!((&counts["recorded"], &counts["inStep"]), (&3.into(), &0.into()));
    assert!(report["lastLooked"].is_string(), "{report:#}");
    let (source, destination) = (place.web.url(), place.destination());
    let run = place.test.run(["mirror", &source, &destination]);
    run.stdout_has("3 versions of 1 chart: 3 recorded, last looked at ")
        .stdout_has(" ago; the source has not changed")
        .succeeds();
}

#[test]
fn a_look_lists_the_tags_and_sends_what_is_missing() {
    for flags in [&["--look"][..], &["--look-every", "0s"]] {
        let place = carried();
        untag(&place.registry.address(), "charts/demo", "1.1.0");
        assert_eq!(told(&place.mirror(0, &[])), [""; 0], "by the record alone it is there");
        place.forget();
        let dry = place.mirror(0, &[flags, &["--dry-run"]].concat());
        assert_eq!(told(&dry), ["planned demo 1.1.0"], "{flags:?}");
        let report = place.mirror(0, flags);
        assert_eq!(told(&report), ["sent demo 1.1.0"], "{flags:?}");
        assert_eq!(report["counts"]["inStep"], 2, "{report:#}");
        assert_eq!(place.pulled("demo", "1.1.0"), archive("demo", "1.1.0", "one"));
        place.forget();
        let report = place.mirror(0, flags);
        assert_eq!((&report["unchanged"], &report["counts"]["inStep"]), (&true.into(), &3.into()));
        let asked = place.asked_registry();
        assert_eq!((count(&asked, "GET tags"), count(&asked, "GET manifests")), (1, 0));
    }
}

#[test]
fn another_selection_is_looked_for_whenever_the_last_look_was() {
    let place = carried();
    untag(&place.registry.address(), "charts/demo", "1.2.0");
    place.mirror(0, &["--versions", "<1.2"]);
    assert_eq!(told(&place.mirror(0, &[])), ["sent demo 1.2.0"]);
}

#[test]
fn what_was_skipped_is_counted_as_that_in_every_run_until_the_policy_changes() {
    let place = carried();
    put(&place, "1.1.0", "theirs");
    place.mirror(2, &["--check"]);
    let metrics = [&SKIP[..], &["--metrics-file", "m.prom"]].concat();
    for run in 0..2 {
        let report = place.mirror(0, &metrics);
        assert_eq!(told(&report), ["skipped demo 1.1.0 (skipped)"], "run {run}");
        assert_eq!(report["counts"]["skipped"], 1);
        let counts = &report["counts"];
        let rest = counts["inStep"].as_u64().unwrap() + counts["recorded"].as_u64().unwrap();
        assert_eq!(rest, 2, "{report:#}");
        assert!(report["versions"][0]["reason"].as_str().unwrap().contains("its place has"));
        let text = String::from_utf8(place.test.read("m.prom")).unwrap();
        assert!(text.contains("status=\"skipped\"} 1"), "{text}");
    }
    let (source, destination) = (place.web.url(), place.destination());
    let run = place.test.run(["mirror", &source, &destination, SKIP[0], SKIP[1]]);
    run.stdout_has("  skipped demo 1.1.0 at ").stdout_has(" 1 skipped").succeeds();
    assert_eq!(told(&place.mirror(2, &["--check"])), ["drift demo 1.1.0"]);
    assert_eq!(told(&place.mirror(3, &[])), ["refused demo 1.1.0 (conflict)"]);
    // It was never ours to remove.
    place.mirror(0, &SKIP);
    place.retain(|entry| entry.version != "1.1.0");
    place.publish();
    let report = place.mirror(0, &[&SKIP[..], &["--prune"]].concat());
    assert_eq!(told(&report), [""; 0], "{report:#}");
    assert_eq!(place.pulled("demo", "1.1.0"), archive("demo", "1.1.0", "theirs"));
}

#[test]
fn another_thing_under_a_versions_tag_is_a_conflict_in_the_first_run_too() {
    let place = Mirrored::new();
    place.add("demo", "1.0.0");
    place.add("demo", "1.1.0");
    place.publish();
    super::policies::put_image(&place.registry.address(), "1.0.0");
    let dry = place.mirror(3, &["--dry-run"]);
    assert_eq!(told(&dry), ["refused demo 1.0.0 (conflict)", "planned demo 1.1.0"]);
    let report = place.mirror(3, &[]);
    assert_eq!(told(&report), ["refused demo 1.0.0 (conflict)", "sent demo 1.1.0"]);
}

#[test]
fn a_check_tells_what_differs_what_is_missing_and_what_is_extra() {
    let place = carried();
    put(&place, "1.1.0", "theirs");
    put(&place, "7.0.0", "theirs");
    untag(&place.registry.address(), "charts/demo", "1.2.0");
    place.add("late", "1.0.0");
    place.publish();
    let report = place.mirror(2, &["--check"]);
    let expected =
        ["drift demo 1.1.0", "missing demo 1.2.0", "extra demo 7.0.0", "missing late 1.0.0"];
    assert_eq!(told(&report), expected, "{report:#}");
    let counts = &report["counts"];
    assert_eq!((&counts["drift"], &counts["missing"]), (&1.into(), &2.into()));
    assert_eq!(counts["extra"], 1);
    // Both digests of what differs, and where it lies.
    let differs = &report["versions"][0];
    let digest = |mark: &str| {
        chartferry::digest::Digest::sha256(&archive("demo", "1.1.0", mark)).to_string()
    };
    assert_eq!(differs["digest"], digest("one"));
    assert_eq!(differs["destinationDigest"], digest("theirs"));
    assert!(differs["place"].as_str().unwrap().ends_with("/charts/demo:1.1.0"));
}

#[test]
fn what_is_extra_alone_is_no_failure_and_what_vanished_is_extra_until_it_is_pruned() {
    let place = carried();
    let prune = ["--check", "--prune", "--max-delete", "100%"];
    place.retain(|entry| entry.version != "1.0.0");
    place.publish();
    assert_eq!(told(&place.mirror(0, &["--check"])), ["extra demo 1.0.0"]);
    assert_eq!(told(&place.mirror(2, &prune)), ["would-prune demo 1.0.0"]);
    // What is only not selected is at the source, and no extra.
    assert_eq!(told(&place.mirror(0, &["--check", "--latest", "1"])), ["extra demo 1.0.0"]);
    place.retain(|_| false);
    place.add("other", "1.0.0");
    place.publish();
    let whole = ["extra demo 1.0.0", "extra demo 1.1.0", "extra demo 1.2.0", "missing other 1.0.0"];
    assert_eq!(told(&place.mirror(2, &["--check"])), whole);
}

#[test]
fn what_one_source_has_is_no_extra_of_another() {
    let place = Mirrored::new();
    for (folder, version) in [("one", "1.0.0"), ("two", "2.0.0")] {
        let file = format!("{folder}/demo-{version}.tgz");
        place.test.file(&file, archive("demo", version, folder));
    }
    for to in [place.destination(), "out".to_owned()] {
        super::runs(&place, 0, &["one", "two", &to]);
        let runs = super::runs(&place, 0, &["one", "two", &to, "--check"]);
        assert_eq!((told(&runs[0]).len(), told(&runs[1]).len()), (0, 0), "{runs:#?}");
        let run = super::runs(&place, 0, &["one", &to, "--check"]);
        assert_eq!(told(&run[0]), ["extra demo 2.0.0"], "{run:#?}");
        assert_eq!(run[0]["counts"]["extra"], 1);
    }
}

#[test]
fn a_report_of_all_lists_every_version_with_both_digests() {
    let place = carried();
    for flags in [&["--all"][..], &["--all", "--check"], &["--all", "--look"]] {
        let report = place.mirror(0, flags);
        let versions = report["versions"].as_array().unwrap();
        assert_eq!(versions.len(), 3, "{flags:?}: {report:#}");
        for one in versions {
            assert_eq!(one["digest"], one["destinationDigest"], "{one:#}");
            assert!(one["digest"].is_string() && one["manifest"].is_string(), "{one:#}");
            let status = if flags.len() == 1 { "recorded" } else { "in-step" };
            assert_eq!(one["status"], status, "{flags:?}");
        }
    }
}

#[test]
fn a_dry_run_and_a_conflict_show_the_place() {
    let place = carried();
    let (source, destination) = (place.web.url(), place.destination());
    let args = ["mirror", &source, &destination, "--dry-run", "--template", "x/{{chart}}"];
    let run = place.test.run(args);
    run.stdout_has("  to send demo 1.0.0 at oci://[REGISTRY]/charts/x/demo:1.0.0\n").succeeds();
    place.republish("demo", "1.0.0", "two");
    let run = place.test.run(["mirror", &source, &destination]);
    run.stdout_has("  refused demo 1.0.0 at oci://[REGISTRY]/charts/demo:1.0.0: its place has ")
        .fails(3);
}

/// Finding 5 of the client's rehearsal: an index brought in a version that nobody selected.
#[test]
fn a_version_outside_of_the_selection_does_not_come_in_under_another() {
    let place = Mirrored::new();
    for (listed, real) in [("1.0.0", "6.6.6"), ("1.1.0", "1.1.1")] {
        place.add_as("demo", listed, &archive("demo", real, "one"), None);
    }
    place.publish();
    for flags in [&["--chart", "demo@<2"][..], &["--versions", "<2"]] {
        let report = place.mirror(3, flags);
        assert_eq!(told(&report)[..1], ["refused demo 1.0.0 (unfit)"], "{report:#}");
        assert_eq!(
            report["versions"][0]["reason"],
            "its Chart.yaml says version `6.6.6`, not `1.0.0`; that is not selected"
        );
    }
    let tags = |expected: &str| {
        let reference = format!("oci://{}/charts/demo", place.registry.address());
        let listed = place.test.run(["tags", reference.as_str()]).any_stdout().succeeds();
        assert_eq!(listed.stdout, expected);
    };
    tags("1.1.1\n");
    // Selected, it is copied under its own version, and so it is once it is selected.
    let report = place.mirror(0, &[]);
    assert_eq!(told(&report), ["sent demo 1.0.0"]);
    tags("6.6.6\n1.1.1\n");
}
