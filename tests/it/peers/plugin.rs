//! `helm chart …`: the plugin under both majors of helm.

use crate::support::{Test, daemon::test_with_registry, peers};

#[test]
#[ignore = "needs peers"]
fn the_verbs_of_old_work_under_helm_3_and_helm_4() {
    for helm in ["helm", "helm3"] {
        let (test, registry) = test_with_registry();
        let (helm, address) = (peers::find(helm), registry.address());
        test.run(["plugin", "install"]).anything().succeeds();
        let plugins = test.run_program(&helm, ["plugin", "list"]).anything().succeeds();
        assert!(plugins.stdout.contains("chart"), "{plugins:?}");

        let chart = |args: &[&str]| {
            test.run_program(&helm, ["chart"].iter().chain(args).copied()).anything()
        };
        test.file("demo/Chart.yaml", "apiVersion: v2\nname: demo\nversion: 1.0.0\n")
            .file("demo/templates/a.yaml", "a: 1\n");
        let reference = format!("{address}/team/demo:1.0.0");
        let saved = chart(&["save", "demo", &reference]).succeeds();
        assert!(saved.stdout.contains("1.0.0: saved"), "{saved:?}");
        let listed = chart(&["list"]).succeeds();
        assert!(listed.stdout.contains("[ADDR]/team/demo:1.0.0"), "{listed:?}");
        let pushed = chart(&["push", &reference]).succeeds();
        assert!(pushed.stdout.starts_with("Pushed: [ADDR]/team/demo:1.0.0\n"), "{pushed:?}");
        chart(&["remove", &reference]).succeeds();
        let pulled = chart(&["pull", &reference]).succeeds();
        assert!(pulled.stdout.contains("Status: Downloaded newer chart for"), "{pulled:?}");
        chart(&["export", &reference, "-d", "out"]).succeeds();
        assert_eq!(test.read("out/demo/templates/a.yaml"), b"a: 1\n");
        let shown = chart(&["show", "chart", &reference]).succeeds();
        assert!(shown.stdout.contains("name: demo"), "{shown:?}");

        test.run(["plugin", "uninstall"]).anything().succeeds();
        chart(&["list"]).fails(1);
    }
}

#[test]
#[ignore = "needs peers"]
fn helm_installs_the_plugin_itself() {
    // The form at the top serves both majors; the other is for Helm 4.
    for (helm, form) in [
        ("helm", "plugin.yaml"),
        ("helm3", "plugin.yaml"),
        ("helm", "deploy/plugin-v1/plugin.yaml"),
    ] {
        let test = Test::new();
        let helm = peers::find(helm);
        test.copy(form, "chart/plugin.yaml");
        test.link_program("chartferry", env!("CARGO_BIN_EXE_chartferry").as_ref());
        test.run_program(&helm, ["plugin", "install", "chart"]).anything().succeeds();
        test.file("demo/Chart.yaml", "apiVersion: v2\nname: demo\nversion: 1.0.0\n");
        let saved = test.run_program(&helm, ["chart", "save", "demo", "r.example/demo:1.0.0"]);
        let saved = saved.anything().succeeds();
        assert!(saved.stdout.contains("1.0.0: saved"), "{form}: {saved:?}");
        let missing = test.run_program(&helm, ["chart", "remove", "r.example/other:1.0.0"]);
        let missing = missing.anything();
        // The exit code comes through, whatever it is.
        missing.fails(5);
    }
}
