//! Where charts come from. Each kind lists what it has, without fetching any of it, and fetches one
//! version at a time. A new kind is a file beside these and a variant here; the engine does not
//! know it.

pub mod folder;
pub mod layout;
pub mod registry;
pub mod repository;
mod tagged;

use super::{
    candidate::{Ask, Candidate, Fingerprint, Payload},
    plan::needs::Need,
    side::at,
};
use crate::{
    Error, Result,
    advice::Side,
    digest::Digest,
    index::Index,
    oci::{Manifest, chart},
};
use serde::{Deserialize, Serialize};

/// A source of charts.
#[derive(Clone, Debug)]
pub enum Source {
    /// A folder of archives.
    Folder(folder::Folder),
    /// An image layout, or a bundle.
    Layout(Box<layout::Layout>),
    /// A namespace of a registry.
    Registry(registry::Registry),
    /// A classic repository.
    Repository(repository::Repository),
}

/// What of a source's listing is worth remembering, to see next time that it is still the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CacheValidator {
    /// Its `ETag`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Its `Last-Modified`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
    /// Of its bytes.
    pub fingerprint: Fingerprint,
}

/// Whether a version may be put anew at its source without its listing showing it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tags {
    /// It may: what each tag leads to is asked.
    #[default]
    Movable,
    /// It may not, or that is for checks to find.
    Immutable,
}

/// What a source answers to being listed.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a run has one")]
pub enum Listing {
    /// It is what was seen before.
    Unchanged,
    /// It has these.
    Charts(Listed),
}

/// What a source has.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// How to recognise it.
    pub seen: CacheValidator,
    /// Every version, in the source's order; a version may be listed twice.
    pub candidates: Vec<Candidate>,
    /// What the user should know: entries that were dropped as Helm would drop them.
    pub warnings: Vec<String>,
    /// What was asked for by name and is not there, a sentence each.
    pub absent: Vec<String>,
    /// How many tags are other names of these, and left behind.
    pub aliases: usize,
    /// How many tags are signatures, attestations and lists of referrers of these, and left behind.
    pub attached: usize,
    /// The index that says all of it, where there is one.
    pub index: Option<Index>,
    /// Why the list may be cut short, if it may: nothing is ever taken for vanished then.
    pub cut: Option<String>,
}

/// What a version has, seen without fetching its archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peek {
    /// The digest of its archive, where a manifest says it.
    pub content: Option<Digest>,
    /// The digest of its provenance file, if it has one.
    pub provenance: Option<Digest>,
    /// The digest of its manifest, where there are manifests.
    pub manifest: Option<Digest>,
}

impl Peek {
    /// What a manifest says.
    fn of(manifest: &Manifest) -> Result<Self> {
        let found = chart::find(manifest)?;
        Ok(Self {
            content: Some(found.content.digest.clone()),
            provenance: found.provenance.map(|layer| layer.digest.clone()),
            manifest: Some(manifest.digest().clone()),
        })
    }
}

/// Whether a tag holds what belongs to a chart, and is no version of it: a signature, an
/// attestation, a list of referrers, Artifact Hub's metadata.
pub(super) fn is_attached(tag: &str) -> bool {
    registry::of_others(tag)
}

/// A registry that does not let us read.
fn refused(error: Error) -> Error {
    at(Side::Source, error)
}

impl Source {
    /// What it is called in reports and in the key of its state: an address without secrets, a
    /// path.
    pub fn identity(&self) -> &str {
        match self {
            Self::Folder(source) => source.identity(),
            Self::Layout(source) => source.identity(),
            Self::Registry(source) => source.identity(),
            Self::Repository(source) => source.identity(),
        }
    }

    /// A short name, for the `{{repo}}` of templates.
    pub fn name(&self) -> &str {
        match self {
            Self::Folder(source) => source.name(),
            Self::Layout(source) => source.name(),
            Self::Registry(source) => source.name(),
            Self::Repository(source) => source.name(),
        }
    }

