//! One request and its response on the wire: time limits, redirects and connections. The module
//! does not depend on registries, credentials or retries.

use super::{
    body::{UploadBody, outgoing},
    error_response::repository_of,
    failure::{AttemptError, TransportError},
    message::{Authorized, Certificate, Patience, Redirects, Request, Response, Strangers, text},
    network::{Names, Network, OuterOnly},
    proxy::{Route, Routes, SKIPPED, unusable},
    redirect::{BadLocation, Credentials, Downgrade, follow_with, host_of},
    retry::{Origin, TransportErrorKind},
    throttle::Throttles,
    tls::{HostTrust, Trust},
};
use crate::lock::Locked as _;
use crate::{
    Advice, Error, ErrorKind, Result,
    client::{
        Options,
        event::{ClientEvent, EventSink},
    },
    limits,
    redact::without_proof,
};
use ::http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{CONTENT_LENGTH, LOCATION},
};
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use url::Url;

/// Response whose body may still be arriving.
pub(crate) struct StreamedResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Final URL, after redirects.
    pub(crate) url: Url,
    pub(crate) from: Origin,
    /// Network of the host that answered.
    pub(crate) network: Network,
    response: reqwest::Response,
    stall: Duration,
    waited: Waited,
}

impl StreamedResponse {
    /// Multiplies the time limit for a silent connection by `factor`.
    pub(crate) fn wait_longer(&mut self, factor: u32) {
        self.stall *= factor;
        self.waited.grace *= factor;
    }

    /// Reads the next bytes of the body.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        let host = || host_of(&self.url);
        let next = self.response.chunk();
        tokio::pin!(next);
        let came = match (&mut next).now_or_never() {
            Some(came) => came,
            None => {
                let (since, left) = (Instant::now(), self.waited.left());
                let came = tokio::time::timeout(self.stall.min(left), next).await;
                self.waited.time += since.elapsed();
                match came {
                    Ok(came) => came,
                    Err(_) if left < self.stall => {
                        return Err(TransportError::new(TransportErrorKind::Stalled, &host())
                            .with_source(TOO_SLOW));
                    }
                    Err(_) => {
                        return Err(TransportError::new(TransportErrorKind::Stalled, &host()));
                    }
                }
            }
        };
        let chunk = came.map_err(|error| TransportError::sort(error, &host()))?;
        self.waited.bytes += chunk.as_ref().map_or(0, Bytes::len) as u64;
        Ok(chunk)
    }

    /// Reads the whole body, up to `cap` bytes.
    pub(crate) async fn read(mut self, cap: u64) -> Result<Response, AttemptError> {
        let mut body = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if body.len() as u64 + chunk.len() as u64 > cap {
                let host = host_of(&self.url);
                return Err(AttemptError::Fatal(Error::new(
                    ErrorKind::Limit,
                    format!("`{host}` answers with more than {cap} bytes"),
                )));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(self.with_body(body.freeze()))
    }

    /// Reads the body of an error response. The function cuts a body that is too long or
    /// incomplete, since the status suffices.
    pub(crate) async fn read_refusal(mut self) -> Response {
        const ENOUGH: usize = 64 * 1024;
        let mut body = BytesMut::new();
        while body.len() < ENOUGH
            && let Ok(Some(chunk)) = self.chunk().await
        {
            body.extend_from_slice(&chunk[..chunk.len().min(ENOUGH - body.len())]);
        }
        self.with_body(body.freeze())
    }

    fn with_body(self, body: Bytes) -> Response {
        let Self { status, headers, url, from, network, .. } = self;
        let authorized = Authorized::No;
        let (headers, url) = (Box::new(headers), Box::new(url));
        Response { status, headers, url, from, network, body, authorized }
    }
}

/// Time spent waiting for the bytes of a response body, without our own work in between, and the
/// number of bytes received.
#[derive(Clone, Copy, Debug)]
struct Waited {
    /// Waiting time that does not count.
    grace: Duration,
    time: Duration,
    bytes: u64,
}

