//! Tests of pushes over existing content, and to unusual registries.

use super::{prepare, *};
use crate::{
    Error,
    archive::{Keep, read},
    limits::Limits,
    oci::{Document, Manifest, chart as oci_chart, media},
    store::{BlobBytes, BlobFile, BlobSource, Sent, memory::Memory},
};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

/// Makes a chart's archive. `note` is the content of one of its files; `epoch` changes only their
/// times.
fn chart(version: &str, note: &str, epoch: i64) -> Outgoing {
    let folder = tempfile::tempdir().expect("folder");
    let write =
        |name: &str, text: String| std::fs::write(folder.path().join(name), text).expect("write");
    write("Chart.yaml", format!("apiVersion: v2\nname: demo\nversion: {version}\n"));
    write("values.yaml", format!("note: {note}\n"));
    let options =
        crate::ops::package::Options::new(Some(epoch.to_string().parse().expect("epoch")));
    prepare::from_source(folder.path(), &options, &Limits::default()).expect("chart")
}

fn tag(text: &str) -> Tag {
    text.parse().expect("tag")
}

fn options(existing: Existing) -> Options {
    Options { existing, read_back_delays: Vec::new(), ..Options::default() }
}

async fn go(
    store: &(impl Fetch + Push),
    chart: &Outgoing,
    to: &str,
    existing: Existing,
) -> Result<Report> {
    push(store, "h/demo", chart, &tag(to), &options(existing)).await
}

#[tokio::test]
async fn a_new_tag_is_pushed_and_the_same_chart_is_left_alone() {
    let store = Memory::default();
    let first =
        go(&store, &chart("1.0.0", "a", 1), "1.0.0", Existing::Refuse).await.expect("first");
    assert_eq!((first.status, first.lost), (Status::Pushed, None));
    // The archive has other times: another gzip stream, another `created`, the same files.
    let again =
        go(&store, &chart("1.0.0", "a", 2), "1.0.0", Existing::Refuse).await.expect("again");
    assert_eq!((again.status, &again.digest), (Status::Unchanged, &first.digest));
}

#[tokio::test]
async fn a_version_that_holds_another_chart_is_replaced_only_when_told() {
    let store = Memory::default();
    let first =
        go(&store, &chart("1.0.0", "a", 1), "1.0.0", Existing::Refuse).await.expect("first");
    let other = chart("1.0.0", "b", 1);
    let refused = go(&store, &other, "1.0.0", Existing::Refuse).await.expect_err("refused");
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    let skipped = go(&store, &other, "1.0.0", Existing::Skip).await.expect("skipped");
    assert_eq!((skipped.status, &skipped.digest), (Status::Skipped, &first.digest));
    assert_eq!((skipped.verified, skipped.archive), (Verified::No, first.archive));
    let moved = go(&store, &other, "1.0.0", Existing::Overwrite).await.expect("moved");
    assert_eq!((moved.status, moved.lost), (Status::Moved, Some(first.digest)));
}

#[tokio::test]
async fn a_tag_that_is_no_version_may_move() {
    let store = Memory::default();
    go(&store, &chart("1.0.0", "a", 1), "latest", Existing::Refuse).await.expect("first");
    let moved =
        go(&store, &chart("1.1.0", "b", 1), "latest", Existing::Refuse).await.expect("moved");
    assert_eq!(moved.status, Status::Moved);
}

#[tokio::test]
async fn what_is_no_chart_is_never_overwritten() {
    let store = Memory::default();
    let config = Bytes::from_static(b"{}");
    let blob = Descriptor::of(media::IMAGE_CONFIG, &config);
    store.push_blob(&blob, &BlobSource::Bytes(config)).await.expect("blob");
    let document = Document { layers: Some(Vec::new()), config: Some(blob), ..document() };
    store
        .push_manifest(&Manifest::compose(document, media::MANIFEST), Some(&tag("latest")))
        .await
        .expect("image");
    for existing in [Existing::Refuse, Existing::Overwrite] {
        let error =
            go(&store, &chart("1.0.0", "a", 1), "latest", existing).await.expect_err("no chart");
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.message().contains("a container image, not a chart"), "{error}");
    }
}

