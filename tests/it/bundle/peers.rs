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

/// A bundle of the registry's charts, and the layout that is in it.
fn unpacked() -> (crate::support::Test, crate::support::daemon::Daemon) {
    let (test, registry) = filled();
    test.run(["bundle", "save", "all.tar", "--all", &registry.oci()]).anything().succeeds();
    std::fs::create_dir(test.path("lay")).unwrap();
    test.run_program(&peers::find("tar"), ["xf", "all.tar", "-C", "lay"]).anything().succeeds();
    (test, registry)
}

#[test]
#[ignore = "needs peers"]
fn skopeo_reads_a_bundle_and_its_layout_and_copies_what_is_in_them() {
    let (test, registry) = unpacked();
    let skopeo = peers::find("skopeo");
    let manifest = |reference: &str| {
        let run = test.run(["resolve", reference]);
        run.any_stdout().succeeds().digest()
    };
    let wanted = manifest(&format!("{}/team/mast:0.2.0", registry.oci()));
    for (at, from) in ["oci-archive:all.tar", "oci:lay"].into_iter().enumerate() {
        let from = format!("{from}:team/mast:0.2.0");
        let run = test.run_program(&skopeo, ["inspect", "--raw", &from]);
        let raw = run.any_stdout().any_stderr().succeeds().bytes;
        assert_eq!(chartferry::digest::Digest::sha256(&raw).as_str(), wanted, "{from}");
        // Chart and provenance, to a registry, without a change.
        let to = format!("{}/skopeo-{at}/mast:0.2.0", registry.address());
        let image = format!("docker://{to}");
        let copy = ["--insecure-policy", "copy", "--dest-tls-verify=false", &from, &image];
        test.run_program(&skopeo, copy).anything().succeeds();
        assert_eq!(manifest(&format!("oci://{to}")), wanted);
        let pull = format!("oci://{to}");
        let folder = format!("out{at}");
        test.run(["pull", &pull, "--prov", "-d", &folder]).anything().succeeds();
        for file in ["mast-0.2.0.tgz", "mast-0.2.0.tgz.prov"] {
            assert_eq!(test.read(format!("{folder}/{file}")), test.read(file));
        }
    }
}

#[test]
#[ignore = "needs peers"]
fn crane_pushes_the_layout_of_a_bundle() {
    let (test, registry) = unpacked();
    let to = format!("{}/crane/all:1", registry.address());
    let push = ["push", "--index", "lay", &to, "--insecure"];
    test.run_program(&peers::find("crane"), push).anything().succeeds();
    let index = test.run_program(&peers::find("crane"), ["manifest", &to, "--insecure"]);
    let index = index.any_stdout().succeeds().stdout;
    let listed = test.run(["bundle", "list", "all.tar"]).any_stdout().succeeds().stdout;
    for line in listed.lines() {
        let mut fields = line.split('\t');
        let (name, digest) = (fields.next().unwrap(), fields.next().unwrap());
        assert!(index.contains(digest), "{line}: {index}");
        let one = format!("oci://{}/crane/all@{digest}", registry.address());
        test.run(["pull", &one, "-d", "pulled"]).anything().succeeds();
        let pulled = format!("pulled/all@{}.tgz", digest.replace(':', "-"));
        let file = name.rsplit('/').next().unwrap().replace(':', "-").replace('_', "+");
        assert_eq!(test.read(pulled), test.read(format!("{file}.tgz")));
    }
}