/// Error text for a body that exceeded its time.
const TOO_SLOW: &str = "the body arrives too slowly";

impl Waited {
    fn new(grace: Duration) -> Self {
        Self { grace, time: Duration::ZERO, bytes: 0 }
    }

    /// Returns the remaining time to wait. Without a limit, a server that sends byte by byte would
    /// hold the client for ever.
    fn left(&self) -> Duration {
        let earned = Duration::from_secs(self.bytes / limits::BODY_BYTES_A_SECOND);
        self.grace.saturating_add(earned).saturating_sub(self.time)
    }
}

/// Connections of a client.
pub(crate) struct Transport {
    common: reqwest::Client,
    /// Clients for hosts with TLS settings of their own, or with checked addresses. `None` marks a
    /// host that has no settings of its own.
    own: Mutex<HashMap<(String, Names, bool), Option<reqwest::Client>>>,
    trust: Trust,
    routes: Routes,
    gates: Arc<Throttles>,
    notify: EventSink,
    user_agent: String,
    connect: Duration,
    headers: Duration,
    commit: Duration,
    stall: Duration,
    grace: Duration,
    redirects: usize,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

impl Transport {
    pub(crate) fn new(options: &Options) -> Result<Self> {
        let routes = Routes::new(&options.proxies);
        let trust = options.trust.clone();
        let setup = Setup {
            connect: options.connect,
            user_agent: &options.user_agent,
            routes: &routes,
            notify: &options.notify,
        };
        let common = setup.build(&trust, &HostTrust::default(), Names::Any)?;
        Ok(Self {
            common,
            own: Mutex::default(),
            trust,
            routes,
            gates: Arc::new(Throttles::new(options)),
            notify: options.notify.clone(),
            user_agent: options.user_agent.clone(),
            connect: options.connect,
            headers: options.headers,
            commit: options.commit,
            stall: options.stall,
            grace: options.grace,
            redirects: options.limits.redirects,
        })
    }

    /// Makes a transport with other TLS settings that shares the throttles of the hosts.
    pub(crate) fn with_trust(&self, trust: &Trust) -> Result<Self> {
        Ok(Self {
            common: self.setup().build(trust, &HostTrust::default(), Names::Any)?,
            own: Mutex::default(),
            trust: trust.clone(),
            routes: self.routes.clone(),
            gates: Arc::clone(&self.gates),
            notify: self.notify.clone(),
            user_agent: self.user_agent.clone(),
            ..*self
        })
    }

    /// Sends a request and follows redirects. `authorization` goes to the first origin only.
    pub(crate) async fn exchange(
        &self,
        call: &Request,
        authorization: Option<&HeaderValue>,
    ) -> Result<StreamedResponse, AttemptError> {
        self.exchange_from(call, authorization, Origin::Registry).await
    }

    /// Sends as [`Self::exchange`], for a URL whose host is `from`.
    pub(crate) async fn exchange_from(
        &self,
        call: &Request,
        authorization: Option<&HeaderValue>,
        mut from: Origin,
    ) -> Result<StreamedResponse, AttemptError> {
        let mut url = call.url.clone();
        let mut authorization = authorization;
        for _ in 0..=self.redirects {
            let answer = self.send(call, &url, authorization, from).await?;
            if !is_redirect(&call.method, answer.status) {
                return Ok(answer);
            }
            let location = text(&answer.headers, LOCATION.as_str());
            let (next, credentials) =
                follow_with(&url, location, call.downgrade).map_err(|error| {
                    let host = host_of(&url);
                    let refused = Error::new(
                        ErrorKind::Protocol,
                        format!("a redirect of `{host}` is not followed"),
                    );
                    match &error {
                        BadLocation::Downgrade { .. } if call.downgrade == Downgrade::Offer => {
                            refused.with_advice(Advice::AllowHttpRedirects)
                        }
                        BadLocation::Downgrade { to, .. } => {
                            let hint = format!(
                                "if the server supports TLS, use {} as the address",
                                by_tls(to)
                            );
                            refused.with_hint(hint)
                        }
                        _ => refused,
                    }
                    .with_source(error)
                })?;
            if credentials == Credentials::Drop && call.redirects == Redirects::HandOver {
                return Ok(answer);
            }
            if credentials == Credentials::Drop && call.strangers == Strangers::Refuse {
                return Err(AttemptError::Fatal(strange(&url, &next)));
            }
            if credentials == Credentials::Drop {
                authorization = None;
                from = Origin::Elsewhere;
            }
            url = next;
        }
        Err(AttemptError::Fatal(Error::new(
            ErrorKind::Protocol,
            format!("`{}` redirects more than {} times", host_of(&call.url), self.redirects),
        )))
    }

