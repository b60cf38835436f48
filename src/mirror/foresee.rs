//! A dry run: what would come of each version, as far as manifests and indexes say it. No archive is fetched, and nothing is
//! put.

use super::{
    likeness::{Likeness, There},
    plan::{Action, Wanted},
    report::{Status, Told},
    run::{OnConflict, Run},
    sink::Held,
    state::Outcome,
    work::{Carrier, Job, other_taker},
};
use crate::Result;
use futures_util::StreamExt;
use std::sync::Arc;

impl Run<'_> {
    /// Says what would be done, side by side.
    pub(super) async fn foresee(&mut self, jobs: Vec<Job>, wanted: &[Wanted]) -> Result<()> {
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
    async fn foresee(&self, job: &Job) -> Told {
        let of = |status| self.done(job, status, None).told;
        let known = match &job.action {
            Action::Compare(known) if self.options.conflict != OnConflict::Overwrite => {
                known.content.clone()
            }
            Action::Compare(_) | Action::Look => None,
            _ => return of(Status::Planned),
        };
        let likeness = match known {
            Some(_) if self.options.rewrite.is_some() => Likeness::Unknown,
            Some(known) => match &job.candidate.digest {
                Some(said) if *said == known => Likeness::Same,
                Some(said) => Likeness::other(&known, said),
                None => Likeness::Unknown,
            },
            None => match self.sink.look(&job.place).await {
                Err(error) => return self.failed(job, &error).told,
                Ok(Held::Nothing) => return of(Status::Planned),
                Ok(Held::Other(what)) => {
                    let refused = Some((Outcome::Conflict, other_taker(&what)));
                    return self.done(job, Status::Refused, refused).told;
                }
                Ok(Held::Chart { .. }) if self.options.rewrite.is_some() => Likeness::Unknown,
                Ok(Held::Chart { content, manifest, provenance }) => {
                    self.is_there(job, &There { content, manifest, provenance }).await.likeness
                }
            },
        };
        match (likeness, self.options.conflict) {
            (Likeness::Same, _) => of(Status::InStep),
            (Likeness::Unknown, _) => of(Status::ToCompare),
            (Likeness::Lacks(reason), _) | (Likeness::Other(reason), OnConflict::Overwrite) => {
                Told { reason: Some(reason), ..of(Status::WouldReplace) }
            }
            (Likeness::Other(reason), OnConflict::Skip) => {
                self.done(job, Status::InStep, Some((Outcome::Skipped, reason))).told
            }
            (Likeness::Other(reason), OnConflict::Fail) => {
                self.done(job, Status::Refused, Some((Outcome::Conflict, reason))).told
            }
        }
    }
}
