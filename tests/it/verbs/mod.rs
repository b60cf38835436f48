//! The verbs, run as a user runs them, against a registry of this program.

use crate::support::{
    Test,
    daemon::{Daemon, test_with_registry},
};

mod dependency;
mod dependency_list;
mod legacy;
mod links;
mod lint;
mod location;
mod login;
mod missing;
mod program;
mod pull;
mod push;
mod show;

/// A place with a chart source `demo` and a registry.
fn demo() -> (Test, Daemon) {
    let (test, registry) = test_with_registry();
    source(&test, "demo", "demo", "1.0.0", "a");
    (test, registry)
}

/// Writes a chart source; `note` is in its values.
fn source(test: &Test, folder: &str, name: &str, version: &str, note: &str) {
    test.file(
        &format!("{folder}/Chart.yaml"),
        format!("apiVersion: v2\nname: {name}\nversion: {version}\n"),
    );
    test.file(&format!("{folder}/values.yaml"), format!("note: {note}\n"));
    test.file(&format!("{folder}/templates/cm.yaml"), "kind: ConfigMap\n");
}

/// Packages a source into the working folder, quietly.
fn package(test: &Test, folder: &str) {
    test.run(["package", folder]).env("SOURCE_DATE_EPOCH", "1700000000").anything().succeeds();
}
