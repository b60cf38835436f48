//! The transfer of blobs: what the destination has is not sent, what another repository of its
//! registry has is mounted, and the rest is sent.

use super::{
    graph::{Graph, Node},
    journal::Journal,
    options::{Options, Side},
    report::{BlobCounts, Way},
    step::{Listener, Step},
};
use crate::{
    Error, ErrorKind, Result,
    client::{Mount, OpenUpload},
    limits::MIB,
    lock::Locked as _,
    oci::{Descriptor, Digest, TagOrDigest},
    ops::any_repository::AnyRepository,
    store::{BlobSource, Exists, Fetch, Held, Push, RemoteBlob, Resolve, Sent},
};
use futures_util::{StreamExt, stream};
use std::{collections::HashSet, sync::Mutex};

/// Bytes up to which a blob is held in memory while it is copied.
const IN_MEMORY: u64 = 4 * MIB;

/// The transfers of one copy. After the first failure none begins, and those that run end with
/// their uploads cancelled; if they were dropped, the uploads would stay open.
#[derive(Default)]
struct Running {
    failure: Mutex<Option<Error>>,
    streams: Mutex<Vec<RemoteBlob>>,
}

impl Running {
    fn begin(&self, blob: &RemoteBlob) {
        self.streams.locked().push(blob.clone());
        if self.has_failed() {
            blob.stop();
        }
    }

    fn fail(&self, error: Error) {
        self.failure.locked().get_or_insert(error);
        self.streams.locked().drain(..).for_each(|blob| blob.stop());
    }

    fn has_failed(&self) -> bool {
        self.failure.locked().is_some()
    }

    fn failure(&self) -> Option<Error> {
        self.failure.locked().take()
    }
}

/// Copies every blob of the graph.
pub(super) async fn copy_blobs(
    source: Side<'_>,
    target: Side<'_>,
    graph: &Graph,
    options: &Options,
    listener: Listener<'_>,
    journal: &Journal,
) -> Result<BlobCounts> {
    let at_once = options.at_once.max(1);
    let assumed = match journal.is_denied() {
        true => HashSet::new(),
        false => assumed(target, graph, at_once).await,
    };
    let running = Running::default();
    let copied = graph.blobs.iter().map(|blob| {
        let is_assumed =
            journal.has(&blob.digest) || (blob.size < IN_MEMORY && assumed.contains(&blob.digest));
        let running = &running;
        async move {
            if running.has_failed() {
                return None;
            }
            let way = match is_assumed {
                true => Way::There,
                false => copy_blob(
                    source.repository,
                    target.repository,
                    blob,
                    running,
                    options.anonymous_mount,
                )
                .await
                .map_err(|error| running.fail(error))
                .ok()?,
            };
            journal.note(&blob.digest);
            listener(Step::Blob(blob, way));
            Some((way, blob.size))
        }
    });
    let ways: Vec<Option<(Way, u64)>> =
        stream::iter(copied).buffer_unordered(at_once).collect().await;
    if let Some(error) = running.failure() {
        return Err(error);
    }
    let mut counts = BlobCounts { total: ways.len(), ..BlobCounts::default() };
    for (way, size) in ways.into_iter().flatten() {
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
async fn assumed(target: Side<'_>, graph: &Graph, at_once: usize) -> HashSet<Digest> {
    let there = graph.nodes.iter().map(|node| async move {
        let digest = TagOrDigest::Digest(node.manifest.digest().clone());
        // Without access to read, everything is sent.
        matches!(target.repository.resolve(&digest).await, Ok(Some(_))).then_some(node)
    });
    let there: Vec<Option<&Node>> = stream::iter(there).buffer_unordered(at_once).collect().await;
    let mut all = HashSet::new();
    for node in there.into_iter().flatten() {
        let document = node.manifest.document();
        let blobs = document.config.iter().chain(document.layers());
        all.extend(blobs.map(|blob| blob.digest.clone()));
    }
    all
}

async fn copy_blob(
    source: &AnyRepository,
    target: &AnyRepository,
    blob: &Descriptor,
    running: &Running,
    anonymous_mount: bool,
) -> Result<Way> {
    if blob.size >= IN_MEMORY && target.holds_blob(blob).await? == Held::Yes {
        return Ok(Way::There);
    }
    let mut opened = None;
    if let (AnyRepository::Registry(from), AnyRepository::Registry(to)) = (source, target) {
        match to.mount(blob, from).await? {
            Mount::Done => return Ok(Way::Mounted),
            Mount::Refused(upload) => opened = upload,
        }
    }
    if let AnyRepository::Registry(to) = target
        && anonymous_mount
        && opened.is_none()
    {
        match to.mount_from_anywhere(blob).await? {
            Mount::Done => return Ok(Way::Mounted),
            Mount::Refused(upload) => opened = upload,
        }
    }
    let content = match source {
        _ if blob.size <= IN_MEMORY => BlobSource::Bytes(source.fetch_blob(blob, IN_MEMORY).await?),
        // No file lies between two registries.
        AnyRepository::Registry(from) => {
            let content = from.remote_blob(blob);
            running.begin(&content);
            BlobSource::Remote(content)
        }
        AnyRepository::Disk(_) | AnyRepository::Layout(_) => {
            BlobSource::File(source.fetch_blob_file(blob).await?.path().to_owned())
        }
    };
    let mut sent = send(target, blob, &content, opened).await;
    // The source's bytes were wrong. The first time, the network may be the cause.
    let is_remote = matches!(content, BlobSource::Remote(_));
    if is_remote && sent.as_ref().is_err_and(|error| error.kind() == ErrorKind::Integrity) {
        sent = send(target, blob, &content, None).await;
    }
    Ok(match sent? {
        Sent::Present => Way::There,
        Sent::Uploaded => Way::Sent,
    })
}

/// Sends a blob, which the target was asked for before.
async fn send(
    target: &AnyRepository,
    blob: &Descriptor,
    content: &BlobSource,
    opened: Option<OpenUpload>,
) -> Result<Sent> {
    match target {
        AnyRepository::Registry(to) => to.push_blob_into(blob, content, opened).await,
        AnyRepository::Disk(_) | AnyRepository::Layout(_) => target.push_blob(blob, content).await,
    }
}
