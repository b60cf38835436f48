//! Destinations of charts. Each kind computes a version's place and reads, stores and removes one
//! version at a time. A new kind needs a file here and a variant below; the engine does not know
//! it.

mod artifact_hub;
pub mod bundle;
pub mod chartmuseum;
pub mod folder;
pub mod layout;
pub mod registry;
mod registry_quirks;
mod registry_states;

use super::{candidate::Payload, side::at, state::Key};
use crate::{
    Advice, Error, ErrorKind, Result,
    advice::{Service, Side},
    digest::Digest,
    ops::{any_repository::AnyRepository, push::Verify},
};
use bytes::Bytes;
use serde::Serialize;
use std::collections::HashMap;

/// A destination of charts.
#[derive(Clone, Debug)]
pub enum Sink {
    /// A bundle.
    Bundle(Box<bundle::Bundle>),
    /// A folder of archives.
    Folder(folder::Folder),
    /// An image layout.
    Layout(Box<layout::Layout>),
    /// A ChartMuseum.
    Museum(Box<chartmuseum::ChartMuseum>),
    /// A namespace of a registry.
    Registry(registry::Registry),
}

/// The parts of a place: the names of a destination's template.
#[derive(Clone, Debug, Serialize)]
pub struct Naming<'a> {
    /// The source's short name.
    pub repo: &'a str,
    /// The name of the chart.
    pub chart: &'a str,
    /// The version of the chart.
    pub version: &'a str,
}

/// The place of a version in a sink.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// The unit of listing: a repository of a registry. Empty in a folder.
    pub group: String,
    /// The name within the group: a tag or a file's name.
    pub name: String,
}

impl Target {
    /// Returns the place with a different name in the same group.
    pub fn renamed(&self, name: &str) -> Self {
        Self { group: self.group.clone(), name: name.to_owned() }
    }
}

/// The content of a place in a sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// No content.
    Nothing,
    /// A chart.
    Chart {
        /// The digest of its archive.
        content: Digest,
        /// The digest of its manifest, if the sink has manifests.
        manifest: Option<Digest>,
        /// Its provenance file.
        provenance: ExistingProvenance,
    },
    /// Other content, described in words.
    Other(String),
}

/// A provenance file beside an archive, or in its manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExistingProvenance {
    /// Unknown: no run has looked.
    Unknown,
    /// The place has no provenance file.
    Nothing,
    /// The place has a provenance file with this digest.
    File(Digest),
}

impl From<Option<Digest>> for ExistingProvenance {
    fn from(digest: Option<Digest>) -> Self {
        digest.map_or(Self::Nothing, Self::File)
    }
}

/// Options of storing a version.
#[derive(Clone, Copy, Debug)]
pub struct Putting<'a> {
    /// The part to read back.
    pub verify: Verify,
    /// The second name to set.
    pub alias: Option<&'a str>,
}

/// The result of storing a version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// The digest of the manifest, if the sink has manifests.
    pub manifest: Option<Digest>,
    /// The warnings for the user.
    pub warnings: Vec<String>,
}

/// Adds advice to an error of a registry that denies access.
fn refused(error: Error) -> Error {
    at(Side::Destination, error)
}

/// Adds advice to an error of a ChartMuseum that denies writing.
fn refused_by_museum(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Denied => {
            error.with_advice(Advice::Authenticate(Service::ChartMuseum).at(Side::Destination))
        }
        _ => at(Side::Destination, error),
    }
}

/// Calls a method that every kind of sink has.
macro_rules! each {
    ($sink:expr, $inner:ident => $call:expr) => {
        match $sink {
            Self::Bundle($inner) => $call,
            Self::Folder($inner) => $call,
            Self::Layout($inner) => $call,
            Self::Museum($inner) => $call,
            Self::Registry($inner) => $call,
        }
    };
}

impl Sink {
    /// Adds the advice of this kind of sink to an error.
    fn advised<T>(&self, result: Result<T>) -> Result<T> {
        match self {
            Self::Museum(_) => result.map_err(refused_by_museum),
            Self::Registry(_) => result.map_err(refused),
            Self::Bundle(_) | Self::Folder(_) | Self::Layout(_) => result,
        }
    }

    /// Returns the name for reports: an address without secrets, or a path.
    pub fn identity(&self) -> &str {
        each!(self, sink => sink.identity())
    }

