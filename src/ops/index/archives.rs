//! The archives of a folder. They are found as with Helm's globs. Several threads read them, each
//! archive whole and once.

use super::{
    Created, Depth, Format, Known, Options, Way,
    folder::{Folder, HELD},
    is_its_own,
    listing::Item,
    sidecar::Stamp,
};
use crate::{
    Error, Result,
    archive::{self, Keep},
    chart::{Metadata, time::Time},
    digest::{Algorithm, Hasher},
    index::{Entry, Line},
    limits::Limits,
    oci::Tag,
};
use std::{
    borrow::Cow,
    ffi::OsString,
    fs::{self, File},
    io::{self, Read},
    num::NonZero,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

/// A file with the name of an archive.
#[derive(Clone, Debug)]
pub(super) struct Found {
    folder: Arc<Folder>,
    name: OsString,
    /// The stamp to recognise the unchanged file.
    pub(super) stamp: Stamp,
}

impl Found {
    /// Returns the file's name.
    fn file(&self) -> Cow<'_, str> {
        self.name.to_string_lossy()
    }

    /// Returns the path below the indexed folder, with `/`.
    pub(super) fn path(&self) -> String {
        match self.folder.name.as_str() {
            "" => self.file().into_owned(),
            folder => [folder, "/", &self.file()].concat(),
        }
    }

    /// Returns true if the file has this path.
    pub(super) fn is_at(&self, path: &str) -> bool {
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        folder == self.folder.name && file == self.file()
    }

    /// Returns the URL in an index with that base.
    pub(super) fn url(&self, base: &str) -> String {
        self.folder.url(base, &self.file())
    }

    /// Returns the address in an index with that base. A registry has tags instead of files:
    /// `oci://HOST/NAMESPACE/NAME:TAG`.
    fn address(&self, base: &str, metadata: &Metadata) -> String {
        match Tag::from_version(&metadata.version) {
            Ok(tag) if base.starts_with("oci://") => {
                format!("{}/{}:{tag}", base.trim_end_matches('/'), metadata.name)
            }
            _ => self.url(base),
        }
    }
}

/// The content of an archive.
#[derive(Debug)]
pub(super) enum Archive {
    /// A chart.
    Chart {
        /// The entry of the chart.
        item: Item,
        /// The modification time of its Chart.yaml.
        modified: i64,
        /// The digest of the whole file, as bare hex.
        digest: String,
    },
    /// A chart that Helm would not load, with the reason.
    Refused(String),
}

/// Returns the files `*.tgz` of the folder, then those of the folders below it, each set by name.
pub(super) fn find(folder: &Path, depth: Depth, limits: &Limits) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    let mut below = Vec::new();
    let mut held = HELD;
    list(folder, "", &mut found, Some(&mut below), &mut held)?;
    below.sort();
    let mut level: Vec<PathBuf> = below;
    // More levels of folders than in any index mean that a mount makes a folder contain itself.
    for _ in 0..limits.depth {
        let mut next = Vec::new();
        for name in level {
            let place = folder.join(&name);
            // As with Go's glob, a folder that cannot be listed counts as empty.
            let (mut inner, mut below) = (Vec::new(), Vec::new());
            let deeper = match depth {
                Depth::Two => None,
                // A link may form a loop. Only the first level follows it, as Helm does.
                Depth::Every if place.is_symlink() => None,
                Depth::Every => Some(&mut below),
            };
            let path = name.to_string_lossy();
            if list(&place, &path, &mut inner, deeper, &mut held).is_ok() {
                found.append(&mut inner);
                below.retain(|name| {
                    !name.as_os_str().as_encoded_bytes().starts_with(b".")
                        && !place.join(name).is_symlink()
                });
                below.sort();
                next.extend(below.iter().map(|below| Path::new(&*path).join(below)));
            }
        }
        if next.is_empty() {
            break;
        }
        level = next;
    }
    Ok(found)
}

