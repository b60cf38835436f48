//! Attacks on the files that a download writes.

use crate::support::{Test, web::Web};
use chartferry::digest::Digest;

/// A chart's archive.
fn archive(test: &Test) -> Vec<u8> {
    test.file("src/demo/Chart.yaml", "apiVersion: v2\nname: demo\nversion: 1.0.0\n");
    test.run(["package", "src/demo", "-d", "made"]).anything().succeeds();
    test.read("made/demo-1.0.0.tgz")
}

fn serve(url: &str, path: &str, bytes: &[u8]) -> Web {
    let web = Web::start();
    web.file(
        "/index.yaml",
        format!("apiVersion: v1\nentries:\n  demo:\n  - name: demo\n    version: 1.0.0\n    urls: [\"{url}\"]\n"),
    );
    web.file(path, bytes);
    web
}

/// Finding 19: the last part of an index's URL named the file, so that an index could replace a
/// Makefile or a `.bashrc`.
#[test]
fn an_index_names_no_file() {
    let test = Test::new();
    let bytes = archive(&test);
    test.file("Makefile", "all:\n");
    for url in ["files/Makefile", "files/.bashrc", "files/demo?x=1", "Makefile"] {
        let path = format!("/{}", url.split('?').next().unwrap());
        let web = serve(url, &path, &bytes);
        std::fs::remove_file(test.path("demo-1.0.0.tgz")).ok();
        test.run(["pull", "demo", "--repo", &web.url()])
            .any_stderr()
            .writes(["demo-1.0.0.tgz"])
            .succeeds();
        std::fs::remove_file(test.path("demo-1.0.0.tgz")).unwrap();
        let direct = format!("{}{path}", web.url());
        test.run(["pull", &direct]).any_stderr().writes(["demo-1.0.0.tgz"]).succeeds();
    }
    assert_eq!(test.read("Makefile"), b"all:\n");
    assert_eq!(test.read("demo-1.0.0.tgz"), bytes);
    // The user who writes the URL of an archive has chosen its name, as with Helm.
    let web = serve("v1.tar.gz", "/v1.tar.gz", &bytes);
    test.run(["pull", &format!("{}/v1.tar.gz", web.url())])
        .any_stderr()
        .writes(["v1.tar.gz"])
        .succeeds();
}

/// Finding 19: the bytes need not have been a chart.
#[test]
fn what_is_no_chart_is_not_written() {
    let test = Test::new();
    let web = serve("files/Makefile", "/files/Makefile", b"all:\n\trm -rf /\n");
    test.run(["pull", "demo", "--repo", &web.url()])
        .stderr_has("is not a valid chart archive")
        .fails(1);
}

/// Finding 19, a relative: the archives of dependencies had the name of their URL, too.
#[test]
fn an_index_names_no_file_among_the_dependencies() {
    let test = Test::new();
    let bytes = archive(&test);
    let web = serve("files/values.yaml", "/files/values.yaml", &bytes);
    test.file(
        "parent/Chart.yaml",
        format!(
            "apiVersion: v2\nname: parent\nversion: 1.0.0\ndependencies:\n- name: demo\n  version: 1.0.0\n  repository: {}\n",
            web.url()
        ),
    );
    test.run(["dependency", "update", "parent"])
        .any_stdout()
        .any_stderr()
        .writes(["parent/Chart.lock", "parent/charts/demo-1.0.0.tgz"])
        .succeeds();
}

/// A FIFO where a file is expected: opening it waits for a writer that never comes.
#[cfg(unix)]
#[test]
fn a_fifo_is_not_waited_for() {
    let test = Test::new();
    test.file("chart/values.yaml", "a: 1\n");
    test.file("layout/oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    test.file("journal/oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    test.file("journal/index.json", r#"{"schemaVersion":2,"manifests":[]}"#);
    let journal = "journal/.chartferry-index";
    for path in ["chart/Chart.yaml", "layout/index.json", journal, "b.tar"] {
        let path = test.path(path);
        test.run_program("/usr/bin/mkfifo".as_ref(), [path.to_str().unwrap()])
            .any_files()
            .succeeds();
    }
    test.run(["package", "chart"]).stderr_has("it is not a regular file").fails(1);
    test.run(["tags", "layout:layout"]).stderr_has("is not a regular file").fails(1);
    test.run(["tags", "layout:journal"]).stderr_has("is not a regular file").fails(1);
    test.run(["bundle", "list", "b.tar"]).stderr_has("is not a regular file").fails(1);
}

/// Finding 9 of the client's rehearsal: a layout whose folders or files are links led a push
/// elsewhere.
#[cfg(unix)]
#[test]
fn nothing_is_written_through_a_link_of_a_layout() {
    let test = Test::new();
    let bytes = archive(&test);
    test.file("made/demo-1.0.0.tgz", &bytes);
    let hex = Digest::sha256(&bytes).hex().to_owned();
    std::fs::create_dir(test.path("elsewhere")).unwrap();
    let files = |folder: &str| std::fs::read_dir(test.path(folder)).unwrap().count();
    let mark = r#"{"imageLayoutVersion":"1.0.0"}"#;
    for (case, link, target) in [
        ("blobs", "blobs".to_owned(), "elsewhere"),
        ("algorithm", "blobs/sha256".to_owned(), "elsewhere"),
        ("blob", format!("blobs/sha256/{hex}"), "made/demo-1.0.0.tgz"),
        ("journal", ".chartferry-index".to_owned(), "elsewhere/journal"),
        ("unmarked", "blobs".to_owned(), "elsewhere"),
    ] {
        test.file(&format!("{case}/index.json"), r#"{"schemaVersion":2,"manifests":[]}"#);
        if case != "unmarked" {
            test.file(&format!("{case}/oci-layout"), mark);
        }
        let link = test.path(format!("{case}/{link}"));
        std::fs::create_dir_all(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(test.path(target), &link).unwrap();
        let layout = format!("layout:{case}");
        // A mirror writes the journal, too; one of an earlier run is removed first.
        let command = match case {
            "journal" => ["mirror", "made", layout.as_str()],
            _ => ["push", "made/demo-1.0.0.tgz", layout.as_str()],
        };
        let run = test.run(command).anything().outcome();
        assert_eq!(run.code, Some(i32::from(case != "journal")), "{case}: {run:?}");
        assert!(run.stderr.contains("is a symbolic link") || case == "journal", "{case}: {run:?}");
        assert_eq!(files("elsewhere"), 0, "{case}");
    }
    // Links are read: their bytes are compared with their digests.
    test.run(["push", "made/demo-1.0.0.tgz", "layout:good"]).anything().succeeds();
    let blob = test.path(format!("good/blobs/sha256/{hex}"));
    std::fs::remove_file(&blob).unwrap();
    std::os::unix::fs::symlink(test.path("made/demo-1.0.0.tgz"), &blob).unwrap();
    test.run(["pull", "layout:good:1.0.0"]).anything().succeeds();
    assert_eq!(test.read("demo-1.0.0.tgz"), bytes);
}
