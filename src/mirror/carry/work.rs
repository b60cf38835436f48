//! The copy of one version: download, validation against the index, comparison with the
//! destination, upload, and record. Of the other versions it only knows the claimed places.

use super::{
    compare::{Comparison, Existing},
    known_attached::Attached,
    second_tag::Second,
};
use crate::{
    Error, ErrorKind,
    digest::Digest,
    mirror::{
        budget::Budget,
        candidate::{Ask, Candidate, Payload, Provenance},
        mismatch::mismatch,
        plan::{Action, Known, content_fingerprint, needs::Pointed},
        report::{Status, Told},
        run::{OnConflict, OnMismatch, Options},
        sink::{ExistingProvenance, Held, Naming, Putting, Sink, Target},
        source::Source,
        state::{Outcome, Record},
    },
    ops::push::Verify,
    store::{BlobBytes, blocking},
};
use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// The data that all versions of a run share.
#[derive(Debug)]
pub(crate) struct Carrier {
    pub(crate) source: Source,
    pub(crate) sink: Sink,
    pub(crate) options: Options,
    pub(crate) budget: Budget,
    /// The places that versions of the index have.
    pub(crate) places: Arc<HashSet<Target>>,
    /// `true` once an upload was read back whole.
    pub(crate) read_back: AtomicBool,
    /// The knowledge about signatures and referrers of the source's charts.
    pub(crate) attached: Attached,
    /// Dependencies that point at the destination now.
    pub(crate) pointed: Pointed,
}

/// A version to copy.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) candidate: Candidate,
    pub(crate) place: Target,
    pub(crate) action: Action,
    /// The known state of its provenance file.
    pub(crate) provenance: Provenance,
    /// The second tag to set.
    pub(crate) second: Option<Second>,
    /// The digest that a list gave for its place.
    pub(crate) listed: Option<Digest>,
    /// Its record, if the record describes the expected content of the destination.
    pub(crate) ours: Option<Record>,
    /// The outcome of an earlier run.
    pub(crate) was: Option<Outcome>,
}

/// The result for one version.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) told: Told,
    /// The record to keep. `None` if a later run must try again.
    pub(crate) record: Option<Record>,
    /// `true` if a check found different content in its place.
    pub(crate) taken: bool,
    /// The number of stored bytes.
    pub(crate) bytes: u64,
    pub(crate) warnings: Vec<String>,
    /// The failure, if any, and its meaning for the other versions.
    pub(crate) failed: Option<Failed>,
    /// `true` if no upload of this run can be trusted.
    pub(crate) fatal: bool,
}

/// The downloaded version.
pub(crate) struct Fetched {
    pub(crate) payload: Payload,
    /// The difference from its index entry.
    mismatch: Option<String>,
    /// The changes that the run made to the chart.
    note: Option<String>,
    /// The digest of its manifest at the source.
    origin: Option<Digest>,
}

/// The content that a version replaces.
struct Over {
    reason: String,
    manifest: Option<Digest>,
}

/// A failure, and its meaning for the other versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// A failure of this version only.
    Alone,
    /// A failure that may affect others too, such as a destination that denies access. A source
    /// that denies one archive does not count: object stores without list permission do so for
    /// missing files.
    Perhaps,
    /// A failure that may affect others too, because an end is unreachable.
    Unreachable,
}

