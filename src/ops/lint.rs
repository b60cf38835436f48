//! `lint`: checks a chart's folder or archive against Helm's rules that need no template engine.
//! [`crate::chart::lint`] has the rules; this module finds the chart and applies the rules in
//! Helm's order.

use crate::{
    Error, ErrorKind, Result,
    archive::{
        self, Chart, Keep,
        dir::{self, Outside},
    },
    chart::{
        lint::{self, Finding, Severity},
        schema::{self, Verdict},
        values,
    },
    limits::{Limits, SCHEMA_TIME},
};
use serde_json::{Map, Value};
use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf, absolute},
};

/// The findings of lint for one chart.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The findings in Helm's order.
    pub findings: Vec<Finding>,
    /// The number of templates in the chart. None of them is rendered.
    pub templates: usize,
}

impl Report {
    /// Returns the worst finding's severity.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }
}

/// Options of lint.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// The handling of symbolic links that point outside a chart's folder.
    pub outside: Outside,
    /// The choice for checking values against values.schema.json.
    pub schema: Schema,
    /// Values that override the chart's before they are checked against its schema. A null removes
    /// a key.
    pub values: Map<String, Value>,
    /// The limits on input.
    pub limits: Limits,
}

/// The choice for checking values against values.schema.json.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Schema {
    /// Check the values.
    #[default]
    Check,
    /// Skip the check: `--skip-schema-validation`.
    Skip,
}

/// Checks the chart at `path`, a folder or an archive (`.tgz`, `.tar.gz`).
///
/// # Errors
/// Fails if it is not a chart at all: a folder without Chart.yaml, or an archive that cannot be
/// loaded.
pub fn lint(path: &Path, options: &Options) -> Result<Report> {
    let limits = &options.limits;
    let source = if is_archive(path) { archive(path, limits)? } else { folder(path, options)? };
    let mut findings = match &source.chart_yaml {
        Item::File(bytes) => lint::chart_yaml(bytes, limits),
        Item::Folder => {
            let file = source.place.join("Chart.yaml");
            let text = format!("unable to parse YAML\n\tread {}: is a directory", file.display());
            vec![
                Finding::error("Chart.yaml", "should be a file, not a directory"),
                Finding::error("Chart.yaml", text),
            ]
        }
        Item::Missing => Vec::new(),
    };
    match &source.values {
        Item::File(bytes) => findings.extend(lint::values_yaml(Some(bytes), limits)),
        Item::Missing => findings.extend(lint::values_yaml(None, limits)),
        Item::Folder => {
            let file = source.place.join("values.yaml");
            let text = format!("unable to parse YAML: read {}: is a directory", file.display());
            findings.push(Finding::error("values.yaml", text));
        }
    }
    if options.schema == Schema::Check {
        findings.extend(schema(&source, options));
    }
    templates(&source, &mut findings);
    dependencies(&source, &mut findings);
    definitions(&source, limits, &mut findings);
    if let Ok(chart) = &source.chart {
        findings.extend(chart.skipped.iter().map(|text| Finding::warning("", text)));
    }
    let templates = source.chart.as_ref().map_or(0, |chart| {
        chart.files.iter().filter(|file| file.name.starts_with("templates/")).count()
    });
    Ok(Report { findings, templates })
}

/// Returns the charts within the chart's folder, at every depth: folders with a Chart.yaml, and
/// archives. It serves `--with-subcharts`.
///
/// # Errors
/// Fails if a folder cannot be listed, or if folders are nested too deep.
pub fn subcharts(path: &Path, limits: &Limits) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let charts = path.join("charts");
    if charts.is_dir() {
        walk(&charts, limits.depth, &mut found)?;
    }
    Ok(found)
}

fn walk(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    let Some(depth) = depth.checked_sub(1) else {
        let message = format!("`{}` is nested too deeply", folder.display());
        return Err(Error::new(ErrorKind::Limit, message));
    };
    let fail = |error| Error::io("list folder", folder, error);
    let entries = fs::read_dir(folder).map_err(fail)?;
    let mut entries = entries.collect::<io::Result<Vec<_>>>().map_err(fail)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_type().map_err(fail)?.is_dir() {
            walk(&path, depth, found)?;
        } else if entry.file_name() == "Chart.yaml" {
            found.push(folder.to_owned());
        } else if is_archive(&path) {
            found.push(path);
        }
    }
    Ok(())
}

fn is_archive(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".tgz") || name.ends_with(".tar.gz")
}

/// A chart in the form that the rules examine.
struct Source {
    /// The chart's name in findings.
    place: PathBuf,
    chart_yaml: Item<Vec<u8>>,
    values: Item<Vec<u8>>,
    templates: Item<()>,
    crds: Item<()>,
    /// The chart, or the reason why it cannot be loaded.
    chart: Result<Chart, String>,
}

/// The content of a path.
enum Item<F> {
    Missing,
    File(F),
    Folder,
}

fn archive(path: &Path, limits: &Limits) -> Result<Source> {
    let chart = archive::read::open(path, Keep::Everything, limits)
        .map_err(|error| error.context("unable to extract tarball"))?;
    let file = |name: &str| match chart.file(name) {
        Some(file) => Item::File(file.data.to_vec()),
        None => Item::Missing,
    };
    let folder = |prefix: &str| {
        let any = chart.files.iter().any(|file| file.name.starts_with(prefix));
        if any { Item::Folder } else { Item::Missing }
    };
    Ok(Source {
        place: path.to_owned(),
        chart_yaml: file("Chart.yaml"),
        values: file("values.yaml"),
        templates: folder("templates/"),
        crds: folder("crds/"),
        chart: Ok(chart),
    })
}

