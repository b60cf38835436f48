//! `package`: packages chart directories as `.tgz` archives, many at once. Each appears under its
//! name only when it is complete. [`crate::archive::write`] defines the format of an archive.

pub(super) mod chart_source;

use crate::lock::Locked as _;
use crate::{
    Error, Result,
    archive::{
        Chart, Content,
        dir::Outside,
        write::{self, Epoch},
    },
    atomic_file::unfinished,
    chart::Metadata,
    digest::{Algorithm, Digest, Hasher},
    limits::Limits,
};
use std::{
    fs,
    io::{self, Write},
    num::NonZeroUsize,
    path::{Component, Path, PathBuf, absolute},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
use tempfile::TempPath;

/// Options of packaging.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The version that replaces the chart's own.
    pub version: Option<String>,
    /// The appVersion that replaces the chart's own.
    pub app_version: Option<String>,
    /// The time that replaces every file's own.
    pub epoch: Option<Epoch>,
    /// The handling of symbolic links that point outside a source. The default refuses them.
    pub outside: Outside,
    /// The number of threads. The archives do not depend on it.
    pub threads: NonZeroUsize,
    /// The limits on input.
    pub limits: Limits,
}

/// A chart that was packaged.
#[derive(Clone, Debug)]
pub struct Packaged {
    /// The metadata in the archive.
    pub metadata: Metadata,
    /// The archive's digest.
    pub digest: Digest,
    /// The archive's bytes.
    pub size: u64,
    /// The modification time of the newest of its files, in seconds since 1970.
    pub newest: i64,
    /// The notes for the user: symbolic links within the chart that were followed.
    pub notes: Vec<String>,
    /// The warnings for the user, although nothing is wrong.
    pub warnings: Vec<String>,
}

impl Options {
    /// Returns the default options: no overrides, one thread for each processor, the usual limits.
    pub fn new(epoch: Option<Epoch>) -> Self {
        Self {
            version: None,
            app_version: None,
            epoch,
            outside: Outside::Refuse,
            threads: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            limits: Limits::default(),
        }
    }
}

/// A packaged chart and its path.
#[derive(Clone, Debug)]
pub struct Saved {
    /// The archive's path, as Helm prints it: below the given destination, or absolute if that was
    /// `.`.
    pub path: PathBuf,
    /// The packaged chart.
    pub package: Packaged,
}

/// The progress: one more chart is done.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The number of charts done, including this one. They finish in no particular order.
    pub done: usize,
    /// The number of all charts.
    pub total: usize,
    /// The source of this one.
    pub source: &'a Path,
}

