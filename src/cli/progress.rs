//! Progress of a long job: a bar on a terminal, elsewhere a line every 15 seconds. A job that ends sooner says nothing.

use super::{Run, output::stderr_is_terminal, talk::Talk};
use std::{
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Off a terminal, how often a job says that it is alive.
const LINE_EVERY: Duration = Duration::from_secs(15);
/// On a terminal, how long a job must last before a bar appears: shorter ones would only flicker.
const BAR_AFTER: Duration = Duration::from_millis(400);
/// How often a bar is drawn.
const BAR_EVERY: Duration = Duration::from_millis(100);

/// What a job has done so far; counted by the job, read by the line or bar.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Items done.
    pub(super) items: AtomicU64,
    /// Bytes moved.
    pub(super) bytes: AtomicU64,
}

/// The progress of one job. It stops when dropped.
#[derive(Debug)]
pub(super) struct Progress {
    counts: Arc<Counts>,
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Starts. `verb` and `noun` make the line: `pushed 3 of 12 charts, 1.2 MiB, 8 s`.
    pub(super) fn start(run: &Run, verb: &'static str, noun: &'static str, total: usize) -> Self {
        let counts = Arc::clone(&run.counts);
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let thread = {
            let (counts, stop, talk) = (counts.clone(), stop.clone(), run.talk.clone());
            let job = Job { verb, noun, total, start: Instant::now() };
            std::thread::Builder::new()
                .name("progress".into())
                .spawn(move || job.report(&talk, &counts, &stop))
                .ok()
        };
        Self { counts, stop, thread }
    }

    /// What the job counts in.
    pub(super) fn counts(&self) -> Arc<Counts> {
        self.counts.clone()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Ok(mut stopped) = self.stop.0.lock() {
            *stopped = true;
        }
        self.stop.1.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Job {
    verb: &'static str,
    noun: &'static str,
    total: usize,
    start: Instant,
}

impl Job {
    fn report(&self, talk: &Talk, counts: &Counts, stop: &(Mutex<bool>, Condvar)) {
        let terminal = stderr_is_terminal();
        let mut bar: Option<indicatif::ProgressBar> = None;
        let mut pause = if terminal { BAR_AFTER } else { LINE_EVERY };
        while !wait(stop, pause) {
            let line = self.line(counts);
            if !terminal {
                talk.info(&line);
                continue;
            }
            pause = BAR_EVERY;
            let drawn = bar.get_or_insert_with(|| {
                let drawn = indicatif::ProgressBar::new(self.total as u64);
                talk.attach(Some(drawn.clone()));
                drawn.set_style(
                    indicatif::ProgressStyle::with_template("{bar:24} {msg}")
                        .unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()),
                );
                drawn
            });
            drawn.set_position(counts.items.load(Ordering::Relaxed));
            drawn.set_message(line);
        }
        if let Some(bar) = bar {
            talk.attach(None);
            bar.finish_and_clear();
        }
    }

    fn line(&self, counts: &Counts) -> String {
        let seconds = self.start.elapsed().as_secs();
        let (items, bytes) =
            (counts.items.load(Ordering::Relaxed), counts.bytes.load(Ordering::Relaxed));
        let mut line = format!("{} {items} of {} {}", self.verb, self.total, self.noun);
        if bytes > 0 {
            line.push_str(&format!(", {}", super::size(bytes)));
        }
        line.push_str(&format!(", {seconds} s"));
        line
    }
}

/// Waits, and says whether the job is over.
fn wait(stop: &(Mutex<bool>, Condvar), pause: Duration) -> bool {
    let Ok(stopped) = stop.0.lock() else { return true };
    match stop.1.wait_timeout_while(stopped, pause, |stopped| !*stopped) {
        Ok((stopped, _)) => *stopped,
        Err(_) => true,
    }
}
