//! One request and its answer on the wire: bodies that can be sent again, time limits, redirects. It knows nothing of
//! registries, credentials or second tries.

use super::{
    Options,
    fault::{Failure, Fault},
    location::{Credentials, follow, host_of},
    proxy::Routes,
    retry::{Break, Origin},
    tls::{HostTrust, Trust},
};
use crate::{Error, ErrorKind, Result};
use ::http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{AUTHORIZATION, CONTENT_LENGTH, LOCATION},
};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use std::{
    collections::HashMap,
    fmt, io,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use url::Url;

/// What is asked. It can be sent any number of times.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Payload,
    pub(crate) patience: Patience,
    pub(crate) report: Option<Report>,
}

/// Who hears how many bytes of a body have gone.
#[derive(Clone)]
pub(crate) struct Report(Arc<dyn Fn(u64) + Send + Sync>);

impl Report {
    pub(crate) fn new(listener: impl Fn(u64) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listener))
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Report")
    }
}

/// How long the answer may take to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// As usual.
    Usual,
    /// The registry may have gigabytes to hash and store first.
    Commit,
}

/// A request's body.
#[derive(Clone, Debug)]
pub(crate) enum Payload {
    None,
    Bytes(Bytes),
    /// A part of a file, read as it is sent.
    File {
        path: Arc<Path>,
        start: u64,
        length: u64,
    },
}

impl Call {
    pub(crate) fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            payload: Payload::None,
            patience: Patience::Usual,
            report: None,
        }
    }

    /// Adds a header; `value` is ours or has come in a header before, so it fits one.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    pub(crate) fn payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }

    pub(crate) fn patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    pub(crate) fn report(mut self, report: Report) -> Self {
        self.report = Some(report);
        self
    }
}

/// An answer whose body may still be on its way.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// What was asked in the end, redirects followed.
    pub(crate) url: Url,
    pub(crate) from: Origin,
    response: reqwest::Response,
    stall: Duration,
}

impl Answer {
    /// Allows for longer silences.
    pub(crate) fn wait_longer(&mut self, factor: u32) {
        self.stall *= factor;
    }

    /// The next bytes of the body.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Fault> {
        let host = || host_of(&self.url);
        match tokio::time::timeout(self.stall, self.response.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) => Err(Fault::sort(error, &host())),
            Err(_) => Err(Fault::new(Break::Stalled, &host())),
        }
    }

    /// The whole body, up to `cap` bytes.
    pub(crate) async fn read(mut self, cap: u64) -> Result<Full, Failure> {
        let mut body = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if body.len() as u64 + chunk.len() as u64 > cap {
                let host = host_of(&self.url);
                return Err(Failure::Fatal(Error::new(
                    ErrorKind::Limit,
                    format!("`{host}` answers with more than {cap} bytes"),
                )));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(self.with_body(body.freeze()))
    }

    /// As much of the body as tells what is wrong. What breaks off or is too long is cut: the status says enough.
    pub(crate) async fn read_refusal(mut self) -> Full {
        const ENOUGH: usize = 64 * 1024;
        let mut body = BytesMut::new();
        while body.len() < ENOUGH
            && let Ok(Some(chunk)) = self.chunk().await
        {
            body.extend_from_slice(&chunk[..chunk.len().min(ENOUGH - body.len())]);
        }
        self.with_body(body.freeze())
    }

    fn with_body(self, body: Bytes) -> Full {
        let Self { status, headers, url, from, .. } = self;
        Full { status, headers: Box::new(headers), url: Box::new(url), from, body }
    }
}

/// An answer that has come in whole.
#[derive(Clone, Debug)]
pub(crate) struct Full {
    pub(crate) status: StatusCode,
    pub(crate) headers: Box<HeaderMap>,
    pub(crate) url: Box<Url>,
    pub(crate) from: Origin,
    pub(crate) body: Bytes,
}

