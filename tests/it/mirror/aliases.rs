//! Tags of a registry that are no versions but other names of them, charts behind an index, and
//! versions that only their manifests date.

use super::{Mirrored, archive, count, moved::push, policies::put_image, runs, told};
use crate::registry::wire::{index, retag, untag};
use serde_json::Value;

/// A registry with three versions, and these tags beside them: the version, its other name.
fn tagged(aliases: &[(&str, &str)]) -> Mirrored {
    let place = Mirrored::new();
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        push(&place, version, "one", &[]);
    }
    for (version, alias) in aliases {
        name(&place, version, alias);
    }
    place
}

fn name(place: &Mirrored, version: &str, alias: &str) {
    retag(&place.registry.address(), "charts/demo", version, alias);
}

/// Mirrors to a folder, and counts requests anew.
#[track_caller]
fn run(place: &Mirrored, code: i32, to: &str, flags: &[&str]) -> Value {
    place.forget();
    runs(place, code, &[&[place.destination().as_str(), to][..], flags].concat()).remove(0)
}

#[test]
fn other_names_of_a_version_are_counted_and_left_behind() {
    let others = [("1.2.0", "1"), ("1.2.0", "1.2"), ("1.2.0", "latest"), ("1.0.0", "1.0")];
    let place = tagged(&others);
    let first = run(&place, 0, "out", &[]);
    assert_eq!((&first["counts"]["sent"], &first["counts"]["aliases"]), (&3.into(), &4.into()));
    let again = run(&place, 0, "out", &[]);
    assert_eq!((&again["unchanged"], &again["counts"]["inStep"]), (&true.into(), &3.into()));
    let asked = place.asked_registry();
    assert_eq!((count(&asked, "HEAD manifests"), count(&asked, "GET manifests")), (3, 4));
    assert_eq!(asked.len(), 9, "and the two lists: {asked:?}");
    // Where no tag moves, nothing is asked of them.
    let believed = run(&place, 0, "out", &["--immutable-tags"]);
    assert_eq!((&believed["unchanged"], &believed["counts"]["aliases"]), (&true.into(), &4.into()));
    assert_eq!(place.asked_registry().len(), 2);
    assert_eq!(told(&run(&place, 0, "out", &["--check"])), [""; 0]);
    name(&place, "1.1.0", "latest");
    assert_eq!(told(&run(&place, 0, "out", &[])), [""; 0], "an alias may move");

    let two = run(&place, 0, "two", &["--latest", "2"]);
    assert_eq!(told(&two), ["sent demo 1.1.0", "sent demo 1.2.0"]);
    let source = place.destination();
    let text = "3 versions of 1 chart: 3 in step; 4 tags are other names of them; the source has not changed";
    place.test.run(["mirror", source.as_str(), "out"]).stdout_has(text).any_files().succeeds();
}

#[test]
fn a_version_without_a_tag_of_its_own_is_carried_by_another() {
    let place = tagged(&[("1.2.0", "latest"), ("1.2.0", "stable")]);
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        untag(&place.registry.address(), "charts/demo", version);
    }
    let first = run(&place, 0, "out", &[]);
    assert_eq!(told(&first), ["sent demo 1.2.0"]);
    assert_eq!(first["counts"]["aliases"], 1);
    assert_eq!(place.test.read("out/demo-1.2.0.tgz"), archive("demo", "1.2.0", "one"));
    push(&place, "1.3.0", "one", &[]);
    name(&place, "1.3.0", "latest");
    assert_eq!(told(&run(&place, 0, "out", &["--prune"])), ["sent demo 1.3.0"]);
    assert_eq!(run(&place, 0, "out", &[])["unchanged"], true);
}

#[test]
fn another_name_that_looks_like_a_version_is_found_when_it_is_fetched() {
    let place = tagged(&[("1.2.0", "9.9.9")]);
    let first = run(&place, 0, "out", &[]);
    assert_eq!(first["counts"]["sent"], 3, "{first:#}");
    assert!(told(&first).contains(&"in-step demo 9.9.9 (alias)".to_owned()), "{first:#}");
    let again = run(&place, 0, "out", &[]);
    assert_eq!((&again["unchanged"], told(&again)), (&true.into(), vec![]));
    assert_eq!(count(&place.asked_registry(), "GET manifests"), 0);
    for flags in [&["--check"][..], &["--immutable-tags"]] {
        assert_eq!(told(&run(&place, 0, "out", flags)), [""; 0]);
    }
    push(&place, "9.9.9", "one", &[]);
    assert_eq!(told(&run(&place, 0, "out", &[])), ["sent demo 9.9.9"]);
}

