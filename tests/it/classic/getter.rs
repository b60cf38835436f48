//! `getter CERT KEY CA URL`, as Helm calls it, and the schemes `cm://` and `ocirepo://` in our own
//! verbs.

use super::{archive, test_with_repository};
use crate::support::{
    Test,
    daemon::{Daemon, htpasswd, test_with_registry},
    web::Web,
};

#[test]
fn a_namespace_of_a_registry_is_a_repository() {
    let (test, registry) = test_with_registry();
    let namespace = format!("{}/ns", registry.oci());
    for (name, version) in [("demo", "1.0.0"), ("demo", "1.1.0+a"), ("my-other", "v2.0.0")] {
        archive(&test, name, version);
        test.run(["push", &format!("made/{name}-{version}.tgz"), &namespace]).anything().succeeds();
    }
    // Neither a chart of another namespace nor what is no chart is in it.
    test.run(["push", "made/demo-1.0.0.tgz", &format!("{}/else", registry.oci())])
        .anything()
        .succeeds();
    let url = format!("ocirepo://{}/ns", registry.address());
    let getter = |file: &str| test.run(["getter", "", "", "", &format!("{url}/{file}")]);
    let index = getter("index.yaml").any_stdout().any_files().succeeds().stdout;
    assert!(
        index.contains("  demo:\n") && index.contains("    - my-other-v2.0.0.tgz\n"),
        "{index}"
    );
    assert!(!index.contains("else"), "{index}");
    let again = getter("index.yaml").any_stdout().any_files().succeeds().stdout;
    assert_eq!(again, index, "the same charts make the same index");
    let configs = std::fs::read_dir(test.home("helm/cache/chartferry/configs")).unwrap().count();
    assert_eq!(configs, 3, "one config a chart is kept");
    getter("demo-9.9.9.tgz").stderr_has("not found").fails(5);
    getter("demo-1.0.0.tgz.prov").stderr_has("404 Not Found").fails(5);

    test.run(["repo", "add", "x", &url]).any_stdout().succeeds();
    test.run(["search", "repo", "x/", "-l"])
        .stdout_has("x/demo    \t1.1.0+a")
        .stdout_has("x/demo    \t1.0.0")
        .stdout_has("x/my-other\tv2.0.0")
        .succeeds();
    test.run(["pull", "x/my-other", "-d", "out"]).writes(["out/my-other-v2.0.0.tgz"]).succeeds();
    assert_eq!(test.read("out/my-other-v2.0.0.tgz"), test.read("made/my-other-v2.0.0.tgz"));
    test.run(["pull", "x/demo", "-d", "out"]).writes(["out/demo-1.1.0+a.tgz"]).succeeds();
}

#[test]
fn a_namespace_without_charts_is_told_of() {
    let (test, registry) = test_with_registry();
    let url = format!("ocirepo://{}/typo", registry.address());
    test.run(["repo", "add", "x", &url]).any_stdout().stderr_has("no chart in").succeeds();
    // Helm itself hears only whether the getter fails.
    let index = |url: &str| {
        let url = url.replacen('?', "/index.yaml?", 1);
        let url = if url.contains('?') { url } else { format!("{url}/index.yaml") };
        test.run(["getter", "", "", "", &url])
    };
    let no_chart = "error: no chart in `oci://[ADDR]/typo`";
    index(&url).stderr_has(no_chart).fails(5);
    archive(&test, "demo", "1.0.0");
    test.run(["push", "made/demo-1.0.0.tgz", &format!("{}/ns", registry.oci())])
        .anything()
        .succeeds();
    for charts in ["", "?charts=demo"] {
        let url = format!("ocirepo://{}/ns{charts}", registry.address());
        index(&url).stdout_has("demo-1.0.0.tgz").succeeds();
    }
}

