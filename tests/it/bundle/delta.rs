//! Deltas: what the base has does not travel, and without the base nothing is loaded.

use super::{chart, filled};
use crate::support::daemon::Daemon;
use std::collections::HashSet;

/// The blobs of a plain bundle, by their names in its tar.
fn blobs(tar: &[u8]) -> HashSet<String> {
    let mut names = HashSet::new();
    let mut at = 0;
    while at + 512 <= tar.len() && tar[at] != 0 {
        let text = |from: usize, to: usize| {
            let field = &tar[at + from..at + to];
            String::from_utf8(field.split(|b| *b == 0).next().unwrap().to_vec()).unwrap()
        };
        let size = usize::from_str_radix(text(124, 136).trim(), 8).unwrap();
        names.insert(text(0, 100));
        at += 512 + size.next_multiple_of(512);
    }
    names.into_iter().filter(|name| name.starts_with("blobs/")).collect()
}

#[test]
fn a_delta_holds_nothing_of_its_base_and_needs_it() {
    let (mut test, registry) = filled();
    let ns = format!("{}/team", registry.oci());
    test.run(["bundle", "save", "base.tar", "--all", &ns]).anything().succeeds();
    chart(&test, "lamp", "1.2.0", "new");
    test.run(["push", "lamp-1.2.0.tgz", &ns]).anything().succeeds();
    test.run(["bundle", "save", "delta.tar", "--all", &ns, "--delta", "base.tar"])
        .stdout_has("Charts: 4\nBlobs: 3 (10 more in the base)\n")
        .writes(["delta.tar"])
        .succeeds();
    let (base, delta) = (blobs(&test.read("base.tar")), blobs(&test.read("delta.tar")));
    assert_eq!((base.len(), delta.len()), (10, 3));
    assert!(base.is_disjoint(&delta));

    let empty = Daemon::chartferry([]);
    test.call(empty.address(), "[EMPTY]");
    for to in [empty.oci(), "layout:lay".to_owned(), "folder".to_owned()] {
        test.run(["bundle", "load", "delta.tar", &to])
            .stderr_has("`delta.tar` is a delta to the bundle sha256:")
            .stderr_has("of 3 charts, blobs are neither in it nor at the destination: ")
            .stderr_has("lamp")
            .stderr_has("hint: nothing was loaded; load its base first, or name the base's file with `--base FILE`")
            .any_files()
            .fails(5);
    }
    assert!(!test.path("folder").exists());
    test.run(["tags", &format!("{}/lamp", empty.oci())]).any_stderr().fails(5);

    // With the base's file; and where the base was loaded before, without it.
    test.run(["bundle", "load", "delta.tar", &empty.oci(), "--base", "base.tar"])
        .stdout_has("4 loaded, 0 there already, 9 blobs sent\n")
        .succeeds();
    let after = Daemon::chartferry([]);
    test.run(["bundle", "load", "base.tar", &after.oci()]).anything().succeeds();
    test.run(["bundle", "load", "delta.tar", &after.oci()])
        .stdout_has("1 loaded, 3 there already, 2 blobs sent\n")
        .succeeds();
    test.run(["pull", &format!("{}/lamp:1.2.0", after.oci()), "-d", "out"]).anything().succeeds();
    assert_eq!(test.read("out/lamp-1.2.0.tgz"), test.read("lamp-1.2.0.tgz"));
    test.run(["bundle", "load", "delta.tar", "folder", "--base", "base.tar"])
        .stdout_has("4 loaded")
        .any_files()
        .succeeds();
}

#[test]
fn a_delta_to_a_delta_leaves_out_what_either_has() {
    let (test, registry) = filled();
    let ns = format!("{}/team", registry.oci());
    test.run(["bundle", "save", "0.tar", "--all", &ns]).anything().succeeds();
    for (at, version) in [(1, "1.2.0"), (2, "1.3.0")] {
        chart(&test, "lamp", version, "new");
        test.run(["push", &format!("lamp-{version}.tgz"), &ns]).anything().succeeds();
        let (file, base) = (format!("{at}.tar"), format!("{}.tar", at - 1));
        test.run(["bundle", "save", &file, "--all", &ns, "--delta", &base]).anything().succeeds();
    }
    let two = blobs(&test.read("2.tar"));
    assert_eq!(two.len(), 3);
    for base in ["0.tar", "1.tar"] {
        assert!(two.is_disjoint(&blobs(&test.read(base))));
    }
    let empty = Daemon::chartferry([]);
    test.run(["bundle", "load", "2.tar", &empty.oci(), "--base", "1.tar"]).any_stderr().fails(5);
    test.run(["bundle", "load", "2.tar", &empty.oci(), "--base", "1.tar", "--base", "0.tar"])
        .stdout_has("5 loaded")
        .succeeds();
}

#[test]
fn a_base_that_is_none_is_refused() {
    let (test, registry) = filled();
    test.file("base", "something else");
    test.run(["bundle", "save", "d.tar", "--all", &registry.oci(), "--delta", "base"])
        .stderr_has("`base` is not a valid bundle")
        .fails(1);
    test.run(["bundle", "save", "d.tar", "--all", &registry.oci(), "--delta", "gone"])
        .stderr_has("there is no bundle `gone`")
        .fails(5);
}
