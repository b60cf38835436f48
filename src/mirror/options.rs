//! How a mirror is run, and what it tells on its way.

use super::{
    candidate::Fingerprint, finish::prune::Guard, report::Mode, rewrite::Rules, select::Selection,
    shard::Shard, sink::Target, stop::Stop,
};
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
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// How long a record is good without a look. A lost tag is put back within a day, for one list of
/// tags a chart.
pub const LOOK_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long an end may refuse every connection before a run gives up: a registry that restarts
/// behind a load balancer is away for less.
pub const PATIENCE: Duration = Duration::from_secs(10);

pub use crate::ops::repository::listed::OnMismatch;

/// What is done when the destination holds other bytes of the same version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// It is refused.
    #[default]
    Fail,
    /// It is left as it is and reported.
    Skip,
    /// It is replaced and reported.
    Overwrite,
}

/// Whether a version gets a second name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Alias {
    /// It does not.
    #[default]
    None,
    /// `v1.2.3` is also `1.2.3`, where nothing else is.
    WithoutV,
}

impl Alias {
    /// The second name of a tag.
    pub(super) fn of(self, name: &str) -> Option<&str> {
        match self {
            Self::None => None,
            Self::WithoutV => {
                name.strip_prefix('v').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            }
        }
    }
}

/// How a version is compared whose place is taken and of which no record speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// By its manifest or its file: one request a version.
    #[default]
    Nothing,
    /// Not at all: a tag that is there counts as equal.
    Tags,
}

/// Which versions a report lists by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Those that were changed, refused or failed, and the like.
    #[default]
    Notable,
    /// Every selected version, with the digests at both ends.
    Every,
}

/// Where the state is kept.
#[derive(Clone, Debug, Default)]
pub struct Remembering {
    /// A file on this machine, beside what is kept at the destination.
    pub file: Option<PathBuf>,
    /// What is done with what an earlier run left.
    pub earlier: Earlier,
}

/// What is done with what an earlier run left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Earlier {
    /// It is believed.
    #[default]
    Use,
    /// It is believed, but what was refused is tried again.
    Retry,
    /// It is not looked at; a new state replaces it.
    Ignore,
}

/// What a run tells on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// So many versions are to be carried.
    Planned(usize),
    /// One is done, and so many bytes of it were put.
    Done(u64),
    /// One could not be carried.
    Failed,
}

/// Who hears what a run tells. Cheap to clone.
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

/// What lies where at a destination, as far as the runs over several sources have seen, so that a
/// later one does not take an earlier one's chart for its own. Cheap to clone; copies are one.
#[derive(Clone, Debug, Default)]
pub struct Placed {
    held: Arc<Mutex<HashMap<Target, Option<Digest>>>>,
    /// Places that a source of a check lists, as they are shown.
    claimed: Arc<Mutex<HashSet<String>>>,
}

impl Placed {
    /// Notes what lies at a place; nobody has looked where there is no digest.
    pub(super) fn note(&self, place: Target, content: Option<Digest>) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(place, content);
    }

    /// What was noted of a place.
    pub(super) fn find(&self, place: &Target) -> Option<Option<Digest>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).get(place).cloned()
    }

    /// Notes places that a source lists, as they are shown.
    pub(super) fn claim(&self, places: impl Iterator<Item = String>) {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner).extend(places);
    }

    /// Whether a source lists a version of this place.
    pub(super) fn is_claimed(&self, place: &str) -> bool {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner).contains(place)
    }
}

/// How a mirror is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is to be done.
    pub mode: Mode,
    /// Which versions.
    pub selection: Selection,
    /// Which part of them.
    pub shard: Shard,
    /// Bytes that are not what the index says.
    pub mismatch: OnMismatch,
    /// Versions that are there in other bytes.
    pub conflict: OnConflict,
    /// A second name.
    pub alias: Alias,
    /// Versions that are there and not recorded.
    pub trust: Trust,
    /// The versions that the report lists by name.
    pub detail: Detail,
    /// How long a record is good without a look at the destination: after it, the tags of every
    /// chart are listed. Zero looks in every run.
    pub look_every: Duration,
    /// New addresses for charts' dependencies.
    pub rewrite: Option<Rules>,
    /// Artifact Hub's repository metadata, to be put beside each chart.
    pub artifact_hub: Option<Bytes>,
    /// Whether what vanished is removed, and how much of it at most.
    pub prune: Option<Guard>,
    /// Where the state is kept.
    pub remembering: Remembering,
    /// Of the template and whatever else decides where versions lie.
    pub naming: Fingerprint,
    /// Versions under way at once.
    pub at_once: usize,
    /// Bytes of archives in memory at once.
    pub memory: u64,
    /// How often a state is left at the destination while the run goes on.
    pub checkpoint: Duration,
    /// The time, for ages.
    pub now: Timestamp,
    /// How long an end may refuse every connection before the rest is not tried. The client tries
    /// each request again for some seconds, so this is more than one version's bad luck.
    pub patience: Duration,
    /// Who hears what happens.
    pub listener: Listener,
    /// The text of advice in reports; that of [`Advice`]'s `Display` by default.
    pub advise: fn(&Advice) -> String,
    /// Who may ask the run to end.
    pub stop: Stop,
    /// What runs with copies of these options found or put at the destination.
    pub placed: Placed,
    /// Caps.
    pub limits: Limits,
}

impl Options {
    /// The rules by which archives are packed anew on the way; none where they keep their bytes.
    pub(super) fn shape(&self) -> Option<Fingerprint> {
        self.rewrite.as_ref().map(|rules| Fingerprint::of(format!("{rules:?}").as_bytes()))
    }

    /// An error with its causes and its advice, as reports have it.
    pub(super) fn explain(&self, error: &Error) -> String {
        match error.advice() {
            Some(advice) => format!("{} ({})", error.chain(), (self.advise)(advice)),
            None => error.chain(),
        }
    }

    /// The defaults, at the time `now`.
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
