//! Attacks on what proves who we are: tokens and passwords that hosts of a stranger's choice would
//! collect.

use crate::{
    classic::{archive, entry},
    support::{
        Test,
        web::{File, Web},
    },
};

/// A registry that wants Basic credentials, and gets none.
fn greedy() -> Web {
    let web = Web::start();
    let challenge = vec![("www-authenticate", "Basic realm=\"x\"".to_owned())];
    let no = File::Answer(401, challenge, b"{}".to_vec());
    for path in ["/v2/", "/v2/x/demo/manifests/1.0.0", "/v2/x/demo/tags/list"] {
        web.put(path, no.clone());
    }
    web
}

/// The credentials that a server was sent.
fn sent(web: &Web) -> Vec<String> {
    let seen = web.take();
    assert!(!seen.is_empty(), "it was never asked");
    seen.iter().filter_map(|seen| seen.header("authorization").map(str::to_owned)).collect()
}

/// Finding 3: `HELM_REPO_ACCESS_TOKEN` and Codefresh's token went to every host that a stranger's
/// Chart.yaml names.
#[test]
fn tokens_of_chartmuseum_go_to_no_other_repository() {
    let (test, web) = (Test::new(), Web::start());
    let bytes = archive(&test, "demo", "1.0.0");
    let index = entry("demo", "1.0.0", "\"\"", "demo-1.0.0.tgz");
    web.file("/evil/index.yaml", format!("apiVersion: v1\nentries:\n  demo:\n{index}"));
    web.file("/evil/demo-1.0.0.tgz", bytes);
    let codefresh = "contexts: {a: {name: a, token: CODEFRESH}}\ncurrent-context: a\n";
    std::fs::write(test.home(".cfconfig"), codefresh).unwrap();
    let http = format!("{}/evil", web.url());
    let museum = http.replace("http://", "cm://");
    for (number, url) in [http.as_str(), &museum].into_iter().enumerate() {
        test.file(
            "evil/Chart.yaml",
            format!(
                "apiVersion: v2\nname: evil\nversion: 1.0.0\ndependencies:\n- {{name: demo, version: \"*\", repository: \"{url}\"}}\n"
            ),
        );
        let name = format!("r{number}");
        let (out, pulled) = (format!("out{number}"), format!("pulled{number}"));
        let source = if number == 0 { url } else { &name };
        for args in [
            vec!["dependency", "update", "evil"],
            vec!["package", "-u", "evil", "-d", &out],
            vec!["repo", "add", &name, url],
            vec!["repo", "update", &name],
            vec!["pull", "demo", "--repo", url, "-d", &pulled],
            vec!["show", "chart", "demo", "--repo", url],
            vec!["mirror", source, &out, "--ignore-state"],
        ] {
            let run = test.run(args.clone()).env("HELM_REPO_USE_HTTP", "1");
            run.env("HELM_REPO_ACCESS_TOKEN", "SECRET").anything().outcome();
            assert_eq!(sent(&web), [""; 0], "{args:?}");
        }
    }
    // The getter is for ChartMuseums, and still sends it.
    test.run(["getter", "", "", "", &format!("{museum}/index.yaml")])
        .env("HELM_REPO_USE_HTTP", "1")
        .env("HELM_REPO_ACCESS_TOKEN", "SECRET")
        .anything()
        .succeeds();
    assert_eq!(sent(&web), ["Bearer SECRET"]);
}

/// Finding 5: the password for a repository went to a registry that its index names.
#[test]
fn a_repositorys_password_does_not_go_to_a_registry_of_its_index() {
    let (test, web, registry) = (Test::new(), Web::start(), greedy());
    let place = format!("oci://{}/x/demo:1.0.0", registry.address());
    let index = entry("demo", "1.0.0", "\"\"", &place);
    web.file("/charts/index.yaml", format!("apiVersion: v1\nentries:\n  demo:\n{index}"));
    let url = format!("{}/charts", web.url());
    let flags = ["--repo", &url, "--username", "ann", "--password", "PASSWORD"];
    for verb in [&["pull", "demo"][..], &["show", "chart", "demo"], &["export", "demo"]] {
        let args = [verb, &flags].concat();
        test.run(args.clone()).anything().fails(6);
        assert_eq!(sent(&registry), [""; 0], "{verb:?}");
        assert_eq!(sent(&web), ["Basic YW5uOlBBU1NXT1JE"]);
    }
    // Only who asks for it sends it there.
    let args = [&["pull", "demo", "--pass-credentials"][..], &flags].concat();
    test.run(args).anything().fails(6);
    assert_eq!(sent(&registry), ["Basic YW5uOlBBU1NXT1JE"]);
}

