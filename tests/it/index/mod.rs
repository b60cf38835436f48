//! `index` beside `helm repo index`: the same text but for the times, fewer archives read, and the
//! file left alone when nothing changed. What Helm reads of an index is held beside the reader.

use crate::support::{Run, Test, source_tree};
use serde_json::Value;
use std::{fs, time::SystemTime};

mod peers;

/// A folder with the recorded archives.
fn folder() -> Test {
    let test = Test::new();
    test.copy("testdata/index/archives", "charts");
    test.copy("testdata/index/merge.yaml", "merge.yaml");
    test
}

fn index<'t>(test: &'t Test, args: &[&str]) -> Run<'t> {
    test.run(["index", "charts"].iter().chain(args).map(ToString::to_string)).anything()
}

/// What `-o json` reports.
fn report(test: &Test, args: &[&str]) -> Value {
    let outcome = index(test, &[args, &["-o", "json"]].concat()).succeeds();
    serde_json::from_str(&outcome.stdout).unwrap()
}

fn text(test: &Test) -> String {
    String::from_utf8(test.read("charts/index.yaml")).unwrap()
}

/// The text with every time from 2024 on replaced.
fn timeless(text: &str) -> String {
    let mut out = String::new();
    for piece in text.split_inclusive('"') {
        let is_time = piece.len() >= 21 && piece.starts_with("202") && piece.as_bytes()[10] == b'T';
        out.push_str(if is_time && piece > "2024" { "TIME\"" } else { piece });
    }
    out
}

fn golden(name: &str) -> String {
    fs::read_to_string(source_tree("testdata/index").join(name)).unwrap()
}

/// The entry's time of the archive with that URL.
fn created(text: &str, url: &str) -> String {
    let entry = text.split("\n  - ").find(|entry| entry.contains(&format!("- {url}\n"))).unwrap();
    let line = entry.lines().find_map(|line| line.trim().strip_prefix("created: "));
    line.unwrap().trim_matches('"').to_owned()
}

#[test]
fn the_text_is_helms_but_for_the_times() {
    for (args, name) in [
        (vec![], "plain.yaml"),
        (vec!["--url", "https://example.com/charts/"], "url.yaml"),
        (vec!["--url", "https://example.com/a%2fb?token=x y"], "query.yaml"),
        (vec!["--url", "charts/x"], "pathish.yaml"),
        (vec!["--url", "ht!tp://%zz"], "badurl.yaml"),
        (vec!["--json"], "plain.json"),
        (vec!["--merge", "merge.yaml"], "merged.yaml"),
        (vec!["--json", "--url", "http://h", "--merge", "merge.yaml"], "merged.json"),
    ] {
        let test = folder();
        index(&test, &args).succeeds();
        assert_eq!(timeless(&text(&test)), golden(name), "{args:?}");
        // Nor does it depend on what is known from before.
        index(&test, &["--json", "--url", "x"]).succeeds();
        index(&test, &args).succeeds();
        assert_eq!(timeless(&text(&test)), golden(name), "{args:?} again");
    }
}

#[test]
fn nothing_is_said_but_what_is_missing_and_what_was_dropped() {
    let test = folder();
    for path in ["bad-1.0.0.tgz", "values-1.0.0.tgz", "truncated-1.0.0.tgz"] {
        fs::remove_file(test.path("charts").join(path)).unwrap();
    }
    test.run(["index", "charts", "--merge", "merge.yaml"])
        .stderr(
            "warning: skipping loading invalid entry for chart \"gone\" \"x\" from merge.yaml: validation: \
             chart.metadata.version \"x\" is invalid\n\
             warning: app 1.2 is skipped: merge.yaml lists it, and Helm considers 1.2.5 of this folder equal\n\
             warning: `junk.tgz` is not a chart and is skipped: gzip: invalid header\n",
        )
        .writes(["charts/.chartferry-index", "charts/index.yaml"])
        .succeeds();
    fs::remove_file(test.path("charts/junk.tgz")).unwrap();
    test.run(["repo", "index", "charts"])
        .writes(["charts/.chartferry-index", "charts/index.yaml"])
        .succeeds();
    test.run(["index", "nowhere"]).stderr_has("cannot list folder `nowhere`").fails(5);
}

#[test]
fn an_index_that_would_say_the_same_is_left_alone() {
    let test = folder();
    let first = report(&test, &[]);
    assert_eq!(
        (&first["written"], &first["versions"], &first["charts"]),
        (&true.into(), &8.into(), &4.into())
    );
    assert_eq!(first["skipped"].as_array().unwrap().len(), 4);
    let before = (text(&test), modified(&test));
    let mut reports = vec![report(&test, &[])];
    // A file that is touched is read again, and says the same.
    let file = fs::File::open(test.path("charts/app-1.0.0.tgz")).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    reports.push(report(&test, &[]));
    assert!(reports[1]["read"].as_u64() > Some(0));
    for report in reports {
        assert_eq!(report["written"], false);
        assert_eq!(report["skipped"], first["skipped"]);
        assert_eq!(report["read"].as_u64().unwrap() + report["reused"].as_u64().unwrap(), 12);
    }
    assert_eq!((text(&test), modified(&test)), before);
}

