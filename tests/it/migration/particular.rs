//! Registries that are not as others: those that make no repository by a push, and those that
//! answer no HEAD.

use super::{Migration, front::Lie};

const CHARTS: [&str; 2] = ["--chart", "chart-*"];

/// A registry that has only the repositories that a command wrote down, and that command.
fn unmade() -> (Migration, String) {
    let place = Migration::new(2);
    let log = place.test.path("log");
    let command = format!("echo \"$REGISTRY $REPOSITORY\" >> '{}'", log.display());
    place.front.lie(Lie::Unmade(log));
    (place, command)
}

#[test]
fn repositories_are_made_by_a_command_once_each_and_the_states_too() {
    let (place, command) = unmade();
    let flags = [&CHARTS[..], &["--create-repository-command", &command]].concat();
    let report = place.mirror(&place.source(), &place.destination(), &flags);
    assert_eq!(report["counts"]["sent"], 2, "{report:#}");
    assert!(!report["warnings"].to_string().contains("state"), "{report:#}");
    let log = String::from_utf8(place.test.read("log")).unwrap();
    let mut made: Vec<&str> = log.lines().collect();
    made.sort_unstable();
    let host = place.front.address();
    let expected = ["chart-00", "chart-01", "chartferry-state"];
    assert_eq!(made, expected.map(|name| format!("{host} moved/{name}")));
    let again = place.mirror(&place.source(), &place.destination(), &flags);
    assert_eq!(again["unchanged"], true, "{again:#}");
    assert_eq!(place.test.read("log").len(), log.len(), "nothing is made twice");
}

#[test]
fn without_the_command_its_flag_is_named_and_one_that_fails_is_told() {
    let (place, _) = unmade();
    let run = |flags: &[&str]| {
        let report = place.mirror(&place.source(), &place.destination(), flags);
        assert_eq!(report["counts"]["failed"], 2, "{report:#}");
        report["versions"][0]["reason"].as_str().unwrap().to_owned()
    };
    let reason = run(&CHARTS);
    assert!(
        reason.contains("create `moved/chart-00` first, or give --create-repository-command"),
        "{reason}"
    );
    let reason = run(&[
        &CHARTS[..],
        &["--create-repository-command", "echo no rights >&2; exit 3"],
    ]
    .concat());
    assert!(reason.contains("cannot be made") && reason.contains("no rights"), "{reason}");
}

#[test]
fn a_registry_that_answers_no_head_is_asked_by_get() {
    let place = Migration::new(2);
    place.front.lie(Lie::Headless);
    let (source, registry) = (place.source(), place.destination());
    let report = place.mirror(&source, &registry, &CHARTS);
    assert_eq!(report["counts"]["sent"], 2, "{report:#}");
    assert_eq!(place.mirror(&registry, "out", &[])["counts"]["sent"], 2);
    place.forget();
    let again = place.mirror(&registry, "out", &[]);
    assert_eq!((&again["unchanged"], &again["counts"]["inStep"]), (&true.into(), &2.into()));
    let passed = place.front.take();
    let of = |method: &str, status: u16| {
        let line = |line: &str| line.starts_with(method) && line.contains("/manifests/");
        passed.iter().filter(|one| line(&one.line) && one.status == status).count()
    };
    assert_eq!((of("HEAD", 400), of("GET", 200)), (2, 2), "{passed:?}");
    // A tag that moves is seen all the same.
    let bytes = super::generator::archive("chart-00", "1.0.0", "description: another\n", &[]);
    place.test.file("chart-00-1.0.0.tgz", bytes);
    let push = ["push", "chart-00-1.0.0.tgz", registry.as_str(), "--overwrite"];
    place.test.run(push).anything().succeeds();
    let report = place.mirror(&registry, "out", &[]);
    assert_eq!(report["counts"]["refused"], 1, "{report:#}");
}

#[test]
fn a_tag_that_cannot_be_seen_fails_alone_unless_it_is_all_there_is() {
    let place = Migration::new(1);
    let registry = place.destination();
    for version in ["1.0.0", "1.1.0"] {
        let file = format!("demo-{version}.tgz");
        let bytes = super::generator::archive("demo", version, "", &[]);
        place.test.file(&file, bytes).run(["push", &file, &registry]).anything().succeeds();
    }
    assert_eq!(place.mirror(&registry, "out", &[])["counts"]["sent"], 2);
    place.front.lie(Lie::Barred("1.1.0"));
    let report = place.mirror(&registry, "out", &[]);
    assert_eq!((&report["counts"]["inStep"], &report["counts"]["failed"]), (&1.into(), &1.into()));
    assert_eq!(report["unchanged"], false);
    let reason = report["versions"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("the registry did not resolve its tag"), "{reason}");
    assert!(reason.contains("--from-username"), "{reason}");
    place
        .test
        .run(["mirror", &registry, "out", "--versions", "1.1.0"])
        .stderr_has("403")
        .stderr_has("--from-username")
        .fails(6);
    // One that is not asked does not fail.
    let run = place.mirror(&registry, "out", &["--immutable-tags"]);
    assert_eq!(run["counts"]["inStep"], 2, "{run:#}");
}
