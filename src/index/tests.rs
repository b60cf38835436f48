//! Tests that the fast reader and the full one agree: about valid input, its content, and its
//! faults.

use super::scan::{FastResult, Sink, scan};
use super::*;
use crate::chart::{Dependency, Maintainer, Metadata};
use crate::limits::Limits;
use bytes::Bytes;
use proptest::prelude::*;

/// The number of entries that the fast reader read, and of those that it left to the full one.
#[derive(Default)]
struct Count(usize, usize);

impl Sink for Count {
    fn chart(&mut self, _: &str) -> FastResult<()> {
        Ok(())
    }

    fn line(&mut self, _: Line) -> FastResult<()> {
        self.0 += 1;
        Ok(())
    }

    fn odd(&mut self, _: Bytes) -> FastResult<()> {
        self.1 += 1;
        Ok(())
    }
}

/// Returns the numbers of entries read fast and not, or `None` if the whole is left to the full
/// reader.
fn fast(text: &str) -> Option<(usize, usize)> {
    let mut count = Count::default();
    scan(&Bytes::copy_from_slice(text.as_bytes()), &mut count).ok()?;
    Some((count.0, count.1))
}

/// Returns the whole content of an index.
fn told(index: Result<Index, crate::Error>) -> Result<String, String> {
    let index = index.map_err(|error| error.message().to_owned())?;
    let mut text = format!(
        "{} {:?} {} {:?}\n",
        index.generated(),
        index.context_path(),
        index.is_cut(),
        index.warnings()
    );
    for chart in index.charts() {
        text.push_str(&format!("{:?}\n", chart.name()));
        for line in chart.versions() {
            let entry = line.decode().expect("what was read can be decoded");
            let mut clean = entry.metadata.clone();
            drop(clean.validate());
            assert_eq!(clean, entry.metadata);
            let time =
                |text: &str| crate::chart::time::Time::parse(text).expect("a time").to_string();
            assert_eq!(time(line.created()), entry.created);
            assert_eq!(line.name(), entry.metadata.name);
            assert_eq!(line.version(), entry.metadata.version);
            assert_eq!(line.app_version(), entry.metadata.app_version);
            assert_eq!(line.description(), entry.metadata.description);
            assert_eq!(line.deprecated(), entry.metadata.deprecated);
            assert_eq!(line.digest(), entry.sha256());
            assert_eq!(line.keywords().collect::<Vec<_>>(), entry.metadata.keywords);
            assert_eq!(line.urls().collect::<Vec<_>>(), entry.urls);
            text.push_str(&format!("{entry:?}\n"));
        }
    }
    Ok(text)
}

fn assert_agreed(text: &str) {
    let limits = Limits::default();
    let quick = told(Index::read(Bytes::copy_from_slice(text.as_bytes()), "here", &limits));
    let full = if text.is_empty() {
        Err("empty index.yaml file".to_owned())
    } else {
        told(Index::read_fully(text.as_bytes(), "here", &limits))
    };
    assert_eq!(quick, full, "{text}");
}

fn index_of(entry: &str) -> String {
    format!("apiVersion: v1\nentries:\n  a:\n{entry}\n  - name: a\n    version: 1.0.0\n")
}

