//! Access control. A server is open to everyone, or accepts the users of an htpasswd file, the
//! holders of its own tokens, or the users of ChartMuseum's flags. If credentials are missing or
//! wrong, it answers with a challenge. It refuses wrong credentials even for a public request. The
//! exception is ChartMuseum's flags, with which it ignores credentials that a request does not
//! need.

pub(super) mod actions;
pub(super) mod checks;
pub(super) mod htpasswd;
pub(super) mod issuer;
pub(super) mod token;

use super::{
    access_log::Peer,
    net::{
        refusal::{Code, Refusal},
        response::header_value,
    },
    registry::route::Route,
};
use crate::oci::RepositoryName;
use base64::{Engine, prelude::BASE64_STANDARD};
use checks::Busy;
use htpasswd::{Htpasswd, Verdict};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use issuer::{Claims, Issuer};
use sha2::{Digest as _, Sha256};
use std::{net::IpAddr, sync::Arc};
use token::{Scopes, Tokens};

/// Clients that a registry serves.
#[derive(Clone, Debug, Default)]
pub enum Access {
    /// Every client, for every request.
    #[default]
    Everyone,
    /// Users of an htpasswd file, by HTTP Basic.
    Users(Htpasswd, Anonymous),
    /// Holders of tokens. The server's own token endpoint issues them to users of an htpasswd file.
    Tokens(Tokens),
    /// One user, by HTTP Basic, as with ChartMuseum's `--basic-auth-user`.
    One(OneUser),
    /// Holders of another issuer's tokens, as with ChartMuseum's `--bearer-auth`.
    Issuer(Issuer),
}

/// User with the digest of the password. All clones share one state.
#[derive(Clone)]
pub struct OneUser(Arc<([u8; 32], Anonymous)>);

impl OneUser {
    /// Makes a user with a password, and sets the rights of other clients.
    pub fn new(user: &str, password: &str, anonymous: Anonymous) -> Self {
        Self(Arc::new((Self::digest(user, password), anonymous)))
    }

    fn digest(user: &str, password: &str) -> [u8; 32] {
        // A colon ends the user's name in HTTP Basic, so one text holds the pair.
        Sha256::digest(format!("{user}:{password}")).into()
    }

    /// Returns true if the credentials are the user's. The function compares digests, so that the
    /// time reveals nothing about the password.
    fn is(&self, user: &str, password: &str) -> bool {
        let given = Self::digest(user, password);
        self.0.0.iter().zip(given).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
    }
}

impl std::fmt::Debug for OneUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OneUser")
    }
}

/// The rights of a client without credentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Anonymous {
    /// No access.
    #[default]
    Refused,
    /// Read access.
    MayPull,
}

/// Right that a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Authenticate, without any further right.
    Enter,
    Pull,
    Push,
    Delete,
    /// List all repositories.
    List,
}

impl Action {
    pub(super) fn of(route: &Route, method: &Method) -> Self {
        let reads = *method == Method::GET || *method == Method::HEAD;
        match route {
            Route::Base => Self::Enter,
            Route::Catalog => Self::List,
            // A client that checks or cancels its own upload needs the right to push.
            Route::Uploads(_) | Route::Upload(..) => Self::Push,
            _ if reads => Self::Pull,
            _ if *method == Method::DELETE => Self::Delete,
            _ => Self::Push,
        }
    }

    /// Returns true if the action changes nothing.
    fn reads(self) -> bool {
        matches!(self, Self::Enter | Self::Pull | Self::List)
    }

    /// Returns the actions for a token's scope.
    fn scope_actions(self) -> &'static str {
        match self {
            Self::Pull | Self::Enter => "pull",
            Self::Push => "pull,push",
            Self::Delete => "delete",
            Self::List => "*",
        }
    }

    /// Returns the action that a token must contain.
    fn granted_as(self) -> &'static str {
        match self {
            Self::Pull | Self::Enter => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
            Self::List => "*",
        }
    }
}

/// Credentials of a request. No output shows them.
enum Credentials {
    None,
    Basic { user: String, password: String },
    Bearer(String),
    Unreadable,
}

/// Reason why the server refuses a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Barred {
    /// The credentials are missing, wrong, or insufficient. The text is the challenge of the
    /// response.
    Challenge(String),
    /// The server did not check the password.
    Busy(Busy),
}

