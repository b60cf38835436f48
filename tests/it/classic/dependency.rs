//! `dependency update|build` with chart repositories: Helm's lines in Helm's order, Helm's lock.

use super::{add, test_with_repository};
use crate::support::Test;

fn parent(test: &Test, dependencies: &[(&str, &str, &str, &str)]) {
    let mut text = "apiVersion: v2\nname: parent\nversion: 0.1.0\ndependencies:\n".to_owned();
    for (name, version, repository, alias) in dependencies {
        text.push_str(&format!(
            "- name: {name}\n  version: \"{version}\"\n  repository: \"{repository}\"\n"
        ));
        if !alias.is_empty() {
            text.push_str(&format!("  alias: {alias}\n"));
        }
    }
    test.file("parent/Chart.yaml", text);
}

#[test]
fn configured_repositories_are_refreshed_and_aliases_become_urls() {
    let (test, web) = test_with_repository();
    add(&test, &web);
    let url = format!("{}/charts", web.url());
    parent(
        &test,
        &[
            ("demo", "^1.0", "@x", ""),
            ("demo", "^1.0", "alias:x", "again"),
            ("other", "*", &format!("{url}/"), ""),
        ],
    );
    let lines = "Hang tight while we grab the latest from your chart repositories...\n\
                 ...Successfully got an update from the \"x\" chart repository\n\
                 Update Complete. ⎈Happy Helming!⎈\n\
                 Saving 3 charts\n\
                 Downloading demo from repo http://[WEB]/charts\n\
                 Already downloaded demo from repo http://[WEB]/charts\n\
                 Downloading other from repo http://[WEB]/charts/\n\
                 Deleting outdated charts\n";
    test.run(["dependency", "update", "parent"])
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .stdout(lines)
        .writes([
            "parent/Chart.lock",
            "parent/charts/demo-1.1.0.tgz",
            "parent/charts/other-0.1.0.tgz",
        ])
        .succeeds();
    let lock = String::from_utf8(test.read("parent/Chart.lock")).unwrap();
    assert!(
        lock.starts_with(&format!(
            "dependencies:\n- name: demo\n  repository: {url}\n  version: 1.1.0\n- name: demo\n"
        )),
        "{lock}"
    );
    assert_eq!(
        web.asked(),
        ["GET /charts/index.yaml", "GET /charts/demo-1.1.0.tgz", "GET /charts/other-0.1.0.tgz"]
    );
    test.run(["dependency", "build", "parent", "--skip-refresh"])
        .stdout_has("Saving 3 charts")
        .any_files()
        .succeeds();
    assert_eq!(web.asked(), ["GET /charts/demo-1.1.0.tgz", "GET /charts/other-0.1.0.tgz"]);
    test.run(["dependency", "list", "parent"]).stdout_has("@x").succeeds();
    test.run(["package", "parent", "-u"]).any_stdout().any_files().succeeds();
}

#[test]
fn a_repository_that_nobody_configured_is_used_by_its_url_but_not_for_a_build() {
    let (test, web) = test_with_repository();
    let url = format!("{}/charts", web.url());
    parent(&test, &[("demo", "~1.0.0", &url, "")]);
    test.run(["dependency", "update", "parent"])
        .stdout(
            "Getting updates for unmanaged Helm repositories...\n\
             ...Successfully got an update from the \"http://[WEB]/charts\" chart repository\n\
             Saving 1 charts\nDownloading demo from repo http://[WEB]/charts\nDeleting outdated charts\n",
        )
        .writes(["parent/Chart.lock", "parent/charts/demo-1.0.0.tgz"])
        .succeeds();
    test.run(["dependency", "build", "parent"])
        .stderr_has("no repository definition for http://[WEB]/charts. Please add the missing repos via 'helm repo add'")
        .fails(5);
}

#[test]
fn what_cannot_be_had_is_said_and_leaves_charts_alone() {
    let (test, web) = test_with_repository();
    add(&test, &web);
    let url = format!("{}/charts", web.url());
    for (name, version, repository, code, message) in [
        (
            "demo",
            "^9",
            "@x",
            5,
            "can't get a valid version for 1 subchart(s): \"demo\" (repository \"http://[WEB]/charts\", version \"^9\")",
        ),
        ("nope", "1", &*url, 5, "nope chart not found in repo http://[WEB]/charts"),
        (
            "demo",
            "1",
            "@nobody",
            5,
            "no repository definition for @nobody. Please add them via 'helm repo add'",
        ),
        ("demo", "1", "stable", 5, "Note that repositories must be URLs or aliases."),
        ("demo", "", "@x", 1, "dependency \"demo\" has an invalid version/constraint format"),
    ] {
        parent(&test, &[(name, version, repository, "")]);
        test.run(["dependency", "update", "parent"]).any_stdout().stderr_has(message).fails(code);
    }
    // An archive that is not the index's is no dependency.
    web.file("/charts/demo-1.1.0.tgz", "else");
    parent(&test, &[("demo", "1.1.0", "@x", "")]);
    test.run(["dependency", "update", "parent"])
        .any_stdout()
        .stderr_has("is not the archive that the index names")
        .any_files()
        .fails(7);
    assert!(!test.path("parent/charts/demo-1.1.0.tgz").exists());
}
