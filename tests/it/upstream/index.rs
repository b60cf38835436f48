//! `index oci://host/ns`.

use super::{CHARTS, entries, push, seed};
use crate::{
    registry::wire::{self, retag, untag},
    support::{daemon::test_with_registry, proxy::Proxy},
};
use chartferry::digest::Digest;

#[test]
fn a_namespace_is_an_index_of_oci_urls_or_of_those_below_a_server() {
    let (test, registry) = test_with_registry();
    let namespace = format!("{}/ns", registry.oci());
    seed(&test, &namespace);
    push(&test, &format!("{namespace}/deeper"), "c", "1.0.0");
    push(&test, &registry.oci(), "d", "1.0.0");

    test.run(["index", &namespace]).writes(["index.yaml"]).succeeds();
    let in_registry = |(name, version): (&str, &str)| {
        let tag = version.replace('+', "_");
        format!("{name} {version} oci://{}/ns/{name}:{tag}", registry.address())
    };
    assert_eq!(entries(&test.read("index.yaml")), CHARTS.map(in_registry));

    let url = "https://charts.example/team/";
    test.run(["index", &namespace, "--url", url, "--json", "--out", "other.json", "-o", "json"])
        .stdout("{\n  \"path\": \"other.json\",\n  \"charts\": 2,\n  \"versions\": 3\n}\n")
        .writes(["other.json"])
        .succeeds();
    let below = |(name, version)| format!("{name} {version} {url}charts/{name}-{version}.tgz");
    assert_eq!(entries(&test.read("other.json")), CHARTS.map(below));

    let printed = test.run(["index", &namespace, "--out", "-"]).any_stdout().succeeds();
    assert_eq!(printed.bytes, test.read("index.yaml"), "the same charts give the same text");
}

#[test]
fn charts_that_are_named_are_not_looked_for() {
    let (test, registry) = test_with_registry();
    let namespace = format!("{}/ns", registry.oci());
    seed(&test, &namespace);
    let proxy = Proxy::to(&registry.address());
    let seen = format!("oci://{}/ns", proxy.address());
    test.run(["index", &seen, "--charts", "b", "--out", "-"]).any_stdout().succeeds();
    let asked = proxy.take();
    let gets: Vec<&String> = asked.iter().filter(|line| line.contains("/v2/ns/")).collect();
    assert_eq!(gets.len(), 3, "tags, one manifest, one config: {asked:?}");
    assert!(!asked.iter().any(|line| line.contains("_catalog")), "{asked:?}");

    test.file("index.yaml", "as it was");
    for nothing in [format!("{}/nss", registry.oci()), format!("{}/ns/b", registry.oci())] {
        test.run(["index", &nothing]).stderr_has("nothing was written").fails(5);
    }
    test.run(["index", &seen, "--charts", "never", "--out", "-"]).any_stderr().fails(5);
    test.run(["index", ".", "--charts", "b"]).stderr_has("are for a registry").fails(64);
    test.run(["index", &seen, "--strict"]).stderr_has("are for folders").fails(64);
}

#[test]
fn a_version_is_named_by_its_own_tag_and_by_its_digest_where_it_has_none() {
    let (test, registry) = test_with_registry();
    let namespace = format!("{}/ns", registry.oci());
    push(&test, &namespace, "a", "1.2.1");
    push(&test, &namespace, "b", "1.0.0");
    let address = registry.address();
    for tag in ["1", "1.2", "v1.2.1"] {
        retag(&address, "ns/a", "1.2.1", tag);
    }
    let manifest = retag(&address, "ns/b", "1.0.0", "1");
    untag(&address, "ns/b", "1.0.0");
    let digest = Digest::sha256(&manifest);
    test.run(["index", &namespace]).writes(["index.yaml"]).succeeds();
    assert_eq!(
        entries(&test.read("index.yaml")),
        [
            format!("a 1.2.1 oci://{address}/ns/a:1.2.1"),
            format!("b 1.0.0 oci://{address}/ns/b@{digest}"),
        ]
    );
    // Without a server: files, by the same rule.
    let getter = |file: &str| {
        let url = format!("ocirepo://{address}/ns/{file}");
        test.run(["getter", "", "", "", &url]).any_stdout().any_files().succeeds()
    };
    let file = format!("b@sha256-{}.tgz", digest.hex());
    assert_eq!(
        entries(&getter("index.yaml").bytes),
        ["a 1.2.1 a-1.2.1.tgz".to_owned(), format!("b 1.0.0 {file}")]
    );
    let held = test.read("b-1.0.0.tgz");
    assert_eq!(getter(&file).bytes, held);
    // What the index names stays the same when the alias moves.
    push(&test, &namespace, "b", "2.0.0");
    retag(&address, "ns/b", "2.0.0", "1");
    assert_eq!(getter(&file).bytes, held);
}

#[test]
fn a_chart_behind_an_image_index_is_listed() {
    let (test, registry) = test_with_registry();
    let namespace = format!("{}/ns", registry.oci());
    push(&test, &namespace, "a", "1.0.0");
    wire::index(&registry.address(), "ns/a", "1.0.0", "1.0.0");
    test.run(["index", &namespace]).writes(["index.yaml"]).succeeds();
    let url = format!("oci://{}/ns/a:1.0.0", registry.address());
    assert_eq!(entries(&test.read("index.yaml")), [format!("a 1.0.0 {url}")]);
}
