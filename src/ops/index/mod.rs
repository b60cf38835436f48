//! `index`: writes a folder's archives to an index.yaml as `helm repo index` does. It reads only
//! the archives that changed since the last time. [`crate::index`] defines the format of an index.

use crate::{
    Advice, Error, ErrorKind, Result,
    advice::Intolerable,
    chart::time::Time,
    index::{Index, Line},
    limits::Limits,
};
use archives::{Archive, Found};
use bytes::Bytes;
use listing::{Has, Item, Listing};
use sidecar::{Head, Record, Sidecar};
use std::{
    collections::{BTreeMap, HashMap},
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    thread,
};

pub(crate) use sidecar::{AT_REST, Stamp};

mod archives;
mod folder;
mod listing;
mod sidecar;

/// Options of indexing a folder.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The prefix of the archives' names in their URLs. If empty, they are relative.
    pub url: String,
    /// The index to merge: its entries are added if the folder has no such version. A missing index
    /// is written, empty.
    pub merge: Option<PathBuf>,
    /// The format of index.yaml.
    pub format: Format,
    /// The source of the entries' times.
    pub created: Created,
    /// The handling of archives that are not charts.
    pub strictness: Strictness,
    /// The folders to search.
    pub depth: Depth,
    /// The current time.
    pub now: Time,
    /// The number of threads. The index does not depend on it.
    pub threads: NonZeroUsize,
    /// The limits on input.
    pub limits: Limits,
}

impl Options {
    /// Returns the default options: relative URLs, no merge, YAML, and files that are not charts
    /// skipped.
    pub fn new(now: Time) -> Self {
        Self {
            url: String::new(),
            merge: None,
            format: Format::Yaml,
            created: Created::Now,
            strictness: Strictness::Lenient,
            depth: Depth::Two,
            now,
            threads: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            limits: Limits::default(),
        }
    }
}

/// The format of an index. The file's name is index.yaml in either format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Keys sorted.
    Yaml,
    /// Keys in the order of Helm's structs, indented by two.
    Json,
}

/// The source of an entry's creation time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// The time when its archive was first indexed here. For a new or changed archive, it is the
    /// current time.
    Now,
    /// The modification time of the Chart.yaml in its archive. The index is then as new as the
    /// newest of them.
    Archive,
    /// The same time for all, including the index.
    At(Time),
    /// The time for the file's path below the folder, with `/`. Files without one get
    /// [`Created::Now`].
    Given(BTreeMap<String, String>),
}

/// The handling of an archive that is not a chart, or of a duplicate version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// Skip the archive, as Helm does; list both duplicates.
    Lenient,
    /// Write nothing.
    Strict,
}

/// The folders to search for archives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// The folder itself and those right below it, as `helm repo index` looks.
    #[default]
    Two,
    /// Every folder below it, except links and folders whose names begin with a dot.
    Every,
}

/// The result of indexing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The index's path.
    pub path: PathBuf,
    /// The outcome for the index file.
    pub outcome: Outcome,
    /// The number of charts in the index.
    pub charts: usize,
    /// The number of versions in the index.
    pub versions: usize,
    /// The number of archives that were read.
    pub read: usize,
    /// The number of unchanged archives that were not read.
    pub reused: usize,
    /// The archives that were skipped, with the reasons.
    pub skipped: Vec<(String, String)>,
    /// The versions of the index to merge that were skipped, with the reasons. Helm looks up a
    /// version as a range, and finds 1.2.5 for `1.2`.
    pub left_out: Vec<(String, String)>,
    /// The warnings for the user; the index is correct nevertheless.
    pub warnings: Vec<String>,
}

/// The outcome for the index file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The index was written.
    Written,
    /// The index is up to date, apart from times, and was not touched.
    Unchanged,
}

/// Returns the paths of the archives that [`index`] would read in `folder` and the folders in it.
///
/// # Errors
/// `Io` if the folder cannot be listed.
pub(crate) fn archives(folder: &Path, limits: &Limits) -> Result<Vec<String>> {
    let found = archives::find(folder, Depth::Two, limits)?;
    Ok(found.iter().map(archives::Found::path).collect())
}

