//! Reading a bundle without trusting it: names, kinds, sizes and digests are judged on the way,
//! nothing is ever unpacked by the names it brings, and what stays in memory is bounded. It is read
//! whole before anything of it is used, and again when its blobs are.

use super::{
    Entry, INDEX, MARK,
    scan::{Survey, Surveyed},
    zstd::Expander,
};
use crate::{
    Error, ErrorKind, Result,
    archive::tar::reader::{Kind, Tape},
    error::Context as _,
    limits::{Limits, MIB},
    oci::{Digest, Manifest},
    store::{BlobBytes, disk::open_regular},
};
use std::{
    collections::HashSet,
    io::{self, BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

const BUFFER: usize = 256 * 1024;

/// Inflated bytes for each of the file's. JSON comes to a tenth, tar's padding to less; ours holds
/// archives that were compressed before.
const RATIO: u64 = 400;

/// A bundle that was read through and found whole. Clones are the same bundle.
#[derive(Clone, Debug)]
pub struct Bundle(Arc<Known>);

/// State of a bundle.
#[derive(Debug)]
struct Known {
    path: PathBuf,
    limits: Limits,
    survey: Surveyed,
}

/// A blob out of a bundle, its digest right.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its digest.
    pub digest: Digest,
    /// Its bytes, in memory or in a file that goes away with the last copy of this.
    pub content: BlobBytes,
}

impl Bundle {
    /// Reads a bundle through.
    ///
    /// # Errors
    /// `NotFound` where nothing is; `Invalid` for what is no bundle; `Integrity` for a blob that is
    /// not what its name says; `Limit`.
    pub fn open(path: &Path, limits: &Limits) -> Result<Self> {
        if !path.exists() {
            return Err(Error::not_found(format!("there is no bundle `{}`", path.display())));
        }
        let context = || format!("`{}` is no good bundle", path.display());
        let mut survey = Survey::new(limits);
        walk(path, limits, &mut |name, size, content| survey.file(name, size, content))
            .context(context)?;
        let survey = survey.finish().context(context)?;
        Ok(Self(Arc::new(Known { path: path.to_owned(), limits: limits.clone(), survey })))
    }

    /// Returns the path of the bundle.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Returns the entries in the order of the bundle's index.
    pub fn entries(&self) -> &[Entry] {
        &self.0.survey.entries
    }

    /// The digest of its `index.json`.
    pub fn identity(&self) -> &Digest {
        &self.0.survey.identity
    }

    /// The identity of the base it is a delta to, as it says.
    pub fn base(&self) -> Option<&str> {
        self.0.survey.base.as_deref()
    }

    /// A manifest of its.
    pub fn manifest(&self, digest: &Digest) -> Option<&Manifest> {
        self.0.survey.manifests.get(digest)
    }

    /// The size of a blob or manifest of its, if it holds it.
    pub fn holds(&self, digest: &Digest) -> Option<u64> {
        self.0.survey.blobs.get(digest).copied()
    }

    /// Every digest that it holds or, in a manifest it holds, names.
    pub fn known(&self) -> HashSet<Digest> {
        let mut known: HashSet<Digest> = self.0.survey.blobs.keys().cloned().collect();
        known.extend(self.0.survey.entries.iter().map(|entry| entry.digest().clone()));
        for manifest in self.0.survey.manifests.values() {
            let document = manifest.document();
            known.extend(
                document.config.iter().chain(document.layers()).map(|blob| blob.digest.clone()),
            );
        }
        known
    }

    /// Reads it again and hands over the blobs that are wanted, in its order. It blocks.
    ///
    /// # Errors
    /// As [`Bundle::open`], if the file has changed; what `take` says.
    pub fn blobs(
        &self,
        wanted: impl Fn(&Digest) -> bool,
        mut take: impl FnMut(Part) -> Result<()>,
    ) -> Result<()> {
        let context = || format!("cannot read `{}`", self.0.path.display());
        walk(&self.0.path, &self.0.limits, &mut |name, size, content| {
            let Name::Blob(digest) = name else { return Ok(()) };
            if !wanted(&digest) {
                return Ok(());
            }
            let content = read_part(&digest, size, content, &self.0.limits)?;
            take(Part { digest, content })
        })
        .context(context)
    }
}

/// Kind of a bundle's file, by its name.
pub(crate) enum Name {
    Mark,
    Index,
    Blob(Digest),
    /// A file that layouts of others have beside; it is read over.
    Other,
}

pub(crate) type Reader = Tape<BufReader<Box<dyn Read>>>;

/// Goes through the files of a bundle. What `file` leaves of a content is read over.
fn walk(
    path: &Path,
    limits: &Limits,
    file: &mut dyn FnMut(Name, u64, &mut Reader) -> Result<()>,
) -> Result<()> {
    let open = |error| Error::io("open bundle", path, error);
    let input = open_regular(path)?.map_err(open)?;
    let length = input.metadata().map_err(open)?.len();
    let named = Named { input: BufReader::with_capacity(BUFFER, input), path: path.to_owned() };
    let mut buffered = BufReader::with_capacity(BUFFER, named);
    let start = buffered.fill_buf().map_err(from_io)?;
    let most = length.saturating_mul(RATIO).saturating_add(16 * MIB);
    let input: Box<dyn Read> = if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
        || (start.len() > 4 && start[0] & 0xf0 == 0x50 && start[1..4] == [0x2a, 0x4d, 0x18])
    {
        Box::new(Capped { input: Expander::new(buffered), left: most })
    } else {
        Box::new(buffered)
    };
    let input = BufReader::with_capacity(BUFFER, input);
    let mut tape = Tape::with_overhead(input, limits.bundle_overhead_bytes, |most| {
        Error::new(ErrorKind::Limit, format!("its headers and padding have more than {most} bytes"))
    });
    let mut entries = 0;
    let mut seen = HashSet::new();
    while let Some(entry) = tape.next()? {
        entries += 1;
        if entries > limits.bundle_entries {
            let message = format!("it has more than {} entries", limits.bundle_entries);
            return Err(Error::new(ErrorKind::Limit, message));
        }
        let shown = || String::from_utf8_lossy(&entry.name).into_owned();
        match entry.kind {
            Kind::Directory => {
                clean(&entry.name)?;
                continue;
            }
            Kind::Global => continue,
            Kind::Other(what) | Kind::Link(what) => {
                return Err(Error::invalid(format!("its member `{}` is a {what}", shown())));
            }
            Kind::File => {}
        }
        let name = classify(&entry.name)?;
        if !matches!(name, Name::Other) && !seen.insert(clean(&entry.name)?) {
            return Err(Error::invalid(format!("it has `{}` twice", shown())));
        }
        file(name, entry.size, &mut tape)?;
    }
    tape.finish()
}

/// A name without a leading `./` and a closing `/`; a name that leads elsewhere is refused, though
/// nothing is ever written by it.
fn clean(name: &[u8]) -> Result<String> {
    let text = std::str::from_utf8(name)
        .map_err(|_| Error::invalid("the name of a member is not UTF-8"))?;
    let inner = text.strip_prefix("./").unwrap_or(text).trim_end_matches('/');
    let bad = inner.starts_with('/') || inner.contains('\\') || inner.split('/').any(|p| p == "..");
    if bad {
        return Err(Error::invalid(format!("its member `{text}` leads out of the bundle")));
    }
    Ok(inner.to_owned())
}

fn classify(name: &[u8]) -> Result<Name> {
    let name = clean(name)?;
    if name == MARK {
        return Ok(Name::Mark);
    }
    if name == INDEX {
        return Ok(Name::Index);
    }
    let Some(rest) = name.strip_prefix("blobs/") else { return Ok(Name::Other) };
    rest.replacen('/', ":", 1)
        .parse()
        .map(Name::Blob)
        .map_err(|_| Error::invalid(format!("its member `{name}` is no blob's name")))
}

fn read_part(
    digest: &Digest,
    size: u64,
    content: &mut Reader,
    limits: &Limits,
) -> Result<BlobBytes> {
    if size <= limits.memory_blob {
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        check_part(digest, size, content, &mut bytes)?;
        return Ok(BlobBytes::Memory(bytes.into()));
    }
    let file = |error| Error::io("write", "a temporary file", error);
    let mut temporary = tempfile::NamedTempFile::new().map_err(file)?;
    check_part(digest, size, content, temporary.as_file_mut())?;
    Ok(BlobBytes::temporary(Arc::new(temporary.into_temp_path())))
}

/// Reads a blob, with its digest checked.
pub(crate) fn check_part(
    digest: &Digest,
    size: u64,
    content: &mut Reader,
    into: &mut dyn Write,
) -> Result<()> {
    let mut hasher = digest.algorithm().hasher();
    let mut left = size;
    while left > 0 {
        let bytes = content.fill_buf().map_err(from_io)?;
        let count = bytes.len();
        hasher.update(bytes);
        into.write_all(bytes).map_err(|error| Error::io("write", "a temporary file", error))?;
        content.consume(count);
        left -= count as u64;
    }
    if hasher.finish() == *digest {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Integrity, format!("its blob `{digest}` has another digest")))
}

/// A file whose errors say its name.
struct Named<R> {
    input: R,
    path: PathBuf,
}

impl<R: Read> Read for Named<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.input.read(into) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                Err(io::Error::other(Error::io("read bundle", &self.path, error)))
            }
            other => other,
        }
    }
}

/// A stream that ends in an error when it comes to too much.
struct Capped<R> {
    input: R,
    left: u64,
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(into)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            let message = format!("it inflates to more than {RATIO} times its size");
            io::Error::other(Error::new(ErrorKind::Limit, message))
        })?;
        Ok(count)
    }
}

pub(crate) fn from_io(error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(ours) => ours,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Error::invalid("it ends before its end").with_source(error)
        }
        Err(error) => Error::new(ErrorKind::Io, "cannot read it").with_source(error),
    }
}
