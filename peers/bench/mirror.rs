//! `compare mirror`: a repository of many versions into a registry: `chartferry mirror` beside a
//! loop of `helm pull` and `helm push`. The loop is measured on a sample and pulls by the archive's
//! address, which spares helm the index; what is printed for all versions is the sample's time a
//! version.

use crate::support::{
    Test,
    daemon::Daemon,
    peers,
    web::{File, Web},
};
use flate2::{Compression, write::GzEncoder};
use std::{path::Path, time::Instant};

/// Versions of each chart.
const VERSIONS: usize = 50;
/// Versions that helm's loop is measured on.
const SAMPLE: usize = 40;
/// Rounds of ours; the median is printed.
const ROUNDS: usize = 3;

/// Measures a repository of `versions` versions.
pub(crate) fn run(versions: usize) {
    println!("\nmirror: {versions} versions of {} charts", versions.div_ceil(VERSIONS));
    let web = repository(versions);
    let helm = helm(&web, versions.min(SAMPLE));
    println!(
        "  {:<46}{:>9.2} ms a version (sample of {}), {:.1} s for all",
        "helm pull + helm push, distribution 3",
        helm,
        versions.min(SAMPLE),
        helm * versions as f64 / 1000.0
    );
    for (name, start) in [
        ("distribution 3", Daemon::distribution_3 as fn() -> Daemon),
        ("chartferry serve", || Daemon::chartferry(["-q"])),
    ] {
        let registry = start();
        let mut first = Vec::new();
        let mut again = Vec::new();
        for round in 0..ROUNDS {
            let destination = format!("{}/round-{round}", registry.oci());
            first.push(ours(&web, &destination, &format!("{versions} sent")));
            again.push(ours(&web, &destination, "the source has not changed"));
        }
        let (first, again) = (median(first), median(again));
        let each = first / versions as f64;
        println!(
            "  {:<46}{each:>9.2} ms a version, {:.1} s for all: {:.1}x",
            format!("chartferry mirror, {name}"),
            first / 1000.0,
            helm / each
        );
        println!("  {:<46}{again:>9.2} ms for all", "  again, nothing to do");
    }
}

/// A repository on the web.
fn repository(versions: usize) -> Web {
    let web = Web::start();
    let mut index = "apiVersion: v1\nentries:\n".to_owned();
    for n in 0..versions {
        let (name, version) = version(n);
        if n % VERSIONS == 0 {
            index.push_str(&format!("  {name}:\n"));
        }
        let bytes = archive(&name, &version);
        index.push_str(&format!(
            "  - apiVersion: v2\n    name: {name}\n    version: {version}\n    created: \"2024-05-06T07:08:09Z\"\n    \
             digest: {}\n    urls:\n    - {name}-{version}.tgz\n",
            chartferry::digest::Digest::sha256(&bytes).hex()
        ));
        web.file(&format!("/{name}-{version}.tgz"), bytes);
    }
    web.put("/index.yaml", File::Tagged("\"1\"", index.into_bytes()));
    web
}

fn version(n: usize) -> (String, String) {
    (format!("chart-{}", n / VERSIONS), format!("1.{}.0", n % VERSIONS))
}

/// An archive of about 10 kB, most of which does not compress, as a small real chart's.
fn archive(name: &str, version: &str) -> Vec<u8> {
    let mut noise = chartferry::digest::Digest::sha256(format!("{name} {version}").as_bytes());
    let mut text = String::new();
    for _ in 0..200 {
        text.push_str(&format!("# {}\n", noise.hex()));
        noise = chartferry::digest::Digest::sha256(noise.as_str().as_bytes());
    }
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for (path, text) in [
        ("Chart.yaml", format!("apiVersion: v2\nname: {name}\nversion: {version}\n")),
        ("values.yaml", "a: 1\n".to_owned()),
        ("templates/config.yaml", text),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(1_600_000_000);
        tar.append_data(&mut header, format!("{name}/{path}"), text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// Milliseconds a version of helm's loop.
fn helm(web: &Web, sample: usize) -> f64 {
    let registry = Daemon::distribution_3();
    let (place, program) = (Test::new(), peers::find("helm"));
    let destination = format!("{}/helm", registry.oci());
    let start = Instant::now();
    for n in 0..sample {
        let (name, version) = version(n);
        let file = format!("{name}-{version}.tgz");
        let url = format!("{}/{file}", web.url());
        place.run_program(&program, ["pull", &url]).anything().succeeds();
        place
            .run_program(&program, ["push", &file, &destination, "--plain-http"])
            .anything()
            .succeeds();
    }
    start.elapsed().as_secs_f64() * 1000.0 / sample as f64
}

/// Milliseconds of one mirror.
fn ours(web: &Web, destination: &str, said: &str) -> f64 {
    let place = Test::new();
    let program = Path::new(env!("CARGO_BIN_EXE_chartferry"));
    let url = web.url();
    let start = Instant::now();
    place
        .run_program(program, ["mirror", &url, destination])
        .stdout_has(said)
        .any_stderr()
        .succeeds();
    let elapsed = start.elapsed().as_secs_f64() * 1000.0;
    drop(web.take());
    elapsed
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
