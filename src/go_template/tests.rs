//! The output of Go for the same templates, the limits, and templates that must not panic.

use super::{Template, budget};
use crate::{Error, ErrorKind};
use serde_json::{Value, json};

/// Templates with the output of Go, or its error.
const CASES: &str = include_str!("../../testdata/go-template/cases.json");

/// A template that Go renders and chartferry refuses: its text is not UTF-8.
const REFUSED: &str = r#"{{"\xff" | len}}"#;

fn rendered(template: &str, values: &Value) -> Result<String, Error> {
    Template::parse(template)?.render(values)
}

#[test]
fn templates_print_what_go_prints() {
    let cases: Value = serde_json::from_str(CASES).expect("JSON");
    let mut wrong = Vec::new();
    let groups = ["cases", "roots"].map(|group| cases[group].as_array().expect("a list"));
    for case in groups.into_iter().flatten() {
        let template = case["template"].as_str().expect("a template");
        let values = case.get("data").unwrap_or(&cases["data"]);
        let found = rendered(template, values);
        let is_right = match (&found, case["output"].as_str()) {
            (Ok(found), Some(expected)) => found == expected,
            (Ok(_), None) => false,
            (Err(error), expected) => {
                error.kind() == ErrorKind::Usage && expected.is_some() == (template == REFUSED)
            }
        };
        if !is_right {
            let found = found.map_err(|error| error.chain());
            wrong.push(format!(
                "{template}\n  Go    {} {}\n  found {found:?}",
                case["output"], case["refused"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn integers_stay_integers_and_go_where_oras_has_floats() {
    let values = json!({"size": 1_048_576, "half": 0.5});
    for (template, expected) in [
        ("{{.size}}", "1048576"),
        ("{{printf \"%.0f %d %e\" .size .size .size}}", "1048576 1048576 1.048576e+06"),
        ("{{eq .size 1048576.0}} {{lt .half 1}} {{gt .size 0.5}}", "true true true"),
    ] {
        assert_eq!(rendered(template, &values).expect(template), expected);
    }
}

#[test]
fn faults_name_the_line_and_the_reason() {
    for (template, expected) in [
        ("a\n{{foo}}", "cannot parse the Go template: line 2: the function `foo` does not exist"),
        ("{{define \"x\"}}{{end}}", "line 1: `define` is not supported"),
        ("{{block \"x\" .}}{{end}}", "line 1: `block` is not supported"),
        ("{{template \"x\"}}", "line 1: `template` is not supported"),
        ("\n{{range .}}", "line 2: `range` has no `end`"),
        ("{{env \"HOME\"}}", "the function `env` does not exist; there are `and`, `default`"),
        ("\n\n{{index .a 7}}", "line 3: cannot call `index`: an index is not between 0 and 1"),
        ("{{.a.b}}", "line 1: cannot read `b` of a value of type []interface {}"),
        ("{{len}}", "line 1: `len` has 0 arguments instead of 1"),
        ("{{printf \"%#v\" 1}}", "line 1: cannot call `printf`: `#` after `%` is not supported"),
    ] {
        let error = rendered(template, &json!({"a": [1, 2]})).expect_err(template);
        assert_eq!(error.kind(), ErrorKind::Usage, "{template}");
        assert!(error.chain().contains(expected), "{template}: {}", error.chain());
    }
}

#[test]
fn limits_stop_templates() {
    let deep = |levels| format!("{}1{}", "(".repeat(levels), ")".repeat(levels));
    let nested = |levels| "{{if 1}}".repeat(levels) + &"{{end}}".repeat(levels);
    let chain = format!("{{{{if 0}}}}{}{{{{end}}}}", "{{else if 0}}".repeat(1000));
    for (template, is_within) in [
        ("a".repeat(budget::TEMPLATE_BYTES), true),
        (format!("{{{{{}}}}}", deep(budget::NESTING)), true),
        (nested(budget::NESTING), true),
        (chain, true),
        ("{{range 1000}}{{range 100}}{{end}}{{end}}".to_owned(), true),
    ] {
        assert_eq!(rendered(&template, &Value::Null).is_ok(), is_within);
    }
    for (template, kind) in [
        ("a".repeat(budget::TEMPLATE_BYTES + 1), ErrorKind::Limit),
        (format!("{{{{{}}}}}", deep(budget::NESTING + 1)), ErrorKind::Usage),
        (nested(budget::NESTING + 1), ErrorKind::Usage),
        ("{{range 1000000000}}{{end}}".to_owned(), ErrorKind::Limit),
        ("{{range 2000}}{{printf \"%9999d\" 1}}{{end}}".to_owned(), ErrorKind::Limit),
        ("{{$x := \"ab\"}}{{range 99}}{{$x = print $x $x}}{{end}}".to_owned(), ErrorKind::Limit),
        (
            "{{$x := printf \"%9999d\" 1}}{{range 9}}{{$x = replace \" \" $x $x}}{{end}}"
                .to_owned(),
            ErrorKind::Limit,
        ),
        ("{{printf \"%10001d\" 1}}".to_owned(), ErrorKind::Usage),
    ] {
        let error = rendered(&template, &Value::Null).expect_err(&template);
        assert_eq!(error.kind(), kind, "{}", error.chain());
    }
}

/// The pieces of random templates: more of them parse than of random characters.
const PIECES: &[&str] = &[
    "{{",
    "}}",
    "{{- ",
    " -}}",
    "{{/*",
    "*/}}",
    " ",
    "\n",
    "|",
    "(",
    ")",
    ",",
    ":=",
    "=",
    ".",
    ".a",
    ".b",
    "$",
    "$x",
    "if ",
    "else ",
    "end",
    "range ",
    "with ",
    "break",
    "continue",
    "nil",
    "true",
    "0",
    "1",
    "-7",
    "1.5",
    "0x",
    "1e3",
    "'a'",
    "'",
    "\"",
    "\"é\"",
    "`x`",
    "`",
    "\\",
    "\\xff",
    "%",
    "printf ",
    "\"%5.2v|%q|%x|%c\" ",
    "index ",
    "slice ",
    "len ",
    "eq ",
    "lt ",
    "and ",
    "or ",
    "not ",
    "join ",
    "default ",
    "first ",
    "last ",
    "replace ",
    "splitList ",
    "toJson ",
    "quote ",
    "html ",
    "js ",
    "urlquery ",
    "upper ",
    "lower ",
    "print ",
    "é",
    "{{.a}}",
    "{{end}}",
    "{{range .}}",
    "{{if .a}}",
    "{{else}}",
    "define ",
    "\0",
];

proptest::proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC*", tail in ".{0,40}") {
        let values = json!({"a": [1, "é", null, 1.5], "b": {"c": u64::MAX}});
        drop(rendered(&text, &values));
        drop(rendered(&format!("{{{{{tail}}}}}"), &values));
    }

    #[test]
    fn arbitrary_pieces_never_panic(
        pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..40)
    ) {
        let values = json!({"a": [1, "é", null, 1.5], "b": {"c": u64::MAX}});
        let text = pieces.concat();
        drop(rendered(&text, &values));
        drop(rendered(&format!("{{{{{text}}}}}"), &values));
    }

    #[test]
    fn arbitrary_calls_never_panic(
        calls in proptest::collection::vec(
            (
                proptest::sample::select(super::functions::names()),
                proptest::collection::vec(proptest::sample::select(ARGUMENTS), 0..4),
            ),
            1..4,
        )
    ) {
        let values = json!({"a": [1, "é", null, 1.5], "b": {"c": u64::MAX}});
        let calls: Vec<_> =
            calls.iter().map(|(name, arguments)| format!("{name} {}", arguments.join(" "))).collect();
        drop(rendered(&format!("{{{{{}}}}}", calls.join("|")), &values));
    }
}

/// Arguments of random calls.
const ARGUMENTS: &[&str] = &[
    ".",
    ".a",
    ".b",
    ".b.c",
    ".x",
    "nil",
    "true",
    "0",
    "1",
    "-1",
    "9223372036854775807",
    "1.5",
    "1e300",
    "\"\"",
    "\"é\"",
    "\"a,b\"",
    "\"%d %5.3q\"",
    "\"%-08.2f|%+x|%U\"",
    "(index .a 1)",
    "(splitList \"\" \"éa\")",
];
