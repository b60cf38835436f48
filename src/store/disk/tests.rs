//! Tests of the commit protocol with a hook that sees every step: the order of the steps, and the
//! files that remain if any one of them fails or is the last.

use super::{
    Disk, Inner,
    commit::{Seam, Step},
    repository::Repository,
};
use crate::{
    ErrorKind,
    oci::{Descriptor, Digest, Document, Manifest, RepositoryName, Tag, TagOrDigest, media},
    store::{BlobSource, Durability, Fetch, Push, Referrers},
};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

fn open_with(root: &Path, durability: Durability, seam: Seam) -> Disk {
    let Disk(inner) = Disk::open(root, durability).expect("store");
    let mut inner: Inner = Arc::try_unwrap(inner).expect("sole owner");
    inner.writer.seam = Some(seam);
    Disk(Arc::new(inner))
}

fn name() -> RepositoryName {
    "ns/demo".parse().expect("name")
}

fn tag() -> Tag {
    "1.0.0".parse().expect("tag")
}

const CONFIG: &[u8] = b"{}";
const LAYER: &[u8] = b"a layer";

fn manifest(subject: Option<&Manifest>) -> Manifest {
    let document = Document {
        schema_version: 2,
        media_type: Some(media::MANIFEST.to_owned()),
        artifact_type: Some("application/x".to_owned()),
        config: Some(Descriptor::of(media::EMPTY, CONFIG)),
        layers: Some(vec![Descriptor::of("text/plain", LAYER)]),
        manifests: None,
        subject: subject.map(Manifest::descriptor),
        annotations: BTreeMap::new(),
    };
    Manifest::compose(document, media::MANIFEST)
}

/// Pushes an artifact and a referrer to it, as a client does it.
async fn push(repository: &Repository) -> crate::Result<()> {
    for bytes in [CONFIG, LAYER] {
        let blob = Descriptor::of("", bytes);
        repository.push_blob(&blob, &BlobSource::Bytes(bytes.into())).await?;
    }
    let first = manifest(None);
    repository.push_manifest(&first, Some(&tag())).await?;
    repository.push_manifest(&manifest(Some(&first)), None).await
}

/// Puts the same artifact into the repository whole.
async fn push_whole(repository: &Repository) -> crate::Result<()> {
    let blobs = [CONFIG, LAYER]
        .map(|bytes| (Descriptor::of("", bytes), BlobSource::Bytes(Bytes::from_static(bytes))));
    let first = manifest(None);
    repository.push_artifact(&blobs, &first, Some(&tag())).await?;
    repository.push_artifact(&blobs, &manifest(Some(&first)), None).await
}

#[tokio::test]
async fn an_artifact_put_whole_is_flushed_then_named_then_referred_to() {
    let root = tempfile::tempdir().expect("directory");
    let steps: Arc<Mutex<Vec<(Step, PathBuf)>>> = Arc::default();
    let (seen, base) = (Arc::clone(&steps), root.path().to_owned());
    let seam: Seam = Arc::new(move |step, path| {
        let path = path.strip_prefix(&base).expect("within the store").to_owned();
        seen.lock().expect("steps").push((step, path));
        Ok(())
    });
    let repository = open_with(root.path(), Durability::Full, seam).repository(&name());
    let blobs = [CONFIG, LAYER]
        .map(|bytes| (Descriptor::of("", bytes), BlobSource::Bytes(Bytes::from_static(bytes))));
    repository.push_artifact(&blobs, &manifest(None), Some(&tag())).await.expect("push");
    let steps = steps.lock().expect("steps");
    let last = |step: Step, part: &str| {
        let found = steps.iter().rposition(|(one, path)| *one == step && path.starts_with(part));
        found.unwrap_or_else(|| panic!("no {step:?} of `{part}` in {steps:#?}"))
    };
    let first = |step: Step, part: &str| {
        steps.iter().position(|(one, path)| *one == step && path.starts_with(part)).expect("step")
    };
    // Two blobs, the manifest, its record and the tag: each is flushed before any has its name.
    assert_eq!(steps.iter().filter(|(step, _)| *step == Step::SyncFile).count(), 5);
    assert!(last(Step::SyncFile, "tmp") < first(Step::Rename, ""));
    let record = first(Step::Rename, "repos/ns/demo/_r/manifests");
    for blobs in ["blobs", "repos/ns/demo/_r/blobs"] {
        assert!(last(Step::SyncDirectory, blobs) < record, "{steps:#?}");
    }
    let tag = first(Step::Rename, "repos/ns/demo/_r/tags");
    assert!(record < tag && tag < last(Step::SyncDirectory, "repos/ns/demo/_r/tags"));
    assert!(record < last(Step::SyncDirectory, "repos/ns/demo/_r/manifests"));
}

