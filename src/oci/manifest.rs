//! Descriptors and manifests. A [`Manifest`] keeps the raw bytes that it was parsed from. Content
//! with a digest is never serialized again from its parsed form.

use super::{Digest, media};
use crate::{Error, Result};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A descriptor of the image specification. Unknown fields are dropped, because the raw document
/// remains.
///
/// ```
/// use chartferry::oci::{Descriptor, media};
///
/// let config = Descriptor::of(media::EMPTY, b"{}");
/// assert_eq!(config.size, 2);
/// assert!(config.digest.matches(b"{}"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Media type of the content.
    #[serde(default)]
    pub media_type: String,
    /// Digest of the content.
    pub digest: Digest,
    /// Length of the content in bytes.
    pub size: u64,
    /// URLs of a foreign layer. The registry does not have its content.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Annotations of any content.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The content in base64, if it is very small.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// The platform, for an index's entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<serde_json::Value>,
    /// The kind of artifact, for an index's entry or a referrer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
}

impl Descriptor {
    /// Makes the descriptor of `bytes`.
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::sha256(bytes), bytes.len() as u64)
    }

    /// Makes a descriptor with only the three required fields.
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            data: None,
            artifact_type: None,
            platform: None,
        }
    }
}

/// Parsed image manifest or index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// The version of the schema, which is always 2.
    #[serde(default)]
    pub schema_version: u32,
    /// The document's own media type, if it has one. Helm's manifests have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Artifact type of the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The config of an image manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Descriptor>,
    /// The layers of an image manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers: Option<Vec<Descriptor>>,
    /// The manifests of an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifests: Option<Vec<Descriptor>>,
    /// The manifest that this one describes as its subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Annotations of any content.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_as_empty"
    )]
    pub annotations: BTreeMap<String, String>,
}

fn null_as_empty<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Document {
    /// Returns the layers of an image manifest. An index has none.
    pub fn layers(&self) -> &[Descriptor] {
        self.layers.as_deref().unwrap_or_default()
    }

    /// Returns the manifests of an index. An image manifest has none.
    pub fn manifests(&self) -> &[Descriptor] {
        self.manifests.as_deref().unwrap_or_default()
    }

    /// Returns the artifact type for a list of referrers: that of the manifest, or else the media
    /// type of its config.
    pub fn effective_artifact_type(&self) -> Option<&str> {
        match &self.artifact_type {
            Some(kind) if !kind.is_empty() => Some(kind),
            _ => self.config.as_ref().map(|config| config.media_type.as_str()),
        }
    }
}

/// A manifest or index: its raw bytes, their digest, its media type and the parsed document.
///
/// ```
/// use chartferry::oci::Manifest;
///
/// let media_type = "application/vnd.oci.image.index.v1+json";
/// let text = format!(r#"{{"schemaVersion":2,"mediaType":"{media_type}","manifests":[]}}"#);
/// let manifest = Manifest::parse(text.clone().into(), None)?;
/// assert!(manifest.is_index());
/// assert!(manifest.digest().matches(text.as_bytes()));
/// # Ok::<(), chartferry::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Manifest {
    bytes: Bytes,
    digest: Digest,
    media_type: String,
    document: Document,
}

impl Manifest {
    /// Parses the raw bytes of a manifest that was served with `content_type`. Parameters of the
    /// type are ignored.
    ///
    /// # Errors
    /// Returns `Invalid` if the bytes are not a JSON object, if the document names another media
    /// type than the header, or if it has both `layers` and `manifests` (CVE-2021-41190: two
    /// readers would see two artifacts).
    pub fn parse(bytes: Bytes, content_type: Option<&str>) -> Result<Self> {
        // Without this check, serde would also accept an array of the fields' values.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(Error::invalid("the manifest is not a JSON object"));
        }
        let document: Document = serde_json::from_slice(&bytes).map_err(|error| {
            Error::invalid("the manifest is not an OCI manifest").with_source(error)
        })?;
        if document.manifests.is_some() && (document.layers.is_some() || document.config.is_some())
        {
            return Err(Error::invalid(
                "the manifest has both `manifests` and `layers`, so it is ambiguous",
            ));
        }
        let header =
            content_type.map(|text| text.split(';').next().unwrap_or(text).trim()).filter(|text| {
                // Some registries serve manifests under a generic type.
                !text.is_empty()
                    && *text != "application/octet-stream"
                    && *text != "application/json"
                    && *text != "text/plain"
            });
        let media_type =
            match (document.media_type.as_deref().filter(|own| !own.is_empty()), header) {
                (Some(own), Some(header)) if own != header => {
                    return Err(Error::invalid(format!(
                        "the manifest's media type is `{own}`, but it was served as `{header}`"
                    )));
                }
                (Some(own), _) => own.to_owned(),
                (None, Some(header)) => header.to_owned(),
                (None, None) if document.manifests.is_some() => media::INDEX.to_owned(),
                (None, None) => media::MANIFEST.to_owned(),
            };
        let digest = Digest::sha256(&bytes);
        Ok(Self { bytes, digest, media_type, document })
    }

    /// Serializes `document` once, as Go would, and keeps those bytes. The client sends
    /// `media_type` as the `Content-Type`.
    pub fn compose(document: Document, media_type: &str) -> Self {
        let bytes = Bytes::from(crate::json::to_vec(&document));
        Self { digest: Digest::sha256(&bytes), bytes, media_type: media_type.to_owned(), document }
    }

    /// Returns the raw bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns the SHA-256 digest of the raw bytes.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Returns the manifest's media type.
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// Returns the parsed document.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Returns the manifest's descriptor.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::new(&self.media_type, self.digest.clone(), self.bytes.len() as u64)
    }

    /// Returns the manifest's descriptor for a list of referrers, with its artifact type and
    /// annotations.
    pub fn as_referrer(&self) -> Descriptor {
        Descriptor {
            artifact_type: self.document.effective_artifact_type().map(str::to_owned),
            annotations: self.document.annotations.clone(),
            ..self.descriptor()
        }
    }

    /// Returns true if `digest` is the manifest's subject.
    pub fn speaks_of(&self, digest: &Digest) -> bool {
        self.document.subject.as_ref().is_some_and(|subject| subject.digest == *digest)
    }

    /// Returns true for an index or Docker's manifest list.
    pub fn is_index(&self) -> bool {
        self.document.manifests.is_some()
            || matches!(self.media_type.as_str(), media::INDEX | media::DOCKER_LIST)
    }
}
