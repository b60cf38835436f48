//! `show`: the very bytes helm prints, from a source, from an archive of helm's, and from a
//! registry.

use super::{fixtures, helm_archives, name_and_version, name_of};
use crate::support::{Test, daemon::Daemon, peers};

const PARTS: [&str; 5] = ["all", "chart", "values", "readme", "crds"];

#[test]
#[ignore = "needs peers"]
fn sources_are_shown_as_helm_shows_them() {
    for fixture in fixtures() {
        let test = Test::new();
        let name = name_of(&fixture);
        test.copy(&fixture, name);
        compare(&test, &[&format!("./{name}")]);
    }
}

#[test]
#[ignore = "needs peers"]
fn archives_are_shown_as_helm_shows_them() {
    let test = Test::new();
    for archive in helm_archives(&test) {
        compare(&test, &[&format!("helm/{archive}")]);
    }
}

#[test]
#[ignore = "needs peers"]
fn a_chart_in_a_registry_is_shown_without_a_word_more() {
    let registry = Daemon::chartferry([]);
    let test = Test::new();
    let helm = peers::find("helm");
    for archive in helm_archives(&test) {
        let path = format!("helm/{archive}");
        let to = format!("{}/charts", registry.oci());
        let pushed = test.run_program(&helm, ["push", &path, &to, "--plain-http"]).outcome();
        if pushed.code != Some(0) {
            // A name that no repository can have.
            continue;
        }
        let (name, version) = name_and_version(&test, &path);
        let reference = format!("{to}/{name}");
        for part in PARTS {
            // Of a chart in a registry, helm prints `Pulled:` and `Digest:` before it: what we
            // compare with is the file.
            let theirs = test.run_program(&helm, ["show", part, &path]).any_stderr().any_stdout();
            let theirs = theirs.succeeds();
            let ours = test
                .run(["show", part, &reference, "--version", &version])
                .any_stdout()
                .any_stderr()
                .succeeds();
            assert!(theirs.bytes == ours.bytes, "show {part} of {archive}: {theirs:?}\n{ours:?}");
        }
    }
}

fn compare(test: &Test, location: &[&str]) {
    let helm = peers::find("helm");
    for part in PARTS {
        let args = || ["show", part].into_iter().chain(location.iter().copied());
        let theirs = test.run_program(&helm, args()).outcome();
        let ours = test.run(args()).outcome();
        assert_eq!(
            (ours.code == Some(0), &ours.stdout),
            (theirs.code == Some(0), &theirs.stdout),
            "show {part} {location:?}: helm said {:?}, we {:?}",
            theirs.stderr,
            ours.stderr
        );
        assert!(theirs.bytes == ours.bytes, "show {part} {location:?}: bytes differ");
    }
}

fn sorted(text: &str) -> Vec<&str> {
    let mut words: Vec<&str> = text.split(' ').collect();
    words.sort_unstable();
    words
}

/// The table leaves out what Helm panics at.
#[test]
#[ignore = "needs peers"]
fn jsonpath_templates_bring_what_the_recorded_table_says() {
    let test = Test::new();
    test.file("demo/Chart.yaml", "apiVersion: v2\nname: demo\nversion: 1.0.0\n");
    test.copy("testdata/chart/jsonpath.yaml", "demo/values.yaml");
    let table = include_str!("../../../testdata/chart/jsonpath.txt");
    for helm in ["helm", "helm3"].map(peers::find) {
        for line in table.lines() {
            let parts = serde_json::Deserializer::from_str(line).into_iter::<String>();
            let parts: Vec<String> = parts.map(Result::unwrap).collect();
            let args = ["show", "values", "demo", "--jsonpath", &parts[0]];
            let outcome = test.run_program(&helm, args).outcome();
            let said = match outcome.code {
                Some(0) => ("prints", String::from_utf8(outcome.bytes).unwrap()),
                _ => {
                    let said = outcome.stderr.trim_end_matches('\n').trim_start_matches("Error: ");
                    ("refuses", said.to_owned())
                }
            };
            let wanted = (parts[1].as_str(), parts[2].clone());
            // Go walks a map in random order, so what comes of several keys is compared without it.
            let random = parts[0].contains("..") || parts[0].contains(".*");
            match random {
                true => assert_eq!(sorted(&said.1), sorted(&wanted.1), "{}", parts[0]),
                false => assert_eq!(said, wanted, "{}", parts[0]),
            }
        }
    }
}
