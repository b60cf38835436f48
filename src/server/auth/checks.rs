//! Limits on password checks. A check costs tens of milliseconds of processor time. A client that
//! guesses passwords could use every processor, and fill an endless queue. [`super::htpasswd`]
//! compares the passwords.

use crate::lock::Locked as _;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Maximum number of checks that run or wait. At 50 ms per check and with two processors, the last
/// one waits two seconds.
const MOST: usize = 64;
/// Number of those checks that are reserved for clients without a recent failure.
const KEPT: usize = 16;
/// Maximum number of checks of one client that run or wait. A proxy is one client with many users.
const MOST_OF_CLIENT: usize = 16;
/// Maximum number of checks of one user name from one client that run or wait. A user has one
/// password, and perhaps an old one too.
const MOST_OF_USER: usize = 2;
/// Time for which a failure counts as recent.
const RECENT: Duration = Duration::from_secs(60);
/// Maximum number of clients whose failures the server remembers. At a thousand bytes each they
/// would need 10 MB; they need about a hundred bytes.
const MOST_REMEMBERED: usize = 10_000;

/// Reason why the server did not check a password. The client may retry after a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    /// Too many checks of this client run or wait.
    Client,
    /// Too many checks of all clients together run or wait.
    Server,
}

/// Running and waiting checks. All clones share one state.
#[derive(Clone, Debug)]
pub(crate) struct Checks(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Permits, one per processor except the reserved one.
    shared: Arc<Semaphore>,
    /// Permit reserved for clients without a recent failure. A client that guesses cannot prevent
    /// their login.
    kept: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    all: usize,
    clients: HashMap<Option<IpAddr>, Client>,
}

#[derive(Debug, Default)]
struct Client {
    users: HashMap<String, usize>,
    failed: Option<Instant>,
}

impl Client {
    fn under_way(&self) -> usize {
        self.users.values().sum()
    }

    fn has_failed(&self) -> bool {
        self.failed.is_some_and(|moment| moment.elapsed() < RECENT)
    }
}

impl Checks {
    pub(crate) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Inner {
            shared: Arc::new(Semaphore::new(processors.saturating_sub(1).max(1))),
            kept: Arc::new(Semaphore::new(1)),
            state: Mutex::default(),
        }))
    }

    /// Reserves a place in the queue for a check of `user` by `client`.
    pub(crate) fn enter(&self, client: Option<IpAddr>, user: &str) -> Result<CheckPermit, Busy> {
        let client = client.map(network);
        let mut state = self.state();
        let known = state.clients.get(&client);
        let failed = known.is_some_and(Client::has_failed);
        let of_user = known.and_then(|known| known.users.get(user)).copied().unwrap_or_default();
        if known.map_or(0, Client::under_way) >= MOST_OF_CLIENT || of_user >= MOST_OF_USER {
            return Err(Busy::Client);
        }
        if state.all >= if failed { MOST - KEPT } else { MOST } {
            return Err(Busy::Server);
        }
        state.forget();
        state.all += 1;
        *state.clients.entry(client).or_default().users.entry(user.to_owned()).or_default() += 1;
        Ok(CheckPermit { checks: self.clone(), client, user: user.to_owned(), failed })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.locked()
    }
}

impl State {
    /// Drops failures if there are too many.
    fn forget(&mut self) {
        if self.clients.len() < MOST_REMEMBERED {
            return;
        }
        self.clients.retain(|_, client| client.under_way() > 0 || client.has_failed());
        if self.clients.len() >= MOST_REMEMBERED {
            self.clients.retain(|_, client| client.under_way() > 0);
        }
    }
}

/// Place in the queue. Dropping it frees the place.
#[derive(Debug)]
pub(crate) struct CheckPermit {
    checks: Checks,
    client: Option<IpAddr>,
    user: String,
    /// Presence of a recent failure of the client when the request arrived.
    failed: bool,
}

impl CheckPermit {
    /// Waits until a processor is free.
    pub(crate) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        let Inner { shared, kept, .. } = &*self.checks.0;
        let shared = Arc::clone(shared).acquire_owned();
        if self.failed {
            return shared.await.ok();
        }
        tokio::select! {
            biased;
            permit = shared => permit.ok(),
            permit = Arc::clone(kept).acquire_owned() => permit.ok(),
        }
    }

    /// Records a wrong password.
    pub(crate) fn failed(&self) {
        let mut state = self.checks.state();
        state.clients.entry(self.client).or_default().failed = Some(Instant::now());
    }
}

impl Drop for CheckPermit {
    fn drop(&mut self) {
        let mut state = self.checks.state();
        state.all = state.all.saturating_sub(1);
        let Some(client) = state.clients.get_mut(&self.client) else { return };
        if let Some(count) = client.users.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                client.users.remove(&self.user);
            }
        }
        if client.users.is_empty() && !client.has_failed() {
            state.clients.remove(&self.client);
        }
    }
}

/// Returns the client of an address. A host may use a whole /64 of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("address"))
    }

    #[test]
    fn one_client_has_a_bound_and_others_their_own() {
        let checks = Checks::new();
        let guesser = address("2001:db8::1");
        let same = address("2001:db8::2");
        let mut places = Vec::new();
        for at in 0..MOST_OF_CLIENT / 2 {
            for _ in 0..MOST_OF_USER {
                places.push(checks.enter(guesser, &format!("user{at}")).expect("a place"));
            }
            assert_eq!(checks.enter(same, &format!("user{at}")).err(), Some(Busy::Client));
        }
        assert_eq!(checks.enter(same, "another").err(), Some(Busy::Client));
        checks.enter(address("2001:db8:0:1::1"), "another").expect("another network");
        places.pop();
        checks.enter(same, "another").expect("a place is free again");
    }

    #[test]
    fn all_together_have_a_bound_and_those_who_failed_a_lower_one() {
        let checks = Checks::new();
        let guesser = address("10.0.0.1");
        checks.enter(guesser, "ann").expect("a place").failed();
        let mut places = Vec::new();
        for at in 0..MOST - KEPT {
            let from = address(&format!("10.0.1.{at}"));
            places.push(checks.enter(from, "ann").expect("a place"));
        }
        assert_eq!(checks.enter(guesser, "ann").err(), Some(Busy::Server));
        for at in 0..KEPT {
            let from = address(&format!("10.0.2.{at}"));
            places.push(checks.enter(from, "ann").expect("a kept place"));
        }
        assert_eq!(checks.enter(address("10.0.3.1"), "ann").err(), Some(Busy::Server));
        drop(places);
        let state = checks.state();
        assert_eq!((state.all, state.clients.len()), (0, 1), "only the failure is remembered");
    }

    #[tokio::test]
    async fn a_guesser_leaves_one_turn_to_others() {
        let checks = Checks::new();
        let guesser = address("10.0.0.1");
        checks.enter(guesser, "ann").expect("a place").failed();
        let mut turns = Vec::new();
        while let Ok(permit) = Arc::clone(&checks.0.shared).try_acquire_owned() {
            turns.push(permit);
        }
        let waiting = checks.enter(guesser, "ann").expect("a place");
        let other = checks.enter(address("10.0.0.2"), "bob").expect("a place");
        assert!(waiting.turn().now_or_never().is_none());
        assert!(other.turn().now_or_never().is_some());
    }
}
