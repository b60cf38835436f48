//! Hosts that refuse every connection, with the time of the first refusal. The time decides if a
//! request to such a host is worth a retry.

use crate::lock::Locked as _;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
    time::{Duration, SystemTime},
};

/// Time since which each host has refused every connection. A response removes its host.
#[derive(Debug, Default)]
pub(crate) struct Unreachable(Mutex<HashMap<String, SystemTime>>);

impl Unreachable {
    /// Records a connection that `host` refused, and returns the rest of `patience` with it.
    pub(crate) fn refuses(&self, host: &str, now: SystemTime, patience: Duration) -> Duration {
        let since = *self.hosts().entry(host.to_owned()).or_insert(now);
        // A clock that was set back counts as no time.
        patience.saturating_sub(now.duration_since(since).unwrap_or_default())
    }

    /// Records a response.
    pub(crate) fn answers(&self, host: &str) {
        self.hosts().remove(host);
    }

    fn hosts(&self) -> MutexGuard<'_, HashMap<String, SystemTime>> {
        self.0.locked()
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
