//! From what a tag leads to, to a chart: the chart's own manifest, the one chart among the images of an index, and the newest
//! tag of several that leads to a chart.

use crate::{
    Error, ErrorKind, Result,
    limits::{INDEX_LOOKS, PASSED_TAGS},
    oci::{Descriptor, Digest, Manifest, Tag, TagOrDigest, chart, media},
    store::Fetch,
};
use std::collections::HashSet;

/// The chart's manifest itself, or the one chart in an index. Helm takes the last it sees; two are an error here.
///
/// # Errors
/// `Invalid` for an index with no chart in it, or with several; what the store says.
pub async fn chart_of<R: Fetch>(repository: &R, manifest: Manifest) -> Result<Manifest> {
    if !manifest.is_index() {
        return Ok(manifest);
    }
    let mut seen: HashSet<Digest> = HashSet::from([manifest.digest().clone()]);
    let mut queue = entries(&manifest, &mut seen);
    let mut looks = 0;
    let mut found: Vec<Manifest> = Vec::new();
    let mut found_as = None;
    while let Some((rank, entry)) = queue.pop() {
        // Images are looked at only where nothing likelier is a chart.
        if found_as.is_some_and(|found_as| rank > found_as) {
            break;
        }
        looks += 1;
        if looks > INDEX_LOOKS {
            break;
        }
        let inner = repository.fetch_manifest(&TagOrDigest::Digest(entry.digest)).await?;
        if inner.is_index() {
            queue.extend(entries(&inner, &mut seen));
            queue.sort_by(|a, b| b.0.cmp(&a.0));
        } else if chart::find(&inner).is_ok_and(|found| found.foreign.is_none()) {
            found_as = found_as.or(Some(rank));
            found.push(inner);
        }
    }
    if found.len() > 1 {
        let digests: Vec<String> = found.iter().map(|chart| chart.digest().to_string()).collect();
        return Err(Error::invalid(format!("the index holds {} charts", digests.len()))
            .with_hint(format!("pull one by digest: {}", digests.join(", "))));
    }
    found.pop().ok_or_else(|| chart::not_a_chart(&manifest))
}

/// How likely an entry of an index is a chart, the likeliest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Its artifact type says so.
    Chart,
    /// It has no platform, as ORAS and others write artifacts into an index.
    Bare,
    /// Its platform is `unknown`, as attestations of images have it.
    Unknown,
    /// It is an index again.
    Index,
    /// It has a platform, as images have.
    Image,
}

/// The entries of an index that were not seen before, the likeliest last, to be popped; of equals the first last.
fn entries(manifest: &Manifest, seen: &mut HashSet<Digest>) -> Vec<(Rank, Descriptor)> {
    let mut entries: Vec<(Rank, Descriptor)> = manifest
        .document()
        .manifests()
        .iter()
        .filter(|entry| seen.insert(entry.digest.clone()))
        .map(|entry| (rank(entry), entry.clone()))
        .collect();
    entries.reverse();
    entries.sort_by(|a, b| b.0.cmp(&a.0));
    entries
}

fn rank(entry: &Descriptor) -> Rank {
    if entry.artifact_type.as_deref() == Some(media::CHART_CONFIG) {
        return Rank::Chart;
    }
    if matches!(entry.media_type.as_str(), media::INDEX | media::DOCKER_LIST) {
        return Rank::Index;
    }
    let architecture = entry
        .platform
        .as_ref()
        .and_then(|platform| platform.get("architecture")?.as_str())
        .unwrap_or_default();
    match architecture {
        "" => Rank::Bare,
        "unknown" => Rank::Unknown,
        _ => Rank::Image,
    }
}

/// The tag that leads to a chart, and what it leads to.
#[derive(Clone, Debug)]
pub struct First {
    /// The tag.
    pub tag: Tag,
    /// The manifest that the tag leads to: the chart's own, or an index.
    pub root: Manifest,
    /// The chart's manifest.
    pub manifest: Manifest,
    /// The tags before it that lead to something else, one sentence each.
    pub passed: Vec<String>,
}

/// Whether a manifest that may hold a chart certainly does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Certainty {
    Chart,
    PerhapsImage,
}

fn certainty(manifest: &Manifest) -> Result<Certainty> {
    let found = chart::find(manifest)?;
    let config = found.config.map_or("", |config| config.media_type.as_str());
    let image = matches!(config, media::IMAGE_CONFIG | media::DOCKER_IMAGE_CONFIG);
    Ok(if image && found.foreign.is_some() { Certainty::PerhapsImage } else { Certainty::Chart })
}

/// The first of `tags` that leads to a chart. A repository may hold images beside charts; at most [`PASSED_TAGS`] of them are
/// passed over.
///
/// # Errors
/// `Invalid` when none does, saying what the first is; `NotFound` for a list without tags; what the store says.
pub async fn first_chart<R: Fetch>(repository: &R, name: &str, tags: &[Tag]) -> Result<First> {
    let mut passed = Vec::new();
    let mut refused = None;
    let mut doubtful: Option<First> = None;
    for tag in tags.iter().take(PASSED_TAGS) {
        let root = match repository.fetch_manifest(&TagOrDigest::Tag(tag.clone())).await {
            // Deleted since the list was made.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                refused = refused.or(Some(error));
                continue;
            }
            root => root?,
        };
        let chart = match chart_of(repository, root.clone()).await {
            Ok(manifest) => certainty(&manifest).map(|certainty| (manifest, certainty)),
            Err(error) => Err(error),
        };
        match chart {
            Ok((manifest, Certainty::Chart)) => {
                return Ok(First { tag: tag.clone(), root, manifest, passed });
            }
            // Only its bytes tell a chart under an image's types from an image. A certain chart is preferred.
            Ok((manifest, Certainty::PerhapsImage)) => {
                let before = passed.clone();
                passed.push(format!("passed over {name}:{tag}: it may be a container image"));
                let first = First { tag: tag.clone(), root, manifest, passed: before };
                doubtful = doubtful.or(Some(first));
            }
            Err(error) if error.kind() == ErrorKind::Invalid => {
                passed.push(format!("passed over {name}:{tag}: {}", error.message()));
                refused = refused.or(Some(error));
            }
            Err(error) => return Err(error),
        }
    }
    if let Some(first) = doubtful {
        return Ok(first);
    }
    let looked = tags.len().min(PASSED_TAGS);
    Err(match refused {
        Some(error) if looked > 1 => error.context(format!(
            "none of the {looked} newest tags of {name} that fit leads to a chart"
        )),
        Some(error) => error,
        None => Error::not_found(format!("{name} has no tag that fits")),
    })
}
