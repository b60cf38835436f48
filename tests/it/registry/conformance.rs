//! What the official conformance suite checks (distribution-spec, `conformance` of 2026-08-31,
//! profile `dev` with sparse manifests), as tests of our own, those of blobs in
//! [`super::conformance_blobs`]. The suite itself runs in `peers::conformance`, which prints the
//! number of its checks.

use super::{EMPTY, IMAGE, INDEX, Server, bytes, descriptor, digest};
use chartferry::{
    oci::{Digest, digest::Algorithm},
    server::Config,
    store::disk::repository::Missing,
};
use serde_json::{Value, json};

const REPOSITORY: &str = "conformance/repo1";

#[test]
fn a_repository_that_was_never_used() {
    let server = Server::new();
    server.get("/v2/").expect(200).has("docker-distribution-api-version", "registry/2.0");
    server.get("/v2").expect(200);
    server.get("/v2/unused/tags/list").refused(404, "NAME_UNKNOWN");
    let digest = Digest::sha256(b"x");
    let answer = server.get(&format!("/v2/unused/referrers/{digest}")).expect(200);
    assert_eq!(answer.header("content-type"), Some(INDEX));
    assert_eq!(answer.json(), json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}));
    server.get(&format!("/v2/unused/blobs/{digest}")).refused(404, "BLOB_UNKNOWN");
    server.get(&format!("/v2/unused/manifests/{digest}")).refused(404, "MANIFEST_UNKNOWN");
    server.get("/v2/unused/manifests/latest").refused(404, "MANIFEST_UNKNOWN");
    assert_eq!(server.get("/v2/_catalog").expect(200).json(), json!({"repositories": []}));
}

/// What is pushed together and what comes of it.
struct Set {
    name: &'static str,
    blobs: Vec<Vec<u8>>,
    /// In the order they must be pushed.
    manifests: Vec<Value>,
}

fn image(layers: &[&[u8]]) -> Value {
    let layers: Vec<_> =
        layers.iter().map(|layer| descriptor("application/x-layer", layer)).collect();
    json!({"schemaVersion": 2, "mediaType": IMAGE, "config": descriptor("application/x-config", b"{}"), "layers": layers})
}

fn index(manifests: &[&Value]) -> Value {
    let manifests: Vec<_> = manifests.iter().map(|one| manifest_descriptor(one)).collect();
    json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})
}

fn manifest_descriptor(manifest: &Value) -> Value {
    let media_type = manifest["mediaType"].as_str().unwrap_or(IMAGE);
    descriptor(media_type, manifest.to_string().as_bytes())
}

fn with(mut manifest: Value, name: &str, value: Value) -> Value {
    manifest[name] = value;
    manifest
}

fn sets() -> Vec<Set> {
    let config = || b"{}".to_vec();
    let layer = |seed| bytes(seed, 1200);
    let plain = image(&[&layer(1)]);
    let other = image(&[&layer(1), &layer(2)]);
    let nested = index(&[&plain, &other]);
    let empty_layer = json!({
        "schemaVersion": 2, "mediaType": IMAGE, "artifactType": "application/x-artifact",
        "config": descriptor(EMPTY, b"{}"), "layers": [descriptor(EMPTY, b"{}")],
    });
    let subject = |manifest: Value, of: &Value| with(manifest, "subject", manifest_descriptor(of));
    let large: serde_json::Map<String, Value> =
        (0..3900).map(|at| (format!("k{at}"), json!("v".repeat(1000)))).collect();
    let set = |name, layers: &[u64], manifests| Set {
        name,
        blobs: layers.iter().map(|seed| layer(*seed)).chain([config()]).collect(),
        manifests,
    };
    vec![
        set("image", &[1], vec![plain.clone()]),
        set(
            "image without its own media type",
            &[1],
            vec![{
                let mut bare = plain.clone();
                bare.as_object_mut().unwrap().remove("mediaType");
                bare
            }],
        ),
        set("large manifest", &[1], vec![with(plain.clone(), "annotations", large.into())]),
        set("index", &[1, 2], vec![plain.clone(), other.clone(), nested.clone()]),
        set("nested index", &[1, 2], vec![plain.clone(), other, nested.clone(), index(&[&nested])]),
        set("empty index", &[], vec![index(&[])]),
        set(
            "artifact",
            &[1],
            vec![with(plain.clone(), "artifactType", json!("application/x-artifact"))],
        ),
        set(
            "artifact index",
            &[1],
            vec![
                plain.clone(),
                with(index(&[&plain]), "artifactType", json!("application/x-index")),
            ],
        ),
        set("artifact without layers", &[], vec![empty_layer.clone()]),
        set(
            "artifact with subject",
            &[1],
            vec![plain.clone(), subject(empty_layer.clone(), &plain)],
        ),
        set("index with subject", &[1], vec![plain.clone(), subject(index(&[&plain]), &plain)]),
        set("missing subject", &[], vec![subject(empty_layer, &json!({"not": "pushed"}))]),
        set(
            "data field",
            &[1],
            vec![{
                let mut one = plain.clone();
                one["config"]["data"] = json!("e30=");
                one
            }],
        ),
        set(
            "non-distributable layers",
            &[],
            vec![with(
                image(&[]),
                "layers",
                json!([{
                    "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
                    "digest": Digest::sha256(b"elsewhere").as_str(), "size": 9, "urls": ["https://example.com/x"],
                }]),
            )],
        ),
        set(
            "unknown fields",
            &[1],
            vec![with(plain.clone(), "org.example.extra", json!({"a": [1, null, "x"]}))],
        ),
        set("no layers", &[], vec![image(&[])]),
    ]
}

