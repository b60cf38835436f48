//! Client of remote registries and chart repositories, with the traits of [`crate::store`]. One
//! [`Client`] uses any number of them. It caches the properties of a host (its tokens, its
//! deviations from the specification, its scheme) only for its own lifetime.
//!
//! The client does not print, prompt or read the environment. The caller sets [`Options`] and
//! receives [`ClientEvent`]s. The client needs a tokio runtime of any kind, with I/O and time
//! enabled.
//!
//! ```no_run
//! use chartferry::{client::{Client, Options}, oci::Reference, store::Fetch};
//!
//! # async fn example() -> chartferry::Result<()> {
//! let client = Client::new(Options::default())?;
//! let reference: Reference = "oci://registry.example/charts/demo:1.0.0".parse()?;
//! let repository = client.repository(&reference.registry, &reference.repository);
//! if let Some(target) = reference.target() {
//!     let manifest = repository.fetch_manifest(&target).await?;
//!     assert_eq!(manifest.document().layers().len(), 1);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The modules build on each other: `http` is one exchange, `request` one request with
//! authentication and retries. `manifest`, `list`, `referrers`, `download` and `upload` are the
//! operations on registries.

use crate::lock::Locked as _;
use crate::{
    Result,
    oci::{Registry, RepositoryName},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, Once},
};

mod auth;
pub mod chartmuseum;
mod clock;
mod event;
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod options;
mod registry;
pub mod repository;

pub use auth::{
    access::Intent,
    challenge::Challenge,
    credential::{Credential, Secret},
    credentials::{CredentialSource, Given, Keyring, Surroundings},
    login::{Probe, Removed},
};
pub use clock::{Clock, VirtualClock};
pub use event::{ClientEvent, EventSink, Way};
pub use http::{
    message::Redirects,
    proxy::Proxies,
    throttle::RateLimit,
    tls::{Identity, Trust, Verification},
};
pub use options::{HttpRedirects, Options, Persistence, PlainHosts, Scheme};
pub use registry::{
    namespace::{Remote, Shown},
    raw_answer::{RawAnswer, RawRequest, upload_end},
    session::{Mount, OpenUpload},
};

use auth::access::{Access, Action};
use http::{transport::Transport, unreachable::Unreachable};
use registry::host::Host;

/// Client of registries. Creating or copying one costs little: it loads certificates and
/// credentials, and connects, only at the first use.
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: Options,
    transport: Arc<Transport>,
    hosts: Mutex<HashMap<Registry, Arc<Host>>>,
    unreachable: Unreachable,
    /// Guard that sweeps the cache folder once per client.
    swept: Once,
}

impl Client {
    /// Makes a client with these options.
    ///
    /// # Errors
    /// `Usage` if an option is invalid, such as a proxy that is not a URL. `Io` if a file of
    /// certificates cannot be read.
    pub fn new(options: Options) -> Result<Self> {
        let transport = Arc::new(Transport::new(&options)?);
        let (hosts, swept) = (Mutex::default(), Once::new());
        let unreachable = Unreachable::default();
        Ok(Self { inner: Arc::new(Inner { options, transport, hosts, unreachable, swept }) })
    }

    /// Returns a client with the same options and other credentials, or with other trust settings.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with(&self, given: Option<Given>, trust: Option<Trust>) -> Result<Self> {
        let mut options = self.options().clone();
        if given.is_some() {
            options.keyring.given = given;
        }
        if let Some(trust) = trust {
            options.trust = trust;
        }
        Self::new(options)
    }

    /// Opens a repository of a registry.
    pub fn repository(&self, registry: &Registry, name: &RepositoryName) -> Repository {
        let host = self.host(registry);
        let name = host.full_name(name);
        let (intent, redirects) = (Intent::AsNeeded, Redirects::Follow);
        Repository { client: self.clone(), host, name, intent, redirects }
    }

    fn options(&self) -> &Options {
        &self.inner.options
    }

    fn transport(&self) -> &Transport {
        &self.inner.transport
    }

    /// Returns the state of a registry.
    fn host(&self, registry: &Registry) -> Arc<Host> {
        let mut hosts = self.inner.hosts.locked();
        let options = self.options();
        let scheme =
            if options.plain_hosts.contains(registry) { Scheme::Plain } else { options.scheme };
        let new = || Arc::new(Host::new(registry, scheme));
        Arc::clone(hosts.entry(registry.clone()).or_insert_with(new))
    }
}

/// Repository of a registry. It downloads, pushes, resolves, lists and deletes artifacts.
#[derive(Clone, Debug)]
pub struct Repository {
    client: Client,
    host: Arc<Host>,
    name: RepositoryName,
    intent: Intent,
    redirects: Redirects,
}

impl Repository {
    /// Returns the same repository for a given purpose.
    #[must_use]
    pub fn with_intent(self, intent: Intent) -> Self {
        Self { intent, ..self }
    }

    /// Returns the same repository with `redirects` as the policy for its blobs, see
    /// [`crate::store::StreamBlob`].
    #[must_use]
    pub fn with_redirects(self, redirects: Redirects) -> Self {
        Self { redirects, ..self }
    }

    /// Returns the client through which this repository was opened.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the registry of the repository.
    pub fn registry(&self) -> &Registry {
        self.host.registry()
    }

    /// Returns the name of the repository.
    pub fn name(&self) -> &RepositoryName {
        &self.name
    }

    fn ticket(&self, access: Action) -> Access {
        Access {
            host: Arc::clone(&self.host),
            repository: Some(self.name.clone()),
            access,
            intent: self.intent,
            also: None,
        }
    }

    fn url(&self, rest: &str) -> Result<url::Url> {
        self.host.url(&format!("{}/{rest}", self.name))
    }
}
