//! Where charts go and what ends are called: names of sources, folders of any depth, names in upper
//! case, ends that are not there.

use super::{Mirrored, archive, runs};
use crate::support::{Test, daemon::Daemon, web::Web};

#[test]
fn a_source_of_any_kind_is_called_as_the_file_calls_it() {
    let place = Mirrored::new();
    place.add("web", "1.0.0");
    place.publish();
    let test = &place.test;
    test.file("b/folder-1.0.0.tgz", archive("folder", "1.0.0", "one"));
    for (chart, to) in [("lay", "layout:l"), ("pack", "p.tar.zst"), ("reg", "REGISTRY")] {
        test.file(&format!("in/{chart}/{chart}-1.0.0.tgz"), archive(chart, "1.0.0", "one"));
        let registry = format!("{}/charts", place.registry.oci());
        let to = if to == "REGISTRY" { registry.as_str() } else { to };
        test.run(["mirror", &format!("in/{chart}"), to]).anything().succeeds();
    }
    let web = place.web.url();
    let registry = format!("{}/charts", place.registry.oci());
    let sources = [
        (web.as_str(), "one", "web"),
        ("./b", "two", "folder"),
        ("layout:l", "three", "lay"),
        ("p.tar.zst", "four", "pack"),
        (registry.as_str(), "five", "reg"),
    ];
    let list: String = sources
        .iter()
        .map(|(url, name, _)| format!("- {{url: \"{url}\", name: {name}}}\n"))
        .collect();
    test.file(
        "mirror.yaml",
        format!("sources:\n{list}destination: {{url: ./out, template: \"{{{{repo}}}}/{{{{chart}}}}.tgz\"}}\n"),
    );
    test.run(["mirror", "-f", "mirror.yaml"]).anything().succeeds();
    for (_, name, chart) in sources {
        assert_eq!(test.read(format!("out/{name}/{chart}.tgz")), archive(chart, "1.0.0", "one"));
    }
    // Under another name they belong elsewhere, whatever the last run remembers.
    let text =
        String::from_utf8(test.read("mirror.yaml")).unwrap().replace("name: two", "name: zwei");
    test.file("mirror.yaml", text);
    test.run(["mirror", "-f", "mirror.yaml"]).anything().succeeds();
    assert!(test.path("out/zwei/folder.tgz").exists());
}

#[test]
fn an_index_lists_what_was_put_at_any_depth() {
    let place = Mirrored::new();
    for (name, version) in [("a", "1.0.0"), ("a", "1.1.0"), ("b", "2.0.0")] {
        place.add(name, version);
    }
    place.publish();
    let template = "{{repo}}/x/{{chart}}/{{chart}}-{{version}}.tgz";
    let report = place.mirror_to(0, "deep", &["--template", template]);
    assert_eq!(report["counts"]["sent"], 3);
    let index = String::from_utf8(place.test.read("deep/index.yaml")).unwrap();
    let urls: Vec<&str> = index.lines().filter(|line| line.ends_with(".tgz")).collect();
    assert_eq!(urls.len(), 3, "{index}");
    assert!(
        urls.iter().all(|url| url.contains("/x/a/a-1.") || url.contains("/x/b/b-2")),
        "{index}"
    );
    // And so the folder is a source like any other.
    let report = &runs(&place, 0, &["deep", "flat"])[0];
    assert_eq!(report["counts"]["sent"], 3, "{report:#}");
}

#[test]
fn a_name_in_upper_case_comes_with_the_template_that_mends_it() {
    let place = Mirrored::new();
    place.add("MyChart", "1.0.0");
    place.publish();
    let report = place.mirror(1, &[]);
    let reason = report["versions"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("registries take lower case only"), "{reason}");
    assert!(reason.contains("`--template '{{lower chart}}'`"), "{reason}");
    let report = place.mirror(0, &["--template", "{{lower chart}}"]);
    assert_eq!(report["counts"]["sent"], 1, "{report:#}");
    place.test.file("MyChart-1.0.0.tgz", archive("MyChart", "1.0.0", "one"));
    let to = place.registry.oci();
    let named =
        format!("chartferry push --chart PATH {}/ns/mychart:VERSION", place.registry.address());
    place
        .test
        .run(["push", "MyChart-1.0.0.tgz", &format!("{to}/ns")])
        .stderr_has(&named)
        .any_stdout()
        .fails(64);
    let reference = format!("{}/ns/mychart:1.0.0", place.registry.address());
    place.test.run(["push", "--chart", "MyChart-1.0.0.tgz", &reference]).anything().succeeds();
}

#[test]
fn a_destination_that_cannot_be_reached_is_named_first() {
    let test = Test::new();
    test.file("in/a-1.0.0.tgz", archive("a", "1.0.0", "one"));
    // A port that was free a moment ago, and that nobody is given again while we hold on to its
    // twin.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let outcome = test
        .run(["mirror", "in", &format!("oci://{address}/x"), "--plain-http"])
        .anything()
        .fails(1);
    let first = outcome.stderr.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
    assert_eq!(first, format!("error: the destination `oci://{address}/x` cannot be reached"));
}

#[test]
fn a_prune_without_a_state_names_each_source() {
    let place = Mirrored::new();
    place.add("a", "1.0.0");
    place.publish();
    let other = Web::start();
    other.file("/index.yaml", "apiVersion: v1\nentries: {}\n");
    place.test.file("in/b-1.0.0.tgz", archive("b", "1.0.0", "one"));
    let registry = Daemon::chartferry([]);
    let url = place.web.url();
    let outcome = place
        .test
        .run(["mirror", &url, "in", &format!("{}/x", registry.oci()), "--prune"])
        .anything()
        .succeeds();
    for source in ["`[WEB]`", "/work/in`"] {
        let line = outcome.stderr.lines().find(|line| line.contains(source));
        assert!(
            line.is_some_and(|line| line.contains("nothing is removed for")),
            "{source}: {outcome:?}"
        );
    }
}
