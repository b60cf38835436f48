//! Retry policy: one function from outcome to decision, and the count that limits the tries. The
//! policy does not depend on registries or requests, and does not sleep.

use crate::client::Clock;
use std::time::{Duration, SystemTime};

/// Outcome of a failed try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome<'a> {
    /// Response with an error status.
    Status {
        status: u16,
        /// Value of the `Retry-After` header.
        retry_after: Option<&'a str>,
        /// Start of the body.
        body: &'a str,
        /// Host that answered: the registry itself, or the storage of its redirect.
        from: Origin,
    },
    /// No response, or an incomplete one.
    Broken(TransportErrorKind),
}

/// Host that answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Host of the request.
    Registry,
    /// Another host, after a redirect.
    Elsewhere,
}

/// Kind of failure of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransportErrorKind {
    /// The name could not be resolved.
    Name,
    /// No connection could be made.
    Connect,
    /// The TLS handshake failed, but not over a certificate.
    Handshake,
    /// The host supports no key or cipher that the client supports.
    Terms,
    /// The client does not trust the certificate, or the host does not accept ours.
    Certificate,
    /// The host answered TLS in plain text.
    NotTls,
    /// A proxy refused the connection.
    Proxy,
    /// No response within the time limit.
    Silent,
    /// No byte within the time limit.
    Stalled,
    /// Connection reset, or closed too early.
    Cut,
    /// Response that is not HTTP, or that contradicts itself.
    Garbled,
    /// The client could not build the request, or not read its body from disk.
    Local,
}

/// Decision after a failed try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Stop: no retry can change the result.
    Stop,
    /// Retry after the usual, growing wait.
    Again,
    /// Retry as for [`Self::Again`]. The server is only busy and will accept the request later.
    Later,
    /// Retry after the wait that the server asks for.
    AgainAfter(Duration),
    /// Retry a few times only. The registry may name an address that has not expired; otherwise a
    /// refusal behind a redirect is final.
    Renew,
}

/// Wait of a minute, which GitHub documents for a secondary rate limit without a stated time.
const SECONDARY_LIMIT: Duration = Duration::from_secs(60);

/// Returns true for a status that a retry may change: timeouts (408, 504), too early (425), rate
/// limits (429), a client that disconnected from nginx (499), server errors, and Cloudflare's 520
/// to 527.
pub(crate) const fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 499 | 500 | 502..=504 | 520..=527)
}

/// Decides on the next step after a failed try.
pub(crate) fn decide(outcome: Outcome<'_>, now: SystemTime) -> Decision {
    match outcome {
        Outcome::Broken(
            TransportErrorKind::Certificate
            | TransportErrorKind::Terms
            | TransportErrorKind::NotTls
            | TransportErrorKind::Local
            | TransportErrorKind::Proxy,
        ) => Decision::Stop,
        Outcome::Broken(_) => Decision::Again,
        Outcome::Status { status, retry_after, body, from } => {
            let asked = retry_after.and_then(|text| parse_retry_after(text, now));
            let secondary = status == 403 && body.contains("secondary rate limit");
            let transient = is_transient(status);
            // Storage answers 400, 403 or 404 for an expired signed address. The registry issues a
            // new one.
            let storage = from == Origin::Elsewhere && status >= 400;
            match asked {
                Some(wait) if transient || secondary => Decision::AgainAfter(wait),
                None if secondary => Decision::AgainAfter(SECONDARY_LIMIT),
                None if status == 429 => Decision::Later,
                _ if transient => Decision::Again,
                _ if storage => Decision::Renew,
                _ => Decision::Stop,
            }
        }
    }
}

/// Parses both forms of `Retry-After`: seconds, or a date. A past date, and zero, give `None`.
pub(crate) fn parse_retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    let wait = if let Ok(seconds) = text.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_second();
        let date = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(date).ok()?);
        date.duration_since(now).ok()?
    };
    (!wait.is_zero()).then_some(wait)
}

/// Maximum number of tries without a new byte.
const TRIES: u32 = 8;
/// Maximum number of times that a server may postpone one request. If a server postpones every
/// third of thousands of requests, some meet eight postponements in a row, but none meets this
/// many.
const PUT_OFF: u32 = 32;
/// Maximum number of tries with a host that never answered in this run. A mistyped name should not
/// cost half a minute.
const TRIES_UNREACHED: u32 = 4;
/// Maximum number of tries with an address behind a redirect that refuses the request. A cache may
/// return the expired address a second time.
const TRIES_RENEWED: u32 = 3;
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Bytes beyond the previous maximum that count as progress. Progress resets the count of tries, so
/// a server that transfers one byte at a time must not make any.
pub(crate) const PROGRESS: u64 = 64 * crate::limits::KIB;

/// Returns true if a download at offset `at` of `size` is well beyond `furthest`: by [`PROGRESS`],
/// or near its end by a quarter of the rest.
pub(crate) fn is_beyond(at: u64, furthest: u64, size: u64) -> bool {
    at > furthest && at - furthest >= PROGRESS.min(size.saturating_sub(furthest) / 4)
}

/// Connection history of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The host has answered before.
    Reached,
    /// The host has not answered yet.
    Unreached,
}

/// Count of tries. Any progress resets it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tries {
    failed: u32,
    put_off: u32,
    renewed: u32,
}

impl Tries {
    /// Records the arrival of new bytes.
    pub(crate) fn progressed(&mut self) {
        *self = Self::default();
    }

