//! A dry run: the expected result for each version, from manifests and indexes. It downloads no
//! archive and stores nothing.

use super::{Action, Wanted};
use crate::{
    Result,
    mirror::{
        carry::{
            compare::{Comparison, Existing},
            second_tag::Standing,
            work::{Carrier, Job, other_taker},
        },
        report::{Status, Told},
        run::{OnConflict, Run},
        sink::Held,
        state::Outcome,
    },
};
use futures_util::StreamExt;
use std::sync::Arc;

impl Run<'_> {
    /// Reports the planned actions, looking at several versions at once.
    pub(crate) async fn foresee(&mut self, jobs: Vec<Job>, wanted: &[Wanted]) -> Result<()> {
        let carrier = self.carrier(wanted);
        let mut told = futures_util::stream::iter(jobs)
            .map(|job| {
                let carrier = Arc::clone(&carrier);
                async move { carrier.foresee(&job).await }
            })
            .buffer_unordered(self.options.at_once);
        let mut all = Vec::new();
        while let Some(one) = told.next().await {
            all.push(one);
        }
        drop(told);
        all.into_iter().for_each(|one| self.tell(one));
        Ok(())
    }
}

impl Carrier {
    /// Reports a missing version, which a run would copy if it is a chart.
    async fn planned(&self, job: &Job) -> Told {
        match self.other(job).await {
            Some(done) => done.told,
            None => self.done(job, Status::Planned, None).told,
        }
    }

    /// Reports a present version, which a run would tag if it lacks its second tag and that tag is
    /// free.
    async fn in_step_but_named(&self, job: &Job) -> Told {
        let told = self.done(job, Status::InStep, None).told;
        let second = job.second.as_ref().filter(|second| second.standing != Standing::Ours);
        let Some(second) = second else { return told };
        match self.sink.look(&job.place.renamed(&second.name)).await {
            Ok(Held::Nothing) => {
                let reason = Some(format!("to be tagged `{}` too", second.name));
                Told { status: Status::Planned, reason, ..told }
            }
            Ok(_) => told,
            Err(error) => self.failed(job, &error).told,
        }
    }

    async fn foresee(&self, job: &Job) -> Told {
        let of = |status| self.done(job, status, None).told;
        let known = match &job.action {
            Action::Compare(known) if self.options.conflict != OnConflict::Overwrite => {
                known.content.clone()
            }
            Action::Compare(_) | Action::Look => None,
            Action::Name => return self.in_step_but_named(job).await,
            _ => return self.planned(job).await,
        };
        let mut there = known.clone();
        let likeness = match known {
            Some(_) if self.options.rewrite.is_some() => Comparison::Unknown,
            Some(known) => match &job.candidate.digest {
                Some(said) if *said == known => Comparison::Same,
                Some(said) => Comparison::other(&known, said),
                None => Comparison::Unknown,
            },
            None => match self.held(job).await {
                Err(error) => return self.failed(job, &error).told,
                Ok(Held::Nothing) => return self.planned(job).await,
                Ok(Held::Other(what)) => {
                    if let Some(done) = self.other(job).await {
                        return done.told;
                    }
                    let refused = Some((Outcome::Conflict, other_taker(&what)));
                    return self.done(job, Status::Refused, refused).told;
                }
                Ok(Held::Chart { content, manifest, provenance }) => {
                    there = Some(content.clone());
                    self.is_there(job, &Existing { content, manifest, provenance }).await.likeness
                }
            },
        };
        let of = |status| Told { destination_digest: there.clone(), ..of(status) };
        match (likeness, self.options.conflict) {
            (Comparison::Same, _) => {
                Told { destination_digest: there.clone(), ..self.in_step_but_named(job).await }
            }
            (Comparison::Unknown, _) => of(Status::ToCompare),
            (Comparison::Lacks(reason), _) | (Comparison::Other(reason), OnConflict::Overwrite) => {
                Told { reason: Some(reason), ..of(Status::WouldReplace) }
            }
            (Comparison::Other(reason), OnConflict::Skip) => Told {
                outcome: Some(Outcome::Skipped),
                reason: Some(reason),
                ..of(Status::Skipped)
            },
            (Comparison::Other(reason), OnConflict::Fail) => Told {
                outcome: Some(Outcome::Conflict),
                reason: Some(reason),
                ..of(Status::Refused)
            },
        }
    }
}
