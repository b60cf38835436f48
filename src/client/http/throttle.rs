//! Rate of requests to a host. A `Retry-After` applies to every request to that host, not only to
//! the refused one: the client sends nothing within that time. If a host reports too many requests,
//! the client halves the number in flight, and raises it again while the host accepts. The user can
//! also set a rate.

use super::{failure::AttemptError, message::text, retry::parse_retry_after};
use crate::lock::Locked as _;
use crate::{
    Error, ErrorKind,
    client::{Clock, Options},
};
use ::http::{HeaderMap, StatusCode};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime},
};
use tokio::sync::Notify;

/// Maximum rate of requests to a host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimit {
    /// Number of requests in flight.
    pub at_once: usize,
    /// Requests per second. `None` sets no limit.
    pub per_second: Option<f64>,
}

impl Default for RateLimit {
    /// Returns 64 in flight: at 100 ms per request that is 640 per second, which few registries
    /// allow one client.
    fn default() -> Self {
        Self { at_once: 64, per_second: None }
    }
}

/// Number of accepted requests before the client allows one more in flight.
const GROWS_AFTER: usize = 20;

/// Throttles of all hosts of one client.
#[derive(Debug)]
pub(crate) struct Throttles {
    lanes: Mutex<HashMap<String, Lane>>,
    clock: Clock,
    longest: Duration,
    pace: RateLimit,
    paces: BTreeMap<String, RateLimit>,
}

/// State of one host.
#[derive(Debug)]
struct Lane {
    /// Time until which the client sends nothing.
    closed: Option<SystemTime>,
    /// Time of the next request, if there is a rate.
    next: Option<SystemTime>,
    pace: RateLimit,
    limit: usize,
    active: usize,
    /// Number of accepted requests since the limit last changed.
    good: usize,
    /// Time at which the limit was last halved. Complaints about earlier requests have no further
    /// effect.
    halved: Option<SystemTime>,
    freed: Arc<Notify>,
}

/// Permission of a request to be in flight. Dropping it returns it.
#[derive(Debug)]
pub(crate) struct Permit {
    gates: Arc<Throttles>,
    host: String,
    since: SystemTime,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut lanes = self.gates.lanes();
        if let Some(lane) = lanes.get_mut(&self.host) {
            lane.active = lane.active.saturating_sub(1);
            lane.freed.notify_one();
        }
    }
}

/// Reason for a request to wait.
enum Wait {
    For(Duration),
    Free(Arc<Notify>),
}

