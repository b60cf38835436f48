//! The container images of charts: found in annotations, locks and values, and taken along by a
//! copy.

use crate::support::{Test, daemon::Daemon};
use serde_json::Value;

/// A chart with images in every form, and a subchart.
fn chart(test: &Test, registry: &str) {
    test.file(
        "demo/Chart.yaml",
        format!(
            "apiVersion: v2\nname: demo\nversion: 1.0.0\nappVersion: 2.0.0\nannotations:\n  \
             artifacthub.io/images: |\n    - name: app\n      image: {registry}/a/app:1\n      \
             whitelisted: true\n  images: |\n    - image: {registry}/a/tool:2\n      name: tool\n  \
             helm.sh/images: |\n    - {registry}/a/app:1\n"
        ),
    );
    test.file(
        "demo/values.yaml",
        "image:\n  registry: ghcr.io\n  repository: team/web\n  tag: ''\nsidecar:\n  image: nginx:1.25\n\
         thanosImage:\n  repository: quay.io/thanos/thanos\n  tag: v0.1\nnumber:\n  image:\n    repository: a/b\n    \
         tag: 1.5\nbackup:\n  repository: s3://bucket\ntemplated:\n  image: '{{ .Values.x }}'\nsub:\n  image:\n    \
         tag: '9'\npinned:\n  image:\n    repository: c/d\n    sha256: \
         aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
    );
    test.file(
        "demo/Images.lock",
        format!(
            "apiVersion: v0\nkind: ImagesLock\nimages:\n- name: app\n  image: {registry}/a/app:1\n"
        ),
    );
    test.file("demo/charts/sub/Chart.yaml", "apiVersion: v2\nname: sub\nversion: 0.1.0\n");
    test.file("demo/charts/sub/values.yaml", "image:\n  repository: e/f\n  tag: '1'\n");
}

#[test]
fn images_are_found_in_every_form() {
    let test = Test::new();
    chart(&test, "registry.example.com");
    let found = test.run(["images", "demo", "-o", "json"]).anything().succeeds().stdout;
    let found: Value = serde_json::from_str(&found).expect("json");
    let found: Vec<String> = found["images"]
        .as_array()
        .expect("images")
        .iter()
        .map(|image| {
            let text = |name: &str| image[name].as_str().unwrap_or_default().to_owned();
            let tag = if image["by_app_version"] == true { " (appVersion)" } else { "" };
            format!(
                "{} {} {} {}{tag}",
                text("certainty"),
                text("chart"),
                text("image"),
                text("source")
            )
        })
        .collect();
    let digest = "a".repeat(64);
    assert_eq!(
        found,
        [
            "declared demo registry.example.com/a/app:1 annotation artifacthub.io/images",
            "declared demo registry.example.com/a/tool:2 annotation images",
            "guessed demo docker.io/a/b:1.5 values number.image",
            &format!("guessed demo docker.io/c/d@sha256:{digest} values pinned.image"),
            "guessed demo/sub docker.io/e/f:9 values image",
            "guessed demo docker.io/library/nginx:1.25 values sidecar.image",
            "guessed demo ghcr.io/team/web:2.0.0 values image (appVersion)",
            "guessed demo quay.io/thanos/thanos:v0.1 values thanosImage",
        ]
    );
    let names = test.run(["images", "demo", "--declared", "--names"]).anything().succeeds().stdout;
    assert_eq!(names, "registry.example.com/a/app:1\nregistry.example.com/a/tool:2\n");
    // An archive says the same as its source.
    test.run(["package", "demo"]).anything().succeeds();
    let of = |location: &str| test.run(["images", location]).anything().succeeds().stdout;
    assert_eq!(of("demo-1.0.0.tgz"), of("demo"));
    // A registry for all of the chart's images, in the values.
    test.file("all/Chart.yaml", "apiVersion: v2\nname: all\nversion: 1.0.0\n");
    test.file(
        "all/values.yaml",
        "global:\n  imageRegistry: mirror.example.com\nimage:\n  registry: docker.io\n  repository: a/b\n  tag: '1'\n",
    );
    assert!(of("all").contains("mirror.example.com/a/b:1"));
    // What cannot be read is a warning.
    test.file(
        "bad/Chart.yaml",
        "apiVersion: v2\nname: bad\nversion: 1.0.0\nannotations:\n  images: '{'\n",
    );
    let bad = test.run(["images", "bad"]).anything().succeeds();
    assert!(bad.stderr.contains("the annotation images is not YAML"), "{bad:?}");
    assert!(bad.stderr.contains("no images were found"), "{bad:?}");
}

#[test]
fn a_copy_takes_a_charts_images_along_by_digest() {
    let (test, registry) = (Test::new(), Daemon::chartferry([]));
    let address = registry.address();
    for (image, text) in [("a/app:1", "app"), ("a/tool:2", "tool")] {
        test.file("layer", text);
        let reference = format!("{address}/{image}");
        test.run(["artifact", "push", &reference, "layer"]).anything().succeeds();
    }
    chart(&test, &address);
    test.run(["push", "demo", &format!("oci://{address}/charts")]).anything().succeeds();
    let source = format!("{address}/charts/demo:1.0.0");
    let to = format!("oci://{address}/mirror");
    let copy = |more: &[&str]| {
        let target = format!("{address}/copy/demo");
        test.run([&["copy", &source, &target, "--images-to", &to], more].concat()).anything()
    };
    let told = copy(&["--images", "declared", "-o", "json"]).succeeds().stdout;
    let told: Value = serde_json::from_str(&told).expect("json");
    let images = told["images"].as_array().expect("the lock");
    assert_eq!(images.len(), 2, "{told:#}");
    let digest = |reference: &str| test.run(["resolve", reference]).anything().succeeds().digest();
    for (image, lock) in ["a/app:1", "a/tool:2"].iter().zip(images) {
        let there = digest(&format!("{address}/mirror/{image}"));
        assert_eq!(there, digest(&format!("{address}/{image}")));
        assert_eq!(lock["digest"], there.as_str());
        let (name, _) = image.split_once(':').unwrap();
        assert_eq!(lock["source"], format!("{address}/{name}@{there}"));
    }
    digest(&format!("{address}/copy/demo:1.0.0"));
    // A list, and a declared image that does not exist.
    test.file("list", format!("# images\n{address}/a/app:1\n{address}/a/none:1\n"));
    let told = copy(&["--images", "list"]).fails(3);
    assert!(told.stderr.contains("/a/none:1` was not copied"), "{told:?}");
    assert!(told.stdout.contains("image "), "{told:?}");
    let told = copy(&["--images", "-"]).stdin(format!("{address}/a/tool:2\n")).succeeds();
    assert!(told.stdout.contains("/mirror/a/tool:2@sha256:"), "{told:?}");
    // Two images of one place.
    test.file("list", format!("{address}/a/app:1\nquay.example.com/a/app:1\n"));
    let refused = copy(&["--images", "list"]).fails(64);
    assert!(refused.stderr.contains("would both become `mirror/a/app:1`"), "{refused:?}");
    // An artifact has no images.
    let app = format!("{address}/a/app:1");
    let words = ["copy", &app, "layout:x", "--images", "all", "--images-to", &to];
    test.run(words).anything().fails(1);
    test.run(["copy", &app, "layout:x", "--images", "all"]).anything().fails(64);
}
