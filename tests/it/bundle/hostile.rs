//! Bundles that are damaged or mean harm: refused whole, and nothing is written.

use super::{chart, filled};
use crate::support::{Test, daemon::Daemon};
use chartferry::digest::Digest;
use std::collections::BTreeMap;

#[test]
fn any_damage_is_found_before_anything_is_written() {
    let (test, registry) = filled();
    test.run(["bundle", "save", "good.tar", "--all", &registry.oci()]).anything().succeeds();
    test.run(["bundle", "save", "good.tar.zst", "--all", &registry.oci()]).anything().succeeds();
    let other = Daemon::chartferry([]);
    for (name, steps) in [("good.tar", 40), ("good.tar.zst", 40)] {
        let good = test.read(name);
        let mut refused = 0;
        for step in 0..steps {
            let at = good.len() * step / steps;
            let mut bad = good.clone();
            bad[at] ^= 0x55;
            test.file("bad", &bad);
            let outcome = test.run(["bundle", "load", "bad", "folder"]).outcome();
            // What fills the end of a block is nobody's content.
            match outcome.code {
                Some(0) => std::fs::remove_dir_all(test.path("folder")).unwrap(),
                Some(1 | 5 | 7) => refused += 1,
                other => panic!("byte {at}: {other:?}\n{outcome:?}"),
            }
            assert!(!test.path("folder").exists(), "byte {at}");
        }
        assert!(refused > steps / 3, "{name}: {refused}");
        test.file("cut", &good[..good.len() / 2]);
        test.run(["bundle", "load", "cut", &other.oci()])
            .stderr_has("`cut` is not a valid bundle")
            .outcome();
    }
    test.run(["tags", &format!("{}/team/lamp", other.oci())]).any_stderr().fails(5);
}

#[test]
fn what_a_bundle_lacks_comes_with_a_next_step() {
    let (test, registry) = filled();
    test.run(["bundle", "save", "good.tar", "--all", &registry.oci()]).anything().succeeds();
    std::fs::create_dir(test.path("lay")).unwrap();
    let tar = |args: &[&str]| {
        test.run_program("/usr/bin/tar".as_ref(), args.iter().copied()).anything().succeeds();
    };
    tar(&["xf", "good.tar", "-C", "lay"]);
    let archive = chartferry::digest::Digest::sha256(&test.read("mast-0.2.0.tgz"));
    std::fs::remove_file(test.path(format!("lay/blobs/sha256/{}", archive.hex()))).unwrap();
    tar(&["cf", "lacking.tar", "-C", "lay", "oci-layout", "index.json", "blobs"]);
    let host = registry.oci();
    for (args, code, [what, hint]) in [
        (
            &["bundle", "load", "lacking.tar", "out"][..],
            5,
            ["`lacking.tar` is not whole", "hint: nothing was loaded; save the bundle again"],
        ),
        (&["bundle", "load", "gone.tar", "out"], 5, ["there is no bundle `gone.tar`", ""]),
        (
            &["bundle", "save", "x.tar", &host],
            64,
            ["names no chart", "hint: for all of them: `--all oci://[ADDR]`"],
        ),
        (&["bundle", "save", "x.tar", "--all", &format!("{host}/nowhere")], 5, ["nowhere", ""]),
    ] {
        test.run(args.iter().copied()).stderr_has(what).stderr_has(hint).writes([]).fails(code);
    }
}

#[test]
fn a_link_in_a_bundle_leads_nowhere() {
    let (test, _registry) = filled();
    std::os::unix::fs::symlink("/etc/passwd", test.path("index.json")).unwrap();
    test.file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    test.run_program("/usr/bin/tar".as_ref(), ["cf", "evil.tar", "oci-layout", "index.json"])
        .anything()
        .succeeds();
    test.run(["bundle", "load", "evil.tar", "folder"])
        .stderr_has("its member `index.json` is a symbolic link")
        .fails(1);
}

/// A bundle of one chart, `lamp:1.0.0`, with these bytes for its archive and config.
fn bundle(content: &[u8], config: &str, annotations: &str) -> Vec<u8> {
    bundle_of(&[("lamp:1.0.0", content, config, annotations)])
}

