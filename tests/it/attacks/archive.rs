//! Attacks on the readers of archives and of charts' folders.

use crate::support::Test;
use chartferry::{
    ErrorKind,
    archive::{Keep, read},
    limits::Limits,
};
use flate2::{Compression, write::GzEncoder};
use std::{fs, io::Write as _, os::unix::fs::symlink};

/// An archive of these files, followed by `behind` zeros behind its end.
fn archive(files: &[(&str, &[u8])], behind: usize) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, *content).unwrap();
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&tar.into_inner().unwrap()).unwrap();
    let zeros = vec![0; MIB];
    for _ in 0..behind / MIB {
        gzip.write_all(&zeros).unwrap();
    }
    gzip.finish().unwrap()
}

const MIB: usize = 1024 * 1024;

fn chart_yaml(name: &str) -> String {
    format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\n")
}

/// A chart with `count` copies of `inner` in charts/.
fn holding(name: &str, count: usize, inner: &[u8]) -> Vec<u8> {
    let yaml = chart_yaml(name);
    let names: Vec<String> = (0..count).map(|at| format!("{name}/charts/a{at}.tgz")).collect();
    let manifest = format!("{name}/Chart.yaml");
    let mut files = vec![(manifest.as_str(), yaml.as_bytes())];
    files.extend(names.iter().map(|name| (name.as_str(), inner)));
    archive(&files, 0)
}

/// Finding 6: each archive in charts/ had 100 MiB of its own for what is no content, so that 389 KB
/// inflated to 98 GiB and, by one more level, 1 MB to 274 GiB. All of them share one budget, at
/// every depth.
#[test]
fn archives_in_archives_inflate_to_no_more_than_one_budget() {
    let yaml = chart_yaml("inner");
    let inner = archive(&[("inner/Chart.yaml", yaml.as_bytes())], 90 * MIB);
    let said = |archive: &[u8]| {
        let error = read::read(archive, Keep::Nothing, &Limits::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit, "{error:?}");
        error.chain()
    };
    let limit = "archives within the chart are larger than 209715200 bytes in all";
    let wide = holding("demo", 3, &inner);
    assert_eq!(said(&wide), format!("error unpacking subchart a2.tgz in demo: {limit}"));
    let deep = holding("demo", 3, &holding("middle", 1, &inner));
    assert_eq!(
        said(&deep),
        format!(
            "error unpacking subchart a2.tgz in demo: error unpacking subchart a0.tgz in middle: {limit}"
        )
    );
    let two = holding("demo", 2, &inner);
    read::read(&two[..], Keep::Nothing, &Limits::default()).expect("what is within the budget");
}

/// A chart whose charts/ leads to a folder beside it, and the files of that folder.
fn linked(charts: &str, ignore: &str) -> Test {
    let test = Test::new();
    test.file("dep/Chart.yaml", chart_yaml("dep"));
    test.file(
        "evil/Chart.yaml",
        chart_yaml("evil")
            + "dependencies:\n- {name: dep, version: 1.0.0, repository: \"file://../dep\"}\n",
    );
    test.file("evil/.helmignore", ignore);
    test.file("victim/notes.txt", "x");
    let yaml = chart_yaml("precious");
    test.file("victim/precious-1.0.0.tgz", archive(&[("precious/Chart.yaml", yaml.as_bytes())], 0));
    symlink(charts, test.path("evil/charts")).unwrap();
    test
}

/// Finding 18: archives were written and deleted where `charts` leads, which .helmignore hides from
/// the rule for links.
#[test]
fn a_charts_folder_that_is_a_link_leads_no_write_out_of_the_chart() {
    for (charts, ignore) in [("../victim", "charts\n"), ("../victim", ""), (".", "charts\n")] {
        for line in [&["dependency", "update", "evil"][..], &["package", "-u", "evil"]] {
            let test = linked(charts, ignore);
            test.run(line.iter().copied())
                .any_stdout()
                .stderr_has(&format!("error: `evil/charts` is a symlink to \"{charts}\""))
                .fails(1);
        }
        let test = linked(charts, ignore);
        test.file(
            "evil/Chart.lock",
            "dependencies: []\ndigest: x\ngenerated: \"2024-01-01T00:00:00Z\"\n",
        );
        test.run(["dependency", "build", "evil"])
            .any_stdout()
            .stderr_has("is a symlink to")
            .fails(1);
    }
}

/// Finding 18, a relative: an exported folder is written over file by file, and a link in it leads
/// elsewhere.
#[test]
fn a_link_in_an_exported_folder_leads_no_write_out_of_it() {
    let test = Test::new();
    test.file("demo/Chart.yaml", chart_yaml("demo"));
    test.file("demo/values.yaml", "a: 1\n").file("demo/templates/x.yaml", "kind: X\n");
    test.run(["package", "demo"]).any_stdout().any_files().succeeds();
    test.file("victim/values.yaml", "mine\n").file("out/demo/other.txt", "kept\n");
    symlink("../../victim/values.yaml", test.path("out/demo/values.yaml")).unwrap();
    let export = ["chart", "export", "demo-1.0.0.tgz", "out"];
    test.run(export).any_stdout().any_files().succeeds();
    assert_eq!(test.read("victim/values.yaml"), b"mine\n");
    assert_eq!(test.read("out/demo/values.yaml"), b"a: 1\n");
    assert_eq!(test.read("out/demo/other.txt"), b"kept\n");
    fs::remove_dir_all(test.path("out/demo/templates")).unwrap();
    symlink("../../victim", test.path("out/demo/templates")).unwrap();
    test.run(export).stderr_has("`out/demo/templates` is not a directory").fails(4);
    fs::remove_dir_all(test.path("out/demo")).unwrap();
    symlink("../victim", test.path("out/demo")).unwrap();
    test.run(export).stderr_has("`out/demo` is not a directory").fails(4);
}

/// Finding 18, a relative: .helmignore was read through a link before any link was judged, and a
/// faulty line of it is printed.
#[test]
fn a_helmignore_that_leads_out_of_the_chart_is_not_read() {
    let test = Test::new();
    test.file("demo/Chart.yaml", chart_yaml("demo")).file("secret", "[hunter2\n.helmignore\n");
    symlink("../secret", test.path("demo/.helmignore")).unwrap();
    let outcome = test.run(["package", "demo"]).any_stderr().fails(1);
    assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("points out of the chart"), "{}", outcome.stderr);
}
