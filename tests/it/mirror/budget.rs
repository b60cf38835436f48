//! What runs cost: requests are what registries count and what users wait for.

use super::{Mirrored, count, told};
use crate::support::daemon::Daemon;

#[test]
fn a_new_version_costs_two_requests_of_the_source_and_at_most_five_of_the_registry() {
    let place = Mirrored::new();
    for n in 0..6 {
        place.add("demo", &format!("1.{n}.0"));
    }
    place.add("other", "1.0.0");
    place.publish();
    let report = place.mirror(0, &[]);
    assert_eq!(report["counts"]["sent"], 7, "{report:#}");
    let (web, registry) = (place.asked_web(), place.asked_registry());
    // The index; of each version the archive and the question for its provenance.
    assert_eq!(web.len(), 1 + 7 * 2, "{web:?}");
    assert_eq!(count(&registry, "GET tags"), 2, "one list a chart: {registry:?}");
    assert_eq!(count(&registry, "PUT manifests"), 7);
    assert_eq!(count(&registry, "HEAD blobs") + count(&registry, "HEAD manifests"), 0);
    // The first is read back whole: manifest, config and archive.
    assert_eq!((count(&registry, "GET manifests"), count(&registry, "GET blobs")), (1, 2));
    assert_eq!(count(&registry, "GET state manifests"), 1);
    let version = registry
        .iter()
        .filter(|request| !request.contains("state") && !request.starts_with("GET"))
        .count();
    assert!(version <= 7 * 5, "{version} requests for 7 versions: {registry:?}");
}

#[test]
fn a_provenance_file_costs_one_more_at_the_source_and_two_at_the_registry() {
    let place = Mirrored::new();
    place.add("demo", "1.0.0");
    place.web.file("/demo-1.0.0.tgz.prov", "-----BEGIN PGP SIGNED MESSAGE-----\n");
    place.publish();
    place.mirror(0, &[]);
    let registry = place.asked_registry();
    let uploads = count(&registry, "POST blobs/uploads") + count(&registry, "PUT blobs/uploads");
    assert!(uploads <= 6 && count(&registry, "PUT manifests") == 1, "{registry:?}");
    let reference = format!("oci://{}/charts/demo", place.registry.address());
    place
        .test
        .run(["pull", reference.as_str(), "--version", "1.0.0", "--prov"])
        .anything()
        .succeeds();
    assert_eq!(place.test.read("demo-1.0.0.tgz.prov"), b"-----BEGIN PGP SIGNED MESSAGE-----\n");
}

#[test]
fn an_unchanged_source_costs_one_request_and_two_of_the_registry_or_none_with_a_file() {
    let place = Mirrored::new();
    place.add("demo", "1.0.0");
    place.publish();
    place.mirror(0, &["--state", "state"]);
    place.forget();
    let report = place.mirror(0, &["--state", "state"]);
    assert_eq!(report["unchanged"], true);
    assert_eq!(report["counts"]["recorded"], 1, "nobody has looked: {report:#}");
    assert_eq!(place.asked_web(), ["GET /index.yaml"]);
    assert_eq!(place.asked_registry(), [""; 0]);
    let report = place.mirror(0, &[]);
    assert_eq!(report["unchanged"], true);
    assert_eq!(place.asked_web(), ["GET /index.yaml"]);
    assert_eq!(place.asked_registry(), ["GET state manifests", "GET state blobs"]);
}

#[test]
fn a_change_of_times_alone_sends_nothing() {
    let place = Mirrored::new();
    for version in ["1.0.0", "1.1.0"] {
        place.add("demo", version);
    }
    // Without a digest there is only the rest of the entry to compare.
    place.change(|entry| {
        if entry.version == "1.1.0" {
            entry.digest = None;
        }
    });
    place.publish();
    place.mirror(0, &["--state", "state"]);
    place.forget();
    place.change(|entry| entry.created = "2026-01-01T00:00:00Z".into());
    place.publish();
    let report = place.mirror(0, &["--state", "state"]);
    assert_eq!(report["counts"]["recorded"], 2, "{report:#}");
    assert_eq!(report["unchanged"], false);
    assert_eq!(place.asked_web(), ["GET /index.yaml"]);
    assert_eq!(place.asked_registry(), [""; 0]);
    // Nor does it without the file, and the two requests are to learn the state.
    place.mirror(0, &[]);
    assert_eq!(place.asked_registry(), ["GET state manifests", "GET state blobs"]);
}