impl Access {
    /// Authorizes a request and returns the user.
    pub(super) async fn authorize(
        &self,
        head: &Parts,
        route: &Route,
    ) -> Result<Option<String>, Refusal> {
        let headers = &head.headers;
        let action = Action::of(route, &head.method);
        match self {
            Self::Everyone => Ok(None),
            Self::Users(users, anonymous) => match credentials(headers) {
                Credentials::None if *anonymous == Anonymous::MayPull && action.reads() => Ok(None),
                Credentials::Basic { user, password } => {
                    match users.verify(&user, &password, client(head)).await {
                        Verdict::Known => Ok(Some(user)),
                        Verdict::Unknown => Err(unauthorized("the credentials are wrong", BASIC)),
                        Verdict::Busy(busy) => Err(busy.into()),
                    }
                }
                Credentials::None => Err(unauthorized("credentials are needed", BASIC)),
                _ => Err(unauthorized("the credentials are wrong", BASIC)),
            },
            Self::Tokens(tokens) => {
                let scope = scope(route, action);
                let granted = match credentials(headers) {
                    Credentials::Bearer(token) => tokens.allows(
                        &token,
                        scope.as_ref().map(|(what, _)| what.as_str()),
                        action.granted_as(),
                    ),
                    _ => Err("credentials are needed"),
                };
                granted.map_err(|reason| {
                    let scope = scope.map(|(what, actions)| format!("{what}:{actions}"));
                    unauthorized(reason, &tokens.challenge(headers, scope.as_deref()))
                })
            }
            Self::One(_) | Self::Issuer(_) => {
                let namespace = namespace(route);
                let asked = match action {
                    // A list contains only the repositories that the client may pull.
                    Action::Enter | Action::List => None,
                    action => Some(if action.reads() { "pull" } else { "push" }),
                };
                self.admit(head, namespace, asked).await.map_err(|barred| match barred {
                    Barred::Challenge(challenge) => {
                        unauthorized("credentials are needed", &challenge)
                    }
                    Barred::Busy(busy) => busy.into(),
                })
            }
        }
    }

    /// Authorizes a request of the ChartMuseum API to `pull` or `push` in a namespace, and returns
    /// the user. Clients of chart repositories do not support our tokens, so users may authenticate
    /// by HTTP Basic.
    pub(super) async fn admit(
        &self,
        head: &Parts,
        namespace: &str,
        action: Option<&str>,
    ) -> Result<Option<String>, Barred> {
        let headers = &head.headers;
        let pulls = action.is_none_or(|action| action == "pull");
        let (users, anonymous) = match self {
            Self::Everyone => return Ok(None),
            Self::Issuer(issuer) => {
                return if issuer.allows(authorization(headers), namespace, action) {
                    Ok(None)
                } else {
                    let action = action.unwrap_or("pull");
                    Err(Barred::Challenge(issuer.challenge(namespace, action)))
                };
            }
            Self::One(one) => {
                return match credentials(headers) {
                    Credentials::Basic { user, password } if one.is(&user, &password) => {
                        Ok(Some(user))
                    }
                    _ if one.0.1 == Anonymous::MayPull && pulls => Ok(None),
                    _ => Err(Barred::Challenge("Basic realm=\"ChartMuseum\"".to_owned())),
                };
            }
            Self::Users(users, anonymous) => (users, *anonymous),
            Self::Tokens(tokens) => tokens.users(),
        };
        let refused = Err(Barred::Challenge(BASIC.to_owned()));
        match credentials(headers) {
            Credentials::None if anonymous == Anonymous::MayPull && pulls => Ok(None),
            Credentials::Basic { user, password } => {
                match users.verify(&user, &password, client(head)).await {
                    Verdict::Known => Ok(Some(user)),
                    Verdict::Unknown => refused,
                    Verdict::Busy(busy) => Err(Barred::Busy(busy)),
                }
            }
            _ => refused,
        }
    }

    /// Returns the repositories that the client of a request may pull.
    pub(super) fn reader(&self, headers: &HeaderMap) -> Reader {
        match self {
            Self::Tokens(tokens) => match credentials(headers) {
                Credentials::Bearer(token) => Reader::Scopes(tokens.scopes(&token)),
                _ => Reader::Scopes(Scopes::default()),
            },
            Self::Issuer(issuer) => Reader::Claims(issuer.reader(authorization(headers))),
            // These clients may read everything, or have been refused before.
            Self::Everyone | Self::Users(..) | Self::One(_) => Reader::Everything,
        }
    }
}

