//! Retry policy: one function from outcome to decision, and the count that limits the tries. It
//! knows nothing of registries, requests or sleeping.

use crate::client::Clock;
use std::time::{Duration, SystemTime};

/// Outcome of a failed try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome<'a> {
    /// An answer that is no success.
    Status {
        status: u16,
        /// The `Retry-After` header.
        retry_after: Option<&'a str>,
        /// The start of the body.
        body: &'a str,
        /// Host that answered: the registry itself, or storage that it redirected to.
        from: Origin,
    },
    /// No answer, or one that broke off.
    Broken(TransportErrorKind),
}

/// Host that answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The host that was asked.
    Registry,
    /// Another, after a redirect.
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
    /// The host knows no key or cipher that we know.
    Terms,
    /// The certificate is not trusted, or ours is not accepted.
    Certificate,
    /// The host answered TLS in plain text.
    NotTls,
    /// A proxy on the way refused.
    Proxy,
    /// No answer in time.
    Silent,
    /// Not one byte for too long.
    Stalled,
    /// Reset or closed early.
    Cut,
    /// An answer that is no HTTP, or that contradicts itself.
    Garbled,
    /// The request itself could not be built or read from disk.
    Local,
}

/// Decision after a failed try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Stop: no retry can change the result.
    Stop,
    /// Try again after the usual, growing wait.
    Again,
    /// The same, but it is no failure: the server has too much to do and will come to it.
    Later,
    /// Try again after the wait the server asks for.
    AgainAfter(Duration),
    /// Try again, a few times only: the registry may name an address that has not expired. A
    /// refusal behind a redirect is final else.
    Renew,
}

/// GitHub asks for a minute when it does not say how long its secondary rate limit lasts.
const SECONDARY_LIMIT: Duration = Duration::from_secs(60);

/// Returns true for a status that another try may change: timeouts (408, 504), too early (425),
/// rate limits (429), a client that nginx saw leave (499), server errors, and Cloudflare's 520 to
/// 527.
pub(crate) const fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 499 | 500 | 502..=504 | 520..=527)
}

/// Decides what to do after a failed try.
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
            // Storage answers 400, 403 and 404 when a signed address has expired; the registry
            // gives a new one.
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

/// Both forms of `Retry-After`: seconds, or a date. A date that has passed, and zero, ask for no
/// wait of their own.
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

/// Tries without a new byte before we give up.
const TRIES: u32 = 8;
/// Times that a server may put off one request. With every third request put off and thousands of
/// them, eight in a row happen to some; this many never do.
const PUT_OFF: u32 = 32;
/// The same for a host that never answered in this run: a mistyped name should not cost half a
/// minute.
const TRIES_UNREACHED: u32 = 4;
/// Tries at an address behind a redirect that refuses us. A cache on the way may give the expired
/// address a second time.
const TRIES_RENEWED: u32 = 3;
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Bytes that must have gone or come beyond the most that had before, to count as progress.
/// Progress grants all tries anew, so another side that takes or gives a byte at a time must not
/// make any.
pub(crate) const PROGRESS: u64 = 64 * crate::limits::KIB;

/// Returns true if a download that has come to `at` of `size` is well beyond `furthest`: by
/// [`PROGRESS`], or near its end by a quarter of what was left.
pub(crate) fn is_beyond(at: u64, furthest: u64, size: u64) -> bool {
    at > furthest && at - furthest >= PROGRESS.min(size.saturating_sub(furthest) / 4)
}

/// Connection history of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The host has answered before.
    Reached,
    /// Not yet.
    Unreached,
}

/// Counts tries. Any progress starts the count anew.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tries {
    failed: u32,
    put_off: u32,
    renewed: u32,
}

impl Tries {
    /// New bytes have come.
    pub(crate) fn progressed(&mut self) {
        *self = Self::default();
    }

    /// After a failed try: how long to wait before the next, or `None` when there is none.
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
