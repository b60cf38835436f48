//! `login` and `logout` as a user meets them: pages before registries, tokens without names,
//! namespaces, helpers that fail, and files that are not there.

use crate::{
    classic::archive,
    support::{
        Test,
        daemon::{Daemon, htpasswd},
        proxy::Proxy,
        web::{File, Web},
    },
};

const HTML: &str = "text/html; charset=utf-8";

fn html(status: u16, challenge: Option<&str>, body: &str) -> File {
    let mut headers = vec![("content-type", HTML.to_owned())];
    headers.extend(challenge.map(|challenge| ("www-authenticate", challenge.to_owned())));
    File::Answer(status, headers, body.as_bytes().to_vec())
}

#[test]
fn a_challenge_makes_a_registry_whatever_its_body_is() {
    let (test, web) = (Test::new(), Web::start());
    let page = "<html><center>401</center></html>";
    let address = web.address();
    let no = html(401, Some("Basic realm=\"Restricted\""), page);
    web.put("/v2/", no.clone()).put("/v2/x/demo/manifests/1.0.0", no);
    let login = || test.run(["login", &address, "-u", "ann", "--password-stdin"]).stdin("pw");
    login().stderr_has("answers 401").fails(6);
    assert!(web.take().iter().any(|seen| seen.header("authorization").is_some()));
    let url = format!("oci://{address}/x/demo:1.0.0");
    test.run(["pull", &url]).stderr_has("credentials are needed: log in with").fails(6);
    // Quay says `true`, as a page.
    web.put("/v2/", html(200, None, "true"));
    login().stdout("Login Succeeded\n").any_stderr().any_files().succeeds();
    web.put("/v2/", html(200, None, "<!doctype html><title>Sign in</title>"));
    login().stderr_has("web page").any_files().fails(1);
}

