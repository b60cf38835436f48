//! The ChartMuseum API and the index: uploads that stop it, or fill its memory; answers that stay
//! in it.

use crate::{
    registry::wire::{self, Answer},
    support::daemon::Daemon,
};
use std::io::{Read as _, Write as _};

/// An archive of one folder with these files.
fn archive(folder: &str, files: &[(&str, &[u8])]) -> Vec<u8> {
    let encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let mut archive = tar::Builder::new(encoder);
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, format!("{folder}/{path}"), *content).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

fn chart(name: &str, version: &str, more: &str) -> Vec<u8> {
    let text = format!("apiVersion: v2\nname: {name}\nversion: {version}\n{more}");
    archive(name, &[("Chart.yaml", text.as_bytes())])
}

fn provenance(name: &str, version: &str) -> Vec<u8> {
    format!(
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nname: {name}\nversion: {version}\n"
    )
    .into_bytes()
}

#[track_caller]
fn send(server: &Daemon, method: &str, path: &str, body: &[u8]) -> Answer {
    wire::send(server.address().parse().unwrap(), method, path, &[], body)
}

#[track_caller]
fn get(server: &Daemon, path: &str) -> Answer {
    send(server, "GET", path, b"")
}

/// Findings 1 and 17: what JSON may hold and YAML may not was accepted, and ended the next start;
/// of a chart that a registry can name it made the index lose the version.
#[test]
fn an_upload_with_control_characters_is_shown_after_the_next_start() {
    let root = tempfile::tempdir().unwrap();
    let store = root.path().join("store");
    let odd = r#"annotations: {a: "x\x7fy\x9bz\u0085w", "\uFEFFb": "<<"}"#;
    let server = Daemon::chartferry_at(&store, []);
    for (namespace, name) in [("evil", "Upper"), ("evil", "lower"), ("team", "good")] {
        let more = if namespace == "evil" { odd } else { "" };
        let path = format!("/api/{namespace}/charts");
        send(&server, "POST", &path, &chart(name, "1.0.0", more)).expect(201);
    }
    let paths = ["/evil/index.yaml", "/team/index.yaml", "/api/evil/charts"];
    let before = paths.map(|path| get(&server, path).expect(200).body);
    assert!(server.terminate().success());
    std::fs::remove_file(store.join("charts.cache")).unwrap();
    let server = Daemon::chartferry_at(&store, []);
    let after = paths.map(|path| get(&server, path).expect(200).body);
    assert_eq!(before, after);
    get(&server, "/evil/charts/lower-1.0.0.tgz").expect(200);
    get(&server, "/evil/charts/Upper-1.0.0.tgz").expect(200);
}

/// Finding 1: one damaged entry among those that no registry can name answered every namespace with
/// 503.
#[test]
fn a_damaged_entry_is_left_out_and_the_others_are_shown() {
    let root = tempfile::tempdir().unwrap();
    let store = root.path().join("store");
    let server = Daemon::chartferry_at(&store, []);
    for name in ["Upper", "Other"] {
        send(&server, "POST", "/api/evil/charts", &chart(name, "1.0.0", "")).expect(201);
    }
    send(&server, "POST", "/api/team/charts", &chart("good", "1.0.0", "")).expect(201);
    assert!(server.terminate().success());
    // The config of one of them loses its bytes, as on a bad disk.
    let config = r#"{"name":"Upper","version":"1.0.0","apiVersion":"v2"}"#;
    assert_eq!(damage(&store, config.as_bytes()), 1);
    let server = Daemon::chartferry_at(&store, []);
    get(&server, "/team/index.yaml").expect(200);
    get(&server, "/team/charts/good-1.0.0.tgz").expect(200);
    let index = get(&server, "/evil/index.yaml").expect(200).body;
    let index = String::from_utf8(index).unwrap();
    assert!(index.contains("Other-1.0.0.tgz") && !index.contains("Upper-1.0.0.tgz"), "{index}");
    send(&server, "POST", "/api/team/charts", &chart("good", "1.1.0", "")).expect(201);
}

