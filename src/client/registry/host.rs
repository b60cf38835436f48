//! State of one registry during the life of a client: its scheme, its capabilities and its last
//! responses.

use crate::lock::Locked as _;
use crate::{
    Error, Result,
    client::{
        auth::cache::AuthCache,
        http::redirect::{Credentials, host_of, may_see},
        options::Scheme,
    },
    oci::{Registry, RepositoryName, TagOrDigest},
};
use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
};
use url::Url;

/// Registry with the properties that this client has detected.
#[derive(Debug)]
pub(crate) struct Host {
    registry: Registry,
    /// Address `host[:port]` on the wire. Only Docker Hub's differs from its name.
    address: String,
    speech: AtomicU8,
    reached: AtomicBool,
    single_post: Fact,
    mounts: Fact,
    chunks: Fact,
    /// Largest accepted body in bytes; 0 until the registry refuses one.
    body_cap: AtomicU64,
    warned: Mutex<HashSet<String>>,
    pushed: Mutex<HashSet<(RepositoryName, TagOrDigest)>>,
    referrers: Mutex<HashSet<RepositoryName>>,
    indexes: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    pub(crate) memory: AuthCache,
}

/// Size of the smallest chunk. A registry that refuses a body of this size accepts none.
const SMALLEST_CHUNK: u64 = 16 * crate::limits::KIB;

/// Scheme of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostScheme {
    /// Scheme not yet known: TLS, or plain HTTP if the host answers in it.
    Open,
    /// HTTPS, with TLS.
    Tls,
    /// Plain HTTP.
    Plain,
}

/// Property of a host, which may be unknown.
#[derive(Debug, Default)]
pub(crate) struct Fact(AtomicU8);

impl Fact {
    pub(crate) fn known(&self) -> Option<Capability> {
        match self.0.load(Ordering::Relaxed) {
            1 => Some(Capability::Yes),
            2 => Some(Capability::No),
            _ => None,
        }
    }

    pub(crate) fn learn(&self, answer: Capability) {
        self.0.store(if answer == Capability::Yes { 1 } else { 2 }, Ordering::Relaxed);
    }
}

/// Capability of a registry, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Capability {
    Yes,
    No,
}

impl HostScheme {
    fn of(stored: u8) -> Self {
        match stored {
            0 => Self::Open,
            1 => Self::Tls,
            _ => Self::Plain,
        }
    }
}

impl Host {
    pub(crate) fn new(registry: &Registry, scheme: Scheme) -> Self {
        let address =
            if registry.is_docker_hub() { "registry-1.docker.io" } else { registry.as_str() };
        let speech = match scheme {
            Scheme::Plain => HostScheme::Plain,
            Scheme::Auto if registry.is_loopback() => HostScheme::Open,
            Scheme::Auto => HostScheme::Tls,
        };
        Self {
            registry: registry.clone(),
            address: address.to_owned(),
            speech: AtomicU8::new(speech as u8),
            reached: AtomicBool::new(false),
            single_post: Fact::default(),
            mounts: Fact::default(),
            chunks: Fact::default(),
            body_cap: AtomicU64::new(0),
            warned: Mutex::default(),
            pushed: Mutex::default(),
            referrers: Mutex::default(),
            indexes: Mutex::default(),
            memory: AuthCache::default(),
        }
    }

    /// Returns the registry with the name that the user wrote.
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Returns the name of a repository on the wire: Docker Hub's own images are in `library`.
    pub(crate) fn full_name(&self, name: &RepositoryName) -> RepositoryName {
        if self.registry.is_docker_hub() && !name.as_str().contains('/') {
            format!("library/{name}").parse().unwrap_or_else(|_| name.clone())
        } else {
            name.clone()
        }
    }

    /// Returns an address below `/v2/`.
    pub(crate) fn url(&self, rest: &str) -> Result<Url> {
        let scheme = if self.speech() == HostScheme::Plain { "http" } else { "https" };
        format!("{scheme}://{}/v2/{rest}", self.address).parse().map_err(
            |error: url::ParseError| {
                Error::usage(format!("`{}` is not a valid host", self.registry)).with_source(error)
            },
        )
    }

    /// Returns an address of this registry with the detected scheme.
    pub(crate) fn in_its_scheme(&self, url: &Url) -> Url {
        let mut url = url.clone();
        if self.speech() == HostScheme::Plain
            && url.scheme() == "https"
            && host_of(&url) == self.address
        {
            // This call can always change https to http.
            let _ = url.set_scheme("http");
        }
        url
    }

    /// Decides if a request to `url` may contain the registry's credentials, so that its response
    /// counts as the registry's.
    pub(crate) fn credentials_for(&self, url: &Url) -> Credentials {
        self.url("").map_or(Credentials::Drop, |own| may_see(&own, &self.in_its_scheme(url)))
    }

    pub(crate) fn speech(&self) -> HostScheme {
        HostScheme::of(self.speech.load(Ordering::Relaxed))
    }

    /// Records the scheme of the host, and returns the previous value.
    pub(crate) fn speaks(&self, speech: HostScheme) -> HostScheme {
        HostScheme::of(self.speech.swap(speech as u8, Ordering::Relaxed))
    }

