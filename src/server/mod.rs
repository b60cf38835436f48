//! A router over a store: the OCI distribution API, as `chartferry serve` shows it and as tests talk to it. It knows
//! nothing of clients, and prints nothing.

mod blobs;
mod listen;
mod manifests;
mod refusal;
mod registry;
mod route;
mod uploads;

pub use listen::{Bound, Running, bind};
pub use registry::router;

use crate::{limits::Limits, store::repository::Missing};
use std::{net::SocketAddr, time::Duration};

/// How a registry behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether it may listen beyond this machine without asking who is there.
    pub open: Open,
    /// Its caps.
    pub limits: Limits,
    /// Whether manifests may name what was not pushed.
    pub missing: Missing,
    /// How long a request's body may stay silent.
    pub stall: Duration,
    /// How long open requests get to end at shutdown.
    pub drain: Duration,
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
            open: Open::No,
            limits: Limits::default(),
            missing: Missing::Refuse,
            stall: Duration::from_secs(60),
            drain: Duration::from_secs(30),
        }
    }
}
