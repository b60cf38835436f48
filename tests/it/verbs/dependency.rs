//! `dependency update|build`.

use super::{demo, source};
use crate::support::web::{File, Web};

#[test]
fn folders_and_registries_fill_charts_and_the_lock() {
    let (test, registry) = demo();
    source(&test, "remote", "remote", "1.2.3", "r");
    test.run(["push", "remote", &registry.oci()]).any_stdout().succeeds();
    let chart = format!(
        "apiVersion: v2\nname: parent\nversion: 0.1.0\ndependencies:\n- name: demo\n  version: ^1\n  repository: file://../demo\n\
         - name: remote\n  version: ~1.2.0\n  repository: {}\n",
        registry.oci()
    );
    test.file("parent/Chart.yaml", &chart);
    test.run(["package", "parent"])
        .stderr_has("found in Chart.yaml, but missing in charts/ directory: demo, remote")
        .fails(1);
    test.run(["dependency", "update", "parent"])
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .stdout("Saving 2 charts\nDownloading remote from repo oci://[ADDR]\nDeleting outdated charts\n")
        .writes(["parent/Chart.lock", "parent/charts/demo-1.0.0.tgz", "parent/charts/remote-1.2.3.tgz"])
        .succeeds();
    let lock = String::from_utf8(test.read("parent/Chart.lock")).unwrap();
    assert!(
        lock.starts_with(
            "dependencies:\n- name: demo\n  repository: file://../demo\n  version: 1.0.0\n"
        ),
        "{lock}"
    );
    assert!(lock.ends_with("generated: \"2023-11-14T22:13:20Z\"\n"), "{lock}");
    // In step: the lock is left alone.
    test.run(["dep", "up", "parent"]).any_stdout().any_files().succeeds();
    assert_eq!(String::from_utf8(test.read("parent/Chart.lock")).unwrap(), lock);
    // An archive that is no longer asked for goes, an unreadable one stays.
    test.file("parent/charts/_keep", "x");
    test.run(["package", "remote", "-d", "parent/charts", "--version", "0.0.1"])
        .anything()
        .succeeds();
    std::fs::remove_file(test.path("parent/charts/demo-1.0.0.tgz")).unwrap();
    test.run(["dependency", "build", "parent"]).any_stdout().any_files().succeeds();
    assert!(test.path("parent/charts/demo-1.0.0.tgz").is_file());
    assert!(!test.path("parent/charts/remote-0.0.1.tgz").exists());
    test.file("parent/Chart.yaml", chart.replace("~1.2.0", "^1"));
    test.run(["dependency", "build", "parent"])
        .stderr_has("the lock file (Chart.lock) is out of sync")
        .fails(1);
    test.run(["package", "parent", "-u"]).any_stdout().any_files().succeeds();
}

#[test]
fn what_cannot_be_resolved_is_listed_and_changes_nothing() {
    let (test, registry) = demo();
    test.run(["push", "demo", &registry.oci()]).any_stdout().succeeds();
    let parent = |version: &str, repository: &str| {
        test.file(
            "parent/Chart.yaml",
            format!("apiVersion: v2\nname: parent\nversion: 0.1.0\ndependencies:\n- name: demo\n  version: \"{version}\"\n  repository: \"{repository}\"\n"),
        );
    };
    for (version, repository, code, message) in [
        (
            "^9",
            "file://../demo".to_owned(),
            5,
            "can't get a valid version for 1 subchart(s): \"demo\"",
        ),
        ("^9", registry.oci(), 5, "can't get a valid version for 1 subchart(s): \"demo\""),
        ("9.9.9", registry.oci(), 5, "could not download oci://[ADDR]/demo:9.9.9"),
        (
            "",
            registry.oci(),
            1,
            "dependency \"demo\" has an invalid version/constraint format: improper constraint: \"\"",
        ),
        ("^1", "file://../gone".to_owned(), 5, "not found"),
        (
            "^1",
            "@nobody".to_owned(),
            5,
            "no repository definition for @nobody. Please add them via 'helm repo add'",
        ),
    ] {
        parent(version, &repository);
        test.run(["dependency", "update", "parent"])
            .any_stdout()
            .stderr_has(message)
            .any_files()
            .fails(code);
        assert!(!test.path("parent/Chart.lock").exists());
    }
    // A lock that is a link would be written through.
    parent("^1", "file://../demo");
    std::os::unix::fs::symlink(test.path("victim"), test.path("parent/Chart.lock")).unwrap();
    test.run(["dependency", "update", "parent"]).any_stdout().any_stderr().any_files().fails(1);
    assert!(!test.path("victim").exists());
}

#[test]
fn a_repository_that_ends_in_the_charts_name_is_named_and_nothing_is_left_behind() {
    let (test, registry) = demo();
    test.run(["push", "demo", &format!("{}/ns", registry.oci())]).any_stdout().succeeds();
    let refusing = |status: u16, code: &str| {
        let web = Web::start();
        let body = format!(r#"{{"errors":[{{"code":"{code}","message":"no"}}]}}"#);
        let kind = vec![("content-type", "application/json".to_owned())];
        for place in ["tags/list", "manifests/1.0.0"] {
            let answer = File::Answer(status, kind.clone(), body.clone().into());
            web.put(&format!("/v2/ns/demo/demo/{place}"), answer);
        }
        web.address()
    };
    let places =
        [(registry.address(), 5), (refusing(403, "DENIED"), 6), (refusing(401, "UNAUTHORIZED"), 6)];
    for (address, code) in places {
        for version in ["1.0.0", "^1"] {
            let text = format!(
                "apiVersion: v2\nname: parent\nversion: 0.1.0\ndependencies:\n- name: demo\n  version: \"{version}\"\n  repository: oci://{address}/ns/demo\n"
            );
            test.file("parent/Chart.yaml", text);
            test.run(["dependency", "update", "parent"])
                .any_stdout()
                .stderr_has("/ns`: the name `demo` is added to it, so leave it out")
                .writes([])
                .fails(code);
        }
    }
}
