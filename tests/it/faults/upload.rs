//! Uploads that must find another way: in chunks, in a new session, at another address; and lists
//! of referrers on registries that keep none.

use crate::{
    faults::named::assert_says,
    faults::{Bench, noise, run, tag},
    support::{
        fault::{Act, Fault, FaultRegistry},
        fault_registry::{Answer, Setup},
    },
};
use chartferry::{
    ErrorKind, Result,
    client::Repository,
    oci::{Descriptor, Digest, Document, Manifest, TagOrDigest, media},
    store::{BlobSource, Fetch, Push, Referrers, Sent, Tags},
};
use std::time::Duration;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

async fn push(repository: &Repository, bytes: &[u8]) -> Result<Sent> {
    let blob = Descriptor::of("t", bytes);
    repository.push_blob(&blob, &BlobSource::Bytes(bytes.to_vec().into())).await
}

/// A registry, and a client whose chunks are of 64 KiB.
async fn registry(setup: Setup) -> (FaultRegistry, Bench) {
    (FaultRegistry::start(setup).await, Bench::with(|options| options.chunk = 64 << 10))
}

/// The uploads that went out, as `METHOD bytes`.
fn bodies(registry: &FaultRegistry) -> Vec<String> {
    registry
        .take()
        .iter()
        .filter(|(request, _)| request.method != "HEAD")
        .map(|(request, status)| format!("{} {} -> {status}", request.method, request.body.len()))
        .collect()
}

#[test]
fn what_is_there_is_not_sent() {
    run(async {
        let (registry, bench) = registry(Setup::default()).await;
        let bytes = noise(4 * MIB);
        registry.with(|registry| registry.hold("t", bytes.clone()));
        let sent = push(&bench.repository(&registry), &bytes).await.expect("there");
        assert_eq!(sent, Sent::Present);
        assert_eq!(registry.seen().len(), 1);
    });
}

#[test]
fn a_body_that_is_too_large_goes_in_chunks_that_are_not() {
    run(async {
        let (registry, bench) = registry(Setup { body_cap: 50 * KIB, ..Setup::default() }).await;
        let bytes = noise(300 * KIB);
        push(&bench.repository(&registry), &bytes).await.expect("in the end");
        let digest = Digest::sha256(&bytes);
        registry.with(|registry| assert!(registry.blobs[digest.as_str()] == bytes));
        let sent = bodies(&registry);
        assert!(
            sent.iter().filter(|line| line.starts_with("PATCH") && line.ends_with("202")).count()
                > 1,
            "{sent:#?}"
        );
        assert!(sent.len() < 40, "{sent:#?}");
        // The next blob knows.
        let next = noise(299 * KIB);
        push(&bench.repository(&registry), &next).await.expect("at once");
        assert!(bodies(&registry).iter().all(|line| !line.ends_with("413")));
    });
}

#[test]
fn a_large_blob_gets_through_in_chunks_where_one_put_never_does() {
    run(async {
        let (registry, bench) = registry(Setup::default()).await;
        registry.fail(Fault::new("PUT /blobs/uploads/", Act::ResetRequest(70 * KIB)).times(3));
        registry.fail(Fault::new("PATCH /blobs/uploads/", Act::ResetRequest(9 * KIB)).after(1));
        let bytes = noise(160 * KIB);
        push(&bench.repository(&registry), &bytes).await.expect("in the end");
        let digest = Digest::sha256(&bytes);
        registry.with(|registry| assert!(registry.blobs[digest.as_str()] == bytes));
        assert_eq!(
            bodies(&registry).iter().filter(|line| !line.starts_with("GET")).collect::<Vec<_>>(),
            [
                "POST 0 -> 202",
                "PUT 0 -> 0",
                "POST 0 -> 202",
                "PUT 0 -> 0",
                "POST 0 -> 202",
                "PUT 0 -> 0",
                "POST 0 -> 202",
                "PATCH 65536 -> 202",
                "PATCH 0 -> 0",
                "PATCH 65536 -> 202",
                "PUT 32768 -> 201",
                // The sessions that were given up do not stay.
                "DELETE 0 -> 204",
                "DELETE 0 -> 204",
                "DELETE 0 -> 204",
            ]
        );
    });
}

