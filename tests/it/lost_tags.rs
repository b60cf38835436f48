//! The journal of lost tags: every command that moves a tag away from a manifest adds a line.

use crate::support::{Test, daemon::Daemon};
use serde_json::Value;

/// The lines of the journal, as `by repo tag` and the digests.
fn lines(test: &Test, path: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(test.path(path)).unwrap_or_default();
    text.lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).expect("a line");
            let field = |name: &str| line[name].as_str().expect(name).to_owned();
            assert!(field("time").ends_with('Z'), "{line}");
            (format!("{} {} {}", field("by"), field("repo"), field("tag")), field("digest"))
        })
        .collect()
}

#[test]
fn every_command_that_moves_a_tag_notes_what_had_it() {
    let (test, registry) = (Test::new(), Daemon::chartferry([]));
    let address = registry.address();
    let push = |text: &str, reference: &str, more: &[&str]| {
        test.file("a.txt", text);
        let reference = format!("{address}/{reference}");
        let words = [&["artifact", "push", &reference, "a.txt"], more].concat();
        test.run(words).anything().succeeds();
        test.run(["resolve", reference.split(',').next().unwrap()]).anything().succeeds().stdout
    };
    let first = push("one", "team/a:1,stable", &["--journal", "j"]);
    assert_eq!(lines(&test, "j"), [], "new tags lose nothing");
    push("one", "team/a:1", &["--journal", "j"]);
    assert_eq!(lines(&test, "j"), [], "the same manifest loses nothing");
    let second = push("two", "team/a:1", &["--journal", "j"]);
    let digest = |text: &str| text.trim().to_owned();
    let noted =
        |by: &str, tag: &str, was: &str| (format!("{by} {address}/team/{tag}"), digest(was));
    let mut expected = vec![noted("artifact push", "a 1", &first)];
    assert_eq!(lines(&test, "j"), expected);
    let (one, two) = (format!("{address}/team/a:stable"), format!("{address}/team/a:1"));
    test.run(["promote", &two, ":stable", "--journal", "j"]).anything().succeeds();
    expected.push(noted("promote", "a stable", &first));
    let other = format!("{address}/team/b:1");
    test.run(["copy", &one, &other, "--journal", "j"]).anything().succeeds();
    assert_eq!(lines(&test, "j"), expected);
    push("three", "team/a:1", &["--journal", "j"]);
    expected.push(noted("artifact push", "a 1", &second));
    test.run(["copy", &two, &other, "--journal", "j"]).anything().succeeds();
    expected.push(noted("copy", "b 1", &second));
    assert_eq!(lines(&test, "j"), expected);
    // Without the flag, it is in the user's folder of states.
    test.run(["oras", "tag", &two, "stable"]).anything().succeeds();
    let own = ".local/state/chartferry/lost-tags.jsonl";
    let home = test.home(own);
    assert_eq!(lines(&test, home.to_str().unwrap()), [noted("oras tag", "a stable", &second)]);
}

#[test]
fn charts_that_lose_a_tag_are_noted_by_push_and_mirror() {
    let (test, registry) = (Test::new(), Daemon::chartferry([]));
    let address = registry.address();
    let chart = |text: &str| {
        test.file("demo/Chart.yaml", "apiVersion: v2\nname: demo\nversion: 1.0.0\n");
        test.file("demo/values.yaml", text);
        test.run(["package", "demo", "-d", "charts"]).anything().succeeds();
    };
    let target = format!("oci://{address}/charts");
    let push = |more: &[&str]| {
        let words = [&["push", "charts/demo-1.0.0.tgz", &target, "--journal", "j"], more].concat();
        test.run(words).anything().succeeds();
        test.run(["resolve", &format!("{target}/demo:1.0.0")]).anything().succeeds().stdout
    };
    chart("a: 1");
    let first = push(&[]);
    chart("a: 2");
    let second = push(&["--overwrite"]);
    chart("a: 3");
    let mirror = ["mirror", "charts", &target, "--on-conflict", "overwrite", "--journal", "j"];
    test.run(mirror).anything().succeeds();
    let line =
        |by: &str, was: &str| (format!("{by} {address}/charts/demo 1.0.0"), was.trim().to_owned());
    assert_eq!(lines(&test, "j"), [line("push", &first), line("mirror", &second)]);
}

#[test]
fn a_journal_that_cannot_be_written_is_a_warning() {
    let (test, registry) = (Test::new(), Daemon::chartferry([]));
    let reference = format!("{}/a:1", registry.address());
    for text in ["one", "two"] {
        test.file("a.txt", text);
        let words = ["artifact", "push", &reference, "a.txt", "--journal", "a.txt/j"];
        let run = test.run(words).anything().succeeds();
        assert_eq!(run.stderr.contains("write the journal"), text == "two", "{run:?}");
    }
}
