//! The search for a chart's layer in a manifest, and the description of a manifest without a chart.

use super::{Descriptor, Manifest, media};
use crate::{Error, Result};

/// Descriptors of a chart within a manifest.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    /// The config. It is a chart's config only if [`Found::foreign`] is `None`.
    pub config: Option<&'a Descriptor>,
    /// The layer of the `.tgz`, or the layer that may be one.
    pub content: &'a Descriptor,
    /// The layer of the `.prov`.
    pub provenance: Option<&'a Descriptor>,
    /// The layer's type, if other tools used it for charts. The caller must check that the bytes
    /// are a chart.
    pub foreign: Option<&'a str>,
}

/// Finds the chart in an image manifest.
///
/// # Errors
/// Returns `Invalid` if the manifest has no chart: an image, an index or another artifact. The
/// message names the kind.
pub fn find(manifest: &Manifest) -> Result<Found<'_>> {
    let document = manifest.document();
    let config = document.config.as_ref();
    let provenance =
        document.layers().iter().find(|layer| layer.media_type == media::CHART_PROVENANCE);
    if let Some(content) =
        document.layers().iter().find(|layer| layer.media_type == media::CHART_CONTENT)
    {
        return Ok(Found { config, content, provenance, foreign: None });
    }
    let config_type = config.map_or("", |config| config.media_type.as_str());
    let image = matches!(config_type, media::IMAGE_CONFIG | media::DOCKER_IMAGE_CONFIG);
    let candidates: Vec<&Descriptor> = document
        .layers()
        .iter()
        .filter(|layer| media::CHART_CONTENT_FOREIGN.contains(&layer.media_type.as_str()))
        .collect();
    match candidates[..] {
        // More than one layer below an image's config means an image. No download is needed to know
        // that.
        [content] if !(image && document.layers().len() > 1) => {
            Ok(Found { config, content, provenance, foreign: Some(&content.media_type) })
        }
        _ => Err(not_a_chart(manifest)),
    }
}

/// Makes the error for a manifest without a chart. The error names the manifest's kind.
pub fn not_a_chart(manifest: &Manifest) -> Error {
    Error::invalid(format!("it is {}, not a chart", describe(manifest)))
        .with_hint(format!("a chart's manifest has a layer of type `{}`", media::CHART_CONTENT))
}

/// Describes a manifest for messages: `an image`, `a cosign signature`, `an artifact of type …`.
pub fn describe(manifest: &Manifest) -> String {
    let document = manifest.document();
    let config = document.config.as_ref().map_or("", |config| config.media_type.as_str());
    if manifest.is_index() {
        return "an image index".to_owned();
    }
    match document.artifact_type.as_deref().filter(|kind| !kind.is_empty()) {
        Some(kind) => format!("an artifact of type `{kind}`"),
        None if config == media::CHART_CONFIG => "a chart".to_owned(),
        None if matches!(config, media::IMAGE_CONFIG | media::DOCKER_IMAGE_CONFIG) => {
            let signature = media::SIMPLE_SIGNING;
            if document.layers().iter().any(|layer| layer.media_type == signature) {
                "a cosign signature".to_owned()
            } else {
                "a container image".to_owned()
            }
        }
        None if config.is_empty() => "a manifest without a config".to_owned(),
        None => format!("an artifact with config type `{config}`"),
    }
}
