//! Tests of a layout's journal: it lists many manifests without a new index for each, and loses
//! none.

use super::*;
use crate::store::disk::commit::Step;
use std::sync::atomic::{AtomicUsize, Ordering};

fn name(text: &str) -> RepositoryName {
    text.parse().expect(text)
}

fn tag(text: &str) -> Tag {
    text.parse().expect(text)
}

/// Makes a different manifest for each text.
fn manifest(text: &str) -> Manifest {
    let config = Descriptor::of(media::EMPTY, b"{}");
    let document = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": media::MANIFEST,
        "config": config,
        "layers": [],
        "annotations": { "text": text },
    });
    let bytes = serde_json::to_vec(&document).expect("JSON");
    Manifest::parse(bytes.into(), None).expect("manifest")
}

async fn note(layout: &Layout, chart: &str, version: &str) {
    let empty = BlobSource::Bytes(Bytes::from_static(b"{}"));
    layout.push_blob(&Descriptor::of(media::EMPTY, b"{}"), &empty).await.expect("config");
    let one = (name(chart), manifest(&format!("{chart} {version}")), Some(tag(version)));
    layout.note_manifests(vec![one]).await.expect("noted");
}

fn tags(root: &Path, chart: &str) -> Vec<Tag> {
    let layout = Layout::open(root).expect("layout").repository(&name(chart));
    layout.look(|index| index.tags(layout.repository.as_ref())).expect("tags")
}

