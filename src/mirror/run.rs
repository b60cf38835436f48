//! A run over one source. It lists, selects, plans, copies in parallel, prunes, records and
//! reports.

use super::{
    budget::Budget,
    candidate::{Candidate, ChartVersion, Fingerprint},
    carry::{
        known_attached::{Attached, DigestTagsOf},
        work::{Carrier, Done, Job, record},
    },
    describe::describe,
    give_up::GiveUp,
    plan::{
        self, Wanted,
        needs::{self, Pointed},
    },
    report::{Mode, Report, Status, Told},
    select::Needs,
    sink::{Naming, Sink, Target},
    source::{CacheValidator, Listed, Listing, Source, Tags},
    state::{
        Header, Key, Outcome, Record, State,
        file::{Ledger, same_ends},
    },
    stop::interrupted,
};
use crate::{Error, ErrorKind, Result, redact::without_proof};
use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, atomic::AtomicBool},
    time::Instant,
};
use tokio::task::JoinSet;

pub use super::options::{
    Alias, Belongings, Detail, Earlier, Event, LOOK_EVERY, Listener, OnConflict, OnMismatch,
    Options, Placed, Remembering, Trust,
};

/// Runs a mirror of one source.
///
/// # Errors
/// Fails if the source cannot be listed, or the destination cannot be reached at all. The report
/// has the failures of single versions.
pub async fn run(source: &Source, sink: &Sink, options: &Options) -> Result<Report> {
    let start = Instant::now();
    let mut run = tokio::select! {
        run = Run::prepare(source, sink, options) => run?,
        () = options.stop.asked() => return Err(interrupted()),
    };
    let ended = tokio::select! {
        ended = run.go() => Some(ended),
        () = options.stop.overdue() => None,
    };
    match ended {
        Some(ended) => ended?,
        // Transfers in progress are dropped.
        None if run.begun || options.mode != Mode::Run => run.cut().await,
        None => return Err(interrupted()),
    }
    run.report.seconds = start.elapsed().as_secs_f64();
    if let Some(looked) = run.after.header.looked {
        let now = options.now.as_second();
        run.report.looked_ago = u64::try_from(now - looked).unwrap_or(0);
        run.report.last_looked = jiff::Timestamp::from_second(looked).ok().map(|at| at.to_string());
    }
    run.report.versions.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(run.report)
}

pub(super) struct Run<'a> {
    pub(super) source: &'a Source,
    pub(super) sink: &'a Sink,
    pub(super) options: &'a Options,
    pub(super) key: Key,
    pub(super) ledger: Option<Ledger>,
    /// The state of the last run, if it had the same source and destination.
    pub(super) before: Option<State>,
    /// The state that this run writes.
    pub(super) after: State,
    pub(super) report: Report,
    pub(super) checkpoint: Option<tokio::task::JoinHandle<Result<()>>>,
    pub(super) last_checkpoint: Instant,
    /// `true` once a version may have been copied.
    pub(super) begun: bool,
    /// The number of versions still to copy.
    pub(super) open: usize,
    /// The tags made of digests in the source's repositories.
    pub(super) digest_tags: DigestTagsOf,
}

impl<'a> Run<'a> {
    async fn prepare(source: &'a Source, sink: &'a Sink, options: &'a Options) -> Result<Self> {
        let key = Key::new(source.identity(), options.shard);
        let header = Header {
            // Other users may read a state, so it has no secrets that give access to the source.
            // The key contains them as a hash.
            source: without_proof(source.identity()),
            destination: without_proof(sink.identity()),
            naming: options.naming,
            selection: options.selection.fingerprint(),
            policy: policy(options),
            ..Header::default()
        };
        let mut warnings = Vec::new();
        let (ledger, mut before) = match &options.remembering.file {
            Some(path) => {
                let most = options.limits.state_bytes.saturating_mul(8);
                let (ledger, state) = Ledger::read(path, most)?;
                if let Some(state) = &state
                    && without_proof(&state.header.source) != header.source
                {
                    return Err(Error::usage(format!(
                        "`{}` is the state of another source, {}",
                        path.display(),
                        state.header.source
                    ))
                    .with_hint("each source and each shard needs a separate file"));
                }
                (Some(ledger), state)
            }
            None => (None, None),
        };
        if options.remembering.earlier == Earlier::Ignore {
            before = None;
        } else if before.is_none() {
            match sink.recall(&key).await {
                Ok(Some(bytes)) => match State::unpack(&bytes, &options.limits) {
                    Ok(state) => before = Some(state),
                    Err(error) => {
                        warnings.push(format!("the last state is not used: {}", error.chain()));
                    }
                },
                Ok(None) => {}
                // If the destination is unreachable, the run ends.
                Err(error) if error.kind() == ErrorKind::Network => return Err(error),
                Err(error) => {
                    warnings.push(format!("the last state is not used: {}", error.chain()));
                }
            }
        }
        let before = before
            .filter(|state| same_ends(&state.header, &header))
            .and_then(|state| believed(state, source, sink));
        Ok(Self {
            source,
            sink,
            options,
            key,
            ledger,
            before,
            after: State::new(header),
            report: Report {
                warnings,
                ..Report::new(source.identity(), sink.identity(), options.shard, options.mode)
            },
            checkpoint: None,
            last_checkpoint: Instant::now(),
            begun: false,
            open: 0,
            digest_tags: DigestTagsOf::default(),
        })
    }

