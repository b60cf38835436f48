//! The copy of everything that belongs to a chart: signatures, attestations, SBOMs and other
//! referrers, and the tags made of its manifest's digest. They name the manifest, so they can only
//! follow it to a destination that holds the same manifest.

use super::work::{Carrier, Done, Job};
use crate::{
    Error, ErrorKind, Result,
    lock::Locked as _,
    mirror::{
        run::Belongings,
        sink::{Naming, Target, bundle::apart},
        state::Record,
    },
    oci::Digest,
    ops::{
        any_repository::AnyRepository,
        copy::{self, DigestTags, Side},
    },
};
use std::sync::{Arc, atomic::Ordering};

/// The number of referrers of a manifest, and of tags made of its digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Found {
    referrers: usize,
    tags: usize,
}

/// Both ends of the copy of what belongs to one manifest.
struct Ends {
    source: AnyRepository,
    target: AnyRepository,
    /// The place for messages.
    name: String,
    digest: Digest,
    tags: Arc<DigestTags>,
}

impl Ends {
    fn sides(&self) -> (Side<'_>, Side<'_>) {
        let of = |repository| Side { repository, name: &self.name };
        (of(&self.source), of(&self.target))
    }

    async fn copy(&self) -> Result<copy::Report> {
        let (source, target) = self.sides();
        copy::copy_attached(source, target, &self.digest, &self.tags).await
    }

    async fn missing(&self) -> Result<Vec<String>> {
        let (source, target) = self.sides();
        copy::missing_attached(source, target, &self.digest, &self.tags).await
    }
}

impl Carrier {
    /// Copies what belongs to a version that is in step, or counts it.
    pub(crate) async fn attach(&self, job: &Job, mut done: Done) -> Done {
        let Some(record) = done.record.as_mut().filter(|record| record.outcome.is_in_step()) else {
            return done;
        };
        let Some(origin) = self.source.manifest_digest(&job.candidate, record.origin.as_ref())
        else {
            return done;
        };
        let carries = self.options.belongings == Belongings::Carry;
        let found = match self.find(job, &origin).await {
            Ok(found) => found,
            // Without them, nothing of the chart itself is missing.
            Err(_) if !carries => return done,
            Err(error) => return self.not_attached(job, done, &error),
        };
        (record.attached, record.digest_tags) = (found.referrers, found.tags);
        if found == Found::default() || !carries {
            return done;
        }
        let Some(place) = self.place_of(job, record) else { return done };
        let manifest = record.manifest.clone();
        match self.carry_attached(job, &origin, manifest.as_ref(), &place).await {
            Ok(Some(carried)) => record.carried = carried,
            Ok(None) => {}
            Err(error) => return self.not_attached(job, done, &error),
        }
        done
    }

    /// Copies what is attached to the manifest `origin`. Returns `None` if it cannot follow.
    async fn carry_attached(
        &self,
        job: &Job,
        origin: &Digest,
        manifest: Option<&Digest>,
        place: &Target,
    ) -> Result<Option<usize>> {
        let Some(source) = self.source.repository_of(&job.candidate)? else { return Ok(None) };
        let Some(target) = self.sink.repository_at(place)? else { return Ok(None) };
        // A look at a layout does not always show the manifest.
        if manifest.is_some_and(|manifest| manifest != origin) {
            return Ok(None);
        }
        let tags = self.digest_tags(job, &source).await?;
        let ends =
            Ends { source, target, name: self.sink.show(place), digest: origin.clone(), tags };
        let report = apart(move || async move { ends.copy().await }).await?;
        if let Some(first) = report.lost.first() {
            let message = format!("the destination lacks {first} after the copy");
            return Err(Error::new(ErrorKind::Partial, message));
        }
        Ok(Some(report.referrers + report.digest_tags))
    }

    /// Returns what the destination lacks of what belongs to a version: a phrase for the first.
    pub(crate) async fn lacks_attached(
        &self,
        job: &Job,
        origin: Option<&Digest>,
        manifest: Option<&Digest>,
    ) -> Result<Option<String>> {
        if self.options.belongings != Belongings::Carry {
            return Ok(None);
        }
        let Some(origin) = self.source.manifest_digest(&job.candidate, origin) else {
            return Ok(None);
        };
        if manifest.is_some_and(|manifest| *manifest != origin)
            || self.find(job, &origin).await? == Found::default()
        {
            return Ok(None);
        }
        let Some(source) = self.source.repository_of(&job.candidate)? else { return Ok(None) };
        let Some(target) = self.sink.repository_at(&job.place)? else { return Ok(None) };
        let tags = self.digest_tags(job, &source).await?;
        let ends = Ends { source, target, name: self.sink.show(&job.place), digest: origin, tags };
        let lacks = apart(move || async move { ends.missing().await }).await?;
        Ok(lacks.into_iter().next().map(|first| format!("it lacks {first}")))
    }

    /// Counts what is attached to a manifest at the source.
    async fn find(&self, job: &Job, origin: &Digest) -> Result<Found> {
        let Some(repository) = self.source.repository_of(&job.candidate)? else {
            return Ok(Found::default());
        };
        let tags = self.digest_tags(job, &repository).await?.count_of(origin);
        let attached = &self.attached;
        let referrers = match attached.listless.load(Ordering::Relaxed) {
            true => None,
            false => self.source.referrers(&job.candidate, origin).await?,
        };
        if referrers.is_none() {
            attached.listless.store(true, Ordering::Relaxed);
        }
        Ok(Found { referrers: referrers.unwrap_or_default(), tags })
    }

    async fn digest_tags(&self, job: &Job, source: &AnyRepository) -> Result<Arc<DigestTags>> {
        let name = self.source.repository_name(&job.candidate);
        if let Some(known) = self.attached.tags.locked().get(name) {
            return Ok(Arc::clone(known));
        }
        let side = Side { repository: source, name: self.source.identity() };
        let tags = Arc::new(DigestTags::list(side).await?);
        self.attached.tags.locked().insert(name.to_owned(), Arc::clone(&tags));
        Ok(tags)
    }

    /// Returns the place of a version that is in step.
    fn place_of(&self, job: &Job, record: &Record) -> Option<Target> {
        let Some(version) = &record.named else { return Some(job.place.clone()) };
        let chart = &job.candidate.id.chart;
        self.sink.place(&Naming { repo: self.source.name(), chart, version }).ok()
    }

    /// Reports a version whose chart is in step and whose signatures are not. A later run tries
    /// again.
    fn not_attached(&self, job: &Job, done: Done, error: &Error) -> Done {
        let failed = self.failed(job, error);
        let mut told = failed.told;
        told.reason =
            Some(format!("what belongs to it was not copied: {}", self.options.explain(error)));
        Done { told, record: None, failed: failed.failed, ..done }
    }
}
