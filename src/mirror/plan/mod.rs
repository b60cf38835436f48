//! What is to be done with each version. Pure: from what the source lists, what is remembered and
//! what the sink says it has, to one action a version.

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

/// A version that was selected, and where it would lie.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The version, as the source lists it.
    pub candidate: Candidate,
    /// Its place, or why it can have none.
    pub place: Result<Target, String>,
    /// The place at which its record says that it lies, if it says so.
    pub lies: Option<Target>,
    /// Its second tag, if it is to have one.
    pub alias: Option<String>,
}

/// What is done with a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing: it is recorded as in step.
    Keep,
    /// It is recorded as in step, and gets a second tag.
    Name,
    /// Nothing: its place is taken, and a list says its digest, or presence counts as equal. That
    /// is recorded.
    Adopt,
    /// Nothing: it is recorded as refused, and neither it nor the policy has changed.
    Still,
    /// Nothing can be: it has no place. The reason.
    Unplaced(String),
    /// It is looked at, since somebody else has taken its place since we were last here.
    Look,
    /// It is fetched and compared with what is recorded, since its line says something new.
    Compare(Known),
    /// It is fetched and put.
    Send,
}

/// What is recorded of a version whose line has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The digest of what the sink holds; nobody has looked where there is none.
    pub content: Option<Digest>,
    /// The digest of its manifest.
    pub manifest: Option<Digest>,
}

/// How what is remembered may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordUse {
    /// It was made under the same policy: what was refused then is refused now.
    Whole,
    /// What was refused is tried again.
    WithoutRefusals,
    /// What was refused is tried again, and what is recorded as in step is looked at.
    Compared,
}

/// What it says of a version without a record that its place is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// That it is there.
    Equal,
    /// Nothing, unless the list says its digest.
    Listed,
    /// Nothing.
    Compared,
}

/// How far records and lists are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trusted {
    /// Records.
    pub memory: RecordUse,
    /// Lists of what is there.
    pub presence: Presence,
    /// The rules by which archives may be packed anew on the way, so that they lose their
    /// provenance.
    pub shape: Option<Fingerprint>,
}

/// The names in each group that was listed, with their digests where the list said them.
pub type Present = HashMap<String, HashMap<String, Option<Digest>>>;

/// The groups whose names must be known to plan: those of versions that are not recorded.
pub fn groups(wanted: &[Wanted], state: Option<&State>) -> BTreeSet<String> {
    wanted
        .iter()
        .filter(|one| record_of(one, state).is_none_or(|record| !is_final(record)))
        .filter_map(|one| one.place.as_ref().ok())
        .map(|place| place.group.clone())
        .collect()
}

/// A record that says what is at the place, or that nothing was put there by intention.
fn is_final(record: &Record) -> bool {
    record.outcome.is_placed()
        || matches!(record.outcome, Outcome::Conflict | Outcome::Alias | Outcome::Other)
}

fn record_of<'s>(wanted: &Wanted, state: Option<&'s State>) -> Option<&'s Record> {
    state.and_then(|state| state.find(&wanted.candidate.id))
}

/// One action for each version, in their order.
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
                return Action::Unplaced(format!("{other} takes the same place"));
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
            // What a settled run did not leave, and a list that says another digest, are worth a
            // look.
            (Some(Some(_)), _) if candidate.digest.is_some() => Action::Look,
            (Some(_), Some(state)) if state.header.settled => Action::Look,
            (Some(_), _) => Action::Adopt,
        };
    };
    let same = is_same(candidate, record);
    match record.outcome {
        // Rules that have changed, or were given up, mean another archive.
        outcome if outcome.is_in_step() && record.shape != shape => Action::Look,
        outcome if outcome.is_in_step() && same => {
            let unseen = outcome == Outcome::Present && presence != Presence::Equal;
            // A provenance file that the source did not have when it was asked.
            let signed = candidate.provenance == Provenance::There
                && record.provenance != Provenance::There
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
        // What a tag leads to now is seen by its manifest, without its archive.
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

/// Whether a list says that what is recorded is not there, or is another archive.
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

/// Whether a line says of its archive what it said when the record was made. Times are no part of
/// that.
pub fn is_same(candidate: &Candidate, record: &Record) -> bool {
    if let (Some(now), Some(then)) = (&candidate.origin, &record.origin) {
        return now == then;
    }
    if candidate.fingerprint == record.line {
        return true;
    }
    match (&candidate.digest, &record.index) {
        (Some(now), Some(then)) => now == then,
        (None, None) => candidate.essence.is_some() && essence(candidate) == record.essence,
        _ => false,
    }
}

/// What stands for the line where it has no digest.
pub fn essence(candidate: &Candidate) -> Option<Fingerprint> {
    candidate.essence.filter(|_| candidate.digest.is_none())
}

/// What is recorded and the source no longer lists. `listed` is all that it lists, whatever is
/// selected.
pub fn vanished<'s>(state: &'s State, listed: &HashSet<ChartVersion>) -> Vec<&'s Record> {
    state
        .records()
        .filter(|record| record.outcome.is_in_step() && !listed.contains(&record.id))
        // What lies under another name may be listed under that one.
        .filter(|record| {
            let named = record.named.as_ref();
            !named
                .is_some_and(|named| listed.contains(&ChartVersion::new(&*record.id.chart, named)))
        })
        .collect()
}

/// The places that are spoken for, so that what finds another name than its index's finds it free.
pub fn places(wanted: &[Wanted]) -> Arc<HashSet<Target>> {
    Arc::new(wanted.iter().filter_map(|one| one.place.clone().ok()).collect())
}

#[cfg(test)]
mod tests;
