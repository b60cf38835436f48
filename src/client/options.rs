//! What a client is told from outside: trust, proxies, credentials, patience. Nothing here is read from the
//! environment; the command line does that and fills this in.

use super::{Clock, Keyring, Notify, Proxies, Trust};
use crate::limits::{Limits, MIB};
use std::{path::PathBuf, time::Duration};

/// How registries are spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scheme {
    /// TLS; only a host of this machine that answers TLS in plain text is spoken to in plain text.
    #[default]
    Auto,
    /// HTTP without TLS, for every host.
    Plain,
}

/// The options of a [`super::Client`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The caps.
    pub limits: Limits,
    /// TLS or not.
    pub scheme: Scheme,
    /// Whom we trust, and as whom we come.
    pub trust: Trust,
    /// The proxies on the way.
    pub proxies: Proxies,
    /// Where credentials come from.
    pub keyring: Keyring,
    /// Where partly downloaded blobs are kept for the next run; `None` is the system's temporary folder.
    pub cache: Option<PathBuf>,
    /// Longest wait for a connection.
    pub connect: Duration,
    /// Longest wait for an answer's headers.
    pub headers: Duration,
    /// Longest wait for the answer that ends an upload: the registry may have gigabytes to hash and to store.
    pub commit: Duration,
    /// Longest time without a single byte in either direction.
    pub stall: Duration,
    /// Bytes of a chunk, where a blob must go in chunks.
    pub chunk: u64,
    /// Longest `Retry-After` that is waited out.
    pub retry_after: Duration,
    /// What is sent as `User-Agent`.
    pub user_agent: String,
    /// The time, and how to wait.
    pub clock: Clock,
    /// Who hears what happens on the way.
    pub notify: Notify,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            scheme: Scheme::Auto,
            trust: Trust::default(),
            proxies: Proxies::default(),
            keyring: Keyring::default(),
            cache: None,
            connect: Duration::from_secs(10),
            headers: Duration::from_secs(60),
            commit: Duration::from_secs(600),
            stall: Duration::from_secs(30),
            chunk: 16 * MIB,
            retry_after: Duration::from_secs(300),
            user_agent: concat!("chartferry/", env!("CARGO_PKG_VERSION")).to_owned(),
            clock: Clock::default(),
            notify: Notify::default(),
        }
    }
}