    async fn send(
        &self,
        call: &Request,
        url: &Url,
        authorization: Option<&HeaderValue>,
        from: Origin,
    ) -> Result<StreamedResponse, AttemptError> {
        let host = host_of(url);
        let going = UploadBody::new(call.report.clone());
        let (body, length) = outgoing(&call.payload, &going)
            .await
            .map_err(|(path, error)| AttemptError::Fatal(Error::io("read blob", path, error)))?;
        // This step is the last: after the throttle the request must go out.
        let passage = self.gates.pass(&host).await?;
        let route = self.routes.route(url);
        match route {
            Route::Unusable => return Err(AttemptError::Fatal(unusable(url))),
            Route::Skipped => self.notify.tell(ClientEvent::Skipped { text: SKIPPED.to_owned() }),
            Route::Direct | Route::Through(_) => {}
        }
        let hidden = match from {
            Origin::Registry => call.certificate,
            Origin::Elsewhere => Certificate::Hidden,
        };
        let mut request = self
            .client(url, call.names, hidden)?
            .request(call.method.clone(), url.clone())
            .headers(call.headers.clone());
        if from == Origin::Registry {
            request = request.headers(call.own_headers.clone());
        }
        if let Some(authorization) = authorization {
            request = request.header(call.proof_header.clone(), authorization);
        }
        if let Some(body) = body {
            request = request.header(CONTENT_LENGTH, length).body(body);
        }
        let last = match call.patience {
            Patience::Usual => self.headers,
            Patience::Commit => {
                let work = Duration::from_secs(length / COMMITTED_PER_SECOND);
                self.commit.min(self.headers + work)
            }
        };
        let shown =
            self.notify.is_heard().then(|| (call.method.to_string(), without_proof(url.as_str())));
        if let Some((method, url)) = shown.clone() {
            self.notify.tell(ClientEvent::Asked { method, url });
        }
        let response = request.send();
        tokio::pin!(response);
        // During the upload, at least one byte must leave within each `stall`. The response then
        // has its own time limit.
        let response = loop {
            let before = going.sent();
            let (limit, kind) = if before < length {
                (self.stall, TransportErrorKind::Stalled)
            } else {
                (last, TransportErrorKind::Silent)
            };
            match tokio::time::timeout(limit, &mut response).await {
                Ok(response) => {
                    break response.map_err(|error| TransportError::sort(error, &host))?;
                }
                Err(_) if going.sent() > before || going.waits_for_source() => {}
                Err(_) => return Err(TransportError::new(kind, &host).into()),
            }
        };
        self.gates.heed(&passage, response.status(), response.headers());
        let network = match route {
            Route::Through(_) => Network::Unknown,
            _ => Network::of(response.remote_addr()),
        };
        if let Some((method, url)) = shown {
            let status = response.status().as_u16();
            self.notify.tell(ClientEvent::Answered { method, url, status });
        }
        Ok(StreamedResponse {
            status: response.status(),
            headers: response.headers().clone(),
            url: url.clone(),
            from,
            network,
            response,
            stall: self.stall,
            waited: Waited::new(self.grace),
        })
    }

