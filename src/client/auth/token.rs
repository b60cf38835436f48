//! Requests for tokens, the check of their addresses, and the parser of the responses. The flows
//! are Docker's: a GET with a name and password, or a POST that exchanges a refresh token. If a
//! service supports only one of them, the client uses that one.

use super::{
    challenge::Challenge,
    credential::{Credential, basic, secret_header},
    scope::Scopes,
};
use crate::{
    Error, ErrorKind, Result,
    advice::{Advice, LogIn},
    client::{
        Client,
        http::{
            error_response,
            message::{Authorized, Payload, Redirects, Request, Response, text},
            network::{Names, Network, is_inner as is_inner_address},
            redirect::host_of,
        },
    },
    oci::Registry,
};
use ::http::{HeaderValue, Method};
use serde_json::Value;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::{Duration, SystemTime},
};
use url::{Host, Url};

/// Token service that a registry names in its challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Realm {
    pub(crate) url: Url,
    pub(crate) service: Option<String>,
    /// Addresses to which the host of `url` may resolve.
    names: Names,
}

impl Realm {
    /// Returns the realm of a Bearer challenge, if the client may send a credential there.
    ///
    /// # Errors
    /// `Protocol` for an address that the guard refuses.
    pub(crate) fn of(
        challenge: &Challenge,
        registry_url: &Url,
        registry: &Registry,
        network: Network,
    ) -> Result<Self> {
        let text = challenge.parameter("realm").unwrap_or_default();
        let (url, names) = guard(text, registry_url, network).map_err(|refusal| {
            let (why, hint) = match refusal {
                Refusal::Bad(why) => (
                    why,
                    "no credentials were sent; correct the token address in the registry's configuration"
                        .to_owned(),
                ),
                Refusal::Inner(host) => (
                    "an address within a private network",
                    format!(
                        "no credentials were sent; if you trust this token service, name the registry `{host}`"
                    ),
                ),
            };
            Error::new(
                ErrorKind::Protocol,
                format!("`{registry}` names the token service `{}`, {why}", shown(text)),
            )
            .with_hint(hint)
        })?;
        let service = challenge.parameter("service").map(str::to_owned);
        Ok(Self { url, service, names })
    }
}

/// Redacts the parts of a realm's address that may be secret.
fn shown(text: &str) -> String {
    text.split(['?', '#']).next().unwrap_or(text).chars().filter(|c| !c.is_control()).collect()
}

/// Reason why the guard refuses an address.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Refusal {
    Bad(&'static str),
    /// Inner address in the challenge of a registry outside that network. The text is the
    /// registry's `host[:port]` by that address.
    Inner(String),
}

/// Guards against a registry that makes the client send requests to inner hosts (SSRF), or a
/// password in clear text. A registry within a private network may have its token service there
/// too.
fn guard(realm: &str, registry: &Url, network: Network) -> Result<(Url, Names), Refusal> {
    let bad = Refusal::Bad;
    let mut url = registry.join(realm).map_err(|_| bad("which is not a URL"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad("which is neither http nor https"));
    }
    if registry.scheme() == "https" && url.scheme() == "http" {
        return Err(bad("which would receive a password in clear text"));
    }
    let beside = url.host() == registry.host();
    let loopback = network == Network::Loopback && is_loopback(&url);
    if !beside && !loopback && is_inner(&url) {
        // The guard would accept the registry under the name of the token service.
        let mut same = registry.clone();
        let _ = same.set_host(url.host_str());
        return Err(Refusal::Inner(host_of(&same)));
    }
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    let names = match network {
        Network::Outer if !beside => Names::OuterOnly,
        _ => Names::Any,
    };
    Ok((url, names))
}

/// Returns true if a URL's host is this machine by one of its usual names: `localhost`, 127.0.0.1
/// or ::1.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => is_localhost(name),
        Some(Host::Ipv4(address)) => address == Ipv4Addr::LOCALHOST,
        Some(Host::Ipv6(address)) => address == Ipv6Addr::LOCALHOST,
        None => false,
    }
}

fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
}

fn is_inner(url: &Url) -> bool {
    match url.host() {
        None => true,
        Some(Host::Domain(name)) => is_localhost(name),
        Some(Host::Ipv4(address)) => is_inner_address(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => is_inner_address(IpAddr::V6(address)),
    }
}

/// Token with its lifetime.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) header: HeaderValue,
    fetched: SystemTime,
    lifetime: Duration,
}

