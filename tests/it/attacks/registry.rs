//! Attacks on the registry API of `serve` and on the store under it.

use super::jwt::{access, bearer, issuer};
use crate::{
    registry::{EMPTY, IMAGE, Server, bytes, count_files, descriptor, wire},
    support::{Test, daemon::Daemon},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use chartferry::{
    oci::Digest,
    server::{Access, Anonymous, Config, Htpasswd, Scheme, Tokens},
};
use serde_json::{Value, json};
use std::{fs, path::Path, time::Duration};

fn with(access: Access) -> Server {
    let mut config = Config::default();
    config.access = access;
    Server::with(config)
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

fn users(folder: &Path, cost: u32) -> Htpasswd {
    let path = folder.join("users");
    let line = |name: &str| format!("{name}:{}\n", bcrypt::hash(name, cost).unwrap());
    fs::write(&path, line("ann") + &line("bob")).unwrap();
    Htpasswd::open(&path).unwrap()
}

const UPLOADS: &str = "/v2/mine/y/blobs/uploads/";

/// Finding 2.
#[test]
fn a_mount_without_a_source_reads_no_other_namespace() {
    let server = with(Access::Issuer(issuer(Anonymous::Refused)));
    let all = bearer(&access(&["secret", "mine", "ours"], &["pull", "push"]));
    let mine = bearer(&access(&["mine"], &["pull", "push"]));
    let both = bearer(&access(&["mine", "ours"], &["pull", "push"]));
    let send = |token: &str, method: &str, path: &str, body: &[u8]| {
        server.send(method, path, &[("Authorization", token)], body)
    };
    let put = |name: &str, content: &[u8]| {
        let digest = Digest::sha256(content);
        send(&all, "POST", &format!("/v2/{name}/blobs/uploads/?digest={digest}"), content)
            .expect(201);
        digest
    };
    let (secret, ours) = (put("secret/x", b"a secret"), put("ours/x", b"no secret"));
    put("secret/x", b"no secret");
    let manifest = json!({"schemaVersion": 2, "mediaType": IMAGE, "layers": [],
        "config": descriptor(EMPTY, b"a secret")})
    .to_string();
    let path = "/v2/secret/x/manifests/1.0.0";
    let headers = [("Authorization", all.as_str()), ("Content-Type", IMAGE)];
    server.send("PUT", path, &headers, manifest.as_bytes()).expect(201);
    for (token, digest, from, status) in [
        (&mine, &secret, "", 202),
        (&mine, &secret, "&from=secret/x", 202),
        (&mine, &secret, "&from=no/such", 202),
        (&mine, &ours, "", 202),
        (&both, &secret, "", 202),
        // A manifest is no blob of any repository.
        (&all, &Digest::sha256(manifest.as_bytes()), "", 202),
        (&both, &ours, "&from=ours/x", 201),
        (&both, &ours, "", 201),
        (&all, &secret, "", 201),
    ] {
        let blob = format!("/v2/mine/y/blobs/{digest}");
        let answer = send(token, "POST", &format!("{UPLOADS}?mount={digest}{from}"), b"");
        assert_eq!(answer.status, status, "{from} {answer}");
        send(token, "GET", &blob, b"").expect(if status == 201 { 200 } else { 404 });
        if status == 201 {
            send(&all, "DELETE", &blob, b"").expect(202);
        }
    }
    // What was deleted in every repository is nobody's to mount, though its bytes may still lie
    // there.
    send(&all, "DELETE", &format!("/v2/secret/x/blobs/{secret}"), b"").expect(202);
    send(&all, "POST", &format!("{UPLOADS}?mount={secret}"), b"").expect(202);
}

/// Finding 2, with tokens of our own.
#[test]
fn a_mount_without_a_source_needs_a_scope_to_pull() {
    let folder = tempfile::tempdir().unwrap();
    let lifetime = Duration::from_secs(300);
    let tokens = Tokens::new(users(folder.path(), 4), Anonymous::Refused, lifetime, Scheme::Http);
    let server = with(Access::Tokens(tokens));
    let token = |scopes: &str| {
        let headers = [("Authorization", &basic("ann", "ann")[..])];
        let answer = server.send("GET", &format!("/token?scope={scopes}"), &headers, b"");
        format!("Bearer {}", answer.expect(200).json()["token"].as_str().unwrap())
    };
    let other = token("repository:other/x:pull,push");
    let digest = Digest::sha256(b"{}");
    let path = format!("/v2/other/x/blobs/uploads/?digest={digest}");
    server.send("POST", &path, &[("Authorization", &other)], b"{}").expect(201);
    let own = "repository:mine/y:pull,push";
    for (scopes, status) in [
        (own.to_owned(), 202),
        (format!("{own}+repository:other/x:push"), 202),
        (format!("{own}+repository:other/x:pull"), 201),
    ] {
        let token = token(&scopes);
        let path = format!("{UPLOADS}?mount={digest}");
        server.send("POST", &path, &[("Authorization", &token)], b"").expect(status);
    }
}

/// The smallest archive of a chart that has some bytes of its own.
fn chart(version: &str, content: &[u8]) -> Vec<u8> {
    let metadata = format!("apiVersion: v2\nname: demo\nversion: {version}\n");
    let encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut archive = tar::Builder::new(encoder);
    for (path, content) in [("Chart.yaml", metadata.as_bytes()), ("data", content)] {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, format!("demo/{path}"), content).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

/// Finding 11.
#[test]
fn flags_that_guard_charts_hold_for_the_registry_api() {
    let test = Test::new();
    let flags = [
        "--disable-delete",
        "--disable-force-overwrite",
        "--max-upload-size=2000",
        "--max-storage-objects=1",
    ];
    let server = Daemon::chartferry(flags);
    let address = server.address().parse().unwrap();
    let send = |method: &str, path: &str, body: &[u8]| wire::send(address, method, path, &[], body);
    send("POST", "/api/charts", &chart("1.0.0", b"one")).expect(201);
    let index = send("GET", "/index.yaml", b"").expect(200).body;
    test.file("demo-1.0.0.tgz", chart("1.0.0", b"another"));
    test.file("demo-2.0.0.tgz", chart("2.0.0", b"one"));
    let oci = server.oci();
    let push = |words: &[&str]| test.run([&["push"], words].concat()).anything().outcome();
    for (words, said) in [
        (vec!["demo-1.0.0.tgz", "--overwrite", &oci], "this registry replaces no chart"),
        (vec!["demo-2.0.0.tgz", &oci], "which is the limit"),
    ] {
        let outcome = push(&words);
        assert!(outcome.code != Some(0) && outcome.stderr.contains(said), "{outcome:?}");
    }
    let manifest = send("GET", "/v2/demo/manifests/1.0.0", b"").expect(200);
    let digest = manifest.header("docker-content-digest").unwrap().to_owned();
    let layer = manifest.json()["layers"][0]["digest"].as_str().unwrap().to_owned();
    for path in [
        "/v2/demo/manifests/1.0.0".to_owned(),
        format!("/v2/demo/manifests/{digest}"),
        format!("/v2/demo/blobs/{layer}"),
    ] {
        send("DELETE", &path, b"").refused(405, "UNSUPPORTED");
    }
    let large = bytes(1, 2001);
    let upload = format!("/v2/demo/blobs/uploads/?digest={}", Digest::sha256(&large));
    send("POST", &upload, &large).refused(413, "SIZE_INVALID");
    let session = send("POST", "/v2/demo/blobs/uploads/", b"").expect(202).location();
    send("PATCH", &session, &large[..1500]).expect(202);
    send("PATCH", &session, &large[1500..]).refused(413, "SIZE_INVALID");
    // An upload is its client's own to give up.
    send("DELETE", &session, b"").expect(204);
    let padded = json!({"schemaVersion": 2, "mediaType": IMAGE, "layers": [], "annotations": {"x": "y".repeat(2000)},
        "config": descriptor(EMPTY, b"{}")})
    .to_string();
    send("PUT", "/v2/demo/manifests/x", padded.as_bytes()).refused(413, "SIZE_INVALID");
    assert_eq!(send("GET", "/index.yaml", b"").expect(200).body, index);
    // The same once more changes nothing, and a tag that holds no chart is nobody's version.
    let headers = [("Content-Type", manifest.header("content-type").unwrap())];
    let path = "/v2/demo/manifests/1.0.0";
    wire::send(address, "PUT", path, &headers, &manifest.body).expect(201);
    send("POST", &format!("/v2/demo/blobs/uploads/?digest={}", Digest::sha256(b"{}")), b"{}")
        .expect(201);
    for note in ["one", "two"] {
        let image = json!({"schemaVersion": 2, "mediaType": IMAGE, "layers": [], "annotations": {"note": note},
            "config": descriptor(EMPTY, b"{}")})
        .to_string();
        let headers = [("Content-Type", IMAGE)];
        let path = "/v2/demo/manifests/other";
        wire::send(address, "PUT", path, &headers, image.as_bytes()).expect(201);
    }
}

/// Finding 11: a version that is there under another tag is not to be replaced by one under its
/// own.
#[test]
fn a_version_cannot_be_replaced_through_another_tag() {
    let test = Test::new();
    let root = tempfile::tempdir().unwrap();
    let open = Daemon::chartferry_at(root.path(), []);
    test.file("demo-1.0.0.tgz", chart("1.0.0", b"one"));
    test.run(["push", "demo-1.0.0.tgz", &open.oci()]).anything().succeeds();
    wire::retag(&open.address(), "demo", "1.0.0", "stable");
    wire::untag(&open.address(), "demo", "1.0.0");
    drop(open);
    let server = Daemon::chartferry_at(root.path(), ["--disable-force-overwrite"]);
    let address = server.address().parse().unwrap();
    let index = || wire::send(address, "GET", "/index.yaml", &[], b"").expect(200).body;
    let before = index();
    test.file("demo-1.0.0.tgz", chart("1.0.0", b"another"));
    test.run(["push", "demo-1.0.0.tgz", "--overwrite", &server.oci()]).anything().fails(1);
    assert_eq!(index(), before);
    // Its own archive may have its own tag.
    test.file("demo-1.0.0.tgz", chart("1.0.0", b"one"));
    test.run(["push", "demo-1.0.0.tgz", &server.oci()]).anything().succeeds();
}

/// Of `a` in 1.0.0-2.0.0 and `a-1.0.0` in 2.0.0 the later one took the file of the other.
#[test]
fn a_push_does_not_take_over_the_file_of_another_chart() {
    let test = Test::new();
    let server = Daemon::chartferry(["--disable-force-overwrite"]);
    for (name, version) in [("a-1.0.0", "2.0.0"), ("a", "1.0.0-2.0.0")] {
        test.file(
            &format!("{name}/Chart.yaml"),
            format!("apiVersion: v2\nname: {name}\nversion: {version}\n"),
        );
    }
    test.run(["push", "a-1.0.0", &server.oci()]).anything().succeeds();
    let address = server.address().parse().unwrap();
    let file =
        || wire::send(address, "GET", "/charts/a-1.0.0-2.0.0.tgz", &[], b"").expect(200).body;
    let before = file();
    test.run(["push", "a", &server.oci()])
        .stderr_has("another chart has the file `a-1.0.0-2.0.0.tgz`")
        .fails(1);
    assert_eq!(file(), before);
}

/// Finding 11.
#[test]
fn flags_that_hold_for_one_api_are_named_at_the_start() {
    let server = Daemon::chartferry(["--disable-api", "--per-chart-limit=3"]);
    wire::send(server.address().parse().unwrap(), "GET", "/index.yaml", &[], b"").expect(200);
    let log = server.log();
    for flag in ["warning: `--disable-api` closes", "warning: `--per-chart-limit` counts"] {
        assert!(log.contains(flag), "{log}");
    }
}

/// Finding 12. What the bounds are is tested beside them, in `src/server/checks.rs`.
#[test]
fn a_flood_of_wrong_passwords_keeps_nobody_out() {
    let folder = tempfile::tempdir().unwrap();
    // So slow that the flood is still there when it is asked about.
    let server = with(Access::Users(users(folder.path(), 9), Anonymous::Refused));
    let ask = |user: &str, password: &str| {
        server.send("GET", "/v2/", &[("Authorization", &basic(user, password))], b"")
    };
    ask("ann", "ann").expect(200);
    let answers = std::thread::scope(|scope| {
        let guess = |at: usize| {
            let ask = &ask;
            scope.spawn(move || ask(&format!("user{}", at / 4), &format!("guess{at}")))
        };
        let guesses: Vec<_> = (0..120).map(guess).collect();
        // Known users are let in however long the queue is.
        for _ in 0..10 {
            ask("ann", "ann").expect(200);
        }
        guesses.into_iter().map(|guess| guess.join().unwrap()).collect::<Vec<_>>()
    });
    for answer in answers {
        let status = answer.status;
        if status != 401 {
            assert!(status == 429 || status == 503, "{answer}");
            answer.refused(status, "TOOMANYREQUESTS").has("retry-after", "1");
        }
    }
    ask("bob", "bob").expect(200);
}

/// Finding 12: many requests that come with the same right password are one check.
#[test]
fn requests_of_one_user_at_once_are_not_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = with(Access::Users(users(folder.path(), 6), Anonymous::Refused));
    std::thread::scope(|scope| {
        for _ in 0..60 {
            let headers = [("Authorization", basic("ann", "ann"))];
            let address = server.address;
            scope.spawn(move || {
                let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
                wire::send(address, "GET", "/v2/", &headers, b"").expect(200);
            });
        }
    });
}

fn referrer(note: &str, subject: &Value) -> Value {
    json!({
        "schemaVersion": 2, "mediaType": IMAGE, "config": descriptor(EMPTY, b"{}"), "layers": [],
        "artifactType": format!("application/x-{}", note.len() % 2), "subject": subject,
        "annotations": {"note": note},
    })
}

/// Finding 15.
#[test]
fn large_referrers_come_in_pages_and_whole() {
    let server = Server::new();
    server.push_blob("a", b"{}");
    let subject = descriptor(IMAGE, b"whatever was never pushed");
    let mut digests = Vec::new();
    for (at, length) in [2_000_000, 2_000_001, 3_500_000, 10, 11, 1_500_000].into_iter().enumerate()
    {
        let note = format!("{at}{}", "x".repeat(length));
        let one = referrer(&note, &subject);
        let digest = Digest::sha256(one.to_string().as_bytes()).to_string();
        server.push_manifest("a", &digest, &one).expect(201);
        digests.push((digest, note));
    }
    let path = format!("/v2/a/referrers/{}", subject["digest"].as_str().unwrap());
    for filter in ["", "?artifactType=application/x-0", "?artifactType=application/x-1"] {
        let mut wanted: Vec<_> = digests
            .iter()
            .filter(|(_, note)| {
                filter.is_empty() || filter.ends_with(&(note.len() % 2).to_string())
            })
            .map(|(digest, note)| (digest.clone(), note.clone()))
            .collect();
        wanted.sort();
        let (mut found, mut next) = (Vec::new(), Some(format!("{path}{filter}")));
        while let Some(url) = next {
            let page = server.get(&url).expect(200);
            let room = if page.json()["manifests"].as_array().unwrap().len() > 1 {
                3 << 20
            } else {
                4 << 20
            };
            assert!(page.body.len() < room + 1000, "a page of {} bytes", page.body.len());
            for one in page.json()["manifests"].as_array().unwrap() {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                found.push((text(&one["digest"]), text(&one["annotations"]["note"])));
            }
            next = page
                .header("link")
                .map(|link| link.strip_prefix('<').unwrap().split_once('>').unwrap().0.to_owned());
        }
        assert!(found == wanted, "{filter}: {} of {}", found.len(), wanted.len());
    }
}

/// Finding 16.
#[test]
fn a_manifest_that_lies_about_a_size_is_refused() {
    let server = Server::new();
    server.push_blob("a", b"{}");
    server.push_blob("a", b"a layer");
    let put = |change: &dyn Fn(&mut Value)| {
        let mut manifest = json!({
            "schemaVersion": 2, "mediaType": IMAGE, "config": descriptor(EMPTY, b"{}"),
            "layers": [descriptor("text/plain", b"a layer")],
        });
        change(&mut manifest);
        server.push_manifest("a", "x", &manifest)
    };
    let good = put(&|_| {}).expect(201);
    let child = good.header("docker-content-digest").unwrap().to_owned();
    let of_child = |size: u64| json!({"mediaType": IMAGE, "digest": child, "size": size});
    put(&|manifest| manifest["config"]["size"] = 3.into()).refused(400, "MANIFEST_INVALID");
    put(&|manifest| manifest["config"]["size"] = 0.into()).refused(400, "MANIFEST_INVALID");
    put(&|manifest| manifest["layers"][0]["size"] = 1.into()).refused(400, "MANIFEST_INVALID");
    put(&|manifest| manifest["subject"] = of_child(1)).refused(400, "MANIFEST_INVALID");
    put(&|manifest| {
        let index = crate::registry::INDEX;
        *manifest = json!({"schemaVersion": 2, "mediaType": index, "manifests": [of_child(1)]});
    })
    .refused(400, "MANIFEST_INVALID");
    let tag = server.get("/v2/a/manifests/x").expect(200);
    assert_eq!(tag.header("docker-content-digest"), Some(child.as_str()));
}

/// Finding 24.
#[test]
fn a_list_of_repositories_shows_what_a_token_may_pull() {
    for (anonymous, without) in [(Anonymous::Refused, None), (Anonymous::MayPull, Some(4))] {
        let server = with(Access::Issuer(issuer(anonymous)));
        let all = bearer(&access(&["repo", "a", "a/b", "secret"], &["pull", "push"]));
        for name in ["top", "a/x", "a/b/x", "secret/x"] {
            let upload = format!("/v2/{name}/blobs/uploads/?digest={}", Digest::sha256(b"{}"));
            let headers = [("Authorization", all.as_str()), ("Content-Type", IMAGE)];
            server.send("POST", &upload, &headers, b"{}").expect(201);
            let manifest = json!({"schemaVersion": 2, "mediaType": IMAGE, "layers": [],
                "config": descriptor(EMPTY, b"{}")})
            .to_string();
            let path = format!("/v2/{name}/manifests/1");
            server.send("PUT", &path, &headers, manifest.as_bytes()).expect(201);
        }
        match without {
            None => drop(server.get("/v2/_catalog").expect(401)),
            Some(count) => {
                let names = server.get("/v2/_catalog").expect(200).json();
                assert_eq!(names["repositories"].as_array().unwrap().len(), count);
                continue;
            }
        }
        for (namespaces, names) in [
            (&["repo"][..], &["top"][..]),
            (&["a"], &["a/x"]),
            (&["a/b", "repo"], &["a/b/x", "top"]),
            (&["none"], &[]),
            (&[], &[]),
        ] {
            let token = bearer(&access(namespaces, &["pull"]));
            let headers = [("Authorization", token.as_str())];
            let found = server.send("GET", "/v2/_catalog", &headers, b"").expect(200).json();
            assert_eq!(found["repositories"], json!(names), "{namespaces:?}");
            // In pages too, with nothing of the rest in a link.
            let page = server.send("GET", "/v2/_catalog?n=1", &headers, b"").expect(200);
            assert_eq!(page.header("link").is_some(), names.len() > 1, "{page}");
        }
    }
}

/// By reading: the root is called `repo` in a token, so a namespace of that name would share its
/// tokens.
#[test]
fn a_token_of_the_root_opens_no_namespace_called_repo() {
    let server = with(Access::Issuer(issuer(Anonymous::Refused)));
    let token = bearer(&access(&["repo"], &["pull", "push"]));
    let headers = [("Authorization", token.as_str())];
    let digest = Digest::sha256(b"{}");
    for (path, status) in [
        (format!("/v2/top/blobs/uploads/?digest={digest}"), 201),
        (format!("/v2/repo/x/blobs/uploads/?digest={digest}"), 401),
        ("/api/repo/charts".to_owned(), 401),
    ] {
        server.send("POST", &path, &headers, b"{}").expect(status);
    }
    for (path, status) in [
        ("/index.yaml", 200),
        ("/repo/index.yaml", 401),
        ("/api/repo/charts", 401),
        ("/v2/repo/x/tags/list", 401),
    ] {
        server.send("GET", path, &headers, b"").expect(status);
    }
}

/// Finding 25.
#[test]
fn an_announced_length_lifts_no_bound() {
    let mut config = Config::default();
    config.limits.upload_bytes = 1000;
    let server = Server::with(config);
    let session = server.post("/v2/a/blobs/uploads/", b"").expect(202).location();
    server.send("PATCH", &session, &[("Content-Range", "0-2")], b"abc").expect(202);
    let chunked = |range: &str, body: &[u8]| {
        let head = format!(
            "PATCH {session} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Range: {range}\r\n\
             Transfer-Encoding: chunked\r\n\r\n"
        );
        wire::read(wire::raw(server.address, &[head.as_bytes(), body].concat()), "PATCH")
    };
    // Refused by what it says, before any of it is taken.
    chunked("3-9999999999999999", b"1\r\nx\r\n").refused(413, "SIZE_INVALID");
    chunked("3-1000", b"1\r\nx\r\n").refused(413, "SIZE_INVALID");
    server.get(&session).expect(204).has("range", "0-2");
    let fresh = server.post("/v2/a/blobs/uploads/", b"").expect(202).location();
    let range = [("Content-Range", "0-18446744073709551615")];
    server.send("PATCH", &fresh, &range, b"").refused(416, "BLOB_UPLOAD_INVALID");
}

/// Finding 26.
#[test]
fn sessions_are_bounded_and_leave_no_repository_behind() {
    let mut config = Config::default();
    config.limits.upload_sessions = 5;
    let server = Server::with(config);
    let begin = |at: usize| server.post(&format!("/v2/n{at}/x/blobs/uploads/"), b"");
    let sessions: Vec<String> = (0..5).map(|at| begin(at).expect(202).location()).collect();
    begin(5).refused(429, "TOOMANYREQUESTS").has("retry-after", "60");
    assert_eq!(fs::read_dir(server.store().join("repos")).unwrap().count(), 0);
    // A session is reached by its own repository alone.
    let stolen = sessions[0].replacen("/n0/", "/n1/", 1);
    server.get(&stolen).refused(404, "BLOB_UPLOAD_UNKNOWN");
    server.send("PATCH", &stolen, &[], b"x").refused(404, "BLOB_UPLOAD_UNKNOWN");
    server.delete(&stolen).refused(404, "BLOB_UPLOAD_UNKNOWN");
    server.delete(&sessions[0]).expect(204);
    begin(5).expect(202);
    // A blob in one go needs no session.
    server.push_blob("a", b"{}");
    // Those that rest make room for others, once there are too many.
    let long_ago = std::time::SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(server.store().join("uploads")).unwrap().take(2) {
        let data = entry.unwrap().path().join("data");
        fs::File::options().append(true).open(data).unwrap().set_modified(long_ago).unwrap();
    }
    begin(6).expect(202);
    begin(7).expect(202);
    begin(8).refused(429, "TOOMANYREQUESTS");
    assert_eq!(count_files(&server.store().join("uploads")), 10);
    assert_eq!(fs::read_dir(server.store().join("repos")).unwrap().count(), 1);
}

/// Finding 26: what earlier versions left.
#[test]
fn old_sessions_and_empty_repositories_go_at_the_first_start() {
    let root = tempfile::tempdir().unwrap();
    drop(Daemon::chartferry_at(root.path(), []));
    fs::remove_dir(root.path().join("uploads")).unwrap();
    for folder in ["a/b/_u/0123", "a/c/_u", "kept/_u/0123", "kept/_r/tags", "empty/of/all"] {
        fs::create_dir_all(root.path().join("repos").join(folder)).unwrap();
    }
    fs::write(root.path().join("repos/a/b/_u/0123/data"), b"x").unwrap();
    fs::write(root.path().join("repos/kept/_r/tags/x"), b"x").unwrap();
    drop(Daemon::chartferry_at(root.path(), []));
    let left: Vec<_> = fs::read_dir(root.path().join("repos"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["kept"]);
    assert!(!root.path().join("repos/kept/_u").exists());
    assert!(root.path().join("repos/kept/_r/tags/x").exists());
}
