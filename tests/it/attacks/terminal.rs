//! Attacks on the terminal: control characters in the words of strangers.

use crate::support::{Test, web::Web};

/// Finding 28: a digest and a URL of an index went raw into errors.
#[test]
fn an_index_moves_no_cursor() {
    let test = Test::new();
    let web = Web::start();
    web.file(
        "/index.yaml",
        r#"{"apiVersion": "v1", "entries": {
            "digest": [{"name": "digest", "version": "1.0.0", "digest": "\u001b]0;owned\u0007", "urls": ["a.tgz"]}],
            "url": [{"name": "url", "version": "1.0.0", "urls": ["http://h\u001b[2J/a.tgz"]}]
        }}"#,
    );
    web.file("/a.tgz", "no chart");
    for (chart, format, escaped) in [
        ("digest", "text", r"\u001b]0;owned\u0007"),
        ("digest", "json", "u001b]0;owned"),
        ("url", "text", "u001b[2J"),
    ] {
        let args = ["pull", chart, "--repo", &web.url(), "--log-format", format];
        let outcome = test.run(args).anything().outcome();
        assert_ne!(outcome.code, Some(0), "{outcome:?}");
        assert!(!outcome.stderr.contains(['\u{1b}', '\u{7}']), "{outcome:?}");
        assert!(outcome.stderr.contains(escaped), "{outcome:?}");
    }
}

/// Finding 28: the parser of the command line repeats its arguments.
#[test]
fn a_usage_error_moves_no_cursor() {
    let test = Test::new();
    for args in
        [vec!["\u{1b}[31mx"], vec!["pull", "--output", "\u{9b}2J", "x"], vec!["push", "--\u{1b}c"]]
    {
        let outcome = test.run(args).any_stderr().fails(64);
        assert!(!outcome.stderr.contains(['\u{1b}', '\u{9b}']), "{outcome:?}");
    }
}

/// Finding 8 of the client's rehearsal: text for a person went raw into a pipe, and from there to a
/// terminal. JSON, YAML and the files of a chart keep every byte.
#[test]
fn text_in_a_pipe_moves_no_cursor() {
    const RAW: [char; 5] = ['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}', '\r'];
    let test = Test::new();
    let web = Web::start();
    let bad = r"\e]0;owned\a\x9b2J\u202egnp\rok";
    let entry = format!("{{name: \"{bad}\", version: 1.0.0, urls: [a.tgz]}}");
    web.file("/index.yaml", format!("apiVersion: v1\nentries:\n  \"{bad}\":\n  - {entry}\n"));
    test.file("chart/Chart.yaml", "apiVersion: v2\nname: chart\nversion: 1.0.0\n");
    test.file("chart/values.yaml", "a: 1\n");
    let required = r"\u001b]0;owned\u0007\u009b2J\u202egnp\rok";
    test.file("chart/values.schema.json", format!("{{\"required\": [\"{required}\"]}}"));
    let url = web.url();
    for command in [&["lint", "chart"][..], &["mirror", &url, "out"]] {
        let outcome = test.run(command.iter().copied()).anything().outcome();
        let stdout = String::from_utf8(outcome.bytes.clone()).unwrap();
        assert!(!stdout.contains(RAW) && !outcome.stderr.contains(RAW), "{outcome:?}");
        assert!(stdout.contains(r"owned\u0007"), "{outcome:?}");
    }
    let json = test.run(["lint", "chart", "-o", "json"]).any_stdout().any_stderr().outcome();
    let value: serde_json::Value = serde_json::from_slice(&json.bytes).unwrap();
    assert!(value.to_string().contains('\u{9b}'), "{value}");
    test.file("good/Chart.yaml", "apiVersion: v2\nname: good\nversion: 1.0.0\n");
    let readme = "# \u{9b}2J \u{1b}[2J\r\n# \u{202e}\na: 1\n";
    test.file("good/README.md", readme);
    let shown = test.run(["show", "readme", "good"]).any_stdout().succeeds();
    assert!(shown.bytes.windows(readme.len()).any(|part| part == readme.as_bytes()), "{shown:?}");
}