impl Throttles {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            lanes: Mutex::default(),
            clock: options.clock.clone(),
            longest: options.retry_after,
            pace: options.pace,
            paces: options.paces.clone(),
        }
    }

    fn lanes(&self) -> MutexGuard<'_, HashMap<String, Lane>> {
        self.lanes.locked()
    }

    /// Waits until one more request may go to `host`.
    pub(crate) async fn pass(self: &Arc<Self>, host: &str) -> Result<Permit, AttemptError> {
        loop {
            // Another refusal may have come during the wait.
            match self.enter(host) {
                Ok(since) => {
                    return Ok(Permit { gates: Arc::clone(self), host: host.to_owned(), since });
                }
                Err(Wait::For(wait)) if wait > self.longest => {
                    return Err(too_long(host, wait, self.longest).into());
                }
                Err(Wait::For(wait)) => self.clock.wait(wait).await,
                // A request that ends wakes one that waits. `Notify` keeps the permit if none waits
                // yet.
                Err(Wait::Free(freed)) => freed.notified().await,
            }
        }
    }

    fn enter(&self, host: &str) -> Result<SystemTime, Wait> {
        let now = self.clock.now();
        let mut lanes = self.lanes();
        let lane = lanes.entry(host.to_owned()).or_insert_with(|| {
            let pace = self.paces.get(host).copied().unwrap_or(self.pace);
            Lane {
                closed: None,
                next: None,
                pace,
                limit: pace.at_once.max(1),
                active: 0,
                good: 0,
                halved: None,
                freed: Arc::default(),
            }
        });
        let ahead = |time: Option<SystemTime>| {
            time.and_then(|time| time.duration_since(now).ok()).filter(|wait| !wait.is_zero())
        };
        if let Some(wait) = ahead(lane.closed).or_else(|| ahead(lane.next)) {
            // A woken request that cannot go wakes the next one when the time has come.
            lane.freed.notify_one();
            return Err(Wait::For(wait));
        }
        if lane.active >= lane.limit {
            return Err(Wait::Free(Arc::clone(&lane.freed)));
        }
        lane.active += 1;
        lane.next = lane.pace.per_second.filter(|rate| *rate > 0.0).and_then(|rate| {
            now.checked_add(Duration::try_from_secs_f64(1.0 / rate).unwrap_or(self.longest))
        });
        Ok(now)
    }

    /// Applies the limits in a host's response.
    pub(crate) fn heed(&self, passage: &Permit, status: StatusCode, headers: &HeaderMap) {
        let now = self.clock.now();
        let mut lanes = self.lanes();
        let Some(lane) = lanes.get_mut(&passage.host) else { return };
        let limited = Allowance::of(headers);
        let close = if matches!(status.as_u16(), 429 | 503) {
            if lane.halved.is_none_or(|halved| passage.since >= halved) {
                lane.limit = (lane.limit / 2).max(1);
                lane.halved = Some(now);
                lane.good = 0;
            }
            text(headers, "retry-after").and_then(|text| parse_retry_after(text, now))
        } else {
            lane.good += 1;
            if lane.good >= GROWS_AFTER && lane.limit < lane.pace.at_once {
                lane.limit += 1;
                lane.good = 0;
                lane.freed.notify_one();
            }
            // Advice, not a refusal: the client ignores a window that is longer than it may wait.
            limited.exhausted().filter(|wait| *wait <= self.longest)
        };
        if let Some(left) = limited.remaining.filter(|left| *left > 0) {
            lane.limit = lane.limit.min(usize::try_from(left).unwrap_or(usize::MAX));
        }
        let Some(until) = close.and_then(|wait| now.checked_add(wait)) else { return };
        lane.closed = Some(lane.closed.map_or(until, |known| known.max(until)));
    }
}

/// Rate limit in a host's headers: `Allowance-Remaining: 7` (Docker Hub: `7;w=21600`) and
/// `Allowance-Reset: 30`, or in the later drafts `Allowance: limit=100, remaining=7, reset=30` and
/// `"default";r=7;t=30`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Allowance {
    remaining: Option<u64>,
    reset: Option<u64>,
}

impl Allowance {
    fn of(headers: &HeaderMap) -> Self {
        let number = |text: &str| {
            let digits = text.trim().split([';', ',']).next().unwrap_or_default();
            digits.trim().parse::<u64>().ok()
        };
        let mut found = Self {
            remaining: text(headers, "ratelimit-remaining").and_then(number),
            reset: text(headers, "ratelimit-reset").and_then(number),
        };
        for part in text(headers, "ratelimit").unwrap_or_default().split([',', ';']) {
            match part.trim().split_once('=') {
                Some(("remaining" | "r", value)) => found.remaining = number(value),
                Some(("reset" | "t", value)) => found.reset = number(value),
                _ => {}
            }
        }
        found
    }

    /// Returns the time until the host accepts requests again, if the limit is used up.
    fn exhausted(&self) -> Option<Duration> {
        let reset = self.reset.filter(|_| self.remaining == Some(0))?;
        Some(Duration::from_secs(reset)).filter(|wait| !wait.is_zero())
    }
}