/// A bundle of charts: the name of each, its archive, its config, and what its manifest says more.
pub(super) fn bundle_of(charts: &[(&str, &[u8], &str, &str)]) -> Vec<u8> {
    const OCI: &str = "application/vnd.oci.image";
    const HELM: &str = "application/vnd.cncf.helm";
    let descriptor = |kind: &str, bytes: &[u8]| {
        let (digest, size) = (Digest::sha256(bytes), bytes.len());
        format!(r#""mediaType":"{kind}","digest":"{digest}","size":{size}"#)
    };
    let mut blobs: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut listed = Vec::new();
    for (name, content, config, more) in charts {
        let manifest = format!(
            r#"{{"schemaVersion":2,"config":{{{}}},"layers":[{{{}}}]{more}}}"#,
            descriptor(&format!("{HELM}.config.v1+json"), config.as_bytes()),
            descriptor(&format!("{HELM}.chart.content.v1.tar+gzip"), content),
        );
        listed.push(format!(
            r#"{{{},"annotations":{{"org.opencontainers.image.ref.name":"{name}"}}}}"#,
            descriptor(&format!("{OCI}.manifest.v1+json"), manifest.as_bytes()),
        ));
        for blob in [content, config.as_bytes(), manifest.as_bytes()] {
            blobs.insert(Digest::sha256(blob).hex().to_owned(), blob.to_vec());
        }
    }
    let index = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, listed.join(","));
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |name: String, bytes: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, bytes).unwrap();
    };
    add("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#);
    add("index.json".to_owned(), index.as_bytes());
    for (hex, blob) in blobs {
        add(format!("blobs/sha256/{hex}"), &blob);
    }
    tar.into_inner().unwrap()
}

#[test]
fn an_archive_that_is_another_chart_than_its_manifest_or_config_says_is_refused() {
    let test = Test::new();
    chart(&test, "lamp", "1.0.0", "a");
    chart(&test, "mast", "0.2.0", "a");
    let (lamp, mast) = (test.read("lamp-1.0.0.tgz"), test.read("mast-0.2.0.tgz"));
    let config =
        |name: &str, version: &str| format!(r#"{{"name":"{name}","version":"{version}"}}"#);
    let said = |name: &str, version: &str| {
        let key = "org.opencontainers.image";
        format!(r#","annotations":{{"{key}.title":"{name}","{key}.version":"{version}"}}"#)
    };
    let registry = Daemon::chartferry([]);
    let (own, told) = (config("lamp", "1.0.0"), said("lamp", "1.0.0"));
    let other = "is not the chart in its config: its Chart.yaml says that it is `mast`";
    for (case, content, config, annotations, code, what) in [
        ("bytes", &b"hello"[..], &own, &*told, 1, "the archive of lamp:1.0.0 is not a valid chart"),
        ("title", &mast, &own, &told, 1, "its manifest: its Chart.yaml says that it is `mast`"),
        ("version", &lamp, &own, &said("lamp", "1.0.1"), 1, "says version `1.0.0`, not `1.0.1`"),
        ("config", &mast, &own, "", 1, other),
        ("good", &lamp, &own, &told, 0, ""),
        ("empty", &lamp, &"{}".to_owned(), "", 0, ""),
        ("named", &mast, &config("mast", "0.2.0"), "", 0, "warning: lamp:1.0.0 is not the chart"),
    ] {
        test.file("b.tar", bundle(content, config, annotations));
        let namespace = format!("{}/{case}", registry.oci());
        let layout = format!("layout:{case}");
        for command in
            [&["verify", "b.tar"][..], &["load", "b.tar", &namespace], &["load", "b.tar", &layout]]
        {
            let words = ["bundle"].into_iter().chain(command.iter().copied());
            let run = test.run(words).any_stdout().any_files().any_stderr().outcome();
            assert_eq!(run.code, Some(code), "{case} {command:?}: {run:?}");
            assert!(run.stderr.contains(what), "{case} {command:?}: {run:?}");
        }
        // Blobs may be there; no tag leads to them.
        let tags = test.run(["tags", &format!("{namespace}/lamp")]).any_stderr().outcome();
        assert_eq!(tags.stdout, if code == 0 { "1.0.0\n" } else { "" }, "{case}");
    }
    // A folder is written by the manifest's names; it gets no file of another chart.
    test.file("b.tar", bundle(&mast, &own, &told));
    test.run(["bundle", "load", "b.tar", "out"]).any_stderr().any_files().fails(1);
    assert!(!test.path("out/lamp-1.0.0.tgz").exists());
}
