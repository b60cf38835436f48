//! Cache for one registry: its challenge, its credentials and its tokens.

use super::{
    access::{Access, Action},
    challenge::Challenge,
    credential::Credential,
    credentials::Found,
    scope::Scopes,
    token::{Realm, Token},
};
use crate::lock::Locked as _;
use crate::{Result, client::http::message::Response, limits::REMEMBERED, oci::RepositoryName};
use ::http::header::WWW_AUTHENTICATE;
use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime},
};

/// Challenge, credentials and tokens of one host.
#[derive(Debug, Default)]
pub(crate) struct AuthCache(Mutex<State>);

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) asks: Option<Asks>,
    /// Scopes that the registry's challenges named in addition to ours.
    pub(crate) named: Recent<(Option<RepositoryName>, Action), Scopes>,
    pub(crate) found: Recent<Option<RepositoryName>, Lookup>,
    /// Repositories that accept reads without our credentials.
    pub(crate) open: Recent<Option<RepositoryName>, ()>,
    tokens: Recent<TokenKey, Slot>,
}

/// Map that drops its least recently used entries, so it never holds more than [`REMEMBERED`]. The
/// client can request everything in it again.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    entries: HashMap<K, (u64, V)>,
    /// Count of uses, which orders the entries.
    uses: u64,
    /// Number of entries at which [`Self::keep`] runs next.
    look_at: usize,
}

/// Number of entries below which a clean-up is not worth its time.
const FEW: usize = 64;

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), uses: 0, look_at: FEW }
    }
}

impl<K: Clone + Eq + Hash, V: Default> Recent<K, V> {
    /// Returns the entry of a key, and counts this as a use.
    pub(crate) fn entry(&mut self, key: K) -> &mut V {
        if self.entries.len() >= REMEMBERED && !self.entries.contains_key(&key) {
            let mut uses: Vec<u64> = self.entries.values().map(|(used, _)| *used).collect();
            uses.sort_unstable();
            let middle = uses[uses.len() / 2];
            self.entries.retain(|_, (used, _)| *used >= middle);
        }
        self.uses += 1;
        let entry = self.entries.entry(key).or_default();
        entry.0 = self.uses;
        &mut entry.1
    }

    /// Returns the cached value of a key.
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    /// Drops the entries that are not worth keeping. The check runs each time the number of entries
    /// has doubled.
    fn keep(&mut self, worth: impl Fn(&V) -> bool) {
        if self.entries.len() >= self.look_at {
            self.entries.retain(|_, (_, value)| worth(value));
            self.look_at = FEW.max(self.entries.len() * 2);
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Asks {
    Basic,
    Bearer(Realm),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TokenKey {
    pub(crate) credential: Option<Credential>,
    pub(crate) scopes: Scopes,
}

/// Slot of a token, locked during the download of the token. Many concurrent requests then download
/// it once.
pub(crate) type Slot = Arc<tokio::sync::Mutex<Option<Token>>>;
pub(crate) type Lookup = Arc<tokio::sync::OnceCell<Option<Found>>>;

impl AuthCache {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.locked()
    }

    pub(crate) fn asks(&self) -> Option<Asks> {
        self.state().asks.clone()
    }

    /// Returns the slot of a token. The function drops tokens that have expired by `now`.
    pub(crate) fn slot(&self, key: TokenKey, now: SystemTime) -> Slot {
        let mut state = self.state();
        state.tokens.keep(|slot| match slot.try_lock() {
            _ if Arc::strong_count(slot) > 1 => true,
            Ok(held) => held.as_ref().is_some_and(|token| token.lasts(now, Duration::ZERO)),
            // Another task downloads this token at present.
            Err(_) => true,
        });
        Arc::clone(state.tokens.entry(key))
    }
}

/// Comparison of a challenge's scopes with the scopes already requested.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Widened {
    Yes,
    No,
}

/// Adds the scopes of a challenge. The result is `None` if the host sent no challenge that the
/// client supports.
pub(crate) fn learn(ticket: &Access, refusal: &Response) -> Result<Option<Widened>> {
    let values = refusal.headers.get_all(WWW_AUTHENTICATE);
    let list = Challenge::parse(values.iter().filter_map(|value| value.to_str().ok()));
    let bearer = list.iter().find(|c| c.is("Bearer") && c.parameter("realm").is_some());
    let mut widened = Widened::No;
    let asks = match bearer {
        Some(challenge) => {
            let realm =
                Realm::of(challenge, &refusal.url, ticket.host.registry(), refusal.network)?;
            if let Some(scope) = challenge.parameter("scope") {
                let key = (ticket.repository.clone(), ticket.access);
                let mut before = ticket.needs();
                let mut state = ticket.host.memory.state();
                let named = state.named.entry(key);
                before.join(named);
                let asked = Scopes::parse(scope);
                if before.join(&asked) {
                    widened = Widened::Yes;
                }
                named.join(&asked);
            }
            Asks::Bearer(realm)
        }
        None if list.iter().any(|c| c.is("Basic")) => Asks::Basic,
        None => return Ok(None),
    };
    ticket.host.memory.state().asks = Some(asks);
    Ok(Some(widened))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::VirtualClock;

    /// Finding 8: the cache kept names that other parties invented for ever, 4 KB each.
    #[test]
    fn no_number_of_names_is_remembered_for_ever() {
        let mut recent: Recent<usize, usize> = Recent::default();
        for name in 0..3 * REMEMBERED {
            *recent.entry(name) = name;
            // This entry is in use all the time.
            assert_eq!(*recent.entry(0), 0);
            assert!(recent.entries.len() <= REMEMBERED);
        }
        assert_eq!(recent.get(&(3 * REMEMBERED - 1)), Some(&(3 * REMEMBERED - 1)));
        assert_eq!(recent.get(&1), None);
    }

    #[test]
    fn tokens_that_have_expired_are_forgotten() {
        let (memory, clock) = (AuthCache::default(), VirtualClock::default());
        let key = |name: usize| TokenKey {
            credential: None,
            scopes: Scopes::parse(&format!("repository:n{name}:pull")),
        };
        // Another task downloads this token all the while.
        let fetched = memory.slot(key(0), clock.now());
        let _fetching = fetched.try_lock().expect("free");
        for name in 1..FEW {
            let slot = memory.slot(key(name), clock.now());
            *slot.try_lock().expect("free") = Some(Token::of("x", clock.now()));
        }
        let later = clock.now() + Duration::from_secs(3600);
        memory.slot(key(FEW), later);
        assert_eq!(memory.state().tokens.entries.len(), 2, "the one in use, and the new one");
    }
}
