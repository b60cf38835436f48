//! What the official conformance suite checks of blobs, as tests of our own; the rest is in
//! [`super::conformance`].

use super::{Server, bytes, digest, wire::Answer};
use chartferry::oci::{Digest, digest::Algorithm};

const REPOSITORY: &str = "conformance/repo1";
const OTHER: &str = "conformance/repo2";

/// A way to upload a blob; gives the last answer.
type Flow = fn(&Server, &Digest, &[u8]) -> Answer;

const FLOWS: [(&str, Flow); 8] = [
    ("POST", |server, digest, data| {
        server.post(&format!("/v2/{REPOSITORY}/blobs/uploads/?digest={digest}"), data)
    }),
    ("POST, PUT", |server, digest, data| {
        let session = start(server, digest);
        server.put(&format!("{session}?digest={digest}"), data)
    }),
    ("POST, PATCH, PUT", |server, digest, data| {
        let session = start(server, digest);
        let session = chunk(server, &session, data, 0..data.len()).expect(202).location();
        server.put(&format!("{session}?digest={digest}"), b"")
    }),
    ("POST, PATCH x3, PUT", |server, digest, data| {
        let (third, size) = (data.len() / 3, data.len());
        let mut session = start(server, digest);
        for range in [0..third, third..2 * third, 2 * third..size] {
            let end = range.end;
            let answer = chunk(server, &session, data, range).expect(202);
            session = answer.has("range", &last(end)).location();
        }
        server.put(&format!("{session}?digest={digest}"), b"")
    }),
    ("the last chunk in PUT", |server, digest, data| {
        let half = data.len() / 2;
        let session = start(server, digest);
        let session = chunk(server, &session, data, 0..half).expect(202).location();
        let target = format!("{session}?digest={digest}");
        if data.is_empty() {
            return server.put(&target, b"");
        }
        let range = content_range(half..data.len());
        server.send("PUT", &target, &[("Content-Range", &range)], &data[half..])
    }),
    ("a chunk out of order", |server, digest, data| {
        let half = data.len() / 2;
        let session = start(server, digest);
        let session = chunk(server, &session, data, 0..half).expect(202).location();
        let ahead = half + 1..data.len().max(half + 2);
        for (method, target) in
            [("PATCH", session.clone()), ("PUT", format!("{session}?digest={digest}"))]
        {
            for wrong in [ahead.clone(), 0..half.max(1)] {
                // An empty session takes a chunk that begins at 0.
                if wrong.start == half {
                    continue;
                }
                let (headers, body) = (content_range(wrong.clone()), vec![0; wrong.len()]);
                let answer = server.send(method, &target, &[("Content-Range", &headers)], &body);
                let again =
                    answer.refused(416, "BLOB_UPLOAD_INVALID").has("range", &last(half)).location();
                server.get(&again).expect(204).has("range", &last(half)).has("location", &session);
            }
        }
        let session = chunk(server, &session, data, half..data.len()).expect(202).location();
        server.put(&format!("{session}?digest={digest}"), b"")
    }),
    ("a stream", |server, digest, data| {
        let session = start(server, digest);
        let half = data.len() / 2;
        server.send("PATCH", &session, &[], &data[..half]).expect(202).has("range", &last(half));
        let answer = server.send("PATCH", &session, &[], &data[half..]).expect(202);
        server.put(&format!("{}?digest={digest}", answer.location()), b"")
    }),
    ("a session without a declared algorithm", |server, digest, data| {
        let session =
            server.post(&format!("/v2/{REPOSITORY}/blobs/uploads/"), b"").expect(202).location();
        server.put(&format!("{session}?digest={digest}"), data)
    }),
];

#[test]
fn every_way_to_upload_a_blob() {
    let server = Server::new();
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        for (flow_at, (flow, upload)) in FLOWS.into_iter().enumerate() {
            for data in [bytes(flow_at as u64, 5000), Vec::new(), b"{}".to_vec()] {
                let digest = digest(algorithm, &data);
                let path = format!("/v2/{REPOSITORY}/blobs/{digest}");
                server.head(&path).expect(404);
                println!("{flow}: {} bytes as {}", data.len(), algorithm.as_str());
                let answer = upload(&server, &digest, &data).expect(201);
                assert_eq!(answer.location(), path);
                answer.has("docker-content-digest", digest.as_str());
                is_whole(&server, &path, &digest, &data);
                server.delete(&path).expect(202);
                server.head(&path).expect(404);
                server.delete(&path).refused(404, "BLOB_UNKNOWN");
            }
        }
    }
    let sessions = server.store().join("uploads");
    assert_eq!(super::count_files(&sessions), 0, "sessions are left");
}

#[track_caller]
fn is_whole(server: &Server, path: &str, digest: &Digest, data: &[u8]) {
    let length = data.len().to_string();
    for answer in [server.get(path), server.head(path)] {
        let answer = answer.expect(200).has("content-length", &length);
        let answer = answer.has("docker-content-digest", digest.as_str());
        assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    }
    assert_eq!(server.get(path).body, data);
}

fn start(server: &Server, digest: &Digest) -> String {
    let algorithm = digest.algorithm().as_str();
    let path = format!("/v2/{REPOSITORY}/blobs/uploads/?digest-algorithm={algorithm}");
    server.post(&path, b"").expect(202).has("range", "0-0").location()
}

