//! The program killed amid a download, and run again: it goes on where it was, and nothing lies
//! beside the target.

use crate::{
    faults::noise,
    support::{
        Test,
        fault::{Act, Fault, FaultRegistry},
        fault_registry::Setup,
    },
};
use bytes::Bytes;
use chartferry::oci::{Descriptor, Document, Manifest, media};
use std::{
    fs,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
};

/// A registry on a thread of its own, which ends with the test's process.
pub(crate) fn registry() -> FaultRegistry {
    let (started, registry) = mpsc::channel();
    thread::spawn(move || {
        crate::faults::run(async {
            started.send(FaultRegistry::start(Setup::default()).await).unwrap();
            std::future::pending::<()>().await;
        });
    });
    registry.recv().unwrap()
}

#[test]
fn a_killed_pull_goes_on_where_it_was() {
    let test = Test::new();
    let half = noise(6 << 20);
    test.file("demo/Chart.yaml", "apiVersion: v2\nname: demo\nversion: 1.0.0\n")
        .file("demo/files/a", &half[..3 << 20])
        .file("demo/files/b", &half[3 << 20..]);
    test.run(["package", "demo"]).anything().succeeds();
    let archive = Bytes::from(test.read("demo-1.0.0.tgz"));
    let (registry, layer) = holding(&archive);
    fs::create_dir(test.path("out")).unwrap();

    registry.fail(Fault::new("GET /blobs/", Act::StallAt(50)));
    let location = format!("oci://{}/team/demo", registry.address());
    let args = ["pull", location.as_str(), "--version", "1.0.0", "-d", "out"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_chartferry"));
    test.environment(&mut command);
    let mut child = command
        .current_dir(test.path(""))
        .env("CHARTFERRY_CACHE", test.root().join("cache"))
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let part = test.root().join("cache").join(format!("partial-sha256-{}", layer.digest.hex()));
    while part.metadata().map_or(0, |data| data.len()) < layer.size / 2 {
        assert!(child.try_wait().unwrap().is_none(), "it must hang");
        thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(fs::read_dir(test.path("out")).unwrap().count(), 0, "no file was written in part");

    registry.take();
    let cache = test.root().join("cache").to_str().unwrap().to_owned();
    test.run(args).env("CHARTFERRY_CACHE", cache).anything().succeeds();
    assert!(test.read("out/demo-1.0.0.tgz") == archive);
    let ranges: Vec<_> = registry
        .take()
        .iter()
        .filter_map(|(request, _)| request.header("range").map(str::to_owned))
        .collect();
    assert_eq!(ranges, [format!("bytes={}-", layer.size / 2)]);
    assert!(!part.exists());
}

/// A registry that holds a chart's archive, and the archive's descriptor.
fn holding(archive: &Bytes) -> (FaultRegistry, Descriptor) {
    let config = br#"{"name":"demo","version":"1.0.0","apiVersion":"v2"}"#;
    let document: Document = serde_json::from_value(serde_json::json!({
        "schemaVersion": 2,
        "config": Descriptor::of(media::CHART_CONFIG, config),
        "layers": [Descriptor::of(media::CHART_CONTENT, archive)],
    }))
    .unwrap();
    let manifest = Manifest::compose(document, media::MANIFEST);
    let registry = registry();
    let layer = registry.with(|registry| {
        registry.hold(media::CHART_CONFIG, config.to_vec());
        registry.hold_manifest("1.0.0", media::MANIFEST, manifest.bytes().clone());
        registry.hold(media::CHART_CONTENT, archive.clone())
    });
    (registry, layer)
}
