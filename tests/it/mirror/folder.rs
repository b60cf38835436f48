//! A source folder that changes under its index.yaml: nothing is in step because the index says so.

use super::{Mirrored, archive, runs, told};
use serde_json::Value;
use std::fs;

/// A folder with an index of two versions, mirrored once.
fn mirrored() -> Mirrored {
    let place = Mirrored::new();
    for version in ["1.0.0", "1.1.0"] {
        put(&place, version, "one");
    }
    index(&place);
    assert_eq!(told(&mirror(&place, 0, &[])), ["sent demo 1.0.0", "sent demo 1.1.0"]);
    place
}

fn put(place: &Mirrored, version: &str, mark: &str) {
    place.test.file(&format!("src/demo-{version}.tgz"), archive("demo", version, mark));
}

fn index(place: &Mirrored) {
    place.test.run(["index", "src"]).anything().succeeds();
}

#[track_caller]
fn mirror(place: &Mirrored, code: i32, flags: &[&str]) -> Value {
    let destination = place.destination();
    runs(place, code, &[&["src", destination.as_str()], flags].concat()).remove(0)
}

/// An ordinary run, one that looks, and a check.
const WAYS: [&[&str]; 3] = [&[], &["--look"], &["--check"]];

#[test]
fn an_archive_that_the_index_does_not_list_is_a_warning_in_every_run() {
    let place = mirrored();
    put(&place, "1.2.0", "one");
    for flags in WAYS.into_iter().chain(WAYS) {
        let report = mirror(&place, 0, flags);
        assert_eq!(told(&report), [""; 0], "{flags:?}");
        let warning = "index.yaml does not list `demo-1.2.0.tgz`, so it is skipped";
        assert_eq!(report["warnings"], serde_json::json!([warning]), "{flags:?}");
    }
    assert_eq!(mirror(&place, 0, &[])["unchanged"], true);
    index(&place);
    let report = mirror(&place, 0, &[]);
    assert_eq!(told(&report), ["sent demo 1.2.0"]);
    assert_eq!(report["warnings"], serde_json::json!([]));
}

#[test]
fn an_archive_replaced_under_its_index_is_a_mismatch_in_every_run() {
    for first in WAYS {
        let place = mirrored();
        put(&place, "1.1.0", "two");
        for flags in [first].into_iter().chain(WAYS) {
            let report = mirror(&place, 3, flags);
            assert_eq!(told(&report), ["refused demo 1.1.0 (mismatch)"], "{first:?} {flags:?}");
            let reason = report["versions"][0]["reason"].as_str().unwrap();
            assert!(reason.starts_with("the index has sha256:"), "{reason}");
        }
        assert_eq!(place.pulled("demo", "1.1.0"), archive("demo", "1.1.0", "one"));
        put(&place, "1.1.0", "one");
        for flags in WAYS {
            assert_eq!(told(&mirror(&place, 0, flags)), [""; 0], "{first:?} {flags:?}");
        }
    }
}

#[test]
fn an_archive_replaced_by_one_of_the_same_size_and_time_is_seen() {
    let place = mirrored();
    let path = place.test.path("src/demo-1.1.0.tgz");
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    // The time in the header of gzip is no part of the chart.
    bytes[4] ^= 1;
    fs::write(&path, bytes).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    assert_eq!(told(&mirror(&place, 3, &[])), ["refused demo 1.1.0 (mismatch)"]);
}

#[test]
fn an_archive_that_is_gone_is_refused_though_the_index_lists_it() {
    let place = mirrored();
    fs::remove_file(place.test.path("src/demo-1.1.0.tgz")).unwrap();
    for flags in WAYS {
        assert_eq!(told(&mirror(&place, 3, flags)), ["refused demo 1.1.0 (gone)"], "{flags:?}");
    }
}

#[test]
fn an_archive_that_was_touched_is_in_step() {
    let place = mirrored();
    put(&place, "1.1.0", "one");
    let report = mirror(&place, 0, &[]);
    assert_eq!((told(&report), &report["unchanged"]), (Vec::new(), &false.into()));
    mirror(&place, 0, &["--look"]);
    assert_eq!(mirror(&place, 0, &[])["unchanged"], true);
}

#[test]
fn a_provenance_file_replaced_beside_its_archive_is_a_conflict() {
    for indexed in [true, false] {
        let place = Mirrored::new();
        put(&place, "1.0.0", "one");
        place.test.file("src/demo-1.0.0.tgz.prov", "one");
        if indexed {
            index(&place);
        }
        mirror(&place, 0, &[]);
        assert_eq!(told(&mirror(&place, 0, &["--check"])), [""; 0]);
        place.test.file("src/demo-1.0.0.tgz.prov", "two");
        assert_eq!(told(&mirror(&place, 2, &["--check"])), ["drift demo 1.0.0"]);
        assert_eq!(told(&mirror(&place, 1, &[])), ["refused demo 1.0.0 (conflict)"]);
        let flags = ["--on-conflict", "overwrite"];
        assert_eq!(told(&mirror(&place, 0, &flags)), ["replaced demo 1.0.0"]);
        assert_eq!(told(&mirror(&place, 0, &["--check"])), [""; 0]);
    }
}

#[test]
fn a_check_reads_the_archives_of_a_layout() {
    let place = mirrored();
    let destination = place.destination();
    runs(&place, 0, &["src", "layout:out"]);
    runs(&place, 0, &["layout:out", &destination, "--check"]);
    let digest = chartferry::digest::Digest::sha256(&archive("demo", "1.1.0", "one"));
    let blob = place.test.path(format!("out/blobs/sha256/{}", digest.hex()));
    let mut bytes = fs::read(&blob).unwrap();
    bytes[20] ^= 1;
    fs::write(&blob, bytes).unwrap();
    let run = runs(&place, 3, &["layout:out", &destination, "--check"]).remove(0);
    let told = told(&run);
    assert!(told.len() == 1 && told[0].contains("demo 1.1.0"), "{told:?}");
}

#[test]
fn a_version_that_was_refused_meanwhile_is_removed_once_the_index_lacks_it() {
    for unlisted in [true, false] {
        let place = mirrored();
        fs::remove_file(place.test.path("src/demo-1.1.0.tgz")).unwrap();
        for _ in 0..2 {
            assert_eq!(told(&mirror(&place, 3, &[])), ["refused demo 1.1.0 (gone)"]);
        }
        index(&place);
        if unlisted {
            // A run without the flag keeps what it may remove later.
            mirror(&place, 0, &[]);
        }
        let report = mirror(&place, 0, &["--prune"]);
        assert_eq!(told(&report), ["pruned demo 1.1.0"], "{unlisted}");
        let check = mirror(&place, 0, &["--check"]);
        assert_eq!(check["counts"]["extra"], 0, "{check:#}");
    }
}
