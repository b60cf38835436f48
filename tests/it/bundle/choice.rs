//! Which charts go in: by reference, range, glob and namespace.

use super::filled;

#[test]
fn charts_are_chosen_by_reference_range_glob_and_namespace() {
    let (test, registry) = filled();
    let host = registry.oci();
    for (what, listed) in [
        (&["/team/lamp:1.0.0"][..], "lamp:1.0.0"),
        (&["/team/lamp"], "lamp:1.1.0_b1"),
        (&["/team/lamp:>=1.0.0"], "lamp:1.0.0 lamp:1.1.0_b1"),
        (&["/team/lamp:~1.0", "/team/mast"], "lamp:1.0.0 mast:0.2.0"),
        (&["/team/*:0.x"], "mast:0.2.0"),
        (&["/team/[lm]a*"], "lamp:1.1.0_b1 mast:0.2.0"),
        (&["/*/mast:*"], "team/mast:0.2.0"),
    ] {
        let references = what.iter().map(|text| format!("{host}{text}"));
        let args = ["bundle", "save", "x.tar.zst"].map(str::to_owned).into_iter().chain(references);
        test.run(args).anything().succeeds();
        let list = test.run(["bundle", "list", "x.tar.zst"]).any_stdout().succeeds().stdout;
        let names: Vec<&str> = list.lines().map(|line| line.split('\t').next().unwrap()).collect();
        assert_eq!(names.join(" "), listed, "{what:?}");
    }
    let list = |namespace: &str| {
        test.run(["bundle", "save", "x.tar", "--all", &format!("{host}{namespace}")])
            .anything()
            .succeeds();
        test.run(["bundle", "list", "x.tar"]).any_stdout().succeeds().stdout
    };
    assert!(list("").starts_with("team/lamp:1.0.0\tsha256:"));
    assert!(list("/team").starts_with("lamp:1.0.0\tsha256:"));
    assert_eq!(list("/team/lamp").lines().count(), 2);
}

#[test]
fn what_is_not_there_or_is_no_reference_says_so() {
    let (test, registry) = filled();
    let host = registry.oci();
    for (args, code, message) in [
        (&["/team/gone:1.0.0"][..], 5, "gone"),
        (&["/team/lamp:^9"], 5, "nothing matches"),
        (&["/nowhere/*"], 5, "nothing matches"),
        (&["/team/lamp:no such"], 64, "neither an existing tag nor a range"),
    ] {
        let references = args.iter().map(|text| format!("{host}{text}"));
        let args = ["bundle", "save", "x.tar.zst"].map(str::to_owned).into_iter().chain(references);
        test.run(args).stderr_has(message).fails(code);
    }
    test.run(["bundle", "save", "x.zip", &format!("{host}/team/lamp")])
        .stderr_has("`x.zip` is not a bundle's file name")
        .fails(64);
    test.file("lamp-1.0.0.tgz", "");
    for (place, hint) in [
        ("https://charts.example/", "chartferry mirror https://charts.example/ FILE.tar.zst"),
        ("k/graphite", "chartferry mirror k FILE.tar.zst --chart graphite"),
        ("lamp-1.0.0.tgz", "chartferry push lamp-1.0.0.tgz layout:DIR"),
        ("layout:", "`layout:` names no folder"),
    ] {
        test.run(["bundle", "save", "x.tar", place]).stderr_has(hint).fails(64);
    }
}

#[test]
fn two_tags_of_one_chart_are_one_file_in_a_folder() {
    let (test, _registry) = filled();
    test.file("demo/Chart.yaml", "apiVersion: v2\nname: demo\nversion: 1.0.0\n");
    test.run(["push", "demo", "layout:lay"]).anything().succeeds();
    let mut index: serde_json::Value =
        serde_json::from_slice(&test.read("lay/index.json")).unwrap();
    let mut alias = index["manifests"][0].clone();
    alias["annotations"]["org.opencontainers.image.ref.name"] = "v1.0.0".into();
    index["manifests"].as_array_mut().unwrap().push(alias);
    test.file("lay/index.json", index.to_string());
    test.run(["bundle", "save", "two.tar", "layout:lay"]).anything().succeeds();
    test.run(["bundle", "load", "two.tar", "out"])
        .stdout("Loaded: demo-1.0.0.tgz\n1 loaded, 0 there already, 1 blob sent\n")
        .writes(["out/.chartferry-index", "out/demo-1.0.0.tgz", "out/index.yaml"])
        .succeeds();
}
