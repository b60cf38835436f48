//! Attacks on the readers of archives and of charts' folders.

use chartferry::{
    ErrorKind,
    archive::{Keep, read},
    limits::Limits,
};
use flate2::{Compression, write::GzEncoder};
use std::io::Write as _;

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

/// Finding 6: each archive in charts/ had 100 MiB of its own for what is no content, so that 389 KB inflated to 98 GiB and, by
/// one more level, 1 MB to 274 GiB. All of them share one budget, at every depth.
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
