//! Options of a copy and its two sides.

use crate::{
    oci::{Descriptor, Digest, Platform},
    ops::any_repository::AnyRepository,
};
use std::path::PathBuf;

/// The artifacts that belong to another and are copied with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Attached {
    /// All of them.
    #[default]
    All,
    /// None: only the artifact itself. They are counted, so that the user learns of them.
    None,
}

/// Options of a copy.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The treatment of referrers.
    pub referrers: Attached,
    /// The treatment of tags `sha256-<hex>.<anything>`.
    pub digest_tags: Attached,
    /// Only referrers of this type.
    pub artifact_type: Option<String>,
    /// The platforms to copy of an index; all of them if empty.
    pub platforms: Vec<Platform>,
    /// The treatment of the attestations that BuildKit keeps in an index beside these platforms.
    pub attestations: Attached,
    /// The treatment of the tags at the destination that refer to something else.
    pub existing: Existing,
    /// The number of blobs in transfer at once.
    pub at_once: usize,
    /// The digest that the source must have.
    pub expect: Option<Digest>,
    /// The digest that the destination's tag must have before, if anything is required.
    pub replaces: Option<Replaces>,
    /// True to look which repositories the signatures name.
    pub signed_names: bool,
    /// True to change nothing.
    pub dry_run: bool,
    /// True if the destination's registry is known to mount blobs without the name of their
    /// repository. Otherwise nothing is mounted so: a registry could give away what the client may
    /// not read.
    pub anonymous_mount: bool,
    /// The folder for the journal of a copy, with which the next run resumes it. None is kept
    /// without it.
    pub journal: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            referrers: Attached::All,
            digest_tags: Attached::All,
            artifact_type: None,
            platforms: Vec::new(),
            attestations: Attached::All,
            existing: Existing::Move,
            at_once: 8,
            expect: None,
            replaces: None,
            signed_names: false,
            dry_run: false,
            anonymous_mount: false,
            journal: None,
        }
    }
}

impl Options {
    /// Returns true if a referrer is copied.
    pub(super) fn takes(&self, referrer: &Descriptor) -> bool {
        let kind = self.artifact_type.as_ref();
        self.referrers == Attached::All
            && kind.is_none_or(|kind| referrer.artifact_type.as_ref() == Some(kind))
    }
}

/// The treatment of a tag at the destination that refers to something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Move it.
    Move,
    /// Leave it and report it.
    Keep,
}

/// A requirement on the tag at the destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replaces {
    /// Require that the tag does not exist.
    Nothing,
    /// Require that the tag refers to this manifest.
    Digest(Digest),
}

/// One side of a copy.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// The repository.
    pub repository: &'a AnyRepository,
    /// Its name for messages, such as `host/ns/name`.
    pub name: &'a str,
}