#[test]
fn every_kind_of_manifest_comes_back_as_it_was_pushed() {
    for set in sets() {
        println!("{}", set.name);
        let server = Server::new();
        for blob in &set.blobs {
            server.push_blob(REPOSITORY, blob);
        }
        round_trip(&server, &set);
        for blob in &set.blobs {
            let path = format!("/v2/{REPOSITORY}/blobs/{}", Digest::sha256(blob));
            server.delete(&path).expect(202);
            server.head(&path).expect(404);
        }
    }
}

#[test]
fn a_sparse_registry_takes_manifests_of_what_it_does_not_have() {
    let sparse = |missing| {
        let mut config = Config::default();
        config.missing = missing;
        Server::with(config)
    };
    let plain = image(&[&bytes(1, 1200)]);
    let full = sparse(Missing::Refuse);
    full.push_manifest(REPOSITORY, "x", &plain).refused(400, "MANIFEST_BLOB_UNKNOWN");
    full.push_manifest(REPOSITORY, "x", &index(&[&plain])).refused(400, "MANIFEST_BLOB_UNKNOWN");
    full.get(&format!("/v2/{REPOSITORY}/manifests/x")).refused(404, "MANIFEST_UNKNOWN");
    for manifests in [vec![plain.clone()], vec![index(&[&plain])]] {
        round_trip(&sparse(Missing::Accept), &Set { name: "sparse", blobs: Vec::new(), manifests });
    }
}

fn round_trip(server: &Server, set: &Set) {
    let manifests = format!("/v2/{REPOSITORY}/manifests");
    let mut pushed = Vec::new();
    for (at, manifest) in set.manifests.iter().enumerate() {
        let bytes = manifest.to_string().into_bytes();
        let digest = Digest::sha256(&bytes);
        let by_digest = format!("{manifests}/{digest}");
        server.head(&by_digest).expect(404);
        let tag = format!("tag-{at}");
        for reference in [digest.as_str(), &tag] {
            let answer = server.push_manifest(REPOSITORY, reference, manifest).expect(201);
            assert_eq!(answer.location(), by_digest);
            assert_eq!(
                answer.header("oci-subject"),
                manifest["subject"]["digest"].as_str(),
                "{answer}"
            );
            answer.has("docker-content-digest", digest.as_str());
        }
        let media_type = manifest["mediaType"].as_str().unwrap_or(IMAGE);
        for reference in [digest.as_str(), &tag] {
            let path = format!("{manifests}/{reference}");
            for answer in [server.get(&path), server.head(&path)] {
                answer
                    .expect(200)
                    .has("content-type", media_type)
                    .has("content-length", &bytes.len().to_string())
                    .has("docker-content-digest", digest.as_str());
            }
            assert_eq!(server.get(&path).body, bytes);
        }
        is_listed_as_referrer(server, manifest, &digest, bytes.len());
        pushed.push((digest, tag));
    }
    let tags: Vec<_> = pushed.iter().map(|(_, tag)| tag.as_str()).collect();
    let answer = server.get(&format!("/v2/{REPOSITORY}/tags/list")).expect(200);
    assert_eq!(answer.json(), json!({"name": REPOSITORY, "tags": tags}));
    for ((digest, tag), manifest) in pushed.iter().zip(&set.manifests).rev() {
        // A tag goes alone, a manifest with all its tags.
        server.delete(&format!("{manifests}/{tag}")).expect(202);
        server.head(&format!("{manifests}/{tag}")).expect(404);
        server.head(&format!("{manifests}/{digest}")).expect(200);
        server.push_manifest(REPOSITORY, "again", manifest).expect(201);
        server.delete(&format!("{manifests}/{digest}")).expect(202);
        for reference in [digest.as_str(), "again"] {
            server.get(&format!("{manifests}/{reference}")).refused(404, "MANIFEST_UNKNOWN");
            server.delete(&format!("{manifests}/{reference}")).refused(404, "MANIFEST_UNKNOWN");
        }
        if let Some(subject) = manifest["subject"]["digest"].as_str() {
            let list = server.get(&format!("/v2/{REPOSITORY}/referrers/{subject}")).expect(200);
            assert_eq!(list.json()["manifests"], json!([]));
        }
    }
    let answer = server.get(&format!("/v2/{REPOSITORY}/tags/list")).expect(200);
    assert_eq!(answer.json()["tags"], json!([]));
}

