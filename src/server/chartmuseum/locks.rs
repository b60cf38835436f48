//! Locks for changes. Of two simultaneous uploads of one version, the second fails because the
//! version exists.

use super::options::Options;
use std::{
    collections::BTreeSet,
    hash::{BuildHasher, RandomState},
};
use tokio::sync::{Mutex, MutexGuard};

/// Number of locks. The subject of a change selects its lock. With this number, four clients hardly
/// ever wait for each other by chance.
const LOCKS: usize = 1024;

/// Locks of one server.
#[derive(Debug)]
pub(in crate::server) struct Turns {
    locks: Vec<Mutex<()>>,
    key: RandomState,
    scope: Scope,
}

/// Scope of a lock.
#[derive(Clone, Copy, Debug)]
enum Scope {
    /// Versions with the same file name: one version, or two whose files have the same name.
    File,
    /// Versions of one chart, since an upload may remove another version.
    Chart,
    /// Whole namespace, since the server counts its files.
    Namespace,
}

impl Turns {
    pub(in crate::server) fn new(options: &Options) -> Self {
        let scope = match (options.max_storage_objects, options.per_chart_limit) {
            (Some(_), _) => Scope::Namespace,
            (None, Some(_)) => Scope::Chart,
            (None, None) => Scope::File,
        };
        let locks = (0..LOCKS).map(|_| Mutex::default()).collect();
        Self { locks, key: RandomState::new(), scope }
    }

    /// Waits for the locks to change these charts and versions.
    pub(in crate::server) async fn take(
        &self,
        namespace: &str,
        versions: &[(&str, &str)],
    ) -> Vec<MutexGuard<'_, ()>> {
        // The order is fixed and each lock is taken once, so two requests never block each other
        // for ever.
        let places: BTreeSet<usize> = versions
            .iter()
            .map(|(name, version)| {
                let what = match self.scope {
                    Scope::File => format!("{name}-{version}"),
                    Scope::Chart => (*name).to_owned(),
                    Scope::Namespace => String::new(),
                };
                (self.key.hash_one((namespace, what)) % LOCKS as u64) as usize
            })
            .collect();
        let mut turns = Vec::with_capacity(places.len());
        for place in places {
            turns.push(self.locks[place].lock().await);
        }
        turns
    }
}
