//! Followers over stores on disk. A view shows pushed charts, does not show deleted ones, and reads
//! cached ones only once.

use super::*;
use crate::{
    oci::{
        Manifest, Tag, TagOrDigest,
        chart::{LayerOrder, Parts, compose},
        media,
    },
    server::index_view::{Cache, Follower, LookCost},
    store::{
        BlobSource, Durability, Fetch, Push, Tags,
        disk::{Disk, repository::Repository},
    },
};
use std::{collections::BTreeMap, path::Path};

fn open(root: &Path) -> Disk {
    Disk::open(root, Durability::None).expect("store")
}

fn follower(disk: &Disk, sight: LookCost, cache: Cache) -> Follower<Disk> {
    Follower::new(disk.clone(), View::default(), sight, Limits::default(), cache)
}

fn repository(disk: &Disk, name: &str) -> Repository {
    disk.repository(&name.parse().expect("name"))
}

/// Pushes a chart with a tag. `content` is its archive.
async fn push(disk: &Disk, repo: &str, metadata: Metadata, tag: &str, content: &str) -> Manifest {
    let archive = Descriptor::of(media::CHART_CONTENT, content.as_bytes());
    let annotations = BTreeMap::new();
    let parts = Parts {
        content: archive.clone(),
        provenance: None,
        created: Some("2024-05-06T07:08:09Z"),
        order: LayerOrder::ChartFirst,
        annotations: &annotations,
    };
    let (config, manifest) = compose(&metadata, parts);
    let repository = repository(disk, repo);
    let blob = Descriptor::of(media::CHART_CONFIG, &config);
    repository.push_blob(&blob, &BlobSource::Bytes(config)).await.expect("config");
    let bytes = content.to_owned().into();
    repository.push_blob(&archive, &BlobSource::Bytes(bytes)).await.expect("archive");
    repository.push_manifest(&manifest, Some(&tag.parse().expect("tag"))).await.expect("manifest");
    manifest
}

fn chart(name: &str, version: &str) -> Metadata {
    entry(name, version, "").metadata
}

async fn refresh(follower: &Follower<Disk>, repo: &str, tag: &str) {
    let (repo, tag) = (repo.parse().expect("name"), tag.parse().expect("tag"));
    follower.refresh(&repo, &tag).await.expect("refreshed");
}

/// Lists a view: `namespace/name version archive` of each chart version.
fn shown(view: &View) -> Vec<String> {
    let mut all = Vec::new();
    for namespace in view.namespaces() {
        for name in view.names(&namespace) {
            for found in view.versions(&namespace, &name).expect("chart") {
                let hex = &found.item.archive.digest.hex()[..4];
                all.push(format!("{namespace}/{name} {} {hex}", found.item.version));
            }
        }
    }
    all
}

fn hex(content: &str) -> String {
    Digest::sha256(content.as_bytes()).hex()[..4].to_owned()
}

#[tokio::test]
async fn what_is_pushed_moved_and_deleted_is_seen_when_it_is_told() {
    let root = tempfile::tempdir().expect("folder");
    let disk = open(root.path());
    let follower = follower(&disk, LookCost::Near, Cache::none());
    push(&disk, "team/a", chart("a", "1.0.0"), "1.0.0", "one").await;
    push(&disk, "team/a", chart("a", "1.0.0"), "latest", "one").await;
    for tag in ["1.0.0", "latest", "never"] {
        refresh(&follower, "team/a", tag).await;
    }
    assert_eq!(shown(follower.view()), [format!("team/a 1.0.0 {}", hex("one"))]);

    push(&disk, "team/a", chart("a", "2.0.0"), "latest", "two").await;
    refresh(&follower, "team/a", "latest").await;
    let both = [format!("team/a 2.0.0 {}", hex("two")), format!("team/a 1.0.0 {}", hex("one"))];
    assert_eq!(shown(follower.view()), both);

    let again = push(&disk, "team/a", chart("a", "2.0.0"), "2.0.0", "three").await;
    refresh(&follower, "team/a", "2.0.0").await;
    assert_eq!(shown(follower.view())[0], format!("team/a 2.0.0 {}", hex("three")), "its own tag");

    let digest = again.digest().clone();
    let gone = TagOrDigest::Digest(digest.clone());
    repository(&disk, "team/a").delete(&gone).await.expect("deleted");
    follower.refresh_manifest(&"team/a".parse().expect("name"), &digest).await.expect("told");
    assert_eq!(shown(follower.view()), both);
}

