//! Attacks of registries on the client.

use crate::{
    faults::named::assert_says,
    faults::{Bench, noise, run, tag, user},
    support::{
        fault::{Act, Fault, FaultRegistry},
        fault_registry::{Answer, Auth, Setup},
    },
};
use chartferry::{
    Error, ErrorKind,
    client::Given,
    limits::Limits,
    oci::{Descriptor, Digest, Manifest, TagOrDigest, media},
    ops::push::prepare,
    store::{BlobSource, Push, Referrers, Tags},
};

const KIB: usize = 1 << 10;

/// A registry that asks for a name and password, and a client that has them and has sent them
/// before.
async fn guarded() -> (FaultRegistry, Bench) {
    let registry =
        FaultRegistry::start(Setup { auth: Auth::Basic, page: 1, ..Setup::default() }).await;
    registry.with(|registry| {
        registry.hold_manifest("1", "application/x", "{}");
        registry.hold_manifest("2", "application/x", "{ }");
    });
    let bench = Bench::with(|options| {
        options.chunk = 64 << 10;
        options.keyring.given = Some(Given { credential: user(), registry: None });
    });
    bench.repository(&registry).tags().await.expect("tags of the registry");
    registry.take();
    (registry, bench)
}

/// Another host, which asks for a name and password in the place of the registry.
async fn stranger(faults: impl IntoIterator<Item = Fault>) -> FaultRegistry {
    let stranger = FaultRegistry::start(Setup::default()).await;
    for fault in faults {
        stranger.fail(fault);
    }
    stranger
}

fn asks() -> Act {
    Act::Instead(Answer::new(401, "").with("www-authenticate", "Basic realm=\"r\""))
}

/// The stranger was asked, and has seen no credentials.
fn assert_learnt_nothing(stranger: &FaultRegistry, what: &str) {
    let seen = stranger.take();
    assert!(seen.iter().any(|(request, _)| request.target.contains("evil")), "{what}: {seen:?}");
    for (request, _) in seen {
        assert_eq!(request.header("authorization"), None, "{what}: {request:?}");
    }
}

/// Finding 4: the session's address was compared with that of the answer, which is another host's
/// after a redirect.
#[test]
fn an_upload_session_of_another_host_sees_no_credentials() {
    for chunks in [false, true] {
        run(async {
            let (registry, bench) = guarded().await;
            let stranger = stranger([
                Fault::new(
                    "POST /evil",
                    Act::Instead(Answer::new(202, "").with("location", "/evil/1")),
                ),
                Fault::new(
                    "POST /evil",
                    Act::Instead(Answer::new(202, "").with("location", "/evil/1")),
                )
                .always(),
                Fault::new("PUT /evil", asks()).always(),
                Fault::new("PATCH /evil", asks()).always(),
                Fault::new("GET /evil", asks()).always(),
            ])
            .await;
            if chunks {
                registry.fail(Fault::new("PUT /blobs/uploads/", Act::Reset).times(3));
            }
            let there = format!("http://{}/evil/0", stranger.address());
            let away = Act::Instead(Answer::new(307, "").with("location", &there));
            let after = if chunks { 3 } else { 0 };
            registry.fail(Fault::new("POST /blobs/uploads/", away).after(after).always());
            let bytes = noise(160 * KIB);
            let blob = Descriptor::of("t", &bytes);
            let error = bench
                .repository(&registry)
                .push_blob(&blob, &BlobSource::Bytes(bytes.into()))
                .await
                .expect_err("the stranger takes nothing");
            assert_says(&error, ErrorKind::Denied, &["to which `", "redirects"]);
            assert_learnt_nothing(&stranger, if chunks { "in chunks" } else { "in one PUT" });
        });
    }
}

/// Finding 4: a chunk's answer names the session's next address.
#[test]
fn a_session_that_moves_to_another_host_sees_no_credentials() {
    run(async {
        let (registry, bench) = guarded().await;
        let stranger = stranger([
            Fault::new(
                "PATCH /evil",
                Act::Instead(
                    Answer::new(202, "").with("location", "/evil/1").with("range", "0-65535"),
                ),
            ),
            Fault::new("PATCH /evil", asks()).always(),
            Fault::new("PUT /evil", asks()).always(),
            Fault::new("GET /evil", asks()).always(),
        ])
        .await;
        registry.fail(Fault::new("PUT /blobs/uploads/", Act::Reset).times(3));
        let there = format!("http://{}/evil/0", stranger.address());
        let away = Act::Instead(Answer::new(307, "").with("location", &there));
        registry.fail(Fault::new("PATCH /blobs/uploads/", away).always());
        let bytes = noise(160 * KIB);
        let blob = Descriptor::of("t", &bytes);
        bench
            .repository(&registry)
            .push_blob(&blob, &BlobSource::Bytes(bytes.into()))
            .await
            .expect_err("the stranger takes nothing");
        assert_learnt_nothing(&stranger, "a chunk");
    });
}