    /// Returns the connections for a host. Hosts with their own TLS settings share none.
    ///
    /// A redirect's target does not see the client certificate of the flags. It would learn the
    /// identity of the user, and could use the certificate's rights with a third server.
    ///
    /// A host that is not the one that was asked does not see the client certificate of the flags:
    /// it would learn who the user is, and could have itself served by what trusts that
    /// certificate.
    fn client(&self, url: &Url, names: Names, shown: Certificate) -> Result<reqwest::Client> {
        let hides = shown == Certificate::Hidden && self.trust.identity.is_some();
        let plain = url.scheme() != "https" || (self.trust.host_folders.is_empty() && !hides);
        if plain && names == Names::Any {
            return Ok(self.common.clone());
        }
        let key = (host_of(url), names, hides);
        let mut own = self.own.locked();
        if let Some(known) = own.get(&key) {
            return Ok(known.clone().unwrap_or_else(|| self.common.clone()));
        }
        let trust = self.trust.of_host(&key.0);
        let client = match trust.is_empty() && names == Names::Any && !hides {
            true => None,
            false if hides => {
                let common = Trust { identity: None, ..self.trust.clone() };
                Some(self.setup().build(&common, &trust, names)?)
            }
            false => Some(self.setup().build(&self.trust, &trust, names)?),
        };
        own.insert(key, client.clone());
        Ok(client.unwrap_or_else(|| self.common.clone()))
    }

    fn setup(&self) -> Setup<'_> {
        let Self { connect, user_agent, routes, notify, .. } = self;
        Setup { connect: *connect, user_agent, routes, notify }
    }
}

/// Idle connections that the client keeps per host: as many as a mirror has requests in flight.
const IDLE: usize = 64;

/// Rate in bytes per second at which a slow registry hashes and stores a body.
const COMMITTED_PER_SECOND: u64 = 4 * limits::MIB;

/// Returns the error for a redirect that would send a change to another origin.
fn strange(from: &Url, to: &Url) -> Error {
    let (host, there) = (host_of(from), repository_of(to));
    let message =
        format!("`{host}` redirects an upload or a deletion to {there}, which is not followed");
    Error::new(ErrorKind::Protocol, message)
        .with_hint(format!("nothing was changed: if you trust it, use {there} as the address"))
}

/// Returns the same address with TLS.
fn by_tls(url: &Url) -> String {
    let mut url = url.clone();
    // This call can always change http to https.
    let _ = url.set_scheme("https");
    repository_of(&url)
}

fn is_redirect(method: &Method, status: StatusCode) -> bool {
    match status.as_u16() {
        307 | 308 => true,
        // For any method but a read, these statuses would turn the request into another.
        301..=303 => matches!(*method, Method::GET | Method::HEAD),
        _ => false,
    }
}

/// Settings that all connections share.
struct Setup<'a> {
    connect: Duration,
    user_agent: &'a str,
    routes: &'a Routes,
    notify: &'a EventSink,
}

impl Setup<'_> {
    fn build(&self, trust: &Trust, host: &HostTrust, names: Names) -> Result<reqwest::Client> {
        let mut builder = reqwest::Client::builder()
            .user_agent(self.user_agent)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(self.connect)
            .pool_max_idle_per_host(IDLE)
            .tls_backend_preconfigured(trust.config(host, self.notify)?);
        if names == Names::OuterOnly {
            builder = builder.dns_resolver(OuterOnly);
        }
        if !self.routes.is_empty() {
            let routes = self.routes.clone();
            builder = builder.proxy(reqwest::Proxy::custom(move |url| routes.proxy(url).cloned()));
        }
        builder.build().map_err(|error| Error::usage("cannot set up HTTP").with_source(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_earned_by_bytes() {
        let second = Duration::from_secs(1);
        for (time, bytes, left) in [
            (0, 0, 60),
            (59, 1, 1),
            (60, 20, 0),
            (70, 4095, 0),
            (70, 64 * limits::KIB, 6),
            (1000, limits::MIB * 1024, 262_204 - 1000),
        ] {
            let waited = Waited { grace: 60 * second, time: time * second, bytes };
            assert_eq!(waited.left(), left * second, "{time} {bytes}");
        }
    }
}
