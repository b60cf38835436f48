//! Chart repository over HTTP: requests for its index, archives and provenance files, and the rules
//! for its credentials. [`crate::index`] parses the index.
//!
//! The client sends credentials to the repository's own scheme, host and port. It sends them
//! elsewhere only if the user asks for it, and never along a redirect to another origin.

use crate::{
    Advice, Error, ErrorKind, Result,
    advice::Service,
    client::{
        Client, Trust,
        auth::credential::{Credential, Secret, basic, secret_header},
        http::{
            error_response,
            message::{Certificate, Request, Response, text},
            redirect::same_origin,
            transport::Transport,
        },
    },
    store::blocking,
};
use ::http::{
    HeaderName, HeaderValue, Method,
    header::{AUTHORIZATION, InvalidHeaderName},
};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use jiff::{Timestamp, fmt::rfc2822};
use std::{fmt, io::Read, sync::Arc};
use url::Url;

pub use super::archive::Archive;

/// Hosts that receive the credentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// The repository's own scheme, host and port.
    #[default]
    SameOrigin,
    /// Every host that the index names, as with Helm's `--pass-credentials`.
    Everywhere,
}

/// Settings of a chart repository: its URL, credentials and trust.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// URL of the repository, without `index.yaml`. A name and password in it are the credential if
    /// no other is given.
    pub url: String,
    /// Credential for the repository.
    pub credential: Option<Credential>,
    /// Header for a bearer token. `None` selects `Authorization: Bearer`.
    pub token_header: Option<String>,
    /// Hosts that receive the credential.
    pub credentials: Credentials,
    /// TLS settings of the repository, which replace the client's.
    pub trust: Option<Trust>,
}

impl Options {
    /// Makes options for the repository at `url`, without credentials.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }
}

/// Validators of a cached index: `ETag` and `Last-Modified`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// Unchanged value of `ETag`.
    pub etag: Option<String>,
    /// Unchanged value of `Last-Modified`.
    pub last_modified: Option<String>,
}

impl Validators {
    /// Returns true if the server gave no validator.
    pub fn is_empty(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none()
    }
}

/// Result of a request for the index.
#[derive(Clone, Debug)]
pub enum Fetched {
    /// The index has not changed since the validators were received.
    NotModified,
    /// New index with its validators.
    Index {
        /// Text of the index.
        bytes: Bytes,
        /// Validators for the next request; empty if the server sends none.
        validators: Validators,
    },
}

/// Result of a request for an archive's provenance file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signed {
    /// Signed text of the provenance file.
    Found(Bytes),
    /// The server reports that the file does not exist.
    Absent,
    /// Short description of another response: a web page, or a refusal. Some hosts answer so for
    /// any unknown path.
    Unusable(String),
}

/// First bytes of a provenance file. Its type is not reliable (RFC 9580, 7).
const SIGNED: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----";

/// Client of one chart repository. A copy costs little.
#[derive(Clone)]
pub struct HttpRepository {
    pub(crate) client: Client,
    pub(crate) transport: Arc<Transport>,
    url: Url,
    proof: Option<(HeaderName, HeaderValue)>,
    credentials: Credentials,
}

impl fmt::Debug for HttpRepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Repository").field(&self.url.as_str()).finish()
    }
}

impl Client {
    /// Opens a chart repository.
    ///
    /// # Errors
    /// `Usage` for a text that is not an `http://` or `https://` URL, `Denied` for a credential
    /// that is invalid in a header, and errors of certificates.
    pub fn chart_repository(&self, options: Options) -> Result<HttpRepository> {
        let url = parse(&options.url)?;
        let credential = options.credential.or_else(|| user_of(&url));
        let url = shown(&url);
        let transport = match options.trust {
            None => Arc::clone(&self.inner.transport),
            Some(trust) => Arc::new(self.inner.transport.with_trust(&trust)?),
        };
        let proof = credential
            .map(|credential| proof(&credential, options.token_header.as_deref()))
            .transpose()?;
        let credentials = options.credentials;
        Ok(HttpRepository { client: self.clone(), transport, url, proof, credentials })
    }
}