impl Token {
    /// Makes a token with the default lifetime, for tests.
    #[cfg(test)]
    pub(crate) fn of(text: &'static str, fetched: SystemTime) -> Self {
        let lifetime = Duration::from_secs(LIFETIME);
        Self { header: HeaderValue::from_static(text), fetched, lifetime }
    }

    /// Returns true if the token is valid now and for `needs` longer, as far as its whole lifetime
    /// allows.
    pub(crate) fn lasts(&self, now: SystemTime, needs: Duration) -> bool {
        // Both times are our own clock's: the service's clock may differ from it by hours.
        let age = now.duration_since(self.fetched).unwrap_or(Duration::MAX);
        age.saturating_add(needs.min(self.lifetime / 2)) < self.lifetime.mul_f32(0.8)
    }
}

/// Response of a token service.
#[derive(Debug)]
pub(crate) enum Grant {
    Token(Token),
    /// The service refused to issue a token.
    Refused(Response),
}

/// Minimum lifetime of a token in seconds, and the default if the response names none (Docker's
/// token specification).
const LIFETIME: u64 = 60;
/// Maximum lifetime of a token in seconds: a year. The client treats a longer one as a year.
const LONGEST_LIFETIME: u64 = 366 * 24 * 3600;

const CLIENT_ID: &str = "chartferry";

impl Client {
    /// Requests a token.
    pub(crate) async fn grant(
        &self,
        realm: &Realm,
        credential: Option<&Credential>,
        scopes: &Scopes,
    ) -> Result<Grant> {
        if let Some(Credential::Identity(token)) = credential {
            let form = [("grant_type", "refresh_token"), ("refresh_token", token.expose())];
            let answer = self.post_grant(realm, &form, scopes).await?;
            if !matches!(answer.status.as_u16(), 401 | 404 | 405) {
                return self.read_grant(answer);
            }
        }
        let mut url = realm.url.clone();
        {
            let mut query = url.query_pairs_mut();
            if let Some(service) = &realm.service {
                query.append_pair("service", service);
            }
            for scope in scopes.list() {
                query.append_pair("scope", &scope);
            }
            query.append_pair("client_id", CLIENT_ID);
            if let Some(Credential::Basic { username, .. }) = credential {
                query.append_pair("account", username);
            }
        }
        let header = credential.map(basic).transpose()?;
        let answer = self.service(&request(Method::GET, url, realm), header.as_ref()).await?;
        self.read_grant(answer)
    }

    /// Requests a token with a name and password, for a login only. The result is `None` if the
    /// service does not support this grant.
    pub(crate) async fn grant_login(
        &self,
        realm: &Realm,
        username: &str,
        password: &str,
        scopes: &Scopes,
    ) -> Result<Option<Grant>> {
        let form = [
            ("grant_type", "password"),
            ("access_type", "offline"),
            ("username", username),
            ("password", password),
        ];
        let answer = self.post_grant(realm, &form, scopes).await?;
        Ok(if answer.status.is_success() { Some(self.read_grant(answer)?) } else { None })
    }

    async fn post_grant(
        &self,
        realm: &Realm,
        form: &[(&str, &str)],
        scopes: &Scopes,
    ) -> Result<Response> {
        let call = request(Method::POST, realm.url.clone(), realm)
            .header("content-type", "application/x-www-form-urlencoded")
            .payload(Payload::Bytes(form_of(form, realm, scopes).into()));
        self.service(&call, None).await
    }

    async fn service(&self, call: &Request, header: Option<&HeaderValue>) -> Result<Response> {
        let cap = self.options().limits.answer_bytes;
        self.settle_service(header, "get a token", call, cap).await
    }

