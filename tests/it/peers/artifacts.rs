//! oras and crane read what we push, and `serve` keeps what they push.

use crate::support::{Test, daemon::Daemon, daemon::test_with_registry, peers};
use serde_json::Value;

#[test]
#[ignore = "needs peers"]
fn oras_and_crane_read_a_chart_of_ours() {
    for registry in [Daemon::chartferry([]), Daemon::distribution_3()] {
        let test = Test::new();
        test.file("demo/Chart.yaml", "apiVersion: v2\nname: demo\nversion: 1.0.0+b.1\n");
        let to = format!("{}/charts", registry.oci());
        let digest = test.run(["push", "demo", &to]).any_stdout().any_stderr().succeeds().digest();
        let repository = format!("{}/charts/demo", registry.address());
        let tagged = format!("{repository}:1.0.0_b.1");

        let oras = peers::find("oras");
        let fetched = ["manifest", "fetch", "--plain-http", &tagged];
        let fetched = test.run_program(&oras, fetched).any_stdout().succeeds();
        let manifest: Value = serde_json::from_slice(&fetched.bytes).unwrap();
        assert_eq!(manifest["config"]["mediaType"], "application/vnd.cncf.helm.config.v1+json");
        assert_eq!(
            manifest["layers"][0]["mediaType"],
            "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
        );
        let tags = ["repo", "tags", "--plain-http", &repository];
        test.run_program(&oras, tags).stdout("1.0.0_b.1\n").succeeds();
        let pulled = ["pull", "--plain-http", &tagged, "-o", "by-oras"];
        test.run_program(&oras, pulled).anything().succeeds();

        let crane = peers::find("crane");
        test.run_program(&crane, ["digest", &tagged]).stdout(format!("{digest}\n")).succeeds();
        test.run_program(&crane, ["ls", &repository]).stdout("1.0.0_b.1\n").succeeds();
        let layer = manifest["layers"][0]["digest"].as_str().unwrap();
        let blob = format!("{repository}@{layer}");
        let blob = test.run_program(&crane, ["blob", &blob]).any_stdout().succeeds().bytes;
        test.run(["pull", &format!("oci://{tagged}")]).anything().succeeds();
        assert!(blob == test.read("demo-1.0.0+b.1.tgz"), "another layer");
    }
}

#[test]
#[ignore = "needs peers"]
fn serve_keeps_what_oras_and_crane_push() {
    let (test, registry) = test_with_registry();
    let address = registry.address();
    test.file("config.json", "{\"a\":1}").file("data.bin", vec![7; 300_000]);

    let oras = peers::find("oras");
    let bundle = format!("{address}/team/bundle:v1");
    test.run_program(
        &oras,
        [
            "push",
            "--plain-http",
            &bundle,
            "config.json:application/json",
            "data.bin:application/octet-stream",
        ],
    )
    .any_stdout()
    .any_stderr()
    .succeeds();
    let pulled = ["pull", "--plain-http", &bundle, "-o", "by-oras"];
    test.run_program(&oras, pulled).anything().succeeds();
    assert_eq!(test.read("by-oras/data.bin"), vec![7; 300_000]);

    // An attachment is a referrer of what it is attached to, and is found from there.
    test.file("sbom.json", "{}");
    let attached = ["attach", "--plain-http", "--artifact-type", "text/sbom", &bundle, "sbom.json"];
    test.run_program(&oras, attached).anything().succeeds();
    let found = ["discover", "--plain-http", "--format", "json", &bundle];
    let found = test.run_program(&oras, found).any_stdout().succeeds();
    assert!(found.stdout.contains("text/sbom"), "{found:?}");

    let crane = peers::find("crane");
    let image = format!("{address}/team/image:v1");
    let layer = test.path("layer.tar");
    let mut tar = tar::Builder::new(std::fs::File::create(&layer).unwrap());
    tar.append_path_with_name(test.path("config.json"), "config.json").unwrap();
    tar.finish().unwrap();
    let append = ["append", "-f", "layer.tar", "-t", &image, "--oci-empty-base"];
    test.run_program(&crane, append).anything().succeeds();
    let copied = format!("{address}/team/copy:v1");
    test.run_program(&crane, ["copy", &image, &copied]).anything().succeeds();
    let [one, two] = [&image, &copied]
        .map(|image| test.run_program(&crane, ["digest", image]).any_stdout().succeeds().stdout);
    assert_eq!(one, two);
    test.run_program(&crane, ["validate", "--remote", &copied]).anything().succeeds();
    let catalog = test.run_program(&crane, ["catalog", &address]).any_stdout().succeeds().stdout;
    assert_eq!(catalog, "team/bundle\nteam/copy\nteam/image\n");
}