#[tokio::test]
async fn a_blob_that_is_not_what_it_is_called_is_refused_and_leaves_nothing() {
    let root = tempfile::tempdir().expect("directory");
    let disk = Disk::open(root.path(), Durability::Full).expect("store");
    let repository = disk.repository(&name());
    let wrong = [(Descriptor::of("", LAYER), BlobSource::Bytes("another".into()))];
    let error = repository.push_artifact(&wrong, &manifest(None), None).await.expect_err("wrong");
    assert_eq!(error.kind(), ErrorKind::Invalid, "the config is missing");
    let wrong = [
        (Descriptor::of("", CONFIG), BlobSource::Bytes(CONFIG.into())),
        (Descriptor::of("", LAYER), BlobSource::Bytes("a  ayer".into())),
    ];
    let error = repository.push_artifact(&wrong, &manifest(None), None).await.expect_err("wrong");
    assert_eq!(error.kind(), ErrorKind::Integrity);
    assert!(repository.tag_names().expect("tags").is_empty());
    assert_eq!(fs::read_dir(root.path().join("tmp")).expect("tmp").count(), 0);
}

#[tokio::test]
async fn every_step_comes_after_those_it_rests_on() {
    let root = tempfile::tempdir().expect("directory");
    let steps: Arc<Mutex<Vec<(Step, PathBuf)>>> = Arc::default();
    let seen = Arc::clone(&steps);
    let base = root.path().to_owned();
    let seam: Seam = Arc::new(move |step, path| {
        let path = path.strip_prefix(&base).expect("within the store").to_owned();
        seen.lock().expect("steps").push((step, path));
        Ok(())
    });
    push(&open_with(root.path(), Durability::Full, seam).repository(&name())).await.expect("push");
    let steps = steps.lock().expect("steps");
    let at = |step: Step, path: &Path| {
        steps.iter().position(|one| one.0 == step && one.1 == path).unwrap_or_else(|| {
            panic!("no {step:?} of `{}` in {steps:#?}", path.display());
        })
    };
    let digest = Digest::sha256(LAYER);
    let blob = Path::new("blobs/sha256").join(&digest.hex()[..2]).join(digest.hex());
    let references = Path::new("repos/ns/demo/_r");
    let marker = references.join("blobs/sha256").join(digest.hex());
    let record = references.join("manifests/sha256").join(manifest(None).digest().hex());
    let tag = references.join("tags/1.0.0");
    let rename = at(Step::Rename, &blob);
    // Each reference begins only after everything that it refers to has its name and its directory
    // is flushed.
    let mut then = rename;
    for place in [&blob, &marker, &record, &tag] {
        let named = at(if place == &marker { Step::Write } else { Step::Rename }, place);
        assert!(named >= then, "{} too early in {steps:#?}", place.display());
        let parent = place.parent().expect("parent");
        let flushed =
            steps[named..].iter().position(|one| *one == (Step::SyncDirectory, parent.to_owned()));
        then = named + flushed.unwrap_or_else(|| panic!("{} never flushed", parent.display()));
    }
    // Every file is flushed before it gets its name.
    for (at, (step, path)) in steps.iter().enumerate() {
        if *step == Step::Rename {
            let before = steps[..at].iter().rev().find(|one| one.0 != Step::SyncDirectory);
            assert_eq!(before.map(|one| one.0), Some(Step::SyncFile), "{}", path.display());
        }
    }
}

