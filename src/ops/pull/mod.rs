//! The pull of a chart by its reference. One GET fetches the manifest, and one each requested blob.
//! Once the tag is resolved, all requests use digests.

use super::{
    chart_archive,
    chart_manifest::first_chart,
    tag_not_found,
    tags::{self, ChartRequest},
};
use crate::{
    Advice, Error, ErrorKind, Result, archive,
    atomic_file::write_file,
    limits::Limits,
    oci::{Descriptor, Digest, Manifest, Tag, TagOrDigest, chart, media},
    store::{BlobBytes, Fetch, Resolve, Tags},
};
use bytes::Bytes;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

pub use super::chart_manifest::chart_of;

/// The choice for the provenance file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Provenance {
    /// Do not request it.
    #[default]
    Leave,
    /// Request it; a missing file is not an error.
    IfPresent,
}

/// A pulled chart.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// The chart's manifest.
    pub manifest: Manifest,
    /// The requested tag or digest, after a range was resolved.
    pub target: TagOrDigest,
    /// The digest of the target's manifest: the chart's own, or the index that has it.
    pub root: Digest,
    /// The descriptor of the `.tgz`.
    pub content: Descriptor,
    /// The content of the `.tgz`.
    pub archive: BlobBytes,
    /// The `.prov` file, if it was requested and exists.
    pub provenance: Option<Bytes>,
    /// Faults of the chart in the registry that do not stop the pull.
    pub warnings: Vec<Warning>,
}

/// A fault of a chart in a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The fault.
    pub text: String,
    /// The advice for repairing it, if there is any.
    pub repair: Option<Advice>,
}

impl Warning {
    /// Describes the fault, with its advice in the words of `advise`.
    pub fn describe(&self, advise: impl Fn(&Advice) -> String) -> String {
        match &self.repair {
            Some(repair) => format!("{}. To repair it: {}", self.text, advise(repair)),
            None => self.text.clone(),
        }
    }
}

impl Pulled {
    /// Returns the time of the manifest's `org.opencontainers.image.created`.
    pub fn created(&self) -> Option<SystemTime> {
        self.manifest.document().annotations.get(media::CREATED).and_then(|text| file_time(text))
    }

    /// Returns the name for saving the archive, from the last segment of its repository. It is
    /// `NAME-VERSION.tgz`, or `NAME-TAG.tgz` for a tag that is not a version, or Helm's
    /// `NAME@sha256-HEX.tgz` for a digest.
    pub fn file_name(&self, name: &str) -> String {
        match &self.target {
            TagOrDigest::Digest(digest) => {
                format!("{name}@{}-{}.tgz", digest.algorithm().as_str(), digest.hex())
            }
            TagOrDigest::Tag(tag) => {
                let version = self.manifest.document().annotations.get(media::VERSION);
                let is_version = version.map_or_else(
                    || tag.version().is_some(),
                    |version| Tag::from_version(version).is_ok_and(|expected| expected == *tag),
                );
                if is_version {
                    format!("{name}-{}.tgz", tag.to_version())
                } else {
                    format!("{name}-{tag}.tgz")
                }
            }
        }
    }
}

