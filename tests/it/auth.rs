//! How a client says who it is: nothing before it is asked, then what is asked for, and no more
//! than that; where credentials come from. Logging in and out is in [`super::auth_login`].

use crate::{
    faults::named::assert_says,
    faults::{Bench, noise, run, tag, user},
    support::{
        fault::{Act, Fault, FaultRegistry},
        fault_registry::{Answer, Auth, Setup},
    },
};
use chartferry::{
    ErrorKind,
    client::{Credential, CredentialSource, Given, Intent, Secret, Surroundings},
    oci::{Descriptor, Manifest, media},
    store::{BlobSource, Fetch, Push, Tags},
};
use std::{fs, time::Duration};

const MANIFEST: &str = r#"{"schemaVersion":2,"config":{"mediaType":"c","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}"#;

pub(crate) async fn registry(auth: Auth) -> FaultRegistry {
    started(Setup { auth, ..Setup::default() }).await
}

pub(crate) async fn started(setup: Setup) -> FaultRegistry {
    let registry = FaultRegistry::start(setup).await;
    registry.with(|registry| registry.hold_manifest("1", media::MANIFEST, MANIFEST));
    registry
}

fn given(credential: Credential) -> Bench {
    Bench::with(|options| options.keyring.given = Some(Given { credential, registry: None }))
}

/// A bench whose stored credentials are `document`, with `ADDR` for the registry's address.
fn stored(registry: &FaultRegistry, document: &str) -> Bench {
    let text = document.replace("ADDR", &registry.address());
    Bench::with(|options| {
        options.keyring.places = vec![CredentialSource::Inline(Secret::new(text))];
    })
}

pub(crate) fn identity(token: &str) -> Credential {
    Credential::Identity(Secret::new(token))
}

/// Requests without the registry's own part of the address.
fn seen(registry: &FaultRegistry) -> Vec<String> {
    registry.seen().iter().map(|line| line.replace("/v2/team/demo", "")).collect()
}

#[test]
fn nothing_is_said_before_it_is_asked() {
    run(async {
        let registry = registry(Auth::Open).await;
        let repository = given(user()).repository(&registry);
        repository.fetch_manifest(&tag("1")).await.expect("manifest");
        assert_eq!(registry.take()[0].0.header("authorization"), None);
    });
}

#[test]
fn basic_is_sent_once_asked_and_from_then_on() {
    run(async {
        let registry = registry(Auth::Basic).await;
        let repository = given(user()).repository(&registry);
        for _ in 0..2 {
            repository.fetch_manifest(&tag("1")).await.expect("manifest");
        }
        assert_eq!(
            seen(&registry),
            ["GET /manifests/1 -> 401", "GET /manifests/1 -> 200", "GET /manifests/1 -> 200"]
        );
        let error =
            Bench::new().repository(&registry).fetch_manifest(&tag("1")).await.expect_err("nobody");
        assert_says(&error, ErrorKind::Denied, &["401", "credentials are needed: log in to"]);
        assert_eq!(
            seen(&registry),
            ["GET /manifests/1 -> 401"],
            "without anything to show it asks once"
        );
    });
}

#[test]
fn a_token_is_asked_for_with_the_scope_of_the_request_and_kept() {
    run(async {
        let registry = registry(Auth::BearerOnly).await;
        let repository = given(user()).repository(&registry);
        for _ in 0..2 {
            repository.fetch_manifest(&tag("1")).await.expect("manifest");
        }
        repository
            .push_blob(&Descriptor::of("t", b"{}"), &BlobSource::Bytes("{}".into()))
            .await
            .expect("push");
        let digest = "sha256%3A44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        assert_eq!(
            seen(&registry),
            [
                "GET /manifests/1 -> 401".to_owned(),
                "GET /token?service=registry&scope=repository%3Ateam%2Fdemo%3Apull&client_id=chartferry&account=u -> 200".to_owned(),
                "GET /manifests/1 -> 200".to_owned(),
                "GET /manifests/1 -> 200".to_owned(),
                "GET /token?service=registry&scope=repository%3Ateam%2Fdemo%3Apull%2Cpush&client_id=chartferry&account=u -> 200".to_owned(),
                format!("POST /blobs/uploads/?digest={digest} -> 201"),
            ]
        );
    });
}

