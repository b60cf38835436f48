//! A reader of bundles that trusts nothing in them. It checks names, kinds, sizes and digests on
//! the way. It never unpacks a file under a name from the bundle, and it bounds the memory that it
//! keeps. It reads a bundle whole before it uses anything of it, and again for the blobs.

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

/// Inflated bytes for each byte of the file. JSON shrinks to a tenth and the padding of tar to
/// less; our bundles hold archives, which were compressed before.
const RATIO: u64 = 400;

/// A bundle that was read completely and found whole. Clones are the same bundle.
#[derive(Clone, Debug)]
pub struct Bundle(Arc<Known>);

/// The facts about a bundle that the first reading found.
#[derive(Debug)]
struct Known {
    path: PathBuf,
    limits: Limits,
    survey: Surveyed,
}

/// A blob of a bundle, with its digest checked.
#[derive(Clone, Debug)]
pub struct Part {
    /// The digest of the blob.
    pub digest: Digest,
    /// The bytes of the blob, in memory or in a file that is removed with the last copy of this
    /// value.
    pub content: BlobBytes,
}

impl Bundle {
    /// Reads a bundle completely.
    ///
    /// # Errors
    /// `NotFound` if no file exists; `Invalid` if it is not a bundle; `Integrity` if a blob does
    /// not have the digest in its name; `Limit`.
    pub fn open(path: &Path, limits: &Limits) -> Result<Self> {
        if !path.exists() {
            return Err(Error::not_found(format!("there is no bundle `{}`", path.display())));
        }
        let context = || format!("`{}` is not a valid bundle", path.display());
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

    /// Returns the artifacts that the bundle lists, in its order.
    pub fn entries(&self) -> &[Entry] {
        &self.0.survey.entries
    }

    /// Returns the digest of the bundle's `index.json`.
    pub fn identity(&self) -> &Digest {
        &self.0.survey.identity
    }

    /// Returns the identity of the base that a delta names, or `None` for a full bundle.
    pub fn base(&self) -> Option<&str> {
        self.0.survey.base.as_deref()
    }

    /// Returns a manifest of the bundle.
    pub fn manifest(&self, digest: &Digest) -> Option<&Manifest> {
        self.0.survey.manifests.get(digest)
    }

    /// Returns the size of a blob or manifest, if the bundle holds it.
    pub fn holds(&self, digest: &Digest) -> Option<u64> {
        self.0.survey.blobs.get(digest).copied()
    }

    /// Returns every digest that the bundle holds, or that one of its manifests names.
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

    /// Reads the bundle again and passes the wanted blobs to `take`, in the bundle's order. It
    /// blocks the thread.
    ///
    /// # Errors
    /// The errors of [`Bundle::open`], if the file has changed; the errors of `take`.
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

/// The kind of a file in a bundle, by its name.
pub(crate) enum Name {
    Mark,
    Index,
    Blob(Digest),
    /// A file that the layouts of other tools have too. The reader skips it.
    Other,
}

pub(crate) type Reader = Tape<BufReader<Box<dyn Read>>>;

/// Reads the files of a bundle in turn. It skips the content that `file` leaves unread.
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
            Kind::HardLink | Kind::SymbolicLink | Kind::Other(_) => {
                let what = entry.kind.described().unwrap_or("link");
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

/// Returns a name without a leading `./` and a closing `/`. It refuses a name that points out of
/// the bundle, although no file is ever written under it.
fn clean(name: &[u8]) -> Result<String> {
    let text = std::str::from_utf8(name)
        .map_err(|_| Error::invalid("the name of a member is not UTF-8"))?;
    let inner = text.strip_prefix("./").unwrap_or(text).trim_end_matches('/');
    let bad = inner.starts_with('/') || inner.contains('\\') || inner.split('/').any(|p| p == "..");
    if bad {
        return Err(Error::invalid(format!("its member `{text}` points out of the bundle")));
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
        .map_err(|_| Error::invalid(format!("its member `{name}` is not a blob's name")))
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

/// Reads a blob and checks its digest.
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

/// A file whose errors name its path.
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

/// A stream that ends in an error if it exceeds its limit.
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
