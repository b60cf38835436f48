//! The client of classic repositories and museums where the connection fails: what is asked again,
//! and when.

use crate::{
    faults::tls::Issuer,
    faults::{Bench, noise, run},
    support::{
        fault::{Act, Fault, FaultRegistry},
        fault_registry::{Answer, Setup},
    },
};
use bytes::Bytes;
use chartferry::{
    Advice, ErrorKind,
    advice::Untrusted,
    client::{
        Trust, Verification,
        chartmuseum::{Force, Uploaded},
        repository::index::Options,
    },
    digest::Digest,
    store::BlobBytes,
};
use futures_util::future::join_all;
use std::time::Duration;

const SIZE: usize = 5 << 20;

async fn server() -> FaultRegistry {
    let server = FaultRegistry::start(Setup::default()).await;
    server.with(|files| {
        files.hold_file("demo-1.0.0.tgz", noise(100_000));
        files.hold_file("large.tgz", noise(SIZE));
    });
    server
}

#[test]
fn an_archive_comes_whole_in_memory_or_in_a_file() {
    run(async {
        let (server, bench) = (server().await, Bench::new());
        let base = format!("http://{}/files", server.address());
        let repository = bench.client.chart_repository(Options::new(&*base)).unwrap();
        let small = repository.archive(&format!("{base}/demo-1.0.0.tgz"), 1 << 20).await.unwrap();
        assert!(matches!(&small.bytes, BlobBytes::Memory(bytes) if *bytes == noise(100_000)));
        assert_eq!(small.digest, Digest::sha256(&noise(100_000)));
        let large = repository.archive(&format!("{base}/large.tgz"), 1 << 24).await.unwrap();
        assert_eq!((large.size, large.digest), (SIZE as u64, Digest::sha256(&noise(SIZE))));
        let BlobBytes::File(file) = large.bytes else { panic!("5 MiB in memory") };
        assert!(std::fs::read(file.path()).unwrap() == noise(SIZE));
        drop(file);
        assert_eq!(std::fs::read_dir(bench.cache.path()).unwrap().count(), 0);
        let (request, _) = server.take().remove(0);
        assert_eq!(request.header("accept-encoding"), Some("identity"));
        let error = repository.archive(&format!("{base}/large.tgz"), 10).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit);
    });
}

#[test]
fn what_breaks_off_is_fetched_again_and_what_is_gone_is_not() {
    for fault in [
        Act::CloseAt(50),
        Act::ResetAt(50),
        Act::Longer(10),
        Act::Reset,
        Act::Instead(Answer::new(503, "busy")),
        Act::Instead(Answer::new(429, "").with("retry-after", "30")),
    ] {
        run(async {
            let (server, bench) = (server().await, Bench::new());
            server.fail(Fault::new("GET /files/", fault));
            let base = format!("http://{}/files", server.address());
            let repository = bench.client.chart_repository(Options::new(&*base)).unwrap();
            let url = format!("{base}/demo-1.0.0.tgz");
            let archive = repository.archive(&url, 1 << 20).await.expect("in the end");
            assert_eq!(archive.digest, Digest::sha256(&noise(100_000)));
            assert!(server.idle().is_empty());
        });
    }
    run(async {
        let (server, bench) = (server().await, Bench::new());
        let base = format!("http://{}/files", server.address());
        let repository = bench.client.chart_repository(Options::new(&*base)).unwrap();
        let error = repository.archive(&format!("{base}/gone.tgz"), 10).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(repository.provenance(&format!("{base}/gone.tgz.prov")).await.unwrap(), None);
        let page = Answer::new(200, "<html>").with("content-type", "text/html");
        server.fail(Fault::new("GET /files/page", Act::Instead(page)).always());
        let error = repository.archive(&format!("{base}/page.tgz"), 10).await.unwrap_err();
        assert!(error.message().contains("web page, not a chart"), "{error:?}");
        assert_eq!(bench.clock.waited(), Duration::ZERO);
    });
}

