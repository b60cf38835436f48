//! Files and copies: chartferry and ORAS (and regctl, where it has the same) in turn, to the
//! embedded server and to distribution. Medians of wall time and peak memory, and the ratio.

use crate::{median, support};
use std::{
    fs,
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
    time::Instant,
};
use support::{Test, daemon::Daemon, peers};

const MIB: usize = 1 << 20;

/// One tool with its way of writing a line.
struct Line {
    name: &'static str,
    program: PathBuf,
    words: Vec<String>,
}

impl Line {
    fn ours(words: &[&str]) -> Self {
        Self {
            name: "chartferry",
            program: env!("CARGO_BIN_EXE_chartferry").into(),
            words: words.iter().map(|word| (*word).to_owned()).collect(),
        }
    }

    fn peer(name: &'static str, words: &[&str]) -> Self {
        Self {
            name,
            program: peers::find(name),
            words: words.iter().map(|word| (*word).to_owned()).collect(),
        }
    }
}

/// One sample: milliseconds, and MiB at the peak.
struct Sample {
    wall: f64,
    peak: f64,
}

fn sample(test: &Test, line: &Line) -> Sample {
    let peak = test.path("peak");
    let mut command = Command::new("/usr/bin/time");
    command.arg("-f").arg("%M").arg("-o").arg(&peak).arg(&line.program).args(&line.words);
    test.environment(&mut command);
    command.current_dir(test.path(".")).stdin(Stdio::null()).stdout(Stdio::null());
    let started = Instant::now();
    let output = command.stderr(Stdio::piped()).output().expect("GNU time runs");
    let wall = started.elapsed().as_secs_f64() * 1000.0;
    assert!(
        output.status.success(),
        "{} {:?}: {}",
        line.name,
        line.words,
        String::from_utf8_lossy(&output.stderr)
    );
    let kib: f64 = fs::read_to_string(&peak).unwrap().trim().parse().unwrap();
    Sample { wall, peak: kib / 1024.0 }
}

/// Runs the lines in turn, with `before` each, and prints a row for each and the ratio to the first.
fn compare(test: &Test, what: &str, rounds: usize, lines: &[Vec<Line>], before: &dyn Fn()) {
    let mut all: Vec<Vec<Sample>> = lines.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (lines, samples) in lines.iter().zip(&mut all) {
            before();
            let mut sum = Sample { wall: 0.0, peak: 0.0 };
            for line in lines {
                let one = sample(test, line);
                sum.wall += one.wall;
                sum.peak = sum.peak.max(one.peak);
            }
            samples.push(sum);
        }
    }
    let walls: Vec<f64> =
        all.iter().map(|samples| median(samples.iter().map(|one| one.wall))).collect();
    for ((lines, samples), wall) in lines.iter().zip(&all).zip(&walls) {
        println!(
            "{what:44} {:12} {wall:9.1} ms {:7.1} MiB   {:5.2}x",
            lines[0].name,
            median(samples.iter().map(|one| one.peak)),
            wall / walls[0]
        );
    }
}

fn file(test: &Test, name: &str, mib: usize) {
    let mut out = fs::File::create(test.path(name)).unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut block = vec![0_u8; MIB];
    for _ in 0..mib {
        for bytes in block.chunks_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.copy_from_slice(&state.to_le_bytes()[..bytes.len()]);
        }
        out.write_all(&block).unwrap();
    }
    out.sync_all().unwrap();
}

/// Measures pushes and pulls of files.
pub(crate) fn files(rounds: usize) {
    let test = Test::new();
    for (name, registry) in registries() {
        let at = registry.address();
        file(&test, "large", 1024);
        let large = format!("{at}/large:1");
        test.run(["artifact", "push", &large, "large"]).anything().succeeds();
        let clear = || {
            let _ = fs::remove_dir_all(test.path("out"));
        };
        let what = format!("pull a file of 1 GiB from {name}");
        let lines = [
            vec![Line::ours(&["artifact", "pull", &large, "-d", "out"])],
            vec![Line::peer("oras", &["pull", &large, "-o", "out", "--plain-http"])],
        ];
        compare(&test, &what, rounds, &lines, &clear);
        for number in 0..500 {
            test.file(&format!("small/{number}"), format!("a small file, {number}"));
        }
        let small: Vec<String> = (0..500).map(|number| format!("small/{number}")).collect();
        let number = std::cell::Cell::new(0);
        for round in 0..rounds {
            let line = |theirs: bool| {
                number.set(number.get() + 1);
                // Other content each time, so that every blob is sent.
                for one in &small {
                    test.file(one, format!("{one} {round} {}", number.get()));
                }
                let reference = format!("{at}/small{}:1", number.get());
                let mut words: Vec<&str> = match theirs {
                    false => vec!["artifact", "push", &reference],
                    true => vec!["push", "--plain-http", &reference],
                };
                words.extend(small.iter().map(String::as_str));
                let line = if theirs { Line::peer("oras", &words) } else { Line::ours(&words) };
                sample(&test, &line)
            };
            let (ours, theirs) = (line(false), line(true));
            println!(
                "{:44} chartferry {:.1} ms, {:.1} MiB; oras {:.1} ms, {:.1} MiB; {:.2}x",
                format!("push 500 small files to {name}, round {}", round + 1),
                ours.wall,
                ours.peak,
                theirs.wall,
                theirs.peak,
                theirs.wall / ours.wall
            );
        }
        let last = format!("{at}/small{}:1", number.get());
        let what = format!("pull 500 small files from {name}");
        let lines = [
            vec![Line::ours(&["artifact", "pull", &last, "-d", "out"])],
            vec![Line::peer("oras", &["pull", &last, "-o", "out", "--plain-http"])],
        ];
        compare(&test, &what, rounds, &lines, &clear);
    }
}

