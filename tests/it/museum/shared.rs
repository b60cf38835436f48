//! One store, two APIs: what comes or goes by one is there or gone by the other, and nothing of the
//! registry's that is no chart is touched.

use super::{ask, chart, recording::fixture, send};
use crate::support::daemon::Daemon;
use serde_json::{Value, json};

const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
const PROVENANCE: &str = "application/vnd.cncf.helm.chart.provenance.v1.prov";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

#[test]
fn an_upload_is_a_chart_artifact() {
    let server = Daemon::chartferry([]);
    let archive = fixture("alpha-1.1.0+build.1.tgz");
    send(&server, "POST", "/api/org/team/charts", &archive).expect(201);
    let manifest = ask(&server, "/v2/org/team/alpha/manifests/1.1.0_build.1").expect(200);
    assert_eq!(manifest.header("content-type"), Some(MANIFEST));
    let manifest = manifest.json();
    assert_eq!(manifest["annotations"]["org.opencontainers.image.version"], "1.1.0+build.1");
    let config = manifest["config"]["digest"].as_str().unwrap();
    let config = ask(&server, &format!("/v2/org/team/alpha/blobs/{config}")).expect(200).json();
    assert_eq!((&config["name"], &config["appVersion"]), (&json!("alpha"), &json!("1.1")));
    assert_eq!(layers(&manifest), [CHART]);
    let layer = manifest["layers"][0]["digest"].as_str().unwrap();
    assert_eq!(ask(&server, &format!("/v2/org/team/alpha/blobs/{layer}")).body, archive);
}

#[test]
fn a_provenance_file_becomes_a_layer_whenever_it_comes() {
    let server = Daemon::chartferry([]);
    let signature = fixture("alpha-1.0.0.tgz.prov");
    for (namespace, first, second) in [("later", "charts", "prov"), ("before", "prov", "charts")] {
        let body = |what| match what {
            "prov" => signature.clone(),
            _ => fixture("alpha-1.0.0.tgz"),
        };
        for what in [first, second] {
            send(&server, "POST", &format!("/api/{namespace}/{what}"), &body(what)).expect(201);
        }
        let path = format!("/v2/{namespace}/alpha/manifests/1.0.0");
        let manifest = ask(&server, &path).expect(200).json();
        assert_eq!(layers(&manifest), [CHART, PROVENANCE], "{namespace}");
        let file = format!("/{namespace}/charts/alpha-1.0.0.tgz.prov");
        assert_eq!(ask(&server, &file).expect(200).body, signature, "{namespace}");
    }
}

#[test]
fn what_is_said_of_bytes_stays_with_them() {
    let server = Daemon::chartferry([]);
    let file = "/charts/alpha-1.0.0.tgz.prov";
    for what in ["charts", "prov"] {
        let body = if what == "prov" { "alpha-1.0.0.tgz.prov" } else { "alpha-1.0.0.tgz" };
        send(&server, "POST", &format!("/api/{what}"), &fixture(body)).expect(201);
    }
    send(&server, "POST", "/api/charts?force", &fixture("alpha-1.0.0.tgz")).expect(201);
    assert_eq!(ask(&server, file).expect(200).body, fixture("alpha-1.0.0.tgz.prov"));
    send(&server, "POST", "/api/charts?force", &fixture("alpha-1.0.0-other.tgz")).expect(201);
    ask(&server, file).expect(404);
    let manifest = ask(&server, "/v2/alpha/manifests/1.0.0").expect(200).json();
    assert_eq!(layers(&manifest), [CHART]);
}

#[test]
fn of_two_charts_with_one_file_name_the_first_stays() {
    let server = Daemon::chartferry([]);
    send(&server, "POST", "/api/charts", &chart("dash", "1.0.0-2", b"")).expect(201);
    for query in ["", "?force"] {
        let archive = chart("dash-1.0.0", "2", b"");
        send(&server, "POST", &format!("/api/charts{query}"), &archive).expect(409);
    }
    ask(&server, "/api/charts/dash-1.0.0").expect(404);
}

