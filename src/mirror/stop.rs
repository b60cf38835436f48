//! The end of a run on request. The run starts no more versions and waits a little for those in
//! progress. It writes the state and the report.

use super::{finish::remember, report::Mode, run::Run};
use crate::{Error, ErrorKind};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;

/// The time that versions in progress may take after a request to end, and that the state may take
/// afterwards: 10 s each. Kubernetes kills a pod 30 s after SIGTERM.
const GRACE: Duration = Duration::from_secs(10);

/// A handle that asks runs to end. It is cheap to clone; clones share the request.
#[derive(Clone, Debug)]
pub struct Stop {
    asked: Arc<watch::Sender<bool>>,
    /// `true` while versions may be in progress.
    carrying: Arc<AtomicBool>,
}

impl Default for Stop {
    fn default() -> Self {
        Self { asked: Arc::new(watch::Sender::new(false)), carrying: Arc::default() }
    }
}

impl Stop {
    /// Asks the run to end.
    pub fn ask(&self) {
        self.asked.send_replace(true);
    }

    /// Returns true if the run was asked to end.
    pub fn is_asked(&self) -> bool {
        *self.asked.borrow()
    }

    /// Waits until the run is asked to end.
    pub(super) async fn asked(&self) {
        // The channel cannot be closed while this value exists.
        let _ = self.asked.subscribe().wait_for(|asked| *asked).await;
    }

    /// Waits until a run that was asked to end has used up its time. Returns at once if no version
    /// is in progress.
    pub(super) async fn overdue(&self) {
        self.asked().await;
        if self.carrying.load(Ordering::Relaxed) {
            tokio::time::sleep(GRACE).await;
        }
    }

    /// Records that versions are in progress from now on.
    pub(super) fn carry(&self) {
        self.carrying.store(true, Ordering::Relaxed);
    }

    /// Records that nothing is in progress any more.
    pub(super) fn rest(&self) {
        self.carrying.store(false, Ordering::Relaxed);
    }
}

/// Returns the error of a run that was asked to end before it did anything.
pub(super) fn interrupted() -> Error {
    Error::new(ErrorKind::Interrupted, "the mirror was interrupted before it copied anything")
}

impl Run<'_> {
    /// Adds to the report that the run was asked to end.
    pub(super) fn stopped(&mut self) {
        self.report.counts.not_tried = self.open;
        self.report.stopped = Some(match self.open {
            0 => "the mirror was interrupted".to_owned(),
            open => format!("the mirror was interrupted: {open} versions were not tried"),
        });
    }

    /// Writes the current state and report, within a limited time.
    pub(super) async fn cut(&mut self) {
        self.options.stop.rest();
        self.stopped();
        if self.options.mode != Mode::Run || !self.begun {
            return;
        }
        let mut state = self.after.clone();
        state.header.settled = false;
        if let Some(ledger) = &mut self.ledger
            && let Err(error) = ledger.write(&state)
        {
            self.report.warnings.push(error.chain());
        }
        let remembered = remember(self.sink, &self.key, state);
        let left = tokio::time::timeout(GRACE, remembered).await;
        if !matches!(left, Ok(Ok(()))) {
            self.report.warnings.push(
                "the state was not left at the destination, so the next run lists its tags"
                    .to_owned(),
            );
        }
    }
}
