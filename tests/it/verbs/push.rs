//! `push FILE|DIR… DESTINATION`.

use super::{demo, package, source};
use crate::support::Test;

#[test]
fn an_archive_and_a_source_print_helms_two_lines() {
    let (test, registry) = demo();
    package(&test, "demo");
    let pushed = test
        .run(["push", "demo-1.0.0.tgz", &registry.oci()])
        .stdout_has("Pushed: [ADDR]/demo:1.0.0\nDigest: sha256:")
        .succeeds();
    assert_eq!(pushed.stdout.lines().count(), 2);
    // The source is the same chart: its files are equal, though their times are not.
    test.run(["push", "demo", &registry.oci()])
        .stdout(pushed.stdout)
        .stderr("[ADDR]/demo:1.0.0 already holds this chart; nothing was sent\n")
        .succeeds();
}

#[test]
fn a_version_is_not_replaced_unless_told_and_then_the_lost_digest_is_named() {
    let (test, registry) = demo();
    let first = test.run(["push", "demo", &registry.oci()]).any_stdout().succeeds().digest();
    source(&test, "demo", "demo", "1.0.0", "b");
    test.run(["push", "demo", &registry.oci()])
        .stderr_has("error: [ADDR]/demo:1.0.0 already holds another chart (sha256:")
        .stderr_has("its files differ")
        .stderr_has("`--overwrite`")
        .fails(4);
    test.run(["push", "demo", &registry.oci(), "--skip-existing"])
        .any_stdout()
        .stderr("[ADDR]/demo:1.0.0 holds something else; skipped\n")
        .succeeds();
    for (flag, env) in [(Some("--overwrite"), ""), (Some("--force"), ""), (None, "1")] {
        source(&test, "demo", "demo", "1.0.0", &format!("c{flag:?}"));
        let args = ["push", "demo"]
            .into_iter()
            .map(str::to_owned)
            .chain([registry.oci()])
            .chain(flag.map(str::to_owned));
        let moved = test
            .run(args)
            .env("CHARTFERRY_OVERWRITE", env)
            .any_stdout()
            .stderr_has("just lost the tag `1.0.0`")
            .succeeds();
        assert_ne!(moved.digest(), first);
    }
}

#[test]
fn json_says_what_became_of_the_tag() {
    let (test, registry) = demo();
    let run = |args: &[&str]| {
        let oci = registry.oci();
        let all = ["push", "demo", &oci, "-o", "json"].into_iter().chain(args.iter().copied());
        let outcome = test.run(all.map(str::to_owned)).any_stdout().any_stderr().succeeds();
        let all: Vec<serde_json::Value> = serde_json::from_slice(&outcome.bytes).unwrap();
        assert_eq!(all.len(), 1);
        all[0].clone()
    };
    let pushed = run(&[]);
    assert_eq!(pushed["status"], "pushed");
    assert_eq!(pushed["tag"], "1.0.0");
    assert_eq!(pushed["ref"], format!("{}/demo:1.0.0", registry.address()));
    assert_eq!(run(&[])["status"], "unchanged");
    assert_eq!(run(&["--skip-existing"])["status"], "unchanged");
    source(&test, "demo", "demo", "1.0.0", "b");
    let skipped = run(&["--skip-existing"]);
    assert_eq!(skipped["status"], "skipped");
    assert_eq!(skipped["verified"], false);
    // Size and digests are those of what the tag holds.
    for field in ["digest", "archiveDigest", "size"] {
        assert_eq!(skipped[field], pushed[field], "{field}");
    }
    assert_eq!(run(&["--overwrite", "--verify", "none"])["verified"], false);
    source(&test, "demo", "demo", "1.0.0", "c");
    let pushed = run(&["--overwrite"]);
    source(&test, "demo", "demo", "1.0.0", "d");
    let moved = run(&["--overwrite"]);
    assert_eq!(moved["status"], "moved");
    assert_eq!(moved["lost"], pushed["digest"]);
}

