//! The plan: one action for each version. It is pure and depends on the source's list, the state
//! and the sink's lists.

pub(super) mod dry_run;
pub mod needs;
pub(super) mod wanted;

use super::{
    candidate::{Candidate, ChartVersion, Fingerprint, Provenance},
    sink::Target,
    state::{Outcome, Record, State},
};
use crate::digest::Digest;
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

/// A selected version and its place.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The version, as the source lists it.
    pub candidate: Candidate,
    /// Its place, or the reason why it has none.
    pub place: Result<Target, String>,
    /// The place that its record gives, if any.
    pub lies: Option<Target>,
    /// Its second tag, if the options request one.
    pub alias: Option<String>,
}

/// The action for a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Do nothing: it is recorded as in step.
    Keep,
    /// Record it as in step, and give it a second tag.
    Name,
    /// Only record it: its place is taken, and either a list shows its digest or presence counts as
    /// equal.
    Adopt,
    /// Do nothing: it is recorded as refused, and neither it nor the policy has changed.
    Still,
    /// Fail: it has no place. The text gives the reason.
    Unplaced(String),
    /// Look at it, because its place has changed since the last run.
    Look,
    /// Download it and compare it with the record, because its line has changed.
    Compare(Known),
    /// Download it and store it.
    Send,
}

/// The record of a version whose line has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The digest of the sink's archive. `None` if no run has looked.
    pub content: Option<Digest>,
    /// The digest of its manifest.
    pub manifest: Option<Digest>,
}

/// The permitted use of the recorded state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordUse {
    /// Use all of it: the policy is the same, so refused versions stay refused.
    Whole,
    /// Retry refused versions.
    WithoutRefusals,
    /// Retry refused versions, and look at versions that are recorded as in step.
    Compared,
}

/// The meaning of a taken place for a version without a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Present and equal.
    Equal,
    /// Unknown, unless the list shows its digest.
    Listed,
    /// Always unknown.
    Compared,
}

/// The trust in records and lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trusted {
    /// The permitted use of records.
    pub memory: RecordUse,
    /// The trust in lists of the destination.
    pub presence: Presence,
    /// The fingerprint of the rules for repackaging. Repackaged archives lose their provenance.
    pub shape: Option<Fingerprint>,
}

/// The names in each listed group, with their digests if the list has them.
pub type Present = HashMap<String, HashMap<String, Option<Digest>>>;

/// Returns the groups to list for the plan: those of versions without a record.
pub fn groups(wanted: &[Wanted], state: Option<&State>) -> BTreeSet<String> {
    wanted
        .iter()
        .filter(|one| record_of(one, state).is_none_or(|record| !is_final(record)))
        .filter_map(|one| one.place.as_ref().ok())
        .map(|place| place.group.clone())
        .collect()
}

/// Returns true if a record describes the place's content, or an intended absence.
fn is_final(record: &Record) -> bool {
    record.outcome.is_placed()
        || matches!(record.outcome, Outcome::Conflict | Outcome::Alias | Outcome::Other)
}

fn record_of<'s>(wanted: &Wanted, state: Option<&'s State>) -> Option<&'s Record> {
    state.and_then(|state| state.find(&wanted.candidate.id))
}

/// Returns one action for each version, in their order.
pub fn plan(
    wanted: &[Wanted],
    state: Option<&State>,
    present: &Present,
    belief: Trusted,
) -> Vec<Action> {
    let mut taken: HashMap<&Target, &ChartVersion> = HashMap::new();
    wanted
        .iter()
        .map(|one| {
            let place = match &one.place {
                Ok(place) => place,
                Err(reason) => return Action::Unplaced(reason.clone()),
            };
            if let Some(other) = taken.get(place) {
                return Action::Unplaced(format!("{other} has the same place"));
            }
            taken.insert(place, &one.candidate.id);
            action(one, place, state, present, belief)
        })
        .collect()
}

