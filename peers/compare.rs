//! helm and chartferry in turn, in one run, so that both meet the same machine in the same mood:
//! medians of wall and processor time, peak memory, requests on the wire, and the ratio. It
//! measures and judges nothing: what the numbers are to be stands in docs/benchmarks.md.
//! `peers/compare` builds and runs it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "bench/artifact.rs"]
mod artifact;
#[path = "bench/index.rs"]
mod index;
#[path = "bench/mirror.rs"]
mod mirror;
#[path = "bench/museum.rs"]
mod museum;
#[path = "bench/parse.rs"]
mod parse;
#[path = "../tests/it/support/mod.rs"]
mod support;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};
use support::{Test, daemon::Daemon, list, peers, proxy::Proxy, source_tree};

const USAGE: &str = "usage: peers/compare start|package|show|push|pull|all|index|parse|mirror|museum|artifact|copy [--rounds N] [--archives N] [--entries N]… [--versions N] [--uploads N] [--against distribution|docker-registry|chartferry] [CHART-DIR…]";

fn main() -> ExitCode {
    let mut what = Vec::new();
    let mut charts = Vec::new();
    let (mut archives, mut entries) = (10_000, Vec::new());
    let (mut rounds, mut against, mut uploads) = (9, "distribution".to_owned(), None);
    let mut versions = None;
    let (mut files, mut copies) = (false, false);
    // `cargo bench` adds `--bench` for the harness that this is not.
    let mut args = env::args().skip(1).filter(|arg| arg != "--bench");
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "start" | "package" | "show" | "push" | "pull" | "index" | "parse" => what.push(arg),
            "--archives" => archives = args.next().and_then(|n| n.parse().ok()).expect(USAGE),
            "--entries" => entries.push(args.next().and_then(|n| n.parse().ok()).expect(USAGE)),
            "all" => what.extend(["start", "package", "show", "push", "pull"].map(str::to_owned)),
            "artifact" => files = true,
            "copy" => copies = true,
            "museum" => uploads = uploads.or(Some(5000)),
            "--uploads" => uploads = Some(args.next().and_then(|n| n.parse().ok()).expect(USAGE)),
            "mirror" => versions = versions.or(Some(2000)),
            "--versions" => versions = Some(args.next().and_then(|n| n.parse().ok()).expect(USAGE)),
            "--rounds" => rounds = args.next().and_then(|n| n.parse().ok()).expect(USAGE),
            "--against" => against = args.next().expect(USAGE),
            _ => charts.push(PathBuf::from(arg)),
        }
    }
    if let Some(uploads) = uploads {
        museum::run(uploads);
    }
    if let Some(versions) = versions {
        mirror::run(versions);
    }
    if files {
        artifact::files(rounds.min(5));
    }
    if copies {
        artifact::copies(rounds.min(3));
    }
    if what.is_empty() {
        if uploads.is_none() && versions.is_none() && !files && !copies {
            println!("{USAGE}");
        }
        return ExitCode::SUCCESS;
    }
    let bench = Bench::new(rounds, against, charts);
    println!(
        "profile bench (thin LTO, 4 codegen units); {} rounds of each in turn, medians; {}",
        rounds,
        bench.charts_text()
    );
    for one in what {
        match one.as_str() {
            "start" => bench.start(),
            "package" => bench.package(),
            "show" => bench.show(),
            "push" => bench.push(),
            "index" => index::run(&bench, archives),
            "parse" if entries.is_empty() => parse::run(&bench, &[15_300, 118_000]),
            "parse" => parse::run(&bench, &entries),
            _ => bench.pull(),
        }
    }
    ExitCode::SUCCESS
}

/// One of the two that are compared, in a place of its own.
struct Tool {
    name: &'static str,
    program: PathBuf,
    place: Test,
}

struct Bench {
    helm: Tool,
    ours: Tool,
    rounds: usize,
    against: String,
    /// Chart directories, the smallest first.
    charts: Vec<PathBuf>,
    scratch: tempfile::TempDir,
}

/// One sample: milliseconds of one run.
#[derive(Clone, Copy)]
struct Sample {
    wall: f64,
    cpu: f64,
}

/// What one tool came to.
struct Measured {
    wall: f64,
    cpu: f64,
    peak: Option<f64>,
    requests: Option<usize>,
}

