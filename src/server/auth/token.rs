//! Small token service. It issues tokens that expire to the users of an htpasswd file, and tokens
//! for reading to anonymous clients if allowed. A registry can so require Bearer tokens, and the
//! tests can run the token flows of clients against a real server.

use super::{
    Anonymous, basic,
    htpasswd::{Htpasswd, Verdict},
};
use crate::lock::Locked as _;
use crate::{
    server::{
        access_log::Peer,
        body::frame,
        net::{
            refusal::{Code, Refusal},
            response::json_answer,
        },
    },
    store::unique,
};
use axum::{
    Router,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, StatusCode, header};
use serde_json::json;
use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

/// Maximum size in bytes of a token request's form.
const MAX_FORM: usize = 64 * 1024;
/// Maximum number of valid tokens. Beyond it, the server drops those that expire first.
const MAX_TOKENS: usize = 100_000;
const SERVICE: &str = "chartferry";

/// Tokens of one registry. All clones share one state.
#[derive(Clone, Debug)]
pub struct Tokens(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    users: Htpasswd,
    anonymous: Anonymous,
    lifetime: Duration,
    scheme: Scheme,
    given: Mutex<Given>,
}

/// Scheme with which clients reach the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP without TLS.
    Http,
    /// HTTPS, from this server or from a proxy.
    Https,
}

#[derive(Default)]
struct Given {
    access: HashMap<String, Grant>,
    refresh: HashMap<String, String>,
}

impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} tokens, {} refresh tokens", self.access.len(), self.refresh.len())
    }
}

struct Grant {
    user: Option<String>,
    scopes: Scopes,
    ends: Instant,
}

/// Scopes of a token: `repository:name:action`, one each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scopes(BTreeSet<String>);

impl Scopes {
    pub(crate) fn allow(&self, resource: &str, action: &str) -> bool {
        self.0.contains(&format!("{resource}:{action}"))
    }
}

impl Tokens {
    /// Makes a token service for the users of a file, with tokens that live for `lifetime`.
    pub fn new(users: Htpasswd, anonymous: Anonymous, lifetime: Duration, scheme: Scheme) -> Self {
        let given = Mutex::default();
        Self(Arc::new(Inner { users, anonymous, lifetime, scheme, given }))
    }

    /// Revokes every access token. Refresh tokens remain valid.
    pub fn revoke_access(&self) {
        self.given().access.clear();
    }

    /// Revokes every refresh token.
    pub fn revoke_refresh(&self) {
        self.given().refresh.clear();
    }

    /// Returns the users that may have tokens, and the rights of anonymous clients.
    pub(crate) fn users(&self) -> (&Htpasswd, Anonymous) {
        (&self.0.users, self.0.anonymous)
    }

    /// Builds the router of the token endpoint, `/token`.
    pub(crate) fn router(&self) -> Router {
        Router::new().route("/token", get(by_get).post(by_post)).with_state(self.clone())
    }

    /// Checks if a token allows `action` on `resource`, or is valid if there is no action. Returns
    /// its user.
    pub(crate) fn allows(
        &self,
        token: &str,
        resource: Option<&str>,
        action: &str,
    ) -> Result<Option<String>, &'static str> {
        let given = self.given();
        let grant = given
            .access
            .get(token)
            .filter(|grant| grant.ends > Instant::now())
            .ok_or("the token is unknown or has expired")?;
        match resource {
            Some(resource) if !grant.scopes.allow(resource, action) => {
                Err("the token does not grant this action")
            }
            _ => Ok(grant.user.clone()),
        }
    }

    /// Returns all scopes of a token. The set is empty after the token expired.
    pub(crate) fn scopes(&self, token: &str) -> Scopes {
        let given = self.given();
        let grant = given.access.get(token).filter(|grant| grant.ends > Instant::now());
        grant.map(|grant| grant.scopes.clone()).unwrap_or_default()
    }

    /// Returns the challenge with the address of the token endpoint, on the host of the request.
    pub(crate) fn challenge(&self, headers: &HeaderMap, scope: Option<&str>) -> String {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.filter(|host| !host.contains(['"', '\\'])).unwrap_or("localhost");
        let scheme = match self.0.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        let mut text = format!("Bearer realm=\"{scheme}://{host}/token\",service=\"{SERVICE}\"");
        if let Some(scope) = scope {
            text.push_str(&format!(",scope=\"{scope}\""));
        }
        text
    }

    fn given(&self) -> MutexGuard<'_, Given> {
        self.0.given.locked()
    }

    fn give(&self, user: Option<String>, asked: &str, offline: Offline) -> Response {
        let reads = |action: &str| action == "pull";
        let scopes = asked
            .split_ascii_whitespace()
            .filter_map(|scope| scope.rsplit_once(':'))
            .flat_map(|(resource, actions)| {
                actions.split(',').map(move |action| (resource, action))
            })
            .filter(|(resource, action)| {
                user.is_some() || reads(action) || *resource == "registry:catalog"
            })
            .map(|(resource, action)| format!("{resource}:{action}"))
            .collect();
        let scopes = Scopes(scopes);
        let token = unique();
        let mut given = self.given();
        let now = Instant::now();
        if given.access.len() >= MAX_TOKENS {
            given.access.retain(|_, grant| grant.ends > now);
            if given.access.len() >= MAX_TOKENS {
                given.access.clear();
            }
        }
        let grant = Grant { user: user.clone(), scopes, ends: now + self.0.lifetime };
        given.access.insert(token.clone(), grant);
        let mut answer = json!({
            "token": token,
            "access_token": token,
            "expires_in": self.0.lifetime.as_secs(),
        });
        if let (Offline::Asked, Some(user)) = (offline, user) {
            let refresh = unique();
            answer["refresh_token"] = json!(refresh);
            given.refresh.insert(refresh, user);
        }
        json_answer(&answer)
    }

    async fn user(
        &self,
        user: String,
        password: &str,
        client: Option<IpAddr>,
    ) -> Result<Option<String>, Refusal> {
        match self.0.users.verify(&user, password, client).await {
            Verdict::Known => Ok(Some(user)),
            Verdict::Unknown => Err(refused("the credentials are wrong")),
            Verdict::Busy(busy) => Err(busy.into()),
        }
    }
}

