//! What many clients at once, clients that go away, full disks and sudden ends do to a registry:
//! nothing that was acknowledged is lost, nothing that was not is shown, nothing is left lying
//! about.

use super::{EMPTY, IMAGE, Server, bytes, count_files, descriptor, wire};
use crate::support::daemon::Daemon;
use chartferry::{oci::Digest, server::Config};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap, io::Write, net::SocketAddr, path::Path, process::Command, sync::Barrier,
    thread, time::Duration,
};

fn manifest(note: &str, subject: Option<&Value>) -> Value {
    let mut manifest = json!({
        "schemaVersion": 2, "mediaType": IMAGE, "config": descriptor(EMPTY, b"{}"), "layers": [],
        "annotations": {"note": note},
    });
    if let Some(subject) = subject {
        manifest["subject"] = descriptor(IMAGE, subject.to_string().as_bytes());
    }
    manifest
}

fn digest_of(manifest: &Value) -> Digest {
    Digest::sha256(manifest.to_string().as_bytes())
}

/// Runs `work` in so many threads that begin together.
fn at_once(count: usize, work: impl Fn(usize) + Sync) {
    let barrier = Barrier::new(count);
    thread::scope(|scope| {
        for at in 0..count {
            let (work, barrier) = (&work, &barrier);
            scope.spawn(move || {
                barrier.wait();
                work(at);
            });
        }
    });
}

#[test]
fn many_writers_at_once_lose_nothing() {
    let server = Server::new();
    server.push_blob("a", b"{}");
    let subject = manifest("subject", None);
    at_once(64, |at| {
        let one = manifest(&at.to_string(), Some(&subject));
        server.push_manifest("a", digest_of(&one).as_str(), &one).expect(201);
    });
    let list = server.get(&format!("/v2/a/referrers/{}", digest_of(&subject))).expect(200);
    assert_eq!(list.json()["manifests"].as_array().unwrap().len(), 64);

    at_once(64, |at| drop(server.push_manifest("a", &format!("t{at}"), &subject).expect(201)));
    let list = server.get("/v2/a/tags/list").expect(200);
    assert_eq!(list.json()["tags"].as_array().unwrap().len(), 64);

    // Of many that move one tag, one is the last; the tag is never torn.
    at_once(64, |at| {
        server.push_manifest("a", "moving", &manifest(&format!("m{at}"), None)).expect(201);
        let seen = server.get("/v2/a/manifests/moving").expect(200).json();
        assert!(seen["annotations"]["note"].as_str().unwrap().starts_with('m'));
    });
}

#[test]
fn one_blob_of_many_clients_is_kept_once() {
    let server = Server::new();
    let data = bytes(1, 300_000);
    let digest = Digest::sha256(&data);
    at_once(32, |at| {
        let name = format!("r{}", at % 4);
        server.post(&format!("/v2/{name}/blobs/uploads/?digest={digest}"), &data).expect(201);
        assert_eq!(server.get(&format!("/v2/{name}/blobs/{digest}")).expect(200).body, data);
    });
    assert_eq!(count_files(&server.store().join("blobs")), 1);
    assert_eq!(count_files(&server.store().join("tmp")), 0);
    assert_eq!(count_files(&server.store().join("uploads")), 0);
}

#[test]
fn deleting_while_others_push_leaves_each_manifest_whole_or_absent() {
    let server = Server::new();
    server.push_blob("a", b"{}");
    let one = manifest("x", None);
    let path = format!("/v2/a/manifests/{}", digest_of(&one));
    at_once(16, |at| {
        for _ in 0..10 {
            if at % 2 == 0 {
                server.push_manifest("a", "x", &one).expect(201);
            } else {
                let status = server.delete(&path).status;
                assert!(status == 202 || status == 404, "{status}");
            }
            let seen = server.get("/v2/a/manifests/x");
            assert!(seen.status == 404 || seen.body == one.to_string().as_bytes());
        }
    });
    // Whatever came last, the tag and what it names agree.
    assert_eq!(server.get("/v2/a/manifests/x").status, server.get(&path).status);
}

