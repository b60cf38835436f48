//! Bytes and directories to charts and back: `.tgz` archives read ([`read`]) and written
//! ([`mod@write`]), chart directories read ([`dir`]) and written ([`expand`]). What a chart is, is
//! [`crate::chart`]'s business.

use crate::chart::{Metadata, lock::Lock};
use bytes::Bytes;

mod bom;
mod content;
pub mod dir;
pub mod expand;
mod gzip;
mod load;
mod path;
pub mod read;
mod sniff;
pub(crate) mod tar;
pub mod write;

pub use content::Content;

/// Selection of the files to hold in memory. The reader reads and validates every file, whatever
/// the selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Metadata and lock only.
    Nothing,
    /// Besides, what `show` prints: the chart's own values, schema and README, and everybody's
    /// CRDs.
    Documents,
    /// Every file.
    Everything,
}

/// A chart that was read and found good, as Helm's loader does. `D` is how a file's content is
/// held.
#[derive(Clone, Debug)]
pub struct Chart<D = Bytes> {
    /// Chart.yaml, decoded, sanitised and validated; with the dependencies of requirements.yaml, if
    /// there is one.
    pub metadata: Metadata,
    /// Modification time of Chart.yaml, in Unix seconds.
    pub modified: i64,
    /// Chart.lock, or requirements.lock.
    pub lock: Option<Lock>,
    /// The chart's own files that were asked for, in the order in which they were read; not those
    /// under `charts/`, except `.prov` files.
    pub files: Vec<File<D>>,
    /// The charts under `charts/`, from directories and archives, sorted by name. (Helm's order is
    /// random.)
    pub subcharts: Vec<Self>,
    /// Warnings for a valid chart: symbolic links that lead out of the chart, files of Helm 2. Each
    /// subchart has its own list.
    pub warnings: Vec<String>,
    /// Symbolic links within the chart that were followed, a sentence each. They are ordinary; Helm
    /// prints them as information.
    pub followed: Vec<String>,
    /// A sentence for each thing left out of the chart and its subcharts: links in archives, and
    /// with [`dir::Outside::Skip`] links that lead out of the chart.
    pub skipped: Vec<String>,
}

/// A file of a chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File<D = Bytes> {
    /// Its path within the chart: relative, clean, separated by `/`.
    pub name: String,
    /// Modification time in Unix seconds.
    pub modified: i64,
    /// Its content, without a leading byte order mark.
    pub data: D,
}

impl<D> Chart<D> {
    /// The chart's own file of exactly this name; of several, the last.
    pub fn file(&self, name: &str) -> Option<&File<D>> {
        self.files.iter().rev().find(|file| file.name == name)
    }

    /// The README: the first file called `README.md`, `README.txt` or `README` in whatever case.
    pub fn readme(&self) -> Option<&File<D>> {
        self.files.iter().find(|file| is_readme(&file.name))
    }

    /// The custom resource definitions of the chart and then of its subcharts.
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
