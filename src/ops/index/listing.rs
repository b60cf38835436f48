//! An index under construction: one piece of text for each entry, sorted and written one after
//! another. No index is ever in memory twice.

use super::{Created, Format, Options};
use crate::{
    Error, Result,
    atomic_file::{Readers, Sync, buffered, replace},
    chart::time::Time,
    constraint::Constraint,
    digest::{Algorithm, Digest},
    index::{Entry, Line, order, write},
    version::Version,
};
use std::{
    collections::{BTreeMap, HashSet},
    io,
    path::Path,
};

/// An entry and its text.
#[derive(Debug)]
pub(super) struct Item {
    name: String,
    version: String,
    created: String,
    text: String,
}

impl Item {
    /// Creates an item from an entry in that format.
    pub(super) fn new(entry: Entry, format: Format) -> Self {
        let text = match format {
            Format::Yaml => write::fragment(&entry),
            Format::Json => write::json_fragment(&entry),
        };
        Self {
            name: entry.metadata.name,
            version: entry.metadata.version,
            created: entry.created,
            text,
        }
    }

    /// Returns the entry in the text of a YAML index that this program wrote.
    pub(super) fn again(line: &Line) -> Option<Self> {
        let text = line.yaml().filter(|text| text.starts_with("  - ") && text.ends_with('\n'))?;
        Some(Self {
            name: line.name().to_owned(),
            version: line.version().to_owned(),
            created: line.created().to_owned(),
            text: text.to_owned(),
        })
    }
}

/// The match for a version in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Has {
    /// No version, and none that Helm considers equal.
    Nothing,
    /// The version, exactly as written.
    Itself,
    /// A different version that Helm considers equal.
    Another(String),
}

/// Charts and their entries.
#[derive(Debug, Default)]
pub(super) struct Listing {
    charts: BTreeMap<String, Chart>,
}

/// The entries of one chart.
#[derive(Debug, Default)]
struct Chart {
    items: Vec<Item>,
    /// The lookup data for merging indexes.
    asked: Option<Asked>,
}

/// The versions of the first entries, as texts and parsed.
#[derive(Debug, Default)]
struct Asked {
    items: usize,
    written: HashSet<String>,
    versions: Vec<Version>,
}

impl Listing {
    /// Creates a listing of `items` in their order.
    pub(super) fn new(items: Vec<Item>) -> Self {
        let mut listing = Self::default();
        for item in items {
            listing.add(item);
        }
        listing
    }

    /// Adds an entry after the others of its chart.
    pub(super) fn add(&mut self, item: Item) {
        match self.charts.get_mut(&item.name) {
            Some(chart) => chart.items.push(item),
            None => {
                let name = item.name.clone();
                self.charts.insert(name, Chart { items: vec![item], asked: None });
            }
        }
    }

    /// Returns Helm's match for the version, which Helm looks up as a range: `1.2` matches 1.2.5.
    pub(super) fn has(&mut self, name: &str, version: &str) -> Has {
        let Some(chart) = self.charts.get_mut(name) else { return Has::Nothing };
        let Ok(constraint) = Constraint::parse(version) else { return Has::Nothing };
        let asked = chart.asked.get_or_insert_default();
        for item in &chart.items[asked.items..] {
            asked.written.insert(item.version.clone());
            asked.versions.extend(Version::parse_loose(&item.version));
        }
        asked.items = chart.items.len();
        if asked.written.contains(version) {
            return Has::Itself;
        }
        let mut versions = asked.versions.iter();
        match versions.find(|version| constraint.matches(version)) {
            Some(other) => Has::Another(other.to_string()),
            None => Has::Nothing,
        }
    }

    /// Refuses two entries of one version.
    pub(super) fn refuse_doubles(&self) -> Result<()> {
        for (name, chart) in &self.charts {
            let mut seen = HashSet::new();
            if let Some(double) = chart.items.iter().find(|item| !seen.insert(&item.version)) {
                return Err(Error::invalid(format!(
                    "version `{}` of `{name}` is in more than one archive",
                    double.version
                )));
            }
        }
        Ok(())
    }

    /// Sorts the newest first.
    pub(super) fn sort(&mut self) {
        for chart in self.charts.values_mut() {
            order::sort(&mut chart.items, |item| &item.version);
        }
    }

    /// Returns the number of charts and of versions.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.charts.len(), self.charts.values().map(|chart| chart.items.len()).sum())
    }

    /// Returns the text of the index.
    pub(super) fn text<'l>(&'l self, options: &Options) -> Text<'l> {
        let generated = match &options.created {
            Created::Now | Created::Given(_) => options.now,
            Created::At(time) => *time,
            Created::Archive => {
                let all = self.charts.values().flat_map(|chart| &chart.items);
                all.filter_map(|item| Time::parse(&item.created).ok())
                    .max_by_key(|time| time.unix())
                    .unwrap_or(options.now)
            }
        };
        Text { listing: self, format: options.format, generated: generated.to_string() }
    }
}

/// An index to be written.
#[derive(Debug)]
pub(super) struct Text<'l> {
    listing: &'l Listing,
    format: Format,
    generated: String,
}

impl Text<'_> {
    /// Returns a digest of everything except the time at which it is written.
    pub(super) fn digest(&self) -> String {
        let mut hasher = Algorithm::Sha256.hasher();
        self.pieces("", &mut |piece| {
            hasher.update(piece.as_bytes());
            Ok(())
        })
        .map_or_else(|_| String::new(), |()| Digest::hex(&hasher.finish()).to_owned())
    }

    /// Writes the file at `path`, readable for all, in one step.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let fill = buffered(|out| {
            self.pieces(&self.generated, &mut |piece| out.write_all(piece.as_bytes()))
        });
        replace(path, Readers::All, Sync::Now, fill)
            .map_err(|error| Error::io("write index", path, error))
    }

    fn pieces(
        &self,
        generated: &str,
        out: &mut dyn FnMut(&str) -> io::Result<()>,
    ) -> io::Result<()> {
        let charts = self.listing.charts.iter().map(|(name, chart)| {
            (name.as_str(), chart.items.iter().map(|item| item.text.as_str()))
        });
        match self.format {
            Format::Yaml => write::yaml_pieces(charts, generated, out),
            Format::Json => write::json_pieces(charts, generated, out),
        }
    }
}