/// Waits, by asking, until the session has at least `least` bytes.
fn until_session_has(address: SocketAddr, session: &str, least: usize) -> usize {
    loop {
        let answer = wire::send(address, "GET", session, &[], b"").expect(204);
        let range = answer.header("range").unwrap().strip_prefix("0-").unwrap().to_owned();
        let size = range.parse::<usize>().unwrap() + 1;
        if size >= least && size > 1 {
            return size;
        }
        thread::yield_now();
    }
}

#[test]
fn a_client_that_loses_its_connection_goes_on_where_it_was() {
    let server = Server::new();
    let data = bytes(2, 3_000_000);
    let digest = Digest::sha256(&data);
    let session = server.post("/v2/a/blobs/uploads/", b"").expect(202).location();

    // The connection ends in mid-body: what came is kept.
    let mut stream = wire::open(server.address, "PATCH", &session, &[], data.len());
    stream.write_all(&data[..1_000_000]).unwrap();
    drop(stream);
    let size = until_session_has(server.address, &session, 1_000_000);
    assert_eq!(size, 1_000_000);

    // The server has not noticed that the old connection is dead: the new one takes over at once.
    let mut dead = wire::open(server.address, "PATCH", &session, &[], data.len() - size);
    dead.write_all(&data[size..2_000_000]).unwrap();
    let size = until_session_has(server.address, &session, size + 512 * 1024);
    let range = format!("{size}-{}", data.len() - 1);
    let headers = [("Content-Range", range.as_str())];
    server.send("PATCH", &session, &headers, &data[size..]).expect(202);
    // What the dead one still had to say is refused, and changes nothing.
    let _ = dead.write_all(&data[2_000_000..]);
    wire::read(dead, "PATCH").refused(400, "BLOB_UPLOAD_INVALID");
    server.put(&format!("{session}?digest={digest}"), b"").expect(201);
    assert_eq!(server.get(&format!("/v2/a/blobs/{digest}")).expect(200).body, data);
}

#[test]
fn uploads_that_end_early_leave_nothing() {
    let server = Server::new();
    let data = bytes(3, 100_000);
    let digest = Digest::sha256(&data);
    let path = format!("/v2/a/blobs/uploads/?digest={digest}");
    for at in 0..20 {
        let mut stream = wire::open(server.address, "POST", &path, &[], data.len());
        stream.write_all(&data[..at * 4000]).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        // Answered or not, it is over when the other side closes too.
        let _ = std::io::Read::read_to_end(&mut stream, &mut Vec::new());
    }
    // Connections end in their own time; the last file goes when the last end was noticed.
    let unfinished = server.store().join("tmp");
    while std::fs::read_dir(&unfinished).unwrap().count() > 0 {
        thread::yield_now();
    }
    server.get(&format!("/v2/a/blobs/{digest}")).expect(404);
    assert_eq!(count_files(&server.store().join("blobs")), 0);
}

#[test]
fn a_body_that_stays_silent_is_given_up() {
    let mut config = Config::default();
    config.stall = Duration::from_millis(1);
    let server = Server::with(config);
    let session = server.post("/v2/a/blobs/uploads/", b"").expect(202).location();
    let stream = wire::open(server.address, "PATCH", &session, &[], 10);
    wire::read(stream, "PATCH").refused(408, "BLOB_UPLOAD_INVALID").has("connection", "close");
}

