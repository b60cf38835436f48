//! Files from the web, and proxies on the way to anything.

use crate::{
    faults::named::assert_says,
    faults::tls::Issuer,
    faults::{Bench, noise, run, tag},
    support::{
        fault::{Act, Fault, FaultRegistry},
        fault_registry::{Answer, Setup},
    },
};
use chartferry::{
    ErrorKind, Result,
    client::{
        Scheme,
        repository::index::{Archive, Options},
    },
    oci::media,
    store::Fetch,
};

async fn server() -> FaultRegistry {
    let server = FaultRegistry::start(Setup::default()).await;
    server.with(|files| files.hold_file("demo-1.0.0.tgz", noise(100_000)));
    server
}

/// Fetches an archive by its URL alone.
async fn fetch(bench: &Bench, url: &str, cap: u64) -> Result<Archive> {
    bench.client.chart_repository(Options::new(url))?.archive(url, cap).await
}

#[test]
fn what_is_no_file_is_named_in_helms_words() {
    run(async {
        let server = server().await;
        let page = Answer::new(200, "<html>").with("content-type", "text/html");
        server.fail(Fault::new("GET /files/page", Act::Instead(page)).always());
        server.fail(Fault::new("GET /files/secret", Act::Instead(Answer::new(403, ""))).always());
        let at = |name: &str| format!("http://{}/files/{name}", server.address());
        for (url, cap, kind, words) in [
            (
                at("nope"),
                10,
                ErrorKind::NotFound,
                format!("failed to fetch {} : 404 Not Found", at("nope")),
            ),
            (at("secret"), 10, ErrorKind::Denied, "403 Forbidden".to_owned()),
            (at("page"), 10, ErrorKind::Protocol, "web page, not a chart".to_owned()),
            (at("demo-1.0.0.tgz"), 10, ErrorKind::Limit, "more than the 10 bytes".to_owned()),
            (
                "ftp://x/y".to_owned(),
                10,
                ErrorKind::Usage,
                "could not find protocol handler for: ftp".to_owned(),
            ),
            ("https://u:secret@[/".to_owned(), 10, ErrorKind::Usage, "is not a URL".to_owned()),
        ] {
            let error = fetch(&Bench::new(), &url, cap).await.expect_err(&url);
            assert_says(&error, kind, &[&words]);
            assert!(!error.chain().contains("u:secret"), "{error:?}");
        }
    });
}

#[test]
fn a_name_and_password_go_to_their_host_and_no_further() {
    run(async {
        let (server, other) = (server().await, server().await);
        let away = format!("http://{}/files/demo-1.0.0.tgz", other.address());
        server.fail(Fault::new(
            "GET /files/",
            Act::Instead(Answer::new(302, "").with("location", &away)),
        ));
        let url = format!("http://us%40er:p%3Aw@{}/files/x", server.address());
        fetch(&Bench::new(), &url, 1 << 20).await.expect("file");
        // us@er:p:w
        assert_eq!(server.take()[0].0.header("authorization"), Some("Basic dXNAZXI6cDp3"));
        assert_eq!(other.take()[0].0.header("authorization"), None);
    });
}

const MANIFEST: &str = r#"{"schemaVersion":2,"layers":[]}"#;

/// A proxy with the registry `registry.example` behind it, which only the proxy can find.
async fn proxy(issuer: &Issuer) -> FaultRegistry {
    let proxy = FaultRegistry::start_proxy(Setup::default(), issuer.acceptor(false)).await;
    proxy.with(|registry| registry.hold_manifest("1", media::MANIFEST, MANIFEST));
    proxy
}

#[test]
fn a_registry_is_reached_through_its_proxy() {
    run(async {
        let issuer = Issuer::new();
        for scheme in [Scheme::Plain, Scheme::Auto] {
            let proxy = proxy(&issuer).await;
            let bench = Bench::with(|options| {
                let address = format!("http://u:p@{}", proxy.address());
                options.scheme = scheme;
                options.trust.ca_file = Some(issuer.ca());
                options.proxies.http = Some(address.clone());
                options.proxies.https = Some(address);
            });
            let repository = bench
                .client
                .repository(&"registry.example".parse().unwrap(), &"a".parse().unwrap());
            repository.fetch_manifest(&tag("1")).await.expect("through the proxy");
            let seen = proxy.take();
            assert_eq!(seen[0].0.header("proxy-authorization"), Some("Basic dTpw"));
            let lines: Vec<_> =
                seen.iter().map(|(r, _)| format!("{} {}", r.method, r.target)).collect();
            let expected = match scheme {
                Scheme::Plain => vec!["GET http://registry.example/v2/a/manifests/1"],
                _ => vec!["CONNECT registry.example:443", "GET /v2/a/manifests/1"],
            };
            assert_eq!(lines, expected);
        }
    });
}

#[test]
fn a_proxy_that_wants_a_password_is_named() {
    run(async {
        let issuer = Issuer::new();
        let proxy = proxy(&issuer).await;
        proxy.fail(Fault::new("CONNECT ", Act::Instead(Answer::new(407, ""))).always());
        let bench = Bench::with(|options| {
            options.scheme = Scheme::Auto;
            options.proxies.https = Some(proxy.address());
        });
        let repository =
            bench.client.repository(&"registry.example".parse().unwrap(), &"a".parse().unwrap());
        let error = repository.fetch_manifest(&tag("1")).await.expect_err("who are you");
        assert_says(
            &error,
            ErrorKind::Network,
            &["the proxy requires a name and password", "HTTPS_PROXY"],
        );
        assert_eq!(proxy.seen().len(), 1);
    });
}

#[test]
fn this_machine_is_reached_without_a_proxy() {
    run(async {
        let issuer = Issuer::new();
        let (server, proxy) = (server().await, proxy(&issuer).await);
        let bench = Bench::with(|options| options.proxies.http = Some(proxy.address()));
        let url = format!("http://{}/files/demo-1.0.0.tgz", server.address());
        fetch(&bench, &url, 1 << 20).await.expect("directly");
        assert!(proxy.seen().is_empty());
    });
}
