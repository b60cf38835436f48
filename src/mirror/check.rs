//! A check: everything is looked at and nothing is changed but the memory of what differs, so that the next run looks
//! there again instead of believing an older record.

use super::{
    end::remember,
    options::Event,
    plan::{self, Wanted},
    report::Status,
    run::{Run, broke, place_of, renewed, still},
    source::Seen,
    state::Outcome,
    work::Job,
};
use crate::Result;
use std::{collections::VecDeque, sync::Arc};
use tokio::task::JoinSet;

impl Run<'_> {
    /// Looks at everything, side by side.
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
                if let Some(record) = record.filter(|record| !record.outcome.is_in_step()) {
                    // What was refused is not there, and is known not to be.
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
                let known = record.and_then(|record| record.content.clone());
                under_way.spawn(Arc::clone(&carrier).check(job, known));
            }
            let Some(done) = under_way.join_next().await else { break };
            let done = done.map_err(broke)?;
            self.options.listener.tell(Event::Done(0));
            let known = before.as_ref().and_then(|state| state.find(&done.told.id));
            if done.told.status == Status::Drift {
                // What is not there and was never said to be is found without a mark.
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

    /// Leaves a state that no longer speaks of what differs, and under which no source is unchanged.
    async fn mark(&mut self) -> Result<()> {
        let mut state = self.after.clone();
        state.header.seen = Seen::default();
        // What has no record and is there is looked at, by this.
        state.header.settled = true;
        if let Some(before) = &self.before {
            state.header.policy = before.header.policy;
        }
        if let Some(ledger) = &mut self.ledger {
            ledger.write(&state)?;
        }
        if let Err(error) = remember(self.sink, &self.key, state).await {
            self.report.warnings.push(format!(
                "what differs was not noted at the destination; `--ignore-state` with `--on-conflict` looks at everything: {}",
                error.chain()
            ));
        }
        Ok(())
    }
}
