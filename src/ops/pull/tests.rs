//! Pulls of artifacts that other tools stored.

use super::*;
use crate::{
    oci::{Document, Tag},
    ops::{
        package,
        push::{Outgoing, prepare},
    },
    store::{BlobSource, Push, memory::Memory},
};
use std::collections::BTreeMap;

fn chart() -> Outgoing {
    let folder = tempfile::tempdir().expect("folder");
    fs::write(folder.path().join("Chart.yaml"), "apiVersion: v2\nname: demo\nversion: 1.0.0\n")
        .expect("write");
    let options = package::Options::new(Some("1".parse().expect("epoch")));
    prepare::from_source(folder.path(), &options, &Limits::default()).expect("chart")
}

fn tag(text: &str) -> Tag {
    text.parse().expect("tag")
}

async fn blob(store: &Memory, kind: &str, bytes: impl Into<Bytes>) -> Descriptor {
    let bytes = bytes.into();
    let blob = Descriptor::of(kind, &bytes);
    store.push_blob(&blob, &BlobSource::Bytes(bytes)).await.expect("blob");
    blob
}

fn image(config: Descriptor, layers: Vec<Descriptor>) -> Manifest {
    Manifest::compose(document(Some(config), Some(layers), None), media::MANIFEST)
}

fn document(
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
) -> Document {
    Document {
        schema_version: 2,
        media_type: None,
        artifact_type: None,
        config,
        layers,
        manifests,
        subject: None,
        annotations: BTreeMap::new(),
    }
}

async fn go(store: &Memory, target: &str) -> Result<Pulled> {
    let wanted = ChartRequest { tag: Some(tag(target)), ..ChartRequest::default() };
    pull(store, "h/ns/demo", &wanted, Provenance::IfPresent, &Limits::default()).await
}

#[tokio::test]
async fn charts_under_the_types_of_others_come_with_a_warning_that_repairs() {
    let bytes = match chart().archive {
        BlobBytes::Memory(bytes) => bytes,
        BlobBytes::File(_) => panic!("a small chart is in memory"),
    };
    for kind in media::CHART_CONTENT_FOREIGN {
        for config_kind in [media::CHART_CONFIG, media::EMPTY, media::IMAGE_CONFIG] {
            let store = Memory::new();
            let config = blob(&store, config_kind, "{}").await;
            let layer = blob(&store, kind, bytes.clone()).await;
            store
                .push_manifest(&image(config, vec![layer]), Some(&tag("1.0.0")))
                .await
                .expect("pushed");
            let pulled = go(&store, "1.0.0").await.expect(kind);
            assert_eq!(pulled.file_name("demo"), "demo-1.0.0.tgz");
            let warning = pulled.warnings.first().expect("a warning");
            let text = &warning.text;
            assert!(text.contains(kind) && text.contains(media::CHART_CONTENT), "{text}");
            let repair = crate::Advice::PushAgain {
                archive: "demo-1.0.0.tgz".to_owned(),
                namespace: "oci://h/ns".to_owned(),
            };
            assert_eq!(warning.repair, Some(repair));
        }
    }
}

#[tokio::test]
async fn an_image_is_refused_as_such() {
    let store = Memory::new();
    let config = blob(&store, media::IMAGE_CONFIG, "{}").await;
    let layers = vec![
        blob(&store, media::IMAGE_LAYER_GZIP, "one").await,
        blob(&store, media::IMAGE_LAYER_GZIP, "two").await,
    ];
    store
        .push_manifest(&image(config.clone(), layers.clone()), Some(&tag("two")))
        .await
        .expect("pushed");
    store
        .push_manifest(&image(config, layers[..1].to_vec()), Some(&tag("one")))
        .await
        .expect("pushed");
    for target in ["two", "one"] {
        let error = go(&store, target).await.expect_err(target);
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.chain().contains("it is a container image, not a chart"), "{error:?}");
    }
}

#[tokio::test]
async fn an_index_is_followed_to_its_only_chart() {
    let store = Memory::new();
    let first = prepare::save(&store, &chart(), &tag("inner")).await.expect("saved");
    let index = |entries: Vec<Descriptor>| {
        Manifest::compose(document(None, None, Some(entries)), media::INDEX)
    };
    store.push_manifest(&index(vec![first.descriptor()]), Some(&tag("one"))).await.expect("pushed");
    assert_eq!(go(&store, "one").await.expect("one").manifest.digest(), first.digest());

    let other = Outgoing { created: Some("2020-01-01T00:00:00Z".into()), ..chart() };
    let second = prepare::save(&store, &other, &tag("other")).await.expect("saved");
    store
        .push_manifest(&index(vec![first.descriptor(), second.descriptor()]), Some(&tag("two")))
        .await
        .expect("pushed");
    let error = go(&store, "two").await.expect_err("ambiguous");
    assert!(error.hint().expect("hint").contains(first.digest().as_str()), "{error:?}");

    store.push_manifest(&index(Vec::new()), Some(&tag("none"))).await.expect("pushed");
    assert!(
        go(&store, "none")
            .await
            .expect_err("none")
            .chain()
            .contains("it is an image index, not a chart")
    );
}