/// Pushes 160 KiB in chunks of 64.
async fn in_chunks(faults: impl IntoIterator<Item = Fault>) -> (FaultRegistry, Result<Sent>) {
    let (registry, bench) = registry(Setup::default()).await;
    registry.fail(Fault::new("PUT /blobs/uploads/", Act::Reset).times(3));
    for fault in faults {
        registry.fail(fault);
    }
    let sent = push(&bench.repository(&registry), &noise(160 * KIB)).await;
    (registry, sent)
}

#[test]
fn registries_that_miscount_chunks_are_seen_through() {
    let range = |text: &str| Act::Headers(vec![("range", text.to_owned())]);
    let patch = |act| Fault::new("PATCH /blobs/uploads/", act);
    let get = |act| Fault::new("GET /blobs/uploads/", act);
    for (name, faults) in [
        ("no range at all", vec![patch(range("")).always()]),
        ("a stale range, and a session that knows better", vec![patch(range("0-99")).always()]),
        (
            "a range that stays at the first chunk, in the session too",
            vec![patch(range("0-65535")).after(1).always(), get(range("0-65535")).always()],
        ),
        ("201 for a chunk", vec![patch(Act::Headers(vec![("range", "0-65535".to_owned())]))]),
        ("503 after a chunk", vec![patch(Act::Though(Answer::new(503, ""))).after(1)]),
        (
            "416 out of the blue",
            vec![patch(Act::Instead(Answer::error(416, "RANGE_INVALID"))).after(1)],
        ),
        ("the session is lost halfway", vec![patch(Act::Forget).after(1)]),
    ] {
        run(async {
            let (registry, sent) = in_chunks(faults).await;
            assert_eq!(sent.expect(name), Sent::Uploaded, "{name}");
            assert!(registry.idle().is_empty(), "{name}: {:?}", registry.idle());
            let digest = Digest::sha256(&noise(160 * KIB));
            registry
                .with(|registry| assert!(registry.blobs.contains_key(digest.as_str()), "{name}"));
        });
    }
}

#[test]
fn a_registry_without_chunks_gets_one_put_again() {
    run(async {
        let (registry, bench) = registry(Setup { patch: false, ..Setup::default() }).await;
        registry.fail(Fault::new("PUT /blobs/uploads/", Act::Reset).times(4));
        push(&bench.repository(&registry), &noise(170 * KIB)).await.expect("in the end");
        assert!(registry.idle().is_empty());
    });
}

#[test]
fn an_upload_that_leads_elsewhere_takes_no_credentials_along() {
    run(async {
        let (registry, bench) = registry(Setup { single_post: false, ..Setup::default() }).await;
        let other = FaultRegistry::start(Setup::default()).await;
        let location = format!("http://{}/v2/else/blobs/uploads/x?digestless", other.address());
        registry
            .fail(Fault::new("POST /blobs/", Act::Headers(vec![("location", location)])).times(2));
        other.fail(Fault::new("PUT /blobs/uploads/", Act::Instead(Answer::new(201, ""))));
        push(&bench.repository(&registry), b"{}").await.expect("elsewhere");
        let (request, _) = other.take().remove(0);
        assert_eq!(request.header("authorization"), None);
        assert!(request.target.starts_with("/v2/else/blobs/uploads/x?digestless&digest=sha256%3A"));
    });
}

#[test]
fn headers_of_the_user_go_to_the_registrys_own_origin_only() {
    run(async {
        let registry = FaultRegistry::start(Setup { single_post: false, ..Setup::default() }).await;
        let other = FaultRegistry::start(Setup::default()).await;
        let bench = Bench::with(|options| {
            options.registry_headers.insert("x-key", "secret".parse().unwrap());
        });
        let repository = bench.repository(&registry);
        push(&repository, b"at home").await.expect("pushed");
        let at_home = registry.take();
        assert!(at_home.iter().all(|(request, _)| request.header("x-key") == Some("secret")));
        // An upload at another host, and a blob in another storage.
        let location = format!("http://{}/v2/else/blobs/uploads/x?a", other.address());
        registry
            .fail(Fault::new("POST /blobs/", Act::Headers(vec![("location", location)])).times(2));
        other.fail(Fault::new("PUT /blobs/uploads/", Act::Instead(Answer::new(201, ""))));
        push(&repository, b"elsewhere").await.expect("elsewhere");
        let elsewhere = other.take();
        assert_eq!(elsewhere.len(), 1);
        assert_eq!(elsewhere[0].0.header("x-key"), None);
        let blob = Descriptor::of("t", b"at home");
        let address = format!("http://{}/v2/x/blobs/{}", other.address(), blob.digest);
        other.with(|other| other.hold("", b"at home".to_vec()));
        let moved = Answer::new(307, "").with("location", &address);
        registry.fail(Fault::new("GET /blobs/", Act::Instead(moved)));
        repository.fetch_blob(&blob, 100).await.expect("fetched");
        let elsewhere = other.take();
        assert_eq!(elsewhere.len(), 1);
        assert_eq!(elsewhere[0].0.header("x-key"), None);
    });
}

