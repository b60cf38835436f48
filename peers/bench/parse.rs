//! `compare parse`: a search in a large index, by `helm search repo` and by ours. Both read the
//! same cached index of one repository, as helm writes it.

use crate::{Bench, strings, text};
use std::{
    fs::{self, File},
    io::{BufWriter, Write},
};

const WORDS: [&str; 20] = [
    "scalable",
    "cloud",
    "native",
    "database",
    "cache",
    "queue",
    "web",
    "server",
    "metrics",
    "exporter",
    "operator",
    "controller",
    "ingress",
    "gateway",
    "storage",
    "snapshot",
    "backup",
    "cluster",
    "service",
    "mesh",
];
/// Versions of each chart.
const VERSIONS: usize = 38;

/// Measures with indexes of about that many entries each.
pub(crate) fn run(bench: &Bench, sizes: &[usize]) {
    for entries in sizes {
        let cache = bench.scratch.path().join(format!("cache-{entries}"));
        fs::create_dir_all(&cache).unwrap();
        let config = cache.join("repositories.yaml");
        let repository =
            "apiVersion: v1\nrepositories:\n- name: big\n  url: https://charts.example.com\n";
        fs::write(&config, repository).unwrap();
        let index = cache.join("big-index.yaml");
        write_index(&mut BufWriter::new(File::create(&index).unwrap()), *entries);
        let size = fs::metadata(&index).unwrap().len() as f64 / 1e6;
        let title = format!("parse: search in an index of {entries} entries, {size:.1} MB");
        let args = strings([
            "search",
            "repo",
            "snapshot-operator",
            "--repository-config",
            text(&config),
            "--repository-cache",
            text(&cache),
        ]);
        bench.compare(&title, 1, |_| args.clone(), None);
    }
}

/// An index as helm lays it out, of the size per entry that a large public repository has.
fn write_index(out: &mut impl Write, entries: usize) {
    let mut state = 7_u64;
    let mut random = |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut text = String::from("apiVersion: v1\nentries:\n");
    for chart in 0..entries.div_ceil(VERSIONS) {
        let name = format!("chart-{chart:05}-{}-{}", WORDS[random(20)], WORDS[random(20)]);
        text.push_str(&format!("  {name}:\n"));
        for version in (0..VERSIONS).rev().take(entries - chart * VERSIONS) {
            let app = format!("{}.{}.{}", random(9), random(30), random(9));
            let version = format!("{}.{}.{}", version / 10 + 1, version % 10, random(9));
            let words: Vec<&str> = (0..14).map(|_| WORDS[random(20)]).collect();
            let digest: String =
                (0..64).map(|_| char::from(b"0123456789abcdef"[random(16)])).collect();
            text.push_str(&format!(
                "  - annotations:\n      category: Infrastructure\n      images: |\n        - name: {name}\n          \
                 image: registry.example.com/library/{name}:{app}-debian-12-r{chart}\n      licenses: Apache-2.0\n    \
                 apiVersion: v2\n    appVersion: {app}\n    created: \"2024-05-01T10:11:12.123456789Z\"\n    \
                 dependencies:\n    - condition: dep.enabled\n      name: dep\n      \
                 repository: oci://registry.example.com/charts\n      version: 2.x.x\n    description: {}\n    \
                 digest: {digest}\n    home: https://example.com/{name}\n    \
                 icon: https://example.com/assets/stacks/{name}/img/{name}-stack-220x234.png\n    keywords:\n    \
                 - {}\n    - {}\n    - {}\n    maintainers:\n    - name: Example, Inc.\n      \
                 url: https://example.com/charts\n    name: {name}\n    sources:\n    \
                 - https://example.com/charts/tree/main/{name}\n    - https://example.com/containers/tree/main/{name}\n    \
                 urls:\n    - https://charts.example.com/packages/{name}-{version}.tgz\n    version: {version}\n",
                words.join(" "),
                words[0],
                words[1],
                words[2],
            ));
        }
        out.write_all(text.as_bytes()).unwrap();
        text.clear();
    }
    out.write_all(b"generated: \"2024-05-01T12:00:00Z\"\n").unwrap();
    out.flush().unwrap();
}