/// Packages the chart directories `sources` into `destination`, which is created. Returns one
/// result for each source, in their order. An archive of the same name is replaced; if two sources
/// have one name, the later wins. If a source fails, the others are still packaged.
pub fn package(
    sources: &[PathBuf],
    destination: &Path,
    options: &Options,
    progress: &(dyn Fn(Progress<'_>) + Sync),
) -> Vec<Result<Saved>> {
    let workers = options.threads.get().min(sources.len()).max(1);
    // The remaining threads compress large charts.
    let threads = NonZeroUsize::new(options.threads.get() / workers).unwrap_or(NonZeroUsize::MIN);
    let options = Options { threads, ..options.clone() };
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let take = || {
        let at = next.fetch_add(1, Ordering::Relaxed);
        sources.get(at).map(|source| (at, source))
    };
    let queue = Mutex::new(Queue::new(sources.len()));
    let work = || {
        while let Some((at, source)) = take() {
            let result = save(source, destination, &options);
            queue.locked().put(at, result);
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            progress(Progress { done, total: sources.len(), source });
        }
    };
    thread::scope(|scope| {
        for _ in 1..workers {
            scope.spawn(work);
        }
        work();
    });
    queue.into_inner().unwrap_or_else(PoisonError::into_inner).done
}

/// Packages the chart directory `source` into `out`. Large output from its subcharts' archives is
/// stored in `aside`.
///
/// # Errors
/// Helm's errors, in its order: the chart cannot be loaded, `--version` is invalid, dependencies
/// are missing in charts/, the chart cannot be saved.
pub fn package_to<W: Write>(
    source: &Path,
    out: W,
    aside: Option<&Path>,
    options: &Options,
) -> Result<(Packaged, W)> {
    let chart = chart_source::load(source, aside, options)?;
    write(chart, out, options)
}

/// Packages a chart that was read whole from an archive again, with the options' versions.
///
/// # Errors
/// As [`package_to`], except that the chart is loaded already.
pub fn repackage_to<W: Write>(chart: Chart, out: W, options: &Options) -> Result<(Packaged, W)> {
    let mut chart: Chart<Content> = chart.into();
    chart_source::apply(&mut chart, options)?;
    write(chart, out, options)
}

/// Complete archives that wait for their turn to get a name.
struct Queue {
    waiting: Vec<Option<Result<Unnamed>>>,
    done: Vec<Result<Saved>>,
}

impl Queue {
    fn new(length: usize) -> Self {
        Self { waiting: (0..length).map(|_| None).collect(), done: Vec::with_capacity(length) }
    }

    fn put(&mut self, at: usize, result: Result<Unnamed>) {
        self.waiting[at] = Some(result);
        while let Some(next) = self.waiting.get_mut(self.done.len()).and_then(Option::take) {
            self.done.push(next.and_then(Unnamed::appear));
        }
    }
}

/// A complete archive without a name.
struct Unnamed {
    file: TempPath,
    path: PathBuf,
    package: Packaged,
}

impl Unnamed {
    fn appear(self) -> Result<Saved> {
        let Self { file, path, package } = self;
        // The file is not flushed: after a loss of power, the user packages the source again.
        file.persist(&path).map_err(|error| Error::io("save chart archive", &path, error.error))?;
        Ok(Saved { path, package })
    }
}

fn save(source: &Path, destination: &Path, options: &Options) -> Result<Unnamed> {
    let destination = match destination.to_str() {
        Some(".") => {
            absolute(destination).map_err(|error| Error::io("find", destination, error))?
        }
        _ => destination.to_owned(),
    };
    let chart = chart_source::load(source, Some(&destination), options)?;
    let Metadata { name, version, .. } = &chart.metadata;
    let path = clean(&destination.join(format!("{name}-{version}.tgz")));
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
    prepare(&folder).map_err(|error| error.context("failed to save"))?;
    #[cfg(unix)]
    let permissions = Some(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    #[cfg(not(unix))]
    let permissions = None;
    let file = unfinished(&folder, permissions)
        .map_err(|error| Error::io("create chart archive in", &folder, error))?;
    let (package, file) = write(chart, file, options)?;
    Ok(Unnamed { file: file.into_temp_path(), path, package })
}

fn prepare(folder: &Path) -> Result<()> {
    match fs::metadata(folder) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(Error::invalid(format!("is not a directory: {}", folder.display()))),
        Err(_) => {
            fs::create_dir_all(folder).map_err(|error| Error::io("create directory", folder, error))
        }
    }
}

fn write<W: Write>(mut chart: Chart<Content>, out: W, options: &Options) -> Result<(Packaged, W)> {
    let failed = |error: Error| error.context("failed to save");
    chart.metadata.validate().map_err(|error| failed(error.context("chart validation")))?;
    let out = Counted { out, hasher: Algorithm::Sha256.hasher(), size: 0 };
    let how = write::Options { epoch: options.epoch, threads: options.threads };
    let Counted { out, hasher, size } = write::write(&chart, out, how).map_err(failed)?;
    let newest = options.epoch.map_or_else(|| newest(&chart), Epoch::unix);
    let Chart { metadata, followed: notes, mut warnings, skipped, .. } = chart;
    warnings.extend(skipped);
    Ok((Packaged { metadata, digest: hasher.finish(), size, newest, notes, warnings }, out))
}

fn newest(chart: &Chart<Content>) -> i64 {
    let files = chart.files.iter().map(|file| file.modified);
    files.chain(chart.subcharts.iter().map(newest)).fold(chart.modified, i64::max)
}

/// A writer that counts its bytes.
struct Counted<W> {
    out: W,
    hasher: Hasher,
    size: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Cleans a path as Go's `filepath.Join` does: without `.`, and without `..` after a name.
fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if clean.file_name().is_some() => drop(clean.pop()),
            Component::ParentDir if clean.has_root() => {}
            other => clean.push(other),
        }
    }
    clean
}