fn folder(path: &Path, options: &Options) -> Result<Source> {
    let file = path.join("Chart.yaml");
    if let Err(error) = fs::metadata(&file) {
        let cause = match error.kind() {
            io::ErrorKind::NotFound => "no such file or directory".to_owned(),
            io::ErrorKind::NotADirectory => "not a directory".to_owned(),
            _ => error.to_string(),
        };
        let message =
            format!("unable to check Chart.yaml file in chart: stat {}: {cause}", file.display());
        return Err(Error::not_found(message).with_hint("name a chart's folder or archive"));
    }
    let fail = |error| Error::io("read chart directory", path, error);
    // The path has no slash at the end.
    let place = absolute(path).map_err(fail)?.components().collect();
    let root = fs::canonicalize(path).map_err(fail)?;
    let kind = |name: &str| match fs::metadata(root.join(name)) {
        Err(_) => Item::Missing,
        Ok(meta) if meta.is_dir() => Item::Folder,
        Ok(_) => Item::File(()),
    };
    let chart = dir::load_with(path, Keep::Everything, options.outside, &options.limits);
    Ok(Source {
        place,
        chart_yaml: document(&root, "Chart.yaml", options)?,
        values: document(&root, "values.yaml", options)?,
        templates: kind("templates"),
        crds: kind("crds"),
        chart: chart.map_err(|error| error.chain()),
    })
}

/// Returns a document of the chart in `root` unchanged, whatever `.helmignore` excludes. A link out
/// of the chart counts as empty unless such links are followed; another rule reports it.
fn document(root: &Path, name: &str, options: &Options) -> Result<Item<Vec<u8>>> {
    let path = root.join(name);
    let fail = |error| Error::io("read", &path, error);
    let Ok(real) = fs::canonicalize(&path) else { return Ok(Item::Missing) };
    let meta = fs::metadata(&real).map_err(fail)?;
    if meta.is_dir() {
        return Ok(Item::Folder);
    }
    let mut bytes = Vec::new();
    if meta.is_file() && (options.outside == Outside::Follow || real.starts_with(root)) {
        let file = File::open(&real).map_err(fail)?;
        file.take(options.limits.chart_document_bytes).read_to_end(&mut bytes).map_err(fail)?;
    }
    Ok(Item::File(bytes))
}

/// Checks the chart's own values and the caller's against its schema. Helm checks them again, with
/// those of the subcharts, when it renders templates.
fn schema(source: &Source, options: &Options) -> Option<Finding> {
    const PATH: &str = "values.yaml";
    let Ok(chart) = &source.chart else { return None };
    let schema = chart.file("values.schema.json").filter(|schema| !schema.data.is_empty())?;
    let values = match &source.values {
        Item::File(bytes) => values::read(bytes, &options.limits).ok()?,
        _ => Value::Object(Map::new()),
    };
    let Value::Object(mut entries) = values else { return None };
    put_over(&mut entries, &options.values);
    match schema::check_within(&schema.data, &Value::Object(entries), SCHEMA_TIME) {
        Verdict::Met => None,
        Verdict::Unmet(text) => Some(Finding::error(PATH, format!("{text}\n"))),
        Verdict::Unusable(text) => Some(Finding::error("values.schema.json", text)),
        Verdict::TooLong => Some(Finding::warning(
            "values.schema.json",
            format!("not checked: the schema takes longer than {} seconds", SCHEMA_TIME.as_secs()),
        )),
        Verdict::Elsewhere(url) => Some(Finding::info(
            "values.schema.json",
            format!("not checked: it refers to `{url}`, which is not fetched"),
        )),
    }
}

fn put_over(base: &mut Map<String, Value>, over: &Map<String, Value>) {
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (_, Value::Null) => {
                base.shift_remove(key);
            }
            (Some(Value::Object(there)), Value::Object(entries)) => put_over(there, entries),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

fn templates(source: &Source, findings: &mut Vec<Finding>) {
    const PATH: &str = "templates/";
    match (&source.templates, &source.chart) {
        (Item::Missing, _) => findings.push(Finding::warning(PATH, "directory does not exist")),
        (Item::File(()), _) => findings.push(Finding::error(PATH, "not a directory")),
        (Item::Folder, Err(cause)) => findings.push(Finding::error(PATH, cause)),
        (Item::Folder, Ok(chart)) => {
            let names = chart.files.iter().map(|file| file.name.as_str());
            findings.extend(names.filter(|name| name.starts_with(PATH)).filter_map(lint::template));
        }
    }
}

fn dependencies(source: &Source, findings: &mut Vec<Finding>) {
    match &source.chart {
        Err(cause) => findings.push(Finding::error("", format!("unable to load chart\n\t{cause}"))),
        Ok(chart) => {
            let charts: Vec<_> =
                chart.subcharts.iter().map(|chart| chart.metadata.name.as_str()).collect();
            let place = source.place.display().to_string();
            findings.extend(lint::dependencies(&place, &chart.metadata, &charts));
        }
    }
}

fn definitions(source: &Source, limits: &Limits, findings: &mut Vec<Finding>) {
    const PATH: &str = "crds/";
    match (&source.crds, &source.chart) {
        (Item::Missing, _) => {}
        (Item::File(()), _) => findings.push(Finding::error(PATH, "not a directory")),
        (Item::Folder, Err(cause)) => findings.push(Finding::error(PATH, cause)),
        (Item::Folder, Ok(chart)) => findings.extend(
            chart.crds().flat_map(|file| lint::definitions(&file.name, &file.data, limits)),
        ),
    }
}
