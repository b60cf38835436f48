//! Versions and constraints against what Masterminds/semver answered, line by line.

use chartferry::{constraint::Constraint, version::Version};

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
