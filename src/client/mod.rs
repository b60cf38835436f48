//! The wire: registries elsewhere, by the traits of [`crate::store`]. One [`Client`] serves any number of registries
//! and repositories; what it learns about a host (its tokens, its quirks, whether it speaks TLS) it keeps for its
//! own lifetime only.
//!
//! It never prints, never asks, and never reads the environment: [`Options`] bring in what it must know, and
//! [`Notice`]s carry out what its user should.

use crate::{
    Result,
    oci::{Registry, RepositoryName},
};
use std::sync::Arc;

pub mod auth;
pub mod blob;
mod clock;
pub mod credentials;
pub mod http;
pub mod manifest;
mod notice;
mod options;
pub mod retry;

pub use clock::{Clock, VirtualClock};
pub use notice::{Notice, Notify, Way};
pub use options::{Options, Scheme};

/// A client of registries. Cheap to clone, cheap to make: certificates, credentials and connections come
/// when they are first needed.
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: Options,
    http: reqwest::Client,
}

impl Client {
    /// A client with these options.
    ///
    /// # Errors
    /// `Usage` when an option cannot be used, such as a proxy that is no URL.
    pub fn new(options: Options) -> Result<Self> {
        let http = http::build(&options)?;
        Ok(Self { inner: Arc::new(Inner { options, http }) })
    }

    /// A repository of a registry.
    pub fn repository(&self, registry: &Registry, name: &RepositoryName) -> Repository {
        Repository { client: self.clone(), registry: registry.clone(), name: name.clone() }
    }
}

/// One repository of a registry: it fetches, pushes, resolves, lists and deletes.
#[derive(Clone, Debug)]
pub struct Repository {
    client: Client,
    registry: Registry,
    name: RepositoryName,
}
