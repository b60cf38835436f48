//! What cannot be carried as its index says: listed with its reason, while the rest goes on.

use super::{Mirrored, archive, told};

#[test]
fn an_archive_that_is_not_what_its_index_says_is_dealt_with_as_asked() {
    for (policy, code, expected) in [
        ("fail", 3, vec!["refused demo 1.0.0 (mismatch)", "sent demo 1.1.0"]),
        ("warn", 0, vec!["sent demo 1.0.0", "sent demo 1.1.0"]),
        ("accept", 0, vec!["sent demo 1.0.0", "sent demo 1.1.0"]),
    ] {
        let place = Mirrored::new();
        let bytes = archive("demo", "1.0.0", "one");
        place.add_as("demo", "1.0.0", &bytes, Some(b"another"));
        place.add("demo", "1.1.0");
        place.publish();
        let report = place.mirror(code, &["--on-digest-mismatch", policy]);
        assert_eq!(told(&report), expected, "{policy}");
        let said = report["versions"][0]["reason"].as_str().unwrap_or_default();
        assert_eq!(said.contains("the index has sha256:"), policy != "accept", "{said}");
        // The same again, and for one request: a stale digest is no reason to send the archive
        // twice.
        place.forget();
        let report = place.mirror(code, &["--on-digest-mismatch", policy]);
        assert_eq!(report["unchanged"], true, "{policy}");
        assert_eq!(place.asked_web(), ["GET /index.yaml"]);
        if policy != "fail" {
            assert_eq!(place.pulled("demo", "1.0.0"), bytes);
            continue;
        }
        let report = place.mirror(0, &["--on-digest-mismatch", "accept"]);
        assert_eq!(told(&report), ["sent demo 1.0.0"], "another policy, another try");
    }
}

#[test]
fn a_version_that_is_there_in_other_bytes_is_dealt_with_as_asked() {
    for (policy, code, expected, holds) in [
        ("fail", 3, vec!["refused demo 1.0.0 (conflict)"], "one"),
        ("skip", 0, vec!["skipped demo 1.0.0 (skipped)"], "one"),
        ("overwrite", 0, vec!["replaced demo 1.0.0"], "two"),
    ] {
        let place = Mirrored::new();
        place.add("demo", "1.0.0");
        place.add("demo", "1.1.0");
        place.publish();
        place.mirror(0, &[]);
        place.republish("demo", "1.0.0", "two");
        let report = place.mirror(code, &["--on-conflict", policy]);
        assert_eq!(told(&report), expected, "{policy}");
        assert_eq!(place.pulled("demo", "1.0.0"), archive("demo", "1.0.0", holds), "{policy}");
        place.forget();
        place.mirror(if code == 3 { 3 } else { 0 }, &["--on-conflict", policy]);
        assert_eq!(place.asked_web(), ["GET /index.yaml"], "{policy}: remembered");
    }
}

#[test]
fn a_tag_that_somebody_else_took_is_looked_at() {
    let place = Mirrored::new();
    place.add("demo", "1.0.0");
    place.publish();
    place.mirror(0, &[]);
    // Another chart of the version that comes next, and the very chart of the one after.
    let theirs = archive("demo", "1.1.0", "theirs");
    place.test.file("demo-1.1.0.tgz", &theirs);
    place.test.file("demo-1.2.0.tgz", archive("demo", "1.2.0", "one"));
    let destination = format!("oci://{}/charts", place.registry.address());
    place
        .test
        .run(["push", "demo-1.1.0.tgz", "demo-1.2.0.tgz", destination.as_str()])
        .anything()
        .succeeds();
    for version in ["1.1.0", "1.2.0"] {
        place.add("demo", version);
    }
    place.publish();
    let report = place.mirror(3, &[]);
    assert_eq!(told(&report), ["refused demo 1.1.0 (conflict)"], "{report:#}");
    assert_eq!(place.pulled("demo", "1.1.0"), theirs);
}

