//! A reader of chart archives. It reads to the last byte and checks by the rules of Helm's loader,
//! in memory that does not grow with the archive. It reads archives within archives in the same
//! pass. [`super::dir`] reads directories.

use super::{
    Chart, Keep,
    bom::StripBom,
    gzip,
    load::{
        assemble::{ChartBuilder, LoadContext},
        budget::Budget,
        file::{Item, ItemSource},
        retain::{Memory, Retain},
    },
    path::Name,
    sniff,
    tar::reader::{Entry, Kind, Tape},
};
use crate::{
    Error, ErrorKind, Result,
    digest::{Algorithm, Digest, Hasher},
    limits::Limits,
};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, Read},
    path::{Path, absolute},
};

/// Reads the chart archive at `path`.
///
/// # Errors
/// The errors of [`read`], and Helm's errors for files that are not archives.
pub fn open(path: &Path, keep: Keep, limits: &Limits) -> Result<Chart> {
    let fail = |error| Error::io("read chart archive", path, error);
    // Helm's errors have the whole path, even if the user gave a relative one.
    let path = &absolute(path).map_err(fail)?;
    let mut file =
        File::open(path).map_err(|error| Error::input("read chart archive", path, error))?;
    let found = file.metadata().map_err(fail)?;
    if found.is_dir() {
        return Err(Error::invalid("cannot load a directory"));
    }
    if found.len() > limits.archive_bytes {
        let message = format!("`{}` is larger than {} bytes", path.display(), limits.archive_bytes);
        return Err(Error::new(ErrorKind::Limit, message));
    }
    sniff::check(path, &mut file)?;
    read(file, keep, limits).map_err(|error| match error.find::<gzip::BadHeader>() {
        Some(details) => Error::invalid(format!(
            "file '{}' does not appear to be a valid chart file (details: {details})",
            path.display()
        )),
        None => error,
    })
}

/// Reads a chart archive from its first byte to its last.
///
/// # Errors
/// [`ErrorKind::Invalid`] with Helm's error for an archive that Helm refuses. Stricter than Helm,
/// this refuses devices and other entries that are not files (it skips links, with a warning in
/// [`Chart::skipped`]), control characters in names, two Chart.yaml, and a damaged end.
/// [`ErrorKind::Limit`] for a cap.
pub fn read(reader: impl Read, keep: Keep, limits: &Limits) -> Result<Chart> {
    let mut bench = LoadContext { keep, keeper: Memory, budget: Budget::new(limits) };
    archive(&mut Capped::new(reader, limits), &mut bench, &mut Unobserved)
}

/// A reader of archives in memory, one after the other, with the same buffers. For a small archive,
/// much of the time goes into their setup.
#[derive(Debug)]
pub struct Reader(gzip::Inflater);

impl Default for Reader {
    fn default() -> Self {
        Self(gzip::Inflater::new())
    }
}

impl Reader {
    /// Reads the archive in `bytes`.
    ///
    /// # Errors
    /// The errors of [`read`].
    pub fn read(&mut self, bytes: &[u8], keep: Keep, limits: &Limits) -> Result<Chart> {
        let inflated =
            if bytes.len() as u64 <= limits.archive_bytes { self.0.inflate(bytes) } else { None };
        let Some(inflated) = inflated else { return read(bytes, keep, limits) };
        let mut bench = LoadContext { keep, keeper: Memory, budget: Budget::new(limits) };
        entries(Tape::new(inflated, limits), &mut bench, &mut Unobserved)
    }
}

/// Returns the digest of a chart's files: of their names and contents, whatever their order, times
/// and compression. Two archives with the same digest are the same chart.
///
/// # Errors
/// The errors of [`read`].
pub fn content_digest(reader: impl Read, limits: &Limits) -> Result<Digest> {
    let mut contents = Contents::default();
    observed(reader, limits, &mut contents).map(|_| contents.digest())
}

/// Reads and checks an archive while `observer` sees its files.
pub(super) fn observed(
    reader: impl Read,
    limits: &Limits,
    observer: &mut dyn Observer,
) -> Result<Chart> {
    let mut bench =
        LoadContext { keep: Keep::Nothing, keeper: Memory, budget: Budget::new(limits) };
    archive(&mut Capped::new(reader, limits), &mut bench, observer)
}

/// Reads an archive within a chart.
pub(super) fn nested<K: Retain>(
    content: &mut dyn Read,
    bench: &mut LoadContext<'_, K>,
) -> Result<Chart<K::Data>> {
    let depth = bench.budget.limits.nesting;
    if bench.budget.nesting == depth {
        let message = format!("chart has archives within archives more than {depth} deep");
        return Err(Error::new(ErrorKind::Limit, message));
    }
    bench.budget.nesting += 1;
    let chart = archive(content, bench, &mut Unobserved);
    bench.budget.nesting -= 1;
    chart
}

/// An observer of an archive's files as they are read, with the loader's names and without byte
/// order marks.
pub(super) trait Observer {
    /// Begins a file.
    fn begin(&mut self, name: &Name) -> Result<()>;
    /// Receives the next bytes of the file.
    fn bytes(&mut self, bytes: &[u8]) -> Result<()>;
    /// Ends the file.
    fn end(&mut self) -> Result<()>;
}

struct Unobserved;

impl Observer for Unobserved {
    fn begin(&mut self, _: &Name) -> Result<()> {
        Ok(())
    }

    fn bytes(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        Ok(())
    }
}

fn archive<K: Retain>(
    input: &mut dyn Read,
    bench: &mut LoadContext<'_, K>,
    observer: &mut dyn Observer,
) -> Result<Chart<K::Data>> {
    let input = gzip::reader(input);
    let tape = match bench.budget.nesting {
        0 => Tape::new(input, bench.budget.limits),
        _ => Tape::within(input, bench.budget.nested.clone()),
    };
    entries(tape, bench, observer)
}

