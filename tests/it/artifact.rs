//! Artifacts of files: what is pushed, what a pull writes, and what it never writes.

use crate::support::{Test, daemon::test_with_registry};
use serde_json::{Value, json};
use std::fs;

/// Runs `artifact` with words, and gives its JSON.
#[track_caller]
fn artifact(test: &Test, words: &[&str]) -> Value {
    let run = test.run([&["artifact"], words, &["-o", "json"]].concat()).anything().succeeds();
    serde_json::from_slice(&run.bytes).unwrap()
}

fn manifest(test: &Test, reference: &str) -> Value {
    let run = test.run(["oras", "manifest", "fetch", reference]).anything().succeeds();
    serde_json::from_slice(&run.bytes).unwrap()
}

#[test]
fn equal_files_make_equal_artifacts_at_any_time() {
    let (test, registry) = test_with_registry();
    test.file("a.json", "{}").file("d/x", "x");
    let name = format!("{}/team/a", registry.address());
    let mut digests = Vec::new();
    for tag in ["1", "2"] {
        let reference = format!("{name}:{tag}");
        let words = ["push", &reference, "a.json:application/json", "d"];
        digests.push(artifact(&test, &words)["digest"].clone());
        assert_eq!(manifest(&test, &reference)["annotations"], Value::Null);
    }
    assert_eq!(digests[0], digests[1]);
    for (flag, epoch, created) in [
        (Some("2026-01-02T03:04:05.6Z"), None, "2026-01-02T03:04:06Z"),
        (None, Some("86400"), "1970-01-02T00:00:00Z"),
    ] {
        let reference = format!("{name}:3");
        let mut words = vec!["artifact", "push", reference.as_str(), "a.json"];
        words.extend(flag.iter().flat_map(|time| ["--created", *time]));
        let mut run = test.run(words).anything();
        if let Some(epoch) = epoch {
            run = run.env("SOURCE_DATE_EPOCH", epoch);
        }
        run.succeeds();
        let annotations = &manifest(&test, &reference)["annotations"];
        assert_eq!(*annotations, json!({ "org.opencontainers.image.created": created }));
    }
}

#[test]
fn several_tags_and_none_refer_to_the_same_artifact() {
    let (test, registry) = test_with_registry();
    test.file("a.txt", "a");
    let name = format!("{}/a", registry.address());
    let tagged = artifact(&test, &["push", &format!("{name}:1,1.2,latest"), "a.txt"]);
    assert_eq!(tagged["referenceAsTags"].as_array().unwrap().len(), 3);
    let untagged = artifact(&test, &["push", &name, "a.txt"]);
    assert_eq!(tagged["digest"], untagged["digest"]);
    let tags = test.run(["oras", "repo", "tags", &name]).anything().succeeds();
    assert_eq!(tags.stdout, "1\n1.2\nlatest\n");
}

#[test]
fn permissions_of_single_files_are_kept_by_request() {
    use std::os::unix::fs::PermissionsExt as _;
    let (test, registry) = test_with_registry();
    test.file("run.sh", "#!/bin/sh\n");
    fs::set_permissions(test.path("run.sh"), fs::Permissions::from_mode(0o750)).unwrap();
    let reference = format!("{}/tool:1", registry.address());
    artifact(&test, &["push", &reference, "run.sh", "--preserve-permissions"]);
    artifact(&test, &["pull", &reference, "-d", "out"]);
    let mode = fs::metadata(test.path("out/run.sh")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o750);
}

#[test]
fn standard_input_needs_a_title() {
    let (test, registry) = test_with_registry();
    let reference = format!("{}/in:1", registry.address());
    let words = ["artifact", "push", reference.as_str(), "-"];
    test.run(words).anything().stdin("text").fails(64);
    test.run([&words[..], &["--name", "in.txt:text/plain"]].concat())
        .anything()
        .stdin("text")
        .succeeds();
    artifact(&test, &["pull", &reference, "-d", "out"]);
    assert_eq!(test.read("out/in.txt"), b"text");
}