#[test]
fn a_password_without_a_name_is_an_identity_token() {
    let (test, web) = (Test::new(), Web::start());
    let realm = format!("Bearer realm=\"{}/token\",service=\"r\"", web.url());
    let no = html(401, Some(&realm), "{}");
    web.put("/v2/", no.clone()).put("/v2/x/demo/manifests/1.0.0", no);
    web.put("/token", html(200, None, r#"{"token":"old","expires_in":"300","token":"t"}"#));
    let (address, chart) = (web.address(), format!("oci://{}/x/demo:1.0.0", web.address()));
    for args in [
        vec!["login", &address, "--password-stdin"],
        vec!["login", &address, "-u", "", "--password-stdin"],
        vec!["pull", &chart, "--password-stdin"],
    ] {
        // The registry takes no token at all, so all of them fail.
        test.run(args.clone()).stdin("refresh\n").any_stderr().fails(6);
        let seen = web.take();
        let asked = seen.iter().find(|seen| seen.method == "POST").expect("a request for a token");
        let form = String::from_utf8_lossy(&asked.body);
        assert!(form.starts_with("grant_type=refresh_token&refresh_token=refresh&"), "{form}");
        assert_eq!(seen.last().unwrap().header("authorization"), Some("Bearer t"), "{args:?}");
    }
}

#[test]
fn a_login_may_be_for_one_namespace() {
    let test = Test::new();
    let users = htpasswd(test.root(), "ann", "secret");
    let locked = Daemon::chartferry(["--htpasswd", users.to_str().unwrap()]);
    let host = locked.address();
    let team = format!("{host}/team/a");
    let login = |place: &str| {
        let run = test.run(["login", place, "-u", "ann", "--password-stdin"]).stdin("secret");
        run.stdout("Login Succeeded\n").any_files().succeeds();
    };
    login(&team);
    archive(&test, "demo", "1.0.0");
    let push =
        |space: &str| test.run(["push", "made/demo-1.0.0.tgz", &format!("oci://{host}/{space}")]);
    push("team/a").anything().succeeds();
    push("team/a/b").anything().succeeds();
    push("team/ab").anything().fails(6);
    push("other").anything().fails(6);
    login(&format!("https://{host}/v2/"));
    push("other").anything().succeeds();
    // Each is taken away alone.
    let logout = |place: &str| test.run(["logout", place]).any_files();
    logout(&team).stdout(format!("Removing login credentials for {team}\n")).succeeds();
    push("other").anything().succeeds();
    logout(&host).stdout(format!("Removing login credentials for {host}\n")).succeeds();
    push("other").anything().fails(6);
    // As with Helm nothing to remove is no failure.
    logout(&host).stderr(format!("no credentials are stored for {host}\n")).succeeds();
}

#[cfg(target_os = "linux")]
#[test]
fn a_helper_that_nobody_configured_and_that_fails_is_no_dead_end() {
    let test = Test::new();
    let users = htpasswd(test.root(), "ann", "secret");
    let locked = Daemon::chartferry(["--htpasswd", users.to_str().unwrap()]);
    test.program(
        "docker-credential-secretservice",
        "#!/bin/sh\necho 'no such interface'\nexit 1\n",
    );
    let host = locked.address();
    let login = || test.run(["login", &host, "-u", "ann", "--password-stdin"]).stdin("secret");
    login()
        .stdout("Login Succeeded\n")
        .stderr_has("docker-credential-secretservice")
        .any_files()
        .succeeds();
    archive(&test, "demo", "1.0.0");
    let to = format!("oci://{host}/ns");
    test.run(["push", "made/demo-1.0.0.tgz", &to]).any_stdout().any_stderr().succeeds();
    // One that a file names is meant.
    test.file("named.json", r#"{"credsStore":"secretservice"}"#);
    let args = ["login", &host, "-u", "ann", "--password-stdin", "--registry-config", "named.json"];
    test.run(args).stdin("secret").stderr_has("remove its name from `named.json`").fails(6);
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let test = Test::new();
    let pull = ["pull", "oci://localhost:1/x:1.0.0"];
    test.run([&pull[..], &["--registry-config", "gone.json"]].concat())
        .stderr_has("there is no file of credentials `gone.json`")
        .stderr_has("chartferry login HOST --registry-config gone.json")
        .fails(6);
    test.run([&pull[..], &["--ca-file", "gone.pem"]].concat())
        .stderr_has("cannot read certificates `gone.pem`")
        .fails(5);
}

#[test]
fn proxies_are_read_as_go_reads_them() {
    let (test, web) = (Test::new(), Web::start());
    web.file("/index.yaml", "apiVersion: v1\nentries: {}\n");
    let proxy = Proxy::to(&web.address());
    let via = format!("http://{}", proxy.address());
    // No name of this machine, and yet it leads here.
    let url = web.url().replace("127.0.0.1", "0.0.0.0");
    for (variables, used) in [
        (&[("HTTP_PROXY", via.as_str())][..], true),
        (&[("http_proxy", &via)], true),
        (&[("ALL_PROXY", &via)], true),
        (&[("HTTP_PROXY", &via), ("NO_PROXY", "0.0.0.0")], false),
        (&[("HTTP_PROXY", &via), ("REQUEST_METHOD", "GET")], false),
        (&[("http_proxy", &via), ("REQUEST_METHOD", "GET")], true),
        (&[("HTTPS_PROXY", &via)], false),
    ] {
        let run = test.run(["pull", "demo", "--repo", &url]);
        variables.iter().fold(run, |run, (name, value)| run.env(name, *value)).anything().outcome();
        assert_eq!(!proxy.take().is_empty(), used, "{variables:?}");
    }
    // One that cannot be used matters only where it is needed, and then it is named without its
    // password.
    let bad = "socks://u:s3cret@localhost:1";
    let pull = |url: &str| test.run(["pull", "demo", "--repo", url]);
    pull(&web.url()).env("HTTP_PROXY", bad).stderr_has("not found").fails(5);
    let refused = pull(&url).env("HTTP_PROXY", bad).stderr_has("check HTTP_PROXY").fails(64);
    assert!(!refused.stderr.contains("s3cret"));
    let skipped = pull(&url).env("ALL_PROXY", bad).stderr_has("ALL_PROXY is skipped").fails(5);
    assert_eq!(skipped.stderr.matches("ALL_PROXY").count(), 1, "{}", skipped.stderr);
}

#[test]
fn wrong_credentials_are_named_by_the_chart_and_by_the_exit_code() {
    let (test, web) = (Test::new(), Web::start());
    let users = htpasswd(test.root(), "ann", "secret");
    let locked = Daemon::chartferry(["--htpasswd", users.to_str().unwrap()]);
    archive(&test, "demo", "1.0.0");
    let to = format!("oci://{}/ns", locked.address());
    let refused = test.run(["push", "made/demo-1.0.0.tgz", &to]).any_stderr().fails(6);
    let first = format!("error: cannot push `{}/ns/demo:1.0.0`", locked.address());
    assert!(refused.stderr.contains(&first), "{}", refused.stderr);
    // Several sources say the same as one.
    web.want("Basic YW5uOnNlY3JldA==");
    let url = web.url();
    let sources = format!("sources: [{{url: \"{url}/a\"}}, {{url: \"{url}/b\"}}]");
    test.file("mirror.yaml", format!("{sources}\ndestination: {{url: out}}\n"));
    test.run(["mirror", "-f", "mirror.yaml"]).anything().fails(6);
}
