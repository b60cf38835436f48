//! `pull`, `tags`, `search` and `resolve`.

use super::{demo, source};

#[test]
fn versions_ranges_tags_and_digests_find_the_chart() {
    let (test, registry) = demo();
    for version in ["0.9.0", "1.1.0", "1.2.0-rc.1", "1.0.1+b1"] {
        source(&test, "demo", "demo", version, version);
        test.run(["push", "demo", &registry.oci()]).any_stdout().any_stderr().succeeds();
    }
    let name = format!("{}/demo", registry.oci());
    let digest = test
        .run(["resolve", &format!("{}/demo:1.1.0", registry.address())])
        .any_stdout()
        .succeeds()
        .digest();
    for (reference, args, file) in [
        (name.clone(), &[][..], "demo-1.1.0.tgz"),
        (name.clone(), &["--devel"], "demo-1.2.0-rc.1.tgz"),
        (name.clone(), &["--version", "~1.0.0"], "demo-1.0.1+b1.tgz"),
        (name.clone(), &["--version", "1.0.1+b1"], "demo-1.0.1+b1.tgz"),
        (name.clone(), &["--version", "<1"], "demo-0.9.0.tgz"),
        (format!("{name}:1.0.1+b1"), &[], "demo-1.0.1+b1.tgz"),
        (format!("{name}:1.0.1_b1"), &["--version", "1.0.1+b1"], "demo-1.0.1+b1.tgz"),
        (format!("{name}:1.1.0@{digest}"), &[], "demo@[D].tgz"),
        (format!("{name}@{digest}"), &["--version", "1.1.0"], "demo@[D].tgz"),
    ] {
        let file = file.replace("[D]", &digest.replace(':', "-"));
        let all = ["pull", &reference, "-d", "out"].into_iter().chain(args.iter().copied());
        test.run(all.map(str::to_owned)).stdout_has("Digest: sha256:").any_files().succeeds();
        assert!(
            test.path(format!("out/{file}")).is_file(),
            "{reference} {args:?} did not write {file}"
        );
        std::fs::remove_dir_all(test.path("out")).unwrap();
    }
}

#[test]
fn what_cannot_be_found_says_what_is_there() {
    let (test, registry) = demo();
    source(&test, "demo", "demo", "v1.0.0", "a");
    test.run(["push", "demo", &registry.oci()]).any_stdout().succeeds();
    let (address, name) = (registry.address(), format!("{}/demo", registry.oci()));
    let other = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    for (args, code, message, hint) in [
        (
            vec!["pull", "NAME:1.0.0"],
            5,
            "error: [ADDR]/demo:1.0.0: not found\n",
            "hint: there is `v1.0.0`\n",
        ),
        (
            vec!["pull", "NAME:9"],
            5,
            "[ADDR]/demo:9: not found",
            "hint: the newest tags there are `v1.0.0`\n",
        ),
        (
            vec!["pull", "NAME", "--version", "^5"],
            5,
            "could not locate a version matching provided version string ^5",
            "",
        ),
        (
            vec!["pull", "NAME:v1.0.0", "--version", "2"],
            64,
            "chart reference and version mismatch: 2 is not v1.0.0",
            "",
        ),
        (vec!["pull", "NAME", "--version", ">=x y"], 1, "improper constraint: \">=x y\"", ""),
        (
            vec!["pull", &format!("NAME:v1.0.0@{other}")],
            7,
            "chart reference digest mismatch: sha256:4413",
            "has moved",
        ),
        (vec!["pull", &format!("NAME@{other}")], 5, "not found", ""),
        (vec!["pull", "oci://ADDR/nowhere"], 5, "not", ""),
        (vec!["pull", "oci://ADDR/demo@sha256:abc"], 64, "is not a digest", ""),
    ] {
        let args = args.iter().map(|arg| arg.replace("NAME", &name).replace("ADDR", &address));
        test.run(args).stderr_has(message).stderr_has(hint).fails(code);
    }
}

#[test]
fn a_tag_that_is_no_version_names_the_file() {
    let (test, registry) = demo();
    test.run(["push", "--chart", "demo", &format!("{}/ns/demo:latest", registry.address())])
        .any_stdout()
        .any_stderr()
        .succeeds();
    let name = format!("{}/ns/demo", registry.oci());
    test.run(["pull", &format!("{name}:latest")])
        .any_stdout()
        .writes(["demo-latest.tgz"])
        .succeeds();
    test.run(["pull", &name, "--version", "latest", "--untar", "-d", "out"])
        .any_stdout()
        .writes(["out/demo/Chart.yaml", "out/demo/templates/cm.yaml", "out/demo/values.yaml"])
        .succeeds();
}

#[test]
fn untar_refuses_what_is_there_and_unpacks_elsewhere() {
    let (test, registry) = demo();
    test.run(["push", "demo", &registry.oci()]).any_stdout().succeeds();
    let name = format!("{}/demo", registry.oci());
    test.run(["pull", &name, "--untar"]).stderr_has("already exists").fails(4);
    test.run(["pull", &name, "--untar", "--untardir", "in", "-d", "out"])
        .any_stdout()
        .writes([
            "out/in/demo/Chart.yaml",
            "out/in/demo/templates/cm.yaml",
            "out/in/demo/values.yaml",
        ])
        .succeeds();
}

#[test]
fn tags_and_search_are_in_version_order() {
    let (test, registry) = demo();
    for version in ["1.10.0", "1.2.0", "1.3.0-rc.1", "v1.4.0"] {
        source(&test, "demo", "demo", version, version);
        test.run(["push", "demo", &registry.oci()]).any_stdout().succeeds();
    }
    test.run(["push", "--chart", "demo", &format!("{}/demo:main", registry.address())])
        .anything()
        .succeeds();
    let tags = "1.10.0\nv1.4.0\n1.3.0-rc.1\n1.2.0\nmain\n";
    test.run(["tags", &format!("{}/demo", registry.address())]).stdout(tags).succeeds();
    test.run(["repo", "tags", &format!("{}/demo", registry.oci())]).stdout(tags).succeeds();
    let search = |args: &[&str]| {
        let name = format!("{}/demo", registry.oci());
        let all = ["search", &name, "-o", "json"]
            .into_iter()
            .chain(args.iter().copied())
            .map(str::to_owned);
        let outcome = test.run(all).any_stdout().succeeds();
        let rows: Vec<serde_json::Value> = serde_json::from_slice(&outcome.bytes).unwrap();
        rows.iter().map(|row| row["version"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(search(&[]), ["1.10.0"]);
    assert_eq!(search(&["--versions"]), ["1.10.0", "v1.4.0", "1.2.0"]);
    assert_eq!(search(&["-l", "--devel", "--version", "~1.3.0-0"]), ["1.3.0-rc.1"]);
}
