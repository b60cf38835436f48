//! Dependencies: those that point at the destination and are not there, and those that are selected
//! with their charts.

use super::{Mirrored, runs};
use flate2::{Compression, write::GzEncoder};
use serde_json::Value;

const ELSEWHERE: &str = "oci://registry.example/charts";

/// An archive whose chart depends on others: a name, a range and a repository each.
fn archive(name: &str, version: &str, dependencies: &[(&str, &str, &str)]) -> Vec<u8> {
    let mut text = format!("apiVersion: v2\nname: {name}\nversion: {version}\ndependencies:\n");
    for (name, range, repository) in dependencies {
        text.push_str(&format!(
            "- {{name: {name}, version: \"{range}\", repository: \"{repository}\"}}\n"
        ));
    }
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(1_600_000_000);
    tar.append_data(&mut header, format!("{name}/Chart.yaml"), text.as_bytes()).unwrap();
    tar.into_inner().unwrap().finish().unwrap()
}

/// A folder with a chart `app` that needs `base`, which needs `common`, and with what nobody needs.
fn filled() -> Mirrored {
    let place = Mirrored::new();
    let file = |name: &str, version: &str, dependencies: &[(&str, &str, &str)]| {
        let bytes = archive(name, version, dependencies);
        place.test.file(&format!("in/{name}-{version}.tgz"), bytes);
    };
    file("app", "1.0.0", &[("base", "^1", ELSEWHERE), ("inside", "1.0.0", "")]);
    file("base", "1.0.0", &[]);
    file(
        "base",
        "1.1.0",
        &[("common", "2.x.x", "https://charts.example"), ("lost", "9", ELSEWHERE)],
    );
    file("base", "2.0.0", &[]);
    file("common", "2.0.0", &[]);
    file("common", "2.1.0", &[("app", "*", ELSEWHERE)]);
    file("inside", "1.0.0", &[]);
    file("other", "1.0.0", &[]);
    place
}

fn counts(report: &Value) -> (u64, u64, u64) {
    let count = |key: &str| report["counts"][key].as_u64().unwrap();
    (count("selected"), count("sent"), count("inStep"))
}

#[test]
fn with_dependencies_the_charts_that_are_needed_are_selected_from_any_kind_of_source() {
    let place = filled();
    place.test.run(["mirror", "in", "layout:lay"]).anything().succeeds();
    place.test.run(["mirror", "in", "all.tar.zst"]).anything().succeeds();
    let registry = format!("{}/all", place.registry.oci());
    place.test.run(["mirror", "in", &registry]).anything().succeeds();
    place.test.run(["mirror", "in", "indexed"]).anything().succeeds();
    for (at, source) in
        ["in", "indexed", "layout:lay", "all.tar.zst", registry.as_str()].into_iter().enumerate()
    {
        let to = format!("out-{at}");
        let flags = [source, to.as_str(), "--chart", "app", "--with-dependencies"];
        let report = &runs(&place, 0, &flags)[0];
        assert_eq!(counts(report), (3, 3, 0), "{source}: {report:#}");
        for file in ["app-1.0.0.tgz", "base-1.1.0.tgz", "common-2.1.0.tgz"] {
            assert!(place.test.path(&to).join(file).exists(), "{source}: {file}");
        }
        let warnings = report["warnings"].to_string();
        assert!(
            warnings.contains("the source has no `lost` in `9`, which base 1.1.0 needs"),
            "{source}: {warnings}"
        );
        // The same the next time.
        let report = &runs(&place, 0, &flags)[0];
        assert_eq!(counts(report).1, 0, "{source}: {report:#}");
    }
}

#[test]
fn a_rewritten_dependency_that_is_not_at_the_destination_is_a_warning() {
    let place = filled();
    let to = place.destination();
    let url = format!("{ELSEWHERE}={to}");
    let rewrite = ["--rewrite-dependencies", "--dependency-url", url.as_str()];
    let flags = [&["in", to.as_str(), "--chart", "app"][..], &rewrite].concat();
    let report = &runs(&place, 0, &flags)[0];
    let warnings = report["warnings"].to_string();
    let said = "app 1.0.0 depends on `base` in `^1` at oci://";
    assert!(warnings.contains(said) && warnings.contains("but it is missing there"), "{warnings}");
    // What comes in the same run is there.
    let other = format!("oci://{}/other", place.registry.address());
    let url = format!("{ELSEWHERE}={other}");
    let flags = [
        "in",
        other.as_str(),
        "--chart",
        "app",
        "--with-dependencies",
        "--rewrite-dependencies",
        "--dependency-url",
        url.as_str(),
    ];
    let report = &runs(&place, 0, &flags)[0];
    let warnings = report["warnings"].to_string();
    assert!(!warnings.contains("`base`"), "{warnings}");
    assert!(warnings.contains("base 1.1.0 depends on `lost` in `9`"), "{warnings}");
}