/// Parses an RFC 3339 time, as manifests and indexes write it, for the saved file. A push reads it
/// from the file. So a chart that was pulled and pushed keeps its manifest's digest.
pub fn file_time(created: &str) -> Option<SystemTime> {
    let time = created.parse::<jiff::Timestamp>().ok()?;
    // Go's zero time means that there is none; no chart is older than 1970.
    let seconds = u64::try_from(time.as_second()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Pulls a chart. `name` is the repository as the user knows it, `host/ns/name`.
///
/// # Errors
/// `NotFound`, with similar tags, for a tag that does not exist. `Integrity` if tag and digest
/// disagree. `Invalid` if the artifact is not a chart.
pub async fn pull<R: Fetch + Tags + Resolve>(
    repository: &R,
    name: &str,
    wanted: &ChartRequest,
    provenance: Provenance,
    limits: &Limits,
) -> Result<Pulled> {
    let cannot = |error: Error| error.context(format!("cannot pull {name}"));
    let mut warnings = Vec::new();
    let choice = tags::choose(repository, name, wanted).await?;
    tags::require_agreement(repository, name, &choice).await?;
    let (target, root, manifest) = match choice.fitting() {
        [] => {
            let root = fetch(repository, name, &choice).await?;
            let digest = root.digest().clone();
            (choice.target, digest, chart_of(repository, root).await.map_err(cannot)?)
        }
        tags => {
            let first = first_chart(repository, name, tags).await.map_err(cannot)?;
            let passed = first.passed.into_iter();
            warnings.extend(passed.map(|text| Warning { text, repair: None }));
            (TagOrDigest::Tag(first.tag), first.root.digest().clone(), first.manifest)
        }
    };
    let found =
        chart::find(&manifest).map_err(|error| error.context(format!("cannot pull {name}")))?;
    let (content, foreign) = (found.content.clone(), found.foreign.map(str::to_owned));
    let wanted_provenance =
        found.provenance.filter(|_| provenance == Provenance::IfPresent).cloned();
    let archive = chart_archive::fetch(repository, &content, limits).await?;
    let provenance = match wanted_provenance {
        Some(blob) => Some(repository.fetch_blob(&blob, limits.provenance_bytes).await?),
        None => None,
    };
    if let Some(found) = foreign {
        let chart = archive::read::read(archive.reader()?, archive::Keep::Nothing, limits)
            .map_err(|error| chart::not_a_chart(&manifest).with_source(error))?;
        let namespace = name.rsplit_once('/').map_or(name, |(namespace, _)| namespace);
        warnings.push(Warning {
            text: format!(
                "the chart is stored as `{found}`, expected `{}`; other clients may refuse it",
                media::CHART_CONTENT
            ),
            repair: Some(Advice::PushAgain {
                archive: format!("{}-{}.tgz", chart.metadata.name, chart.metadata.version),
                namespace: format!("oci://{namespace}"),
            }),
        });
    }
    Ok(Pulled { manifest, target, root, content, archive, provenance, warnings })
}

/// Downloads the manifest of a tag or digest.
async fn fetch<R: Fetch + Tags>(
    repository: &R,
    name: &str,
    choice: &tags::Choice,
) -> Result<Manifest> {
    match repository.fetch_manifest(&choice.target).await {
        Err(error) if error.kind() == ErrorKind::NotFound => Err(match &choice.target {
            TagOrDigest::Tag(tag) => {
                tag_not_found::error(repository, name, tag, None).await.with_source(error)
            }
            TagOrDigest::Digest(digest) => {
                Error::not_found(format!("{name}@{digest}: not found")).with_source(error)
            }
        }),
        found => found,
    }
}

/// The files of a pulled chart.
#[derive(Clone, Debug)]
pub struct Saved {
    /// The path of the `.tgz`.
    pub archive: PathBuf,
    /// The path of the `.tgz.prov`.
    pub provenance: Option<PathBuf>,
    /// The digest of the manifest.
    pub digest: Digest,
}

/// Saves a pulled chart in `folder`, replacing an archive of the same name as Helm does. The
/// archive's file gets the creation time in the manifest.
///
/// # Errors
/// `Io`, with the path.
pub fn save(pulled: &Pulled, name: &str, folder: &Path) -> Result<Saved> {
    fs::create_dir_all(folder).map_err(|error| Error::io("create folder", folder, error))?;
    let archive = folder.join(pulled.file_name(name));
    let provenance = match &pulled.provenance {
        Some(bytes) => {
            let mut path = archive.clone().into_os_string();
            path.push(".prov");
            let path = PathBuf::from(path);
            write_file(&path, |file| file.write_all(bytes))?;
            Some(path)
        }
        None => None,
    };
    pulled.archive.save_dated(&archive, pulled.created())?;
    Ok(Saved { archive, provenance, digest: pulled.manifest.digest().clone() })
}

#[cfg(test)]
mod tests;