impl Bench {
    fn new(rounds: usize, against: String, given: Vec<PathBuf>) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let mut charts: Vec<PathBuf> = if given.is_empty() {
            own_charts(scratch.path())
        } else {
            given.iter().map(|path| fs::canonicalize(path).unwrap()).collect()
        };
        charts.sort_by_key(|chart| size_of_tree(chart));
        Self {
            helm: Tool { name: "helm", program: peers::find("helm"), place: Test::new() },
            ours: Tool {
                name: "chartferry",
                program: PathBuf::from(env!("CARGO_BIN_EXE_chartferry")),
                place: Test::new(),
            },
            rounds,
            against,
            charts,
            scratch,
        }
    }

    fn charts_text(&self) -> String {
        let bytes: u64 = self.charts.iter().map(|chart| size_of_tree(chart)).sum();
        format!("{} charts with {:.1} MB of files", self.charts.len(), bytes as f64 / 1e6)
    }

    fn start(&self) {
        self.compare("start: `version`", 20, |_| strings(["version"]), None);
    }

    fn package(&self) {
        let (small, large) = (self.charts.first().unwrap(), self.charts.last().unwrap());
        for (name, chart, times) in [("small", small, 10), ("large", large, 3)] {
            let title = format!("package: a {name} chart, {}", chart_text(chart));
            self.compare(&title, times, |_| strings(["package", text(chart), "-d", "out"]), None);
        }
        for tool in [&self.helm, &self.ours] {
            drop(fs::remove_dir_all(tool.place.path("out")));
        }
        let mut args = strings(["package", "-d", "out"]);
        args.extend(self.charts.iter().map(|chart| text(chart).to_owned()));
        let title = format!("package: {} in one command", self.charts_text());
        self.compare(&title, 1, |_| args.clone(), None);
        let [helm, ours] =
            [&self.helm, &self.ours].map(|tool| size_of_tree(&tool.place.path("out")));
        println!(
            "  archives in total: helm {helm} bytes, chartferry {ours} ({:+.2} %)",
            (ours as f64 / helm as f64 - 1.0) * 100.0
        );
    }

    fn show(&self) {
        for (name, chart, times) in
            [("small", self.charts.first().unwrap(), 10), ("large", self.charts.last().unwrap(), 5)]
        {
            let archive = self.archive(chart);
            let title = format!("show all: a {name} chart, {}", chart_text(chart));
            self.compare(&title, times, |_| strings(["show", "all", text(&archive)]), None);
        }
    }

    fn push(&self) {
        let registry = self.registry();
        for (title, archive, times) in self.cargoes("push") {
            // Every push goes to a repository of its own, so that every one sends all there is to
            // send.
            let to = |tool: &Tool, address: &str| {
                strings([
                    "push",
                    text(&archive),
                    &format!("oci://{address}/{}/{{i}}", tool.name),
                    "--plain-http",
                ])
            };
            self.compare(&title, times, |tool| to(tool, &registry.address()), Some(&registry));
        }
    }

    fn pull(&self) {
        let registry = self.registry();
        for (title, archive, times) in self.cargoes("pull") {
            let place = &self.helm.place;
            let to = format!("{}/bench", registry.oci());
            place
                .run_program(&self.helm.program, ["push", text(&archive), &to, "--plain-http"])
                .anything()
                .succeeds();
            let stem = archive.file_stem().unwrap().to_str().unwrap();
            let (name, version) = stem.rsplit_once('-').unwrap();
            let from = |address: &str| {
                let reference = format!("oci://{address}/bench/{name}");
                strings(["pull", &reference, "--version", version, "--plain-http"])
            };
            self.compare(&title, times, |_| from(&registry.address()), Some(&registry));
        }
    }

    /// What push and pull carry: the smallest chart, the largest, and one of 90 MiB that does not
    /// compress.
    fn cargoes(&self, verb: &str) -> Vec<(String, PathBuf, usize)> {
        let huge = self.scratch.path().join("huge");
        if !huge.exists() {
            write_chart(&huge, "huge", &noise(22, 4 << 20));
        }
        [
            ("a small chart", self.charts.first().unwrap(), 10),
            ("a large chart", self.charts.last().unwrap(), 5),
            ("a 90 MiB chart", &huge, 1),
        ]
        .map(|(name, chart, times)| {
            let archive = self.archive(chart);
            let size = fs::metadata(&archive).unwrap().len() as f64 / 1e3;
            let title = format!("{verb}: {name}, {size:.1} kB archive, registry {}", self.against);
            (title, archive, times)
        })
        .into()
    }

    fn registry(&self) -> Daemon {
        match self.against.as_str() {
            "distribution" => Daemon::distribution_3(),
            "docker-registry" => Daemon::docker_registry(),
            "chartferry" => Daemon::chartferry([]),
            other => panic!("no registry is called `{other}`\n{USAGE}"),
        }
    }

    /// The chart's archive as helm packages it.
    fn archive(&self, chart: &Path) -> PathBuf {
        let to = tempfile::tempdir_in(self.scratch.path()).unwrap().keep();
        let run = ["package", text(chart), "-d", text(&to)];
        self.helm.place.run_program(&self.helm.program, run).anything().succeeds();
        fs::read_dir(to).unwrap().next().unwrap().unwrap().path()
    }

    /// Runs both in turn, `times` times a sample, and prints what they came to. `{i}` in an
    /// argument is another number each time.
    fn compare(
        &self,
        title: &str,
        times: usize,
        args: impl Fn(&Tool) -> Vec<String>,
        registry: Option<&Daemon>,
    ) {
        println!("\n{title}");
        let tools = [&self.helm, &self.ours];
        let mut samples = [Vec::new(), Vec::new()];
        let (mut next, mut failures) = (0, 0);
        for round in 0..=self.rounds {
            for (tool, samples) in tools.iter().zip(&mut samples) {
                let sample = loop {
                    let sample = tool.sample(&args(tool), times, next);
                    next += times;
                    match sample {
                        Ok(sample) => break sample,
                        // A run that fails is no sample, whoever it was; it is said, and taken
                        // again.
                        Err(said) if failures < 5 => {
                            failures += 1;
                            println!("  {} failed and is run again: {said}", tool.name);
                        }
                        Err(said) => panic!("{} fails: {said}", tool.name),
                    }
                };
                // The first round warms caches up.
                if round > 0 {
                    samples.push(sample);
                }
            }
        }
        let peaks = tools.map(|tool| {
            next += 1;
            tool.peak(&args(tool), next)
        });
        let requests = tools.map(|tool| {
            next += 1;
            registry.map(|registry| tool.requests(&args(tool), next, registry))
        });
        let [helm, ours] = [0, 1].map(|at| Measured {
            wall: median(samples[at].iter().map(|sample| sample.wall)),
            cpu: median(samples[at].iter().map(|sample| sample.cpu)),
            peak: peaks[at],
            requests: requests[at],
        });
        println!(
            "  {:<12}{:>12}{:>12}{:>12}{:>10}",
            "", "wall ms", "cpu ms", "peak MiB", "requests"
        );
        for (tool, measured) in tools.iter().zip([&helm, &ours]) {
            println!(
                "  {:<12}{:>12.2}{:>12.2}{:>12}{:>10}",
                tool.name,
                measured.wall,
                measured.cpu,
                measured.peak.map_or("-".into(), |peak| format!("{peak:.1}")),
                measured.requests.map_or("-".into(), |count| count.to_string()),
            );
        }
        println!(
            "  {:<12}{:>11.1}x{:>11.1}x{:>12}",
            "ratio",
            helm.wall / ours.wall,
            helm.cpu / ours.cpu,
            helm.peak.zip(ours.peak).map_or("-".into(), |(a, b)| format!("{:.1}x", a / b)),
        );
    }
}

