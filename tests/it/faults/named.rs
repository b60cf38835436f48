//! What must not pass, and how it is said: damage that stays, answers of others than registries,
//! addresses that must not be followed; and what the user hears of what was healed. Requests are
//! counted here too.

use crate::{
    faults::{Bench, noise, run, tag},
    support::{
        fault::{Act, Fault, FaultRegistry},
        fault_registry::{Answer, Setup},
    },
};
use chartferry::{
    Error, ErrorKind,
    client::{Client, Options},
    oci::{Descriptor, Digest, TagOrDigest, media},
    store::{BlobSource, Fetch, Push, Resolve, Tags},
};
use std::time::Duration;

const MANIFEST: &[u8] = br#"{"schemaVersion":2,"config":{"mediaType":"application/vnd.cncf.helm.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}"#;

/// A registry with one small blob and one manifest, and the blob's descriptor.
async fn registry(faults: impl IntoIterator<Item = Fault>) -> (FaultRegistry, Descriptor) {
    let setup = Setup { faults: faults.into_iter().collect(), ..Setup::default() };
    let registry = FaultRegistry::start(setup).await;
    let blob = registry.with(|registry| {
        registry.hold_manifest("1.0.0", media::MANIFEST, MANIFEST);
        registry.hold("application/x", noise(100_000))
    });
    (registry, blob)
}

async fn fetch_blob(fault: Fault) -> Error {
    let (registry, blob) = registry([fault]).await;
    let repository = Bench::new().repository(&registry);
    repository.fetch_blob(&blob, 1 << 20).await.expect_err("damage")
}

async fn fetch_manifest(fault: Fault) -> Error {
    let (registry, _) = registry([fault]).await;
    let repository = Bench::new().repository(&registry);
    repository.fetch_manifest(&tag("1.0.0")).await.expect_err("damage")
}

#[track_caller]
pub(crate) fn assert_says(error: &Error, kind: ErrorKind, words: &[&str]) {
    let text = format!("{} / {}", error.chain(), error.hint().unwrap_or_default());
    assert_eq!(error.kind(), kind, "{text}");
    for word in words {
        assert!(text.contains(word), "`{word}` in {text}");
    }
}

fn page() -> Answer {
    Answer::new(200, "<!DOCTYPE html><title>Log in</title>")
        .with("content-type", "text/html; charset=utf-8")
}

fn headers(name: &'static str, value: &str) -> Act {
    Act::Headers(vec![(name, value.to_owned())])
}

