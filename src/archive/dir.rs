//! Chart directories. This is the only module that reads a tree on disk: it applies the order,
//! .helmignore and the rules for symbolic links. [`super::expand`] writes directories.

use super::{
    Chart, Content, Keep,
    load::{
        assemble::{ChartBuilder, LoadContext},
        budget::Budget,
        file::{Item, ItemSource},
        retain::{Memory, Retain, Spill},
    },
    path::Name,
};
use crate::{
    Advice, Error, ErrorKind, Result,
    chart::ignore::{Kind, Rules},
    limits::Limits,
};
use std::{
    fs::{self, Metadata},
    io::Read as _,
    path::{Path, PathBuf, absolute},
    time::{SystemTime, UNIX_EPOCH},
};

/// The treatment of a symbolic link to a target outside of the chart's directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outside {
    /// Refuse the chart (CVE-2019-18658).
    #[default]
    Refuse,
    /// Skip the link and list it in [`Chart::skipped`], for commands that only look at a chart.
    Skip,
    /// Follow the link, with a warning, as Helm does: any file that the user can read may become a
    /// file of the chart.
    Follow,
}

/// Loads the chart in the directory `path`.
///
/// # Errors
/// Helm's errors for the charts that Helm refuses. Stricter than Helm (CVE-2019-18658), an error
/// for a symbolic link to a target outside of the chart or to a folder that contains the link. A
/// link within the chart is followed and listed in [`Chart::warnings`].
pub fn load(path: &Path, keep: Keep, limits: &Limits) -> Result<Chart> {
    load_with(path, keep, Outside::Refuse, limits)
}

/// Loads the chart in the directory `path`. `outside` decides about links to targets outside of it.
///
/// # Errors
/// The errors of [`load`].
pub fn load_with(path: &Path, keep: Keep, outside: Outside, limits: &Limits) -> Result<Chart> {
    judge(path, keep, Memory, outside, limits)
}

/// Loads the chart in the directory `path` to package it. The chart's files stay on disk. The
/// content of its subcharts' archives is kept in memory, or in the folder `aside` if it is large.
///
/// # Errors
/// The errors of [`load`].
pub fn open(
    path: &Path,
    aside: Option<&Path>,
    outside: Outside,
    limits: &Limits,
) -> Result<Chart<Content>> {
    judge(path, Keep::Everything, Spill::new(aside.map(Path::to_owned)), outside, limits)
}

fn judge<K: Retain>(
    path: &Path,
    keep: Keep,
    keeper: K,
    outside: Outside,
    limits: &Limits,
) -> Result<Chart<K::Data>> {
    let fail = |error| Error::io("read chart directory", path, error);
    let root = absolute(path).map_err(fail)?;
    let real = fs::canonicalize(path)
        .map_err(|error| Error::input("read chart directory", path, error))?;
    let mut bench = LoadContext { keep, keeper, budget: Budget::new(limits) };
    let mut walk = Walk {
        rules: rules(&root, &real, outside, limits)?,
        root,
        outside,
        stack: vec![real],
        left: limits.chart_bytes,
        files: Vec::new(),
        followed: Vec::new(),
        led_out: Vec::new(),
        budget: &mut bench.budget,
    };
    walk.directory("")?;
    let Walk { files, followed, led_out, .. } = walk;
    let mut judge = ChartBuilder::default();
    for file in files {
        let source = ItemSource::File(&file.path);
        let item = Item { modified: file.modified, size: file.size, source };
        judge.add(file.name.as_str(), item, &mut bench)?;
    }
    let mut chart = judge.finish(limits)?;
    chart.warnings.splice(0..0, led_out);
    chart.followed = followed;
    chart.skipped = bench.budget.links.sentences();
    Ok(chart)
}

/// Reads the rules of the chart's .helmignore, which only its root has. The file is checked as a
/// link before it is read: its rules could exclude the file itself, and an error prints the bad
/// line.
fn rules(root: &Path, real: &Path, outside: Outside, limits: &Limits) -> Result<Rules> {
    let path = root.join(".helmignore");
    if !path.is_file() {
        return Ok(Rules::default());
    }
    let fail = |error| Error::io("read", &path, error);
    let target = fs::canonicalize(&path).map_err(fail)?;
    if !target.starts_with(real) {
        match outside {
            Outside::Refuse => return Err(leads_out(&path, &target)),
            Outside::Skip => return Ok(Rules::default()),
            Outside::Follow => {}
        }
    }
    let limit = limits.chart_document_bytes;
    let mut bytes = Vec::new();
    let file = fs::File::open(&path).map_err(fail)?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > limit {
        return Err(super::read::file_too_large(".helmignore", limit));
    }
    Rules::parse(&bytes)
}

/// A file that belongs to the chart.
struct Found {
    name: Name,
    path: PathBuf,
    size: u64,
    modified: i64,
}

struct Walk<'a, 'b> {
    /// The chart's directory as messages show it.
    root: PathBuf,
    rules: Rules,
    outside: Outside,
    /// The open directories by their real paths, that of the chart first.
    stack: Vec<PathBuf>,
    left: u64,
    files: Vec<Found>,
    /// Sentences about the links that were followed, within the chart and out of it.
    followed: Vec<String>,
    led_out: Vec<String>,
    budget: &'a mut Budget<'b>,
}

