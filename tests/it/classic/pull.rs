//! `repo/chart`, `--repo` and URLs where a chart is asked for; the index's digest held against what
//! comes.

use super::{add, archive, entry, test_with_repository};
use crate::support::web::{File, Web};

#[test]
fn a_chart_of_a_repository_is_pulled_by_its_name() {
    let (test, web) = test_with_repository();
    add(&test, &web);
    test.run(["pull", "x/demo"]).writes(["demo-1.1.0.tgz"]).succeeds();
    assert_eq!(test.read("demo-1.1.0.tgz"), test.read("made/demo-1.1.0.tgz"));
    assert_eq!(web.asked(), ["GET /charts/demo-1.1.0.tgz"], "the index is in the cache");
    test.run(["pull", "x/demo", "--devel", "--untar", "-d", "out"])
        .writes(["out/demo/Chart.yaml"])
        .succeeds();
    test.run(["pull", "x/demo", "--version", "1.0"])
        .stderr_has(
            "unable to find exact version requested; falling back to closest available version",
        )
        .writes(["demo-1.0.0.tgz"])
        .succeeds();
    let url = format!("{}/charts", web.url());
    web.take();
    test.run(["pull", "other", "--repo", &url, "--version", "^0"])
        .writes(["other-0.1.0.tgz"])
        .succeeds();
    assert_eq!(web.asked(), ["GET /charts/index.yaml", "GET /charts/other-0.1.0.tgz"]);
    test.run(["show", "chart", "x/other"])
        .stdout("apiVersion: v2\nname: other\nversion: 0.1.0\n\n")
        .succeeds();
    test.run(["show", "chart", "demo", "--repo", &url, "--version", "1.0.0"])
        .stdout_has("version: 1.0.0")
        .succeeds();
    test.run(["export", "x/other", "exported"])
        .stdout("Exported chart to exported/other/\n")
        .any_files()
        .succeeds();
    test.run(["tags", "x/demo"]).stdout("2.0.0-rc.1\n1.1.0\n1.0.0\n").succeeds();
    let digest = chartferry::digest::Digest::sha256(&test.read("made/demo-1.0.0.tgz"));
    test.run(["resolve", "x/demo", "--version", "1.0.0"]).stdout(format!("{digest}\n")).succeeds();
    test.run(["pull", "x/demo", "x/other", "-d", "two", "-o", "json"])
        .stdout_has("\"file\": \"two/other-0.1.0.tgz\"")
        .writes(["two/demo-1.1.0.tgz", "two/other-0.1.0.tgz"])
        .succeeds();
}

#[test]
fn what_is_not_there_is_said_in_helms_words() {
    let (test, web) = test_with_repository();
    add(&test, &web);
    let url = format!("{}/charts", web.url());
    for (args, code, message) in [
        (
            vec!["pull", "x/nope"],
            5,
            "chart \"nope\" matching  not found in x index. (try 'helm repo update')",
        ),
        (vec!["pull", "x/demo", "--version", "^9"], 5, "no chart version found for demo-^9"),
        (vec!["pull", "y/demo"], 5, "repo y not found"),
        (
            vec!["pull", "nope", "--repo", &url],
            5,
            "chart \"nope\" not found in http://[WEB]/charts repository",
        ),
        (
            vec!["pull", "demo", "--repo", &url, "--version", "^9"],
            5,
            "chart \"demo\" version \"^9\" not found in http://[WEB]/charts repository",
        ),
        (vec!["pull", "ftp://h/x.tgz"], 64, "scheme \"ftp\" not supported"),
        (vec!["show", "chart", "y/demo"], 5, "repo y not found"),
        (vec!["pull", "x/demo", "--verify"], 64, "`--verify` is not supported yet"),
    ] {
        test.run(args).stderr_has(message).fails(code);
    }
}

#[test]
fn an_archive_that_is_not_the_indexs_is_refused_and_one_without_digest_noted() {
    let (test, web) = test_with_repository();
    add(&test, &web);
    web.file("/charts/demo-1.1.0.tgz", archive(&test, "other", "0.1.0"));
    test.run(["pull", "x/demo"])
        .stderr_has("is not the archive that the index names")
        .stderr_has("hint: refresh the index with `chartferry repo update`")
        .fails(7);
    let index = entry("demo", "1.0.0", "\"\"", "demo-1.0.0.tgz");
    web.file("/charts/index.yaml", format!("apiVersion: v1\nentries:\n  demo:\n{index}"));
    test.run(["repo", "update"]).any_stdout().succeeds();
    test.run(["pull", "x/demo"])
        .stderr_has("the index has no digest for http://[WEB]/charts/demo-1.0.0.tgz")
        .writes(["demo-1.0.0.tgz"])
        .succeeds();
}

