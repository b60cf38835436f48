//! The stores by their traits: one specification for the disk, an image layout and memory; then
//! what only each of them promises. The commit protocol is tested beside its code.

use crate::support::{Test, peers};
use chartferry::{
    Error, ErrorKind,
    oci::{Descriptor, Digest, Document, Manifest, RepositoryName, Tag, TagOrDigest, media},
    store::{
        BlobFile, BlobSource, Durability, Fetch, Push, Referrers, Resolve, Sent, Tags,
        disk::{
            Disk,
            repository::{Missing, MissingContent, Mounted},
        },
        layout::Layout,
        memory::Memory,
    },
};
use std::{collections::BTreeMap, error::Error as _, fs, path::Path, time::SystemTime};

/// An artifact of two blobs.
struct Artifact {
    manifest: Manifest,
    config: (Descriptor, BlobSource),
    layer: (Descriptor, BlobSource),
}

fn artifact(text: &str, subject: Option<&Manifest>, kind: &str) -> Artifact {
    let blob = |media_type: &str, bytes: &[u8]| {
        (Descriptor::of(media_type, bytes), BlobSource::Bytes(bytes.to_vec().into()))
    };
    let config = blob(media::EMPTY, b"{}");
    let layer = blob("text/plain", text.as_bytes());
    let document = Document {
        schema_version: 2,
        media_type: Some(media::MANIFEST.to_owned()),
        artifact_type: Some(kind.to_owned()),
        config: Some(config.0.clone()),
        layers: Some(vec![layer.0.clone()]),
        manifests: None,
        subject: subject.map(Manifest::descriptor),
        annotations: BTreeMap::from([("text".to_owned(), text.to_owned())]),
    };
    Artifact { manifest: Manifest::compose(document, media::MANIFEST), config, layer }
}

