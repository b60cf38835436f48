//! Requests to `serve` that hide other charts, replace them, or fill its memory.

use crate::registry::{IMAGE, Server, bytes, descriptor};
use chartferry::{
    oci::media::{CHART_CONFIG, CHART_CONTENT},
    server::Config,
};
use serde_json::{Value, json};
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

/// Pushes a manifest of a chart with this config; the archive need not be one.
fn push(
    server: &Server,
    repository: &str,
    tag: &str,
    config: &Value,
    archive: &[u8],
) -> crate::registry::wire::Answer {
    let config = config.to_string();
    server.push_blob(repository, config.as_bytes());
    server.push_blob(repository, archive);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": IMAGE,
        "config": descriptor(CHART_CONFIG, config.as_bytes()),
        "layers": [descriptor(CHART_CONTENT, archive)],
    });
    server.push_manifest(repository, tag, &manifest)
}

fn config(name: &str) -> Value {
    json!({"name": name, "version": "1.0.0", "apiVersion": "v2"})
}

/// Finding 1 of the rehearsal: a key that YAML merges made the whole index unreadable.
#[test]
fn a_merge_key_in_a_config_leaves_the_index_readable() {
    let server = Server::new();
    let mut odd = config("demo");
    odd["annotations"] = json!({"<<": "d", "=": "<<"});
    push(&server, "w/demo", "1.0.0", &odd, b"x").expect(201);
    let index = String::from_utf8(server.get("/w/index.yaml").expect(200).body).unwrap();
    assert!(index.contains("      \"<<\": d\n"), "{index}");
    let listed = server.get("/api/w/charts/demo/1.0.0").expect(200).json();
    assert_eq!(listed["annotations"]["<<"], "d");
}

/// Finding 2 of the rehearsal: the flag held for the tag of the version alone.
#[test]
fn no_other_repository_replaces_a_guarded_version() {
    let mut options = Config::default();
    options.museum.overwrite = chartferry::server::chartmuseum::Overwrite::Never;
    let server = Server::with(options);
    push(&server, "w/release", "1.0.0", &config("demo"), b"good").expect(201);
    let before = String::from_utf8(server.get("/w/index.yaml").expect(200).body).unwrap();
    push(&server, "w/aa", "1.0.0", &config("demo"), b"evil").expect(409);
    // It is not shown while the other is there.
    push(&server, "w/zz", "latest", &config("demo"), b"evil").expect(201);
    push(&server, "w/demo", "1.0.0", &config("demo"), b"evil").expect(409);
    assert_eq!(String::from_utf8(server.get("/w/index.yaml").expect(200).body).unwrap(), before);
    push(&server, "w/aa", "1.0.0", &config("demo"), b"good").expect(201);
}

/// Finding 3 of the rehearsal: the header of a part was held whole, as long as an upload may be.
#[test]
fn a_header_of_a_part_that_never_ends_is_refused() {
    let server = Server::new();
    let mut stream = TcpStream::connect(server.address).unwrap();
    let head = "POST /api/charts HTTP/1.1\r\nHost: x\r\nContent-Length: 19000000\r\n\
        Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\nX: ";
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&vec![b'x'; 512 * 1024]).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400");
}

/// Finding 4 of the rehearsal: each connection could hold a whole manifest that never ended.
#[test]
fn unfinished_manifests_share_their_memory() {
    let server = Server::new();
    let mut held = Vec::new();
    let mut refused = false;
    let length = chartferry::limits::Limits::default().manifest_bytes;
    for _ in 0..2 * chartferry::limits::BODIES_HELD as u64 / length {
        let mut stream = TcpStream::connect(server.address).unwrap();
        let head = format!(
            "PUT /v2/a/manifests/x HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        // The answer may come, and the connection end, before all of it has gone.
        let _ = stream.write_all(&vec![b' '; length as usize - 1]);
        held.push(stream);
    }
    // A small one is taken meanwhile.
    let small = json!({"schemaVersion": 2, "mediaType": IMAGE, "layers": []});
    server.push_manifest("a", "small", &small).expect(201);
    for mut stream in held {
        stream.set_nonblocking(true).unwrap();
        let mut answer = [0; 12];
        refused |= stream.read(&mut answer).is_ok_and(|_| &answer == b"HTTP/1.1 503");
    }
    assert!(refused);
}

/// Findings 6 and 12 of the rehearsal: pages for browsers, and documents that are no manifests.
#[test]
fn only_manifests_are_taken_as_manifests() {
    let server = Server::new();
    let put = |kind: &str, body: &str| {
        server.send("PUT", "/v2/a/manifests/x", &[("Content-Type", kind)], body.as_bytes())
    };
    let good = r#"{"schemaVersion":2,"layers":[]}"#;
    for (kind, body) in [
        ("text/html", good),
        ("application/xhtml+xml", good),
        ("image/svg+xml", good),
        ("application/<x>+json", good),
        (IMAGE, "{}"),
        (IMAGE, r#"{"a":1}"#),
        (IMAGE, r#"{"schemaVersion":1}"#),
        (IMAGE, &format!(r#"{{"a":{}{}}}"#, "[".repeat(200_000), "]".repeat(200_000))),
    ] {
        let answer = put(kind, body).expect(400);
        assert_eq!(answer.json()["errors"][0]["code"], "MANIFEST_INVALID", "{kind} {body:.40}");
    }
    for kind in [IMAGE, "application/json", "application/vnd.example.thing.v1+json"] {
        put(kind, good).expect(201);
        let answer = server.get("/v2/a/manifests/x").expect(200);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
}

/// Finding 13 of the rehearsal: whoever came second found the files of the session gone.
#[test]
fn requests_that_finish_one_session_at_once_never_fail_inside() {
    let server = Server::new();
    let content = bytes(1, 1000);
    let digest = chartferry::oci::Digest::sha256(&content);
    for round in 0..20 {
        let session =
            server.send("POST", &format!("/v2/a{round}/blobs/uploads/"), &[], b"").location();
        server.send("PATCH", &session, &[], &content).expect(202);
        let path = format!("{session}?digest={digest}");
        std::thread::scope(|scope| {
            let all: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| server.send("PUT", &path, &[], b"").status))
                .collect();
            for status in all.into_iter().map(|one| one.join().unwrap()) {
                assert!(matches!(status, 201 | 404 | 409), "{status}");
            }
        });
    }
}
