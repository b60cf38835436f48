//! Chart directories to archives and back, against what Helm makes of the same.

use crate::support::source_tree;
use chartferry::{
    limits::Limits,
    oci::digest::Digest,
    ops::package::{Options, package_to},
};
use std::{
    fs::{self, File, FileTimes},
    io::Read as _,
    num::NonZeroUsize,
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

fn options() -> Options {
    Options {
        version: None,
        app_version: None,
        epoch: None,
        threads: NonZeroUsize::MIN,
        limits: Limits::default(),
    }
}

fn package(source: &Path, options: &Options) -> Vec<u8> {
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
    let ours = package(&source, &options());
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