#[test]
fn bad_files_are_refused_by_name_before_a_byte_is_sent() {
    let (test, registry) = test_with_registry();
    test.file("a/x", "1").file("b/x", "2").file("c", "3");
    let reference = format!("{}/bad:1", registry.address());
    for (files, code, reason) in [
        (&["missing"][..], 5, "missing"),
        (&["c", "./c"], 1, "have the same title `c`"),
        (&["c:no type"], 64, "is not a media type"),
        (&[":text/plain"], 64, "names no file"),
    ] {
        let words = [&["artifact", "push", reference.as_str()], files].concat();
        test.run(words).anything().stderr_has(reason).fails(code);
    }
    test.run(["oras", "repo", "tags", &format!("{}/bad", registry.address())]).anything().fails(5);
}

/// Makes a layout with an artifact, and gives its manifest with another title.
fn with_title(test: &Test, tag: &str, title: &str) -> String {
    let layout = test.path(format!("layout-{tag}"));
    let reference = format!("layout:{}:{tag}", layout.display());
    test.file("seed.txt", "seed");
    test.run(["artifact", "push", &reference, "seed.txt"]).anything().succeeds();
    let words =
        ["oras", "manifest", "fetch", "--oci-layout", &format!("{}:{tag}", layout.display())];
    let run = test.run(words).anything().succeeds();
    let mut manifest: Value = serde_json::from_slice(&run.bytes).unwrap();
    let annotations = &mut manifest["layers"][0]["annotations"];
    annotations["org.opencontainers.image.title"] = title.into();
    serde_json::to_string(&manifest).unwrap()
}

#[test]
fn a_pull_that_fails_leaves_the_folder_as_it_was() {
    let (test, registry) = test_with_registry();
    test.file("a.txt", "new a").file("d/x", "new x");
    let reference = format!("{}/a:1", registry.address());
    artifact(&test, &["push", &reference, "a.txt", "d"]);
    // A file is in the place of the folder, so the second layer cannot be written.
    test.file("out/a.txt", "old a").file("out/d", "old d");
    test.run(["artifact", "pull", &reference, "-d", "out"]).anything().fails(4);
    assert_eq!(test.read("out/a.txt"), b"old a");
    assert_eq!(test.read("out/d"), b"old d");
    assert_eq!(fs::read_dir(test.path("out")).unwrap().count(), 2, "nothing is left");
    test.run(["artifact", "pull", &reference, "-d", "kept", "-k"]).anything().succeeds();
    test.run(["artifact", "pull", &reference, "-d", "kept", "-k"]).anything().fails(4);
}

#[test]
fn one_layer_goes_to_a_file_or_to_stdout() {
    let (test, registry) = test_with_registry();
    test.file("a.txt", "a").file("b.json", "b");
    let reference = format!("{}/a:1", registry.address());
    artifact(&test, &["push", &reference, "a.txt:text/plain", "b.json:application/json"]);
    let pull = |more: &[&str]| {
        test.run([&["artifact", "pull", reference.as_str()], more].concat()).anything()
    };
    assert_eq!(pull(&["--file", "*.txt", "--to", "-"]).succeeds().bytes, b"a");
    pull(&["--layer", "application/json", "--to", "one"]).succeeds();
    assert_eq!(test.read("one"), b"b");
    pull(&["--to", "-"]).stderr_has("`--to` takes one layer, and 2 are selected").fails(64);
    pull(&["--file", "c*", "-d", "out"]).stderr_has("its titles are: a.txt, b.json").fails(5);
}

