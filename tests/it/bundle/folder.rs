//! A bundle into a folder, parts of a bundle, and whether a bundle is whole.

use super::{chart, filled};

#[test]
fn a_folder_that_a_bundle_is_loaded_into_has_an_index() {
    let (test, registry) = filled();
    let ns = format!("{}/team", registry.oci());
    test.run(["bundle", "save", "all.tar.zst", "--all", &ns]).anything().succeeds();
    test.run(["bundle", "load", "all.tar.zst", "charts"]).anything().succeeds();
    let index = String::from_utf8(test.read("charts/index.yaml")).unwrap();
    for file in ["lamp-1.0.0.tgz", "lamp-1.1.0+b1.tgz", "mast-0.2.0.tgz"] {
        assert!(index.contains(&format!("- {file}\n")), "{file}: {index}");
    }
    test.run(["mirror", "charts", &format!("{}/back", registry.oci())])
        .stdout_has("3 sent")
        .any_stderr()
        .any_files()
        .succeeds();
    // One that was lost comes back though nothing is loaded.
    std::fs::remove_file(test.path("charts/index.yaml")).unwrap();
    test.run(["bundle", "load", "all.tar.zst", "charts"]).anything().succeeds();
    assert_eq!(
        String::from_utf8(test.read("charts/index.yaml")).unwrap().matches(".tgz").count(),
        3
    );
}

#[test]
fn a_registry_without_its_scheme_is_refused_as_a_destination() {
    let (test, registry) = filled();
    let ns = format!("{}/team", registry.oci());
    test.run(["bundle", "save", "all.tar.zst", "--all", &ns]).anything().succeeds();
    let host = format!("{}/air", registry.address());
    for (to, hint) in [
        (host.as_str(), "for a registry write `oci://[ADDR]/air`, for a folder `./[ADDR]/air`"),
        ("registry.example/air", "for a registry write `oci://registry.example/air`"),
        ("charts.zip", "for a folder write `charts.zip/`"),
        ("other.tar.zst", "for a folder write `other.tar.zst/`"),
    ] {
        test.run(["bundle", "load", "all.tar.zst", to])
            .stderr_has("is not a destination of a bundle")
            .stderr_has(hint)
            .fails(64);
    }
}

#[test]
fn patterns_choose_what_is_loaded() {
    let (test, registry) = filled();
    let ns = format!("{}/team", registry.oci());
    test.run(["bundle", "save", "all.tar.zst", "--all", &ns]).anything().succeeds();
    for (at, (patterns, loaded)) in
        [(&["lamp"][..], 2), (&["lamp@>=1.1-0"], 1), (&["l*@1.0.0", "/^ma/"], 2)]
            .into_iter()
            .enumerate()
    {
        let folder = format!("out-{at}");
        let flags = patterns.iter().flat_map(|pattern| ["--chart", pattern]);
        let args = ["bundle", "load", "all.tar.zst", folder.as_str()].into_iter().chain(flags);
        test.run(args).stdout_has(&format!("{loaded} loaded, 0")).any_files().succeeds();
    }
    test.run(["bundle", "load", "all.tar.zst", "out", "--chart", "lamp", "--chart", "buoy"])
        .stderr_has("`all.tar.zst` has no chart that matches `--chart buoy`")
        .stderr_has("chartferry bundle list all.tar.zst")
        .fails(5);
}

#[test]
fn a_bundle_is_verified_and_a_delta_together_with_its_base() {
    let (test, registry) = filled();
    let ns = format!("{}/team", registry.oci());
    test.run(["bundle", "save", "all.tar.zst", "--all", &ns]).anything().succeeds();
    test.run(["bundle", "verify", "all.tar.zst"])
        .stdout_has("Verified: all.tar.zst\nDigest: sha256:")
        .stdout_has("Charts: 3\nBlobs: 10\n")
        .succeeds();
    chart(&test, "mast", "0.3.0", "b");
    test.run(["push", "mast-0.3.0.tgz", &ns]).anything().succeeds();
    let save = ["bundle", "save", "delta.tar", "--all", ns.as_str(), "--delta", "all.tar.zst"];
    test.run(save).anything().succeeds();
    test.run(["bundle", "verify", "delta.tar"])
        .stdout_has("Charts: 4\n")
        .stdout_has("In the base: 3 charts")
        .succeeds();
    test.run(["bundle", "verify", "delta.tar", "--base", "all.tar.zst", "-o", "json"])
        .stdout_has("\"inBase\": 0")
        .succeeds();
    // The wrong base, and a mirror, which has no flag for one.
    test.run(["bundle", "verify", "delta.tar", "--base", "delta.tar"])
        .stderr_has("`delta.tar` is not whole: blobs of 3 charts are missing: ")
        .stderr_has("name that one with `--base FILE`")
        .fails(5);
    test.run(["mirror", "delta.tar", "out"])
        .stderr_has("chartferry bundle load delta.tar layout:DIR --base FILE")
        .any_files()
        .fails(5);
    let mut bytes = test.read("all.tar.zst");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    test.file("bad.tar.zst", bytes);
    let outcome = test.run(["bundle", "verify", "bad.tar.zst"]).anything().outcome();
    assert!(matches!(outcome.code, Some(1 | 7)), "{outcome:?}");
}

#[test]
fn what_a_delta_lacks_is_a_list_that_fits_a_screen() {
    let (test, registry) = filled();
    let ns = format!("{}/team", registry.oci());
    for patch in 1..=8 {
        chart(&test, "mast", &format!("0.2.{patch}"), "many");
        test.run(["push", &format!("mast-0.2.{patch}.tgz"), &ns]).anything().succeeds();
    }
    test.run(["bundle", "save", "all.tar.zst", "--all", &ns]).anything().succeeds();
    let save = ["bundle", "save", "delta.tar", "--all", ns.as_str(), "--delta", "all.tar.zst"];
    test.run(save).anything().succeeds();
    let outcome = test.run(["bundle", "load", "delta.tar", "out"]).anything().fails(5);
    let line = outcome.stderr.lines().find(|line| line.starts_with("error: ")).unwrap();
    assert!(line.contains("of 11 charts") && line.ends_with(" and 6 more"), "{line}");
    assert!(line.matches("sha256:").count() <= 1, "{line}");
}
