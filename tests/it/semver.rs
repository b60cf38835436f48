//! Versions and constraints against what Masterminds/semver answered, line by line.

use chartferry::{constraint::Constraint, version::Version};
use proptest::prelude::*;
use serde::Deserialize;
use std::collections::BTreeMap;

const GOLDEN: &str = include_str!("../../testdata/semver/masterminds.txt");
/// The versions that the constraints of the golden were put to, in its order.
const VERSIONS: &str = "0.0.0 0.0.3 0.0.4 0.1.0 0.2.3 0.2.9 0.3.0 1.0.0 1.2.0 1.2.3 1.2.9 1.3.0 1.2.3-alpha 1.3.0-beta 2.0.0-rc.1 2.0.0 2.1.0 1.2.3+b 3.0.0-0";

#[test]
fn every_line_of_the_golden_is_answered_alike() {
    let mut constraints = 0;
    let mut versions = 0;
    for line in GOLDEN.lines() {
        let (input, expected) = split_quoted(line);
        let expected = expected.split_whitespace().collect::<Vec<_>>().join(" ");
        let answer = if expected.starts_with("loose=") {
            versions += 1;
            answer_version(&input)
        } else {
            constraints += 1;
            answer_constraint(&input)
        };
        assert_eq!(answer, expected, "of {input:?}");
    }
    assert!(constraints > 80 && versions > 20, "the golden is there");
}

fn split_quoted(line: &str) -> (String, &str) {
    let end = line[1..].find('"').expect("a quoted input") + 1;
    (line[1..end].into(), line[end + 1..].trim())
}

fn answer_constraint(input: &str) -> String {
    match Constraint::parse(input) {
        Err(error) => format!("ERR {error}"),
        Ok(constraint) => {
            let matching: Vec<_> = VERSIONS
                .split(' ')
                .filter(|text| constraint.matches(&Version::parse_loose(text).expect("a version")))
                .collect();
            format!("str=\"{constraint}\" [{}]", matching.join(" "))
        }
    }
}

fn answer_version(input: &str) -> String {
    let loose = match Version::parse_loose(input) {
        Ok(version) => format!("<nil>({version} orig={})", version.original()),
        Err(error) => format!("{error}()"),
    };
    let strict =
        Version::parse_strict(input).map_or_else(|error| error.to_string(), |_| "<nil>".into());
    format!("loose={loose} strict={strict}")
}

#[derive(Deserialize)]
struct Answers {
    /// Text, the full form or the error of the loose reading, `ok` or the error of the strict one.
    versions: Vec<[String; 3]>,
    /// Text, and the error or the text shown and a bit for each version that could be read.
    constraints: Vec<[String; 2]>,
}

#[test]
fn constraints_at_random_are_answered_alike() {
    let answers: Answers =
        serde_json::from_str(include_str!("../../testdata/semver/masterminds-3.5.json")).unwrap();
    assert!(answers.constraints.len() > 350 && answers.versions.len() > 60, "the golden is there");
    let mut versions = Vec::new();
    for [text, loose, strict] in &answers.versions {
        match Version::parse_loose(text) {
            Ok(version) => {
                assert_eq!(&version.to_string(), loose, "{text:?}");
                versions.push(version);
            }
            Err(error) => assert_eq!(&format!("E {error}"), loose, "{text:?}"),
        }
        let answer =
            Version::parse_strict(text).map_or_else(|error| error.to_string(), |_| "ok".into());
        assert_eq!(&answer, strict, "{text:?}");
    }
    for [text, expected] in &answers.constraints {
        let answer = match Constraint::parse(text) {
            Ok(constraint) => {
                let bit = |version| if constraint.matches(version) { '1' } else { '0' };
                format!("{constraint} {}", versions.iter().map(bit).collect::<String>())
            }
            Err(error) => format!("E {error}"),
        };
        assert_eq!(&answer, expected, "{text:?}");
    }
}

#[test]
fn the_older_matrix_agrees_too() {
    type Matrix = BTreeMap<String, BTreeMap<String, String>>;
    let matrix: Matrix =
        serde_json::from_str(include_str!("../../testdata/semver/masterminds-3.2.json")).unwrap();
    assert!(matrix.len() > 50, "the golden is there");
    for (text, answers) in matrix {
        let constraint = Constraint::parse(&text).ok();
        for (version, expected) in answers {
            let parsed = Version::parse_loose(&version).unwrap();
            let answer = constraint.as_ref().map(|constraint| constraint.matches(&parsed));
            let answer = answer.map_or("BADC".into(), |answer| answer.to_string());
            // Later versions than 3.2 keep prereleases out of `!=` as out of all else.
            if text.contains("!=") && parsed.is_prerelease() {
                continue;
            }
            assert_eq!(answer, expected, "{version} in {text:?}");
        }
    }
}

#[test]
fn caps_are_masterminds_own() {
    for (text, message) in [
        ("1".repeat(513), "constraint string is too long (max 512 bytes)"),
        (["1"; 33].join("||"), "too many constraint groups (max 32)"),
        (format!("=1.2.3-{}", "a".repeat(300)), "constraint parser error"),
    ] {
        assert_eq!(Constraint::parse(&text).unwrap_err().to_string(), message);
    }
    assert!(Constraint::parse(&["1"; 32].join("||")).is_ok());
    let long = format!("1.2.3-{}", "a".repeat(251));
    for error in
        [Version::parse_loose(&long).unwrap_err(), Version::parse_strict(&long).unwrap_err()]
    {
        assert_eq!(error.to_string(), "version string is too long (max 256 bytes)");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_version_or_not(text in any::<String>(), near in "[v0-9.+a-c-]{0,20}") {
        for text in [text, near] {
            let loose = Version::parse_loose(&text);
            if let Ok(strict) = Version::parse_strict(&text) {
                let theirs = semver::Version::parse(&text).ok();
                prop_assert_eq!(theirs.as_ref(), Some(strict.precedence()));
                prop_assert_eq!(loose.as_ref().ok(), Some(&strict));
            } else {
                prop_assert!(semver::Version::parse(&text).is_err(), "{}", text);
            }
            if let Ok(version) = loose {
                prop_assert_eq!(version.original(), text);
                prop_assert_eq!(&Version::parse_strict(&version.to_string()).unwrap(), &version);
            }
        }
    }

    #[test]
    fn any_text_is_a_constraint_or_not(text in any::<String>(), near in "[v0-9.x*<>=!~^|, a-]{0,24}") {
        for text in [text, near] {
            if let Ok(constraint) = Constraint::parse(&text) {
                // What is shown means the same.
                let again = Constraint::parse(&constraint.to_string()).unwrap();
                for version in VERSIONS.split(' ') {
                    let version = Version::parse_loose(version).unwrap();
                    prop_assert_eq!(constraint.matches(&version), again.matches(&version), "{} {}", text, version);
                }
            }
        }
    }

    #[test]
    fn versions_are_ordered_without_regard_to_build_and_spelling(a in "(v|)[0-3](\\.[0-3]){0,2}(-[a01]{1,2}|)", build in "[a-z0-9]{1,4}") {
        if let Ok(version) = Version::parse_loose(&a) {
            let built = Version::parse_loose(&format!("{a}+{build}")).unwrap();
            prop_assert_eq!(&built, &version);
            let exactly = Constraint::parse(&format!("={version}")).unwrap();
            prop_assert!(exactly.matches(&built));
        }
    }
}