    async fn go(&mut self) -> Result<()> {
        let seen = self.before.as_ref().filter(|state| self.tells_all(state));
        let enough = self.options.detail == Detail::Notable
            && seen.is_some_and(|state| !self.is_look_due(state));
        let seen = seen.map(|state| state.header.seen.clone());
        // An unchanged list of tags does not prove that nothing has changed.
        let enough = seen.as_ref().filter(|_| enough && self.source.tags() == Tags::Immutable);
        let listed = match self.source.list(enough).await? {
            Listing::Unchanged => return self.unchanged(),
            Listing::Charts(listed) => listed,
        };
        self.warn(listed.warnings.clone());
        let ids: HashSet<ChartVersion> =
            listed.candidates.iter().map(|candidate| candidate.id.clone()).collect();
        let still_listed = seen.is_some_and(|seen| seen == listed.seen);
        let Listed {
            seen, mut candidates, cut, absent, aliases, attached, index, digest_tags, ..
        } = listed;
        self.digest_tags = digest_tags;
        let total = candidates.len();
        self.report.counts.aliases = aliases;
        self.after.header.aliases = aliases;
        self.miss(&candidates, absent);
        self.date(&mut candidates).await?;
        let selection = &self.options.selection;
        let all = (selection.needs == Needs::Follow).then(|| candidates.clone());
        let mut selected = selection.select(candidates, self.options.now);
        if let Some(all) = all {
            let lacking = needs::follow(self.source, index.as_ref(), all, &mut selected).await?;
            self.report.warnings.extend(lacking);
        }
        drop(index);
        self.after.header.seen = seen;
        self.after.header.revisit = selected.revisit;
        let mut wanted = self.want(selected);
        // If a requested name is wrong, the run writes no state.
        if wanted.is_empty() && !self.report.missing.is_empty() && self.options.prune.is_none() {
            return Ok(());
        }
        if let Some(before) = &self.before {
            // Versions that are not selected now, or have vanished, keep their records. Skipped
            // versions were never copied.
            for record in before.records().filter(|record| record.is_stored()) {
                let kept = match record.outcome.is_in_step() {
                    true => record.clone(),
                    false => Record { outcome: Outcome::Held, reason: None, ..record.clone() },
                };
                self.after.record(kept);
            }
        }
        self.warn_of_mixed_groups(&wanted);
        self.follow(&mut wanted).await?;
        let jobs = self.plan(&wanted).await?;
        self.report.unchanged = still_listed && jobs.is_empty() && self.report.counts.failed == 0;
        match self.options.mode {
            Mode::Run => self.carry(jobs, &wanted).await?,
            Mode::DryRun => self.foresee(jobs, &wanted).await?,
            Mode::Check => {
                self.check(jobs, &wanted).await?;
                self.extras(&ids).await;
            }
        }
        self.leave(&wanted, attached);
        if self.options.stop.is_asked() {
            return self.end_early().await;
        }
        if let (Mode::Run, Some(metadata)) = (self.options.mode, &self.options.artifact_hub) {
            let policy = self.after.header.policy;
            let old = self.before.as_ref().filter(|before| before.header.policy == policy);
            let of = old.map(|_| &self.report);
            let warnings = describe(self.sink, metadata, &wanted, of).await;
            self.report.warnings.extend(warnings);
        }
        if let Some(guard) = self.options.prune {
            self.prune(guard, &ids, cut, total).await?;
        }
        self.after.header.vanished = plan::vanished(&self.after, &ids).len();
        self.report.vanished = self.after.header.vanished;
        self.report.warnings.extend(self.source.final_warning());
        self.report.warnings.extend(self.sink.final_warning());
        let counts = &self.report.counts;
        let changed = counts.sent + counts.replaced + counts.pruned > 0;
        if self.options.mode == Mode::Run && (changed || self.sink.is_unfinished()) {
            self.sink.finish().await?;
        }
        if self.options.mode == Mode::Run {
            self.settle().await?;
        }
        Ok(())
    }