async fn push(store: &impl Push, artifact: &Artifact, tag: Option<&Tag>) {
    for (blob, source) in [&artifact.config, &artifact.layer] {
        store.push_blob(blob, source).await.unwrap();
    }
    store.push_manifest(&artifact.manifest, tag).await.unwrap();
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

fn by_tag(text: &str) -> TagOrDigest {
    TagOrDigest::Tag(tag(text))
}

fn by_digest(manifest: &Manifest) -> TagOrDigest {
    TagOrDigest::Digest(manifest.digest().clone())
}

fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

#[tokio::test]
async fn the_disk_keeps_what_the_traits_promise() {
    let root = tempfile::tempdir().unwrap();
    let disk = Disk::open(&root.path().join("new/store"), Durability::None).unwrap();
    let repository = disk.repository(&name("ns/demo"));
    assert_eq!(repository.tags().await.unwrap_err().kind(), ErrorKind::NotFound);
    keeps_what_the_traits_promise(&repository, root.path()).await;
}

#[tokio::test]
async fn a_layout_keeps_what_the_traits_promise() {
    let root = tempfile::tempdir().unwrap();
    let layout = Layout::create(&root.path().join("layout")).unwrap();
    keeps_what_the_traits_promise(&layout, root.path()).await;
    let left: Vec<_> =
        fs::read_dir(layout.root()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "{left:?}");
}

#[tokio::test]
async fn memory_keeps_what_the_traits_promise() {
    let root = tempfile::tempdir().unwrap();
    keeps_what_the_traits_promise(&Memory::new(), root.path()).await;
}

async fn keeps_what_the_traits_promise<S>(store: &S, scratch: &Path)
where
    S: Fetch + Push + Resolve + Tags + Referrers,
{
    let first = artifact("one", None, "application/x");
    // Nothing is there, and that is said as such.
    assert_eq!(store.resolve(&by_tag("1.0.0")).await.unwrap(), None);
    let absent = [
        store.fetch_manifest(&by_tag("1.0.0")).await.map(drop),
        store.fetch_manifest(&by_digest(&first.manifest)).await.map(drop),
        store.fetch_blob(&first.layer.0, 100).await.map(drop),
        store.fetch_blob_file(&first.layer.0).await.map(drop),
        store.delete(&by_tag("1.0.0")).await,
        store.delete(&by_digest(&first.manifest)).await,
    ];
    for (at, result) in absent.into_iter().enumerate() {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::NotFound, "{at}");
    }

    // A blob is taken once, by its digest and size, from memory or a file.
    let (blob, source) = &first.layer;
    let wrong_size = Descriptor { size: 4, ..blob.clone() };
    let wrong_digest = Descriptor { digest: Digest::sha256(b"?"), ..blob.clone() };
    for wrong in [wrong_size, wrong_digest] {
        let error = store.push_blob(&wrong, source).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Integrity, "{error:?}");
    }
    assert_eq!(store.push_blob(blob, source).await.unwrap(), Sent::Uploaded);
    assert_eq!(store.push_blob(blob, source).await.unwrap(), Sent::Present);
    assert_eq!(&store.fetch_blob(blob, 3).await.unwrap()[..], b"one");
    assert_eq!(store.fetch_blob(blob, 2).await.unwrap_err().kind(), ErrorKind::Limit);
    let large = vec![7; 3_000_000];
    let file = scratch.join("large");
    fs::write(&file, &large).unwrap();
    let blob = Descriptor::of("", &large);
    assert_eq!(
        store.push_blob(&blob, &BlobSource::File(file.clone())).await.unwrap(),
        Sent::Uploaded
    );
    let found = store.fetch_blob_file(&blob).await.unwrap();
    assert_eq!(fs::read(found.path()).unwrap(), large);
    assert_ne!(found.path(), file);

    // A manifest goes by its digest and by the tag it was given last.
    push(store, &first, Some(&tag("1.0.0"))).await;
    let second = artifact("two", None, "application/x");
    push(store, &second, Some(&tag("1.0.0"))).await;
    push(store, &first, Some(&tag("0.9.0"))).await;
    for (target, manifest) in [
        (by_tag("1.0.0"), &second.manifest),
        (by_tag("0.9.0"), &first.manifest),
        (by_digest(&first.manifest), &first.manifest),
    ] {
        let found = store.fetch_manifest(&target).await.unwrap();
        assert_eq!(found.bytes(), manifest.bytes());
        assert_eq!(found.media_type(), media::MANIFEST);
        let resolved = store.resolve(&target).await.unwrap().unwrap();
        assert_eq!(
            (resolved.digest, resolved.size),
            (manifest.digest().clone(), found.bytes().len() as u64)
        );
    }
    let mut tags = store.tags().await.unwrap();
    tags.sort();
    assert_eq!(tags, ["0.9.0", "1.0.0"]);

    // Referrers are listed with their type and annotations, also before their subject is there.
    let one = artifact("about one", Some(&first.manifest), "application/sbom");
    let other = artifact("also about one", Some(&first.manifest), "application/signature");
    let unborn = artifact("three", None, "application/x");
    let early = artifact("about three", Some(&unborn.manifest), "application/sbom");
    for referrer in [&one, &other, &early] {
        push(store, referrer, None).await;
    }
    let found = store.referrers(first.manifest.digest(), None).await.unwrap();
    assert_eq!(found.len(), 2);
    let found = store.referrers(first.manifest.digest(), Some("application/sbom")).await.unwrap();
    assert_eq!(found, [one.manifest.as_referrer()]);
    assert_eq!(found[0].annotations["text"], "about one");
    assert_eq!(store.referrers(unborn.manifest.digest(), None).await.unwrap().len(), 1);
    assert_eq!(store.referrers(second.manifest.digest(), None).await.unwrap(), []);

    // A tag goes alone; a manifest goes with its tags and is no referrer any more.
    store.delete(&by_tag("1.0.0")).await.unwrap();
    assert_eq!(store.resolve(&by_tag("1.0.0")).await.unwrap(), None);
    assert!(store.resolve(&by_digest(&second.manifest)).await.unwrap().is_some());
    store.delete(&by_digest(&first.manifest)).await.unwrap();
    assert_eq!(store.resolve(&by_tag("0.9.0")).await.unwrap(), None);
    assert_eq!(store.resolve(&by_digest(&first.manifest)).await.unwrap(), None);
    store.delete(&by_digest(&one.manifest)).await.unwrap();
    let left = store.referrers(first.manifest.digest(), None).await.unwrap();
    assert_eq!(left, [other.manifest.as_referrer()]);
}

