//! The repositories that signatures name. cosign accepts a signature wherever it lies, and notes in
//! it the repository that was signed; containers/image requires that this is the one pulled from.

use super::{
    graph::{Graph, Role},
    options::Side,
};
use crate::{
    Result,
    limits::KIB,
    oci::{Descriptor, media},
    store::Fetch,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value;
use std::collections::BTreeSet;

/// Signatures that are read. An artifact has one of each signer.
const READ: usize = 100;
/// Bytes of what cosign signs: a digest, a repository and a few annotations.
const MAX_PAYLOAD: u64 = 64 * KIB;
/// Signatures that are read at once.
const AT_ONCE: usize = 8;

/// Returns the repositories that the copied signatures name, if none of these is `wanted`.
///
/// # Errors
/// Any error of the source.
pub(super) async fn other_names(
    source: Side<'_>,
    graph: &Graph,
    wanted: &str,
) -> Result<BTreeSet<String>> {
    let tagged = graph.nodes.iter().filter(|node| matches!(node.role, Role::DigestTag { .. }));
    let layers = tagged.flat_map(|node| node.manifest.document().layers());
    let signed = layers
        .filter(|layer| layer.media_type == media::SIMPLE_SIGNING && layer.size <= MAX_PAYLOAD);
    let names = signed.take(READ).map(|layer| name(source, layer));
    let names: Vec<Option<String>> =
        stream::iter(names).buffer_unordered(AT_ONCE).try_collect().await?;
    let names: BTreeSet<String> = names.into_iter().flatten().collect();
    Ok(if names.contains(wanted) { BTreeSet::new() } else { names })
}

async fn name(source: Side<'_>, layer: &Descriptor) -> Result<Option<String>> {
    let bytes = source.repository.fetch_blob(layer, MAX_PAYLOAD).await?;
    // A payload that is no JSON names nothing.
    let payload: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let name = payload.pointer("/critical/identity/docker-reference").and_then(Value::as_str);
    Ok(name.filter(|name| !name.is_empty()).map(str::to_owned))
}
