//! The order of a chart's versions: newest first, what is no version last.

use crate::version::Version;
use std::cmp::Ordering;

/// Sorts items by the version that each is written with.
pub(crate) fn sort<T>(items: &mut [T], written: impl Fn(&T) -> &str) {
    items.sort_by_cached_key(|item| Key(Version::parse_loose(written(item)).ok()));
}

struct Key(Option<Version>);

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        other.0.cmp(&self.0)
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Key {}