#[test]
fn an_upload_that_leads_nowhere_is_named() {
    run(async {
        for (location, words) in [
            ("", "no Location header"),
            ("http://[", "not a URL"),
            ("ftp://x/", "neither http nor https"),
        ] {
            let (registry, bench) =
                registry(Setup { single_post: false, ..Setup::default() }).await;
            registry.fail(
                Fault::new("POST /blobs/", Act::Headers(vec![("location", location.to_owned())]))
                    .always(),
            );
            let error = push(&bench.repository(&registry), b"{}").await.expect_err(location);
            assert_says(&error, ErrorKind::Protocol, &[words, "X-Forwarded-Proto"]);
        }
    });
}

#[test]
fn a_refusal_to_store_is_named() {
    run(async {
        let html = Answer::new(200, "<html>").with("content-type", "text/html");
        for (answer, kind, words) in [
            (Answer::error(403, "DENIED"), ErrorKind::Denied, "DENIED"),
            (Answer::error(404, "NAME_UNKNOWN"), ErrorKind::NotFound, "you must create it first"),
            (Answer::error(400, "NAME_INVALID"), ErrorKind::Protocol, "NAME_INVALID"),
            (Answer::new(507, "disk full"), ErrorKind::Protocol, "disk full"),
            (html, ErrorKind::Protocol, "web page"),
        ] {
            let (registry, bench) = registry(Setup::default()).await;
            registry.fail(Fault::new("POST /blobs/", Act::Instead(answer)).always());
            let error = push(&bench.repository(&registry), &noise(MIB)).await.expect_err(words);
            assert_says(&error, kind, &[words]);
            assert_eq!(bench.clock.waited(), Duration::ZERO, "{words}: nothing to wait for");
        }
    });
}

