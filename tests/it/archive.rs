//! Chart directories to archives and back, against what Helm makes of the same.

use crate::support::source_tree;
use chartferry::{
    ErrorKind,
    archive::{
        Keep, dir,
        expand::{Existing, expand},
        read,
        write::Epoch,
    },
    digest::Digest,
    limits::Limits,
    ops::package::{Options, package, package_to},
};
use proptest::prelude::*;
use std::{
    collections::BTreeMap,
    fs::{self, File, FileTimes},
    io::Read as _,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

fn options() -> Options {
    with(Options::new(None), |options| options.threads = NonZeroUsize::MIN)
}

/// Changes options, which callers of the library cannot build field by field.
fn with(mut options: Options, change: impl FnOnce(&mut Options)) -> Options {
    change(&mut options);
    options
}

fn packed(source: &Path, options: &Options) -> Vec<u8> {
    package_to(source, Vec::new(), None, options).unwrap().1
}

fn inflate(archive: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(archive).read_to_end(&mut tar).unwrap();
    tar
}

/// Copies a tree of the sources and gives every file one time.
fn copy(from: &str, to: &Path, time: Duration) {
    crate::support::copy_tree(&source_tree(from), to);
    let mut directories = vec![to.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                let times = FileTimes::new().set_modified(UNIX_EPOCH + time);
                File::options().write(true).open(path).unwrap().set_times(times).unwrap();
            }
        }
    }
}

#[test]
fn a_package_inflates_to_the_tar_of_helm() {
    let place = tempfile::tempdir().unwrap();
    let source = place.path().join("demo");
    copy("testdata/archive/demo", &source, Duration::from_millis(1_704_164_645_600));
    let ours = packed(&source, &options());
    let theirs = fs::read(source_tree("testdata/archive/demo-1.2.3+build.1.tgz")).unwrap();
    let tar = inflate(&ours);
    let digest = Digest::sha256(&tar);
    assert_eq!(
        (tar.len(), digest.hex()),
        (13312, "080ab5e51f48a8325b4ece966a63c763adb6544850605498599bdbdecf4fb2e6")
    );
    assert_eq!(tar, inflate(&theirs));
    let header = theirs.iter().position(|&byte| byte == b'H').unwrap() + "Helm\0".len();
    assert_eq!(ours[..header], theirs[..header]);
}

fn dated() -> Options {
    with(options(), |options| options.epoch = Some("1700000000".parse().unwrap()))
}

#[test]
fn every_fixture_inflates_to_the_tar_of_helm() {
    let table = fs::read_to_string(source_tree("testdata/archive/tars.txt")).unwrap();
    let mut compared = 0;
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let [name, size, hex] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let tar = inflate(&packed(&source_tree(format!("charts-fixtures/{name}")), &dated()));
        let digest = Digest::sha256(&tar);
        assert_eq!((tar.len().to_string().as_str(), digest.hex()), (size, hex), "{name}");
        compared += 1;
    }
    let charts = fs::read_dir(source_tree("charts-fixtures")).unwrap();
    let charts = charts.filter(|chart| chart.as_ref().unwrap().path().join("Chart.yaml").exists());
    assert_eq!(compared, charts.count(), "each fixture has its line in the table");
}

/// A package is the same bytes in every release built from one Cargo.lock: when this fails after an
/// update of zlib-rs, the change belongs in the changelog.
#[test]
fn a_package_is_the_same_bytes_everywhere() {
    for (name, hex) in [
        ("web", "bd91b26f71ab777055798c2f4ad93a42ee842c4fafeaa39471a3ee794591dea9"),
        ("large-file", "f4bafa415c958f0f194b4335fa8a6e73fbf2bd80e8a6dccff88ddcaf940c3997"),
    ] {
        let source = source_tree(format!("charts-fixtures/{name}"));
        for threads in [1, 2, 3, 8] {
            let threads = NonZeroUsize::new(threads).unwrap();
            let archive = packed(&source, &with(dated(), |options| options.threads = threads));
            assert_eq!(Digest::sha256(&archive).hex(), hex, "{name} with {threads} threads");
        }
    }
}