    fn read_grant(&self, answer: Response) -> Result<Grant> {
        let host = host_of(&answer.url);
        match answer.status.as_u16() {
            200..=299 => {}
            300..=399 => return Err(redirected(&host, &answer)),
            400 | 401 | 403 => return Ok(Grant::Refused(answer)),
            _ => {
                let act = "get a token";
                return Err(error_response::from_service(&host, act, &answer));
            }
        }
        let wrong = |what: &str| {
            Error::new(
                ErrorKind::Protocol,
                format!("the token service `{host}` answers with {what}"),
            )
        };
        // The body decides: some services label their JSON as a web page.
        let Ok(reply) = serde_json::from_slice(&answer.body) else {
            return Err(match error_response::is_page(&answer) {
                true => wrong("a web page, not a token").with_hint(
                    "single sign-on may have sent it: log in with the token or secret that the registry issues for command lines",
                ),
                false => wrong("text that is not JSON"),
            });
        };
        let (text, seconds) = token_of(&reply).ok_or_else(|| wrong("no token"))?;
        Ok(Grant::Token(Token {
            header: secret_header(&format!("Bearer {text}"))?,
            fetched: self.options().clock.now(),
            lifetime: Duration::from_secs(seconds),
        }))
    }
}

/// Returns the token in the response of a token service, and its lifetime in seconds. If a key
/// occurs twice, the last one counts.
pub(crate) fn token_of(reply: &serde_json::Map<String, Value>) -> Option<(&str, u64)> {
    let text = ["token", "access_token"]
        .into_iter()
        .filter_map(|name| reply.get(name)?.as_str())
        .find(|token| !token.is_empty())?;
    let seconds = reply.get("expires_in").and_then(seconds).unwrap_or(LIFETIME);
    Some((text, seconds.clamp(LIFETIME, LONGEST_LIFETIME)))
}

/// Builds a request for a token. The client follows no redirect to another origin: the request
/// contains a password or a refresh token, and the guard has checked this origin only.
fn request(method: Method, url: Url, realm: &Realm) -> Request {
    Request::new(method, url).redirects(Redirects::HandOver).names(realm.names)
}

/// Returns the error for a token service that redirects to another origin.
fn redirected(host: &str, answer: &Response) -> Error {
    let place = text(&answer.headers, "location").unwrap_or_default();
    let place = answer.url.join(place).map_or_else(|_| shown(place), |url| shown(url.as_str()));
    Error::new(
        ErrorKind::Protocol,
        format!("the token service `{host}` redirects to another origin, `{place}`"),
    )
    .with_hint(
        "no credentials were sent there; correct the token address in the registry's configuration",
    )
}

/// Parses the seconds of `expires_in`, which some services write as text.
fn seconds(value: &Value) -> Option<u64> {
    let seconds = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    seconds.is_finite().then_some(seconds as u64)
}

fn form_of(form: &[(&str, &str)], realm: &Realm, scopes: &Scopes) -> String {
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(form).append_pair("client_id", CLIENT_ID);
    if let Some(service) = &realm.service {
        body.append_pair("service", service);
    }
    let scopes = scopes.to_string();
    if !scopes.is_empty() {
        body.append_pair("scope", &scopes);
    }
    body.finish()
}

