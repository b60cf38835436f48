//! Copies lose nothing: between registries with and without lists of referrers, with signatures
//! under tags of digests, and by the command.

use crate::{
    faults::{Bench, run},
    support::{
        Test,
        daemon::Daemon,
        fault::{Act, Fault, FaultRegistry},
        fault_registry::{Answer, Setup},
    },
};
use chartferry::{
    ErrorKind,
    client::Repository,
    oci::{Descriptor, Digest, Manifest, Tag, TagOrDigest, media},
    ops::{
        any_repository::AnyRepository,
        copy::{self, Attached, Existing, Options, Replaces, Report, Side},
    },
    store::{BlobSource, Fetch, Push, Referrers, Resolve, Tags},
};
use serde_json::{Value, json};

/// Pushes a blob and gives its descriptor as JSON.
async fn blob(repository: &Repository, kind: &str, text: &str) -> Value {
    let blob = Descriptor::of(kind, text.as_bytes());
    let source = BlobSource::Bytes(text.to_owned().into());
    repository.push_blob(&blob, &source).await.expect("blob");
    serde_json::to_value(blob).unwrap()
}

async fn put(repository: &Repository, tag: Option<&str>, document: Value) -> Manifest {
    let manifest = Manifest::parse(document.to_string().into(), None).expect("manifest");
    let tag = tag.map(|tag| tag.parse::<Tag>().expect("tag"));
    repository.push_manifest(&manifest, tag.as_ref()).await.expect("pushed");
    manifest
}

/// A manifest with one layer of this text; a referrer with a subject.
async fn artifact(
    repository: &Repository,
    tag: Option<&str>,
    text: &str,
    subject: Option<&Manifest>,
) -> Manifest {
    let config = blob(repository, media::IMAGE_CONFIG, "{}").await;
    let layer = blob(repository, "text/plain", text).await;
    let mut document = json!({
        "schemaVersion": 2,
        "mediaType": media::MANIFEST,
        "config": config,
        "layers": [layer],
    });
    if let Some(subject) = subject {
        document["artifactType"] = format!("example/{}", text.split(' ').next().unwrap()).into();
        document["subject"] = serde_json::to_value(subject.descriptor()).unwrap();
    }
    put(repository, tag, document).await
}

/// The tag of a digest with an ending.
fn digest_tag(digest: &Digest, ending: &str) -> String {
    format!("sha256-{}.{ending}", digest.hex())
}

/// A cosign signature of a manifest: one layer for each text.
async fn signature(repository: &Repository, of: &Digest, texts: &[&str]) -> Manifest {
    let mut layers = Vec::new();
    let mut ids = Vec::new();
    for text in texts {
        let mut layer =
            blob(repository, "application/vnd.dev.cosign.simplesigning.v1+json", text).await;
        ids.push(layer["digest"].clone());
        layer["annotations"] = json!({ "dev.cosignproject.cosign/signature": text });
        layers.push(layer);
    }
    let history: Vec<Value> =
        ids.iter().map(|_| json!({ "created": "0001-01-01T00:00:00Z" })).collect();
    let config = json!({
        "architecture": "", "created": "0001-01-01T00:00:00Z", "history": history, "os": "",
        "rootfs": { "type": "layers", "diff_ids": ids }, "config": {},
    });
    let config = blob(repository, media::IMAGE_CONFIG, &config.to_string()).await;
    let document = json!({
        "schemaVersion": 2, "mediaType": media::MANIFEST, "config": config, "layers": layers,
    });
    put(repository, Some(&digest_tag(of, "sig")), document).await
}

/// A signed image of two platforms with everything that a build may attach.
pub(crate) struct Fixture {
    pub(crate) index: Manifest,
    /// Every manifest that belongs to it.
    manifests: Vec<Manifest>,
    /// Referrers with their subjects.
    referrers: Vec<(Digest, Digest)>,
    /// Tags of digests.
    tags: Vec<String>,
}

