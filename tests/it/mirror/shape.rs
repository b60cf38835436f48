//! Options that decide what a destination must hold are part of the record: whoever changes them
//! gets it, or a conflict.

use super::{Mirrored, archive, count, told};

const OVERWRITE: [&str; 2] = ["--on-conflict", "overwrite"];

/// A chart whose dependency points at an address that is to be rewritten, and a chart without any.
fn carried() -> Mirrored {
    let place = Mirrored::new();
    place.add_as("app", "1.0.0", &dependent(), Some(&dependent()));
    place.add("plain", "1.0.0");
    place.publish();
    place.mirror(0, &[]);
    place
}

fn dependent() -> Vec<u8> {
    let more =
        "one\ndependencies:\n- {name: lib, version: 1.0.0, repository: 'https://old.example'}";
    archive("app", "1.0.0", more)
}

fn rewriting(url: &str) -> Vec<String> {
    let rule = format!("https://old.example={url}");
    ["--rewrite-dependencies", "--dependency-url", &rule].map(str::to_owned).to_vec()
}

fn run(place: &Mirrored, code: i32, flags: &[&[&str]]) -> serde_json::Value {
    place.forget();
    place.mirror(code, &flags.concat())
}

fn points_at(place: &Mirrored, url: &str) {
    let reference = format!("oci://{}/charts/app", place.registry.address());
    let shown = place.test.run(["show", "chart", &reference]).any_stdout().succeeds().stdout;
    assert!(shown.contains(&format!("repository: {url}")), "{url} not in {shown}");
}

#[test]
fn rewriting_after_a_first_run_is_a_conflict_and_is_done_when_that_is_asked() {
    for state in [&[][..], &["--ignore-state"], &["--retry"]] {
        let place = carried();
        let rules = rewriting("oci://new.example/charts");
        let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
        assert_eq!(told(&run(&place, 2, &[&rules, &["--check"]])), ["drift app 1.0.0"]);
        let refused = run(&place, 3, &[&rules, state]);
        assert_eq!(told(&refused), ["refused app 1.0.0 (conflict)"], "{state:?}");
        points_at(&place, "https://old.example");
        let replaced = run(&place, 0, &[&rules, &OVERWRITE, state]);
        assert_eq!(told(&replaced), ["replaced app 1.0.0"], "{state:?}");
        points_at(&place, "oci://new.example/charts");
        // Once done it is remembered, and costs no archive.
        let again = run(&place, 0, &[&rules, &OVERWRITE]);
        assert_eq!(again["unchanged"], true, "{again:#}");
        assert_eq!(told(&run(&place, 0, &[&rules, &["--check"]])), [""; 0]);
        assert_eq!(place.asked_web(), ["GET /index.yaml"]);
    }
}

#[test]
fn other_rules_and_no_rules_are_changes_too() {
    let place = carried();
    let [one, two] = ["oci://one.example", "oci://two.example"].map(rewriting);
    let [one, two]: [Vec<&str>; 2] =
        [&one, &two].map(|rules| rules.iter().map(String::as_str).collect());
    run(&place, 0, &[&one, &OVERWRITE]);
    points_at(&place, "oci://one.example");
    assert_eq!(told(&run(&place, 0, &[&two, &OVERWRITE])), ["replaced app 1.0.0"]);
    points_at(&place, "oci://two.example");
    assert_eq!(told(&run(&place, 2, &[&["--check"]])), ["drift app 1.0.0"]);
    // The check has noted it; without that the record says so too.
    assert_eq!(told(&run(&place, 3, &[])), ["refused app 1.0.0 (conflict)"]);
    assert_eq!(told(&run(&place, 0, &[&OVERWRITE])), ["replaced app 1.0.0"]);
    points_at(&place, "https://old.example");
    // What the rules do not concern is compared by its digest, and never sent.
    let registry = place.asked_registry();
    assert_eq!(count(&registry, "PUT manifests"), 1, "{registry:?}");
}

#[test]
fn a_second_tag_is_given_after_a_first_run_without_it() {
    let place = Mirrored::new();
    let bytes = place.add("demo", "v3.1.0");
    place.add("demo", "v3.2.0");
    place.publish();
    place.mirror(0, &[]);
    // Somebody has the second name of one of them.
    place.test.file("demo-3.2.0.tgz", archive("demo", "3.2.0", "theirs"));
    let destination = format!("oci://{}/charts", place.registry.address());
    place.test.run(["push", "demo-3.2.0.tgz", &destination]).anything().succeeds();
    let alias: &[&str] = &["--alias-without-v"];
    assert_eq!(run(&place, 2, &[alias, &["--check"]])["counts"]["drift"], 2);
    let dry = run(&place, 0, &[alias, &["--dry-run"]]);
    assert_eq!(dry["counts"]["planned"], 1, "{dry:#}");
    let report = run(&place, 0, &[alias]);
    assert_eq!(told(&report), ["sent demo v3.1.0"], "{report:#}");
    assert!(report["warnings"].to_string().contains("has other content"), "{report:#}");
    let uploads = count(&place.asked_registry(), "POST blobs/uploads");
    assert!(uploads <= 1, "the state alone is uploaded");
    let digest = |tag: &str| {
        let reference = format!("{destination}/demo:{tag}");
        place.test.run(["resolve", &reference]).any_stdout().succeeds().digest()
    };
    assert_eq!(digest("v3.1.0"), digest("3.1.0"));
    assert_ne!(digest("v3.2.0"), digest("3.2.0"));
    assert_eq!(place.pulled("demo", "v3.1.0"), bytes);
    assert_eq!(run(&place, 0, &[alias])["unchanged"], true);
    // Replaced with the version that it names.
    place.republish("demo", "v3.1.0", "two");
    run(&place, 0, &[alias, &OVERWRITE]);
    assert_eq!(digest("v3.1.0"), digest("3.1.0"));
}