fn is_listed_as_referrer(server: &Server, manifest: &Value, digest: &Digest, size: usize) {
    let Some(subject) = manifest["subject"]["digest"].as_str() else { return };
    let kind = manifest["artifactType"].as_str();
    let mut expected =
        json!({"mediaType": manifest["mediaType"], "digest": digest.as_str(), "size": size});
    if let Some(kind) = kind {
        expected["artifactType"] = json!(kind);
    }
    let path = format!("/v2/{REPOSITORY}/referrers/{subject}");
    let answer = server.get(&path).expect(200).has("content-type", INDEX);
    assert_eq!(answer.json()["manifests"], json!([expected]));
    assert_eq!(answer.header("oci-filters-applied"), None);
    for (filter, listed) in [(kind.unwrap_or("none"), kind.is_some()), ("application/other", false)]
    {
        let answer = server.get(&format!("{path}?artifactType={filter}")).expect(200);
        let answer = answer.has("oci-filters-applied", "artifactType");
        let expected = if listed { json!([expected]) } else { json!([]) };
        assert_eq!(answer.json()["manifests"], expected);
    }
}

#[test]
fn a_manifest_by_digest_takes_tags_along() {
    let server = Server::new();
    let layer = bytes(1, 1200);
    for blob in [&layer[..], b"{}"] {
        server.push_blob(REPOSITORY, blob);
    }
    let manifest = image(&[&layer]);
    let bytes = manifest.to_string();
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let digest = digest(algorithm, bytes.as_bytes());
        let tags: Vec<_> = (0..12).map(|at| format!("{}-{at}", algorithm.as_str())).collect();
        let query = tags.iter().map(|tag| format!("tag={tag}")).collect::<Vec<_>>().join("&");
        let path = format!("/v2/{REPOSITORY}/manifests/{digest}");
        let answer = server.push_manifest(REPOSITORY, &format!("{digest}?{query}"), &manifest);
        let answer = answer.expect(201).has("oci-tag", &tags.join(", "));
        answer.has("docker-content-digest", digest.as_str()).has("location", &path);
        for tag in &tags {
            let answer = server.head(&format!("/v2/{REPOSITORY}/manifests/{tag}"));
            answer.expect(200).has("docker-content-digest", digest.as_str());
        }
        server.delete(&path).expect(202);
        server.head(&format!("/v2/{REPOSITORY}/manifests/{}", tags[0])).expect(404);
    }
    let digest = Digest::sha256(bytes.as_bytes());
    let many = (0..65).map(|at| format!("tag=t{at}")).collect::<Vec<_>>().join("&");
    server.push_manifest(REPOSITORY, &format!("{digest}?{many}"), &manifest).expect(414);
    let bad = server.push_manifest(REPOSITORY, &format!("{digest}?tag=-bad"), &manifest);
    bad.refused(400, "MANIFEST_INVALID");
}