    /// Returns the address at which others find these charts, as a dependency gives it. `None` if
    /// only this machine sees them.
    pub fn address(&self) -> Option<String> {
        match self {
            Self::Registry(_) | Self::Museum(_) => Some(self.identity().to_owned()),
            Self::Bundle(_) | Self::Folder(_) | Self::Layout(_) => None,
        }
    }

    /// Returns the group of a chart at a dependency's address. `None` if the address is elsewhere.
    pub fn group_at(&self, address: &str, chart: &str) -> Option<String> {
        match self {
            Self::Registry(sink) => sink.group_at(address, chart),
            Self::Bundle(_) | Self::Folder(_) | Self::Layout(_) | Self::Museum(_) => None,
        }
    }

    /// Returns the place of a version.
    ///
    /// # Errors
    /// `Invalid`, with the reason, if the version has no valid place.
    pub fn place(&self, naming: &Naming<'_>) -> Result<Target> {
        let place = match self {
            Self::Bundle(sink) => sink.place(naming),
            Self::Folder(sink) => return sink.place(naming),
            Self::Layout(sink) => sink.place(naming),
            Self::Museum(sink) => return sink.place(naming),
            Self::Registry(sink) => sink.place(naming),
        };
        place.map_err(|error| {
            // This is the one reason that a template removes for all charts at once.
            match naming.chart.bytes().any(|byte| byte.is_ascii_uppercase()) {
                true => error.with_advice(Advice::LowerCase),
                false => error,
            }
        })
    }

    /// Formats a place for people.
    pub fn show(&self, place: &Target) -> String {
        each!(self, sink => sink.show(place))
    }

    /// Returns every name in a group, with its archive's digest if the list has it. One request for
    /// each page.
    ///
    /// # Errors
    /// Fails if it cannot be listed. A group that does not exist is empty.
    pub async fn present(&self, group: &str) -> Result<HashMap<String, Option<Digest>>> {
        self.advised(each!(self, sink => sink.present(group).await))
    }

    /// Returns the content of a place. One request.
    ///
    /// # Errors
    /// Fails if the content cannot be read.
    pub async fn look(&self, place: &Target) -> Result<Held> {
        self.advised(each!(self, sink => sink.look(place).await))
    }

    /// Stores a version at a place, whatever it has. It makes no check first.
    ///
    /// # Errors
    /// `Integrity` if the sink reports that it stored something else.
    pub async fn put(
        &self,
        place: &Target,
        payload: &Payload,
        putting: Putting<'_>,
    ) -> Result<Stored> {
        self.advised(each!(self, sink => sink.put(place, payload, putting).await))
    }

    /// Returns the repository of a place, if it can hold what belongs to a chart.
    ///
    /// # Errors
    /// `Usage` for a name that no repository can have.
    pub fn repository_at(&self, place: &Target) -> Result<Option<AnyRepository>> {
        match self {
            Self::Registry(sink) => sink.repository_at(&place.group).map(Some),
            Self::Layout(sink) => sink.repository_at(&place.group).map(Some),
            Self::Bundle(_) | Self::Folder(_) | Self::Museum(_) => Ok(None),
        }
    }

    /// Returns true if this kind of destination can hold what belongs to a chart.
    pub fn takes_belongings(&self) -> bool {
        matches!(self, Self::Registry(_) | Self::Layout(_))
    }

    /// Returns true if a version may have a second name here.
    pub fn takes_tags(&self) -> bool {
        match self {
            Self::Bundle(_) | Self::Layout(_) | Self::Registry(_) => true,
            Self::Folder(_) | Self::Museum(_) => false,
        }
    }

    /// Returns true if every run sees the content, as [`Sink::has_lost`] does, so that a record
    /// needs no other look.
    pub fn is_seen(&self) -> bool {
        matches!(self, Self::Folder(_) | Self::Layout(_))
    }

    /// Gives the content of a place a second tag. Two requests.
    ///
    /// # Errors
    /// `Usage` if there are no tags. Also fails if the content cannot be read or tagged.
    pub async fn tag(&self, place: &Target, alias: &str) -> Result<()> {
        match self {
            Self::Bundle(sink) => sink.tag(place, alias).await,
            Self::Layout(sink) => sink.tag(place, alias).await,
            Self::Registry(sink) => sink.tag(place, alias).await.map_err(refused),
            Self::Folder(_) | Self::Museum(_) => Err(Error::usage("there are no tags here")),
        }
    }

