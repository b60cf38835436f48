//! A chart that is ready to be pushed.

use crate::{
    chart::Metadata,
    oci::{Descriptor, Manifest, chart, media},
    store::{BlobBytes, BlobSource},
};
use bytes::Bytes;
use std::collections::BTreeMap;

/// A chart to push: validated and hashed. It can be sent more than once.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The metadata of the chart.
    pub metadata: Metadata,
    /// The content of the `.tgz`.
    pub archive: BlobBytes,
    /// The digest and size of the `.tgz`.
    pub content: Descriptor,
    /// The content of the `.prov` file.
    pub provenance: Option<Bytes>,
    /// The creation time, in RFC 3339 and UTC.
    pub created: Option<String>,
    /// The existing config and manifest, to be sent unchanged, so that a saved chart keeps its
    /// digest.
    pub ready: Option<(Bytes, Manifest)>,
    /// The notes for the user about the packaged source.
    pub notes: Vec<String>,
    /// The warnings for the user, although nothing is wrong.
    pub warnings: Vec<String>,
}

impl Outgoing {
    /// Returns the descriptor of the provenance file, if there is one.
    pub fn provenance_descriptor(&self) -> Option<Descriptor> {
        let bytes = self.provenance.as_ref()?;
        Some(Descriptor::of(media::CHART_PROVENANCE, bytes))
    }

    /// Returns the config and the manifest to push. A chart that came with both keeps them byte for
    /// byte, unless `annotations` add to the manifest.
    pub fn manifest(
        &self,
        order: chart::LayerOrder,
        annotations: &BTreeMap<String, String>,
    ) -> (Bytes, Manifest) {
        match &self.ready {
            Some(ready) if annotations.is_empty() => ready.clone(),
            _ => chart::compose(
                &self.metadata,
                chart::Parts {
                    content: self.content.clone(),
                    provenance: self.provenance_descriptor(),
                    created: self.created.as_deref(),
                    order,
                    annotations,
                },
            ),
        }
    }
}

/// Returns the blobs of a chart: config, chart and provenance.
pub(super) fn blobs(
    chart: &Outgoing,
    config: &Bytes,
    provenance: Option<&Descriptor>,
) -> Vec<(Descriptor, BlobSource)> {
    let archive = chart.archive.source();
    let mut blobs = vec![
        (Descriptor::of(media::CHART_CONFIG, config), BlobSource::Bytes(config.clone())),
        (chart.content.clone(), archive),
    ];
    if let (Some(blob), Some(bytes)) = (provenance, &chart.provenance) {
        blobs.push((blob.clone(), BlobSource::Bytes(bytes.clone())));
    }
    blobs
}
