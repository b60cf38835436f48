//! Where an index says that its archives are, and whether they are what it lists: one rule for
//! every command.

use super::{add, archive, entry, test_with_repository};
use crate::support::{
    Test,
    daemon::Daemon,
    web::{File, Web},
};
use chartferry::digest::{Algorithm, Digest};
use std::fs;

/// An index of these entries.
fn index(entries: &[String]) -> Vec<u8> {
    format!("apiVersion: v1\nentries:\n  demo:\n{}", entries.concat()).into_bytes()
}

fn parent(test: &Test, url: &str) {
    test.file(
        "parent/Chart.yaml",
        format!(
            "apiVersion: v2\nname: parent\nversion: 0.1.0\ndependencies:\n- name: demo\n  version: 1.0.0\n  repository: {url}\n"
        ),
    );
}

/// `pull`, `mirror` and `dependency update` of demo 1.0.0.
fn all_take(test: &Test, url: &str, what: &str) {
    let out = format!("out-{what}");
    test.run(["pull", "demo", "--repo", url, "--version", "1.0.0", "-d", &out])
        .anything()
        .succeeds();
    assert!(test.path(format!("{out}/demo-1.0.0.tgz")).exists(), "{what}: pull");
    let copy = format!("copy-{what}");
    test.run(["mirror", url, &copy, "--chart", "demo@1.0.0"]).anything().succeeds();
    assert!(test.path(format!("{copy}/demo-1.0.0.tgz")).exists(), "{what}: mirror");
    let _ = fs::remove_dir_all(test.path("parent"));
    parent(test, url);
    test.run(["dependency", "update", "parent"]).anything().succeeds();
    assert!(test.path("parent/charts/demo-1.0.0.tgz").exists(), "{what}: dependency update");
}

#[test]
fn the_next_address_is_tried_where_the_first_has_nothing_or_other_bytes() {
    let (test, web) = test_with_repository();
    let good = test.read("made/demo-1.0.0.tgz");
    let digest = Digest::sha256(&good);
    web.file("/good/demo-1.0.0.tgz", good).file("/bad/demo-1.0.0.tgz", "other");
    let two = |first: &str, second: &str| {
        [first, second]
            .map(|at| entry("demo", "1.0.0", digest.hex(), &format!("{at}/demo-1.0.0.tgz")))
    };
    let one = entry("demo", "1.0.0", digest.hex(), "gone/x.tgz\n    - good/demo-1.0.0.tgz");
    for (what, entries) in [
        ("gone-first", two("gone", "good").to_vec()),
        ("gone-last", two("good", "gone").to_vec()),
        ("other-first", two("bad", "good").to_vec()),
        ("two-urls", vec![one]),
    ] {
        web.file("/index.yaml", index(&entries));
        all_take(&test, &web.url(), what);
    }
    let entries = [
        entry("demo", "1.0.0", digest.hex(), "gone/demo-1.0.0.tgz"),
        entry("demo", "1.0.0", &"0".repeat(64), "good/demo-1.0.0.tgz"),
    ];
    web.file("/index.yaml", index(&entries));
    test.run(["pull", "demo", "--repo", &web.url()]).stderr_has("404 Not Found").fails(5);
}

#[test]
fn a_digest_is_the_archives_or_the_manifests_in_either_case_or_sha_512() {
    let (test, web) = test_with_repository();
    let registry = Daemon::chartferry([]);
    let at = format!("oci://{}/ns", registry.address());
    test.run(["push", "made/demo-1.0.0.tgz", &at]).anything().succeeds();
    let run = test.run(["resolve", &format!("{at}/demo:1.0.0")]).any_stdout().succeeds();
    let manifest = run.digest();
    let bytes = test.read("made/demo-1.0.0.tgz");
    let (short, long) = (Digest::sha256(&bytes), Digest::of(Algorithm::Sha512, &bytes));
    let tagged = format!("{at}/demo:1.0.0");
    for (what, digest, url) in [
        ("manifest", manifest.clone(), tagged.clone()),
        ("bare-manifest", manifest.trim_start_matches("sha256:").to_owned(), tagged.clone()),
        ("by-digest", manifest.clone(), format!("{at}/demo@{manifest}")),
        ("archive", short.to_string(), tagged),
        ("without-tag", short.to_string(), format!("{at}/demo")),
        ("upper", short.hex().to_uppercase(), format!("{}/charts/demo-1.0.0.tgz", web.url())),
        ("sha-512", long.to_string(), format!("{}/charts/demo-1.0.0.tgz", web.url())),
    ] {
        web.file("/index.yaml", index(&[entry("demo", "1.0.0", &digest, &url)]));
        if what == "by-digest" {
            // Helm names the file of a chart that it takes by its digest by that digest.
            test.run(["pull", "demo", "--repo", &web.url(), "-d", "by"]).anything().succeeds();
            continue;
        }
        all_take(&test, &web.url(), what);
    }
    for digest in [Digest::sha256(b"x"), Digest::of(Algorithm::Sha512, b"x")] {
        let entry = entry("demo", "1.0.0", digest.as_str(), &format!("{at}/demo:1.0.0"));
        web.file("/index.yaml", index(&[entry]));
        test.run(["pull", "demo", "--repo", &web.url()]).stderr_has(digest.as_str()).fails(7);
        test.run(["mirror", &web.url(), "wrong"]).anything().fails(1);
    }
    let odd =
        entry("demo", "1.0.0", "d41d8cd98f00b204e9800998ecf8427e", &format!("{at}/demo:1.0.0"));
    web.file("/index.yaml", index(&[odd]));
    test.run(["pull", "demo", "--repo", &web.url(), "-d", "odd"])
        .stderr_has("neither SHA-256 nor SHA-512")
        .anything()
        .succeeds();
    test.run(["mirror", &web.url(), "odd-mirror"])
        .stderr_has("neither SHA-256 nor SHA-512")
        .anything()
        .succeeds();
}

