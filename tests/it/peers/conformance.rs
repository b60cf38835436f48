//! The official conformance suite of the distribution specification, with everything that it can
//! check: the profile `dev` and sparse manifests.

use crate::support::{
    Test,
    daemon::{Daemon, htpasswd},
    peers,
};
use std::process::Command;

/// Numbers of checks.
#[derive(Debug, PartialEq, Eq)]
struct Counts {
    pass: usize,
    fail: usize,
    skip: usize,
}

/// Runs the suite against a registry.
fn suite(test: &Test, registry: &Daemon, user: Option<(&str, &str)>) -> Counts {
    let results = test.path("results");
    let mut command = Command::new(peers::find("conformance"));
    command
        .env_clear()
        .current_dir(test.root())
        .env("OCI_REGISTRY", registry.address())
        .env("OCI_TLS", "disabled")
        .env("OCI_VERSION", "dev")
        .env("OCI_DATA_SPARSE", "true")
        .env("OCI_RESULTS_DIR", &results);
    if let Some((name, password)) = user {
        command.env("OCI_USERNAME", name).env("OCI_PASSWORD", password);
    }
    let output = command.output().expect("the suite runs");
    let text = std::fs::read_to_string(results.join("junit.xml")).unwrap_or_else(|error| {
        panic!("no results: {error}\n{}", String::from_utf8_lossy(&output.stdout))
    });
    // The first element has the sums: `<testsuites tests="…" failures="…" skipped="…">`.
    let sums = text.split('>').next().unwrap_or_default();
    let number = |name: &str| -> usize {
        let value =
            sums.split(&format!(" {name}=\"")).nth(1).and_then(|rest| rest.split('"').next());
        value.map_or(0, |value| value.parse().expect(name))
    };
    let (fail, skip) = (number("failures") + number("errors"), number("skipped"));
    let status = output.status.success();
    assert_eq!(status, fail == 0, "{}", String::from_utf8_lossy(&output.stdout));
    Counts { pass: number("tests") - fail - skip, fail, skip }
}

#[test]
#[ignore = "needs peers"]
fn the_official_suite_passes_whole() {
    let test = Test::new();
    let open = suite(&test, &Daemon::chartferry(["--sparse", "--open"]), None);
    let users = htpasswd(test.root(), "ann", "s3cret");
    let guarded = Daemon::chartferry(["--sparse", "--htpasswd", users.to_str().unwrap()]);
    let guarded = suite(&test, &guarded, Some(("ann", "s3cret")));
    let theirs = suite(&test, &Daemon::distribution_3(), None);
    println!(
        "conformance: chartferry {} pass, {} fail, {} skip; distribution {}/{}/{}",
        open.pass, open.fail, open.skip, theirs.pass, theirs.fail, theirs.skip
    );
    assert!(open.pass > 1_000, "{open:?}: the suite did not run whole");
    assert_eq!((open.fail, open.skip), (0, 0));
    assert_eq!(guarded, open, "with passwords");
}
