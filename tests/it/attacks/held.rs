//! Attacks that failed when they were tried, kept so: who may do what, names that lead elsewhere,
//! tokens that nobody signed, and requests that no client would send.

use super::jwt::{access, bearer, issuer, signed, unsigned};
use crate::registry::{IMAGE, Server, bytes, wire};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use chartferry::{
    oci::Digest,
    server::{Access, Anonymous, Config, Htpasswd},
};
use serde_json::{Value, json};
use std::{fs, io::Write as _};

fn with(access: Access) -> Server {
    let mut config = Config::default();
    config.access = access;
    Server::with(config)
}

#[test]
fn whoever_may_only_read_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users");
    fs::write(&path, format!("ann:{}\n", bcrypt::hash("ann", 4).unwrap())).unwrap();
    let server = with(Access::Users(Htpasswd::open(&path).unwrap(), Anonymous::MayPull));
    let authorization = format!("Basic {}", BASE64_STANDARD.encode("ann:ann"));
    let ann = [("Authorization", authorization.as_str())];
    let digest = Digest::sha256(b"{}");
    let blob = format!("/v2/a/blobs/{digest}");
    let whole = format!("/v2/a/blobs/uploads/?digest={digest}");
    let mount = format!("/v2/b/blobs/uploads/?mount={digest}");
    server.send("POST", &whole, &ann, b"{}").expect(201);
    let session = server.send("POST", "/v2/a/blobs/uploads/", &ann, b"").expect(202).location();
    let finish = format!("{session}?digest={digest}");
    let by_digest = format!("/v2/a/manifests/{digest}");
    let everything = |server: &Server| {
        let mut found = Vec::new();
        crate::support::list(&server.store(), &mut |path, metadata| {
            found.push((path.to_owned(), metadata.len(), metadata.modified().unwrap()));
        });
        found.sort();
        found
    };
    let before = everything(&server);
    let requests: [(&str, &str); 26] = [
        ("GET", &session),
        ("HEAD", &session),
        ("PATCH", &session),
        ("PUT", &finish),
        ("DELETE", &session),
        ("POST", "/v2/a/blobs/uploads/"),
        ("POST", "/v2/a/blobs/uploads"),
        ("POST", &whole),
        ("POST", &mount),
        ("POST", &format!("{mount}&from=a")),
        ("PUT", "/v2/a/manifests/x"),
        ("PUT", &by_digest),
        ("DELETE", "/v2/a/manifests/x"),
        ("DELETE", &by_digest),
        ("DELETE", &blob),
        ("PUT", &blob),
        ("POST", "/api/charts"),
        ("POST", "/api/prov"),
        ("PUT", "/api/charts"),
        ("DELETE", "/api/charts/a/1.0.0"),
        ("POST", "/api/ns/charts?force"),
        ("POST", "/index.yaml"),
        ("DELETE", "/charts/a-1.0.0.tgz"),
        ("OPTIONS", "/v2/"),
        ("OPTIONS", "/api/charts"),
        ("TRACE", "/v2/"),
    ];
    for (method, path) in requests {
        for headers in [&[][..], &[("X-HTTP-Method-Override", "DELETE")]] {
            let body: &[u8] = if matches!(method, "GET" | "HEAD" | "TRACE") { b"" } else { b"{}" };
            let answer = server.send(method, path, headers, body);
            assert!(matches!(answer.status, 401 | 404 | 405), "{method} {path}: {answer}");
        }
    }
    // What reads is let through, and a header makes no other method of it.
    for path in ["/v2/", "/v2/_catalog", blob.as_str(), "/index.yaml"] {
        let disguised = [("X-HTTP-Method-Override", "DELETE"), ("X-Method-Override", "DELETE")];
        server.send("GET", path, &disguised, b"").expect(200);
        let wrong = format!("Basic {}", BASE64_STANDARD.encode("ann:bob"));
        server.send("GET", path, &[("Authorization", &wrong)], b"").expect(401);
    }
    assert_eq!(everything(&server), before);
}

