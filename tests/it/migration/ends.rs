//! Repository, registry, folder, ChartMuseum: the same bytes at each.

use super::{Fate, Migration};
use crate::support::daemon::Daemon;
use std::collections::BTreeMap;

#[test]
fn three_hundred_versions_go_all_the_way_and_keep_every_byte() {
    let place = Migration::new(265);
    assert!(place.made.versions.len() >= 300, "{}", place.made.versions.len());
    let report = place.mirror(&place.source(), &place.destination(), &[]);
    assert_eq!(report["counts"]["failed"], 0, "{report:#}");
    let carried = place.made.versions.iter().filter(|one| one.fate == Fate::Carried).count();
    assert_eq!(report["counts"]["sent"], carried, "{report:#}");
    every_refusal_has_its_reason(&place, &report);

    // Registry to folder.
    let registry = format!("{}/moved", place.registry.oci());
    place.compare_registry(&registry, "folder");

    // Folder to the ChartMuseum API of another server, and back from its index.
    let museum = Daemon::chartferry(["--depth", "1"]);
    let url = format!("http://{}/org", museum.address());
    let report = place.mirror("folder", &url, &[]);
    assert_eq!(report["counts"]["sent"], carried, "{report:#}");
    let report = place.mirror(&url, "back", &[]);
    assert_eq!(report["counts"]["failed"], 0, "{report:#}");
    place.compare_folder(&place.test.path("back"));
}

/// Nothing is left out in silence.
#[track_caller]
fn every_refusal_has_its_reason(place: &Migration, report: &serde_json::Value) {
    let refused: BTreeMap<(String, String), String> = report["versions"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|told| told["status"] == "refused")
        .map(|told| {
            let text = |key: &str| told[key].as_str().unwrap_or_default().to_owned();
            ((text("chart"), text("version")), text("reason"))
        })
        .collect();
    let warnings = report["warnings"].to_string();
    for version in &place.made.versions {
        let Fate::Refused(reason) = version.fate else { continue };
        // The second of two alike is nobody's loss.
        if version.chart == "twin" {
            continue;
        }
        let told = refused.values().any(|said| said.contains(reason))
            || warnings.contains(reason) && !reason.is_empty();
        let named = refused.keys().any(|(chart, _)| *chart == version.chart)
            || warnings.contains(&version.chart)
            || version.chart == "real";
        assert!(
            told && named,
            "{} {} ({reason}): {refused:#?} {warnings}",
            version.chart,
            version.version
        );
    }
}

#[test]
fn the_second_run_costs_one_conditional_get_and_the_registry_nothing() {
    let place = Migration::new(40);
    let flags = ["--state", "state"];
    place.mirror(&place.source(), &place.destination(), &flags);
    place.forget();
    let report = place.mirror(&place.source(), &place.destination(), &flags);
    assert_eq!(report["unchanged"], true, "{report:#}");
    let asked: Vec<_> = place.web.take();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0].target, "/charts/index.yaml");
    assert_eq!(asked[0].header("if-none-match"), Some("\"one\""));
    let registry: Vec<_> = place.front.take().into_iter().map(|passed| passed.line).collect();
    assert_eq!(registry, Vec::<String>::new());
    // Without the file, the state lies in the registry: two requests at most.
    let report = place.mirror(&place.source(), &place.destination(), &[]);
    assert_eq!(report["unchanged"], true, "{report:#}");
    assert!(place.front.take().len() <= 2);
}
