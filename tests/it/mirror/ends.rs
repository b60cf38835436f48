//! Both ends and the ways to name them: folders, registries, files with settings, several sources.

use super::{Mirrored, archive};
use crate::support::Test;

#[test]
fn repository_to_registry_to_folder_keeps_every_byte() {
    let place = Mirrored::new();
    let demo = place.add("demo", "1.0.0+x");
    let other = place.add("other", "0.1.0");
    place.web.file("/other-0.1.0.tgz.prov", "-----BEGIN PGP SIGNED MESSAGE-----\n");
    place.publish();
    place.mirror(0, &[]);
    let source = place.destination();
    place
        .test
        .run(["mirror", source.as_str(), "out"])
        .stdout("oci://[REGISTRY]/charts -> file://[TMP]/work/out\n2 versions of 2 charts: 2 sent (465 B)\n".replace(
            "465 B",
            &format!("{} B", demo.len() + other.len()),
        ))
        .any_files()
        .succeeds();
    assert_eq!(place.test.read("out/demo-1.0.0+x.tgz"), demo);
    assert_eq!(place.test.read("out/other-0.1.0.tgz"), other);
    assert_eq!(
        place.test.read("out/other-0.1.0.tgz.prov"),
        b"-----BEGIN PGP SIGNED MESSAGE-----\n"
    );
    let index = String::from_utf8(place.test.read("out/index.yaml")).unwrap();
    assert!(index.contains("created: \"2024-05-06T07:08:09Z\""), "{index}");
    place
        .test
        .run(["mirror", source.as_str(), "out"])
        .stdout_has("2 versions of 2 charts: 2 in step; the source has not changed")
        .succeeds();
    // And back, into another registry's namespace, by the folder's index.
    let again = format!("oci://{}/again", place.proxy.address());
    place.test.run(["mirror", "out", again.as_str()]).stdout_has("2 sent").succeeds();
    for tag in ["demo:1.0.0_x", "other:0.1.0"] {
        let digest = |namespace: &str| {
            let reference = format!("oci://{}/{namespace}/{tag}", place.proxy.address());
            place.test.run(["resolve", reference.as_str()]).any_stdout().succeeds().digest()
        };
        assert_eq!(
            digest("charts"),
            digest("again"),
            "the manifest is the same wherever it is made"
        );
    }
}

#[test]
fn a_registry_to_a_registry_keeps_manifests_as_they_are() {
    let place = Mirrored::new();
    place.test.file("demo-1.0.0.tgz", archive("demo", "1.0.0", "one"));
    let (from, to) = (place.destination(), format!("oci://{}/copy", place.proxy.address()));
    place
        .test
        .run(["push", "demo-1.0.0.tgz", from.as_str(), "--annotation", "a=b"])
        .anything()
        .succeeds();
    place.test.run(["mirror", from.as_str(), to.as_str()]).any_stdout().succeeds();
    let digest = |namespace: &str| {
        let reference = format!("{namespace}/demo:1.0.0");
        place.test.run(["resolve", reference.as_str()]).any_stdout().succeeds().digest()
    };
    assert_eq!(digest(&from), digest(&to));
    place.forget();
    let run = place.test.run(["mirror", from.as_str(), to.as_str()]);
    run.stdout_has("the source has not changed").succeeds();
    // With the charts named, nobody asks for the catalogue.
    place.forget();
    let run = place.test.run(["mirror", from.as_str(), to.as_str(), "--charts", "demo"]);
    run.any_stdout().succeeds();
    assert!(place.asked_registry().iter().all(|request| !request.contains("_catalog")));
}

#[test]
fn a_file_describes_several_sources_and_where_their_charts_go() {
    let (one, two) = (Mirrored::new(), Mirrored::new());
    one.add("demo", "1.0.0");
    one.publish();
    two.add("demo", "1.0.0");
    two.add("demo", "2.0.0");
    two.publish();
    let (destination, host) = (one.destination(), one.proxy.address());
    one.test.file("secret", "p\n").file(
        "mirror.yaml",
        format!(
            "sources:\n- {{url: \"{}\", name: One}}\n- {{url: \"{}\", name: two, charts: [\"demo@>=2\"]}}\n\
             destination:\n  url: {destination}\n  template: \"{{{{lower repo}}}}/{{{{chart}}}}\"\n\
             state: {{file: state}}\nmetricsFile: mirror.prom\n\
             hosts:\n- {{host: \"{host}\", username: u, passwordFile: secret, plainHttp: true, concurrency: 2}}\n",
            one.web.url(),
            two.web.url()
        ),
    );
    let outcome = one.test.run(["mirror", "-f", "mirror.yaml"]).anything().succeeds();
    assert_eq!(outcome.stdout.matches("1 version of 1 chart: 1 sent").count(), 2, "{outcome:?}");
    for path in ["one/demo:1.0.0", "two/demo:2.0.0"] {
        let reference = format!("{destination}/{path}");
        one.test.run(["resolve", reference.as_str()]).any_stdout().succeeds();
    }
    let metrics = String::from_utf8(one.test.read("mirror.prom")).unwrap();
    assert_eq!(metrics.matches("status=\"sent\"} 1").count(), 2, "{metrics}");
    one.forget();
    one.test.run(["mirror", "-f", "mirror.yaml"]).anything().succeeds();
    assert_eq!(one.asked_registry(), [""; 0], "each source has a file of its own");
}