/// The reason not to copy a version.
pub(crate) enum Stop {
    /// A permanent refusal: the next run would decide the same.
    Refused(Outcome, String),
    /// Its place has a different chart: the reason, the digest of the source's archive, and the
    /// place's content.
    Taken(String, Digest, Box<Existing>),
    /// A failure of this run; a later one may succeed.
    Failed(Error),
    /// The source denies access to it.
    Withheld(Error),
    /// A failure that every other version would have too.
    Fatal(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Carrier {
    /// Runs the planned action.
    pub(crate) async fn carry(self: Arc<Self>, job: Job) -> Done {
        let ended = match &job.action {
            Action::Look => self.look(&job).await,
            Action::Compare(known) => self.compare(&job, known).await,
            Action::Name => Ok(self.recorded(&job)),
            _ => self.send(&job).await,
        };
        let ended = match ended {
            Ok(done) => self.name(&job, done).await,
            stopped => stopped,
        };
        let ended = match ended {
            Ok(done) => Ok(self.attach(&job, done).await),
            Err(Stop::Refused(outcome, reason)) => match self.other(&job).await {
                Some(done) => Ok(done),
                None => Err(Stop::Refused(outcome, reason)),
            },
            stopped => stopped,
        };
        match ended {
            Ok(done) => done,
            Err(Stop::Taken(reason, ours, there)) => {
                let mut done = self.refused(&job, Outcome::Conflict, reason).await;
                done.told.digest = Some(ours);
                done.told.destination_digest = Some(there.content.clone());
                done.told.manifest.clone_from(&there.manifest);
                if let Some(record) = &mut done.record {
                    record.content = Some(there.content);
                    record.manifest = there.manifest;
                }
                done
            }
            Err(Stop::Refused(outcome, reason)) => self.refused(&job, outcome, reason).await,
            Err(Stop::Failed(error)) => self.failed(&job, &error),
            Err(Stop::Withheld(error)) => {
                Done { failed: Some(Failed::Alone), ..self.failed(&job, &error) }
            }
            Err(Stop::Fatal(error)) => Done { fatal: true, ..self.failed(&job, &error) },
        }
    }

    /// Handles an artifact at the source that is not a chart and never was, such as an image. That
    /// is not a failure.
    pub(crate) async fn other(&self, job: &Job) -> Option<Done> {
        if job.was.is_some_and(Outcome::is_placed) {
            return None;
        }
        let what = self.source.other(&job.candidate).await.ok().flatten()?;
        // A chart in the destination's place shows that the source once had a chart here.
        if matches!(self.held(job).await, Ok(Held::Chart { .. })) {
            return None;
        }
        let reason = format!("it is {what}, not a chart");
        let mut done = self.done(job, Status::Other, Some((Outcome::Other, reason.clone())));
        done.told.place = None;
        let origin = match &job.candidate.origin {
            Some(origin) => Some(origin.clone()),
            None => self.source.origin(&job.candidate).await.ok().flatten(),
        };
        let record = self.record(job, Outcome::Other);
        done.record = Some(Record { reason: Some(reason), origin, ..record });
        Some(done)
    }

    /// Records a version as refused and returns its result.
    async fn refused(&self, job: &Job, outcome: Outcome, reason: String) -> Done {
        // A refusal applies to the manifest of the current tag and expires when the tag moves.
        let origin = match &job.candidate.origin {
            Some(origin) => Some(origin.clone()),
            None => self.source.origin(&job.candidate).await.ok().flatten(),
        };
        let record = Record { reason: Some(reason.clone()), origin, ..self.record(job, outcome) };
        Done { record: Some(record), ..self.done(job, Status::Refused, Some((outcome, reason))) }
    }

    /// Returns the content of a version's place: from a list if it shows that, else by a request.
    pub(crate) async fn held(&self, job: &Job) -> Result<Held, Error> {
        match &job.listed {
            None => self.sink.look(&job.place).await,
            Some(content) => Ok(Held::Chart {
                content: content.clone(),
                manifest: None,
                provenance: ExistingProvenance::Unknown,
            }),
        }
    }

    /// Returns a record of this version from its current index entry.
    pub(crate) fn record(&self, job: &Job, outcome: Outcome) -> Record {
        Record { shape: self.options.shape(), ..record(job, outcome) }
    }

    /// Downloads a version and stores it in an empty place.
    async fn send(&self, job: &Job) -> Result<Done, Stop> {
        let mut reserved = self.budget.reserve().await;
        let payload = self.fetch(job, &mut reserved).await?;
        self.put(job, payload, None).await
    }

    /// Compares the content that the place has now.
    async fn look(&self, job: &Job) -> Result<Done, Stop> {
        match self.held(job).await? {
            Held::Nothing => self.send(job).await,
            Held::Other(what) => Err(taken_by_other(&what)),
            Held::Chart { content, manifest, provenance } => {
                let there = Existing { content, manifest, provenance };
                let compared = self.is_there(job, &there).await;
                if compared.likeness == Comparison::Same {
                    let mut done = self.in_step(job, there.content, there.manifest, Outcome::Held);
                    if let Some(record) = &mut done.record {
                        record.provenance = compared.provenance;
                        record.origin = compared.origin;
                    }
                    return Ok(done);
                }
                let mut reserved = self.budget.reserve().await;
                let payload = self.fetch(job, &mut reserved).await?;
                self.against(job, payload, there).await
            }
        }
    }

    /// Downloads the archive of the changed line, and compares it with the recorded copy.
    async fn compare(&self, job: &Job, known: &Known) -> Result<Done, Stop> {
        // The content to replace is compared first, because it may be an image.
        let Some(content) =
            known.content.clone().filter(|_| self.options.conflict != OnConflict::Overwrite)
        else {
            return self.look(job).await;
        };
        let mut reserved = self.budget.reserve().await;
        let payload = self.fetch(job, &mut reserved).await?;
        let manifest = known.manifest.clone();
        self.against(
            job,
            payload,
            Existing { content, manifest, provenance: ExistingProvenance::Unknown },
        )
        .await
    }

    /// Compares a downloaded version with the content of its place.
    async fn against(&self, job: &Job, fetched: Fetched, there: Existing) -> Result<Done, Stop> {
        let Existing { content, manifest, provenance } = there;
        let payload = &fetched.payload;
        let signed = payload.provenance.as_ref().map(|bytes| Digest::sha256(bytes));
        let likeness = if payload.content.digest == content {
            Comparison::of_provenance(signed.as_ref(), &provenance)
        } else {
            Comparison::other(&content, &payload.content.digest)
        };
        let reason = match likeness {
            Comparison::Other(reason) => reason,
            Comparison::Lacks(reason) => {
                return self.put(job, fetched, Some(Over { reason, manifest })).await;
            }
            Comparison::Same | Comparison::Unknown => {
                let mut done = self.in_step(job, content, manifest, Outcome::Held);
                if let Some(record) = &mut done.record {
                    record.provenance = asked(payload);
                    record.origin = fetched.origin;
                }
                return Ok(done);
            }
        };
        match self.options.conflict {
            OnConflict::Fail => {
                let ours = fetched.payload.content.digest;
                let there = Existing { content, manifest, provenance };
                Err(Stop::Taken(reason, ours, Box::new(there)))
            }
            OnConflict::Skip => {
                let mut done = self.in_step(job, content, manifest, Outcome::Skipped);
                if let Some(record) = &mut done.record {
                    record.origin = fetched.origin;
                    record.reason = Some(reason.clone());
                }
                done.told.status = Status::Skipped;
                done.told.digest = Some(fetched.payload.content.digest);
                done.told.reason = Some(reason);
                done.told.outcome = Some(Outcome::Skipped);
                Ok(done)
            }
            OnConflict::Overwrite => self.put(job, fetched, Some(Over { reason, manifest })).await,
        }
    }

    /// Downloads a version and validates it: the name, version and bytes must match the index.
    pub(crate) async fn fetch(
        &self,
        job: &Job,
        reserved: &mut crate::mirror::budget::Reserved,
    ) -> Result<Fetched, Stop> {
        let ask = match job.provenance {
            Provenance::Missing => Ask::Nothing,
            Provenance::Unasked | Provenance::There => Ask::Provenance,
        };
        let (payload, seen) =
            self.source.fetch(&job.candidate, ask).await.map_err(|error| match error.kind() {
                ErrorKind::NotFound => Stop::Refused(
                    Outcome::Gone,
                    format!("its archive no longer exists: {}", error.chain()),
                ),
                ErrorKind::Invalid | ErrorKind::Limit | ErrorKind::Usage => {
                    Stop::Refused(Outcome::Unfit, error.chain())
                }
                ErrorKind::Denied => Stop::Withheld(error),
                _ => Stop::Failed(error),
            })?;
        reserved.shrink(match &payload.archive {
            BlobBytes::Memory(bytes) => bytes.len() as u64,
            BlobBytes::File(_) => 0,
        });
        let listed = job.candidate.id.chart.rsplit('/').next().unwrap_or_default();
        if let Some(other) = payload.metadata.other_than(listed, "") {
            return Err(Stop::Refused(Outcome::Unfit, other));
        }
        // Chart.yaml takes precedence over the index, but it must not add a version that was not
        // selected.
        if let Some(other) = payload.metadata.other_than(listed, &job.candidate.id.version)
            && !self.options.selection.still_takes(&job.candidate, &payload.metadata.version)
        {
            return Err(Stop::Refused(Outcome::Unfit, format!("{other}; that is not selected")));
        }
        let mismatch = mismatch(&job.candidate, &payload)?;
        if let Some(reason) = &mismatch
            && self.options.mismatch == OnMismatch::Fail
        {
            return Err(Stop::Refused(Outcome::Mismatch, reason.clone()));
        }
        let origin = job.candidate.origin.clone().or(seen);
        let Some(rules) = self.options.rewrite.clone() else {
            return Ok(Fetched { payload, mismatch, note: None, origin });
        };
        let limits = self.options.limits.clone();
        let rewritten = blocking(move || rules.apply(payload, &limits)).await?;
        self.pointed.note(&job.candidate.id, &rewritten.pointed);
        Ok(Fetched { payload: rewritten.payload, mismatch, note: rewritten.note, origin })
    }

    /// Stores a downloaded version, over the content `over` if there is any.
    async fn put(&self, job: &Job, fetched: Fetched, over: Option<Over>) -> Result<Done, Stop> {
        let Fetched { payload, mismatch, note, origin } = fetched;
        let reason = over.as_ref().map(|over| over.reason.clone());
        let mut notes: Vec<String> = reason.into_iter().chain(note).collect();
        if self.options.mismatch == OnMismatch::Warn {
            notes.extend(mismatch);
        }
        let mut place = job.place.clone();
        let mut named = None;
        if payload.metadata.version != job.candidate.id.version {
            place = match self.renamed(job, &payload, origin.clone()).await? {
                Renamed::Free(place) => place,
                Renamed::Existing(done) => return Ok(*done),
            };
            notes.push(format!("its Chart.yaml says version `{}`", payload.metadata.version));
            named = Some(payload.metadata.version.clone());
        }
        let first = !self.read_back.swap(true, Ordering::Relaxed);
        let alias = job.second.as_ref().and_then(Second::given).filter(|_| named.is_none());
        let putting = Putting { verify: if first { Verify::Full } else { Verify::None }, alias };
        let stored = match self.sink.put(&place, &payload, putting).await {
            Ok(stored) => stored,
            Err(error) => {
                if first && error.kind() == ErrorKind::Integrity {
                    return Err(Stop::Fatal(error));
                }
                if first {
                    // The run reads another upload back instead.
                    self.read_back.store(false, Ordering::Relaxed);
                }
                return Err(error.into());
            }
        };
        let status = if over.is_some() { Status::Replaced } else { Status::Sent };
        let mut done = self.done(job, status, None);
        done.bytes = payload.content.size;
        done.warnings = stored.warnings;
        done.told.place = Some(self.sink.show(&place));
        done.told.digest = Some(payload.content.digest.clone());
        done.told.destination_digest = done.told.digest.clone();
        done.told.manifest = stored.manifest.clone();
        done.told.replaced = over.and_then(|over| over.manifest);
        done.told.size = Some(payload.content.size);
        done.told.reason = (!notes.is_empty()).then(|| notes.join("; "));
        done.record = Some(Record {
            content: Some(payload.content.digest.clone()),
            manifest: stored.manifest,
            named,
            alias: alias.map(str::to_owned),
            origin,
            provenance: asked(&payload),
            reason: done.told.reason.clone(),
            ..self.record(job, Outcome::Held)
        });
        Ok(done)
    }

    /// Returns the place of a version whose name in Chart.yaml differs from the index. Chart.yaml
    /// takes precedence.
    async fn renamed(
        &self,
        job: &Job,
        payload: &Payload,
        origin: Option<Digest>,
    ) -> Result<Renamed, Stop> {
        let version = payload.metadata.version.as_str();
        let naming = Naming { repo: self.source.name(), chart: &job.candidate.id.chart, version };
        let said = format!("its Chart.yaml says version `{version}`");
        let place = self
            .sink
            .place(&naming)
            .map_err(|error| Stop::Refused(Outcome::Unfit, format!("{said}: {}", error.chain())))?;
        if place == job.place {
            return Ok(Renamed::Free(place));
        }
        if self.places.contains(&place) {
            let listed = self.source.manifest_of(&job.candidate, version).await?;
            if origin.is_some() && listed == origin {
                let digest = payload.content.digest.clone();
                let mut done = self.in_step(job, digest, None, Outcome::Alias);
                done.told.outcome = Some(Outcome::Alias);
                done.told.reason = Some(format!("it is another name of `{version}`"));
                if let Some(record) = &mut done.record {
                    record.origin = origin;
                }
                return Ok(Renamed::Existing(Box::new(done)));
            }
            return Err(Stop::Refused(
                Outcome::Unfit,
                format!("{said}, which the source lists separately"),
            ));
        }
        match self.sink.look(&place).await? {
            Held::Nothing => Ok(Renamed::Free(place)),
            Held::Other(what) => Err(taken_by_other(&what)),
            Held::Chart { content, manifest, .. } if content == payload.content.digest => {
                let mut done = self.in_step(job, content, manifest, Outcome::Held);
                if let Some(record) = &mut done.record {
                    record.named = Some(version.to_owned());
                    record.provenance = asked(payload);
                    record.origin = origin;
                }
                Ok(Renamed::Existing(Box::new(done)))
            }
            Held::Chart { content, .. } => {
                Err(Stop::Refused(Outcome::Conflict, format!("{said}, whose place has {content}")))
            }
        }
    }

    pub(crate) fn failed(&self, job: &Job, error: &Error) -> Done {
        let mut done = self.done(job, Status::Failed, None);
        done.told.reason = Some(self.options.explain(error));
        done.told.cause = Some(error.root());
        let failed = match error.kind() {
            ErrorKind::Network => Failed::Unreachable,
            ErrorKind::Denied => Failed::Perhaps,
            _ => Failed::Alone,
        };
        Done { failed: Some(failed), ..done }
    }

    fn in_step(
        &self,
        job: &Job,
        content: Digest,
        manifest: Option<Digest>,
        outcome: Outcome,
    ) -> Done {
        let mut done = self.done(job, Status::InStep, None);
        done.told.destination_digest = Some(content.clone());
        done.told.manifest.clone_from(&manifest);
        done.record =
            Some(Record { content: Some(content), manifest, ..self.record(job, outcome) });
        done
    }

    pub(crate) fn done(
        &self,
        job: &Job,
        status: Status,
        refused: Option<(Outcome, String)>,
    ) -> Done {
        let (outcome, reason) = refused.unzip();
        Done {
            told: Told {
                place: Some(self.sink.show(&job.place)),
                outcome,
                reason,
                digest: job.candidate.digest.clone(),
                ..Told::new(job.candidate.id.clone(), status)
            },
            record: None,
            taken: false,
            bytes: 0,
            warnings: Vec::new(),
            failed: None,
            fatal: false,
        }
    }
}

enum Renamed {
    Free(Target),
    Existing(Box<Done>),
}

fn taken_by_other(what: &str) -> Stop {
    Stop::Refused(Outcome::Conflict, other_taker(what))
}

pub(crate) fn other_taker(what: &str) -> String {
    format!("its place has {what}, not a chart; `mirror` never overwrites that")
}

/// Returns the state of the provenance file after a download.
fn asked(payload: &Payload) -> Provenance {
    match &payload.provenance {
        Some(_) => Provenance::There,
        None => Provenance::Missing,
    }
}

/// Returns a record of this version from its current index entry.
pub(crate) fn record(job: &Job, outcome: Outcome) -> Record {
    Record {
        id: job.candidate.id.clone(),
        outcome,
        line: job.candidate.fingerprint,
        index: job.candidate.digest.clone(),
        content_fingerprint: content_fingerprint(&job.candidate),
        origin: job.candidate.origin.clone(),
        content: None,
        manifest: None,
        named: None,
        shape: None,
        alias: None,
        attached: 0,
        digest_tags: 0,
        carried: 0,
        provenance: job.provenance,
        provenance_fingerprint: job.candidate.provenance_fingerprint,
        reason: None,
    }
}