/// A mirror would take an empty list for a repository whose tags are all gone.
#[test]
fn an_error_under_200_is_no_empty_list() {
    for body in [r#"{"error":"unauthorized"}"#, r#"{"errors":[{"code":"DENIED"}]}"#, "{}"] {
        run(async {
            let page = Act::Instead(Answer::new(200, body));
            let (registry, _) = registry([Fault::new("GET /tags/list", page).always()]).await;
            let error = Bench::new().repository(&registry).tags().await.expect_err(body);
            assert_says(&error, ErrorKind::Protocol, &["list the tags"]);
        });
    }
    run(async {
        let none = Act::Instead(Answer::new(200, r#"{"name":"a","tags":null}"#));
        let (registry, _) = registry([Fault::new("GET /tags/list", none)]).await;
        assert!(Bench::new().repository(&registry).tags().await.expect("empty").is_empty());
    });
}

/// Storage behind a registry keeps codings that were never applied.
#[test]
fn bytes_that_fit_their_digest_are_taken_whatever_coding_is_said() {
    for coding in ["aws-chunked", "utf-8", "gzip", "binary"] {
        run(async {
            let said = || headers("content-encoding", coding);
            let (registry, blob) = registry([
                Fault::new("GET /blobs/", said()).always(),
                Fault::new("GET /manifests/", said()).always(),
            ])
            .await;
            let repository = Bench::new().repository(&registry);
            repository.fetch_blob(&blob, 1 << 20).await.expect(coding);
            repository.fetch_manifest(&tag("1.0.0")).await.expect(coding);
        });
    }
}

#[test]
fn damage_that_stays_is_named() {
    use ErrorKind::{Integrity, Network, Protocol};
    let other = Digest::sha256(b"other").to_string();
    let blob = |act| Fault::new("GET /blobs/", act).always();
    for (fault, kind, words) in [
        (
            blob(Act::Flip),
            Integrity,
            &["was requested, but the content has the digest `sha256:", "push it again"][..],
        ),
        (
            blob(Act::Instead(Answer::new(200, "packed").with("content-encoding", "gzip"))),
            Protocol,
            &["encoded as `gzip`", "proxy"],
        ),
        (blob(Act::Instead(page())), Protocol, &["with a web page, not as a registry", "proxy"]),
        (
            blob(Act::Instead(Answer::new(200, "short"))),
            Network,
            &["not valid HTTP", "announces 5 bytes for a blob of 100000"],
        ),
        (blob(Act::Longer(10)), Network, &["announces 100010 bytes"]),
        (blob(Act::CloseAt(0)), Network, &["breaks off"]),
        (
            blob(Act::Instead(Answer::error(404, "BLOB_UNKNOWN"))),
            ErrorKind::NotFound,
            &["BLOB_UNKNOWN"],
        ),
        (blob(Act::Instead(Answer::error(403, "DENIED"))), ErrorKind::Denied, &["403", "DENIED"]),
        (
            blob(Act::Instead(Answer::new(302, "").with("location", "/v2/team/demo/blobs/x"))),
            Protocol,
            &["redirects more than 10 times"],
        ),
        (
            blob(Act::Instead(Answer::new(302, "").with("location", "ftp://x/y"))),
            Protocol,
            &["neither http nor https"],
        ),
        (blob(Act::Instead(Answer::new(302, ""))), Protocol, &["no Location header"]),
    ] {
        assert_says(&run(fetch_blob(fault)), kind, words);
    }
    let manifest = |act| Fault::new("GET /manifests/", act).always();
    for (fault, kind, words) in [
        (
            manifest(headers("docker-content-digest", &other)),
            Integrity,
            &["declares the digest", other.as_str(), "the content has the digest"][..],
        ),
        (manifest(Act::Instead(page())), Protocol, &["with a web page"]),
        (
            manifest(Act::Instead(Answer::error(404, "MANIFEST_UNKNOWN"))),
            ErrorKind::NotFound,
            &["MANIFEST_UNKNOWN"],
        ),
        (
            manifest(Act::Instead(Answer::new(404, "404 page not found"))),
            Protocol,
            &["does not look like a registry"],
        ),
        (
            manifest(Act::Instead(Answer::new(200, "packed").with("content-encoding", "gzip"))),
            Protocol,
            &["encoded as `gzip`", "proxy"],
        ),
        (
            manifest(Act::Instead(Answer::new(200, "no JSON"))),
            ErrorKind::Invalid,
            &["the manifest is not a JSON object"],
        ),
        (
            manifest(Act::Instead(Answer::new(200, noise(9 << 20)))),
            ErrorKind::Limit,
            &["more than 8388608 bytes"],
        ),
    ] {
        assert_says(&run(fetch_manifest(fault)), kind, words);
    }
}

#[test]
fn a_manifest_by_digest_is_that_digest() {
    run(async {
        let (registry, _) = registry([]).await;
        let digest = Digest::sha256(MANIFEST);
        registry.fail(Fault::new("GET /manifests/", Act::Instead(Answer::new(200, "{}"))).always());
        let repository = Bench::new().repository(&registry);
        let error = repository.fetch_manifest(&TagOrDigest::Digest(digest)).await.expect_err("lie");
        assert_says(&error, ErrorKind::Integrity, &["was asked for"]);
        assert_eq!(registry.seen().len(), 2, "once more past the caches, then no more");
    });
}

#[test]
fn what_a_registry_stores_otherwise_is_named() {
    let blob = Descriptor::of("t", b"{}");
    let other = Digest::sha256(b"other").to_string();
    let lie = || headers("docker-content-digest", &other);
    for fault in [Fault::new("POST /blobs/", lie()), Fault::new("PUT /manifests/", lie())] {
        run(async {
            let (registry, _) = registry([fault]).await;
            let repository = Bench::new().repository(&registry);
            let pushed = async {
                repository.push_blob(&blob, &BlobSource::Bytes("{}".into())).await?;
                let manifest = chartferry::oci::Manifest::parse(MANIFEST.into(), None)?;
                repository.push_manifest(&manifest, Some(&"1".parse()?)).await
            };
            assert_says(
                &pushed.await.expect_err("lie"),
                ErrorKind::Integrity,
                &["stored", &other, "rewrites"],
            );
        });
    }
}

#[test]
fn a_source_that_is_not_its_descriptor_is_not_sent() {
    run(async {
        let (registry, _) = registry([]).await;
        let repository = Bench::new().repository(&registry);
        let blob = Descriptor::new("t", Digest::sha256(b"abc"), 4);
        let error =
            repository.push_blob(&blob, &BlobSource::Bytes("abc".into())).await.expect_err("size");
        assert_says(
            &error,
            ErrorKind::Integrity,
            &["4 bytes in its descriptor but 3 bytes of content"],
        );
        let blob = Descriptor::new("t", Digest::sha256(b"abd"), 3);
        let error = repository
            .push_blob(&blob, &BlobSource::Bytes("abc".into()))
            .await
            .expect_err("digest");
        assert_says(&error, ErrorKind::Integrity, &["received other bytes"]);
    });
}

#[test]
fn a_blob_larger_than_its_cap_is_not_asked_for() {
    run(async {
        let (registry, blob) = registry([]).await;
        let error =
            Bench::new().repository(&registry).fetch_blob(&blob, 10).await.expect_err("cap");
        assert_says(&error, ErrorKind::Limit, &["100000 bytes, more than the 10"]);
        assert!(registry.seen().is_empty());
    });
}

#[test]
fn a_wait_longer_than_allowed_is_named_and_not_waited() {
    run(async {
        let limit = Answer::error(429, "TOOMANYREQUESTS").with("retry-after", "900");
        let (registry, _) = registry([Fault::new("GET /manifests/", Act::Instead(limit))]).await;
        let bench = Bench::new();
        let error =
            bench.repository(&registry).fetch_manifest(&tag("1.0.0")).await.expect_err("wait");
        assert_says(
            &error,
            ErrorKind::Network,
            &["asks to wait 900 s, longer than the 300 s allowed"],
        );
        assert_eq!(bench.clock.waited(), Duration::ZERO);
    });
}

#[test]
fn waits_and_resumptions_are_told_with_host_and_seconds() {
    run(async {
        let limit = Answer::error(429, "TOOMANYREQUESTS").with("retry-after", "20");
        let (registry, blob) = registry([
            Fault::new("GET /manifests/", Act::Instead(limit)),
            Fault::new("GET /blobs/", Act::CloseAt(50)),
        ])
        .await;
        let bench = Bench::new();
        let repository = bench.repository(&registry);
        repository.fetch_manifest(&tag("1.0.0")).await.expect("manifest");
        repository.fetch_blob(&blob, 1 << 20).await.expect("blob");
        let host = registry.address();
        let told = bench.told();
        assert_eq!(
            told[0],
            format!("waiting 20.0 s for `{host}`: it answers 429: TOOMANYREQUESTS")
        );
        assert_eq!(told[1], format!("waiting 0.2 s for `{host}`: the connection breaks off"));
        let digest = &blob.digest;
        assert_eq!(told[2], format!("resuming `{digest}` from `{host}` at byte 50000 of 100000"));
        assert_eq!(told.len(), 3, "{told:?}");
    });
}

#[test]
fn a_server_that_makes_no_progress_is_given_up_after_eight_tries() {
    run(async {
        // Each time the first half, whatever part is asked for: only the first of them is progress.
        let half = Fault::new("GET /blobs/", Act::CloseAt(50)).always();
        let setup = Setup { ranges: false, faults: vec![half], ..Setup::default() };
        let registry = FaultRegistry::start(setup).await;
        let blob = registry.with(|registry| registry.hold("t", noise(100_000)));
        let bench = Bench::new();
        let error = bench.repository(&registry).fetch_blob_file(&blob).await.expect_err("no end");
        assert_says(&error, ErrorKind::Network, &["breaks off"]);
        assert_eq!(registry.seen().len(), 8);
    });
}

#[test]
fn a_pull_is_two_requests_and_a_push_at_most_seven() {
    run(async {
        for (single_post, requests) in [(true, 5), (false, 7)] {
            let registry = FaultRegistry::start(Setup { single_post, ..Setup::default() }).await;
            let repository = Bench::new().repository(&registry);
            let (config, layer) =
                (Descriptor::of("c", b"{}"), Descriptor::of("l", &noise(900_000)));
            assert_eq!(repository.resolve(&tag("1.0.0")).await.expect("look before"), None);
            repository.push_blob(&config, &BlobSource::Bytes("{}".into())).await.expect("config");
            repository
                .push_blob(&layer, &BlobSource::Bytes(noise(900_000).into()))
                .await
                .expect("layer");
            let manifest =
                chartferry::oci::Manifest::parse(MANIFEST.into(), None).expect("manifest");
            repository
                .push_manifest(&manifest, Some(&"1.0.0".parse().unwrap()))
                .await
                .expect("push");
            let back = repository.fetch_manifest(&tag("1.0.0")).await.expect("read back");
            assert_eq!(back.bytes(), manifest.bytes());
            let seen = registry.seen();
            assert_eq!(seen.len(), requests, "{seen:#?}");

            repository.fetch_manifest(&tag("1.0.0")).await.expect("manifest");
            repository.fetch_blob(&layer, 1 << 20).await.expect("layer");
            assert_eq!(registry.seen().len(), 2);
            assert_eq!(registry.connections(), 1);
        }
    });
}

#[test]
fn only_a_definite_not_found_counts() {
    run(async {
        let (registry, _) = registry([]).await;
        let repository = Bench::new().repository(&registry);
        assert_eq!(repository.resolve(&tag("nope")).await.expect("absent"), None);
        let found = repository.resolve(&tag("1.0.0")).await.expect("there").expect("some");
        assert_eq!((found.digest, found.size), (Digest::sha256(MANIFEST), MANIFEST.len() as u64));

        let lost = Answer::new(404, "no such page");
        registry.fail(Fault::new("HEAD /manifests/", Act::Instead(lost.clone())).always());
        registry.fail(Fault::new("GET /manifests/", Act::Instead(lost)).always());
        let error = repository.resolve(&tag("nope")).await.expect_err("not a registry's answer");
        assert_says(&error, ErrorKind::Protocol, &["does not look like a registry"]);
    });
}

#[test]
fn a_registry_without_head_is_asked_by_get() {
    run(async {
        let registry = FaultRegistry::start(Setup { head: false, ..Setup::default() }).await;
        registry.with(|registry| registry.hold_manifest("1.0.0", media::MANIFEST, MANIFEST));
        let repository = Bench::new().repository(&registry);
        let found = repository.resolve(&tag("1.0.0")).await.expect("there").expect("some");
        assert_eq!(found.digest, Digest::sha256(MANIFEST));
        assert_eq!(repository.resolve(&tag("nope")).await.expect("absent"), None);
    });
}

#[test]
fn a_registry_that_lags_behind_its_own_push_is_asked_again() {
    run(async {
        let lag = Act::Instead(Answer::error(404, "MANIFEST_UNKNOWN"));
        let (registry, _) = registry([]).await;
        let bench = Bench::new();
        let repository = bench.repository(&registry);
        let manifest = chartferry::oci::Manifest::parse(MANIFEST.into(), None).expect("manifest");
        repository.push_manifest(&manifest, Some(&"2.0.0".parse().unwrap())).await.expect("push");
        registry.fail(Fault::new("GET /manifests/", lag.clone()).times(3));
        repository.fetch_manifest(&tag("2.0.0")).await.expect("in the end");
        registry.fail(Fault::new("HEAD /manifests/", lag).times(1));
        assert!(repository.resolve(&tag("2.0.0")).await.expect("in the end").is_some());
        repository.delete(&tag("2.0.0")).await.expect("deleted");
        assert_eq!(repository.resolve(&tag("2.0.0")).await.expect("gone"), None);
    });
}

#[test]
fn a_killed_download_goes_on_in_the_next_run() {
    run(async {
        let registry = FaultRegistry::start(Setup::default()).await;
        let blob = registry.with(|registry| registry.hold("t", noise(3 << 20)));
        registry.fail(Fault::new("GET /blobs/", Act::StallAt(50)));
        let first = Bench::with(|options| options.stall = Duration::from_secs(600));
        {
            let repository = first.repository(&registry);
            let fetch = repository.fetch_blob_file(&blob);
            tokio::pin!(fetch);
            // Run it until the server has nothing more to send, then drop it, as a kill would.
            while registry.seen().is_empty() {
                tokio::select! {
                    _ = &mut fetch => panic!("it stalls"),
                    () = tokio::task::yield_now() => {}
                }
            }
            let partial = first.cache.path().join(format!("partial-sha256-{}", blob.digest.hex()));
            while partial.metadata().map_or(0, |data| data.len()) < blob.size / 2 {
                tokio::select! {
                    _ = &mut fetch => panic!("it stalls"),
                    () = tokio::task::yield_now() => {}
                }
            }
        }
        let second = Bench::in_cache(first.cache, |_| {});
        let file = second.repository(&registry).fetch_blob_file(&blob).await.expect("the rest");
        assert!(blob.digest.matches(&std::fs::read(file.path()).unwrap()));
        let seen = registry.take();
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].0.header("range"), Some(&*format!("bytes={}-", blob.size / 2)));
        drop(file);
        assert_eq!(std::fs::read_dir(second.cache.path()).unwrap().count(), 0, "nothing is left");
    });
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    run(async {
        let (registry, blob) = registry([]).await;
        let file = tempfile::NamedTempFile::new().unwrap();
        let bench = Bench::with(|options| options.cache = Some(file.path().join("cache")));
        let error =
            bench.repository(&registry).fetch_blob_file(&blob).await.expect_err("no folder");
        assert_says(&error, ErrorKind::Io, &["create the cache folder", "cache"]);
    });
}

