//! A check compares every version and changes nothing except the record of differences. The next
//! run then looks at those places again instead of trusting an older record.

use super::{
    candidate::Provenance,
    carry::{
        compare::Comparison,
        work::{Carrier, Done, Job, Stop},
    },
    finish::remember,
    options::Event,
    plan::{self, Wanted},
    report::Status,
    run::{Run, broke, place_of, renewed, still},
    sink::{ExistingProvenance, Held},
    source::{CacheValidator, Source},
    state::{Outcome, Record},
};
use crate::{Advice, Error, ErrorKind, Result, digest::Digest};
use std::{collections::VecDeque, sync::Arc};
use tokio::task::JoinSet;

impl Run<'_> {
    /// Compares all versions, several at once.
    pub(super) async fn check(&mut self, jobs: Vec<Job>, wanted: &[Wanted]) -> Result<()> {
        self.options.listener.tell(Event::Planned(jobs.len()));
        let carrier = self.carrier(wanted);
        let before = self.before.clone();
        let mut left = VecDeque::from(jobs);
        let mut under_way = JoinSet::new();
        let mut marked = false;
        loop {
            while under_way.len() < self.options.at_once
                && let Some(mut job) = left.pop_front()
            {
                let record = before.as_ref().and_then(|state| state.find(&job.candidate.id));
                let record = record.filter(|record| plan::is_same(&job.candidate, record));
                let named =
                    |record: &&Record| matches!(record.outcome, Outcome::Alias | Outcome::Other);
                if let Some(record) = record.filter(named) {
                    let told = self.kept(record, true);
                    self.tell(told);
                    self.after.record(renewed(record.clone(), &job));
                    continue;
                }
                if let Some(record) = record.filter(|record| !record.outcome.is_placed()) {
                    // A refused version is not at the destination, as its record shows.
                    let mut told = still(record, Some(self.sink.show(&job.place)));
                    if record.outcome == Outcome::Conflict {
                        told.status = Status::Drift;
                    }
                    self.report.tell(told);
                    self.after.record(renewed(record.clone(), &job));
                    continue;
                }
                if let Some(record) = record.filter(|record| record.named.is_some())
                    && let Some(place) = place_of(record, self.source, self.sink)
                {
                    job.place = place;
                }
                // For a version that was never compared with the source, the registry's answer is
                // better.
                let compared = |record: &&Record| {
                    record.origin.is_some() || !matches!(self.source, Source::Registry(_))
                };
                let ours = job.ours.as_ref().filter(compared);
                let known = ours.and_then(|record| record.content.clone());
                under_way.spawn(Arc::clone(&carrier).check(job, known));
            }
            let Some(done) = under_way.join_next().await else { break };
            let done = done.map_err(broke)?;
            self.options.listener.tell(Event::Done(0));
            let known = before.as_ref().and_then(|state| state.find(&done.told.id));
            if matches!(done.told.status, Status::Drift | Status::Missing) {
                // A version that is missing and was never recorded needs no mark.
                marked |= done.taken || known.is_some();
                self.after.forget(&done.told.id);
            }
            if let Some(record) = done.record.filter(|_| known.is_none()) {
                self.after.record(record);
            }
            self.tell(done.told);
        }
        if marked { self.mark().await } else { Ok(()) }
    }

    /// Writes a state without the records of differing versions. It also makes no source count as
    /// unchanged.
    async fn mark(&mut self) -> Result<()> {
        let mut state = self.after.clone();
        state.header.seen = CacheValidator::default();
        // This makes the next run look at existing versions without a record.
        state.header.settled = true;
        if let Some(before) = &self.before {
            state.header.policy = before.header.policy;
        }
        if let Some(ledger) = &mut self.ledger {
            ledger.write(&state)?;
        }
        if let Err(error) = remember(self.sink, &self.key, state).await {
            self.report.warnings.push(format!(
                "the differences were not recorded at the destination; {}: {}",
                (self.options.advise)(&Advice::IgnoreState),
                error.chain()
            ));
        }
        Ok(())
    }
}