/// Writes zeros over every file of that content below a folder; gives how many there were.
fn damage(folder: &std::path::Path, content: &[u8]) -> usize {
    let mut found = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found += damage(&path, content);
        } else if std::fs::read(&path).unwrap() == content {
            std::fs::write(&path, vec![0; content.len()]).unwrap();
            found += 1;
        }
    }
    found
}

/// Finding 10: 1.4 kB on the wire stayed in memory as 10.8 MiB.
#[test]
fn a_chart_yaml_that_is_longer_than_any_real_one_is_refused() {
    let server = Daemon::chartferry([]);
    let long = |bytes: usize| format!("description: \"{}\"\n", "<".repeat(bytes));
    send(&server, "POST", "/api/charts", &chart("a", "1.0.0", &long(200 * 1024))).expect(201);
    for more in [
        long(1_250_000),
        long(256 * 1024),
        // Aliases make little into much.
        format!("keywords:\n- &a \"{}\"\n{}", "x".repeat(8000), "- *a\n".repeat(1000)),
        // So do short items: 240 KiB here, and three times that in the index.
        format!("keywords: [a{}]\n", ",a".repeat(120 * 1024)),
    ] {
        send(&server, "POST", "/api/charts", &chart("b", "1.0.0", &more)).expect(400);
    }
    // What a second file adds to the first counts too.
    let more = "dependencies:\n".to_owned()
        + &(0..20_000)
            .map(|at| format!("- {{name: d{at}, version: 1.0.0, repository: \"http://x/{at}\"}}\n"))
            .collect::<String>();
    let chart = archive(
        "c",
        &[
            ("Chart.yaml", b"apiVersion: v1\nname: c\nversion: 1.0.0\n"),
            ("requirements.yaml", more.as_bytes()),
        ],
    );
    send(&server, "POST", "/api/charts", &chart).expect(400);
    let list = get(&server, "/api/charts").expect(200).json();
    assert_eq!(list.as_object().unwrap().keys().collect::<Vec<_>>(), ["a"]);
}

/// Finding 22: provenance files without their charts were not counted.
#[test]
fn provenance_without_charts_counts_as_stored_objects() {
    let root = tempfile::tempdir().unwrap();
    let store = root.path().join("store");
    let limit = ["--max-storage-objects", "2"];
    let post = |server: &Daemon, version: &str| {
        send(server, "POST", "/api/prov", &provenance("p", version)).status
    };
    let server = Daemon::chartferry_at(&store, limit);
    assert_eq!(
        [post(&server, "1.0.0"), post(&server, "1.1.0"), post(&server, "1.2.0")],
        [201, 201, 507]
    );
    send(&server, "POST", "/api/charts", &chart("c", "1.0.0", "")).expect(507);
    send(&server, "POST", "/api/other/prov", &provenance("p", "1.0.0")).expect(201);
    assert!(server.terminate().success());
    let server = Daemon::chartferry_at(&store, limit);
    assert_eq!(post(&server, "1.2.0"), 507);
}

/// Of finding 22: what came in a form was not counted, so that a client that sends forms had no
/// limit.
#[test]
fn a_chart_in_a_form_counts_as_stored_object() {
    let form = |server: &Daemon, version: &str| {
        let mut body =
            b"--b\r\nContent-Disposition: form-data; name=\"chart\"; filename=\"c.tgz\"\r\n\r\n"
                .to_vec();
        body.extend(chart("c", version, ""));
        body.extend(b"\r\n--b--\r\n");
        let kind = [("Content-Type", "multipart/form-data; boundary=b")];
        let address = server.address().parse().unwrap();
        wire::send(address, "POST", "/api/charts?force", &kind, &body).status
    };
    for (compat, second) in [("improved", 507), ("strict", 201)] {
        let server = Daemon::chartferry(["--max-storage-objects", "1", "--compat", compat]);
        assert_eq!(form(&server, "1.0.0"), 201, "{compat}");
        assert_eq!(form(&server, "1.1.0"), second, "{compat}");
        assert_eq!(form(&server, "1.0.0"), 201, "{compat}: what is there may be replaced");
    }
}

