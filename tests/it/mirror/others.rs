//! What lies in a source's namespace beside charts: other artifacts are counted, signatures and
//! referrers are counted and warned of.

use super::{Mirrored, archive, moved::push, policies::put_image, runs, told};
use crate::registry::wire::{retag, send};
use chartferry::digest::Digest;
use serde_json::{Value, json};

const KIND: &str = "application/vnd.oci.image.manifest.v1+json";

/// Puts an artifact of no chart's kind, which may speak of another manifest. Under its digest
/// without a tag.
pub(super) fn artifact(
    place: &Mirrored,
    repository: &str,
    tag: Option<&str>,
    subject: Option<&str>,
) {
    let address = place.registry.address().parse().unwrap();
    let empty = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    let upload = format!("/v2/{repository}/blobs/uploads/?digest={empty}");
    send(address, "POST", &upload, &[], b"{}").expect(201);
    let config =
        json!({"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2});
    let mut manifest = json!({
        "schemaVersion": 2, "mediaType": KIND, "artifactType": "application/vnd.example.thing",
        "config": config, "layers": [config],
    });
    if let Some(digest) = subject {
        let path = format!("/v2/{repository}/manifests/{digest}");
        let size = send(address, "GET", &path, &[("Accept", "*/*")], b"").expect(200).body.len();
        manifest["subject"] = json!({"mediaType": KIND, "digest": digest, "size": size});
    }
    let bytes = manifest.to_string();
    let digest = Digest::sha256(bytes.as_bytes()).to_string();
    let path = format!("/v2/{repository}/manifests/{}", tag.unwrap_or(&digest));
    send(address, "PUT", &path, &[("Content-Type", KIND)], bytes.as_bytes()).expect(201);
}

pub(super) fn run(place: &Mirrored, code: i32, to: &str, flags: &[&str]) -> Value {
    place.forget();
    runs(place, code, &[&[place.destination().as_str(), to][..], flags].concat()).remove(0)
}

#[test]
fn other_artifacts_of_a_namespace_are_counted_and_are_no_failure() {
    let place = Mirrored::new();
    push(&place, "1.0.0", "one", &[]);
    artifact(&place, "charts/app", Some("v1.0.0"), None);
    put_image(&place.registry.address(), "2.0.0");
    let copy = format!("oci://{}/copy", place.registry.address());
    for to in ["out", copy.as_str()] {
        let dry = run(&place, 0, to, &["--dry-run"]);
        let others = ["other app v1.0.0 (other)", "other demo 2.0.0 (other)"];
        let planned = [others[0], "planned demo 1.0.0", others[1]];
        assert_eq!(told(&dry), planned, "{dry:#}");
        assert_eq!(told(&run(&place, 2, to, &["--check"]))[1], "missing demo 1.0.0");
        for again in [false, true] {
            let report = run(&place, 0, to, &["--metrics-file", "m.prom"]);
            let counts = &report["counts"];
            assert_eq!((&counts["selected"], &counts["others"]), (&1.into(), &2.into()));
            assert_eq!(report["charts"], 1, "{report:#}");
            assert_eq!(report["unchanged"], again);
            let told = told(&report);
            assert_eq!(told.contains(&"sent demo 1.0.0".to_owned()), !again);
            assert!(others.iter().all(|other| told.contains(&(*other).to_owned())), "{told:?}");
            let metrics = String::from_utf8(place.test.read("m.prom")).unwrap();
            let success = metrics.lines().find(|l| l.starts_with("chartferry_mirror_success"));
            assert!(success.unwrap().ends_with(" 1"), "{metrics}");
        }
        assert_eq!(run(&place, 0, to, &["--check"])["counts"]["others"], 2);
    }
    let source = place.destination();
    let text = place.test.run(["mirror", &source, "out"]).any_stdout().succeeds().stdout;
    assert!(
        text.contains("1 version of 1 chart: 1 in step; 2 other tags hold no charts;"),
        "{text}"
    );
}

#[test]
fn what_was_a_chart_and_is_no_more_is_refused() {
    let place = Mirrored::new();
    push(&place, "1.0.0", "one", &[]);
    push(&place, "1.1.0", "one", &[]);
    run(&place, 0, "out", &[]);
    put_image(&place.registry.address(), "1.1.0");
    assert_eq!(told(&run(&place, 3, "out", &[])), ["refused demo 1.1.0 (unfit)"]);
}

#[test]
fn signatures_and_referrers_that_stay_behind_are_counted_and_warned_of() {
    let place = Mirrored::new();
    push(&place, "1.0.0", "one", &[]);
    push(&place, "1.1.0", "one", &[]);
    let reference = format!("oci://{}/charts/demo:1.0.0", place.registry.address());
    let digest = place.test.run(["resolve", &reference]).any_stdout().succeeds().digest();
    let signature = format!("{}.sig", digest.replace(':', "-"));
    retag(&place.registry.address(), "charts/demo", "1.0.0", &signature);
    artifact(&place, "charts/demo", None, Some(&digest));
    for again in [false, true] {
        let report = run(&place, 0, "out", &[]);
        assert_eq!(report["unchanged"], again);
        assert_eq!(report["counts"]["attached"], 2, "{report:#}");
        let warnings = report["warnings"].to_string();
        assert!(
            warnings.contains(
                "2 signatures, attestations or other referrers were left behind: this destination"
            ),
            "{warnings}"
        );
    }
    assert_eq!(place.test.read("out/demo-1.0.0.tgz"), archive("demo", "1.0.0", "one"));
    // Without any of them nothing is said.
    let plain = Mirrored::new();
    push(&plain, "1.0.0", "one", &[]);
    assert_eq!(run(&plain, 0, "out", &[])["warnings"], json!([]));
}

#[test]
fn environment_tags_are_counted_as_other_names() {
    let place = Mirrored::new();
    push(&place, "1.0.0", "one", &[]);
    for tag in ["prod", "stable", "staging"] {
        retag(&place.registry.address(), "charts/demo", "1.0.0", tag);
    }
    let report = run(&place, 0, "out", &[]);
    assert_eq!(told(&report), ["sent demo 1.0.0"]);
    assert_eq!(report["counts"]["aliases"], 3);
}

#[test]
fn other_artifacts_of_a_layout_or_bundle_are_counted_too() {
    let place = Mirrored::new();
    place.add("demo", "1.0.0");
    place.publish();
    runs(&place, 0, &[&place.web.url(), "layout:lay"]);
    let path = place.test.path("lay/index.json");
    let mut index: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let empty = Digest::sha256(b"{}");
    std::fs::write(place.test.path(format!("lay/blobs/sha256/{}", empty.hex())), "{}").unwrap();
    let chart = index["manifests"][0].clone();
    for (tag, subject) in [(Some("app:v1.0.0"), None), (None, Some(chart))] {
        let config = json!({"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty.to_string(), "size": 2});
        let mut manifest = json!({
            "schemaVersion": 2, "mediaType": KIND, "artifactType": "application/vnd.example.thing",
            "config": config, "layers": [config],
        });
        if let Some(subject) = subject {
            manifest["subject"] =
                json!({"mediaType": KIND, "digest": subject["digest"], "size": subject["size"]});
        }
        let text = manifest.to_string();
        let digest = Digest::sha256(text.as_bytes());
        let mut entry =
            json!({"mediaType": KIND, "digest": digest.to_string(), "size": text.len()});
        if let Some(tag) = tag {
            entry["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
        }
        index["manifests"].as_array_mut().unwrap().push(entry);
        let blob = place.test.path(format!("lay/blobs/sha256/{}", digest.hex()));
        std::fs::write(blob, text).unwrap();
    }
    std::fs::write(&path, index.to_string()).unwrap();
    for flags in [&["--dry-run"][..], &[], &[]] {
        let report = runs(&place, 0, &[&["layout:lay", "out"], flags].concat()).remove(0);
        let counts = &report["counts"];
        let seen = ["selected", "others", "attached", "refused", "failed"].map(|key| &counts[key]);
        assert_eq!(seen, [1, 1, 1, 0, 0], "{report:#}");
        assert!(
            told(&report).contains(&"other app 1.0.0 (other)".to_owned())
                || told(&report).contains(&"other app v1.0.0 (other)".to_owned()),
            "{report:#}"
        );
    }
}
