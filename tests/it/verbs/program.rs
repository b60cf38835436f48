//! What is about the program itself: tour, plugin, completion, manual, version, streams.

use super::{demo, package};
use crate::support::Test;
use std::fs;

#[test]
fn the_tour_ends_well_and_leaves_nothing_behind() {
    let test = Test::new();
    let outcome = test
        .run(["tour"])
        .stdout_has(
            "$ chartferry package charts/lighthouse charts/harbour charts/buoy -d packages\n",
        )
        .stdout_has("All 3 charts returned unchanged")
        .succeeds();
    assert!(outcome.stdout.contains("compared 3 archives"), "{}", outcome.stdout);
    assert_eq!(
        fs::read_dir(test.root().join("tmp")).unwrap().count(),
        0,
        "left in the temporary folder"
    );
    assert_eq!(fs::read_dir(test.root().join("home")).unwrap().count(), 0, "left in the home");
}

#[test]
fn the_plugin_is_placed_and_removed_and_another_one_is_left_alone() {
    let test = Test::new();
    test.run(["plugin", "uninstall"]).stderr_has("error: plugin: chart not found").fails(5);
    test.run(["plugin", "install"]).stdout_has("Installed plugin: chart in [TMP]").succeeds();
    let folder = test.home("helm/data/plugins/chart");
    let manifest = fs::read_to_string(folder.join("plugin.yaml")).unwrap();
    assert!(manifest.starts_with("name: chart\nversion: "), "{manifest}");
    assert!(folder.join("chartferry").is_file());
    test.run(["plugin", "install"]).any_stdout().succeeds();
    test.run(["plugin", "uninstall"])
        .stdout("Uninstalled plugin: chart\nUninstalled plugin: chart-getter\n")
        .succeeds();
    assert!(!folder.exists());
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("plugin.yaml"), "name: chart\ncommand: other\n").unwrap();
    let refused = || {
        for command in ["install", "uninstall"] {
            test.run(["plugin", command]).stderr_has("holds another plugin").fails(4);
        }
    };
    refused();
    // A plugin of others that only speaks of this program.
    let words =
        "name: chart\ndescription: like chartferry chart\ncommand: $HELM_PLUGIN_DIR/other\n";
    fs::write(folder.join("plugin.yaml"), words).unwrap();
    refused();
    test.run(["plugin", "install"])
        .env("HELM_PLUGINS", test.path("elsewhere").to_str().unwrap())
        .any_stdout()
        .writes([
            "elsewhere/chart-getter/chartferry",
            "elsewhere/chart-getter/plugin.yaml",
            "elsewhere/chart/chartferry",
            "elsewhere/chart/plugin.yaml",
        ])
        .succeeds();
}

#[test]
fn a_plugin_beside_another_of_its_name_is_not_placed_and_half_of_a_pair_is_removed() {
    let test = Test::new();
    let plugins = test.home("helm/data/plugins");
    // As `helm plugin install <checkout>` leaves it.
    fs::create_dir_all(plugins.join("checkout")).unwrap();
    fs::write(plugins.join("checkout/plugin.yaml"), "name: chart\ncommand: chartferry chart\n")
        .unwrap();
    test.run(["plugin", "install"])
        .stderr_has("/helm/data/plugins/checkout` holds a plugin `chart` already\nhint: remove it with `helm plugin uninstall chart`")
        .fails(4);
    fs::remove_dir_all(plugins.join("checkout")).unwrap();
    test.run(["plugin", "install"]).any_stdout().succeeds();
    // As `helm plugin uninstall chart` does.
    fs::remove_dir_all(plugins.join("chart")).unwrap();
    test.run(["plugin", "uninstall"]).stdout("Uninstalled plugin: chart-getter\n").succeeds();
    assert_eq!(fs::read_dir(plugins).unwrap().count(), 0);
}

#[test]
fn completion_and_manual_are_written() {
    let test = Test::new();
    for shell in ["bash", "zsh", "fish"] {
        test.run(["completion", shell]).stdout_has("chartferry").succeeds();
    }
    test.run(["man", "pages"]).env("SOURCE_DATE_EPOCH", "1700000000").any_files().succeeds();
    let page = |name: &str| String::from_utf8(test.read(format!("pages/{name}"))).unwrap();
    for name in
        ["chartferry.1", "chartferry-push.1", "chartferry-cm-push.1", "chartferry-chart-pull.1"]
    {
        let text = page(name);
        assert!(text.contains("2023\\-11\\-14") || text.contains("2023-11-14"), "{text}");
        for section in ["SYNOPSIS", "EXIT STATUS", "ENVIRONMENT", "FILES"] {
            assert!(text.contains(section), "{section} in {name}: {text}");
        }
        assert_eq!(text.contains(".SH EXAMPLES"), name != "chartferry.1", "{name}");
    }
    assert!(page("chartferry.1").contains("SOURCE_DATE_EPOCH"));
    assert!(page("chartferry-chart-pull.1").contains("chartferry chart pull oci://"));
    assert!(!test.path("pages/chartferry-getter.1").exists());
    test.run(["version"])
        .stdout(concat!("chartferry ", env!("CARGO_PKG_VERSION"), "\n"))
        .succeeds();
}

