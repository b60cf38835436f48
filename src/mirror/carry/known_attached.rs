//! The knowledge of a run about the signatures and referrers of the source's charts.

use crate::ops::copy::DigestTags;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, atomic::AtomicBool},
};

/// The tags of digests in the source's repositories.
pub(crate) type DigestTagsOf = HashMap<String, Arc<DigestTags>>;

/// The knowledge of a run about what is attached to the source's charts.
#[derive(Debug, Default)]
pub(crate) struct Attached {
    /// The tags of digests, by repository.
    pub(super) tags: Mutex<DigestTagsOf>,
    /// `true` once the source is known to keep no lists of referrers.
    pub(super) listless: AtomicBool,
}

impl Attached {
    pub(crate) fn new(tags: DigestTagsOf) -> Self {
        Self { tags: Mutex::new(tags), listless: AtomicBool::new(false) }
    }
}