#[test]
fn every_style_that_indexes_are_written_in_is_read_fast() {
    for text in [
        "apiVersion: v1\nentries: {}\ngenerated: \"2024-01-01T00:00:00Z\"\n",
        "---\napiVersion: v1\nentries:\n",
        "\u{feff}apiVersion: v1\r\nentries:\r\n  a:\r\n  - name: a\r\n    version: 1.0.0 \r\n",
        "# c\napiVersion: v1 # c\nserverInfo: {}\nentries:\n  # c\n  a: []\n  b:\n  # c\n  - name: b # c\n    # c\n    version: \"1\"\n# c\n",
        "serverInfo:\n  contextPath: /x\n  more:\n  - 1\n  - a: b\n    c: [d]\nentries:\n    a:\n      - urls: [a.tgz, \"b.tgz\"]\n        'name': 'a'\n        \"version\": '1'\n        keywords:\n            - x\n            - z\napiVersion: v1\n",
        &index_of(
            "  -   name: a\n      version: '1'\n      appVersion: 1.10.1\n      deprecated: true\n      description: one\n        two\n\n        three\n      annotations:\n        a/b: |\n          - x\n\n          # y\n        c: >-\n          z\n        d: \"x\\ty\\u00e9\\\n          z\"\n        e: 'x\n\n          ''y'''",
        ),
        &index_of(
            "  -\n    name: a\n    version: 1.2.3\n    digest: sha256:0123\n    created: 2024-01-02T03:04:05.6Z\n    dependencies:\n    - name: b\n      import-values:\n      - data\n      - child: x\n        parent: y\n      tags:\n      - t\n      enabled: true\n      alias: c\n      repository: \"@d\"\n    maintainers:\n    - name: e\n      email: f@g\n    home: ~\n    icon:\n    removed: false",
        ),
    ] {
        assert_agreed(text);
        let (_, odd) = fast(text).unwrap_or_else(|| panic!("not sure of\n{text}"));
        assert_eq!(odd, 0, "{text}");
    }
}

#[test]
fn what_is_odd_is_left_to_the_full_reader() {
    for entry in [
        "  - name: a\n    version: '1'\n    Name: b",
        "  - name: a\n    version: '1'\n    wrong: b",
        "  - name: a\n    version: '1'\n    version: '2'",
        "  - name: a\n    version: '1'\n    annotations: {a: b}",
        "  - name: a\n    version: '1'\n    annotations:\n      a: b\n      a: c",
        "  - name: a\n    version: '1'\n    annotations:\n      1: b\n      '1': c",
        "  - name: a\n    version: '1'\n    keywords: [a b, c]",
        "  - name: a\n    version: '1'\n    keywords: &k [a]\n    sources: *k",
        "  - &x\n    name: a\n    version: '1'",
        "  - {name: a, version: '1'}",
        "  -",
        "  - ~",
        "  - name: a",
        "  - name: a/b\n    version: '1'",
        "  - name: a\n    version: x",
        "  - name: a\n    version: '1'\n    type: b",
        "  - name: a\n    version: '1'\n    deprecated: \"true\"",
        "  - name: a\n    version: '1'\n    maintainers:\n    -",
        "  - name: a\n    version: '1'\n    dependencies:\n    - name: b\n      alias: c d",
        "  - name: a\n    version: '1'\n    dependencies:\n    - name: b\n    - name: b",
        "  - name: a\n    version: '1'\n    created: yesterday",
        "  - name: a\n    version: '1'\n    created: 2024",
        "  - name: a\n    version: '1'\n    description: |2\n        b",
        "  - name: a\n    version: '1'\n    description:\n      b",
        "  - name: a\n    version: '1'\n    description: b: c",
        "  - name: a\n    version: '1'\n    description: \"b\\q\"",
        "  - name: a\n    version: '1'\n    description: b # c\n      d",
        "  - name: a\n    version: '1'\n    description: \"\u{1f600} \u{a0}\u{200b}é\"\n    keywords: [\"\u{7f}\"]",
        "  - name: a\n    version: '1'\n    home: '\u{2028}'",
        "  - name: a\n    version: '1'\n    <<: {home: b}",
        "  - name: a\n    version: '1'\n    dependencies:\n    - name: b\n      import-values: [.inf]",
        "  - ? name\n    : a\n    version: '1'",
        "  - !!map\n    name: a\n    version: '1'",
        "  - name: a\n   version: '1'",
        "  - name: a\n     version: '1'",
        "  name: a",
    ] {
        assert_agreed(&index_of(entry));
    }
    for text in [
        "",
        "\n",
        "x",
        "entries: {}",
        "apiVersion: v1\nentries: []",
        "apiVersion: v1\nentries:\n  a: b",
        "apiVersion: v1\nentries:\n  a: {}",
        "apiVersion: v1\nentries:\n  a: [{name: a, version: '1'}]",
        "apiVersion: v1\nentries:\n  a:\n  a:",
        "apiVersion: v1\napiVersion: v1",
        "apiVersion: v1\nwrong: v1",
        "apiVersion: v1\n...\nwrong: v1",
        "apiVersion: v1\n---\nwrong: v1",
        "%YAML 1.1\n---\napiVersion: v1",
        "apiVersion: v1\nentries:\n\ta: []",
        "apiVersion: v1\ngenerated: 1",
        "apiVersion: v1\nannotations:\n  a: b\n  a: c",
        "apiVersion: v1\npublicKeys: a",
        "apiVersion: v1\nentries: &e\n  a: &a\n  - name: a\n    version: '1'\n  b: *a",
        "apiVersion: v1\nentries:\n  a:\n  - &a\n    name: a\n    version: '1'\n  b:\n  - *a\n  - <<: *a\n    version: '2'",
        "apiVersion: v1\nserverInfo: &s\n  a:\n  - name: a\n    version: '1'\nentries:\n  <<: *s",
    ] {
        assert_agreed(text);
    }
}