    /// Ends a run that was asked to stop: it reports and records the copied versions, and does no
    /// more.
    async fn end_early(&mut self) -> Result<()> {
        self.stopped();
        if self.options.mode != Mode::Run {
            return Ok(());
        }
        // Only the run that completes a bundle packs it.
        if matches!(self.sink, Sink::Folder(_) | Sink::Layout(_)) {
            self.sink.finish().await?;
        }
        self.settle().await
    }

    /// Returns true if an unchanged source means that there is nothing to do.
    fn tells_all(&self, state: &State) -> bool {
        let (then, now) = (&state.header, &self.after.header);
        self.options.mode != Mode::Check
            && self.options.remembering.earlier == Earlier::Use
            && then.settled
            && then.selection == now.selection
            && then.policy == now.policy
            && then.revisit.is_none_or(|time| self.options.now.as_second() < time)
            // Versions that vanished and were not removed then must be removed now.
            && (self.options.prune.is_none() || then.vanished == 0)
    }

    /// Returns true if a look at the destination is due: the last one is too old, or covered other
    /// versions. Every run sees the files of a folder.
    pub(super) fn is_look_due(&self, state: &State) -> bool {
        let (then, now) = (&state.header, &self.after.header);
        let every = self.options.look_every;
        if every.is_zero() {
            return true;
        }
        let age = |then: i64| u64::try_from(self.options.now.as_second() - then).unwrap_or(0);
        let fresh = then.looked.is_some_and(|then| age(then) < every.as_secs());
        !(self.sink.is_seen() || fresh && then.selection == now.selection)
    }

    /// Ends a run whose source and settings have not changed.
    fn unchanged(&mut self) -> Result<()> {
        self.report.unchanged = true;
        let Some(before) = self.before.take() else { return Ok(()) };
        // Only selected versions keep the record of a refusal or a skip.
        for record in before.records() {
            match record.outcome {
                Outcome::Held | Outcome::Present => self.place(record),
                Outcome::Skipped => {
                    self.place(record);
                    let told = self.kept(record, false);
                    self.report.tell(told);
                }
                Outcome::Alias => {}
                Outcome::Other => {
                    let told = self.kept(record, false);
                    self.report.tell(told);
                }
                _ => self.report.tell(still(record, None)),
            }
        }
        let seen = self.sink.is_seen();
        let counts = &mut self.report.counts;
        counts.selected = before.header.selected;
        counts.aliases = before.header.aliases;
        counts.attached = before.header.attached;
        counts.carried = before.header.carried;
        self.report.vanished = before.header.vanished;
        let kept = before.header.selected.saturating_sub(counts.refused + counts.skipped);
        *if seen { &mut counts.in_step } else { &mut counts.recorded } = kept;
        self.after.header.looked = before.header.looked;
        self.report.charts = before.header.charts;
        self.report.warnings.extend(before.header.remarks);
        Ok(())
    }

    /// Copies all remaining versions in parallel.
    async fn carry(&mut self, jobs: Vec<Job>, wanted: &[Wanted]) -> Result<()> {
        if jobs.is_empty() {
            return Ok(());
        }
        if let Some(ledger) = &mut self.ledger {
            ledger.begin(&self.after)?;
        }
        self.options.listener.tell(Event::Planned(jobs.len()));
        (self.begun, self.open) = (true, jobs.len());
        self.options.stop.carry();
        let carrier = self.carrier(wanted);
        let mut left = VecDeque::from(jobs);
        let mut under_way = JoinSet::new();
        let mut hope = GiveUp::new(self.options);
        loop {
            if self.options.stop.is_asked() {
                left.clear();
            }
            while under_way.len() < self.options.at_once
                && let Some(job) = left.pop_front()
            {
                under_way.spawn(Arc::clone(&carrier).carry(job));
            }
            let Some(done) = under_way.join_next().await else { break };
            let done = done.map_err(broke)?;
            hope.learn(done.failed);
            let why = match done.fatal {
                true => Some("the destination stored other content than it received"),
                false => hope.is_lost(),
            };
            self.note(done)?;
            if let Some(why) = why.filter(|_| !left.is_empty()) {
                self.report
                    .warnings
                    .push(format!("{} versions were not tried, since {why}", left.len()));
                for job in left.drain(..) {
                    let reason = Some(format!("not tried, since {why}"));
                    let told = Told {
                        cause: reason.clone(),
                        reason,
                        ..self.told(&job.candidate, &job.place, Status::Failed)
                    };
                    self.options.listener.tell(Event::Failed);
                    self.open -= 1;
                    self.report.tell(told);
                }
            }
            self.checkpoint().await;
        }
        self.report.warnings.extend(carrier.pointed.warnings(self.sink).await);
        Ok(())
    }