impl Access {
    /// Returns the repositories that a list shows to the client of a request. Our own tokens have a
    /// scope for the whole list.
    pub(super) fn catalog(&self, headers: &HeaderMap) -> Reader {
        match self {
            Self::Tokens(_) => Reader::Everything,
            _ => self.reader(headers),
        }
    }
}

/// Repositories that an authenticated client may pull.
#[derive(Debug)]
pub(super) enum Reader {
    Everything,
    Scopes(Scopes),
    Claims(Claims),
}

impl Reader {
    /// Returns true if the client may pull the repository `name`.
    pub(super) fn may_pull(&self, name: &RepositoryName) -> bool {
        match self {
            Self::Everything => true,
            Self::Scopes(scopes) => scopes.allow(&format!("repository:{name}"), "pull"),
            Self::Claims(claims) => claims.allow(parent(name), "pull"),
        }
    }
}

/// Returns the address of the request's client.
pub(super) fn client(head: &Parts) -> Option<IpAddr> {
    head.extensions.get::<Peer>().map(|peer| peer.0.ip())
}

fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION).and_then(|text| text.to_str().ok())
}

const BASIC: &str = "Basic realm=\"chartferry\"";

/// Returns the namespace of a route in the form of ChartMuseum's tokens: the path before the
/// chart's own name.
fn namespace(route: &Route) -> &str {
    match route {
        Route::Base | Route::Catalog => "",
        Route::Blob(name, _)
        | Route::Uploads(name)
        | Route::Upload(name, _)
        | Route::Manifest(name, _)
        | Route::Tags(name)
        | Route::Referrers(name, _) => parent(name),
    }
}

pub(super) fn parent(name: &RepositoryName) -> &str {
    name.as_str().rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Returns the scope that a token must have: the resource, and the actions on it.
fn scope(route: &Route, action: Action) -> Option<(String, &'static str)> {
    let name = match route {
        Route::Base => return None,
        Route::Catalog => return Some(("registry:catalog".to_owned(), "*")),
        Route::Blob(name, _)
        | Route::Uploads(name)
        | Route::Upload(name, _)
        | Route::Manifest(name, _)
        | Route::Tags(name)
        | Route::Referrers(name, _) => name,
    };
    Some((format!("repository:{name}"), action.scope_actions()))
}

/// Returns the user and password of a request with HTTP Basic.
pub(super) fn basic(headers: &HeaderMap) -> Option<Option<(String, String)>> {
    match credentials(headers) {
        Credentials::None => None,
        Credentials::Basic { user, password } => Some(Some((user, password))),
        _ => Some(None),
    }
}

fn credentials(headers: &HeaderMap) -> Credentials {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Credentials::None };
    let Some((scheme, rest)) = value.to_str().ok().and_then(|text| text.split_once(' ')) else {
        return Credentials::Unreadable;
    };
    if scheme.eq_ignore_ascii_case("bearer") {
        return Credentials::Bearer(rest.trim().to_owned());
    }
    let pair = scheme
        .eq_ignore_ascii_case("basic")
        .then(|| BASE64_STANDARD.decode(rest.trim()).ok())
        .flatten()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    match pair.as_deref().and_then(|pair| pair.split_once(':')) {
        Some((user, password)) => {
            Credentials::Basic { user: user.to_owned(), password: password.to_owned() }
        }
        None => Credentials::Unreadable,
    }
}

fn unauthorized(message: &str, challenge: &str) -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, Code::Unauthorized, message)
        .with(header::WWW_AUTHENTICATE, header_value(challenge))
}

/// Value of `Retry-After`, in seconds, for a client whose password the server did not check.
pub(super) const LATER: HeaderValue = HeaderValue::from_static("1");

impl Busy {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Client => StatusCode::TOO_MANY_REQUESTS,
            Self::Server => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl From<Busy> for Refusal {
    fn from(busy: Busy) -> Self {
        let message = "too many passwords are being checked";
        Self::new(busy.status(), Code::TooManyRequests, message).with(header::RETRY_AFTER, LATER)
    }
}
