//! `push repo/chart oci://…`: from a chart repository straight into a registry.

use super::{add, test_with_repository};
use crate::support::{
    Test,
    daemon::{Daemon, htpasswd},
    web::{File, Web},
};

/// The repository `x`, and a registry that is `[ADDR]`.
fn place() -> (Test, Web, Daemon) {
    let (mut test, web) = test_with_repository();
    add(&test, &web);
    let registry = Daemon::chartferry([]);
    test.call(registry.address(), "[ADDR]");
    (test, web, registry)
}

#[test]
fn what_arrives_is_what_the_repository_has_with_its_provenance() {
    let (test, web, registry) = place();
    web.file("/charts/demo-1.0.0.tgz.prov", "-----BEGIN PGP SIGNED MESSAGE-----\n");
    let to = format!("{}/team", registry.oci());
    let pushed = test
        .run(["push", "x/demo", &to, "--version", "~1.0"])
        .stdout_has("Pushed: [ADDR]/team/demo:1.0.0\nDigest: sha256:")
        .succeeds();
    assert_eq!(web.asked(), ["GET /charts/demo-1.0.0.tgz", "GET /charts/demo-1.0.0.tgz.prov"]);
    test.run(["pull", &format!("{to}/demo:1.0.0"), "--prov", "-d", "out"]).anything().succeeds();
    assert_eq!(test.read("out/demo-1.0.0.tgz"), test.read("made/demo-1.0.0.tgz"));
    assert_eq!(test.read("out/demo-1.0.0.tgz.prov"), b"-----BEGIN PGP SIGNED MESSAGE-----\n");
    // It is what a mirror makes of it, to the byte.
    let mirrored = format!("{}/mirrored", registry.oci());
    test.run(["mirror", "x", &mirrored]).anything().succeeds();
    let run = test.run(["resolve", &format!("{mirrored}/demo:1.0.0")]);
    assert_eq!(run.any_stdout().succeeds().digest(), pushed.digest());
    // Newest, several at once, by URL; nothing is left on this machine.
    let url = format!("{}/charts/demo-1.0.0.tgz", web.url());
    test.run(["push", "x/demo", "x/other", &url, &to])
        .stdout_has("team/demo:1.1.0\n")
        .stdout_has("team/other:0.1.0\n")
        .stderr_has("[ADDR]/team/demo:1.0.0 already holds this chart")
        .writes([])
        .succeeds();
    test.run(["push", "x/demo", &to, "--devel"]).stdout_has("demo:2.0.0-rc.1").succeeds();
}

#[test]
fn what_goes_wrong_is_said_before_anything_is_sent() {
    let (test, web, registry) = place();
    let to = format!("{}/team", registry.oci());
    web.file("/charts/other-0.1.0.tgz", "other bytes");
    test.file("x/demo", "a path is a path");
    for (args, code, part) in [
        (&["y/demo"][..], 5, "y/demo: no such file"),
        (&["y/demo"], 5, "`chartferry repo add y URL`"),
        (&["x/nope"], 5, "chart \"nope\" matching  not found in x index"),
        (&["x/other"], 7, "is not the archive that the index names"),
        (&["x/demo"], 1, "`x/demo` is not a valid chart archive"),
        (&["made/demo", "--version", "1.0.0"], 64, "`--version` chooses among those of a chart"),
    ] {
        let args = ["push"].iter().chain(args).copied().chain([to.as_str()]);
        test.run(args).stderr_has(part).fails(code);
    }
    test.run(["tags", &format!("{to}/other")]).any_stderr().fails(5);
}

#[test]
fn the_credentials_of_the_flags_are_for_the_registry_alone() {
    let (test, web, _) = place();
    let folder = tempfile::tempdir().unwrap();
    let users = htpasswd(folder.path(), "u", "p");
    let locked = Daemon::chartferry(["--htpasswd", users.to_str().unwrap()]);
    let to = format!("{}/team", locked.oci());
    let push = ["push", "x/other", to.as_str(), "--username", "u", "--password", "p"];
    test.run(push).any_stdout().succeeds();
    assert!(web.take().iter().all(|seen| seen.header("authorization").is_none()));
    web.put("/charts/other-0.1.0.tgz", File::Status(401, "no"));
    test.run(push).stderr_has("401").fails(6);
}

#[test]
fn provenance_is_left_out_and_not_asked_for_where_the_user_says_so() {
    let (test, web, registry) = place();
    web.put("/charts/demo-1.0.0.tgz.prov", File::Status(500, "broken"));
    let to = format!("{}/team", registry.oci());
    test.run(["push", "x/demo", &to, "--version", "1.0.0", "--no-prov"]).any_stdout().succeeds();
    assert_eq!(web.asked(), ["GET /charts/demo-1.0.0.tgz"]);
    // A file beside the archive stays where it is.
    test.file("made/demo-1.0.0.tgz.prov", "-----BEGIN PGP SIGNED MESSAGE-----\n");
    let other = format!("{}/other", registry.oci());
    test.run(["push", "made/demo-1.0.0.tgz", &other, "--no-prov"]).any_stdout().succeeds();
    for namespace in [&to, &other] {
        test.run(["pull", &format!("{namespace}/demo:1.0.0"), "--prov", "-d", "out"])
            .anything()
            .succeeds();
        assert!(!test.path("out/demo-1.0.0.tgz.prov").exists(), "{namespace}");
    }
    test.run(["push", &format!("{}/demo:1.0.0", registry.address()), "--no-prov"])
        .stderr_has("`--no-prov` goes with charts and a destination")
        .fails(64);
}
