//! The wanted versions of a source, their places, and the versions that need work. Versions in step
//! are settled here. [`crate::mirror::plan`] makes each decision.

use super::{Action, Presence, RecordUse, Trusted, Wanted};
use crate::{
    Advice, Error, Result,
    mirror::{
        candidate::{Candidate, Provenance},
        carry::{
            second_tag::{Second, Standing},
            work::{Job, record},
        },
        options::{Belongings, Trust},
        plan,
        report::{Mode, Status, Told},
        run::{Earlier, OnConflict, Run, place_of, renewed, still},
        select::Selected,
        sink::{Naming, Target},
        state::{Outcome, Record},
    },
};
use futures_util::{StreamExt, TryStreamExt};
use std::collections::{BTreeSet, HashSet};

/// The number of groups listed at once.
const LISTS: usize = 32;

impl Run<'_> {
    /// Returns the selected versions of this shard, with their places.
    pub(crate) fn want(&mut self, selected: Selected) -> Vec<Wanted> {
        self.report.counts.left_out = selected.left_out;
        for id in selected.doubled {
            self.report.warnings.push(format!(
                "{id} is listed twice with different digests; the younger entry is taken"
            ));
        }
        if selected.undated > 0 {
            self.report.warnings.push(match selected.undated {
                1 => "1 version was skipped because it has no creation time".to_owned(),
                more => format!("{more} versions were skipped because they have no creation time"),
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
            let place = if candidate.id.version.is_empty() {
                // Only a folder without an index lists such an archive.
                Err("its archive cannot be read, and its file name has no version".to_owned())
            } else {
                self.sink.place(&naming).map_err(|error| self.options.explain(&error))
            };
            let known = self.before.as_ref().and_then(|state| state.find(&candidate.id));
            let lies = known
                .filter(|record| record.outcome.is_in_step())
                .and_then(|record| place_of(record, self.source, self.sink));
            wanted.push(Wanted { candidate, place, lies, alias: None });
        }
        if self.sink.takes_tags() {
            let taken = plan::places(&wanted);
            for one in &mut wanted {
                let Ok(place) = &one.place else { continue };
                let alias = self.options.alias.of(&place.name);
                let free = alias.filter(|alias| !taken.contains(&place.renamed(alias)));
                one.alias = free.map(str::to_owned);
            }
        }
        self.report.charts = charts.len();
        self.report.counts.selected = wanted.len();
        self.after.header.charts = charts.len();
        self.after.header.selected = wanted.len();
        wanted
    }

    /// Returns true if the source has other tags of a version's digest than an earlier run saw.
    fn is_signed_anew(&self, candidate: &Candidate, known: Option<&Record>) -> bool {
        let Some(known) = known.filter(|known| known.outcome.is_in_step()) else { return false };
        let tags = self.digest_tags.get(self.source.repository_name(candidate));
        let digest = self.source.manifest_digest(candidate, known.origin.as_ref());
        match (tags, digest) {
            (Some(tags), Some(digest)) => {
                let found = tags.count_of(&digest);
                // An earlier run may have left everything behind, as requested.
                let is_left = known.carried == 0 && known.attached + known.digest_tags > 0;
                let can_follow = known.manifest.as_ref().is_none_or(|kept| *kept == digest);
                self.options.belongings == Belongings::Carry
                    && self.sink.takes_belongings()
                    && (found != known.digest_tags || is_left && can_follow)
            }
            _ => false,
        }
    }

    /// Plans, settles the versions that need no work, and returns the others.
    pub(crate) async fn plan(&mut self, wanted: &[Wanted]) -> Result<Vec<Job>> {
        let taken = self.before.take();
        let before = taken.as_ref();
        let all: BTreeSet<String> =
            wanted.iter().filter_map(|one| one.place.clone().ok()).map(|at| at.group).collect();
        let due = before.is_none_or(|state| self.is_look_due(state));
        let groups = match self.options.mode {
            // A check looks at each version separately.
            Mode::Check => BTreeSet::new(),
            Mode::Run | Mode::DryRun if due => all.clone(),
            Mode::Run | Mode::DryRun => plan::groups(wanted, before),
        };
        let looked = match (self.options.mode, before) {
            (Mode::Run | Mode::DryRun, Some(state))
                if groups != all || (all.is_empty() && !due) =>
            {
                state.header.looked
            }
            _ => Some(self.options.now.as_second()),
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
        self.after.header.looked = looked;
        // A version refused because it was not selected may be selected now.
        let same_selection =
            before.is_some_and(|state| state.header.selection == self.after.header.selection);
        let compared = self.options.conflict != OnConflict::Fail;
        let again = !same_policy || self.options.remembering.earlier == Earlier::Retry;
        let belief = Trusted {
            memory: match (again, compared) {
                (false, _) if same_selection => RecordUse::Whole,
                (false, _) | (true, false) => RecordUse::WithoutRefusals,
                (true, true) => RecordUse::Compared,
            },
            presence: match self.options.trust {
                _ if compared => Presence::Compared,
                Trust::Nothing => Presence::Listed,
                Trust::Tags => Presence::Equal,
            },
            shape: self.options.shape(),
        };
        let mut actions = plan::plan(wanted, before, &present, belief);
        for (one, action) in wanted.iter().zip(&mut actions) {
            // A version from another source of this run is compared, not adopted.
            if let (Action::Adopt | Action::Send, Ok(place)) = (&*action, &one.place)
                && let Some(content) = self.options.placed.find(place)
            {
                let same =
                    belief.shape.is_none() && content.is_some() && content == one.candidate.digest;
                *action = if same { Action::Adopt } else { Action::Look };
            }
        }
        let mut jobs = Vec::new();
        let mut trusted = 0;
        for (one, action) in wanted.iter().zip(actions) {
            let known = before.and_then(|state| state.find(&one.candidate.id)).cloned();
            let action = match action {
                // A signature was added since; the chart itself needs nothing.
                Action::Keep if self.is_signed_anew(&one.candidate, known.as_ref()) => Action::Name,
                action => action,
            };
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
                .unwrap_or_else(|_| Target { group: String::new(), name: String::new() });
            let names = present.get(&place.group);
            let listed = names.and_then(|names| names.get(&place.name)).cloned().flatten();
            let second = one.alias.clone().map(|name| {
                let ours = known.as_ref().and_then(|known| known.alias.as_ref()) == Some(&name);
                let free = names.is_some_and(|names| !names.contains_key(&name));
                let standing = match (ours, free) {
                    (true, _) => Standing::Ours,
                    (_, true) => Standing::Free,
                    _ => Standing::Unknown,
                };
                Second { name, standing }
            });
            let ours = known
                .as_ref()
                .filter(|known| known.outcome.is_in_step() && known.shape == belief.shape)
                .filter(|known| plan::is_same(&one.candidate, known));
            let job = Job {
                candidate: one.candidate.clone(),
                place,
                action,
                provenance,
                second,
                // The run examines the place of a version that a policy compares, not a list.
                listed: listed.filter(|_| !compared),
                ours: ours.cloned(),
                was: known.as_ref().map(|known| known.outcome),
            };
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
                    let seen = one.lies.as_ref().is_some_and(|at| present.contains_key(&at.group));
                    let told = self.kept(&known, seen);
                    self.tell(told);
                    self.place(&known);
                    self.after.record(renewed(known, &job));
                }
                (Action::Still, Some(known)) => {
                    let shown = self.sink.show(&job.place);
                    self.report.tell(still(&known, Some(shown)));
                    self.after.record(renewed(known, &job));
                }
                (Action::Adopt, _) => {
                    let listed = names
                        .and_then(|names| names.get(&job.place.name))
                        .cloned()
                        .flatten()
                        .or_else(|| self.options.placed.find(&job.place).flatten());
                    let same = listed.is_some() && listed == job.candidate.digest;
                    let outcome = if same { Outcome::Held } else { Outcome::Present };
                    trusted += usize::from(!same);
                    let adopted =
                        Record { content: listed, shape: belief.shape, ..record(&job, outcome) };
                    let told = self.kept(&adopted, true);
                    self.tell(told);
                    self.place(&adopted);
                    self.after.record(adopted);
                }
                _ => jobs.push(job),
            }
        }
        if trusted > 0 {
            self.report.warnings.push(format!(
                "{trusted} versions count as in step because their tags exist; {}",
                (self.options.advise)(&Advice::CompareTrusted)
            ));
        }
        self.before = taken;
        Ok(jobs)
    }

    /// Reports a recorded version that needs no action. `seen` is `true` if a list of this run has
    /// it.
    pub(crate) fn kept(&self, known: &Record, seen: bool) -> Told {
        let status = match known.outcome {
            Outcome::Skipped => Status::Skipped,
            Outcome::Alias => Status::InStep,
            Outcome::Other => Status::Other,
            _ if seen || self.sink.is_seen() => Status::InStep,
            _ => Status::Recorded,
        };
        let skipped = matches!(status, Status::Skipped | Status::Other);
        Told {
            place: place_of(known, self.source, self.sink).map(|place| self.sink.show(&place)),
            outcome: Some(known.outcome).filter(|_| skipped),
            reason: known.reason.clone().filter(|_| skipped),
            digest: known.index.clone().or_else(|| known.content.clone()),
            destination_digest: known.content.clone(),
            manifest: known.manifest.clone(),
            ..Told::new(known.id.clone(), status)
        }
    }
}
