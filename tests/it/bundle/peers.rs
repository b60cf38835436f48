//! The tools of others read what is in a bundle.

use super::filled;
use crate::support::peers;

#[test]
#[ignore = "needs peers"]
fn zstd_tar_and_oras_read_a_bundle() {
    let (test, registry) = filled();
    test.run(["bundle", "save", "all.tar.zst", "--all", &registry.oci()]).anything().succeeds();
    test.run_program(&peers::find("zstd"), ["-q", "-t", "all.tar.zst"]).anything().succeeds();
    test.run_program(&peers::find("zstd"), ["-q", "-d", "all.tar.zst"]).anything().succeeds();
    std::fs::create_dir(test.path("lay")).unwrap();
    test.run_program(&peers::find("tar"), ["xf", "all.tar", "-C", "lay"]).anything().succeeds();
    test.run(["tags", "layout:lay"]).any_stdout().succeeds();
    let list = test.run(["bundle", "list", "all.tar.zst"]).any_stdout().succeeds().stdout;
    let digest = list.lines().next().unwrap().split('\t').nth(1).unwrap().to_owned();
    let oras = peers::find("oras");
    for layout in ["lay", "all.tar"] {
        let by_digest = format!("{layout}@{digest}");
        test.run_program(&oras, ["manifest", "fetch", "--oci-layout", &by_digest])
            .stdout_has("helm.config")
            .any_stderr()
            .any_files()
            .succeeds();
    }
    let to = format!("{}/copied/mast:0.2.0", registry.address());
    let from = ["cp", "--from-oci-layout-path", "lay", "team/mast:0.2.0", "--to-plain-http", &to];
    test.run_program(&oras, from).anything().succeeds();
    test.run(["pull", &format!("oci://{to}"), "-d", "out"]).anything().succeeds();
    assert_eq!(test.read("out/mast-0.2.0.tgz"), test.read("mast-0.2.0.tgz"));
}

#[test]
#[ignore = "needs peers"]
fn what_zstd_and_tar_pack_is_read() {
    let (test, registry) = filled();
    test.run(["bundle", "save", "all.tar", "--all", &registry.oci()]).anything().succeeds();
    std::fs::create_dir(test.path("lay")).unwrap();
    let tar = peers::find("tar");
    test.run_program(&tar, ["xf", "all.tar", "-C", "lay"]).anything().succeeds();
    test.run_program(&tar, ["cf", "theirs.tar", "-C", "lay", "."]).anything().succeeds();
    for level in ["-1", "-19", "--ultra", "--long=24"] {
        let args = ["-q", "-f", level, "theirs.tar", "-o", "theirs.tar.zst"];
        test.run_program(&peers::find("zstd"), args).anything().succeeds();
        test.run(["bundle", "load", "theirs.tar.zst", "out"])
            .stdout_has("there already")
            .any_stdout()
            .any_files()
            .succeeds();
        assert_eq!(test.read("out/mast-0.2.0.tgz"), test.read("mast-0.2.0.tgz"));
    }
}