#[test]
fn many_at_once_go_on_when_one_fails() {
    let (test, registry) = demo();
    source(&test, "other", "other", "2.0.0+b1", "x");
    test.file("broken.tgz", "no archive");
    let outcome = test
        .run([
            "push",
            "demo",
            "broken.tgz",
            "other",
            &format!("{}/team", registry.oci()),
            "--digest-file",
            "digests",
        ])
        .stdout_has("Pushed: [ADDR]/team/demo:1.0.0\n")
        .stdout_has("Pushed: [ADDR]/team/other:2.0.0_b1\n")
        .stderr_has("`broken.tgz` was not pushed")
        .stderr_has("error: 1 of 3 were not pushed: broken.tgz")
        .writes(["digests"])
        .fails(3);
    let digests: Vec<&str> =
        outcome.stdout.lines().filter_map(|line| line.strip_prefix("Digest: ")).collect();
    assert_eq!(
        String::from_utf8(test.read("digests")).unwrap().lines().collect::<Vec<_>>(),
        digests
    );
}

#[test]
fn failed_inputs_are_in_the_json_and_its_shape_does_not_depend_on_their_number() {
    let (test, registry) = demo();
    package(&test, "demo");
    test.file("broken.tgz", "no archive");
    let oci = registry.oci();
    for (args, code, wanted) in [
        (vec!["push", "demo-1.0.0.tgz", &oci], 0, "pushed"),
        (vec!["push", "broken.tgz", &oci], 1, "failed"),
        (vec!["push", "demo-1.0.0.tgz", "broken.tgz", &oci], 3, "unchanged failed"),
        (vec!["pull", &format!("{oci}/demo"), "-d", "out"], 0, "pulled"),
        (vec!["pull", &format!("{oci}/nope"), "-d", "out"], 5, "failed"),
        (vec!["package", "demo", "-d", "out"], 0, "packaged"),
        (vec!["package", "demo", "nope", "-d", "out"], 3, "packaged failed"),
    ] {
        let words = args.iter().copied().chain(["-o", "json"]).map(str::to_owned);
        let outcome = test.run(words).any_stdout().any_stderr().any_files();
        let outcome = if code == 0 { outcome.succeeds() } else { outcome.fails(code) };
        let all: Vec<serde_json::Value> = serde_json::from_slice(&outcome.bytes).unwrap();
        let statuses: Vec<_> = all.iter().map(|one| one["status"].as_str().unwrap()).collect();
        assert_eq!(statuses.join(" "), wanted, "{args:?}");
        for (one, input) in all.iter().zip(&args[1..]) {
            assert_eq!(one["input"], *input);
            match one["status"].as_str() {
                Some("failed") => {
                    assert!(one["error"].is_string() && one["kind"].is_string(), "{one}");
                }
                _ => {
                    assert_eq!((&one["name"], &one["version"]), (&"demo".into(), &"1.0.0".into()));
                    assert!(one["archiveDigest"].as_str().unwrap().starts_with("sha256:"), "{one}");
                }
            }
        }
    }
}