#[test]
fn warnings_are_helms() {
    let text = "apiVersion: v1\nentries:\n  b:\n  - name: b\n    version: x\n  -\n  - name: b\n    version: 1.0.0\n";
    let index = Index::read(text.into(), "here", &Limits::default()).expect("an index");
    assert_eq!(
        index.warnings(),
        [
            "skipping loading invalid entry for chart \"b\" from here: empty entry",
            "skipping loading invalid entry for chart \"b\" \"x\" from here: validation: chart.metadata.version \"x\" is invalid",
        ]
    );
    assert_eq!(index.versions(), 1);
}

#[test]
fn an_index_has_its_own_limits() {
    let entries = "  - name: a\n    version: '1'\n".repeat(3);
    let text = format!("apiVersion: v1\nentries:\n  a:\n{entries}");
    let json = r#"{"apiVersion":"v1","entries":{"a":[{"name":"a","version":"1"},{"name":"a","version":"1"},{"name":"a","version":"1"}]}}"#;
    let read = |text: &str, limits: Limits| {
        Index::read(Bytes::copy_from_slice(text.as_bytes()), "here", &limits)
            .map(|index| index.versions())
            .map_err(|error| error.message().to_owned())
    };
    for text in [&text, json] {
        let few_nodes = Limits { yaml_nodes: 12, index_entries: 3, ..Limits::default() };
        assert_eq!(read(text, few_nodes), Ok(3));
        let few_entries = Limits { index_entries: 2, ..Limits::default() };
        let error = read(text, few_entries).expect_err("too many");
        assert!(error.contains("entries"), "{error}");
        let few_bytes = Limits { index_bytes: 10, ..Limits::default() };
        assert_eq!(read(text, few_bytes), Err("index is larger than 10 bytes".to_owned()));
    }
}

fn word() -> impl Strategy<Value = String> {
    let words = prop_oneof![
        4 => "[a-z][a-z0-9-]{0,8}",
        2 => "[a-zA-Z0-9 ,.:#'\"\\-_?&*!|>%@`\\[\\]{}=~+/]{0,12}",
        1 => Just("yes".to_owned()),
        1 => Just("1.10".to_owned()),
        1 => Just("2024-01-01".to_owned()),
        1 => "[ -~\n]{0,40}",
        1 => "\\PC{0,6}",
        1 => "([a-z]{3,9} ){14,20}[a-z\u{e9}'\":#]{1,4}",
    ];
    // As a key, it is written plain, by Helm too, and then merges.
    words.prop_filter("merges", |word| word != "<<")
}

