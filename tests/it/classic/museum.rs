//! `museum push|delete`: the requests that a ChartMuseum gets.

use super::archive;
use crate::support::{
    Test,
    web::{File, Seen, Web},
};

/// The archive in the form of an upload, which is the whole form: servers such as GitLab take
/// nothing but a form.
fn chart_of(seen: &Seen) -> Vec<u8> {
    let kind = seen.header("content-type").unwrap();
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"chart\"; filename=\"chart.tgz\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    let tail = format!("\r\n--{boundary}--\r\n");
    let inner = seen.body.strip_prefix(head.as_bytes()).unwrap();
    inner.strip_suffix(tail.as_bytes()).unwrap().to_vec()
}

fn museum() -> (Test, Web) {
    let (mut test, web) = (Test::new(), Web::start());
    test.call(web.address(), "[WEB]");
    archive(&test, "demo", "1.0.0");
    web.file(
        "/ctx/org/index.yaml",
        "apiVersion: v1\nentries: {}\nserverInfo:\n  contextPath: /ctx\n",
    );
    web.put("/ctx/api/org/charts", File::Status(201, r#"{"saved":true}"#));
    (test, web)
}

#[test]
fn an_archive_goes_as_it_is_to_where_the_index_says() {
    let (test, web) = museum();
    let url = format!("{}/ctx/org", web.url());
    let sent = test.read("made/demo-1.0.0.tgz");
    let digest = chartferry::digest::Digest::sha256(&sent);
    test.run(["museum", "push", "made/demo-1.0.0.tgz", &url, "--access-token", "t"])
        .stdout(format!("Pushed demo-1.0.0.tgz to http://[WEB]/ctx/org\nDigest: {digest}\n"))
        .succeeds();
    let seen = web.take();
    assert_eq!(seen[0].target, "/ctx/org/index.yaml");
    assert_eq!((seen[1].method.as_str(), seen[1].target.as_str()), ("POST", "/ctx/api/org/charts"));
    assert_eq!(chart_of(&seen[1]), sent);
    assert_eq!(seen[1].header("authorization"), Some("Bearer t"));

    test.run(["cm-push", "made/demo-1.0.0.tgz", &url, "--force", "--context-path", "/ctx"])
        .env("HELM_REPO_ACCESS_TOKEN", "t")
        .env("HELM_REPO_AUTH_HEADER", "X-Token")
        .any_stdout()
        .succeeds();
    let seen = web.take();
    assert_eq!(seen.len(), 1, "a known context path is not asked for");
    assert_eq!(seen[0].target, "/ctx/api/org/charts?force");
    assert_eq!((seen[0].header("x-token"), seen[0].header("authorization")), (Some("t"), None));
}

/// A host that knows no such path answers 200 with its start page; nothing has been stored or
/// deleted.
#[test]
fn only_a_museums_own_answer_is_a_success() {
    let (test, web) = museum();
    let url = format!("{}/ctx/org", web.url());
    let path = "/ctx/api/org/charts";
    for (answer, code) in [
        (File::Bytes(b"<!doctype html><title>app</title>".to_vec()), 1),
        (File::Bytes(br#"{"error":"unauthorized"}"#.to_vec()), 1),
        (File::Bytes(b"ok".to_vec()), 1),
        (File::Status(201, "<!doctype html><title>log in</title>"), 1),
        (File::Status(201, r#"{"saved":false}"#), 1),
        (File::Status(400, r#"{"error":"bad"}"#), 1),
        (File::Status(500, r#"{"error":"bad"}"#), 1),
    ] {
        let shown = format!("{answer:?}");
        web.put(path, answer.clone()).put(&format!("{path}/demo/1.0.0"), answer);
        web.take();
        let push = ["cm-push", "made/demo-1.0.0.tgz", &url, "--context-path", "/ctx"];
        let outcome = test.run(push).anything().outcome();
        assert_eq!(outcome.code, Some(code), "{shown}: {outcome:?}");
        assert_eq!(web.take().len(), 1, "{shown} is not asked for again");
        if !shown.contains("500") {
            let delete = ["museum", "delete", "demo", "1.0.0", &url, "--context-path", "/ctx"];
            let outcome = test.run(delete).anything().outcome();
            assert_eq!(outcome.code, Some(code), "{shown}: {outcome:?}");
        }
    }
    for answer in [
        File::Bytes(br#"{"saved":true}"#.to_vec()),
        File::Status(201, r#"{"message":"201 Created"}"#),
    ] {
        web.put(path, answer);
        let push = ["cm-push", "made/demo-1.0.0.tgz", &url, "--context-path", "/ctx"];
        test.run(push).any_stdout().succeeds();
    }
}

#[test]
fn flags_may_stand_between_the_chart_and_the_repository() {
    let (test, web) = museum();
    let url = format!("{}/ctx/org", web.url());
    for verb in [&["cm-push"][..], &["museum", "push"]] {
        for flags in [&["--force"][..], &["-f", "-u", "ann", "-p", "s3cret"]] {
            let words = [verb, &["made/demo-1.0.0.tgz"], flags, &[&url]].concat();
            test.run(words).any_stdout().succeeds();
            let sent = web.take().pop().unwrap();
            assert_eq!(sent.target, "/ctx/api/org/charts?force");
            assert_eq!(sent.header("authorization").is_some(), flags.len() > 1);
        }
        let words = [verb, &["made/demo-1.0.0.tgz", "--force"]].concat();
        test.run(words)
            .stderr("error: name the charts, and then the repository that they go to\n")
            .fails(64);
    }
}

#[test]
fn a_provenance_goes_along_in_the_same_request() {
    let (test, web) = museum();
    let url = format!("{}/ctx/org", web.url());
    test.file("made/demo-1.0.0.tgz.prov", "signed");
    test.run(["museum", "push", "made/demo-1.0.0.tgz", &url, "-o", "json"])
        .stdout_has("\"provenance\": true")
        .succeeds();
    let seen = web.take().pop().unwrap();
    let kind = seen.header("content-type").unwrap();
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
    let mut wanted = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"chart\"; filename=\"chart.tgz\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    )
    .into_bytes();
    wanted.extend(test.read("made/demo-1.0.0.tgz"));
    wanted.extend(
        format!(
            "\r\n--{boundary}\r\nContent-Disposition: form-data; name=\"prov\"; filename=\"chart.tgz.prov\"\r\n\
             Content-Type: application/octet-stream\r\n\r\nsigned\r\n--{boundary}--\r\n"
        )
        .into_bytes(),
    );
    assert_eq!(seen.body, wanted);
    test.run(["museum", "push", "made/demo-1.0.0.tgz", &url, "--no-prov"]).any_stdout().succeeds();
    assert_eq!(chart_of(&web.take().pop().unwrap()), test.read("made/demo-1.0.0.tgz"));
}

#[test]
fn folders_are_packaged_with_the_version_that_is_asked_for_and_archives_never() {
    let (test, web) = museum();
    let url = format!("{}/ctx/org", web.url());
    test.run(["museum", "push", "made/demo", &url, "--version", "9.9.9", "--app-version", "3"])
        .stdout_has("Pushed demo-9.9.9.tgz")
        .succeeds();
    let sent = chart_of(&web.take().pop().unwrap());
    test.file("sent.tgz", sent);
    test.run(["show", "chart", "sent.tgz"])
        .stdout("apiVersion: v2\nappVersion: \"3\"\nname: demo\nversion: 9.9.9\n\n")
        .succeeds();
    test.run(["museum", "push", "made/demo-1.0.0.tgz", &url, "--version", "9.9.9"])
        .stderr_has("is an archive, which is sent unchanged")
        .fails(64);
}

#[test]
fn a_folder_with_a_link_out_of_it_is_uploaded_on_request_alone() {
    let (test, web) = museum();
    let url = format!("{}/ctx/org", web.url());
    test.file("deploy/crd.yaml", "kind: CustomResourceDefinition\n");
    std::os::unix::fs::symlink("../../deploy/crd.yaml", test.path("made/demo/crd.yaml")).unwrap();
    let push = ["museum", "push", "made/demo", &url];
    test.run(push).stderr_has("points out of the chart, to `").fails(1);
    assert!(web.take().is_empty());
    test.run([&push[..], &["--allow-outside-links"]].concat())
        .any_stdout()
        .stderr_has("warning: found symbolic link in path `[TMP]/work/made/demo/crd.yaml`")
        .succeeds();
}

#[test]
fn cm_push_takes_the_flags_of_the_plugin() {
    let (test, web) = museum();
    let url = format!("{}/ctx/org", web.url());
    for flags in [
        &["--keyring", "ring"][..],
        &["--keyring="],
        &["-d", "--home", "h", "-t", "300"],
        &["--ca-file", "", "--cert-file", "", "--key-file", ""],
    ] {
        let words = [&["cm-push", "made/demo"], flags, &[&url]].concat();
        test.run(words).stdout_has("Done.").succeeds();
    }
    test.run(["cm-push", "--check-helm-version"]).stdout("3\n").succeeds();
    test.run(["cm-push"]).stderr_has("required arguments were not provided").fails(64);
    web.take();

    test.file("made/demo-1.0.0.tgz.prov", "signed");
    test.run(["cm-push", "made/demo-1.0.0.tgz", &url, "--version", "9.9.9", "--app-version", "3"])
        .stdout_has("Pushing demo-9.9.9.tgz")
        .succeeds();
    test.file("sent.tgz", chart_of(&web.take().pop().unwrap()));
    test.run(["show", "chart", "sent.tgz"])
        .stdout("apiVersion: v2\nappVersion: \"3\"\nname: demo\nversion: 9.9.9\n\n")
        .succeeds();
}

#[test]
fn a_keyring_without_verification_changes_nothing() {
    let (test, web) = super::test_with_repository();
    super::add(&test, &web);
    for words in [
        &["pull", "x/demo"][..],
        &["show", "chart", "x/demo"],
        &["dependency", "update", "made/demo"],
        &["dependency", "build", "made/demo"],
        &["package", "made/demo"],
        &["package", "made/demo", "--key", "me", "--passphrase-file", "p"],
    ] {
        test.run([words, &["--keyring", "ring"]].concat()).anything().succeeds();
    }
    test.run(["pull", "x/demo", "--verify", "--keyring", "ring"]).anything().fails(64);
    test.run(["package", "made/demo", "--sign"]).anything().fails(64);
}

#[test]
fn refusals_say_what_to_do_and_the_others_go_on() {
    let (test, web) = museum();
    let url = format!("{}/ctx/org", web.url());
    let push = |status: u16, body: &'static str| {
        web.put("/ctx/api/org/charts", File::Status(status, body));
        test.run(["museum", "push", "made/demo-1.0.0.tgz", &url])
    };
    push(409, r#"{"error":"file already exists"}"#).stderr_has("`--force` replaces it").fails(4);
    let digest = chartferry::digest::Digest::sha256(&test.read("made/demo-1.0.0.tgz"));
    let held = |hex: &str| format!(r#"{{"version":"1.0.0","digest":"{hex}"}}"#);
    web.file("/ctx/api/org/charts/demo/1.0.0", held("00"));
    push(409, "").stderr_has("demo-1.0.0.tgz exists already, with other bytes").fails(4);
    web.file("/ctx/api/org/charts/demo/1.0.0", held(digest.hex()));
    push(409, "")
        .stdout_has("Pushed demo-1.0.0.tgz")
        .stderr("http://[WEB]/ctx/org has this demo-1.0.0.tgz already\n")
        .succeeds();
    web.file("/ctx/api/org/charts/demo/1.0.0", held("00"));
    test.run(["museum", "push", "made/demo-1.0.0.tgz", &url, "--force"])
        .stderr_has("hint: the server lets nobody replace a version")
        .fails(4);
    push(401, r#"{"error":"unauthorized"}"#).stderr_has("--access-token").fails(6);
    push(507, r#"{"error":"full"}"#).stderr_has("the server's storage limit is reached").fails(1);
    push(404, r#"{"error":"not found"}"#).stderr_has("check the repository's URL").fails(5);
    push(413, r#"{"error":"request too large"}"#).stderr_has("--max-upload-size").fails(1);
    for (args, part) in [
        (
            &["made/demo-1.0.0.tgz", "oci://h/x"][..],
            "chartferry push made/demo-1.0.0.tgz oci://h/x",
        ),
        (&["made/demo-1.0.0.tgz", &url, "--version", "2.0.0"], "name the chart's folder"),
    ] {
        test.run(["museum", "push"].iter().chain(args).copied()).stderr_has(part).fails(64);
    }
    let nowhere = format!("{}/nowhere", web.url());
    test.run(["museum", "push", "made/demo-1.0.0.tgz", &nowhere])
        .stderr_has("no ChartMuseum answers there: check the repository's URL")
        .fails(5);
    push(400, r#"{"error":"gzip: invalid header"}"#).stderr_has("gzip: invalid header").fails(1);
    web.put("/ctx/api/org/charts", File::Status(201, ""));
    test.file("bad.tgz", "nonsense");
    test.run(["museum", "push", "made/demo-1.0.0.tgz", "bad.tgz", &url])
        .stdout_has("Pushed demo-1.0.0.tgz")
        .stderr_has("`bad.tgz` was not pushed")
        .fails(3);
}

#[test]
fn a_version_is_deleted_by_the_repositorys_name() {
    let (test, web) = museum();
    let url = format!("{}/ctx/org", web.url());
    test.run(["repo", "add", "cm", &url]).any_stdout().succeeds();
    web.put("/ctx/api/org/charts/demo/1.0.0+a", File::Status(200, r#"{"deleted":true}"#));
    test.run(["museum", "delete", "demo", "1.0.0+a", "cm"])
        .stdout("Deleted demo-1.0.0+a from cm\n")
        .succeeds();
    assert_eq!(web.take().pop().unwrap().method, "DELETE");
    web.put(
        "/ctx/api/org/charts/demo/2.0.0",
        File::Status(404, r#"{"error":"remove: no such file"}"#),
    );
    test.run(["museum", "delete", "demo", "2.0.0", "cm"])
        .stderr_has("has no chart demo 2.0.0")
        .fails(5);
    test.run(["museum", "delete", "demo", "3.0.0", "nobody"])
        .stderr_has("repo nobody not found")
        .fails(5);
}

#[test]
fn codefreshs_token_goes_to_chartmuseums_by_their_own_scheme_alone() {
    let (test, web) = museum();
    let at = |scheme: &str| format!("{scheme}://{}/ctx/org", web.address());
    let context =
        "contexts:\n  default:\n    name: default\n    token: cf\ncurrent-context: default\n";
    test.file("cf", context);
    std::fs::write(test.home(".cfconfig"), context.replace("cf", "home")).unwrap();
    let sent = |url: &str, file: Option<&str>, flags: &[&str]| {
        let args = [&["museum", "push", "made/demo-1.0.0.tgz", url][..], flags].concat();
        let run = test.run(args).env("HELM_REPO_USE_HTTP", "1").any_stdout();
        let run = file.into_iter().fold(run, |run, file| run.env("CFCONFIG", file));
        run.succeeds();
        web.take().pop().unwrap().header("authorization").map(str::to_owned)
    };
    assert_eq!(sent(&at("cm"), Some("cf"), &[]).as_deref(), Some("Bearer cf"));
    assert_eq!(sent(&at("cm"), None, &[]).as_deref(), Some("Bearer home"));
    assert_eq!(sent(&at("cm"), Some("cf"), &["--access-token", "t"]).as_deref(), Some("Bearer t"));
    assert_eq!(sent(&at("cm"), Some("cf"), &["-u", "u", "-p", "p"]).as_deref(), Some("Basic dTpw"));
    assert_eq!(sent(&at("http"), Some("cf"), &[]), None);
}