    pub(crate) fn is_reached(&self) -> bool {
        self.reached.load(Ordering::Relaxed)
    }

    pub(crate) fn has_answered(&self) {
        self.reached.store(true, Ordering::Relaxed);
    }

    /// Returns the capability to store a blob by one POST.
    pub(crate) fn single_post(&self) -> &Fact {
        &self.single_post
    }

    /// Returns the capability to mount blobs.
    pub(crate) fn mounts(&self) -> &Fact {
        &self.mounts
    }

    /// Returns the capability to receive blobs in chunks.
    pub(crate) fn chunks(&self) -> &Fact {
        &self.chunks
    }

    /// Returns the largest request body that the registry accepts, if it named a limit.
    pub(crate) fn body_cap(&self) -> Option<u64> {
        Some(self.body_cap.load(Ordering::Relaxed)).filter(|cap| *cap > 0)
    }

    /// Records that the registry refused a body of this size as too large. The client tries half
    /// the size next. Returns true if half the size is allowed.
    pub(crate) fn refused_body(&self, size: u64) -> bool {
        let half = size / 2;
        if half < SMALLEST_CHUNK {
            return false;
        }
        let _ = self.body_cap.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |cap| {
            (cap == 0 || cap > half).then_some(half)
        });
        true
    }

    /// Returns true if this warning is new.
    pub(crate) fn warns(&self, text: &str) -> bool {
        let mut warned = locked(&self.warned);
        // The client stops recording the warnings of a registry that invents a new text each time.
        warned.len() < 32 && warned.insert(text.to_owned())
    }

    /// Returns true if this client pushed the manifest. A not-found then means that the registry is
    /// not yet consistent.
    pub(crate) fn holds(&self, name: &RepositoryName, target: &TagOrDigest) -> bool {
        locked(&self.pushed).contains(&(name.clone(), target.clone()))
    }

    /// Records that this client pushed the manifest.
    pub(crate) fn holds_now(&self, name: &RepositoryName, target: &TagOrDigest) {
        locked(&self.pushed).insert((name.clone(), target.clone()));
    }

    /// Records that this client deleted the manifest, and with it all its tags.
    pub(crate) fn holds_no_more(&self, name: &RepositoryName, target: &TagOrDigest) {
        let mut pushed = locked(&self.pushed);
        match target {
            TagOrDigest::Tag(_) => {
                pushed.remove(&(name.clone(), target.clone()));
            }
            TagOrDigest::Digest(_) => pushed.retain(|(own, _)| own != name),
        }
    }

    /// Returns true if the registry is known to have a referrers API for this repository.
    pub(crate) fn lists_referrers(&self, name: &RepositoryName) -> bool {
        locked(&self.referrers).contains(name)
    }

    /// Records that the registry has a referrers API for this repository.
    pub(crate) fn does_list_referrers(&self, name: &RepositoryName) {
        locked(&self.referrers).insert(name.clone());
    }

    /// Returns the lock of one index that this client writes.
    pub(crate) fn index_lock(&self, key: &str) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(locked(&self.indexes).entry(key.to_owned()).or_default())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.locked()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str) -> Host {
        Host::new(&name.parse().expect(name), Scheme::Auto)
    }

    #[test]
    fn docker_hubs_names_are_one_registry() {
        for (registry, name, url) in [
            ("docker.io", "alpine", "https://registry-1.docker.io/v2/library/alpine/x"),
            ("index.docker.io", "a/b", "https://registry-1.docker.io/v2/a/b/x"),
            ("r.example:5000", "alpine", "https://r.example:5000/v2/alpine/x"),
            ("[::1]:5000", "a", "https://[::1]:5000/v2/a/x"),
        ] {
            let host = host(registry);
            let full = host.full_name(&name.parse().expect(name));
            assert_eq!(host.url(&format!("{full}/x")).expect("url").as_str(), url);
        }
    }

    #[test]
    fn a_host_that_turns_out_plain_is_asked_so_whatever_its_answers_say() {
        let host = host("127.0.0.1:5000");
        assert_eq!(host.speech(), HostScheme::Open);
        host.speaks(HostScheme::Plain);
        for (before, after) in [
            ("https://127.0.0.1:5000/v2/a?b=c", "http://127.0.0.1:5000/v2/a?b=c"),
            ("https://127.0.0.1:5001/v2/", "https://127.0.0.1:5001/v2/"),
            ("https://r.example/v2/", "https://r.example/v2/"),
        ] {
            assert_eq!(host.in_its_scheme(&before.parse().expect(before)).as_str(), after);
        }
        assert_eq!(
            self::host("r.example").speech(),
            HostScheme::Tls,
            "only this machine is doubted"
        );
    }

    #[test]
    fn a_refused_size_is_halved_down_to_a_limit() {
        let host = host("r.example");
        assert!(host.refused_body(1024 * 1024) && host.body_cap() == Some(512 * 1024));
        assert!(host.refused_body(4 * 1024 * 1024) && host.body_cap() == Some(512 * 1024));
        assert!(!host.refused_body(20 * 1024));
    }
}
