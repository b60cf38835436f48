//! The transfer of blobs: what the destination has is not sent, what another repository of its
//! registry has is mounted, and the rest is sent.

use super::{
    graph::Graph,
    options::Side,
    report::{BlobCounts, Way},
    step::{Listener, Step},
};
use crate::{
    Result,
    limits::MIB,
    oci::{Descriptor, Digest, TagOrDigest},
    ops::any_repository::AnyRepository,
    store::{BlobBytes, Exists, Fetch, Held, Push, Resolve, Sent},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::collections::HashSet;

/// Bytes up to which a blob is held in memory while it is copied.
const IN_MEMORY: u64 = 4 * MIB;

/// Copies every blob of the graph.
pub(super) async fn copy_blobs(
    source: Side<'_>,
    target: Side<'_>,
    graph: &Graph,
    at_once: usize,
    listener: Listener<'_>,
) -> Result<BlobCounts> {
    let assumed = assumed(target, graph).await?;
    let copied = graph.blobs.iter().map(|blob| {
        let is_assumed = blob.size < IN_MEMORY && assumed.contains(&blob.digest);
        async move {
            let way = match is_assumed {
                true => Way::There,
                false => copy_blob(source.repository, target.repository, blob).await?,
            };
            listener(Step::Blob(blob, way));
            Ok::<_, crate::Error>((way, blob.size))
        }
    });
    let ways: Vec<(Way, u64)> =
        stream::iter(copied).buffer_unordered(at_once.max(1)).try_collect().await?;
    let mut counts = BlobCounts { total: ways.len(), ..BlobCounts::default() };
    for (way, size) in ways {
        match way {
            Way::There => counts.there += 1,
            Way::Mounted => counts.mounted += 1,
            Way::Sent => {
                counts.sent += 1;
                counts.bytes += size;
            }
        }
    }
    Ok(counts)
}

/// Returns the blobs of manifests that the destination has. A small one of these is not asked for:
/// a registry refuses a manifest without its blobs.
async fn assumed(target: Side<'_>, graph: &Graph) -> Result<HashSet<Digest>> {
    let mut all = HashSet::new();
    for node in &graph.nodes {
        let digest = TagOrDigest::Digest(node.manifest.digest().clone());
        // Without access to read, everything is sent.
        if !matches!(target.repository.resolve(&digest).await, Ok(Some(_))) {
            continue;
        }
        let document = node.manifest.document();
        let blobs = document.config.iter().chain(document.layers());
        all.extend(blobs.map(|blob| blob.digest.clone()));
    }
    Ok(all)
}

async fn copy_blob(
    source: &AnyRepository,
    target: &AnyRepository,
    blob: &Descriptor,
) -> Result<Way> {
    if blob.size >= IN_MEMORY && target.holds_blob(blob).await? == Held::Yes {
        return Ok(Way::There);
    }
    if let (AnyRepository::Registry(from), AnyRepository::Registry(to)) = (source, target)
        && to.mount(blob, from).await?
    {
        return Ok(Way::Mounted);
    }
    let content = if blob.size <= IN_MEMORY {
        BlobBytes::Memory(source.fetch_blob(blob, IN_MEMORY).await?)
    } else {
        BlobBytes::File(source.fetch_blob_file(blob).await?)
    };
    Ok(match target.push_blob(blob, &content.source()).await? {
        Sent::Present => Way::There,
        Sent::Uploaded => Way::Sent,
    })
}
