//! What vanished at the source: removed only when asked, only what was carried, never more than
//! allowed.

use super::{Mirrored, count, told};
use crate::support::{
    fault::{Act, Fault},
    fault_registry::Answer,
};

fn place(versions: usize) -> Mirrored {
    let place = Mirrored::new();
    for n in 0..versions {
        place.add("demo", &format!("1.{n}.0"));
    }
    place.publish();
    place.mirror(0, &[]);
    place
}

fn tags(place: &Mirrored) -> Vec<String> {
    let reference = format!("oci://{}/charts/demo", place.registry.address());
    let listed = place.test.run(["tags", reference.as_str()]).any_stdout().succeeds();
    listed.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn what_vanished_stays_until_it_is_asked_to_go() {
    let place = place(3);
    place.retain(|entry| entry.version != "1.0.0");
    place.publish();
    let report = place.mirror(0, &[]);
    assert_eq!((told(&report).len(), tags(&place).len()), (0, 3));
    // The source has not changed since, and still something is to be done.
    let planned = place.mirror(0, &["--prune", "--dry-run"]);
    assert_eq!(told(&planned), ["would-prune demo 1.0.0"]);
    let report = place.mirror(0, &["--prune"]);
    assert_eq!(told(&report), ["pruned demo 1.0.0"]);
    assert_eq!(tags(&place), ["1.2.0", "1.1.0"]);
    place.forget();
    let report = place.mirror(0, &["--prune"]);
    assert_eq!(report["unchanged"], true);
    assert_eq!(count(&place.asked_registry(), "DELETE manifests"), 0);
}

#[test]
fn more_than_is_allowed_is_not_removed_at_all() {
    let place = place(12);
    place.retain(|entry| !["1.0.0", "1.1.0", "1.2.0"].contains(&entry.version.as_str()));
    place.publish();
    let report = place.mirror(3, &["--prune"]);
    let reason = report["pruneRefused"].as_str().unwrap();
    assert!(reason.contains("3 of 12 recorded versions have vanished"), "{reason}");
    assert_eq!(tags(&place).len(), 12);
    let report = place.mirror(0, &["--prune", "--max-delete", "3"]);
    assert_eq!(report["counts"]["pruned"], 3);
}

#[test]
fn a_source_that_looks_empty_or_cut_removes_nothing() {
    let empty = place(3);
    empty.retain(|_| false);
    empty.publish();
    let report = empty.mirror(3, &["--prune", "--max-delete", "100%"]);
    assert!(report["pruneRefused"].as_str().unwrap().contains("nothing at all"), "{report:#}");
    let cut = place(21);
    cut.retain(|entry| entry.version != "1.0.0");
    cut.publish();
    let report = cut.mirror(3, &["--prune"]);
    assert!(report["pruneRefused"].is_string(), "exactly 20 are left: {report:#}");
    assert_eq!((tags(&empty).len(), tags(&cut).len()), (3, 21));
}

#[test]
fn what_others_put_and_what_is_no_longer_selected_is_not_ours_to_remove() {
    let place = place(3);
    place.test.file("demo-9.0.0.tgz", super::archive("demo", "9.0.0", "theirs"));
    let destination = format!("oci://{}/charts", place.registry.address());
    place.test.run(["push", "demo-9.0.0.tgz", destination.as_str()]).anything().succeeds();
    let report = place.mirror(0, &["--prune", "--latest", "1"]);
    assert_eq!(told(&report), [""; 0], "{report:#}");
    assert_eq!(tags(&place).len(), 4);
}

#[test]
fn without_a_state_nobody_knows_what_was_carried() {
    let place = place(2);
    place.retain(|entry| entry.version != "1.0.0");
    place.publish();
    let report = place.mirror(0, &["--prune", "--ignore-state"]);
    assert!(report["warnings"].to_string().contains("nothing is removed"), "{report:#}");
    assert_eq!(tags(&place).len(), 2);
}

/// Finding 4 of the client's rehearsal: a registry answers 202 to a DELETE and keeps the manifest.
#[test]
fn what_a_registry_keeps_is_not_removed_and_is_tried_again() {
    let place = Mirrored::new();
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        place.add("demo", version);
    }
    place.publish();
    let registry = crate::faults::killed::registry();
    let destination = format!("oci://{}/charts", registry.address());
    place.mirror_to(0, &destination, &[]);
    place.retain(|entry| entry.version != "1.0.0");
    place.publish();
    registry
        .fail(Fault::new("DELETE /demo/manifests/", Act::Instead(Answer::new(202, ""))).times(2));
    for _ in 0..2 {
        let report = place.mirror_to(3, &destination, &["--prune"]);
        assert_eq!(told(&report), ["failed demo 1.0.0"]);
        let reason = report["versions"][0]["reason"].as_str().unwrap();
        assert!(reason.contains("but `1.0.0` still refers to sha256:"), "{reason}");
        assert_eq!(report["counts"]["pruned"], 0);
    }
    registry.take();
    let report = place.mirror_to(0, &destination, &["--prune"]);
    assert_eq!(told(&report), ["pruned demo 1.0.0"]);
    let looks = registry.take().into_iter().filter(|(request, _)| {
        request.method == "HEAD" && request.target.ends_with("/demo/manifests/1.0.0")
    });
    assert_eq!(looks.count(), 1);
}
