//! helm, oras and crane log in to `serve`, and push and pull there; so do we, with the credentials
//! they left.

use crate::support::{
    Test,
    daemon::{Daemon, htpasswd},
    peers,
};
use std::fs;

/// A place, and a registry that wants to know who one is.
fn guarded() -> (Test, Daemon) {
    let mut test = Test::new();
    let users = htpasswd(test.root(), "ann", "s3cret:word");
    let registry = Daemon::chartferry(["--htpasswd", users.to_str().unwrap()]);
    test.call(registry.address(), "[ADDR]");
    test.file("demo/Chart.yaml", "apiVersion: v2\nname: demo\nversion: 1.0.0\n");
    test.run(["package", "demo"]).anything().succeeds();
    (test, registry)
}

#[test]
#[ignore = "needs peers"]
fn helm_logs_in_and_we_use_its_credentials() {
    for helm in ["helm", "helm3"] {
        let (test, registry) = guarded();
        let (helm, address) = (peers::find(helm), registry.address());
        let to = format!("{}/charts", registry.oci());
        let push = ["push", "demo-1.0.0.tgz", &to, "--plain-http"];
        test.run_program(&helm, push).anything().fails(1);
        test.run(["push", "demo-1.0.0.tgz", &to]).anything().fails(6);

        let login = |password| {
            let args =
                ["registry", "login", &address, "-u", "ann", "--password-stdin", "--plain-http"];
            test.run_program(&helm, args).stdin(password).anything()
        };
        login("wrong").fails(1);
        login("s3cret:word\n").succeeds();
        test.run_program(&helm, push).anything().succeeds();
        test.run(["pull", &format!("{to}/demo"), "-d", "by-us"]).anything().succeeds();
        assert!(test.read("by-us/demo-1.0.0.tgz") == test.read("demo-1.0.0.tgz"));
    }
}

#[test]
#[ignore = "needs peers"]
fn we_log_in_and_helm_uses_our_credentials() {
    for helm in ["helm", "helm3"] {
        let (test, registry) = guarded();
        let (helm, address) = (peers::find(helm), registry.address());
        let login = ["registry", "login", &address, "-u", "ann", "--password-stdin"];
        test.run(login).stdin("wrong").anything().fails(6);
        test.run(login).stdin("s3cret:word\n").anything().succeeds();
        let to = format!("{}/charts", registry.oci());
        test.run(["push", "demo-1.0.0.tgz", &to]).anything().succeeds();
        fs::create_dir(test.path("by-helm")).unwrap();
        let pull = ["pull", &format!("{to}/demo"), "-d", "by-helm", "--plain-http"];
        test.run_program(&helm, pull).anything().succeeds();
        assert!(test.read("by-helm/demo-1.0.0.tgz") == test.read("demo-1.0.0.tgz"));
        test.run(["registry", "logout", &address]).anything().succeeds();
        test.run_program(&helm, pull).anything().fails(1);
    }
}

#[test]
#[ignore = "needs peers"]
fn oras_and_crane_log_in_push_and_pull() {
    let (test, registry) = guarded();
    let address = registry.address();
    test.file("a.txt", "a");

    let oras = peers::find("oras");
    let artifact = format!("{address}/team/a:1");
    let push = ["push", "--plain-http", &artifact, "a.txt:text/plain"];
    test.run_program(&oras, push).anything().fails(1);
    let login = ["login", &address, "-u", "ann", "--password-stdin", "--plain-http"];
    test.run_program(&oras, login).stdin("s3cret:word").anything().succeeds();
    test.run_program(&oras, push).anything().succeeds();
    let pull = ["pull", "--plain-http", &artifact, "-o", "by-oras"];
    test.run_program(&oras, pull).anything().succeeds();
    assert_eq!(test.read("by-oras/a.txt"), b"a");

    let crane = peers::find("crane");
    // oras and crane share Docker's file; crane starts with its own.
    let config = test.home("crane");
    let crane = |args: &[&str]| {
        test.run_program(&crane, args.iter().copied())
            .env("DOCKER_CONFIG", config.to_str().unwrap())
            .anything()
    };
    crane(&["digest", &artifact]).fails(1);
    crane(&["auth", "login", &address, "-u", "ann", "-p", "s3cret:word"]).succeeds();
    crane(&["copy", &artifact, &format!("{address}/team/b:1")]).succeeds();
    crane(&["digest", &format!("{address}/team/b:1")]).succeeds();
}

#[test]
#[ignore = "needs peers"]
fn anyone_reads_where_anonymous_pull_is_allowed() {
    let mut test = Test::new();
    let users = htpasswd(test.root(), "ann", "pw");
    let registry = Daemon::chartferry(["--htpasswd", users.to_str().unwrap(), "--anonymous-pull"]);
    test.call(registry.address(), "[ADDR]");
    test.file("demo/Chart.yaml", "apiVersion: v2\nname: demo\nversion: 1.0.0\n");
    let to = format!("{}/charts", registry.oci());
    test.run(["push", "demo", &to]).anything().fails(6);
    test.run(["push", "demo", &to, "--username", "ann", "--password", "pw"]).anything().succeeds();
    let pull = ["pull", &format!("{to}/demo"), "--plain-http"];
    test.run_program(&peers::find("helm"), pull).anything().succeeds();
    test.run_program(&peers::find("crane"), ["ls", &format!("{}/charts/demo", registry.address())])
        .stdout("1.0.0\n")
        .succeeds();
}
