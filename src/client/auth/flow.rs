//! Authentication flow of a request. The client sends it first without credentials, then with the
//! kind that the registry's challenge names, then with a new token. It sends a read once more
//! without credentials. The cache keeps the result for the next request. [`super::token`] requests
//! tokens; [`super::credentials`] looks credentials up.

use super::{
    access::Access,
    cache::{Asks, Slot, TokenKey, Widened, learn},
    credential::{Credential, basic, secret_header},
    credentials::{Found, Kept},
    token::{self, Grant, Realm},
};
use crate::{
    Result,
    client::{
        Client,
        event::ClientEvent,
        http::{
            failure::AttemptError,
            message::{Authorized, Payload, Request, Response},
        },
    },
};
use ::http::{HeaderValue, StatusCode};
use std::{sync::Arc, time::Duration};

/// Authorization header for one request.
#[derive(Debug)]
pub(crate) struct Authorization {
    pub(crate) header: HeaderValue,
    proof: TokenOrigin,
    pub(crate) kept: Option<Kept>,
}

#[derive(Debug)]
enum TokenOrigin {
    /// Credential itself, as the user gave it.
    Direct,
    /// Token from the cache, which the registry may have revoked.
    Cached(Slot),
    /// Token that the client has just requested.
    Fresh,
}

/// Attempts of one request so far.
#[derive(Debug, Default)]
pub(crate) struct AuthAttempts {
    asked: Progress,
    refreshed: Progress,
    widened: Progress,
    mode: Mode,
    /// First refusal of our credentials, which explains more than the last.
    refusal: Option<Response>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Progress {
    #[default]
    Open,
    Done,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    /// The client uses its credentials and requests all scopes.
    #[default]
    Full,
    /// The client requests only the scopes that this request needs.
    Narrow,
    /// The client sends no credentials.
    Open,
}

/// Next step after a refusal.
#[derive(Debug)]
pub(crate) enum AuthStep {
    /// The client sends the request again, with another header.
    Again,
    /// The response is final.
    Final(Response),
}

/// Size of a body, in bytes, above which the token must stay valid for [`LONG_BODY_NEEDS`].
const LONG_BODY: u64 = 1024 * 1024;
const LONG_BODY_NEEDS: Duration = Duration::from_secs(60);

impl Client {
    /// Returns the header for the next try, if the host has sent a challenge and we have
    /// credentials for it.
    pub(crate) async fn authorization(
        &self,
        ticket: &Access,
        call: &Request,
        rounds: &mut AuthAttempts,
    ) -> Result<Option<Authorization>, AttemptError> {
        let memory = &ticket.host.memory;
        let Some(asks) = memory.asks() else { return Ok(None) };
        if ticket.reads() && memory.state().open.get(&ticket.repository).is_some() {
            rounds.mode = Mode::Open;
        }
        loop {
            let found = match rounds.mode {
                Mode::Open => None,
                _ => self.found(ticket).await?,
            };
            let kept = found.as_ref().map(|found| found.origin);
            let credential = found.map(|found| found.credential);
            let realm = match (&asks, &credential) {
                (_, Some(Credential::Bearer(token))) => {
                    let header = secret_header(&format!("Bearer {}", token.expose()))?;
                    return Ok(Some(Authorization { header, proof: TokenOrigin::Direct, kept }));
                }
                (Asks::Basic, None) => return Ok(None),
                (Asks::Basic, Some(credential)) => {
                    let header = basic(credential)?;
                    return Ok(Some(Authorization { header, proof: TokenOrigin::Direct, kept }));
                }
                (Asks::Bearer(realm), _) => realm,
            };
            let needs = match call.payload {
                Payload::File { length, .. } | Payload::Remote { length, .. }
                    if length > LONG_BODY =>
                {
                    LONG_BODY_NEEDS
                }
                Payload::Bytes(ref bytes) if bytes.len() as u64 > LONG_BODY => LONG_BODY_NEEDS,
                _ => Duration::ZERO,
            };
            match self.token(ticket, realm, credential, rounds.mode, needs).await? {
                Ok((header, proof)) => return Ok(Some(Authorization { header, proof, kept })),
                Err(refusal) => self.lower(ticket, kept, rounds, refusal).map_err(|refusal| {
                    let host = ticket.host.registry();
                    let authorized = if kept.is_some() { Authorized::Yes } else { Authorized::No };
                    token::refused(host, &refusal, authorized)
                })?,
            }
        }
    }

