//! A server over a store that is elsewhere: a chart repository, and the ChartMuseum API, of what a
//! registry holds. There is no store on this machine; which registry it is, and how it is spoken
//! to, whoever starts the server brings along.

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

/// As whom uploads and deletions are done in the store.
pub enum Writes<C> {
    /// As the server itself. Who may have them done is the server's to say.
    AsServer,
    /// As whoever asks for them, by the credentials of the request: the store says who may.
    AsSent(Arc<Way<C>>),
}

/// A way to the store by somebody's credentials, or as nobody in particular.
pub type Way<C> = dyn Fn(Option<Sent>) -> Result<C> + Send + Sync;

/// Credentials that a request brought, to be passed on. Never printed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Sent {
    /// The user.
    pub user: String,
    /// The password, or what stands for one.
    pub password: String,
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sent")
    }
}

impl Sent {
    /// The credentials of a request, if it brings any that can be passed on.
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
    /// Serves `catalog`, looking for new tags `every` so often. What was seen is kept in the folder
    /// `cache`, if there is one, for the next start.
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

    /// Uploads and deletions are done as `writes` says.
    #[must_use]
    pub fn with_writes(self, writes: Writes<C>) -> Self {
        Self { writes, ..self }
    }

    /// Notifications must bring this secret. Without one they are taken only where nobody needs
    /// credentials.
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
