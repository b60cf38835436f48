//! `serve --upstream`: who may make it work, and what one bad tag of the registry does to the
//! others.

use crate::{
    registry::wire::{self, Answer},
    support::{
        daemon::{Daemon, htpasswd},
        proxy::Proxy,
        web::{File, Web},
    },
};
use base64::{Engine, prelude::BASE64_STANDARD};
use chartferry::digest::Digest;

fn archive(name: &str) -> Vec<u8> {
    let text = format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\n");
    let encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut archive = tar::Builder::new(encoder);
    let mut header = tar::Header::new_ustar();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, format!("{name}/Chart.yaml"), text.as_bytes()).unwrap();
    archive.into_inner().unwrap().finish().unwrap()
}

fn send(server: &Daemon, method: &str, path: &str, as_whom: &str, body: &[u8]) -> Answer {
    let basic = format!("Basic {}", BASE64_STANDARD.encode(as_whom));
    let headers = [("authorization", basic.as_str())];
    let headers = if as_whom.is_empty() { &[][..] } else { &headers[..] };
    wire::send(server.address().parse().unwrap(), method, path, headers, body)
}

/// Finding 7: what nobody had been let in for was received and inflated before the registry was
/// asked.
#[test]
fn the_registry_is_asked_before_a_body_is_read() {
    let root = tempfile::tempdir().unwrap();
    let users = htpasswd(root.path(), "me", "right");
    let registry = Daemon::chartferry(["--htpasswd", users.to_str().unwrap(), "--anonymous-pull"]);
    let bridge = Daemon::chartferry_upstream(&format!("{}/ns", registry.oci()), []);
    let address = bridge.address().parse().unwrap();
    // The body never comes: the answer does not wait for it.
    for (path, authorization, status) in [
        ("/api/charts", None, 401),
        ("/api/charts", Some("Basic bWU6d3Jvbmc="), 403),
        ("/api/prov", None, 401),
    ] {
        let headers: Vec<(&str, &str)> = [("expect", "100-continue")]
            .into_iter()
            .chain(authorization.map(|value| ("authorization", value)))
            .collect();
        let stream = wire::open(address, "POST", path, &headers, 1_000_000);
        let answer = wire::read(stream, "POST").expect(status);
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{answer}");
    }
    // What is no archive is judged for who is let in alone.
    send(&bridge, "POST", "/api/charts", "me:wrong", b"no archive").expect(403);
    send(&bridge, "POST", "/api/charts", "me:right", b"no archive").expect(400);
    send(&bridge, "POST", "/api/charts", "me:right", &archive("up")).expect(201);
    // Nothing is left of the question.
    let catalog = send(&registry, "GET", "/v2/_catalog", "me:right", b"").expect(200).json();
    assert_eq!(catalog["repositories"], serde_json::json!(["ns/up"]));
}

/// Finding 8: anybody could have a bridge with users ask its registry, for as many tags as fit a
/// megabyte.
#[test]
fn notifications_without_a_secret_are_refused_where_others_need_credentials_and_bounded() {
    let root = tempfile::tempdir().unwrap();
    let users = htpasswd(root.path(), "me", "right");
    let registry = Daemon::chartferry([]);
    let proxy = Proxy::to(&registry.address());
    let upstream = format!("oci://{}/ns", proxy.address());
    let events: Vec<serde_json::Value> = (0..2000)
        .map(|at| {
            let target = serde_json::json!({ "repository": format!("ns/n{at}"), "tag": "1.0.0" });
            serde_json::json!({ "action": "push", "target": target })
        })
        .collect();
    let body = serde_json::json!({ "events": events }).to_string();
    let flags =
        ["--htpasswd", users.to_str().unwrap(), "--upstream-auth", "config", "--poll", "3600"];
    let guarded = Daemon::chartferry_upstream(&upstream, flags);
    send(&guarded, "GET", "/index.yaml", "me:right", b"").expect(200);
    proxy.take();
    send(&guarded, "POST", "/notify", "", body.as_bytes()).expect(403);
    send(&guarded, "POST", "/notify", "me:right", body.as_bytes()).expect(403);
    assert_eq!(proxy.take(), Vec::<String>::new());
    drop(guarded);

    let open = Daemon::chartferry_upstream(&upstream, ["--poll", "3600"]);
    send(&open, "GET", "/index.yaml", "", b"").expect(200);
    proxy.take();
    send(&open, "POST", "/notify", "", body.as_bytes()).expect(202);
    let mut asked: Vec<String> = proxy.take();
    asked.sort();
    asked.dedup();
    assert!(asked.len() <= 100, "{}", asked.len());
}

/// Finding 14: values and templates of a chart whose layer had any size were fetched whole onto the
/// bridge's disk.
#[test]
fn a_chart_that_says_it_is_huge_is_not_fetched_by_a_bridge() {
    const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    let registry = Web::start();
    let config = r#"{"apiVersion":"v2","name":"demo","version":"1.0.0"}"#;
    let digest = Digest::sha256(config.as_bytes());
    let layer = Digest::sha256(b"huge");
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": "application/vnd.cncf.helm.config.v1+json",
            "digest": digest.to_string(), "size": config.len(),
        },
        "layers": [{
            "mediaType": "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
            "digest": layer.to_string(), "size": 3_u64 << 30,
        }],
    });
    let kind = vec![("content-type", MANIFEST.to_owned())];
    registry
        .file("/v2/ns/demo/tags/list", r#"{"name":"ns/demo","tags":["1.0.0"]}"#)
        .put("/v2/ns/demo/manifests/1.0.0", File::With(kind, manifest.to_string().into()))
        .file(&format!("/v2/ns/demo/blobs/{digest}"), config)
        .file(&format!("/v2/ns/demo/blobs/{layer}"), vec![0; 1 << 20]);
    let upstream = format!("oci://{}/ns", registry.address());
    let bridge = Daemon::chartferry_upstream(&upstream, ["--charts", "demo"]);
    let list = send(&bridge, "GET", "/api/charts/demo", "", b"").expect(200).json();
    assert_eq!(list.as_array().unwrap().len(), 1);
    registry.take();
    for part in ["values", "templates"] {
        let path = format!("/api/charts/demo/1.0.0/{part}");
        let answer = send(&bridge, "GET", &path, "", b"");
        assert!(answer.status >= 400, "{answer}");
    }
    let asked = registry.asked();
    assert!(!asked.iter().any(|line| line.contains(layer.hex())), "{asked:?}");
}