    /// Returns a token from the cache or a new one. The result is `Err` if the token service
    /// refused to issue one.
    async fn token(
        &self,
        ticket: &Access,
        realm: &Realm,
        credential: Option<Credential>,
        mode: Mode,
        needs: Duration,
    ) -> Result<Result<(HeaderValue, TokenOrigin), Response>> {
        let memory = &ticket.host.memory;
        let mut scopes = ticket.needs();
        if mode == Mode::Full
            && let Some(wishes) = ticket.wishes()
        {
            scopes.join(&wishes);
        }
        if let Some(named) = memory.state().named.get(&(ticket.repository.clone(), ticket.access)) {
            scopes.join(named);
        }
        let now = self.options().clock.now();
        let key = TokenKey { credential: credential.clone(), scopes: scopes.clone() };
        let slot = memory.slot(key, now);
        let mut held = slot.lock().await;
        let now = self.options().clock.now();
        if let Some(token) = held.as_ref().filter(|token| token.lasts(now, needs)) {
            return Ok(Ok((token.header.clone(), TokenOrigin::Cached(Arc::clone(&slot)))));
        }
        match self.grant(realm, credential.as_ref(), &scopes).await? {
            Grant::Token(token) => {
                let header = token.header.clone();
                *held = Some(token);
                Ok(Ok((header, TokenOrigin::Fresh)))
            }
            Grant::Refused(refusal) => Ok(Err(refusal)),
        }
    }

    /// Looks the credential up once for each repository.
    async fn found(&self, ticket: &Access) -> Result<Option<Found>> {
        let lookup = {
            let mut state = ticket.host.memory.state();
            Arc::clone(state.found.entry(ticket.repository.clone()))
        };
        let options = self.options();
        let search = || {
            let registry = ticket.host.registry();
            options.keyring.find(registry, ticket.repository.as_ref(), &options.notify)
        };
        lookup.get_or_try_init(search).await.cloned()
    }

    /// Decides on the next step after a 401 or 403 of the registry itself.
    pub(crate) async fn judge(
        &self,
        ticket: &Access,
        refusal: Response,
        used: Option<Authorization>,
        rounds: &mut AuthAttempts,
    ) -> Result<AuthStep> {
        if refusal.status == StatusCode::UNAUTHORIZED {
            let Some(widened) = learn(ticket, &refusal)? else {
                return Ok(AuthStep::Final(refusal));
            };
            match &used {
                None if take(&mut rounds.asked) => return Ok(AuthStep::Again),
                Some(Authorization { proof: TokenOrigin::Cached(slot), header, .. })
                    if take(&mut rounds.refreshed) =>
                {
                    // The registry refused a token that should be valid: it was revoked, or the
                    // clocks differ.
                    let mut held = slot.lock().await;
                    if held.as_ref().is_some_and(|token| token.header == *header) {
                        *held = None;
                    }
                    return Ok(AuthStep::Again);
                }
                Some(Authorization { proof: TokenOrigin::Fresh, .. })
                    if widened == Widened::Yes && take(&mut rounds.widened) =>
                {
                    return Ok(AuthStep::Again);
                }
                _ => {}
            }
        } else if String::from_utf8_lossy(&refusal.body).contains("secondary rate limit") {
            return Ok(AuthStep::Final(refusal));
        }
        let kept = used.and_then(|used| used.kept);
        Ok(match self.lower(ticket, kept, rounds, refusal) {
            Ok(()) => AuthStep::Again,
            Err(refusal) => AuthStep::Final(refusal),
        })
    }

    /// Reduces the request's authorization after a refusal, or returns the refusal. A read does not
    /// need a right to write, and a public repository needs no credentials.
    fn lower(
        &self,
        ticket: &Access,
        kept: Option<Kept>,
        rounds: &mut AuthAttempts,
        refusal: Response,
    ) -> Result<(), Response> {
        if rounds.mode == Mode::Full && ticket.wishes().is_some() {
            rounds.mode = Mode::Narrow;
            return Ok(());
        }
        if rounds.mode != Mode::Open && ticket.reads() && kept == Some(Kept::Stored) {
            rounds.mode = Mode::Open;
            rounds.refusal = Some(refusal);
            let host = ticket.host.registry().to_string();
            self.options().notify.tell(ClientEvent::WithoutCredentials { host });
            return Ok(());
        }
        Err(rounds.refusal.take().unwrap_or(refusal))
    }
}

impl AuthAttempts {
    /// Records a success without credentials: the client then sends none to this repository.
    pub(crate) fn worked(&self, ticket: &Access) {
        if self.mode == Mode::Open {
            ticket.host.memory.state().open.entry(ticket.repository.clone());
        }
    }
}

fn take(progress: &mut Progress) -> bool {
    std::mem::replace(progress, Progress::Done) == Progress::Open
}