impl Walk<'_, '_> {
    /// Reads the directory `within` the chart in the order of names, and each folder in its turn.
    fn directory(&mut self, within: &str) -> Result<()> {
        let path = self.root.join(within);
        let fail = |error| Error::io("read chart directory", &path, error);
        let mut names = Vec::new();
        for entry in fs::read_dir(&path).map_err(fail)? {
            let name = entry.map_err(fail)?.file_name();
            self.budget.entry()?;
            let name = name.into_string().map_err(|name| {
                let path = path.join(name);
                Error::invalid(format!("chart contains a file name that is not UTF-8: {path:?}"))
            })?;
            names.push(name);
        }
        names.sort_unstable();
        for name in names {
            let name = if within.is_empty() { name } else { format!("{within}/{name}") };
            self.entry(name)?;
        }
        Ok(())
    }

    fn entry(&mut self, name: String) -> Result<()> {
        let path = self.root.join(&name);
        let fail = |error| Error::io("read chart file", &path, error);
        let mut found = fs::symlink_metadata(&path).map_err(fail)?;
        let mut real = None;
        if found.is_symlink() {
            let target = fs::canonicalize(&path).map_err(|error| broken(&path, &error))?;
            found = fs::symlink_metadata(&target).map_err(fail)?;
            real = Some(target);
        }
        let kind = if found.is_dir() { Kind::Directory } else { Kind::File };
        if self.rules.ignores(&name, kind) {
            return Ok(());
        }
        if let Some(target) = &real
            && self.outside == Outside::Skip
            && !target.starts_with(&self.stack[0])
        {
            self.budget.links.skip(&describe(&path, target));
            return Ok(());
        }
        if !found.is_dir() && !found.is_file() {
            let path = path.display();
            let message =
                format!("cannot load irregular file {path} as it has file mode type bits set");
            return Err(Error::invalid(message));
        }
        if let Some(target) = &real {
            self.follow(&path, target)?;
        }
        let name = Name::from_walk(name, self.budget.limits)?;
        if found.is_file() {
            return self.file(name, real.unwrap_or(path), &found);
        }
        let real = real.unwrap_or_else(|| {
            let parent = self.stack.last().map_or(Path::new(""), PathBuf::as_path);
            parent.join(path.file_name().unwrap_or_default())
        });
        self.stack.push(real);
        self.directory(name.as_str())?;
        self.stack.pop();
        Ok(())
    }

    fn file(&mut self, name: Name, path: PathBuf, found: &Metadata) -> Result<()> {
        let limits = self.budget.limits;
        let size = found.len();
        if size > limits.chart_file_bytes {
            let limit = limits.chart_file_bytes;
            let name = name.as_str();
            let message =
                format!("chart file {name:?} is larger than the maximum file size {limit}");
            return Err(Error::new(ErrorKind::Limit, message));
        }
        self.left = self.left.checked_sub(size).ok_or_else(|| {
            let limit = limits.chart_bytes;
            let message = format!(
                "error reading {name}: chart exceeds maximum decompressed size of {limit} bytes"
            );
            Error::new(ErrorKind::Limit, message)
        })?;
        let modified = found.modified().map_or(0, seconds);
        self.files.push(Found { name, path, size, modified });
        Ok(())
    }

    /// Checks a symbolic link that will be followed.
    fn follow(&mut self, path: &Path, target: &Path) -> Result<()> {
        let (link, shown) = (path.display(), target.display());
        let leads_within = target.starts_with(&self.stack[0]);
        if self.outside != Outside::Follow && !leads_within {
            return Err(leads_out(path, target));
        }
        if self.stack.iter().any(|directory| directory.starts_with(target)) {
            let message =
                format!("symbolic link `{link}` points back to `{shown}`, which contains it");
            return Err(Error::invalid(message));
        }
        let sentences = if leads_within { &mut self.followed } else { &mut self.led_out };
        sentences.push(format!(
            "found symbolic link in path `{link}`, which resolves to `{shown}`: \
             contents of linked file included and used"
        ));
        Ok(())
    }
}

fn describe(link: &Path, target: &Path) -> String {
    let (link, target) = (link.display(), target.display());
    format!("symbolic link `{link}` points out of the chart, to `{target}`")
}

fn leads_out(link: &Path, target: &Path) -> Error {
    Error::invalid(describe(link, target)).with_advice(Advice::IncludeOutsideLinks)
}

/// Makes Helm's error for a link with a missing target, in Go's words.
fn broken(path: &Path, error: &std::io::Error) -> Error {
    let link = path.display();
    if error.kind() != std::io::ErrorKind::NotFound {
        let message = format!("error evaluating symlink {link}: EvalSymlinks: too many links");
        return Error::invalid(message);
    }
    let target = fs::read_link(path).unwrap_or_default();
    let target = path.parent().map_or(target.clone(), |parent| parent.join(target));
    let target = target.display();
    Error::invalid(format!(
        "error evaluating symlink {link}: lstat {target}: no such file or directory"
    ))
}

/// Returns Unix time, rounded to the nearest second as Go rounds for an archive.
fn seconds(time: SystemTime) -> i64 {
    const HALF: u32 = 500_000_000;
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_secs().cast_signed() + i64::from(since.subsec_nanos() >= HALF),
        Err(before) => {
            let before = before.duration();
            -before.as_secs().cast_signed() - i64::from(before.subsec_nanos() > HALF)
        }
    }
}
