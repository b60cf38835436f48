//! `serve --upstream`: what a registry holds, by index.yaml and the ChartMuseum API.

use super::{CHARTS, entries, push, seed};
use crate::{
    registry::wire::{self, Answer},
    support::{
        Test,
        daemon::{Daemon, htpasswd, test_with_registry},
        proxy::Proxy,
    },
};
use chartferry::digest::Digest;
use serde_json::json;
use std::time::Instant;

/// A running `serve --upstream`, with a home of its own.
pub(super) struct Bridge(Daemon);

impl Bridge {
    /// Over a namespace, `oci://host/ns`.
    pub(super) fn over<'a>(upstream: &str, args: impl IntoIterator<Item = &'a str>) -> Self {
        Self(Daemon::chartferry_upstream(upstream, args))
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.0.address())
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        wire::send(self.0.address().parse().unwrap(), method, path, headers, body)
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"")
    }

    fn index(&self) -> Answer {
        self.get("/index.yaml").expect(200)
    }

    pub(super) fn listed(&self) -> Vec<String> {
        entries(&self.index().body)
    }

    fn notify(&self, action: &str, repository: &str, tag: &str) -> Answer {
        let target = json!({ "repository": repository, "tag": tag });
        let body = json!({ "events": [{ "action": action, "target": target }] });
        self.ask("POST", "/notify", &[], body.to_string().as_bytes())
    }
}

fn relative((name, version): (&str, &str)) -> String {
    format!("{name} {version} charts/{name}-{version}.tgz")
}

/// What was asked of a registry, by kind: lists, manifests, blobs, others.
fn kinds(asked: &[String]) -> [usize; 4] {
    let count = |part: &str| asked.iter().filter(|line| line.contains(part)).count();
    let (lists, manifests, blobs) =
        (count("/tags/list") + count("/_catalog"), count("/manifests/"), count("/blobs/"));
    [lists, manifests, blobs, asked.len() - lists - manifests - blobs]
}

#[test]
fn a_namespace_is_a_chart_repository_for_two_small_gets_a_version_once() {
    let (test, registry) = test_with_registry();
    let namespace = format!("{}/ns", registry.oci());
    seed(&test, &namespace);
    push(&test, &format!("{namespace}/team"), "c", "1.0.0");
    push(&test, &registry.oci(), "d", "1.0.0");
    let proxy = Proxy::to(&registry.address());
    let seen = format!("oci://{}/ns", proxy.address());
    let cache = test.path("cache");
    let args = ["--cache", cache.to_str().unwrap()];

    let bridge = Bridge::over(&seen, args);
    assert_eq!(bridge.listed(), CHARTS.map(relative));
    assert_eq!(entries(&bridge.get("/team/index.yaml").expect(200).body).len(), 1);
    bridge.get("/never/index.yaml").expect(404);
    // One catalog, one list a repository; a manifest and a config each of four versions.
    assert_eq!(kinds(&proxy.take())[..3], [4, 4, 4]);
    let first = bridge.index();
    let again = [("if-none-match", first.header("etag").unwrap())];
    bridge.ask("GET", "/index.yaml", &again, b"").expect(304);
    assert_eq!(proxy.take(), Vec::<String>::new(), "nothing is asked again");

    let archive = bridge.get("/charts/a-1.1.0+b.tgz").expect(200);
    assert_eq!(archive.body, test.read("a-1.1.0+b.tgz"), "byte for byte");
    assert_eq!(kinds(&proxy.take()), [0, 0, 1, 0]);
    let size = archive.body.len();
    let head = bridge.ask("HEAD", "/charts/a-1.1.0+b.tgz", &[], b"").expect(200);
    assert_eq!(head.header("content-length"), Some(size.to_string().as_str()));
    let part = bridge.ask("GET", "/charts/a-1.1.0+b.tgz", &[("range", "bytes=10-19")], b"");
    let part = part.expect(206).has("content-range", &format!("bytes 10-19/{size}"));
    assert_eq!(part.body, archive.body[10..20]);
    bridge.get("/charts/a-9.9.9.tgz").expect(404);
    bridge.get("/v2/").expect(404);
    drop(bridge);
    proxy.take();

    let next = Bridge::over(&seen, args);
    assert_eq!(next.index().header("etag"), first.header("etag"));
    assert_eq!(kinds(&proxy.take())[..3], [4, 0, 0], "what was seen need not be seen again");
}

