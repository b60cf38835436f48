//! Options of a mirror run, and the events that it reports.

use super::{
    candidate::Fingerprint, finish::prune::Guard, report::Mode, rewrite::Rules, select::Selection,
    shard::Shard, sink::Target, stop::Stop,
};
use crate::lock::Locked as _;
use crate::{
    Advice, Error,
    digest::Digest,
    limits::{Limits, MIB},
};
use bytes::Bytes;
use jiff::Timestamp;
use std::{
    collections::{HashMap, HashSet},
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

/// The default time for which a record is valid without a look at the destination: 24 h. A lost tag
/// is restored within a day, at the cost of one tag list per chart.
pub const LOOK_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// The default time for which an end may refuse every connection before a run gives up: 10 s. A
/// registry that restarts behind a load balancer needs less.
pub const PATIENCE: Duration = Duration::from_secs(10);

pub use crate::ops::repository::listed::OnMismatch;

/// The action if the destination has different bytes for the same version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// Refuse the version.
    #[default]
    Fail,
    /// Keep the destination's version and report it.
    Skip,
    /// Replace the destination's version and report it.
    Overwrite,
}

/// The rule for a version's second name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Alias {
    /// No second name.
    #[default]
    None,
    /// Tag `v1.2.3` as `1.2.3` too, if that tag is free.
    WithoutV,
}

impl Alias {
    /// Returns the second name of a tag.
    pub(super) fn of(self, name: &str) -> Option<&str> {
        match self {
            Self::None => None,
            Self::WithoutV => {
                name.strip_prefix('v').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            }
        }
    }
}

/// The comparison for a version without a record whose place is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Compare its manifest or its file. One request for each version.
    #[default]
    Nothing,
    /// Compare nothing: an existing tag counts as equal.
    Tags,
}

/// The versions that a report lists by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Changed, refused and failed versions, and the like.
    #[default]
    Notable,
    /// Every selected version, with the digests at both ends.
    Every,
}

/// The location of the state.
#[derive(Clone, Debug, Default)]
pub struct Remembering {
    /// A state file on this machine, in addition to the state at the destination.
    pub file: Option<PathBuf>,
    /// The use of an earlier run's state.
    pub earlier: Earlier,
}

/// The use of an earlier run's state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Earlier {
    /// Trust the state.
    #[default]
    Use,
    /// Trust the state, but retry refused versions.
    Retry,
    /// Ignore the state; a new one replaces it.
    Ignore,
}

/// An event of a run in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The number of versions to copy.
    Planned(usize),
    /// A version is done; the number of its bytes that were stored.
    Done(u64),
    /// A version failed.
    Failed,
}

/// The receiver of a run's events. Cheap to clone.
#[derive(Clone, Default)]
pub struct Listener(Option<Arc<dyn Fn(Event) + Send + Sync>>);