#[test]
fn no_spelling_of_a_path_leads_into_another_namespace() {
    let server = with(Access::Issuer(issuer(Anonymous::Refused)));
    let owner = bearer(&access(&["secret"], &["pull", "push"]));
    let mine = bearer(&access(&["mine"], &["pull", "push"]));
    let digest = Digest::sha256(b"{}");
    let put = format!("/v2/secret/x/blobs/uploads/?digest={digest}");
    server.send("POST", &put, &[("Authorization", &owner)], b"{}").expect(201);
    let stolen = format!("blobs/{digest}");
    for namespace in [
        "secret",
        "/secret",
        "mine/../secret",
        "mine/%2e%2e/secret",
        "mine/%2E./secret",
        "mine/..%2fsecret",
        "mine%2f..%2fsecret",
        "mine%2F%2E%2E%2Fsecret",
        "./secret",
        "%2e/secret",
        "SECRET",
        "Secret",
        "%73ecret",
        "secret%2f",
        "secret/",
        "mine//../secret",
        "mine/..;/secret",
        "mine%00/../secret",
        "mine\\..\\secret",
        "mine%5c..%5csecret",
        "%252e%252e/secret",
        "mine?/../secret",
        "mine%3f/../secret",
        "mine%23/../secret",
    ] {
        for (method, path) in [
            ("GET", format!("/v2/{namespace}/x/{stolen}")),
            ("GET", format!("/v2/{namespace}/x/tags/list")),
            ("PUT", format!("/v2/{namespace}/x/manifests/1")),
            ("POST", format!("/v2/{namespace}/x/blobs/uploads/")),
            ("POST", format!("/v2/mine/y/blobs/uploads/?mount={digest}&from={namespace}/x")),
            ("GET", format!("/{namespace}/index.yaml")),
            ("GET", format!("/{namespace}/charts/x-1.0.0.tgz")),
            ("GET", format!("/api/{namespace}/charts")),
            ("POST", format!("/api/{namespace}/charts")),
            ("DELETE", format!("/api/{namespace}/charts/x/1.0.0")),
        ] {
            let headers = [("Authorization", mine.as_str()), ("Content-Type", IMAGE)];
            let answer = server.send(method, &path, &headers, b"");
            let opened = path.contains("mount=") && answer.status == 202;
            let refused = matches!(answer.status, 400 | 401 | 404 | 405);
            assert!(refused || opened, "{method} {path}: {answer}");
        }
    }
    server
        .send("GET", &format!("/v2/secret/x/{stolen}"), &[("Authorization", &owner)], b"")
        .expect(200);
}

#[test]
fn only_a_token_that_the_issuer_signed_and_that_is_good_now_counts() {
    let server = with(Access::Issuer(issuer(Anonymous::Refused)));
    let ask = |authorization: &str| {
        server.send("GET", "/v2/_catalog", &[("Authorization", authorization)], b"").status
    };
    let claims = |times: Value| {
        let mut claims = access(&["repo"], &["pull", "push"]);
        claims.as_object_mut().unwrap().extend(times.as_object().unwrap().clone());
        claims
    };
    let rs256 = json!({"alg": "RS256", "typ": "JWT"});
    let good = claims(json!({}));
    let token = signed(&rs256, &good);
    let (text, signature) = token.rsplit_once('.').unwrap();
    // The public key as the secret of an HMAC: what confuses a library that believes `alg`.
    let public = fs::read(crate::support::source_tree("testdata/attacks/issuer.pem")).unwrap();
    let hs256 = unsigned(&json!({"alg": "HS256", "typ": "JWT"}), &good);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &public);
    let tag = BASE64_URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, hs256.as_bytes()));
    let far = 4_000_000_000_u64;
    for (what, token, status) in [
        ("a good one", token.clone(), 200),
        ("one for ever", signed(&rs256, &claims(json!({"exp": far}))), 200),
        ("none", format!("{}.", unsigned(&json!({"alg": "none"}), &good)), 401),
        ("None", format!("{}.", unsigned(&json!({"alg": "None"}), &good)), 401),
        ("none, signed", signed(&json!({"alg": "none"}), &good), 401),
        ("HS256", format!("{hs256}.{tag}"), 401),
        ("HS256, signed by RSA", signed(&json!({"alg": "HS256"}), &good), 401),
        ("PS256", signed(&json!({"alg": "PS256"}), &good), 401),
        ("without alg", signed(&json!({}), &good), 401),
        ("without signature", format!("{text}."), 401),
        ("two parts", text.to_owned(), 401),
        (
            "another's claims",
            format!("{}.{signature}", unsigned(&rs256, &claims(json!({"x": 1})))),
            401,
        ),
        ("expired", signed(&rs256, &claims(json!({"exp": 1}))), 401),
        ("expired long before", signed(&rs256, &claims(json!({"exp": -1}))), 401),
        ("not yet", signed(&rs256, &claims(json!({"nbf": far}))), 401),
        ("from the future", signed(&rs256, &claims(json!({"iat": far}))), 401),
        ("a text for a time", signed(&rs256, &claims(json!({"exp": "never"}))), 401),
        ("claims that are a list", signed(&rs256, &json!([])), 401),
        ("too long", format!("{token}{}", "A".repeat(70_000)), 401),
        ("empty", String::new(), 401),
    ] {
        // A head that is too long is refused before anybody reads the token.
        let found = ask(&format!("Bearer {token}"));
        assert!(found == status || (what == "too long" && found == 431), "{what}: {found}");
    }
}

