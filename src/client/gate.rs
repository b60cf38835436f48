//! Hosts that asked us to wait. A `Retry-After` holds for every request to that host, not only for the one that was
//! refused, so that nothing is sent inside the window it names.

use super::{Clock, Options, fault::Failure, message::text, retry::parse_retry_after};
use crate::{Error, ErrorKind};
use ::http::{HeaderMap, StatusCode};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

/// The gates of all hosts of one client.
#[derive(Debug)]
pub(crate) struct Gates {
    closed: Mutex<HashMap<String, SystemTime>>,
    clock: Clock,
    longest: Duration,
}

impl Gates {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            closed: Mutex::default(),
            clock: options.clock.clone(),
            longest: options.retry_after,
        }
    }

    /// Waits until requests may go to `host`.
    pub(crate) async fn pass(&self, host: &str) -> Result<(), Failure> {
        // Another refusal may have come while we waited.
        while let Some(wait) = self.remaining(host) {
            if wait > self.longest {
                return Err(too_long(host, wait, self.longest).into());
            }
            self.clock.wait(wait).await;
        }
        Ok(())
    }

    /// Notes what an answer of `host` asks for.
    pub(crate) fn heed(&self, host: &str, status: StatusCode, headers: &HeaderMap) {
        if !matches!(status.as_u16(), 429 | 503) {
            return;
        }
        let now = self.clock.now();
        let Some(wait) = text(headers, "retry-after").and_then(|text| parse_retry_after(text, now))
        else {
            return;
        };
        let Some(until) = now.checked_add(wait) else { return };
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        let known = closed.entry(host.to_owned()).or_insert(until);
        *known = (*known).max(until);
    }

    fn remaining(&self, host: &str) -> Option<Duration> {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        let until = *closed.get(host)?;
        let wait = until.duration_since(self.clock.now()).ok().filter(|wait| !wait.is_zero());
        if wait.is_none() {
            closed.remove(host);
        }
        wait
    }
}

/// The error for a host that asks for a longer wait than is allowed.
pub(crate) fn too_long(host: &str, wait: Duration, most: Duration) -> Error {
    let (wait, most) = (wait.as_secs(), most.as_secs());
    Error::new(
        ErrorKind::Network,
        format!("`{host}` asks to wait {wait} s, longer than the {most} s allowed"),
    )
    .with_hint("try again then, or allow a longer wait")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::VirtualClock;

    #[test]
    fn a_gate_stays_closed_for_as_long_as_was_asked() {
        let clock = VirtualClock::default();
        let options = Options { clock: clock.clone().into(), ..Options::default() };
        let gates = Gates::new(&options);
        let headers = |wait: &str| {
            HeaderMap::from_iter([(::http::header::RETRY_AFTER, wait.parse().expect("header"))])
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        let pass = |host: &str| runtime.block_on(gates.pass(host));
        gates.heed("a", StatusCode::TOO_MANY_REQUESTS, &headers("20"));
        gates.heed("a", StatusCode::SERVICE_UNAVAILABLE, &headers("5"));
        gates.heed("a", StatusCode::NOT_FOUND, &headers("99"));
        pass("b").expect("another host");
        assert_eq!(clock.waited(), Duration::ZERO);
        pass("a").expect("after the longest wait");
        assert_eq!(clock.waited(), Duration::from_secs(20));
        gates.heed("a", StatusCode::TOO_MANY_REQUESTS, &headers("301"));
        assert!(matches!(pass("a"), Err(Failure::Fatal(_))), "longer than allowed");
        assert_eq!(clock.waited(), Duration::from_secs(20));
    }
}
