//! Chart repositories beside Helm: the same lines, the same files, and Helm with our getter.

use crate::{
    classic::{archive, test_with_repository},
    registry::wire::{retag, untag},
    support::{Outcome, Test, daemon::test_with_registry, peers, web::Web},
};
use chartferry::digest::Digest;
use std::path::Path;

/// Runs the same line with Helm and with us, each with files of its own.
fn both(test: &Test, args: &[&str]) -> (Outcome, Outcome) {
    let helm = peers::find("helm");
    let run = |program: &Path, place: &str| {
        let config = test.home(format!("{place}/repositories.yaml"));
        let cache = test.home(format!("{place}/cache"));
        test.run_program(program, args.iter().copied())
            .env("HELM_REPOSITORY_CONFIG", config.to_str().unwrap())
            .env("HELM_REPOSITORY_CACHE", cache.to_str().unwrap())
            .anything()
            .outcome()
    };
    (run(&helm, "theirs"), run(Path::new(env!("CARGO_BIN_EXE_chartferry")), "ours"))
}

#[test]
#[ignore = "needs peers"]
fn the_verbs_of_repo_and_search_print_what_helm_prints() {
    let (test, web) = test_with_repository();
    let url = format!("{}/charts", web.url());
    for line in [
        "repo add x URL",
        "repo add x URL",
        "repo list",
        "repo list -o json",
        "repo list -o yaml",
        "repo list --no-headers",
        "repo update",
        "repo update x",
        "search repo",
        "search repo demo",
        "search repo demo -l",
        "search repo demo --devel",
        "search repo demo --devel -l -o json",
        "search repo web -o yaml",
        "search repo web --max-col-width 7",
        "search repo --version ^1.0 -l",
        "search repo -r ^d.*o",
        "search repo -r other|demo -o json",
        "search repo nothing",
        "show chart x/demo --version 1.0.0",
        "show chart other --repo URL",
        "repo remove x",
    ] {
        let line = line.replace("URL", &url);
        let args: Vec<&str> = line.split(' ').collect();
        let (theirs, ours) = both(&test, &args);
        assert_eq!(ours.stdout, theirs.stdout, "{line}");
        assert_eq!((ours.code, theirs.code), (Some(0), Some(0)), "{line}");
    }
    let config = |place: &str| std::fs::read(test.home(format!("{place}/repositories.yaml")));
    assert_eq!(config("ours").unwrap(), config("theirs").unwrap());
}

#[test]
#[ignore = "needs peers"]
fn dependencies_are_resolved_locked_and_told_as_by_helm() {
    let (test, web) = test_with_repository();
    let url = format!("{}/charts", web.url());
    both(&test, &["repo", "add", "x", &url]);
    test.file(
        "parent/Chart.yaml",
        format!(
            "apiVersion: v2\nname: parent\nversion: 0.1.0\ndependencies:\n- name: demo\n  version: ^1\n  repository: \"@x\"\n\
             - name: demo\n  version: ^1\n  alias: two\n  repository: \"alias:x\"\n- name: other\n  version: \"*\"\n  repository: {url}/\n"
        ),
    );
    for verb in ["update", "build"] {
        let lock = |outcome: &Outcome| {
            let text = String::from_utf8(test.read("parent/Chart.lock")).unwrap();
            (outcome.stdout.clone(), text.split("generated").next().unwrap().to_owned())
        };
        let (theirs, ours) = both(&test, &["dependency", verb, "parent"]);
        assert_eq!((ours.code, theirs.code), (Some(0), Some(0)), "{theirs:?} {ours:?}");
        assert_eq!(ours.stdout, theirs.stdout);
        let after_ours = lock(&ours);
        std::fs::remove_file(test.path("parent/Chart.lock")).unwrap();
        let (theirs, _) = both(&test, &["dependency", "update", "parent"]);
        assert_eq!(after_ours.1, lock(&theirs).1);
    }
}

