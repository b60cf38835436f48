//! Single objects: manifests, blobs, tags and composed indexes, at a registry and in a layout.

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
    oci::{Descriptor, Digest, Document, Manifest, Tag, TagOrDigest, media},
    ops::object::untag::{Means, Options, untag},
    store::{BlobSource, Push, Resolve, Tags},
};
use serde_json::{Value, json};

/// A registry with an artifact `a:1`, and a folder with the same in the layout `lay`.
fn both() -> (Test, Daemon, [String; 2]) {
    let (test, registry) = (Test::new(), Daemon::chartferry([]));
    let places = [format!("{}/a", registry.address()), "layout:lay".to_owned()];
    test.file("a.txt", "one");
    for place in &places {
        let reference = format!("{place}:1");
        test.run(["artifact", "push", &reference, "a.txt"]).anything().succeeds();
    }
    (test, registry, places)
}

fn digest(test: &Test, reference: &str) -> String {
    let words = ["manifest", "fetch", reference, "--descriptor"];
    let text = test.run(words).anything().succeeds().stdout;
    let descriptor: Value = serde_json::from_str(&text).expect("a descriptor");
    descriptor["digest"].as_str().expect("digest").to_owned()
}

#[test]
fn a_manifest_goes_out_and_in_byte_for_byte() {
    let (test, _registry, places) = both();
    for place in &places {
        let one = format!("{place}:1");
        test.run(["manifest", "fetch", &one, "--to", "m.json"]).anything().succeeds();
        let bytes = test.read("m.json");
        assert!(bytes.ends_with(b"}"), "no line break is added");
        assert_eq!(
            test.run(["manifest", "fetch", &one]).anything().succeeds().stdout.as_bytes(),
            bytes
        );
        let push = ["manifest", "push", &format!("{place}:2,3"), "m.json"];
        let told = test.run(push).anything().succeeds().stdout;
        let digest_of = Digest::sha256(&bytes).to_string();
        assert_eq!(
            told,
            format!("pushed {place}:2\npushed {place}:3\ndigest {digest_of}\n"),
            "{place}"
        );
        assert_eq!(digest(&test, &format!("{place}:3")), digest_of);
        // From stdin, with the type that it names.
        let push =
            ["manifest", "push", &format!("{place}:4"), "-", "--media-type", media::MANIFEST];
        test.run(push).stdin(bytes.clone()).anything().succeeds();
        let config = test.run(["manifest", "fetch-config", &one]).anything().succeeds().stdout;
        assert_eq!(config, "{}");
        let other = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        let push = ["manifest", "push", &format!("{place}@{other}"), "m.json"];
        test.run(push).anything().fails(7);
        let push = ["manifest", "push", &one, "m.json", "--media-type", media::INDEX];
        test.run(push).anything().fails(1);
        let twice = String::from_utf8(bytes).unwrap().replacen('{', r#"{"layers":[],"#, 1);
        test.file("twice.json", twice);
        let refused = test.run(["manifest", "push", &one, "twice.json"]).anything().fails(1);
        assert!(refused.stderr.contains("the key `layers` is there twice"), "{refused:?}");
    }
    test.file("large.json", vec![b' '; (8 << 20) + 9]);
    let refused = test.run(["manifest", "push", &places[0], "large.json"]).anything().fails(1);
    assert!(refused.stderr.contains("8388617 bytes, more than the 8388608"), "{refused:?}");
    let short = format!("{}@sha256:abc123", places[0]);
    let refused = test.run(["manifest", "fetch", &short]).anything().fails(64);
    assert!(refused.stderr.contains("64 hex digits"), "{refused:?}");
}

#[test]
fn a_file_has_the_bytes_of_the_digest_and_stdout_one_document() {
    let (test, _registry, places) = both();
    for place in &places {
        let one = format!("{place}:1");
        for part in ["fetch", "fetch-config"] {
            let told = test.run(["manifest", part, &one]).anything().succeeds().stdout;
            for words in [&["--pretty"][..], &["--descriptor"], &["--descriptor", "--pretty"]] {
                let line = [&["manifest", part, &one, "--to", "x"], words].concat();
                test.run(line).anything().succeeds();
                assert_eq!(test.read("x"), told.as_bytes(), "{part} {words:?}");
            }
            let both = ["manifest", part, &one, "--descriptor", "--to", "-"];
            test.run(both).anything().fails(64);
        }
        let blob = format!("{place}@{}", Digest::sha256(b"one"));
        let both = ["blob", "fetch", &blob, "--descriptor", "--to", "-"];
        test.run(both).anything().fails(64);
    }
    let large = vec![b' '; (8 << 20) + 9];
    let push = ["manifest", "push", &places[0], "-"];
    let refused = test.run(push).stdin(large).anything().fails(1);
    assert!(refused.stderr.contains("the input has more than the 8388608 bytes"), "{refused:?}");
}

#[test]
fn a_deletion_asks_and_no_answer_is_no() {
    let (test, _registry, places) = both();
    for place in &places {
        let one = format!("{place}:1");
        test.run(["manifest", "fetch", &one, "--to", "m.json"]).anything().succeeds();
        test.run(["manifest", "push", &format!("{place}:2"), "m.json"]).anything().succeeds();
        for answer in ["", "n\n", "nonsense\n"] {
            let asked = test.run(["manifest", "delete", &one]).stdin(answer).anything().succeeds();
            assert!(asked.stderr.contains("and all tags associated with it? [y/N]"), "{asked:?}");
            assert!(asked.stderr.contains("nothing was deleted\n"), "{asked:?}");
            assert_eq!(asked.stdout, "", "stdout is for the result");
            let asked =
                test.run(["oras", "manifest", "delete", &one]).stdin(answer).anything().outcome();
            if !place.starts_with("layout:") {
                assert!(asked.stdout.ends_with("[y/N] Operation cancelled.\n"), "{asked:?}");
            }
        }
        let name = digest(&test, &one);
        test.run(["manifest", "delete", &one]).stdin("y\n").anything().succeeds();
        for gone in [one.clone(), format!("{place}:2"), format!("{place}@{name}")] {
            test.run(["manifest", "fetch", &gone]).anything().fails(5);
        }
        test.run(["manifest", "delete", &one]).anything().fails(5);
        // With force, what is gone is no error, so that a script can run twice.
        let told = test.run(["manifest", "delete", &one, "--force"]).anything().succeeds().stdout;
        assert_eq!(told, format!("missing {one}\n"));
    }
}

#[test]
fn a_blob_goes_out_and_in_and_away() {
    let (test, _registry, places) = both();
    test.file("b.bin", "some bytes");
    let name = Digest::sha256(b"some bytes").to_string();
    for place in &places {
        let by_digest = format!("{place}@{name}");
        let push = ["blob", "push", place.as_str(), "b.bin"];
        assert_eq!(test.run(push).anything().succeeds().stdout, format!("pushed {by_digest}\n"));
        assert_eq!(test.run(push).anything().succeeds().stdout, format!("there {by_digest}\n"));
        let fetched = test.run(["blob", "fetch", &by_digest, "--to", "-"]).anything().succeeds();
        assert_eq!(fetched.stdout, "some bytes");
        test.run(["blob", "fetch", &by_digest, "--to", "out"]).anything().succeeds();
        assert_eq!(test.read("out"), b"some bytes");
        let shown = test.run(["blob", "fetch", &by_digest, "--descriptor"]).anything().succeeds();
        assert!(shown.stdout.contains(r#""size":10"#), "{shown:?}");
        // Standard input needs neither its size nor its digest; what is named must be right.
        test.run(["blob", "push", place, "-"]).stdin("from a pipe").anything().succeeds();
        test.run(["blob", "push", place, "-", "--size", "3"]).stdin("abcd").anything().fails(7);
        test.run(["blob", "push", &by_digest, "-"]).stdin("other").anything().fails(7);
        test.run(["blob", "push", &format!("{place}:tag"), "b.bin"]).anything().fails(64);
        test.run(["blob", "delete", &by_digest]).anything().succeeds();
        test.run(["blob", "fetch", &by_digest, "--descriptor"]).anything().succeeds();
        let deleted = test.run(["blob", "delete", &by_digest, "-f"]).anything().succeeds().stdout;
        assert_eq!(deleted, format!("deleted {by_digest}\n"));
        test.run(["blob", "fetch", &by_digest, "--descriptor"]).anything().fails(5);
    }
}

#[test]
fn tags_are_added_and_removed_and_the_manifest_stays() {
    let (test, _registry, places) = both();
    for place in &places {
        let one = format!("{place}:1");
        let name = digest(&test, &one);
        let told = test.run(["tag", &one, "2", "stable"]).anything().succeeds().stdout;
        assert_eq!(told, format!("tagged {place}:2\ntagged {place}:stable\ndigest {name}\n"));
        let told = test.run(["tag", "rm", &format!("{place}:2")]).anything().succeeds().stdout;
        assert_eq!(told, format!("removed {place}:2\ndigest {name}\n"));
        test.run(["untag", &one]).anything().succeeds();
        for (reference, there) in [
            (format!("{place}:2"), false),
            (one.clone(), false),
            (format!("{place}:stable"), true),
            (format!("{place}@{name}"), true),
        ] {
            let found = test.run(["manifest", "fetch", &reference]).anything().outcome();
            assert_eq!(found.code == Some(0), there, "{found:?}");
        }
        test.run(["untag", &one]).anything().fails(5);
        test.run(["untag", &format!("{place}@{name}")]).anything().fails(64);
    }
    // The last tag of a registry's manifest goes, and the manifest stays.
    let name = digest(&test, &format!("{}:stable", places[0]));
    test.run(["untag", &format!("{}:stable", places[0])]).anything().succeeds();
    digest(&test, &format!("{}@{name}", places[0]));
}

#[test]
fn the_repositories_of_a_registry_are_listed() {
    let (test, registry, places) = both();
    let address = registry.address();
    let deep = format!("{address}/team/deep/b:1");
    test.run(["copy", &format!("{}:1", places[0]), &deep]).anything().succeeds();
    let list =
        |words: &[&str]| test.run([&["repo", "list"], words].concat()).anything().succeeds().stdout;
    assert_eq!(list(&[&address]), "a\nteam/deep/b\n");
    assert_eq!(list(&[&format!("oci://{address}/team")]), "deep/b\n");
    assert_eq!(list(&[&address, "-o", "json"]), "[\"a\",\"team/deep/b\"]\n");
    assert_eq!(list(&[&format!("{address}/none")]), "");
}

#[test]
fn an_index_is_composed_and_changed() {
    let (test, _registry, places) = both();
    test.file("b.txt", "two");
    for place in &places {
        let push = |tag: &str, more: &[&str]| {
            let reference = format!("{place}:{tag}");
            test.run([&["artifact", "push", &reference, "b.txt"], more].concat())
                .anything()
                .succeeds();
            digest(&test, &reference)
        };
        let amd = push("amd", &["--artifact-platform", "linux/amd64"]);
        let arm = push("arm", &["--artifact-platform", "linux/arm64/v8"]);
        let index = format!("{place}:all");
        let create = ["manifest", "index", "create", &index, "amd", &arm, "-a", "k=v"];
        test.run(create).anything().succeeds();
        let read = || -> Value {
            let text = test.run(["manifest", "fetch", &index]).anything().succeeds().stdout;
            serde_json::from_str(&text).expect("an index")
        };
        let entries = || -> Vec<String> {
            let index = read();
            let entries = index["manifests"].as_array().expect("entries").iter();
            entries.map(|entry| entry["digest"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(entries(), [amd.clone(), arm.clone()]);
        assert_eq!(read()["manifests"][1]["platform"]["variant"], "v8");
        for (platform, expected) in [("linux/amd64", &amd), ("linux/arm64", &arm)] {
            let words = ["manifest", "fetch", &index, "--platform", platform, "--descriptor"];
            let found = test.run(words).anything().succeeds().stdout;
            assert!(found.contains(expected.as_str()), "{found}");
        }
        test.run(["manifest", "fetch", &index, "--platform", "linux/s390x"]).anything().fails(5);
        let update = |more: &[&str]| {
            test.run([&["manifest", "index", "update", &index], more].concat()).anything()
        };
        update(&["--add", "1", "--add", "amd", "--tag", "more"]).succeeds();
        assert_eq!(entries().len(), 3, "an entry is there once");
        assert_eq!(digest(&test, &format!("{place}:more")), digest(&test, &index));
        update(&["--remove", &amd]).succeeds();
        update(&["--remove", &amd]).fails(64);
        update(&["--merge", "amd"]).fails(64);
        update(&[]).fails(64);
        assert_eq!(read()["annotations"]["k"], "v");
        let create = ["manifest", "index", "create", &index, "none"];
        test.run(create).anything().fails(5);
        let create = ["manifest", "index", "create", &index, "amd", "--to", "i.json"];
        test.run(create).anything().succeeds();
        assert_eq!(entries().len(), 2, "a file changes nothing");
        assert_eq!(test.read("i.json").last(), Some(&b'}'));
    }
}

/// A repository of a scripted registry with one manifest under these tags.
async fn tagged(registry: &FaultRegistry, tags: &[&str]) -> (Bench, Repository, Manifest) {
    let bench = Bench::new();
    let repository = bench.repository(registry);
    let empty = Descriptor::of(media::EMPTY, b"{}");
    repository.push_blob(&empty, &BlobSource::Bytes("{}".into())).await.expect("blob");
    let document: Document = serde_json::from_value(json!({
        "schemaVersion": 2, "mediaType": media::MANIFEST, "config": empty, "layers": [empty],
    }))
    .unwrap();
    let manifest = Manifest::compose(document, media::MANIFEST);
    for tag in tags {
        let tag: Tag = tag.parse().unwrap();
        repository.push_manifest(&manifest, Some(&tag)).await.expect("pushed");
    }
    (bench, repository, manifest)
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

#[test]
fn a_registry_that_deletes_the_manifest_with_its_tag_gets_it_back() {
    run(async {
        let registry = FaultRegistry::start(Setup::default()).await;
        let (_bench, repository, manifest) = tagged(&registry, &["1", "2", "stable"]).await;
        registry.with(|registry| registry.tags_own_manifests = true);
        let done = untag(&repository, "a", &tag("1"), Options::default()).await.expect("removed");
        assert_eq!(done.digest, *manifest.digest());
        assert!(done.was_put_back);
        assert_eq!(done.restored, [tag("2"), tag("stable")]);
        let mut left = repository.tags().await.expect("tags");
        left.sort();
        assert_eq!(left, [tag("2"), tag("stable")]);
        for tag in left {
            let found = repository.resolve(&TagOrDigest::Tag(tag)).await.expect("resolved");
            assert_eq!(found.expect("there").digest, *manifest.digest());
        }
    });
}

#[test]
fn a_registry_that_deletes_no_tags_is_told_apart_and_a_dummy_helps() {
    run(async {
        for (status, code) in [(405, "UNSUPPORTED"), (400, "UNSUPPORTED")] {
            let registry = FaultRegistry::start(Setup::default()).await;
            let (_bench, repository, manifest) = tagged(&registry, &["1", "2"]).await;
            let refusal = Act::Instead(Answer::error(status, code));
            registry.fail(Fault::new("DELETE /manifests/1", refusal).always());
            let error =
                untag(&repository, "a", &tag("1"), Options::default()).await.expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::Protocol);
            assert!(error.message().contains("does not remove tags"), "{error}");
            let options = Options { means: Means::Dummy, ..Options::default() };
            let done = untag(&repository, "a", &tag("1"), options).await.expect("removed");
            assert!(!done.was_put_back);
            assert_eq!(repository.tags().await.expect("tags"), [tag("2")]);
            let by_digest = TagOrDigest::Digest(manifest.digest().clone());
            assert!(repository.resolve(&by_digest).await.expect("resolved").is_some());
        }
    });
}

#[test]
fn a_tag_that_may_not_change_is_no_reason_for_a_dummy() {
    run(async {
        let registry = FaultRegistry::start(Setup::default()).await;
        let (_bench, repository, _) = tagged(&registry, &["1"]).await;
        let refusal = Act::Instead(Answer::error(409, "TAG_IMMUTABLE"));
        registry.fail(Fault::new("DELETE /manifests/1", refusal).always());
        let error =
            untag(&repository, "a", &tag("1"), Options::default()).await.expect_err("refused");
        assert!(error.message().contains("409"), "{error}");
        assert_eq!(error.advice(), None);
    });
}

#[test]
fn a_missing_layout_is_not_created_by_a_command_that_changes() {
    let test = Test::new();
    for words in [
        &["tag", "layout:none:1", "2"][..],
        &["oras", "tag", "--oci-layout", "none:1", "2"],
        &["artifact", "attach", "layout:none:1", "--artifact-type", "a/b", "a.txt"],
        &["manifest", "index", "update", "layout:none:1", "--tag", "2"],
        &["tag", "layout:none.tar:1", "2"],
    ] {
        test.file("a.txt", "one");
        test.run(words.iter().copied()).anything().fails(5);
        assert!(!test.path("none").exists() && !test.path("none.tar").exists(), "{words:?}");
    }
}

#[test]
fn a_second_step_that_fails_says_what_is_left() {
    run(async {
        let registry = FaultRegistry::start(Setup::default()).await;
        let (_bench, repository, _) = tagged(&registry, &["1"]).await;
        let refusal = Act::Instead(Answer::error(405, "UNSUPPORTED"));
        registry.fail(Fault::new("DELETE /manifests/", refusal).always());
        let options = Options { means: Means::Dummy, ..Options::default() };
        let error = untag(&repository, "a", &tag("1"), options).await.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Partial);
        assert!(error.message().contains("`a:1` refers to the empty manifest sha256:"), "{error}");
    });
}

#[test]
fn too_many_tags_are_not_looked_at_without_force() {
    run(async {
        let registry = FaultRegistry::start(Setup::default()).await;
        let (_bench, repository, manifest) = tagged(&registry, &["1"]).await;
        registry.with(|registry| {
            for number in 0..1_001 {
                let tag = format!("t{number}");
                registry.hold_manifest(&tag, media::MANIFEST, manifest.bytes().clone());
            }
        });
        let error =
            untag(&repository, "a", &tag("1"), Options::default()).await.expect_err("too many");
        assert_eq!(error.kind(), ErrorKind::Limit);
        let options = Options { force: true, ..Options::default() };
        let done = untag(&repository, "a", &tag("1"), options).await.expect("forced");
        assert!(done.is_unlooked);
    });
}

#[test]
fn an_attachment_names_the_manifest_of_a_platform_and_the_kind_of_its_list() {
    let (test, registry, places) = both();
    let place = &places[0];
    let push = ["artifact", "push", &format!("{place}:amd"), "a.txt"];
    let platform = ["--artifact-platform", "linux/amd64"];
    test.run([&push[..], &platform].concat()).anything().succeeds();
    let index = format!("{place}:all");
    test.run(["manifest", "index", "create", &index, "amd"]).anything().succeeds();
    let attach = |reference: &str, more: &[&str]| {
        let words = ["artifact", "attach", reference, "a.txt", "--artifact-type", "a/b"];
        test.run([&words[..], more].concat()).anything()
    };
    attach(&index, &["--platform", "linux/amd64"]).succeeds();
    attach(&index, &["--platform", "linux/s390x"]).fails(5);
    let listed = |reference: &str, more: &[&str]| {
        let words = ["artifact", "discover", reference];
        test.run([&words[..], more].concat()).anything().succeeds().stdout.contains("a/b")
    };
    assert!(!listed(&index, &[]));
    assert!(listed(&index, &["--platform", "linux/amd64"]));
    assert!(listed(&format!("{place}:amd"), &[]));
    // The list under a tag is for clients that read no other.
    attach(&format!("{place}:1"), &["--distribution-spec", "v1.1-referrers-tag"]).succeeds();
    let stem = digest(&test, &format!("{place}:1")).replace(':', "-");
    let list = test.run(["manifest", "fetch", &format!("{place}:{stem}")]).anything().succeeds();
    assert!(list.stdout.contains("a/b"), "{list:?}");
    attach(&format!("{place}:1"), &["--distribution-spec", "v1.1-referrers-api"]).succeeds();
    drop(registry);
    // A registry without lists of its own is told before anything is sent.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let without =
        runtime.block_on(FaultRegistry::start(Setup { referrers: false, ..Setup::default() }));
    let reference = format!("{}/a:1", without.address());
    test.run(["artifact", "push", &reference, "a.txt"]).anything().succeeds();
    let before = without.with(|registry| registry.manifests.len());
    attach(&reference, &["--distribution-spec", "v1.1-referrers-api"]).fails(1);
    assert_eq!(without.with(|registry| registry.manifests.len()), before);
}