/// Returns the error for a refused token request.
pub(crate) fn refused(registry: &Registry, answer: &Response, authorized: Authorized) -> Error {
    let host = host_of(&answer.url);
    let what = error_response::words(answer).map(|words| format!(": {words}")).unwrap_or_default();
    let (message, reason) = match authorized {
        Authorized::Yes => {
            (format!("`{host}` refuses the credentials for `{registry}`{what}"), LogIn::Refused)
        }
        Authorized::No => {
            (format!("`{host}` issues no token for `{registry}`{what}"), LogIn::NoToken)
        }
    };
    Error::new(ErrorKind::Denied, message)
        .with_advice(Advice::LogIn { registry: registry.to_string(), reason })
        .with_registry_codes(error_response::codes(answer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::VirtualClock;

    #[test]
    fn tokens_are_asked_for_only_where_it_is_safe() {
        for (registry, realm, result) in [
            (
                "https://r.example/v2/",
                "https://auth.example/token",
                Ok("https://auth.example/token"),
            ),
            ("https://r.example/v2/", "/token?x=1", Ok("https://r.example/token?x=1")),
            ("https://r.example/v2/", "https://u:p@auth.example/t", Ok("https://auth.example/t")),
            ("http://r.example/v2/", "http://auth.example/t", Ok("http://auth.example/t")),
            ("http://127.0.0.1:5000/v2/", "http://127.0.0.1:5001/t", Ok("http://127.0.0.1:5001/t")),
            ("https://10.0.0.5/v2/", "https://10.0.0.5/t", Ok("https://10.0.0.5/t")),
            ("https://r.example/v2/", "http://auth.example/t", Err("clear text")),
            ("https://r.example/v2/", "ftp://auth.example/t", Err("neither")),
            ("https://r.example/v2/", "file:///etc/passwd", Err("neither")),
            ("https://r.example/v2/", "https://[", Err("not a URL")),
            ("https://r.example/v2/", "https://169.254.169.254/latest", Err("private")),
            ("https://r.example/v2/", "https://127.0.0.1/t", Err("private")),
            ("https://r.example/v2/", "https://localhost/t", Err("private")),
            ("https://r.example/v2/", "https://a.localhost./t", Err("private")),
            ("https://r.example/v2/", "https://2130706433/t", Err("private")),
            ("https://r.example/v2/", "https://192.168.1.1/t", Err("private")),
            ("https://r.example/v2/", "https://0.0.0.0/t", Err("private")),
            ("https://r.example/v2/", "https://[::1]/t", Err("private")),
            ("https://r.example/v2/", "https://[::ffff:10.0.0.1]/t", Err("private")),
            ("https://r.example/v2/", "https://[fe80::1]/t", Err("private")),
            ("https://r.example/v2/", "https://[fd00::1]/t", Err("private")),
            ("http://127.0.0.1:5000/v2/", "http://10.0.0.1/t", Err("private")),
            ("http://127.0.0.1:5000/v2/", "http://localhost:5001/t", Ok("http://localhost:5001/t")),
            ("http://localhost:5000/v2/", "http://127.0.0.1:1/t", Ok("http://127.0.0.1:1/t")),
            ("http://localhost:5000/v2/", "http://127.0.0.2:1/t", Err("private")),
            ("http://localhost:5000/v2/", "http://[::1]:1/t", Ok("http://[::1]:1/t")),
            ("https://10.0.0.5/v2/", "https://10.0.0.6/t", Err("private")),
            ("https://10.0.0.5/v2/", "https://localhost/t", Err("private")),
        ] {
            let registry: Url = registry.parse().expect(registry);
            let found = guard(realm, &registry, network(&registry));
            let url = found.as_ref().map(|(url, _)| url.as_str());
            match (result, &found) {
                (Ok(expected), _) => assert_eq!(url, Ok(expected), "{realm}"),
                (Err("private"), Err(Refusal::Inner(name))) => {
                    assert_eq!(name.ends_with(":5000"), registry.port() == Some(5000), "{name}");
                }
                (Err(why), Err(Refusal::Bad(own))) => assert!(own.contains(why), "{realm}"),
                _ => panic!("{realm}: {found:?}"),
            }
        }
    }

    /// Returns the network of a registry at this address.
    fn network(registry: &Url) -> Network {
        let address = match registry.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Domain("localhost")) => IpAddr::from([127, 0, 0, 1]),
            _ => IpAddr::from([192, 0, 2, 1]),
        };
        Network::of(Some((address, 443).into()))
    }

    #[test]
    fn a_registry_of_the_world_names_no_inner_host() {
        use Names::{Any, OuterOnly};
        let registry = "https://r.example/v2/".parse().expect("url");
        for (network, realm, names) in [
            (Network::Outer, "https://auth.example/t", OuterOnly),
            (Network::Outer, "/t", Any),
            (Network::Private, "https://auth.example/t", Any),
            (Network::Loopback, "https://auth.example/t", Any),
            // A proxy resolves names itself.
            (Network::Unknown, "https://auth.example/t", Any),
        ] {
            let found = guard(realm, &registry, network).map(|(_, names)| names);
            assert_eq!(found, Ok(names), "{network:?} {realm}");
        }
    }

    #[test]
    fn a_token_is_renewed_after_four_fifths_of_its_life() {
        let clock = VirtualClock::default();
        let token = Token {
            header: HeaderValue::from_static("Bearer x"),
            fetched: clock.now(),
            lifetime: Duration::from_secs(300),
        };
        let needs = Duration::from_secs(60);
        for (age, usable, for_a_long_body) in [
            (0, true, true),
            (179, true, true),
            (181, true, false),
            (239, true, false),
            (241, false, false),
        ] {
            let now = clock.now() + Duration::from_secs(age);
            assert_eq!(token.lasts(now, Duration::ZERO), usable, "{age}");
            assert_eq!(token.lasts(now, needs), for_a_long_body, "{age}");
        }
        assert!(
            !token.lasts(clock.now() - Duration::from_secs(1), Duration::ZERO),
            "the clock went back"
        );
    }
}