fn modified(test: &Test) -> SystemTime {
    fs::metadata(test.path("charts/index.yaml")).unwrap().modified().unwrap()
}

#[test]
fn what_is_new_gets_a_new_time_and_what_was_there_keeps_its_own() {
    let test = folder();
    index(&test, &[]).succeeds();
    let before = text(&test);
    fs::rename(test.path("charts/sub/deeper/deep-1.0.0.tgz"), test.path("charts/new.tgz")).unwrap();
    fs::remove_file(test.path("charts/other/other-1.0.0.tgz")).unwrap();
    // Another chart under an old name.
    fs::copy(test.path("charts/old-0.0.1.tgz"), test.path("charts/sub/lib-0.1.0.tgz")).unwrap();
    assert_eq!(report(&test, &[])["written"], true);
    let after = text(&test);
    for url in ["app-1.0.0.tgz", "sub/app-1.2.5.tgz", "old-0.0.1.tgz"] {
        assert_eq!(created(&before, url), created(&after, url));
    }
    assert_ne!(created(&after, "new.tgz"), created(&after, "app-1.0.0.tgz"));
    assert_ne!(created(&after, "sub/lib-0.1.0.tgz"), created(&before, "sub/lib-0.1.0.tgz"));
    assert!(!after.contains("other-1.0.0.tgz"));
    // The times outlast another base, another format, and the loss of what was remembered.
    index(&test, &["--json", "--url", "http://h"]).succeeds();
    index(&test, &[]).succeeds();
    fs::remove_file(test.path("charts/.chartferry-index")).unwrap();
    index(&test, &[]).succeeds();
    let last = text(&test);
    for url in ["app-1.0.0.tgz", "new.tgz"] {
        assert_eq!(created(&last, url), created(&after, url));
    }
}

#[test]
fn a_damaged_sidecar_costs_time_and_nothing_else() {
    let test = folder();
    index(&test, &[]).succeeds();
    let (sidecar, index_before) = (test.read("charts/.chartferry-index"), text(&test));
    let mut swapped = sidecar.clone();
    let middle = swapped.len() / 2;
    swapped[middle] ^= 1;
    for damaged in
        [&[][..], b"\n", b"nonsense", &sidecar[..sidecar.len() / 2], &swapped, &[0xff; 100]]
    {
        test.file("charts/.chartferry-index", damaged);
        let report = report(&test, &[]);
        assert_eq!((&report["reused"], &report["read"]), (&0.into(), &12.into()));
        assert_eq!(timeless(&text(&test)), timeless(&index_before));
        assert_eq!(created(&text(&test), "app-1.0.0.tgz"), created(&index_before, "app-1.0.0.tgz"));
        assert_ne!(test.read("charts/.chartferry-index"), damaged);
    }
}

#[test]
fn an_index_that_someone_changed_is_written_anew() {
    let test = folder();
    index(&test, &[]).succeeds();
    let before = text(&test);
    for changed in [before.replace("name: app\n", "name: other\n"), "wrong: yes\n".to_owned()] {
        test.file("charts/index.yaml", changed);
        assert_eq!(report(&test, &[])["written"], true);
        assert_eq!(timeless(&text(&test)), timeless(&before));
    }
    fs::remove_file(test.path("charts/index.yaml")).unwrap();
    index(&test, &[]).succeeds();
    assert_eq!(timeless(&text(&test)), timeless(&before));
}

#[test]
fn times_can_come_from_the_archives_or_from_outside() {
    let texts: Vec<String> = (0..2)
        .map(|_| {
            let test = folder();
            index(&test, &["--created-from", "archive"]).succeeds();
            text(&test)
        })
        .collect();
    assert_eq!(texts[0], texts[1], "the archives alone decide");
    assert_eq!(created(&texts[0], "old-0.0.1.tgz"), "2020-09-13T12:26:40Z");
    assert_eq!(timeless(&texts[0]).replace("2020-09-13T12:26:40Z", "TIME"), golden("plain.yaml"));
    let test = folder();
    index(&test, &[]).succeeds();
    index(&test, &["--created-from", "SOURCE_DATE_EPOCH"])
        .env("SOURCE_DATE_EPOCH", "1000000000")
        .succeeds();
    let text = text(&test);
    assert_eq!(created(&text, "app-1.0.0.tgz"), "2001-09-09T01:46:40Z");
    assert!(text.ends_with("generated: \"2001-09-09T01:46:40Z\"\n"));
    let refused = index(&test, &["--created-from", "SOURCE_DATE_EPOCH"]).fails(64);
    assert!(
        refused.stderr.contains("the variable SOURCE_DATE_EPOCH is not set"),
        "{}",
        refused.stderr
    );
}

