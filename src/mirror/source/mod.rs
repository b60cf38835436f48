//! Sources of charts. Each kind lists its versions without downloading them, and downloads one
//! version at a time. A new kind needs a file here and a variant below; the engine does not know
//! it.

mod file_stamps;
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
    ops::{any_repository::AnyRepository, copy::DigestTags},
};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, sync::Arc};

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

/// The data to recognise an unchanged listing of a source next time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CacheValidator {
    /// Its `ETag`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Its `Last-Modified`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
    /// The fingerprint of its bytes.
    pub fingerprint: Fingerprint,
}

/// The source's promise about a version's content: it is fixed, or may change without a change of
/// the listing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tags {
    /// Tags may move: each run resolves each tag.
    #[default]
    Movable,
    /// Tags do not move, or only checks look for it.
    Immutable,
}

/// The result of listing a source.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a run has one")]
pub enum Listing {
    /// The same listing as before.
    Unchanged,
    /// The current listing.
    Charts(Listed),
}

/// The content of a source.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// The data to recognise this listing.
    pub seen: CacheValidator,
    /// Every version, in the source's order; a version may be listed twice.
    pub candidates: Vec<Candidate>,
    /// The warnings for the user: entries that were dropped as Helm would drop them.
    pub warnings: Vec<String>,
    /// The requested names that do not exist, one sentence each.
    pub absent: Vec<String>,
    /// The number of skipped tags that are other names of these versions.
    pub aliases: usize,
    /// The number of skipped tags for signatures, attestations and lists of referrers of these
    /// versions.
    pub attached: usize,
    /// The tags made of digests, by the names of the source's repositories.
    pub digest_tags: HashMap<String, Arc<DigestTags>>,
    /// The index of this listing, if there is one.
    pub index: Option<Index>,
    /// The reason for which the list may be incomplete, if it may. Then nothing counts as vanished.
    pub cut: Option<String>,
}

/// The data of a version, without its archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peek {
    /// The digest of its archive, if a manifest has it.
    pub content: Option<Digest>,
    /// The digest of its provenance file, if it has one.
    pub provenance: Option<Digest>,
    /// The digest of its manifest, if the source has manifests.
    pub manifest: Option<Digest>,
}

impl Peek {
    /// Reads the data from a manifest.
    fn of(manifest: &Manifest) -> Result<Self> {
        let found = chart::find(manifest)?;
        Ok(Self {
            content: Some(found.content.digest.clone()),
            provenance: found.provenance.map(|layer| layer.digest.clone()),
            manifest: Some(manifest.digest().clone()),
        })
    }
}

/// Returns true if a tag belongs to a chart but is not a version: a signature, an attestation, a
/// list of referrers, Artifact Hub's metadata.
pub(super) fn is_attached(tag: &str) -> bool {
    registry::of_others(tag)
}

/// Adds advice to an error of a registry that denies reading.
fn refused(error: Error) -> Error {
    at(Side::Source, error)
}

/// Calls a method that every kind of source has.
macro_rules! each {
    ($source:expr, $inner:ident => $call:expr) => {
        match $source {
            Self::Folder($inner) => $call,
            Self::Layout($inner) => $call,
            Self::Registry($inner) => $call,
            Self::Repository($inner) => $call,
        }
    };
}

impl Source {
    /// Adds the advice of this kind of source to an error.
    fn advised<T>(&self, result: Result<T>) -> Result<T> {
        match self {
            Self::Registry(_) => result.map_err(refused),
            Self::Folder(_) | Self::Layout(_) | Self::Repository(_) => result,
        }
    }

    /// Returns the name for reports and for the state's key: an address without secrets, or a path.
    pub fn identity(&self) -> &str {
        each!(self, source => source.identity())
    }

    /// Returns the short name for the `{{repo}}` of templates.
    pub fn name(&self) -> &str {
        each!(self, source => source.name())
    }

