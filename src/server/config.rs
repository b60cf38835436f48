//! Settings of a registry, with their defaults.

use super::{auth::Access, chartmuseum, net::tls::Tls};
use crate::{limits::Limits, store::disk::repository::Missing};
use std::{net::SocketAddr, time::Duration};

/// Options of a registry.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Address to listen on. Port 0 selects a free port.
    pub listen: SocketAddr,
    /// Clients that may use the registry.
    pub access: Access,
    /// Permission to listen on an address outside of this machine without credentials.
    pub open: Open,
    /// TLS certificate and key. Without them, the registry uses plain HTTP.
    pub tls: Option<Tls>,
    /// Limits on sizes and numbers.
    pub limits: Limits,
    /// Rule for manifests that refer to missing content.
    pub missing: Missing,
    /// Time limit for silence in a request's body.
    pub stall: Duration,
    /// Time that open requests get to finish at shutdown.
    pub drain: Duration,
    /// Time that the server keeps an idle upload.
    pub upload_rest: Duration,
    /// Options of the ChartMuseum API.
    pub museum: chartmuseum::Options,
}

/// Permission for every client on the network to use a registry without credentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Open {
    /// The user gave the permission.
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
