//! Chart directories that are odd or bad, as Helm 4.2.4 was seen to judge them, and where we are
//! stricter: symbolic links that leave the chart or lead back into it.

use chartferry::{
    Error, ErrorKind,
    archive::{
        Chart, Keep, dir,
        expand::{Existing, expand},
    },
    limits::Limits,
};
use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    path::{Path, PathBuf},
};

const CHART: &str = "apiVersion: v2\nname: demo\nversion: 1.0.0\n";

/// A chart's directory within a directory.
struct Place {
    root: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { root: tempfile::tempdir().unwrap() };
        place.file("Chart.yaml", CHART);
        place
    }

    fn chart(&self) -> PathBuf {
        self.root.path().join("demo")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.chart().join(name)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn link(&self, name: &str, target: impl AsRef<Path>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    fn load(&self) -> Result<Chart, Error> {
        dir::load(&self.chart(), Keep::Everything, &Limits::default())
    }

    /// What loading says, with the chart's own path written as `CHART`.
    fn said(&self) -> Result<Vec<String>, String> {
        match self.load() {
            Ok(chart) => Ok(chart.files.into_iter().map(|file| file.name).collect()),
            Err(error) => Err(error.chain().replace(self.chart().to_str().unwrap(), "CHART")),
        }
    }
}

fn files(names: &[&str]) -> Result<Vec<String>, String> {
    Ok(names.iter().map(|&name| name.to_owned()).collect())
}

fn error(text: &str) -> Result<Vec<String>, String> {
    Err(text.to_owned())
}

#[test]
fn directories_are_judged_as_helm_does() {
    type Row = (&'static str, fn(&Place), Result<Vec<String>, String>);
    let missing = "Chart.yaml file is missing";
    let rows: Vec<Row> = vec![
        ("plain", |_| {}, files(&["Chart.yaml"])),
        (
            "broken symlink",
            |place| place.link("x", "nope"),
            error("error evaluating symlink CHART/x: lstat CHART/nope: no such file or directory"),
        ),
        (
            "broken symlink, ignored",
            |place| {
                place.link("x", "nope");
                place.file(".helmignore", "x\n");
            },
            error("error evaluating symlink CHART/x: lstat CHART/nope: no such file or directory"),
        ),
        (
            "self loop",
            |place| place.link("x", "x"),
            error("error evaluating symlink CHART/x: EvalSymlinks: too many links"),
        ),
        (
            "symlink to a device",
            |place| place.link("x", "/dev/zero"),
            error("cannot load irregular file CHART/x as it has file mode type bits set"),
        ),
        (
            "socket",
            |place| drop(UnixListener::bind(place.path("s")).unwrap()),
            error("cannot load irregular file CHART/s as it has file mode type bits set"),
        ),
        (
            "socket, ignored",
            |place| {
                drop(UnixListener::bind(place.path("s")).unwrap());
                place.file(".helmignore", "s\n");
            },
            files(&[".helmignore", "Chart.yaml"]),
        ),
        (
            "bad rules",
            |place| place.file(".helmignore", "**\n"),
            error("double-star (**) syntax is not supported"),
        ),
        (
            "rules that ignore Chart.yaml",
            |place| place.file(".helmignore", "Chart.yaml\n"),
            error(missing),
        ),
        (
            "rules with a byte order mark",
            |place| {
                place.file(".helmignore", "\u{feff}x\n");
                place.file("x", "");
            },
            files(&[".helmignore", "Chart.yaml"]),
        ),
        (
            "rules in a folder",
            |place| place.file("a/.helmignore", "x\n"),
            files(&["Chart.yaml", "a/.helmignore"]),
        ),
        (
            "hidden templates",
            |place| {
                place.file("templates/.x", "");
                place.file("templates/sub/.x", "");
                place.file("charts/a/templates/.x", "");
                place.file("charts/a/Chart.yaml", CHART);
            },
            files(&["Chart.yaml", "templates/sub/.x"]),
        ),
        (
            "empty folder",
            |place| fs::create_dir(place.path("templates")).unwrap(),
            files(&["Chart.yaml"]),
        ),
        (
            "order",
            |place| {
                for name in ["b", "a.b", "a/c", "a-b", "B", "é", "_"] {
                    place.file(name, "");
                }
            },
            files(&["B", "Chart.yaml", "_", "a/c", "a-b", "a.b", "b", "é"]),
        ),
        (
            "loose file in charts",
            |place| place.file("charts/README.md", ""),
            error("error unpacking subchart README.md in demo: Chart.yaml file is missing"),
        ),
        (
            "skipped in charts",
            |place| {
                place.file("charts/_x.txt", "");
                place.file("charts/.gitkeep", "");
            },
            files(&["Chart.yaml"]),
        ),
        (
            "a file of 5 MiB and a byte",
            |place| place.file("big", vec![0; 5 * 1024 * 1024 + 1]),
            error("chart file \"big\" is larger than the maximum file size 5242880"),
        ),
        (
            "control characters",
            |place| place.file("a\nb", ""),
            error("chart contains control characters in a file name: \"a\\nb\""),
        ),
    ];
    for (name, make, expected) in rows {
        let place = Place::new();
        make(&place);
        assert_eq!(place.said(), expected, "{name}");
    }
}

#[test]
fn chart_yaml_is_judged_as_helm_does() {
    for (text, expected) in [
        ("\u{feff}apiVersion: v2\nname: demo\nversion: 1.0.0\n", Ok(())),
        ("---\napiVersion: v2\nname: demo\nversion: 1.0.0\n", Ok(())),
        ("name: demo\nversion: 1\n---\nname: other\n", Ok(())),
        ("name: demo\nversion: v1.2\n", Ok(())),
        ("name: demo\nversion: 1.2.3.4\n", Err("chart.metadata.version \"1.2.3.4\" is invalid")),
        ("name: ''\nversion: 1.0.0\n", Err("chart.metadata.name is required")),
        ("", Err("chart.metadata.name is required")),
        (
            "name: a\nversion: 1.0.0\ntype: foo\n",
            Err("chart.metadata.type must be application or library"),
        ),
        (
            "name: a\nversion: 1.0.0\nmaintainers: [null]\n",
            Err("maintainers must not contain empty or null nodes"),
        ),
        (
            "name: a\nversion: 1.0.0\ndependencies: [null]\n",
            Err("dependencies must not contain empty or null nodes"),
        ),
        (
            "name: a\nversion: 1.0.0\ndependencies: [{name: a}, {name: b, alias: a}]\n",
            Err("more than one dependency with name or alias \"a\""),
        ),
        (
            "name: a\nversion: 1.0.0\ndependencies: [{name: a, alias: 'a b'}]\n",
            Err("dependency \"a\" has disallowed characters in the alias"),
        ),
    ] {
        let place = Place::new();
        place.file("Chart.yaml", text);
        let expected = expected.map_err(|text| format!("validation: {text}"));
        assert_eq!(place.said().map(|_| ()), expected, "{text}");
    }
}

/// Helm follows all of these (CVE-2019-18658).
#[test]
fn a_link_never_leads_out_of_the_chart() {
    let place = Place::new();
    let outside = place.root.path().join("secret");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("password"), "x").unwrap();
    for (link, target) in [
        ("file", outside.join("password")),
        ("folder", outside.clone()),
        ("relative", PathBuf::from("../secret/password")),
        ("templates/up", PathBuf::from("../..")),
        ("Chart.lock", outside.join("password")),
        ("charts/sub", outside.clone()),
    ] {
        place.link(link, &target);
        let error = place.load().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let start =
            format!("symbolic link `{}` points out of the chart, to `", place.path(link).display());
        assert!(error.message().starts_with(&start), "{error:?}");
        place.file(".helmignore", format!("/{link}\n"));
        assert!(place.load().is_ok(), "{link}: what is ignored leads nowhere");
        fs::remove_file(place.path(".helmignore")).unwrap();
        fs::remove_file(place.path(link)).unwrap();
    }
}

#[test]
fn a_link_back_into_itself_is_refused() {
    for (link, target) in [("x", "."), ("a/x", ".."), ("a/b/c/x", "../..")] {
        let place = Place::new();
        place.link(link, target);
        let error = place.load().unwrap_err();
        assert!(error.message().contains("points back to"), "{error:?}");
    }
    let place = Place::new();
    place.link("a/x", "../b");
    place.link("b/y", "../a");
    let error = place.load().unwrap_err();
    assert!(error.message().contains("points back to"), "{error:?}");
}

#[test]
fn a_link_within_the_chart_is_followed_and_said() {
    let place = Place::new();
    place.file("files/a.txt", "a");
    place.file(
        "Chart.lock.real",
        "dependencies: []\ndigest: x\ngenerated: \"2024-05-06T07:08:09Z\"\n",
    );
    place.link("templates", "files");
    place.link("b.txt", "files/a.txt");
    place.link("Chart.lock", "Chart.lock.real");
    let chart = place.load().unwrap();
    let names: Vec<_> = chart.files.iter().map(|file| &*file.name).collect();
    assert_eq!(
        names,
        ["Chart.lock", "Chart.lock.real", "Chart.yaml", "b.txt", "files/a.txt", "templates/a.txt"]
    );
    assert_eq!(&*chart.file("templates/a.txt").unwrap().data, b"a");
    assert_eq!(chart.lock.unwrap().digest, "x");
    assert_eq!((chart.warnings.len(), chart.followed.len()), (0, 3));
    assert!(chart.followed[2].ends_with("contents of linked file included and used"));
}

#[test]
fn caps_hold() {
    let place = Place::new();
    for at in 0..4 {
        place.file(&format!("f{at}"), vec![0; 1000]);
    }
    let load = |limits: &Limits| dir::load(&place.chart(), Keep::Nothing, limits);
    let mut limits = Limits::default();
    limits.chart_bytes = 3000;
    let error = load(&limits).unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (
            ErrorKind::Limit,
            "error reading f2: chart exceeds maximum decompressed size of 3000 bytes"
        )
    );
    let mut limits = Limits::default();
    limits.chart_entries = 4;
    assert_eq!(load(&limits).unwrap_err().message(), "chart has more than 4 files and directories");
    place.file(&format!("{}x", "a/".repeat(65)), "");
    assert_eq!(
        load(&Limits::default()).unwrap_err().message(),
        "chart contains directories more than 64 deep"
    );
}

