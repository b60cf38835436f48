//! Killed with no warning, twenty times, at moments that a seed picks among the requests: the next
//! run goes on, sends no manifest again that was acknowledged, and the end is right.

use super::{Migration, front::Passed};
use std::{
    collections::HashMap,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

struct Seed(u64);

impl Seed {
    /// xorshift64.
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most as u64) as usize
    }
}

fn is_manifest(passed: &Passed) -> bool {
    passed.line.starts_with("PUT ")
        && passed.line.contains("/manifests/")
        && !passed.line.contains("/chartferry-state/")
}

impl Migration {
    /// Runs until `requests` have come to the registry, and kills it there; false when it came to
    /// its end before.
    fn killed_after(&self, requests: usize, flags: &[&str]) -> bool {
        let slot: Arc<Mutex<Option<Child>>> = Arc::default();
        let held = Arc::clone(&slot);
        self.front.after(requests, move || {
            if let Some(child) = held.lock().unwrap().as_mut() {
                // SIGKILL; that it ended a moment before is no harm.
                let _ = child.kill();
            }
        });
        let mut command = Command::new(env!("CARGO_BIN_EXE_chartferry"));
        self.test.environment(&mut command);
        command
            .args(["mirror", &self.source(), &self.destination(), "--concurrency", "6"])
            .args(flags)
            .current_dir(self.test.path(""))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = {
            // The alarm waits for this lock, so it finds the child.
            let mut slot = slot.lock().unwrap();
            let child = command.spawn().unwrap();
            let id = child.id();
            *slot = Some(child);
            id
        };
        loop {
            let mut guard = slot.lock().unwrap();
            let ended = guard.as_mut().and_then(|child| child.try_wait().unwrap());
            drop(guard);
            if let Some(status) = ended {
                self.front.after(usize::MAX, || ());
                return status.code().is_none();
            }
            assert!(child > 0);
            std::thread::yield_now();
        }
    }
}

#[track_caller]
fn kill_twenty_times(flags: &[&str], seed: u64) {
    let place = Migration::new(300);
    let mut seed = Seed(seed);
    let mut kills = 0;
    let mut acknowledged: HashMap<String, usize> = HashMap::new();
    // Twenty charts, so that not every run is killed while it lists tags.
    let ordinary = [flags, &["--chart", "chart-*"]].concat();
    while kills < 20 {
        let killed = place.killed_after(1 + seed.below(90), &ordinary);
        let passed = place.front.take();
        for one in passed.iter().filter(|one| is_manifest(one)) {
            let before = acknowledged.contains_key(&one.line);
            assert!(!before, "after {kills} kills `{}` is sent again", one.line);
        }
        for one in passed.iter().filter(|one| is_manifest(one) && one.status == 201) {
            *acknowledged.entry(one.line.clone()).or_default() += 1;
        }
        assert!(killed, "it ended after {kills} kills: the repository is too small");
        kills += 1;
    }
    place.mirror(&place.source(), &place.destination(), flags);
    for one in place.front.take().iter().filter(|one| is_manifest(one)) {
        assert!(!acknowledged.contains_key(&one.line), "`{}` is sent again", one.line);
    }
    assert!(acknowledged.len() > 20, "{} before the last run", acknowledged.len());
    place.compare_registry(&format!("{}/moved", place.registry.oci()), "folder");
}

#[test]
fn with_a_state_file() {
    kill_twenty_times(&["--state", "state"], 0x9E37_79B9_7F4A_7C15);
}

#[test]
fn without_one_the_registrys_tags_say_what_is_there() {
    kill_twenty_times(&[], 0xD1B5_4A32_D192_ED03);
}
