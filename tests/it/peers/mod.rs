//! Against the real tools: helm 4 and 3, oras, crane, distribution 2.8 and 3. They are ignored
//! unless asked for, because the tools must be there (`peers/install`); an absent one is a failure,
//! never a skip.

use crate::support::{Test, daemon::Daemon, list, peers, source_tree};
use std::{
    fs,
    path::{Path, PathBuf},
};

mod artifacts;
mod conformance;
mod login;
mod nothing_lost;
mod oras;
mod oras_objects;
mod package;
mod plugin;
mod registries;
mod repositories;
mod show;

/// The charts that every comparison runs over: each folder of charts-fixtures, the hostile ones
/// apart.
fn fixtures() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(source_tree("charts-fixtures"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir() && path.file_name().unwrap() != "hostile")
        .collect();
    found.sort();
    assert!(found.len() >= 25, "only {} fixtures", found.len());
    found
}

/// A fixture's name: its folder's.
fn name_of(fixture: &Path) -> &str {
    fixture.file_name().unwrap().to_str().unwrap()
}

/// Packages with helm every fixture that helm can package, into the place's folder `helm`; gives
/// the archives by name.
fn helm_archives(test: &Test) -> Vec<String> {
    let helm = peers::find("helm");
    for fixture in fixtures() {
        let source = fixture.to_str().unwrap();
        test.run_program(&helm, ["package", source, "-d", "helm"]).outcome();
    }
    let mut found = Vec::new();
    list(&test.path("helm"), &mut |path, _| {
        found.push(path.file_name().unwrap().to_str().unwrap().to_owned());
    });
    found.sort();
    assert!(found.len() >= 25, "helm packaged only {found:?}");
    found
}

/// The registries that charts travel through, by name.
fn registries() -> [(&'static str, Daemon); 3] {
    [
        ("docker-registry", Daemon::docker_registry()),
        ("distribution", Daemon::distribution_3()),
        ("chartferry", Daemon::chartferry([])),
    ]
}

/// A chart's name and version, as its archive says.
fn name_and_version(test: &Test, file: &str) -> (String, String) {
    let text = test.run(["show", "chart", file]).anything().succeeds().stdout;
    let field = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim_matches(['\'', '"', ' ']).to_owned()
    };
    (field("name:"), field("version:"))
}
