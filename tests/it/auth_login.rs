//! Logging in and out: what is tried, what is stored, and where.

use crate::{
    auth::{helper, identity, registry, started},
    faults::named::assert_says,
    faults::{Bench, run, tag, user},
    support::{
        fault::{Act, Fault, FaultRegistry},
        fault_registry::{Answer, Auth, Setup},
    },
};
use chartferry::{
    ErrorKind,
    client::{Credential, CredentialSource, Keyring, Probe, Removed, Secret},
    store::Fetch,
};
use std::{fs, path::PathBuf};

fn keeping(path: &std::path::Path) -> Bench {
    let path = PathBuf::from(path);
    Bench::with(|options| options.keyring.places = vec![CredentialSource::Helm(path)])
}

#[test]
fn a_login_is_tried_before_it_is_stored_and_a_logout_takes_it_away() {
    run(async {
        for (auth, post) in [
            (Auth::Basic, true),
            (Auth::BearerOnly, true),
            (Auth::BearerOnly, false),
            (Auth::Bearer, false),
        ] {
            let registry = started(Setup { auth, token_post: post, ..Setup::default() }).await;
            let host = registry.address().parse().unwrap();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("registry/config.json");
            let bench = keeping(&path);

            let wrong = Credential::Basic { username: "u".into(), password: Secret::new("no") };
            let error = bench.client.login(&host, &wrong).await.expect_err("wrong");
            assert_says(&error, ErrorKind::Denied, &["authenticating to \"127.0.0.1:"]);
            assert!(!path.exists(), "nothing is stored");

            assert_eq!(bench.client.login(&host, &user()).await.expect("right"), Probe::Confirmed);
            let text = fs::read_to_string(&path).unwrap();
            assert_eq!(
                text,
                format!(
                    "{{\n\t\"auths\": {{\n\t\t\"{host}\": {{\n\t\t\t\"auth\": \"dTpw\"\n\t\t}}\n\t}}\n}}"
                )
            );
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt as _;
                assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            }
            // What was stored is what the next run finds.
            keeping(&path).repository(&registry).fetch_manifest(&tag("1")).await.expect("known");

            assert_eq!(bench.client.logout(&host).await.expect("out"), Removed::Removed);
            assert_eq!(bench.client.logout(&host).await.expect("out"), Removed::Absent);
            assert_eq!(fs::read_to_string(&path).unwrap(), "{\n\t\"auths\": {}\n}");
        }
    });
}

#[test]
fn a_login_with_a_refresh_token_stores_that() {
    run(async {
        let registry = registry(Auth::BearerOnly).await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        let host = registry.address().parse().unwrap();
        keeping(&path).client.login(&host, &identity("refresh")).await.expect("right");
        assert!(fs::read_to_string(&path).unwrap().contains(r#""identitytoken": "refresh""#));
        keeping(&path).repository(&registry).fetch_manifest(&tag("1")).await.expect("known");
    });
}

#[test]
fn a_login_where_nobody_is_asked_says_so() {
    run(async {
        let host = |registry: &FaultRegistry| registry.address().parse().unwrap();
        let open = registry(Auth::Open).await;
        assert_eq!(
            Bench::new().client.login_probe(&host(&open), &user()).await.expect("open"),
            Probe::Unasked
        );
        let half = registry(Auth::BasicToWrite).await;
        let wrong = Credential::Basic { username: "u".into(), password: Secret::new("no") };
        let error = Bench::new().client.login_probe(&host(&half), &wrong).await.expect_err("wrong");
        assert_says(&error, ErrorKind::Denied, &["401", "nothing was stored"]);
    });
}

#[test]
fn a_login_at_what_is_no_registry_is_named() {
    run(async {
        for (answer, words) in [
            (Answer::new(200, "<html>").with("content-type", "text/html"), "web page"),
            (Answer::new(404, "404 page not found"), "does not look like a registry"),
        ] {
            let registry = registry(Auth::Open).await;
            registry.fail(Fault::new("GET /v2/", Act::Instead(answer)).always());
            let host = registry.address().parse().unwrap();
            let error = Bench::new().client.login_probe(&host, &user()).await.expect_err(words);
            assert_says(&error, ErrorKind::Protocol, &[words]);
        }
    });
}

#[cfg(unix)]
#[test]
fn a_login_goes_to_the_helper_that_the_file_names() {
    run(async {
        let registry = registry(Auth::Basic).await;
        let folder = helper(r#"cat > "$(dirname "$0")/$1""#);
        let path = folder.path().join("config.json");
        fs::write(&path, r#"{"credsStore":"test"}"#).unwrap();
        let bench = Bench::with(|options| {
            let mut keyring = Keyring::default();
            keyring.places = vec![CredentialSource::Helm(path.clone())];
            keyring.programs = vec![folder.path().to_path_buf(), "/usr/bin".into(), "/bin".into()];
            options.keyring = keyring;
        });
        let host: chartferry::oci::Registry = registry.address().parse().unwrap();
        bench.client.login(&host, &user()).await.expect("right");
        let handed = fs::read_to_string(folder.path().join("store")).unwrap();
        assert_eq!(handed, format!(r#"{{"ServerURL":"{host}","Username":"u","Secret":"p"}}"#));
        bench.client.logout(&host).await.expect("out");
        assert_eq!(fs::read_to_string(folder.path().join("erase")).unwrap(), host.as_str());
        assert_eq!(fs::read_to_string(&path).unwrap(), r#"{"credsStore":"test"}"#);
    });
}
