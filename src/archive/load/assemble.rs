//! The assembly of files to a chart, by the rules of Helm's loader: the purpose of each file, the
//! files that must parse, and the subcharts. Files arrive one by one, in any order, from an archive
//! or a directory. Only requested files are kept.

use super::{
    budget::Budget,
    file::{Item, ItemSource, check_values, read_requirements},
    retain::Retain,
};
use crate::{
    Error, ErrorKind, Result,
    archive::{Chart, File, Keep, is_crd, is_readme},
    chart::{Metadata, lock::Lock},
    error::Context as _,
    limits::Limits,
};
use bytes::Bytes;
use std::collections::BTreeMap;

/// The state that is shared by a chart and all its subcharts.
#[derive(Debug)]
pub(crate) struct LoadContext<'a, K> {
    pub(crate) keep: Keep,
    pub(crate) keeper: K,
    pub(crate) budget: Budget<'a>,
}

/// A chart whose files are being read.
pub(crate) struct ChartBuilder<D> {
    metadata: Option<Box<Metadata>>,
    modified: i64,
    requirements: Option<Bytes>,
    lock: Option<Lock>,
    has_old_lock: bool,
    files: Vec<File<D>>,
    subcharts: BTreeMap<Box<str>, Subchart<D>>,
    /// The first fault of Chart.yaml, and the first of another file. Helm reports them in this
    /// order, after it has seen all files.
    faults: [Option<Error>; 2],
}

enum Subchart<D> {
    Directory(Box<ChartBuilder<D>>),
    Archive(Result<Box<Chart<D>>>),
    /// A directory with a name like an archive's, and its first file.
    Misnamed(String),
}

/// Bytes of memory for a subchart without content.
const SUBCHART: usize = 512;

impl<D> Default for ChartBuilder<D> {
    fn default() -> Self {
        Self {
            metadata: None,
            modified: 0,
            requirements: None,
            lock: None,
            has_old_lock: false,
            files: Vec::new(),
            subcharts: BTreeMap::new(),
            faults: [None, None],
        }
    }
}

/// The level of a chart: the requested one, or a subchart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Within,
}

impl<D> ChartBuilder<D> {
    /// Adds a file of the requested chart.
    ///
    /// # Errors
    /// Only an error that ends the load: a limit, or a reader that fails. [`Self::finish`] returns
    /// the faults of the chart, because Helm examines every name and size before any content.
    pub(crate) fn add<K: Retain<Data = D>>(
        &mut self,
        name: &str,
        item: Item<'_>,
        bench: &mut LoadContext<'_, K>,
    ) -> Result<()> {
        let place = if bench.budget.nesting == 0 { Level::Root } else { Level::Within };
        self.place(name, item, place, bench)
    }

    fn place<K: Retain<Data = D>>(
        &mut self,
        name: &str,
        mut item: Item<'_>,
        place: Level,
        bench: &mut LoadContext<'_, K>,
    ) -> Result<()> {
        if let Some(within) = name.strip_prefix("charts/")
            && !name.ends_with(".prov")
        {
            return self.add_to_subchart(within, item, bench);
        }
        let document =
            if is_document(name) { Some(item.read(name, bench.budget.limits)?) } else { None };
        if let Some(document) = &document {
            self.add_document(name, document, item.modified, &mut bench.budget)?;
        }
        let wanted = match bench.keep {
            Keep::Nothing => false,
            Keep::Documents if place == Level::Root => {
                matches!(name, "values.yaml" | "values.schema.json")
                    || is_readme(name)
                    || is_crd(name)
            }
            Keep::Documents => is_crd(name),
            Keep::Everything => true,
        };
        if wanted {
            let keeper = &mut bench.keeper;
            let data = match (item.source, document) {
                (ItemSource::File(path), document) => keeper.file(path, item.size, document)?,
                (ItemSource::Stream(_), Some(document)) => keeper.document(document)?,
                (ItemSource::Stream(content), None) => keeper.stream(item.size, content)?,
            };
            self.files.push(File { name: name.to_owned(), modified: item.modified, data });
        }
        Ok(())
    }