#[test]
fn a_url_without_a_tag_means_the_entrys_version() {
    let (test, web) = test_with_repository();
    let registry = Daemon::chartferry([]);
    let at = format!("oci://{}/ns", registry.address());
    for version in ["1.0.0", "1.1.0"] {
        test.run(["push", &format!("made/demo-{version}.tgz"), &at]).anything().succeeds();
    }
    let url = format!("{at}/demo");
    let entries = ["1.1.0", "1.0.0"].map(|version| entry("demo", version, "\"\"", &url));
    web.file("/index.yaml", index(&entries));
    all_take(&test, &web.url(), "old");
    assert_eq!(test.read("out-old/demo-1.0.0.tgz"), test.read("made/demo-1.0.0.tgz"));
    test.run(["repo", "add", "x", &web.url()]).anything().succeeds();
    test.run(["show", "chart", "x/demo", "--version", "1.0.0"])
        .stdout_has("version: 1.0.0")
        .anything()
        .succeeds();
    let wanted = test.run(["resolve", &format!("{url}:1.0.0")]).any_stdout().succeeds().digest();
    test.run(["resolve", "x/demo", "--version", "<1.1"]).stdout(format!("{wanted}\n")).succeeds();
}

#[test]
fn an_address_that_nobody_can_follow_is_the_repositorys_fault() {
    let (test, web) = test_with_repository();
    let at = "oci://127.0.0.1:1/ns";
    for (url, hint) in [
        ("local://demo-1.0.0.tgz".to_owned(), "ask the repository's owner to list"),
        ("s3://bucket/demo-1.0.0.tgz".to_owned(), "ask the repository's owner to list"),
        ("data:x".to_owned(), "ask the repository's owner to list"),
        (format!("{at}/demo-1.0.0.tgz"), "`oci://127.0.0.1:1/ns/demo:1.0.0`"),
    ] {
        web.file("/index.yaml", index(&[entry("demo", "1.0.0", "\"\"", &url)]));
        test.run(["pull", "demo", "--repo", &web.url()])
            .stderr_has(&format!("the index lists `{url}` for demo 1.0.0"))
            .stderr_has(hint)
            .fails(1);
        test.run(["mirror", &web.url(), "copy"]).stdout_has(&url).anything().fails(1);
    }
}

#[test]
fn a_stale_digest_is_refused_unless_the_user_takes_it() {
    let (test, web) = test_with_repository();
    let stale = entry("demo", "1.0.0", &"ab".repeat(32), "charts/demo-1.0.0.tgz");
    web.file("/index.yaml", index(&[stale]));
    parent(&test, &web.url());
    let pull = ["pull", "demo", "--repo", &web.url()];
    test.run(pull).stderr_has("`--on-digest-mismatch warn`").fails(7);
    test.run([&pull[..], &["--on-digest-mismatch", "warn"]].concat())
        .stderr_has("is not the archive that the index names")
        .writes(["demo-1.0.0.tgz"])
        .succeeds();
    for verb in ["update", "build"] {
        test.run(["dependency", verb, "parent"])
            .stderr_has("chartferry dependency update CHART --on-digest-mismatch warn")
            .anything()
            .fails(7);
    }
    test.run(["dependency", "update", "parent", "--on-digest-mismatch", "warn"])
        .stderr_has("is not the archive that the index names")
        .anything()
        .succeeds();
    assert!(test.path("parent/charts/demo-1.0.0.tgz").exists());
}

