//! Comparison of a destination's content with the source by digests, manifests and provenance
//! files, without the archive.

use super::work::{Carrier, Job};
use crate::{
    digest::Digest,
    mirror::{candidate::Provenance, run::OnConflict, sink::ExistingProvenance, source::Source},
};

/// The content that the destination has in a version's place.
pub(crate) struct Existing {
    pub(crate) content: Digest,
    pub(crate) manifest: Option<Digest>,
    pub(crate) provenance: ExistingProvenance,
}

/// The result of a comparison with the source, and the data that it found at the source.
pub(crate) struct Compared {
    pub(crate) likeness: Comparison,
    pub(crate) provenance: Provenance,
    pub(crate) origin: Option<Digest>,
}

/// The likeness of a destination's content to the source, as far as it is known without the
/// archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// The same chart.
    Same,
    /// The same chart without its provenance file. The text gives the reason.
    Lacks(String),
    /// A different chart. The text gives the reason.
    Other(String),
    /// Undecided: only the archive can show it.
    Unknown,
}

impl Comparison {
    /// Returns the result for two archives with different digests.
    pub(crate) fn other(there: &Digest, ours: &Digest) -> Self {
        Self::Other(format!("its place has {there}, and the source now has {ours}"))
    }

    /// Compares the provenance file at the source with the one at the destination, for the same
    /// chart.
    pub(crate) fn of_provenance(ours: Option<&Digest>, there: &ExistingProvenance) -> Self {
        match (ours, there) {
            (Some(_), ExistingProvenance::Nothing) => {
                Self::Lacks("its provenance file was missing".to_owned())
            }
            (Some(ours), ExistingProvenance::File(theirs)) if ours != theirs => {
                Self::Other("its provenance file differs".to_owned())
            }
            _ => Self::Same,
        }
    }
}

impl Carrier {
    /// Compares the destination's archive and provenance with those of the source.
    pub(crate) async fn is_there(&self, job: &Job, there: &Existing) -> Compared {
        let (provenance, origin) = (job.provenance, job.candidate.origin.clone());
        let known = |likeness| Compared { likeness, provenance, origin: origin.clone() };
        if self.options.rewrite.is_some() {
            // A repackaged archive differs from the source's; the record may have its digest.
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
        // A registry's manifest describes both files without the archive; other sources only show
        // the provenance file.
        if said.is_none() && !matches!(self.source, Source::Registry(_)) {
            return known(Comparison::Unknown);
        }
        // The download later finds and handles a failure of this request.
        let Ok(seen) = self.source.peek(&job.candidate).await else {
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

    /// Returns the digest that a registry's tag referred to. Other sources list their content.
    fn origin(&self, manifest: Option<Digest>) -> Option<Digest> {
        manifest.filter(|_| matches!(self.source, Source::Registry(_)))
    }
}
