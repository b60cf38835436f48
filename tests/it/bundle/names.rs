//! Bundles that call charts by wrong names: two charts by one, one by none, one by another's.

use super::{chart, hostile::bundle_of};
use crate::support::{Test, daemon::Daemon};

fn config(name: &str, version: &str) -> String {
    format!(r#"{{"name":"{name}","version":"{version}"}}"#)
}

/// The archives of `lamp` 1.0.0 in two forms, and of `mast` 6.6.6.
fn archives(test: &Test) -> [Vec<u8>; 3] {
    [("lamp", "1.0.0", "a"), ("lamp", "1.0.0", "b"), ("mast", "6.6.6", "a")].map(
        |(name, version, note)| {
            chart(test, name, version, note);
            let file = format!("{name}-{version}.tgz");
            let bytes = test.read(&file);
            std::fs::remove_file(test.path(file)).unwrap();
            bytes
        },
    )
}

/// Finding 2 of the client's rehearsal: the last of two charts of one name was loaded, silently.
#[test]
fn a_bundle_with_two_charts_of_one_name_is_refused_before_anything_is_written() {
    let test = Test::new();
    let [one, two, _] = archives(&test);
    let own = config("lamp", "1.0.0");
    let registry = Daemon::chartferry([]);
    for (case, names, code) in [
        ("same", ["lamp:1.0.0", "lamp:1.0.0"], 1),
        ("plus", ["lamp:1.0.0+b", "lamp:1.0.0_b"], 1),
        ("host", ["one.example/lamp:1.0.0", "two.example/lamp:1.0.0"], 1),
        ("others", ["a/lamp:1.0.0", "b/lamp:1.0.0"], 0),
    ] {
        let charts = [(names[0], &*one, &*own, ""), (names[1], &*two, &*own, "")];
        let twice = [charts[0], charts[0]];
        test.file("b.tar", bundle_of(&charts));
        test.file("good.tar", bundle_of(&twice));
        let namespace = format!("{}/{case}", registry.oci());
        let (folder, layout) = (format!("{case}/folder"), format!("layout:{case}/layout"));
        let mirrored = format!("{case}/mirrored");
        for (file, code) in [("b.tar", code), ("good.tar", 0)] {
            for command in [
                &["bundle", "verify", file][..],
                &["bundle", "load", file, &namespace, "--overwrite"],
                &["bundle", "load", file, &layout, "--overwrite"],
                &["mirror", file, &mirrored],
            ] {
                let run = test.run(command.iter().copied()).anything().outcome();
                // Two charts of one name in two namespaces are one file of a folder.
                let code =
                    if (case, command[0]) == ("others", "mirror") { run.code } else { Some(code) };
                assert_eq!(run.code, code, "{case} {command:?}: {run:?}");
                let told = code == Some(1);
                assert_eq!(run.stderr.contains("twice, as sha256:"), told, "{command:?}: {run:?}");
            }
            let into = test.run(["bundle", "load", file, &folder]).anything().outcome();
            let (code, what) = match (file, case) {
                ("good.tar", _) => (0, ""),
                (_, "others") => (4, "b/lamp:1.0.0 would both be the file `lamp-1.0.0.tgz`"),
                _ => (1, "twice, as sha256:"),
            };
            assert_eq!(into.code, Some(code), "{case}: {into:?}");
            assert!(into.stderr.contains(what), "{case}: {into:?}");
            assert_eq!(test.path(&folder).exists(), code == 0, "{case} {file}");
        }
    }
}

/// Finding 6: no annotation said what the archive is, and a folder never read the config.
#[test]
fn a_folder_gets_no_file_of_another_chart_than_its_config_or_its_name_says() {
    let test = Test::new();
    let [lamp, _, mast] = archives(&test);
    let other = "its Chart.yaml says that it is `mast`, not `lamp`";
    for (case, name, archive, config, what) in [
        ("config", "lamp:1.0.0", &mast, config("lamp", "1.0.0"), other),
        ("empty", "lamp:1.0.0", &mast, "{}".to_owned(), other),
        ("named", "lamp:1.0.0", &mast, config("mast", "6.6.6"), other),
        ("version", "lamp:1.0.1", &lamp, "{}".to_owned(), "says version `1.0.0`, not `1.0.1`"),
        ("latest", "lamp:latest", &lamp, config("lamp", "1.0.0"), ""),
        ("good", "lamp:1.0.0", &lamp, config("lamp", "1.0.0"), ""),
    ] {
        test.file("b.tar", bundle_of(&[(name, archive, &config, "")]));
        let run = test.run(["bundle", "load", "b.tar", case]).anything().outcome();
        assert_eq!(run.code, Some(i32::from(!what.is_empty())), "{case}: {run:?}");
        assert!(run.stderr.contains(what), "{case}: {run:?}");
        let index = test.path(format!("{case}/index.yaml"));
        assert_eq!(index.exists(), what.is_empty(), "{case}");
        let archive = test.path(format!("{case}/{}.tgz", name.replace(':', "-")));
        assert_eq!(archive.exists(), what.is_empty(), "{case}");
    }
}

/// Finding 7: `verify` called good what `load` refuses.
#[test]
fn a_bundle_is_verified_with_the_names_that_it_is_loaded_with() {
    let test = Test::new();
    let [lamp, ..] = archives(&test);
    let own = config("lamp", "1.0.0");
    for name in ["../../evil:1.0.0", "", ":1.0.0", "demo/../x:1.0.0", ".git:1.0.0"] {
        test.file("b.tar", bundle_of(&[(name, &lamp, &own, "")]));
        for command in [&["bundle", "verify", "b.tar"][..], &["bundle", "load", "b.tar", "out"]] {
            test.run(command.iter().copied())
                .stderr_has("without a chart's name")
                .writes([])
                .fails(1);
        }
    }
}