#[test]
fn a_chart_and_its_package_have_the_same_content() {
    let source = source_tree("charts-fixtures/umbrella");
    let archive = packed(&source, &dated());
    let digest = |archive: &[u8]| read::content_digest(archive, &Limits::default()).unwrap();
    let mut another = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut another, &inflate(&archive)).unwrap();
    let another = another.finish().unwrap();
    assert_ne!(archive, another);
    assert_eq!(digest(&archive), digest(&another), "in another gzip");
    let later = options();
    let changed = with(dated(), |options| options.app_version = Some("1".to_owned()));
    let lockless = source_tree("charts-fixtures/web");
    assert_eq!(
        digest(&packed(&lockless, &dated())),
        digest(&packed(&lockless, &later)),
        "at another time"
    );
    assert_ne!(digest(&archive), digest(&packed(&source, &changed)));

    let limits = Limits::default();
    let chart = read::read(&archive[..], Keep::Everything, &limits).unwrap();
    let loaded = dir::load(&source, Keep::Everything, &limits).unwrap();
    let names = |chart: &chartferry::archive::Chart| {
        chart.subcharts.iter().map(|chart| chart.metadata.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&chart), ["cache", "common-lib", "worker"]);
    assert_eq!(names(&chart), names(&loaded));
    assert_eq!(chart.metadata, loaded.metadata);
}

#[test]
fn many_charts_come_out_in_their_order_and_a_bad_one_stops_no_other() {
    let place = tempfile::tempdir().unwrap();
    let destination = place.path().join("a/../out");
    let sources: Vec<PathBuf> = ["web", "none", "minimal", "large-file", "crds", "minimal"]
        .iter()
        .map(|name| source_tree(format!("charts-fixtures/{name}")))
        .collect();
    let options = with(dated(), |options| options.threads = NonZeroUsize::new(3).unwrap());
    let done = std::sync::Mutex::new(Vec::new());
    let results = package(&sources, &destination, &options, &|progress| {
        done.lock().unwrap().push((progress.done, progress.total));
    });
    let names: Vec<_> = results
        .iter()
        .map(|result| match result {
            Ok(saved) => saved.path.file_name().unwrap().to_str().unwrap().to_owned(),
            Err(error) => error.chain(),
        })
        .collect();
    let missing = format!("stat {}: no such file or directory", sources[1].display());
    let web = read::open(&place.path().join("out").join(&names[0]), Keep::Nothing, &options.limits);
    assert_eq!(web.unwrap().metadata.name, "web");
    assert_eq!(names[1..3], [missing, "minimal-0.1.0.tgz".to_owned()]);
    assert_eq!(results[2].as_ref().unwrap().path, place.path().join("out/minimal-0.1.0.tgz"));
    for saved in results.iter().flatten() {
        let archive = fs::read(&saved.path).unwrap();
        assert_eq!(saved.package.digest, Digest::sha256(&archive));
        assert_eq!(saved.package.size, archive.len() as u64);
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &fs::metadata(&saved.path).unwrap().permissions(),
        );
        assert_eq!(mode & 0o777 & !0o022, 0o644, "as any file one makes");
    }
    assert_eq!(done.into_inner().unwrap().len(), sources.len());
    assert_eq!(
        fs::read_dir(place.path().join("out")).unwrap().count(),
        4,
        "nothing temporary is left"
    );
}