#[test]
fn what_broke_off_goes_on_where_it_stopped_if_it_is_still_the_same() {
    for second in [None, Some(Act::OtherForPart), Some(Act::WholeForPart)] {
        run(async {
            let (server, bench) = (server().await, Bench::new());
            server.fail(Fault::new("GET /storage/", Act::CloseAt(50)));
            let part = second.is_none();
            if let Some(act) = second {
                server.fail(Fault::new("GET /storage/", act));
            }
            // What this server calls storage knows ETags and ranges.
            let base = format!("http://{}/storage", server.address());
            let repository = bench.client.chart_repository(Options::new(&*base)).unwrap();
            let archive = repository.archive(&format!("{base}/large.tgz"), 1 << 24).await.unwrap();
            assert_eq!(archive.digest, Digest::sha256(&noise(SIZE)));
            let seen = server.take();
            assert_eq!(seen.len(), 2);
            let (again, _) = &seen[1];
            assert_eq!(again.header("if-range"), Some("\"large.tgz\""));
            // A server that sends the whole has not looked at it.
            if part {
                let range = again.header("range").unwrap();
                let start = range.strip_prefix("bytes=").unwrap().trim_end_matches('-');
                assert!(start.parse::<usize>().unwrap() > SIZE / 3, "{range}");
            }
        });
    }
}

#[test]
fn a_retry_after_holds_for_all_requests_to_that_host() {
    run(async {
        let (server, bench) = (server().await, Bench::new());
        let limited = Answer::new(429, "").with("retry-after", "20");
        server.fail(Fault::new("GET /files/", Act::Instead(limited)).times(4));
        let base = format!("http://{}/files", server.address());
        let repository = bench.client.chart_repository(Options::new(&*base)).unwrap();
        let url = format!("{base}/demo-1.0.0.tgz");
        let all = join_all((0..8).map(|_| repository.archive(&url, 1 << 20))).await;
        assert!(all.into_iter().all(|one| one.is_ok()), "nothing is lost");
    });
}

#[test]
fn a_repository_may_have_tls_settings_of_its_own() {
    run(async {
        let issuer = Issuer::new();
        let server = FaultRegistry::start_tls(Setup::default(), issuer.acceptor(true)).await;
        server.with(|files| files.hold_file("index.yaml", "apiVersion: v1\nentries: {}\n"));
        let bench = Bench::new();
        let index = |change: fn(&Issuer, &mut Trust)| {
            let mut trust = Trust::default();
            change(&issuer, &mut trust);
            let mut options = Options::new(format!("https://{}/files", server.address()));
            options.trust = Some(trust);
            let repository = bench.client.chart_repository(options).unwrap();
            async move { repository.index(None).await }
        };
        let both = index(|issuer, trust| {
            trust.ca_file = Some(issuer.ca());
            trust.identity = Some(issuer.issue("us"));
        });
        both.await.expect("known on both sides");
        let insecure = index(|issuer, trust| {
            trust.verification = Verification::Off;
            trust.identity = Some(issuer.issue("us"));
        });
        insecure.await.expect("whoever it is");
        let unknown = index(|issuer, trust| trust.ca_file = Some(issuer.ca()));
        assert_eq!(unknown.await.expect_err("who are we").kind(), ErrorKind::Network);
        let error = index(|_, _| {}).await.expect_err("who are they");
        let expected = Advice::TrustCertificate(Untrusted::Issuer);
        assert_eq!(error.advice(), Some(&expected), "{error:?}");
    });
}

#[test]
fn an_upload_is_sent_again_until_the_server_has_it() {
    run(async {
        let (server, bench) = (server().await, Bench::new());
        let saved = Answer::new(201, r#"{"saved":true}"#);
        for fault in [
            Fault::new("POST /api/charts", Act::Instead(Answer::new(503, ""))),
            Fault::new("POST /api/charts", Act::Reset),
            Fault::new("POST /api/charts", Act::ResetRequest(1000)),
            Fault::new("POST /api/charts", Act::Instead(saved)),
        ] {
            server.fail(fault);
        }
        let base = format!("http://{}", server.address());
        let museum = bench.client.museum(Options::new(&*base), Some("")).unwrap();
        let body = BlobBytes::Memory(noise(100_000).into());
        let prov = Some(Bytes::from_static(b"signed"));
        let uploaded = museum.upload(&body, prov, Force::No).await.unwrap();
        assert_eq!(uploaded, Uploaded::Saved);
        let conflict = Answer::new(409, r#"{"error":"file already exists"}"#);
        server.fail(Fault::new("POST /api/charts", Act::Instead(conflict)));
        let exists = museum.upload(&body, None, Force::No).await.unwrap();
        assert_eq!(exists, Uploaded::Exists);
        assert!(server.idle().is_empty());
    });
}