#[test]
fn the_oldest_goes_where_versions_are_limited_and_replacing_costs_no_other() {
    let server = Daemon::chartferry(["--per-chart-limit", "2"]);
    for version in ["3.0.0", "1.0.0", "2.0.0"] {
        send(&server, "POST", "/api/org/charts", &chart("few", version, b"")).expect(201);
    }
    assert_eq!(versions(&server, "org", "few"), ["2.0.0", "1.0.0"]);
    ask(&server, "/v2/org/few/manifests/3.0.0").expect(404);
    send(&server, "POST", "/api/org/charts?force", &chart("few", "1.0.0", b"anew")).expect(201);
    assert_eq!(versions(&server, "org", "few"), ["2.0.0", "1.0.0"]);
}

#[test]
fn what_is_pushed_is_in_the_index_and_what_is_deleted_is_not() {
    let server = Daemon::chartferry([]);
    send(&server, "POST", "/api/org/charts", &fixture("alpha-1.0.0.tgz")).expect(201);
    send(&server, "POST", "/api/org/charts", &fixture("beta-0.1.0.tgz")).expect(201);
    let manifest = ask(&server, "/v2/org/alpha/manifests/1.0.0");
    // A second tag on one version is no second entry.
    put(&server, "/v2/org/alpha/manifests/stable", &manifest.body);
    assert_eq!(versions(&server, "org", "alpha"), ["1.0.0"]);
    // Deleted here, all of its tags are gone there.
    send(&server, "DELETE", "/api/org/charts/alpha/1.0.0", b"").expect(200);
    for tag in ["1.0.0", "stable"] {
        ask(&server, &format!("/v2/org/alpha/manifests/{tag}")).expect(404);
    }
    ask(&server, "/api/org/charts/alpha").expect(404);
    // Pushed there, it is here; deleted there, it is gone here.
    put(&server, "/v2/org/alpha/manifests/1.0.0", &manifest.body);
    assert_eq!(versions(&server, "org", "alpha"), ["1.0.0"]);
    assert_eq!(
        ask(&server, "/org/charts/alpha-1.0.0.tgz").expect(200).body,
        fixture("alpha-1.0.0.tgz")
    );
    send(&server, "DELETE", "/v2/org/alpha/manifests/1.0.0", b"").expect(202);
    ask(&server, "/org/charts/alpha-1.0.0.tgz").expect(404);
    ask(&server, "/api/org/charts/alpha").expect(404);
    assert_eq!(versions(&server, "org", "beta"), ["0.1.0"]);
}

#[test]
fn images_are_in_no_index_and_keep_their_tags() {
    let server = Daemon::chartferry([]);
    let blob = b"{}";
    let digest = chartferry::oci::Digest::sha256(blob);
    let path = format!("/v2/org/alpha/blobs/uploads/?digest={digest}");
    send(&server, "POST", &path, blob).expect(201);
    let image = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": 2},
        "layers": [],
    });
    put(&server, "/v2/org/alpha/manifests/1.0.0", image.to_string().as_bytes());
    ask(&server, "/org/index.yaml").expect(404);
    for query in ["", "?force"] {
        let path = format!("/api/org/charts{query}");
        send(&server, "POST", &path, &fixture("alpha-1.0.0.tgz")).expect(409);
    }
    assert_eq!(ask(&server, "/v2/org/alpha/manifests/1.0.0").expect(200).json(), image);
}

#[test]
fn what_no_registry_can_name_is_served_here_alone() {
    let server = Daemon::chartferry([]);
    send(&server, "POST", "/api/org/charts", &fixture("Upper-1.0.0.tgz")).expect(201);
    send(&server, "POST", "/api/Org/charts", &fixture("alpha-1.0.0.tgz")).expect(201);
    assert_eq!(ask(&server, "/v2/_catalog").expect(200).json()["repositories"], json!([]));
    assert_eq!(
        ask(&server, "/org/charts/Upper-1.0.0.tgz").expect(200).body,
        fixture("Upper-1.0.0.tgz")
    );
    assert_eq!(versions(&server, "Org", "alpha"), ["1.0.0"]);
    let signature = fixture("alpha-1.0.0.tgz.prov");
    send(&server, "POST", "/api/Org/prov", &signature).expect(201);
    assert_eq!(ask(&server, "/Org/charts/alpha-1.0.0.tgz.prov").expect(200).body, signature);
    send(&server, "DELETE", "/api/Org/charts/alpha/1.0.0", b"").expect(200);
    ask(&server, "/Org/index.yaml").expect(404);
}

