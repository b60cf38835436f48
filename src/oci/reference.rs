//! References: `[oci://]host[:port]/name[:tag][@digest]`, parsed once. The grammar is that of
//! distribution-spec 1.1.

use super::Digest;
use super::{
    parse_error::ParseReferenceError, registry::Registry, repository_name::RepositoryName, tag::Tag,
};
use std::{fmt, str::FromStr};

/// The tag or digest of a manifest within a repository.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TagOrDigest {
    /// A name that may move.
    Tag(Tag),
    /// The digest of the manifest's content.
    Digest(Digest),
}

impl TagOrDigest {
    /// Returns the text for a URL.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Tag(tag) => tag.as_str(),
            Self::Digest(digest) => digest.as_str(),
        }
    }
}

impl fmt::Display for TagOrDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TagOrDigest {
    type Err = ParseReferenceError;

    /// Parses a text with a `:` as a digest, as the specification does, and any other text as a
    /// tag.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains(':') {
            return text.parse().map(Self::Digest).map_err(
                |error: super::digest::ParseDigestError| {
                    ParseReferenceError::new(text, error.to_string())
                },
            );
        }
        text.parse().map(Self::Tag)
    }
}

/// A full reference to one artifact or repository.
///
/// ```
/// use chartferry::oci::Reference;
///
/// let reference: Reference = "oci://localhost:5000/charts/demo:1.0.0_b1".parse()?;
/// assert_eq!(reference.registry.to_string(), "localhost:5000");
/// assert_eq!(reference.repository, "charts/demo");
/// assert_eq!(reference.tag.map(|tag| tag.to_version()).as_deref(), Some("1.0.0+b1"));
/// # Ok::<(), chartferry::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The registry.
    pub registry: Registry,
    /// The repository.
    pub repository: RepositoryName,
    /// The tag, if one was written.
    pub tag: Option<Tag>,
    /// The digest, if one was written. If the reference has a tag too, the digest decides and the
    /// tag must agree.
    pub digest: Option<Digest>,
}

impl Reference {
    /// Parses `text` as a location for artifacts: `[oci://]host[:port][/name]…` without a tag or
    /// digest. The name may be missing, as in `oci://host`.
    pub fn parse_namespace(
        text: &str,
    ) -> Result<(Registry, Option<RepositoryName>), ParseReferenceError> {
        if let Some(error) = ParseReferenceError::of_user(text) {
            return Err(error);
        }
        let bare = text.strip_prefix("oci://").unwrap_or(text).trim_end_matches('/');
        match bare.split_once('/') {
            None => Ok((bare.parse()?, None)),
            Some((host, name)) => Ok((host.parse()?, Some(name.parse()?))),
        }
    }

    /// Returns `host/name`, without tag and digest.
    pub fn repository_path(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// Returns the target of a request: the digest, or the tag if there is no digest.
    pub fn target(&self) -> Option<TagOrDigest> {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => Some(TagOrDigest::Digest(digest.clone())),
            (None, Some(tag)) => Some(TagOrDigest::Tag(tag.clone())),
            (None, None) => None,
        }
    }

    /// Returns the same repository with another tag.
    #[must_use]
    pub fn with_tag(&self, tag: Tag) -> Self {
        Self { tag: Some(tag), digest: None, ..self.clone() }
    }

    /// Returns the same repository with the digest alone.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }
}

impl FromStr for Reference {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(error) = ParseReferenceError::of_user(text).filter(|_| text.contains('/')) {
            return Err(error);
        }
        let bare = text.strip_prefix("oci://").unwrap_or(text);
        let fail = |reason: &str| ParseReferenceError::new(text, reason);
        let name_its_input =
            |error: ParseReferenceError| ParseReferenceError::new(text, error.into_reason());
        let (rest, digest) = match bare.rsplit_once('@') {
            Some((rest, digest)) => {
                let digest = digest.parse().map_err(|error: super::digest::ParseDigestError| {
                    ParseReferenceError::new(text, error.to_string())
                })?;
                (rest, Some(digest))
            }
            None => (bare, None),
        };
        let (host, path) =
            rest.split_once('/').ok_or_else(|| fail("missing registry or repository"))?;
        let (name, tag) = match path.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => {
                (name, Some(Tag::from_version(tag).map_err(name_its_input)?))
            }
            _ => (path, None),
        };
        if host.is_empty() || name.is_empty() {
            return Err(fail("missing registry or repository"));
        }
        Ok(Self {
            registry: host.parse().map_err(name_its_input)?,
            repository: name.parse().map_err(name_its_input)?,
            tag,
            digest,
        })
    }
}

