//! Who may do what: nobody is asked, users of an htpasswd file, holders of tokens of our own, or those that ChartMuseum's
//! flags name. Answers a challenge where credentials are missing or wrong; wrong ones are refused even where none are
//! needed, but by ChartMuseum's flags, which never look at what they do not need.

use super::{
    htpasswd::{Htpasswd, Verdict},
    issuer::Issuer,
    refusal::{Code, Refusal},
    registry::header_value,
    route::Route,
    token::Tokens,
};
use crate::oci::RepositoryName;
use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, Method, StatusCode, header};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// Whom a registry serves.
#[derive(Clone, Debug, Default)]
pub enum Access {
    /// Everybody, whatever they want.
    #[default]
    Everyone,
    /// Users of an htpasswd file, by HTTP Basic.
    Users(Htpasswd, Anonymous),
    /// Holders of tokens, which our own token endpoint gives to users of an htpasswd file.
    Tokens(Tokens),
    /// One user, by HTTP Basic, as with ChartMuseum's `--basic-auth-user`.
    One(OneUser),
    /// Holders of tokens of an issuer elsewhere, as with ChartMuseum's `--bearer-auth`.
    Issuer(Issuer),
}

/// One user and the digest of the password. Clones are the same.
#[derive(Clone)]
pub struct OneUser(Arc<([u8; 32], Anonymous)>);

impl OneUser {
    /// A user with a password, and what others may do.
    pub fn new(user: &str, password: &str, anonymous: Anonymous) -> Self {
        Self(Arc::new((Self::digest(user, password), anonymous)))
    }

    fn digest(user: &str, password: &str) -> [u8; 32] {
        // A colon ends the user's name in HTTP Basic, so that the pair is one text.
        Sha256::digest(format!("{user}:{password}")).into()
    }

    /// Whether credentials are the user's. Digests are compared, so that time tells nothing of the password.
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

/// What somebody without credentials may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Anonymous {
    /// Nothing.
    #[default]
    Refused,
    /// Read.
    MayPull,
}

/// What a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// To be somebody.
    Enter,
    Pull,
    Push,
    Delete,
    /// To list all repositories.
    List,
}

impl Action {
    pub(super) fn of(route: &Route, method: &Method) -> Self {
        let reads = *method == Method::GET || *method == Method::HEAD;
        match route {
            Route::Base => Self::Enter,
            Route::Catalog => Self::List,
            // Asking for or cancelling one's own upload is part of pushing.
            Route::Uploads(_) | Route::Upload(..) => Self::Push,
            _ if reads => Self::Pull,
            _ if *method == Method::DELETE => Self::Delete,
            _ => Self::Push,
        }
    }

    /// Whether it changes nothing.
    fn reads(self) -> bool {
        matches!(self, Self::Enter | Self::Pull | Self::List)
    }

    /// The actions of a token's scope.
    fn scope_actions(self) -> &'static str {
        match self {
            Self::Pull | Self::Enter => "pull",
            Self::Push => "pull,push",
            Self::Delete => "delete",
            Self::List => "*",
        }
    }

    /// The one word that a token's grant must have.
    fn granted_as(self) -> &'static str {
        match self {
            Self::Pull | Self::Enter => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
            Self::List => "*",
        }
    }
}

/// Credentials as a request brings them. Never printed.
enum Credentials {
    None,
    Basic { user: String, password: String },
    Bearer(String),
    Unreadable,
}

impl Access {
    /// Lets a request pass, and says as whom.
    pub(super) async fn authorize(
        &self,
        headers: &HeaderMap,
        route: &Route,
        method: &Method,
    ) -> Result<Option<String>, Refusal> {
        let action = Action::of(route, method);
        match self {
            Self::Everyone => Ok(None),
            Self::Users(users, anonymous) => match credentials(headers) {
                Credentials::None if *anonymous == Anonymous::MayPull && action.reads() => Ok(None),
                Credentials::Basic { user, password }
                    if users.verify(&user, &password).await == Verdict::Known =>
                {
                    Ok(Some(user))
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
                    Action::Enter => None,
                    action => Some(if action.reads() { "pull" } else { "push" }),
                };
                let who = self.admit(headers, namespace, asked).await;
                who.map_err(|challenge| unauthorized("credentials are needed", &challenge))
            }
        }
    }

    /// Lets a request of the ChartMuseum API pass, to `pull` or `push` in a namespace, and says as whom; else the
    /// challenge to answer with. Classic clients know no tokens of ours, so their users may come by HTTP Basic.
    pub(super) async fn admit(
        &self,
        headers: &HeaderMap,
        namespace: &str,
        action: Option<&str>,
    ) -> Result<Option<String>, String> {
        let pulls = action.is_none_or(|action| action == "pull");
        let (users, anonymous) = match self {
            Self::Everyone => return Ok(None),
            Self::Issuer(issuer) => {
                let header = headers.get(header::AUTHORIZATION).and_then(|text| text.to_str().ok());
                return if issuer.allows(header, namespace, action) {
                    Ok(None)
                } else {
                    Err(issuer.challenge(namespace, action.unwrap_or("pull")))
                };
            }
            Self::One(one) => {
                return match credentials(headers) {
                    Credentials::Basic { user, password } if one.is(&user, &password) => {
                        Ok(Some(user))
                    }
                    _ if one.0.1 == Anonymous::MayPull && pulls => Ok(None),
                    _ => Err("Basic realm=\"ChartMuseum\"".to_owned()),
                };
            }
            Self::Users(users, anonymous) => (users, *anonymous),
            Self::Tokens(tokens) => tokens.users(),
        };
        match credentials(headers) {
            Credentials::None if anonymous == Anonymous::MayPull && pulls => Ok(None),
            Credentials::Basic { user, password }
                if users.verify(&user, &password).await == Verdict::Known =>
            {
                Ok(Some(user))
            }
            _ => Err(BASIC.to_owned()),
        }
    }
}

impl Access {
    /// Whether a client that may push may also read `name`, to mount from it. Only tokens tell the two apart.
    pub(super) fn may_pull(&self, headers: &HeaderMap, name: &RepositoryName) -> bool {
        match (self, credentials(headers)) {
            (Self::Tokens(tokens), Credentials::Bearer(token)) => {
                tokens.allows(&token, Some(&format!("repository:{name}")), "pull").is_ok()
            }
            (Self::Tokens(_), _) => false,
            (Self::Issuer(issuer), _) => {
                let header = headers.get(header::AUTHORIZATION).and_then(|text| text.to_str().ok());
                issuer.allows(header, parent(name), Some("pull"))
            }
            _ => true,
        }
    }
}

const BASIC: &str = "Basic realm=\"chartferry\"";

/// The namespace of a route, as ChartMuseum's tokens name it: what stands before the chart's own name.
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

fn parent(name: &RepositoryName) -> &str {
    name.as_str().rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// What a token must be good for: the resource, and the actions on it.
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

/// The user and password of a request, if it brings them as HTTP Basic.
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
