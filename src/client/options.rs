//! Settings of a client: trust, proxies, credentials, retries. The client reads no environment
//! variables; the command line reads them and fills in these options.

use super::{Clock, EventSink, Keyring, Proxies, RateLimit, Trust, http::redirect::Downgrade};
use crate::{
    limits::{self, Limits, MIB},
    oci::Registry,
};
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// Choice of the scheme for requests to registries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scheme {
    /// The client uses TLS. Only with a host of this machine that answers TLS in plain text does it
    /// use plain HTTP.
    #[default]
    Auto,
    /// The client uses HTTP without TLS for every host.
    Plain,
}

/// Hosts that the client reaches without TLS, whatever the scheme of the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlainHosts(Vec<String>);

impl PlainHosts {
    /// Parses `host[:port],…`. A host without a port means all its ports.
    pub fn parse(text: &str) -> Self {
        let hosts = text.split(',').map(str::trim).filter(|host| !host.is_empty());
        Self(hosts.map(str::to_ascii_lowercase).collect())
    }

    /// Returns true if the list contains this registry.
    pub(crate) fn contains(&self, registry: &Registry) -> bool {
        let whole = registry.as_str().to_ascii_lowercase();
        let host = registry.host().to_ascii_lowercase();
        self.0.iter().any(|named| {
            *named == whole || named.trim_start_matches('[').trim_end_matches(']') == host
        })
    }
}

/// Number of retries for a request without a response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Persistence {
    /// Retries for half a minute or more, so that a long command completes.
    #[default]
    Long,
    /// Retries for about two seconds: a user waits for the response, and can send the request
    /// again.
    Short,
}

/// Policy for a redirect from HTTPS to plain HTTP. Only blobs may follow such a redirect, because
/// their digest protects them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpRedirects {
    /// The client refuses the redirect.
    #[default]
    Refuse,
    /// The client follows the redirect for whole blobs, without credentials. Other parties on the
    /// network can read the bytes, and the query of the address.
    Blobs,
}

impl HttpRedirects {
    /// Returns the policy for the request of a blob.
    pub(crate) fn of_blob(self) -> Downgrade {
        match self {
            Self::Refuse => Downgrade::Offer,
            Self::Blobs => Downgrade::Follow,
        }
    }
}

/// Options of a [`super::Client`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Limits on the size of responses and documents.
    pub limits: Limits,
    /// Choice between TLS and plain HTTP.
    pub scheme: Scheme,
    /// Hosts without TLS, regardless of [`Self::scheme`].
    pub plain_hosts: PlainHosts,
    /// Policy for redirects from HTTPS to plain HTTP.
    pub http_redirects: HttpRedirects,
    /// Trusted certificates, and the client's own.
    pub trust: Trust,
    /// Proxies for the requests.
    pub proxies: Proxies,
    /// Sources of credentials.
    pub keyring: Keyring,
    /// Folder that keeps partial downloads of blobs for the next run. `None` selects the system's
    /// temporary folder.
    pub cache: Option<PathBuf>,
    /// Time limit for a connection.
    pub connect: Duration,
    /// Time limit for the headers of a response.
    pub headers: Duration,
    /// Time limit for the response that ends an upload. The registry may have to hash and store
    /// gigabytes.
    pub commit: Duration,
    /// Time limit for a connection without a byte in either direction.
    pub stall: Duration,
    /// Time limit for waiting for the body of one response. Each [`limits::BODY_BYTES_A_SECOND`]
    /// received add a second. The client's own work does not count.
    pub grace: Duration,
    /// Bytes of a chunk, for a blob that must be sent in chunks.
    pub chunk: u64,
    /// Maximum rate of requests to each host.
    pub pace: RateLimit,
    /// Maximum rate for single hosts, by `host[:port]`.
    pub paces: BTreeMap<String, RateLimit>,
    /// Number of retries for a request.
    pub persistence: Persistence,
    /// Time for which a host may refuse every connection before the client stops retrying requests
    /// to it. By default each request has its own retries.
    pub unreachable: Option<Duration>,
    /// Longest `Retry-After` that the client obeys. It fails at a longer one.
    pub retry_after: Duration,
    /// Value of the `User-Agent` header.
    pub user_agent: String,
    /// Headers for requests to registries. They go to no other origin, and not to a registry that
    /// turns out to speak plain HTTP. Mark secret values as sensitive.
    pub registry_headers: ::http::HeaderMap,
    /// Clock of the client.
    pub clock: Clock,
    /// Receiver of the client's events.
    pub notify: EventSink,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            scheme: Scheme::Auto,
            plain_hosts: PlainHosts::default(),
            http_redirects: HttpRedirects::default(),
            trust: Trust::default(),
            proxies: Proxies::default(),
            keyring: Keyring::default(),
            cache: None,
            connect: Duration::from_secs(10),
            headers: Duration::from_secs(60),
            commit: Duration::from_secs(600),
            stall: Duration::from_secs(30),
            grace: limits::BODY_GRACE,
            chunk: 16 * MIB,
            pace: RateLimit::default(),
            paces: BTreeMap::new(),
            persistence: Persistence::Long,
            unreachable: None,
            retry_after: Duration::from_secs(300),
            user_agent: concat!("chartferry/", env!("CARGO_PKG_VERSION")).to_owned(),
            registry_headers: ::http::HeaderMap::new(),
            clock: Clock::default(),
            notify: EventSink::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_port_stands_for_every_port() {
        let hosts = PlainHosts::parse("r.example, 127.0.0.1:5000,,::1");
        for (registry, plain) in [
            ("r.example", true),
            ("r.example:5000", true),
            ("s.example", false),
            ("127.0.0.1:5000", true),
            ("127.0.0.1:5001", false),
            ("[::1]:5000", true),
        ] {
            let registry = registry.parse().expect("registry");
            assert_eq!(hosts.contains(&registry), plain, "{registry}");
        }
    }
}