/// The daemon is killed as it is dropped, in the middle of whatever it does.
#[test]
fn what_was_acknowledged_is_there_after_a_kill() {
    let root = tempfile::tempdir().unwrap();
    let storage = root.path().join("store");
    let before = {
        let server = Daemon::chartferry_at(&storage, []);
        for number in 0..20 {
            let archive = chart("many", &format!("1.{number}.0"), b"");
            send(&server, "POST", "/api/org/charts", &archive).expect(201);
        }
        for name in ["Upper-1.0.0.tgz", "alpha-1.0.0.tgz"] {
            send(&server, "POST", "/api/org/charts", &fixture(name)).expect(201);
        }
        send(&server, "POST", "/api/org/prov", &fixture("alpha-1.0.0.tgz.prov")).expect(201);
        send(&server, "POST", "/api/org/prov", &fixture("ghost-1.0.0.tgz.prov")).expect(201);
        ask(&server, "/org/index.yaml").expect(200)
    };
    let server = Daemon::chartferry_at(&storage, []);
    let after = ask(&server, "/org/index.yaml").expect(200);
    assert_eq!(after.header("etag"), before.header("etag"));
    assert_eq!(String::from_utf8_lossy(&after.body), String::from_utf8_lossy(&before.body));
    for file in
        ["alpha-1.0.0.tgz", "alpha-1.0.0.tgz.prov", "Upper-1.0.0.tgz", "ghost-1.0.0.tgz.prov"]
    {
        assert_eq!(ask(&server, &format!("/org/charts/{file}")).expect(200).body, fixture(file));
    }
}

fn layers(manifest: &Value) -> Vec<&str> {
    manifest["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| layer["mediaType"].as_str().unwrap())
        .collect()
}

fn versions(server: &Daemon, namespace: &str, name: &str) -> Vec<String> {
    let all = ask(server, &format!("/api/{namespace}/charts/{name}")).expect(200).json();
    let all = all.as_array().unwrap();
    all.iter().map(|one| one["version"].as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn put(server: &Daemon, path: &str, manifest: &[u8]) {
    let address = server.address().parse().unwrap();
    let headers = [("Content-Type", MANIFEST)];
    crate::registry::wire::send(address, "PUT", path, &headers, manifest).expect(201);
}

#[test]
fn a_version_is_found_by_its_file_name_however_it_is_cut_where_no_chart_has_that_name() {
    let server = Daemon::chartferry([]);
    let archive = chart("mychart2", "0.1.0-SNAPSHOT-1", b"");
    send(&server, "POST", "/api/charts", &archive).expect(201);
    send(&server, "POST", "/api/charts", &chart("a", "1.0.0", b"")).expect(201);
    send(&server, "POST", "/api/charts", &chart("a-b", "2.0.0", b"")).expect(201);
    let path = "/api/charts/mychart2-0.1.0-SNAPSHOT/1";
    let version = ask(&server, path).expect(200).json();
    assert_eq!(version["version"], "0.1.0-SNAPSHOT-1");
    send(&server, "HEAD", path, b"").expect(200);
    ask(&server, "/api/charts/mychart2-0.1.0-SNAPSHOT/2").expect(404);
    // There is a chart `a`, and it has no version `b-2.0.0`.
    ask(&server, "/api/charts/a/b-2.0.0").expect(404);
    send(&server, "DELETE", "/api/charts/a/b-2.0.0", b"").expect(404);
    send(&server, "DELETE", path, b"").expect(200);
    ask(&server, path).expect(404);
    ask(&server, "/api/charts/mychart2").expect(404);
    send(&server, "DELETE", path, b"").expect(404);
}
