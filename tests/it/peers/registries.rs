//! `push` and `pull` with helm at the other end, through three registries: the archive comes out as
//! it went in, and the manifests say the same.

use super::{helm_archives, name_and_version, registries};
use crate::support::{Test, daemon::Daemon, peers};
use serde_json::Value;
use std::fs;

#[test]
#[ignore = "needs peers"]
fn what_helm_pushes_we_pull_and_what_we_push_helm_pulls() {
    let helm = peers::find("helm");
    let test = Test::new();
    let archives = helm_archives(&test);
    // helm wants the folder to be there.
    fs::create_dir(test.path("by-helm")).unwrap();
    for (name, registry) in registries() {
        let mut carried = 0;
        for archive in &archives {
            let file = format!("helm/{archive}");
            let (chart, version) = name_and_version(&test, &file);
            let [theirs, ours] =
                ["theirs", "ours"].map(|part| format!("{}/{part}", registry.oci()));

            let pushed = ["push", &file, &theirs, "--plain-http"];
            let by_helm = test.run_program(&helm, pushed).env("TZ", "UTC").outcome();
            let by_us = test.run(["push", &file, &ours]).outcome();
            assert_eq!(
                by_helm.code == Some(0),
                by_us.code == Some(0),
                "{archive}: {by_helm:?}\n{by_us:?}"
            );
            if by_helm.code != Some(0) {
                // A name that no repository can have.
                continue;
            }

            let from = |repository: &str| format!("{repository}/{chart}");
            let (theirs, ours) = (from(&theirs), from(&ours));
            test.run(["pull", &theirs, "--version", &version, "-d", "by-us"]).anything().succeeds();
            test.run_program(
                &helm,
                ["pull", &ours, "--version", &version, "-d", "by-helm", "--plain-http"],
            )
            .anything()
            .succeeds();
            let original = test.read(&file);
            for folder in ["by-us", "by-helm"] {
                let pulled = test.read(format!("{folder}/{archive}"));
                assert!(pulled == original, "{archive} came out of {name} otherwise ({folder})");
            }
            assert_same_manifest(&test, &registry, &chart, &version);
            carried += 1;
        }
        println!("{name}: {carried} charts there and back");
        assert!(carried >= 20, "only {carried} charts went through {name}");
    }
}

#[test]
#[ignore = "needs peers"]
fn an_oci_reference_to_a_range_resolves_as_helm_resolves_it() {
    let helm = peers::find("helm");
    let registry = Daemon::distribution_3();
    let test = Test::new();
    for version in ["0.9.0", "1.0.0", "1.1.0-rc.1", "1.2.0", "1.2.0+build.5", "2.0.0-alpha"] {
        test.file(
            "ranged/Chart.yaml",
            format!("apiVersion: v2\nname: ranged\nversion: {version}\n"),
        );
        test.run(["package", "ranged"]).anything().succeeds();
        let file = format!("ranged-{version}.tgz");
        test.run(["push", &file, &registry.oci()]).anything().succeeds();
    }
    let reference = format!("{}/ranged", registry.oci());
    for range in ["", "^1", "1.x", ">=1.1.0-0", ">0.0.0-0", "~0.9", "1.2.0", "<1", "^7", "nonsense"]
    {
        let args = |destination: &'static str| {
            let mut args = vec!["pull", &reference, "-d", destination, "--plain-http"];
            if !range.is_empty() {
                args.extend(["--version", range]);
            }
            args.into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        let [theirs, ours] = ["theirs", "ours"];
        for folder in [theirs, ours] {
            drop(fs::remove_dir_all(test.path(folder)));
            fs::create_dir(test.path(folder)).unwrap();
        }
        let by_helm = test.run_program(&helm, args(theirs)).outcome();
        let by_us = test.run(args(ours)).outcome();
        let files = |folder: &str| {
            let mut names = Vec::new();
            crate::support::list(&test.path(folder), &mut |path, _| {
                names.push(path.file_name().unwrap().to_owned());
            });
            names
        };
        assert_eq!(files(theirs), files(ours), "`{range}`: helm {by_helm:?}\nwe {by_us:?}");
        assert_eq!(by_helm.code == Some(0), by_us.code == Some(0), "`{range}`");
    }
}

/// Helm's manifest and ours: the same bytes but for the moment of the push.
fn assert_same_manifest(test: &Test, registry: &Daemon, chart: &str, version: &str) {
    let crane = peers::find("crane");
    let tag = version.replace('+', "_");
    let [theirs, ours] = ["theirs", "ours"].map(|part| {
        let reference = format!("{}/{part}/{chart}:{tag}", registry.address());
        let outcome = test.run_program(&crane, ["manifest", &reference]).any_stdout().succeeds();
        let mut manifest: Value = serde_json::from_slice(&outcome.bytes).unwrap();
        let annotations = manifest["annotations"].as_object_mut().unwrap();
        let created = annotations.remove("org.opencontainers.image.created").unwrap();
        (serde_json::to_string(&manifest).unwrap(), created.as_str().unwrap().to_owned())
    });
    assert_eq!(theirs.0, ours.0, "{chart} {version}: another manifest");
    let [theirs, ours] = [theirs.1, ours.1].map(|text| text.parse::<jiff::Timestamp>().unwrap());
    assert!(
        (theirs.as_second() - ours.as_second()).abs() <= 60,
        "{chart}: created {theirs} by helm, {ours} by us"
    );
}

#[test]
#[ignore = "needs peers"]
fn a_check_finds_what_distribution_does_not_do() {
    let (test, registry) = (Test::new(), Daemon::distribution_3());
    let location = format!("{}/team", registry.oci());
    let told = test.run(["registry", "check", &location, "-o", "json"]).anything().succeeds();
    let report: Value = serde_json::from_str(&told.stdout).unwrap();
    for (check, expected) in [
        ("chart", "yes"),
        ("artifact", "yes"),
        ("referrers", "no"),
        ("attach", "yes"),
        ("parallelReferrers", "yes"),
        ("conditionalPut", "no"),
        ("ociTag", "no"),
        ("mount", "yes"),
        ("anonymousMount", "no"),
        ("chunks", "yes"),
        ("deleteManifest", "yes"),
    ] {
        assert_eq!(report["findings"][check], expected, "{check}: {report:#}");
    }
    assert_eq!(report["left"], serde_json::json!([]));
}