    /// Removes the content of a place; `manifest` is its known digest.
    ///
    /// # Errors
    /// Fails if it cannot be removed. Missing content is not an error.
    pub async fn delete(&self, place: &Target, manifest: Option<&Digest>) -> Result<()> {
        match self {
            Self::Folder(sink) => sink.delete(place).await,
            Self::Museum(sink) => sink.delete(place).await.map_err(refused_by_museum),
            Self::Bundle(sink) => sink.delete(place, manifest).await,
            Self::Layout(sink) => sink.delete(place, manifest).await,
            Self::Registry(sink) => sink.delete(place, manifest).await.map_err(refused),
        }
    }

    /// Stores Artifact Hub's repository metadata beside the charts of a group.
    ///
    /// # Errors
    /// `Usage` for a kind of destination without a place for it.
    pub async fn describe(&self, group: &str, metadata: &Bytes) -> Result<()> {
        match self {
            Self::Folder(sink) => sink.describe(metadata).await,
            Self::Layout(sink) => sink.describe(group, metadata).await,
            Self::Registry(sink) => sink.describe(group, metadata).await.map_err(refused),
            Self::Bundle(_) => Err(Error::usage("a bundle holds charts alone")),
            Self::Museum(_) => Err(Error::usage("a ChartMuseum takes no file for Artifact Hub")
                .with_advice(Advice::SetArtifactHubId)),
        }
    }

    /// Finishes a run that stored or removed content. It is called once, at the end.
    ///
    /// # Errors
    /// Fails if a shared part, such as an index, cannot be written.
    pub async fn finish(&self) -> Result<()> {
        match self {
            Self::Bundle(sink) => sink.finish().await,
            Self::Folder(sink) => sink.finish().await,
            Self::Layout(sink) => sink.finish().await,
            Self::Museum(_) | Self::Registry(_) => Ok(()),
        }
    }

    /// Returns the final warning for the user, once everything is stored.
    pub fn final_warning(&self) -> Option<String> {
        match self {
            Self::Registry(sink) => sink.final_warning(),
            _ => None,
        }
    }

    /// Returns true if an earlier run was interrupted, so that [`Sink::finish`] is due even if
    /// nothing else is to do.
    pub fn is_unfinished(&self) -> bool {
        match self {
            Self::Bundle(sink) => sink.is_unfinished(),
            Self::Layout(sink) => sink.is_unfinished(),
            Self::Folder(_) | Self::Museum(_) | Self::Registry(_) => false,
        }
    }

    /// Returns true if the destination is empty, according to files on this machine, without a
    /// request.
    pub fn is_bare(&self) -> bool {
        match self {
            Self::Bundle(sink) => sink.is_bare(),
            Self::Layout(sink) => sink.is_bare(),
            Self::Folder(_) | Self::Museum(_) | Self::Registry(_) => false,
        }
    }

    /// Returns true if a place's content is certainly missing, according to files on this machine,
    /// without a request.
    pub fn has_lost(&self, place: &Target) -> bool {
        match self {
            Self::Folder(sink) => sink.has_lost(place),
            Self::Bundle(sink) => sink.has_lost(place),
            Self::Layout(sink) => sink.has_lost(place),
            Self::Museum(_) | Self::Registry(_) => false,
        }
    }

    /// Returns the state of an earlier run. A missing state is not an error.
    ///
    /// # Errors
    /// Fails if it cannot be read.
    pub async fn recall(&self, key: &Key) -> Result<Option<Bytes>> {
        match self {
            Self::Folder(sink) => sink.recall(key).await,
            Self::Layout(sink) => sink.recall(key).await,
            Self::Bundle(_) | Self::Museum(_) => Ok(None),
            Self::Registry(sink) => sink.recall(key).await.map_err(|error| {
                // This is the first request to the destination: a reader of the error knows the
                // destination, but not yet the states of a mirror.
                match error.kind() {
                    ErrorKind::Network => error.context(format!(
                        "the destination `{}` cannot be reached",
                        sink.identity()
                    )),
                    _ => refused(error),
                }
            }),
        }
    }

    /// Writes a state to the destination for later runs.
    ///
    /// # Errors
    /// Fails if it cannot be written. The mirror continues without it.
    pub async fn remember(&self, key: &Key, state: &[u8]) -> Result<()> {
        match self {
            Self::Folder(sink) => sink.remember(key, state).await,
            Self::Layout(sink) => sink.remember(key, state).await,
            Self::Bundle(_) | Self::Museum(_) => Ok(()),
            Self::Registry(sink) => sink.remember(key, state).await.map_err(refused),
        }
    }
}