impl HttpRepository {
    /// Returns the URL, without credentials.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Downloads the index with one GET, unless the server confirms that `known` is current.
    ///
    /// # Errors
    /// Returns the server's error in Helm's words, or `Limit` for an index larger than allowed.
    pub async fn index(&self, known: Option<&Validators>) -> Result<Fetched> {
        let url = self.beneath("index.yaml");
        let mut call = Request::new(Method::GET, url.clone()).header("accept-encoding", "gzip");
        if let Some(known) = known {
            if let Some(etag) = &known.etag {
                call = call.header("if-none-match", etag);
            }
            if let Some(date) = &known.last_modified {
                call = call.header("if-modified-since", date);
            }
        }
        let cap = self.client.options().limits.index_bytes;
        let answer = self.settle(&format!("fetch {url}"), &call, cap).await?;
        match answer.status.as_u16() {
            304 if known.is_some_and(|known| !known.is_empty()) => return Ok(Fetched::NotModified),
            200 => {}
            _ => return Err(error_response::from_web(&url, &answer)),
        }
        let header = |name| text(&answer.headers, name).map(str::to_owned);
        let validators = Validators {
            etag: header("etag"),
            last_modified: header("last-modified").filter(|modified| {
                is_strong_date(modified, header("date").as_deref(), Timestamp::now())
            }),
        };
        let encoding = header("content-encoding").unwrap_or_default().to_ascii_lowercase();
        // The bytes are more reliable than the header, which storage keeps from the upload. No YAML
        // or JSON begins with the bytes of gzip.
        let bytes = match encoding.trim() {
            coding if answer.body.starts_with(b"\x1f\x8b") && !coding.is_empty() => {
                let body = answer.body;
                blocking(move || inflate(&body, cap))
                    .await
                    .map_err(|error| error.context(format!("failed to fetch {url}")))?
            }
            other @ ("br" | "zstd" | "deflate" | "compress") => {
                return Err(Error::new(
                    ErrorKind::Protocol,
                    format!(
                        "failed to fetch {url} : its encoding is `{other}`, which was not requested"
                    ),
                ));
            }
            _ => answer.body,
        };
        Ok(Fetched::Index { bytes, validators })
    }

    /// Downloads a chart's archive of up to `cap` bytes from an absolute URL, as from
    /// [`crate::index::url`]. The result contains the digest, and the caller compares it.
    ///
    /// # Errors
    /// `NotFound` if the server reports so, `Limit` beyond the cap, or the server's other errors in
    /// Helm's words.
    pub async fn archive(&self, url: &str, cap: u64) -> Result<Archive> {
        self.fetch_archive(parse(url)?, cap).await
    }

    /// Downloads the provenance file at an absolute URL. The result is `None` if the server reports
    /// that it does not exist.
    ///
    /// # Errors
    /// Returns any other refusal, since a missing file and an inaccessible one differ.
    pub async fn provenance(&self, url: &str) -> Result<Option<Bytes>> {
        let url = parse(url)?;
        let call = Request::new(Method::GET, url.clone()).header("accept-encoding", "identity");
        let cap = self.client.options().limits.provenance_bytes;
        let answer = self.settle(&format!("fetch {}", shown(&url)), &call, cap).await?;
        match answer.status.as_u16() {
            200 if error_response::is_page(&answer) => Ok(None),
            200 => Ok(Some(answer.body)),
            404 | 410 => Ok(None),
            _ => Err(error_response::from_web(&shown(&url), &answer)),
        }
    }

    /// Downloads the provenance file at an absolute URL, and checks its first line. The server did
    /// return the archive, so if it refuses this path or sends other content, it has no such file.
    ///
    /// # Errors
    /// `Denied` if the server asks for credentials, and failures of the server.
    pub async fn signed(&self, url: &str) -> Result<Signed> {
        let url = parse(url)?;
        let call = Request::new(Method::GET, url.clone()).header("accept-encoding", "identity");
        let cap = self.client.options().limits.provenance_bytes;
        let answer = self.settle(&format!("fetch {}", shown(&url)), &call, cap).await?;
        let body = answer.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&answer.body);
        Ok(match answer.status.as_u16() {
            200 if body.trim_ascii_start().starts_with(SIGNED) => Signed::Found(answer.body),
            200 if error_response::is_page(&answer) => {
                Signed::Unusable("it is a web page".to_owned())
            }
            200 => Signed::Unusable("it is not a signed text".to_owned()),
            404 | 410 => Signed::Absent,
            400 | 403 | 405 | 501 => Signed::Unusable(error_response::status_text(&answer)),
            _ => return Err(error_response::from_web(&shown(&url), &answer)),
        })
    }

    /// Returns an address below the repository's URL. The function extends the path and keeps the
    /// query.
    pub(crate) fn beneath(&self, rest: &str) -> Url {
        beneath(&self.url, rest)
    }

    /// Sends a request until there is a response, with any status.
    pub(crate) async fn settle(&self, act: &str, call: &Request, cap: u64) -> Result<Response> {
        let (call, header) = self.authorized(call.clone());
        let settled =
            self.client.settle_by(&self.transport, header.as_ref(), act, &call, cap).await;
        settled.map_err(|error| match error.advice() {
            Some(Advice::UsePlainHttp(_)) => {
                error.with_advice(Advice::UsePlainHttp(Service::Repository))
            }
            _ => error,
        })
    }

    /// Adds the credentials that the request's address may receive.
    pub(crate) fn authorized(&self, mut call: Request) -> (Request, Option<HeaderValue>) {
        let own = user_of(&call.url).and_then(|credential| basic(&credential).ok());
        call.url = shown(&call.url);
        let sees = self.credentials == Credentials::Everywhere || same_origin(&self.url, &call.url);
        if !sees {
            call.certificate = Certificate::Hidden;
        }
        if own.is_some() {
            return (call, own);
        }
        match self.proof.as_ref().filter(|_| sees) {
            None => (call, None),
            Some((name, value)) => {
                call.proof_header.clone_from(name);
                (call, Some(value.clone()))
            }
        }
    }
}