#[test]
fn what_cannot_be_carried_is_listed_and_the_rest_goes_on() {
    let place = Mirrored::new();
    place.add("good", "1.0.0");
    place.add("Upper", "1.0.0");
    place.add("good", "1.0.0-no/tag");
    let long = format!("1.0.0-{}", "x".repeat(140));
    place.add("good", &long);
    place.add_as("gone", "1.0.0", &[], None);
    place.web.put("/gone-1.0.0.tgz", crate::support::web::File::Status(404, "gone"));
    place.add_as("torn", "1.0.0", &archive("torn", "1.0.0", "x")[..80], None);
    place.add_as("named", "1.0.0", &archive("other", "1.0.0", "x"), None);
    // Chart.yaml wins where only the version differs.
    place.add_as("turned", "1.0.0", &archive("turned", "v1.0.0", "x"), None);
    place.add_as("twice", "1.0.0", &archive("twice", "1.0.1", "x"), None);
    place.add("twice", "1.0.1");
    place.publish();
    let report = place.mirror(3, &[]);
    let mut expected = vec![
        "refused Upper 1.0.0 (unfit)".to_owned(),
        "refused gone 1.0.0 (gone)".to_owned(),
        "sent good 1.0.0".to_owned(),
        format!("refused good {long} (unfit)"),
        "refused named 1.0.0 (unfit)".to_owned(),
        "refused torn 1.0.0 (unfit)".to_owned(),
        "sent turned 1.0.0".to_owned(),
        "refused twice 1.0.0 (unfit)".to_owned(),
        "sent twice 1.0.1".to_owned(),
    ];
    expected.sort_by_key(|line| line.split(' ').skip(1).take(2).collect::<Vec<_>>().join(" "));
    assert_eq!(told(&report), expected, "{report:#}");
    // What no index may list is dropped when it is read, as Helm does.
    assert!(report["warnings"].to_string().contains("1.0.0-no/tag"), "{report:#}");
    let reference = format!("oci://{}/charts/turned", place.registry.address());
    place.test.run(["resolve", &format!("{reference}:v1.0.0")]).any_stdout().succeeds();
    place.forget();
    let again = place.mirror(3, &[]);
    assert_eq!(again["counts"]["refused"], 6);
    assert_eq!(place.asked_web(), ["GET /index.yaml"], "refusals are remembered");
    let retried = place.mirror(3, &["--retry"]);
    assert_eq!(retried["counts"]["refused"], 6);
    assert!(place.asked_web().len() > 1, "unless they are to be tried again");
}

#[test]
fn an_image_in_a_charts_place_is_never_overwritten() {
    let place = Mirrored::new();
    place.add("demo", "1.0.0");
    place.publish();
    place.mirror(0, &[]);
    put_image(&place.registry.address(), "1.1.0");
    place.add("demo", "1.1.0");
    place.publish();
    let report = place.mirror(3, &["--on-conflict", "overwrite"]);
    assert_eq!(told(&report), ["refused demo 1.1.0 (conflict)"]);
    assert!(report["versions"][0]["reason"].as_str().unwrap().contains("a container image"));
}

/// Puts an image under a tag of `charts/demo`.
pub(super) fn put_image(address: &str, tag: &str) {
    let image = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}"#;
    put(
        address,
        "/v2/charts/demo/blobs/uploads/?digest=sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "POST",
        "application/octet-stream",
        "{}",
    );
    put(
        address,
        &format!("/v2/charts/demo/manifests/{tag}"),
        "PUT",
        "application/vnd.oci.image.manifest.v1+json",
        image,
    );
}

/// One request by hand.
fn put(address: &str, path: &str, method: &str, kind: &str, body: &str) {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
}

#[test]
fn versions_with_a_plus_sign_and_two_of_one_tag() {
    let place = Mirrored::new();
    let bytes = place.add("demo", "1.0.0+build.1");
    place.add("demo", "v2.0.0");
    place.publish();
    let report = place.mirror(0, &["--alias-without-v"]);
    assert_eq!(report["counts"]["sent"], 2);
    let reference = format!("oci://{}/charts/demo", place.registry.address());
    let digest = |tag: &str| {
        let tagged = format!("{reference}:{tag}");
        place.test.run(["resolve", tagged.as_str()]).any_stdout().succeeds().digest()
    };
    digest("1.0.0_build.1");
    assert_eq!(digest("v2.0.0"), digest("2.0.0"));
    assert_eq!(place.pulled("demo", "1.0.0+build.1"), bytes);
}
