//! YAML against what sigs.k8s.io/yaml read and wrote, and against itself: what is written is read
//! back as what it was.

use chartferry::{
    ErrorKind, json,
    limits::Limits,
    yaml::{self, Duplicates, Value},
};
use proptest::prelude::*;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Documents on which the scanner beneath us and libyaml part, with the reason.
const EXOTIC: [(&str, &str); 14] = [
    ("only a document end", "taken for an empty stream; libyaml wants a node in front"),
    (
        "line separator",
        "libyaml starts a line there, and misses its key; we take it for one only between blanks",
    ),
    ("escapes", "YAML 1.2 has `\\/`, libyaml does not"),
    ("json, escaped slash", "YAML 1.2 has `\\/`, libyaml does not"),
    ("block scalar at the root", "libyaml wants it indented"),
    ("block scalar at column 0", "libyaml takes its header there, we do not"),
    ("comment right after a header", "YAML wants a space before `#`"),
    ("anchor with odd characters", "YAML 1.2 allows more of them"),
    ("tag with odd characters", "YAML 1.2 allows fewer of them"),
    ("flow with a question mark in a word", "libyaml ends the word there"),
    ("flow with a colon before a comma", "libyaml takes the colon into the word"),
    ("flow with a hyphen", "YAML 1.2 does not let a word start with `-,`"),
    ("words after the root", "Go stops reading at the end of a scalar or flow collection"),
    ("brackets after the root", "Go stops reading at the end of a scalar or flow collection"),
];

/// Errors that both report, in other words: Go prints its own types, or the scanner notices
/// something else first.
const WORDED_OTHERWISE: [&str; 19] = [
    "scalar [",
    "scalar {",
    "key ~",
    "key null",
    "key 18446744073709551615",
    "key [a, b]",
    "key {a: b}",
    "key ? a",
    "complex key of a list",
    "complex key of a map",
    "literal whose first blank is deeper",
    "flow not closed",
    "too much flow",
    "key empty",
    "tab on a blank line",
    "tab before a comment",
    "tab on the last line",
    "tabs in a plain scalar's next line",
    "percent at the start",
];

#[derive(Deserialize)]
struct Row {
    name: String,
    text: String,
    /// The document as JSON, or
    json: Option<String>,
    /// why there is none;
    error: Option<String>,
    /// `v` as a string field, if it can be one;
    string: Option<String>,
    /// what the strict reading says, if it refuses what the loose one takes.
    strict: Option<String>,
}

