//! Version of a chart in the index: its texts, built once, and the descriptors of its files. An
//! item never changes. A second push of the version makes a new item.

use super::Format;
use crate::{
    Error, ErrorKind, Result,
    digest::Digest,
    index::fragment_entry,
    oci::{Descriptor, RepositoryName, Tag},
    ops::repository::entry::is_own_tag,
    version::Version,
};
use std::{borrow::Cow, cmp::Ordering, sync::Arc};

/// Version of a chart. It does not depend on a manifest, since charts that no registry can name are
/// items too.
#[derive(Clone, Debug)]
pub struct Item {
    /// Name of the chart in `Chart.yaml`.
    pub name: Box<str>,
    /// Version in `Chart.yaml`.
    pub version: Box<str>,
    /// Creation time in RFC 3339. If the time is unknown, it is Go's zero time.
    pub created: Box<str>,
    /// Entry for the index: lines of YAML, or one line of JSON.
    pub text: Box<str>,
    /// Syntax of `text`.
    pub format: Format,
    /// Descriptor of the archive (`.tgz`).
    pub archive: Descriptor,
    /// Descriptor of the provenance file (`.prov`).
    pub provenance: Option<Descriptor>,
}

impl Item {
    /// Returns the name of the archive's file.
    pub fn file_name(&self) -> String {
        format!("{}-{}.tgz", self.name, self.version)
    }

    /// Refuses an entry that is longer than `most` bytes.
    ///
    /// # Errors
    /// `Limit` for a longer entry.
    pub(in crate::server) fn require_at_most(&self, most: usize) -> Result<()> {
        let length = self.text.len();
        if length <= most {
            return Ok(());
        }
        let message =
            format!("its entry in an index has {length} bytes, more than the limit of {most}");
        Err(Error::new(ErrorKind::Limit, message))
    }

    /// Refuses an entry whose text a reader would not accept, to detect faults of the writer.
    ///
    /// # Errors
    /// `Limit`, so that the log contains it.
    pub(in crate::server) fn require_readable(&self) -> Result<()> {
        if self.format == Format::Json {
            return Ok(());
        }
        fragment_entry(&self.text).map(drop).map_err(|error| {
            let message = "its entry in an index cannot be read again";
            Error::new(ErrorKind::Limit, message).with_source(error)
        })
    }

    /// Returns the entry as one line of JSON. For an index in YAML, each call builds the line: a
    /// stored copy of every entry would need more memory than the entry, since JSON writes `<` in
    /// six bytes.
    ///
    /// # Errors
    /// Never fails for an entry that was checked when it was added.
    pub fn json(&self) -> Result<Cow<'_, str>> {
        match self.format {
            Format::Json => Ok(Cow::Borrowed(&self.text)),
            Format::Yaml => {
                let entry = fragment_entry(&self.text)?;
                Ok(String::from_utf8_lossy(&crate::json::to_vec(&entry)).into_owned().into())
            }
        }
    }
}

/// Origin of a version: repository, tag and manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A tag of a repository.
    Tag {
        /// Repository, as the catalog names it.
        repository: RepositoryName,
        /// Tag of the version.
        tag: Tag,
        /// Manifest to which the tag points.
        manifest: Digest,
    },
    /// Storage outside of the repositories: a chart whose name no repository can have, or a
    /// provenance file without its chart.
    Museum,
}

impl Origin {
    /// Returns true if both are the same tag, with any manifest, or both are outside of the
    /// repositories.
    pub(super) fn is_place_of(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Tag { repository, tag, .. },
                Self::Tag { repository: other, tag: other_tag, .. },
            ) => repository == other && tag == other_tag,
            (Self::Museum, Self::Museum) => true,
            _ => false,
        }
    }

    /// Returns the rank of an origin. Of several origins of one version, the index shows the one in
    /// the repository of the chart's name, with the version's own tag. All servers compute the same
    /// rank.
    pub(in crate::server) fn rank<'a>(&'a self, item: &Item) -> (u8, u8, &'a str, &'a str) {
        match self {
            Self::Museum => (0, 0, "", ""),
            Self::Tag { repository, tag, .. } => (
                u8::from(repository.last_segment() != &*item.name),
                u8::from(!is_own_tag(tag, &item.version)),
                repository.as_str(),
                tag.as_str(),
            ),
        }
    }
}

/// Version from a lookup.
#[derive(Clone, Debug)]
pub struct Found {
    /// Origin of the version.
    pub origin: Origin,
    /// Entry of the version in the index.
    pub item: Arc<Item>,
}

/// Sort key of a version in a chart's list: newest first, and texts that are not versions last.
#[derive(Clone, Debug)]
pub(super) struct VersionOrder {
    parsed: Option<Version>,
    text: Box<str>,
}

impl VersionOrder {
    pub(super) fn of(version: &str) -> Self {
        Self { parsed: Version::parse_loose(version).ok(), text: version.into() }
    }
}

impl Ord for VersionOrder {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_version = match (&self.parsed, &other.parsed) {
            (Some(a), Some(b)) => b.cmp(a),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        };
        // Neither `1.0.0+a`, `1.0.0+b` nor `v1.0.0` precedes another, so their texts decide.
        by_version.then_with(|| other.text.cmp(&self.text))
    }
}

impl PartialOrd for VersionOrder {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for VersionOrder {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for VersionOrder {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_first_and_no_version_last() {
        let mut all: Vec<VersionOrder> =
            ["1.0.0+a", "abc", "1.0.0-rc.1", "v1.0.0", "1.10.0", "1.0.0+b", "1.2", "1.2.0"]
                .map(VersionOrder::of)
                .into();
        all.sort();
        let texts: Vec<&str> = all.iter().map(|place| &*place.text).collect();
        assert_eq!(
            texts,
            ["1.10.0", "1.2.0", "1.2", "v1.0.0", "1.0.0+b", "1.0.0+a", "1.0.0-rc.1", "abc"]
        );
    }
}
