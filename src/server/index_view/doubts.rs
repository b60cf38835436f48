//! Tags that could not be looked at although their list could. A few of them must not make
//! everything else count as out of date: a config that a registry answers with 500 for ever would
//! do so for ever. Many of them at once look like a registry that is ill, and count until they have
//! failed twice.

use crate::oci::{RepositoryName, Tag};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Looks in a row after which a tag is set aside.
const ENOUGH: u32 = 2;
/// A tag that was set aside is looked at once in so many rounds: each look may be a request that is
/// tried again.
const SELDOM: u32 = 10;
/// Number of failures that count as the tags' own fault, not the store's.
const FEW: usize = 4;

/// The tags, each with the number of rounds since it could be looked at.
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A tag could be looked at.
    pub(super) fn settle(&self, repository: &RepositoryName, tag: &Tag) {
        let mut all = self.all();
        if !all.is_empty() {
            all.remove(&(repository.clone(), tag.clone()));
        }
    }

    /// A tag could not be looked at. Gives how often in a row that was.
    pub(super) fn add(&self, repository: &RepositoryName, tag: &Tag) -> u32 {
        let mut all = self.all();
        let count = all.entry((repository.clone(), tag.clone())).or_default();
        *count += 1;
        *count
    }

    /// Decides if this round looks up a tag. Call it once a round.
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

    /// Forgets the tags of a repository that nobody looks for any longer.
    pub(super) fn retain(&self, repository: &RepositoryName, wanted: &BTreeSet<&Tag>) {
        self.all().retain(|(of, tag), _| of != repository || wanted.contains(tag));
    }

    /// Returns true if some tag has not failed often enough to be set aside.
    pub(super) fn is_open(&self) -> bool {
        self.all().values().any(|count| *count < ENOUGH)
    }

    /// Returns true if the failures mean that the store is out of reach, when so many tags are
    /// known besides.
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
