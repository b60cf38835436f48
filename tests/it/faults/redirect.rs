//! Redirects from https to plain http: which are followed, when the user allows it, and what goes
//! along.

use crate::{
    faults::named::assert_says,
    faults::tls::Issuer,
    faults::{Bench, noise, run, tag, user},
    support::{
        Test,
        fault::{Act, Fault, FaultRegistry},
        fault_registry::{Answer, Auth, Setup},
        web::Web,
    },
};
use bytes::Bytes;
use chartferry::{
    Advice, ErrorKind,
    client::{Given, HttpRedirects, Scheme},
    oci::{Descriptor, media},
    store::{Fetch, Opened, StreamBlob},
};
use futures_util::TryStreamExt;

/// Sends every request of a kind to the same file of a server without TLS.
fn away(web: &Web) -> Act {
    Act::Instead(Answer::new(307, "").with("location", &format!("{}/storage?sig=s", web.url())))
}

fn bench(issuer: &Issuer, http_redirects: HttpRedirects) -> Bench {
    Bench::with(|options| {
        options.scheme = Scheme::Auto;
        options.trust.ca_file = Some(issuer.ca());
        options.keyring.given = Some(Given { credential: user(), registry: None });
        options.http_redirects = http_redirects;
    })
}

async fn stream(
    bench: &Bench,
    registry: &FaultRegistry,
    blob: &Descriptor,
    part: Option<std::ops::RangeInclusive<u64>>,
) -> chartferry::Result<Vec<u8>> {
    match bench.repository(registry).open_blob(blob, part).await? {
        Opened::Stream(stream) => Ok(stream.try_collect::<Vec<Bytes>>().await?.concat()),
        opened => panic!("{opened:?}"),
    }
}

#[test]
fn a_whole_blob_may_follow_a_redirect_to_plain_http_without_credentials() {
    run(async {
        let issuer = Issuer::new();
        let web = Web::start();
        let setup = Setup { auth: Auth::Basic, ..Setup::default() };
        let registry = FaultRegistry::start_tls(setup, issuer.acceptor(false)).await;
        let bytes = noise(1000);
        let blob = registry.with(|registry| registry.hold("t", bytes.clone()));
        web.file("/storage", bytes.clone());
        registry.fail(Fault::new("GET /blobs/", away(&web)).always());

        let refusing = bench(&issuer, HttpRedirects::Refuse);
        let error =
            refusing.repository(&registry).fetch_blob(&blob, 1000).await.expect_err("refused");
        let words = ["from https to plain http", "followed without credentials"];
        assert_says(&error, ErrorKind::Protocol, &words);
        assert_eq!(error.advice(), Some(&Advice::AllowHttpRedirects));
        stream(&refusing, &registry, &blob, None).await.expect_err("refused");
        assert!(web.take().is_empty());

        let allowing = bench(&issuer, HttpRedirects::Blobs);
        let fetched = allowing.repository(&registry).fetch_blob(&blob, 1000).await.expect("blob");
        assert_eq!(fetched, bytes);
        assert_eq!(stream(&allowing, &registry, &blob, None).await.expect("stream"), bytes);
        let seen = web.take();
        assert_eq!(seen.len(), 2);
        assert!(seen.iter().all(|seen| seen.header("authorization").is_none()), "{seen:?}");

        // A part of it has no digest.
        stream(&allowing, &registry, &blob, Some(5..=9)).await.expect_err("a part");
        assert!(web.take().is_empty());
        // What others put in its place is found out.
        web.file("/storage", noise(999).into_iter().chain([0]).collect::<Vec<u8>>());
        let error =
            allowing.repository(&registry).fetch_blob(&blob, 1000).await.expect_err("other");
        assert_eq!(error.kind(), ErrorKind::Integrity);
    });
}

#[test]
fn manifests_and_lists_follow_no_redirect_to_plain_http() {
    run(async {
        let issuer = Issuer::new();
        let web = Web::start();
        let registry = FaultRegistry::start_tls(Setup::default(), issuer.acceptor(false)).await;
        registry.fail(Fault::new("GET /manifests/", away(&web)).always());
        let allowing = bench(&issuer, HttpRedirects::Blobs);
        let error =
            allowing.repository(&registry).fetch_manifest(&tag("1")).await.expect_err("downgrade");
        assert_says(&error, ErrorKind::Protocol, &["from https to plain http"]);
        assert!(web.take().is_empty());
    });
}

#[test]
fn pull_and_mirror_have_the_flag() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let issuer = Issuer::new();
    let (test, web) = (Test::new(), Web::start());
    test.file("demo/Chart.yaml", "apiVersion: v2\nname: demo\nversion: 1.0.0\n");
    test.run(["package", "demo"]).anything().succeeds();
    let archive = test.read("demo-1.0.0.tgz");
    let registry =
        runtime.block_on(FaultRegistry::start_tls(Setup::default(), issuer.acceptor(false)));
    let layer = registry.with(|registry| {
        let config = r#"{"apiVersion":"v2","name":"demo","version":"1.0.0"}"#;
        let config = registry.hold(media::CHART_CONFIG, config);
        let layer = registry.hold(media::CHART_CONTENT, archive.clone());
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": media::MANIFEST, "config": config, "layers": [layer],
        });
        registry.hold_manifest("1.0.0", media::MANIFEST, manifest.to_string());
        layer.digest
    });
    web.file("/storage", archive.clone());
    let of_layer = format!("GET /blobs/{layer}").leak();
    registry.fail(Fault::new(of_layer, away(&web)).always());
    let ca = issuer.ca().display().to_string();
    let reference = format!("oci://{}/team/demo:1.0.0", registry.address());
    let pull = ["pull", &reference, "--ca-file", &ca, "-d", "out"];
    test.run(pull).stderr_has("hint: with `--allow-http-redirects`").any_files().fails(1);
    test.run([&pull[..], &["--allow-http-redirects"]].concat()).anything().succeeds();
    assert_eq!(test.read("out/demo-1.0.0.tgz"), archive);
    let namespace = format!("oci://{}/team", registry.address());
    let mirror = ["mirror", &namespace, "mirrored", "--charts", "demo", "--from-ca-file", &ca];
    test.run(mirror).anything().fails(1);
    test.run([&mirror[..], &["--allow-http-redirects"]].concat()).anything().succeeds();
    assert_eq!(test.read("mirrored/demo-1.0.0.tgz"), archive);
}