fn entry() -> impl Strategy<Value = Entry> {
    let lists = (
        prop::collection::vec(word(), 0..3),
        prop::collection::vec(word(), 0..3),
        prop::collection::vec(word(), 0..2),
    );
    let texts = (word(), word(), word(), word(), word());
    let maps = (
        prop::collection::btree_map(word(), word(), 0..4),
        prop::collection::vec((word(), word(), prop::bool::ANY), 0..3),
        prop::collection::vec((word(), word()), 0..2),
    );
    ("[a-z]{1,3}", 0..3_u8, 0..5_u8, lists, texts, maps, prop::bool::ANY).prop_map(
        |(name, major, patch, lists, texts, maps, flag)| Entry {
            metadata: Metadata {
                name,
                version: format!("{major}.0.{patch}"),
                api_version: "v2".to_owned(),
                keywords: lists.0,
                sources: lists.1,
                description: texts.0,
                home: texts.1,
                app_version: texts.2,
                icon: texts.3,
                deprecated: flag,
                annotations: maps.0,
                dependencies: maps
                    .1
                    .into_iter()
                    .map(|(name, version, enabled)| {
                        Some(Dependency { name, version, enabled, ..Dependency::default() })
                    })
                    .collect(),
                maintainers: maps
                    .2
                    .into_iter()
                    .map(|(name, email)| Some(Maintainer { name, email, ..Maintainer::default() }))
                    .collect(),
                ..Metadata::default()
            },
            urls: lists.2,
            created: "2024-05-01T10:00:00.123Z".to_owned(),
            digest: texts.4,
            ..Entry::default()
        },
    )
}

#[test]
fn an_ordinary_fragment_is_read_back_without_a_tree() {
    let entry = Entry {
        metadata: Metadata {
            name: "a".to_owned(),
            version: "1.0.0".to_owned(),
            api_version: "v2".to_owned(),
            app_version: "1.10".to_owned(),
            description: "a chart: with \"quotes\" & <signs>".to_owned(),
            keywords: vec!["yes".to_owned(), "b".to_owned()],
            maintainers: vec![Some(Maintainer { name: "M".to_owned(), ..Maintainer::default() })],
            dependencies: vec![Some(Dependency { name: "d".to_owned(), ..Dependency::default() })],
            annotations: [("a/b".to_owned(), "- x: |\n    y\n".to_owned())].into(),
            deprecated: true,
            ..Metadata::default()
        },
        urls: vec!["charts/a-1.0.0.tgz".to_owned()],
        created: "2024-05-01T10:00:00.123456789Z".to_owned(),
        digest: "0".repeat(64),
        ..Entry::default()
    };
    assert_eq!(entry::read_fragment(&write::fragment(&entry)), Ok(entry));
}

fn charts() -> impl Strategy<Value = Vec<write::Listing>> {
    prop::collection::btree_map("[a-z][a-z0-9.-]{0,3}", prop::collection::vec(entry(), 0..4), 0..4)
        .prop_map(|charts| charts.into_iter().collect())
}

/// Makes a change of a text: the kind, the position and the replacement.
fn change() -> impl Strategy<Value = (u8, prop::sample::Index, String)> {
    let piece = prop_oneof![
        Just("\n"),
        Just(" "),
        Just("\t"),
        Just("  "),
        Just("\""),
        Just("'"),
        Just("- "),
        Just("-\n"),
        Just(": "),
        Just("#"),
        Just(" # c"),
        Just("\n# c\n"),
        Just("|\n"),
        Just("name: x\n"),
        Just("\\"),
        Just("\r\n"),
        Just("\n---\n"),
        Just("&a "),
        Just("*a"),
        Just("!!str "),
        Just("[]"),
        Just("{}"),
        Just("[a, b]"),
        Just("null"),
        Just("é"),
        Just("\u{85}"),
        Just("? "),
        Just("<<: "),
    ]
    .prop_map(str::to_owned);
    (0..4_u8, any::<prop::sample::Index>(), piece)
}