impl Fixture {
    pub(crate) async fn push(repository: &Repository) -> Self {
        let amd = artifact(repository, None, "amd64", None).await;
        let arm = artifact(repository, None, "arm64", None).await;
        let attestation = artifact(repository, None, "attestation", None).await;
        let entry = |manifest: &Manifest| serde_json::to_value(manifest.descriptor()).unwrap();
        let document = json!({
            "schemaVersion": 2,
            "mediaType": media::INDEX,
            "manifests": [entry(&amd), entry(&arm), entry(&attestation)],
        });
        let index = put(repository, Some("v1"), document).await;
        let bundle = artifact(repository, None, "bundle", Some(&index)).await;
        let sbom = artifact(repository, None, "sbom", Some(&index)).await;
        let signed_sbom = artifact(repository, None, "signature of the sbom", Some(&sbom)).await;
        let on_arm = artifact(repository, None, "sbom of arm", Some(&arm)).await;
        let mut manifests = vec![amd.clone(), arm.clone(), attestation, index.clone()];
        let referrers = vec![
            (index.digest().clone(), bundle.digest().clone()),
            (index.digest().clone(), sbom.digest().clone()),
            (sbom.digest().clone(), signed_sbom.digest().clone()),
            (arm.digest().clone(), on_arm.digest().clone()),
        ];
        manifests.extend([bundle, sbom.clone(), signed_sbom, on_arm]);
        let mut tags = Vec::new();
        for (signed, text) in [(&index, "one"), (&amd, "two"), (&arm, "three"), (&sbom, "four")] {
            manifests.push(signature(repository, signed.digest(), &[text]).await);
            tags.push(digest_tag(signed.digest(), "sig"));
        }
        let att = digest_tag(amd.digest(), "att");
        manifests.push(artifact(repository, Some(&att), "att", None).await);
        tags.push(att);
        Self { index, manifests, referrers, tags }
    }

    /// Counts what a repository has of it: manifests, entries of lists of referrers, and tags of
    /// digests that hold their manifest.
    pub(crate) async fn count(&self, repository: &Repository) -> (usize, usize, usize) {
        let mut found = (0, 0, 0);
        for manifest in &self.manifests {
            let target = TagOrDigest::Digest(manifest.digest().clone());
            found.0 += usize::from(repository.fetch_manifest(&target).await.is_ok());
        }
        for (subject, referrer) in &self.referrers {
            let listed = repository.referrers(subject, None).await.unwrap_or_default();
            found.1 += usize::from(listed.iter().any(|one| one.digest == *referrer));
        }
        for tag in &self.tags {
            let target = TagOrDigest::Tag(tag.parse().unwrap());
            found.2 += usize::from(matches!(repository.resolve(&target).await, Ok(Some(_))));
        }
        found
    }

    /// The counts of all of it.
    pub(crate) fn whole(&self) -> (usize, usize, usize) {
        (self.manifests.len(), self.referrers.len(), self.tags.len())
    }

    /// Asserts that a repository has all of it.
    async fn is_whole(&self, repository: &Repository, what: &str) {
        for manifest in &self.manifests {
            let target = TagOrDigest::Digest(manifest.digest().clone());
            let found = repository.fetch_manifest(&target).await.expect(what);
            assert_eq!(found.bytes(), manifest.bytes(), "{what}");
            for blob in found.document().config.iter().chain(found.document().layers()) {
                repository.fetch_blob(blob, 1 << 20).await.expect(what);
            }
        }
        for (subject, referrer) in &self.referrers {
            let listed = repository.referrers(subject, None).await.expect(what);
            assert!(listed.iter().any(|one| one.digest == *referrer), "{what}: {referrer}");
        }
        for tag in &self.tags {
            let target = TagOrDigest::Tag(tag.parse().unwrap());
            assert!(repository.resolve(&target).await.expect(what).is_some(), "{what}: {tag}");
        }
    }
}

async fn copied(
    from: &Repository,
    to: &Repository,
    tag: &str,
    options: &Options,
) -> chartferry::Result<Report> {
    let (from, to) = (AnyRepository::Registry(from.clone()), AnyRepository::Registry(to.clone()));
    let source = Side { repository: &from, name: "source" };
    let target = Side { repository: &to, name: "target" };
    let wanted = TagOrDigest::Tag("v1".parse().unwrap());
    copy::copy(source, target, &wanted, &[tag.parse().unwrap()], options, &|_| ()).await
}

async fn registry(referrers: bool) -> FaultRegistry {
    FaultRegistry::start(Setup { referrers, ..Setup::default() }).await
}

