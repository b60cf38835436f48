//! Who may do what: nobody asked, users of an htpasswd file, readers without a name, holders of
//! tokens; and HTTPS.

use super::{EMPTY, IMAGE, Server, bytes, descriptor, wire};
use crate::faults::tls::Issuer;
use base64::{Engine, prelude::BASE64_STANDARD};
use chartferry::{
    Advice, ErrorKind,
    client::Identity,
    oci::Digest,
    server::{self, Access, Anonymous, Config, Htpasswd, Open, Scheme, Tls, Tokens},
    store::{Durability, disk::Disk},
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::{Value, json};
use std::{fs, net::SocketAddr, net::TcpStream, path::Path, sync::Arc, time::Duration};

const BASIC: &str = "Basic realm=\"chartferry\"";

/// Users `ann` and `bob`, each with the name as the password.
fn users(folder: &Path) -> Htpasswd {
    let path = folder.join("users");
    // The lowest cost there is: these guard nothing.
    let line = |name: &str| format!("{name}:{}\n", bcrypt::hash(name, 4).unwrap());
    fs::write(&path, line("ann") + &line("bob")).unwrap();
    Htpasswd::open(&path).unwrap()
}

fn server(access: Access) -> Server {
    let mut config = Config::default();
    config.access = access;
    Server::with(config)
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

#[test]
fn users_read_and_write_and_others_as_they_are_let() {
    let folder = tempfile::tempdir().unwrap();
    let digest = Digest::sha256(b"{}");
    let blob = format!("/v2/a/blobs/{digest}");
    let upload = format!("/v2/a/blobs/uploads/?digest={digest}");
    let requests: [(&str, &str, bool); 10] = [
        ("GET", "/v2/", true),
        ("GET", "/v2/_catalog", true),
        ("GET", "/v2/a/tags/list", true),
        ("GET", &blob, true),
        ("HEAD", &blob, true),
        ("POST", &upload, false),
        ("GET", "/v2/a/blobs/uploads/0123", false),
        ("PUT", "/v2/a/manifests/x", false),
        ("DELETE", "/v2/a/manifests/x", false),
        ("DELETE", &blob, false),
    ];
    for (anonymous, reads) in [(Anonymous::Refused, false), (Anonymous::MayPull, true)] {
        let server = server(Access::Users(users(folder.path()), anonymous));
        let send = |method: &str, path: &str, authorization: &str| {
            let headers = [("Authorization", authorization)];
            let headers = if authorization.is_empty() { &headers[..0] } else { &headers[..] };
            let body: &[u8] = if method == "POST" { b"{}" } else { b"" };
            server.send(method, path, headers, body)
        };
        for (method, path, is_read) in requests {
            let answer = send(method, path, "");
            if reads && is_read {
                assert_ne!(answer.status, 401, "{method} {path}");
            } else {
                answer.expect(401).has("www-authenticate", BASIC);
            }
            // Wrong credentials are refused even where none are needed.
            for wrong in [
                &basic("ann", "bob"),
                &basic("carl", "carl"),
                &basic("", ""),
                "Basic ???",
                "Basic YW5u",
                "Bearer x",
                "Negotiate x",
                "x",
            ] {
                send(method, path, wrong).expect(401).has("www-authenticate", BASIC);
            }
            let right = send(method, path, &basic("ann", "ann"));
            assert_ne!(right.status, 401, "{method} {path}");
        }
        send("POST", &upload, &basic("bob", "bob")).expect(201);
        send("GET", &blob, &basic("ann", "ann")).expect(200);
        assert_eq!(send("GET", "/v2/", "").status == 200, reads);
    }
}

#[test]
fn a_refused_upload_is_answered_and_not_reset() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(Access::Users(users(folder.path()), Anonymous::Refused));
    let body = bytes(1, 900_000);
    for _ in 0..5 {
        server.post("/v2/a/blobs/uploads/", &body).refused(401, "UNAUTHORIZED");
        server.put("/v2/a/manifests/x", &body).refused(401, "UNAUTHORIZED");
    }
}

#[tokio::test]
async fn a_registry_for_everyone_stays_on_this_machine_unless_that_is_meant() {
    let root = tempfile::tempdir().unwrap();
    let disk = Disk::open(&root.path().join("store"), Durability::None).unwrap();
    let mut config = Config::default();
    config.listen = "0.0.0.0:0".parse().unwrap();
    let error = server::bind(disk.clone(), config.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().starts_with("other machines can reach `0.0.0.0:0`"), "{error}");
    assert_eq!(error.advice(), Some(&Advice::RestrictAccess));
    config.open = Open::Yes;
    let bound = server::bind(disk.clone(), config.clone()).await.unwrap();
    assert_ne!(bound.address().port(), 0);
    // The port is taken now.
    config.listen = SocketAddr::from(([0, 0, 0, 0], bound.address().port()));
    let error = server::bind(disk.clone(), config.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
    config.listen = "0.0.0.0:0".parse().unwrap();
    config.open = Open::No;
    config.access = Access::Users(users(root.path()), Anonymous::MayPull);
    server::bind(disk, config).await.unwrap();
}

fn manifest() -> Value {
    json!({"schemaVersion": 2, "mediaType": IMAGE, "config": descriptor(EMPTY, b"{}"), "layers": []})
}

#[test]
fn tokens_are_given_to_users_for_what_they_ask_and_end() {
    let folder = tempfile::tempdir().unwrap();
    let lifetime = Duration::from_secs(300);
    let tokens = Tokens::new(users(folder.path()), Anonymous::MayPull, lifetime, Scheme::Http);
    let server = server(Access::Tokens(tokens.clone()));
    let challenge = |scope: &str| {
        let realm = format!("http://{}/token", server.address);
        format!("Bearer realm=\"{realm}\",service=\"chartferry\"{scope}")
    };
    let bearer = |method: &str, path: &str, token: &str, body: &[u8]| {
        let authorization = format!("Bearer {token}");
        server.send(method, path, &[("Authorization", &authorization)], body)
    };
    let upload = format!("/v2/ns/a/blobs/uploads/?digest={}", Digest::sha256(b"{}"));
    server.get("/v2/").expect(401).has("www-authenticate", &challenge(""));
    for (method, path, scope) in [
        ("GET", "/v2/ns/a/tags/list", "repository:ns/a:pull"),
        ("POST", upload.as_str(), "repository:ns/a:pull,push"),
        ("DELETE", "/v2/ns/a/manifests/x", "repository:ns/a:delete"),
        ("GET", "/v2/_catalog", "registry:catalog:*"),
    ] {
        let answer = server.send(method, path, &[], b"").refused(401, "UNAUTHORIZED");
        answer.has("www-authenticate", &challenge(&format!(",scope=\"{scope}\"")));
        // A password is for the token endpoint, not for us.
        let headers = [("Authorization", &basic("ann", "ann")[..])];
        server.send(method, path, &headers, b"").expect(401);
    }

    let ask = |query: &str, authorization: Option<&str>| {
        let headers: Vec<_> =
            authorization.map(|value| ("Authorization", value)).into_iter().collect();
        server.send("GET", &format!("/token?service=chartferry&{query}"), &headers, b"")
    };
    let text = |answer: &wire::Answer, name: &str| {
        answer.json()[name].as_str().unwrap_or_else(|| panic!("{name} in {answer}")).to_owned()
    };
    ask("scope=repository:ns/a:pull", Some(&basic("ann", "bob"))).refused(401, "UNAUTHORIZED");
    // Somebody without a name gets no more than reading.
    let answer = ask("scope=repository:ns/a:pull,push", None).expect(200);
    assert_eq!(answer.json()["expires_in"], 300);
    assert_eq!(answer.json()["token"], answer.json()["access_token"]);
    assert_eq!(answer.json().get("refresh_token"), None);
    let reader = text(&answer, "token");
    bearer("GET", "/v2/ns/a/tags/list", &reader, b"").refused(404, "NAME_UNKNOWN");
    bearer("POST", &upload, &reader, b"{}").refused(401, "UNAUTHORIZED");

    let answer = ask(
        "offline_token=true&scope=repository:ns/a:pull,push&scope=repository:ns/b:pull",
        Some(&basic("ann", "ann")),
    );
    let answer = answer.expect(200);
    let (writer, refresh) = (text(&answer, "token"), text(&answer, "refresh_token"));
    bearer("GET", "/v2/", &writer, b"").expect(200);
    bearer("POST", &upload, &writer, b"{}").expect(201);
    bearer("PUT", "/v2/ns/a/manifests/x", &writer, manifest().to_string().as_bytes()).expect(201);
    bearer("GET", "/v2/ns/b/tags/list", &writer, b"").expect(404);
    bearer("GET", "/v2/ns/c/tags/list", &writer, b"").expect(401);
    bearer("DELETE", "/v2/ns/a/manifests/x", &writer, b"").expect(401);
    bearer("GET", "/v2/_catalog", &writer, b"").expect(401);

    // A mount needs to read where it takes from.
    let mount = format!("/v2/ns/b/blobs/uploads/?mount={}&from=ns/a", Digest::sha256(b"{}"));
    let only_b = text(&ask("scope=repository:ns/b:pull,push", Some(&basic("bob", "bob"))), "token");
    bearer("POST", &mount, &only_b, b"").expect(202);
    let both = "scope=repository:ns/b:pull,push+repository:ns/a:pull";
    let both = text(&ask(both, Some(&basic("bob", "bob"))), "token");
    bearer("POST", &mount, &both, b"").expect(201);

    tokens.revoke_access();
    bearer("GET", "/v2/", &writer, b"").refused(401, "UNAUTHORIZED");
    let form = |form: &str| {
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        server.send("POST", "/token", &headers, form.as_bytes())
    };
    let scope = "service=chartferry&scope=repository:ns/a:pull+repository:ns/a:delete";
    let again =
        form(&format!("grant_type=refresh_token&refresh_token={refresh}&{scope}")).expect(200);
    bearer("DELETE", "/v2/ns/a/manifests/x", &text(&again, "access_token"), b"").expect(202);
    let login =
        form(&format!("grant_type=password&username=bob&password=bob&access_type=offline&{scope}"));
    assert!(!text(&login.expect(200), "refresh_token").is_empty());
    form("grant_type=password&username=bob&password=x").refused(401, "UNAUTHORIZED");
    form("grant_type=other").refused(400, "UNSUPPORTED");
    form("grant_type=refresh_token").refused(400, "UNSUPPORTED");
    tokens.revoke_refresh();
    form(&format!("grant_type=refresh_token&refresh_token={refresh}")).refused(401, "UNAUTHORIZED");
}

#[test]
fn a_token_that_has_ended_is_worth_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let tokens =
        Tokens::new(users(folder.path()), Anonymous::Refused, Duration::ZERO, Scheme::Https);
    let server = server(Access::Tokens(tokens));
    server.get("/token?scope=repository:a:pull").refused(401, "UNAUTHORIZED");
    let headers = [("Authorization", &basic("ann", "ann")[..])];
    let answer = server.send("GET", "/token?scope=repository:a:pull", &headers, b"").expect(200);
    let bearer = format!("Bearer {}", answer.json()["token"].as_str().unwrap());
    let answer = server.send("GET", "/v2/a/tags/list", &[("Authorization", &bearer)], b"");
    let challenge = answer.expect(401).header("www-authenticate").unwrap().to_owned();
    assert!(challenge.starts_with(&format!("Bearer realm=\"https://{}/token\"", server.address)));
}

#[test]
fn a_certificate_makes_it_https() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut config = Config::default();
    config.tls = Some(Tls::open(&certificate, &key).unwrap());
    let server = Server::with(config);

    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "127.0.0.1".try_into().unwrap();
    let session = rustls::ClientConnection::new(Arc::new(client), name).unwrap();
    let mut stream = rustls::StreamOwned::new(session, TcpStream::connect(server.address).unwrap());
    let request =
        format!("GET /v2/ HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", server.address);
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    wire::read(stream, "GET").expect(200);

    for (certificate, key, said) in [
        (&key, &key, "holds no certificate in PEM"),
        (&certificate, &certificate, "holds no key in PEM"),
        (&folder.path().join("absent"), &key, "cannot read certificate"),
    ] {
        let error = Tls::open(certificate, key).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
    let other = rcgen::generate_simple_self_signed(["x".to_owned()]).unwrap();
    fs::write(&key, other.signing_key.serialize_pem()).unwrap();
    let error = Tls::open(&certificate, &key).unwrap_err();
    assert!(error.to_string().contains("cannot be used with the key"), "{error}");
}

#[test]
fn with_an_authority_only_its_clients_are_served() {
    let (issuer, other) = (Issuer::new(), Issuer::new());
    let own = issuer.issue("server");
    let mut config = Config::default();
    // Whoever has such a certificate is known: nobody else need be asked for.
    config.listen = "0.0.0.0:0".parse().unwrap();
    config.tls = Some(Tls::open_for(&own.certificate, &own.key, &issuer.ca()).unwrap());
    let server = Server::with(config);
    let ask = |identity: Option<Identity>| {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(issuer.ca()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let client = match identity {
            None => client.with_no_client_auth(),
            Some(identity) => {
                let chain = vec![CertificateDer::from_pem_file(identity.certificate).unwrap()];
                let key = PrivateKeyDer::from_pem_file(identity.key).unwrap();
                client.with_client_auth_cert(chain, key).unwrap()
            }
        };
        let name = "127.0.0.1".try_into().unwrap();
        let session = rustls::ClientConnection::new(Arc::new(client), name).unwrap();
        let socket = TcpStream::connect(("127.0.0.1", server.address.port())).unwrap();
        let mut stream = rustls::StreamOwned::new(session, socket);
        let request = "GET /index.yaml HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let mut answer = String::new();
        std::io::Write::write_all(&mut stream, request.as_bytes())
            .and_then(|()| std::io::Read::read_to_string(&mut stream, &mut answer))
            .map(|_| answer)
    };
    assert!(ask(Some(issuer.issue("client"))).unwrap().starts_with("HTTP/1.1 200"));
    for refused in [None, Some(other.issue("stranger"))] {
        let answer = ask(refused);
        assert!(answer.is_err(), "{answer:?}");
    }

    let error = Tls::open_for(&own.certificate, &own.key, &own.key).unwrap_err();
    assert!(error.to_string().contains("holds no certificate in PEM"), "{error}");
}

#[test]
fn a_request_keeps_the_id_it_came_with() {
    let server = Server::new();
    let own = server.get("/v2/").expect(200).header("x-request-id").unwrap().to_owned();
    let next = server.get("/v2/").expect(200).header("x-request-id").unwrap().to_owned();
    assert_ne!(own, next);
    for (given, kept) in [("abc-1.2_3", true), ("two words", false), (&"x".repeat(65), false)] {
        let answer = server.send("GET", "/v2/", &[("X-Request-Id", given)], b"");
        assert_eq!(answer.header("x-request-id") == Some(given), kept, "{given}");
    }
}
