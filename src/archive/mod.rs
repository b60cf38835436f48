//! Charts as archives and directories. [`read`] reads `.tgz` archives and [`mod@write`] writes
//! them; [`dir`] reads chart directories and [`expand`] writes them. [`crate::chart`] has the rules
//! of a chart.

use crate::chart::{Metadata, lock::Lock};
use bytes::Bytes;

mod bom;
mod content;
pub mod dir;
pub(crate) mod directory_tar;
pub mod expand;
mod gzip;
mod load;
mod path;
pub mod read;
mod sniff;
pub(crate) mod tar;
pub(crate) mod untar;
pub mod write;

pub use content::Content;

/// The files of a chart that are kept in memory. Every file is read and checked, whatever this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Metadata and lock only.
    Nothing,
    /// Also the files that `show` prints: the chart's own values, schema and README, and the CRDs
    /// of it and its subcharts.
    Documents,
    /// Every file.
    Everything,
}

/// A chart that was read and found valid by the rules of Helm's loader. `D` is the type of a file's
/// content.
#[derive(Clone, Debug)]
pub struct Chart<D = Bytes> {
    /// The content of Chart.yaml, decoded, sanitized and validated, with the dependencies of
    /// requirements.yaml if that exists.
    pub metadata: Metadata,
    /// The time when Chart.yaml was modified, in Unix time.
    pub modified: i64,
    /// The content of Chart.lock or requirements.lock.
    pub lock: Option<Lock>,
    /// The chart's own files that [`Keep`] selects, in the order in which they were read. Of those
    /// under `charts/`, only `.prov` files.
    pub files: Vec<File<D>>,
    /// The charts under `charts/`, from directories and archives, sorted by name. (Helm's order is
    /// random.)
    pub subcharts: Vec<Self>,
    /// Warnings for the user about a valid chart: symbolic links that were followed out of the
    /// chart, and files that belong to Helm 2. Each subchart has its own.
    pub warnings: Vec<String>,
    /// Sentences about symbolic links within the chart that were followed. They are ordinary; Helm
    /// prints them as information.
    pub followed: Vec<String>,
    /// Sentences about entries of the chart and its subcharts that were skipped: links in archives
    /// and, with [`dir::Outside::Skip`], links to targets outside of the chart.
    pub skipped: Vec<String>,
}

/// A file of a chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File<D = Bytes> {
    /// The path within the chart: relative, clean, separated by `/`.
    pub name: String,
    /// The time when the file was modified, in Unix time.
    pub modified: i64,
    /// The content, without a leading byte order mark.
    pub data: D,
}

impl<D> Chart<D> {
    /// Returns the chart's own file of exactly this name. Of several, returns the last.
    pub fn file(&self, name: &str) -> Option<&File<D>> {
        self.files.iter().rev().find(|file| file.name == name)
    }

    /// Returns the README: the first file with the name `README.md`, `README.txt` or `README`, in
    /// any case.
    pub fn readme(&self) -> Option<&File<D>> {
        self.files.iter().find(|file| is_readme(&file.name))
    }

    /// Returns the custom resource definitions of the chart and then of its subcharts.
    pub fn crds(&self) -> impl Iterator<Item = &File<D>> {
        let own = self.files.iter().filter(|file| is_crd(&file.name));
        let theirs: Box<dyn Iterator<Item = &File<D>>> =
            Box::new(self.subcharts.iter().flat_map(Self::crds_of));
        own.chain(theirs)
    }

    fn crds_of(&self) -> Box<dyn Iterator<Item = &File<D>> + '_> {
        Box::new(self.crds())
    }
}

impl From<Chart> for Chart<Content> {
    fn from(chart: Chart) -> Self {
        let file = |file: File| File {
            name: file.name,
            modified: file.modified,
            data: Content::from(file.data),
        };
        Self {
            metadata: chart.metadata,
            modified: chart.modified,
            lock: chart.lock,
            files: chart.files.into_iter().map(file).collect(),
            subcharts: chart.subcharts.into_iter().map(Self::from).collect(),
            warnings: chart.warnings,
            followed: chart.followed,
            skipped: chart.skipped,
        }
    }
}

fn is_readme(name: &str) -> bool {
    ["readme.md", "readme.txt", "readme"].iter().any(|readme| name.eq_ignore_ascii_case(readme))
}

fn is_crd(name: &str) -> bool {
    let extension =
        |name: &str| name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    name.starts_with("crds/") && matches!(extension(name).as_deref(), Some("yaml" | "yml" | "json"))
}