    fn add_document(
        &mut self,
        name: &str,
        bytes: &Bytes,
        modified: i64,
        budget: &mut Budget<'_>,
    ) -> Result<()> {
        let limits = budget.limits;
        if name != "values.yaml" {
            budget.hold(bytes.len())?;
        }
        let fault = match name {
            "Chart.yaml" if self.metadata.is_some() || self.faults[0].is_some() => {
                let message = "chart contains more than one Chart.yaml";
                let hint = "which of them counts depends on the reader; package the chart anew";
                self.faults[0].get_or_insert(Error::invalid(message).with_hint(hint));
                return Ok(());
            }
            "Chart.yaml" => {
                self.modified = modified;
                Metadata::from_yaml(bytes, limits)
                    .map(|metadata| self.metadata = Some(metadata.into()))
                    .err()
            }
            "values.yaml" => check_values(bytes, limits).err(),
            "requirements.yaml" => {
                self.requirements = Some(bytes.clone());
                None
            }
            _ => {
                self.has_old_lock |= name == "requirements.lock";
                Lock::from_yaml(bytes, limits).map(|lock| self.lock = lock).err()
            }
        };
        match fault {
            Some(fault) if fault.kind() == ErrorKind::Limit => {
                Err(fault.context(cannot_load(name)))
            }
            Some(fault) => {
                let fault = fault.context(cannot_load(name));
                self.faults[usize::from(name != "Chart.yaml")].get_or_insert(fault);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn add_to_subchart<K: Retain<Data = D>>(
        &mut self,
        within: &str,
        item: Item<'_>,
        bench: &mut LoadContext<'_, K>,
    ) -> Result<()> {
        let (first, rest) = match within.split_once('/') {
            Some((first, rest)) => (first, Some(rest)),
            None => (within, None),
        };
        if first.starts_with(['_', '.']) {
            return Ok(());
        }
        let known = self.subcharts.contains_key(first);
        if !known {
            bench.budget.hold(first.len() + SUBCHART)?;
        }
        match (first.ends_with(".tgz"), rest) {
            (true, None) if known => {
                let message = format!("chart contains more than one charts/{first}");
                self.faults[1].get_or_insert(Error::invalid(message));
            }
            (true, None) => {
                let chart = match item.nested(bench) {
                    // This is not a fault of the archive, or the archive is too large, so it ends
                    // the load.
                    Err(error) if error.kind() != ErrorKind::Invalid => {
                        return Err(error.context(self.unpacking(first)));
                    }
                    chart => chart.map(Box::new),
                };
                self.subcharts.insert(first.into(), Subchart::Archive(chart));
            }
            (true, Some(rest)) => {
                let misnamed = || Subchart::Misnamed(format!("{first}/{rest}"));
                self.subcharts.entry(first.into()).or_insert_with(misnamed);
            }
            (false, rest) => {
                let new = || Subchart::Directory(Box::default());
                let subchart = self.subcharts.entry(first.into()).or_insert_with(new);
                // A single file makes a subchart without files, which then lacks its Chart.yaml.
                if let (Subchart::Directory(judge), Some(rest)) = (subchart, rest) {
                    judge
                        .place(rest, item, Level::Within, bench)
                        .map_err(|error| error.context(self.unpacking(first)))?;
                }
            }
        }
        Ok(())
    }

    fn unpacking(&self, subchart: &str) -> String {
        match self.metadata.as_deref() {
            Some(metadata) if !metadata.name.is_empty() => unpacking(subchart, &metadata.name),
            _ => format!("error unpacking subchart {subchart}"),
        }
    }

    /// Returns the chart, after all files were added.
    ///
    /// # Errors
    /// The fault that Helm would report: of Chart.yaml, of another file, of the metadata, or of a
    /// subchart.
    pub(crate) fn finish(self, limits: &Limits) -> Result<Chart<D>> {
        let Self { metadata, modified, requirements, lock, has_old_lock, files, subcharts, faults } =
            self;
        if let Some(fault) = faults.into_iter().flatten().next() {
            return Err(fault);
        }
        let mut metadata = *metadata.ok_or_else(|| Error::invalid("Chart.yaml file is missing"))?;
        metadata.fill_api_version();
        let mut warnings = Vec::new();
        if let Some(requirements) = requirements {
            read_requirements(&mut metadata, &requirements, limits)?;
            if metadata.api_version != "v1" {
                warnings.push(OLD_REQUIREMENTS.to_owned());
            }
        }
        if has_old_lock && metadata.api_version != "v1" {
            warnings.push(OLD_LOCK.to_owned());
        }
        metadata.validate()?;
        let mut charts = Vec::with_capacity(subcharts.len());
        for (key, subchart) in subcharts {
            charts.push(subchart.finish(&key, &metadata.name, limits)?);
        }
        charts.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        Ok(Chart {
            metadata,
            modified,
            lock,
            files,
            subcharts: charts,
            warnings,
            followed: Vec::new(),
            skipped: Vec::new(),
        })
    }
}

const OLD_REQUIREMENTS: &str = "Dependencies are handled in Chart.yaml since apiVersion \"v2\". \
                                We recommend migrating dependencies to Chart.yaml.";
const OLD_LOCK: &str = "Dependency locking is handled in Chart.lock since apiVersion \"v2\". \
                        We recommend migrating to Chart.lock.";

impl<D> Subchart<D> {
    fn finish(self, key: &str, parent: &str, limits: &Limits) -> Result<Chart<D>> {
        let chart = match self {
            Self::Directory(judge) => judge.finish(limits),
            Self::Archive(chart) => chart.map(|chart| *chart),
            Self::Misnamed(found) => {
                let message = format!(
                    "error unpacking subchart tar in {parent}: expected {key}, got {found}"
                );
                return Err(Error::invalid(message));
            }
        };
        chart.context(|| unpacking(key, parent))
    }
}

fn is_document(name: &str) -> bool {
    let documents =
        ["Chart.yaml", "Chart.lock", "values.yaml", "requirements.yaml", "requirements.lock"];
    documents.contains(&name)
}

fn cannot_load(name: &str) -> String {
    format!("cannot load {name}")
}

fn unpacking(subchart: &str, parent: &str) -> String {
    format!("error unpacking subchart {subchart} in {parent}")
}
