//! The manifest of an artifact, byte for byte as ORAS composes it.

use super::layer::Layer;
use crate::{
    Error, Result, json,
    oci::{Descriptor, Document, Manifest, Platform, media},
};
use std::collections::BTreeMap;

/// The type of an artifact for which the user gave none.
pub const UNKNOWN_ARTIFACT: &str = "application/vnd.unknown.artifact.v1";
/// The type of a config for which the user gave none.
pub const UNKNOWN_CONFIG: &str = "application/vnd.unknown.config.v1+json";

/// The version of the image specification that a manifest follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageSpec {
    /// Version 1.0: the config's media type is the type of the artifact.
    V1_0,
    /// Version 1.1: the manifest has the field `artifactType`.
    V1_1,
}

/// The parts of an artifact.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Parts {
    /// The type of the artifact.
    pub artifact_type: Option<String>,
    /// The config; without one, it is empty.
    pub config: Option<Layer>,
    /// The annotations of the config's descriptor.
    pub config_annotations: BTreeMap<String, String>,
    /// The layers.
    pub layers: Vec<Layer>,
    /// The manifest that the artifact describes.
    pub subject: Option<Descriptor>,
    /// The annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
    /// The version of the specification. Without one, 1.0 if there is a config and no type, else
    /// 1.1: the rule of ORAS.
    pub image_spec: Option<ImageSpec>,
}

/// A composed artifact.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// The manifest.
    pub manifest: Manifest,
    /// Every blob that the manifest names, each once.
    pub blobs: Vec<Layer>,
}

/// Composes the manifest.
///
/// # Errors
/// `Usage` for a type that is not a media type, and for a config and a type that exclude each
/// other.
pub fn compose(parts: Parts) -> Result<Artifact> {
    let Parts {
        artifact_type,
        config,
        config_annotations,
        layers,
        subject,
        annotations,
        image_spec,
    } = parts;
    if let Some(kind) = artifact_type.as_deref().filter(|kind| !media::is_valid(kind)) {
        return Err(Error::usage(format!("`{kind}` is not a media type"))
            .with_hint("an artifact's type is such as `application/spdx+json`"));
    }
    let image_spec = image_spec.unwrap_or(match (&config, &artifact_type) {
        (Some(_), None) => ImageSpec::V1_0,
        _ => ImageSpec::V1_1,
    });
    let mut blobs: Vec<Layer> = Vec::new();
    let (document_type, mut config) = match (image_spec, config) {
        (ImageSpec::V1_0, Some(_)) if artifact_type.is_some() => {
            return Err(Error::usage(
                "an artifact of image specification 1.0 has either a config or a type",
            ));
        }
        (ImageSpec::V1_0, Some(config)) => (None, config),
        (ImageSpec::V1_0, None) => {
            let kind = artifact_type.as_deref().unwrap_or(UNKNOWN_CONFIG);
            (None, Layer::of(kind, b"{}"))
        }
        (ImageSpec::V1_1, Some(config)) => {
            let kind = artifact_type.ok_or_else(|| {
                Error::usage("an artifact of image specification 1.1 with a config needs a type")
            })?;
            (Some(kind), config)
        }
        (ImageSpec::V1_1, None) => {
            (Some(artifact_type.unwrap_or_else(|| UNKNOWN_ARTIFACT.to_owned())), empty())
        }
    };
    config.descriptor.annotations = config_annotations;
    let mut named = Vec::with_capacity(layers.len());
    let layers = match (image_spec, layers.is_empty()) {
        (ImageSpec::V1_1, true) => vec![empty()],
        _ => layers,
    };
    for layer in layers.into_iter().chain([config]) {
        named.push(layer.descriptor.clone());
        if !blobs.iter().any(|blob| blob.descriptor.digest == layer.descriptor.digest) {
            blobs.push(layer);
        }
    }
    let document = Document {
        schema_version: 2,
        media_type: Some(media::MANIFEST.to_owned()),
        artifact_type: document_type,
        config: named.pop(),
        layers: Some(named),
        manifests: None,
        subject,
        annotations,
    };
    let manifest = Manifest::parse(json::to_vec(&document).into(), Some(media::MANIFEST))?;
    Ok(Artifact { manifest, blobs })
}

/// Returns the empty blob with its content in the descriptor.
fn empty() -> Layer {
    let mut empty = Layer::of(media::EMPTY, b"{}");
    empty.descriptor.data = Some("e30=".to_owned());
    empty
}

/// Returns the config for an artifact of one platform, `os[/arch[/variant]][:os-version]`.
///
/// # Errors
/// `Usage` for another form.
pub fn platform_config(text: &str) -> Result<Layer> {
    let platform: Platform = text.parse()?;
    Ok(Layer::of(media::IMAGE_CONFIG, &json::to_vec(&platform.to_json())))
}
