//! Uploads that the recordings cannot show: many at once, large ones, clients that go away; and who
//! is let in where.

use super::{ask, chart, recording::fixture, send};
use crate::{
    registry::wire,
    support::daemon::{Daemon, htpasswd},
};
use std::{io::Write as _, thread};

#[test]
fn of_many_uploads_of_one_version_at_once_one_is_taken() {
    let server = Daemon::chartferry([]);
    let answers: Vec<u16> = thread::scope(|scope| {
        let clients: Vec<_> = (0..16_u8)
            .map(|number| {
                let server = &server;
                scope.spawn(move || {
                    let archive = chart("race", "1.0.0", &[number]);
                    send(server, "POST", "/api/charts", &archive).status
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|status| **status == 201).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|status| **status == 409).count(), 15, "{answers:?}");
}

#[test]
fn uploads_of_many_versions_at_once_are_all_taken() {
    let server = Daemon::chartferry([]);
    thread::scope(|scope| {
        for client in 0..8 {
            let server = &server;
            scope.spawn(move || {
                for number in 0..10 {
                    let archive = chart("many", &format!("{client}.{number}.0"), b"");
                    send(server, "POST", "/api/charts", &archive).expect(201);
                }
            });
        }
    });
    let all = ask(&server, "/api/charts/many").expect(200).json();
    assert_eq!(all.as_array().unwrap().len(), 80);
    assert_eq!(all[0]["version"], "7.9.0");
}

#[test]
fn a_large_archive_goes_by_way_of_a_file() {
    let server = Daemon::chartferry([]);
    // Nothing that deflate could make small.
    let mut state = 1_u64;
    let noise: Vec<u8> = (0..3_000_000)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .collect();
    let archive = chart("large", "1.0.0", &noise);
    assert!(archive.len() > 2_000_000);
    send(&server, "POST", "/api/charts", &archive).expect(201);
    assert_eq!(ask(&server, "/charts/large-1.0.0.tgz").expect(200).body, archive);
    let headers = [("Range", "bytes=1000000-1000009")];
    let address = server.address().parse().unwrap();
    let part = wire::send(address, "GET", "/charts/large-1.0.0.tgz", &headers, b"").expect(206);
    assert_eq!(part.body, archive[1_000_000..1_000_010]);
}

#[test]
fn a_client_that_goes_away_leaves_nothing() {
    let server = Daemon::chartferry([]);
    let address = server.address().parse().unwrap();
    let archive = fixture("alpha-1.0.0.tgz");
    let mut stream = wire::open(address, "POST", "/api/charts", &[], archive.len());
    stream.write_all(&archive[..archive.len() / 2]).unwrap();
    drop(stream);
    send(&server, "POST", "/api/charts", &archive).expect(201);
    let list = ask(&server, "/api/charts").expect(200).json();
    assert_eq!(list["alpha"].as_array().unwrap().len(), 1);
}

#[test]
fn a_namespace_without_charts_is_not_there_unless_the_depth_says_so() {
    let server = Daemon::chartferry([]);
    ask(&server, "/index.yaml").expect(200);
    for path in ["/org/index.yaml", "/api/org/charts", "/a/b/c/index.yaml"] {
        ask(&server, path).expect(404);
    }
    send(&server, "POST", "/api/org/charts", &fixture("alpha-1.0.0.tgz")).expect(201);
    ask(&server, "/org/index.yaml").expect(200);
    send(&server, "DELETE", "/api/org/charts/alpha/1.0.0", b"").expect(200);
    ask(&server, "/org/index.yaml").expect(404);
}

/// A variable that is not set made a server that an empty password opens.
#[test]
fn an_empty_user_or_password_starts_no_server() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("password");
    std::fs::write(&empty, "\n").unwrap();
    let file = format!("@{}", empty.display());
    for (user, password, flag) in [
        ("", "", "--basic-auth-user"),
        ("", "letmein", "--basic-auth-user"),
        ("ann", "", "--basic-auth-pass"),
        ("ann", &file, "--basic-auth-pass"),
    ] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_chartferry"))
            .args(["serve", "--listen", "127.0.0.1:0", "--storage"])
            .arg(folder.path().join("store"))
            .args(["--basic-auth-user", user, "--basic-auth-pass", password])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{said}");
        assert!(said.contains(&format!("`{flag}` is empty")), "{said}");
    }
}

#[test]
fn who_guards_one_api_guards_both() {
    let folder = tempfile::tempdir().unwrap();
    let users = htpasswd(folder.path(), "ann", "letmein");
    let key = super::recording::folder().join("fixtures/issuer.pem");
    let bearer = [
        "--bearer-auth",
        "--auth-realm=https://auth.example.com",
        "--auth-service=here",
        &format!("--auth-cert-path={}", key.display()),
    ];
    let htpasswd = ["--htpasswd", users.to_str().unwrap()];
    let basic = ["--basic-auth-user=ann", "--basic-auth-pass=letmein"];
    let paths = ["/v2/", "/v2/alpha/tags/list", "/v2/_catalog", "/index.yaml", "/api/charts", "/"];
    // YW5u… is `ann:letmein`.
    let ann = [("Authorization", "Basic YW5uOmxldG1laW4=")];
    for (flags, known) in [(&bearer[..], false), (&htpasswd[..], true), (&basic[..], true)] {
        let server = Daemon::chartferry(flags.iter().copied());
        let address = server.address().parse().unwrap();
        for path in paths {
            ask(&server, path).expect(401);
            let status = wire::send(address, "GET", path, &ann, b"").status;
            let wanted: &[u16] = if known { &[200, 404] } else { &[401] };
            assert!(wanted.contains(&status), "{flags:?} {path}: {status}");
        }
        ask(&server, "/health").expect(200);
        send(&server, "POST", "/api/charts", &fixture("alpha-1.0.0.tgz")).expect(401);
        send(&server, "POST", "/v2/alpha/blobs/uploads/", b"").expect(401);
    }
}

#[test]
fn a_page_of_ones_own_is_shown_with_what_lies_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("static")).unwrap();
    std::fs::write(folder.path().join("index.html"), "<p>mine").unwrap();
    std::fs::write(folder.path().join("static/a.css"), "p {}").unwrap();
    let server = Daemon::chartferry(["--web-template-path", folder.path().to_str().unwrap()]);
    assert_eq!(ask(&server, "/").expect(200).body, b"<p>mine");
    ask(&server, "/static/a.css").expect(200).has("content-type", "text/css; charset=utf-8");
    ask(&server, "/static/../index.html").expect(404);
    ask(&server, "/static/b.css").expect(404);
}