#[test]
fn a_request_that_two_servers_would_read_differently_is_refused() {
    let server = Server::new();
    let inner = "DELETE /v2/a/manifests/x HTTP/1.1\r\nHost: x\r\n\r\n";
    for head in [
        "Content-Length: 6\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 6",
        "Content-Length: 0\r\nContent-Length: 60",
        "Content-Length: 60, 0",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        "Content-Length: +6",
        "Content-Length: 0x6",
        "Content-Length: -1",
        " Content-Length: 6",
    ] {
        let text =
            format!("POST /api/charts HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n0\r\n\r\n{inner}");
        let mut stream = wire::raw(server.address, text.as_bytes());
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        // A reset is an answer too.
        let _ = std::io::Read::read_to_end(&mut stream, &mut answer);
        let answer = String::from_utf8_lossy(&answer);
        let answers = answer.matches("HTTP/1.1 ").count();
        assert!(answer.starts_with("HTTP/1.1 400") && answers == 1, "{head:?}: {answer}");
    }
    let mut stream = std::net::TcpStream::connect(server.address).unwrap();
    let head = format!("GET /v2/ HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "y".repeat(600_000));
    // The server may hang up in the middle.
    let _ = stream.write_all(head.as_bytes());
    let mut answer = Vec::new();
    let _ = std::io::Read::read_to_end(&mut stream, &mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"));
    server.get("/v2/").expect(200);
}

#[test]
fn random_requests_are_answered_and_break_nothing() {
    let server = Server::new();
    let digest = server.push_blob("a", b"some bytes of a blob").to_string();
    let mut dice = bytes(20_261_130, 200_000).into_iter().cycle();
    let mut roll = |sides: usize| usize::from(dice.next().unwrap()) * 251 % sides;
    let session = server.post("/v2/a/blobs/uploads/", b"").expect(202).location();
    let paths = [
        "/v2/",
        "/v2/_catalog",
        "/v2/a/tags/list",
        "/v2/a/manifests/x",
        "/v2/a/referrers/",
        "/v2/a/blobs/",
        "/v2/a/blobs/uploads/",
        "/index.yaml",
        "/api/charts",
        "/api/prov",
        "/api/charts/a/1.0.0",
        "/charts/a-1.0.0.tgz",
        "/metrics",
        "/",
        "/%ff",
        "/v2/%2e%2e/x/tags/list",
        "/api/a/b/c/charts",
        "/charts/x.tgz.prov",
        "/info",
        "/health",
        session.as_str(),
    ];
    let queries = [
        "",
        "?n=0",
        "?n=-1",
        "?n=99999999999999999999",
        "?last=%00",
        "?digest=sha256:0",
        "?mount=x",
        "?mount=",
        "?offset=1&limit=-1",
        "?artifactType=%ff",
        "?force",
        "?digest-algorithm=md5",
        "?tag=a&tag=%20",
        "?%=%",
    ];
    let methods =
        ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get"];
    let headers = [
        ("Range", "bytes=5-2"),
        ("Range", "bytes=-0"),
        ("Range", "bytes=18446744073709551615-"),
        ("Range", "bytes=0-18446744073709551615"),
        ("Content-Range", "0-18446744073709551615"),
        ("Content-Range", "18446744073709551615-0"),
        ("Content-Range", "bytes */5"),
        ("Content-Type", "multipart/form-data"),
        ("Content-Type", "multipart/form-data; boundary=x"),
        ("Content-Type", IMAGE),
        ("Content-Type", "\u{7f}"),
        ("Accept-Encoding", "gzip;q=0, zstd;q=9"),
        ("Accept-Encoding", ";;;"),
        ("If-None-Match", "W/\"\", *"),
        ("Authorization", "Basic \u{ff}"),
        ("Authorization", "Bearer"),
        ("Content-Encoding", "gzip"),
        ("Expect", "100-continue"),
        ("Host", ""),
        ("X-Request-Id", "\t"),
    ];
    let bodies: [&[u8]; 8] = [
        b"",
        b"{}",
        b"[",
        b"\x1f\x8b\x08\0",
        b"--x\r\n\r\n\r\n--x--",
        b"null",
        b"\xff\xfe",
        b"{\"schemaVersion\":2,\"layers\":[{\"size\":-1}]}",
    ];
    for at in 0..3_000 {
        let mut path = paths[roll(paths.len())].to_owned();
        if path.ends_with("blobs/") || path.ends_with("referrers/") {
            path.push_str(if roll(2) == 0 { &digest } else { "sha256:zz" });
        }
        path.push_str(queries[roll(queries.len())]);
        let method = methods[roll(methods.len())];
        let chosen: Vec<_> = (0..roll(4)).map(|_| headers[roll(headers.len())]).collect();
        let body = bodies[roll(bodies.len())];
        let mut stream = wire::open(server.address, method, &path, &chosen, body.len());
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let _ = std::io::Read::read_to_end(&mut stream, &mut answer);
        let status = answer.get(9..12).map(|code| String::from_utf8_lossy(code).into_owned());
        // A file with another ending than a chart's, and a provenance file that is none, are 500 as
        // with ChartMuseum.
        let ending = path.starts_with("/charts/") || path.starts_with("/api/prov");
        let broken = status.as_deref().is_some_and(|code| code.starts_with('5')) && !ending;
        // Where a request panics, its connection ends without an answer.
        assert!(
            !broken && status.is_some(),
            "{at}: {method} {path} {chosen:?}: {}",
            String::from_utf8_lossy(&answer)
        );
    }
    server.push_blob("a", b"afterwards");
}
