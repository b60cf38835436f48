//! Which of a source's versions are wanted, where they belong, and which of them are work: what is in step already is settled
//! here. How one decides is [`super::plan`]'s business.

use super::{
    candidate::Provenance,
    plan::{self, Action, Belief, Memory, Presence, Wanted},
    report::{Mode, Status, Told},
    run::{Earlier, OnConflict, Run, renewed, still},
    select::Selected,
    sink::{Naming, Place, Sink},
    state::{Outcome, Record},
    work::{Job, record},
};
use crate::{Error, Result};
use futures_util::{StreamExt, TryStreamExt};
use std::collections::HashSet;

/// Groups listed side by side.
const LISTS: usize = 32;

impl Run<'_> {
    /// The selected versions of this shard, with their places.
    pub(super) fn want(&mut self, selected: Selected) -> Vec<Wanted> {
        self.report.counts.left_out = selected.left_out;
        for id in selected.doubled {
            self.report.warnings.push(format!(
                "{id} is listed twice with different digests; the younger entry is taken"
            ));
        }
        if selected.undated > 0 {
            self.report.warnings.push(match selected.undated {
                1 => {
                    "1 version does not say when it was made, and was left out for that".to_owned()
                }
                more => format!(
                    "{more} versions do not say when they were made, and were left out for that"
                ),
            });
        }
        let mut charts = HashSet::new();
        let mut wanted = Vec::new();
        for candidate in selected.candidates {
            if !self.options.shard.has(&candidate.id) {
                continue;
            }
            charts.insert(candidate.id.chart.clone());
            let naming = Naming {
                repo: self.source.name(),
                chart: &candidate.id.chart,
                version: &candidate.id.version,
            };
            let place = self.sink.place(&naming).map_err(|error| error.chain());
            wanted.push(Wanted { candidate, place });
        }
        self.report.charts = charts.len();
        self.report.counts.selected = wanted.len();
        self.after.header.charts = charts.len();
        self.after.header.selected = wanted.len();
        wanted
    }

    /// Plans, settles what needs no work, and gives the rest.
    pub(super) async fn plan(&mut self, wanted: &[Wanted]) -> Result<Vec<Job>> {
        let before = self.before.as_ref();
        let groups = match self.options.mode {
            // Each version is looked at by itself.
            Mode::Check => Default::default(),
            Mode::Run | Mode::DryRun => plan::groups(wanted, before),
        };
        let sink = self.sink;
        let present: plan::Present = futures_util::stream::iter(groups)
            .map(|group| async move {
                let names = sink.present(&group).await?;
                Ok::<_, Error>((group, names))
            })
            .buffer_unordered(LISTS)
            .try_collect()
            .await?;
        let same_policy =
            before.is_some_and(|state| state.header.policy == self.after.header.policy);
        let compared = self.options.conflict != OnConflict::Fail;
        let again = !same_policy || self.options.remembering.earlier == Earlier::Retry;
        let belief = Belief {
            memory: match (again, compared) {
                (false, _) => Memory::Whole,
                (true, false) => Memory::WithoutRefusals,
                (true, true) => Memory::Compared,
            },
            presence: match self.sink {
                _ if compared => Presence::Compared,
                Sink::Folder(_) => Presence::Near,
                _ => Presence::Equal,
            },
            rewritten: self.options.rewrite.is_some(),
        };
        let mut actions = plan::plan(wanted, before, &present, belief);
        for (one, action) in wanted.iter().zip(&mut actions) {
            // What another source of this run has is compared, not taken for ours.
            if let (Action::Adopt | Action::Send, Ok(place)) = (&*action, &one.place)
                && let Some(content) = self.options.placed.find(place)
            {
                let same = content.is_some() && content == one.candidate.digest;
                *action = if same { Action::Adopt } else { Action::Look };
            }
        }
        let mut jobs = Vec::new();
        for (one, action) in wanted.iter().zip(actions) {
            let known = before.and_then(|state| state.find(&one.candidate.id)).cloned();
            let provenance = match one.candidate.provenance {
                Provenance::Unasked => known
                    .as_ref()
                    .filter(|known| plan::is_same(&one.candidate, known))
                    .map_or(Provenance::Unasked, |known| known.provenance),
                listed => listed,
            };
            let place = one
                .place
                .clone()
                .unwrap_or_else(|_| Place { group: String::new(), name: String::new() });
            let job = Job { candidate: one.candidate.clone(), place, action, provenance };
            match (&job.action, known) {
                (Action::Unplaced(reason), _) => {
                    let told = Told {
                        place: None,
                        outcome: Some(Outcome::Unfit),
                        reason: Some(reason.clone()),
                        ..self.told(&job.candidate, &job.place, Status::Refused)
                    };
                    self.after.record(Record {
                        reason: Some(reason.clone()),
                        ..record(&job, Outcome::Unfit)
                    });
                    self.report.tell(told);
                }
                _ if self.options.mode == Mode::Check => jobs.push(job),
                (Action::Keep, Some(known)) => {
                    self.report.counts.count(Status::InStep);
                    self.place(&known);
                    self.after.record(renewed(known, &job));
                }
                (Action::Still, Some(known)) => {
                    let shown = self.sink.show(&job.place);
                    self.report.tell(still(&known, Some(shown)));
                    self.after.record(renewed(known, &job));
                }
                (Action::Adopt, _) => {
                    self.report.counts.count(Status::InStep);
                    let digest = present
                        .get(&job.place.group)
                        .and_then(|names| names.get(&job.place.name))
                        .cloned()
                        .flatten();
                    let adopted = Record { content: digest, ..record(&job, Outcome::Present) };
                    self.place(&adopted);
                    self.after.record(adopted);
                }
                _ => jobs.push(job),
            }
        }
        Ok(jobs)
    }
}