/// A header as text.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether an answer says that it is a web page.
pub(crate) fn is_html(headers: &HeaderMap) -> bool {
    text(headers, "content-type").is_some_and(|kind| {
        let kind = kind.trim_start().to_ascii_lowercase();
        kind.starts_with("text/html") || kind.starts_with("application/xhtml")
    })
}

/// The connections.
pub(crate) struct Transport {
    common: reqwest::Client,
    /// Hosts that have TLS settings of their own; `None` for those looked up that have not.
    own: Mutex<HashMap<String, Option<reqwest::Client>>>,
    trust: Trust,
    routes: Routes,
    user_agent: String,
    connect: Duration,
    headers: Duration,
    commit: Duration,
    stall: Duration,
    redirects: usize,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

impl Transport {
    pub(crate) fn new(options: &Options) -> Result<Self> {
        let routes = Routes::new(&options.proxies)?;
        let trust = options.trust.clone();
        let common =
            build(options.connect, &options.user_agent, &routes, &trust, &HostTrust::default())?;
        Ok(Self {
            common,
            own: Mutex::default(),
            trust,
            routes,
            user_agent: options.user_agent.clone(),
            connect: options.connect,
            headers: options.headers,
            commit: options.commit,
            stall: options.stall,
            redirects: options.limits.redirects,
        })
    }