impl Carrier {
    /// Compares the destination with the record or the index, or with the source if neither has a
    /// digest. Changes nothing. `known` is the recorded digest.
    pub(super) async fn check(self: Arc<Self>, job: Job, known: Option<Digest>) -> Done {
        let of = |status, reason: String| {
            let mut done = self.done(&job, status, None);
            done.told.reason = Some(reason);
            done
        };
        match self.sink.look(&job.place).await {
            Err(error) => self.failed(&job, &error),
            Ok(Held::Nothing) => match self.other(&job).await {
                Some(done) => done,
                None => of(Status::Missing, "it is not there".to_owned()),
            },
            Ok(Held::Other(what)) => {
                if let Some(done) = self.other(&job).await {
                    return done;
                }
                let reason = format!("its place has {what}, not a chart");
                Done { taken: true, ..of(Status::Drift, reason) }
            }
            Ok(Held::Chart { content, manifest, provenance }) => {
                let mut found = self.differs(&job, known, &content, &provenance).await;
                if let Ok((_, lacks @ None)) = &mut found {
                    let origin = job.ours.as_ref().and_then(|record| record.origin.as_ref());
                    match self.lacks_attached(&job, origin, manifest.as_ref()).await {
                        Ok(found) => *lacks = found,
                        Err(error) => return self.failed(&job, &error),
                    }
                }
                let mut done = match found {
                    Ok((ours, Some(reason))) => {
                        let mut done = Done { taken: true, ..of(Status::Drift, reason) };
                        done.told.digest = ours.or(done.told.digest);
                        done
                    }
                    Ok((ours, None)) => {
                        let mut done = self.done(&job, Status::InStep, None);
                        done.told.digest = ours.or(done.told.digest);
                        done.record = Some(Record {
                            content: Some(content.clone()),
                            manifest: manifest.clone(),
                            ..self.record(&job, Outcome::Held)
                        });
                        done
                    }
                    Err(Stop::Refused(outcome, reason)) => {
                        self.done(&job, Status::Refused, Some((outcome, reason)))
                    }
                    Err(Stop::Taken(reason, ..)) => of(Status::Drift, reason),
                    Err(Stop::Failed(error) | Stop::Withheld(error) | Stop::Fatal(error)) => {
                        self.failed(&job, &error)
                    }
                };
                done.told.destination_digest = Some(content);
                done.told.manifest = manifest;
                done
            }
        }
    }

    /// Returns the expected digest of a place, and the difference of its content from the source,
    /// if any.
    async fn differs(
        &self,
        job: &Job,
        known: Option<Digest>,
        content: &Digest,
        there: &ExistingProvenance,
    ) -> Result<(Option<Digest>, Option<String>), Stop> {
        let mut expected: Vec<Digest> = known.into_iter().collect();
        let rewritten = self.options.rewrite.is_some();
        if expected.is_empty() && !rewritten && matches!(self.source, Source::Registry(_)) {
            let seen = match self.source.peek(&job.candidate).await {
                Ok(seen) => seen,
                Err(error) if matches!(error.kind(), ErrorKind::Invalid | ErrorKind::NotFound) => {
                    let reason = format!("the source has no chart: {}", error.chain());
                    return Ok((None, Some(reason)));
                }
                Err(error) => return Err(error.into()),
            };
            if let Some(ours) = &seen.provenance
                && let Some(what) = lost(ours, there)
            {
                return Ok((seen.content, Some(what.to_owned())));
            }
            expected.extend(seen.content);
        }
        if !rewritten {
            expected.extend(job.candidate.digest.clone());
        }
        if matches!(self.source, Source::Layout(_)) && !expected.is_empty() {
            // The manifest only promises the archive, whose file may be damaged.
            let mut reserved = self.budget.reserve().await;
            self.fetch(job, &mut reserved).await?;
        }
        if expected.is_empty() {
            // Without a record or a list that has a digest, the archive is the reference.
            let mut reserved = self.budget.reserve().await;
            expected.push(self.fetch(job, &mut reserved).await?.payload.content.digest);
        }
        let ours = Some(expected[0].clone());
        if !expected.contains(content) {
            let reason = format!("it has {content}, and the source has {}", expected[0]);
            return Ok((ours, Some(reason)));
        }
        if let Some(what) = self.lacks(job, there).await? {
            return Ok((ours, Some(what)));
        }
        let Some(second) = &job.second else { return Ok((ours, None)) };
        let held = self.sink.look(&job.place.renamed(&second.name)).await?;
        let same = matches!(&held, Held::Chart { content: its, .. } if its == content);
        let lacks = (!same).then(|| format!("its second tag `{}` is not there", second.name));
        Ok((ours, lacks))
    }

    /// Describes the files that a place lacks beside its archive, by the known state of the source,
    /// without a network request.
    async fn lacks(&self, job: &Job, there: &ExistingProvenance) -> Result<Option<String>, Error> {
        if job.provenance != Provenance::There || self.options.rewrite.is_some() {
            return Ok(None);
        }
        match there {
            ExistingProvenance::Unknown => Ok(None),
            ExistingProvenance::Nothing => Ok(Some("its provenance file is not there".to_owned())),
            // Only sources on this machine list them.
            ExistingProvenance::File(_) if job.candidate.provenance != Provenance::There => {
                Ok(None)
            }
            ExistingProvenance::File(_) => {
                let ours = self.source.peek(&job.candidate).await?.provenance;
                Ok(ours.and_then(|ours| lost(&ours, there)).map(str::to_owned))
            }
        }
    }
}

/// Returns the difference between the destination's provenance file and the source's.
fn lost(ours: &Digest, there: &ExistingProvenance) -> Option<&'static str> {
    match Comparison::of_provenance(Some(ours), there) {
        Comparison::Lacks(_) => Some("its provenance file is not there"),
        Comparison::Other(_) => Some("its provenance file differs"),
        Comparison::Same | Comparison::Unknown => None,
    }
}