#[tokio::test]
async fn less_durability_takes_fewer_steps() {
    let count = async |durability| {
        let root = tempfile::tempdir().expect("directory");
        let (files, directories) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (one, other) = (Arc::clone(&files), Arc::clone(&directories));
        let seam: Seam = Arc::new(move |step, _| {
            match step {
                Step::SyncFile => one.fetch_add(1, Ordering::Relaxed),
                Step::SyncDirectory => other.fetch_add(1, Ordering::Relaxed),
                _ => 0,
            };
            Ok(())
        });
        push(&open_with(root.path(), durability, seam).repository(&name())).await.expect("push");
        (files.load(Ordering::Relaxed), directories.load(Ordering::Relaxed))
    };
    let (files, directories) = count(Durability::Full).await;
    // Two blobs, two manifests and their records, a referrer's entry, a tag.
    assert_eq!(files, 8);
    assert!(directories > files, "{directories}");
    assert_eq!(count(Durability::File).await, (files, 0));
    assert_eq!(count(Durability::None).await, (0, 0));
}

/// The process ends before each step in turn: no later step happens, and another process opens the
/// store. Flushes do not matter for the end of a process, so the test does none.
#[tokio::test]
async fn a_crash_at_any_step_leaves_no_reference_to_missing_bytes() {
    crash(push).await;
    crash(push_whole).await;
}

async fn crash(push: impl AsyncFn(&Repository) -> crate::Result<()>) {
    for last in 0.. {
        let root = tempfile::tempdir().expect("directory");
        let taken = AtomicUsize::new(0);
        let seam: Seam = Arc::new(move |_, _| {
            if taken.fetch_add(1, Ordering::Relaxed) < last {
                return Ok(());
            }
            Err(io::Error::other("the process is gone"))
        });
        let disk = open_with(root.path(), Durability::None, seam);
        let done = push(&disk.repository(&name())).await.is_ok();
        drop(disk);
        let disk = Disk::open(root.path(), Durability::None).expect("store opens again");
        whole(&disk.repository(&name())).await;
        let left = fs::read_dir(root.path().join("tmp")).expect("tmp").count();
        assert_eq!(left, 0, "unfinished files after step {last}");
        // The same push succeeds now, whatever the first one left.
        push(&disk.repository(&name())).await.expect("push again");
        let found = disk.repository(&name()).find(&TagOrDigest::Tag(tag())).expect("find");
        assert_eq!(found.map(|found| found.digest), Some(manifest(None).digest().clone()));
        if done {
            assert!(last > 10, "only {last} steps were tried");
            return;
        }
    }
}

/// Checks that the repository returns everything that it lists.
async fn whole(repository: &Repository) {
    let mut manifests = Vec::new();
    for tag in repository.tag_names().expect("tags") {
        let manifest =
            repository.fetch_manifest(&TagOrDigest::Tag(tag)).await.expect("tagged manifest");
        let referrers = repository.referrers(manifest.digest(), None).await.expect("referrers");
        for referrer in referrers {
            // An entry may exist a moment before its record; the list never has it without one.
            let target = TagOrDigest::Digest(referrer.digest);
            manifests.push(repository.fetch_manifest(&target).await.expect("referrer"));
        }
        manifests.push(manifest);
    }
    for manifest in manifests {
        let document = manifest.document();
        for blob in document.config.iter().chain(document.layers()) {
            repository.fetch_blob(blob, 1024).await.expect("blob");
        }
    }
}

