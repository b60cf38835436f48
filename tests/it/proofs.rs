//! What proves something, in a URL or before a host, is printed by no command: jobs' logs are read
//! by many.

use crate::support::{Test, daemon::Daemon, web::Web};
use std::{fs, io::Read};

const CHART: &str = "apiVersion: v2\nname: demo\nversion: 1.0.0\n";
const INDEX: &str = "apiVersion: v1\nentries:\n  demo:\n  - {apiVersion: v2, name: demo, version: 1.0.0, urls: [demo-1.0.0.tgz]}\n";

/// All that a command says, on both streams, and how it ends.
fn said(test: &Test, args: &[&str]) -> (Option<i32>, String) {
    let outcome = test.run(args.iter().copied()).outcome();
    (outcome.code, format!("{}{}", outcome.stdout, outcome.stderr))
}

fn repository(test: &Test) -> Web {
    test.file("demo/Chart.yaml", CHART);
    test.run(["package", "demo"]).anything().succeeds();
    let web = Web::start();
    web.file("/index.yaml", INDEX).file("/demo-1.0.0.tgz", test.read("demo-1.0.0.tgz"));
    web
}

#[test]
fn the_query_of_a_url_is_not_shown() {
    let test = Test::new();
    let web = repository(&test);
    let registry = Daemon::chartferry([]);
    let to = format!("{}/ns", registry.oci());
    let (good, bad) = (
        format!("{}?token=abc123", web.url()),
        format!("http://{}/never?token=abc123", web.address()),
    );
    let archive = format!("{}/demo-1.0.0.tgz?sig=abc123", web.url());
    let gone = format!("{}/never-1.0.0.tgz?sig=abc123", web.url());
    for (args, part) in [
        (&["mirror", &good, &to, "--metrics-file", "metrics"][..], "?token=... -> oci://"),
        (&["mirror", &good, &to, "-o", "json"], "?token=...\""),
        (&["mirror", &good, &to, "--debug", "--ignore-state"], "token=..."),
        (&["mirror", &good, &to, "--ignore-state", "--state", "state"], "token=..."),
        (&["mirror", &good, "folder"], "token=..."),
        (&["mirror", &bad, &to], "token=..."),
        (&["mirror", &bad, &to, "-o", "json"], "token=..."),
        (&["mirror", &bad, &to, "--log-format", "json"], "token=..."),
        (&["push", &gone, &to], "sig=..."),
        (&["push", &archive, &to, "--debug"], "sig=..."),
        (&["pull", &archive, "-d", "out", "-o", "json"], "sig=..."),
        (&["repo", "add", "signed", &good], "signed"),
        (&["repo", "list"], "token=..."),
        (&["repo", "list", "-o", "json"], "token=..."),
    ] {
        let (_, said) = said(&test, args);
        assert!(said.contains(part) && !said.contains("abc123"), "{args:?}: {said}");
    }
    let metrics = String::from_utf8(test.read("metrics")).unwrap();
    assert!(metrics.contains("?token=...\"") && !metrics.contains("abc123"), "{metrics}");
    // Nor is it kept where others may read it.
    let kept = fs::read_dir(test.path("folder")).unwrap().map(|entry| entry.unwrap().path());
    let kept = kept.filter(|path| path.to_string_lossy().contains(".chartferry-mirror-"));
    let mut states: Vec<Vec<u8>> = kept.map(|path| fs::read(path).unwrap()).collect();
    assert_eq!(states.len(), 1);
    states.push(test.read("state"));
    for state in states {
        let mut text = Vec::new();
        if flate2::read::GzDecoder::new(&state[..]).read_to_end(&mut text).is_err() {
            text = state;
        }
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("?token=...") && !text.contains("abc123"), "{text}");
    }
    // It is asked with all the same.
    assert!(web.take().iter().any(|seen| seen.target.ends_with("/index.yaml?token=abc123")));
}

#[test]
fn a_password_before_a_host_is_not_shown() {
    let test = Test::new();
    let web = repository(&test);
    let host = web.address();
    let named = format!("oci://ann:s3cret@{host}/ns");
    let bare = format!("ann:s3cret@{host}");
    test.file(
        "mirror.yaml",
        format!("sources:\n- url: {}\ndestination:\n  url: {named}\n", web.url()),
    );
    for args in [
        &["push", "demo-1.0.0.tgz", &named][..],
        &["pull", &format!("{named}/demo")],
        &["pull", &format!("{bare}/ns/demo:1.0.0")],
        &["mirror", &web.url(), &named],
        &["mirror", &named, "out"],
        &["mirror", "-f", "mirror.yaml"],
        &["login", &bare],
        &["serve", "--upstream", &named, "--listen", "127.0.0.1:0"],
        &["index", &named],
        &["bundle", "save", "x.tar.zst", &format!("{named}/demo")],
        &["bundle", "save", "x.tar.zst", "--all", &named],
    ] {
        let (code, said) = said(&test, args);
        assert!(code != Some(0) && !said.contains("s3cret"), "{args:?}: {said}");
        let why = "a reference cannot contain a user name or a password";
        assert!(said.contains(why), "{args:?}: {said}");
    }
    let (code, login) = said(&test, &["push", "demo-1.0.0.tgz", &named]);
    assert_eq!(code, Some(64));
    assert!(login.contains(&format!("`chartferry login {host}`")), "{login}");

    let url = format!("http://ann:s3cret@{host}");
    let never = format!("{url}/never");
    for args in [
        &["mirror", &url, "out", "--debug"][..],
        &["mirror", &url, "out", "-o", "json"],
        &["mirror", &never, "out"],
        &["repo", "add", "never", &never],
        &["repo", "add", "mine", &url, "--debug"],
        &["repo", "list"],
        &["repo", "update"],
        &["pull", "mine/demo", "-d", "out", "-o", "json"],
        &["pull", "demo", "--repo", &never],
        &["push", &format!("{never}-1.0.0.tgz"), "oci://localhost:1/ns"],
        &["museum", "push", "demo-1.0.0.tgz", &never],
    ] {
        let (_, said) = said(&test, args);
        assert!(!said.contains("s3cret"), "{args:?}: {said}");
    }
}
