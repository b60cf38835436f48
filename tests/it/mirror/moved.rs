//! Tags that move at a registry as source: what finds them, and what that costs.

use super::{Mirrored, archive, count, runs, told};

const OVERWRITE: [&str; 2] = ["--on-conflict", "overwrite"];

/// A registry with three versions, already mirrored to a folder.
fn mirrored() -> (Mirrored, String) {
    let place = Mirrored::new();
    let source = place.destination();
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        push(&place, version, "one", &[]);
    }
    assert_eq!(runs(&place, 0, &[&source, "out"])[0]["counts"]["sent"], 3);
    (place, source)
}

/// Puts a chart at the source, whatever is there.
pub(super) fn push(place: &Mirrored, version: &str, mark: &str, flags: &[&str]) {
    let file = format!("demo-{version}.tgz");
    place.test.file(&file, archive("demo", version, mark));
    let source = format!("oci://{}/charts", place.registry.address());
    let args = [&["push", file.as_str(), source.as_str(), "--overwrite"], flags].concat();
    place.test.run(args).anything().succeeds();
}

#[test]
fn an_unchanged_registry_costs_its_lists_and_one_head_a_tag() {
    let (place, source) = mirrored();
    let first = place.asked_registry();
    assert_eq!(count(&first, "HEAD manifests"), 0, "what is fetched needs no question: {first:?}");
    for (flags, heads) in [(&[][..], 3), (&["--dry-run"], 3), (&["--immutable-tags"], 0)] {
        let report = runs(&place, 0, &[&[source.as_str(), "out"][..], flags].concat()).remove(0);
        assert_eq!((&report["unchanged"], &report["counts"]["inStep"]), (&true.into(), &3.into()));
        let asked = place.asked_registry();
        assert_eq!(count(&asked, "HEAD manifests"), heads, "{flags:?}");
        assert_eq!(count(&asked, "GET /v2/_catalog"), 1);
        assert_eq!(count(&asked, "GET tags"), 1);
        assert_eq!(asked.len(), heads + 2, "{asked:?}");
    }
}

#[test]
fn a_moved_tag_is_noticed_and_dealt_with_as_any_conflict() {
    let (place, source) = mirrored();
    push(&place, "1.1.0", "two", &[]);
    let run = |code, flags: &[&str]| {
        place.forget();
        runs(&place, code, &[&[source.as_str(), "out"][..], flags].concat()).remove(0)
    };
    assert_eq!(told(&run(3, &["--dry-run"])), ["refused demo 1.1.0 (conflict)"]);
    let replaced = run(0, &[&["--dry-run"][..], &OVERWRITE].concat());
    assert_eq!(told(&replaced), ["would-replace demo 1.1.0"]);
    assert_eq!(told(&run(3, &[])), ["refused demo 1.1.0 (conflict)"]);
    assert_eq!(place.test.read("out/demo-1.1.0.tgz"), archive("demo", "1.1.0", "one"));
    // What was refused is remembered by what its tag led to.
    assert_eq!(told(&run(3, &[])), ["refused demo 1.1.0 (conflict)"]);
    assert_eq!(count(&place.asked_registry(), "GET manifests"), 0);
    assert_eq!(told(&run(0, &["--on-conflict", "skip"])), ["skipped demo 1.1.0 (skipped)"]);
    assert_eq!(told(&run(0, &OVERWRITE)), ["replaced demo 1.1.0"]);
    assert_eq!(place.test.read("out/demo-1.1.0.tgz"), archive("demo", "1.1.0", "two"));
    assert_eq!(run(0, &OVERWRITE)["unchanged"], true);
    assert_eq!(told(&run(0, &["--check"])), [""; 0]);
}

#[test]
fn a_check_finds_a_moved_tag_whatever_is_believed() {
    for flags in [&[][..], &["--immutable-tags"], &["--ignore-state"], &["--retry"]] {
        let (place, source) = mirrored();
        push(&place, "1.1.0", "two", &[]);
        assert_eq!(runs(&place, 0, &[&source, "out", "--immutable-tags"])[0]["unchanged"], true);
        let args = [&[source.as_str(), "out", "--check"][..], flags].concat();
        let report = runs(&place, 2, &args).remove(0);
        assert_eq!(told(&report), ["drift demo 1.1.0"], "{flags:?}");
        let report = runs(&place, 0, &[&[source.as_str(), "out"][..], &OVERWRITE].concat());
        assert_eq!(told(&report[0]), ["replaced demo 1.1.0"], "{flags:?}");
    }
}

#[test]
fn a_version_that_was_there_before_us_is_watched_from_then_on() {
    let place = Mirrored::new();
    let (source, copy) = (place.destination(), format!("oci://{}/copy", place.proxy.address()));
    for version in ["1.0.0", "1.1.0"] {
        push(&place, version, "one", &[]);
    }
    runs(&place, 0, &[&source, &copy]);
    // Where tags are trusted, those there count as equal, and nothing is asked of them.
    place.forget();
    runs(&place, 0, &[&source, &copy, "--ignore-state", "--trust-tags"]);
    assert_eq!(count(&place.asked_registry(), "HEAD manifests"), 0);
    let trusted = ["--trust-tags"];
    let again = [&[source.as_str(), &copy][..], &trusted].concat();
    assert_eq!(runs(&place, 0, &again)[0]["unchanged"], true);
    push(&place, "1.1.0", "two", &[]);
    assert_eq!(told(&runs(&place, 2, &[&source, &copy, "--check"])[0]), ["drift demo 1.1.0"]);
    let report = runs(&place, 3, &[&source, &copy]).remove(0);
    assert_eq!(told(&report), ["refused demo 1.1.0 (conflict)"]);
}

#[test]
fn a_tag_that_moved_to_the_same_chart_costs_one_manifest_and_no_archive() {
    let (place, source) = mirrored();
    push(&place, "1.1.0", "one", &["--annotation", "a=b"]);
    place.forget();
    let report = runs(&place, 0, &[&source, "out"]).remove(0);
    assert_eq!(report["counts"]["inStep"], 3, "{report:#}");
    let asked = place.asked_registry();
    assert_eq!((count(&asked, "GET manifests"), count(&asked, "GET blobs")), (1, 0), "{asked:?}");
    place.forget();
    assert_eq!(runs(&place, 0, &[&source, "out"])[0]["unchanged"], true);
    assert_eq!(count(&place.asked_registry(), "GET manifests"), 0, "remembered");
}

#[test]
fn a_tag_that_moved_to_an_image_is_told() {
    let (place, source) = mirrored();
    super::policies::put_image(&place.registry.address(), "1.1.0");
    assert_eq!(told(&runs(&place, 2, &[&source, "out", "--check"])[0]), ["drift demo 1.1.0"]);
    let report = runs(&place, 3, &[&source, "out"]).remove(0);
    assert_eq!(told(&report), ["refused demo 1.1.0 (unfit)"]);
    assert_eq!(place.test.read("out/demo-1.1.0.tgz"), archive("demo", "1.1.0", "one"));
}
