//! What is carried and what is only said: selection, dry runs, checks, shards.

use super::{Mirrored, count, runs, told};

fn place() -> Mirrored {
    let place = Mirrored::new();
    for (name, version) in [
        ("kube-a", "0.1.0"),
        ("kube-b", "0.1.0"),
        ("nginx", "1.0.0"),
        ("nginx", "1.5.0"),
        ("nginx", "2.0.0-rc.1"),
    ] {
        place.add(name, version);
    }
    place.change(|entry| {
        if entry.name == "kube-b" {
            entry.more = "    deprecated: true\n".into();
        }
        if entry.version == "1.5.0" {
            entry.created = "2026-06-01T00:00:00Z".into();
        }
    });
    place.publish();
    place
}

#[test]
fn only_what_is_selected_is_planned() {
    let place = place();
    let all = ["kube-a 0.1.0", "kube-b 0.1.0", "nginx 1.0.0", "nginx 1.5.0", "nginx 2.0.0-rc.1"];
    for (flags, expected) in [
        (vec![], all.to_vec()),
        (vec!["--chart", "kube-*"], all[..2].to_vec()),
        (vec!["--chart", "/^ng/@>=1.2"], vec![all[3]]),
        (vec!["--exclude", "nginx", "--skip-deprecated"], vec![all[0]]),
        (vec!["--chart", "nginx", "--latest", "1"], vec![all[4]]),
        (vec!["--chart", "nginx", "--latest", "1", "--skip-prerelease"], vec![all[3]]),
        (vec!["--versions", "<1"], all[..2].to_vec()),
        (vec!["--since", "2026-01-01"], vec![all[3]]),
        (vec!["--min-age", "3650000d"], vec![]),
    ] {
        let mut args = vec!["--dry-run"];
        args.extend(&flags);
        let report = place.mirror(0, &args);
        let planned: Vec<String> =
            told(&report).iter().map(|line| line.replace("planned ", "")).collect();
        assert_eq!(planned, expected, "{flags:?}");
    }
    assert_eq!(count(&place.asked_registry(), "PUT manifests"), 0);
    assert!(place.asked_web().iter().all(|request| request == "GET /index.yaml"));
}

#[test]
fn another_selection_of_an_unchanged_source_is_another_plan() {
    let place = place();
    let report = place.mirror(0, &["--chart", "kube-a"]);
    assert_eq!(report["counts"]["sent"], 1);
    let report = place.mirror(0, &[]);
    assert_eq!((&report["counts"]["sent"], &report["counts"]["inStep"]), (&4.into(), &1.into()));
}

#[test]
fn a_check_finds_what_is_missing_and_what_differs_and_changes_nothing() {
    let place = place();
    let report = place.mirror(2, &["--check"]);
    assert_eq!(report["counts"]["missing"], 5, "{report:#}");
    place.mirror(0, &[]);
    place.forget();
    let report = place.mirror(0, &["--check"]);
    assert_eq!(report["counts"]["inStep"], 5);
    let registry = place.asked_registry();
    assert_eq!(count(&registry, "GET manifests"), 5, "one request a version: {registry:?}");
    assert!(registry.iter().all(|request| request.starts_with("GET ")), "{registry:?}");
    let other = super::archive("kube-a", "0.1.0", "theirs");
    place.test.file("kube-a-0.1.0.tgz", other);
    let destination = format!("oci://{}/charts", place.registry.address());
    place
        .test
        .run(["push", "kube-a-0.1.0.tgz", destination.as_str(), "--overwrite"])
        .anything()
        .succeeds();
    let report = place.mirror(2, &["--check"]);
    assert_eq!(told(&report), ["drift kube-a 0.1.0"]);
}

#[test]
fn shards_carry_all_of_it_together_and_nothing_twice() {
    let place = Mirrored::new();
    for n in 0..20 {
        place.add("demo", &format!("1.{n}.0"));
    }
    place.publish();
    let mut sent = 0;
    for part in ["1/3", "2/3", "3/3"] {
        let report = place.mirror(0, &["--shard", part]);
        assert_eq!(report["counts"]["sent"], report["counts"]["selected"]);
        sent += report["counts"]["sent"].as_u64().unwrap();
    }
    assert_eq!(sent, 20);
    assert_eq!(count(&place.asked_registry(), "PUT manifests"), 20);
    let report = place.mirror(0, &[]);
    assert_eq!(report["counts"]["inStep"], 20);
}