    /// The source under another short name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        match &mut self {
            Self::Folder(source) => source.call(name),
            Self::Layout(source) => source.call(name),
            Self::Registry(source) => source.call(name),
            Self::Repository(source) => source.call(name),
        }
        self
    }

    /// Lists it. With `seen` it may say that nothing has changed since.
    ///
    /// # Errors
    /// When it cannot be listed whole.
    pub async fn list(&self, seen: Option<&CacheValidator>) -> Result<Listing> {
        match self {
            Self::Folder(source) => source.list(seen).await,
            Self::Layout(source) => source.list(seen).await,
            Self::Registry(source) => source.list(seen).await.map_err(refused),
            Self::Repository(source) => source.list(seen).await,
        }
    }

    /// Fetches one version, and says what its tag led to where there are tags.
    ///
    /// # Errors
    /// `NotFound` when the source definitely no longer has it; `Invalid` when what it has is no
    /// chart.
    pub async fn fetch(
        &self,
        candidate: &Candidate,
        ask: Ask,
    ) -> Result<(Payload, Option<Digest>)> {
        let payload = match self {
            Self::Folder(source) => source.fetch(candidate, ask).await,
            Self::Layout(source) => source.fetch(candidate, ask).await,
            Self::Registry(source) => return source.fetch(candidate, ask).await.map_err(refused),
            Self::Repository(source) => source.fetch(candidate, ask).await,
        };
        Ok((payload?, None))
    }

    /// Asks when a version was made, where no list says it: one request, of registries alone.
    ///
    /// # Errors
    /// When the source does not answer. What it has no answer to stays without a date.
    pub async fn date(&self, candidate: &mut Candidate) -> Result<()> {
        match self {
            Self::Registry(source) => source.date(candidate).await.map_err(refused),
            Self::Folder(_) | Self::Layout(_) | Self::Repository(_) => Ok(()),
        }
    }

    /// What a version is, if it is no chart at all but an artifact of another kind. One request of
    /// a registry.
    ///
    /// # Errors
    /// When the source does not say.
    pub async fn other(&self, candidate: &Candidate) -> Result<Option<String>> {
        match self {
            Self::Layout(source) => source.other(candidate).await,
            Self::Registry(source) => source.other(candidate).await.map_err(refused),
            Self::Folder(_) | Self::Repository(_) => Ok(None),
        }
    }

    /// How many referrers a manifest has by the source's own lists; none where it keeps no lists.
    /// One request, of registries alone.
    ///
    /// # Errors
    /// When the source does not say.
    pub async fn referrers(&self, candidate: &Candidate, of: &Digest) -> Result<Option<usize>> {
        match self {
            Self::Registry(source) => source.referrers(candidate, of).await.map_err(refused),
            Self::Folder(_) | Self::Layout(_) | Self::Repository(_) => Ok(None),
        }
    }

    /// The digest of the manifest that another version's own tag leads to, in the repository of
    /// this one. One request.
    ///
    /// # Errors
    /// When the source does not say.
    pub async fn namesake(&self, candidate: &Candidate, version: &str) -> Result<Option<Digest>> {
        match self {
            Self::Registry(source) => source.namesake(candidate, version).await.map_err(refused),
            Self::Folder(_) | Self::Layout(_) | Self::Repository(_) => Ok(None),
        }
    }

    /// The charts that a version depends on: by its entry in the source's index, else by its
    /// config, which is two requests, or by its archive in a folder.
    ///
    /// # Errors
    /// When the source does not say.
    pub async fn needs(&self, candidate: &Candidate, index: Option<&Index>) -> Result<Vec<Need>> {
        if let Some(index) = index {
            let versions = index.chart(&candidate.id.chart).map(|chart| chart.versions());
            let mut versions = versions.into_iter().flatten();
            let line = versions.find(|line| line.version() == candidate.id.version);
            return line.map_or(Ok(Vec::new()), |line| Ok(Need::all(&line.decode()?.metadata)));
        }
        match self {
            Self::Layout(source) => source.needs(candidate).await,
            Self::Registry(source) => source.needs(candidate).await.map_err(refused),
            // One that cannot be read is refused when it is its turn.
            Self::Folder(_) | Self::Repository(_) => {
                let fetched = self.fetch(candidate, Ask::Nothing).await;
                Ok(fetched.map(|(payload, _)| Need::all(&payload.metadata)).unwrap_or_default())
            }
        }
    }

    /// What a version has, without its archive. One request, or none.
    ///
    /// # Errors
    /// When the source does not say; `Invalid` when what it has is no chart.
    pub async fn glimpse(&self, candidate: &Candidate) -> Result<Peek> {
        match self {
            Self::Folder(source) => source.glimpse(candidate).await,
            Self::Layout(source) => source.glimpse(candidate).await,
            Self::Registry(source) => source.glimpse(candidate).await.map_err(refused),
            Self::Repository(source) => source.glimpse(candidate).await,
        }
    }

    /// Whether its listing hides what was put anew.
    pub fn tags(&self) -> Tags {
        match self {
            Self::Registry(source) => source.tags(),
            Self::Folder(_) | Self::Layout(_) | Self::Repository(_) => Tags::Immutable,
        }
    }

    /// The digest of the manifest that a version's tag leads to; none where there are no tags, or
    /// not this one any more. One request.
    ///
    /// # Errors
    /// When the source does not say.
    pub async fn origin(&self, candidate: &Candidate) -> Result<Option<Digest>> {
        match self {
            Self::Registry(source) => source.origin(candidate).await.map_err(refused),
            Self::Folder(_) | Self::Layout(_) | Self::Repository(_) => Ok(None),
        }
    }

    /// What the user should know once everything was fetched.
    pub fn remark(&self) -> Option<String> {
        match self {
            Self::Repository(source) => source.remark(),
            Self::Folder(_) | Self::Layout(_) | Self::Registry(_) => None,
        }
    }
}