#[test]
fn a_body_that_is_too_long_is_refused_before_it_is_read() {
    let server = Daemon::chartferry(["--max-upload-size", "100000"]);
    let address = server.address().parse().unwrap();
    let form = "multipart/form-data; boundary=b";
    let mut body =
        b"--b\r\nContent-Disposition: form-data; name=\"chart\"; filename=\"x\"\r\n\r\n".to_vec();
    body.resize(500_000, b'x');
    for (path, kind) in
        [("/api/charts", "application/gzip"), ("/api/charts", form), ("/api/prov", "text/plain")]
    {
        let answer = wire::send(address, "POST", path, &[("Content-Type", kind)], &body);
        assert_eq!(answer.expect(413).body, b"request too large", "{path} {kind}");
    }
    let chunked = [("Content-Type", form), ("Transfer-Encoding", "chunked")];
    let head = "POST /api/charts HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    let head = chunked
        .iter()
        .fold(head.to_owned(), |head, (name, value)| format!("{head}{name}: {value}\r\n"));
    let mut stream = wire::raw(address, format!("{head}\r\n").as_bytes());
    for part in body.chunks(50_000) {
        // The server may have said no by now.
        let _ = stream.write_all(format!("{:x}\r\n", part.len()).as_bytes());
        let _ = stream.write_all(part);
        let _ = stream.write_all(b"\r\n");
    }
    let _ = stream.write_all(b"0\r\n\r\n");
    wire::read(stream, "POST").expect(413);
}
