//! `save`, `push REF`, `pull REF`, `export`, `list`, `remove`: the verbs of Helm 3.0 to 3.6.

use super::{demo, package, source};
use crate::support::Test;

#[test]
fn a_chart_is_saved_listed_pushed_pulled_exported_and_removed() {
    let (test, registry) = demo();
    let reference = format!("{}/ns/demo:1.0.0", registry.address());
    test.run(["chart", "save", "demo", &reference])
        .stdout_has("ref:     [ADDR]/ns/demo:1.0.0\ndigest:  ")
        .stdout_has("\nname:    demo\nversion: 1.0.0\n1.0.0: saved\n")
        .any_files()
        .succeeds();
    test.run(["chart", "save", "demo", "demo:2.0.0"])
        .any_stdout()
        .stderr("warning: the chart has version 1.0.0 and is saved as `2.0.0`\n")
        .any_files()
        .succeeds();
    test.run(["chart", "list"]).stdout_has("REF ").stdout_has("[ADDR]/ns/demo:1.0.0").succeeds();
    // The source here and the saved chart have the same files, so there is nothing to choose.
    test.run(["chart", "push", &reference])
        .stdout_has("Pushed: [ADDR]/ns/demo:1.0.0\nDigest: sha256:")
        .stderr_has("pushing the saved chart [ADDR]/ns/demo:1.0.0 (sha256:")
        .succeeds();
    test.run(["chart", "remove", &reference]).stdout("1.0.0: removed\n").any_files().succeeds();
    test.run(["chart", "export", "demo:9"])
        .stderr_has("error: `demo:9` is neither a path nor a saved chart")
        .fails(5);
    test.run(["chart", "pull", &reference])
        .stdout_has("1.0.0: Pulling from [ADDR]/ns/demo\nref:     [ADDR]/ns/demo:1.0.0\n")
        .stdout_has("Status: Downloaded newer chart for [ADDR]/ns/demo:1.0.0\n")
        .any_files()
        .succeeds();
    test.run(["chart", "pull", &reference])
        .stdout_has("Status: Chart is up to date for [ADDR]/ns/demo:1.0.0\n")
        .any_files()
        .succeeds();
    for args in [
        vec!["chart", "export", &reference, "./extracted/"],
        vec!["export", &reference, "-d", "more"],
    ] {
        let folder = args.last().unwrap().trim_matches(['.', '/']).to_owned();
        test.run(args).stdout_has(&format!("{folder}/demo/\n")).any_files().succeeds();
        assert_eq!(test.read(format!("{folder}/demo/values.yaml")), b"note: a\n");
    }
    // The old Helm expanded over what was there; the verb of today names the flag that replaces it.
    test.file("extracted/demo/values.yaml", "note: old\n").file("extracted/demo/mine", "");
    test.run(["chart", "export", &reference, "extracted"]).any_stdout().any_files().succeeds();
    assert_eq!(test.read("extracted/demo/values.yaml"), b"note: a\n");
    assert!(test.path("extracted/demo/mine").exists());
    test.run(["export", &reference, "extracted"])
        .stderr_has("already exists\nhint: `--overwrite` replaces a chart's folder\n")
        .fails(4);
    test.run(["chart", "export", &reference, "extracted", "--overwrite"])
        .any_stdout()
        .any_files()
        .succeeds();
}

#[test]
fn a_push_by_reference_finds_the_chart_wherever_it_is() {
    let (test, registry) = demo();
    let reference = |tag: &str| format!("{}/ns/demo:{tag}", registry.address());
    // As a CI job does: the tag is a commit.
    test.run(["chart", "push", &reference("0a1b2c3")])
        .any_stdout()
        .stderr_has("pushing the source `./demo`")
        .succeeds();
    test.run(["chart", "push", &reference("0a1b2c3")])
        .within("demo")
        .any_stdout()
        .stderr_has("the source `.`")
        .succeeds();
    package(&test, "demo");
    std::fs::rename(test.path("demo"), test.path("src")).unwrap();
    test.run(["chart", "push", &reference("1.0.0")])
        .any_stdout()
        .stderr_has("the archive `demo-1.0.0.tgz`")
        .succeeds();
    test.run(["chart", "push", "--chart", "src", &reference("main")])
        .any_stdout()
        .stderr_has("the source `src`")
        .succeeds();
    test.run(["chart", "push", &format!("{}/ns/other:1.0.0", registry.address())])
        .stderr_has("error: Chart not found: [ADDR]/ns/other:1.0.0\n")
        .stderr_has("`--chart PATH`")
        .fails(5);
}

#[test]
fn candidates_that_differ_are_listed_and_one_is_chosen() {
    let (test, registry) = demo();
    package(&test, "demo");
    source(&test, "demo", "demo", "1.0.0", "changed");
    let reference = format!("{}/ns/demo:1.0.0", registry.address());
    test.run(["push", &reference])
        .stderr_has("could mean the archive `demo-1.0.0.tgz` (sha256:")
        .stderr_has("; or the source `./demo` (sha256:")
        .stderr_has("and their files differ")
        .stderr_has("choose with `--from archive|dir`")
        .fails(64);
    test.run(["push", &reference, "--from", "archive"])
        .any_stdout()
        .stderr_has("the archive")
        .succeeds();
    test.run(["push", &reference, "--from", "dir", "--overwrite"])
        .any_stdout()
        .stderr_has("the source")
        .succeeds();
}

#[test]
fn a_saved_chart_needs_no_host_and_a_tag_may_be_left_out() {
    let test = Test::new();
    source(&test, "demo", "demo", "1.0.0", "a");
    test.run(["save", "demo", "team/demo"])
        .stdout_has("ref:     team/demo:1.0.0\n")
        .any_files()
        .succeeds();
    test.run(["show", "values", "team/demo:1.0.0"]).stdout("note: a\n\n").succeeds();
    test.run(["remove", "team/demo"]).stderr_has("error: tag explicitly required\n").fails(64);
    test.run(["remove", "team/demo:2"])
        .stderr_has("error: Chart not found: team/demo:2\n")
        .fails(5);
    test.run(["list", "-o", "json"]).stdout_has("\"ref\": \"team/demo:1.0.0\"").succeeds();
}