impl Listener {
    /// Hands every event to `listener`.
    pub fn new(listener: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    pub(super) fn tell(&self, event: Event) {
        if let Some(listener) = &self.0 {
            listener(event);
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

/// The content of a destination, as far as runs over several sources have seen it. It keeps a later
/// run from taking an earlier run's chart for its own. Clones share the data and are cheap.
#[derive(Clone, Debug, Default)]
pub struct Placed {
    held: Arc<Mutex<HashMap<Target, Option<Digest>>>>,
    /// Places that a source of a check lists, as they are shown.
    claimed: Arc<Mutex<HashSet<String>>>,
}

impl Placed {
    /// Records the content of a place. `None` means that the digest is unknown.
    pub(super) fn note(&self, place: Target, content: Option<Digest>) {
        self.held.locked().insert(place, content);
    }

    /// Returns the recorded content of a place.
    pub(super) fn find(&self, place: &Target) -> Option<Option<Digest>> {
        self.held.locked().get(place).cloned()
    }

    /// Notes places that a source lists, as they are shown.
    pub(super) fn claim(&self, places: impl Iterator<Item = String>) {
        self.claimed.locked().extend(places);
    }

    /// Returns true if a source lists a version for this place.
    pub(super) fn is_claimed(&self, place: &str) -> bool {
        self.claimed.locked().contains(place)
    }
}

/// The treatment of signatures, attestations, SBOMs and other referrers of a chart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Belongings {
    /// Copy them to a destination that holds the same manifest.
    #[default]
    Carry,
    /// Leave them behind, and count them.
    LeaveBehind,
}

/// Options of a mirror run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The kind of run.
    pub mode: Mode,
    /// The selected versions.
    pub selection: Selection,
    /// The part of the selection that this run handles.
    pub shard: Shard,
    /// The action if bytes differ from the index.
    pub mismatch: OnMismatch,
    /// The action for an existing version with different bytes.
    pub conflict: OnConflict,
    /// A second name.
    pub alias: Alias,
    /// The comparison for an existing version without a record.
    pub trust: Trust,
    /// The versions that the report lists by name.
    pub detail: Detail,
    /// The time for which a record is valid without a look at the destination. After it, the run
    /// lists the tags of every chart. Zero looks in every run.
    pub look_every: Duration,
    /// New addresses for charts' dependencies.
    pub rewrite: Option<Rules>,
    /// Artifact Hub's repository metadata, to store beside each chart.
    pub artifact_hub: Option<Bytes>,
    /// The treatment of what belongs to a chart.
    pub belongings: Belongings,
    /// The limit on removals of vanished versions. `None` removes nothing.
    pub prune: Option<Guard>,
    /// The location and use of the state.
    pub remembering: Remembering,
    /// The fingerprint of the template and of all other options that decide the places of versions.
    pub naming: Fingerprint,
    /// The number of versions in progress at once.
    pub at_once: usize,
    /// The number of archives' bytes in memory at once.
    pub memory: u64,
    /// The interval at which a run writes its state to the destination.
    pub checkpoint: Duration,
    /// The time, for ages.
    pub now: Timestamp,
    /// The time for which an end may refuse every connection before the run stops trying. The
    /// client retries each request for some seconds, so this exceeds one version's bad luck.
    pub patience: Duration,
    /// The receiver of events.
    pub listener: Listener,
    /// The text of advice in reports; that of [`Advice`]'s `Display` by default.
    pub advise: fn(&Advice) -> String,
    /// The handle that asks the run to end.
    pub stop: Stop,
    /// The destination content that runs with clones of these options found or stored.
    pub placed: Placed,
    /// The limits on sizes and counts.
    pub limits: Limits,
}

impl Options {
    /// Returns the fingerprint of the rules for repackaging. `None` if archives keep their bytes.
    pub(super) fn shape(&self) -> Option<Fingerprint> {
        self.rewrite.as_ref().map(|rules| Fingerprint::of(format!("{rules:?}").as_bytes()))
    }

    /// Returns an error with its causes and its advice, as reports have it.
    pub(super) fn explain(&self, error: &Error) -> String {
        match error.advice() {
            Some(advice) => format!("{} ({})", error.chain(), (self.advise)(advice)),
            None => error.chain(),
        }
    }

    /// Returns the defaults, at the time `now`.
    pub fn new(now: Timestamp) -> Self {
        Self {
            mode: Mode::default(),
            selection: Selection::default(),
            shard: Shard::default(),
            mismatch: OnMismatch::default(),
            conflict: OnConflict::default(),
            alias: Alias::default(),
            trust: Trust::default(),
            detail: Detail::default(),
            look_every: LOOK_EVERY,
            rewrite: None,
            artifact_hub: None,
            belongings: Belongings::default(),
            prune: None,
            remembering: Remembering::default(),
            naming: Fingerprint::default(),
            at_once: 64,
            memory: 128 * MIB,
            checkpoint: Duration::from_secs(60),
            now,
            patience: PATIENCE,
            listener: Listener::default(),
            advise: Advice::to_string,
            stop: Stop::default(),
            placed: Placed::default(),
            limits: Limits::default(),
        }
    }
}
