//! Names of the entries of an image layout. Most tools write a tag, some a whole reference. A
//! layout of many charts needs both a name and a tag, and writes `NAME:TAG`, which the grammar of
//! `org.opencontainers.image.ref.name` allows.

use crate::oci::{Descriptor, Digest, RepositoryName, Tag, TagOrDigest, media};
use std::fmt;

/// The parsed name of a layout's entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RefName {
    /// The repository, relative to the one that the layout represents.
    pub repository: Option<RepositoryName>,
    /// The tag, if the name has one.
    pub tag: Option<Tag>,
}

impl RefName {
    /// Parses an entry's annotation: a tag, `NAME:TAG`, `NAME@DIGEST`, or a whole reference, whose
    /// host is dropped.
    pub fn of(entry: &Descriptor) -> Self {
        match entry.annotations.get(media::REF_NAME) {
            Some(text) => Self::parse(text),
            None => Self { repository: None, tag: None },
        }
    }

    fn parse(text: &str) -> Self {
        if let Ok(tag) = text.parse::<Tag>() {
            return Self { repository: None, tag: Some(tag) };
        }
        let text = text.split_once('@').map_or(text, |(name, _)| name);
        let (path, tag) = match text.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, Tag::from_version(tag).ok()),
            _ => (text, None),
        };
        let path = match path.split_once('/') {
            Some((host, rest)) if host == "localhost" || host.contains(['.', ':']) => rest,
            _ => path,
        };
        Self { repository: path.parse().ok(), tag }
    }

    /// Returns `NAME:TAG`, or `NAME@DIGEST` for a manifest without a tag.
    pub(crate) fn write(repository: &RepositoryName, target: &TagOrDigest) -> String {
        match target {
            TagOrDigest::Tag(tag) => format!("{repository}:{tag}"),
            TagOrDigest::Digest(digest) => format!("{repository}@{digest}"),
        }
    }

    /// Returns the tag, or the digest for a manifest without a tag.
    pub fn target(&self, digest: &Digest) -> TagOrDigest {
        match &self.tag {
            Some(tag) => TagOrDigest::Tag(tag.clone()),
            None => TagOrDigest::Digest(digest.clone()),
        }
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.repository, &self.tag) {
            (Some(repository), Some(tag)) => write!(f, "{repository}:{tag}"),
            (Some(repository), None) => write!(f, "{repository}"),
            (None, Some(tag)) => write!(f, "{tag}"),
            (None, None) => f.write_str("(unnamed)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_tools_are_understood() {
        for (text, repository, tag) in [
            ("1.0.0", None, Some("1.0.0")),
            ("demo:1.0.0", Some("demo"), Some("1.0.0")),
            ("team/demo:1.0.0_b1", Some("team/demo"), Some("1.0.0_b1")),
            ("registry.example:5000/team/demo:v1", Some("team/demo"), Some("v1")),
            ("localhost/demo:v1", Some("demo"), Some("v1")),
            ("demo@sha256:00", Some("demo"), None),
            ("UPPER:1", None, Some("1")),
            ("-", None, None),
        ] {
            let name = RefName::parse(text);
            assert_eq!(name.repository.as_ref().map(RepositoryName::as_str), repository, "{text}");
            assert_eq!(name.tag.as_ref().map(Tag::as_str), tag, "{text}");
        }
    }
}
