//! One store, two protocols: what comes or goes by the registry API is at once in the index, what
//! comes or goes by the ChartMuseum API is at once in the registry.

use crate::{
    registry::wire::{self, Answer},
    support::{Test, daemon::Daemon},
};
use chartferry::{index::Index, limits::Limits};
use std::io::Read as _;

struct Shop {
    test: Test,
    server: Daemon,
}

impl Shop {
    fn new() -> Self {
        let mut test = Test::new();
        let server = Daemon::chartferry_at(&test.path("store"), []);
        test.call(server.address(), "[ADDR]");
        Self { test, server }
    }

    /// Ends the server and starts it again over the same store.
    fn restart(self) -> Self {
        let Self { mut test, server } = self;
        assert!(server.terminate().success());
        let server = Daemon::chartferry_at(&test.path("store"), []);
        test.call(server.address(), "[ADDR]");
        Self { test, server }
    }

    /// Packages a chart and gives its archive's name.
    fn package(&self, name: &str, version: &str) -> String {
        let text = format!("apiVersion: v2\nname: {name}\nversion: {version}\n");
        self.test.file(&format!("{name}/Chart.yaml"), text);
        self.test.run(["package", name]).anything().succeeds();
        format!("{name}-{version}.tgz")
    }

    fn push(&self, namespace: &str, name: &str, version: &str) {
        let archive = self.package(name, version);
        let place = format!("{}{namespace}", self.server.oci());
        self.test.run(["push", &archive, &place]).anything().succeeds();
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        wire::send(self.server.address().parse().unwrap(), method, path, headers, body)
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"")
    }

    /// `name version` of every entry of a namespace's index.
    fn listed(&self, path: &str) -> Vec<String> {
        let body = self.get(path).expect(200).body;
        let index = Index::read(body.into(), "it", &Limits::default()).unwrap();
        let lines = index.charts().flat_map(|chart| chart.versions().iter());
        lines.map(|line| format!("{} {}", line.name(), line.version())).collect()
    }
}

#[test]
fn what_is_pushed_to_the_registry_is_at_once_in_the_index() {
    let shop = Shop::new();
    assert_eq!(shop.listed("/index.yaml"), Vec::<String>::new());
    shop.get("/ns/index.yaml").expect(404);
    shop.push("/ns", "a", "1.0.0");
    shop.push("/ns", "a", "1.0.1+b.1");
    shop.push("/ns/deeper", "b", "0.1.0");
    assert_eq!(shop.listed("/ns/index.yaml"), ["a 1.0.1+b.1", "a 1.0.0"]);
    assert_eq!(shop.listed("/ns/deeper/index.yaml"), ["b 0.1.0"]);
    let archive = shop.get("/ns/charts/a-1.0.1+b.1.tgz").expect(200);
    assert_eq!(archive.body, shop.test.read("a-1.0.1+b.1.tgz"));

    // Another tag of the same chart is no other version; a tag that moves is not another one
    // either.
    let manifest = shop.get("/v2/ns/a/manifests/1.0.0").expect(200);
    let kind = [("content-type", manifest.header("content-type").unwrap())];
    shop.ask("PUT", "/v2/ns/a/manifests/stable", &kind, &manifest.body).expect(201);
    assert_eq!(shop.listed("/ns/index.yaml"), ["a 1.0.1+b.1", "a 1.0.0"]);
    shop.ask("DELETE", "/v2/ns/a/manifests/1.0.0", &[], b"").expect(202);
    assert_eq!(shop.listed("/ns/index.yaml"), ["a 1.0.1+b.1", "a 1.0.0"], "`stable` is it still");
    let digest = manifest.header("docker-content-digest").unwrap();
    shop.ask("DELETE", &format!("/v2/ns/a/manifests/{digest}"), &[], b"").expect(202);
    assert_eq!(shop.listed("/ns/index.yaml"), ["a 1.0.1+b.1"]);

    let before = shop.get("/ns/index.yaml");
    let shop = shop.restart();
    let after = shop.get("/ns/index.yaml");
    assert_eq!((after.header("etag"), &after.body), (before.header("etag"), &before.body));
}

#[test]
fn what_is_uploaded_to_the_museum_is_at_once_in_the_registry_and_deletion_works_from_both_sides() {
    let shop = Shop::new();
    for (name, namespace) in [("a", ""), ("b", "/ns")] {
        let archive = shop.test.read(shop.package(name, "1.0.0"));
        shop.ask("POST", &format!("/api{namespace}/charts"), &[], &archive).expect(201);
        let reference = format!("{}{namespace}/{name}:1.0.0", shop.server.oci());
        shop.test.run(["pull", &reference, "-d", "pulled"]).anything().succeeds();
        assert_eq!(shop.test.read(format!("pulled/{name}-1.0.0.tgz")), archive);
    }
    shop.ask("DELETE", "/api/charts/a/1.0.0", &[], b"").expect(200);
    shop.get("/v2/a/manifests/1.0.0").expect(404);
    assert_eq!(shop.listed("/index.yaml"), Vec::<String>::new());
    shop.ask("DELETE", "/v2/ns/b/manifests/1.0.0", &[], b"").expect(202);
    shop.get("/ns/index.yaml").expect(404);
    shop.get("/ns/charts/b-1.0.0.tgz").expect(404);
    shop.get("/api/ns/charts/b/1.0.0").expect(404);
}

#[test]
fn an_index_that_has_not_changed_is_not_sent_again_and_one_that_has_is_sent_packed() {
    let shop = Shop::new();
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        shop.push("/ns", "a", version);
    }
    let path = "/ns/index.yaml";
    let plain = shop.get(path).expect(200).has("vary", "accept-encoding");
    let known = [("if-none-match", plain.header("etag").unwrap())];
    for method in ["GET", "HEAD"] {
        let answer = shop.ask(method, path, &known, b"").expect(304);
        assert_eq!(answer.header("etag"), plain.header("etag"));
    }
    let head = shop.ask("HEAD", path, &[], b"").expect(200);
    for name in ["content-length", "content-type", "etag"] {
        assert_eq!(head.header(name), plain.header(name), "{name}");
    }
    let packed = shop.ask("GET", path, &[("accept-encoding", "gzip, br")], b"").expect(200);
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut text).unwrap();
    assert_eq!(text, plain.body);

    shop.push("/ns", "a", "1.3.0");
    let fresh = shop.ask("GET", path, &known, b"").expect(200);
    assert!(fresh.body.len() > plain.body.len());
}

#[test]
fn a_client_that_hangs_up_leaves_store_and_index_in_step() {
    use std::io::Write as _;
    let shop = Shop::new();
    shop.push("/ns", "a", "1.0.0");
    let manifest = shop.get("/v2/ns/a/manifests/1.0.0").expect(200);
    let kind = [("content-type", manifest.header("content-type").unwrap())];
    let address = shop.server.address().parse().unwrap();
    for at in 0..20 {
        let path = format!("/v2/ns/a/manifests/tag-{at}");
        let mut stream = wire::open(address, "PUT", &path, &kind, manifest.body.len());
        stream.write_all(&manifest.body).unwrap();
        drop(stream);
    }
    shop.ask("DELETE", "/v2/ns/a/manifests/1.0.0", &[], b"").expect(202);
    // Whatever got through: the index shows the version exactly if some tag still leads to it.
    loop {
        let tags = shop.get("/v2/ns/a/tags/list").expect(200).json();
        let tags = tags["tags"].as_array().unwrap().len();
        let shown = shop.get("/ns/index.yaml").status == 200;
        if shown == (tags > 0) {
            break;
        }
        std::thread::yield_now();
    }
}