#[test]
fn nothing_is_lost_between_registries_with_and_without_lists_of_referrers() {
    run(async {
        for (from_has, to_has) in [(true, true), (true, false), (false, true), (false, false)] {
            let what = format!("lists at the source {from_has}, at the destination {to_has}");
            let (from, to) = (registry(from_has).await, registry(to_has).await);
            let bench = Bench::new();
            let (source, target) = (bench.repository(&from), bench.repository(&to));
            let fixture = Fixture::push(&source).await;
            let report = copied(&source, &target, "v1", &Options::default()).await.expect(&what);
            assert_eq!(report.lost, [""; 0], "{what}");
            assert_eq!((report.referrers, report.digest_tags), (4, 5), "{what}");
            assert_eq!(report.manifests, fixture.manifests.len(), "{what}");
            fixture.is_whole(&target, &what).await;
            // The list of another registry is no content: a registry with lists of its own gets none.
            let tags = target.tags().await.expect("tags");
            let bare = tags
                .iter()
                .filter(|tag| tag.as_str().starts_with("sha256-") && !tag.as_str().contains('.'));
            assert_eq!(bare.count() > 0, !to_has, "{what}: {tags:?}");
            to.take();
            let again = copied(&source, &target, "v1", &Options::default()).await.expect(&what);
            assert_eq!((again.blobs.sent, again.blobs.bytes), (0, 0), "{what}");
            assert_eq!(again.moved, [], "{what}");
        }
    });
}

#[test]
fn signatures_are_found_in_a_repository_of_many_tags() {
    run(async {
        // Four pages of tags: more than a copy of one artifact reads.
        let setup = Setup { page: 2, ..Setup::default() };
        let (from, to) = (FaultRegistry::start(setup).await, registry(true).await);
        let bench = Bench::new();
        let (source, target) = (bench.repository(&from), bench.repository(&to));
        let mut fixture = Fixture::push(&source).await;
        // An ending that no tool is known for is found right after the digest.
        let tag = digest_tag(fixture.index.digest(), "aaa");
        fixture.manifests.push(artifact(&source, Some(&tag), "another", None).await);
        fixture.tags.push(tag);
        from.take();
        let report = copied(&source, &target, "v1", &Options::default()).await.expect("copied");
        let pages = from.seen().iter().filter(|line| line.contains("/tags/list ")).count();
        assert_eq!(pages, 1, "the rest of the list is not read");
        assert_eq!(report.digest_tags, 6);
        fixture.is_whole(&target, "many tags").await;
    });
}

#[test]
fn a_copy_that_broke_off_repeats_nothing_that_was_acknowledged() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let files = || std::fs::read_dir(folder.path()).unwrap().count();
        let mut options = Options::default();
        options.journal = Some(folder.path().to_owned());
        let (from, to) = (registry(true).await, registry(true).await);
        let bench = Bench::new();
        let (source, target) = (bench.repository(&from), bench.repository(&to));
        let fixture = Fixture::push(&source).await;
        // The fifth manifest is refused.
        to.fail(Fault::new("PUT /manifests/", Act::Instead(Answer::error(403, "DENIED"))).after(4));
        copied(&source, &target, "v1", &options).await.expect_err("refused");
        assert_eq!(files(), 1);
        let put = |to: &FaultRegistry| -> Vec<String> {
            let seen = to.seen().into_iter();
            seen.filter(|line| line.starts_with('P') && line.ends_with("201")).collect()
        };
        let first = put(&to);
        assert!(first.iter().any(|line| line.contains("/blobs/")), "{first:#?}");
        let report = copied(&source, &target, "v1", &options).await.expect("resumed");
        assert_eq!(report.lost, [""; 0]);
        assert_eq!((report.blobs.sent, report.blobs.bytes), (0, 0));
        let second = put(&to);
        let repeated: Vec<_> = second.iter().filter(|line| first.contains(line)).collect();
        assert_eq!(repeated, [""; 0]);
        fixture.is_whole(&target, "resumed").await;
        assert_eq!(files(), 0, "the journal of a whole copy goes");
    });
}

#[test]
fn a_destination_that_dropped_its_blobs_gets_them_again() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::default();
        options.journal = Some(folder.path().to_owned());
        let (from, to) = (registry(true).await, registry(true).await);
        let bench = Bench::new();
        let (source, target) = (bench.repository(&from), bench.repository(&to));
        let fixture = Fixture::push(&source).await;
        to.fail(Fault::new("PUT /manifests/", Act::Instead(Answer::error(403, "DENIED"))));
        copied(&source, &target, "v1", &options).await.expect_err("refused");
        to.with(|registry| {
            registry.blobs.clear();
            registry.manifests.clear();
        });
        let unknown = Answer::error(404, "MANIFEST_BLOB_UNKNOWN");
        to.fail(Fault::new("PUT /manifests/", Act::Instead(unknown)));
        copied(&source, &target, "v1", &options).await.expect("sent again");
        fixture.is_whole(&target, "again").await;
    });
}

