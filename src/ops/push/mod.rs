//! Push: a chart's bytes to a tag. It looks before it sends, sends nothing that is there, refuses
//! to replace another chart, and reads back what it stored.

pub(super) mod compare;
pub mod prepare;
pub(crate) mod read_back;

use super::chart_bytes::ChartBytes;
use crate::{
    ErrorKind, Result,
    chart::Metadata,
    limits::Limits,
    oci::{Descriptor, Digest, Manifest, Tag, TagOrDigest, chart, media},
    store::{BlobSource, Fetch, Push},
};
use bytes::Bytes;
use compare::{Likeness, compare, no_chart, taken};
use read_back::read_back;
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};

/// How a push is verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// Only the digest headers of the answers.
    None,
    /// The manifest is read back by tag and compared byte for byte.
    #[default]
    Manifest,
    /// The layers are read back too.
    Full,
}

/// What happens to a version's tag that holds another chart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// Refused.
    #[default]
    Refuse,
    /// Replaced, and the digest that lost its tag is reported.
    Overwrite,
    /// Left as it is, whatever it holds.
    Skip,
}

/// How to push.
#[derive(Clone, Debug)]
pub struct Options {
    /// How to verify.
    pub verify: Verify,
    /// What to do with a tag that is taken.
    pub existing: Existing,
    /// Order of chart and provenance.
    pub order: chart::LayerOrder,
    /// Annotations of the user's.
    pub annotations: BTreeMap<String, String>,
    /// Pauses before a read back that did not show our manifest is tried again. GHCR lags by a few
    /// seconds.
    pub lag: Vec<Duration>,
    /// Caps.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            verify: Verify::default(),
            existing: Existing::default(),
            order: chart::LayerOrder::default(),
            annotations: BTreeMap::new(),
            lag: [500, 1000, 2000, 4000].map(Duration::from_millis).to_vec(),
            limits: Limits::default(),
        }
    }
}

/// A chart to push: judged, hashed, ready to be sent again.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Its metadata.
    pub metadata: Metadata,
    /// Its `.tgz`.
    pub archive: ChartBytes,
    /// Digest and size of the `.tgz`.
    pub content: Descriptor,
    /// Its `.prov`.
    pub provenance: Option<Bytes>,
    /// When it was made, RFC 3339 in UTC.
    pub created: Option<String>,
    /// The config and manifest it already has, to be sent as they are: a saved chart goes on
    /// unchanged.
    pub ready: Option<(Bytes, Manifest)>,
    /// What the user may want to know of the source that was packaged.
    pub notes: Vec<String>,
    /// What the user should know of it though nothing is wrong.
    pub warnings: Vec<String>,
}

/// What became of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It did not exist and was pushed.
    Pushed,
    /// It held this chart: nothing was sent.
    Unchanged,
    /// It held something else, which was left there because [`Existing::Skip`] asked for it.
    Skipped,
    /// It held something else and now holds this chart.
    Moved,
}

/// How far a push was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verified {
    /// As far as was asked for.
    Yes,
    /// Not at all: [`Verify::None`], or a tag that was skipped.
    No,
    /// The credentials may push but not read.
    Unreadable,
}

/// The outcome of a push.
#[derive(Clone, Debug)]
pub struct Report {
    /// The tag.
    pub tag: Tag,
    /// The digest the tag now has.
    pub digest: Digest,
    /// The name in Chart.yaml of the chart that was to be pushed.
    pub chart: String,
    /// Its version, as Chart.yaml writes it.
    pub version: String,
    /// The archive that the tag now holds; none where a skipped tag holds no chart.
    pub archive: Option<Descriptor>,
    /// What became of the tag.
    pub status: Status,
    /// The digest that just lost the tag.
    pub lost: Option<Digest>,
    /// How far it was verified.
    pub verified: Verified,
}

/// Pushes `chart` under `tag`; `name` is the repository as the user knows it.
///
/// # Errors
/// `Conflict` when the tag holds another chart or no chart; `Integrity` when the registry stored
/// something else.
pub async fn push<R: Fetch + Push>(
    repository: &R,
    name: &str,
    chart: &Outgoing,
    tag: &Tag,
    options: &Options,
) -> Result<Report> {
    let target = TagOrDigest::Tag(tag.clone());
    let provenance =
        chart.provenance.as_ref().map(|bytes| Descriptor::of(media::CHART_PROVENANCE, bytes));
    let compose = || {
        chart::compose(
            &chart.metadata,
            chart::Parts {
                content: chart.content.clone(),
                provenance: provenance.clone(),
                created: chart.created.as_deref(),
                order: options.order,
                annotations: &options.annotations,
            },
        )
    };
    let (config, manifest) = match &chart.ready {
        Some(ready) if options.annotations.is_empty() => ready.clone(),
        _ => compose(),
    };
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
        // Credentials that may only push: what is there cannot be seen. Skipping needs to know,
        // pushing does not.
        Err(error) if error.kind() == ErrorKind::Denied && options.existing != Existing::Skip => {
            None
        }
        Err(error) => return Err(error.context(format!("cannot see whether {name}:{tag} exists"))),
    };
    let mut lost = None;
    if let Some(existing) = &existing {
        if options.existing == Existing::Skip {
            let archive = chart::find(existing).ok().map(|found| found.content.clone());
            if archive.as_ref().is_some_and(|there| there.digest == chart.content.digest) {
                return Ok(report(existing.digest(), Status::Unchanged, None, Verified::Yes));
            }
            let skipped = report(existing.digest(), Status::Skipped, None, Verified::No);
            return Ok(Report { archive, ..skipped });
        }
        match compare(repository, existing, &manifest, chart, provenance.as_ref(), options).await? {
            Likeness::Same => {
                return Ok(report(existing.digest(), Status::Unchanged, None, Verified::Yes));
            }
            Likeness::Repair => {}
            Likeness::NoChart => return Err(no_chart(name, tag, existing)),
            Likeness::Other(difference) => {
                let versioned =
                    Tag::from_version(&chart.metadata.version).is_ok_and(|version| version == *tag);
                if versioned && options.existing == Existing::Refuse {
                    return Err(taken(name, tag, existing, difference));
                }
            }
        }
        lost = Some(existing.digest().clone());
    }
    send(repository, chart, &config, provenance.as_ref()).await?;
    repository.push_manifest(&manifest, Some(tag)).await?;
    let verified = match options.verify {
        Verify::None => Verified::No,
        how => read_back(repository, name, &target, &manifest, how, &options.lag).await?,
    };
    let status = if lost.is_some() { Status::Moved } else { Status::Pushed };
    Ok(report(manifest.digest(), status, lost, verified))
}

/// Sends config, chart and provenance side by side; the manifest comes after them.
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

/// The blobs of a chart: config, chart and provenance.
pub(super) fn blobs(
    chart: &Outgoing,
    config: &Bytes,
    provenance: Option<&Descriptor>,
) -> Vec<(Descriptor, BlobSource)> {
    let archive = match &chart.archive {
        ChartBytes::Memory(bytes) => BlobSource::Bytes(bytes.clone()),
        ChartBytes::File(file) => BlobSource::File(file.path().to_owned()),
    };
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