#[tokio::test]
async fn a_layer_beyond_the_limit_is_not_fetched() {
    let store = Memory::new();
    let config = blob(&store, media::CHART_CONFIG, "{}").await;
    let huge = Descriptor::new(media::CHART_CONTENT, Digest::sha256(b"never read"), u64::MAX);
    // The store accepts only content that it has. A manifest in the test therefore names a blob
    // by its digest.
    blob(&store, media::CHART_CONTENT, "never read").await;
    store.push_manifest(&image(config, vec![huge]), Some(&tag("1.0.0"))).await.expect("pushed");
    assert_eq!(go(&store, "1.0.0").await.expect_err("limit").kind(), ErrorKind::Limit);
}

/// Makes an image's manifest that differs from all others.
async fn other_image(store: &Memory, name: &str) -> Manifest {
    let config = blob(store, media::IMAGE_CONFIG, format!("{{\"name\":\"{name}\"}}")).await;
    let layer = blob(store, media::IMAGE_LAYER_GZIP, "layer").await;
    let manifest = image(config, vec![layer]);
    store.push_manifest(&manifest, None).await.expect("pushed");
    manifest
}

#[tokio::test]
async fn a_chart_is_found_wherever_it_stands_among_images() {
    let store = Memory::new();
    let chart = prepare::save(&store, &chart(), &tag("inner")).await.expect("saved");
    let mut images = Vec::new();
    for number in 0..10 {
        for architecture in [format!("cpu{number}"), "unknown".to_owned()] {
            let image = other_image(&store, &format!("{architecture}{number}")).await;
            let platform = serde_json::json!({ "architecture": architecture, "os": "linux" });
            images.push(Descriptor {
                platform: Some(serde_json::from_value(platform).expect("platform")),
                ..image.descriptor()
            });
        }
    }
    let bare = chart.descriptor();
    let typed = Descriptor { artifact_type: Some(media::CHART_CONFIG.to_owned()), ..bare.clone() };
    let on = |entry: &Descriptor, architecture: &str| Descriptor {
        platform: Some(
            serde_json::from_value(serde_json::json!({ "architecture": architecture, "os": "" }))
                .expect("platform"),
        ),
        ..entry.clone()
    };
    let index = |entries: Vec<Descriptor>| {
        Manifest::compose(document(None, None, Some(entries)), media::INDEX)
    };
    let nested = index(vec![images[0].clone(), bare.clone()]);
    store.push_manifest(&nested, None).await.expect("pushed");
    let behind = |entry: &Descriptor| [images.clone(), vec![entry.clone()]].concat();
    for (form, entries) in [
        ("typed", behind(&typed)),
        ("bare", behind(&bare)),
        ("without a platform", behind(&on(&bare, ""))),
        ("with a platform and its type", behind(&on(&typed, "amd64"))),
        ("with a platform", behind(&on(&bare, "amd64"))),
        ("named twice", behind(&bare).into_iter().chain([typed.clone(), bare.clone()]).collect()),
        ("in an inner index", vec![images[0].clone(), nested.descriptor()]),
    ] {
        let index = index(entries);
        store.push_manifest(&index, Some(&tag("1.0.0"))).await.expect("pushed");
        let pulled = go(&store, "1.0.0").await.expect(form);
        assert_eq!(pulled.manifest.digest(), chart.digest(), "{form}");
        assert_eq!(&pulled.root, index.digest(), "{form}");
    }
}

#[tokio::test]
async fn a_range_passes_over_tags_that_lead_to_images() {
    let store = Memory::new();
    prepare::save(&store, &chart(), &tag("1.0.0")).await.expect("saved");
    let config = blob(&store, media::IMAGE_CONFIG, "{}").await;
    let layers = vec![
        blob(&store, media::IMAGE_LAYER_GZIP, "one").await,
        blob(&store, media::IMAGE_LAYER_GZIP, "two").await,
    ];
    let image = image(config, layers);
    // An artifact with one layer may be a chart, by its types.
    let small = other_image(&store, "small").await;
    store.push_manifest(&small, Some(&tag("1.1.0"))).await.expect("pushed");
    for newer in ["1.2.0", "v1.9.0"] {
        store.push_manifest(&image, Some(&tag(newer))).await.expect("pushed");
    }
    let go = async |version: Option<&str>| {
        let wanted =
            ChartRequest { version: version.map(str::to_owned), ..ChartRequest::default() };
        pull(&store, "h/ns/demo", &wanted, Provenance::Leave, &Limits::default()).await
    };
    for version in [None, Some("1.x"), Some("^1")] {
        let pulled = go(version).await.expect("the newest chart");
        assert_eq!(pulled.target, TagOrDigest::Tag(tag("1.0.0")));
        assert!(pulled.warnings[0].text.contains("h/ns/demo:1.2.0"), "{:?}", pulled.warnings);
    }
    for version in [Some("1.2.0"), Some(">1.0.0")] {
        let error = go(version).await.expect_err("an image");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.chain().contains("it is a container image, not a chart"), "{error:?}");
    }
}
