//! One version of a chart as the index shows it: its texts, made once, and where its bytes lie. An
//! item never changes; a version that is pushed anew is a new item.

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

/// One version of a chart. It is not bound to a manifest: what only the museum can hold is an item
/// too.
#[derive(Clone, Debug)]
pub struct Item {
    /// The chart's name, as Chart.yaml has it.
    pub name: Box<str>,
    /// Its version, as Chart.yaml has it.
    pub version: Box<str>,
    /// Creation time in RFC 3339; Go's zero time if it is unknown.
    pub created: Box<str>,
    /// The entry as it stands in the index: lines of YAML, or one line of JSON.
    pub text: Box<str>,
    /// The syntax of `text`.
    pub format: Format,
    /// The `.tgz`.
    pub archive: Descriptor,
    /// The `.prov`.
    pub provenance: Option<Descriptor>,
}

impl Item {
    /// The name of the archive's file.
    pub fn file_name(&self) -> String {
        format!("{}-{}.tgz", self.name, self.version)
    }

    /// Refuses an entry that is longer than `most` bytes.
    ///
    /// # Errors
    /// `Limit`.
    pub(in crate::server) fn require_at_most(&self, most: usize) -> Result<()> {
        let length = self.text.len();
        if length <= most {
            return Ok(());
        }
        let message =
            format!("its entry in an index has {length} bytes, more than the limit of {most}");
        Err(Error::new(ErrorKind::Limit, message))
    }

    /// Refuses an entry that cannot be read as it was written. It guards against faults of the
    /// writer.
    ///
    /// # Errors
    /// `Limit`, so that the log tells of it.
    pub(in crate::server) fn require_readable(&self) -> Result<()> {
        if self.format == Format::Json {
            return Ok(());
        }
        fragment_entry(&self.text).map(drop).map_err(|error| {
            let message = "its entry in an index cannot be read again";
            Error::new(ErrorKind::Limit, message).with_source(error)
        })
    }

    /// The entry as one line of JSON. Where the index is YAML it is made anew at each call: a
    /// second copy of every entry would be the larger one, for JSON writes `<` in six bytes.
    ///
    /// # Errors
    /// None for an entry that was read back when it was added.
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
        /// The repository, as the catalog names it.
        repository: RepositoryName,
        /// The tag.
        tag: Tag,
        /// The manifest that the tag is on.
        manifest: Digest,
    },
    /// The museum alone: a name that no repository can have, a provenance file without its chart.
    Museum,
}

impl Origin {
    /// Returns true if both are the same tag, whatever it is on, or both the museum's.
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

    /// Returns the rank of an origin. Of several origins of one version the index shows the one in
    /// the repository of the chart's name, under the version's own tag. Every replica ranks alike.
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

/// A version that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Origin of the version.
    pub origin: Origin,
    /// Entry of the version in the index.
    pub item: Arc<Item>,
}

/// A version as a place in a chart's list: newest first, what is no version last.
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
        // `1.0.0+a` and `1.0.0+b` precede neither each other nor `v1.0.0`; their texts decide.
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
