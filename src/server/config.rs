//! The settings of a registry, and their defaults.

use super::{auth::Access, chartmuseum, net::tls::Tls};
use crate::{limits::Limits, store::disk::repository::Missing};
use std::{net::SocketAddr, time::Duration};

/// Options of a registry.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The address to listen on. Port 0 takes a free port.
    pub listen: SocketAddr,
    /// The users whom the registry serves.
    pub access: Access,
    /// Permission to listen beyond this machine while the registry needs no credentials.
    pub open: Open,
    /// The TLS certificate and key. Without them, the registry uses plain HTTP.
    pub tls: Option<Tls>,
    /// The limits that apply.
    pub limits: Limits,
    /// The rule for manifests that refer to content that does not exist.
    pub missing: Missing,
    /// The time that a request's body may stay silent.
    pub stall: Duration,
    /// The time that open requests get to finish at shutdown.
    pub drain: Duration,
    /// The time that an idle upload is kept.
    pub upload_rest: Duration,
    /// Options of the ChartMuseum API.
    pub museum: chartmuseum::Options,
}

/// Permission for everybody on the network to use a registry without credentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Open {
    /// Yes, somebody decided so.
    Yes,
    /// No permission.
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
