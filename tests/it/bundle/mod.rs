//! `bundle save|load`, run as a user runs them.

mod choice;
mod delta;
mod folder;
mod hostile;
mod names;
mod peers;
mod round_trip;

use crate::support::{
    Test,
    daemon::{Daemon, test_with_registry},
};

/// A place, and a registry with three charts, the second in two versions, one of them signed.
fn filled() -> (Test, Daemon) {
    let (test, registry) = test_with_registry();
    for (name, version) in [("lamp", "1.0.0"), ("lamp", "1.1.0+b1"), ("mast", "0.2.0")] {
        chart(&test, name, version, "a");
    }
    test.file("mast-0.2.0.tgz.prov", "-----BEGIN PGP SIGNED MESSAGE-----\n");
    let ns = format!("{}/team", registry.oci());
    for archive in ["lamp-1.0.0.tgz", "lamp-1.1.0+b1.tgz", "mast-0.2.0.tgz"] {
        test.run(["push", archive, &ns]).anything().succeeds();
    }
    (test, registry)
}

/// Packages a chart into the working folder.
fn chart(test: &Test, name: &str, version: &str, note: &str) {
    let folder = format!("src/{name}");
    test.file(
        &format!("{folder}/Chart.yaml"),
        format!("apiVersion: v2\nname: {name}\nversion: {version}\n"),
    );
    test.file(&format!("{folder}/values.yaml"), format!("note: {note}\n"));
    test.run(["package", &folder]).env("SOURCE_DATE_EPOCH", "1700000000").anything().succeeds();
}