#[test]
fn without_a_state_a_version_costs_one_request_and_with_trust_none() {
    let place = Mirrored::new();
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        place.add("demo", version);
    }
    place.publish();
    place.mirror(0, &[]);
    place.forget();
    for (flags, looks) in [(&["--ignore-state"][..], 3), (&["--ignore-state", "--trust-tags"], 0)] {
        let report = place.mirror(0, flags);
        assert_eq!(report["counts"]["inStep"], 3);
        let registry = place.asked_registry();
        assert_eq!(count(&registry, "GET tags"), 1);
        assert_eq!(count(&registry, "GET manifests"), looks);
        let all = registry.iter().filter(|one| !one.contains("state")).count();
        assert_eq!(all, 1 + looks, "{registry:?}");
        let warned = report["warnings"].to_string().contains("3 versions count as in step");
        assert_eq!(warned, looks == 0, "{report:#}");
    }
}

#[test]
fn what_failed_is_tried_again_and_nothing_else() {
    let place = Mirrored::new();
    for version in ["1.0.0", "1.1.0"] {
        place.add("demo", version);
    }
    let bytes = super::archive("demo", "1.1.0", "one");
    place.web.put("/demo-1.1.0.tgz", crate::support::web::File::Status(403, "no"));
    place.publish();
    let report = place.mirror(3, &[]);
    assert_eq!(told(&report), ["sent demo 1.0.0", "failed demo 1.1.0"]);
    place.web.file("/demo-1.1.0.tgz", bytes.clone());
    place.forget();
    let report = place.mirror(0, &[]);
    assert_eq!(told(&report), ["sent demo 1.1.0"]);
    assert_eq!(
        place.asked_web(),
        ["GET /index.yaml", "GET /demo-1.1.0.tgz", "GET /demo-1.1.0.tgz.prov"]
    );
    assert_eq!(place.pulled("demo", "1.1.0"), bytes);
}

#[test]
fn a_missing_provenance_file_is_asked_for_once() {
    let place = Mirrored::new();
    place.add("demo", "1.0.0");
    place.publish();
    place.mirror(0, &[]);
    // Published again with other bytes: the question has its answer only for the old ones.
    place.republish("demo", "1.0.0", "two");
    place.forget();
    place.mirror(0, &["--on-conflict", "overwrite"]);
    let web = place.asked_web();
    assert_eq!(web.iter().filter(|path| path.ends_with(".prov")).count(), 1, "{web:?}");
    place.mirror(0, &[]);
    assert_eq!(place.asked_web(), ["GET /index.yaml"]);
}

#[test]
fn a_state_that_cannot_be_written_is_a_warning() {
    let place = Mirrored::new();
    place.add("demo", "1.0.0");
    place.publish();
    let folder = tempfile::tempdir().unwrap();
    let users = crate::support::daemon::htpasswd(folder.path(), "u", "p");
    let locked = Daemon::chartferry(["--htpasswd", users.to_str().unwrap(), "--anonymous-pull"]);
    let state = format!("oci://{}/states", locked.address());
    let report = place.mirror(0, &["--state-ref", &state]);
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("the state was not left at the destination"), "{warnings}");
    let report = place.mirror(0, &["--state-ref", &state]);
    assert_eq!(report["counts"]["inStep"], 1);
}

#[test]
fn an_old_state_does_not_stay_behind() {
    let place = Mirrored::new();
    for n in 0..3 {
        place.add("demo", &format!("1.{n}.0"));
        place.publish();
        place.mirror(0, &[]);
    }
    let asked = place.asked_registry();
    assert_eq!(count(&asked, "DELETE state manifests"), 2, "{asked:?}");
    // The state itself is still there.
    place.forget();
    assert_eq!(place.mirror(0, &[])["unchanged"], true);
}
