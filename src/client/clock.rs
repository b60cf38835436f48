//! Time and waiting. The caller chooses the clock, so that tests neither sleep nor depend on the
//! day.

use crate::lock::Locked as _;
use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime},
};

/// Real clock, or one that moves only when a task waits on it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Clock {
    /// Clock of the machine.
    #[default]
    System,
    /// Virtual clock: a wait moves its time and returns at once.
    Virtual(VirtualClock),
}

impl Clock {
    /// Returns the current time of this clock.
    pub(crate) fn now(&self) -> SystemTime {
        match self {
            Self::System => SystemTime::now(),
            Self::Virtual(clock) => clock.now(),
        }
    }

    /// Waits for `time`. A virtual clock moves at once.
    pub(crate) async fn wait(&self, time: Duration) {
        match self {
            Self::System => tokio::time::sleep(time).await,
            Self::Virtual(clock) => clock.wait(time).await,
        }
    }

    /// Returns a random part of `most`, so that clients that failed together do not retry together.
    /// The virtual clock always returns `most`.
    pub(crate) fn jitter(&self, most: Duration) -> Duration {
        match self {
            Self::System => {
                // Each `RandomState` has its own keys: a random number without a crate for it.
                let part = RandomState::new().build_hasher().finish() >> 32;
                most.mul_f64(part as f64 / f64::from(u32::MAX))
            }
            Self::Virtual(_) => most,
        }
    }
}

impl From<VirtualClock> for Clock {
    fn from(clock: VirtualClock) -> Self {
        Self::Virtual(clock)
    }
}

/// Clock whose time moves only when a task waits on it. It begins at 2026-01-01T00:00:00Z.
#[derive(Clone, Debug, Default)]
pub struct VirtualClock {
    waited: Arc<Mutex<Duration>>,
    turns: usize,
}

const START: Duration = Duration::from_secs(1_767_225_600);

impl VirtualClock {
    /// Returns the same clock with a delay: a wait moves the time only after all other tasks have
    /// had `turns` turns. As with a real clock, their work comes before the end of the wait. This
    /// needs a tokio runtime.
    #[must_use]
    pub fn after_turns(self, turns: usize) -> Self {
        Self { turns, ..self }
    }

    /// Moves the clock forward by `time`.
    pub fn advance(&self, time: Duration) {
        *self.lock() += time;
    }

    /// Waits concurrently with other tasks.
    async fn wait(&self, time: Duration) {
        let end = self.waited() + time;
        for _ in 0..self.turns {
            tokio::task::yield_now().await;
        }
        let mut waited = self.lock();
        *waited = end.max(*waited);
    }

    /// Returns the time that passed on this clock.
    pub fn waited(&self) -> Duration {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Duration> {
        self.waited.locked()
    }

    /// Returns the current time of the clock.
    pub fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + START + self.waited()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_its_bound() {
        let most = Duration::from_millis(250);
        assert!((0..100).all(|_| Clock::System.jitter(most) <= most));
        assert_eq!(Clock::Virtual(VirtualClock::default()).jitter(most), most);
    }
}