impl fmt::Display for Reference {
    /// Prints `host/name[:tag][@digest]`, with the tag in the spelling of the registry.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Advice;
    use proptest::prelude::*;

    const D: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    #[test]
    fn references_parse_and_print() {
        for (text, printed) in [
            ("oci://127.0.0.1:5000/ns/demo:1.0.0", "127.0.0.1:5000/ns/demo:1.0.0"),
            ("localhost/demo", "localhost/demo"),
            ("reg.example.com/a/b-c/d__e.f:1.0.0+b1", "reg.example.com/a/b-c/d__e.f:1.0.0_b1"),
            ("[::1]:5000/x:y", "[::1]:5000/x:y"),
        ] {
            assert_eq!(text.parse::<Reference>().expect(text).to_string(), printed);
        }
        let both: Reference = format!("h:1/r:t@{D}").parse().expect("tag and digest");
        assert_eq!(both.tag.as_ref().map(Tag::as_str), Some("t"));
        assert_eq!(both.target().map(|t| t.to_string()).as_deref(), Some(D));
    }

    #[test]
    fn a_password_in_a_reference_is_not_shown() {
        for text in
            ["oci://ann:s3cret@h:5000/ns/a:1", "ann:s3cret@h:5000/ns/a", "oci://ann:s3/cret@h/ns"]
        {
            let errors = [
                crate::Error::from(text.parse::<Reference>().expect_err(text)),
                crate::Error::from(Reference::parse_namespace(text).expect_err(text)),
            ];
            for error in errors {
                let hint = error.hint().unwrap_or_default();
                assert!(
                    matches!(error.advice(), Some(Advice::LogIn { registry, .. }) if registry.starts_with('h')),
                    "{hint}"
                );
                assert!(!format!("{error:?}{hint}").contains("cret"), "{error:?}");
                assert!(error.message().contains("cannot contain a user name"), "{error}");
            }
        }
        let login = "ann:s3cret@h:5000".parse::<Registry>().expect_err("a user");
        assert_eq!(
            login.to_string(),
            "invalid reference `h:5000`: a reference cannot contain a user name or a password"
        );
    }

    #[test]
    fn bad_references_say_why() {
        for (text, reason) in [
            ("demo", "missing registry or repository"),
            ("h/UP:1", "invalid repository \"UP\": registries take lower case only"),
            ("h/a//b", "invalid repository \"a//b\""),
            ("h/a___b", "invalid repository \"a___b\""),
            ("h/a:", "invalid tag \"\""),
            ("h/a:-x", "invalid tag \"-x\""),
            ("h/a@sha256:abc", "is not a digest"),
            ("https://h/a", "invalid registry \"https:\""),
            ("/a:1", "missing registry or repository"),
        ] {
            let error = text.parse::<Reference>().expect_err(text).to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_what_prints_parses_again(text in "\\PC{0,60}") {
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert_eq!(reference.to_string().parse::<Reference>().expect("printed form"), reference);
            }
        }

        #[test]
        fn legal_references_parse(host in "[a-z]{1,8}(:[0-9]{1,4})?", name in "[a-z0-9]{1,5}(-{1,2}[a-z0-9]{1,3})?(/[a-z0-9]{1,5}){0,3}", tag in "[A-Za-z0-9_][A-Za-z0-9._-]{0,20}") {
            let text = format!("{host}/{name}:{tag}");
            prop_assert_eq!(text.parse::<Reference>().expect("legal").to_string(), text);
        }
    }
}
