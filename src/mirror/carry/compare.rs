//! How what lies at a version's place compares with its source: by digests, manifests and
//! provenance files, without the archive.

use super::work::{Carrier, Job};
use crate::{
    digest::Digest,
    mirror::{candidate::Provenance, run::OnConflict, sink::ExistingProvenance, source::Source},
};

/// What lies at a version's place.
pub(crate) struct Existing {
    pub(crate) content: Digest,
    pub(crate) manifest: Option<Digest>,
    pub(crate) provenance: ExistingProvenance,
}

/// What a comparison with the source came to, and what it told of the source.
pub(crate) struct Compared {
    pub(crate) likeness: Comparison,
    pub(crate) provenance: Provenance,
    pub(crate) origin: Option<Digest>,
}

/// How what lies at a place compares with the source, as far as that is known without the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// It is the same.
    Same,
    /// It is the same chart without its provenance file.
    Lacks(String),
    /// It is another.
    Other(String),
    /// The archive alone tells.
    Unknown,
}

impl Comparison {
    /// Two archives' digests that differ.
    pub(crate) fn other(there: &Digest, ours: &Digest) -> Self {
        Self::Other(format!("its place holds {there}, and the source now has {ours}"))
    }

    /// The provenance of the same chart, at the source and beside what lies there.
    pub(crate) fn of_provenance(ours: Option<&Digest>, there: &ExistingProvenance) -> Self {
        match (ours, there) {
            (Some(_), ExistingProvenance::Nothing) => {
                Self::Lacks("its provenance file was not there".to_owned())
            }
            (Some(ours), ExistingProvenance::File(theirs)) if ours != theirs => {
                Self::Other("its provenance file is another there".to_owned())
            }
            _ => Self::Same,
        }
    }
}

impl Carrier {
    /// Whether what lies there is what the source says it has, archive and provenance.
    pub(crate) async fn is_there(&self, job: &Job, there: &Existing) -> Compared {
        let (provenance, origin) = (job.provenance, job.candidate.origin.clone());
        let known = |likeness| Compared { likeness, provenance, origin: origin.clone() };
        if self.options.rewrite.is_some() {
            // Packed anew it is another archive than the source's; what came of it may be recorded.
            let ours = job.ours.as_ref().and_then(|record| record.content.as_ref());
            return known(match ours {
                Some(ours) if *ours == there.content => Comparison::Same,
                _ => Comparison::Unknown,
            });
        }
        let asked = match job.provenance {
            Provenance::Missing => false,
            Provenance::There => true,
            Provenance::Unasked => self.options.conflict != OnConflict::Fail,
        };
        let said = job.candidate.digest.as_ref();
        if let Some(said) = said.filter(|said| **said != there.content) {
            return known(Comparison::other(&there.content, said));
        }
        if said.is_some() && (!asked || there.provenance == ExistingProvenance::Unknown) {
            return known(Comparison::Same);
        }
        // A registry's manifest tells both without the archive; others only tell of provenance.
        if said.is_none() && !matches!(self.source, Source::Registry(_)) {
            return known(Comparison::Unknown);
        }
        // What stands in the way of a glimpse is found, and judged, when it is fetched.
        let Ok(seen) = self.source.glimpse(&job.candidate).await else {
            return known(Comparison::Unknown);
        };
        match said.or(seen.content.as_ref()) {
            Some(ours) if *ours == there.content => {}
            Some(ours) => return known(Comparison::other(&there.content, ours)),
            None => return known(Comparison::Unknown),
        }
        let likeness = Comparison::of_provenance(seen.provenance.as_ref(), &there.provenance);
        let provenance = match seen.provenance {
            Some(_) => Provenance::There,
            None => Provenance::Missing,
        };
        Compared { likeness, provenance, origin: self.origin(seen.manifest) }
    }

    /// What a tag of a registry was seen to lead to. Other sources say by their lists what they
    /// have.
    fn origin(&self, manifest: Option<Digest>) -> Option<Digest> {
        manifest.filter(|_| matches!(self.source, Source::Registry(_)))
    }
}
