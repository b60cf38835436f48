//! Bundles that are damaged or mean harm: refused whole, and nothing is written.

use super::filled;
use crate::support::daemon::Daemon;

#[test]
fn any_damage_is_found_before_anything_is_written() {
    let (test, registry) = filled();
    test.run(["bundle", "save", "good.tar", "--all", &registry.oci()]).anything().succeeds();
    test.run(["bundle", "save", "good.tar.zst", "--all", &registry.oci()]).anything().succeeds();
    let other = Daemon::chartferry([]);
    for (name, steps) in [("good.tar", 40), ("good.tar.zst", 40)] {
        let good = test.read(name);
        let mut refused = 0;
        for step in 0..steps {
            let at = good.len() * step / steps;
            let mut bad = good.clone();
            bad[at] ^= 0x55;
            test.file("bad", &bad);
            let outcome = test.run(["bundle", "load", "bad", "folder"]).outcome();
            // What fills the end of a block is nobody's content.
            match outcome.code {
                Some(0) => std::fs::remove_dir_all(test.path("folder")).unwrap(),
                Some(1 | 5 | 7) => refused += 1,
                other => panic!("byte {at}: {other:?}\n{outcome:?}"),
            }
            assert!(!test.path("folder").exists(), "byte {at}");
        }
        assert!(refused > steps / 3, "{name}: {refused}");
        test.file("cut", &good[..good.len() / 2]);
        test.run(["bundle", "load", "cut", &other.oci()])
            .stderr_has("`cut` is no good bundle")
            .outcome();
    }
    test.run(["tags", &format!("{}/team/lamp", other.oci())]).any_stderr().fails(5);
}

#[test]
fn what_a_bundle_lacks_comes_with_a_next_step() {
    let (test, registry) = filled();
    test.run(["bundle", "save", "good.tar", "--all", &registry.oci()]).anything().succeeds();
    std::fs::create_dir(test.path("lay")).unwrap();
    let tar = |args: &[&str]| {
        test.run_program("/usr/bin/tar".as_ref(), args.iter().copied()).anything().succeeds();
    };
    tar(&["xf", "good.tar", "-C", "lay"]);
    let archive = chartferry::digest::Digest::sha256(&test.read("mast-0.2.0.tgz"));
    std::fs::remove_file(test.path(format!("lay/blobs/sha256/{}", archive.hex()))).unwrap();
    tar(&["cf", "lacking.tar", "-C", "lay", "oci-layout", "index.json", "blobs"]);
    let host = registry.oci();
    for (args, code, [what, hint]) in [
        (
            &["bundle", "load", "lacking.tar", "out"][..],
            5,
            ["`lacking.tar` is not whole", "hint: nothing was loaded; save the bundle again"],
        ),
        (&["bundle", "load", "gone.tar", "out"], 5, ["there is no bundle `gone.tar`", ""]),
        (
            &["bundle", "save", "x.tar", &host],
            64,
            ["names no chart", "hint: for all of them: `--all oci://[ADDR]`"],
        ),
        (&["bundle", "save", "x.tar", "--all", &format!("{host}/nowhere")], 5, ["nowhere", ""]),
    ] {
        test.run(args.iter().copied()).stderr_has(what).stderr_has(hint).writes([]).fails(code);
    }
}

#[test]
fn a_link_in_a_bundle_leads_nowhere() {
    let (test, _registry) = filled();
    std::os::unix::fs::symlink("/etc/passwd", test.path("index.json")).unwrap();
    test.file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    test.run_program("/usr/bin/tar".as_ref(), ["cf", "evil.tar", "oci-layout", "index.json"])
        .anything()
        .succeeds();
    test.run(["bundle", "load", "evil.tar", "folder"])
        .stderr_has("its member `index.json` is a symbolic link")
        .fails(1);
}