    /// Returns the source with a different short name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        each!(&mut self, source => source.call(name));
        self
    }

    /// Lists the source. With `seen`, it may report that nothing has changed since.
    ///
    /// # Errors
    /// Fails if the source cannot be listed completely.
    pub async fn list(&self, seen: Option<&CacheValidator>) -> Result<Listing> {
        self.advised(each!(self, source => source.list(seen).await))
    }

    /// Downloads one version, and resolves its tag if there are tags.
    ///
    /// # Errors
    /// `NotFound` if the source definitely no longer has it; `Invalid` if the content is not a
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

    /// Requests a version's creation time if no list has it. One request, for registries only.
    ///
    /// # Errors
    /// Fails if the source does not respond. A version without a creation time stays without one.
    pub async fn date(&self, candidate: &mut Candidate) -> Result<()> {
        match self {
            Self::Registry(source) => source.date(candidate).await.map_err(refused),
            Self::Folder(_) | Self::Layout(_) | Self::Repository(_) => Ok(()),
        }
    }

    /// Returns the kind of a version that is not a chart but a different artifact. One request for
    /// a registry.
    ///
    /// # Errors
    /// Any error of the source.
    pub async fn other(&self, candidate: &Candidate) -> Result<Option<String>> {
        match self {
            Self::Layout(source) => source.other(candidate).await,
            Self::Registry(source) => source.other(candidate).await.map_err(refused),
            Self::Folder(_) | Self::Repository(_) => Ok(None),
        }
    }

    /// Returns the number of a manifest's referrers, by the source's own lists. `None` if it keeps
    /// no lists. One request, for registries only.
    ///
    /// # Errors
    /// Any error of the source.
    pub async fn referrers(&self, candidate: &Candidate, of: &Digest) -> Result<Option<usize>> {
        match self {
            Self::Registry(source) => source.referrers(candidate, of).await.map_err(refused),
            Self::Folder(_) | Self::Layout(_) | Self::Repository(_) => Ok(None),
        }
    }

    /// Returns the repository of a version, if the source is a registry or a layout.
    ///
    /// # Errors
    /// `Usage` for a name that no repository can have.
    pub fn repository_of(&self, candidate: &Candidate) -> Result<Option<AnyRepository>> {
        match self {
            Self::Registry(source) => source.repository_of(candidate).map(Some),
            Self::Layout(source) => source.repository_of(candidate).map(Some),
            Self::Folder(_) | Self::Repository(_) => Ok(None),
        }
    }

    /// Returns the name by which [`Listed::digest_tags`] knows a version's repository.
    pub fn repository_name<'c>(&self, candidate: &'c Candidate) -> &'c str {
        let locator = candidate.urls.first().map_or("", String::as_str);
        match self {
            Self::Registry(_) => locator.rsplit_once(':').map_or(locator, |(name, _)| name),
            Self::Layout(_) | Self::Folder(_) | Self::Repository(_) => &candidate.id.chart,
        }
    }

    /// Returns the digest of a version's manifest at the source; `origin` is that of its tag, if it
    /// was resolved. `None` if the source has no manifests.
    pub fn manifest_digest(
        &self,
        candidate: &Candidate,
        origin: Option<&Digest>,
    ) -> Option<Digest> {
        match self {
            Self::Registry(_) => origin.or(candidate.origin.as_ref()).cloned(),
            // A layout lists each version by its digest.
            Self::Layout(_) => candidate.urls.first()?.parse().ok(),
            Self::Folder(_) | Self::Repository(_) => None,
        }
    }

    /// Returns the digest of the manifest for another version's tag, in the same repository. One
    /// request.
    ///
    /// # Errors
    /// Any error of the source.
    pub async fn manifest_of(
        &self,
        candidate: &Candidate,
        version: &str,
    ) -> Result<Option<Digest>> {
        match self {
            Self::Registry(source) => source.manifest_of(candidate, version).await.map_err(refused),
            Self::Folder(_) | Self::Layout(_) | Self::Repository(_) => Ok(None),
        }
    }

    /// Returns the dependencies of a version, from its entry in the source's index. Otherwise it
    /// reads the config, which takes two requests, or the archive in a folder.
    ///
    /// # Errors
    /// Any error of the source.
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
            // A chart that cannot be read is refused at its turn.
            Self::Folder(_) | Self::Repository(_) => {
                let fetched = self.fetch(candidate, Ask::Nothing).await;
                Ok(fetched.map(|(payload, _)| Need::all(&payload.metadata)).unwrap_or_default())
            }
        }
    }

    /// Returns a version's data without its archive. One request at most.
    ///
    /// # Errors
    /// Any error of the source; `Invalid` if the content is not a chart.
    pub async fn peek(&self, candidate: &Candidate) -> Result<Peek> {
        self.advised(each!(self, source => source.peek(candidate).await))
    }

    /// Returns the guarantee that its listing gives for replaced versions.
    pub fn tags(&self) -> Tags {
        match self {
            Self::Registry(source) => source.tags(),
            Self::Folder(_) | Self::Layout(_) | Self::Repository(_) => Tags::Immutable,
        }
    }

    /// Returns the digest of the manifest for a version's tag. `None` if there are no tags, or the
    /// tag no longer exists. One request.
    ///
    /// # Errors
    /// Any error of the source.
    pub async fn origin(&self, candidate: &Candidate) -> Result<Option<Digest>> {
        match self {
            Self::Registry(source) => source.origin(candidate).await.map_err(refused),
            Self::Folder(_) | Self::Layout(_) | Self::Repository(_) => Ok(None),
        }
    }

    /// Returns the final warning for the user, once everything is downloaded.
    pub fn final_warning(&self) -> Option<String> {
        match self {
            Self::Repository(source) => source.final_warning(),
            Self::Folder(_) | Self::Layout(_) | Self::Registry(_) => None,
        }
    }
}
