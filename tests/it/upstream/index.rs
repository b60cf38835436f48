//! `index oci://host/ns`.

use super::{CHARTS, entries, push, seed};
use crate::support::{daemon::test_with_registry, proxy::Proxy};

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
