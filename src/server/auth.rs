//! Who may do what: nobody is asked, users of an htpasswd file, or holders of tokens of our own. Answers a challenge
//! where credentials are missing or wrong; wrong ones are refused even where none are needed.

use super::{
    htpasswd::{Htpasswd, Verdict},
    refusal::{Code, Refusal},
    registry::header_value,
    route::Route,
    token::Tokens,
};
use crate::oci::RepositoryName;
use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, Method, StatusCode, header};

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
            _ => true,
        }
    }
}

const BASIC: &str = "Basic realm=\"chartferry\"";

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