fn document() -> Document {
    Document {
        schema_version: 2,
        media_type: None,
        artifact_type: None,
        config: None,
        layers: None,
        manifests: None,
        subject: None,
        annotations: BTreeMap::new(),
    }
}

#[tokio::test]
async fn a_chart_under_a_foreign_type_is_repaired_by_a_push() {
    let store = Memory::default();
    let ours = chart("1.0.0", "a", 1);
    let BlobBytes::Memory(bytes) = &ours.archive else { panic!("a small chart is in memory") };
    let layer = Descriptor { media_type: "application/tar+gzip".into(), ..ours.content.clone() };
    let config = Bytes::from(crate::json::to_vec(&ours.metadata));
    let config_blob = Descriptor::of(media::CHART_CONFIG, &config);
    store.push_blob(&layer, &BlobSource::Bytes(bytes.clone())).await.expect("layer");
    store.push_blob(&config_blob, &BlobSource::Bytes(config)).await.expect("config");
    let document = Document { layers: Some(vec![layer]), config: Some(config_blob), ..document() };
    store
        .push_manifest(&Manifest::compose(document, media::MANIFEST), Some(&tag("1.0.0")))
        .await
        .expect("old");
    let repaired = go(&store, &ours, "1.0.0", Existing::Refuse).await.expect("repaired");
    assert_eq!(repaired.status, Status::Moved);
    let manifest = store.fetch_manifest(&TagOrDigest::Tag(tag("1.0.0"))).await.expect("manifest");
    assert!(oci_chart::find(&manifest).expect("chart").foreign.is_none());
}

#[tokio::test]
async fn other_annotations_and_another_provenance_are_another_chart() {
    let store = Memory::default();
    let plain = chart("1.0.0", "a", 1);
    go(&store, &plain, "1.0.0", Existing::Refuse).await.expect("first");
    let annotated = Options {
        annotations: [("team".to_owned(), "blue".to_owned())].into(),
        ..options(Existing::Refuse)
    };
    let error =
        push(&store, "h/demo", &plain, &tag("1.0.0"), &annotated).await.expect_err("annotations");
    assert!(error.message().ends_with("its annotations differ"), "{error}");
    let signed = Outgoing { provenance: Some(Bytes::from_static(b"signature")), ..plain };
    let error = go(&store, &signed, "1.0.0", Existing::Refuse).await.expect_err("provenance");
    assert!(error.message().ends_with("its provenance differs"), "{error}");
    go(&store, &signed, "1.0.0", Existing::Overwrite).await.expect("overwritten");
}

#[tokio::test]
async fn a_saved_chart_goes_on_with_the_same_digest() {
    let (here, there) = (Memory::default(), Memory::default());
    let ours = chart("1.0.0", "a", 1);
    let saved = prepare::save(&here, &ours, &tag("1.0.0")).await.expect("saved");
    let taken = prepare::from_store(&here, &TagOrDigest::Tag(tag("1.0.0")), &Limits::default())
        .await
        .expect("taken");
    let report = go(&there, &taken, "other", Existing::Refuse).await.expect("pushed");
    assert_eq!(&report.digest, saved.digest());
}

/// The way in which an unusual registry handles a manifest.
#[derive(Clone, Copy)]
enum Strangeness {
    /// Shows the tag only after this many reads.
    Lags(usize),
    /// Returns a different manifest.
    Rewrites,
    /// Denies all reads.
    WriteOnly,
}

struct Strange {
    inner: Memory,
    how: Strangeness,
    reads: AtomicUsize,
}

