//! Reading a bundle without trusting it: names, kinds, sizes and digests are judged on the way, nothing is ever
//! unpacked by the names it brings, and what stays in memory is bounded. It is read whole before anything of it is used,
//! and again when its blobs are.

use super::{
    BlobFile, Source,
    bundle::{BASE, Entry, INDEX, MARK},
    bundle_zstd::Expander,
    layout_index::Index,
    ref_name::RefName,
};
use crate::{
    Error, ErrorKind, Result,
    archive::tape::{Kind, Tape},
    error::Context as _,
    limits::{Limits, MIB},
    oci::{Descriptor, Digest, Manifest},
};
use bytes::Bytes;
use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

const BUFFER: usize = 256 * 1024;

/// Inflated bytes for each of the file's. JSON comes to a tenth, tar's padding to less; ours holds archives that were
/// compressed before.
const RATIO: u64 = 400;

/// A bundle that was read through and found whole.
#[derive(Clone, Debug)]
pub struct Bundle {
    path: PathBuf,
    limits: Limits,
    entries: Vec<Entry>,
    base: Option<String>,
    identity: Digest,
    manifests: HashMap<Digest, Manifest>,
    blobs: HashMap<Digest, u64>,
}

/// A blob out of a bundle, its digest right.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its digest.
    pub digest: Digest,
    /// Its bytes, in memory or in a file that goes away with the last copy of this.
    pub content: Content,
}

/// Where a blob's bytes are.
#[derive(Clone, Debug)]
pub enum Content {
    /// In memory.
    Memory(Bytes),
    /// In a temporary file.
    File(BlobFile),
}

impl Content {
    /// As what is pushed.
    pub fn source(&self) -> Source {
        match self {
            Self::Memory(bytes) => Source::Bytes(bytes.clone()),
            Self::File(file) => Source::File(file.path().to_owned()),
        }
    }
}

