//! Files to a chart, as Helm's loader judges them: which file is what, what must parse, what a subchart is.
//! Files come one by one, in any order, from an archive or a directory; only what is asked for is held.

use super::{
    Chart, File, Keep, gzip, is_crd, is_readme,
    keep::{Keeper, Unmarked},
};
use crate::{
    Error, ErrorKind, Result,
    chart::{Metadata, lock::Lock},
    error::Context as _,
    limits::Limits,
    yaml::{self, Duplicates, Value},
};
use bytes::Bytes;
use std::{collections::BTreeMap, fs, io::Read, path::Path};

/// What is spent over a chart and everything in it.
#[derive(Debug)]
pub(super) struct Budget<'a> {
    pub(super) limits: &'a Limits,
    entries: u64,
    held: u64,
    /// Inflated bytes of archives within archives.
    pub(super) nested: u64,
    /// How many archives we are in.
    pub(super) nesting: usize,
}

impl<'a> Budget<'a> {
    pub(super) fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            entries: limits.chart_entries,
            held: limits.chart_held_bytes,
            nested: limits.nested_bytes,
            nesting: 0,
        }
    }

    /// One more file or directory.
    pub(super) fn entry(&mut self) -> Result<()> {
        self.entries = self.entries.checked_sub(1).ok_or_else(|| {
            let count = self.limits.chart_entries;
            Error::new(
                ErrorKind::Limit,
                format!("chart has more than {count} files and directories"),
            )
        })?;
        Ok(())
    }

    fn hold(&mut self, bytes: usize) -> Result<()> {
        self.held = self.held.checked_sub(bytes as u64).ok_or_else(|| {
            let bytes = self.limits.chart_held_bytes;
            let what = "metadata and locks of the chart and its subcharts";
            Error::new(ErrorKind::Limit, format!("{what} are larger than {bytes} bytes in all"))
        })?;
        Ok(())
    }
}

/// What every judging shares.
#[derive(Debug)]
pub(super) struct Bench<'a, K> {
    pub(super) keep: Keep,
    pub(super) keeper: K,
    pub(super) budget: Budget<'a>,
}

/// A file on its way into a chart.
pub(super) struct Item<'a> {
    pub(super) modified: i64,
    /// Bytes as they lie in the archive or on disk.
    pub(super) size: u64,
    pub(super) source: Source<'a>,
}