#[test]
fn who_is_going_to_write_asks_for_both_at_once() {
    run(async {
        let registry = registry(Auth::BearerOnly).await;
        let repository = given(user()).repository(&registry).with_intent(Intent::Writing);
        repository.fetch_manifest(&tag("1")).await.expect("manifest");
        repository
            .push_blob(&Descriptor::of("t", b"{}"), &BlobSource::Bytes("{}".into()))
            .await
            .expect("push");
        assert_eq!(seen(&registry).iter().filter(|line| line.contains("/token")).count(), 1);
    });
}

#[test]
fn many_requests_at_once_fetch_one_token() {
    run(async {
        let registry = registry(Auth::BearerOnly).await;
        let repository = given(user()).repository(&registry);
        let tag = tag("1");
        let reads = (0..10).map(|_| repository.fetch_manifest(&tag));
        for read in futures_util::future::join_all(reads).await {
            read.expect("manifest");
        }
        assert_eq!(seen(&registry).iter().filter(|line| line.contains("/token")).count(), 1);
    });
}

#[test]
fn a_token_is_renewed_before_it_ends() {
    run(async {
        let registry = registry(Auth::BearerOnly).await;
        let bench = given(user());
        let repository = bench.repository(&registry);
        let tokens = |registry: &FaultRegistry| {
            seen(registry).iter().filter(|line| line.contains("/token")).count()
        };
        repository.fetch_manifest(&tag("1")).await.expect("manifest");
        assert_eq!(tokens(&registry), 1);
        bench.clock.advance(Duration::from_secs(200));
        repository.fetch_manifest(&tag("1")).await.expect("manifest");
        assert_eq!(tokens(&registry), 0);
        bench.clock.advance(Duration::from_secs(50));
        repository.fetch_manifest(&tag("1")).await.expect("manifest");
        assert_eq!(tokens(&registry), 1);
    });
}

#[test]
fn a_revoked_token_is_renewed_once() {
    run(async {
        let registry = registry(Auth::BearerOnly).await;
        let repository = given(user()).repository(&registry);
        repository.fetch_manifest(&tag("1")).await.expect("manifest");
        registry.with(|registry| registry.revoke());
        repository.fetch_manifest(&tag("1")).await.expect("renewed");
        registry.fail(Fault::new("GET /manifests/", Act::Revoke).always());
        seen(&registry);
        let error = repository.fetch_manifest(&tag("1")).await.expect_err("always revoked");
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert_eq!(seen(&registry).iter().filter(|line| line.contains("/token")).count(), 1);
    });
}

#[test]
fn a_refresh_token_is_changed_by_post_and_by_get_where_there_is_no_post() {
    run(async {
        for token_post in [true, false] {
            let registry =
                started(Setup { auth: Auth::BearerOnly, token_post, ..Setup::default() }).await;
            let repository = given(identity("refresh")).repository(&registry);
            repository.fetch_manifest(&tag("1")).await.expect("manifest");
            let tokens: Vec<_> = registry
                .take()
                .into_iter()
                .filter(|(request, _)| request.path() == "/token")
                .map(|(request, status)| (request.method, status, request.body))
                .collect();
            assert_eq!(tokens[0].0, "POST");
            let body = String::from_utf8_lossy(&tokens[0].2).into_owned();
            assert_eq!(
                body,
                "grant_type=refresh_token&refresh_token=refresh&client_id=chartferry&service=registry&scope=repository%3Ateam%2Fdemo%3Apull"
            );
            if !token_post {
                assert_eq!((tokens[0].1, tokens[1].0.as_str(), tokens[1].1), (405, "GET", 200));
            }
        }
    });
}

