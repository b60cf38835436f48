//! The rules for giving up: no version has succeeded yet, or an end no longer responds.

use super::{carry::work::Failed, options::Options};
use std::time::{Duration, Instant};

/// The number of failures, for a reason that others may share and without one success, after which
/// the run tries no more versions.
const HOPELESS: usize = 64;
/// The number of connections refused in a row after which an end counts as unreachable.
const REFUSED: usize = 8;

/// The failures of a run so far.
#[derive(Debug)]
pub(super) struct GiveUp {
    at_once: usize,
    patience: Duration,
    /// The number of failures before the first success.
    hopeless: usize,
    succeeded: bool,
    /// The number of failures in a row to reach an end, and the time of the last success.
    refused: usize,
    reached: Instant,
}

impl GiveUp {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            at_once: options.at_once,
            patience: options.patience,
            hopeless: 0,
            succeeded: false,
            refused: 0,
            reached: Instant::now(),
        }
    }

    /// Records the end of a version.
    pub(super) fn learn(&mut self, failed: Option<Failed>) {
        match failed {
            Some(Failed::Unreachable) => self.refused += 1,
            _ => (self.refused, self.reached) = (0, Instant::now()),
        }
        match failed {
            Some(Failed::Perhaps | Failed::Unreachable) => self.hopeless += 1,
            Some(Failed::Alone) => {}
            None => self.succeeded = true,
        }
    }

    /// Returns the reason to stop trying, if any.
    pub(super) fn is_lost(&self) -> Option<&'static str> {
        if !self.succeeded && self.hopeless >= HOPELESS.min(self.at_once) {
            return Some("nothing has succeeded");
        }
        let refused = self.refused >= REFUSED.min(self.at_once);
        (refused && self.reached.elapsed() >= self.patience).then_some("a host no longer answers")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    #[test]
    fn a_host_that_answers_nobody_is_given_up_and_one_that_answers_some_is_not() {
        let options =
            |patience| Options { patience, at_once: 4, ..Options::new(Timestamp::UNIX_EPOCH) };
        let now = Duration::ZERO;
        let gone = Some(Failed::Unreachable);
        for (what, patience, ends, lost) in [
            ("too few", now, &[None, gone, gone, gone][..], false),
            ("enough", now, &[None, gone, gone, gone, gone], true),
            ("too soon", Duration::MAX, &[None, gone, gone, gone, gone, gone], false),
            ("one came through", now, &[None, gone, gone, gone, None, gone], false),
            (
                "a refusal is an answer",
                now,
                &[None, gone, gone, gone, Some(Failed::Alone), gone],
                false,
            ),
            ("never any success", Duration::MAX, &[gone, Some(Failed::Perhaps), gone, gone], true),
            ("each for itself", now, &[Some(Failed::Alone); 9], false),
        ] {
            let mut hope = GiveUp::new(&options(patience));
            ends.iter().for_each(|end| hope.learn(*end));
            assert_eq!(hope.is_lost().is_some(), lost, "{what}");
        }
    }
}
