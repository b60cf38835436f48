//! How fast YAML is read and written and versions are matched: `cargo bench --bench text`. What a
//! chart's archive costs on top is in `archive.rs`.

// What cannot be set up cannot be measured.
#![allow(clippy::unwrap_used)]

use chartferry::{
    constraint::Constraint,
    json,
    limits::Limits,
    version::Version,
    yaml::{self, Duplicates, Value},
};
use divan::{Bencher, black_box, counter::BytesCount};
use std::fmt::Write as _;

fn main() {
    divan::main();
}

const CHART: &str = include_str!("../charts-fixtures/umbrella/Chart.yaml");

/// Values as charts have them: half of the lines are comments, the rest nested maps, some lists,
/// some blocks.
fn values(sections: usize) -> String {
    let mut text = String::from("# Default values.\n\n");
    for at in 0..sections {
        writeln!(
            text,
            "## @section Component {at}\n## Parameters of component {at}, which has a good many of them\n##\n\
             component{at}:\n  ## @param component{at}.enabled Whether it is installed\n  ##\n  enabled: true\n  \
             replicaCount: {at}\n  image:\n    registry: docker.io\n    repository: example/component-{at}\n    \
             tag: \"1.{at}.0\"\n    pullPolicy: IfNotPresent\n  args:\n    - --port=8080\n    - \"--log-level=info\"\n  \
             resources:\n    limits: {{cpu: 100m, memory: 128Mi}}\n    requests: {{}}\n  ## e.g.\n  ## affinity:\n  \
             ##   nodeAffinity: {{}}\n  ##\n  affinity: {{}}\n  config: |\n    [server]\n    address = 0.0.0.0\n    \
             timeout = 30\n"
        )
        .unwrap();
    }
    text
}

#[divan::bench(args = [("Chart.yaml", 0), ("values, small", 8), ("values, large", 400)])]
fn read(bencher: Bencher<'_, '_>, (_, sections): (&str, usize)) {
    let text = document(sections);
    let limits = Limits::default();
    bencher
        .counter(BytesCount::of_str(&text))
        .bench(|| yaml::parse(black_box(text.as_bytes()), Duplicates::LastWins, &limits).unwrap());
}

#[divan::bench(args = [("Chart.yaml", 0), ("values, large", 400)])]
fn write(bencher: Bencher<'_, '_>, (_, sections): (&str, usize)) {
    let value = parse(&document(sections));
    bencher
        .counter(BytesCount::of_str(&yaml::emit(&value)))
        .bench(|| yaml::emit(black_box(&value)));
}

#[divan::bench]
fn write_json(bencher: Bencher<'_, '_>) {
    let value = parse(CHART);
    bencher.bench(|| json::to_vec(black_box(&value)));
}

fn document(sections: usize) -> String {
    if sections == 0 { CHART.into() } else { values(sections) }
}

fn parse(text: &str) -> Value {
    yaml::parse(text.as_bytes(), Duplicates::LastWins, &Limits::default()).unwrap()
}

#[divan::bench(args = ["1.2.3", "^1.2", ">=1.20.0-0 <2.0.0 || ~3.1.x", "1.2 - 3.0.0"])]
fn read_constraint(text: &str) -> Constraint {
    Constraint::parse(text).unwrap()
}

#[divan::bench(args = ["1.2.3", "v1.28.3-rc.1+build.5"])]
fn read_version(text: &str) -> Version {
    Version::parse_loose(text).unwrap()
}

/// The newest of a thousand tags that lies within a range, which is what `pull --version` does.
#[divan::bench]
fn newest_of_1000(bencher: Bencher<'_, '_>) {
    let tags: Vec<String> =
        (0..1000).map(|at| format!("{}.{}.{}", at / 100, at / 10 % 10, at % 10)).collect();
    bencher.bench(|| {
        let constraint = Constraint::parse(black_box("^7.2")).unwrap();
        let versions = tags.iter().filter_map(|tag| Version::parse_loose(tag).ok());
        versions.filter(|version| constraint.matches(version)).max()
    });
}
