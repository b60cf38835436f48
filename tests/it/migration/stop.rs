//! Asked to end by a signal: nothing new is begun, what was done is remembered, reported and
//! measured, and the next run goes on.

use super::{Migration, front::Passed};
use std::{
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

/// Runs until `requests` have come to the registry, sends a signal, and gives exit code, standard
/// output and standard error.
fn signalled(place: &Migration, signal: &'static str, flags: &[&str]) -> (i32, String, String) {
    let id: Arc<Mutex<Option<u32>>> = Arc::default();
    let held = Arc::clone(&id);
    place.front.after(200, move || {
        let id = held.lock().unwrap().unwrap();
        let sent = Command::new("kill").args(["-s", signal, &id.to_string()]).status().unwrap();
        assert!(sent.success());
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_chartferry"));
    place.test.environment(&mut command);
    command
        .args(["mirror", &place.source(), &place.destination(), "--concurrency", "2"])
        .args(flags)
        .current_dir(place.test.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = {
        // The alarm waits for this lock, so it finds the process.
        let mut id = id.lock().unwrap();
        let child = command.spawn().unwrap();
        *id = Some(child.id());
        child
    };
    let output = child.wait_with_output().unwrap();
    place.front.after(usize::MAX, || ());
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

fn manifests(passed: &[Passed]) -> Vec<String> {
    let is_version = |one: &&Passed| {
        one.line.starts_with("PUT ")
            && one.line.contains("/manifests/")
            && !one.line.contains("/chartferry-state/")
    };
    passed.iter().filter(is_version).map(|one| one.line.clone()).collect()
}

#[test]
fn a_signal_ends_a_run_with_state_report_and_metrics_of_what_was_done() {
    for (signal, code, word) in [("TERM", 143, "terminated"), ("INT", 130, "interrupted")] {
        let place = Migration::new(300);
        let flags =
            ["--chart", "chart-*", "-o", "json", "--metrics-file", "m.prom", "--report-file", "r"];
        let (ended, stdout, stderr) = signalled(&place, signal, &flags);
        assert_eq!(ended, code, "{stderr}");
        assert!(stderr.contains(word), "{stderr}");
        let passed = place.front.take();
        let first = manifests(&passed);
        let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        let counts = &report["runs"][0]["counts"];
        let sent = counts["sent"].as_u64().unwrap();
        assert!(sent > 0 && counts["notTried"].as_u64().unwrap() > 0, "{counts:#}");
        assert_eq!(sent as usize, first.len(), "what was begun was ended");
        assert!(report["runs"][0]["stopped"].as_str().unwrap().contains("were not tried"));
        let file: serde_json::Value = serde_json::from_slice(&place.test.read("r")).unwrap();
        assert_eq!(file, report, "the file has the report");
        let metrics = String::from_utf8(place.test.read("m.prom")).unwrap();
        let success = metrics.lines().find(|line| line.starts_with("chartferry_mirror_success"));
        assert!(success.unwrap().ends_with(" 0"), "{metrics}");
        assert!(metrics.contains(&format!("status=\"sent\"}} {sent}")), "{metrics}");
        // The state was left, so the next run looks at nothing that was sent.
        let left = passed.iter().any(|one| {
            one.line.starts_with("PUT ") && one.line.contains("/chartferry-state/manifests/")
        });
        assert!(left, "{passed:?}");
        let next = place.mirror(&place.source(), &place.destination(), &["--chart", "chart-*"]);
        let passed = place.front.take();
        let again = manifests(&passed);
        assert!(again.iter().all(|line| !first.contains(line)), "{again:?}");
        assert_eq!(next["counts"]["sent"].as_u64().unwrap() as usize, again.len());
        assert_eq!(next["counts"]["failed"], 0, "{next:#}");
    }
}

#[test]
fn a_signal_leaves_a_folder_whose_index_lists_what_is_there() {
    let place = Migration::new(300);
    let registry = place.destination();
    place.mirror(&place.source(), &registry, &["--chart", "chart-*"]);
    place.forget();
    let id: Arc<Mutex<Option<u32>>> = Arc::default();
    let held = Arc::clone(&id);
    place.front.after(400, move || {
        let id = held.lock().unwrap().unwrap();
        let sent = Command::new("kill").args(["-s", "TERM", &id.to_string()]).status().unwrap();
        assert!(sent.success());
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_chartferry"));
    place.test.environment(&mut command);
    command
        .args(["mirror", &registry, "out", "--concurrency", "2"])
        .current_dir(place.test.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = {
        let mut id = id.lock().unwrap();
        let child = command.spawn().unwrap();
        *id = Some(child.id());
        child
    };
    assert_eq!(child.wait().unwrap().code(), Some(143));
    place.front.after(usize::MAX, || ());
    let index = String::from_utf8(place.test.read("out/index.yaml")).unwrap();
    let archives = std::fs::read_dir(place.test.path("out"))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|e| e == "tgz"))
        .count();
    assert!(archives > 0);
    assert_eq!(index.matches("digest: ").count(), archives);
}

#[test]
fn a_dry_run_writes_no_metrics_and_a_report_file_all_the_same() {
    let place = Migration::new(2);
    place.test.file("m.prom", "yesterday\n");
    let flags = ["--chart", "chart-*", "--dry-run", "--metrics-file", "m.prom"];
    let flags = [&flags[..], &["--report-file", "r.json"]].concat();
    let report = place.mirror(&place.source(), &place.destination(), &flags);
    assert_eq!(report["counts"]["planned"], 2, "{report:#}");
    assert_eq!(place.test.read("m.prom"), b"yesterday\n");
    let file: serde_json::Value = serde_json::from_slice(&place.test.read("r.json")).unwrap();
    assert_eq!(file["runs"][0], report);
    let missing =
        ["mirror", &place.source(), "out", "--report-file", "no/r.json"].map(str::to_owned);
    place.test.run(missing).stderr_has("its folder must be there before").fails(1);
}
