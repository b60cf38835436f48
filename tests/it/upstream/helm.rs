//! helm over the bridge: the old way to a chart, and the same bytes as by the new one.

use super::{CHARTS, push, seed, serve::Bridge};
use crate::support::{
    Test,
    daemon::{Daemon, test_with_registry},
    peers,
};
use std::{
    io,
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

#[test]
#[ignore = "needs peers"]
fn helm_3_and_4_add_search_and_pull_what_is_in_a_registry() {
    for registry in [Daemon::distribution_3(), Daemon::docker_registry()] {
        let test = Test::new();
        let namespace = format!("{}/ns", registry.oci());
        seed(&test, &namespace);
        let bridge = Bridge::over(&namespace, []);
        for name in ["helm", "helm3"] {
            let helm = peers::find(name);
            let repository = format!("by-{name}");
            let run = |args: &[&str]| test.run_program(&helm, args.iter().copied());
            run(&["repo", "add", &repository, &bridge.url()]).anything().succeeds();
            run(&["repo", "update"]).anything().succeeds();
            let search = ["search", "repo", &format!("{repository}/"), "--versions"];
            let found = run(&search).anything().succeeds();
            for (chart, version) in CHARTS {
                let line = format!("{repository}/{chart}");
                let shown = found.stdout.lines().any(|found| {
                    found.starts_with(&line) && found.split_whitespace().nth(1) == Some(version)
                });
                assert!(shown, "{chart} {version} is not in\n{}", found.stdout);
                let reference = format!("{repository}/{chart}");
                let folder = format!("{name}-{chart}-{version}");
                test.file(&format!("{folder}/.keep"), "");
                run(&["pull", &reference, "--version", version, "-d", &folder])
                    .anything()
                    .succeeds();
                let archive = format!("{chart}-{version}.tgz");
                let pulled = test.read(format!("{folder}/{archive}"));
                assert!(pulled == test.read(&archive), "{archive} by {name}");
            }
        }
    }
}

#[test]
#[ignore = "needs peers"]
fn helm_builds_dependencies_from_our_own_index_whoever_pushed() {
    let (test, registry) = test_with_registry();
    // By the registry API; read by the chart repository of the same server.
    push(&test, &format!("{}/ns", registry.oci()), "a", "1.2.3");
    let url = format!("http://{}/ns", registry.address());
    test.file(
        "parent/Chart.yaml",
        format!(
            "apiVersion: v2\nname: parent\nversion: 1.0.0\ndependencies:\n- name: a\n  \
             version: ^1\n  repository: {url}\n"
        ),
    );
    for name in ["helm", "helm3"] {
        let helm = peers::find(name);
        test.run_program(&helm, ["dependency", "update", "parent"]).anything().succeeds();
        assert!(test.read("parent/charts/a-1.2.3.tgz") == test.read("a-1.2.3.tgz"), "{name}");
    }
}

#[test]
#[ignore = "needs peers"]
fn what_a_registry_tells_of_is_shown_within_seconds_though_it_links_the_tag_later() {
    for name in ["distribution", "docker-registry"] {
        let test = Test::new();
        // The registry must know where to tell before there is anybody: a relay between them is
        // there first.
        let relay = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/notify", relay.local_addr().unwrap());
        let registry = Daemon::distribution_telling(name, &url);
        let namespace = format!("{}/ns", registry.oci());
        test.file("secret", "the-secret");
        let secret = test.path("secret");
        let args = ["--poll", "3600", "--notify-secret-file", secret.to_str().unwrap()];
        let bridge = Bridge::over(&namespace, args);
        let address = bridge.url().replace("http://", "");
        thread::spawn(move || {
            for from in relay.incoming().map_while(Result::ok) {
                let to = TcpStream::connect(&address).unwrap();
                for (mut from, mut to) in [
                    (from.try_clone().unwrap(), to.try_clone().unwrap()),
                    (to.try_clone().unwrap(), from.try_clone().unwrap()),
                ] {
                    thread::spawn(move || io::copy(&mut from, &mut to));
                }
            }
        });
        for number in 0..10 {
            push(&test, &namespace, "a", &format!("1.{number}.0"));
            let start = Instant::now();
            while bridge.listed().len() <= number {
                assert!(start.elapsed() < Duration::from_secs(10), "{name}: 1.{number}.0");
                thread::yield_now();
            }
        }
    }
}
