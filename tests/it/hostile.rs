//! Every archive of `charts-fixtures/hostile`: the right sentence, the right kind of error, nothing
//! written, and for the bombs little memory.

use chartferry::{
    Error, ErrorKind,
    archive::{
        Keep, dir,
        expand::{Existing, expand},
        read,
    },
    limits::Limits,
};
use generate::{Case, Verdict};
use std::{
    fs,
    io::Write as _,
    process::{Command, Stdio},
};

#[path = "../../charts-fixtures/hostile/generate.rs"]
#[allow(unreachable_pub)]
mod generate;

fn verdict(error: &Error) -> Verdict {
    // What is beneath Go's one sentence for every bad header is ours.
    let text = match error.message() {
        text @ "archive/tar: invalid tar header" => text.to_owned(),
        _ => error.chain(),
    };
    match error.kind() {
        ErrorKind::Invalid => Verdict::Invalid(text),
        ErrorKind::Limit => Verdict::Limit(text),
        kind => panic!("{kind:?}: {text}"),
    }
}

fn check(cases: Vec<Case>, read: impl Fn(Case) -> Verdict) {
    let count = cases.len();
    let mut wrong = Vec::new();
    for case in cases {
        let (name, expected) = (case.name.clone(), case.verdict.clone());
        let found = read(case);
        if found != expected {
            wrong.push(format!("{name}:\n  expected {expected:?}\n  found    {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn reading_says_what_is_wrong() {
    check(generate::cases(), |case| {
        match read::read((case.archive)(), Keep::Everything, &Limits::default()) {
            Ok(chart) => Verdict::Good(chart.files.into_iter().map(|file| file.name).collect()),
            Err(error) => verdict(&error),
        }
    });
}

#[test]
fn what_is_kept_changes_no_verdict() {
    for keep in [Keep::Nothing, Keep::Documents] {
        check(generate::cases(), |case| {
            match read::read((case.archive)(), keep, &Limits::default()) {
                // It was found good, whatever was kept.
                Ok(_) => case.verdict,
                Err(error) => verdict(&error),
            }
        });
    }
}

#[test]
fn a_refused_archive_leaves_nothing_on_disk() {
    check(generate::cases(), |case| {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("charts");
        match expand((case.archive)(), &target, Existing::Refuse, &Limits::default())
            .map(|done| done.path)
        {
            Ok(path) => {
                assert_eq!(path.parent(), Some(&*target));
                let found = fs::read_dir(&target).unwrap().map(|entry| entry.unwrap().path());
                assert_eq!(found.collect::<Vec<_>>(), [path]);
                case.verdict
            }
            Err(error) => {
                assert_eq!(fs::read_dir(&target).unwrap().count(), 0, "{}", case.name);
                let left = fs::read_dir(place.path()).unwrap().count();
                assert_eq!(left, 1, "{}", case.name);
                match case.verdict {
                    // Expanding judges the name first, in words of its own.
                    Verdict::Invalid(reason) if reason.contains("chart.metadata.name") => {
                        assert!(error.message().starts_with("chart name "), "{error:?}");
                        Verdict::Invalid(reason)
                    }
                    _ => verdict(&error),
                }
            }
        }
    });
}

#[test]
fn a_requirements_file_cannot_rename_a_chart() {
    let case = generate::cases()
        .into_iter()
        .find(|case| case.name == "requirements.yaml with another name")
        .unwrap();
    let chart = read::read((case.archive)(), Keep::Nothing, &Limits::default()).unwrap();
    assert_eq!((&*chart.metadata.name, &*chart.metadata.version), ("demo", "1.0.0"));
}

#[test]
fn names_are_cleaned_of_what_a_terminal_obeys() {
    let case =
        generate::cases().into_iter().find(|case| case.name == "chart name with escapes").unwrap();
    let chart = read::read((case.archive)(), Keep::Nothing, &Limits::default()).unwrap();
    assert_eq!(chart.metadata.name, "a b[31m");
}

/// How much a process of this test binary may take in all: what the test binary itself takes, and
/// the reading.
#[cfg(target_os = "linux")]
const MOST: u64 = 64 * 1024;

/// Each bomb is read and expanded by a process of its own, which says how much memory it took at
/// most.
#[cfg(target_os = "linux")]
#[test]
fn bombs_go_off_in_little_memory() {
    for (at, case) in generate::bombs().into_iter().enumerate() {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["hostile::one_bomb", "--exact", "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(at.to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}: {said}", case.name);
        let peak = said.lines().find_map(|line| line.strip_prefix("peak KiB: ")).unwrap();
        let peak: u64 = peak.trim().parse().unwrap();
        assert!(peak < MOST, "{} took {peak} KiB", case.name);
    }
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "run by bombs_go_off_in_little_memory, in a process of its own"]
fn one_bomb() {
    let bombs = || generate::bombs().into_iter();
    // With the other ignored tests nobody says which: the first.
    let at = std::io::read_to_string(std::io::stdin()).unwrap().parse().unwrap_or(0);
    let place = tempfile::tempdir().unwrap();
    let case = bombs().nth(at).unwrap();
    let error =
        expand((case.archive)(), place.path(), Existing::Refuse, &Limits::default()).unwrap_err();
    assert_eq!(verdict(&error), case.verdict, "{}", case.name);
    let case = bombs().nth(at).unwrap();
    let error = read::read((case.archive)(), Keep::Documents, &Limits::default()).unwrap_err();
    assert_eq!(verdict(&error), case.verdict, "{}", case.name);
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    println!("\npeak KiB: {}", peak.trim().trim_end_matches(" kB"));
}

#[test]
fn a_directory_is_no_archive() {
    let place = tempfile::tempdir().unwrap();
    let error = read::open(place.path(), Keep::Nothing, &Limits::default()).unwrap_err();
    assert_eq!(error.message(), "cannot load a directory");
    let error =
        dir::load(&place.path().join("none"), Keep::Nothing, &Limits::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