impl Fetch for Strange {
    async fn fetch_manifest(&self, target: &TagOrDigest) -> Result<Manifest> {
        let read = self.reads.fetch_add(1, Ordering::Relaxed);
        match self.how {
            Strangeness::WriteOnly => Err(Error::new(ErrorKind::Denied, "no")),
            Strangeness::Lags(reads) if read < reads => Err(Error::not_found("not yet")),
            Strangeness::Lags(_) => self.inner.fetch_manifest(target).await,
            Strangeness::Rewrites => {
                let manifest = self.inner.fetch_manifest(target).await?;
                let mut document = manifest.document().clone();
                if let Some(config) = &mut document.config {
                    config.media_type = media::IMAGE_CONFIG.to_owned();
                }
                Ok(Manifest::compose(document, media::MANIFEST))
            }
        }
    }

    async fn fetch_blob(&self, blob: &Descriptor, cap: u64) -> Result<Bytes> {
        self.inner.fetch_blob(blob, cap).await
    }

    async fn fetch_blob_file(&self, blob: &Descriptor) -> Result<BlobFile> {
        self.inner.fetch_blob_file(blob).await
    }
}

impl Push for Strange {
    async fn push_blob(&self, blob: &Descriptor, source: &BlobSource) -> Result<Sent> {
        self.inner.push_blob(blob, source).await
    }

    async fn push_manifest(&self, manifest: &Manifest, tag: Option<&Tag>) -> Result<()> {
        self.inner.push_manifest(manifest, tag).await
    }
}

fn strange(how: Strangeness) -> Strange {
    Strange { inner: Memory::default(), how, reads: AtomicUsize::new(0) }
}

#[tokio::test]
async fn a_registry_that_lags_is_asked_again() {
    let patient = Options { read_back_delays: vec![Duration::ZERO; 3], ..Options::default() };
    let ours = chart("1.0.0", "a", 1);
    let report = push(&strange(Strangeness::Lags(3)), "h/demo", &ours, &tag("1.0.0"), &patient)
        .await
        .expect("pushed");
    assert_eq!(report.verified, Verified::Yes);
    let error = push(&strange(Strangeness::Lags(9)), "h/demo", &ours, &tag("1.0.0"), &patient)
        .await
        .expect_err("never");
    assert_eq!(error.kind(), ErrorKind::Integrity);
}

#[tokio::test]
async fn a_registry_that_stores_something_else_is_named_with_the_remedy() {
    let error =
        go(&strange(Strangeness::Rewrites), &chart("1.0.0", "a", 1), "1.0.0", Existing::Refuse)
            .await
            .expect_err("rewritten");
    assert_eq!(error.kind(), ErrorKind::Integrity);
    assert!(error.hint().expect("hint").contains("Harbor"), "{error:?}");
    let unverified = Options { verify: Verify::None, ..options(Existing::Refuse) };
    let report = push(
        &strange(Strangeness::Rewrites),
        "h/demo",
        &chart("1.0.0", "a", 1),
        &tag("1.0.0"),
        &unverified,
    )
    .await;
    assert_eq!(report.expect("not looked at").status, Status::Pushed);
}

#[tokio::test]
async fn credentials_that_may_only_push_give_pushed_but_not_verified() {
    let write_only = strange(Strangeness::WriteOnly);
    let report =
        go(&write_only, &chart("1.0.0", "a", 1), "1.0.0", Existing::Refuse).await.expect("pushed");
    assert_eq!((report.status, report.verified), (Status::Pushed, Verified::Unreadable));
    let error = go(&write_only, &chart("1.0.0", "a", 1), "1.0.0", Existing::Skip)
        .await
        .expect_err("cannot know");
    assert_eq!(error.kind(), ErrorKind::Denied);
}

#[tokio::test]
async fn full_verification_reads_every_layer() {
    let store = Memory::default();
    let full = Options { verify: Verify::Full, ..options(Existing::Refuse) };
    let ours = chart("1.0.0", "a", 1);
    push(&store, "h/demo", &ours, &tag("1.0.0"), &full).await.expect("pushed");
    let back = prepare::from_store(&store, &TagOrDigest::Tag(tag("1.0.0")), &Limits::default())
        .await
        .expect("back");
    let read =
        read::read(back.archive.reader().expect("reader"), Keep::Nothing, &Limits::default())
            .expect("chart");
    assert_eq!(read.metadata, ours.metadata);
}