#[test]
fn chosen_platforms_make_an_index_of_their_own() {
    run(async {
        let (from, to) = (registry(true).await, registry(true).await);
        let bench = Bench::new();
        let (source, target) = (bench.repository(&from), bench.repository(&to));
        let mut entries = Vec::new();
        let mut images = Vec::new();
        for (architecture, variant) in [("amd64", None), ("arm", Some("v7")), ("arm64", None)] {
            let image = artifact(&source, None, architecture, None).await;
            let mut entry = serde_json::to_value(image.descriptor()).unwrap();
            entry["platform"] = json!({ "os": "linux", "architecture": architecture });
            if let Some(variant) = variant {
                entry["platform"]["variant"] = variant.into();
            }
            entries.push(entry);
            images.push(image);
        }
        let attestation = artifact(&source, None, "attestation", None).await;
        let mut entry = serde_json::to_value(attestation.descriptor()).unwrap();
        entry["platform"] = json!({ "os": "unknown", "architecture": "unknown" });
        entry["annotations"] = json!({
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": images[0].digest(),
        });
        entries.push(entry);
        let document = |entries: &[Value]| {
            // A field that no structure here has stays in its place.
            json!({ "schemaVersion": 2, "unknown": 1, "mediaType": media::INDEX, "manifests": entries })
        };
        let index = put(&source, Some("v1"), document(&entries)).await;
        signature(&source, index.digest(), &["signed"]).await;
        signature(&source, images[2].digest(), &["signed too"]).await;
        artifact(&source, None, "sbom", Some(&index)).await;
        let attested = [entries[0].clone(), entries[3].clone()];
        let both = [entries[0].clone(), entries[2].clone(), entries[3].clone()];
        for (platforms, expected, tags, behind) in [
            // All of them is the index itself, with its signatures.
            ("linux/amd64,linux/arm/v7,linux/arm64", index.bytes().clone(), 2, 0),
            // One without an attestation is its manifest, with its own signature.
            ("linux/arm64", images[2].bytes().clone(), 1, 2),
            ("linux/arm", images[1].bytes().clone(), 0, 2),
            ("linux/amd64", document(&attested).to_string().into(), 0, 2),
            ("linux/arm64,linux/amd64", document(&both).to_string().into(), 1, 2),
        ] {
            let mut options = Options::default();
            options.platforms = platforms.split(',').map(|one| one.parse().unwrap()).collect();
            let tag = platforms.replace(['/', ','], "-");
            let report = copied(&source, &target, &tag, &options).await.expect(platforms);
            let there = target.fetch_manifest(&TagOrDigest::Tag(tag.parse().unwrap())).await;
            assert_eq!(there.expect(platforms).bytes(), &expected, "{platforms}");
            assert_eq!((report.digest_tags, report.left_behind), (tags, behind), "{platforms}");
            assert_eq!(report.lost, [""; 0], "{platforms}");
        }
        let mut options = Options::default();
        options.platforms = vec!["windows/amd64".parse().unwrap()];
        let error = copied(&source, &target, "x", &options).await.expect_err("no such platform");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let hint = error.hint().unwrap();
        assert_eq!(hint, "the platforms are: linux/amd64, linux/arm/v7, linux/arm64");
    });
}

#[test]
fn what_stays_behind_by_request_is_counted() {
    run(async {
        let (from, to) = (registry(true).await, registry(true).await);
        let bench = Bench::new();
        let (source, target) = (bench.repository(&from), bench.repository(&to));
        let fixture = Fixture::push(&source).await;
        let mut options = Options::default();
        (options.referrers, options.digest_tags) = (Attached::None, Attached::None);
        let report = copied(&source, &target, "v1", &options).await.expect("copied");
        // The referrers of what stays behind are not looked for.
        assert_eq!((report.manifests, report.left_behind), (4, 7));
        assert_eq!(report.lost, [""; 0]);
        let listed = target.referrers(fixture.index.digest(), None).await.expect("list");
        assert_eq!(listed, []);
    });
}

