//! What goes into a bundle comes out of it, wherever it goes.

use super::filled;
use crate::support::daemon::Daemon;

const ALL: [(&str, &str); 3] = [("lamp", "1.0.0"), ("lamp", "1.1.0+b1"), ("mast", "0.2.0")];

#[test]
fn registry_to_file_to_registry_keeps_every_byte() {
    let (mut test, registry) = filled();
    let ns = format!("{}/team", registry.oci());
    for file in ["all.tar.zst", "all.tar"] {
        test.run(["bundle", "save", file, "--all", &ns])
            .stdout_has(&format!("Saved: {file}\nCharts: 3\nBlobs: 10\nSize: "))
            .writes([file])
            .succeeds();
        let other = Daemon::chartferry([]);
        test.call(other.address(), "[OTHER]");
        let to = format!("{}/mirror", other.oci());
        test.run(["bundle", "load", file, &to])
            .stdout(
                "Loaded: [OTHER]/mirror/lamp:1.0.0\nLoaded: [OTHER]/mirror/lamp:1.1.0_b1\n\
                 Loaded: [OTHER]/mirror/mast:0.2.0\n3 loaded, 0 there already, 7 blobs sent\n",
            )
            .succeeds();
        for (name, version) in ALL {
            let digest = |ns: &str| {
                test.run(["resolve", &format!("{ns}/{name}:{version}")])
                    .any_stdout()
                    .succeeds()
                    .stdout
            };
            assert_eq!(digest(&ns), digest(&to), "{name} {version}");
            test.run(["pull", &format!("{to}/{name}:{version}"), "--prov", "-d", "out"])
                .anything()
                .succeeds();
            let archive = format!("{name}-{version}.tgz");
            assert_eq!(test.read(format!("out/{archive}")), test.read(&archive));
        }
        assert_eq!(test.read("out/mast-0.2.0.tgz.prov"), test.read("mast-0.2.0.tgz.prov"));
        test.run(["bundle", "load", file, &to])
            .stdout("0 loaded, 3 there already, 0 blobs sent\n")
            .succeeds();
    }
}

#[test]
fn the_same_charts_make_the_same_file_in_whatever_order_they_are_named() {
    let (test, registry) = filled();
    let ns = format!("{}/team", registry.oci());
    let named = |file: &str, names: &[&str]| {
        let references = names.iter().map(|name| format!("{ns}/{name}"));
        let args = ["bundle", "save", file].map(str::to_owned).into_iter().chain(references);
        test.run(args).anything().succeeds();
        test.read(file)
    };
    let one = named("one.tar.zst", &["lamp:1.0.0", "mast:0.2.0", "lamp:1.1.0+b1"]);
    let two = named("two.tar.zst", &["mast:0.2.0", "lamp:1.1.0_b1", "lamp:1.0.0", "mast:0.2.0"]);
    assert!(one == two);
    test.run(["bundle", "save", "all.tar.zst", "--all", &ns]).anything().succeeds();
    assert!(one == test.read("all.tar.zst"));
}

#[test]
fn a_layout_and_a_folder_are_destinations_and_a_layout_is_a_source() {
    let (test, registry) = filled();
    let ns = format!("{}/team", registry.oci());
    test.run(["bundle", "save", "all.tar.zst", "--all", &ns]).anything().succeeds();
    test.run(["bundle", "load", "all.tar.zst", "layout:lay"])
        .stdout_has("Loaded: lamp:1.1.0_b1\n")
        .stdout_has("3 loaded, 0 there already, 7 blobs sent\n")
        .any_files()
        .succeeds();
    test.run(["bundle", "load", "all.tar.zst", "layout:lay"])
        .stdout("0 loaded, 3 there already, 0 blobs sent\n")
        .succeeds();
    test.run(["bundle", "save", "again.tar.zst", "layout:lay"]).anything().succeeds();
    assert!(test.read("again.tar.zst") == test.read("all.tar.zst"));
    test.run(["bundle", "load", "all.tar.zst", "folder"])
        .any_stdout()
        .writes([
            "folder/.chartferry-index",
            "folder/index.yaml",
            "folder/lamp-1.0.0.tgz",
            "folder/lamp-1.1.0+b1.tgz",
            "folder/mast-0.2.0.tgz",
            "folder/mast-0.2.0.tgz.prov",
        ])
        .succeeds();
    for (name, version) in ALL {
        let archive = format!("{name}-{version}.tgz");
        assert_eq!(test.read(format!("folder/{archive}")), test.read(&archive));
    }
    test.run(["bundle", "load", "all.tar.zst", "folder"])
        .stdout("0 loaded, 3 there already, 0 blobs sent\n")
        .succeeds();
}

#[test]
fn a_version_that_holds_another_chart_is_found_before_anything_is_written() {
    let (test, registry) = filled();
    let ns = format!("{}/team", registry.oci());
    test.run(["bundle", "save", "all.tar.zst", "--all", &ns]).anything().succeeds();
    let other = Daemon::chartferry([]);
    super::chart(&test, "lamp", "1.0.0", "another");
    test.run(["push", "lamp-1.0.0.tgz", &other.oci()]).anything().succeeds();
    test.run(["bundle", "load", "all.tar.zst", &other.oci()])
        .stderr_has(" holds another chart\nhint: nothing was loaded")
        .stderr_has("/lamp:1.0.0 ")
        .fails(4);
    test.run(["tags", &format!("{}/mast", other.oci())]).any_stderr().fails(5);
    test.run(["bundle", "load", "all.tar.zst", &other.oci(), "--skip-existing"])
        .stdout_has("2 loaded, 0 there already")
        .stderr_has("holds another chart; skipped")
        .succeeds();
    test.run(["bundle", "load", "all.tar.zst", &other.oci(), "--overwrite"])
        .stdout_has("1 loaded, 2 there already")
        .succeeds();
}
