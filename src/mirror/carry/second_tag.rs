//! The second tag of a version: `1.2.3` beside `v1.2.3`. It is set only if the tag is free. A
//! version that an earlier run copied without one gets it too.

use super::work::{Carrier, Done, Job, Stop};
use crate::mirror::{
    options::OnConflict,
    report::Status,
    sink::{Held, Naming, Target},
    state::Record,
};

/// A second tag to set for a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Second {
    pub(crate) name: String,
    pub(crate) standing: Standing,
}

/// The owner of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// No version, according to a list of this run.
    Free,
    /// The version itself, according to its record.
    Ours,
    /// Unknown: no run has looked.
    Unknown,
}

impl Second {
    /// Returns the tag, if it may be set without a look.
    pub(crate) fn given(&self) -> Option<&str> {
        (self.standing != Standing::Unknown).then_some(self.name.as_str())
    }
}

impl Carrier {
    /// Returns the result for a version that is recorded as in step and lacks only its second tag.
    pub(crate) fn recorded(&self, job: &Job) -> Done {
        let done = self.done(job, Status::InStep, None);
        Done { record: job.ours.clone(), ..done }
    }

    /// Sets the second tag of a version that is in step, unless it has it.
    pub(crate) async fn name(&self, job: &Job, mut done: Done) -> Result<Done, Stop> {
        let Some(record) = done.record.as_mut().filter(|record| record.outcome.is_in_step()) else {
            return Ok(done);
        };
        let Some((place, alias)) = self.second(job, record) else { return Ok(done) };
        let second = place.renamed(&alias);
        let free = match self.sink.look(&second).await? {
            Held::Nothing => true,
            Held::Chart { content, .. } if Some(&content) == record.content.as_ref() => {
                record.alias = Some(alias);
                return Ok(done);
            }
            Held::Chart { .. } => self.options.conflict == OnConflict::Overwrite,
            Held::Other(_) => false,
        };
        if !free {
            let shown = self.sink.show(&second);
            done.warnings
                .push(format!("{} has no second tag: `{shown}` has other content", record.id));
            return Ok(done);
        }
        self.sink.tag(&place, &alias).await?;
        let said = format!("tagged `{alias}` too");
        record.alias = Some(alias);
        done.told.reason = Some(match done.told.reason.take() {
            Some(reason) => format!("{reason}; {said}"),
            None => said,
        });
        if done.told.status == Status::InStep {
            done.told.status = Status::Sent;
        }
        Ok(done)
    }

    /// Returns the place of a version and the second tag that it lacks.
    fn second(&self, job: &Job, record: &Record) -> Option<(Target, String)> {
        let place = match &record.named {
            None => job.place.clone(),
            Some(version) => {
                let chart = &job.candidate.id.chart;
                self.sink.place(&Naming { repo: self.source.name(), chart, version }).ok()?
            }
        };
        let alias = self.options.alias.of(&place.name).filter(|_| self.sink.takes_tags())?;
        let free = !self.places.contains(&place.renamed(alias));
        let alias = (free && record.alias.as_deref() != Some(alias)).then(|| alias.to_owned())?;
        Some((place, alias))
    }
}