#[test]
fn packaging_refuses_what_helm_refuses_in_its_order() {
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<&'a str>, &'a str);
    let chart = "apiVersion: v2\nname: demo\nversion: 1.0.0\n";
    let needy =
        "apiVersion: v2\nname: demo\nversion: 1.0.0\ndependencies: [{name: b}, {name: a}]\n";
    let sub = "apiVersion: v2\nname: a\nversion: 1.0.0\n";
    let v3 = "apiVersion: v3\nname: demo\nversion: 1.0.0\n";
    let v9 = "apiVersion: v9\nname: demo\nversion: 1.0.0\n";
    let missing = "found in Chart.yaml, but missing in charts/ directory: b";
    let rows: &[Row<'_>] = &[
        ("version", &[("Chart.yaml", chart)], Some("one"), "invalid semantic version"),
        (
            "version before dependencies",
            &[("Chart.yaml", needy)],
            Some("one"),
            "invalid semantic version",
        ),
        ("dependencies", &[("Chart.yaml", needy), ("charts/a/Chart.yaml", sub)], None, missing),
        (
            "schema",
            &[("Chart.yaml", chart), ("values.schema.json", "{")],
            None,
            "failed to save: invalid JSON in values.schema.json",
        ),
        ("chart v3", &[("Chart.yaml", v3)], None, "invalid chart apiVersion"),
        ("chart v9", &[("Chart.yaml", v9)], None, "unsupported chart version"),
        (
            "one subchart twice",
            &[("Chart.yaml", chart), ("charts/a/Chart.yaml", sub), ("charts/b/Chart.yaml", sub)],
            None,
            "failed to save: charts/ holds `a` 1.0.0 more than once",
        ),
    ];
    for (name, files, version, expected) in rows {
        let place = tempfile::tempdir().unwrap();
        let source = place.path().join("chart");
        for (path, content) in *files {
            let path = source.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let out = place.path().join("out");
        let options = with(dated(), |options| options.version = version.map(str::to_owned));
        let result = package(&[source], &out, &options, &|_| {}).remove(0);
        assert_eq!(result.unwrap_err().chain(), *expected, "{name}");
        let left = fs::read_dir(&out).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{name}: nothing is written");
    }
    let place = tempfile::tempdir().unwrap();
    let error = package_to(place.path(), Vec::new(), None, &dated()).unwrap_err();
    let path = place.path().join("Chart.yaml");
    let path = path.display();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(
        error.message(),
        format!("unable to detect chart at {path}: open {path}: no such file or directory")
    );
}

#[test]
fn a_destination_that_is_a_file_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    fs::write(&out, "").unwrap();
    let source = source_tree("charts-fixtures/minimal");
    let error = package(&[source], &out, &dated(), &|_| {}).remove(0).unwrap_err();
    assert_eq!(error.chain(), format!("failed to save: is not a directory: {}", out.display()));
}

/// Helm puts both into charts/redis, where they are one chart of which nobody knows the version.
#[test]
fn two_versions_of_a_subchart_get_folders_of_their_own() {
    let place = tempfile::tempdir().unwrap();
    for (path, version) in [
        ("Chart.yaml", "1.0.0"),
        ("charts/a/Chart.yaml", "1.0.0"),
        ("charts/b/Chart.yaml", "2.0.0"),
    ] {
        let path = place.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("apiVersion: v2\nname: redis\nversion: {version}\n")).unwrap();
    }
    let archive = packed(place.path(), &dated());
    let tar = String::from_utf8_lossy(&inflate(&archive)).into_owned();
    for folder in ["redis/charts/redis-1.0.0/Chart.yaml", "redis/charts/redis-2.0.0/Chart.yaml"] {
        assert!(tar.contains(folder), "{folder}");
    }
    let chart = read::read(&archive[..], Keep::Nothing, &Limits::default()).unwrap();
    let versions: Vec<_> = chart.subcharts.iter().map(|chart| &*chart.metadata.version).collect();
    assert_eq!(versions, ["1.0.0", "2.0.0"]);
}

#[test]
fn an_epoch_is_read_as_helm_reads_it() {
    for (text, expected) in [
        ("0", Ok(0)),
        ("1700000000", Ok(1_700_000_000)),
        ("-1", Err("must not be negative")),
        ("", Err("strconv.ParseInt: parsing \"\": invalid syntax")),
        ("1.5", Err("strconv.ParseInt: parsing \"1.5\": invalid syntax")),
        (
            "9223372036854775808",
            Err("strconv.ParseInt: parsing \"9223372036854775808\": value out of range"),
        ),
    ] {
        let expected = expected.map_err(|reason| format!("invalid SOURCE_DATE_EPOCH: {reason}"));
        let found = text.parse::<Epoch>().map(Epoch::unix).map_err(|error| error.to_string());
        assert_eq!(found, expected, "{text}");
    }
}

