//! Whole migrations: a generated repository with every trap that real ones hold, carried from one
//! kind of place to the next and compared byte by byte, through kills, shards and rate limits.

mod ends;
mod front;
mod generator;
mod kill;
mod kinds;
mod limited;
mod particular;
mod peers;
mod rewriting;
mod shards;
mod stop;

use crate::support::{Test, daemon::Daemon, web::Web};
use front::Front;
use generator::{Fate, Generated};
use std::{collections::BTreeMap, path::Path};

/// The generated repository on the web, a registry behind a front that writes down, and a place to
/// run in.
struct Migration {
    test: Test,
    web: Web,
    /// Where one version's archive lies apart from the rest.
    other: Web,
    registry: Daemon,
    front: Front,
    made: Generated,
}

impl Migration {
    /// Of so many ordinary versions, and the traps.
    fn new(ordinary: usize) -> Self {
        Self::to(ordinary, Daemon::chartferry([]))
    }

    fn to(ordinary: usize, registry: Daemon) -> Self {
        let (mut test, web, other) = (Test::new(), Web::start(), Web::start());
        let front = Front::to(&registry.address());
        test.call(front.address(), "[REGISTRY]").call(web.url(), "[WEB]");
        let made = generator::generate(ordinary, &other.url(), &registry.address());
        made.publish(&web, &other);
        let migration = Self { test, web, other, registry, front, made };
        migration.push_elsewhere();
        migration.forget();
        migration
    }

    /// The chart that the index names by an `oci://` address must lie there.
    fn push_elsewhere(&self) {
        let (name, bytes) = &self.made.elsewhere;
        self.test.file(name, bytes);
        let to = format!("{}/elsewhere", self.registry.oci());
        self.test.run(["push", name, &to]).anything().succeeds();
    }

    fn source(&self) -> String {
        format!("{}/charts", self.web.url())
    }

    fn destination(&self) -> String {
        format!("oci://{}/moved", self.front.address())
    }

    fn mirror(&self, from: &str, to: &str, flags: &[&str]) -> serde_json::Value {
        let args = ["mirror", from, to, "-o", "json"].into_iter().chain(flags.iter().copied());
        let outcome = self.test.run(args).outcome();
        // All, some or none was carried; what else may have happened leaves no report.
        assert!(matches!(outcome.code, Some(0 | 1 | 3)), "{from} -> {to}: {outcome:?}");
        let report: serde_json::Value = serde_json::from_slice(&outcome.bytes)
            .unwrap_or_else(|_| panic!("{from} -> {to}: {outcome:?}"));
        report["runs"][0].clone()
    }

    /// Nothing of what was asked up to now is counted.
    fn forget(&self) {
        drop((self.web.take(), self.other.take(), self.front.take()));
    }

    /// What should lie at a destination: file names with their bytes.
    fn expected(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        for version in self.made.versions.iter().filter(|version| version.fate == Fate::Carried) {
            let file = format!("{}-{}.tgz", version.chart, version.version);
            files.insert(file.clone(), version.archive.clone());
            if let Some(provenance) = &version.provenance {
                files.insert(format!("{file}.prov"), provenance.clone());
            }
        }
        files
    }

    /// Pulls everything out of the registry's namespace into a folder, and compares.
    #[track_caller]
    fn compare_registry(&self, oci: &str, folder: &str) {
        let report = self.mirror(oci, folder, &[]);
        assert_eq!(report["counts"]["failed"], 0, "{report:#}");
        self.compare_folder(&self.test.path(folder));
    }

    /// A folder has what it should have, and no archive more.
    #[track_caller]
    fn compare_folder(&self, folder: &Path) {
        let mut found = BTreeMap::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if name.ends_with(".tgz") || name.ends_with(".prov") {
                found.insert(name, std::fs::read(entry.path()).unwrap());
            }
        }
        same(&self.expected(), &found);
    }
}

/// The same files with the same bytes.
#[track_caller]
fn same(expected: &BTreeMap<String, Vec<u8>>, found: &BTreeMap<String, Vec<u8>>) {
    let missing: Vec<&String> = expected.keys().filter(|name| !found.contains_key(*name)).collect();
    let more: Vec<&String> = found.keys().filter(|name| !expected.contains_key(*name)).collect();
    assert!(missing.is_empty() && more.is_empty(), "missing {missing:?}, too much {more:?}");
    for (name, bytes) in expected {
        assert!(*bytes == found[name], "`{name}` has other bytes");
    }
}