/// Finding 16: one damaged config made every index stale, and was read anew every ten seconds;
/// alone it answered 503.
#[test]
fn a_damaged_config_or_tag_makes_nothing_else_stale() {
    for alone in [false, true] {
        let root = tempfile::tempdir().unwrap();
        let store = root.path().join("store");
        let server = Daemon::chartferry_at(&store, []);
        send(&server, "POST", "/api/charts", &chart("bad", "1.0.0", "")).expect(201);
        send(&server, "POST", "/api/charts", &chart("bad", "2.0.0", "")).expect(201);
        if !alone {
            send(&server, "POST", "/api/charts", &chart("good", "1.0.0", "")).expect(201);
        }
        assert!(server.terminate().success());
        // Some bytes of one chart's config, and the file of another one's tag, lost to a bad disk.
        let config = br#"{"name":"bad","version":"1.0.0","apiVersion":"v2"}"#;
        assert_eq!(damage(&store, config), 1);
        let tag = find(&store, "2.0.0").expect("the tag's file");
        std::fs::write(tag, "").unwrap();
        std::fs::remove_file(store.join("charts.cache")).unwrap();

        let server = Daemon::chartferry_at(&store, []);
        let index = get(&server, "/index.yaml").expect(200);
        assert_eq!(index.header("warning"), None, "{index}");
        let text = String::from_utf8(index.body).unwrap();
        assert!(!text.contains("bad-"), "{text}");
        assert_eq!(text.contains("good-1.0.0.tgz"), !alone, "{text}");
        send(&server, "POST", "/api/charts", &chart("new", "1.0.0", "")).expect(201);
        // The bytes come again, and with them the chart.
        get(&server, "/charts/bad-1.0.0.tgz").expect(404);
    }
}

/// The file of that name, wherever it lies below a folder.
fn find(folder: &std::path::Path, name: &str) -> Option<std::path::PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).find_map(|path| {
        if path.is_dir() {
            find(&path, name)
        } else {
            (path.file_name().unwrap() == name).then_some(path)
        }
    })
}

/// Finding 9: an answer of templates stayed in memory, as base64 in JSON, for every client that did
/// not read it.
#[test]
fn templates_are_sent_in_pieces_and_idle_clients_keep_nobody_else_waiting() {
    let server = Daemon::chartferry([]);
    let (large, small) = (vec![b'#'; 4_000_000], b"a: {{ .x }}".as_slice());
    let text = b"apiVersion: v2\nname: t\nversion: 1.0.0\n".as_slice();
    let names: Vec<String> = (0..6).map(|at| format!("templates/{at}.yaml")).collect();
    let mut files = vec![("Chart.yaml", text), ("values.yaml", b"a: 1\n".as_slice())];
    files.extend(names.iter().map(|name| (name.as_str(), large.as_slice())));
    files.push(("templates/\"odd\".txt", small));
    send(&server, "POST", "/api/charts", &archive("t", &files)).expect(201);
    let address = server.address().parse().unwrap();
    let path = "/api/charts/t/1.0.0/templates";
    // Clients that have begun to read and go on no further keep nobody else from reading.
    let mut idle: Vec<_> = (0..4).map(|_| wire::open(address, "GET", path, &[], 0)).collect();
    for stream in &mut idle {
        stream.read_exact(&mut [0; 1]).unwrap();
    }
    let answer = get(&server, path).expect(200).json();
    let templates = answer["templates"].as_array().unwrap();
    assert_eq!(templates.len(), 7);
    assert_eq!(templates[6]["name"], "templates/\"odd\".txt");
    assert_eq!(templates[6]["data"], "YToge3sgLnggfX0=");
    assert_eq!(templates[0]["data"].as_str().unwrap().len(), large.len().div_ceil(3) * 4);
    assert_eq!(answer["values"]["a"], 1);
    assert_eq!(get(&server, "/api/charts/t/1.0.0/values").expect(200).body, b"a: 1\n");
}

