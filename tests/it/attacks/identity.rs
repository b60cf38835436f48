//! Attacks by another chart under a trusted one's name: an index, a tag or a bundle says one chart,
//! the archive holds another.

use crate::support::{Test, daemon::Daemon, web::Web};

/// The archive of a chart, with a file that tells it from others of its name.
fn archive(test: &Test, name: &str, version: &str, mark: &str) -> Vec<u8> {
    let text = format!("apiVersion: v2\nname: {name}\nversion: {version}\n");
    test.file(&format!("src/{mark}/Chart.yaml"), text);
    test.file(&format!("src/{mark}/{mark}"), mark);
    test.run(["package", &format!("src/{mark}"), "-d", &format!("made/{mark}")])
        .anything()
        .succeeds();
    test.read(format!("made/{mark}/{name}-{version}.tgz"))
}

/// A repository whose index lists `archive` as `chart` 1.0.0.
fn repository(chart: &str, archive: &[u8]) -> Web {
    let web = Web::start();
    web.file(
        "/index.yaml",
        format!("apiVersion: v1\nentries:\n  {chart}:\n  - name: {chart}\n    version: 1.0.0\n    urls: [a.tgz]\n"),
    );
    web.file("/a.tgz", archive);
    web
}

fn parent(test: &Test, dependencies: &[(&str, &str)]) {
    let listed: String = dependencies
        .iter()
        .enumerate()
        .map(|(at, (name, url))| {
            format!("- name: {name}\n  alias: a{at}\n  version: 1.0.0\n  repository: {url}\n")
        })
        .collect();
    let text = format!("apiVersion: v2\nname: parent\nversion: 1.0.0\ndependencies:\n{listed}");
    test.file("parent/Chart.yaml", text);
}

const OTHER: &str = "its Chart.yaml says that it is `trusted`, not `addon`";

/// A hostile repository's `addon` holds a chart that is called as a trusted repository's.
#[test]
fn no_dependency_takes_the_place_of_another() {
    let test = Test::new();
    let (good, bad) =
        (archive(&test, "trusted", "1.0.0", "good"), archive(&test, "trusted", "1.0.0", "bad"));
    let (trusted, hostile) = (repository("trusted", &good), repository("addon", &bad));
    let all = [("trusted", trusted.url()), ("addon", hostile.url())];
    let mut all: Vec<(&str, &str)> = all.iter().map(|(name, url)| (*name, url.as_str())).collect();
    for _ in 0..2 {
        all.reverse();
        parent(&test, &all);
        test.run(["dependency", "update", "parent"]).any_stdout().stderr_has(OTHER).fails(1);
        test.run(["package", "-u", "parent"]).any_stdout().stderr_has(OTHER).fails(1);
    }
}

/// Two repositories that both list `trusted` 1.0.0 would write one file.
#[test]
fn two_dependencies_never_write_one_file() {
    let test = Test::new();
    let (good, bad) =
        (archive(&test, "trusted", "1.0.0", "good"), archive(&test, "trusted", "1.0.0", "bad"));
    let (one, two) = (repository("trusted", &good), repository("trusted", &bad));
    parent(&test, &[("trusted", &one.url()), ("trusted", &two.url())]);
    test.run(["dependency", "update", "parent"])
        .any_stdout()
        .stderr_has("are different charts of one name: both would be charts/trusted-1.0.0.tgz")
        .fails(4);
    // The same bytes are the same chart.
    let two = repository("trusted", &good);
    parent(&test, &[("trusted", &one.url()), ("trusted", &two.url())]);
    test.run(["dependency", "update", "parent"])
        .anything()
        .writes(["parent/Chart.lock", "parent/charts/trusted-1.0.0.tgz"])
        .succeeds();
}

/// What an index lists as one chart is read, saved and pushed as no other.
#[test]
fn an_index_cannot_pass_one_chart_off_as_another() {
    let test = Test::new();
    let bad = archive(&test, "trusted", "1.0.0", "bad");
    let old = archive(&test, "demo", "0.0.1", "old");
    let hostile = repository("addon", &bad);
    let registry = Daemon::chartferry([]);
    test.file("trusted-1.0.0.tgz", "mine");
    test.run(["repo", "add", "ev", &hostile.url()]).anything().succeeds();
    for args in [
        &["pull", "addon", "--repo", &hostile.url()][..],
        &["pull", "addon", "--repo", &hostile.url(), "--on-digest-mismatch", "warn"],
        &["pull", "ev/addon", "--untar"],
        &["show", "chart", "addon", "--repo", &hostile.url()],
        &["push", "ev/addon", &registry.oci()],
    ] {
        test.run(args.iter().copied()).any_stdout().stderr_has(OTHER).fails(1);
    }
    assert_eq!(test.read("trusted-1.0.0.tgz"), b"mine");
    test.run(["tags", &format!("{}/trusted", registry.oci())]).any_stderr().fails(5);
    let stale = repository("demo", &old);
    test.run(["pull", "demo", "--repo", &stale.url()])
        .stderr_has("its Chart.yaml says version `0.0.1`, not `1.0.0`")
        .fails(1);
    // The user who writes an archive's URL has chosen that archive.
    test.run(["pull", &format!("{}/a.tgz", hostile.url())])
        .any_stderr()
        .writes(["a.tgz"])
        .succeeds();
}