/// Where a file's content comes from.
pub(super) enum Source<'a> {
    /// A stream, its byte order mark gone; what is left of it is somebody else's to skip.
    Stream(&'a mut dyn Read),
    /// A file on disk.
    File(&'a Path),
}

/// A chart whose files are coming in.
pub(super) struct Judge<D> {
    metadata: Option<Box<Metadata>>,
    modified: i64,
    requirements: Option<Bytes>,
    lock: Option<Lock>,
    has_old_lock: bool,
    files: Vec<File<D>>,
    subcharts: BTreeMap<Box<str>, Subchart<D>>,
    /// The first fault of Chart.yaml, and the first of another file: Helm tells them in this order, once it
    /// has seen all files.
    faults: [Option<Error>; 2],
}

enum Subchart<D> {
    Directory(Box<Judge<D>>),
    Archive(Result<Box<Chart<D>>>),
    /// A directory that is called like an archive, and its first file.
    Misnamed(String),
}

/// What a subchart that says nothing costs in memory.
const SUBCHART: usize = 512;

impl<D> Default for Judge<D> {
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

/// Whether a chart is the one that was asked for, or one within.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    Within,
}

impl<D> Judge<D> {
    /// Takes a file of the chart that was asked for.
    ///
    /// # Errors
    /// Only what ends everything: a limit, a reader that fails. Faults of the chart are kept for
    /// [`Self::finish`], because Helm looks at every name and size before it looks at any content.
    pub(super) fn add<K: Keeper<Data = D>>(
        &mut self,
        name: &str,
        item: Item<'_>,
        bench: &mut Bench<'_, K>,
    ) -> Result<()> {
        let place = if bench.budget.nesting == 0 { Place::Root } else { Place::Within };
        self.place(name, item, place, bench)
    }

    fn place<K: Keeper<Data = D>>(
        &mut self,
        name: &str,
        mut item: Item<'_>,
        place: Place,
        bench: &mut Bench<'_, K>,
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
            Keep::Documents if place == Place::Root => {
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
                (Source::File(path), document) => keeper.file(path, item.size, document)?,
                (Source::Stream(_), Some(document)) => keeper.document(document)?,
                (Source::Stream(content), None) => keeper.stream(item.size, content)?,
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
                Some(Error::invalid(message).with_hint(hint))
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
                let duplicate = fault.message().starts_with("chart contains");
                let fault = if duplicate { fault } else { fault.context(cannot_load(name)) };
                self.faults[usize::from(name != "Chart.yaml")].get_or_insert(fault);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn add_to_subchart<K: Keeper<Data = D>>(
        &mut self,
        within: &str,
        item: Item<'_>,
        bench: &mut Bench<'_, K>,
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
                    // Not the archive's fault, or too much of it: this ends everything.
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
                // A loose file makes a subchart without files, which then lacks its Chart.yaml.
                if let (Subchart::Directory(judge), Some(rest)) = (subchart, rest) {
                    judge
                        .place(rest, item, Place::Within, bench)
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

    /// The chart, once every file is in.
    ///
    /// # Errors
    /// The fault that Helm would tell: of Chart.yaml, of another file, of the metadata, of a subchart.
    pub(super) fn finish(self, limits: &Limits) -> Result<Chart<D>> {
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
        Ok(Chart { metadata, modified, lock, files, subcharts: charts, warnings })
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

impl Item<'_> {
    /// The whole of a document, its byte order mark gone.
    fn read(&mut self, name: &str, limits: &Limits) -> Result<Bytes> {
        let limit = limits.chart_document_bytes;
        if self.size > limit {
            return Err(super::read::file_too_large(name, limit));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(self.size).unwrap_or(0));
        match &mut self.source {
            Source::Stream(content) => {
                content.read_to_end(&mut bytes).map_err(gzip::error)?;
            }
            &mut Source::File(path) => {
                let read = |file| Unmarked::new(file)?.take(limit + 1).read_to_end(&mut bytes);
                fs::File::open(path)
                    .and_then(read)
                    .map_err(|error| Error::io("read chart file", path, error))?;
                if bytes.len() as u64 > limit {
                    return Err(super::read::file_too_large(name, limit));
                }
            }
        }
        Ok(bytes.into())
    }

    /// The chart in an archive within a chart.
    fn nested<K: Keeper>(self, bench: &mut Bench<'_, K>) -> Result<Chart<K::Data>> {
        match self.source {
            Source::Stream(content) => super::read::nested(content, bench),
            Source::File(path) => {
                let fail = |error| Error::io("read subchart", path, error);
                let file = fs::File::open(path).map_err(fail)?;
                super::read::nested(&mut Unmarked::new(file).map_err(fail)?, bench)
            }
        }
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

/// Every document of values.yaml must be a mapping, or nothing. (Helm merges them; that is a template's need.)
fn check_values(bytes: &[u8], limits: &Limits) -> Result<()> {
    let context = || "cannot unmarshal yaml document".to_owned();
    for value in yaml::parse_all(bytes, Duplicates::LastWins, limits)
        .map_err(Error::from)
        .context(context)?
    {
        value.require_json().map_err(Error::from).context(context)?;
        if !matches!(value, Value::Map(_) | Value::Null) {
            let kind = value.go_kind();
            let text = format!(
                "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {kind} \
                 into Go value of type map[string]interface {{}}"
            );
            return Err(Error::invalid(text).context(context()));
        }
    }
    Ok(())
}

/// Dependencies of charts for Helm 2. Helm lets the file say anything that Chart.yaml can, its name and version
/// included, so that a chart is not what its Chart.yaml says; we take the dependencies alone.
fn read_requirements(metadata: &mut Metadata, bytes: &[u8], limits: &Limits) -> Result<()> {
    let mut all = metadata.clone();
    all.decode_yaml(bytes, limits).context(|| cannot_load("requirements.yaml"))?;
    metadata.dependencies = all.dependencies;
    Ok(())
}