#[test]
fn signatures_that_name_another_repository_are_told() {
    run(async {
        let (from, to) = (registry(true).await, registry(true).await);
        let bench = Bench::new();
        let (source, target) = (bench.repository(&from), bench.repository(&to));
        let signed = artifact(&source, Some("v1"), "signed", None).await;
        let payload = |name: &str| {
            json!({ "critical": { "identity": { "docker-reference": name } } }).to_string()
        };
        signature(&source, signed.digest(), &[&payload("source"), "no JSON"]).await;
        let mut options = Options::default();
        options.signed_names = true;
        let report = copied(&source, &target, "v1", &options).await.expect("copied");
        let [warning] = report.warnings.as_slice() else { panic!("{report:?}") };
        assert!(warning.contains("names the repository `source`"), "{warning}");
        // One that names the destination too is enough.
        signature(&source, signed.digest(), &[&payload("target"), &payload("source")]).await;
        let report = copied(&source, &target, "v1", &options).await.expect("copied");
        assert!(!report.warnings.iter().any(|text| text.contains("names")), "{report:?}");
    });
}

#[test]
fn signatures_of_both_sides_stay() {
    run(async {
        let (from, to) = (registry(true).await, registry(true).await);
        let bench = Bench::new();
        let (source, target) = (bench.repository(&from), bench.repository(&to));
        let image = artifact(&source, Some("v1"), "image", None).await;
        artifact(&target, None, "image", None).await;
        let ours = signature(&source, image.digest(), &["ours", "both"]).await;
        signature(&target, image.digest(), &["theirs", "both"]).await;
        let report = copied(&source, &target, "v1", &Options::default()).await.expect("copied");
        assert_eq!(report.lost, [""; 0]);
        assert!(report.warnings.iter().any(|text| text.contains("has both now")), "{report:?}");
        let tag = TagOrDigest::Tag(digest_tag(image.digest(), "sig").parse().unwrap());
        let merged = target.fetch_manifest(&tag).await.expect("merged");
        let texts: Vec<&str> = merged
            .document()
            .layers()
            .iter()
            .map(|layer| layer.annotations["dev.cosignproject.cosign/signature"].as_str())
            .collect();
        assert_eq!(texts, ["theirs", "both", "ours"]);
        let config = merged.document().config.clone().expect("config");
        let config = target.fetch_blob(&config, 1 << 20).await.expect("config");
        let config: Value = serde_json::from_slice(&config).unwrap();
        let ids = config["rootfs"]["diff_ids"].as_array().unwrap();
        assert_eq!(ids.len(), 3);
        assert_eq!(ids[2], ours.document().layers()[0].digest.as_str());
        assert_eq!(config["history"].as_array().unwrap().len(), 3);
        // Another copy changes nothing.
        copied(&source, &target, "v1", &Options::default()).await.expect("again");
        assert_eq!(target.fetch_manifest(&tag).await.expect("same").digest(), merged.digest());
    });
}

#[test]
fn requirements_are_judged_before_anything_is_written() {
    run(async {
        let (from, to) = (registry(true).await, registry(true).await);
        let bench = Bench::new();
        let (source, target) = (bench.repository(&from), bench.repository(&to));
        let image = artifact(&source, Some("v1"), "image", None).await;
        let other = artifact(&target, Some("prod"), "other", None).await;
        let wrong = Digest::sha256(b"wrong");
        let expect = |digest: &Digest| {
            let mut options = Options::default();
            options.expect = Some(digest.clone());
            options
        };
        let replaces = |replaces: Replaces| {
            let mut options = Options::default();
            options.replaces = Some(replaces);
            options
        };
        to.take();
        for (options, tag) in [
            (expect(&wrong), "prod"),
            (replaces(Replaces::Nothing), "prod"),
            (replaces(Replaces::Digest(wrong.clone())), "prod"),
            (replaces(Replaces::Digest(wrong.clone())), "new"),
        ] {
            let error = copied(&source, &target, tag, &options).await.expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        }
        let written = to
            .take()
            .into_iter()
            .filter(|(seen, _)| !matches!(seen.method.as_str(), "GET" | "HEAD"));
        assert_eq!(written.count(), 0);
        let mut keep = Options::default();
        keep.existing = Existing::Keep;
        let kept = copied(&source, &target, "prod", &keep).await.expect("kept");
        assert_eq!((kept.kept, kept.tags), (vec!["prod".to_owned()], Vec::new()));
        let mut options = expect(image.digest());
        options.replaces = Some(Replaces::Digest(other.digest().clone()));
        let moved = copied(&source, &target, "prod", &options).await.expect("moved");
        assert_eq!(moved.moved[0].from, *other.digest());
    });
}