#[test]
fn what_stands_where_a_chart_is_expanded_is_kept_unless_it_is_to_be_replaced() {
    let place = Place::new();
    place.file("old", "");
    let parent = place.root.path();
    let archive = || {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut header = tar::Header::new_ustar();
        header.set_path("any/Chart.yaml").unwrap();
        header.set_size(CHART.len() as u64);
        header.set_mode(0o777);
        header.set_cksum();
        let mut block = CHART.as_bytes().to_vec();
        block.resize(512, 0);
        std::io::Write::write_all(&mut gzip, header.as_bytes()).unwrap();
        std::io::Write::write_all(&mut gzip, &block).unwrap();
        std::io::Cursor::new(gzip.finish().unwrap())
    };
    let limits = Limits::default();
    let error = expand(archive(), parent, Existing::Refuse, &limits).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(place.path("old").exists());
    let path = expand(archive(), parent, Existing::Replace, &limits).unwrap().path;
    assert_eq!(path, place.chart());
    assert!(!place.path("old").exists());
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(path.join("Chart.yaml")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o111, 0);
    fs::remove_file(place.path("Chart.yaml")).unwrap();
    let error = expand(archive(), parent, Existing::Replace, &limits).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "no chart is replaced by one");
    fs::remove_dir(place.chart()).unwrap();
    symlink(parent.join("elsewhere"), place.chart()).unwrap();
    let error = expand(archive(), parent, Existing::Replace, &limits).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "a link is not followed");
    assert_eq!(fs::read_dir(parent).unwrap().count(), 1, "nothing temporary is left");
}
