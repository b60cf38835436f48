//! Tags whose lookup failed although the list of tags succeeded. A few of them must not make the
//! whole index count as out of date: a registry may answer 500 for one config for ever. Many of
//! them at once mean that the registry has a fault. They count until each has failed twice.

use crate::lock::Locked as _;
use crate::oci::{RepositoryName, Tag};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard},
};

/// Number of consecutive failed lookups after which the follower sets a tag aside.
const ENOUGH: u32 = 2;
/// Number of rounds between lookups of a tag that was set aside. Each lookup may be a request with
/// retries.
const SELDOM: u32 = 10;
/// Number of failures that count as faults of the tags, not of the store.
const FEW: usize = 4;

/// Failed tags, each with the number of rounds since its last successful lookup.
#[derive(Debug, Default)]
pub(super) struct Doubts(Mutex<HashMap<(RepositoryName, Tag), u32>>);

/// Decision of a round about a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Look,
    Skip,
}

impl Doubts {
    fn all(&self) -> MutexGuard<'_, HashMap<(RepositoryName, Tag), u32>> {
        self.0.locked()
    }

    /// Records a successful lookup of a tag.
    pub(super) fn settle(&self, repository: &RepositoryName, tag: &Tag) {
        let mut all = self.all();
        if !all.is_empty() {
            all.remove(&(repository.clone(), tag.clone()));
        }
    }

    /// Records a failed lookup of a tag. Returns the number of consecutive failures.
    pub(super) fn add(&self, repository: &RepositoryName, tag: &Tag) -> u32 {
        let mut all = self.all();
        let count = all.entry((repository.clone(), tag.clone())).or_default();
        *count += 1;
        *count
    }

    /// Decides if this round looks up a tag. The caller calls it once per round.
    pub(super) fn turn(&self, repository: &RepositoryName, tag: &Tag) -> Turn {
        let mut all = self.all();
        match all.get_mut(&(repository.clone(), tag.clone())) {
            Some(count) if *count >= ENOUGH && !(*count + 1).is_multiple_of(SELDOM) => {
                *count += 1;
                Turn::Skip
            }
            _ => Turn::Look,
        }
    }

    /// Drops the tags of a repository that are no longer in `wanted`.
    pub(super) fn retain(&self, repository: &RepositoryName, wanted: &BTreeSet<&Tag>) {
        self.all().retain(|(of, tag), _| of != repository || wanted.contains(tag));
    }

    /// Returns true if some tag has not failed often enough to be set aside.
    pub(super) fn is_open(&self) -> bool {
        self.all().values().any(|count| *count < ENOUGH)
    }

    /// Returns true if the failures mean that the store is not reachable, given the number of other
    /// tags.
    pub(super) fn count(&self, known: usize) -> bool {
        let open = self.all().values().filter(|count| **count < ENOUGH).count();
        open > 0 && (known == 0 || open > FEW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_failures_beside_others_do_not_count_and_no_failure_counts_for_ever() {
        let doubts = Doubts::default();
        let name: RepositoryName = "a".parse().expect("name");
        let tag = |at: usize| format!("1.0.{at}").parse::<Tag>().expect("tag");
        assert!(!doubts.count(0));
        doubts.add(&name, &tag(0));
        assert!(doubts.count(0), "nothing is known at all");
        assert!(!doubts.count(1));
        (1..=FEW).map(|at| doubts.add(&name, &tag(at))).for_each(|often| assert_eq!(often, 1));
        assert!(doubts.count(1), "many at once");
        (0..=FEW).map(|at| doubts.add(&name, &tag(at))).for_each(|often| assert_eq!(often, 2));
        assert!(!doubts.count(0));

        let turns: Vec<Turn> = (0..SELDOM).map(|_| doubts.turn(&name, &tag(0))).collect();
        assert_eq!(turns.iter().filter(|turn| **turn == Turn::Look).count(), 3, "{turns:?}");
        doubts.settle(&name, &tag(0));
        doubts.retain(&name, &BTreeSet::from([&tag(1)]));
        assert_eq!(doubts.all().len(), 1);
    }
}