/// Adds the archives of one folder, sorted, and the folders in it.
fn list(
    folder: &Path,
    name: &str,
    found: &mut Vec<Found>,
    mut below: Option<&mut Vec<PathBuf>>,
    held: &mut usize,
) -> Result<()> {
    let fail = |error| Error::io("list folder", folder, error);
    let mut files = Vec::new();
    let entries =
        fs::read_dir(folder).map_err(|error| Error::input("list folder", folder, error))?;
    for entry in entries {
        let entry = entry.map_err(fail)?;
        let file_name = entry.file_name();
        let is_archive = file_name.as_encoded_bytes().ends_with(b".tgz");
        let kind = entry.file_type().map_err(fail)?;
        if kind.is_file() || kind.is_symlink() {
            if is_archive {
                files.push(file_name.clone());
            }
            if !kind.is_symlink() {
                continue;
            }
        }
        if let Some(below) = &mut below
            && (kind.is_dir() || entry.path().is_dir())
        {
            below.push(PathBuf::from(file_name));
        }
    }
    files.sort_unstable();
    let folder = Arc::new(Folder::new(folder.to_owned(), name.to_owned(), files.len(), held));
    let stamps = stamps(&folder, &files);
    found.reserve(files.len());
    for (file, stamp) in files.into_iter().zip(stamps) {
        let Some(stamp) = stamp else { continue };
        found.push(Found { folder: Arc::clone(&folder), name: file, stamp });
    }
    Ok(())
}

