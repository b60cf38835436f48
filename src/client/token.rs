//! Tokens: where they may be asked for, how, and what the answer says. The flows are Docker's: a GET with a name
//! and password, or a POST that changes a refresh token; a service that knows only one of them is asked by the other.

use super::{
    Client,
    auth::{basic, secret_header},
    challenge::Challenge,
    credentials::Credential,
    location::host_of,
    message::{Call, Full, Payload, Proven, is_html},
    refusal,
    scope::Scopes,
};
use crate::{Error, ErrorKind, Result, oci::Registry};
use ::http::{HeaderValue, Method};
use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};
use url::{Host, Url};

/// Where a registry sends us for tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Realm {
    pub(crate) url: Url,
    pub(crate) service: Option<String>,
}

impl Realm {
    /// The realm of a Bearer challenge, if a credential may be sent there.
    pub(crate) fn of(
        challenge: &Challenge,
        registry_url: &Url,
        registry: &Registry,
    ) -> Result<Self> {
        let text = challenge.parameter("realm").unwrap_or_default();
        let url = guard(text, registry_url).map_err(|why| {
            Error::new(
                ErrorKind::Protocol,
                format!("`{registry}` sends us for a token to `{}`, {why}", shown(text)),
            )
            .with_hint("no credentials were sent; the registry's token address must be set right")
        })?;
        let service = challenge.parameter("service").map(str::to_owned);
        Ok(Self { url, service })
    }
}

/// A realm's address without what may be secret in it.
fn shown(text: &str) -> String {
    text.split(['?', '#']).next().unwrap_or(text).chars().filter(|c| !c.is_control()).collect()
}

/// The guard against a registry that makes us ask inner hosts (SSRF), or send a password in clear text.
fn guard(realm: &str, registry: &Url) -> Result<Url, &'static str> {
    let mut url = registry.join(realm).map_err(|_| "which is no address")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("which is neither http nor https");
    }
    if registry.scheme() == "https" && url.scheme() == "http" {
        return Err("where a password would go in clear text");
    }
    if url.host() != registry.host() && is_inner(&url) {
        return Err("an address within a private network");
    }
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    Ok(url)
}

fn is_inner(url: &Url) -> bool {
    match url.host() {
        None => true,
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name.eq_ignore_ascii_case("localhost") || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => is_inner_address(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => is_inner_address(IpAddr::V6(address)),
    }
}

fn is_inner_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified()
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_inner_address(IpAddr::V4(v4)),
            None => {
                v6.is_loopback()
                    || v6.is_unspecified()
                    || v6.is_unique_local()
                    || v6.is_unicast_link_local()
            }
        },
    }
}

/// A token and how long it may be used.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) header: HeaderValue,
    fetched: SystemTime,
    lifetime: Duration,
}

impl Token {
    /// Whether it can still be used, and goes on to be for `needs`, as far as its whole life allows.
    pub(crate) fn lasts(&self, now: SystemTime, needs: Duration) -> bool {
        // Our own clock at both ends: the service's may differ from it by hours.
        let age = now.duration_since(self.fetched).unwrap_or(Duration::MAX);
        age.saturating_add(needs.min(self.lifetime / 2)) < self.lifetime.mul_f32(0.8)
    }
}

/// What a token service says.
#[derive(Debug)]
pub(crate) enum Grant {
    Token(Token),
    /// It does not give us one.
    Refused(Full),
}

/// The least time a token lives, and the time when the answer does not say (Docker's token specification).
const LIFETIME: u64 = 60;

#[derive(serde::Deserialize)]
struct Reply {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    expires_in: Option<f64>,
}

const CLIENT_ID: &str = "chartferry";

impl Client {
    /// Asks for a token.
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
        let answer = self.service(&Call::new(Method::GET, url), header.as_ref()).await?;
        self.read_grant(answer)
    }

    /// The grant for a name and password, which only a login asks for. `None` when the service does not know it.
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
    ) -> Result<Full> {
        let call = Call::new(Method::POST, realm.url.clone())
            .header("content-type", "application/x-www-form-urlencoded")
            .payload(Payload::Bytes(form_of(form, realm, scopes).into()));
        self.service(&call, None).await
    }

    async fn service(&self, call: &Call, header: Option<&HeaderValue>) -> Result<Full> {
        let cap = self.options().limits.answer_bytes;
        self.settle_service(header, "get a token", call, cap).await
    }

    fn read_grant(&self, answer: Full) -> Result<Grant> {
        let host = host_of(&answer.url);
        match answer.status.as_u16() {
            200..=299 => {}
            400 | 401 | 403 => return Ok(Grant::Refused(answer)),
            _ => {
                let act = "get a token";
                return Err(refusal::from_service(&host, act, &answer));
            }
        }
        let wrong = |what: &str| {
            Error::new(
                ErrorKind::Protocol,
                format!("the token service `{host}` answers with {what}"),
            )
        };
        if is_html(&answer.headers) {
            return Err(wrong("a web page, not a token").with_hint(
                "single sign-on may stand in between: log in with the token or secret that the registry gives for command lines",
            ));
        }
        let reply: Reply =
            serde_json::from_slice(&answer.body).map_err(|_| wrong("what is no token"))?;
        let text = [reply.token, reply.access_token]
            .into_iter()
            .flatten()
            .find(|token| !token.is_empty())
            .ok_or_else(|| wrong("no token"))?;
        let seconds = reply.expires_in.filter(|s| s.is_finite()).map_or(LIFETIME, |s| s as u64);
        Ok(Grant::Token(Token {
            header: secret_header(&format!("Bearer {text}"))?,
            fetched: self.options().clock.now(),
            lifetime: Duration::from_secs(seconds.clamp(LIFETIME, 366 * 24 * 3600)),
        }))
    }
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

/// What the user is told when there is no token to be had.
pub(crate) fn refused(registry: &Registry, answer: &Full, proven: Proven) -> Error {
    let host = host_of(&answer.url);
    let what = refusal::words(answer).map(|words| format!(": {words}")).unwrap_or_default();
    if proven == Proven::Yes {
        let message = format!("`{host}` refuses the credentials for `{registry}`{what}");
        return Error::new(ErrorKind::Denied, message).with_hint(format!(
            "check the name and the password, or log in with `chartferry login {registry}`"
        ));
    }
    Error::new(ErrorKind::Denied, format!("`{host}` gives no token for `{registry}`{what}"))
        .with_hint(format!("log in with `chartferry login {registry}`"))
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
            ("https://r.example/v2/", "https://[", Err("no address")),
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
        ] {
            let found = guard(realm, &registry.parse().expect(registry));
            match result {
                Ok(url) => assert_eq!(found.as_ref().map(Url::as_str), Ok(url), "{realm}"),
                Err(why) => assert!(found.is_err_and(|own| own.contains(why)), "{realm}"),
            }
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