#[test]
fn a_notification_shows_what_came_and_went_at_once() {
    let (test, registry) = test_with_registry();
    let namespace = format!("{}/ns", registry.oci());
    seed(&test, &namespace);
    let proxy = Proxy::to(&registry.address());
    let bridge = Bridge::over(&format!("oci://{}/ns", proxy.address()), []);
    assert_eq!(bridge.listed().len(), 3);
    proxy.take();

    push(&test, &namespace, "e", "2.0.0");
    bridge.notify("push", "ns/e", "2.0.0").expect(204);
    assert_eq!(bridge.listed()[3], relative(("e", "2.0.0")));
    assert_eq!(kinds(&proxy.take())[..3], [0, 1, 1]);
    bridge.notify("push", "other/e", "2.0.0").expect(204);
    bridge.notify("push", "ns/e", "latest").expect(204);
    assert_eq!(proxy.take(), Vec::<String>::new(), "what is not ours is not looked at");

    let manifest = wire::send(
        registry.address().parse().unwrap(),
        "HEAD",
        "/v2/ns/e/manifests/2.0.0",
        &[],
        b"",
    );
    let path = format!("/v2/ns/e/manifests/{}", manifest.header("docker-content-digest").unwrap());
    wire::send(registry.address().parse().unwrap(), "DELETE", &path, &[], b"").expect(202);
    bridge.notify("delete", "ns/e", "").expect(204);
    assert_eq!(bridge.listed().len(), 3);
    bridge.ask("POST", "/notify", &[], b"no JSON").expect(400);
}

#[test]
fn a_notification_of_what_is_not_there_yet_is_taken_at_once() {
    let (test, registry) = test_with_registry();
    let namespace = format!("{}/ns", registry.oci());
    push(&test, &namespace, "a", "1.0.0");
    let bridge = Bridge::over(&namespace, ["--poll", "3600"]);
    assert_eq!(bridge.listed(), [relative(("a", "1.0.0"))]);
    bridge.notify("push", "ns/a", "1.1.0").expect(202);
    let moved = json!({ "repository": "ns/a", "tag": "1.0.0",
        "digest": Digest::sha256(b"the manifest that the tag will be on").to_string() });
    let body = json!({ "events": [{ "action": "push", "target": moved }] }).to_string();
    bridge.ask("POST", "/notify", &[], body.as_bytes()).expect(202);
    bridge.notify("push", "ns/a", "1.0.0").expect(204);
    push(&test, &namespace, "a", "1.1.0");
    bridge.notify("push", "ns/a", "1.1.0").expect(204);
    assert_eq!(bridge.listed().len(), 2);
}

#[test]
fn notifications_may_have_to_bring_a_secret() {
    let (test, registry) = test_with_registry();
    test.file("secret", "s3cret\n");
    let secret = test.path("secret");
    let args = ["--notify-secret-file", secret.to_str().unwrap(), "--charts", "a"];
    let bridge = Bridge::over(&format!("{}/ns", registry.oci()), args);
    bridge.notify("push", "ns/a", "1.0.0").expect(401);
    let right = [("authorization", "Bearer s3cret")];
    bridge.ask("POST", "/notify", &right, b"{\"events\":[]}").expect(204);
}

#[test]
fn replicas_that_share_nothing_agree_on_every_byte_and_on_the_etag() {
    let (test, registry) = test_with_registry();
    let namespace = format!("{}/ns", registry.oci());
    seed(&test, &namespace);
    let one = Bridge::over(&namespace, []);
    assert_eq!(one.listed().len(), 3);
    // One sees them as they come, the other all at once.
    for (name, version) in [("a", "0.9.0"), ("f", "1.0.0"), ("a", "1.2.0")] {
        push(&test, &namespace, name, version);
        one.notify("push", &format!("ns/{name}"), version).expect(204);
    }
    let other = Bridge::over(&namespace, ["--charts", "f,a,b"]);
    let (first, second) = (one.index(), other.index());
    assert_eq!(entries(&first.body).len(), 6);
    assert_eq!(first.header("etag"), second.header("etag"));
    assert_eq!(first.body, second.body);
}

