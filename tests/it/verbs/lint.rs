//! `lint`, held against what Helm says of the same charts.

use super::package;
use crate::support::Test;

/// Helm's answers: `==> Linting NAME`, its findings, and `CHART` for the chart's absolute path.
const ANSWERS: &str = include_str!("../../../testdata/chart/lint-fixtures.txt");

/// The names in a golden file, and what is said of each.
pub(super) fn blocks(golden: &'static str, title: &str) -> Vec<(&'static str, &'static str)> {
    let mut blocks = Vec::new();
    for block in golden.split("==> ").skip(1) {
        let (name, text) = block.split_once('\n').unwrap();
        blocks.push((name.strip_prefix(title).unwrap(), text));
    }
    blocks
}

#[test]
fn of_every_fixture_we_say_what_helm_says() {
    let test = Test::new();
    test.copy("charts-fixtures", ".");
    let blocks = blocks(ANSWERS, "Linting ");
    let expected: String = blocks
        .iter()
        .map(|(name, text)| {
            format!(
                "==> Linting {name}\n{}\n",
                text.replace("CHART", &format!("[TMP]/work/{name}"))
            )
        })
        .collect();
    let names = blocks.iter().map(|(name, _)| *name);
    test.run(std::iter::once("lint").chain(names))
        .stdout(expected)
        .stderr_has("templates were not rendered")
        .stderr_has("error: 29 chart(s) linted, 5 chart(s) failed\n")
        .fails(1);
}

#[test]
fn a_chart_that_does_not_load_is_still_judged_by_its_files() {
    let test = Test::new();
    test.file(
        "bad/Chart.yaml",
        "apiVersion: v2\nname: bad\nversion: 1.0.0\ntype: nonsense\nicon: https://x/y\n",
    )
    .file("bad/values.yaml", "- a\n")
    .file("bad/templates/a.json", "{}")
    .file("bad/crds/a.yaml", "kind: Other\n")
    .file("none/values.yaml", "a: 1\n")
    .file("folders/Chart.yaml/x", "")
    .file("folders/values.yaml/x", "")
    .file("folders/templates", "")
    .file("folders/crds", "");
    let cause = "cannot load values.yaml: cannot unmarshal yaml document: error unmarshaling JSON: while decoding JSON: \
                 json: cannot unmarshal array into Go value of type map[string]interface {}";
    test.run(["lint", "bad"])
        .stdout(format!(
            "==> Linting bad\n\
             [ERROR] values.yaml: unable to parse YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal \
             array into Go value of type common.Values\n\
             [ERROR] templates/: {cause}\n[ERROR] : unable to load chart\n\t{cause}\n[ERROR] crds/: {cause}\n\n"
        ))
        .stderr_has("error: 1 chart(s) linted, 1 chart(s) failed\n")
        .fails(1);
    test.run(["lint", "none"])
        .stdout(
            "==> Linting none\nError unable to check Chart.yaml file in chart: stat none/Chart.yaml: no such file or \
             directory\n\n",
        )
        .any_stderr()
        .fails(5);
    test.run(["lint", "folders"])
        .stdout_has("[ERROR] Chart.yaml: should be a file, not a directory\n")
        .stdout_has("[ERROR] Chart.yaml: unable to parse YAML\n\tread [TMP]/work/folders/Chart.yaml: is a directory\n")
        .stdout_has("[ERROR] values.yaml: unable to parse YAML: read [TMP]/work/folders/values.yaml: is a directory\n")
        .stdout_has("[ERROR] templates/: not a directory\n")
        .stdout_has("[ERROR] crds/: not a directory\n")
        .any_stderr()
        .fails(1);
}