#[test]
fn refused_stored_credentials_are_left_out_for_a_read_and_that_is_said() {
    run(async {
        // bad:bad
        let document = r#"{"auths":{"ADDR":{"auth":"YmFkOmJhZA=="}}}"#;
        let registry = registry(Auth::Bearer).await;
        let bench = stored(&registry, document);
        let repository = bench.repository(&registry);
        repository.fetch_manifest(&tag("1")).await.expect("as anybody");
        repository.tags().await.expect("as anybody, at once");
        let host = registry.address();
        assert_eq!(
            bench.told(),
            [format!("`{host}` refused the stored credentials; trying without them")]
        );
        let manifest = Manifest::parse(MANIFEST.into(), None).unwrap();
        let error = repository.push_manifest(&manifest, None).await.expect_err("nobody may write");
        assert_says(
            &error,
            ErrorKind::Denied,
            &["refuses the credentials", "check the name and the password"],
        );

        let error =
            given(Credential::Basic { username: "bad".into(), password: Secret::new("bad") })
                .repository(&registry)
                .fetch_manifest(&tag("1"))
                .await
                .expect_err("what was given for this run must hold");
        assert_eq!(error.kind(), ErrorKind::Denied);
    });
}

#[test]
fn a_read_that_is_forbidden_with_stored_credentials_is_tried_without() {
    run(async {
        let document = r#"{"auths":{"ADDR":{"auth":"dTpw"}}}"#;
        let registry = registry(Auth::Bearer).await;
        let forbidden = Act::Instead(Answer::error(403, "DENIED"));
        registry.fail(Fault::new("GET /manifests/", forbidden.clone()).after(1));
        let bench = stored(&registry, document);
        bench.repository(&registry).fetch_manifest(&tag("1")).await.expect("as anybody");
        assert_eq!(bench.told().len(), 1);
        // Refused both ways, the first refusal is told: it is about the credentials the user has.
        let bench = stored(&registry, document);
        registry.fail(Fault::new("GET /manifests/", forbidden).after(1).always());
        let error =
            bench.repository(&registry).fetch_manifest(&tag("1")).await.expect_err("forbidden");
        assert_says(&error, ErrorKind::Denied, &["403", "DENIED"]);
        assert_eq!(error.registry_codes(), ["DENIED"]);
    });
}