impl Tool {
    /// One sample: `times` runs in a row, numbered from `first`. The shell measures, because it
    /// counts the processor time of its children to the microsecond without unsafe code of ours;
    /// what it costs to start a process is in both.
    fn sample(&self, args: &[String], times: usize, first: usize) -> Result<Sample, String> {
        let script = r#"
            TIMEFORMAT='%3R %3U %3S'; times=$1; first=$2; shift 2
            time for ((i = first; i < first + times; i++)); do
                "${@//'{i}'/$i}" >/dev/null 2>stderr || { cat stderr >&2; exit 1; }
            done"#;
        let mut command = self.command(Path::new("/bin/bash"));
        command.args(["-c", script, "bash", &times.to_string(), &first.to_string()]);
        let output = command.env("PATH", "/usr/bin:/bin").arg(&self.program).args(args).output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            return Err(said.lines().next().unwrap_or_default().to_owned());
        }
        let numbers: Vec<f64> = said.split_whitespace().map(|n| n.parse().unwrap()).collect();
        let [wall, user, system] = numbers[..] else { panic!("bash's time said {said}") };
        let each = 1000.0 / times as f64;
        Ok(Sample { wall: wall * each, cpu: (user + system) * each })
    }

    /// Peak resident memory of one run in MiB, if GNU time is here to tell.
    fn peak(&self, args: &[String], number: usize) -> Option<f64> {
        let time = Path::new("/usr/bin/time");
        if !time.exists() {
            return None;
        }
        let report = self.place.root().join("peak");
        let mut command = self.command(time);
        command.args(["-f", "%M", "-o", text(&report)]).arg(&self.program);
        let output = command.args(numbered(args, number)).output().unwrap();
        assert!(output.status.success(), "{}: {output:?}", self.name);
        let kib: f64 = fs::read_to_string(report).unwrap().trim().parse().unwrap();
        Some(kib / 1024.0)
    }

    /// How many requests one run sends to the registry.
    fn requests(&self, args: &[String], number: usize, registry: &Daemon) -> usize {
        let proxy = Proxy::to(&registry.address());
        let args =
            numbered(args, number).map(|arg| arg.replace(&registry.address(), &proxy.address()));
        let output = self.command(&self.program).args(args).output().unwrap();
        assert!(output.status.success(), "{}: {output:?}", self.name);
        proxy.take().len()
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        self.place.environment(&mut command);
        command.current_dir(self.place.path(""));
        command
    }
}