#[test]
fn a_chart_is_pulled_as_its_archive_and_an_image_is_not() {
    let (test, registry) = test_with_registry();
    test.file("demo/Chart.yaml", "apiVersion: v2\nname: demo\nversion: 1.0.0\n");
    test.run(["push", "demo", &format!("{}/charts", registry.oci())]).anything().succeeds();
    let reference = format!("{}/charts/demo:1.0.0", registry.address());
    artifact(&test, &["pull", &reference, "-d", "out"]);
    test.run(["show", "chart", "out/demo-1.0.0.tgz"]).anything().succeeds();
    test.file("config", "{}").file("layer", "layer");
    let image = format!("{}/image:1", registry.address());
    let config = "config:application/vnd.oci.image.config.v1+json";
    test.file("none.json", r#"{"layer":{"org.opencontainers.image.title":"layer"}}"#);
    artifact(&test, &["push", &image, "--config", config]);
    let shown = artifact(&test, &["show", &image]);
    assert_eq!(shown["kind"], "image");
    test.run(["artifact", "pull", &image]).anything().stderr_has("`copy` moves it").fails(64);
}

#[test]
fn attachments_are_found_from_their_subject_to_any_depth() {
    let (test, registry) = test_with_registry();
    test.file("a.txt", "a").file("sbom.json", "{}").file("sig", "s");
    let reference = format!("{}/a:1", registry.address());
    artifact(&test, &["push", &reference, "a.txt"]);
    let attach = |subject: &str, kind: &str, files: &[&str]| {
        let words = [&["attach", subject, "--artifact-type", kind], files].concat();
        artifact(&test, &words)["reference"].as_str().unwrap().to_owned()
    };
    let sbom = attach(&reference, "application/spdx+json", &["sbom.json"]);
    let signature = attach(&sbom, "example/signature", &["sig"]);
    attach(&reference, "example/note", &["-a", "k=v"]);
    let found = artifact(&test, &["discover", &reference]);
    let kinds: Vec<&str> = found["referrers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["artifactType"].as_str().unwrap())
        .collect();
    assert_eq!(kinds.len(), 2, "{found:#}");
    let inner: Vec<&Value> = found["referrers"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|one| one["referrers"].as_array().unwrap())
        .collect();
    assert_eq!(inner[0]["reference"], signature);
    let shallow = artifact(&test, &["discover", &reference, "--depth", "1"]);
    assert!(!shallow.to_string().contains("example/signature"));
    let only = artifact(&test, &["discover", &reference, "--artifact-type", "example/note"]);
    assert_eq!(only["referrers"].as_array().unwrap().len(), 1);
    artifact(&test, &["pull", &reference, "--artifact-type", "application/spdx+json", "-d", "out"]);
    assert_eq!(test.read("out/sbom.json"), b"{}");
    test.run(["artifact", "attach", &reference, "sig"]).anything().fails(64);
    test.run(["artifact", "attach", &reference, "--artifact-type", "a/b"]).anything().fails(64);
}

#[test]
fn titles_that_lead_elsewhere_are_refused_before_writing() {
    let test = Test::new();
    for (at, title) in ["../up", "/abs", "a/../../b", "c:\\\\x"].iter().enumerate() {
        let tag = format!("t{at}");
        let text = with_title(&test, &tag, title);
        let layout = test.path(format!("layout-{tag}"));
        let digest = chartferry::digest::Digest::sha256(text.as_bytes());
        fs::write(layout.join("blobs/sha256").join(digest.hex()), &text).unwrap();
        let index = json!({
            "schemaVersion": 2,
            "manifests": [{
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": digest.to_string(),
                "size": text.len(),
                "annotations": { "org.opencontainers.image.ref.name": tag },
            }],
        });
        fs::write(layout.join("index.json"), index.to_string()).unwrap();
        let reference = format!("layout:{}:{tag}", layout.display());
        let run = test.run(["artifact", "pull", &reference, "-d", "out"]).anything();
        run.stderr_has("the title `").fails(1);
        assert!(!test.path("out").exists() || fs::read_dir(test.path("out")).unwrap().count() == 0);
    }
}
