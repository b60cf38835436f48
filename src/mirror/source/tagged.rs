//! The split of a repository's tags into versions of its chart and other names of them: `latest`,
//! `1.2`. Moved tags are resolved elsewhere.

use super::registry::{ARTIFACT_HUB, of_others};
use crate::{
    Error, ErrorKind, Result,
    client::Repository,
    digest::Digest,
    limits::Limits,
    oci::{Manifest, Tag, TagOrDigest, media},
    ops::{pull::chart_of, repository::entry},
    store::{Fetch, Resolve},
    version::Version,
};
use futures_util::{StreamExt, TryStreamExt};
use std::collections::HashSet;

/// The number of manifests requested at once.
const AT_ONCE: usize = 16;

/// A tag that is a version.
#[derive(Clone, Debug)]
pub(super) struct Tagged {
    pub(super) tag: Tag,
    /// The version: the tag, or the version of the tag's chart if the tag is none.
    pub(super) version: String,
    /// The description of its chart, if it was read.
    pub(super) sight: Option<Described>,
}

/// The description of a chart, from its manifest.
#[derive(Clone, Debug)]
pub(super) struct Described {
    /// The digest of the tag's manifest.
    pub(super) origin: Digest,
    /// The creation time of the chart. Empty if there is none.
    pub(super) created: String,
    /// The chart's version, if the manifest has one.
    version: Option<String>,
}

/// Tags of a repository, sorted by their meaning.
#[derive(Clone, Debug, Default)]
pub(super) struct Sorted {
    pub(super) versions: Vec<Tagged>,
    /// The number of tags that are other names of these versions.
    pub(super) aliases: usize,
    /// The tags that are signatures, attestations and lists of referrers of these versions.
    pub(super) attached: Vec<Tag>,
}

/// Sorts a repository's tags. It sends one request for each tag that is not a whole version, and
/// two for `v1.2.3` if `1.2.3` exists.
pub(super) async fn sort(repository: &Repository, tags: &[Tag], limits: &Limits) -> Result<Sorted> {
    let seconds = second_names(repository, tags).await?;
    let of_digests = |tag: &&Tag| of_others(tag.as_str()) && **tag != ARTIFACT_HUB;
    let attached: Vec<Tag> = tags.iter().filter(of_digests).cloned().collect();
    let mut sorted = Sorted { aliases: seconds.len(), attached, ..Sorted::default() };
    let of_charts: Vec<Tag> = tags
        .iter()
        .filter(|tag| !seconds.contains(*tag) && !of_others(tag.as_str()))
        .cloned()
        .collect();
    let looked: Vec<Tagged> = futures_util::stream::iter(of_charts)
        .map(|tag| async move {
            let sight = match is_whole(&tag) {
                true => None,
                false => see(repository, &tag, limits).await?,
            };
            let version = sight.as_ref().and_then(|sight| sight.version.clone());
            Ok::<_, Error>(Tagged { version: version.unwrap_or(tag.to_version()), tag, sight })
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    // A version's own tag comes first, then one with or without the `v`, then the others.
    let is_named = |one: &Tagged| entry::is_own_tag(&one.tag, &one.version) || is_whole(&one.tag);
    let mut taken: HashSet<String> =
        looked.iter().filter(|one| is_named(one)).map(|one| bare(&one.version)).collect();
    for one in looked {
        if is_named(&one) || taken.insert(bare(&one.version)) {
            sorted.versions.push(one);
        } else {
            sorted.aliases += 1;
        }
    }
    Ok(sorted)
}

/// Returns the description of a tag's chart. `None` if it cannot be read; the later download finds
/// and reports that.
pub(super) async fn see(
    repository: &Repository,
    tag: &Tag,
    limits: &Limits,
) -> Result<Option<Described>> {
    let seen = async {
        let found = repository.fetch_manifest(&TagOrDigest::Tag(tag.clone())).await?;
        let origin = found.digest().clone();
        let manifest = chart_of(repository, found).await?;
        let version = said(repository, &manifest, limits).await?;
        let annotations = &manifest.document().annotations;
        let created = annotations.get(media::CREATED).cloned().unwrap_or_default();
        Ok::<_, Error>(Described { origin, created, version })
    };
    match seen.await {
        Ok(seen) => Ok(Some(seen)),
        Err(error) if matches!(error.kind(), ErrorKind::Network | ErrorKind::Denied) => Err(error),
        Err(_) => Ok(None),
    }
}

/// Returns a chart's version from its manifest: from its annotation, without a request, or from its
/// config.
async fn said(
    repository: &Repository,
    manifest: &Manifest,
    limits: &Limits,
) -> Result<Option<String>> {
    let Ok(config) = entry::config(manifest) else { return Ok(None) };
    if let Some(version) = manifest.document().annotations.get(media::VERSION) {
        return Ok(Some(version.clone()));
    }
    let Some(config) = config else { return Ok(None) };
    let config = repository.fetch_blob(config, limits.config_bytes).await?;
    let entry = entry::entry(manifest, Some(&config), limits)?;
    Ok(Some(entry.metadata.version))
}

/// Returns true if a tag is a version with all its numbers, with or without `v`. Only such tags
/// count as versions.
fn is_whole(tag: &Tag) -> bool {
    Version::parse_strict(&bare(&tag.to_version())).is_ok()
}

fn bare(version: &str) -> String {
    let short = version.strip_prefix('v');
    short.filter(|short| short.starts_with(|c: char| c.is_ascii_digit())).unwrap_or(version).into()
}

/// Returns the second names among tags such as `v1.2.3` and `1.2.3` of one manifest: those that are
/// not the chart's version.
async fn second_names(repository: &Repository, tags: &[Tag]) -> Result<HashSet<Tag>> {
    let all: HashSet<&str> = tags.iter().map(Tag::as_str).collect();
    let mut seconds = HashSet::new();
    for tag in tags.iter().filter(|tag| is_whole(tag)) {
        let Some(short) = tag
            .as_str()
            .strip_prefix('v')
            .filter(|short| short.starts_with(|c: char| c.is_ascii_digit()) && all.contains(short))
        else {
            continue;
        };
        let short: Tag = short.parse()?;
        let long = repository.fetch_manifest(&TagOrDigest::Tag(tag.clone())).await?;
        let other = repository.resolve(&TagOrDigest::Tag(short.clone())).await?;
        if other.is_some_and(|other| other.digest == *long.digest()) {
            let version = long.document().annotations.get(media::VERSION);
            let kept = version.is_none_or(|version| *version == tag.to_version());
            seconds.insert(if kept { short } else { tag.clone() });
        }
    }
    Ok(seconds)
}
