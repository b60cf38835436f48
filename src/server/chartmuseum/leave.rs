//! Push permission from the registry behind a bridge. The bridge asks before it reads the client's
//! body, so it receives and inflates nothing if the registry refuses. The upload asks again, in its
//! own repository.

use super::{ChartMuseum, answer::Denial};
use crate::lock::Locked as _;
use crate::{
    ErrorKind,
    oci::RepositoryName,
    server::{
        index_view::Origin,
        upstream::{Sent, Writes},
    },
    store::{Catalog, Push},
};
use http::request::Parts;
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, Instant},
};

/// Time for which the bridge caches a permission. The upload asks again in any case.
const BELIEVED: Duration = Duration::from_secs(60);
/// Maximum number of cached permissions. If there are more, the bridge drops all.
const REMEMBERED: usize = 1024;
/// Number of repositories of a namespace that the bridge tries: some registries grant rights by
/// repository.
const ASKED: usize = 3;

/// Cached push permissions, by a hash of credentials and namespace.
#[derive(Debug, Default)]
pub(super) struct Leave(Mutex<HashMap<[u8; 32], Instant>>);

impl Leave {
    fn key(sent: Option<&Sent>, namespace: &str) -> [u8; 32] {
        let mut hasher = Sha256::new();
        let (user, password) =
            sent.map_or(("", ""), |sent| (sent.user.as_str(), sent.password.as_str()));
        let kind = if sent.is_some() { "sent" } else { "none" };
        for text in [kind, user, password, namespace] {
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text);
        }
        hasher.finalize().into()
    }

    fn has(&self, key: &[u8; 32]) -> bool {
        let known = self.0.locked();
        known.get(key).is_some_and(|since| since.elapsed() < BELIEVED)
    }

    fn add(&self, key: [u8; 32]) {
        let mut known = self.0.locked();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(key, Instant::now());
    }
}

impl<C: Catalog> ChartMuseum<C> {
    /// Asks the registry if it accepts a push to a namespace from the client of this request. A
    /// server that pushes with its own credentials has authenticated the client by its own rules
    /// before.
    pub(super) async fn ask_leave(&self, namespace: &str, head: &Parts) -> Result<(), Denial> {
        if matches!(self.writes, Writes::AsServer) {
            return Ok(());
        }
        let key = Leave::key(Sent::of(&head.headers).as_ref(), namespace);
        if self.leave.has(&key) {
            return Ok(());
        }
        let mut refused = None;
        for name in self.asked(namespace) {
            let asked = self.shelf.0.catalog().repository(&name)?.may_push().await;
            match asked {
                Err(error) if error.kind() == ErrorKind::Denied => refused = Some(error),
                Err(error) if error.kind() == ErrorKind::Network => return Err(error.into()),
                // A registry without automatic repositories reports that the repository is missing.
                // It has checked the credentials by then.
                _ => {
                    self.leave.add(key);
                    return Ok(());
                }
            }
        }
        refused.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Returns repositories of a namespace: some that exist, or one that could exist.
    fn asked(&self, namespace: &str) -> Vec<RepositoryName> {
        let view = self.shelf.view();
        let names = view.names(namespace);
        let found = names.iter().filter_map(|name| {
            let versions = view.versions(namespace, name)?;
            match &versions.first()?.origin {
                Origin::Tag { repository, .. } => Some(repository.clone()),
                Origin::Museum => None,
            }
        });
        let mut asked: Vec<RepositoryName> = found.take(ASKED).collect();
        if asked.is_empty() {
            let slash = if namespace.is_empty() { "" } else { "/" };
            let name = format!("{namespace}{slash}chart").parse();
            asked.extend(name.or_else(|_| "chart".parse()));
        }
        asked
    }
}