#[test]
fn an_indexed_job_gives_each_pod_its_part() {
    let place = place();
    let (url, destination) = (place.web.url(), place.destination());
    let args = ["mirror", url.as_str(), destination.as_str(), "--dry-run", "-o", "json"];
    let run = place.test.run(args);
    let run = run.env("JOB_COMPLETION_INDEX", "1").env("JOB_COMPLETIONS", "4").any_stdout();
    assert!(run.succeeds().stdout.contains("\"shard\": \"2/4\""));
    let run = place.test.run(args).env("JOB_COMPLETION_INDEX", "1").any_stderr();
    run.fails(64);
}

#[test]
fn names_that_lead_to_nothing_are_said() {
    let place = place();
    std::fs::create_dir(place.test.path("empty")).unwrap();
    place.mirror(0, &[]);
    let (url, namespace) = (place.web.url(), place.destination());
    let one = format!("{namespace}/kube-a");
    let nowhere = format!("oci://{}/nowhere", place.proxy.address());
    for (code, args, part) in [
        (5, vec![url.as_str(), "--chart", "ngnix"], "no chart of [WEB] fits `ngnix`"),
        (5, vec![url.as_str(), "--chart", "ngnix", "--check"], "no chart of [WEB] fits `ngnix`"),
        (
            0,
            vec![url.as_str(), "--chart", "ngnix", "--chart", "nginx"],
            "no chart of [WEB] fits `ngnix`",
        ),
        (0, vec![url.as_str(), "--exclude", "ngnix"], "so it excludes nothing"),
        (0, vec![url.as_str(), "--since", "2099-01-01"], "nothing is selected: all 5 versions"),
        (0, vec![url.as_str(), "--chart", "nginx@>9"], "nothing is selected"),
        (5, vec!["empty"], "has no charts"),
        (5, vec![nowhere.as_str()], "has no charts"),
        (5, vec![namespace.as_str(), "--charts", "nginx,nope"], "there is no chart `nope`"),
        // Again: what is missing is not forgotten.
        (5, vec![namespace.as_str(), "--charts", "nginx,nope"], "there is no chart `nope`"),
    ] {
        let mut all = vec!["mirror"];
        all.push(args[0]);
        all.push("out");
        all.extend(&args[1..]);
        let run = place.test.run(all).any_files().any_stdout().stderr_has(part);
        let outcome = if code == 0 { run.succeeds() } else { run.fails(code) };
        drop(outcome);
    }
    // One chart's repository is that chart, as a bundle takes it.
    let run = place.test.run(["mirror", one.as_str(), "single"]).any_files();
    run.stdout_has("1 version of 1 chart: 1 sent").succeeds();
}

#[test]
fn a_template_that_mingles_charts_is_said() {
    let place = place();
    let (url, destination) = (place.web.url(), place.destination());
    place
        .test
        .run([
            "mirror",
            url.as_str(),
            destination.as_str(),
            "--template",
            "all",
            "--chart",
            "kube-*",
        ])
        .stderr_has("`charts/all` would get several charts")
        .any_stdout()
        .fails(3);
}

#[test]
fn a_pattern_that_fits_no_chart_is_said_by_every_run() {
    let place = place();
    let (web, registry) = (place.web.url(), place.destination());
    for (source, destination) in [(web.as_str(), registry.as_str()), (&registry, "out")] {
        let flags = ["--chart", "nginx", "--chart", "ngnix", "--exclude", "old*"];
        let args = [&[source, destination][..], &flags].concat();
        for changed in [true, false] {
            let report = runs(&place, 0, &args).remove(0);
            assert_eq!(report["unchanged"], !changed);
            let warnings = report["warnings"].to_string();
            for part in ["fits `ngnix`", "fits `old*`, so it excludes nothing"] {
                assert_eq!(warnings.matches(part).count(), 1, "{source}: {warnings}");
            }
        }
    }
    place.mirror(0, &["--since", "2099-01-01"]);
    let again = place.mirror(0, &["--since", "2099-01-01"]);
    let warnings = again["warnings"].to_string();
    assert!(again["unchanged"] == true && warnings.contains("nothing is selected"), "{again:#}");
}
