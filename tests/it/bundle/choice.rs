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
        (&["/team/lamp:no such"], 64, "neither a tag that is there nor a range"),
    ] {
        let references = args.iter().map(|text| format!("{host}{text}"));
        let args = ["bundle", "save", "x.tar.zst"].map(str::to_owned).into_iter().chain(references);
        test.run(args).stderr_has(message).fails(code);
    }
    test.run(["bundle", "save", "x.zip", &format!("{host}/team/lamp")])
        .stderr_has("`x.zip` is no name for a bundle")
        .fails(64);
    test.run(["bundle", "save", "x.tar", "https://charts.example/"])
        .stderr_has("chartferry mirror https://charts.example/ FILE.tar.zst")
        .fails(64);
}
