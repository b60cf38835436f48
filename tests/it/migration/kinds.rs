//! Image layouts, bundles and ChartMuseums as ends of a mirror.

use super::{Fate, Migration};
use crate::support::daemon::Daemon;

#[test]
fn layouts_and_bundles_hold_and_give_the_same_bytes() {
    let place = Migration::new(20);
    let carried = place.made.versions.iter().filter(|one| one.fate == Fate::Carried).count();
    for (at, to) in ["layout:lay", "all.tar.zst", "all.tar"].into_iter().enumerate() {
        let report = place.mirror(&place.source(), to, &[]);
        assert_eq!(report["counts"]["sent"], carried, "{to}: {report:#}");
        let again = place.mirror(&place.source(), to, &[]);
        assert_eq!(again["counts"]["sent"], 0, "{to}: {again:#}");
        place.compare_registry(to, &format!("folder-{at}"));
        assert!(!place.test.path(format!(".{to}.unfinished")).exists());
    }
    // A bundle of a mirror is a bundle like any other.
    let other = Daemon::chartferry([]);
    place.test.run(["bundle", "load", "all.tar.zst", &other.oci()]).anything().succeeds();
    place.compare_registry(&other.oci(), "loaded");
}

#[test]
fn a_bundle_grows_and_is_left_alone_when_nothing_is_new() {
    let place = Migration::new(10);
    let select = ["--chart", "chart-0[0-4]"];
    let first = place.mirror(&place.source(), "all.tar.zst", &select);
    assert_eq!(first["counts"]["sent"], 5, "{first:#}");
    let before = std::fs::metadata(place.test.path("all.tar.zst")).unwrap().modified().unwrap();
    place.mirror(&place.source(), "all.tar.zst", &select);
    let after = std::fs::metadata(place.test.path("all.tar.zst")).unwrap().modified().unwrap();
    assert_eq!(before, after);
    let more = place.mirror(&place.source(), "all.tar.zst", &["--chart", "chart-*"]);
    assert_eq!((&more["counts"]["sent"], &more["counts"]["inStep"]), (&5.into(), &5.into()));
    let list = place.test.run(["bundle", "list", "all.tar.zst"]).any_stdout().succeeds().stdout;
    assert_eq!(list.lines().count(), 10);
    // Of the same charts at once: the same file.
    place.mirror(&place.source(), "once.tar.zst", &["--chart", "chart-*"]);
    assert!(place.test.read("once.tar.zst") == place.test.read("all.tar.zst"));
}

#[test]
fn a_delta_against_a_mirrors_state_leaves_out_what_it_holds() {
    let place = Migration::new(12);
    let (source, destination) = (place.source(), place.destination());
    place.mirror(&source, &destination, &["--chart", "chart-0*", "--state", "state"]);
    place.mirror(&source, &destination, &["--chart", "chart-*"]);
    let from = format!("{}/moved", place.registry.oci());
    let save = ["bundle", "save", "d.tar", "--all", from.as_str(), "--delta", "state"];
    // Ten charts at the first version and two more; three blobs or four each.
    // What the mirror remembers in the registry is not spoken of.
    place.test.run(save).stdout_has("Charts: 12\n").writes(["d.tar"]).succeeds();
    let list = place.test.run(["bundle", "list", "d.tar"]).any_stdout().succeeds().stdout;
    assert_eq!(list.lines().filter(|line| line.ends_with("in the base")).count(), 10, "{list}");
}

#[test]
fn a_chartmuseum_takes_archive_and_provenance_and_is_not_asked_twice() {
    let place = Migration::new(9);
    let museum = Daemon::chartferry(["--depth", "1"]);
    let front = super::Front::to(&museum.address());
    let url = format!("http://{}/org/", front.address());
    let flags = ["--chart", "chart-*", "--chart", "plus"];
    let report = place.mirror(&place.source(), &url, &flags);
    assert_eq!(report["counts"]["sent"], 12, "{report:#}");
    let lines: Vec<String> = front.take().into_iter().map(|passed| passed.line).collect();
    let posts = lines.iter().filter(|line| line.starts_with("POST /api/org/charts")).count();
    assert_eq!(posts, 12, "{lines:?}");
    let again = place.mirror(&place.source(), &url, &flags);
    assert_eq!((&again["counts"]["sent"], &again["counts"]["inStep"]), (&0.into(), &12.into()));
    let lines: Vec<String> = front.take().into_iter().map(|passed| passed.line).collect();
    assert_eq!(lines, ["GET /org/index.yaml"]);
    // Other bytes under a version: refused, then replaced when that is asked for.
    place.made_anew("chart-00", "1.0.0");
    let report = place.mirror(&place.source(), &url, &["--chart", "chart-00"]);
    assert_eq!(report["counts"]["refused"], 1, "{report:#}");
    let flags = ["--chart", "chart-00", "--on-conflict", "overwrite"];
    let report = place.mirror(&place.source(), &url, &flags);
    assert_eq!(report["counts"]["replaced"], 1, "{report:#}");
}

impl Migration {
    /// Publishes a version again with other bytes.
    fn made_anew(&self, chart: &str, version: &str) {
        let mut made = super::generator::generate(9, &self.other.url(), &self.registry.address());
        let one = made.versions.iter_mut().find(|o| o.chart == chart && o.version == version);
        one.unwrap().archive =
            super::generator::archive(chart, version, "description: another\n", &[]);
        made.publish(&self.web, &self.other);
    }
}