/// Returns the stamps of a folder's files, in their order. Each takes 1 to 3 µs, and there may be
/// 40,000. If nothing has changed, they take nearly all the time of a run.
fn stamps(folder: &Folder, files: &[OsString]) -> Vec<Option<Stamp>> {
    /// The number of files that justifies another thread, which takes 50 µs to start.
    const WORTH: usize = 512;
    let ask = |files: &[OsString]| -> Vec<Option<Stamp>> {
        files.iter().map(|file| folder.stamp(file)).collect()
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = threads.min(files.len() / WORTH).max(1);
    if threads == 1 {
        return ask(files);
    }
    thread::scope(|scope| {
        let parts: Vec<_> = files
            .chunks(files.len().div_ceil(threads))
            .map(|part| scope.spawn(move || ask(part)))
            .collect();
        parts.into_iter().flat_map(|part| part.join().expect("a question does not panic")).collect()
    })
}

/// Returns the content of each file, in their order, and true if it was read.
pub(super) fn read(
    found: &[Found],
    known: &Known<'_>,
    options: &Options,
) -> Result<Vec<(Archive, Way)>> {
    /// The number of files that a thread takes at a time.
    const BATCH: usize = 16;
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let work = || {
        let mut done = Vec::new();
        let mut desk = Desk::default();
        while !failed.load(Ordering::Relaxed) {
            let start = next.fetch_add(BATCH, Ordering::Relaxed);
            let Some(batch) = found.get(start..found.len().min(start + BATCH)) else { break };
            if batch.is_empty() {
                break;
            }
            for (at, one) in batch.iter().enumerate() {
                let result = know_or_read(one, known, options, &mut desk)
                    .inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
                done.push((start + at, result));
            }
        }
        Ok(done)
    };
    let workers = options.threads.get().min(found.len().div_ceil(BATCH)).max(1);
    let mut all: Vec<Option<(Archive, Way)>> = Vec::new();
    all.resize_with(found.len(), || None);
    let done = thread::scope(|scope| {
        let others: Vec<_> = (1..workers).map(|_| scope.spawn(work)).collect();
        let own = work();
        others
            .into_iter()
            .map(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .chain([own])
            .collect::<Result<Vec<_>>>()
    })?;
    for (at, result) in done.into_iter().flatten() {
        all[at] = Some(result);
    }
    Ok(all.into_iter().flatten().collect())
}

fn know_or_read(
    found: &Found,
    known: &Known<'_>,
    options: &Options,
    desk: &mut Desk,
) -> Result<(Archive, Way)> {
    if let Some(record) = known.unchanged(found) {
        match &record.content {
            Err(reason) => return Ok((Archive::Refused((*reason).to_owned()), Way::Reused)),
            Ok((digest, modified)) => {
                if let Some(item) = reuse(found, digest, *modified, known, options) {
                    let (digest, modified) = ((*digest).to_owned(), *modified);
                    return Ok((Archive::Chart { item, modified, digest }, Way::Reused));
                }
            }
        }
    }
    let (entry, modified) = match load(found, options, desk) {
        Ok(loaded) => loaded,
        Err(error) if is_its_own(&error) => {
            return Ok((Archive::Refused(error.chain()), Way::Read));
        }
        Err(error) => return Err(error),
    };
    let digest = entry.digest.clone();
    // A file that was touched, or copied over itself, has the same content.
    let item = reuse(found, &digest, modified, known, options).unwrap_or_else(|| {
        let before = known.line(found, &digest).map(Line::created);
        let created = created(found, modified, before, known, options);
        Item::new(Entry { created, ..entry }, options.format)
    });
    Ok((Archive::Chart { item, modified, digest }, Way::Read))
}

/// Returns the entry of an archive that has not changed.
fn reuse(
    found: &Found,
    digest: &str,
    modified: i64,
    known: &Known<'_>,
    options: &Options,
) -> Option<Item> {
    let line = known.line(found, digest).filter(|_| known.untouched)?;
    let created = created(found, modified, Some(line.created()), known, options);
    if known.url == options.url
        && created == line.created()
        && options.format == Format::Yaml
        && let Some(item) = Item::again(line)
    {
        return Some(item);
    }
    let mut entry = line.decode().ok()?;
    entry.created = created;
    entry.urls = vec![found.address(&options.url, &entry.metadata)];
    Some(Item::new(entry, options.format))
}

fn created(
    found: &Found,
    modified: i64,
    before: Option<&str>,
    known: &Known<'_>,
    options: &Options,
) -> String {
    let kept = || before.unwrap_or(&known.now).to_owned();
    match &options.created {
        Created::Now => kept(),
        Created::Archive => Time::from_unix(modified, 0).unwrap_or(options.now).to_string(),
        Created::At(time) => time.to_string(),
        Created::Given(times) => times.get(&found.path()).cloned().unwrap_or_else(kept),
    }
}

/// The buffers with which a thread reads archives.
struct Desk {
    bytes: Box<[u8]>,
    reader: archive::read::Reader,
}

/// The number of an archive's bytes read at once; every thread has a buffer of this size. Most
/// charts have a tenth of it.
const AT_ONCE: usize = 256 * 1024;

impl Default for Desk {
    fn default() -> Self {
        Self { bytes: vec![0; AT_ONCE].into(), reader: archive::read::Reader::default() }
    }
}

impl Desk {
    /// Reads a file to its end, or until the buffer is full. The file had `size` bytes a moment
    /// ago. If it gives exactly that many and more would fit, no further read checks for the end.
    fn fill<'d>(bytes: &'d mut [u8], file: &mut File, size: u64) -> io::Result<&'d [u8]> {
        let mut filled = 0;
        while filled < bytes.len() {
            match file.read(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            if filled < bytes.len() && filled as u64 == size {
                break;
            }
        }
        Ok(&bytes[..filled])
    }
}

/// Reads an archive to its end, validates it as Helm's loader does, and hashes it.
fn load(found: &Found, options: &Options, desk: &mut Desk) -> Result<(Entry, i64)> {
    let fail = |error| Error::io("read chart archive", found.folder.path(&found.name), error);
    let mut file = match found.folder.open(&found.name) {
        Ok(file) => file,
        // In Helm, a missing or unreadable file is not a chart.
        Err(error) => return Err(Error::invalid(fail(error).chain())),
    };
    let mut hasher = Algorithm::Sha256.hasher();
    let bytes = Desk::fill(&mut desk.bytes, &mut file, found.stamp.size()).map_err(fail)?;
    let (chart, digest) = if bytes.len() < AT_ONCE {
        hasher.update(bytes);
        (desk.reader.read(bytes, Keep::Nothing, &options.limits)?, hasher.finish())
    } else {
        let mut hashed = Hashed { input: bytes.chain(file), hasher };
        let chart = archive::read::read(&mut hashed, Keep::Nothing, &options.limits)?;
        io::copy(&mut hashed, &mut io::sink()).map_err(fail)?;
        (chart, hashed.hasher.finish())
    };
    let entry = Entry {
        urls: vec![found.address(&options.url, &chart.metadata)],
        metadata: chart.metadata,
        digest: digest.hex().to_owned(),
        ..Entry::default()
    };
    Ok((entry, chart.modified))
}

struct Hashed<R> {
    input: R,
    hasher: Hasher,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(into)?;
        self.hasher.update(&into[..read]);
        Ok(read)
    }
}
