//! Resolution of a tag's manifest to a chart: the chart's own manifest, or the only chart among the
//! images of an index. For several tags, it finds the newest that refers to a chart.

use crate::{
    Error, ErrorKind, Result,
    limits::{INDEX_LOOK_BYTES, INDEX_LOOKS, PASSED_TAGS},
    oci::{Descriptor, Digest, Manifest, Tag, TagOrDigest, chart, media},
    store::Fetch,
};
use std::{cmp::Reverse, collections::HashSet};

/// Returns the chart's manifest itself, or the only chart in an index. Helm takes the last chart of
/// an index; here, two are an error.
///
/// # Errors
/// `Invalid` for an index without a chart or with several; any error of the store.
pub async fn chart_of<R: Fetch>(repository: &R, manifest: Manifest) -> Result<Manifest> {
    locate(repository, manifest).await.map(|located| located.manifest)
}

/// A chart's manifest, and the manifests that refer to it.
#[derive(Clone, Debug)]
pub struct Located {
    /// The chart's own manifest.
    pub manifest: Manifest,
    /// The manifests from the requested one to the chart's own, which is the last. The list is
    /// empty if the chart's own was requested.
    pub through: Vec<Digest>,
}

/// Does the same as [`chart_of`] and returns the path to the chart. Deleting one of these manifests
/// removes the chart.
///
/// # Errors
/// As [`chart_of`]; `NotFound` if the index has no chart and one of its entries is missing.
pub async fn locate<R: Fetch>(repository: &R, manifest: Manifest) -> Result<Located> {
    if !manifest.is_index() {
        return Ok(Located { manifest, through: Vec::new() });
    }
    let mut seen: HashSet<Digest> = HashSet::from([manifest.digest().clone()]);
    let mut queue = entries(&manifest, &[], &mut seen);
    let (mut looks, mut bytes) = (0, 0);
    let mut found: Vec<Located> = Vec::new();
    let mut found_as = None;
    let mut missing = None;
    while let Some(Entry { rank, digest, mut through }) = queue.pop() {
        // Images are examined only if no likelier entry is a chart.
        if found_as.is_some_and(|found_as| rank > found_as) {
            break;
        }
        looks += 1;
        if looks > INDEX_LOOKS || bytes > INDEX_LOOK_BYTES {
            break;
        }
        through.push(digest.clone());
        let inner = match repository.fetch_manifest(&TagOrDigest::Digest(digest)).await {
            // Registries delete the images of an index one by one.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                missing = missing.or(Some(error));
                continue;
            }
            inner => inner?,
        };
        bytes += inner.bytes().len();
        if inner.is_index() {
            queue.extend(entries(&inner, &through, &mut seen));
            queue.sort_by_key(|entry| Reverse(entry.rank));
        } else if chart::find(&inner).is_ok_and(|found| found.foreign.is_none()) {
            found_as = found_as.or(Some(rank));
            found.push(Located { manifest: inner, through });
        }
    }
    if found.len() > 1 {
        let digests: Vec<String> =
            found.iter().map(|chart| chart.manifest.digest().to_string()).collect();
        return Err(Error::invalid(format!("the index holds {} charts", digests.len()))
            .with_hint(format!("pull one by digest: {}", digests.join(", "))));
    }
    found.pop().ok_or_else(|| missing.unwrap_or_else(|| chart::not_a_chart(&manifest)))
}

/// The likelihood that an entry of an index is a chart, most likely first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// An entry whose artifact type is a chart's.
    Chart,
    /// An entry without a platform, as ORAS and others write artifacts to an index.
    Bare,
    /// An entry with the platform `unknown`, which attestations of images have.
    Unknown,
    /// An entry that is another index.
    Index,
    /// An entry with a platform, as for images.
    Image,
}

/// An entry of an index to examine.
struct Entry {
    rank: Rank,
    digest: Digest,
    /// The indexes between the first one and the manifest.
    through: Vec<Digest>,
}

