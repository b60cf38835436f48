//! Push: stores a chart under a tag. It first looks at the tag, sends only missing content, refuses
//! to replace a different chart, and reads back the stored content.

pub(super) mod compare;
mod existing_tag;
mod options;
mod outgoing;
pub mod prepare;
pub(crate) mod read_back;
mod report;

use crate::{
    ErrorKind, Result,
    oci::{Descriptor, Digest, Tag, TagOrDigest},
    store::{Fetch, Push},
};
use bytes::Bytes;
use existing_tag::{Decision, Pushed};
use outgoing::blobs;
use read_back::read_back;

pub(crate) use options::READ_BACK_DELAYS;
pub use options::{Existing, Options, Verify};
pub use outgoing::Outgoing;
pub use report::{Report, Status, Verified};

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
                return Ok(Report { archive: archive.map(|archive| *archive), ..skipped });
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

#[cfg(test)]
mod tests;
