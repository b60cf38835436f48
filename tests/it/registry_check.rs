//! The check of a registry: what it finds at registries of several kinds, and that it leaves
//! nothing behind.

use crate::{
    faults::{Bench, run},
    support::{
        Test,
        daemon::{Daemon, htpasswd},
        fault::{Act, Fault, FaultRegistry},
        fault_registry::{Answer, Setup},
    },
};
use chartferry::ops::registry_check::{Checker, Finding, Report, Verdict};
use serde_json::Value;

async fn checked(setup: Setup, faults: Vec<Fault>) -> (Report, FaultRegistry) {
    let registry = FaultRegistry::start(setup).await;
    faults.into_iter().for_each(|fault| registry.fail(fault));
    let bench = Bench::new();
    let host = registry.address().parse().unwrap();
    let repository = bench.client.repository(&host, &"check".parse().unwrap());
    let beside = bench.client.repository(&host, &"beside".parse().unwrap());
    let checker = Checker::new(&repository, &beside);
    let rows = checker.run(&|_| ()).await.expect("rows");
    let left = checker.clean().await;
    (Report::new(rows, left), registry)
}

#[test]
fn serve_does_everything_and_is_left_as_it_was() {
    let (test, registry) = (Test::new(), Daemon::chartferry([]));
    let location = format!("{}/team", registry.oci());
    let told = test.run(["registry", "check", &location]).anything().succeeds();
    let lines: Vec<&str> = told.stdout.lines().collect();
    assert_eq!(lines.last(), Some(&"charts and artifacts work"), "{told:?}");
    let wrong: Vec<_> = lines
        .iter()
        .filter(|line| !line.starts_with("yes ") && **line != lines[lines.len() - 1])
        .collect();
    assert_eq!(wrong, [&""; 0], "{told:?}");
    assert!(lines.len() > 20, "{told:?}");
    assert!(!told.stderr.contains("could not be deleted"), "{told:?}");
    let list = test.run(["repo", "list", &registry.address()]).anything().succeeds().stdout;
    assert_eq!(list, "", "nothing is left");
    // The profile of the JSON is read by `copy`.
    let json = test.run(["registry", "check", &location, "-o", "json"]).anything().succeeds();
    let value: Value = serde_json::from_str(&json.stdout).expect("json");
    assert_eq!(value["findings"]["anonymousMount"], "yes");
    assert_eq!(value["left"], serde_json::json!([]));
    test.file("profile.json", &json.stdout).file("a.txt", "one");
    let source = format!("{}/one/a:1", registry.address());
    test.run(["artifact", "push", &source, "a.txt"]).anything().succeeds();
    let layout = ["copy", &source, "layout:lay"];
    test.run(layout).anything().succeeds();
    // The layout's blobs are in another repository of the registry.
    let target = format!("{}/two/a", registry.address());
    let copied = ["copy", "layout:lay:1", &target, "--registry-profile", "profile.json"];
    let told = test.run(copied).anything().succeeds().stdout;
    assert!(told.contains("2 mounted"), "{told}");
    let copied = ["copy", "layout:lay:1", &target, "--registry-profile", "a.txt"];
    test.run(copied).anything().fails(1);
}

#[test]
fn a_registry_without_lists_of_referrers_works_and_its_limits_are_named() {
    run(async {
        let setup = Setup { referrers: false, ranges: false, ..Setup::default() };
        let (report, _registry) = checked(setup, Vec::new()).await;
        let finding = |check: &str| report.finding(check);
        for (check, expected) in [
            ("chart", Finding::Yes),
            ("artifact", Finding::Yes),
            ("attach", Finding::Yes),
            ("parallelReferrers", Finding::Yes),
            ("referrers", Finding::No),
            ("referrersFilter", Finding::No),
            ("range", Finding::No),
            ("chunks", Finding::Yes),
            ("deleteTag", Finding::Yes),
            ("tagKeepsManifest", Finding::Yes),
        ] {
            assert_eq!(finding(check), expected, "{check}: {report:#?}");
        }
        let row = report.rows.iter().find(|row| row.check == "referrers").unwrap();
        assert!(row.means.unwrap().contains("sha256-"), "{row:?}");
        assert!(row.remedy.unwrap().contains("GHCR"), "{row:?}");
        assert_ne!(report.verdict(), Verdict::Fails);
    });
}

#[test]
fn a_registry_that_deletes_nothing_names_what_is_left() {
    run(async {
        let refusal = Act::Instead(Answer::error(405, "UNSUPPORTED"));
        let faults = vec![Fault::new("DELETE /manifests/", refusal).always()];
        let (report, _registry) = checked(Setup::default(), faults).await;
        assert_eq!(report.finding("deleteManifest"), Finding::No);
        assert_eq!(report.finding("deleteTag"), Finding::No);
        assert_eq!(report.verdict(), Verdict::WithLimits);
        assert!(report.left.iter().any(|left| left.ends_with("/check:1.0.0")), "{report:#?}");
        assert!(report.left.iter().any(|left| left.contains("/check@sha256:")), "{report:#?}");
    });
}

#[test]
fn a_registry_that_takes_no_artifacts_fails() {
    run(async {
        let refusal = Act::Instead(Answer::error(400, "MANIFEST_INVALID"));
        let faults = vec![Fault::new("PUT /manifests/artifact", refusal).always()];
        let (report, _registry) = checked(Setup::default(), faults).await;
        assert_eq!(report.finding("artifact"), Finding::No);
        assert_eq!(report.finding("chart"), Finding::Yes);
        assert_eq!(report.verdict(), Verdict::Fails);
    });
}

#[test]
fn a_check_without_the_right_to_push_is_an_error() {
    let test = Test::new();
    let users = htpasswd(test.root(), "ann", "s3cret");
    let users = users.to_str().unwrap();
    let registry = Daemon::chartferry(["--htpasswd", users, "--anonymous-pull"]);
    test.run(["registry", "check", &registry.oci()]).anything().fails(6);
}

#[test]
fn a_check_that_is_stopped_leaves_nothing() {
    let test = Test::new();
    let registry = Daemon::chartferry([]);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_chartferry"));
    test.environment(&mut command);
    command.args(["registry", "check", &registry.oci()]);
    command.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
    let mut child = command.spawn().expect("started");
    // The first row says that the check has pushed something.
    let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("chart: yes") {
        line.clear();
        let read = std::io::BufRead::read_line(&mut stderr, &mut line).expect("a line");
        assert!(read > 0, "it ended before its first row");
    }
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    child.wait().expect("ended");
    let list = test.run(["repo", "list", &registry.address()]).anything().succeeds().stdout;
    assert_eq!(list, "");
}