#[test]
fn a_store_has_one_writer_and_any_number_of_readers() {
    let root = tempfile::tempdir().unwrap();
    let absent = Disk::open_read_only(root.path()).unwrap_err();
    assert_eq!(absent.kind(), ErrorKind::NotFound);
    let disk = Disk::open(root.path(), Durability::None).unwrap();
    let error = Disk::open(root.path(), Durability::None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let lock = root.path().join("LOCK");
    assert_eq!(
        error.to_string(),
        format!("the store is in use: another process holds the lock `{}`", lock.display())
    );
    assert!(error.hint().is_some());
    let reader = Disk::open_read_only(root.path()).unwrap();
    let digest = Digest::sha256(b"x");
    let mut upload = disk.repository(&name("a")).start_upload(digest.algorithm()).unwrap();
    upload.append(&[b"x"]).unwrap();
    upload.finish(&digest).unwrap();
    let repository = reader.repository(&name("a"));
    assert_eq!(repository.blob(&digest).unwrap().map(|blob| blob.size), Some(1));
    for refused in [
        repository.start_upload(digest.algorithm()).map(drop),
        repository.delete_blob(&digest).map(drop),
        repository.mount_blob(&digest, &name("a")).map(drop),
        repository.remove(&by_tag("x")).map(drop),
        reader.expire_uploads(SystemTime::now()).map(drop),
    ] {
        assert!(refused.unwrap_err().to_string().ends_with("is open for reading only"));
    }
    drop(disk);
    Disk::open(root.path(), Durability::None).unwrap();
}

#[test]
fn a_directory_of_something_else_does_not_become_a_store() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("notes.txt"), "mine").unwrap();
    for error in [
        Disk::open(root.path(), Durability::None).unwrap_err(),
        Disk::open_read_only(root.path()).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(
            error.to_string().ends_with("is not empty and is not a store of chartferry"),
            "{error}"
        );
    }
    let error = Layout::create(root.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(Layout::open(root.path()).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);

    let newer = tempfile::tempdir().unwrap();
    fs::write(newer.path().join("VERSION"), "chartferry store 9\n").unwrap();
    let error = Disk::open(newer.path(), Durability::None).unwrap_err();
    assert!(
        error.to_string().contains("says `chartferry store 9`, which this version does not know")
    );
    fs::write(newer.path().join("oci-layout"), r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap();
    assert_eq!(Layout::open(newer.path()).unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn what_a_killed_writer_left_is_gone_at_the_next_start_and_its_sessions_go_on() {
    let root = tempfile::tempdir().unwrap();
    let disk = Disk::open(root.path(), Durability::None).unwrap();
    let repository = disk.repository(&name("ns/demo"));
    let digest = Digest::sha256(b"onetwo");
    let mut upload = repository.start_upload(digest.algorithm()).unwrap();
    upload.append(&[b"one"]).unwrap();
    let id = upload.id().to_owned();
    drop((upload, repository, disk));
    fs::write(root.path().join("tmp/.0123.unfinished"), "torn").unwrap();

    let disk = Disk::open(root.path(), Durability::None).unwrap();
    assert_eq!(fs::read_dir(root.path().join("tmp")).unwrap().count(), 0);
    let repository = disk.repository(&name("ns/demo"));
    assert_eq!(repository.upload_size(&id).unwrap(), Some(3));
    let mut upload = repository.upload(&id).unwrap().unwrap();
    upload.append(&[b"two"]).unwrap();
    upload.finish(&digest).unwrap();
    assert!(repository.blob(&digest).unwrap().is_some());
}

#[test]
fn idle_sessions_expire_and_busy_ones_do_not() {
    let root = tempfile::tempdir().unwrap();
    let disk = Disk::open(root.path(), Durability::None).unwrap();
    let repository = disk.repository(&name("ns/demo"));
    let start = || repository.start_upload(chartferry::oci::digest::Algorithm::Sha256).unwrap();
    let (mut idle, busy) = (start(), start());
    let data = root.path().join("uploads").join(idle.id()).join("data");
    let long_ago = SystemTime::UNIX_EPOCH;
    fs::File::options().append(true).open(data).unwrap().set_modified(long_ago).unwrap();
    let since = long_ago + std::time::Duration::from_secs(1);
    assert_eq!(disk.expire_uploads(since).unwrap(), 1);
    assert_eq!(repository.upload_size(idle.id()).unwrap(), None);
    assert_eq!(idle.append(&[b"late"]).unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(repository.upload_size(busy.id()).unwrap(), Some(0));
}

#[tokio::test]
async fn a_repository_shows_only_its_own_blobs_and_manifests() {
    let root = tempfile::tempdir().unwrap();
    let disk = Disk::open(root.path(), Durability::None).unwrap();
    let (a, b) = (disk.repository(&name("a")), disk.repository(&name("a/b")));
    let pushed = artifact("one", None, "application/x");
    push(&a, &pushed, Some(&tag("1.0.0"))).await;
    let digest = &pushed.layer.0.digest;
    assert!(b.blob(digest).unwrap().is_none());
    assert!(b.manifest(&by_digest(&pushed.manifest)).unwrap().is_none());
    let error = b.put_manifest(&pushed.manifest, pushed.manifest.digest(), &[], Missing::Refuse);
    let error: Error = error.unwrap_err();
    assert!(error.source().unwrap().is::<MissingContent>());
    assert!(!b.exists());

    for (source, mounted) in [("c", Mounted::NotThere), ("a", Mounted::Yes)] {
        assert_eq!(b.mount_blob(digest, &name(source)).unwrap(), mounted);
    }
    // Deleting it in one repository leaves it in the other.
    a.delete_blob(digest).unwrap();
    assert!(a.blob(digest).unwrap().is_none());
    assert!(b.blob(digest).unwrap().is_some());
    // Sparse manifests may name what is not there.
    b.put_manifest(&pushed.manifest, pushed.manifest.digest(), &[], Missing::Accept).unwrap();
    let c = disk.repository(&name("b-c"));
    c.put_manifest(&pushed.manifest, pushed.manifest.digest(), &[], Missing::Accept).unwrap();
    let names: Vec<_> = disk.repositories().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["a", "a/b", "b-c"]);
}

#[tokio::test]
async fn damaged_content_is_never_handed_over() {
    let root = tempfile::tempdir().unwrap();
    let disk = Disk::open(&root.path().join("disk"), Durability::None).unwrap();
    let repository = disk.repository(&name("a"));
    let layout = Layout::create(&root.path().join("layout")).unwrap();
    let pushed = artifact("one", None, "application/x");
    push(&repository, &pushed, Some(&tag("1.0.0"))).await;
    push(&layout, &pushed, Some(&tag("1.0.0"))).await;
    let layer = &pushed.layer.0;
    for digest in [&layer.digest, pushed.manifest.digest()] {
        let hex = digest.hex();
        for path in [
            root.path().join("disk/blobs/sha256").join(&hex[..2]).join(hex),
            root.path().join("layout/blobs/sha256").join(hex),
        ] {
            let mut bytes = fs::read(&path).unwrap();
            bytes[0] ^= 1;
            fs::remove_file(&path).unwrap();
            fs::write(&path, bytes).unwrap();
        }
    }
    let integrity = |result: chartferry::Result<()>| {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Integrity);
    };
    integrity(repository.fetch_blob(layer, 100).await.map(drop));
    integrity(repository.fetch_blob_file(layer).await.map(drop));
    integrity(repository.fetch_manifest(&by_tag("1.0.0")).await.map(drop));
    integrity(layout.fetch_blob(layer, 100).await.map(drop));
    integrity(layout.fetch_blob_file(layer).await.map(drop));
    integrity(layout.fetch_manifest(&by_tag("1.0.0")).await.map(drop));
}

/// Entries as other tools write them: without annotations, with `null`s, by whole references, with
/// fields we do not know. All of it stays as it was when we add to it.
#[tokio::test]
async fn a_layout_of_another_tool_is_read_and_keeps_what_it_says() {
    let root = tempfile::tempdir().unwrap();
    let pushed = artifact("one", None, "application/x");
    let maker = Layout::create(root.path()).unwrap();
    push(&maker, &pushed, None).await;
    let (digest, size) = (pushed.manifest.digest(), pushed.manifest.bytes().len());
    let entry = |rest: &str| {
        format!(r#"{{"mediaType":"{}","digest":"{digest}","size":{size}{rest}}}"#, media::MANIFEST)
    };
    let bare = entry("");
    let nulls = entry(r#","annotations":null,"urls":null"#);
    let named = entry(
        r#","annotations":{"org.opencontainers.image.ref.name":"v1","made.by":"x"},"platform":{"os":"plan9","new":1}"#,
    );
    let whole = entry(
        r#","annotations":{"org.opencontainers.image.ref.name":"reg.example.com/ns/demo:v2"}"#,
    );
    let index =
        format!(r#"{{"schemaVersion":2,"new":[1],"manifests":[{bare},{nulls},{named},{whole}]}}"#);
    let path = root.path().join("index.json");
    fs::write(&path, &index).unwrap();

    let layout = Layout::open(root.path()).unwrap();
    assert_eq!(layout.entries().unwrap().len(), 4);
    assert_eq!(layout.tags().await.unwrap(), ["v1", "v2"]);
    for target in [by_tag("v1"), by_tag("v2"), by_digest(&pushed.manifest)] {
        assert_eq!(layout.fetch_manifest(&target).await.unwrap().digest(), digest);
    }
    layout
        .push_manifest(&artifact("two", None, "application/x").manifest, Some(&tag("v3")))
        .await
        .unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with(r#"{"schemaVersion":2,"new":[1],"manifests":["#), "{text}");
    assert!(text.contains(&named) && text.contains(&whole), "{text}");
    layout.delete(&by_tag("v1")).await.unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains("made.by"), "{text}");

    for (bad, kind) in [
        ("", ErrorKind::Invalid),
        ("[]", ErrorKind::Invalid),
        (r#"{"manifests":[{"digest":"sha256:abc","size":1}]}"#, ErrorKind::Invalid),
        (r#"{"manifests":[{"digest":"../../etc/passwd","size":1}]}"#, ErrorKind::Invalid),
    ] {
        fs::write(&path, bad).unwrap();
        assert_eq!(layout.tags().await.unwrap_err().kind(), kind, "{bad}");
    }
    for nothing in [r#"{"schemaVersion":2}"#, r#"{"manifests":null}"#] {
        fs::write(&path, nothing).unwrap();
        assert_eq!(layout.tags().await.unwrap(), [""; 0]);
    }
}

#[tokio::test]
async fn many_writers_of_one_layout_lose_nothing() {
    let root = tempfile::tempdir().unwrap();
    let tasks: Vec<_> = (0..32)
        .map(|at| {
            // Opened anew each time: as if by processes of their own.
            let layout = Layout::create(root.path()).unwrap();
            tokio::spawn(async move {
                let one = artifact(&format!("text {at}"), None, "application/x");
                push(&layout, &one, Some(&tag(&format!("t{at}")))).await;
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let layout = Layout::open(root.path()).unwrap();
    assert_eq!(layout.tags().await.unwrap().len(), 32);
}

#[tokio::test]
async fn blobs_of_a_store_are_lent_not_copied() {
    let root = tempfile::tempdir().unwrap();
    let disk = Disk::open(root.path(), Durability::None).unwrap();
    let repository = disk.repository(&name("a"));
    let (blob, source) = artifact("one", None, "application/x").layer;
    repository.push_blob(&blob, &source).await.unwrap();
    let file = repository.fetch_blob_file(&blob).await.unwrap();
    assert!(matches!(&file, BlobFile::Stored(path) if path.starts_with(root.path())));
}

#[tokio::test]
#[ignore = "needs peers"]
async fn oras_reads_our_layouts_and_we_read_its() {
    let test = Test::new();
    let oras = peers::find("oras");
    let ours = Layout::create(&test.path("ours")).unwrap();
    let pushed = artifact("one", None, "application/x");
    push(&ours, &pushed, Some(&tag("v1"))).await;
    push(&ours, &artifact("about", Some(&pushed.manifest), "application/sbom"), None).await;
    let run = |args: &[&str]| test.run_program(&oras, args.iter().copied()).anything().succeeds();
    let digest = pushed.manifest.digest();
    let fetched = run(&["manifest", "fetch", "--oci-layout", "ours:v1"]);
    assert_eq!(fetched.bytes, pushed.manifest.bytes()[..]);
    let found = run(&["discover", "--oci-layout", "ours:v1", "--format", "json"]);
    assert!(found.stdout.contains("application/sbom"), "{}", found.stdout);
    assert_eq!(run(&["repo", "tags", "--oci-layout", "ours"]).stdout, "v1\n");

    run(&["cp", "-r", "--from-oci-layout", "--to-oci-layout", "ours:v1", "theirs:v2"]);
    let theirs = Layout::open(&test.path("theirs")).unwrap();
    assert_eq!(theirs.tags().await.unwrap(), ["v2"]);
    let found = theirs.fetch_manifest(&by_tag("v2")).await.unwrap();
    assert_eq!(found.bytes(), pushed.manifest.bytes());
    assert_eq!(&theirs.fetch_blob(&pushed.layer.0, 10).await.unwrap()[..], b"one");
    assert_eq!(theirs.referrers(digest, Some("application/sbom")).await.unwrap().len(), 1);
    // And what we add to it, oras still reads.
    push(&theirs, &artifact("two", None, "application/x"), Some(&tag("v3"))).await;
    let mut tags: Vec<_> = run(&["repo", "tags", "--oci-layout", "theirs"])
        .stdout
        .lines()
        .map(str::to_owned)
        .collect();
    tags.sort();
    assert_eq!(tags, ["v2", "v3"]);
    run(&["pull", "--oci-layout", "theirs:v3", "-o", "pulled"]);
}

#[test]
fn what_a_killed_writer_left_in_a_layout_is_swept_when_it_has_rested() {
    let root = tempfile::tempdir().unwrap();
    Layout::create(root.path()).unwrap();
    let [old, young, other] =
        [".a.unfinished", ".b.unfinished", "kept"].map(|name| root.path().join(name));
    let day = std::time::Duration::from_secs(24 * 3600);
    for (path, age) in [(&old, day), (&young, std::time::Duration::ZERO), (&other, day)] {
        let file = std::fs::File::create(path).unwrap();
        file.set_modified(std::time::SystemTime::now() - age).unwrap();
    }
    Layout::create(root.path()).unwrap();
    assert_eq!((old.exists(), young.exists(), other.exists()), (false, true, true));
}

#[test]
fn a_mount_without_a_source_looks_at_the_nearest_names_first() {
    let root = tempfile::tempdir().unwrap();
    let disk = Disk::open(root.path(), Durability::None).unwrap();
    let digest = Digest::sha256(b"x");
    for holder in ["z", "team/z", "team/b/z", "team/b/a", "team/b", "team/b/own/below"] {
        let mut upload = disk.repository(&name(holder)).start_whole(digest.algorithm()).unwrap();
        upload.append(&[b"x"]).unwrap();
        upload.finish(&digest).unwrap();
    }
    let own = disk.repository(&name("team/b/own"));
    let looked = |most: usize, refused: &[&str]| {
        let asked = std::cell::RefCell::new(Vec::new());
        let mounted = own.mount_nearest(&digest, most, |name| {
            asked.borrow_mut().push(name.to_string());
            !refused.contains(&name.as_str())
        });
        (mounted.unwrap(), asked.into_inner())
    };
    let order = ["team/b/own/below", "team/b", "team/b/a", "team/b/z", "team/z", "z"];
    // Each bound stops just before the next holder; `team` itself holds nothing, and counts.
    for (most, asked) in [(0, 0), (1, 1), (2, 2), (4, 4), (5, 4), (6, 5), (7, 6)] {
        let (mounted, found) = looked(most, &order);
        assert_eq!((mounted, found), (Mounted::NotThere, strings(&order[..asked])), "{most}");
    }
    assert!(own.blob(&digest).unwrap().is_none());
    assert_eq!(looked(1000, &order[..3]), (Mounted::Yes, strings(&order[..4])));
    assert_eq!(own.blob(&digest).unwrap().map(|blob| blob.size), Some(1));
    let absent = Digest::sha256(b"absent");
    assert_eq!(own.mount_nearest(&absent, 1000, |_| true).unwrap(), Mounted::NotThere);
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
