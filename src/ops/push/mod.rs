//! Push: stores a chart under a tag. It first looks at the tag, sends only missing content, refuses
//! to replace a different chart, and reads back the stored content.

pub(super) mod compare;
mod existing_tag;
pub mod prepare;
pub(crate) mod read_back;

use crate::{
    ErrorKind, Result,
    chart::Metadata,
    limits::Limits,
    oci::{Descriptor, Digest, Manifest, Tag, TagOrDigest, chart, media},
    store::{BlobBytes, BlobSource, Fetch, Push},
};
use bytes::Bytes;
use existing_tag::{Decision, Pushed};
use read_back::{READ_BACK_DELAYS, read_back};
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};

/// The verification of a push.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// Check only the digest headers of the responses.
    None,
    /// Read the manifest back by tag and compare it byte for byte.
    #[default]
    Manifest,
    /// Read the layers back too.
    Full,
}

/// The handling of an existing tag of a version that has a different chart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// Refuse the push.
    #[default]
    Refuse,
    /// Replace the chart, and report the digest that lost its tag.
    Overwrite,
    /// Keep the tag, whatever its content.
    Skip,
}

/// Options of a push.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The verification after the push.
    pub verify: Verify,
    /// The handling of an existing tag.
    pub existing: Existing,
    /// The order of chart and provenance.
    pub order: chart::LayerOrder,
    /// The user's annotations.
    pub annotations: BTreeMap<String, String>,
    /// Pauses before another read back, if the last one did not show our manifest. GHCR lags by a
    /// few seconds.
    pub read_back_delays: Vec<Duration>,
    /// The limits on sizes and counts.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            verify: Verify::default(),
            existing: Existing::default(),
            order: chart::LayerOrder::default(),
            annotations: BTreeMap::new(),
            read_back_delays: READ_BACK_DELAYS.to_vec(),
            limits: Limits::default(),
        }
    }
}

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

/// The result for a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The tag did not exist and was pushed.
    Pushed,
    /// The tag had this chart already; nothing was sent.
    Unchanged,
    /// The tag had other content, which [`Existing::Skip`] kept.
    Skipped,
    /// The tag had other content and now has this chart.
    Moved,
}

/// The extent to which a push was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verified {
    /// The push was verified to the requested extent.
    Yes,
    /// The push was not verified: [`Verify::None`], or a tag that was skipped.
    No,
    /// The credentials may push but not read.
    Unreadable,
}

/// The outcome of a push.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The tag of the push.
    pub tag: Tag,
    /// The digest of the tag's manifest now.
    pub digest: Digest,
    /// The name in Chart.yaml of the chart that was to be pushed.
    pub chart: String,
    /// The version in Chart.yaml.
    pub version: String,
    /// The archive for the tag now. `None` if a skipped tag has no chart.
    pub archive: Option<Descriptor>,
    /// The result for the tag.
    pub status: Status,
    /// The digest of the manifest that just lost the tag.
    pub lost: Option<Digest>,
    /// The extent to which the push was verified.
    pub verified: Verified,
}

/// Pushes `chart` with `tag`; `name` is the repository as the user knows it.
///
/// # Errors
/// `Conflict` if the tag has a different chart or no chart; `Integrity` if the registry stored
/// something else.
pub async fn push<R: Fetch + Push>(
    repository: &R,
    name: &str,
    chart: &Outgoing,
    tag: &Tag,
    options: &Options,
) -> Result<Report> {
    let target = TagOrDigest::Tag(tag.clone());
    let provenance = chart.provenance_descriptor();
    let (config, manifest) = chart.manifest(options.order, &options.annotations);
    let report = |digest: &Digest, status, lost, verified| Report {
        tag: tag.clone(),
        digest: digest.clone(),
        chart: chart.metadata.name.clone(),
        version: chart.metadata.version.clone(),
        archive: Some(chart.content.clone()),
        status,
        lost,
        verified,
    };
    let existing = match repository.fetch_manifest(&target).await {
        Ok(existing) => Some(existing),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        // Credentials with push access only cannot see existing content. Skipping needs it, pushing
        // does not.
        Err(error) if error.kind() == ErrorKind::Denied && options.existing != Existing::Skip => {
            None
        }
        Err(error) => return Err(error.context(format!("cannot see whether {name}:{tag} exists"))),
    };
    let mut lost = None;
    if let Some(existing) = &existing {
        let pushed = Pushed { chart, manifest: &manifest, provenance: provenance.as_ref() };
        match existing_tag::decide(repository, name, tag, existing, &pushed, options).await? {
            Decision::Unchanged => {
                return Ok(report(existing.digest(), Status::Unchanged, None, Verified::Yes));
            }
            Decision::Keep(archive) => {
                let skipped = report(existing.digest(), Status::Skipped, None, Verified::No);
                return Ok(Report { archive, ..skipped });
            }
            Decision::Move => {}
        }
        lost = Some(existing.digest().clone());
    }
    send(repository, chart, &config, provenance.as_ref()).await?;
    repository.push_manifest(&manifest, Some(tag)).await?;
    let verified = match options.verify {
        Verify::None => Verified::No,
        how => {
            read_back(repository, name, &target, &manifest, how, &options.read_back_delays).await?
        }
    };
    let status = if lost.is_some() { Status::Moved } else { Status::Pushed };
    Ok(report(manifest.digest(), status, lost, verified))
}

/// Sends config, chart and provenance in parallel, then the manifest.
pub(crate) async fn send<R: Push>(
    repository: &R,
    chart: &Outgoing,
    config: &Bytes,
    provenance: Option<&Descriptor>,
) -> Result<()> {
    let blobs = blobs(chart, config, provenance);
    let sent = blobs.iter().map(|(blob, source)| repository.push_blob(blob, source));
    let sent = futures_util::future::join_all(sent).await;
    sent.into_iter().try_for_each(|one| one.map(drop))
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

#[cfg(test)]
mod tests;