#[test]
fn one_source_that_fails_does_not_stop_the_others() {
    let place = Mirrored::new();
    place.add("demo", "1.0.0");
    place.publish();
    let (url, destination) = (place.web.url(), place.destination());
    let missing = format!("{url}/nothing");
    place
        .test
        .run(["mirror", missing.as_str(), url.as_str(), destination.as_str()])
        .stdout_has("1 sent")
        .stderr_has("`[WEB]/nothing` is not mirrored")
        .fails(3);
}

#[test]
fn charts_of_a_configured_repository_need_only_its_name() {
    let place = Mirrored::new();
    place.web.want("Basic dTpw");
    place.add("demo", "1.0.0");
    place.publish();
    let (url, destination) = (place.web.url(), place.destination());
    let add = ["repo", "add", "mine", url.as_str(), "--username", "u", "--password", "p"];
    place.test.run(add).anything().succeeds();
    place
        .test
        .run(["mirror", "mine", destination.as_str(), "--template", "{{repo}}/{{chart}}"])
        .stdout_has("1 sent")
        .succeeds();
    let reference = format!("{destination}/mine/demo:1.0.0");
    place.test.run(["resolve", reference.as_str()]).any_stdout().succeeds();
    // By its address there are no credentials, unless they are given.
    let run = place.test.run(["mirror", url.as_str(), destination.as_str()]);
    run.any_stderr().fails(6);
    place
        .test
        .run([
            "mirror",
            url.as_str(),
            destination.as_str(),
            "--from-username",
            "u",
            "--from-password-stdin",
        ])
        .stdin("p\n")
        .stdout_has("1 sent")
        .succeeds();
}

#[test]
fn what_is_written_wrong_is_said_before_anything_is_asked() {
    let test = Test::new();
    test.file("bad.yaml", "sources: [{url: a, colour: red}]\ndestination: {url: oci://h/x}\n");
    test.file("since.yaml", "sources: [{url: a, since: soon}]\ndestination: {url: oci://h/x}\n");
    test.file("good.yaml", "sources: [{url: a}]\ndestination: {url: oci://h/x}\n");
    test.file("a.tgz", "x").file("text", "- just\n");
    for (args, part) in [
        (vec!["mirror", "oci://h/x"], "alone is not a mirror"),
        (vec!["mirror", "https://a", "oci://h/x", "--chart", "["], "not a pattern"),
        (vec!["mirror", "https://a", "oci://h/x", "--since", "soon"], "not a date"),
        (vec!["mirror", "https://a", "oci://h/x", "--template", "{{"], "not a template"),
        (vec!["mirror", "https://a", "oci://h/x", "--to-username", "u"], "without a password"),
        (vec!["mirror", "https://a", "oci://h/x", "--state-ref", "oci://h/x:1"], "names a tag"),
        (vec!["mirror", "https://a", "ftp://h/x"], "not a destination"),
        (vec!["mirror", "https://a", "h:5000/x"], "for a registry write `oci://h:5000/x`"),
        (vec!["mirror", "https://a", "h.example/x"], "for a registry write `oci://h.example/x`"),
        (vec!["mirror", "https://a", "x.tar.gz"], "a bundle ends in .tar.zst"),
        (vec!["mirror", "h:5000/x", "oci://h/x"], "for a registry write `oci://h:5000/x`"),
        (vec!["mirror", "a.tgz", "oci://h/x"], "an archive is pushed by `chartferry push`"),
        (vec!["mirror", "https://a", "oci://h/x", "--latest", "0"], "at least 1"),
        (vec!["mirror", "https://a", "oci://h/x", "--rate=0"], "above 0"),
        (vec!["mirror", "https://a", "oci://h/x", "--template", "{{foo}}"], "names `foo`"),
        (vec!["mirror", "https://a", "oci://h/x", "--artifacthub", "text"], "not a mapping"),
        (vec!["mirror", "-f", "bad.yaml"], "unknown key `sources[0].colour`"),
        (vec!["mirror", "-f", "since.yaml"], "`sources[0].since`"),
        (vec!["mirror", "-f", "good.yaml", "--latest", "3"], "--latest"),
        (vec!["mirror", "-f", "good.yaml", "--template", "x"], "--template"),
        (vec!["mirror", "-f", "good.yaml", "--chart", "a"], "--chart"),
    ] {
        test.run(args.clone()).stderr_has(part).fails(64);
    }
}