#[test]
fn a_layout_holds_what_a_registry_holds() {
    let (test, registry) = (Test::new(), Daemon::chartferry([]));
    let address = registry.address();
    test.file("a.txt", "a").file("sbom.json", "{\"a\":1}");
    let reference = format!("{address}/a:v1");
    test.run(["artifact", "push", &reference, "a.txt"]).anything().succeeds();
    let attach =
        ["artifact", "attach", &reference, "sbom.json", "--artifact-type", "application/spdx+json"];
    test.run(attach).anything().succeeds();
    test.run(["copy", &reference, "layout:there"])
        .anything()
        .stdout_has("(1 referrer, 0 signature tags)")
        .succeeds();
    let back = format!("{address}/b:v2");
    test.run(["copy", "layout:there:v1", &back, "-o", "json"]).anything().succeeds();
    let found = test.run(["artifact", "discover", &back]).anything().succeeds();
    assert!(found.stdout.contains("application/spdx+json"), "{found:?}");
    // Within a registry nothing is sent.
    let copied =
        test.run(["copy", &reference, &format!("{address}/c"), "-o", "json"]).anything().succeeds();
    let report: Value = serde_json::from_slice(&copied.bytes).unwrap();
    assert_eq!((&report["blobs"]["sent"], &report["blobs"]["mounted"]), (&json!(0), &json!(3)));
    assert_eq!(report["destination"], format!("{address}/c:v1"));
    let promoted = test.run(["promote", &reference, ":prod"]).anything().succeeds();
    assert!(promoted.stdout.starts_with("promoted "), "{promoted:?}");
    let digest = report["digest"].as_str().unwrap();
    let by_digest = format!("{address}/a@{digest}");
    test.run(["promote", &by_digest, &format!("{address}/d")]).anything().fails(64);
}

#[test]
fn a_tar_file_holds_a_layout() {
    let (test, registry) = (Test::new(), Daemon::chartferry([]));
    let address = registry.address();
    test.file("a.txt", "one");
    let source = format!("{address}/a:1");
    test.run(["artifact", "push", &source, "a.txt"]).anything().succeeds();
    let attach = ["artifact", "attach", &source, "a.txt", "--artifact-type", "a/b"];
    test.run(attach).anything().succeeds();
    test.run(["copy", &source, "layout:x.tar", "--dry-run"]).anything().succeeds();
    assert!(!test.path("x.tar").exists());
    test.run(["copy", &source, "layout:x.tar"]).anything().succeeds();
    let first = std::fs::read(test.path("x.tar")).unwrap();
    // A second copy changes nothing, and a further tag is added to what is there.
    test.run(["copy", &source, "layout:x.tar"]).anything().succeeds();
    assert!(std::fs::read(test.path("x.tar")).unwrap() == first);
    test.run(["copy", &source, "layout:x.tar:2"]).anything().succeeds();
    let found = test.run(["artifact", "discover", "layout:x.tar:2"]).anything().succeeds();
    assert!(found.stdout.contains("a/b"), "{found:?}");
    let back = format!("{address}/back");
    for tag in ["1", "2"] {
        test.run(["copy", &format!("layout:x.tar:{tag}"), &back]).anything().succeeds();
        let digest = |name: &str| {
            test.run(["resolve", &format!("{name}:{tag}")]).anything().succeeds().stdout
        };
        assert_eq!(digest(&back), test.run(["resolve", &source]).anything().succeeds().stdout);
    }
    let left: Vec<_> = std::fs::read_dir(test.path("."))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".tmp"))
        .collect();
    assert_eq!(left, [""; 0], "folders stay");
    test.file("bad.tar", "no tar");
    test.run(["copy", "layout:bad.tar:1", &back]).anything().fails(1);
    test.run(["copy", "layout:none.tar:1", &back]).anything().fails(5);
}