/// Indexes `folder`: every `*.tgz` in it and in the folders that `depth` names. It reads each whole
/// and validates it as Helm's loader does. index.yaml appears complete or not at all. It is not
/// touched if only its own time would change. The results are kept in `.chartferry-index` beside
/// it.
///
/// # Errors
/// `Io`. For the index to merge, Helm's error text. With [`Strictness::Strict`], the archives that
/// are not charts.
pub fn index(folder: &Path, options: &Options) -> Result<Report> {
    let path = folder.join("index.yaml");
    let found = archives::find(folder, options.depth, &options.limits)?;
    let before = Sidecar::load(folder, &options.limits);
    let settings = settings(options);
    let merge = merge_stamp(options, &path);
    let stamp = Stamp::of(&path);
    let untouched = before.as_ref().filter(|before| stamp.is_some() && before.head.index == stamp);
    if let Some(before) = untouched
        && before.head.settings == settings
        && before.head.merge == merge
        && before.covers(&found)
        && !matches!(options.created, Created::Given(_))
        && (options.strictness == Strictness::Lenient
            || before.is_clean() && options.merge.is_none())
    {
        return Ok(before.report(path));
    }
    let mut items = Vec::with_capacity(found.len());
    let mut contents = Vec::with_capacity(found.len());
    let known = Known::new(before.as_ref(), untouched.is_some(), &path, options);
    let mut report = Report {
        path: path.clone(),
        outcome: Outcome::Written,
        charts: 0,
        versions: 0,
        read: 0,
        reused: 0,
        skipped: Vec::new(),
        left_out: Vec::new(),
        warnings: Vec::new(),
    };
    for (found, (archive, way)) in found.iter().zip(archives::read(&found, &known, options)?) {
        match way {
            Way::Read => report.read += 1,
            Way::Reused => report.reused += 1,
        }
        let content = match archive {
            Archive::Chart { item, modified, digest } => {
                items.push(item);
                Ok((digest, modified))
            }
            Archive::Refused(reason) => {
                report.skipped.push((found.path(), reason.clone()));
                Err(reason)
            }
        };
        contents.push(content);
    }
    drop(known);
    if options.strictness == Strictness::Strict {
        refuse_skipped(&report.skipped)?;
    }
    let mut listing = Listing::new(items);
    if options.strictness == Strictness::Strict {
        listing.refuse_doubles()?;
    }
    if let Some(merge) = &options.merge {
        let merged = merge_into(&mut listing, merge, options)?;
        if options.strictness == Strictness::Strict {
            refuse_left_out(&merged.left_out)?;
        }
        (report.warnings, report.left_out) = (merged.warnings, merged.left_out);
    }
    listing.sort();
    (report.charts, report.versions) = listing.counts();
    let text = listing.text(options);
    let same = untouched.filter(|before| before.head.settings == settings);
    let digest = if let Some(before) = same {
        let digest = text.digest();
        if before.head.content == digest {
            report.outcome = Outcome::Unchanged;
        } else {
            text.write(&path)?;
        }
        digest
    } else {
        // Both tasks take the same time.
        thread::scope(|scope| {
            let digest = scope.spawn(|| text.digest());
            text.write(&path)?;
            Ok::<_, Error>(digest.join().expect("hashing does not panic"))
        })?
    };
    let head = Head {
        settings,
        merge: merge_stamp(options, &path),
        index: Stamp::of(&path),
        content: digest,
        charts: report.charts,
        versions: report.versions,
    };
    let paths: Vec<String> = found.iter().map(Found::path).collect();
    let records = found.iter().zip(&paths).zip(&contents).map(|((found, path), content)| Record {
        path,
        stamp: found.stamp,
        content: match content {
            Ok((digest, modified)) => Ok((digest, *modified)),
            Err(reason) => Err(reason),
        },
    });
    if let Err(error) = sidecar::save(folder, &head, records) {
        // The index is correct nevertheless; only the next run is slower.
        report.warnings.push(error.chain());
    }
    Ok(report)
}

/// The origin of an archive's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Read,
    Reused,
}

/// Returns the options that decide how the same archives are listed.
fn settings(options: &Options) -> String {
    let format = match options.format {
        Format::Yaml => "yaml",
        Format::Json => "json",
    };
    let created = match &options.created {
        Created::Now | Created::Given(_) => "now".to_owned(),
        Created::Archive => "archive".to_owned(),
        Created::At(time) => time.to_string(),
    };
    let merge = options.merge.as_deref().map(Path::to_string_lossy).unwrap_or_default();
    serde_json::json!([format, created, options.url, merge]).to_string()
}

/// Returns the stamp of the index to merge. The folder's own index is the one that was written
/// last.
fn merge_stamp(options: &Options, path: &Path) -> Option<Stamp> {
    let merge = options.merge.as_deref()?;
    let same = matches!((merge.canonicalize(), path.canonicalize()), (Ok(a), Ok(b)) if a == b);
    if same { None } else { Stamp::of(merge) }
}