#[test]
fn what_was_no_chart_is_carried_when_its_tag_moves() {
    let place = tagged(&[]);
    put_image(&place.registry.address(), "2.0.0");
    for _ in 0..2 {
        let other = told(&run(&place, 0, "out", &[]));
        assert!(other.contains(&"other demo 2.0.0 (other)".to_owned()), "{other:?}");
    }
    assert_eq!(count(&place.asked_registry(), "GET manifests"), 0, "remembered");
    untag(&place.registry.address(), "charts/demo", "2.0.0");
    push(&place, "2.0.0", "one", &[]);
    assert_eq!(told(&run(&place, 0, "out", &[])), ["sent demo 2.0.0"]);
}

#[test]
fn a_chart_behind_an_index_is_carried_as_itself() {
    let place = tagged(&[]);
    let address = place.registry.address();
    index(&address, "charts/demo", "1.2.0", "latest");
    let manifest = index(&address, "charts/demo", "1.2.0", "1.2.0");
    let copy = format!("oci://{}/copy", place.registry.address());
    let first = run(&place, 0, &copy, &[]);
    assert_eq!((&first["counts"]["sent"], &first["counts"]["aliases"]), (&3.into(), &1.into()));
    let sent = first["versions"].as_array().unwrap().iter().find(|one| one["version"] == "1.2.0");
    assert_eq!(sent.unwrap()["manifest"], manifest);
    assert_eq!(run(&place, 0, &copy, &[])["unchanged"], true);
    assert_eq!(told(&run(&place, 0, &copy, &["--check"])), [""; 0]);
    let compared = run(&place, 0, &copy, &["--ignore-state", "--on-conflict", "overwrite"]);
    assert_eq!(compared["counts"]["inStep"], 3, "{compared:#}");
}

#[test]
fn a_registrys_versions_are_dated_by_their_manifests() {
    let place = Mirrored::new();
    let source = format!("oci://{}/charts", place.registry.address());
    for (version, year) in [("1.0.0", 30), ("1.1.0", 40), ("1.2.0", 50)] {
        let file = format!("demo-{version}.tgz");
        place.test.file(&file, archive("demo", version, "one"));
        let made = std::time::UNIX_EPOCH + std::time::Duration::from_secs(year * 31_557_600);
        let opened = std::fs::File::options().append(true).open(place.test.path(&file)).unwrap();
        opened.set_modified(made).unwrap();
        place.test.run(["push", file.as_str(), source.as_str()]).anything().succeeds();
    }
    let since = ["--since", "2005-01-01"];
    assert_eq!(told(&run(&place, 0, "out", &since)), ["sent demo 1.1.0", "sent demo 1.2.0"]);
    let again = run(&place, 0, "out", &since);
    assert_eq!((&again["unchanged"], &again["counts"]["inStep"]), (&true.into(), &2.into()));
    let asked = place.asked_registry();
    assert_eq!(asked.len(), 5, "two lists, and a manifest a version instead of a HEAD: {asked:?}");
    let old = run(&place, 0, "old", &["--min-age", "8000d", "--chart", "demo@<1.2"]);
    assert_eq!(told(&old), ["sent demo 1.0.0"]);
    assert_eq!(old["warnings"], serde_json::json!([]));
    // What has no date is left out, and told.
    put_image(&place.registry.address(), "2.0.0");
    let undated = run(&place, 0, "out", &since)["warnings"].to_string();
    assert!(undated.contains("1 version was skipped because it has no creation time"), "{undated}");
}

#[test]
fn a_dry_run_says_what_the_run_will_do_and_fetches_no_archive() {
    let place = Mirrored::new();
    let address = place.registry.address();
    for version in ["1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0"] {
        place.add("demo", version);
    }
    place.publish();
    for (version, mark) in [("1.0.0", "one"), ("1.1.0", "one"), ("1.2.0", "one"), ("1.3.0", "two")]
    {
        push(&place, version, mark, &[]);
    }
    put_image(&address, "1.4.0");
    place.forget();
    let flags = ["--on-conflict", "overwrite"];
    let dry = place.mirror(3, &[&flags[..], &["--dry-run"]].concat());
    assert_eq!(told(&dry), ["would-replace demo 1.3.0", "refused demo 1.4.0 (conflict)"]);
    assert_eq!((&dry["counts"]["inStep"], &dry["counts"]["planned"]), (&3.into(), &0.into()));
    assert!(!place.asked_web().iter().any(|asked| asked.ends_with(".tgz")));
    assert!(!place.asked_registry().iter().any(|asked| asked.starts_with("PUT")));
    let skipped = place.mirror(3, &["--on-conflict", "skip", "--dry-run"]);
    assert_eq!(told(&skipped)[0], "skipped demo 1.3.0 (skipped)");
    let real = place.mirror(3, &flags);
    assert_eq!(told(&real), ["replaced demo 1.3.0", "refused demo 1.4.0 (conflict)"]);
    // An index without a digest leaves it to the archive.
    place.change(|entry| entry.digest = None);
    place.publish();
    let unknown = place.mirror(3, &[&flags[..], &["--dry-run", "--ignore-state"]].concat());
    assert_eq!(unknown["counts"]["toCompare"], 4, "{unknown:#}");
}
