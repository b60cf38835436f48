//! `repo add|update|list|remove`: Helm's words, Helm's files, and no byte of an index that is
//! already here.

use super::{add, test_with_repository};
use crate::support::{
    Test,
    web::{File, Web},
};
use std::{fs, os::unix::fs::PermissionsExt};

const CONFIG: &str = "helm/config/repositories.yaml";
const INDEX: &str = "helm/cache/repository/x-index.yaml";

#[test]
fn a_repository_is_added_listed_and_removed() {
    let (test, web) = test_with_repository();
    let url = format!("{}/charts", web.url());
    add(&test, &web);
    let config = fs::read_to_string(test.home(CONFIG)).unwrap();
    assert_eq!(
        config,
        format!(
            "apiVersion: \"\"\ngenerated: \"0001-01-01T00:00:00Z\"\nrepositories:\n- caFile: \"\"\n  certFile: \"\"\n  \
             insecure_skip_tls_verify: false\n  keyFile: \"\"\n  name: x\n  pass_credentials_all: false\n  password: \"\"\n  \
             url: {url}\n  username: \"\"\n"
        )
    );
    for file in [CONFIG, "helm/config/repositories.lock"] {
        let mode = fs::metadata(test.home(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    assert_eq!(fs::metadata(test.home(INDEX)).unwrap().permissions().mode() & 0o777, 0o644);
    let names = fs::read_to_string(test.home("helm/cache/repository/x-charts.txt")).unwrap();
    assert_eq!(names, "demo\nother\n");

    test.run(["repo", "add", "x", &url])
        .stdout("\"x\" already exists with the same configuration, skipping\n")
        .succeeds();
    test.run(["repo", "add", "x", &format!("{url}/")])
        .stderr_has("repository name (x) already exists, please specify a different name")
        .fails(4);
    test.run(["repo", "add", "x", &url, "--force-update", "--pass-credentials"])
        .stdout("\"x\" has been added to your repositories\n")
        .succeeds();
    test.run(["repo", "list"])
        .stdout(
            "NAME\tURL                          \nx   \thttp://[WEB]/charts\n".replace(
                "URL                          ",
                &format!("URL{}", " ".repeat(url.len() - 3)),
            ),
        )
        .succeeds();
    test.run(["repo", "list", "--no-headers"]).stdout("x\thttp://[WEB]/charts\n").succeeds();
    test.run(["repo", "list", "-o", "json"])
        .stdout("[{\"name\":\"x\",\"url\":\"http://[WEB]/charts\"}]\n")
        .succeeds();
    test.run(["repo", "list", "-o", "yaml"])
        .stdout("- name: x\n  url: http://[WEB]/charts\n")
        .succeeds();
    test.run(["repo", "remove", "y"]).stderr_has("no repo named \"y\" found").fails(5);
    test.run(["repo", "remove", "x"])
        .stdout("\"x\" has been removed from your repositories\n")
        .succeeds();
    let left = fs::read_dir(test.home("helm/cache/repository")).unwrap().count();
    assert_eq!(left, 0, "nothing of it is left in the cache");
    test.run(["repo", "remove", "x"]).stderr_has("no repositories configured").fails(5);
    test.run(["repo", "list"]).stderr("no repositories to show\n").succeeds();
    test.run(["repo", "list", "-o", "json"]).stdout("[]\n").succeeds();
}

#[test]
fn what_is_no_repository_is_refused_in_helms_words_and_changes_nothing() {
    let (test, web) = test_with_repository();
    web.file("/bad/index.yaml", "apiVersion: v1\nwhat: ever\n").file("/empty/index.yaml", "");
    let at = |path: &str| format!("{}{path}", web.url());
    for (name, url, code, message) in [
        (
            "a/b",
            at("/charts"),
            64,
            "repository name (a/b) contains '/', please specify a different name without '/'",
        ),
        ("x", "ftp://h/x".to_owned(), 64, "could not find protocol handler for: ftp"),
        ("x", "file:///x".to_owned(), 64, "could not find protocol handler for: file"),
        (
            "x",
            "oci://h/x".to_owned(),
            64,
            "looks like \"oci://h/x\" is not a valid chart repository or cannot be reached",
        ),
        ("x", at("/gone"), 5, "failed to fetch http://[WEB]/gone/index.yaml : 404 Not Found"),
        ("x", at("/bad"), 1, "is not a valid chart repository or cannot be reached"),
        ("x", at("/empty"), 1, "empty index.yaml file"),
        (
            "x",
            "https://kubernetes-charts.storage.googleapis.com".to_owned(),
            1,
            "repo \"https://kubernetes-charts.storage.googleapis.com\" is no longer available; try \"https://charts.helm.sh/stable\" instead",
        ),
    ] {
        test.run(["repo", "add", name, &url]).stderr_has(message).fails(code);
        assert!(!test.home(CONFIG).exists(), "{url}");
    }
}

#[test]
fn an_update_asks_with_what_it_was_told_and_takes_304_for_an_answer() {
    let (test, web) = test_with_repository();
    add(&test, &web);
    let update = |lines: &str| {
        test.run(["repo", "update"])
            .stdout(format!(
                "Hang tight while we grab the latest from your chart repositories...\n{lines}Update Complete. ⎈Happy Helming!⎈\n"
            ))
            .succeeds();
        web.take()
    };
    let done = "...Successfully got an update from the \"x\" chart repository\n";
    let before = fs::metadata(test.home(INDEX)).unwrap().modified().unwrap();
    let seen = update(done);
    assert_eq!(seen[0].header("if-none-match"), Some("\"one\""));
    assert_eq!(fs::metadata(test.home(INDEX)).unwrap().modified().unwrap(), before);

    // What Helm writes itself is not what our tag stands for.
    fs::write(test.home(INDEX), "apiVersion: v1\nentries: {}\n").unwrap();
    let seen = update(done);
    assert_eq!(seen[0].header("if-none-match"), None);
    assert!(fs::read_to_string(test.home(INDEX)).unwrap().contains("demo"));

    // An index that is no good leaves the old one in place.
    web.file("/charts/index.yaml", "nonsense: [\n");
    test.run(["repo", "update", "x"])
        .stdout_has(
            "...Unable to get an update from the \"x\" chart repository (http://[WEB]/charts):\n\t",
        )
        .stderr_has("failed to update the following repositories: [http://[WEB]/charts]")
        .fails(1);
    assert!(fs::read_to_string(test.home(INDEX)).unwrap().contains("demo"));
    test.run(["repo", "update", "y"])
        .stderr("error: no repositories found matching 'y'.  Nothing will be updated\n")
        .fails(5);
}

#[test]
fn an_update_without_repositories_says_so() {
    let test = Test::new();
    test.run(["repo", "update"])
        .stderr_has("no repositories found. You must add one before updating")
        .fails(5);
}

#[test]
fn an_index_may_come_packed_and_flags_and_variables_place_the_files() {
    let (test, web) = test_with_repository();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packer, b"apiVersion: v1\nentries: {}\n").unwrap();
    let headers = vec![("content-encoding", "gzip".to_owned())];
    web.put("/packed/index.yaml", File::With(headers, packer.finish().unwrap()));
    let url = format!("{}/packed", web.url());
    test.run([
        "repo",
        "add",
        "p",
        &url,
        "--repository-config",
        "r.yaml",
        "--repository-cache",
        "c",
    ])
    .any_stdout()
    .writes(["c/p-charts.txt", "c/p-index.yaml", "r.lock", "r.yaml"])
    .succeeds();
    assert_eq!(test.read("c/p-index.yaml"), b"apiVersion: v1\nentries: {}\n");
    test.run(["repo", "list", "--no-headers"])
        .env("HELM_REPOSITORY_CONFIG", test.path("r.yaml").to_str().unwrap())
        .stdout("p\thttp://[WEB]/packed\n")
        .succeeds();
}

#[test]
fn credentials_are_kept_and_sent_to_their_own_host_alone() {
    let (test, web) = test_with_repository();
    let elsewhere = Web::start();
    elsewhere.file("/index.yaml", "apiVersion: v1\nentries: {}\n");
    web.want("Basic dTpw");
    web.put("/away/index.yaml", File::Redirect(format!("{}/index.yaml", elsewhere.url())));
    let at = |path: &str| format!("{}{path}", web.url());
    test.run(["repo", "add", "x", &at("/charts")]).stderr_has("401 Unauthorized").fails(6);
    test.run(["repo", "add", "x", &at("/charts"), "--username", "u", "--password-stdin"])
        .stdin("p\n")
        .any_stdout()
        .succeeds();
    test.run(["repo", "add", "y", &at("/away"), "--username", "u", "--password", "p"])
        .any_stdout()
        .succeeds();
    assert_eq!(elsewhere.take()[0].header("authorization"), None);
    let config = fs::read_to_string(test.home(CONFIG)).unwrap();
    assert!(config.contains("password: p\n"), "as Helm keeps it: {config}");
    let with_user = at("/charts").replace("http://", "http://u:p@");
    test.run(["repo", "add", "z", &with_user]).any_stdout().succeeds();
}