#[test]
fn who_may_not_read_is_told_how_to_name_themselves() {
    let test = Test::new();
    let web = Web::start();
    web.want("Basic bm9ib2R5Og==");
    let to = "oci://localhost:1/ns";
    let repo_add = "`chartferry repo add NAME URL --username NAME --password-stdin`";
    let flags =
        "give the name and password of a user with read access: `--username NAME --password-stdin`";
    let archive = format!("{}/demo-1.0.0.tgz", web.url());
    for (args, hint) in [
        (&["push", &archive, to][..], repo_add),
        (&["pull", &archive], flags),
        (&["pull", "demo", "--repo", &web.url()], flags),
        (&["show", "chart", &archive], flags),
        (&["repo", "add", "x", &web.url()], flags),
    ] {
        let run = test.run(args.iter().copied()).stderr_has(hint);
        run.fails(6);
    }
    let users = htpasswd(test.root(), "ann", "secret");
    let locked = Daemon::chartferry(["--htpasswd", users.to_str().unwrap()]);
    let login = format!("`chartferry login {}`", locked.address());
    test.run(["bundle", "save", "x.tar.zst", "--all", &format!("{}/ns", locked.oci())])
        .stderr_has(&login)
        .stderr_has("name each chart")
        .fails(6);
}

#[test]
fn one_archive_has_no_versions_to_choose_from() {
    let test = Test::new();
    let web = Web::start();
    let url = format!("{}/demo-1.1.0.tgz", web.url());
    test.run(["push", &url, "oci://localhost:1/ns", "--version", "1.0.0"])
        .stderr_has("is one archive, of one version\nhint: `--version` chooses")
        .fails(64);
    assert_eq!(web.asked(), Vec::<String>::new());
}

#[test]
fn a_namespaces_credentials_are_those_of_the_repository() {
    let test = Test::new();
    let users = htpasswd(test.root(), "ann", "secret");
    let registry = Daemon::chartferry(["--htpasswd", users.to_str().unwrap()]);
    archive(&test, "demo", "1.0.0");
    let as_ann = |args: &[&str]| {
        test.run(args.iter().copied().chain(["--username", "ann", "--password", "secret"]))
    };
    as_ann(&["push", "made/demo-1.0.0.tgz", &format!("{}/ns", registry.oci())])
        .anything()
        .succeeds();
    let url = format!("ocirepo://{}/ns", registry.address());
    test.run(["repo", "add", "x", &url]).stderr_has("credentials are needed").fails(6);
    test.run(["repo", "add", "x", &url, "--username", "ann", "--password", "wrong"])
        .stderr_has("refuses the credentials")
        .fails(6);
    as_ann(&["repo", "add", "x", &url]).any_stdout().succeeds();
    test.run(["repo", "update", "x"]).any_stdout().succeeds();
    test.run(["pull", "x/demo", "-d", "out"]).writes(["out/demo-1.0.0.tgz"]).succeeds();
    as_ann(&["pull", "demo", "--repo", &url, "-d", "own"])
        .writes(["own/demo-1.0.0.tgz"])
        .succeeds();
    test.run(["show", "chart", "x/demo"]).any_stdout().succeeds();
}

#[test]
fn a_museum_is_reached_by_its_own_scheme_with_what_helm_passes_on() {
    let (test, web) = test_with_repository();
    web.want("Basic dTpw");
    let url = format!("cm://{}/charts", web.address());
    let getter = |file: &str| {
        test.run(["getter", "", "", "", &format!("{url}/{file}")])
            .env("HELM_REPO_USE_HTTP", "1")
            .env("HELM_PLUGIN_USERNAME", "u")
            .env("HELM_PLUGIN_PASSWORD", "p")
            .any_stdout()
    };
    assert!(getter("index.yaml").succeeds().stdout.contains("name: demo"));
    getter("demo-1.0.0.tgz").succeeds();
    getter("demo-1.0.0.tgz.prov").stderr_has("404 Not Found").fails(5);
    web.file("/charts/demo-1.0.0.tgz.prov", "signed");
    assert_eq!(getter("demo-1.0.0.tgz.prov").succeeds().stdout, "signed");
    test.run(["repo", "add", "x", &url, "--username", "u", "--password", "p"])
        .env("HELM_REPO_USE_HTTP", "true")
        .any_stdout()
        .succeeds();
}
