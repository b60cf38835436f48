//! The kind of artifact that a manifest describes, for messages and for the choice of a command.

use crate::oci::{Manifest, media};

/// The kind of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A Helm chart.
    Chart,
    /// A container image.
    Image,
    /// An index of several manifests.
    Index,
    /// Files with titles.
    Files,
    /// A signature of cosign, an attestation, or a bundle of sigstore.
    Signature,
    /// A list of a software's parts.
    Sbom,
    /// Another artifact.
    Other,
}

impl Kind {
    /// Returns the kind of a manifest.
    pub fn of(manifest: &Manifest) -> Self {
        let document = manifest.document();
        if document.manifests.is_some() {
            return Self::Index;
        }
        let artifact_type = document.effective_artifact_type().unwrap_or_default();
        let layers = document.layers();
        let has_layer = |part: &str| layers.iter().any(|layer| layer.media_type.contains(part));
        let is_chart =
            document.config.as_ref().is_some_and(|it| it.media_type == media::CHART_CONFIG)
                || layers.iter().any(|layer| layer.media_type == media::CHART_CONTENT);
        if is_chart {
            return Self::Chart;
        }
        if artifact_type.contains("sigstore.bundle")
            || artifact_type.contains("notary.signature")
            || has_layer("cosign.simplesigning")
            || has_layer("dsse.envelope")
        {
            return Self::Signature;
        }
        if artifact_type.contains("spdx") || artifact_type.contains("cyclonedx") {
            return Self::Sbom;
        }
        let titled = layers.iter().any(|layer| layer.annotations.contains_key(media::TITLE));
        if titled {
            return Self::Files;
        }
        match artifact_type {
            media::IMAGE_CONFIG | media::DOCKER_IMAGE_CONFIG => Self::Image,
            _ => Self::Other,
        }
    }

    /// Describes the kind in words, with its article.
    pub fn words(self) -> &'static str {
        match self {
            Self::Chart => "a chart",
            Self::Image => "an image",
            Self::Index => "an index",
            Self::Files => "files",
            Self::Signature => "a signature",
            Self::Sbom => "an SBOM",
            Self::Other => "an artifact",
        }
    }
}
