//! Descriptors and manifests. A [`Manifest`] keeps the raw bytes it was parsed from: nothing that
//! has a digest is ever written again from its parsed form.

use super::{Digest, media};
use crate::{Error, Result};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A descriptor of the image specification; unknown fields are dropped, since the raw document
/// stays.
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
    /// Their digest.
    pub digest: Digest,
    /// Their length in bytes.
    pub size: u64,
    /// URLs of a foreign layer. The registry does not have its content.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Free-form facts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The bytes themselves in base64, for very small content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// Of an index's entry or a referrer: what kind of artifact it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Of an index's entry: the platform it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<serde_json::Value>,
}

impl Descriptor {
    /// The descriptor of `bytes`.
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::sha256(bytes), bytes.len() as u64)
    }

    /// A descriptor with no more than the three required fields.
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
    /// Always 2.
    #[serde(default)]
    pub schema_version: u32,
    /// The document's own media type, when it says it. Helm's manifests do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Artifact type of the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// An image manifest's config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Descriptor>,
    /// An image manifest's layers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers: Option<Vec<Descriptor>>,
    /// An index's manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifests: Option<Vec<Descriptor>>,
    /// The manifest this one speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free-form facts.
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
    /// The layers of an image manifest; empty for an index.
    pub fn layers(&self) -> &[Descriptor] {
        self.layers.as_deref().unwrap_or_default()
    }

    /// The manifests of an index; empty for an image manifest.
    pub fn manifests(&self) -> &[Descriptor] {
        self.manifests.as_deref().unwrap_or_default()
    }

    /// Returns the artifact type in a list of referrers: the manifest's artifact type, or the media
    /// type of its config without one.
    pub fn effective_artifact_type(&self) -> Option<&str> {
        match &self.artifact_type {
            Some(kind) if !kind.is_empty() => Some(kind),
            _ => self.config.as_ref().map(|config| config.media_type.as_str()),
        }
    }
}

/// A manifest or index: its raw bytes, their digest, the media type it goes by, and what it says.
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
    /// Parses the raw bytes of a manifest that came with `content_type` (its parameters are
    /// ignored).
    ///
    /// # Errors
    /// `Invalid` when the bytes are no JSON object, when the document names another media type than
    /// the header, or when it has both `layers` and `manifests` (CVE-2021-41190: two readers would
    /// see two artifacts).
    pub fn parse(bytes: Bytes, content_type: Option<&str>) -> Result<Self> {
        // Derived readers take an array of the fields' values too.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(Error::invalid("the manifest is no JSON object"));
        }
        let document: Document = serde_json::from_slice(&bytes).map_err(|error| {
            Error::invalid("the manifest is no OCI manifest").with_source(error)
        })?;
        if document.manifests.is_some() && (document.layers.is_some() || document.config.is_some())
        {
            return Err(Error::invalid(
                "the manifest has both `manifests` and `layers`, so it is two things at once",
            ));
        }
        let header =
            content_type.map(|text| text.split(';').next().unwrap_or(text).trim()).filter(|text| {
                // Some registries serve manifests under a type that says nothing.
                !text.is_empty()
                    && *text != "application/octet-stream"
                    && *text != "application/json"
                    && *text != "text/plain"
            });
        let media_type =
            match (document.media_type.as_deref().filter(|own| !own.is_empty()), header) {
                (Some(own), Some(header)) if own != header => {
                    return Err(Error::invalid(format!(
                        "the manifest says it is `{own}`, but it was served as `{header}`"
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

    /// The raw bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Their SHA-256 digest.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The media type it goes by.
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// Returns the parsed document.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Its descriptor.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::new(&self.media_type, self.digest.clone(), self.bytes.len() as u64)
    }

    /// Its descriptor as a list of referrers shows it: with its artifact type and annotations.
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
