//! Charts of a registry elsewhere, shown to those who need an index.yaml: as a file, and by
//! `serve --upstream`.

use crate::support::Test;
use chartferry::{index::Index, limits::Limits};

mod behind;
mod helm;
mod index;
mod serve;
mod stream;

/// The charts that tests push: names and versions, newest first as an index has them.
const CHARTS: [(&str, &str); 3] = [("a", "1.1.0+b"), ("a", "1.0.0"), ("b", "0.1.0")];

/// Packages [`CHARTS`] and pushes them to a namespace: `oci://host/ns`.
fn seed(test: &Test, namespace: &str) {
    for (name, version) in CHARTS {
        push(test, namespace, name, version);
    }
}

/// Packages one chart and pushes it to a namespace.
fn push(test: &Test, namespace: &str, name: &str, version: &str) {
    test.file(
        &format!("{name}/Chart.yaml"),
        format!("apiVersion: v2\nname: {name}\nversion: {version}\ndescription: the {name}\n"),
    );
    test.run(["package", name]).anything().succeeds();
    let archive = format!("{name}-{version}.tgz");
    test.run(["push", &archive, namespace, "--plain-http"]).anything().succeeds();
}

/// `name version url` of every entry of an index.
fn entries(text: &[u8]) -> Vec<String> {
    let index = Index::read(text.to_vec().into(), "it", &Limits::default()).unwrap();
    let lines = index.charts().flat_map(|chart| chart.versions().iter());
    let entries = lines.map(|line| line.decode().unwrap());
    entries
        .map(|e| format!("{} {} {}", e.metadata.name, e.metadata.version, e.urls.join(" ")))
        .collect()
}
