//! Charts behind an image index: in the index.yaml, the API and the archives of `serve` and of
//! `serve --upstream`, until something on the way to them is deleted or moved.

use super::{entries, push, serve::Bridge};
use crate::{
    registry::wire,
    support::{
        Test,
        daemon::{Daemon, test_with_registry},
        proxy::Proxy,
    },
};
use chartferry::digest::Digest;
use serde_json::{Value, json};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// What a repository holds, by its registry's API.
struct Repository<'a> {
    server: &'a Daemon,
    name: &'static str,
}

impl Repository<'_> {
    fn ask(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> wire::Answer {
        let path = format!("/v2/{}/{path}", self.name);
        let headers = [("content-type", kind), ("accept", "*/*")];
        wire::send(self.server.address().parse().unwrap(), method, &path, &headers, body)
    }

    /// Puts a manifest under a tag or its digest, and gives its descriptor.
    fn put(&self, target: Option<&str>, kind: &str, document: &Value) -> Value {
        let bytes = document.to_string();
        let digest = Digest::sha256(bytes.as_bytes());
        let target = target.map_or_else(|| digest.to_string(), str::to_owned);
        self.ask("PUT", &format!("manifests/{target}"), kind, bytes.as_bytes()).expect(201);
        json!({ "mediaType": kind, "digest": digest.to_string(), "size": bytes.len() })
    }

    /// Puts an index of these entries under a tag or its digest, and gives its descriptor.
    fn index(&self, target: Option<&str>, entries: &[Value]) -> Value {
        let document = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
        self.put(target, INDEX, &document)
    }

    /// An image for a platform, no two the same.
    fn image(&self, architecture: &str) -> Value {
        let config =
            json!({ "architecture": architecture, "os": "linux", "rootfs": {} }).to_string();
        let digest = Digest::sha256(config.as_bytes());
        let path = format!("blobs/uploads/?digest={digest}");
        self.ask("POST", &path, "application/octet-stream", config.as_bytes()).expect(201);
        let config = json!({
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digest.to_string(), "size": config.len(),
        });
        let document = json!({ "schemaVersion": 2, "config": config, "layers": [] });
        let mut image = self.put(None, MANIFEST, &document);
        image["platform"] = json!({ "os": "linux", "architecture": architecture });
        image
    }

    /// The descriptor of the chart that a tag is on, which it is on no longer.
    fn take(&self, tag: &str) -> Value {
        let found = self.ask("GET", &format!("manifests/{tag}"), "", b"").expect(200);
        let digest = found.header("docker-content-digest").unwrap();
        let descriptor =
            json!({ "mediaType": MANIFEST, "digest": digest, "size": found.body.len() });
        self.ask("DELETE", &format!("manifests/{tag}"), "", b"").expect(202);
        descriptor
    }

    fn delete(&self, target: &str) {
        self.ask("DELETE", &format!("manifests/{target}"), "", b"").expect(202);
    }
}

fn get(address: &str, path: &str) -> wire::Answer {
    wire::send(address.parse().unwrap(), "GET", path, &[], b"")
}