#[test]
fn documents_are_read_as_go_reads_them() {
    let rows: Vec<Row> =
        serde_json::from_str(include_str!("../../testdata/yaml/read.json")).unwrap();
    assert!(rows.len() > 500, "the golden is there");
    let mut wrong = Vec::new();
    for row in &rows {
        let answer = check(row);
        match (answer, EXOTIC.iter().any(|(name, _)| *name == row.name)) {
            (Err(difference), false) => wrong.push(format!("{}: {difference}", row.name)),
            (Ok(()), true) => wrong.push(format!("{}: agrees, and is listed as exotic", row.name)),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn check(row: &Row) -> Result<(), String> {
    let read = parse(&row.text);
    match (&read, &row.json, &row.error) {
        (Ok(value), Some(json), _) => {
            let (ours, theirs) = (to_json(value), from_json(json));
            same(ours, theirs)?;
        }
        (Err(ours), _, Some(theirs)) if WORDED_OTHERWISE.contains(&row.name.as_str()) => {
            if without_place(ours) == without_place(theirs) {
                return Err("words agree, and are listed as others".into());
            }
        }
        (Err(ours), _, Some(theirs)) => same(without_place(ours), without_place(theirs))?,
        (ours, json, error) => return Err(format!("{ours:?} is not {json:?} {error:?}")),
    }
    if let Some(string) = &row.string {
        // A float that JSON cannot hold is no error where a string is wanted.
        let value = yaml::parse(row.text.as_bytes(), Duplicates::LastWins, &Limits::default());
        let value = value.map_err(|error| error.to_string())?;
        let field = if value == Value::Null { Some(String::new()) } else { field(&value) };
        same(field.as_ref(), Some(string))?;
    }
    if read.is_ok() {
        let strict = yaml::parse(row.text.as_bytes(), Duplicates::Error, &Limits::default());
        let strict = strict.err().map(|error| error.to_string());
        if row.name.starts_with("merge") {
            // Go names the line of the merged value, we that of the merge.
            same(strict.is_some(), row.strict.is_some())?;
        } else {
            same(strict, row.strict.clone())?;
        }
    }
    Ok(())
}

fn same<T: PartialEq + std::fmt::Debug>(ours: T, theirs: T) -> Result<(), String> {
    if ours == theirs { Ok(()) } else { Err(format!("{ours:?} is not {theirs:?}")) }
}

fn parse(text: &str) -> Result<Value, String> {
    let value = yaml::parse(text.as_bytes(), Duplicates::LastWins, &Limits::default());
    let value = value.map_err(|error| error.to_string())?;
    value.require_json().map_err(|error| error.to_string())?;
    Ok(value)
}

/// `v` as Go puts it into a string field.
fn field(value: &Value) -> Option<String> {
    match value {
        Value::Map(_) => value.get("v").map_or(Some(String::new()), Value::to_go_string),
        _ => None,
    }
}

fn to_json(value: &Value) -> serde_json::Value {
    serde_json::from_slice(&json::to_vec(value)).unwrap()
}

fn from_json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

/// Go leaves the line out or counts it otherwise (from 0 in its parser, from 1 in its scanner);
/// ours is right.
fn without_place(message: &str) -> String {
    let message = message.rsplit_once(" (").map_or(message, |(message, _)| message);
    match message.split_once("yaml: line ") {
        Some((start, rest)) if !message.contains('\n') => {
            let rest = rest.split_once(": ").map_or(rest, |(_, rest)| rest);
            format!("{start}yaml: {rest}")
        }
        _ => message.into(),
    }
}

#[test]
fn the_older_matrix_agrees_too() {
    type Answers = BTreeMap<String, [String; 4]>;
    let cases: BTreeMap<String, String> =
        serde_json::from_str(include_str!("../../testdata/yaml/cases.json")).unwrap();
    let answers: Answers =
        serde_json::from_str(include_str!("../../testdata/yaml/go.json")).unwrap();
    let mut compared = 0;
    for (name, text) in &cases {
        let Some([json, string, strict, _]) = answers.get(name) else { continue };
        // YAML 1.1 breaks lines at U+2028. JSON there went through doubles: `bigint`.
        if ["uni_ls", "bigint"].contains(&name.as_str()) {
            continue;
        }
        compared += 1;
        let read = parse(text);
        match &read {
            Ok(value) => assert_eq!(to_json(value), from_json(json), "{name}"),
            Err(_) => assert!(json.starts_with("ERR"), "{name}: {read:?}"),
        }
        if let Ok(string) = serde_json::from_str::<String>(string) {
            let value = yaml::parse(text.as_bytes(), Duplicates::LastWins, &Limits::default());
            let value = value.unwrap();
            let field = if value == Value::Null { Some(String::new()) } else { field(&value) };
            assert_eq!(field, Some(string), "{name}");
        }
        let strict_read = yaml::parse(text.as_bytes(), Duplicates::Error, &Limits::default());
        let strict_read = strict_read.and_then(|value| value.require_json());
        assert_eq!(strict_read.is_ok(), strict == "ok", "{name}");
    }
    assert!(compared > 75, "only {compared} compared");
}

#[test]
fn values_are_written_byte_for_byte_as_go_writes_them() {
    let rows: Vec<(String, String)> =
        serde_json::from_str(include_str!("../../testdata/yaml/write.json")).unwrap();
    assert!(rows.len() > 600, "the golden is there");
    for (json, expected) in rows {
        let value = yaml::parse(json.as_bytes(), Duplicates::Error, &Limits::default()).unwrap();
        assert_eq!(yaml::emit(&value), expected, "of {json}");
    }
}

#[test]
fn every_line_of_the_emitter_golden_is_written_alike() {
    let golden = include_str!("../../testdata/yaml/emit.txt");
    let mut lines = 0;
    for line in golden.lines() {
        let Some((input, output)) = line.split_once(" => ") else { break };
        let (input, output) = (unquote(input), unquote(output));
        let value = if input.chars().count() < 40 {
            Value::Map(vec![("k".into(), Value::String(input))])
        } else {
            // The golden cuts long inputs off.
            parse(&output).unwrap()
        };
        assert_eq!(yaml::emit(&value), output);
        lines += 1;
    }
    assert!(lines > 60, "the golden is there");
    let block =
        golden.split_once("\n\"9\": 2\n").map(|(_, rest)| format!("\"9\": 2\n{rest}")).unwrap();
    let block = &block[..=block.find("\n\n").unwrap()];
    let Value::Map(mut entries) = parse(block).unwrap() else { panic!("a mapping") };
    entries.reverse();
    assert_eq!(yaml::emit(&Value::Map(entries)), block, "the order of keys");
}

/// A string as Go's `%q` quotes it.
fn unquote(text: &str) -> String {
    parse(&format!("v: {text}")).unwrap().get("v").unwrap().to_go_string().unwrap()
}

#[test]
fn a_chart_s_metadata_is_written_as_helm_package_writes_it() {
    let value = parse(include_str!("../../testdata/yaml/package/in.yaml")).unwrap();
    assert_eq!(yaml::emit(&value), include_str!("../../testdata/yaml/package/out.yaml"));
}

#[test]
fn every_document_of_a_stream_is_read_on_request() {
    let all = |text: &str| yaml::parse_all(text.as_bytes(), Duplicates::Error, &Limits::default());
    assert_eq!(all("").unwrap(), []);
    assert_eq!(all("# nothing\n").unwrap(), []);
    assert_eq!(all("a\n---\n---\n- 1\n").unwrap().len(), 3);
    assert!(all("a: 1\n---\n[").is_err());
}

#[test]
fn tabs_in_flow_collections_are_blanks() {
    for (text, json) in [
        (
            "a: {\n\t\"b\": [\n\t\t1,\n\t\t{\n\t\t\t\"c\": 2\n\t\t}\n\t]\n}\n",
            r#"{"a":{"b":[1,{"c":2}]}}"#,
        ),
        ("a:\n  b: [\n\t1,\n\t2]\n  c: {\n \t d: 3}\n", r#"{"a":{"b":[1,2],"c":{"d":3}}}"#),
    ] {
        assert_eq!(to_json(&parse(text).unwrap()), from_json(json));
    }
    let many = "- [\n\t1]\n".repeat(100);
    assert!(parse(&many).is_err(), "not read a hundred times over");
}

#[test]
fn utf_16_with_a_mark_is_read() {
    for bytes in [&b"\xff\xfea\0:\0 \0\xe9\0"[..], b"\xfe\xff\0a\0:\0 \0\xe9"] {
        let value = yaml::parse(bytes, Duplicates::LastWins, &Limits::default()).unwrap();
        assert_eq!(value.get("a"), Some(&Value::String("é".into())));
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_with_their_place() {
    for (bytes, message) in [
        (&b"a: \xff"[..], "yaml: invalid leading UTF-8 octet (line 1, column 4)"),
        (b"a: 1\nb: \xc3(", "yaml: invalid trailing UTF-8 octet (line 2, column 4)"),
        (b"a: \xe2\x82", "yaml: incomplete UTF-8 octet sequence (line 1, column 4)"),
        (b"a: \x01", "yaml: control characters are not allowed (line 1, column 4)"),
        (b"\xff\xfea", "yaml: incomplete UTF-16 character (line 1, column 1)"),
    ] {
        let error = yaml::parse(bytes, Duplicates::LastWins, &Limits::default()).unwrap_err();
        assert_eq!(error.to_string(), format!("error converting YAML to JSON: {message}"));
    }
}

#[test]
fn documents_that_would_exhaust_us_are_refused() {
    let lines =
        |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<String>();
    let bomb = format!(
        "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n{}",
        lines(9, &|at| format!(
            "a{}: &a{} [{}]\n",
            at + 1,
            at + 1,
            vec![format!("*a{at}"); 10].join(",")
        ))
    );
    let merge_bomb = format!(
        "a: &a {{{}}}\n{}",
        lines(1000, &|at| format!("k{at}: 1, ")),
        lines(5000, &|at| format!("m{at}: {{<<: *a}}\n"))
    );
    let flood = format!("a: &a {}\nb: [{}]\n", "x".repeat(50_000), "*a, ".repeat(20_000));
    let nested_anchors = lines(100, &|at| format!("{}k: &a{at}\n", " ".repeat(at)))
        + &" ".repeat(100)
        + &"x".repeat(400_000);
    for (name, text) in [
        ("alias bomb", bomb),
        ("merge bomb", merge_bomb),
        ("alias flood", flood),
        ("anchors within anchors", nested_anchors),
        ("nested brackets", "[".repeat(20_000)),
        ("nested braces", "{a: ".repeat(20_000)),
        ("nested dashes", "- ".repeat(20_000)),
        ("nested maps", lines(3000, &|at| format!("{}a:\n", " ".repeat(at)))),
        (
            "flow within block",
            format!("{}{}{}", "- ".repeat(100), "[".repeat(100), "]".repeat(100)),
        ),
        ("many nodes", format!("[{}]", "1,".repeat(1_000_001))),
    ] {
        let error =
            yaml::parse(text.as_bytes(), Duplicates::LastWins, &Limits::default()).unwrap_err();
        assert!(error.line().is_some(), "{name}");
        let message = error.to_string();
        assert_eq!(chartferry::Error::from(error).kind(), ErrorKind::Limit, "{name}: {message}");
    }
}

#[test]
fn many_keys_take_no_more_than_their_share_of_time() {
    // Looking at each key for each other one would be 10^10 comparisons.
    let text: String = (0..100_000).map(|at| format!("key{at}: {at}\n")).collect();
    let value = yaml::parse(text.as_bytes(), Duplicates::Error, &Limits::default()).unwrap();
    assert_eq!(value.get("key99999"), Some(&Value::Int(99_999)));
    assert!(yaml::emit(&value).starts_with("key0: 0\nkey1: 1\nkey2: 2\n"));
    let error =
        yaml::parse(format!("{text}key7: 1\n").as_bytes(), Duplicates::Error, &Limits::default());
    assert!(
        error.unwrap_err().to_string().ends_with("line 100001: key \"key7\" already set in map")
    );
}

/// Values that a document can be. Texts are of characters that have a meaning to YAML somewhere,
/// and of any.
fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "[-?:,\\[\\]{}#&*!|>'\"%@` a\n\t.0-9yn~=<\\\\]{0,12}",
        "([a-z]{1,9}[ \n]{1,2}){0,40}",
        any::<String>(),
    ]
    // Line ends of YAML 1.1, which take the blanks around them along when they are read.
    .prop_map(|text| text.replace(['\u{2028}', '\u{2029}'], " "));
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|number| Value::Int(number.into())),
        any::<u64>().prop_map(|number| Value::Int(number.into())),
        any::<f64>()
            .prop_filter("no whole numbers", |number| number.fract() != 0.0)
            .prop_map(Value::Float),
        text.clone().prop_map(Value::String),
    ];
    scalar.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Seq),
            // Go writes the key `<<` plain and reads it as a merge, so it does not come back.
            prop::collection::btree_map(
                text.clone().prop_filter("a merge key", |key| key != "<<"),
                inner,
                0..6
            )
            .prop_map(|entries| Value::Map(entries.into_iter().collect())),
        ]
    })
}