/// The known archives of the last run.
struct Known<'s> {
    /// The sidecar's record of each file.
    records: HashMap<&'s str, Record<'s>>,
    /// The existing index, from any program.
    index: Option<Index>,
    /// The position in the index of a URL's entry.
    places: HashMap<String, (usize, usize)>,
    /// The base of the index's URLs.
    url: String,
    /// The current time, as it is written.
    now: String,
    /// `true` if the index is unchanged since the last run, so that its entries can be reused. A
    /// different index only supplies times: its author recorded when a version was first present.
    untouched: bool,
}

impl<'s> Known<'s> {
    fn new(before: Option<&'s Sidecar>, untouched: bool, path: &Path, options: &Options) -> Self {
        let mut known = Self {
            records: HashMap::new(),
            index: None,
            places: HashMap::new(),
            url: before.and_then(Sidecar::url).unwrap_or_else(|| options.url.clone()),
            now: options.now.to_string(),
            untouched,
        };
        let records = before.into_iter().flat_map(Sidecar::records);
        known.records = records.map(|record| (record.path, record)).collect();
        // An unreadable index is rewritten.
        let index = fs::read(path).ok().map(Bytes::from);
        let index = index.and_then(|bytes| Index::read(bytes, "index.yaml", &options.limits).ok());
        let Some(index) = index else { return known };
        for (at, chart) in index.charts().enumerate() {
            for (line, version) in chart.versions().iter().enumerate() {
                if let Some(url) = version.urls().next() {
                    known.places.insert(url.to_owned(), (at, line));
                }
            }
        }
        known.index = Some(index);
        known
    }

    /// Returns the record of a file that has not changed.
    fn unchanged(&self, found: &Found) -> Option<&Record<'s>> {
        if self.records.is_empty() {
            return None;
        }
        let record = self.records.get(found.path().as_str());
        record.filter(|record| record.stamp.is_known(&found.stamp))
    }

    /// Returns the entry of an archive that still has this digest.
    fn line(&self, found: &Found, digest: &str) -> Option<&Line> {
        let index = self.index.as_ref()?;
        let (chart, line) = self.places.get(&found.url(&self.url))?;
        let line = index.charts().nth(*chart)?.versions().get(*line)?;
        (line.digest() == Some(digest)).then_some(line)
    }
}

fn refuse_left_out(left_out: &[(String, String)]) -> Result<()> {
    let Some((version, reason)) = left_out.first() else { return Ok(()) };
    let more = match left_out.len() - 1 {
        0 => String::new(),
        more => format!("; and {more} more versions"),
    };
    Err(Error::invalid(format!("{version} would be skipped: {reason}{more}"))
        .with_advice(Advice::TolerateInvalid(Intolerable::Version)))
}

fn refuse_skipped(skipped: &[(String, String)]) -> Result<()> {
    let Some((path, reason)) = skipped.first() else { return Ok(()) };
    let more = match skipped.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} others are not charts either"),
    };
    Err(Error::invalid(format!("`{path}` is not a chart: {reason}{more}"))
        .with_advice(Advice::TolerateInvalid(Intolerable::Files)))
}

/// The result of merging an index.
#[derive(Debug, Default)]
struct Merged {
    warnings: Vec<String>,
    left_out: Vec<(String, String)>,
}

/// Adds the entries of the index at `merge` that the listing does not have. Returns the dropped
/// ones.
fn merge_into(listing: &mut Listing, merge: &Path, options: &Options) -> Result<Merged> {
    let mut merged = Merged::default();
    let bytes = match fs::read(merge) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Listing::new(Vec::new()).text(options).write(merge)?;
            return Ok(merged);
        }
        Err(error) => {
            return Err(Error::io("read index", merge, error).context("merge failed"));
        }
    };
    let path = merge.display();
    let index =
        Index::read(Bytes::from(bytes), &path.to_string(), &options.limits).map_err(|error| {
            let kind = error.kind();
            Error::new(kind, format!("merge failed: error loading {path}: {}", error.chain()))
        })?;
    for chart in index.charts() {
        for line in chart.versions() {
            let (name, version) = (line.name(), line.version());
            match listing.has(name, version) {
                Has::Itself => {}
                Has::Another(other) => merged.left_out.push((
                    format!("{name} {version}"),
                    format!("{path} lists it, and Helm considers {other} of this folder equal"),
                )),
                Has::Nothing => {
                    let entry = line.decode()?;
                    listing.add(Item::new(entry, options.format));
                }
            }
        }
    }
    merged.warnings = index.warnings().to_vec();
    Ok(merged)
}

/// Returns true if an error concerns only this archive, such as a limit. Any other read error
/// concerns the whole machine.
fn is_its_own(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Limit)
}