fn numbered(args: &[String], number: usize) -> impl Iterator<Item = String> + '_ {
    args.iter().map(move |arg| arg.replace("{i}", &number.to_string()))
}

/// Charts for those who have none: a small one, and 160 with about 0.8 MB of text each, which is
/// this project's own source, since its words repeat as those of charts do.
fn own_charts(scratch: &Path) -> Vec<PathBuf> {
    let mut source = Vec::new();
    for folder in ["src", "tests", "docs"] {
        list(&source_tree(folder), &mut |path, metadata| {
            if metadata.len() < 1 << 20 {
                source.push(fs::read(path).unwrap());
            }
        });
    }
    source.sort();
    let mut charts = vec![scratch.join("small")];
    write_chart(&charts[0], "small", &source[..2]);
    for number in 0..160 {
        // Each begins elsewhere, so that no two are the same chart. Deflate looks back 32 KiB, so
        // that it does not see when the files come round again.
        source.rotate_left(7);
        let mut size = 0;
        let files: Vec<Vec<u8>> = source
            .iter()
            .cycle()
            .take_while(|file| {
                size += file.len();
                size < 800_000
            })
            .cloned()
            .collect();
        let name = format!("large-{number:03}");
        charts.push(scratch.join(&name));
        write_chart(charts.last().unwrap(), &name, &files);
    }
    charts
}

fn write_chart(folder: &Path, name: &str, files: &[Vec<u8>]) {
    fs::create_dir_all(folder.join("files")).unwrap();
    let metadata =
        format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\ndescription: Made to be measured\n");
    fs::write(folder.join("Chart.yaml"), metadata).unwrap();
    fs::write(folder.join("values.yaml"), "replicas: 1\nimage:\n  tag: latest\n").unwrap();
    for (number, bytes) in files.iter().enumerate() {
        fs::write(folder.join(format!("files/{number:03}.txt")), bytes).unwrap();
    }
}

/// Files that no compressor makes smaller: xorshift, the same every time.
fn noise(files: usize, length: usize) -> Vec<Vec<u8>> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..files).map(|_| (0..length / 8).flat_map(|_| next()).collect()).collect()
}

fn chart_text(chart: &Path) -> String {
    format!("{:.1} kB of files", size_of_tree(chart) as f64 / 1e3)
}

fn size_of_tree(folder: &Path) -> u64 {
    let mut bytes = 0;
    list(folder, &mut |_, metadata| bytes += metadata.len());
    bytes
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn strings<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).into()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("paths here are made of text")
}