#[test]
fn a_chunk_must_be_as_long_as_it_says() {
    let server = Server::new();
    let session = || server.post("/v2/a/blobs/uploads/", b"").expect(202).location();
    let send = |session: &str, range: &str, body: &[u8]| {
        server.send("PATCH", session, &[("Content-Range", range)], body)
    };
    let one = session();
    send(&one, "0-9", b"12345").refused(416, "BLOB_UPLOAD_INVALID");
    send(&one, "0-3", b"12345").refused(416, "BLOB_UPLOAD_INVALID");
    for bad in ["", "x", "5-4", "-5", "0-99999999999999999999"] {
        send(&one, bad, b"12345").refused(416, "BLOB_UPLOAD_INVALID");
    }
    send(&one, "bytes 0-4/*", b"12345").expect(202);
    // Without a length, only counting tells.
    for (range, body, kept) in
        [("5-9", &b"2\r\n67\r\n0\r\n\r\n"[..], "0-6"), ("7-7", b"2\r\n89\r\n0\r\n\r\n", "0-6")]
    {
        let head = format!(
            "PATCH {one} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Range: {range}\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        let stream = wire::raw(server.address, &[head.as_bytes(), body].concat());
        wire::read(stream, "PATCH").refused(400, "SIZE_INVALID");
        server.get(&one).expect(204).has("range", kept);
    }
}

#[test]
fn an_upload_may_not_outgrow_its_bound() {
    let mut config = Config::default();
    config.limits.upload_bytes = 1000;
    let server = Server::with(config);
    let data = bytes(1, 1001);
    let digest = Digest::sha256(&data);
    let path = format!("/v2/a/blobs/uploads/?digest={digest}");
    server.post(&path, &data).refused(413, "SIZE_INVALID");
    let session = server.post("/v2/a/blobs/uploads/", b"").expect(202).location();
    server.send("PATCH", &session, &[], &data[..600]).expect(202);
    server.send("PATCH", &session, &[], &data[600..]).refused(413, "SIZE_INVALID");
    server.push_blob("a", &data[..1000]);
}

#[test]
fn nonsense_is_answered_or_dropped_and_harms_nobody() {
    let server = Server::new();
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"PUT /v2/a/manifests/x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
    ] {
        let mut stream = wire::raw(server.address, bytes);
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        // A reset is an answer too.
        let _ = std::io::Read::read_to_end(&mut stream, &mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&answer));
    }
    server.get("/v2/").expect(200);
}

#[test]
fn requests_under_way_end_before_the_registry_does() {
    let mut server = Server::new();
    let (address, data) = (server.address, bytes(4, 1_000_000));
    let digest = Digest::sha256(&data);
    let path = format!("/v2/a/blobs/uploads/?digest={digest}");
    let mut stream = wire::open(address, "POST", &path, &[], data.len());
    stream.write_all(&data[..700_000]).unwrap();
    // The registry has it in hand once there is a file.
    let unfinished = server.store().join("tmp");
    while std::fs::read_dir(&unfinished).unwrap().count() == 0 {
        thread::yield_now();
    }
    drop(server.stop.take());
    // It takes no new connection from some moment on.
    while std::net::TcpStream::connect(address).is_ok() {
        thread::yield_now();
    }
    stream.write_all(&data[700_000..]).unwrap();
    wire::read(stream, "POST").expect(201);
    server.thread.take().unwrap().join().unwrap();
    server.thread = Some(thread::spawn(|| {}));
}