/// Returns the error for a host that asks for a longer wait than the limit.
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
    use futures_util::FutureExt;

    fn gates(pace: RateLimit) -> (Arc<Throttles>, VirtualClock) {
        let clock = VirtualClock::default();
        let options = Options { clock: clock.clone().into(), pace, ..Options::default() };
        (Arc::new(Throttles::new(&options)), clock)
    }

    fn pass(gates: &Arc<Throttles>, host: &str) -> Result<Permit, AttemptError> {
        gates.pass(host).now_or_never().expect("nothing to wait for but the virtual clock")
    }

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let name = ::http::HeaderName::from_static(name);
        HeaderMap::from_iter([(name, value.parse().expect("header"))])
    }

    #[test]
    fn a_gate_stays_closed_for_as_long_as_was_asked() {
        let (gates, clock) = gates(RateLimit::default());
        let retry = |wait: &str| headers("retry-after", wait);
        let first = pass(&gates, "a").expect("open");
        gates.heed(&first, StatusCode::TOO_MANY_REQUESTS, &retry("20"));
        gates.heed(&first, StatusCode::SERVICE_UNAVAILABLE, &retry("5"));
        gates.heed(&first, StatusCode::NOT_FOUND, &retry("99"));
        pass(&gates, "b").expect("another host");
        assert_eq!(clock.waited(), Duration::ZERO);
        pass(&gates, "a").expect("after the longest wait");
        assert_eq!(clock.waited(), Duration::from_secs(20));
        gates.heed(&first, StatusCode::TOO_MANY_REQUESTS, &retry("301"));
        assert!(matches!(pass(&gates, "a"), Err(AttemptError::Fatal(_))), "longer than allowed");
        assert_eq!(clock.waited(), Duration::from_secs(20));
    }

    #[test]
    fn complaints_halve_what_is_in_flight_once_and_quiet_lets_it_grow() {
        let (gates, clock) = gates(RateLimit { at_once: 8, per_second: None });
        let limit = |gates: &Throttles| gates.lanes()["a"].limit;
        let all: Vec<Permit> = (0..8).map(|_| pass(&gates, "a").expect("free")).collect();
        assert!(gates.pass("a").now_or_never().is_none(), "eight are in flight");
        clock.advance(Duration::from_secs(1));
        for passage in &all {
            gates.heed(passage, StatusCode::TOO_MANY_REQUESTS, &HeaderMap::new());
        }
        assert_eq!(limit(&gates), 4, "they were all sent before the first complaint");
        drop(all);
        let later = pass(&gates, "a").expect("free");
        gates.heed(&later, StatusCode::SERVICE_UNAVAILABLE, &HeaderMap::new());
        assert_eq!(limit(&gates), 2);
        for _ in 0..GROWS_AFTER * 20 {
            gates.heed(&later, StatusCode::OK, &HeaderMap::new());
        }
        assert_eq!(limit(&gates), 8, "and no further");
    }

    #[test]
    fn a_rate_spaces_requests() {
        let (gates, clock) = gates(RateLimit { at_once: 8, per_second: Some(4.0) });
        for _ in 0..5 {
            pass(&gates, "a").expect("in time");
        }
        assert_eq!(clock.waited(), Duration::from_secs(1));
    }

    #[test]
    fn a_limit_that_is_used_up_is_waited_for_before_it_is_exceeded() {
        for (name, value, expected) in [
            ("ratelimit", "limit=100, remaining=0, reset=30", 30),
            ("ratelimit", "\"default\";r=0;t=7", 7),
            ("ratelimit", "limit=100, remaining=3, reset=30", 0),
            ("ratelimit", "limit=100, remaining=0, reset=3000", 0),
            ("ratelimit-remaining", "0;w=21600", 0),
        ] {
            let (gates, clock) = gates(RateLimit::default());
            let first = pass(&gates, "a").expect("open");
            gates.heed(&first, StatusCode::OK, &headers(name, value));
            pass(&gates, "a").expect("open again");
            assert_eq!(clock.waited(), Duration::from_secs(expected), "{value}");
        }
        let left = Allowance::of(&headers("ratelimit-remaining", "76;w=21600"));
        assert_eq!(left, Allowance { remaining: Some(76), reset: None });
    }
}
