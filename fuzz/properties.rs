//! What must hold of any bytes, one function a parser. The fuzz targets call one each; `tests/it/fuzz.rs` calls all of them on
//! the corpus. Beyond what is asserted, none may panic, overflow the stack or take more memory than its limits say.

#![allow(dead_code, reason = "each target uses one of them")]

use chartferry::{
    archive::{Keep, read},
    client::Challenge,
    constraint::Constraint,
    index::{Index, write},
    limits::{KIB, Limits, MIB},
    oci::Reference,
    version::Version,
    yaml::{self, Duplicates},
};

/// A reference that can be read is shown as one that means the same.
pub(crate) fn reference(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let _ = Reference::parse_namespace(text);
    if let Ok(reference) = text.parse::<Reference>() {
        assert_eq!(reference.to_string().parse(), Ok(reference));
    }
}

/// A constraint, on the first line, is shown as one that takes the same versions, on the other lines.
pub(crate) fn constraint(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let mut lines = text.lines();
    let constraint = Constraint::parse(lines.next().unwrap_or_default());
    let again = constraint
        .as_ref()
        .map(|own| Constraint::parse(&own.to_string()).expect("what is shown can be read"));
    for line in lines {
        let Ok(version) = Version::parse_loose(line) else {
            assert!(Version::parse_strict(line).is_err(), "{line:?} is strict and not loose");
            continue;
        };
        assert_eq!(Version::parse_strict(&version.to_string()).as_ref(), Ok(&version));
        if let (Ok(constraint), Ok(again)) = (&constraint, &again) {
            assert_eq!(
                constraint.matches(&version),
                again.matches(&version),
                "{constraint} {version}"
            );
        }
    }
}

/// What the strict reading takes, the loose one takes alike; what is written is read as what it was.
pub(crate) fn yaml(bytes: &[u8]) {
    let mut limits = Limits::default();
    limits.yaml_nodes = 100_000;
    limits.yaml_alias_bytes = 1_000_000;
    let loose = yaml::parse(bytes, Duplicates::LastWins, &limits);
    let _ = yaml::parse_all(bytes, Duplicates::LastWins, &limits);
    if let Ok(strict) = yaml::parse(bytes, Duplicates::Error, &limits)
        && strict.require_json().is_ok()
    {
        assert_eq!(loose.as_ref(), Ok(&strict));
    }
    let Ok(value) = loose else { return };
    let text = yaml::emit(&value);
    // Line ends of YAML 1.1 take the blanks around them along; an infinity stays one, a NaN is not even itself.
    if text.contains(['\u{2028}', '\u{2029}']) || value.require_json().is_err() {
        return;
    }
    let back = yaml::parse(text.as_bytes(), Duplicates::Error, &Limits::default())
        .expect("what is written can be read");
    assert_eq!(yaml::emit(&back), text);
}

/// An archive that can be read has a digest of its contents.
pub(crate) fn archive_read(bytes: &[u8]) {
    let mut limits = Limits::default();
    limits.chart_bytes = 4 * MIB;
    limits.chart_file_bytes = MIB;
    limits.nested_bytes = 8 * MIB;
    limits.archive_bytes = 512 * KIB;
    limits.chart_entries = 1000;
    if let Ok(chart) = read::read(bytes, Keep::Everything, &limits) {
        read::content_digest(bytes, &limits).expect("what can be read has a digest");
        let less = read::read(bytes, Keep::Nothing, &limits).expect("keeping less is no harder");
        assert_eq!(less.metadata, chart.metadata);
    }
}

/// Any header is a list of challenges, if an empty one.
pub(crate) fn challenge(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let whole = Challenge::parse([text]);
    assert!(whole.iter().all(|challenge| !challenge.scheme.is_empty()), "{whole:?}");
    let _ = Challenge::parse(text.lines());
}

/// An index that can be read says what it says when it is written and read again, in YAML and in JSON.
pub(crate) fn index(bytes: &[u8]) {
    let mut limits = Limits::default();
    limits.index_bytes = MIB;
    limits.index_entries = 1000;
    let Ok(index) = Index::read(bytes.to_vec().into(), "fuzz", &limits) else { return };
    let listings = |index: &Index| -> Vec<write::Listing> {
        let entries =
            |line: &chartferry::index::Line| line.decode().expect("what was read can be decoded");
        index
            .charts()
            .map(|chart| (chart.name().to_owned(), chart.versions().iter().map(entries).collect()))
            .collect()
    };
    let before = listings(&index);
    for (_, entry) in
        before.iter().flat_map(|(name, entries)| entries.iter().map(move |entry| (name, entry)))
    {
        // What Helm writes plain and cannot read again itself, and line ends of YAML 1.1.
        if format!("{entry:?}").contains("<<") || format!("{entry:?}").contains("\\u{") {
            return;
        }
    }
    for text in [write::yaml(&before, index.generated()), write::json(&before, index.generated())] {
        let again =
            Index::read(text.clone().into(), "fuzz", &limits).expect("what is written can be read");
        assert_eq!(listings(&again), before, "{text}");
    }
}
