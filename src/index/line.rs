//! One version in an index, as far as one needs it to choose: what is searched, compared and fetched.

use super::Entry;
use crate::digest::Digest;
use crate::{Result, json};

/// One version of a chart as it stands in an index.
#[derive(Clone, Debug)]
pub struct Line {
    entry: Box<Entry>,
}

impl Line {
    pub(super) fn new(entry: Entry) -> Self {
        Self { entry: Box::new(entry) }
    }

    /// The chart's name, as the entry says it.
    pub fn name(&self) -> &str {
        &self.entry.metadata.name
    }

    /// Its version, as written.
    pub fn version(&self) -> &str {
        &self.entry.metadata.version
    }

    /// The version of what it installs; perhaps empty.
    pub fn app_version(&self) -> &str {
        &self.entry.metadata.app_version
    }

    /// One sentence; perhaps empty.
    pub fn description(&self) -> &str {
        &self.entry.metadata.description
    }

    /// Words to find it by.
    pub fn keywords(&self) -> impl Iterator<Item = &str> {
        self.entry.metadata.keywords.iter().map(String::as_str)
    }

    /// SHA-256 of its archive as bare hex, if the index says it.
    pub fn digest(&self) -> Option<&str> {
        self.entry.sha256()
    }

    /// When it was added, as RFC 3339 has it.
    pub fn created(&self) -> &str {
        &self.entry.created
    }

    /// Where its archive is; [`super::url::resolve`] makes them whole.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        self.entry.urls.iter().map(String::as_str)
    }

    /// Whether it should no longer be used.
    pub fn deprecated(&self) -> bool {
        self.entry.metadata.deprecated
    }

    /// SHA-256 of the entry as it stands in the index. While it is the same, nothing the entry says has changed; that it
    /// differs need not mean that something has.
    pub fn fingerprint(&self) -> Digest {
        Digest::sha256(&json::to_vec(&*self.entry))
    }

    /// Everything the entry says.
    ///
    /// # Errors
    /// None that reading the index would not have met.
    pub fn decode(&self) -> Result<Entry> {
        Ok((*self.entry).clone())
    }
}
