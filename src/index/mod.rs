//! The index of a chart repository: reading, searching and writing index.yaml as Helm does, the
//! URLs of its entries, and the file that names the user's repositories. The module is pure: it
//! takes bytes and returns values. `crate::client` downloads an index; `crate::ops::index` creates
//! one from a folder.

mod build;
mod document;
mod draft;
mod entry;
mod find;
mod full;
mod json;
mod json_scan;
mod line;
mod listed;
pub(crate) mod order;
mod read;
mod scan;
#[cfg(test)]
mod tests;

pub mod config;
pub mod url;
pub mod write;

pub use entry::{Entry, Legacy};
pub use find::is_range;
#[cfg(feature = "server")]
pub(crate) use full::fragment_entry;
pub(crate) use json::value as json_value;
pub use line::Line;
pub use listed::ListedDigest;

/// The index of a repository. Charts are sorted by name, and their versions newest first. It does
/// not contain the entries that Helm drops.
#[derive(Clone, Debug)]
pub struct Index {
    charts: Vec<Chart>,
    lines: Vec<Line>,
    listed: usize,
    warnings: Vec<String>,
    generated: String,
    context_path: String,
}

/// The name of a chart, and the range of its lines.
#[derive(Clone, Debug)]
struct Chart {
    name: Box<str>,
    lines: std::ops::Range<usize>,
    /// The range of the warnings about its entries.
    dropped: std::ops::Range<usize>,
}

/// A chart of an index: its key and its versions.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'i> {
    name: &'i str,
    versions: &'i [Line],
}

impl<'i> Listed<'i> {
    /// Returns the chart's key in the index. An entry's own name may differ; Helm does not compare
    /// them.
    pub fn name(self) -> &'i str {
        self.name
    }

    /// Returns the versions, newest first. There may be none.
    pub fn versions(self) -> &'i [Line] {
        self.versions
    }

    /// Returns the URLs of `line`, then those of the other entries of this version with the same
    /// digest: they are the same archive at other addresses.
    pub fn urls(self, line: &'i Line) -> Vec<&'i str> {
        let digest = line.listed_digest();
        let mut urls: Vec<&str> = line.urls().collect();
        let same = |other: &&Line| {
            digest.digest().is_some()
                && other.version() == line.version()
                && other.listed_digest() == digest
        };
        for url in self.versions.iter().filter(same).flat_map(Line::urls) {
            if !urls.contains(&url) {
                urls.push(url);
            }
        }
        urls
    }
}

impl Index {
    /// Returns the charts, by name.
    pub fn charts(&self) -> impl ExactSizeIterator<Item = Listed<'_>> {
        self.charts.iter().map(|chart| self.listed(chart))
    }

    /// Returns the chart listed under `name`.
    pub fn chart(&self, name: &str) -> Option<Listed<'_>> {
        let at = self.charts.binary_search_by(|chart| (*chart.name).cmp(name)).ok()?;
        Some(self.listed(&self.charts[at]))
    }

    fn listed<'i>(&'i self, chart: &'i Chart) -> Listed<'i> {
        Listed { name: &chart.name, versions: &self.lines[chart.lines.clone()] }
    }

    /// Returns the number of versions of all charts together.
    pub fn versions(&self) -> usize {
        self.lines.len()
    }

    /// Returns one warning for each dropped entry, in Helm's words.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns the warnings for dropped entries of one chart, in Helm's words.
    pub fn dropped(&self, name: &str) -> &[String] {
        let at = self.charts.binary_search_by(|chart| (*chart.name).cmp(name));
        at.map_or(&[], |at| &self.warnings[self.charts[at].dropped.clone()])
    }

    /// Returns the `generated` time as written; empty if the index has none.
    pub fn generated(&self) -> &str {
        &self.generated
    }

    /// Returns `serverInfo.contextPath`, the path of a ChartMuseum's API, or an empty text.
    pub fn context_path(&self) -> &str {
        &self.context_path
    }

    /// Returns true if the index may be the newest part of a longer list. GitLab's package registry
    /// lists at most 20, 300 or 1000 versions, depending on its age. A version missing from such an
    /// index may still exist.
    pub fn is_cut(&self) -> bool {
        self.context_path.contains("/packages/helm") || matches!(self.listed, 20 | 300 | 1000)
    }
}
