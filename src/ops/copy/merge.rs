//! Signatures under a tag of a digest: those of both sides are kept. cosign adds each signature as
//! a layer to one manifest, so a copy that replaced it would remove the signatures of others.

use crate::{
    Error, ErrorKind, Result, json,
    limits::MIB,
    oci::{Descriptor, Manifest, Tag, TagOrDigest},
    ops::any_repository::AnyRepository,
    store::{BlobSource, Fetch, Push},
};
use serde_json::Value;

/// Bytes of a config of signatures, which has two lines for each.
const MAX_CONFIG: u64 = 4 * MIB;
/// The number of tries while others write the same tag.
const TRIES: usize = 10;

/// The outcome for a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The destination has what the source has.
    Stored,
    /// The destination has the signatures of both.
    Merged,
    /// The destination keeps other content, which cannot be merged.
    Kept,
}

/// Stores a manifest under a tag of a digest. Its blobs are at the destination.
pub(super) async fn store(
    source: &AnyRepository,
    target: &AnyRepository,
    tag: &Tag,
    ours: &Manifest,
) -> Result<Outcome> {
    let place = TagOrDigest::Tag(tag.clone());
    let mut outcome = Outcome::Stored;
    for _ in 0..TRIES {
        let there = match target.fetch_manifest(&place).await {
            Ok(there) => Some(there),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            // Credentials that may only push cannot see what is there, nor merge it.
            Err(error) => return Err(error),
        };
        let Some(there) = there else {
            target.push_manifest(ours, Some(tag)).await?;
            continue;
        };
        if has_all(&there, ours) {
            return Ok(outcome);
        }
        let is_mergeable = tag.as_str().ends_with(".sig") || tag.as_str().ends_with(".att");
        if !is_mergeable || there.document().layers.is_none() || ours.document().layers.is_none() {
            return Ok(Outcome::Kept);
        }
        let merged = merged(source, target, ours, &there).await?;
        target.push_manifest(&merged, Some(tag)).await?;
        outcome = Outcome::Merged;
    }
    Err(Error::new(ErrorKind::Conflict, format!("`{tag}` does not keep the copied signatures"))
        .with_hint("other clients write the same tag; run the command again when they are done"))
}

/// Returns true if a manifest has every layer of another.
pub(super) fn has_all(there: &Manifest, ours: &Manifest) -> bool {
    if there.digest() == ours.digest() {
        return true;
    }
    let layers = there.document().layers();
    !ours.document().layers().is_empty()
        && ours.document().layers().iter().all(|layer| layers.contains(layer))
}

/// Makes the manifest with the destination's layers, then the source's others.
async fn merged(
    source: &AnyRepository,
    target: &AnyRepository,
    ours: &Manifest,
    there: &Manifest,
) -> Result<Manifest> {
    let mut document = there.document().clone();
    let existing = there.document().layers();
    let added: Vec<(usize, &Descriptor)> = ours
        .document()
        .layers()
        .iter()
        .enumerate()
        .filter(|(_, layer)| !existing.contains(layer))
        .collect();
    document.layers =
        Some(existing.iter().chain(added.iter().map(|(_, layer)| *layer)).cloned().collect());
    if let (Some(config), Some(own)) = (&there.document().config, &ours.document().config) {
        let there = read(target, config).await?;
        let own = read(source, own).await?;
        // A verifier does not look at the config, so one of another form stays.
        if let Some(bytes) = joined(there, &own, &added) {
            let config = Descriptor::of(&config.media_type, &bytes);
            target.push_blob(&config, &BlobSource::Bytes(bytes.into())).await?;
            document.config = Some(Descriptor {
                annotations: document.config.map(|old| old.annotations).unwrap_or_default(),
                ..config
            });
        }
    }
    Manifest::parse(json::to_vec(&document).into(), Some(there.media_type()))
}

async fn read(place: &AnyRepository, config: &Descriptor) -> Result<Value> {
    let bytes = place.fetch_blob(config, MAX_CONFIG).await?;
    Ok(serde_json::from_slice(&bytes).unwrap_or_default())
}

/// Adds the entries of the added layers to a config: a `diff_id` and a line of history each.
fn joined(mut there: Value, own: &Value, added: &[(usize, &Descriptor)]) -> Option<Vec<u8>> {
    let ids = there.pointer_mut("/rootfs/diff_ids")?.as_array_mut()?;
    for (at, layer) in added {
        let id = own.pointer(&format!("/rootfs/diff_ids/{at}")).cloned();
        ids.push(id.unwrap_or_else(|| layer.digest.as_str().into()));
    }
    if let Some(history) = there.pointer_mut("/history").and_then(Value::as_array_mut) {
        for (at, _) in added {
            let line = own.pointer(&format!("/history/{at}")).cloned();
            history.push(
                line.unwrap_or_else(|| serde_json::json!({ "created": "0001-01-01T00:00:00Z" })),
            );
        }
    }
    Some(json::to_vec(&there))
}