    /// Asks, and follows where the answer points. `authorization` goes to the first origin only.
    pub(crate) async fn exchange(
        &self,
        call: &Call,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, Failure> {
        let mut url = call.url.clone();
        let mut authorization = authorization;
        let mut from = Origin::Registry;
        for _ in 0..=self.redirects {
            let answer = self.send(call, &url, authorization, from).await?;
            if !is_redirect(&call.method, answer.status) {
                return Ok(answer);
            }
            let (next, credentials) = follow(&url, text(&answer.headers, LOCATION.as_str()))
                .map_err(|error| {
                    let host = host_of(&url);
                    Error::new(
                        ErrorKind::Protocol,
                        format!("a redirect of `{host}` is not followed"),
                    )
                    .with_source(error)
                })?;
            if credentials == Credentials::Drop {
                authorization = None;
                from = Origin::Elsewhere;
            }
            url = next;
        }
        Err(Failure::Fatal(Error::new(
            ErrorKind::Protocol,
            format!("`{}` redirects more than {} times", host_of(&call.url), self.redirects),
        )))
    }

    async fn send(
        &self,
        call: &Call,
        url: &Url,
        authorization: Option<&HeaderValue>,
        from: Origin,
    ) -> Result<Answer, Failure> {
        let host = host_of(url);
        let going = Going::new(call.report.clone());
        let (body, length) = outgoing(&call.payload, &going)
            .await
            .map_err(|(path, error)| Failure::Fatal(Error::io("read blob", path, error)))?;
        let mut request = self
            .client(url)?
            .request(call.method.clone(), url.clone())
            .headers(call.headers.clone());
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some(body) = body {
            request = request.header(CONTENT_LENGTH, length).body(body);
        }
        let last = match call.patience {
            Patience::Usual => self.headers,
            Patience::Commit => self.commit,
        };
        let response = request.send();
        tokio::pin!(response);
        // While the body goes out every `stall` must see a byte leave; then the answer has its own time.
        let response = loop {
            let before = going.sent();
            let (limit, kind) =
                if before < length { (self.stall, Break::Stalled) } else { (last, Break::Silent) };
            match tokio::time::timeout(limit, &mut response).await {
                Ok(response) => break response.map_err(|error| Fault::sort(error, &host))?,
                Err(_) if going.sent() > before => {}
                Err(_) => return Err(Fault::new(kind, &host).into()),
            }
        };
        Ok(Answer {
            status: response.status(),
            headers: response.headers().clone(),
            url: url.clone(),
            from,
            response,
            stall: self.stall,
        })
    }

    /// The connections for a host; those with TLS settings of their own share none.
    fn client(&self, url: &Url) -> Result<reqwest::Client> {
        if url.scheme() != "https" || self.trust.host_folders.is_empty() {
            return Ok(self.common.clone());
        }
        let host = host_of(url);
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = own.get(&host) {
            return Ok(known.clone().unwrap_or_else(|| self.common.clone()));
        }
        let trust = self.trust.of_host(&host);
        let client = if trust.is_empty() {
            None
        } else {
            Some(build(self.connect, &self.user_agent, &self.routes, &self.trust, &trust)?)
        };
        own.insert(host, client.clone());
        Ok(client.unwrap_or_else(|| self.common.clone()))
    }
}

fn is_redirect(method: &Method, status: StatusCode) -> bool {
    match status.as_u16() {
        307 | 308 => true,
        // For anything but a read these would turn the request into another.
        301..=303 => matches!(*method, Method::GET | Method::HEAD),
        _ => false,
    }
}

fn build(
    connect: Duration,
    user_agent: &str,
    routes: &Routes,
    trust: &Trust,
    host: &HostTrust,
) -> Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .user_agent(user_agent)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .connect_timeout(connect)
        .pool_max_idle_per_host(16)
        .tls_backend_preconfigured(trust.config(host)?);
    if !routes.is_empty() {
        let routes = routes.clone();
        builder = builder.proxy(reqwest::Proxy::custom(move |url| routes.proxy(url).cloned()));
    }
    builder.build().map_err(|error| Error::usage("cannot set up HTTP").with_source(error))
}

/// How much of a body has gone.
#[derive(Clone)]
struct Going {
    sent: Arc<AtomicU64>,
    report: Option<Report>,
}

impl Going {
    fn new(report: Option<Report>) -> Self {
        Self { sent: Arc::default(), report }
    }

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    fn add(&self, bytes: usize) {
        let sent = self.sent.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        if let Some(Report(report)) = &self.report {
            report(sent);
        }
    }
}

/// Bytes that are handed over at a time; small enough that a stall shows, large enough to keep a gigabit busy.
const PIECE: usize = 256 * 1024;

/// A body to send, and its length.
async fn outgoing(
    payload: &Payload,
    going: &Going,
) -> Result<(Option<reqwest::Body>, u64), (Arc<Path>, io::Error)> {
    let going = going.clone();
    Ok(match payload {
        // An upload is opened by an empty body, which must say that it is empty.
        Payload::None => (None, 0),
        Payload::Bytes(bytes) if bytes.len() <= PIECE => {
            going.add(bytes.len());
            (Some(reqwest::Body::from(bytes.clone())), bytes.len() as u64)
        }
        Payload::Bytes(bytes) => {
            let pieces = stream::unfold((bytes.clone(), going), |(mut bytes, going)| async {
                if bytes.is_empty() {
                    return None;
                }
                let piece = bytes.split_to(bytes.len().min(PIECE));
                going.add(piece.len());
                Some((io::Result::Ok(piece), (bytes, going)))
            });
            (Some(reqwest::Body::wrap_stream(pieces)), bytes.len() as u64)
        }
        Payload::File { path, start, length } => {
            let named = |error| (Arc::clone(path), error);
            let mut file = tokio::fs::File::open(path).await.map_err(named)?;
            file.seek(io::SeekFrom::Start(*start)).await.map_err(named)?;
            let pieces = stream::unfold((file.take(*length), going), |(mut part, going)| async {
                let mut piece = BytesMut::with_capacity(PIECE);
                match part.read_buf(&mut piece).await {
                    Ok(0) => None,
                    Ok(read) => {
                        going.add(read);
                        Some((Ok(piece.freeze()), (part, going)))
                    }
                    Err(error) => Some((Err(error), (part, going))),
                }
            });
            (Some(reqwest::Body::wrap_stream(pieces)), *length)
        }
    })
}