/// Finding 10, its other half: a list of charts is made as it is taken, not whole for each client.
#[test]
fn a_long_list_is_sent_in_pieces() {
    let server = Daemon::chartferry([]);
    let more = format!("description: \"{}\"\n", "<".repeat(100_000));
    for version in ["1.0.0", "1.1.0", "1.2.0", "1.3.0"] {
        send(&server, "POST", "/api/charts", &chart("a", version, &more)).expect(201);
    }
    for path in ["/api/charts", "/api/charts/a"] {
        let request = format!("GET {path} HTTP/1.0\r\nHost: x\r\n\r\n");
        let mut stream = wire::raw(server.address().parse().unwrap(), request.as_bytes());
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let list: serde_json::Value = serde_json::from_str(body).unwrap();
        let list = if path == "/api/charts" { &list["a"] } else { &list };
        assert_eq!(list.as_array().unwrap().len(), 4);
        assert_eq!(list[0]["version"], "1.3.0");
        assert_eq!(list[0]["description"].as_str().unwrap().len(), 100_000);
    }
}

/// Finding 23: a provenance file that was acknowledged was gone when its chart could not be stored.
#[test]
#[cfg(unix)]
fn provenance_outlives_a_chart_that_cannot_be_stored() {
    let root = tempfile::tempdir().unwrap();
    let store = root.path().join("store");
    let server = Daemon::chartferry_at(&store, []);
    send(&server, "POST", "/api/prov", &provenance("p", "1.0.0")).expect(201);
    // A file where the chart's repository would be.
    let repositories = store.join("repos");
    std::fs::create_dir_all(&repositories).unwrap();
    std::fs::write(repositories.join("p"), "").unwrap();
    let refused = send(&server, "POST", "/api/charts", &chart("p", "1.0.0", "")).status;
    assert_eq!(refused, 500);
    get(&server, "/charts/p-1.0.0.tgz.prov").expect(200);
    std::fs::remove_file(repositories.join("p")).unwrap();
    send(&server, "POST", "/api/charts", &chart("p", "1.0.0", "")).expect(201);
    get(&server, "/charts/p-1.0.0.tgz.prov").expect(200);
    // It went along with its chart, and waits for none any longer.
    send(&server, "DELETE", "/api/charts/p/1.0.0", b"").expect(200);
    get(&server, "/charts/p-1.0.0.tgz.prov").expect(404);
}

/// Finding 27: a web page wrote to a server of the machine that shows it.
#[test]
fn a_web_page_of_others_cannot_write_to_a_loopback_server() {
    let server = Daemon::chartferry([]);
    let own = server.address();
    let archive = chart("a", "1.0.0", "");
    let send = |method: &str, path: &str, host: &str, origin: &str| {
        let origin =
            if origin.is_empty() { String::new() } else { format!("Origin: {origin}\r\n") };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{origin}Content-Length: {}\r\n\r\n",
            archive.len()
        );
        let mut stream = wire::raw(own.parse().unwrap(), head.as_bytes());
        let _ = stream.write_all(&archive);
        wire::read(stream, method).status
    };
    for path in ["/api/charts", "/api/prov", "/v2/a/blobs/uploads/", "/api/charts?force"] {
        for (host, origin) in [
            ("rebound.example:1", "http://rebound.example:1"),
            (own.as_str(), "http://evil.example"),
            (own.as_str(), "null"),
        ] {
            assert_eq!(send("POST", path, host, origin), 403, "{path} {host} {origin}");
        }
    }
    assert_eq!(send("DELETE", "/api/charts/a/1.0.0", &own, "https://evil.example"), 403);
    assert_eq!(send("PUT", "/v2/a/manifests/1.0.0", &own, "https://evil.example"), 403);
    assert_eq!(send("GET", "/index.yaml", &own, "http://evil.example"), 200);
    // A client that is no browser, also behind a proxy; the server's own page.
    assert_eq!(send("POST", "/api/charts", "charts.example", ""), 201);
    assert_eq!(send("POST", "/api/charts?force", &own, &format!("http://{own}")), 201);
}
