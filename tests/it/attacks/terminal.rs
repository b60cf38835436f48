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