/// Returns the new entries of an index in the order for popping: most likely last, and of equal
/// ones the first last.
fn entries(manifest: &Manifest, through: &[Digest], seen: &mut HashSet<Digest>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = manifest
        .document()
        .manifests()
        .iter()
        .filter(|entry| seen.insert(entry.digest.clone()))
        .map(|entry| Entry {
            rank: rank(entry),
            digest: entry.digest.clone(),
            through: through.to_vec(),
        })
        .collect();
    entries.reverse();
    entries.sort_by_key(|entry| Reverse(entry.rank));
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

/// A tag that refers to a chart, and its manifests.
#[derive(Clone, Debug)]
pub struct First {
    /// The tag.
    pub tag: Tag,
    /// The manifest for the tag: the chart's own, or an index.
    pub root: Manifest,
    /// The chart's manifest.
    pub manifest: Manifest,
    /// The earlier tags that refer to something else, one sentence each.
    pub passed: Vec<String>,
}

/// The certainty that a manifest has a chart.
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

/// Returns the first of `tags` that refers to a chart. A repository may have images beside charts;
/// at most [`PASSED_TAGS`] of them are skipped.
///
/// # Errors
/// `Invalid` if no tag refers to a chart, with the kind of the first. `NotFound` for a list without
/// tags. Any error of the store.
pub async fn first_chart<R: Fetch>(repository: &R, name: &str, tags: &[Tag]) -> Result<First> {
    let mut passed = Vec::new();
    let mut refused = None;
    let mut doubtful: Option<First> = None;
    for tag in tags.iter().take(PASSED_TAGS) {
        let root = match repository.fetch_manifest(&TagOrDigest::Tag(tag.clone())).await {
            // Somebody deleted it after the list was made.
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
            // Only the bytes distinguish a chart with an image's types from an image. A certain
            // chart is preferred.
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
            "none of the {looked} newest matching tags of {name} refers to a chart"
        )),
        Some(error) => error,
        None => Error::not_found(format!("{name} has no tag that fits")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{BlobSource, Durability, Push, disk::Disk};
    use serde_json::{Value, json};

    fn index(entries: &[&Manifest]) -> Manifest {
        let entries: Vec<Value> = entries.iter().map(|one| json!(one.descriptor())).collect();
        let text = json!({ "schemaVersion": 2, "mediaType": media::INDEX, "manifests": entries });
        Manifest::parse(text.to_string().into(), Some(media::INDEX)).expect("index")
    }

    fn manifest(config: &str, layer: &str, padding: usize) -> Manifest {
        let text = json!({
            "schemaVersion": 2,
            "mediaType": media::MANIFEST,
            "config": Descriptor::of(config, b"{}"),
            "layers": [Descriptor::of(layer, b"x")],
            "annotations": { "padding": "x".repeat(padding) },
        });
        Manifest::parse(text.to_string().into(), Some(media::MANIFEST)).expect("manifest")
    }

    #[tokio::test]
    async fn entries_that_are_gone_are_passed_over_and_large_ones_end_the_search() {
        let root = tempfile::tempdir().expect("folder");
        let disk = Disk::open(root.path(), Durability::None).expect("store");
        let store = disk.repository(&"a".parse().expect("name"));
        for bytes in ["{}", "x"] {
            let blob = Descriptor::of("t", bytes.as_bytes());
            store.push_blob(&blob, &BlobSource::Bytes(bytes.into())).await.expect("blob");
        }
        let chart = manifest(media::CHART_CONFIG, media::CHART_CONTENT, 0);
        let image = manifest(media::IMAGE_CONFIG, "layer", 1);
        store.push_manifest(&chart, None).await.expect("pushed");
        let found = locate(&store, index(&[&image, &chart])).await.expect("found");
        assert_eq!(found.through, [chart.digest().clone()]);
        let nothing = locate(&store, index(&[&image])).await.expect_err("gone");
        assert_eq!(nothing.kind(), ErrorKind::NotFound);

        let mut all = Vec::new();
        for at in 0..6 {
            all.push(manifest(media::IMAGE_CONFIG, "layer", 3 * 1024 * 1024 + at));
            store.push_manifest(&all[at], None).await.expect("pushed");
        }
        let few: Vec<&Manifest> = all[..5].iter().chain([&chart]).collect();
        locate(&store, index(&few)).await.expect("15 MiB before it");
        let many: Vec<&Manifest> = all.iter().chain([&chart]).collect();
        let nothing = locate(&store, index(&many)).await.expect_err("18 MiB before it");
        assert_eq!(nothing.kind(), ErrorKind::Invalid);
    }
}