    /// Returns the wait before the next try after a failed one, or `None` if there is no next try.
    pub(crate) fn next(
        &mut self,
        decision: Decision,
        reach: Reach,
        clock: &Clock,
    ) -> Option<Duration> {
        let (count, most) = match (decision, reach) {
            (Decision::Stop, _) => return None,
            (Decision::Later | Decision::AgainAfter(_), _) => (&mut self.put_off, PUT_OFF),
            (Decision::Renew, _) => (&mut self.renewed, TRIES_RENEWED),
            (Decision::Again, Reach::Reached) => (&mut self.failed, TRIES),
            (Decision::Again, Reach::Unreached) => (&mut self.failed, TRIES_UNREACHED),
        };
        *count += 1;
        if *count >= most {
            return None;
        }
        if let Decision::AgainAfter(wait) = decision {
            return Some(wait);
        }
        let grown = FIRST_WAIT * 2_u32.saturating_pow((*count - 1).min(16));
        Some(clock.jitter(grown.min(LONGEST_WAIT)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::VirtualClock;

    #[test]
    fn every_outcome_has_its_decision() {
        use Decision::{Again, AgainAfter, Later, Renew, Stop};
        let now = VirtualClock::default().now();
        let seconds = Duration::from_secs;
        let registry = |status, retry_after, body| Outcome::Status {
            status,
            retry_after,
            body,
            from: Origin::Registry,
        };
        let storage = |status| Outcome::Status {
            status,
            retry_after: None,
            body: "",
            from: Origin::Elsewhere,
        };
        for (outcome, decision) in [
            (registry(408, None, ""), Again),
            (registry(425, None, ""), Again),
            (registry(429, None, ""), Later),
            (registry(429, Some("20"), ""), AgainAfter(seconds(20))),
            (registry(429, Some(" 5 "), ""), AgainAfter(seconds(5))),
            (registry(429, Some("0"), ""), Later),
            (registry(429, Some("soon"), ""), Later),
            (registry(429, Some("-1"), ""), Later),
            (registry(429, Some("Thu, 01 Jan 2026 00:01:30 GMT"), ""), AgainAfter(seconds(90))),
            (registry(429, Some("Wed, 31 Dec 2025 23:00:00 GMT"), ""), Later),
            (registry(503, Some("7"), ""), AgainAfter(seconds(7))),
            (registry(499, None, ""), Again),
            (registry(500, None, ""), Again),
            (registry(502, None, ""), Again),
            (registry(503, None, ""), Again),
            (registry(504, None, ""), Again),
            (registry(520, None, ""), Again),
            (registry(527, None, ""), Again),
            (registry(501, None, ""), Stop),
            (registry(505, None, ""), Stop),
            (registry(507, None, ""), Stop),
            (registry(400, Some("5"), ""), Stop),
            (registry(401, None, ""), Stop),
            (registry(403, None, "denied"), Stop),
            (
                registry(403, None, "You have exceeded a secondary rate limit"),
                AgainAfter(SECONDARY_LIMIT),
            ),
            (registry(403, Some("9"), "a secondary rate limit"), AgainAfter(seconds(9))),
            (registry(404, None, ""), Stop),
            (registry(405, None, ""), Stop),
            (registry(413, None, ""), Stop),
            (registry(416, None, ""), Stop),
            (storage(400), Renew),
            (storage(401), Renew),
            (storage(403), Renew),
            (storage(404), Renew),
            (storage(503), Again),
            (Outcome::Broken(TransportErrorKind::Name), Again),
            (Outcome::Broken(TransportErrorKind::Connect), Again),
            (Outcome::Broken(TransportErrorKind::Handshake), Again),
            (Outcome::Broken(TransportErrorKind::Silent), Again),
            (Outcome::Broken(TransportErrorKind::Stalled), Again),
            (Outcome::Broken(TransportErrorKind::Cut), Again),
            (Outcome::Broken(TransportErrorKind::Garbled), Again),
            (Outcome::Broken(TransportErrorKind::Certificate), Stop),
            (Outcome::Broken(TransportErrorKind::NotTls), Stop),
            (Outcome::Broken(TransportErrorKind::Proxy), Stop),
            (Outcome::Broken(TransportErrorKind::Local), Stop),
        ] {
            assert_eq!(decide(outcome, now), decision, "{outcome:?}");
        }
    }

    #[test]
    fn waits_double_up_to_thirty_seconds_and_progress_starts_anew() {
        let clock = Clock::Virtual(VirtualClock::default());
        let mut tries = Tries::default();
        let waits: Vec<_> =
            std::iter::from_fn(|| tries.next(Decision::Again, Reach::Reached, &clock))
                .map(|wait| wait.as_millis())
                .collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 8000, 16000]);
        tries.progressed();
        assert_eq!(
            tries.next(Decision::Again, Reach::Reached, &clock),
            Some(Duration::from_millis(250))
        );
    }

    #[test]
    fn a_refusal_behind_a_redirect_is_given_up_within_a_second() {
        let clock = Clock::Virtual(VirtualClock::default());
        let mut tries = Tries::default();
        let waits: Vec<_> =
            std::iter::from_fn(|| tries.next(Decision::Renew, Reach::Reached, &clock))
                .map(|wait| wait.as_millis())
                .collect();
        assert_eq!(waits, [250, 500]);
    }

    #[test]
    fn a_host_that_never_answered_is_given_up_soon() {
        let clock = Clock::Virtual(VirtualClock::default());
        let mut tries = Tries::default();
        let waits =
            std::iter::from_fn(|| tries.next(Decision::Again, Reach::Unreached, &clock)).count();
        assert_eq!(waits, 3);
    }
}
