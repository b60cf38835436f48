//! A mapping while it is read: its entries in order, with a hash index if there are many.

use super::Value;
use std::collections::HashMap;

/// Number of entries from which a hash is faster than a search.
const INDEXED_FROM: usize = 16;

#[derive(Default)]
pub(super) struct Mapping {
    entries: Vec<(String, Value)>,
    index: HashMap<String, usize>,
}

impl Mapping {
    /// Returns the value under `key`, to be replaced.
    pub(super) fn find(&mut self, key: &str) -> Option<&mut Value> {
        let at = if self.entries.len() < INDEXED_FROM {
            self.entries.iter().position(|(name, _)| name == key)?
        } else {
            *self.index.get(key)?
        };
        Some(&mut self.entries[at].1)
    }

    /// Adds an entry with a new key.
    pub(super) fn add(&mut self, key: String, value: Value) {
        let at = self.entries.len();
        self.entries.push((key, value));
        // The index is built whole when it is first needed, and grows with each later entry.
        let unindexed = match self.entries.len() {
            INDEXED_FROM => 0,
            length if length > INDEXED_FROM => at,
            _ => return,
        };
        let entries = self.entries[unindexed..].iter().zip(unindexed..);
        self.index.extend(entries.map(|((name, _), at)| (name.clone(), at)));
    }

    pub(super) fn into_entries(self) -> Vec<(String, Value)> {
        self.entries
    }
}