/// Finding 4: the next page was built on the address of the answer.
#[test]
fn the_next_page_on_another_host_sees_no_credentials() {
    run(async {
        let (registry, bench) = guarded().await;
        let page = |body: &'static str| {
            Act::Instead(Answer::new(200, body).with("link", "</evil?page=2>; rel=\"next\""))
        };
        let stranger = stranger([
            Fault::new("GET /evil?page=2", asks()).always(),
            Fault::new("GET /evil/tags", page(r#"{"tags":["1"]}"#)),
            Fault::new("GET /evil/referrers", page(r#"{"schemaVersion":2,"manifests":[]}"#)),
            Fault::new("GET /evil", asks()).always(),
        ])
        .await;
        for (list, there) in [("GET /tags/list", "tags"), ("GET /referrers/", "referrers")] {
            let there = format!("http://{}/evil/{there}", stranger.address());
            registry.fail(
                Fault::new(list, Act::Instead(Answer::new(307, "").with("location", &there)))
                    .always(),
            );
        }
        let repository = bench.repository(&registry);
        let error = repository.tags().await.expect_err("the second page is refused");
        assert_says(&error, ErrorKind::Denied, &["to which `", "redirects"]);
        assert_learnt_nothing(&stranger, "tags");
        repository.referrers(&Digest::sha256(b"x"), None).await.expect_err("the second page too");
        assert_learnt_nothing(&stranger, "referrers");
    });
}

/// Relative of finding 4: a login took the challenge of the host that `/v2/` redirects to for the
/// registry's.
#[test]
fn a_login_believes_no_challenge_of_another_host() {
    run(async {
        let (registry, stranger) =
            (FaultRegistry::start(Setup::default()).await, stranger([]).await);
        let challenge = format!("Bearer realm=\"http://{}/evil/token\"", stranger.address());
        stranger.fail(
            Fault::new(
                "GET /evil/v2",
                Act::Instead(Answer::new(401, "").with("www-authenticate", &challenge)),
            )
            .always(),
        );
        let there = format!("http://{}/evil/v2", stranger.address());
        registry.fail(
            Fault::new("GET /v2/", Act::Instead(Answer::new(307, "").with("location", &there)))
                .always(),
        );
        let bench = Bench::new();
        let host = registry.address().parse().expect("registry");
        let error = bench.client.login(&host, &user()).await.expect_err("no login");
        assert_says(&error, ErrorKind::Denied, &["redirects"]);
        for (request, _) in stranger.take() {
            assert_eq!(request.header("authorization"), None, "{request:?}");
            assert!(!request.target.contains("token"), "{request:?}");
        }
    });
}

/// Finding 20: an offset that went down and up again was progress, which grants all tries anew.
#[test]
fn a_registry_that_forgets_chunks_is_given_up() {
    let range = |text: &str| Act::Headers(vec![("range", text.to_owned())]);
    for (what, faults) in [
        (
            "down and up at each chunk",
            vec![
                Fault::new(
                    "PATCH /blobs/uploads/",
                    Act::Instead(Answer::new(202, "").with("range", "0-99")),
                )
                .always(),
                Fault::new(
                    "GET /blobs/uploads/",
                    Act::Instead(Answer::new(204, "").with("range", "0-99")),
                )
                .always(),
            ],
        ),
        (
            "a fault at each chunk, and a session that knows some of it",
            vec![
                Fault::new("PATCH /blobs/uploads/", Act::Instead(Answer::new(500, ""))).always(),
                Fault::new(
                    "GET /blobs/uploads/",
                    Act::Instead(Answer::new(204, "").with("range", "0-9")),
                )
                .times(1),
                Fault::new(
                    "GET /blobs/uploads/",
                    Act::Instead(Answer::new(204, "").with("range", "0-0")),
                )
                .times(1),
                Fault::new(
                    "GET /blobs/uploads/",
                    Act::Instead(Answer::new(204, "").with("range", "0-9")),
                )
                .times(1),
                Fault::new("GET /blobs/uploads/", range("0-0")).always(),
            ],
        ),
    ] {
        run(async {
            let registry = FaultRegistry::start(Setup::default()).await;
            let bench = Bench::with(|options| options.chunk = 64 << 10);
            registry.fail(Fault::new("PUT /blobs/uploads/", Act::Reset).always());
            for fault in faults {
                registry.fail(fault);
            }
            let bytes = noise(640 * KIB);
            let blob = Descriptor::of("t", &bytes);
            let repository = bench.repository(&registry);
            let source = BlobSource::Bytes(bytes.into());
            repository.push_blob(&blob, &source).await.expect_err(what);
            let seen = registry.take().len();
            assert!(seen < 200, "{what}: {seen} requests");
        });
    }
}

/// Finding 14: a layer of any size filled the disk, where only `pull` looked at its size.
#[test]
fn a_chart_that_says_it_is_huge_is_not_fetched() {
    run(async {
        let registry = FaultRegistry::start(Setup::default()).await;
        let config = r#"{"apiVersion":"v2","name":"demo","version":"1.0.0"}"#;
        let config = registry.with(|registry| registry.hold(media::CHART_CONFIG, config));
        let layer = Descriptor::new(media::CHART_CONTENT, Digest::sha256(b"huge"), 3 << 30);
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[{}]}}"#,
            media::MANIFEST,
            serde_json::to_string(&config).expect("JSON"),
            serde_json::to_string(&layer).expect("JSON"),
        );
        registry.with(|registry| registry.hold_manifest("1.0.0", media::MANIFEST, manifest));
        let bench = Bench::new();
        let error =
            prepare::from_store(&bench.repository(&registry), &tag("1.0.0"), &Limits::default())
                .await
                .expect_err("3 GiB");
        assert_says(&error, ErrorKind::Limit, &["the chart's layer has 3221225472 bytes"]);
        assert!(registry.seen().iter().all(|line| !line.contains("/blobs/")));
    });
}