/// `name version` of what an index.yaml lists.
fn listed(address: &str, path: &str) -> Vec<String> {
    let lines = entries(&get(address, path).expect(200).body);
    lines.iter().map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

/// A registry whose repository `ns/a` has `1.0.0` to `1.3.0` behind indexes of each kind.
fn stocked(test: &Test, registry: &Daemon) {
    let namespace = format!("{}/ns", registry.oci());
    let repository = Repository { server: registry, name: "ns/a" };
    let charts: Vec<Value> = (0..4)
        .map(|minor| {
            let version = format!("1.{minor}.0");
            push(test, &namespace, "a", &version);
            repository.take(&version)
        })
        .collect();
    let mut images: Vec<Value> = (0..20).map(|at| repository.image(&format!("kind{at}"))).collect();
    // Alone and listed twice.
    repository.index(Some("1.0.0"), &[charts[0].clone(), charts[0].clone()]);
    // Behind many images, with a platform that is empty.
    let mut bare = charts[1].clone();
    bare["platform"] = json!({ "os": "", "architecture": "" });
    images.push(bare);
    repository.index(Some("1.1.0"), &images);
    // With a platform as an image has one.
    images.pop();
    let mut real = charts[2].clone();
    real["platform"] = json!({ "os": "linux", "architecture": "amd64" });
    images.push(real);
    repository.index(Some("1.2.0"), &images);
    // Nested.
    let inner = repository.index(None, &[charts[3].clone()]);
    repository.index(Some("1.3.0"), &[inner]);
    // And no chart at all.
    repository.index(Some("1.4.0"), &images[..20]);
}

const ALL: [&str; 4] = ["a 1.3.0", "a 1.2.0", "a 1.1.0", "a 1.0.0"];

#[test]
fn charts_behind_an_image_index_are_served_from_a_store_and_from_a_registry() {
    let (test, registry) = test_with_registry();
    stocked(&test, &registry);
    let bridge = Bridge::over(&format!("{}/ns", registry.oci()), []);
    let bridge = bridge.url().trim_start_matches("http://").to_owned();
    let own = registry.address();
    for (address, prefix) in [(&own, "/ns"), (&bridge, "")] {
        assert_eq!(listed(address, &format!("{prefix}/index.yaml")), ALL, "{address}");
        for minor in 0..4 {
            let file = format!("a-1.{minor}.0.tgz");
            let archive = get(address, &format!("{prefix}/charts/{file}")).expect(200);
            assert_eq!(archive.body, test.read(&file), "{file}");
        }
        let api = get(address, &format!("/api{prefix}/charts/a")).expect(200).json();
        assert_eq!(api.as_array().unwrap().len(), 4, "{address}");
    }
}

#[test]
fn a_store_shows_such_a_chart_until_something_on_the_way_to_it_goes() {
    let mut test = Test::new();
    let registry = Daemon::chartferry_at(&test.path("store"), []);
    test.call(registry.address(), "[ADDR]");
    stocked(&test, &registry);
    let repository = Repository { server: &registry, name: "ns/a" };
    let address = registry.address();
    let shown = || listed(&address, "/ns/index.yaml");
    assert_eq!(shown(), ALL);
    let below = |tag: &str, at: usize| {
        let index = repository.ask("GET", &format!("manifests/{tag}"), "", b"").expect(200).json();
        index["manifests"][at]["digest"].as_str().unwrap().to_owned()
    };
    // Another tag of the same index: one of them goes, and the version stays. So it does when an
    // image goes.
    wire::retag(&address, "ns/a", "1.2.0", "stable");
    wire::retag(&address, "ns/a", "1.2.0", "newest");
    repository.delete("1.2.0");
    assert_eq!(shown(), ALL);
    repository.delete(&below("stable", 0));
    assert_eq!(shown(), ALL);
    // The chart itself goes, under both of its tags.
    repository.delete(&below("stable", 20));
    assert_eq!(shown(), ["a 1.3.0", "a 1.1.0", "a 1.0.0"]);
    // An index between, the tag itself, and a tag that moves to an index without a chart.
    repository.delete(&below("1.3.0", 0));
    assert_eq!(shown(), ["a 1.1.0", "a 1.0.0"]);
    repository.delete("1.0.0");
    assert_eq!(shown(), ["a 1.1.0"]);
    let image = repository.image("last");
    repository.index(Some("1.1.0"), &[image]);
    get(&address, "/ns/index.yaml").expect(404);

    // What the next start knows from its cache is told of deletions too.
    push(&test, &format!("{}/ns", registry.oci()), "a", "2.0.0");
    let chart = repository.take("2.0.0");
    repository.index(Some("2.0.0"), std::slice::from_ref(&chart));
    assert_eq!(shown(), ["a 2.0.0"]);
    assert!(registry.terminate().success());
    let registry = Daemon::chartferry_at(&test.path("store"), []);
    let repository = Repository { server: &registry, name: "ns/a" };
    assert_eq!(listed(&registry.address(), "/ns/index.yaml"), ["a 2.0.0"]);
    repository.delete(chart["digest"].as_str().unwrap());
    get(&registry.address(), "/ns/index.yaml").expect(404);
}

#[test]
fn a_bridge_hears_that_such_a_tag_moved_or_went_and_asks_for_each_manifest_once() {
    let (test, registry) = test_with_registry();
    stocked(&test, &registry);
    let repository = Repository { server: &registry, name: "ns/a" };
    let proxy = Proxy::to(&registry.address());
    let bridge = Bridge::over(&format!("oci://{}/ns", proxy.address()), ["--poll", "3600"]);
    let address = bridge.url().trim_start_matches("http://").to_owned();
    let shown = || listed(&address, "/index.yaml");
    assert_eq!(shown(), ALL);
    proxy.take();
    assert_eq!(shown(), ALL);
    assert_eq!(proxy.take(), Vec::<String>::new(), "the second look costs nothing");

    let tell = |action: &str, target: Value| {
        let body = json!({ "events": [{ "action": action, "target": target }] }).to_string();
        let address = address.parse().unwrap();
        wire::send(address, "POST", "/notify", &[], body.as_bytes()).expect(204);
    };
    let image = repository.image("last");
    let moved = repository.index(Some("1.2.0"), &[image]);
    tell("push", json!({ "repository": "ns/a", "tag": "1.2.0", "digest": moved["digest"] }));
    assert_eq!(shown(), ["a 1.3.0", "a 1.1.0", "a 1.0.0"]);
    repository.delete("1.0.0");
    tell("delete", json!({ "repository": "ns/a", "tag": "1.0.0" }));
    assert_eq!(shown(), ["a 1.3.0", "a 1.1.0"]);
    let index = repository.ask("GET", "manifests/1.3.0", "", b"").expect(200).json();
    let inner = index["manifests"][0]["digest"].as_str().unwrap();
    repository.delete(inner);
    tell("delete", json!({ "repository": "ns/a", "digest": inner }));
    assert_eq!(shown(), ["a 1.1.0"]);
    // A second tag of the same index is another place of the same version, and goes with it.
    wire::retag(&registry.address(), "ns/a", "1.1.0", "1.5.0");
    tell("push", json!({ "repository": "ns/a", "tag": "1.5.0" }));
    assert_eq!(shown(), ["a 1.1.0"]);
    wire::send(address.parse().unwrap(), "DELETE", "/api/charts/a/1.1.0", &[], b"").expect(200);
    get(&address, "/index.yaml").expect(200);
    assert_eq!(shown(), Vec::<String>::new());
    repository.ask("GET", "manifests/1.1.0", "", b"").expect(404);
}

#[test]
fn rules_about_charts_hold_for_those_behind_an_image_index() {
    let test = Test::new();
    let store = test.path("store");
    {
        let registry = Daemon::chartferry_at(&store, []);
        stocked(&test, &registry);
        assert!(registry.terminate().success());
    }
    let registry =
        Daemon::chartferry_at(&store, ["--disable-force-overwrite", "--max-storage-objects", "4"]);
    let repository = Repository { server: &registry, name: "ns/a" };
    let put = |tag: &str, document: &Value| {
        let bytes = document.to_string();
        repository.ask("PUT", &format!("manifests/{tag}"), INDEX, bytes.as_bytes())
    };
    let index = repository.ask("GET", "manifests/1.0.0", "", b"").expect(200).json();
    // It stays, and the place is as full as with charts of their own.
    let empty = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] });
    put("1.0.0", &empty).expect(409);
    put("5.0.0", &index).expect(507);
    put("5.0.0", &empty).expect(201);
    assert_eq!(listed(&registry.address(), "/ns/index.yaml"), ALL);
}

#[test]
fn provenance_is_not_added_to_an_image_index() {
    let (test, registry) = test_with_registry();
    stocked(&test, &registry);
    let repository = Repository { server: &registry, name: "ns/a" };
    let before = repository.ask("GET", "manifests/1.0.0", "", b"").expect(200).body;
    let digest = Digest::sha256(&test.read("a-1.0.0.tgz"));
    let provenance = format!(
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nname: a\nversion: 1.0.0\n\n...\nfiles:\n  a-1.0.0.tgz: {digest}\n\
         -----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n"
    );
    let address = registry.address().parse().unwrap();
    wire::send(address, "POST", "/api/ns/prov", &[], provenance.as_bytes()).expect(409);
    let after = repository.ask("GET", "manifests/1.0.0", "", b"").expect(200).body;
    assert_eq!(after, before);
}
