//! Requests and responses as values. The client can send a request any number of times, and reads a
//! response whole.

use super::{
    network::{Names, Network},
    redirect::Downgrade,
    retry::Origin,
};
use crate::store::RemoteBlob;
use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header::AUTHORIZATION};
use bytes::Bytes;
use std::{fmt, path::Path, sync::Arc};
use url::Url;

/// Policy for a blob that the registry redirects to other storage, as registries over object stores
/// do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Redirects {
    /// The client downloads the blob from that storage.
    #[default]
    Follow,
    /// The client returns the address to the caller.
    HandOver,
}

/// Policy for the client certificate of the flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Certificate {
    #[default]
    Shown,
    Hidden,
}

/// Request that the client can send any number of times.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    /// Headers of the user for the first origin only.
    pub(crate) own_headers: HeaderMap,
    pub(crate) payload: Payload,
    pub(crate) patience: Patience,
    /// Name of the header for the credentials.
    pub(crate) proof_header: HeaderName,
    pub(crate) report: Option<Report>,
    pub(crate) redirects: Redirects,
    /// Policy for a redirect from HTTPS to plain HTTP.
    pub(crate) downgrade: Downgrade,
    pub(crate) strangers: Strangers,
    /// Addresses to which the host may resolve.
    pub(crate) names: Names,
    /// Policy for the client certificate of the flags.
    pub(crate) certificate: Certificate,
    /// Statuses that the client does not retry for this request, though it usually does.
    pub(crate) finals: &'static [u16],
}

/// Policy for a redirect to another origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strangers {
    /// The client follows the redirect, without credentials.
    Follow,
    /// The client refuses the redirect. The request changes something, and another origin cannot
    /// confirm the change.
    Refuse,
}

/// Receiver of the number of body bytes sent.
#[derive(Clone)]
pub(crate) struct Report(Arc<dyn Fn(u64) + Send + Sync>);

impl Report {
    pub(crate) fn new(listener: impl Fn(u64) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listener))
    }

    pub(crate) fn tell(&self, sent: u64) {
        (self.0)(sent);
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Report")
    }
}

/// Time limit until the first byte of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Usual time limit.
    Usual,
    /// Longer time limit: the registry may first have to hash and store gigabytes.
    Commit,
}

/// Body of a request.
#[derive(Clone, Debug)]
pub(crate) enum Payload {
    None,
    Bytes(Bytes),
    /// Part of a file, which the client reads as it sends.
    File {
        path: Arc<Path>,
        start: u64,
        length: u64,
    },
    /// Part of a blob of another store, which the client reads as it sends.
    Remote {
        blob: RemoteBlob,
        start: u64,
        length: u64,
    },
    /// Several parts, one after the other.
    Parts(Arc<[Self]>),
}

impl Request {
    pub(crate) fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            own_headers: HeaderMap::new(),
            payload: Payload::None,
            patience: Patience::Usual,
            proof_header: AUTHORIZATION,
            report: None,
            redirects: Redirects::Follow,
            downgrade: Downgrade::Refuse,
            strangers: Strangers::Follow,
            names: Names::Any,
            certificate: Certificate::Shown,
            finals: &[],
        }
    }

    /// Adds a header. `value` comes from this program or from another header, so it is valid.
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

    pub(crate) fn redirects(mut self, redirects: Redirects) -> Self {
        self.redirects = redirects;
        self
    }

    pub(crate) fn downgrade(mut self, downgrade: Downgrade) -> Self {
        self.downgrade = downgrade;
        self
    }

    pub(crate) fn strangers(mut self, strangers: Strangers) -> Self {
        self.strangers = strangers;
        self
    }

    pub(crate) fn names(mut self, names: Names) -> Self {
        self.names = names;
        self
    }

    pub(crate) fn finals(mut self, statuses: &'static [u16]) -> Self {
        self.finals = statuses;
        self
    }

    pub(crate) fn report(mut self, report: Report) -> Self {
        self.report = Some(report);
        self
    }
}

/// Response that the client has read whole.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: Box<HeaderMap>,
    pub(crate) url: Box<Url>,
    pub(crate) from: Origin,
    /// Network of the host that answered.
    pub(crate) network: Network,
    pub(crate) body: Bytes,
    pub(crate) authorized: Authorized,
}

/// Presence of credentials in the answered request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Authorized {
    #[default]
    No,
    Yes,
}

/// Returns a header as text.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Returns true if the headers declare a web page.
pub(crate) fn is_html(headers: &HeaderMap) -> bool {
    text(headers, "content-type").is_some_and(|kind| {
        let kind = kind.trim_start().to_ascii_lowercase();
        kind.starts_with("text/html") || kind.starts_with("application/xhtml")
    })
}