/// A 201 or 202 of another host says nothing of what the registry holds.
#[test]
fn a_manifest_is_pushed_and_deleted_at_the_registry_alone() {
    run(async {
        let (registry, bench) = guarded().await;
        let taken = |status| Act::Instead(Answer::new(status, ""));
        let stranger = stranger([
            Fault::new("PUT /evil", taken(201)).always(),
            Fault::new("DELETE /evil", taken(202)).always(),
        ])
        .await;
        let there = format!("http://{}/evil", stranger.address());
        for kind in ["PUT /manifests/", "DELETE /manifests/"] {
            let away = Act::Instead(Answer::new(307, "").with("location", &there));
            registry.fail(Fault::new(kind, away).always());
        }
        let repository = bench.repository(&registry);
        let manifest = Manifest::parse(
            r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}"#.into(),
            None,
        )
        .expect("manifest");
        let error = repository.push_manifest(&manifest, None).await.expect_err("not the registry");
        assert_says(&error, ErrorKind::Protocol, &["redirects an upload or a deletion"]);
        let target = TagOrDigest::Digest(manifest.digest().clone());
        let error = repository.delete(&target).await.expect_err("not the registry");
        assert_says(&error, ErrorKind::Protocol, &["redirects an upload or a deletion"]);
        assert!(stranger.take().is_empty(), "nothing is sent there");
    });
}

/// Finding 10 of the client's rehearsal: a list that names its own page as the next one ended
/// without a word, and a name on two pages was listed twice.
#[test]
fn a_list_that_does_not_advance_is_not_taken_for_whole() {
    run(async {
        let setup = Setup { page: 2, ..Setup::default() };
        let registry = FaultRegistry::start(setup).await;
        for name in ["1", "2", "3", "4"] {
            registry.with(|registry| registry.hold_manifest(name, media::MANIFEST, "{}"));
        }
        let bench = Bench::new();
        let repository = bench.repository(&registry);
        let subject = Digest::sha256(b"subject");
        let path = format!("/v2/team/demo/referrers/{subject}");
        let tags = "/v2/team/demo/tags/list";
        let own = |path: &str| {
            let link = format!("<{path}>; rel=\"next\"");
            Act::Headers(vec![("link", link)])
        };
        registry.fail(Fault::new("GET /tags/list", own(tags)));
        registry.fail(Fault::new("GET /_catalog", own("/v2/_catalog")));
        registry.fail(Fault::new("GET /referrers/", own(&path)));
        let host = registry.address().parse().unwrap();
        let circle = |error: Error| assert_says(&error, ErrorKind::Protocol, &["form a loop"]);
        circle(repository.tags().await.expect_err("tags"));
        circle(bench.client.catalog(&host).await.expect_err("repositories"));
        circle(repository.referrers(&subject, None).await.expect_err("referrers"));
        assert_eq!(registry.seen().len(), 3, "no page is asked for twice");

        let page = |link: &str, tags: &str| {
            let body = format!(r#"{{"name":"x","tags":{tags}}}"#);
            Act::Instead(Answer::new(200, body).with("link", link))
        };
        registry.fail(Fault::new("GET /tags/list?last=2", page("", r#"["2","1","3"]"#)));
        assert_eq!(repository.tags().await.expect("tags"), ["1", "2", "3"]);
    });
}
