//! The same against the registries and tools of others.

use super::{Fate, Migration};
use crate::support::{daemon::Daemon, peers};

#[track_caller]
fn through(registry: Daemon) {
    let place = Migration::to(265, registry);
    let carried = place.made.versions.iter().filter(|one| one.fate == Fate::Carried).count();
    let report = place.mirror(&place.source(), &place.destination(), &["--state", "state"]);
    assert_eq!(
        (&report["counts"]["sent"], &report["counts"]["failed"]),
        (&carried.into(), &0.into())
    );
    place.compare_registry(&format!("{}/moved", place.registry.oci()), "folder");
    place.forget();
    let again = place.mirror(&place.source(), &place.destination(), &["--state", "state"]);
    assert_eq!(again["unchanged"], true, "{again:#}");
    assert_eq!(place.web.take().len(), 1);
    assert!(place.front.take().is_empty());
    place.same_index_as_helm("folder");
}

impl Migration {
    /// `helm repo index` of a folder and ours differ in times alone.
    #[track_caller]
    fn same_index_as_helm(&self, folder: &str) {
        let ours = self.test.read(format!("{folder}/index.yaml"));
        std::fs::remove_file(self.test.path(format!("{folder}/index.yaml"))).unwrap();
        self.test
            .run_program(&peers::find("helm"), ["repo", "index", folder])
            .anything()
            .succeeds();
        let theirs = self.test.read(format!("{folder}/index.yaml"));
        let timeless = |bytes: Vec<u8>| -> Vec<String> {
            let is_time = |line: &str| {
                let line = line.trim_start().trim_start_matches("- ");
                line.starts_with("created:") || line.starts_with("generated:")
            };
            let text = String::from_utf8(bytes).unwrap();
            text.lines().filter(|line| !is_time(line)).map(str::to_owned).collect()
        };
        let (ours, theirs) = (timeless(ours), timeless(theirs));
        for (at, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            assert_eq!(ours, theirs, "line {at}");
        }
        assert_eq!(ours.len(), theirs.len());
    }
}

#[test]
#[ignore = "needs peers"]
fn distribution_3() {
    through(Daemon::distribution_3());
}

#[test]
#[ignore = "needs peers"]
fn distribution_2() {
    through(Daemon::docker_registry());
}

#[test]
#[ignore = "needs peers"]
fn our_own_registry_and_helms_index() {
    through(Daemon::chartferry([]));
}