fn action(
    wanted: &Wanted,
    place: &Target,
    state: Option<&State>,
    present: &Present,
    belief: Trusted,
) -> Action {
    let Trusted { memory, presence, shape } = belief;
    let candidate = &wanted.candidate;
    let held = present.get(&place.group).and_then(|names| names.get(&place.name));
    let Some(record) = state.and_then(|state| state.find(&candidate.id)) else {
        return match (held, state) {
            (None, _) => Action::Send,
            (Some(_), _) if presence == Presence::Compared => Action::Look,
            (Some(Some(digest)), _)
                if shape.is_none() && candidate.digest.as_ref() == Some(digest) =>
            {
                Action::Adopt
            }
            (Some(_), _) if presence == Presence::Listed => Action::Look,
            // An unsettled place, or a list with a different digest, needs a request.
            (Some(Some(_)), _) if candidate.digest.is_some() => Action::Look,
            (Some(_), Some(state)) if state.header.settled => Action::Look,
            (Some(_), _) => Action::Adopt,
        };
    };
    let same = is_same(candidate, record);
    match record.outcome {
        // Rules that have changed or were removed mean another archive.
        outcome if outcome.is_in_step() && record.shape != shape => Action::Look,
        outcome if outcome.is_in_step() && same => {
            let unseen = outcome == Outcome::Present && presence != Presence::Equal;
            // Since the last request the source lists a provenance file, or another one.
            let signed = candidate.provenance == Provenance::There
                && (record.provenance != Provenance::There
                    || candidate.provenance_fingerprint != record.provenance_fingerprint)
                && shape.is_none();
            let changed = has_changed(wanted, record, present);
            if memory == RecordUse::Compared || unseen || signed || changed {
                Action::Look
            } else if wanted.alias.is_some() && wanted.alias != record.alias {
                Action::Name
            } else {
                Action::Keep
            }
        }
        Outcome::Skipped if same && memory == RecordUse::Whole => Action::Keep,
        Outcome::Skipped => Action::Look,
        // The manifest shows the tag's current target without the archive.
        outcome if outcome.is_in_step() && candidate.origin.is_some() => Action::Look,
        outcome if outcome.is_in_step() => Action::Compare(Known {
            content: record.content.clone(),
            manifest: record.manifest.clone(),
        }),
        Outcome::Alias | Outcome::Other if same && memory == RecordUse::Whole => Action::Keep,
        _ if same && memory == RecordUse::Whole => Action::Still,
        Outcome::Conflict => Action::Look,
        _ if held.is_some() => Action::Look,
        _ => Action::Send,
    }
}

/// Returns true if a list shows that a recorded version is missing or has a different archive.
fn has_changed(wanted: &Wanted, record: &Record, present: &Present) -> bool {
    let Some(lies) = &wanted.lies else { return false };
    match present.get(&lies.group).map(|names| names.get(&lies.name)) {
        None => false,
        Some(None) => true,
        Some(Some(Some(digest))) => {
            record.content.as_ref().is_some_and(|content| content != digest)
        }
        Some(Some(None)) => false,
    }
}

/// Returns true if a line describes the same archive as it did when the record was made. Times do
/// not count.
pub fn is_same(candidate: &Candidate, record: &Record) -> bool {
    if let (Some(now), Some(then)) = (&candidate.origin, &record.origin) {
        return now == then;
    }
    if candidate.fingerprint == record.line {
        return true;
    }
    match (&candidate.digest, &record.index) {
        (Some(now), Some(then)) => now == then,
        (None, None) => {
            candidate.content_fingerprint.is_some()
                && content_fingerprint(candidate) == record.content_fingerprint
        }
        _ => false,
    }
}

/// Returns the fingerprint that replaces the digest of a line without one.
pub fn content_fingerprint(candidate: &Candidate) -> Option<Fingerprint> {
    candidate.content_fingerprint.filter(|_| candidate.digest.is_none())
}

/// Returns the recorded versions that the source no longer lists. `listed` has everything that it
/// lists, whatever is selected.
pub fn vanished<'s>(state: &'s State, listed: &HashSet<ChartVersion>) -> Vec<&'s Record> {
    state
        .records()
        .filter(|record| record.is_stored() && !listed.contains(&record.id))
        // A version stored under a different name may be listed under that name.
        .filter(|record| {
            let named = record.named.as_ref();
            !named
                .is_some_and(|named| listed.contains(&ChartVersion::new(&*record.id.chart, named)))
        })
        .collect()
}

/// Returns the claimed places, so that a version with a second name finds only free ones.
pub fn places(wanted: &[Wanted]) -> Arc<HashSet<Target>> {
    Arc::new(wanted.iter().filter_map(|one| one.place.clone().ok()).collect())
}

#[cfg(test)]
mod tests;