#[test]
fn uploads_and_deletions_go_through_with_the_credentials_of_who_asks() {
    let mut test = Test::new();
    let users = htpasswd(test.root(), "me", "right");
    let registry = Daemon::chartferry(["--htpasswd", users.to_str().unwrap(), "--anonymous-pull"]);
    test.call(registry.address(), "[ADDR]");
    let namespace = format!("{}/ns", registry.oci());
    test.file("up/Chart.yaml", "apiVersion: v2\nname: up\nversion: 1.0.0\n");
    test.run(["package", "up"]).anything().succeeds();
    let archive = test.read("up-1.0.0.tgz");
    let bridge = Bridge::over(&namespace, []);

    let basic = |pair: &str| {
        use base64::{Engine, prelude::BASE64_STANDARD};
        format!("Basic {}", BASE64_STANDARD.encode(pair))
    };
    let send = |method: &str, path: &str, authorization: &str, body: &[u8]| {
        bridge.ask(method, path, &[("authorization", authorization)], body)
    };
    let refused = bridge.ask("POST", "/api/charts", &[], &archive).expect(401);
    assert!(refused.header("www-authenticate").unwrap().starts_with("Basic "), "{refused}");
    send("POST", "/api/charts", &basic("me:wrong"), &archive).expect(403);
    assert_eq!(bridge.listed(), Vec::<String>::new());
    let right = basic("me:right");
    send("POST", "/api/charts", &right, &archive).expect(201);
    send("POST", "/api/charts", &right, &archive).expect(409);
    assert_eq!(bridge.listed(), [relative(("up", "1.0.0"))]);

    let reference = format!("{namespace}/up:1.0.0");
    test.run(["pull", &reference, "-d", "pulled"]).anything().succeeds();
    assert_eq!(test.read("pulled/up-1.0.0.tgz"), archive, "and it is in the registry");

    bridge.ask("DELETE", "/api/charts/up/1.0.0", &[], b"").expect(401);
    send("DELETE", "/api/charts/up/1.0.0", &right, b"").expect(200);
    assert_eq!(bridge.listed(), Vec::<String>::new());
    test.run(["pull", &reference, "-d", "again"]).anything().fails(5);
}

#[test]
fn with_its_own_credentials_the_bridge_says_itself_who_may_write() {
    let test = Test::new();
    let users = htpasswd(test.root(), "me", "right");
    let registry = Daemon::chartferry(["--htpasswd", users.to_str().unwrap()]);
    test.file("up/Chart.yaml", "apiVersion: v2\nname: up\nversion: 1.0.0\n");
    test.run(["package", "up"]).anything().succeeds();
    let archive = test.read("up-1.0.0.tgz");
    let namespace = format!("{}/ns", registry.oci());
    let own = ["--username", "me", "--password", "right", "--upstream-auth", "config"];
    let doors = ["--basic-auth-user", "you", "--basic-auth-pass", "open", "--auth-anonymous-get"];
    let bridge = Bridge::over(&namespace, own.into_iter().chain(doors));
    assert_eq!(bridge.listed(), Vec::<String>::new());
    bridge.ask("POST", "/api/charts", &[], &archive).expect(401);
    // `you:open`
    let right = [("authorization", "Basic eW91Om9wZW4=")];
    bridge.ask("POST", "/api/charts", &right, &archive).expect(201);
    assert_eq!(bridge.listed(), [relative(("up", "1.0.0"))]);
}

#[test]
fn while_the_registry_is_away_the_last_index_is_served_with_a_warning() {
    let (test, registry) = test_with_registry();
    let namespace = format!("{}/ns", registry.oci());
    seed(&test, &namespace);
    let cache = test.path("cache");
    let args = ["--poll", "1", "--cache", cache.to_str().unwrap()];
    let bridge = Bridge::over(&namespace, args);
    let fresh = bridge.index();
    assert_eq!(fresh.header("warning"), None);
    drop(registry);

    let begun = Instant::now();
    let stale = loop {
        let answer = bridge.index();
        if answer.header("warning").is_some() {
            break answer;
        }
        assert!(begun.elapsed().as_secs() < 120, "no warning yet: {answer}");
        std::thread::yield_now();
    };
    assert_eq!(stale.body, fresh.body);
    assert_eq!(stale.header("etag"), fresh.header("etag"));
    drop(bridge);

    // A start without the registry: from what was seen, if anything was.
    let again = Bridge::over(&namespace, args);
    assert_eq!(again.index().body, fresh.body);
    let blank = Bridge::over(&namespace, []);
    let refused = blank.get("/index.yaml").expect(503);
    assert!(refused.header("retry-after").is_some(), "{refused}");
}

#[test]
fn a_namespace_without_charts_is_told_of() {
    let (_test, registry) = test_with_registry();
    let bridge = Bridge::over(&format!("{}/typo", registry.oci()), ["--charts", "nope"]);
    let told = || bridge.0.log().contains("the upstream has no charts");
    // What it prints comes by a thread of its own.
    let asked = (0..1000).find(|_| {
        bridge.index();
        told()
    });
    assert!(asked.is_some(), "{}", bridge.0.log());
}
