//! Server over a remote store: a chart repository and the ChartMuseum API for the charts of a
//! registry. This machine has no store. The caller provides access to the registry.

pub(super) mod notify;
pub(super) mod pending_tags;

use super::{
    Config, NotifySecret,
    auth::basic,
    chartmuseum,
    index_view::{Cache, Follower, LookCost, View},
};
use crate::{Result, store::Catalog};
use axum::Router;
use http::HeaderMap;
use std::{fmt, path::Path, sync::Arc, time::Duration};

/// Settings of a bridge: the upstream to serve, and the method to follow its changes.
#[derive(Debug)]
pub struct Upstream<C> {
    follower: Follower<C>,
    writes: Writes<C>,
    secret: Option<NotifySecret>,
    every: Duration,
}

/// Identity with which the server uploads and deletes in the store.
pub enum Writes<C> {
    /// The server's own credentials. The server decides which clients may write.
    AsServer,
    /// The credentials of the request. The store decides which clients may write.
    AsSent(Arc<Way<C>>),
}

/// Access to the store with given credentials, or anonymous.
pub type Way<C> = dyn Fn(Option<Sent>) -> Result<C> + Send + Sync;

/// Credentials of a request for the store. No output shows them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Sent {
    /// Name of the user.
    pub user: String,
    /// Password, or a token in its place.
    pub password: String,
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sent")
    }
}

impl Sent {
    /// Returns the credentials of a request, if it has any for the store.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let (user, password) = basic(headers).flatten()?;
        Some(Self { user, password })
    }
}

impl<C> Clone for Writes<C> {
    fn clone(&self) -> Self {
        match self {
            Self::AsServer => Self::AsServer,
            Self::AsSent(way) => Self::AsSent(Arc::clone(way)),
        }
    }
}

impl<C> fmt::Debug for Writes<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AsServer => "AsServer",
            Self::AsSent(_) => "AsSent",
        })
    }
}

impl<C: Catalog> Upstream<C> {
    /// Makes a server for `catalog` that lists new tags at the interval `every`. The folder
    /// `cache`, if there is one, keeps the known tags for the next start.
    pub fn new(catalog: C, config: &Config, every: Duration, cache: Option<&Path>) -> Self {
        let settings = config.museum.settings();
        let cache = cache.map_or_else(Cache::none, |folder| {
            Cache::open(&folder.join("upstream.cache"), &settings)
        });
        let view = View::new(settings);
        let limits = config.limits.clone();
        Self {
            follower: Follower::new(catalog, view, LookCost::Far, limits, cache),
            writes: Writes::AsServer,
            secret: None,
            every,
        }
    }

    /// Sets the identity for uploads and deletions.
    #[must_use]
    pub fn with_writes(self, writes: Writes<C>) -> Self {
        Self { writes, ..self }
    }

    /// Requires this secret in notifications. Without a secret, the server accepts them only if no
    /// request needs credentials.
    #[must_use]
    pub fn with_secret(self, secret: NotifySecret) -> Self {
        Self { secret: Some(secret), ..self }
    }

    /// Returns the router, and the task that follows the upstream's changes.
    pub(super) fn parts(self, config: &Config) -> (Router, impl Future<Output = ()> + use<C>) {
        let Self { follower, writes, secret, every } = self;
        let turns = Arc::new(chartmuseum::Turns::new(&config.museum));
        let notified = notify::router(follower.clone(), secret, &config.access);
        let router = chartmuseum::router(follower.clone(), writes, config, turns).merge(notified);
        (router, follower.follow(every))
    }
}