/// Finding 5: `dependency update --username` sent the password to every registry of a stranger's
/// Chart.yaml.
#[test]
fn one_dependency_of_several_does_not_get_the_password_of_another() {
    let (test, good, evil) = (Test::new(), greedy(), greedy());
    let chart = |hosts: &[&Web]| {
        let line = |(name, web): (&str, &&Web)| {
            let place = format!("oci://{}/x", web.address());
            format!("- {{name: {name}, version: \"1.0.0\", repository: \"{place}\"}}\n")
        };
        let lines: String = ["demo", "other"].into_iter().zip(hosts).map(line).collect();
        let head = "apiVersion: v2\nname: c\nversion: 1.0.0\ndependencies:\n";
        test.file("c/Chart.yaml", format!("{head}{lines}"));
    };
    let args = ["dependency", "update", "c", "--username", "ann", "--password", "PASSWORD"];
    chart(&[&good, &evil]);
    test.run(args)
        .stderr_has("`--username` is for one registry")
        .stderr_has("chartferry login")
        .fails(64);
    assert!(good.take().is_empty() && evil.take().is_empty());
    chart(&[&good]);
    test.run(args).anything().fails(6);
    assert_eq!(sent(&good), ["Basic YW5uOlBBU1NXT1JE"]);
}

/// Finding 13: a token service repeated the password, in the body of its redirect, to another
/// origin.
#[test]
fn a_token_service_does_not_pass_the_password_on() {
    let (test, registry, other) = (Test::new(), Web::start(), Web::start());
    for status in [302, 307, 308] {
        let realm = format!("Bearer realm=\"{}/token\",service=\"r\"", registry.url());
        registry.put("/v2/", File::Answer(401, vec![("www-authenticate", realm)], b"{}".to_vec()));
        let place = vec![("location", format!("{}/collect", other.url()))];
        registry.put("/token", File::Answer(status, place, Vec::new()));
        other.file("/collect", r#"{"token":"t"}"#);
        test.run(["login", &registry.address(), "-u", "ann", "--password-stdin"])
            .stdin("PASSWORD")
            .env("CHARTFERRY_PLAIN_HTTP", "127.0.0.1")
            .stderr_has("redirects to another origin")
            .fails(1);
        assert!(other.take().is_empty(), "{status}");
    }
}

/// Finding 13: a redirect of the token service within its own origin is followed as ever.
#[test]
fn a_token_service_may_move_within_its_origin() {
    let (test, registry) = (Test::new(), Web::start());
    let realm = format!("Bearer realm=\"{}/token\",service=\"r\"", registry.url());
    registry.put("/v2/", File::Answer(401, vec![("www-authenticate", realm)], b"{}".to_vec()));
    registry.put("/token", File::Answer(307, vec![("location", "/new".to_owned())], Vec::new()));
    registry.file("/new", r#"{"token":"t"}"#);
    let run = test.run(["login", &registry.address(), "-u", "ann", "--password-stdin"]);
    run.stdin("PASSWORD").env("CHARTFERRY_PLAIN_HTTP", "127.0.0.1").anything().fails(6);
    let asked = registry.asked();
    assert_eq!(asked[..3], ["GET /v2/", "POST /token", "POST /new"], "{asked:?}");
}

/// By reading: a host of mirror.yaml without a port got its password at every port, where another
/// service may listen.
#[test]
fn the_password_of_a_host_goes_to_its_usual_port_alone() {
    let (test, web) = (Test::new(), Web::start());
    let index = entry("demo", "1.0.0", "\"\"", "demo-1.0.0.tgz");
    web.file("/index.yaml", format!("apiVersion: v1\nentries:\n  demo:\n{index}"));
    web.file("/demo-1.0.0.tgz", archive(&test, "demo", "1.0.0"));
    test.file("secret", "PASSWORD");
    let document = |host: &str| {
        let url = web.url();
        test.file(
            "mirror.yaml",
            format!(
                "sources: [{{url: \"{url}\"}}]\ndestination: {{url: out}}\nhosts:\n\
                 - {{host: \"{host}\", username: ann, passwordFile: secret}}\n"
            ),
        );
    };
    document("127.0.0.1");
    let warning = format!("is not sent to `{}`; write the port in `hosts`", web.address());
    test.run(["mirror", "-f", "mirror.yaml"])
        .stderr_has(&warning)
        .any_stdout()
        .any_files()
        .succeeds();
    assert_eq!(sent(&web), [""; 0]);
    document(&web.address());
    test.run(["mirror", "-f", "mirror.yaml", "--ignore-state"]).anything().succeeds();
    assert!(sent(&web).iter().all(|header| header == "Basic YW5uOlBBU1NXT1JE"));
}

/// The credentials of the flags went to the registry of every reference.
#[test]
fn given_credentials_go_to_one_registry() {
    let test = Test::new();
    let (one, two) = (Web::start(), Web::start());
    let (a, b) =
        (format!("oci://{}/a:1.0.0", one.address()), format!("oci://{}/b:1.0.0", two.address()));
    let flags = ["--username", "u", "--password", "secret"];
    for command in [&["pull", &a, &b][..], &["bundle", "save", "x.tar", &a, "--all", &b]] {
        test.run(command.iter().copied().chain(flags))
            .stderr_has("are for one registry, not for")
            .stderr_has("hint: run the command once for each registry")
            .fails(64);
    }
    assert!(one.take().is_empty() && two.take().is_empty());
}
