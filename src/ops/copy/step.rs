//! The steps of a copy, for its progress.

use super::report::Way;
use crate::oci::{Descriptor, Digest, Manifest};

/// A step of a copy, for its progress.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// The source was resolved.
    Resolved(&'a Digest),
    /// A blob is at the destination.
    Blob(&'a Descriptor, Way),
    /// A manifest is at the destination.
    Manifest(&'a Manifest),
}

/// The receiver of the steps.
pub type Listener<'a> = &'a (dyn Fn(Step<'_>) + Send + Sync);
