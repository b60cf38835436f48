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
        .stderr("[ADDR]/demo:1.0.0 exists; skipped\n")
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
        serde_json::from_slice::<serde_json::Value>(&outcome.bytes).unwrap()
    };
    let pushed = run(&[]);
    assert_eq!(pushed["status"], "pushed");
    assert_eq!(pushed["tag"], "1.0.0");
    assert_eq!(pushed["ref"], format!("{}/demo:1.0.0", registry.address()));
    assert_eq!(run(&[])["status"], "unchanged");
    source(&test, "demo", "demo", "1.0.0", "b");
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
        .stderr_has("stands for the version 1.0.0+b1")
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