#[tokio::test]
async fn a_full_disk_gets_its_space_back_and_keeps_what_was_there() {
    let root = tempfile::tempdir().expect("directory");
    let full = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&full);
    let seam: Seam = Arc::new(move |step, _| {
        if step == Step::Write && seen.load(Ordering::Relaxed) == 1 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    });
    let repository = open_with(root.path(), Durability::Full, seam).repository(&name());
    push(&repository).await.expect("push");
    full.store(1, Ordering::Relaxed);
    let blob = Descriptor::of("", b"more");
    let error =
        repository.push_blob(&blob, &BlobSource::Bytes("more".into())).await.expect_err("full");
    assert_eq!(error.kind(), ErrorKind::Io);
    let mut upload = repository.start_upload(blob.digest.algorithm()).expect("session");
    upload.append(&[b"more"]).expect_err("full");
    let sessions = root.path().join("uploads");
    assert_eq!(fs::read_dir(sessions).expect("sessions").count(), 0);
    let moved = manifest(Some(&manifest(None)));
    repository.push_manifest(&moved, Some(&tag())).await.expect_err("full");
    whole(&repository).await;
    full.store(0, Ordering::Relaxed);
    repository.push_blob(&blob, &BlobSource::Bytes("more".into())).await.expect("space again");
}

#[test]
fn a_blob_that_lost_bytes_is_absent_and_can_be_pushed_again() {
    let root = tempfile::tempdir().expect("directory");
    let disk = Disk::open(root.path(), Durability::None).expect("store");
    let repository = disk.repository(&name());
    let digest = Digest::sha256(LAYER);
    let push = || {
        let mut upload = repository.start_upload(digest.algorithm()).expect("session");
        upload.append(&[LAYER]).expect("append");
        upload.finish(&digest)
    };
    push().expect("push");
    let path = repository.blob(&digest).expect("blob").expect("there").path;
    assert!(fs::metadata(&path).expect("blob").permissions().readonly());
    fs::remove_file(&path).expect("remove");
    fs::write(&path, b"a la").expect("cut short");
    assert_eq!(repository.blob(&digest).expect("blob"), None);
    push().expect("push again");
    assert_eq!(fs::read(&path).expect("blob"), LAYER);
}

#[test]
fn whoever_takes_a_session_over_ends_the_hold_of_the_one_before() {
    let root = tempfile::tempdir().expect("directory");
    let disk = Disk::open(root.path(), Durability::None).expect("store");
    let repository = disk.repository(&name());
    let digest = Digest::sha256(b"onetwo");
    let mut first = repository.start_upload(digest.algorithm()).expect("session");
    first.append(&[b"one"]).expect("append");
    let id = first.id().to_owned();
    let mut second = repository.upload(&id).expect("session").expect("there");
    assert_eq!(first.append(&[b"!"]).expect_err("taken over").kind(), ErrorKind::Conflict);
    assert_eq!(second.size(), 3);
    second.append(&[b"two"]).expect("append");
    assert_eq!(first.finish(&digest).expect_err("taken over").kind(), ErrorKind::Conflict);
    second.finish(&digest).expect("finish");
    assert!(repository.upload(&id).expect("session").is_none());
    assert!(repository.blob(&digest).expect("blob").is_some());
}

#[test]
fn content_is_kept_once_whatever_it_is_called() {
    use crate::oci::digest::Algorithm;
    let root = tempfile::tempdir().expect("directory");
    let disk = Disk::open(root.path(), Durability::Full).expect("store");
    let repository = disk.repository(&name());
    for (declared, called) in [
        (Algorithm::Sha256, Algorithm::Sha256),
        (Algorithm::Sha256, Algorithm::Sha512),
        (Algorithm::Sha512, Algorithm::Sha512),
        (Algorithm::Sha512, Algorithm::Sha256),
    ] {
        let mut upload = repository.start_upload(declared).expect("session");
        upload.append(&[LAYER]).expect("append");
        upload.finish(&Digest::of(called, LAYER)).expect("finish");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let inode = |algorithm| {
            let blob =
                repository.blob(&Digest::of(algorithm, LAYER)).expect("blob").expect("there");
            fs::metadata(blob.path).expect("file").ino()
        };
        assert_eq!(inode(Algorithm::Sha256), inode(Algorithm::Sha512));
    }
    assert!(repository.upload(&"0".repeat(32)).expect("session").is_none());
    assert!(repository.upload("../../x").expect("session").is_none());
}