fn subject() -> Manifest {
    Manifest::parse(br#"{"schemaVersion":2,"config":{"mediaType":"c","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}"#[..].into(), None).unwrap()
}

/// A referrer of [`subject`], one of many.
fn referrer(number: usize) -> Manifest {
    let document: Document = serde_json::from_value(serde_json::json!({
        "schemaVersion": 2,
        "artifactType": if number.is_multiple_of(2) { "example/even" } else { "example/odd" },
        "config": Descriptor::of(media::EMPTY, b"{}"),
        "layers": [],
        "subject": subject().descriptor(),
        "annotations": { "number": number.to_string() },
    }))
    .unwrap();
    Manifest::compose(document, media::MANIFEST)
}

#[test]
fn referrers_are_listed_with_and_without_the_registrys_help() {
    run(async {
        for referrers in [true, false] {
            let (registry, bench) = registry(Setup { referrers, ..Setup::default() }).await;
            let repository = bench.repository(&registry);
            let digest = subject().digest().clone();
            assert_eq!(repository.referrers(&digest, None).await.expect("none"), []);
            repository
                .push_manifest(&subject(), Some(&"1".parse().unwrap()))
                .await
                .expect("subject");
            for number in 0..3 {
                repository.push_manifest(&referrer(number), None).await.expect("referrer");
            }
            assert_eq!(repository.referrers(&digest, None).await.expect("all").len(), 3);
            let odd = repository.referrers(&digest, Some("example/odd")).await.expect("odd");
            assert_eq!(
                odd.iter().map(|own| &own.digest).collect::<Vec<_>>(),
                [referrer(1).digest()]
            );
            assert_eq!(odd[0].artifact_type.as_deref(), Some("example/odd"));
            // Twice changes nothing.
            repository.push_manifest(&referrer(1), None).await.expect("again");
            assert_eq!(repository.referrers(&digest, None).await.expect("all").len(), 3);
        }
    });
}

#[test]
fn a_deleted_referrer_leaves_the_list() {
    run(async {
        for referrers in [true, false] {
            let (registry, bench) = registry(Setup { referrers, ..Setup::default() }).await;
            let repository = bench.repository(&registry);
            let digest = subject().digest().clone();
            for number in 0..3 {
                repository.push_manifest(&referrer(number), None).await.expect("referrer");
            }
            let gone = TagOrDigest::Digest(referrer(1).digest().clone());
            repository.delete(&gone).await.expect("deleted");
            let left = repository.referrers(&digest, None).await.expect("left");
            let left: Vec<_> = left.iter().map(|own| &own.digest).collect();
            assert_eq!(left, [referrer(0).digest(), referrer(2).digest()], "{referrers}");
        }
    });
}

#[test]
fn clients_that_delete_at_once_leave_nothing_in_the_list() {
    run(async {
        let (registry, _) = registry(Setup { referrers: false, ..Setup::default() }).await;
        let clients: Vec<_> = (0..5).map(|_| Bench::new()).collect();
        for number in 0..5 {
            let repository = clients[0].repository(&registry);
            repository.push_manifest(&referrer(number), None).await.expect("push");
        }
        let deletions = clients.iter().enumerate().map(|(number, bench)| {
            let repository = bench.repository(&registry);
            let target = TagOrDigest::Digest(referrer(number).digest().clone());
            async move { repository.delete(&target).await.expect("delete") }
        });
        futures_util::future::join_all(deletions).await;
        let repository = clients[0].repository(&registry);
        assert_eq!(repository.referrers(subject().digest(), None).await.expect("list"), []);
    });
}

#[test]
fn clients_that_write_the_list_at_once_lose_nothing() {
    run(async {
        let (registry, _) = registry(Setup { referrers: false, ..Setup::default() }).await;
        let clients: Vec<_> = (0..10).map(|_| Bench::new()).collect();
        let pushes = clients.iter().enumerate().map(|(number, bench)| {
            let repository = bench.repository(&registry);
            async move { repository.push_manifest(&referrer(number), None).await.expect("push") }
        });
        futures_util::future::join_all(pushes).await;
        let repository = clients[0].repository(&registry);
        let list = repository.referrers(subject().digest(), None).await.expect("list");
        assert_eq!(list.len(), 10);
    });
}

#[test]
fn a_tag_that_is_the_subject_itself_is_not_taken_for_a_list() {
    run(async {
        let (registry, bench) = registry(Setup { referrers: false, ..Setup::default() }).await;
        let repository = bench.repository(&registry);
        let alias = format!("sha256-{}", subject().digest().hex());
        registry.with(|registry| {
            registry.hold_manifest(&alias, media::MANIFEST, subject().bytes().clone());
        });
        assert_eq!(repository.referrers(subject().digest(), None).await.expect("none"), []);
        assert!(repository.fetch_manifest(&tag(&alias)).await.is_ok());
    });
}

#[test]
fn what_others_wrote_into_a_list_stays() {
    run(async {
        let (registry, bench) = registry(Setup { referrers: false, ..Setup::default() }).await;
        let alias = format!("sha256-{}", subject().digest().hex());
        let index = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"m","digest":"{}","size":1,"newField":{{"b":1,"a":[2]}}}}],"own":true}}"#,
            Digest::sha256(b"x")
        );
        registry.with(|registry| registry.hold_manifest(&alias, media::INDEX, index));
        bench.repository(&registry).push_manifest(&referrer(1), None).await.expect("push");
        let written = registry.with(|registry| registry.manifest(&alias).unwrap());
        let text = String::from_utf8_lossy(&written);
        assert!(
            text.contains(r#""newField":{"b":1,"a":[2]}"#) && text.contains(r#""own":true"#),
            "{text}"
        );
        assert!(text.contains(referrer(1).digest().as_str()));
    });
}
