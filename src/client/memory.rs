//! What a registry has asked for, and what we hold for it: its challenge, looked-up credentials, tokens.

use super::{
    challenge::Challenge,
    credentials::{Credential, Found},
    message::Full,
    scope::Scopes,
    ticket::{Access, Ticket},
    token::{Realm, Token},
};
use crate::{Result, oci::RepositoryName};
use ::http::header::WWW_AUTHENTICATE;
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What a host has asked for, and what we hold for it.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<State>);

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) asks: Option<Asks>,
    /// Scopes that challenges named beyond ours.
    pub(crate) named: HashMap<(Option<RepositoryName>, Access), Scopes>,
    pub(crate) found: HashMap<Option<RepositoryName>, Lookup>,
    /// Repositories that let us read without what we have.
    pub(crate) open: HashSet<Option<RepositoryName>>,
    tokens: HashMap<TokenKey, Slot>,
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

/// Locked while its token is fetched, so that many requests fetch it once.
pub(crate) type Slot = Arc<tokio::sync::Mutex<Option<Token>>>;
pub(crate) type Lookup = Arc<tokio::sync::OnceCell<Option<Found>>>;

impl Memory {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn asks(&self) -> Option<Asks> {
        self.state().asks.clone()
    }

    pub(crate) fn slot(&self, key: TokenKey) -> Slot {
        Arc::clone(self.state().tokens.entry(key).or_default())
    }
}

/// Whether a challenge asks for more than we had asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Widened {
    Yes,
    No,
}

/// Takes in what the host asks for; `None` when it asks for nothing we know.
pub(crate) fn learn(ticket: &Ticket, refusal: &Full) -> Result<Option<Widened>> {
    let values = refusal.headers.get_all(WWW_AUTHENTICATE);
    let list = Challenge::parse(values.iter().filter_map(|value| value.to_str().ok()));
    let bearer = list.iter().find(|c| c.is("Bearer") && c.parameter("realm").is_some());
    let mut widened = Widened::No;
    let asks = match bearer {
        Some(challenge) => {
            let realm = Realm::of(challenge, &refusal.url, ticket.host.registry())?;
            if let Some(scope) = challenge.parameter("scope") {
                let key = (ticket.repository.clone(), ticket.access);
                let mut before = ticket.needs();
                let mut state = ticket.host.memory.state();
                let named = state.named.entry(key).or_default();
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
