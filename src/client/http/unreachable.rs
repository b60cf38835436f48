//! Hosts that refuse every connection: since when, and whether a request to one is worth another
//! try.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

/// Since when each host has refused every connection. A host that answers is forgotten.
#[derive(Debug, Default)]
pub(crate) struct Unreachable(Mutex<HashMap<String, SystemTime>>);

impl Unreachable {
    /// Notes a connection that `host` did not take, and returns how much of `patience` with it is
    /// left.
    pub(crate) fn refuses(&self, host: &str, now: SystemTime, patience: Duration) -> Duration {
        let since = *self.hosts().entry(host.to_owned()).or_insert(now);
        // A clock that was set back counts as no time.
        patience.saturating_sub(now.duration_since(since).unwrap_or_default())
    }

    /// Notes an answer.
    pub(crate) fn answers(&self, host: &str) {
        self.hosts().remove(host);
    }

    fn hosts(&self) -> MutexGuard<'_, HashMap<String, SystemTime>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_ends_with_a_host_that_never_answers_between() {
        let (hosts, ten) = (Unreachable::default(), Duration::from_secs(10));
        let left = |at: u64| {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(at);
            hosts.refuses("r:1", now, ten).as_secs()
        };
        assert_eq!([100, 104, 110, 200].map(left), [10, 6, 0, 0]);
        hosts.answers("other");
        assert_eq!(left(201), 0);
        hosts.answers("r:1");
        assert_eq!([201, 205, 90].map(left), [10, 6, 10]);
    }
}
