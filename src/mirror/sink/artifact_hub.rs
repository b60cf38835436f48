//! Artifact Hub's repository metadata. In a folder it is a file beside index.yaml. In a registry it
//! is a small artifact beside each chart, with its own tag, as Artifact Hub's guide for Helm charts
//! describes.

use crate::{
    ErrorKind, Result,
    oci::{Descriptor, Document, Manifest, Tag, TagOrDigest, media},
    store::{BlobSource, Fetch, Push},
};
use bytes::Bytes;
use std::collections::BTreeMap;

/// The tag of the artifact. It is not a version, so clients do not mistake it for one.
const TAG: &str = "artifacthub.io";
/// The media type of the config, whose content is empty.
const CONFIG: &str = "application/vnd.cncf.artifacthub.config.v1+yaml";
/// The media type of the only layer.
const LAYER: &str = "application/vnd.cncf.artifacthub.repository-metadata.layer.v1.yaml";
/// The file name of the metadata.
pub(super) const FILE: &str = "artifacthub-repo.yml";

/// Stores the metadata beside a chart, unless it exists.
pub(super) async fn put<R: Fetch + Push>(repository: &R, metadata: &Bytes) -> Result<()> {
    // The guide uses an empty blob, `/dev/null`, which some registries refuse.
    let empty = Bytes::from_static(b"{}");
    let config = Descriptor::of(CONFIG, &empty);
    let mut layer = Descriptor::of(LAYER, metadata);
    layer.annotations.insert(media::TITLE.to_owned(), FILE.to_owned());
    let document = Document {
        schema_version: 2,
        media_type: Some(media::MANIFEST.to_owned()),
        artifact_type: None,
        config: Some(config.clone()),
        layers: Some(vec![layer.clone()]),
        manifests: None,
        subject: None,
        annotations: BTreeMap::new(),
    };
    let manifest = Manifest::compose(document, media::MANIFEST);
    let tag: Tag = TAG.parse()?;
    match repository.fetch_manifest(&TagOrDigest::Tag(tag.clone())).await {
        Ok(there) if there.digest() == manifest.digest() => return Ok(()),
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    repository.push_blob(&config, &BlobSource::Bytes(empty)).await?;
    repository.push_blob(&layer, &BlobSource::Bytes(metadata.clone())).await?;
    repository.push_manifest(&manifest, Some(&tag)).await
}