    pub(super) fn carrier(&self, wanted: &[Wanted]) -> Arc<Carrier> {
        Arc::new(Carrier {
            source: self.source.clone(),
            sink: self.sink.clone(),
            options: self.options.clone(),
            budget: Budget::new(self.options.memory, self.options.limits.memory_blob),
            places: plan::places(wanted),
            read_back: AtomicBool::new(false),
            attached: Attached::new(self.digest_tags.clone()),
            pointed: Pointed::default(),
        })
    }

    /// Records the result of a version. Once this returns, the record survives a kill.
    fn note(&mut self, done: Done) -> Result<()> {
        if let Some(record) = done.record {
            let record = record.clone().after(self.after.find(&record.id));
            if let Some(ledger) = &mut self.ledger {
                ledger.note(&record)?;
            }
            self.place(&record);
            self.after.record(record);
        }
        self.report.bytes += done.bytes;
        self.report.warnings.extend(done.warnings);
        self.options.listener.tell(match done.failed {
            None => Event::Done(done.bytes),
            Some(_) => Event::Failed,
        });
        self.open = self.open.saturating_sub(1);
        self.tell(done.told);
        Ok(())
    }

    /// Records the place's content for later sources of this run.
    pub(super) fn place(&self, record: &Record) {
        if let Some(place) = place_of(record, self.source, self.sink)
            && record.outcome.is_placed()
        {
            self.options.placed.note(place, record.content.clone());
        }
    }

    /// Counts a version, and adds it to the report if it is notable.
    pub(super) fn tell(&mut self, told: Told) {
        let plain = matches!(told.status, Status::InStep | Status::Recorded);
        if plain && told.reason.is_none() && self.options.detail == Detail::Notable {
            self.report.counts.count(told.status);
        } else {
            self.report.tell(told);
        }
    }

    pub(super) fn told(&self, candidate: &Candidate, place: &Target, status: Status) -> Told {
        Told {
            place: Some(self.sink.show(place)),
            digest: candidate.digest.clone(),
            ..Told::new(candidate.id.clone(), status)
        }
    }
}

/// Returns the place of a recorded version.
pub(super) fn place_of(record: &Record, source: &Source, sink: &Sink) -> Option<Target> {
    let version = record.named.as_deref().unwrap_or(&record.id.version);
    let naming = Naming { repo: source.name(), chart: &record.id.chart, version };
    sink.place(&naming).ok()
}

/// Returns a state without the records that files on this machine disprove. A state may outlive the
/// content that it describes.
fn believed(mut state: State, source: &Source, sink: &Sink) -> Option<State> {
    if sink.is_bare() {
        return None;
    }
    let lost: Vec<ChartVersion> = state
        .records()
        .filter(|record| record.outcome.is_in_step())
        .filter(|record| place_of(record, source, sink).is_some_and(|place| sink.has_lost(&place)))
        .map(|record| record.id.clone())
        .collect();
    if !lost.is_empty() {
        state.header.seen = CacheValidator::default();
    }
    for id in lost {
        state.forget(&id);
    }
    Some(state)
}

/// Returns the record of a version, updated from its current line.
pub(super) fn renewed(known: Record, job: &Job) -> Record {
    let now = record(job, known.outcome);
    let origin = now.origin.or(known.origin);
    Record {
        line: now.line,
        index: now.index,
        content_fingerprint: now.content_fingerprint,
        provenance_fingerprint: now.provenance_fingerprint,
        origin,
        ..known
    }
}

/// Repeats the refusal of an earlier run.
pub(super) fn still(record: &Record, place: Option<String>) -> Told {
    Told {
        place,
        outcome: Some(record.outcome),
        reason: record.reason.clone(),
        digest: record.index.clone(),
        destination_digest: record.content.clone(),
        manifest: record.manifest.clone(),
        ..Told::new(record.id.clone(), Status::Refused)
    }
}

/// Returns the fingerprint of the options that decide a refusal.
fn policy(options: &Options) -> Fingerprint {
    let Options { mismatch, conflict, alias, rewrite, artifact_hub, trust, belongings, .. } =
        options;
    let mut text = format!("{mismatch:?} {conflict:?} {alias:?}");
    if *trust != Trust::default() {
        text.push_str(&format!(" {trust:?}"));
    }
    if *belongings != Belongings::default() {
        text.push_str(&format!(" {belongings:?}"));
    }
    text.extend(rewrite.as_ref().map(|rules| format!(" {rules:?}")));
    text.extend(artifact_hub.as_ref().map(|metadata| format!(" {}", Fingerprint::of(metadata))));
    Fingerprint::of(text.as_bytes())
}

pub(super) fn broke(error: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Interrupted, "the work on a version ended early").with_source(error)
}
