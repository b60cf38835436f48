//! The progress of a long job: a bar on a terminal, otherwise a line every 15 seconds. A shorter
//! job prints nothing.

use super::{console::Talk, output::stderr_is_terminal};
use crate::cli::Run;
use std::{
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// The interval of progress lines without a terminal.
const LINE_EVERY: Duration = Duration::from_secs(15);
/// The shortest duration of a job for which a bar appears on a terminal. For shorter jobs, it would
/// only flicker.
const BAR_AFTER: Duration = Duration::from_millis(400);
/// The interval at which a bar is drawn.
const BAR_EVERY: Duration = Duration::from_millis(100);

/// The counts of a job so far. The job adds to them, and the line or bar reads them.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// The number of items in the job.
    pub(crate) total: AtomicU64,
    /// The number of finished items.
    pub(crate) items: AtomicU64,
    /// The number of failed items.
    pub(crate) failed: AtomicU64,
    /// The number of transferred bytes.
    pub(crate) bytes: AtomicU64,
}

/// The progress of one job. It stops when dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    counts: Arc<Counts>,
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Starts the display. `verb` and `noun` make the line: `pushed 3 of 12 charts, 1.2 MiB, 8 s`.
    pub(crate) fn start(run: &Run, verb: &'static str, noun: &'static str, total: usize) -> Self {
        let counts = Arc::clone(&run.counts);
        counts.total.store(total as u64, Ordering::Relaxed);
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let thread = {
            let (counts, stop, talk) = (counts.clone(), stop.clone(), run.talk.clone());
            let job = Job { verb, noun, start: Instant::now() };
            std::thread::Builder::new()
                .name("progress".into())
                .spawn(move || job.report(&talk, &counts, &stop))
                .ok()
        };
        Self { counts, stop, thread }
    }

    /// Returns the counts for the job to add to.
    pub(crate) fn counts(&self) -> Arc<Counts> {
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
                let drawn = indicatif::ProgressBar::new(0);
                talk.attach(Some(drawn.clone()));
                drawn
            });
            let total = counts.total.load(Ordering::Relaxed);
            // Without a total, the bar would look full.
            let template = if total == 0 { "{msg}" } else { "{bar:24} {msg}" };
            drawn.set_style(
                indicatif::ProgressStyle::with_template(template)
                    .unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()),
            );
            drawn.set_length(total);
            let failed = counts.failed.load(Ordering::Relaxed);
            drawn.set_position(counts.items.load(Ordering::Relaxed) + failed);
            drawn.set_message(line);
        }
        if let Some(bar) = bar {
            talk.attach(None);
            bar.finish_and_clear();
        }
    }

    fn line(&self, counts: &Counts) -> String {
        let [items, failed, total, bytes] =
            [&counts.items, &counts.failed, &counts.total, &counts.bytes]
                .map(|count| count.load(Ordering::Relaxed));
        line(self.verb, self.noun, [items, failed, total], bytes, self.start.elapsed())
    }
}

/// Returns a line such as `pushed 3 of 12 charts, 1 failed, 1.2 MiB, 153.6 KiB/s, 8 s, 16 s left`.
fn line(
    verb: &str,
    noun: &str,
    [items, failed, total]: [u64; 3],
    bytes: u64,
    spent: Duration,
) -> String {
    let seconds = spent.as_secs();
    if total == 0 {
        return format!("finding {noun}, {seconds} s");
    }
    let mut line = format!("{verb} {items} of {total} {noun}");
    if failed > 0 {
        line.push_str(&format!(", {failed} failed"));
    }
    let items = items + failed;
    if bytes > 0 {
        line.push_str(&format!(", {}", crate::cli::size(bytes)));
        if let Some(rate) = bytes.checked_div(seconds) {
            line.push_str(&format!(", {}/s", crate::cli::size(rate)));
        }
    }
    line.push_str(&format!(", {seconds} s"));
    // The estimate assumes a constant rate. Before 6 seconds it means little.
    if seconds >= 6 && items > 0 && items < total {
        let left = seconds.saturating_mul(total - items) / items;
        line.push_str(&format!(", {} left", duration(left)));
    }
    line
}

/// Formats a duration in words: `90 s`, `3 min`, `5 h`, `4 days`.
pub(crate) fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Waits for `pause`, and returns true once the job is over.
fn wait(stop: &(Mutex<bool>, Condvar), pause: Duration) -> bool {
    let Ok(stopped) = stop.0.lock() else { return true };
    match stop.1.wait_timeout_while(stopped, pause, |stopped| !*stopped) {
        Ok((stopped, _)) => *stopped,
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_how_far_how_fast_and_how_long() {
        let after = Duration::from_secs;
        for (items, failed, total, bytes, spent, expected) in [
            (0, 0, 0, 0, 3, "finding charts, 3 s"),
            (0, 0, 12, 0, 1, "pushed 0 of 12 charts, 1 s"),
            (1, 2, 12, 0, 8, "pushed 1 of 12 charts, 2 failed, 8 s, 24 s left"),
            (3, 0, 12, 2048, 8, "pushed 3 of 12 charts, 2.0 KiB, 256 B/s, 8 s, 24 s left"),
            (1, 0, 100, 2048, 60, "pushed 1 of 100 charts, 2.0 KiB, 34 B/s, 60 s, 99 min left"),
            (12, 0, 12, 10, 60, "pushed 12 of 12 charts, 10 B, 0 B/s, 60 s"),
        ] {
            let counts = [items, failed, total];
            assert_eq!(line("pushed", "charts", counts, bytes, after(spent)), expected);
        }
    }
}