/// What may stand in a name of one segment.
const SEGMENT: &str = "[a-z][a-z0-9 .é語-]{0,12}[a-z]";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_packaged_comes_back(
        files in prop::collection::btree_map(
            prop::collection::vec(SEGMENT, 1..4),
            prop::collection::vec(any::<u8>(), 0..2000),
            0..12,
        ),
        threads in 1_usize..4,
    ) {
        let place = tempfile::tempdir().unwrap();
        let chart = "apiVersion: v2\nname: demo\nversion: 1.0.0\n";
        fs::write(place.path().join("Chart.yaml"), chart).unwrap();
        let mut expected = BTreeMap::from([("Chart.yaml".to_owned(), chart.as_bytes().to_vec())]);
        for (segments, content) in files {
            // One level down, so that no name has a meaning of its own.
            let name = format!("files/{}", segments.join("/"));
            let path = place.path().join(&name);
            // A file and a folder may have come to share a name.
            if fs::create_dir_all(path.parent().unwrap()).is_ok() && fs::write(&path, &content).is_ok() {
                let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&content).to_vec();
                expected.insert(name, content);
            }
        }
        let threads = NonZeroUsize::new(threads).unwrap();
        let archive = packed(place.path(), &with(dated(), |options| options.threads = threads));
        let read = read::read(&archive[..], Keep::Everything, &Limits::default()).unwrap();
        let found: BTreeMap<_, _> =
            read.files.into_iter().map(|file| (file.name, file.data.to_vec())).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_damaged_archive_is_refused_or_read_and_never_more(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        end in any::<prop::sample::Index>(),
        deflated in any::<bool>(),
    ) {
        let archive = fs::read(source_tree("testdata/archive/demo-1.2.3+build.1.tgz")).unwrap();
        let mut bytes = if deflated { archive } else { inflate(&archive) };
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(bytes.len() - end.index(bytes.len() / 8));
        if !deflated {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            std::io::Write::write_all(&mut gzip, &bytes).unwrap();
            bytes = gzip.finish().unwrap();
        }
        let limits = Limits::default();
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("target");
        let read = read::read(&bytes[..], Keep::Everything, &limits);
        let expanded = expand(&bytes[..], &target, Existing::Refuse, &limits);
        prop_assert_eq!(read.is_ok(), expanded.is_ok());
        prop_assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
        prop_assert_eq!(fs::read_dir(&target).unwrap().count(), usize::from(expanded.is_ok()));
    }
}

#[test]
fn what_subcharts_hold_may_be_set_aside() {
    let place = tempfile::tempdir().unwrap();
    let source = place.path().join("chart");
    let sub = place.path().join("sub");
    fs::create_dir_all(source.join("charts")).unwrap();
    fs::create_dir(&sub).unwrap();
    fs::write(source.join("Chart.yaml"), "apiVersion: v2\nname: demo\nversion: 1.0.0\n").unwrap();
    fs::write(sub.join("Chart.yaml"), "apiVersion: v2\nname: sub\nversion: 1.0.0\n").unwrap();
    for at in 0..5_u8 {
        fs::write(sub.join(format!("f{at}")), vec![at; 4 * 1024 * 1024]).unwrap();
    }
    fs::write(source.join("charts/sub.tgz"), packed(&sub, &dated())).unwrap();
    let held = packed(&source, &dated());
    let aside = place.path().join("aside");
    fs::create_dir(&aside).unwrap();
    let set_aside = package_to(&source, Vec::new(), Some(&aside), &dated()).unwrap().1;
    assert!(held == set_aside);
    assert_eq!(fs::read_dir(&aside).unwrap().count(), 0);
    let chart = read::read(&held[..], Keep::Everything, &Limits::default()).unwrap();
    assert_eq!(chart.subcharts[0].files.len(), 6);
}