fn entries<K: Retain>(
    mut tape: Tape<impl BufRead>,
    bench: &mut LoadContext<'_, K>,
    observer: &mut dyn Observer,
) -> Result<Chart<K::Data>> {
    let limits = bench.budget.limits;
    let mut judge = ChartBuilder::default();
    let mut remaining = limits.chart_bytes;
    let mut empty = true;
    while let Some(entry) = tape.next()? {
        bench.budget.entry()?;
        if matches!(entry.kind, Kind::Directory | Kind::Global) {
            continue;
        }
        let name = Name::from_entry(&entry.name, limits)?;
        match entry.kind {
            Kind::HardLink | Kind::SymbolicLink => {
                let what = entry.kind.described().unwrap_or("link");
                // Helm makes an empty file of it. Archives that git hosts make of a source often
                // have some.
                let name = name.as_str();
                bench.budget.links.skip(&format!("the chart's archive holds {name:?}, a {what}"));
                continue;
            }
            Kind::Other(what) => return Err(irregular(&entry, what)),
            _ => {}
        }
        remaining = spend(&entry, remaining, &mut bench.budget)?;
        empty = false;
        observer.begin(&name)?;
        let content = StripBom::new(&mut tape).map_err(gzip::error)?;
        let mut content = Passing { content, observer };
        let source = ItemSource::Stream(&mut content);
        judge.add(
            name.as_str(),
            Item { modified: entry.modified, size: entry.size, source },
            bench,
        )?;
        content.pass()?;
        observer.end()?;
    }
    tape.finish()?;
    if empty {
        return Err(Error::invalid("no files in chart archive"));
    }
    let mut chart = judge.finish(limits)?;
    if bench.budget.nesting == 0 {
        chart.skipped = bench.budget.links.sentences();
    }
    Ok(chart)
}

/// Subtracts an entry's size from the rest of the archive's limit. As in Helm, exactly the limit is
/// too large.
fn spend(entry: &Entry, remaining: u64, budget: &mut Budget<'_>) -> Result<u64> {
    let limits = budget.limits;
    let remaining = match remaining.checked_sub(entry.size) {
        Some(0) | None => return Err(too_large(limits.chart_bytes)),
        Some(remaining) => remaining,
    };
    if entry.size > limits.chart_file_bytes {
        return Err(file_too_large(&String::from_utf8_lossy(&entry.name), limits.chart_file_bytes));
    }
    if budget.nesting > 0 {
        budget.nested.spend(entry.size)?;
    }
    Ok(remaining)
}

/// Makes Helm's error for a chart that is too large.
pub(super) fn too_large(limit: u64) -> Error {
    let message = format!("decompressed chart is larger than the maximum size {limit}");
    Error::new(ErrorKind::Limit, message)
}

/// Makes Helm's error for a file that is too large.
pub(super) fn file_too_large(name: &str, limit: u64) -> Error {
    let message =
        format!("decompressed chart file {name:?} is larger than the maximum file size {limit}");
    Error::new(ErrorKind::Limit, message)
}

fn irregular(entry: &Entry, what: &str) -> Error {
    let name = String::from_utf8_lossy(&entry.name);
    Error::invalid(format!("chart contains {name:?}, a {what}, which is not a regular file"))
        .with_hint("package the chart from a directory of regular files")
}

/// The content of an entry, which the observer sees as it is read.
struct Passing<'a, R> {
    content: StripBom<R>,
    observer: &'a mut dyn Observer,
}

impl<R: BufRead> Passing<'_, R> {
    /// Skips the unread rest.
    fn pass(&mut self) -> Result<()> {
        loop {
            let bytes = self.content.fill_buf().map_err(gzip::error)?;
            if bytes.is_empty() {
                return Ok(());
            }
            self.observer.bytes(bytes)?;
            let length = bytes.len();
            self.content.consume(length);
        }
    }
}

impl<R: Read> Read for Passing<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(into)?;
        self.observer.bytes(&into[..read]).map_err(io::Error::other)?;
        Ok(read)
    }
}

/// A reader that refuses an archive that is longer than any chart needs.
struct Capped<R> {
    reader: R,
    left: u64,
    limit: u64,
}

impl<R> Capped<R> {
    fn new(reader: R, limits: &Limits) -> Self {
        Self { reader, left: limits.archive_bytes, limit: limits.archive_bytes }
    }
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(into)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            let message = format!("chart archive is larger than {} bytes", self.limit);
            io::Error::other(Error::new(ErrorKind::Limit, message))
        })?;
        Ok(read)
    }
}

/// Hashes of names and contents. Of several files with one name the last counts, as when they are
/// written to disk.
#[derive(Default)]
struct Contents {
    files: BTreeMap<Digest, Digest>,
    current: Option<(Digest, Hasher)>,
}

impl Contents {
    fn digest(&self) -> Digest {
        let mut hasher = Algorithm::Sha256.hasher();
        for (name, content) in &self.files {
            hasher.update(name.hex().as_bytes());
            hasher.update(content.hex().as_bytes());
        }
        hasher.finish()
    }
}

impl Observer for Contents {
    fn begin(&mut self, name: &Name) -> Result<()> {
        self.current = Some((Digest::sha256(name.as_str().as_bytes()), Algorithm::Sha256.hasher()));
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some((_, hasher)) = &mut self.current {
            hasher.update(bytes);
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        if let Some((name, hasher)) = self.current.take() {
            self.files.insert(name, hasher.finish());
        }
        Ok(())
    }
}