#[test]
fn manifests_that_are_none_are_refused() {
    let server = Server::new();
    server.push_blob(REPOSITORY, b"{}");
    let path = format!("/v2/{REPOSITORY}/manifests/x");
    let put = |content_type: &str, body: &[u8]| {
        server.send("PUT", &path, &[("Content-Type", content_type)], body)
    };
    for (content_type, body) in [
        (IMAGE, &b"not json"[..]),
        (IMAGE, b"[]"),
        (IMAGE, b""),
        (IMAGE, br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#),
        (IMAGE, br#"{"schemaVersion":2,"config":{"digest":"sha256:abc","size":1}}"#),
        (INDEX, br#"{"schemaVersion":2,"manifests":[],"layers":[]}"#),
    ] {
        put(content_type, body).refused(400, "MANIFEST_INVALID");
    }
    let manifest = image(&[]);
    let wrong = Digest::sha256(b"another");
    server.push_manifest(REPOSITORY, wrong.as_str(), &manifest).refused(400, "DIGEST_INVALID");
    server
        .push_manifest(REPOSITORY, "sha256:baddigeststring", &manifest)
        .refused(400, "DIGEST_INVALID");
    let limit = chartferry::limits::Limits::default().manifest_bytes as usize;
    put(IMAGE, &vec![b' '; limit + 1]).refused(413, "SIZE_INVALID");
    // Without a length it is counted.
    let mut chunked = format!(
        "PUT {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n",
        limit + 1
    )
    .into_bytes();
    chunked.resize(chunked.len() + limit + 1, b' ');
    let stream = super::wire::raw(server.address, &chunked);
    super::wire::read(stream, "PUT").refused(413, "SIZE_INVALID");
    server
        .get(&format!("/v2/{REPOSITORY}/manifests/sha256:baddigeststring"))
        .refused(400, "DIGEST_INVALID");
}

#[test]
fn lists_are_given_in_pages() {
    let server = Server::new();
    server.push_blob("a", b"{}");
    let manifest = image(&[]);
    let mut tags: Vec<String> = (0..25).map(|at| format!("v{at}")).collect();
    tags.push("Upper".into());
    for tag in &tags {
        server.push_manifest("a", tag, &manifest).expect(201);
    }
    tags.sort();
    let all = server.get("/v2/a/tags/list").expect(200);
    assert_eq!(all.json()["tags"], json!(tags));
    assert_eq!(all.header("link"), None);
    let mut found = Vec::new();
    let mut next = Some("/v2/a/tags/list?n=10".to_owned());
    let mut pages = 0;
    while let Some(path) = next {
        let page = server.get(&path).expect(200);
        found.extend(
            page.json()["tags"].as_array().unwrap().iter().map(|t| t.as_str().unwrap().to_owned()),
        );
        next = page.header("link").map(|link| {
            link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned()
        });
        pages += 1;
    }
    assert_eq!((found, pages), (tags.clone(), 3));
    let after = server.get("/v2/a/tags/list?last=v22").expect(200).json();
    assert_eq!(after["tags"], json!(["v23", "v24", "v3", "v4", "v5", "v6", "v7", "v8", "v9"]));
    let none = server.get("/v2/a/tags/list?n=0").expect(200);
    assert_eq!((none.json()["tags"].clone(), none.header("link")), (json!([]), None));
    server.get("/v2/a/tags/list?n=many").refused(400, "UNSUPPORTED");

    for name in ["a/b", "a-b", "c", "0"] {
        server.push_blob(name, b"{}");
        server.push_manifest(name, "x", &manifest).expect(201);
    }
    server.push_blob("only-blobs", b"{}");
    let all = server.get("/v2/_catalog").expect(200).json();
    assert_eq!(all, json!({"repositories": ["0", "a", "a-b", "a/b", "c"]}));
    let page = server.get("/v2/_catalog?n=2&last=a").expect(200);
    assert_eq!(page.json(), json!({"repositories": ["a-b", "a/b"]}));
    page.has("link", "</v2/_catalog?n=2&last=a/b>; rel=\"next\"");
}

#[test]
fn long_lists_of_referrers_come_in_pages_that_clients_take() {
    let server = Server::new();
    server.push_blob("a", b"{}");
    let subject = image(&[]);
    server.push_manifest("a", "x", &subject).expect(201);
    let note = "n".repeat(700_000);
    for at in 0..7 {
        let one = with(image(&[]), "subject", manifest_descriptor(&subject));
        let one = with(one, "annotations", json!({"note": note, "at": at.to_string()}));
        let reference = Digest::sha256(one.to_string().as_bytes());
        server.push_manifest("a", reference.as_str(), &one).expect(201);
    }
    let mut next = Some(format!(
        "/v2/a/referrers/{}?artifactType=application/x-config",
        Digest::sha256(subject.to_string().as_bytes())
    ));
    let mut seen = Vec::new();
    while let Some(path) = next {
        let page = server.get(&path).expect(200).has("oci-filters-applied", "artifactType");
        assert!(page.body.len() < 4 * 1024 * 1024);
        seen.extend(
            page.json()["manifests"].as_array().unwrap().iter().map(|one| one["digest"].clone()),
        );
        next = page.header("link").map(|link| {
            link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned()
        });
    }
    seen.dedup();
    assert_eq!(seen.len(), 7);
}

#[test]
fn what_does_not_apply_is_said_so() {
    let server = Server::new();
    for (method, path, allowed) in [
        ("POST", "/v2/", "GET, HEAD"),
        ("DELETE", "/v2/a/tags/list", "GET, HEAD"),
        ("GET", "/v2/a/blobs/uploads/", "POST"),
        ("POST", "/v2/a/manifests/x", "GET, HEAD, PUT, DELETE"),
        ("PATCH", "/v2/_catalog", "GET, HEAD"),
    ] {
        server.send(method, path, &[], b"").refused(405, "UNSUPPORTED").has("allow", allowed);
    }
    server.get("/v2/UP/tags/list").refused(400, "NAME_INVALID");
    server.get("/v2/a/nothing").refused(404, "UNSUPPORTED");
    server.get("/elsewhere").expect(404);
}

#[test]
fn what_a_client_has_it_need_not_fetch_again() {
    let server = Server::new();
    server.push_blob("a", b"{}");
    let manifest = image(&[]);
    server.push_manifest("a", "x", &manifest).expect(201);
    let tag = server.get("/v2/a/manifests/x").expect(200).header("etag").unwrap().to_owned();
    assert_eq!(tag, format!("\"{}\"", Digest::sha256(manifest.to_string().as_bytes())));
    server.send("GET", "/v2/a/manifests/x", &[("If-None-Match", &tag)], b"").expect(304);
    server.send("GET", "/v2/a/manifests/x", &[("If-None-Match", "\"other\"")], b"").expect(200);
}

#[test]
fn a_conditional_put_changes_nothing_unless_its_condition_holds() {
    let server = Server::new();
    server.push_blob("a", b"{}");
    server.push_blob("a", b"one");
    let (first, second) = (image(&[]).to_string(), image(&[b"one"]).to_string());
    let put = |condition: &(&str, &str), body: &str| {
        let headers = [("Content-Type", IMAGE), *condition];
        server.send("PUT", "/v2/a/manifests/x", &headers, body.as_bytes())
    };
    let etag = |body: &str| format!("\"{}\"", Digest::sha256(body.as_bytes()));
    let (tag_of_first, tag_of_second) = (etag(&first), etag(&second));

    put(&("If-Match", &tag_of_first), &first).refused(412, "DENIED");
    put(&("If-Match", "*"), &first).refused(412, "DENIED");
    server.get("/v2/a/manifests/x").expect(404);
    put(&("If-None-Match", "*"), &first).expect(201);
    let answer = put(&("If-None-Match", "*"), &second);
    let said = answer.to_string();
    assert!(said.contains(Digest::sha256(first.as_bytes()).as_str()), "no digest in {said}");
    answer.refused(412, "DENIED");
    put(&("If-Match", &format!("W/{tag_of_first}")), &second).refused(412, "DENIED");
    put(&("If-Match", &tag_of_second), &second).refused(412, "DENIED");
    let found = server.get("/v2/a/manifests/x").expect(200);
    assert_eq!(found.header("etag"), Some(&*tag_of_first), "nothing has changed");
    put(&("If-Match", &tag_of_first), &second).expect(201);
    put(&("If-None-Match", &tag_of_second), &first).refused(412, "DENIED");
    put(&("If-None-Match", &tag_of_first), &second).expect(201);
}

#[test]
fn of_conditional_puts_at_once_one_alone_succeeds() {
    let server = Server::new();
    server.push_blob("a", b"{}");
    let bodies: Vec<String> = (0..8)
        .map(|number| {
            let mut manifest = image(&[]);
            manifest["annotations"] = serde_json::json!({ "number": number.to_string() });
            manifest.to_string()
        })
        .collect();
    let created = std::thread::scope(|scope| {
        let threads: Vec<_> = bodies
            .iter()
            .map(|body| {
                let server = &server;
                scope.spawn(move || {
                    let headers = [("Content-Type", IMAGE), ("If-None-Match", "*")];
                    server.send("PUT", "/v2/a/manifests/x", &headers, body.as_bytes()).status
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(created.iter().filter(|status| **status == 201).count(), 1, "{created:?}");
    assert_eq!(created.iter().filter(|status| **status == 412).count(), 7, "{created:?}");
}