#[test]
fn a_chart_that_is_pulled_and_pushed_keeps_its_manifests_digest() {
    let (test, registry) = demo();
    package(&test, "demo");
    let (first, second) = (format!("{}/a", registry.oci()), format!("{}/b", registry.oci()));
    let push = |args: &[&str]| {
        let args = ["push"].into_iter().chain(args.iter().copied()).map(str::to_owned);
        test.run(args).any_stdout().any_stderr().succeeds().digest()
    };
    let before = push(&["demo-1.0.0.tgz", &first, "--created-from", "2020-02-03T04:05:06+01:00"]);
    test.run(["pull", &format!("{first}/demo"), "-d", "out"]).any_stdout().any_files().succeeds();
    assert_eq!(push(&["out/demo-1.0.0.tgz", &second]), before);

    let created = |namespace: &str| {
        let name = format!("{namespace}/demo");
        let pulled = test.run(["pull", &name, "-d", "again"]).any_stdout().any_files();
        pulled.succeeds();
        let time = std::fs::metadata(test.path("again/demo-1.0.0.tgz")).unwrap().modified();
        time.unwrap().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
    };
    assert_eq!(created(&second), 1_580_699_106);
    // The archive's own time needs no file that keeps it.
    let third = format!("{}/c", registry.oci());
    let by_archive = ["demo-1.0.0.tgz", &third, "--created-from", "archive"];
    let once = push(&by_archive);
    let old = std::fs::File::options().append(true).open(test.path("demo-1.0.0.tgz")).unwrap();
    old.set_modified(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(push(&[&by_archive[..], &["--overwrite"]].concat()), once);
    test.run(["push", "demo-1.0.0.tgz", &third, "--created-from", "yesterday"])
        .stderr_has("expected `file`, `archive`, `now` or a time such as 2026-01-31T12:00:00Z")
        .fails(64);
}

#[test]
fn provenance_goes_along_and_the_chart_stays_the_first_layer() {
    let (test, registry) = demo();
    package(&test, "demo");
    test.file("demo-1.0.0.tgz.prov", "-----BEGIN PGP SIGNED MESSAGE-----\n");
    test.run(["push", "demo-1.0.0.tgz", &registry.oci()]).any_stdout().succeeds();
    test.run(["pull", &format!("{}/demo", registry.oci()), "--prov", "-d", "out"])
        .any_stdout()
        .writes(["out/demo-1.0.0.tgz", "out/demo-1.0.0.tgz.prov"])
        .succeeds();
    assert_eq!(test.read("out/demo-1.0.0.tgz"), test.read("demo-1.0.0.tgz"));
    assert_eq!(test.read("out/demo-1.0.0.tgz.prov"), test.read("demo-1.0.0.tgz.prov"));
}

#[test]
fn destinations_that_are_none_say_what_to_write() {
    let test = Test::new();
    source(&test, "demo", "demo", "1.0.0", "a");
    test.file("plain/file", "x");
    for (args, code, message, hint) in [
        (
            &["push", "demo"][..],
            64,
            "error: `demo` has no destination\n",
            "chartferry push demo oci://HOST/NAMESPACE",
        ),
        (
            &["push", "demo", "localhost:1/ns"],
            64,
            "error: scheme prefix missing from remote",
            "did you mean `oci://localhost:1/ns`?",
        ),
        (
            &["push", "demo", "https://h/ns"],
            64,
            "error: scheme \"https\" not supported\n",
            "oci://host/namespace",
        ),
        (
            &["push", "demo", "oci://h/ns:1.0.0"],
            64,
            "names a tag",
            "chartferry push --chart PATH h/ns:1.0.0",
        ),
        (
            &["push", "oci://a/ns/x:1.0.0", "oci://b/ns"],
            64,
            "`oci://a/ns/x:1.0.0` is in a registry",
            "chartferry mirror oci://a/ns/x DESTINATION --chart 'x@1.0.0'",
        ),
        (&["push", "gone.tgz", "oci://h/ns"], 5, "error: gone.tgz: no such file\n", ""),
        (&["push", "plain", "oci://h/ns"], 1, "is a folder without Chart.yaml", "push an archive"),
        (&["push", "demo", "oci://h/UPPER"], 64, "lower case only", ""),
        (&["push"], 64, "CHART|DESTINATION", ""),
        (
            &["push", "demo", "oci://h/ns", "--annotation", "x"],
            64,
            "is not of the form KEY=VALUE",
            "",
        ),
    ] {
        test.run(args.iter().copied()).stderr_has(message).stderr_has(hint).fails(code);
    }
}

#[test]
fn a_namespace_that_repeats_the_name_earns_a_warning() {
    let (test, registry) = demo();
    test.run(["push", "demo", &format!("{}/ns/demo", registry.oci())])
        .stdout_has("Pushed: [ADDR]/ns/demo/demo:1.0.0\n")
        .stderr_has("warning: the chart goes to [ADDR]/ns/demo/demo")
        .succeeds();
}

#[test]
fn an_image_layout_is_a_destination_and_a_source() {
    let test = Test::new();
    source(&test, "demo", "demo", "1.0.0+b1", "a");
    package(&test, "demo");
    test.run(["push", "demo-1.0.0+b1.tgz", "layout:lay"])
        .stdout_has("Pushed: layout:lay:1.0.0_b1\n")
        .stderr_has("means the version 1.0.0+b1")
        .any_files()
        .succeeds();
    test.run(["tags", "layout:lay"]).stdout("1.0.0_b1\n").succeeds();
    test.run(["pull", "layout:lay:1.0.0+b1", "-d", "out"])
        .any_stdout()
        .writes(["out/demo-1.0.0+b1.tgz"])
        .succeeds();
    assert_eq!(test.read("out/demo-1.0.0+b1.tgz"), test.read("demo-1.0.0+b1.tgz"));
    test.run(["show", "values", "layout:lay:1.0.0+b1"]).stdout("note: a\n\n").succeeds();
}
