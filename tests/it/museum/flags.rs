//! A ChartMuseum's command line, given to `serve`: what is honoured, what is told to mean nothing,
//! and what is refused.

use super::{ask, recording::fixture, send};
use crate::support::{Test, daemon::Daemon};
use std::{fs, process::Command};

/// What `serve` says on standard output and standard error, and whether it ended well.
fn serve(test: &Test, args: &[&str]) -> (String, String, bool) {
    let output = Command::new(env!("CARGO_BIN_EXE_chartferry"))
        .env_clear()
        .env("HOME", test.home(""))
        .current_dir(test.path(""))
        .arg("serve")
        .args(args)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.success())
}

#[test]
fn the_index_is_printed_also_while_it_is_served() {
    let test = Test::new();
    let store = test.path("store");
    let server = Daemon::chartferry_at(&store, []);
    send(&server, "POST", "/api/charts", &fixture("alpha-1.0.0.tgz")).expect(201);
    send(&server, "POST", "/api/org/charts", &fixture("beta-0.1.0.tgz")).expect(201);
    let served = ask(&server, "/index.yaml").expect(200).body;
    let root = ["--gen-index", "--storage", "local", "--storage-local-rootdir", "store"];
    let (printed, said, well) = serve(&test, &root);
    assert!(well, "{said}");
    assert_eq!(printed.as_bytes(), served);
    drop(server);
    let (printed, said, well) = serve(&test, &["--gen-index", "--storage=store", "--json-index"]);
    assert!(well, "{said}");
    let index: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(index["entries"]["alpha"][0]["version"], "1.0.0");
    assert!(index["entries"].get("beta").is_none(), "{printed}");
}

#[test]
fn what_means_nothing_here_is_told_in_one_line() {
    let flags = [
        "--cache-interval=5m",
        "--index-limit=4",
        "--enforce-semver2",
        "--log-health=true",
        "--debug",
    ];
    let server = Daemon::chartferry(flags);
    ask(&server, "/index.yaml").expect(200);
    let log = server.log();
    let told: Vec<&str> = log.lines().filter(|line| line.starts_with("warning:")).collect();
    let words = "warning: `--cache-interval`, `--enforce-semver2`, `--index-limit`, `--log-health` mean nothing here and can be removed";
    assert_eq!(told, [words]);
}

#[test]
fn the_log_may_be_json() {
    let server = Daemon::chartferry(["--log-json"]);
    ask(&server, "/index.yaml").expect(200);
    let log = server.log();
    let lines = log.lines().filter(|line| !line.starts_with("Listening"));
    for line in lines {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|_| panic!("{line}"));
    }
}

#[test]
fn what_would_be_lost_is_refused_with_what_to_do() {
    let test = Test::new();
    fs::create_dir(test.path("charts")).unwrap();
    test.file("charts/alpha-1.0.0.tgz", fixture("alpha-1.0.0.tgz"));
    for (args, words) in [
        (&["--storage=amazon", "--storage-amazon-bucket=b"][..], "chartferry mirror"),
        (&["--storage", "google"], "`--storage ./google`"),
        (&["--storage-google-bucket", "b"], "`--storage-google-bucket`"),
        (&["--cache=redis", "--cache-redis-addr=h:1"], "no cache in Redis"),
        (&["--cache", "redis"], "no cache in Redis"),
        (&["--cache", "dir"], "`--cache` is for `--upstream`"),
        (&["--storage=x", "--storage-local-rootdir=y"], "two folders"),
        (&["--storage-local-rootdir=charts"], "chartferry mirror"),
        (&["--port=0"], "other machines can reach `0.0.0.0:0`"),
        (&["--port=1", "--listen=127.0.0.1:0"], "cannot be used with"),
        (&["--gen-index", "--storage=none"], "there is no store"),
    ] {
        let (printed, said, well) = serve(&test, args);
        assert!(!well && said.contains(words), "{args:?}: {printed}{said}");
    }
    assert_eq!(fs::read_dir(test.path("")).unwrap().count(), 1, "a folder was made for nothing");
}

#[test]
fn an_escape_that_is_none_is_a_bad_request() {
    let server = Daemon::chartferry([]);
    for (path, status) in
        [("/%", 400), ("/%zz/index.yaml", 400), ("/a%2", 400), ("/index%2Eyaml", 200), ("/x", 404)]
    {
        let answer = ask(&server, path).expect(status);
        assert!(status != 400 || answer.body == b"400 Bad Request", "{path}");
    }
}