/// Choice of the client between a token alone and a refresh token with it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Offline {
    Asked,
    No,
}

async fn by_get(State(tokens): State<Tokens>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let form = Form::parse(query.as_bytes());
    let user = match basic(request.headers()) {
        None if tokens.0.anonymous == Anonymous::MayPull => Ok(None),
        None => Err(refused("credentials are needed")),
        Some(None) => Err(refused("the credentials are wrong")),
        Some(Some((user, password))) => tokens.user(user, &password, client(&request)).await,
    };
    let offline = form.one("offline_token").is_some_and(|value| value == "true");
    let offline = if offline { Offline::Asked } else { Offline::No };
    match user {
        Ok(user) => tokens.give(user, &form.scopes(), offline),
        Err(refusal) => refusal.into_response(),
    }
}

async fn by_post(State(tokens): State<Tokens>, request: Request) -> Response {
    match post(&tokens, request).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    }
}

/// Handles the OAuth2 request, by the documentation of the distribution project.
async fn post(tokens: &Tokens, request: Request) -> Result<Response, Refusal> {
    let client = client(&request);
    let mut body = request.into_body();
    let mut bytes = Vec::new();
    while let Some(chunk) = frame(&mut body, Duration::from_secs(10)).await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_FORM {
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            return Err(Refusal::new(status, Code::SizeInvalid, "the form is too long"));
        }
    }
    let form = Form::parse(&bytes);
    let missing = |name| Refusal::bad_request(Code::Unsupported, format!("`{name}` is missing"));
    let user = match form.one("grant_type") {
        Some("refresh_token") => {
            let refresh = form.one("refresh_token").ok_or_else(|| missing("refresh_token"))?;
            let user = tokens.given().refresh.get(refresh).cloned();
            Some(user.ok_or_else(|| refused("the refresh token is unknown"))?)
        }
        Some("password") => {
            let user = form.one("username").ok_or_else(|| missing("username"))?.to_owned();
            let password = form.one("password").ok_or_else(|| missing("password"))?;
            tokens.user(user, password, client).await?
        }
        _ => {
            let message = "`grant_type` must be `refresh_token` or `password`";
            return Err(Refusal::bad_request(Code::Unsupported, message));
        }
    };
    let offline = form.one("access_type") == Some("offline");
    Ok(tokens.give(user, &form.scopes(), if offline { Offline::Asked } else { Offline::No }))
}

fn client(request: &Request) -> Option<IpAddr> {
    request.extensions().get::<Peer>().map(|peer| peer.0.ip())
}

struct Form(Vec<(String, String)>);

impl Form {
    fn parse(bytes: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(bytes).into_owned().collect())
    }

    fn one(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns all scopes, from one parameter or several.
    fn scopes(&self) -> String {
        let scopes = self.0.iter().filter(|(key, _)| key == "scope");
        scopes.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" ")
    }
}

fn refused(message: &str) -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, Code::Unauthorized, message)
}
