//! Dependencies that are rewritten on the way, and Artifact Hub's metadata beside the charts.

use super::Migration;

#[test]
fn dependencies_follow_the_charts_when_that_is_asked_for() {
    let place = Migration::new(0);
    let url = "https://old.example/charts";
    let flags = ["--chart", "parent", "--chart", "plus", "--rewrite-dependencies"];
    let rule = format!("{url}=oci://new.example/charts");
    let all = [&flags[..], &["--dependency-url", &rule]].concat();
    let report = place.mirror(&place.source(), &place.destination(), &all);
    assert_eq!(report["counts"]["sent"], 4, "{report:#}");
    let note = report["versions"].as_array().unwrap().iter().find(|v| v["chart"] == "parent");
    let note = note.unwrap()["reason"].as_str().unwrap().to_owned();
    assert!(
        note.starts_with("packaged anew: dependency `plus` at oci://new.example/charts"),
        "{note}"
    );
    let parent = format!("{}/moved/parent:1.0.0", place.registry.oci());
    place
        .test
        .run(["show", "chart", &parent])
        .stdout_has("repository: oci://new.example/charts")
        .succeeds();
    // The rest keeps its bytes, and a second run finds everything in step.
    let again = place.mirror(&place.source(), &place.destination(), &all);
    assert_eq!(again["counts"]["sent"], 0, "{again:#}");
    place
        .test
        .run(["pull", &format!("{}/moved/plus:1.0.0", place.registry.oci())])
        .anything()
        .succeeds();
    let plus = place.made.versions.iter().find(|v| v.chart == "plus" && v.version == "1.0.0");
    assert!(place.test.read("plus-1.0.0.tgz") == plus.unwrap().archive);
}

#[test]
fn artifact_hubs_metadata_lies_beside_each_chart_and_is_pushed_once() {
    let place = Migration::new(3);
    place.test.file("hub.yml", "repositoryID: 1b2c\n");
    let flags = ["--chart", "chart-*", "--artifacthub", "hub.yml"];
    let report = place.mirror(&place.source(), &place.destination(), &flags);
    assert!(!report["warnings"].to_string().contains("Artifact Hub"), "{report:#}");
    let tags = |chart: &str| {
        let reference = format!("{}/moved/{chart}", place.registry.oci());
        place.test.run(["tags", &reference]).any_stdout().succeeds().stdout
    };
    for chart in ["chart-00", "chart-01", "chart-02"] {
        assert_eq!(tags(chart), "1.0.0\nartifacthub.io\n");
    }
    place.forget();
    let again = place.mirror(&place.source(), &place.destination(), &flags);
    assert_eq!(again["unchanged"], true, "{again:#}");
    assert!(place.front.take().iter().all(|passed| !passed.line.starts_with("PUT")));
    // It is no version of the chart for whoever reads the registry.
    let back = place.mirror(&format!("{}/moved", place.registry.oci()), "back", &[]);
    assert_eq!(back["counts"]["sent"], 3, "{back:#}");
}