fn chunk(server: &Server, session: &str, data: &[u8], range: std::ops::Range<usize>) -> Answer {
    if range.is_empty() {
        // There is no such thing as a chunk of nothing; clients send none.
        return server.send("PATCH", session, &[], b"");
    }
    let header = content_range(range.clone());
    server.send("PATCH", session, &[("Content-Range", &header)], &data[range])
}

fn content_range(range: std::ops::Range<usize>) -> String {
    format!("{}-{}", range.start, range.end - 1)
}

/// The `Range` of a session that has `size` bytes.
fn last(size: usize) -> String {
    format!("0-{}", size.saturating_sub(1))
}

#[test]
fn blobs_are_mounted_from_where_they_are() {
    let server = Server::new();
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let data = bytes(7, 3000);
        let digest = digest(algorithm, &data);
        let uploads = format!("/v2/{REPOSITORY}/blobs/uploads/");
        let path = format!("/v2/{REPOSITORY}/blobs/{digest}");
        let mounts = [
            format!("{uploads}?mount={digest}&from={OTHER}"),
            format!("{uploads}?mount={digest}"),
            format!("{uploads}?from={OTHER}&mount={}", digest.as_str().replace(':', "%3A")),
        ];
        for mount in &mounts {
            // What is not there is to be uploaded, by the session that is opened at once.
            let session = server.post(mount, b"").expect(202).location();
            server.delete(&session).expect(204);
        }
        server.post(&format!("/v2/{OTHER}/blobs/uploads/?digest={digest}"), &data).expect(201);
        for mount in &mounts {
            assert_eq!(server.post(mount, b"").expect(201).location(), path);
            is_whole(&server, &path, &digest, &data);
            server.delete(&path).expect(202);
            server.head(&path).expect(404);
        }
        server.post(&format!("{uploads}?mount={digest}&from=never/used"), b"").expect(202);
        server.post(&format!("{uploads}?mount={digest}&from=Not+A+Name"), b"").expect(202);
    }
}

#[test]
fn an_upload_can_be_cancelled() {
    let server = Server::new();
    let session = start(&server, &Digest::sha256(b""));
    server.send("PATCH", &session, &[], b"something").expect(202);
    server.get(&session).expect(204).has("range", "0-8");
    server.delete(&session).expect(204);
    for answer in [
        server.get(&session),
        server.delete(&session),
        server.send("PATCH", &session, &[], b"more"),
        server.put(&format!("{session}?digest={}", Digest::sha256(b"")), b""),
    ] {
        answer.refused(404, "BLOB_UPLOAD_UNKNOWN");
    }
}

#[test]
fn content_that_has_another_digest_is_refused() {
    let server = Server::new();
    let data = bytes(1, 2000);
    let wrong = Digest::sha256(b"something else");
    let uploads = format!("/v2/{REPOSITORY}/blobs/uploads/");
    server.post(&format!("{uploads}?digest={wrong}"), &data).refused(400, "DIGEST_INVALID");
    let session = || server.post(&uploads, b"").expect(202).location();
    server.put(&format!("{}?digest={wrong}", session()), &data).refused(400, "DIGEST_INVALID");
    let one = session();
    chunk(&server, &one, &data, 0..2000).expect(202);
    server.put(&format!("{one}?digest={wrong}"), b"").refused(400, "DIGEST_INVALID");
    // The session is gone with its content.
    server.get(&one).refused(404, "BLOB_UPLOAD_UNKNOWN");
    for text in ["sha256:abc", "sha256:baddigeststring", "md5:d41d8cd98f00b204e9800998ecf8427e", ""]
    {
        server.post(&format!("{uploads}?digest={text}"), &data).refused(400, "DIGEST_INVALID");
        let open = session();
        server.put(&format!("{open}?digest={text}"), &data).refused(400, "DIGEST_INVALID");
        // A digest that is none says nothing about the content, which stays.
        server.get(&open).expect(204);
    }
    server.put(&session(), &data).refused(400, "DIGEST_INVALID");
    let blake = server.post(&format!("{uploads}?digest-algorithm=blake3"), b"");
    blake.refused(400, "DIGEST_INVALID");
    server.head(&format!("/v2/{REPOSITORY}/blobs/{wrong}")).expect(404);
    server.head(&format!("/v2/{REPOSITORY}/blobs/{}", Digest::sha256(&data))).expect(404);
}

#[test]
fn parts_of_a_blob() {
    let server = Server::new();
    // Small enough to be read at once, and large enough to be streamed.
    for size in [5000, 700_000] {
        let data = bytes(3, size);
        let digest = server.push_blob(REPOSITORY, &data);
        let path = format!("/v2/{REPOSITORY}/blobs/{digest}");
        for (range, expected) in [
            ("500-1499", 500..1500),
            ("500-", 500..size),
            ("-500", size - 500..size),
            (&format!("2000-{}", size + 10), 2000..size),
            ("0-0", 0..1),
        ] {
            let answer = server.send("GET", &path, &[("Range", &format!("bytes={range}"))], b"");
            let header = format!("bytes {}-{}/{size}", expected.start, expected.end - 1);
            let answer = answer.expect(206).has("content-range", &header);
            assert_eq!(answer.body, data[expected]);
        }
        for range in ["500-0", &format!("{size}-"), &format!("{}-{}", size, size * 2)] {
            let answer = server.send("GET", &path, &[("Range", &format!("bytes={range}"))], b"");
            answer.expect(416).has("content-range", &format!("bytes */{size}"));
        }
        let answer = server.send("GET", &path, &[("Range", "bytes=0-1,5-6")], b"").expect(200);
        assert_eq!(answer.body, data);
    }
}