/// Sends like [`wire::send`], to a process.
fn send(
    daemon: &Daemon,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> wire::Answer {
    wire::send(daemon.address().parse().unwrap(), method, path, headers, body)
}

#[test]
fn a_killed_registry_goes_on_where_it_was() {
    let root = tempfile::tempdir().unwrap();
    let data = bytes(5, 4_000_000);
    let digest = Digest::sha256(&data);
    let daemon = Daemon::chartferry_at(root.path(), []);
    let session = send(&daemon, "POST", "/v2/a/blobs/uploads/", &[], b"").expect(202).location();
    let address = daemon.address().parse().unwrap();
    let mut stream = wire::open(address, "PATCH", &session, &[], data.len());
    stream.write_all(&data[..2_000_000]).unwrap();
    until_session_has(address, &session, 1_000_000);
    // Killed, with the body still coming.
    drop(daemon);
    drop(stream);

    let daemon = Daemon::chartferry_at(root.path(), []);
    let address = daemon.address().parse().unwrap();
    let size = until_session_has(address, &session, 1_000_000);
    assert!(size < data.len());
    let range = format!("{size}-{}", data.len() - 1);
    let headers = [("Content-Range", range.as_str())];
    send(&daemon, "PUT", &format!("{session}?digest={digest}"), &headers, &data[size..])
        .expect(201);
    assert_eq!(send(&daemon, "GET", &format!("/v2/a/blobs/{digest}"), &[], b"").body, data);
}

#[test]
fn what_was_acknowledged_outlives_any_kill() {
    let root = tempfile::tempdir().unwrap();
    let mut blobs = BTreeMap::new();
    let mut manifests = BTreeMap::new();
    let mut dice = bytes(99, 1000).into_iter().map(usize::from);
    for round in 0..8_u64 {
        let daemon = Daemon::chartferry_at(root.path(), []);
        let address = daemon.address().parse().unwrap();
        send(
            &daemon,
            "POST",
            &format!("/v2/a/blobs/uploads/?digest={}", Digest::sha256(b"{}")),
            &[],
            b"{}",
        )
        .expect(201);
        for at in 0..dice.next().unwrap() % 6 {
            let data = bytes(round * 100 + at as u64, 50_000);
            let digest = Digest::sha256(&data).to_string();
            send(&daemon, "POST", &format!("/v2/a/blobs/uploads/?digest={digest}"), &[], &data)
                .expect(201);
            blobs.insert(digest, data);
            let one = manifest(&format!("{round} {at}"), None);
            let (path, body) = (format!("/v2/a/manifests/t{at}"), one.to_string());
            send(&daemon, "PUT", &path, &[("Content-Type", IMAGE)], body.as_bytes()).expect(201);
            manifests.insert(format!("t{at}"), body);
        }
        // Killed while a blob or a manifest is on its way, at some byte or just after the last.
        let (method, path, body) = if round % 2 == 0 {
            let data = bytes(round + 7000, 200_000);
            ("POST", format!("/v2/a/blobs/uploads/?digest={}", Digest::sha256(&data)), data)
        } else {
            (
                "PUT",
                "/v2/a/manifests/unacknowledged".to_owned(),
                manifest("?", None).to_string().into_bytes(),
            )
        };
        let mut stream = wire::open(address, method, &path, &[("Content-Type", IMAGE)], body.len());
        let cut = if round % 3 == 0 { body.len() } else { dice.next().unwrap() * body.len() / 256 };
        stream.write_all(&body[..cut]).unwrap();
        drop(daemon);
    }
    let daemon = Daemon::chartferry_at(root.path(), []);
    for (digest, data) in &blobs {
        assert_eq!(
            &send(&daemon, "GET", &format!("/v2/a/blobs/{digest}"), &[], b"").expect(200).body,
            data
        );
    }
    for (tag, body) in &manifests {
        let answer = send(&daemon, "GET", &format!("/v2/a/manifests/{tag}"), &[], b"").expect(200);
        assert_eq!(answer.body, body.as_bytes());
    }
    // Every tag that is listed leads to a manifest, also the one that nobody was told of.
    let tags = send(&daemon, "GET", "/v2/a/tags/list", &[], b"").expect(200).json();
    for tag in tags["tags"].as_array().unwrap() {
        let path = format!("/v2/a/manifests/{}", tag.as_str().unwrap());
        send(&daemon, "GET", &path, &[], b"").expect(200);
    }
    assert_eq!(count_files(&root.path().join("tmp")), 0);
}

/// A limit on the size of files stands in for a full disk: writing fails in mid-body, in the
/// kernel.
#[test]
fn a_disk_that_is_full_refuses_the_upload_and_no_other() {
    let root = tempfile::tempdir().unwrap();
    let daemon = limited(root.path());
    let large = bytes(1, 8_000_000);
    let push = |data: &[u8]| {
        let digest = Digest::sha256(data);
        let session =
            send(&daemon, "POST", "/v2/a/blobs/uploads/", &[], b"").expect(202).location();
        let answer = send(&daemon, "PUT", &format!("{session}?digest={digest}"), &[], data);
        (session, answer)
    };
    let (_, small) = push(b"before");
    small.expect(201);
    for _ in 0..2 {
        let (session, answer) = push(&large);
        answer.refused(507, "DENIED").has("connection", "close");
        send(&daemon, "GET", &session, &[], b"").refused(404, "BLOB_UPLOAD_UNKNOWN");
    }
    assert_eq!(count_files(&root.path().join("uploads")), 0, "space is not given back");
    push(&large[..500_000]).1.expect(201);
    let before = format!("/v2/a/blobs/{}", Digest::sha256(b"before"));
    assert_eq!(send(&daemon, "GET", &before, &[], b"").expect(200).body, b"before");
}

/// A registry that may write no file larger than 2 MiB.
fn limited(storage: &Path) -> Daemon {
    let mut command = Command::new("/bin/sh");
    let script =
        "trap '' XFSZ; ulimit -f 4096; exec \"$0\" serve --listen 127.0.0.1:0 --storage \"$1\"";
    command.env_clear().args(["-c", script, env!("CARGO_BIN_EXE_chartferry")]).arg(storage);
    Daemon::start(command, tempfile::tempdir().unwrap())
}
