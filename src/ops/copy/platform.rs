//! The choice of platforms of an index: an index of the chosen manifests, with the attestations
//! that BuildKit keeps beside them.

use super::options::{Attached, Options, Side};
use crate::{
    Error, ErrorKind, Result, json,
    limits::MIB,
    oci::{Descriptor, Digest, Manifest, Platform, TagOrDigest, media},
    store::Fetch,
};
use serde_json::Value;
use std::collections::HashSet;

/// Bytes of an image's config, which names its platform. It has a line for each layer's command.
const MAX_CONFIG: u64 = 4 * MIB;
/// The annotation with which BuildKit names the manifest of an attestation.
const ATTESTED: &str = "vnd.docker.reference.digest";

/// Chooses these platforms of an artifact; all of it without any.
///
/// # Errors
/// `NotFound`, with the platforms that there are; `Usage` for an artifact without platforms.
pub(super) async fn choose(
    source: Side<'_>,
    root: Manifest,
    options: &Options,
) -> Result<Manifest> {
    let platforms = &options.platforms;
    if platforms.is_empty() {
        return Ok(root);
    }
    if root.document().manifests.is_none() {
        return single(source, root, platforms).await;
    }
    let entries = root.document().manifests();
    let kept = kept(entries, platforms, options.attestations)?;
    if kept.len() == entries.len() {
        return Ok(root);
    }
    if let [only] = kept.as_slice() {
        let target = TagOrDigest::Digest(only.digest.clone());
        return source.repository.fetch_manifest(&target).await;
    }
    let digests: HashSet<&str> = kept.iter().map(|entry| entry.digest.as_str()).collect();
    // The fields that this program does not know stay, in their order.
    let mut index: Value = serde_json::from_slice(root.bytes()).unwrap_or_default();
    if let Some(entries) = index["manifests"].as_array_mut() {
        entries.retain(|entry| {
            entry["digest"].as_str().is_some_and(|digest| digests.contains(digest))
        });
    }
    Manifest::parse(json::to_vec(&index).into(), Some(root.media_type()))
}

/// Returns the entries of these platforms, and the attestations of these.
fn kept<'a>(
    entries: &'a [Descriptor],
    platforms: &[Platform],
    attestations: Attached,
) -> Result<Vec<&'a Descriptor>> {
    let is_of = |platform: &Platform, entry: &Descriptor| {
        entry.platform.as_ref().is_some_and(|found| platform.matches(found))
    };
    for platform in platforms {
        if !entries.iter().any(|entry| is_of(platform, entry)) {
            return Err(missing(
                platform,
                entries.iter().filter_map(|entry| entry.platform.as_ref()),
            ));
        }
    }
    let chosen: HashSet<&Digest> = entries
        .iter()
        .filter(|entry| platforms.iter().any(|platform| is_of(platform, entry)))
        .map(|entry| &entry.digest)
        .collect();
    let attests = |entry: &Descriptor| {
        let attested = entry.annotations.get(ATTESTED);
        attestations == Attached::All
            && attested.is_some_and(|of| chosen.iter().any(|digest| digest.as_str() == of))
    };
    Ok(entries.iter().filter(|entry| chosen.contains(&entry.digest) || attests(entry)).collect())
}

/// Requires that an image has one of these platforms.
async fn single(source: Side<'_>, root: Manifest, platforms: &[Platform]) -> Result<Manifest> {
    let config = root.document().config.as_ref().filter(|config| {
        matches!(config.media_type.as_str(), media::IMAGE_CONFIG | media::DOCKER_IMAGE_CONFIG)
    });
    let Some(config) = config else {
        let message = format!("{} is no image, so it has no platform", root.digest());
        return Err(Error::usage(message));
    };
    let bytes = source.repository.fetch_blob(config, MAX_CONFIG).await?;
    let config: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    if platforms.iter().any(|platform| platform.matches(&config)) {
        return Ok(root);
    }
    Err(missing(&platforms[0], std::iter::once(&config)))
}

fn missing<'a>(platform: &Platform, found: impl Iterator<Item = &'a Value>) -> Error {
    // BuildKit's attestations have the platform `unknown/unknown`.
    let found: Vec<String> = found
        .filter_map(Platform::of_json)
        .filter(|platform| platform.os != "unknown")
        .map(|platform| platform.to_string())
        .collect();
    let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
    Error::new(ErrorKind::NotFound, format!("there is no manifest for the platform `{platform}`"))
        .with_hint(format!("the platforms are: {found}"))
}