#[test]
fn dropped_entries_are_named_by_whoever_reads_the_index() {
    let (test, web) = test_with_repository();
    let good = entry("demo", "1.0.0", "\"\"", "charts/demo-1.0.0.tgz");
    web.file("/index.yaml", index(&["  - null\n".to_owned(), good, "  - {}\n".to_owned()]));
    let warning = "skipping loading invalid entry for chart \"demo\"";
    let url = web.url();
    test.run(["repo", "add", "x", &url]).stderr_has(warning).any_stdout().succeeds();
    test.run(["pull", "demo", "--repo", &url, "-d", "out"])
        .stderr_has(warning)
        .anything()
        .succeeds();
    web.file("/index.yaml", index(&["  - null\n".to_owned()]));
    test.run(["repo", "update"]).stderr_has(warning).any_stdout().succeeds();
    for words in [&["pull", "x/demo"][..], &["pull", "demo", "--repo", &url]] {
        test.run(words.iter().copied()).stderr_has("empty entry").fails(5);
    }
}

#[test]
fn an_index_that_changes_within_a_second_is_fetched_again() {
    let (test, web) = test_with_repository();
    let at = |version: &str, date: &str| {
        let headers = [("last-modified", "00:00:00"), ("date", date)]
            .map(|(name, time)| (name, format!("Mon, 01 Jan 2024 {time} GMT")));
        let entry = entry("demo", version, "\"\"", &format!("charts/demo-{version}.tgz"));
        web.put("/index.yaml", File::With(headers.to_vec(), index(&[entry])));
    };
    at("1.0.0", "00:00:00");
    let url = web.url();
    test.run(["repo", "add", "x", &url]).any_stdout().succeeds();
    web.take();
    let asked = |web: &Web| web.take()[0].header("if-modified-since").map(str::to_owned);
    at("1.1.0", "00:00:01");
    test.run(["repo", "update"]).any_stdout().succeeds();
    assert_eq!(asked(&web), None, "the date may stand for two indexes");
    test.run(["search", "repo", "x/"]).stdout_has("1.1.0").succeeds();
    test.run(["repo", "update"]).any_stdout().succeeds();
    assert_eq!(asked(&web).as_deref(), Some("Mon, 01 Jan 2024 00:00:00 GMT"));
}

#[test]
fn resolve_takes_ranges_everywhere() {
    let (test, web) = test_with_repository();
    add(&test, &web);
    let registry = Daemon::chartferry([]);
    let at = format!("{}/ns", registry.address());
    for version in ["1.0.0", "1.1.0", "2.0.0-rc.1"] {
        let file = format!("made/demo-{version}.tgz");
        test.run(["push", &file, &format!("oci://{at}")]).anything().succeeds();
    }
    let demo = format!("{at}/demo");
    let digest = |tag: &str| {
        let reference = format!("{demo}:{tag}");
        test.run(["resolve", &reference]).any_stdout().succeeds().digest()
    };
    let (old, new, next) = (digest("1.0.0"), digest("1.1.0"), digest("2.0.0-rc.1"));
    for (flags, wanted) in [
        (&[][..], &new),
        (&["--version", "^1"], &new),
        (&["--version", "<1.1"], &old),
        (&["--version", "1.0.0"], &old),
        (&["--devel"], &next),
    ] {
        let words = [&["resolve", &demo], flags].concat();
        test.run(words).stdout(format!("{wanted}\n")).succeeds();
    }
    test.run(["resolve", &demo, "--version", "^1", "-o", "json"])
        .stdout_has(&format!("\"ref\": \"{demo}@{new}\""))
        .stdout_has("\"version\": \"1.1.0\"")
        .any_stdout()
        .succeeds();
    test.run(["resolve", "x/demo", "--version", "^1", "-o", "json"])
        .stdout_has("\"version\": \"1.1.0\"")
        .any_stdout()
        .succeeds();
    test.run(["resolve", &demo, "--version", "^9"])
        .stderr_has("could not locate a version matching provided version string ^9")
        .stderr_has("the newest tags there are `2.0.0-rc.1`, `1.1.0`, `1.0.0`")
        .fails(5);
    test.run(["tags", &at]).stderr_has("a namespace has no tags itself").fails(5);
}

#[test]
fn a_repository_without_whole_versions_names_the_tags_it_has() {
    let test = Test::new();
    let registry = Daemon::chartferry([]);
    let at = format!("oci://{}/ns", registry.address());
    archive(&test, "demo", "1");
    test.run(["push", "made/demo-1.tgz", &at]).anything().succeeds();
    test.run(["pull", &format!("{at}/demo")])
        .stderr_has("is a version with three numbers")
        .stderr_has("the newest tags there are `1`")
        .fails(5);
}