#[test]
fn messages_are_json_when_asked_and_data_is_not() {
    let (test, registry) = demo();
    test.run(["push", "demo", &registry.oci()]).any_stdout().succeeds();
    let outcome = test
        .run(["push", "demo", &registry.oci(), "--log-format", "json"])
        .stdout_has("Pushed: ")
        .any_stderr()
        .succeeds();
    let message: serde_json::Value = serde_json::from_str(outcome.stderr.trim()).unwrap();
    assert_eq!(message["level"], "info");
    let outcome = test.run(["show", "chart", "gone", "--log-format", "json"]).any_stderr().fails(5);
    let error: serde_json::Value = serde_json::from_str(outcome.stderr.trim()).unwrap();
    assert_eq!((&error["level"], &error["kind"]), (&"error".into(), &"NotFound".into()));
    test.run(["push", "demo", &registry.oci(), "--quiet"]).any_stdout().succeeds();
    // What the parser finds is an object a line as well.
    for args in [["lint", "--nope", "--log-format", "json"], ["--log-format=json", "lnt", "x", "y"]]
    {
        let outcome = test.run(args).any_stderr().fails(64);
        let error: serde_json::Value = serde_json::from_str(outcome.stderr.trim()).unwrap();
        assert_eq!((&error["level"], &error["kind"]), (&"error".into(), &"Usage".into()));
    }
}

#[test]
fn an_archive_behind_a_url_is_shown_pulled_and_exported() {
    let (test, registry) = demo();
    package(&test, "demo");
    test.run(["push", "demo-1.0.0.tgz", &registry.oci()]).any_stdout().succeeds();
    let digest = chartferry::oci::Digest::sha256(&test.read("demo-1.0.0.tgz"));
    // A registry of ours serves blobs to anybody: it is a web server for this once.
    let url = format!("http://{}/v2/demo/blobs/{digest}", registry.address());
    test.run(["show", "values", &url]).stdout("note: a\n\n").succeeds();
    test.run(["pull", &url, "--untar", "-d", "out"]).any_files().succeeds();
    test.run(["export", &url, "exported"])
        .stdout("Exported chart to exported/demo/\n")
        .any_files()
        .succeeds();
    assert_eq!(test.read("out/demo/values.yaml"), test.read("exported/demo/values.yaml"));
    let gone = url.replace("demo/blobs", "gone/blobs");
    test.run(["show", "values", &gone]).any_stderr().fails(5);
}

#[test]
fn nothing_is_asked_without_a_terminal() {
    let test = Test::new();
    test.run(["login", "localhost:1"]).stderr_has("`--username` is needed").fails(64);
    test.run(["login", "localhost:1", "-u", "me"])
        .stderr_has("pipe it in with `--password-stdin`")
        .fails(64);
    test.run(["login", "localhost:1/Ns", "-u", "me", "-p", "x"])
        .stderr_has("invalid repository")
        .fails(64);
    test.run(["pull", "oci://localhost:1/x", "--username", "me"])
        .stderr_has("add `--password-stdin`")
        .fails(64);
}

#[test]
fn help_has_examples_and_opens_with_the_commands_own_sentence() {
    let test = Test::new();
    for (words, said) in [
        (vec!["push", "--help"], "Examples:\n  chartferry push mychart-1.0.0.tgz oci://"),
        (vec!["help", "pull"], "Examples:\n  chartferry pull oci://"),
        (vec!["repo", "add", "-h"], "Examples:\n  chartferry repo add stable "),
        (vec!["chart", "push", "--help"], "Examples:\n  chartferry chart push mychart"),
        (vec!["--help"], "  cm-push "),
    ] {
        test.run(words).stdout_has(said).succeeds();
    }
    let outcome = test.run(["chart", "--help"]).any_stdout().succeeds();
    assert!(
        outcome
            .stdout
            .starts_with("Run the commands for charts under the names of the old `helm chart`\n")
    );
    let outcome = test.run(["package", "--help"]).any_stdout().succeeds();
    for hidden in ["--sign", "--keyring", "--passphrase-file"] {
        assert!(!outcome.stdout.contains(hidden), "{hidden}: {}", outcome.stdout);
    }
}

#[test]
fn as_helms_plugin_messages_name_helm_chart() {
    let test = Test::new();
    for (words, said) in [
        (vec!["chart", "rm", "localhost:1/x:1"], "hint: `helm chart list` lists the saved charts"),
        (vec!["chart", "pull"], "Usage: helm chart pull "),
        (vec!["chart", "lint", "x", "--set-json", "a=b"], "`helm lint` takes all of these"),
    ] {
        let run = test.run(words).env("HELM_PLUGIN_NAME", "chart").anything();
        let outcome = run.outcome();
        assert!(outcome.stderr.contains(said), "{outcome:?}");
        assert!(!outcome.stderr.contains("chartferry pull"), "{outcome:?}");
    }
    let run = test.run(["chart", "push", "--help"]).env("HELM_PLUGIN_NAME", "chart");
    run.stdout_has("  helm chart push mychart-1.0.0.tgz oci://").succeeds();
}