#[test]
fn a_link_out_of_the_chart_is_not_read() {
    let test = Test::new();
    test.file("secret", "name: {password: [hunter2]}\n").file("chart/values.yaml", "");
    std::os::unix::fs::symlink("../secret", test.path("chart/Chart.yaml")).unwrap();
    let outcome = test.run(["lint", "chart"]).anything().fails(1);
    assert!(!outcome.stdout.contains("hunter2"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("[ERROR] : unable to load chart\n"), "{}", outcome.stdout);
    assert!(
        outcome.stdout.contains("[ERROR] Chart.yaml: name is required\n"),
        "{}",
        outcome.stdout
    );
}

#[test]
fn archives_and_subcharts_are_judged_too() {
    let test = Test::new();
    test.copy("charts-fixtures/umbrella", "umbrella").copy("charts-fixtures/minimal", "minimal");
    package(&test, "minimal");
    let minimal = "[INFO] Chart.yaml: icon is recommended\n[INFO] values.yaml: file does not exist\n\
                   [WARNING] templates/: directory does not exist\n\n";
    test.run(["lint", "minimal-0.1.0.tgz"])
        .stdout(format!(
            "==> Linting minimal-0.1.0.tgz\n{minimal}1 chart(s) linted, 0 chart(s) failed\n"
        ))
        .succeeds();
    test.run(["lint", "--strict", "minimal"])
        .any_stdout()
        .stderr_has("error: 1 chart(s) linted, 1 chart(s) failed\n")
        .fails(1);
    let outcome = test.run(["lint", "--with-subcharts", "umbrella", "--quiet"]).anything().fails(1);
    assert!(
        outcome.stdout.starts_with("==> Linting umbrella/charts/worker\n"),
        "{}",
        outcome.stdout
    );
    test.run(["lint", "umbrella", "--quiet"]).succeeds();
}

/// A chart with a schema.
fn with_schema() -> Test {
    let test = Test::new();
    test.file(
        "demo/Chart.yaml",
        "apiVersion: v2\nname: demo\nversion: 1.0.0\nicon: https://x.y/z.png\n",
    )
    .file("demo/values.yaml", "a: 1\nb: x\n")
    .file(
        "demo/values.schema.json",
        r#"{"properties": {"a": {"type": "integer"}, "b": {"type": "string"}}}"#,
    )
    .file("demo/templates/a.yaml", "kind: ConfigMap\n");
    test
}

/// Recorded from Helm 4.3.2, which says the same once more of templates/.
#[test]
fn values_are_held_against_the_schema() {
    let test = with_schema();
    let lint = |flags: &[&str]| test.run(["lint", "demo"].iter().chain(flags).copied());
    let note = "templates were not rendered; `helm lint` renders them\n";
    lint(&[]).stdout_has("1 chart(s) linted, 0 chart(s) failed\n").stderr_has(note).succeeds();
    lint(&["--quiet"]).succeeds();
    let fault = "==> Linting demo\n[ERROR] values.yaml: - at '/a': got string, want integer\n\n\n";
    lint(&["--set", "a=x"]).stdout(fault).stderr_has(note).fails(1);
    lint(&["--set", "a=x", "--skip-schema-validation"]).any_stdout().any_stderr().succeeds();
    lint(&["--set-string", "a=1"]).stdout(fault).any_stderr().fails(1);
    lint(&["--set", "a=null"]).any_stdout().any_stderr().succeeds();
    test.file("v.yaml", "a: x\n");
    lint(&["-f", "v.yaml"]).stdout(fault).any_stderr().fails(1);
    lint(&["-f", "v.yaml", "--set", "a=2"]).any_stdout().any_stderr().succeeds();
    lint(&["-f", "none.yaml"]).stderr_has("none.yaml").fails(5);
    lint(&["--set", "a"])
        .stderr_has("failed parsing --set data\n  caused by: key \"a\" has no value\n")
        .fails(64);
    test.file("demo/values.schema.json", r#"{"$ref": "file:///etc/passwd"}"#);
    lint(&[])
        .stdout_has("[INFO] values.schema.json: not checked: it refers to `file:///etc/passwd`")
        .any_stderr()
        .succeeds();
}

#[test]
fn findings_come_as_json() {
    let test = with_schema();
    let outcome = test
        .run(["lint", "demo", "none", "-o", "json", "--set", "a=x"])
        .any_stdout()
        .any_stderr()
        .fails(1);
    let found: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(found[0]["status"], "failed");
    assert_eq!(
        found[0]["findings"][0],
        serde_json::json!({"severity": "error", "path": "values.yaml", "text": "- at '/a': got string, want integer"})
    );
    assert_eq!((&found[1]["path"], &found[1]["status"]), (&"none".into(), &"failed".into()));
    assert!(found[1]["error"].as_str().unwrap().contains("Chart.yaml"));
}