#[test]
fn a_token_service_that_is_none_is_named() {
    run(async {
        let page = Answer::new(200, "<html>sign on").with("content-type", "text/html");
        for (answer, kind, words) in [
            (page, ErrorKind::Protocol, "web page, not a token"),
            (Answer::new(200, "{}"), ErrorKind::Protocol, "no token"),
            (Answer::new(200, "x"), ErrorKind::Protocol, "text that is not JSON"),
            (Answer::new(404, "gone"), ErrorKind::NotFound, "404"),
            (
                Answer::new(401, r#"{"details":"incorrect username or password"}"#),
                ErrorKind::Denied,
                "incorrect username",
            ),
        ] {
            let registry = registry(Auth::Bearer).await;
            registry.fail(Fault::new("GET /token", Act::Instead(answer)).always());
            let error = given(user())
                .repository(&registry)
                .fetch_manifest(&tag("1"))
                .await
                .expect_err(words);
            assert_says(&error, kind, &[words]);
        }
    });
}

#[test]
fn a_token_service_that_has_a_bad_moment_is_asked_again() {
    run(async {
        let registry = registry(Auth::Bearer).await;
        registry.fail(Fault::new("GET /token", Act::Instead(Answer::new(503, ""))).times(2));
        registry.fail(Fault::new("GET /token", Act::Reset));
        given(user()).repository(&registry).fetch_manifest(&tag("1")).await.expect("in the end");
    });
}

#[test]
fn a_realm_within_a_private_network_is_not_asked() {
    run(async {
        let registry = registry(Auth::Bearer).await;
        let challenge = "Bearer realm=\"http://169.254.169.254/token\",service=\"x\"";
        let refusal = Answer::error(401, "UNAUTHORIZED").with("www-authenticate", challenge);
        registry.fail(Fault::new("GET /manifests/", Act::Instead(refusal)).always());
        let error =
            given(user()).repository(&registry).fetch_manifest(&tag("1")).await.expect_err("inner");
        assert_says(
            &error,
            ErrorKind::Protocol,
            &["169.254.169.254", "private network", "no credentials were sent"],
        );
    });
}

#[test]
fn credentials_do_not_follow_a_redirect_to_storage() {
    run(async {
        for auth in [Auth::Basic, Auth::BearerOnly] {
            let registry = registry(auth).await;
            let blob = registry.with(|registry| registry.hold("t", noise(1000)));
            // The registry's own check fails the test when a proof reaches its storage.
            registry.fail(Fault::new("GET /blobs/", Act::Storage(0)).after(1).always());
            given(user())
                .repository(&registry)
                .fetch_blob(&blob, 1000)
                .await
                .expect("from storage");
            assert!(registry.idle().is_empty());
        }
    });
}

#[test]
fn a_bearer_token_of_a_file_is_sent_as_it_is() {
    run(async {
        let registry = registry(Auth::Bearer).await;
        let bench = stored(&registry, r#"{"auths":{"ADDR":{"registrytoken":"ready"}}}"#);
        bench.repository(&registry).fetch_manifest(&tag("1")).await.expect("as anybody in the end");
        let proofs: Vec<_> = registry
            .take()
            .iter()
            .map(|(request, _)| request.header("authorization").unwrap_or("-").to_owned())
            .collect();
        assert_eq!(proofs, ["-", "Bearer ready", "-", "Bearer token-1"]);
    });
}

/// A folder with a credential helper named `docker-credential-test`.
#[cfg(unix)]
pub(crate) fn helper(script: &str) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("docker-credential-test");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

#[cfg(unix)]
#[test]
fn helpers_are_asked_and_their_failures_are_told_and_not_fatal() {
    let not_found = "echo credentials not found in native keychain; exit 1";
    for (script, proof, told) in [
        (
            r#"read server; echo "{\"ServerURL\":\"$server\",\"Username\":\"u\",\"Secret\":\"p\"}""#,
            true,
            None,
        ),
        (r#"[ "$1" = get ] && echo '{"Username":"u","Secret":"p"}'"#, true, None),
        (not_found, false, None),
        ("echo it is locked; exit 1", false, Some("failed: it is locked")),
        ("echo '{'", false, Some("its answer is not JSON")),
        ("exec sleep 1000", false, Some("did not answer in 0.2 s")),
    ] {
        run(async {
            let registry = registry(Auth::BasicToWrite).await;
            // Anybody may read here, so a push shows whether there was a proof.
            let folder = helper(script);
            let bench = Bench::with(|options| {
                options.keyring.places =
                    vec![CredentialSource::Inline(Secret::new(r#"{"credsStore":"test"}"#))];
                options.keyring.programs = vec![folder.path().to_path_buf()];
                options.keyring.patience =
                    Duration::from_millis(if told == Some("did not answer in 0.2 s") {
                        200
                    } else {
                        20_000
                    });
            });
            let repository = bench.repository(&registry);
            let pushed = repository
                .push_blob(&Descriptor::of("t", b"{}"), &BlobSource::Bytes("{}".into()))
                .await;
            assert_eq!(pushed.is_ok(), proof, "{script}: {pushed:?}");
            let heard = bench.told();
            match told {
                None => assert!(heard.is_empty(), "{script}: {heard:?}"),
                Some(words) => {
                    assert!(heard.len() == 1 && heard[0].contains(words), "{script}: {heard:?}");
                }
            }
        });
    }
}

#[test]
fn a_helper_that_is_not_installed_is_told_and_the_next_place_asked() {
    run(async {
        let registry = registry(Auth::Basic).await;
        let host = registry.address();
        let bench = Bench::with(|options| {
            options.keyring.places = vec![
                CredentialSource::Inline(Secret::new(r#"{"credsStore":"nowhere"}"#)),
                CredentialSource::Inline(Secret::new(format!(
                    r#"{{"auths":{{"{host}":{{"auth":"dTpw"}}}}}}"#
                ))),
            ];
        });
        bench.repository(&registry).fetch_manifest(&tag("1")).await.expect("by the next");
        assert_eq!(
            bench.told(),
            ["the credential helper `docker-credential-nowhere` is not installed"]
        );
    });
}

#[test]
fn a_helpers_name_does_not_lead_out_of_its_folder() {
    run(async {
        let registry = registry(Auth::Basic).await;
        let bench = stored(&registry, r#"{"credsStore":"x/../../../bin/sh"}"#);
        let error =
            bench.repository(&registry).fetch_manifest(&tag("1")).await.expect_err("no proof");
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert!(bench.told()[0].contains("is not installed"));
    });
}

#[test]
fn an_entry_for_a_path_comes_before_the_hosts() {
    run(async {
        let registry = registry(Auth::Basic).await;
        // bad:bad for the host, u:p for the team.
        let document = r#"{"auths":{"ADDR":{"auth":"YmFkOmJhZA=="},"ADDR/team":{"auth":"dTpw"}}}"#;
        stored(&registry, document)
            .repository(&registry)
            .fetch_manifest(&tag("1"))
            .await
            .expect("the team's");
        assert_eq!(seen(&registry).len(), 2);
    });
}

#[test]
fn a_file_of_credentials_that_is_broken_is_named_without_its_secrets() {
    run(async {
        let registry = registry(Auth::Basic).await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        fs::write(&path, r#"{"auths": {"x": {"auth": "c2VjcmV0"}"#).unwrap();
        let bench = Bench::with(|options| {
            options.keyring.places = vec![CredentialSource::Helm(path.clone())];
        });
        let error =
            bench.repository(&registry).fetch_manifest(&tag("1")).await.expect_err("broken");
        assert_says(&error, ErrorKind::Invalid, &["config.json", "not a JSON object"]);
        assert!(!error.chain().contains("c2VjcmV0"));
    });
}

#[test]
fn another_tools_broken_file_is_skipped_with_a_warning() {
    run(async {
        let registry = registry(Auth::Basic).await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        let auths = format!(r#"{{"auths":{{"{}":{{"auth":"dTpw"}}}}}}"#, registry.address());
        let next = || CredentialSource::Inline(Secret::new(auths.clone()));
        for (broken, place) in [
            (r#"{"auths": {"x": {"auth": "c2VjcmV0"}"#, CredentialSource::File(path.clone())),
            ("null", CredentialSource::File(path.clone())),
            ("{}\n}", CredentialSource::Old(path.clone())),
            ("\u{0}", CredentialSource::File(path.clone())),
        ] {
            fs::write(&path, broken).unwrap();
            let bench = Bench::with(|options| options.keyring.places = vec![place, next()]);
            bench.repository(&registry).fetch_manifest(&tag("1")).await.expect("the next place");
            let told = bench.told();
            assert!(told.len() == 1 && told[0].contains("config.json"), "{told:?}");
            assert!(!told[0].contains("c2VjcmV0"));
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        let places = vec![CredentialSource::File(path.clone()), next()];
        let bench = Bench::with(|options| options.keyring.places = places);
        bench.repository(&registry).fetch_manifest(&tag("1")).await.expect("a folder");
        assert!(bench.told()[0].contains("config.json"));
        // A byte order mark is no fault at all.
        let marked = CredentialSource::Inline(Secret::new(format!("\u{feff}{auths}")));
        let bench = Bench::with(|options| options.keyring.places = vec![marked]);
        bench.repository(&registry).fetch_manifest(&tag("1")).await.expect("a mark");
        assert!(bench.told().is_empty());
    });
}

#[test]
fn places_are_asked_in_order() {
    let mut around = Surroundings::default();
    around.helm_file = Some("/h/registry.json".into());
    around.auth_file = Some("/a.json".into());
    around.docker_document = Some("{}".into());
    around.docker_folder = Some("/d".into());
    around.runtime_folder = Some("/run".into());
    around.config_folder = Some("/c".into());
    around.home = Some("/home/x".into());
    assert_eq!(
        around.places(),
        [
            CredentialSource::Helm("/h/registry.json".into()),
            CredentialSource::File("/a.json".into()),
            CredentialSource::Inline(Secret::new("{}")),
            CredentialSource::File("/d/config.json".into()),
            CredentialSource::File("/run/containers/auth.json".into()),
            CredentialSource::File("/c/containers/auth.json".into()),
            CredentialSource::Old("/home/x/.dockercfg".into()),
        ]
    );
    assert_eq!(
        format!("{:?}", CredentialSource::Inline(Secret::new("hidden"))),
        "Inline((secret))"
    );
}