/// The same value with every mapping in one order.
fn in_order(value: Value) -> Value {
    match value {
        Value::Seq(values) => Value::Seq(values.into_iter().map(in_order).collect()),
        Value::Map(entries) => {
            let entries: BTreeMap<_, _> =
                entries.into_iter().map(|(key, value)| (key, in_order(value))).collect();
            Value::Map(entries.into_iter().collect())
        }
        value => value,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_written_is_read_back(value in value()) {
        let text = yaml::emit(&value);
        let back = yaml::parse(text.as_bytes(), Duplicates::Error, &Limits::default());
        let back = back.map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(in_order(back), in_order(value), "{}", text);
    }

    #[test]
    fn writing_is_stable(value in value()) {
        let text = yaml::emit(&value);
        prop_assert_eq!(yaml::emit(&parse(&text).unwrap()), text);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[-?:,\\[\\]{}#&*!|>'\"%@` a\n\t.0-9<\\\\~]{0,60}") {
        let loose = yaml::parse(text.as_bytes(), Duplicates::LastWins, &Limits::default());
        let strict = yaml::parse(text.as_bytes(), Duplicates::Error, &Limits::default());
        if let Ok(value) = &strict {
            prop_assert_eq!(Some(value), loose.as_ref().ok());
        }
    }

    /// The second opinion, on what both mean alike: words, decimal integers, `true` and `false`.
    #[test]
    fn another_reader_agrees_on_plain_documents(value in plain()) {
        let text = yaml::emit(&value);
        let theirs: serde_json::Value = serde_yaml::from_str(&text)
            .map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(to_json(&parse(&text).unwrap()), theirs, "{}", text);
    }
}

fn plain() -> impl Strategy<Value = Value> {
    let word = "[a-z][a-z0-9.-]{0,8}( [a-z]{1,9}){0,3}";
    let scalar = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i32>().prop_map(|number| Value::Int(number.into())),
        word.prop_map(Value::String),
    ];
    let nested = scalar.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Seq),
            prop::collection::btree_map(word, inner, 0..6)
                .prop_map(|entries| Value::Map(entries.into_iter().collect())),
        ]
    });
    prop::collection::btree_map(word, nested, 1..6)
        .prop_map(|entries| Value::Map(entries.into_iter().collect()))
}