#[test]
fn all_tags_are_copied_once() {
    let (test, registry) = (Test::new(), Daemon::chartferry([]));
    let address = registry.address();
    let (source, target) = (format!("{address}/a"), format!("{address}/b"));
    for tag in ["1", "2", "3-rc", "latest"] {
        test.file("a.txt", tag);
        test.run(["artifact", "push", &format!("{source}:{tag}"), "a.txt"]).anything().succeeds();
    }
    let copy = |more: &[&str]| {
        let words = [&["copy", "-a", source.as_str(), target.as_str()], more].concat();
        test.run(words).anything().succeeds().stdout
    };
    let narrowed = copy(&["--match", "^[0-9]", "--exclude", "-rc$"]);
    assert!(
        narrowed.ends_with("2 tags copied, 0 there by their digests, 0 failed\n"),
        "{narrowed}"
    );
    assert!(copy(&[]).ends_with("2 tags copied, 2 there by their digests, 0 failed\n"));
    assert!(copy(&[]).ends_with("0 tags copied, 4 there by their digests, 0 failed\n"));
    // A referrer that is added later is found by a look.
    let attach = ["artifact", "attach", &format!("{source}:1"), "a.txt", "--artifact-type", "a/b"];
    test.run(attach).anything().succeeds();
    assert!(copy(&["--look"]).ends_with("4 tags copied, 0 there by their digests, 0 failed\n"));
    let found = test.run(["artifact", "discover", &format!("{target}:1")]).anything().succeeds();
    assert!(found.stdout.contains("a/b"), "{found:?}");
    test.run(["copy", "-a", &format!("{source}:1"), &target]).anything().fails(64);
}

#[test]
fn headers_of_one_registry_are_not_for_another() {
    let (test, registry) = (Test::new(), Daemon::chartferry([]));
    let address = registry.address();
    test.file("a.txt", "one");
    let source = format!("{address}/a:1");
    let header = ["--header", "X-Key: secret"];
    let push = ["artifact", "push", &source, "a.txt"];
    test.run([&push[..], &header].concat()).anything().succeeds();
    let words = ["copy", &source, "other.example.com/a"];
    let refused = test.run([&words[..], &header].concat()).anything().fails(64);
    assert!(
        refused.stderr.contains("the headers of `--header` are for one registry"),
        "{refused:?}"
    );
    let back = format!("{address}/b");
    let words =
        ["copy", &source, &back, "--from-header", "X-Key: one", "--to-header", "X-Key: two"];
    test.run(words).anything().succeeds();
    for bad in ["nothing", "a b: c", "Host: x"] {
        let refused = test.run(["resolve", &source, "--header", bad]).anything().fails(64);
        assert!(!refused.stderr.contains("nothing"), "a value may be secret: {refused:?}");
    }
    // As ORAS writes it.
    test.run(["oras", "resolve", &source, "-H", "X-Key: secret"]).anything().succeeds();
}

#[test]
fn every_repository_of_a_namespace_is_copied() {
    let (test, registry, other) = (Test::new(), Daemon::chartferry([]), Daemon::chartferry([]));
    let from = format!("{}/team", registry.address());
    for name in ["a:1", "a:2", "deep/b:1"] {
        test.file("a.txt", name);
        test.run(["artifact", "push", &format!("{from}/{name}"), "a.txt"]).anything().succeeds();
    }
    test.run(["artifact", "push", &format!("{}/else:1", registry.address()), "a.txt"])
        .anything()
        .succeeds();
    let to = format!("{}/backup/team", other.address());
    let copy = |target: &str| {
        test.run(["copy", &format!("{from}/**"), target]).anything().succeeds().stdout
    };
    let told = copy(&to);
    assert!(told.contains("deep/b:1 sha256:"), "{told}");
    assert!(told.ends_with("3 tags copied, 0 there by their digests, 0 failed\n"), "{told}");
    assert!(copy(&to).ends_with("0 tags copied, 3 there by their digests, 0 failed\n"));
    let resolve =
        |reference: String| test.run(["resolve", &reference]).anything().succeeds().stdout;
    assert_eq!(resolve(format!("{to}/deep/b:1")), resolve(format!("{from}/deep/b:1")));
    // A layout holds several repositories.
    copy("layout:all");
    assert!(copy("layout:all").ends_with("0 tags copied, 3 there by their digests, 0 failed\n"));
    test.run(["copy", &format!("{}/none/**", registry.address()), &to]).anything().fails(5);
}