#[test]
fn lists_are_read_page_by_page_and_end() {
    run(async {
        let registry = FaultRegistry::start(Setup { page: 2, ..Setup::default() }).await;
        for name in ["1", "2", "3", "4", "5"] {
            registry.with(|registry| registry.hold_manifest(name, media::MANIFEST, MANIFEST));
        }
        let bench = Bench::new();
        let repository = bench.repository(&registry);
        assert_eq!(repository.tags().await.expect("tags"), ["1", "2", "3", "4", "5"]);
        assert_eq!(registry.seen().len(), 3);
        let host = registry.address().parse().unwrap();
        assert_eq!(bench.client.catalog(&host).await.expect("catalog"), ["a", "b/c", "d"]);

        registry.seen();
        registry.fail(Fault::new(
            "GET /tags/list?last=4",
            headers("link", "</v2/team/demo/tags/list>; rel=next"),
        ));
        let error = repository.tags().await.expect_err("a circle");
        assert_says(&error, ErrorKind::Protocol, &["form a loop"]);

        let empty = FaultRegistry::start(Setup::default()).await;
        let error = bench.repository(&empty).tags().await.expect_err("nothing there");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        empty.fail(Fault::new(
            "GET /tags/",
            Act::Instead(Answer::new(200, r#"{"name":"x","tags":null}"#)),
        ));
        assert!(bench.repository(&empty).tags().await.expect("null").is_empty());
    });
}

#[test]
fn a_registrys_warnings_are_told_once() {
    run(async {
        let warn = headers("warning", "299 - \"this registry moves to r.example\"");
        let (registry, _) = registry([Fault::new("GET /manifests/", warn).always()]).await;
        let bench = Bench::new();
        let repository = bench.repository(&registry);
        for _ in 0..3 {
            repository.fetch_manifest(&tag("1.0.0")).await.expect("manifest");
        }
        let host = registry.address();
        assert_eq!(bench.told(), [format!("`{host}` warns: this registry moves to r.example")]);
    });
}

#[test]
fn nobody_there_is_said_soon() {
    run(async {
        let mut options = Options::default();
        options.clock = Bench::new().clock.into();
        let client = Client::new(options).unwrap();
        // Port 1 of this machine refuses.
        let repository = client.repository(&"127.0.0.1:1".parse().unwrap(), &"a".parse().unwrap());
        let error = repository.fetch_manifest(&tag("1")).await.expect_err("nobody");
        assert_says(&error, ErrorKind::Network, &["127.0.0.1:1", "no connection can be made"]);
    });
}
