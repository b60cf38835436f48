//! Shared parts of saving and loading bundles: the base of a delta, and a list of names that fits a
//! line.

pub(super) mod charts;
pub(super) mod load;
mod names;
pub(super) mod save;
pub mod select;
pub(super) mod verify;

use crate::{
    digest::Digest,
    oci::{Descriptor, Manifest},
    store::bundle::Bundle,
};
use std::collections::HashSet;

pub use load::{LoadOptions, Loaded, Only, To, load};
pub use save::{Chosen, Insist, SaveOptions, Saved, save};
pub use verify::{Verified, verify};

/// The number of names in an error's line; the rest is counted. Five references of registries fill
/// two lines of a terminal.
const NAMED: usize = 5;

/// The base of a delta: the blobs that its receiver already has.
#[derive(Clone, Debug)]
pub struct Base {
    /// The name in the delta: the digest of its `index.json` or of its other content.
    pub identity: Digest,
    /// The manifests. All blobs that they name exist too.
    pub manifests: HashSet<Digest>,
    /// The blobs of the base, if they are known one by one.
    pub blobs: HashSet<Digest>,
}

impl From<&Bundle> for Base {
    fn from(bundle: &Bundle) -> Self {
        Self {
            identity: bundle.identity().clone(),
            manifests: bundle.entries().iter().map(|entry| entry.digest().clone()).collect(),
            blobs: bundle.known(),
        }
    }
}

/// Returns the config and layers of a manifest.
pub(super) fn blobs_of(manifest: &Manifest) -> impl Iterator<Item = &Descriptor> {
    let document = manifest.document();
    document.config.iter().chain(document.layers())
}

/// Formats names as `a, b and 3 more`.
pub(super) fn listed(names: &[String]) -> String {
    let mut text = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > NAMED {
        text.push_str(&format!(" and {} more", names.len() - NAMED));
    }
    text
}