fn in_index(root: &Path) -> usize {
    let text = fs::read(root.join(INDEX)).expect("index");
    let index: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    index["manifests"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn many_manifests_are_listed_without_the_list_being_written_for_each() {
    let root = tempfile::tempdir().expect("folder");
    let mut layout = Layout::create(root.path()).expect("layout");
    let written = Arc::new(AtomicUsize::new(0));
    let (count, index) = (Arc::clone(&written), root.path().join(INDEX));
    layout.writer.seam = Some(Arc::new(move |step, path: &Path| {
        if step == Step::Rename && path == index {
            count.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }));
    for version in 0..300 {
        note(&layout, "demo", &format!("1.0.{version}")).await;
    }
    assert_eq!(written.load(Ordering::Relaxed), 0);
    assert_eq!((in_index(root.path()), tags(root.path(), "demo").len()), (0, 300));
    layout.settle().await.expect("settled");
    assert!(layout.is_settled());
    assert_eq!((written.load(Ordering::Relaxed), in_index(root.path())), (1, 300));
    layout.settle().await.expect("settled");
    assert_eq!(written.load(Ordering::Relaxed), 1, "an index that has everything is not written");
    assert_eq!(tags(root.path(), "demo").len(), 300);
}

#[tokio::test]
async fn what_was_noted_outlives_a_kill_at_any_moment() {
    let root = tempfile::tempdir().expect("folder");
    let layout = Layout::create(root.path()).expect("layout");
    note(&layout, "demo", "1.0.0").await;
    note(&layout, "other", "1.0.0").await;
    // A kill in the middle of a line, twice.
    let path = journal::path(root.path());
    let whole = fs::read(&path).expect("journal");
    for torn in ["{\"put\":{\"mani", "\0\0\0\n"] {
        let mut text = whole.clone();
        text.extend_from_slice(torn.as_bytes());
        fs::write(&path, &text).expect("written");
        assert_eq!(tags(root.path(), "demo"), ["1.0.0"]);
    }
    let later = Layout::open(root.path()).expect("layout");
    note(&later, "demo", "1.0.1").await;
    assert_eq!(tags(root.path(), "demo"), ["1.0.0", "1.0.1"]);
    let journal = fs::read(&path).expect("journal");
    // A kill between the index and the removal of the journal.
    later.settle().await.expect("settled");
    fs::write(&path, &journal).expect("written");
    assert_eq!(tags(root.path(), "demo"), ["1.0.0", "1.0.1"]);
    // The next process that opens the layout to write settles it.
    let last = Layout::create(root.path()).expect("layout");
    assert!(last.is_settled());
    assert_eq!((in_index(root.path()), tags(root.path(), "other").len()), (3, 1));
}

#[tokio::test]
async fn several_writers_of_index_and_journal_lose_nothing() {
    let root = tempfile::tempdir().expect("folder");
    let one = Layout::create(root.path()).expect("layout");
    let two = Layout::open(root.path()).expect("layout");
    note(&one, "demo", "1.0.0").await;
    note(&two, "demo", "1.0.1").await;
    let pushed = manifest("by another");
    two.repository(&name("demo")).push_manifest(&pushed, Some(&tag("2.0.0"))).await.expect("push");
    assert_eq!(in_index(root.path()), 3, "who lists one manifest lists what was noted too");
    note(&one, "demo", "1.0.2").await;
    // Another tool writes the index in place, without regard to the journal.
    let text = fs::read(root.path().join(INDEX)).expect("index");
    let mut index: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    index["annotations"] = serde_json::json!({ "by": "another tool" });
    fs::write(root.path().join(INDEX), index.to_string()).expect("written");
    note(&one, "demo", "1.0.3").await;
    one.settle().await.expect("settled");
    let all = ["1.0.0", "1.0.1", "2.0.0", "1.0.2", "1.0.3"];
    assert_eq!(tags(root.path(), "demo"), all);
    assert_eq!(
        tags(root.path(), "demo"),
        two.repository(&name("demo")).tags().await.expect("tags")
    );
    let text = fs::read_to_string(root.path().join(INDEX)).expect("index");
    assert!(text.contains("another tool"), "{text}");
}

#[tokio::test]
async fn what_is_forgotten_goes_with_its_manifest_unless_another_name_leads_to_it() {
    let root = tempfile::tempdir().expect("folder");
    let layout = Layout::create(root.path()).expect("layout");
    let shared = manifest("two names");
    let named = |text| (name("demo"), shared.clone(), Some(tag(text)));
    layout.note_manifests(vec![named("1.0.0"), named("v1.0.0")]).await.expect("noted");
    let demo = layout.repository(&name("demo"));
    for (version, left, there) in [("1.0.0", 1, true), ("v1.0.0", 0, false), ("v1.0.0", 0, false)] {
        demo.forget(&tag(version), Some(shared.digest())).await.expect("forgotten");
        assert_eq!(tags(root.path(), "demo").len(), left, "{version}");
        assert_eq!(layout.blob_path(shared.digest()).exists(), there, "{version}");
    }
}

/// Makes a layout that is written late, and the list of its steps.
fn late(root: &Path) -> (Layout, Arc<std::sync::Mutex<Vec<Step>>>) {
    let mut layout = Layout::create_with(root, Durability::Late).expect("layout");
    let steps: Arc<std::sync::Mutex<Vec<Step>>> = Arc::default();
    let taken = Arc::clone(&steps);
    layout.writer.seam = Some(Arc::new(move |step, _: &Path| {
        taken.lock().expect("steps").push(step);
        Ok(())
    }));
    (layout, steps)
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_is_written_late_reaches_the_disk_once_and_before_the_index_names_it() {
    let root = tempfile::tempdir().expect("folder");
    let (layout, steps) = late(root.path());
    for version in 0..50 {
        note(&layout, "demo", &format!("1.0.{version}")).await;
    }
    let before = std::mem::take(&mut *steps.lock().expect("steps"));
    assert!(before.iter().all(|step| matches!(step, Step::Write | Step::Rename)), "{before:?}");
    layout.settle().await.expect("settled");
    let all = steps.lock().expect("steps").clone();
    let (first, rest) = all.split_first().expect("steps");
    assert_eq!(*first, Step::SyncAll, "{all:?}");
    assert!(rest.contains(&Step::SyncFile) && rest.contains(&Step::SyncDirectory), "{all:?}");
    assert_eq!(in_index(root.path()), 50);
}

#[tokio::test]
async fn what_a_loss_of_power_took_is_listed_no_more_and_written_anew() {
    let root = tempfile::tempdir().expect("folder");
    let layout = Layout::create_with(root.path(), Durability::Late).expect("layout");
    let config = Descriptor::of(media::EMPTY, b"{}");
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        note(&layout, "demo", version).await;
    }
    // The journal reached the disk, but of two manifests the names or the content did not.
    let zeroed = manifest("demo 1.0.0");
    let place = layout.blob_path(zeroed.digest());
    let size = fs::metadata(&place).expect("manifest").len();
    fs::write(&place, vec![0; usize::try_from(size).expect("size")]).expect("zeroed");
    fs::remove_file(layout.blob_path(manifest("demo 1.1.0").digest())).expect("removed");
    drop(layout);

    let again = Layout::create_with(root.path(), Durability::Late).expect("again");
    assert_eq!(tags(root.path(), "demo"), ["1.2.0"]);
    note(&again, "demo", "1.0.0").await;
    again.settle().await.expect("settled");
    assert_eq!(fs::read(&place).expect("manifest"), zeroed.bytes().as_ref());
    assert_eq!(tags(root.path(), "demo"), ["1.2.0", "1.0.0"]);

    // A missing config removes every manifest that names it.
    note(&again, "demo", "1.3.0").await;
    fs::remove_file(again.blob_path(&config.digest)).expect("removed");
    Layout::create_with(root.path(), Durability::Late).expect("again");
    assert_eq!(tags(root.path(), "demo"), ["1.2.0", "1.0.0"], "what is in the index stays");
}

#[tokio::test]
async fn a_removal_that_stops_leaves_no_entry_without_its_content() {
    let root = tempfile::tempdir().expect("folder");
    let layout = Layout::create_with(root.path(), Durability::Late).expect("layout");
    note(&layout, "demo", "1.0.0").await;
    layout.settle().await.expect("settled");
    // A folder in place of the content stops the removal, as the end of the process would.
    let digest = manifest("demo 1.0.0").digest().clone();
    let place = layout.blob_path(&digest);
    fs::remove_file(&place).expect("removed");
    fs::create_dir(&place).expect("folder");
    layout.remove(&TagOrDigest::Digest(digest)).expect_err("stopped");
    assert_eq!(in_index(root.path()), 0);
}
