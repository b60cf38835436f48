//! Names of images as charts write them, and whole names.

use crate::oci::{Digest, ParseReferenceError, Reference, Tag};
use std::{fmt, str::FromStr};

/// The registry of names without a host.
const HUB: &str = "docker.io";

/// The name of an image with its host, and a tag, a digest, or both.
///
/// ```
/// use chartferry::ops::images::ImageName;
///
/// let image: ImageName = "nginx:1.25".parse()?;
/// assert_eq!(image.to_string(), "docker.io/library/nginx:1.25");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ImageName {
    /// The host, `host[:port]`.
    pub registry: String,
    /// The path below the host.
    pub path: String,
    /// The tag, if it has one.
    pub tag: Option<Tag>,
    /// The digest, if it has one.
    pub digest: Option<Digest>,
}

impl FromStr for ImageName {
    type Err = ParseReferenceError;

    /// Reads a name as container engines do: a first part without a dot, a colon or `localhost` is
    /// no host, and a name of one part is in Docker Hub's `library`. Without a tag and a digest, it
    /// is `latest`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let (host, rest) = match text.split_once('/') {
            Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => (host, rest),
            _ => (HUB, text),
        };
        let is_hub = matches!(host, HUB | "index.docker.io" | "registry-1.docker.io");
        let host = if is_hub { HUB } else { host };
        let whole = match is_hub && !rest.contains('/') {
            true => format!("{host}/library/{rest}"),
            false => format!("{host}/{rest}"),
        };
        let reference: Reference = whole.parse()?;
        let tag = match (&reference.tag, &reference.digest) {
            (None, None) => Some("latest".parse()?),
            (tag, _) => tag.clone(),
        };
        Ok(Self {
            registry: host.to_owned(),
            path: reference.repository.to_string(),
            tag,
            digest: reference.digest,
        })
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)?;
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

    #[test]
    fn names_are_made_whole() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (text, whole) in [
            ("nginx", "docker.io/library/nginx:latest".to_owned()),
            ("nginx:1.25", "docker.io/library/nginx:1.25".to_owned()),
            ("bitnami/nginx:1", "docker.io/bitnami/nginx:1".to_owned()),
            ("docker.io/nginx:1", "docker.io/library/nginx:1".to_owned()),
            ("index.docker.io/bitnami/nginx:1", "docker.io/bitnami/nginx:1".to_owned()),
            (
                "quay.io/prometheus/node-exporter:v1",
                "quay.io/prometheus/node-exporter:v1".to_owned(),
            ),
            ("localhost:5000/a:1", "localhost:5000/a:1".to_owned()),
            ("localhost/a:1", "localhost/a:1".to_owned()),
            (&format!("ghcr.io/a/b@{digest}"), format!("ghcr.io/a/b@{digest}")),
            (&format!("ghcr.io/a/b:1@{digest}"), format!("ghcr.io/a/b:1@{digest}")),
        ] {
            assert_eq!(text.parse::<ImageName>().expect(text).to_string(), whole, "{text}");
        }
        for text in ["", "a b", "UPPER/case", "{{ .Values.image }}", "a:b:c"] {
            assert!(text.parse::<ImageName>().is_err(), "{text}");
        }
    }
}