#[test]
fn strictly_nothing_is_left_out_and_nothing_is_there_twice() {
    let test = folder();
    let refused = index(&test, &["--strict"]).fails(1);
    assert!(
        refused.stderr.contains("`bad-1.0.0.tgz` is not a chart: validation: "),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("and 3 others are not charts either"), "{}", refused.stderr);
    index(&test, &[]).succeeds();
    index(&test, &["--strict"]).fails(1);
    for path in ["bad-1.0.0.tgz", "values-1.0.0.tgz", "truncated-1.0.0.tgz", "junk.tgz"] {
        fs::remove_file(test.path("charts").join(path)).unwrap();
    }
    let refused = index(&test, &["--strict"]).fails(1);
    let message = "version `1.0.0` of `app` is in more than one archive";
    assert!(refused.stderr.contains(message), "{}", refused.stderr);
    fs::remove_file(test.path("charts/with space#1.tgz")).unwrap();
    index(&test, &["--strict"]).succeeds();
}

#[test]
fn merging_writes_what_is_missing_and_refuses_what_helm_refuses() {
    let test = folder();
    index(&test, &["--merge", "new/none.yaml"]).fails(1);
    index(&test, &["--merge", "none.yaml"]).succeeds();
    let empty = String::from_utf8(test.read("none.yaml")).unwrap();
    assert!(empty.starts_with("apiVersion: v1\nentries: {}\ngenerated: \""), "{empty}");
    test.file("bad.yaml", "apiVersion: v1\nwrong: v1\n");
    let refused = index(&test, &["--merge", "bad.yaml"]).fails(1);
    let message = "merge failed: error loading bad.yaml: error unmarshaling JSON: while decoding JSON: json: unknown field \"wrong\"";
    assert!(refused.stderr.contains(message), "{}", refused.stderr);
    // Merging with itself comes to rest.
    index(&test, &["--merge", "merge.yaml"]).succeeds();
    index(&test, &["--merge", "charts/index.yaml"]).succeeds();
    let before = text(&test);
    assert_eq!(timeless(&before), golden("merged.yaml"));
    assert_eq!(report(&test, &["--merge", "charts/index.yaml"])["written"], false);
    assert_eq!(text(&test), before);
}

#[test]
fn an_index_of_a_registry_lists_tags_instead_of_files() {
    let test = Test::new();
    test.file("made/demo/Chart.yaml", "apiVersion: v2\nname: demo\nversion: 1.0.0+b\n");
    test.run(["package", "made/demo", "-d", "charts/sub"]).anything().succeeds();
    for _ in 0..2 {
        test.run(["index", "charts", "--url", "oci://r.example/ns/"]).anything().succeeds();
        let text = String::from_utf8(test.read("charts/index.yaml")).unwrap();
        assert!(text.contains("- oci://r.example/ns/demo:1.0.0_b\n"), "{text}");
    }
}

#[test]
fn a_version_that_a_merge_leaves_out_is_reported() {
    let test = Test::new();
    let entry = |version: &str| {
        format!(
            "  - {{apiVersion: v2, name: demo, version: {version}, urls: [demo-{version}.tgz]}}\n"
        )
    };
    test.file("made/demo/Chart.yaml", "apiVersion: v2\nname: demo\nversion: 1.1.0\n");
    test.run(["package", "made/demo", "-d", "charts"]).anything().succeeds();
    let entries = ["\"1.1\"", "v1.1.0", "1.1.0+b2", "1.1.0", "1.2.0"].map(entry).concat();
    test.file("old.yaml", format!("apiVersion: v1\nentries:\n  demo:\n{entries}"));
    let run = ["index", "charts", "--merge", "old.yaml"];
    test.run(run)
        .stderr_has(
            "demo 1.1 is skipped: old.yaml lists it, and Helm considers 1.1.0 of this folder equal",
        )
        .stderr_has("demo v1.1.0 is left out")
        .stderr_has("demo 1.1.0+b2 is left out")
        .anything()
        .succeeds();
    let out = test.run([&run[..], &["--json", "-o", "json"]].concat()).anything().succeeds();
    let report: Value = serde_json::from_str(&out.stdout).unwrap();
    let left: Vec<&str> = report["leftOut"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["version"].as_str().unwrap())
        .collect();
    assert_eq!(left.len(), 3, "{left:?}");
    test.run([&run[..], &["--strict"]].concat()).stderr_has("would be skipped").anything().fails(1);
}
