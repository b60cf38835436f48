//! How many requests a verb costs: every one is a round trip that a user waits for, and some
//! registries count them.

use crate::support::{Test, daemon::Daemon, proxy::Proxy};

struct Counted {
    test: Test,
    proxy: Proxy,
    _registry: Daemon,
}

impl Counted {
    fn new() -> Self {
        let registry = Daemon::chartferry([]);
        let proxy = Proxy::to(&registry.address());
        let test = Test::new();
        test.file("demo/Chart.yaml", "apiVersion: v2\nname: demo\nversion: 1.0.0\n")
            .file("demo/templates/a.yaml", "a: 1\n");
        test.run(["package", "demo"]).anything().succeeds();
        Self { test, proxy, _registry: registry }
    }

    fn requests(&self, args: &[&str]) -> Vec<String> {
        let args = args.iter().map(|arg| arg.replace("ADDR", &self.proxy.address()));
        self.test.run(args).anything().succeeds();
        self.proxy.take()
    }
}

/// The requests, each without what differs from run to run.
fn shapes(requests: &[String]) -> Vec<String> {
    requests
        .iter()
        .map(|request| {
            let (method, path) = request.split_once(' ').unwrap();
            let path = path.split('?').next().unwrap();
            let kind = ["/manifests/", "/blobs/uploads/", "/blobs/", "/tags/"]
                .into_iter()
                .find(|kind| path.contains(kind))
                .map_or(path, |kind| kind.trim_matches('/'));
            format!("{method} {kind}")
        })
        .collect()
}

#[test]
fn a_push_takes_seven_requests_and_six_unverified() {
    let counted = Counted::new();
    let verified = counted.requests(&["push", "demo-1.0.0.tgz", "oci://ADDR/a"]);
    assert!(verified.len() <= 7, "{verified:?}");
    let unverified =
        counted.requests(&["push", "demo-1.0.0.tgz", "oci://ADDR/b", "--verify", "none"]);
    assert!(unverified.len() <= 6, "{unverified:?}");
    let shapes = shapes(&verified);
    assert_eq!(shapes.iter().filter(|shape| *shape == "PUT manifests").count(), 1, "{shapes:?}");
    assert!(shapes.last().is_some_and(|last| last == "GET manifests"), "{shapes:?}");
}

#[test]
fn a_push_of_what_is_there_sends_nothing() {
    let counted = Counted::new();
    counted.requests(&["push", "demo-1.0.0.tgz", "oci://ADDR/a"]);
    let again = counted.requests(&["push", "demo-1.0.0.tgz", "oci://ADDR/a"]);
    assert!(!again.is_empty());
    assert!(
        again.iter().all(|request| request.starts_with("GET ") || request.starts_with("HEAD ")),
        "{again:?}"
    );
}

#[test]
fn a_pull_takes_two_requests() {
    let counted = Counted::new();
    counted.requests(&["push", "demo-1.0.0.tgz", "oci://ADDR/a"]);
    let pulled = counted.requests(&["pull", "oci://ADDR/a/demo:1.0.0", "-d", "out"]);
    assert_eq!(shapes(&pulled), ["GET manifests", "GET blobs"], "{pulled:?}");
    // A range needs the tags first.
    let ranged = counted.requests(&["pull", "oci://ADDR/a/demo", "--version", "^1", "-d", "out"]);
    assert_eq!(shapes(&ranged), ["GET tags", "GET manifests", "GET blobs"], "{ranged:?}");
}

#[test]
fn with_debug_every_request_is_told_with_its_answer() {
    let counted = Counted::new();
    let args = ["push", "demo-1.0.0.tgz", "oci://ADDR/a", "--debug"];
    let args = args.map(|arg| arg.replace("ADDR", &counted.proxy.address()));
    let outcome = counted.test.run(args).anything().succeeds();
    let told = |mark: &str| {
        let lines = outcome.stderr.lines().filter_map(|line| line.split_once(mark));
        lines.map(|(_, rest)| rest.to_owned()).collect::<Vec<_>>()
    };
    let sent = counted.proxy.take();
    // It is tried with TLS first.
    let asked = told(": > ").into_iter().filter(|line| !line.contains(" https://")).count();
    assert_eq!(asked, sent.len(), "{}", outcome.stderr);
    assert_eq!(told(": < 20").len() + told(": < 404").len(), sent.len(), "{}", outcome.stderr);
}