fn changed(mut text: String, changes: &[(u8, prop::sample::Index, String)]) -> String {
    for (kind, at, piece) in changes {
        if text.is_empty() {
            break;
        }
        let mut at = at.index(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let line = text[..at].rfind('\n').map_or(0, |at| at + 1);
        let end = text[at..].find('\n').map_or(text.len(), |length| at + length + 1);
        match kind {
            0 => text.insert_str(at, piece),
            1 => drop(text.drain(line..end)),
            2 => text.insert_str(line, piece),
            _ => text = format!("{}{}{}", &text[..end], &text[line..end], &text[end..]),
        }
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn both_readers_agree_on_what_is_written(charts in charts()) {
        let text = write::yaml(&charts, "2024-05-01T10:00:00Z");
        assert_agreed(&text);
        // Helm writes Unicode's line breaks as they are. Their folding is left to the full reader.
        let folds = text.contains(['\u{85}', '\u{2028}', '\u{2029}']);
        prop_assert!(folds || fast(&text).is_some(), "{text}");
    }

    #[test]
    fn both_readers_agree_on_what_was_written_and_changed(
        charts in charts(),
        changes in prop::collection::vec(change(), 1..4),
    ) {
        assert_agreed(&changed(write::yaml(&charts, "2024-05-01T10:00:00Z"), &changes));
    }

    #[test]
    fn both_readers_agree_on_changed_styles(changes in prop::collection::vec(change(), 1..4)) {
        let text = include_str!("../../testdata/index/styles.yaml");
        assert_agreed(&changed(text.to_owned(), &changes));
    }

    #[test]
    fn a_fragment_is_read_back_as_the_full_reader_reads_it(entry in entry()) {
        let text = write::fragment(&entry);
        let full = full::read_item(text.as_bytes(), &Limits::default()).expect("written by us");
        if let Ok(quick) = entry::read_fragment(&text) {
            prop_assert_eq!(Some(&quick), full.as_ref(), "{}", text);
            let json = |entry: Option<&Entry>| crate::json::to_vec(&entry);
            prop_assert_eq!(json(Some(&quick)), json(full.as_ref()));
        }
    }

    #[test]
    fn an_index_in_json_says_what_the_same_says_in_yaml(charts in charts()) {
        let read = |text: String| told(Index::read(text.into(), "here", &Limits::default()));
        let generated = "2024-05-01T10:00:00Z";
        prop_assert_eq!(read(write::json(&charts, generated)), read(write::yaml(&charts, generated)));
    }
}

/// Helm's result for a document.
#[derive(serde::Deserialize)]
struct Answer {
    document: String,
    error: Option<String>,
    index: Option<String>,
    dropped: usize,
}

#[test]
fn every_answer_of_helm_is_ours() {
    let answers: Vec<Answer> =
        serde_json::from_str(include_str!("../../testdata/index/read.json")).expect("answers");
    assert_eq!(answers.len(), 131, "the whole table was read");
    for Answer { document, error, index, dropped } in answers {
        let read = Index::read(document.clone().into(), "here", &Limits::default());
        if let Some(expected) = error {
            let error = read.map(drop).expect_err(&document);
            // Our YAML reader adds the position, which Helm often omits, and may name another
            // cause.
            let syntax = "error converting YAML to JSON: yaml: ";
            if expected.starts_with(syntax) && !expected.contains("unmarshal errors") {
                assert!(error.message().starts_with(syntax), "{document}: {error}");
            } else {
                assert_eq!(error.message(), expected, "{document}");
            }
            continue;
        }
        let read = read.expect(&document);
        assert_eq!(read.warnings().len(), dropped, "{document}");
        let listings: Vec<write::Listing> = read
            .charts()
            .map(|chart| {
                let entries = chart.versions().iter().map(|line| line.decode().expect(&document));
                (chart.name().to_owned(), entries.collect())
            })
            .collect();
        // The writer omits the fields beside the entries, and does not distinguish a list without
        // URLs from a missing one.
        let mut expected: serde_json::Value =
            serde_json::from_str(&index.expect("an index")).expect("JSON");
        for key in ["serverInfo", "publicKeys", "annotations"] {
            expected.as_object_mut().expect("an object").remove(key);
        }
        expected["apiVersion"] = "v1".into();
        if expected["entries"].is_null() {
            expected["entries"] = serde_json::json!({});
        }
        let [ours, theirs] = [write::json(&listings, read.generated()), expected.to_string()]
            .map(|text| text.replace(": null", ": []").replace(":null", ":[]"))
            .map(|text| serde_json::from_str::<serde_json::Value>(&text).expect("JSON"));
        assert_eq!(ours, theirs, "{document}");
    }
}
