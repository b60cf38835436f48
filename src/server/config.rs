//! The settings of a registry, and their defaults.

use super::{auth::Access, chartmuseum, net::tls::Tls};
use crate::{limits::Limits, store::disk::repository::Missing};
use std::{net::SocketAddr, time::Duration};

/// How a registry behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whom it serves.
    pub access: Access,
    /// Whether it may listen beyond this machine while it serves everyone.
    pub open: Open,
    /// What it shows to clients that speak TLS; without it, it speaks plain HTTP.
    pub tls: Option<Tls>,
    /// Its caps.
    pub limits: Limits,
    /// Whether manifests may name what was not pushed.
    pub missing: Missing,
    /// How long a request's body may stay silent.
    pub stall: Duration,
    /// How long open requests get to end at shutdown.
    pub drain: Duration,
    /// How long an upload may rest before it is given up.
    pub upload_rest: Duration,
    /// How the ChartMuseum API behaves.
    pub museum: chartmuseum::Options,
}

/// Whether everybody on the network may use a registry without credentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Open {
    /// Yes, somebody decided so.
    Yes,
    /// No.
    #[default]
    No,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            access: Access::Everyone,
            open: Open::No,
            tls: None,
            limits: Limits::default(),
            missing: Missing::Refuse,
            stall: Duration::from_secs(60),
            drain: Duration::from_secs(30),
            upload_rest: Duration::from_secs(60 * 60),
            museum: chartmuseum::Options::default(),
        }
    }
}
