//! Tests of rewritten charts, with dependencies of every kind.

use super::*;
use crate::{
    archive::read::read,
    ops::{package, push::prepare},
};
use std::{fs, path::Path};

const OLD: &str = "https://charts.example/stable/";
const NEW: &str = "oci://registry.example/team";

fn rules() -> Rules {
    Rules::new([(OLD.to_owned(), NEW.to_owned())])
}

fn write(root: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }
}

/// Packages a source unchanged.
fn payload(files: &[(&str, &str)]) -> Payload {
    let folder = tempfile::tempdir().expect("folder");
    write(folder.path(), files);
    let epoch = Some("1700000000".parse().expect("epoch"));
    let options = package::Options::new(epoch);
    let limits = Limits::default();
    let mut payload = prepare::from_source(folder.path(), &options, &limits).expect("packaged");
    payload.provenance = Some(Bytes::from_static(b"signed"));
    payload
}

const LIB: (&str, &str) = ("charts/lib/Chart.yaml", "apiVersion: v2\nname: lib\nversion: 1.4.2\n");

#[test]
fn addresses_change_ranges_become_what_was_locked_and_the_lock_fits() {
    let lock = format!(
        "dependencies:\n- name: lib\n  repository: {OLD}\n  version: 1.4.2\ndigest: sha256:x\ngenerated: \"2024-01-02T03:04:05Z\"\n"
    );
    let yaml = format!(
        "apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies:\n- name: lib\n  version: ^1.4\n  repository: {OLD}\n"
    );
    let original = payload(&[("Chart.yaml", &yaml), ("Chart.lock", &lock), LIB]);
    let limits = Limits::default();
    let one = rules().apply(original.clone(), &limits).expect("rewritten");
    let note = one.note.as_deref().expect("a note");
    assert!(note.contains("`lib` at oci://registry.example/team in 1.4.2 for `^1.4`"), "{note}");
    assert!(note.contains("provenance file belongs to the old archive and was omitted"), "{note}");
    assert_eq!(one.payload.provenance, None);
    assert_ne!(one.payload.content.digest, original.content.digest);
    let chart = read(one.payload.archive.reader().expect("memory"), Keep::Everything, &limits)
        .expect("a chart");
    let dependency = chart.metadata.dependencies[0].clone().expect("a dependency");
    assert_eq!((&*dependency.version, &*dependency.repository), ("1.4.2", NEW));
    let lock = chart.lock.expect("a lock");
    assert_eq!(lock.dependencies[0].repository, NEW);
    assert_eq!(lock.digest, crate::chart::lock::digest(&[dependency], &lock.dependencies));
    assert_eq!(chart.subcharts.len(), 1);
    let again = rules().apply(original, &limits).expect("rewritten");
    assert_eq!(again.payload.content.digest, one.payload.content.digest, "deterministic");
}

#[test]
fn without_a_lock_what_is_vendored_says_the_version_and_else_the_range_stays() {
    let yaml = |range: &str| {
        format!(
            "apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies:\n- name: lib\n  version: \"{range}\"\n  repository: https://charts.example/stable\n"
        )
    };
    let limits = Limits::default();
    let vendored = payload(&[("Chart.yaml", &yaml(">1")), LIB]);
    let note = rules().apply(vendored, &limits).expect("rewritten").note.expect("a note");
    assert!(note.contains("in 1.4.2 for `>1`"), "{note}");
    let exact = payload(&[("Chart.yaml", &yaml("1.4.2")), LIB]);
    let note = rules().apply(exact, &limits).expect("rewritten").note.expect("a note");
    assert!(!note.contains(" for "), "{note}");
}

#[test]
fn charts_for_helm_2_keep_their_files_and_others_their_bytes() {
    let requirements = format!("dependencies:\n- name: lib\n  version: ^1\n  repository: {OLD}\n");
    let old = payload(&[
        ("Chart.yaml", "apiVersion: v1\nname: app\nversion: 1.0.0\n"),
        ("requirements.yaml", &requirements),
        LIB,
    ]);
    let limits = Limits::default();
    let one = rules().apply(old, &limits).expect("rewritten").payload;
    let chart =
        read(one.archive.reader().expect("memory"), Keep::Everything, &limits).expect("a chart");
    let file = chart.file("requirements.yaml").expect("kept");
    assert_eq!(
        String::from_utf8_lossy(&file.data),
        format!("dependencies:\n- name: lib\n  repository: {NEW}\n  version: 1.4.2\n")
    );
    let other = payload(&[
        (
            "Chart.yaml",
            "apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies:\n- name: lib\n  version: ^1\n  repository: https://elsewhere.example\n",
        ),
        LIB,
    ]);
    let same = rules().apply(other.clone(), &limits).expect("looked at");
    assert_eq!(same.note, None);
    assert_eq!(same.payload.content.digest, other.content.digest);
    assert!(same.payload.provenance.is_some());
}

#[test]
fn rules_are_written_old_equals_new() {
    assert_eq!(format!("{OLD}={NEW}").parse::<Rules>().expect("rules"), rules());
    for text in ["", "x", "=oci://x", "https://x=y"] {
        text.parse::<Rules>().expect_err(text);
    }
}