#[test]
fn a_source_that_is_down_is_a_run_in_report_and_metrics() {
    let place = Mirrored::new();
    place.add("demo", "1.0.0");
    place.publish();
    let (url, destination) = (place.web.url(), place.destination());
    let missing = format!("{url}/nothing");
    for (sources, code, runs) in
        [(vec![missing.as_str()], 5, 1), (vec![missing.as_str(), url.as_str()], 3, 2)]
    {
        let mut args = vec!["mirror"];
        args.extend(sources);
        args.extend([destination.as_str(), "--metrics-file", "m.prom", "-o", "json"]);
        place.test.file("m.prom", "chartferry_mirror_success 1\n");
        let outcome = place.test.run(args).anything().fails(code);
        let report: serde_json::Value = serde_json::from_slice(&outcome.bytes).unwrap();
        assert_eq!(report["runs"].as_array().unwrap().len(), runs, "{report:#}");
        assert!(report["runs"][0]["error"].as_str().unwrap().contains("404"), "{report:#}");
        let metrics = String::from_utf8(place.test.read("m.prom")).unwrap();
        let line = format!(
            "chartferry_mirror_success{{source=\"{missing}\",destination=\"{destination}\",shard=\"1/1\"}} 0"
        );
        assert!(metrics.lines().any(|found| found == line), "{metrics}");
    }
    // Where the metrics cannot go, nothing is done at all.
    place.forget();
    let args = ["mirror", url.as_str(), destination.as_str(), "--metrics-file", "nodir/m"];
    place.test.run(args).stderr_has("cannot write metrics to `nodir/m`").fails(1);
    assert!(place.asked_web().is_empty() && place.asked_registry().is_empty());
}

#[test]
fn a_source_that_is_not_there_is_said_to_be_missing() {
    let test = Test::new();
    for (source, part) in [
        ("nothing", "there is no folder `nothing`, and no repository of that name"),
        ("./no/thing", "there is no folder `./no/thing`"),
        ("b.tar.zst", "there is no bundle `b.tar.zst`"),
    ] {
        test.run(["mirror", source, "out"]).any_files().stderr_has(part).fails(5);
    }
}

#[test]
fn the_address_of_an_index_means_its_repository_and_what_is_none_is_named() {
    let place = Mirrored::new();
    place.add("demo", "1.0.0");
    place.publish();
    let (index, destination) = (format!("{}/index.yaml", place.web.url()), place.destination());
    let run = place.test.run(["mirror", index.as_str(), destination.as_str()]);
    run.stdout_has("[WEB] -> ").succeeds();
    place.web.file("/index.yaml", "<html>");
    place
        .test
        .run(["mirror", index.as_str(), destination.as_str()])
        .stderr_has("`[WEB]/index.yaml` is not an index of charts")
        .fails(1);
}

#[test]
fn broken_archives_of_a_folder_are_refused_and_misnamed_ones_mentioned() {
    let place = Mirrored::new();
    let good = archive("demo", "1.0.0", "one");
    place
        .test
        .file("charts/cut-1.2.3.tgz", &good[..good.len() / 2])
        .file("charts/other-9.9.9.tgz", good)
        .file("charts/junk.tgz", "junk");
    let destination = place.destination();
    let args = ["mirror", "charts", destination.as_str(), "-o", "json"];
    for sent in [1, 0] {
        let outcome = place.test.run(args).anything().fails(3);
        let report: serde_json::Value = serde_json::from_slice(&outcome.bytes).unwrap();
        let run = &report["runs"][0];
        assert_eq!(run["counts"]["sent"], sent, "{report:#}");
        assert_eq!(run["counts"]["refused"], 2, "{report:#}");
        let told = super::told(run);
        assert!(told.contains(&"refused cut 1.2.3 (unfit)".to_owned()), "{told:?}");
        if sent == 1 {
            let said = run["warnings"].to_string();
            assert!(said.contains("`other-9.9.9.tgz` holds demo 1.0.0"), "{said}");
        }
    }
}