#[tokio::test]
async fn what_is_no_chart_never_enters() {
    let root = tempfile::tempdir().expect("folder");
    let disk = open(root.path());
    let follower = follower(&disk, LookCost::Near, Cache::none());
    let repo = repository(&disk, "a");
    let layer = Descriptor::of(media::CHART_CONTENT, b"x");
    repo.push_blob(&layer, &BlobSource::Bytes("x".into())).await.expect("layer");
    for (config_type, config) in [
        (media::IMAGE_CONFIG, "{}"),
        ("application/vnd.example.state", "{}"),
        (media::CHART_CONFIG, "no JSON: ["),
        (media::CHART_CONFIG, r#"{"name":"../a","version":"1.0.0","apiVersion":"v2"}"#),
        (media::CHART_CONFIG, r#"{"name":"a","version":"../1","apiVersion":"v2"}"#),
        (media::CHART_CONFIG, r#"{"name":"a","apiVersion":"v2"}"#),
    ] {
        let blob = Descriptor::of(config_type, config.as_bytes());
        repo.push_blob(&blob, &BlobSource::Bytes(config.into())).await.expect("config");
        let document = serde_json::json!({
            "schemaVersion": 2, "config": blob, "layers": [layer],
        });
        let manifest =
            Manifest::parse(document.to_string().into(), Some(media::MANIFEST)).expect("manifest");
        let tag = "1.0.0".parse().expect("tag");
        repo.push_manifest(&manifest, Some(&tag)).await.expect("pushed");
        refresh(&follower, "a", "1.0.0").await;
        assert_eq!(shown(follower.view()), Vec::<String>::new(), "{config_type} {config}");
    }
    push(&disk, "a", chart("a", "1.0.0"), "1.0.0", "x").await;
    refresh(&follower, "a", "1.0.0").await;
    assert_eq!(shown(follower.view()).len(), 1, "and a chart in their place does");
}

#[tokio::test]
async fn the_next_start_reads_only_what_is_new() {
    let root = tempfile::tempdir().expect("folder");
    let path = root.path().join("charts.cache");
    let disk = open(&root.path().join("store"));
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        push(&disk, "a", chart("a", version), version, version).await;
    }
    push(&disk, "b/c", chart("c", "1.0.0"), "1.0.0", "c").await;
    let settings = Settings::default();
    let first = follower(&disk, LookCost::Near, Cache::open(&path, &settings));
    first.ready().await.expect("filled");
    let all = shown(first.view());
    assert_eq!(all.len(), 4);
    drop(first);

    let size = std::fs::metadata(&path).expect("cache").len();
    let second = follower(&disk, LookCost::Near, Cache::open(&path, &settings));
    second.ready().await.expect("filled");
    assert_eq!(shown(second.view()), all);
    assert_eq!(std::fs::metadata(&path).expect("cache").len(), size, "nothing was new");
    drop(second);

    // Damage of any kind costs only time.
    let whole = std::fs::read(&path).expect("cache");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for damaged in [&whole[..whole.len() - 3], &whole[..10], &[], &flipped] {
        std::fs::write(&path, damaged).expect("written");
        let third = follower(&disk, LookCost::Near, Cache::open(&path, &settings));
        third.ready().await.expect("filled");
        assert_eq!(shown(third.view()), all);
        drop(third);
        assert_eq!(std::fs::metadata(&path).expect("cache").len(), size, "it is whole again");
    }

    // The follower detects changes during its absence, whatever the cache contains.
    push(&disk, "a", chart("a", "1.0.0"), "1.0.0", "other").await;
    let gone = TagOrDigest::Tag("1.2.0".parse().expect("tag"));
    repository(&disk, "a").delete(&gone).await.expect("deleted");
    let fourth = follower(&disk, LookCost::Near, Cache::open(&path, &settings));
    fourth.ready().await.expect("filled");
    let texts = shown(fourth.view());
    assert_eq!(
        texts[..2],
        [format!("/a 1.1.0 {}", hex("1.1.0")), format!("/a 1.0.0 {}", hex("other"))]
    );
}

/// The cache file once grew without limit if one tag was pushed again and again. Only a restart
/// made it smaller.
#[tokio::test]
async fn the_file_of_what_was_seen_grows_with_what_is_live_alone() {
    const TEXT: usize = 200 * 1024;
    let root = tempfile::tempdir().expect("folder");
    let path = root.path().join("charts.cache");
    let disk = open(&root.path().join("store"));
    let settings = Settings::default();
    let size = || std::fs::metadata(&path).expect("cache").len();
    let follower_of = || follower(&disk, LookCost::Near, Cache::open(&path, &settings));
    let first = follower_of();
    first.ready().await.expect("filled");
    let mut most = 0;
    for content in 0..40 {
        let mut entry = chart("a", "1.0.0");
        entry.description = "x".repeat(TEXT);
        push(&disk, "a", entry, "1.0.0", &content.to_string()).await;
        refresh(&first, "a", "1.0.0").await;
        most = most.max(size());
    }
    assert!(most < 9 * TEXT as u64, "{most} bytes for one entry of {TEXT}");
    drop(first);
    let second = follower_of();
    second.ready().await.expect("filled");
    assert_eq!(shown(second.view()), [format!("/a 1.0.0 {}", hex("39"))]);
}

#[tokio::test]
async fn what_was_read_before_somebody_told_is_not_believed() {
    let root = tempfile::tempdir().expect("folder");
    let path = root.path().join("charts.cache");
    let disk = open(&root.path().join("store"));
    let (name, tag): (_, Tag) = ("a".parse().expect("name"), "1.0.0".parse().expect("tag"));
    let manifest = push(&disk, "a", chart("a", "1.0.0"), "1.0.0", "one").await;
    let settings = Settings::default();
    let first = follower(&disk, LookCost::Near, Cache::open(&path, &settings));
    first.ready().await.expect("filled");
    drop(first);
    for told in [false, true] {
        let second = follower(&disk, LookCost::Near, Cache::open(&path, &settings));
        let since = second.told();
        if told {
            repository(&disk, "a").delete(&TagOrDigest::Tag(tag.clone())).await.expect("deleted");
            refresh(&second, "a", "1.0.0").await;
        }
        let turn = second.turn(&name, &tag).await;
        turn.recall(manifest.digest(), since).await.expect("recalled");
        assert_eq!(shown(second.view()).is_empty(), told);
    }
}

#[tokio::test]
async fn from_afar_a_tag_is_looked_at_once_even_across_starts() {
    let root = tempfile::tempdir().expect("folder");
    let path = root.path().join("charts.cache");
    let disk = open(&root.path().join("store"));
    push(&disk, "a", chart("a", "1.0.0"), "1.0.0", "one").await;
    push(&disk, "a", chart("a", "0.9.0"), "latest", "none").await;
    let settings = Settings::default();
    let one = |content| vec![format!("/a 1.0.0 {}", hex(content))];
    let first = follower(&disk, LookCost::Far, Cache::open(&path, &settings));
    first.ready().await.expect("filled");
    assert_eq!(shown(first.view()), one("one"), "`latest` is no version");
    push(&disk, "a", chart("a", "1.0.0"), "1.0.0", "other").await;
    first.round().await.expect("looked");
    assert_eq!(shown(first.view()), one("one"), "believed until told otherwise");
    drop(first);

    let second = follower(&disk, LookCost::Far, Cache::open(&path, &settings));
    second.ready().await.expect("filled");
    assert_eq!(shown(second.view()), one("one"), "by the next start too");
    refresh(&second, "a", "1.0.0").await;
    assert_eq!(shown(second.view()), one("other"));

    push(&disk, "a", chart("a", "1.1.0"), "1.1.0", "new").await;
    let gone = TagOrDigest::Tag("1.0.0".parse().expect("tag"));
    repository(&disk, "a").delete(&gone).await.expect("deleted");
    second.round().await.expect("looked");
    assert_eq!(shown(second.view()), [format!("/a 1.1.0 {}", hex("new"))]);
}

#[tokio::test]
async fn who_pushes_says_so_without_a_second_look() {
    let root = tempfile::tempdir().expect("folder");
    let disk = open(root.path());
    let ours = follower(&disk, LookCost::Far, Cache::none());
    let (name, tag): (_, Tag) = ("a".parse().expect("name"), "1.0.0".parse().expect("tag"));
    let manifest = push(&disk, "a", chart("a", "1.0.0"), "1.0.0", "one").await;
    let turn = ours.turn(&name, &tag).await;
    assert!(turn.last_seen().is_none());
    turn.pushed(&manifest, entry("a", "1.0.0", "2024-05-06T07:08:09Z")).await.expect("shown");
    let told = ours.view().find("", "a", "1.0.0").expect("there").item;

    let other = follower(&disk, LookCost::Near, Cache::none());
    other.ready().await.expect("filled");
    let read = other.view().find("", "a", "1.0.0").expect("there").item;
    assert_eq!(told.text, read.text, "as if it had been read");
    let stored = repository(&disk, "a").fetch_blob(&read.archive, 10).await.expect("archive");
    assert_eq!(&stored[..], b"one");

    let turn = ours.turn(&name, &tag).await;
    assert!(turn.last_seen().is_some());
    turn.removed().await;
    assert_eq!(shown(ours.view()), Vec::<String>::new());
}

/// Overwrites every file with that content below a folder.
fn replace(folder: &Path, content: &[u8], other: &[u8]) {
    for entry in std::fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            replace(&path, content, other);
        } else if std::fs::read(&path).expect("file") == content {
            std::fs::write(&path, other).expect("written");
        }
    }
}