/// Measures copies between registries.
pub(crate) fn copies(rounds: usize) {
    let test = Test::new();
    for (name, _) in registries() {
        let registry = |name: &str| match name {
            "serve" => Daemon::chartferry([]),
            _ => Daemon::distribution_3(),
        };
        let (from, to) = (registry(name), registry(name));
        let (source, target) = (from.address(), to.address());
        for address in [&source, &target] {
            let words = ["registry", "set", "--tls", "disabled", address];
            test.run_program(&peers::find("regctl"), words).anything().succeeds();
        }
        file(&test, "large", 1024);
        let large = format!("{source}/large:1");
        test.run(["artifact", "push", &large, "large"]).anything().succeeds();
        for round in 0..rounds {
            // A repository of a registry keeps its blobs for all, so each copy gets a new registry.
            let (ours, theirs, plain) = (registry(name), registry(name), registry(name));
            let push =
                Line::ours(&["artifact", "push", &format!("{}/l:1", plain.address()), "large"]);
            let copy = Line::ours(&["copy", &large, &format!("{}/l", ours.address())]);
            let their = format!("{}/l:1", theirs.address());
            let cp =
                Line::peer("oras", &["cp", "--from-plain-http", "--to-plain-http", &large, &their]);
            let (push, copy, cp) = (sample(&test, &push), sample(&test, &copy), sample(&test, &cp));
            println!(
                "{:44} chartferry {:.0} ms, {:.1} MiB; oras {:.0} ms, {:.1} MiB, {:.2}x; a push {:.0} ms, {:.2}x",
                format!("copy 1 GiB, {name} to {name}, round {}", round + 1),
                copy.wall,
                copy.peak,
                cp.wall,
                cp.peak,
                cp.wall / copy.wall,
                push.wall,
                copy.wall / push.wall
            );
        }
        small_copies(&test, name, &source, &target);
    }
}

/// Copies many small artifacts with a referrer each.
fn small_copies(test: &Test, name: &str, source: &str, target: &str) {
    const COUNT: usize = 200;
    for number in 0..COUNT {
        test.file("text", format!("artifact {number}"));
        let reference = format!("{source}/many:{number}");
        test.run(["artifact", "push", &reference, "text"]).anything().succeeds();
        let attach = ["artifact", "attach", &reference, "text", "--artifact-type", "a/signature"];
        test.run(attach).anything().succeeds();
    }
    let many = format!("{source}/many");
    let (one, two, three) =
        (format!("{target}/ours"), format!("{target}/oras"), format!("{target}/regctl"));
    let ours = [Line::ours(&["copy", "-a", &many, &one])];
    let again = [Line::ours(&["copy", "-a", &many, &one])];
    let oras: Vec<Line> = (0..COUNT)
        .map(|number| {
            let (from, to) = (format!("{many}:{number}"), format!("{two}:{number}"));
            Line::peer("oras", &["cp", "-r", "--from-plain-http", "--to-plain-http", &from, &to])
        })
        .collect();
    let words = ["repo", "copy", "--referrers", &many, &three];
    let regctl = [Line::peer("regctl", &words)];
    let total = |lines: &[Line]| lines.iter().map(|line| sample(test, line).wall).sum::<f64>();
    let (ours, again, oras, regctl) = (total(&ours), total(&again), total(&oras), total(&regctl));
    println!(
        "{:44} chartferry {ours:.0} ms, again {again:.0} ms; oras in a loop {oras:.0} ms, {:.1}x; regctl repo copy {regctl:.0} ms, {:.1}x",
        format!("copy {COUNT} artifacts with a referrer, {name}"),
        oras / ours,
        regctl / ours
    );
}

fn registries() -> [(&'static str, Daemon); 2] {
    [("serve", Daemon::chartferry([])), ("distribution", Daemon::distribution_3())]
}
