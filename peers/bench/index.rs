//! `compare index`: many small archives to an index.yaml, by helm and by us; and again, when
//! nothing has changed.

use crate::{Bench, Tool, strings};
use flate2::{Compression, write::GzEncoder};
use std::{
    fs::{self, File},
    path::Path,
};

/// Versions of each chart.
const VERSIONS: usize = 40;
/// Folders made ready for each of the two; every first run needs one that was never indexed.
const FOLDERS: usize = 40;

/// Measures with that many archives.
pub(crate) fn run(bench: &Bench, archives: usize) {
    let store = bench.scratch.path().join("archives");
    fs::create_dir_all(&store).unwrap();
    for number in 0..archives {
        write_archive(&store, number);
    }
    for tool in [&bench.helm, &bench.ours] {
        for folder in 0..FOLDERS {
            let folder = tool.place.path(format!("folder-{folder}"));
            fs::create_dir_all(&folder).unwrap();
            std::os::unix::fs::symlink(&store, folder.join("all")).unwrap();
        }
    }
    let args = |tool: &Tool, folder: &str| match tool.name {
        "helm" => strings(["repo", "index", folder]),
        _ => strings(["index", "-q", folder]),
    };
    let title = format!("index: {archives} archives, for the first time");
    bench.compare(&title, 1, |tool| args(tool, "folder-{i}"), None);
    let title = format!("index: {archives} archives, none of them changed");
    bench.compare(&title, 1, |tool| args(tool, "folder-0"), None);
}

/// A chart of about 1.5 kB packed: what most are without their templates.
fn write_archive(folder: &Path, number: usize) {
    let (chart, version) = (number / VERSIONS, number % VERSIONS);
    let name = format!("chart-{chart:04}");
    let version = format!("{}.{}.{}", version / 10, version % 10, number % 7);
    let metadata = format!(
        "apiVersion: v2\nname: {name}\nversion: {version}\nappVersion: \"{}.{number}\"\n\
         description: A chart made to be indexed, number {number}, with a description of ordinary length\n\
         home: https://example.com/{name}\nicon: https://example.com/{name}/icon.png\ntype: application\n\
         keywords:\n  - measured\n  - small\n  - number-{number}\nmaintainers:\n  - name: Example, Inc.\n    \
         email: charts@example.com\nsources:\n  - https://example.com/source/{name}\nannotations:\n  \
         category: Infrastructure\n  images: |\n    - name: {name}\n      image: registry.example.com/{name}:{version}\n",
        number % 5
    );
    let values =
        "replicas: 1\nimage:\n  repository: registry.example.com/app\n  tag: \"\"\nresources: {}\n";
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  key: value\n";
    let file = File::create(folder.join(format!("{name}-{version}-{number}.tgz"))).unwrap();
    let mut tar = tar::Builder::new(GzEncoder::new(file, Compression::default()));
    for (path, content) in [
        ("Chart.yaml", metadata.as_str()),
        ("values.yaml", values),
        ("templates/config.yaml", template),
        ("README.md", "# A chart\n\nIt was made to be measured.\n"),
    ] {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(1_700_000_000 + number as u64);
        tar.append_data(&mut header, format!("{name}/{path}"), content.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap();
}