/// Returns true if a `Last-Modified` distinguishes one version of a file from the next. A file may
/// change twice within one second, so the date must be at least one second before the response's
/// own `Date` (RFC 9110, 8.8.2.2).
///
/// Without a `Date`, the function uses our own clock. It may differ from the server's by the minute
/// that the RFC allows.
///
/// Without a `Date` our own clock is asked, which may differ from the server's by the minute that
/// the RFC allows for.
fn is_strong_date(modified: &str, date: Option<&str>, now: Timestamp) -> bool {
    let read = |text: &str| Some(rfc2822::parse(text).ok()?.timestamp().as_second());
    let Some(modified) = read(modified) else { return false };
    match date.and_then(read) {
        Some(date) => modified < date,
        None => modified + 60 < now.as_second(),
    }
}

/// Appends `rest` to the path of a URL.
pub(crate) fn beneath(base: &Url, rest: &str) -> Url {
    let mut url = base.clone();
    let path = format!("{}/{rest}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

/// Returns a URL without the credentials in it.
fn shown(url: &Url) -> Url {
    let mut url = url.clone();
    // Neither call can fail on a URL with a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

/// Parses an HTTP or HTTPS URL.
pub(crate) fn parse(text: &str) -> Result<Url> {
    let shown = || text.rsplit_once('@').map_or(text, |(_, rest)| rest);
    let url: Url = text.parse().map_err(|error: url::ParseError| {
        Error::usage(format!("`{}` is not a URL", shown())).with_source(error)
    })?;
    match url.scheme() {
        "http" | "https" if url.host_str().is_some() => Ok(url),
        other => Err(Error::usage(format!("could not find protocol handler for: {other}"))),
    }
}

/// Returns the name and password in a URL.
fn user_of(url: &Url) -> Option<Credential> {
    let decode =
        |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let username = decode(url.username());
    let password = decode(url.password().unwrap_or_default());
    (!username.is_empty() || !password.is_empty())
        .then(|| Credential::Basic { username, password: Secret::new(password) })
}

/// Builds the header for a credential.
fn proof(credential: &Credential, token_header: Option<&str>) -> Result<(HeaderName, HeaderValue)> {
    let Credential::Bearer(token) = credential else {
        return Ok((AUTHORIZATION, basic(credential)?));
    };
    match token_header {
        None => Ok((AUTHORIZATION, secret_header(&format!("Bearer {}", token.expose()))?)),
        Some(name) => {
            let header = name.parse().map_err(|error: InvalidHeaderName| {
                Error::usage(format!("`{name}` is not a header name")).with_source(error)
            })?;
            Ok((header, secret_header(token.expose())?))
        }
    }
}

fn inflate(body: &[u8], cap: u64) -> Result<Bytes> {
    let mut text = Vec::new();
    MultiGzDecoder::new(body)
        .take(cap + 1)
        .read_to_end(&mut text)
        .map_err(|error| Error::new(ErrorKind::Protocol, "bad gzip").with_source(error))?;
    if text.len() as u64 > cap {
        return Err(Error::new(ErrorKind::Limit, format!("it has more than {cap} bytes")));
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_a_validator_once_a_second_has_passed() {
        let now = "2024-01-01T00:10:00Z".parse().expect("time");
        let at = |time: &str| format!("Mon, 01 Jan 2024 {time} GMT");
        for (modified, date, strong) in [
            (at("00:00:00"), Some(at("00:00:00")), false),
            (at("00:00:00"), Some(at("00:00:01")), true),
            (at("00:00:01"), Some(at("00:00:00")), false),
            (at("00:08:59"), None, true),
            (at("00:09:00"), None, false),
            ("yesterday".to_owned(), Some(at("00:00:01")), false),
        ] {
            assert_eq!(is_strong_date(&modified, date.as_deref(), now), strong, "{modified}");
        }
    }
}
