//! How fast charts are packaged, read and shown: `cargo bench --bench archive`. The charts are
//! those of `charts-fixtures`, and one made here of the size of a large public chart. Comparisons
//! with other tools are in `peers/`.

// What cannot be set up cannot be measured.
#![allow(clippy::unwrap_used)]

use chartferry::{
    archive::{Keep, dir, read},
    limits::Limits,
    ops::{
        package::{Options, package_to},
        show::{Part, show},
    },
};
use divan::{Bencher, counter::BytesCount};
use std::{
    fmt::Write as _,
    fs,
    io::Read as _,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::LazyLock,
};

fn main() {
    divan::main();
}

static LARGE: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let place = tempfile::tempdir().unwrap();
    write_large(place.path());
    place
});

/// As large as kube-prometheus-stack, 7 MB inflated: 60 resource definitions of 100 kB, values of
/// 200 kB.
fn write_large(place: &Path) {
    for folder in ["crds", "templates"] {
        fs::create_dir(place.join(folder)).unwrap();
    }
    let chart = "apiVersion: v2\nname: large\nversion: 1.0.0\n";
    fs::write(place.join("Chart.yaml"), chart).unwrap();
    let mut state: u32 = 1;
    let mut word = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ["spec", "description", "properties", "type", "string", "object", "metadata", "the", "of"]
            [state as usize >> 16 & 7]
    };
    for at in 0..60 {
        let mut crd = String::new();
        while crd.len() < 100_000 {
            let (key, value) = (word(), word());
            writeln!(
                crd,
                "{:indent$}{key}{at}: a {value} {} {}",
                "",
                word(),
                crd.len(),
                indent = crd.len() % 24
            )
            .unwrap();
        }
        fs::write(place.join(format!("crds/crd{at}.yaml")), crd).unwrap();
    }
    let mut values = String::new();
    for at in 0..5_000 {
        writeln!(values, "key{at}:\n  # {}\n  {}: {at}", word(), word()).unwrap();
    }
    fs::write(place.join("values.yaml"), values).unwrap();
    for at in 0..200 {
        let text = format!("{{{{- if .Values.key{at} }}}}\nkind: ConfigMap\n{{{{- end }}}}\n");
        fs::write(place.join(format!("templates/t{at}.yaml")), text).unwrap();
    }
}

fn source(name: &str) -> PathBuf {
    match name {
        "large" => LARGE.path().to_owned(),
        _ => Path::new(env!("CARGO_MANIFEST_DIR")).join("charts-fixtures").join(name),
    }
}

fn archive(name: &str) -> Vec<u8> {
    package_to(&source(name), Vec::new(), None, &options(1)).unwrap().1
}

fn options(threads: usize) -> Options {
    let mut options = Options::new(None);
    options.threads = NonZeroUsize::new(threads).unwrap();
    options
}

/// How many bytes the chart has once inflated.
fn size(archive: &[u8]) -> BytesCount {
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(archive).read_to_end(&mut tar).unwrap();
    BytesCount::new(tar.len())
}

const CHARTS: [&str; 3] = ["web", "umbrella", "large"];

#[divan::bench(args = CHARTS)]
fn package(bencher: Bencher<'_, '_>, name: &str) {
    let source = source(name);
    bencher
        .counter(size(&archive(name)))
        .bench(|| package_to(&source, Vec::new(), None, &options(1)).unwrap());
}

#[divan::bench(args = [1, 2, 4])]
fn package_large_on_threads(bencher: Bencher<'_, '_>, threads: usize) {
    let source = source("large");
    bencher
        .counter(size(&archive("large")))
        .bench(|| package_to(&source, Vec::new(), None, &options(threads)).unwrap());
}

#[divan::bench(args = CHARTS)]
fn load_directory(bencher: Bencher<'_, '_>, name: &str) {
    let source = source(name);
    bencher.bench(|| dir::load(&source, Keep::Nothing, &Limits::default()).unwrap());
}

#[divan::bench(args = CHARTS)]
fn judge_archive(bencher: Bencher<'_, '_>, name: &str) {
    let archive = archive(name);
    bencher
        .counter(size(&archive))
        .bench(|| read::read(&archive[..], Keep::Nothing, &Limits::default()).unwrap());
}

#[divan::bench(args = CHARTS)]
fn content_digest(bencher: Bencher<'_, '_>, name: &str) {
    let archive = archive(name);
    bencher
        .counter(size(&archive))
        .bench(|| read::content_digest(&archive[..], &Limits::default()).unwrap());
}

#[divan::bench(args = CHARTS)]
fn show_all(bencher: Bencher<'_, '_>, name: &str) {
    let archive = archive(name);
    bencher.counter(size(&archive)).bench(|| {
        let chart = read::read(&archive[..], Keep::Documents, &Limits::default()).unwrap();
        show(&chart, Part::All)
    });
}