#[test]
fn a_provenance_is_taken_where_there_is_one() {
    let (test, web) = test_with_repository();
    add(&test, &web);
    web.file("/charts/demo-1.0.0.tgz.prov", "-----BEGIN PGP SIGNED MESSAGE-----\n");
    test.run(["pull", "x/demo", "--version", "1.0.0", "--prov"])
        .writes(["demo-1.0.0.tgz", "demo-1.0.0.tgz.prov"])
        .succeeds();
    test.run(["pull", "x/demo", "--prov"])
        .stderr_has("verification not found for x/demo: failed to fetch http://[WEB]/charts/demo-1.1.0.tgz.prov : 404 Not Found")
        .writes(["demo-1.1.0.tgz"])
        .succeeds();
    // The archive was not refused, so a refusal here is that of a server which hides what is not
    // there.
    for (answer, why) in [
        (File::Status(400, "no"), "400 Bad Request"),
        (File::Status(403, "no"), "403 Forbidden"),
        (File::Status(405, "no"), "405 Method Not Allowed"),
        (File::Status(501, "no"), "501 Not Implemented"),
        (File::Bytes(b"<!doctype html><title>app</title>".to_vec()), "it is a web page"),
        (File::Bytes(b"{\"error\":\"not found\"}".to_vec()), "it is not a signed text"),
        (File::Bytes(Vec::new()), "it is not a signed text"),
    ] {
        web.put("/charts/other-0.1.0.tgz.prov", answer);
        test.run(["pull", "x/other", "--prov", "-d", "other"])
            .stderr_has(&format!("/charts/other-0.1.0.tgz.prov : {why}"))
            .any_files()
            .succeeds();
        assert!(!test.path("other/other-0.1.0.tgz.prov").exists(), "{why}");
    }
    web.put("/charts/other-0.1.0.tgz.prov", File::Status(401, "no"));
    test.run(["pull", "x/other", "--prov", "-d", "other"]).stderr_has("401 Unauthorized").fails(6);
}

#[test]
fn urls_lead_where_the_index_says_and_credentials_only_home() {
    let (mut test, web) = test_with_repository();
    let elsewhere = Web::start();
    test.call(elsewhere.address(), "[ELSEWHERE]");
    let bytes = test.read("made/demo-1.0.0.tgz");
    let digest = chartferry::digest::Digest::sha256(&bytes);
    elsewhere.file("/far/demo-1.0.0.tgz", bytes.clone());
    web.file("/abs/demo-1.0.0.tgz", bytes.clone());
    let away = format!("{}/far/demo-1.0.0.tgz", elsewhere.url());
    web.put("/charts/moved.tgz", File::Redirect(away.clone()));
    let urls = std::collections::BTreeMap::from([
        ("relative", "demo-1.0.0.tgz"),
        ("absolute", "/abs/demo-1.0.0.tgz"),
        ("upwards", "../abs/demo-1.0.0.tgz"),
        ("offhost", &*away),
        ("moved", "moved.tgz"),
    ]);
    web.want("Basic dTpw");
    let url = format!("{}/charts", web.url());
    let credentials = ["--username", "u", "--password", "p"];
    let pull = |name: &str, more: &[&str]| {
        let index = entry("demo", "1.0.0", digest.hex(), urls[name]);
        web.file("/charts/index.yaml", format!("apiVersion: v1\nentries:\n  demo:\n{index}"));
        let args = ["pull", "demo", "--repo", &url, "-d", name];
        test.run(args.iter().chain(&credentials).chain(more).copied()).anything().succeeds();
        elsewhere.take().first().and_then(|seen| seen.header("authorization").map(str::to_owned))
    };
    for name in ["relative", "absolute", "upwards"] {
        assert_eq!(pull(name, &[]), None);
    }
    assert_eq!(test.read("upwards/demo-1.0.0.tgz"), bytes);
    assert_eq!(pull("offhost", &[]), None, "another host sees nothing");
    assert_eq!(pull("offhost", &["--pass-credentials"]).as_deref(), Some("Basic dTpw"));
    assert_eq!(pull("moved", &["--pass-credentials"]), None, "a redirect never takes them along");
    // The settings of the repository that a URL lies in hold for it.
    test.run(["repo", "add", "x", &url, "--username", "u", "--password", "p"])
        .any_stdout()
        .succeeds();
    test.run(["pull", &format!("{url}/demo-1.0.0.tgz")]).writes(["demo-1.0.0.tgz"]).succeeds();
}

#[test]
fn an_index_may_lead_into_a_registry() {
    let (test, web) = test_with_repository();
    let registry = crate::support::daemon::Daemon::chartferry([]);
    test.run(["push", "made/demo-1.0.0.tgz", &format!("{}/ns", registry.oci())])
        .anything()
        .succeeds();
    let digest = chartferry::digest::Digest::sha256(&test.read("made/demo-1.0.0.tgz"));
    let url = format!("{}/ns/demo:1.0.0", registry.oci());
    let index = entry("demo", "1.0.0", digest.hex(), &url);
    web.file("/oci/index.yaml", format!("apiVersion: v1\nentries:\n  demo:\n{index}"));
    test.run(["pull", "demo", "--repo", &format!("{}/oci", web.url()), "-d", "out"])
        .any_files()
        .succeeds();
    assert_eq!(test.read("out/demo-1.0.0.tgz"), test.read("made/demo-1.0.0.tgz"));
}
