//! Symbolic links: out of a chart's folder, and within somebody else's archive.

use super::source;
use crate::support::{Test, web::Web};
use std::os::unix::fs::symlink;

/// A chart in a repository that holds more than it, with a link to a file beside it.
fn monorepo() -> Test {
    let test = Test::new();
    source(&test, "charts/op", "op", "1.0.0", "a");
    test.file("deploy/crd.yaml", "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: x}\n");
    test.file("charts/op/crds/own.yaml", "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: y}\n");
    symlink("../../../deploy/crd.yaml", test.path("charts/op/crds/crd.yaml")).unwrap();
    test
}

#[test]
fn a_link_out_of_a_chart_is_packaged_on_request_alone() {
    let test = monorepo();
    test.run(["package", "charts/op"])
        .stderr_has("points out of the chart, to `")
        .stderr_has("hint: run the command with `--allow-outside-links`")
        .fails(1);
    test.run(["package", "charts/op", "--allow-outside-links"])
        .any_stdout()
        .stderr_has("contents of linked file included and used")
        .writes(["op-1.0.0.tgz"])
        .succeeds();
    test.run(["show", "crds", "op-1.0.0.tgz"]).stdout_has("metadata: {name: x}").succeeds();
}

#[test]
fn a_link_within_a_chart_is_information_and_one_out_of_it_a_warning() {
    let test = monorepo();
    symlink("own.yaml", test.path("charts/op/crds/again.yaml")).unwrap();
    let link =
        |name: &str| format!("found symbolic link in path `[TMP]/work/charts/op/crds/{name}`");
    let lines = |flags: &[&str]| {
        let package = ["package", "charts/op", "--allow-outside-links"];
        let outcome = test.run([flags, &package].concat()).anything().succeeds();
        let lines = outcome.stderr.lines().map(|line| line.split(',').next().unwrap().to_owned());
        lines.collect::<Vec<_>>()
    };
    let warning = format!("warning: {}", link("crd.yaml"));
    assert_eq!(lines(&[]), [link("again.yaml"), warning.clone()]);
    assert_eq!(lines(&["-q"]), [warning]);
}

#[test]
fn a_push_of_a_source_names_the_links_that_it_followed() {
    let test = monorepo();
    symlink("own.yaml", test.path("charts/op/crds/again.yaml")).unwrap();
    test.run(["push", "charts/op", "layout:lay"])
        .stderr_has("points out of the chart, to `")
        .stderr_has("hint: run the command with `--allow-outside-links`")
        .any_files()
        .fails(1);
    let [within, out] = ["again.yaml", "crd.yaml"]
        .map(|name| format!("found symbolic link in path `[TMP]/work/charts/op/crds/{name}`"));
    test.run(["push", "charts/op", "layout:lay", "--allow-outside-links"])
        .any_stdout()
        .any_files()
        .stderr_has(&format!("warning: {out}"))
        .stderr_has(&within)
        .succeeds();
    let saved = ["save", "charts/op", "ns/op:1.0.0"];
    test.run(saved).stderr_has("points out of the chart").any_files().fails(1);
    test.run([&saved[..], &["--allow-outside-links"]].concat())
        .any_stdout()
        .any_files()
        .stderr_has(&out)
        .succeeds();
}

#[test]
fn a_chart_with_a_link_out_of_it_is_looked_into_without_that_link() {
    let test = monorepo();
    let skipped =
        "crds/crd.yaml` points out of the chart, to `[TMP]/work/deploy/crd.yaml`; it was skipped";
    test.run(["show", "values", "charts/op"]).stdout("note: a\n\n").stderr_has(skipped).succeeds();
    test.run(["show", "crds", "charts/op"])
        .stdout("---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: y}\n\n")
        .stderr_has(skipped)
        .succeeds();
    test.run(["show", "crds", "charts/op", "--allow-outside-links"])
        .stdout_has("metadata: {name: x}")
        .any_stderr()
        .succeeds();
    test.run(["lint", "charts/op"])
        .stdout_has("[WARNING] : symbolic link `")
        .stdout_has(skipped)
        .stderr_has("templates were not rendered")
        .succeeds();
    test.run(["lint", "--strict", "charts/op"]).stdout_has(skipped).any_stderr().fails(1);
    test.run(["dependency", "list", "charts/op"]).any_stdout().succeeds();
}

/// An archive as a git host makes one of a source, with a link to a file beside it.
fn source_archive() -> Vec<u8> {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    for (name, content) in [
        ("r/Chart.yaml", "apiVersion: v2\nname: demo\nversion: 0.5.0\n"),
        ("r/values.yaml", "a: 1\n"),
        ("r/LICENSE", "free\n"),
    ] {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    for (name, kind) in
        [("r/LICENSE.md", tar::EntryType::Symlink), ("r/COPY", tar::EntryType::Link)]
    {
        let mut header = tar::Header::new_ustar();
        header.set_size(0);
        header.set_entry_type(kind);
        tar.append_link(&mut header, name, "LICENSE").unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

#[test]
fn links_in_an_archive_are_left_out_and_never_created() {
    let test = Test::new();
    test.file("v0.5.0.tar.gz", source_archive());
    let skipped = "the chart's archive holds \"LICENSE.md\", a symbolic link; it was skipped\n";
    test.run(["show", "values", "v0.5.0.tar.gz"])
        .stdout("a: 1\n\n")
        .stderr_has(skipped)
        .stderr_has("\"COPY\", a hard link; it was skipped")
        .succeeds();
    test.run(["export", "v0.5.0.tar.gz", "out"])
        .any_stdout()
        .stderr_has(skipped)
        .writes(["out/demo/Chart.yaml", "out/demo/LICENSE", "out/demo/values.yaml"])
        .succeeds();
    assert!(std::fs::symlink_metadata(test.path("out/demo/LICENSE.md")).is_err());
    test.run(["lint", "v0.5.0.tar.gz"]).stdout_has(skipped).succeeds();
    test.run(["lint", "v0.5.0.tar.gz", "--strict"]).stdout_has(skipped).any_stderr().fails(1);
}

#[test]
fn what_an_update_brings_under_another_ending_is_packaged() {
    let test = Test::new();
    let web = Web::start();
    let entries = "  demo:\n  - {name: demo, version: 0.5.0, urls: [v0.5.0.tar.gz]}\n";
    web.file("/index.yaml", format!("apiVersion: v1\nentries:\n{entries}"));
    web.file("/v0.5.0.tar.gz", source_archive());
    test.file(
        "parent/Chart.yaml",
        format!(
            "apiVersion: v2\nname: parent\nversion: 1.0.0\ndependencies:\n- {{name: demo, version: 0.5.0, repository: \"{}\"}}\n",
            web.url()
        ),
    );
    test.run(["dependency", "update", "parent"]).any_stdout().any_files().succeeds();
    assert!(test.path("parent/charts/demo-0.5.0.tgz").is_file());
    test.run(["package", "parent"])
        .any_stdout()
        .stderr_has("\"LICENSE.md\", a symbolic link; it was skipped")
        .any_files()
        .succeeds();
}