#[test]
fn a_long_upload_is_flushed_on_the_way_and_ends_whole() {
    let root = tempfile::tempdir().expect("directory");
    let disk = Disk::open(root.path(), Durability::File).expect("store");
    let repository = disk.repository(&name());
    let part = vec![7; 1024 * 1024];
    let mut hasher = crate::oci::digest::Algorithm::Sha256.hasher();
    let mut upload =
        repository.start_upload(crate::oci::digest::Algorithm::Sha256).expect("session");
    let id = upload.id().to_owned();
    for at in 0..70 {
        if at == 40 {
            // The next request waits for a flush that an earlier request began.
            upload = repository.upload(&id).expect("session").expect("there");
        }
        upload.append(&[&part]).expect("append");
        hasher.update(&part);
    }
    upload.finish(&hasher.clone().finish()).expect("finish");
    let blob = repository.blob(&hasher.finish()).expect("blob").expect("there");
    assert_eq!(blob.size, 70 * 1024 * 1024);
}

/// Changes a stored file without a change of its size, as a failing disk does.
fn damage(path: &Path) {
    let mut bytes = fs::read(path).expect("stored file");
    bytes[0] ^= 1;
    let mut permissions = fs::metadata(path).expect("metadata").permissions();
    #[expect(clippy::permissions_set_readonly_false, reason = "the folder is temporary")]
    permissions.set_readonly(false);
    fs::set_permissions(path, permissions).expect("permissions");
    fs::write(path, bytes).expect("damage");
}

#[tokio::test]
async fn damaged_files_are_replaced_when_their_content_arrives_again() {
    let root = tempfile::tempdir().expect("directory");
    let stored = [Digest::sha256(LAYER), manifest(None).digest().clone()];
    for whole in [false, true] {
        let disk = Disk::open(root.path(), Durability::None).expect("store");
        push(&disk.repository(&name())).await.expect("first push");
        let paths = stored.each_ref().map(|digest| disk.blob_path(digest));
        drop(disk);
        paths.iter().for_each(|path| damage(path));
        // A store that was just opened knows no file to be intact.
        let disk = Disk::open(root.path(), Durability::None).expect("store");
        let repository = disk.repository(&name());
        match whole {
            true => push_whole(&repository).await.expect("second push"),
            false => push(&repository).await.expect("second push"),
        }
        for (path, digest) in paths.iter().zip(&stored) {
            assert!(digest.matches(&fs::read(path).expect("file")), "{whole} {digest}");
        }
    }
}

#[test]
fn the_second_name_of_a_damaged_blob_is_replaced_too() {
    let root = tempfile::tempdir().expect("directory");
    let digest = Digest::of(crate::digest::Algorithm::Sha512, LAYER);
    let upload = |disk: &Disk| {
        let mut upload = disk.repository(&name()).start_whole(digest.algorithm()).expect("upload");
        upload.append(&[LAYER]).expect("bytes");
        upload.finish(&digest).expect("blob");
    };
    let disk = Disk::open(root.path(), Durability::None).expect("store");
    upload(&disk);
    let path = disk.blob_path(&digest);
    drop(disk);
    damage(&path);
    upload(&Disk::open(root.path(), Durability::None).expect("store"));
    assert!(digest.matches(&fs::read(&path).expect("file")));
}

#[tokio::test]
async fn a_blob_that_a_read_found_damaged_is_replaced_without_a_restart() {
    let root = tempfile::tempdir().expect("directory");
    let disk = Disk::open(root.path(), Durability::None).expect("store");
    let repository = disk.repository(&name());
    push(&repository).await.expect("first push");
    let layer = Descriptor::of("", LAYER);
    damage(&disk.blob_path(&layer.digest));
    let error = repository.fetch_blob(&layer, 1 << 20).await.expect_err("damaged");
    assert_eq!(error.kind(), ErrorKind::Integrity);
    push(&repository).await.expect("second push");
    assert_eq!(repository.fetch_blob(&layer, 1 << 20).await.expect("healed"), LAYER);
}