#[tokio::test]
async fn a_tag_that_a_registry_does_not_give_makes_nothing_else_stale() {
    for others in [true, false] {
        let root = tempfile::tempdir().expect("folder");
        let disk = open(root.path());
        let bad = push(&disk, "bad", chart("bad", "1.0.0"), "1.0.0", "one").await;
        if others {
            push(&disk, "good", chart("good", "1.0.0"), "1.0.0", "two").await;
        }
        let config = bad.document().config.clone().expect("config");
        let bytes = repository(&disk, "bad").fetch_blob(&config, 1000).await.expect("bytes");
        let zeros = vec![0; bytes.len()];
        replace(root.path(), &bytes, &zeros);
        // Damage here resembles an error response of a remote registry.
        let follower = follower(&disk, LookCost::Far, Cache::none());
        if !others {
            // The registry may have a fault: the follower has no other tags to compare.
            follower.ready().await.expect_err("nothing could be looked at");
            assert!(follower.trouble().is_some());
        }
        follower.ready().await.expect("ready");
        assert_eq!(follower.trouble(), None);
        assert_eq!(shown(follower.view()).len(), usize::from(others));
        follower.round().await.expect("the next round");
        replace(root.path(), &zeros, &bytes);
        refresh(&follower, "bad", "1.0.0").await;
        assert_eq!(shown(follower.view()).len(), 1 + usize::from(others));
    }
}