#[test]
#[ignore = "needs peers"]
fn a_registry_is_a_repository_for_helm_3_and_helm_4() {
    for helm in ["helm", "helm3"] {
        let (test, registry) = test_with_registry();
        let helm = peers::find(helm);
        for (name, version) in [("demo", "1.0.0"), ("demo", "1.1.0"), ("other", "0.1.0")] {
            archive(&test, name, version);
            let file = format!("made/{name}-{version}.tgz");
            test.run(["push", &file, &format!("{}/ns", registry.oci())]).anything().succeeds();
        }
        test.run(["plugin", "install"]).anything().succeeds();
        let run = |args: &[&str]| {
            test.run_program(&helm, args.iter().copied())
                .env("CHARTFERRY_PLAIN_HTTP", "127.0.0.1")
                .anything()
                .succeeds()
        };
        run(&["repo", "add", "x", &format!("ocirepo://{}/ns", registry.address())]);
        let updated = run(&["repo", "update"]);
        assert!(updated.stdout.contains("...Successfully got an update from the \"x\""));
        let found = run(&["search", "repo", "x/", "--versions", "-o", "json"]);
        let found: serde_json::Value = serde_json::from_str(&found.stdout).unwrap();
        let found: Vec<String> = found
            .as_array()
            .unwrap()
            .iter()
            .map(|one| {
                format!("{} {}", one["name"].as_str().unwrap(), one["version"].as_str().unwrap())
            })
            .collect();
        assert_eq!(found, ["x/demo 1.1.0", "x/demo 1.0.0", "x/other 0.1.0"]);
        run(&["pull", "x/demo"]);
        assert_eq!(test.read("demo-1.1.0.tgz"), test.read("made/demo-1.1.0.tgz"));
        // A version without a tag of its own is named by its digest, and Helm's file with it: by
        // us, and in the registry.
        let address = registry.address();
        let digest = Digest::sha256(&retag(&address, "ns/other", "0.1.0", "0"));
        untag(&address, "ns/other", "0.1.0");
        let file = format!("other@sha256-{}.tgz", digest.hex());
        run(&["repo", "update"]);
        test.run(["index", &format!("{}/ns", registry.oci())]).anything().succeeds();
        let web = Web::start();
        web.file("/index.yaml", test.read("index.yaml"));
        run(&["repo", "add", "y", &web.url()]);
        for repository in ["x", "y"] {
            test.file(&format!("{repository}/.keep"), "");
            run(&["pull", &format!("{repository}/other"), "--plain-http", "-d", repository]);
            let pulled = test.read(format!("{repository}/{file}"));
            assert!(pulled == test.read("made/other-0.1.0.tgz"), "{helm:?} {repository}");
        }
    }
}

#[test]
#[ignore = "needs peers"]
fn a_museum_of_ours_is_a_repository_for_helm_by_its_own_scheme() {
    for helm in ["helm", "helm3"] {
        let (test, museum) = test_with_registry();
        let helm = peers::find(helm);
        archive(&test, "demo", "1.0.0");
        test.file("made/demo-1.0.0.tgz.prov", "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nname: demo\nversion: 1.0.0\n\n...\nfiles:\n  demo-1.0.0.tgz: sha256:00\n-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----\n");
        let url = format!("http://{}", museum.address());
        test.run(["museum", "push", "made/demo-1.0.0.tgz", &url]).any_stdout().succeeds();
        test.run(["plugin", "install"]).anything().succeeds();
        let run = |args: &[&str]| {
            test.run_program(&helm, args.iter().copied())
                .env("HELM_REPO_USE_HTTP", "1")
                .anything()
                .succeeds()
        };
        run(&["repo", "add", "cm", &format!("cm://{}", museum.address())]);
        run(&["pull", "cm/demo", "--prov"]);
        assert_eq!(test.read("demo-1.0.0.tgz"), test.read("made/demo-1.0.0.tgz"));
        assert_eq!(test.read("demo-1.0.0.tgz.prov"), test.read("made/demo-1.0.0.tgz.prov"));
    }
}