impl Bundle {
    /// Reads a bundle through.
    ///
    /// # Errors
    /// `Invalid` for what is no bundle; `Integrity` for a blob that is not what its name says; `Limit`.
    pub fn open(path: &Path, limits: &Limits) -> Result<Self> {
        let context = || format!("`{}` is no good bundle", path.display());
        let mut survey = Survey::new(limits);
        walk(path, limits, &mut |name, size, content| survey.file(name, size, content))
            .context(context)?;
        survey.finish(path, limits).context(context)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it lists, in its order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The digest of its `index.json`.
    pub fn identity(&self) -> &Digest {
        &self.identity
    }

    /// The identity of the base it is a delta to, as it says.
    pub fn base(&self) -> Option<&str> {
        self.base.as_deref()
    }

    /// A manifest of its.
    pub fn manifest(&self, digest: &Digest) -> Option<&Manifest> {
        self.manifests.get(digest)
    }

    /// The size of a blob or manifest of its, if it holds it.
    pub fn holds(&self, digest: &Digest) -> Option<u64> {
        self.blobs.get(digest).copied()
    }

    /// Every digest that it holds or, in a manifest it holds, names.
    pub fn known(&self) -> HashSet<Digest> {
        let mut known: HashSet<Digest> = self.blobs.keys().cloned().collect();
        known.extend(self.entries.iter().map(|entry| entry.digest().clone()));
        for manifest in self.manifests.values() {
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
        let context = || format!("cannot read `{}`", self.path.display());
        walk(&self.path, &self.limits, &mut |name, size, content| {
            let Name::Blob(digest) = name else { return Ok(()) };
            if !wanted(&digest) {
                return Ok(());
            }
            let content = read_part(&digest, size, content, &self.limits)?;
            take(Part { digest, content })
        })
        .context(context)
    }
}

/// What a file of a bundle is by its name.
enum Name {
    Mark,
    Index,
    Blob(Digest),
    /// A file that layouts of others have beside; it is read over.
    Other,
}

type Reader = Tape<BufReader<Box<dyn Read>>>;

/// Goes through the files of a bundle. What `file` leaves of a content is read over.
fn walk(
    path: &Path,
    limits: &Limits,
    file: &mut dyn FnMut(Name, u64, &mut Reader) -> Result<()>,
) -> Result<()> {
    let open = |error| Error::io("open bundle", path, error);
    let input = File::open(path).map_err(open)?;
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
            Kind::Other(what) => {
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

/// A name without a leading `./` and a closing `/`; a name that leads elsewhere is refused, though nothing is ever
/// written by it.
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

/// What is learnt on the first way through.
struct Survey<'a> {
    limits: &'a Limits,
    mark: bool,
    index: Option<(Index, Digest)>,
    listed: HashSet<Digest>,
    /// What is, or may be, a manifest: until the index is known, everything small that looks like JSON.
    documents: HashMap<Digest, Bytes>,
    held: u64,
    blobs: HashMap<Digest, u64>,
}

impl<'a> Survey<'a> {
    fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            mark: false,
            index: None,
            listed: HashSet::new(),
            documents: HashMap::new(),
            held: 0,
            blobs: HashMap::new(),
        }
    }

    fn file(&mut self, name: Name, size: u64, content: &mut Reader) -> Result<()> {
        match name {
            Name::Other => Ok(()),
            Name::Mark => {
                let text = read_small(content, size, MARK, MIB)?;
                check_mark(&text)?;
                self.mark = true;
                Ok(())
            }
            Name::Index => {
                let text = read_small(content, size, INDEX, self.limits.layout_index_bytes)?;
                let index = Index::parse(&text).map_err(|error| {
                    Error::invalid(format!("its `{INDEX}` is no image index")).with_source(error)
                })?;
                self.listed = index.descriptors().map(|entry| entry.digest.clone()).collect();
                self.index = Some((index, Digest::sha256(&text)));
                self.documents.retain(|digest, _| self.listed.contains(digest));
                self.held = self.documents.values().map(|bytes| bytes.len() as u64).sum();
                Ok(())
            }
            Name::Blob(digest) => {
                self.blobs.insert(digest.clone(), size);
                let may_be_manifest = match &self.index {
                    Some(_) => self.listed.contains(&digest),
                    None => content.fill_buf().map_err(from_io)?.first() == Some(&b'{'),
                };
                if !may_be_manifest || size > self.limits.manifest_bytes {
                    return check_part(&digest, size, content, &mut io::sink());
                }
                self.held += size;
                if self.held > self.limits.bundle_manifests_bytes {
                    let most = self.limits.bundle_manifests_bytes;
                    let message = format!("its manifests have more than {most} bytes in all");
                    return Err(Error::new(ErrorKind::Limit, message));
                }
                let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
                check_part(&digest, size, content, &mut bytes)?;
                self.documents.insert(digest, bytes.into());
                Ok(())
            }
        }
    }

    fn finish(self, path: &Path, limits: &Limits) -> Result<Bundle> {
        let hint = "a bundle is a tar of an OCI image layout, plain or with zstd";
        let lacks = |what| Error::invalid(format!("it has no `{what}`")).with_hint(hint);
        if !self.mark {
            return Err(lacks(MARK));
        }
        let (index, identity) = self.index.ok_or_else(|| lacks(INDEX))?;
        let mut manifests = HashMap::new();
        let mut entries = Vec::new();
        for descriptor in index.descriptors() {
            if let Some(bytes) = self.documents.get(&descriptor.digest) {
                if bytes.len() as u64 != descriptor.size {
                    return Err(Error::new(
                        ErrorKind::Integrity,
                        format!(
                            "its `{INDEX}` says that `{}` has {} bytes, but it has {}",
                            descriptor.digest,
                            descriptor.size,
                            bytes.len()
                        ),
                    ));
                }
                let manifest = Manifest::parse(bytes.clone(), Some(&descriptor.media_type))
                    .context(|| format!("its manifest `{}` is bad", descriptor.digest))?;
                check_sizes(&manifest, &self.blobs)?;
                manifests.insert(descriptor.digest.clone(), manifest);
            }
            entries.push(Entry { name: RefName::of(descriptor), manifest: descriptor.clone() });
        }
        let base = index.annotation(BASE).map(str::to_owned);
        Ok(Bundle {
            path: path.to_owned(),
            limits: limits.clone(),
            entries,
            base,
            identity,
            manifests,
            blobs: self.blobs,
        })
    }
}

/// The blobs a manifest names have the sizes it says.
fn check_sizes(manifest: &Manifest, blobs: &HashMap<Digest, u64>) -> Result<()> {
    let document = manifest.document();
    for Descriptor { digest, size, .. } in document.config.iter().chain(document.layers()) {
        match blobs.get(digest) {
            Some(found) if found != size => {
                return Err(Error::new(
                    ErrorKind::Integrity,
                    format!(
                        "its manifest says that `{digest}` has {size} bytes, but it has {found}"
                    ),
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_mark(text: &[u8]) -> Result<()> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Mark {
        image_layout_version: String,
    }
    let mark: Mark = serde_json::from_slice(text)
        .map_err(|error| Error::invalid(format!("its `{MARK}` is bad")).with_source(error))?;
    if mark.image_layout_version.starts_with("1.") {
        return Ok(());
    }
    let version = mark.image_layout_version;
    Err(Error::invalid(format!("it is a layout of version `{version}`, and we know version 1")))
}

fn read_small(content: &mut Reader, size: u64, name: &str, most: u64) -> Result<Vec<u8>> {
    if size > most {
        let message = format!("its `{name}` has {size} bytes, more than {most}");
        return Err(Error::new(ErrorKind::Limit, message));
    }
    let mut bytes = Vec::new();
    content.read_to_end(&mut bytes).map_err(from_io)?;
    Ok(bytes)
}

fn read_part(digest: &Digest, size: u64, content: &mut Reader, limits: &Limits) -> Result<Content> {
    if size <= limits.memory_blob {
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        check_part(digest, size, content, &mut bytes)?;
        return Ok(Content::Memory(bytes.into()));
    }
    let file = |error| Error::io("write", "a temporary file", error);
    let mut temporary = tempfile::NamedTempFile::new().map_err(file)?;
    check_part(digest, size, content, temporary.as_file_mut())?;
    Ok(Content::File(BlobFile::Temporary(Arc::new(temporary.into_temp_path()))))
}

/// Reads a blob, with its digest checked.
fn check_part(
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

fn from_io(error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(ours) => ours,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Error::invalid("it ends before its end").with_source(error)
        }
        Err(error) => Error::new(ErrorKind::Io, "cannot read it").with_source(error),
    }
}
