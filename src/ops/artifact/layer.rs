//! The layer of a file or a directory: its descriptor and its content.

use super::{
    CONTENT_DIGEST, FILE_MODE, UNPACK,
    file_argument::{FileArgument, title},
};
use crate::{
    Error, ErrorKind, Result,
    archive::directory_tar::DirectoryTar,
    digest::{Algorithm, Hasher},
    limits::{ARTIFACT_LAYERS, Limits},
    oci::{Descriptor, media},
    spool::{Spool, Spooled},
    store::{BlobBytes, BlobFile},
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// The level of compression. It is Go's default, which ORAS uses.
const LEVEL: u32 = 6;
/// Bytes of one read of a file.
const BUFFER: usize = 256 * 1024;

/// A blob of an artifact: its descriptor and content.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The descriptor, with annotations.
    pub descriptor: Descriptor,
    /// The content.
    pub content: BlobBytes,
}

impl Layer {
    /// Returns the layer of bytes in memory.
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self {
            descriptor: Descriptor::of(media_type, bytes),
            content: BlobBytes::Memory(Bytes::copy_from_slice(bytes)),
        }
    }

    /// Returns the title, or the media type if there is none.
    pub fn shown(&self) -> &str {
        self.descriptor.annotations.get(media::TITLE).unwrap_or(&self.descriptor.media_type)
    }
}

/// The treatment of the permission bits of single files. Those within directories are always kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Permissions {
    /// Leave them out, as ORAS does.
    #[default]
    Leave,
    /// Keep them in an annotation.
    Keep,
}

/// The treatment of absolute paths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AbsolutePaths {
    /// Use the last part of the path as title.
    #[default]
    Shorten,
    /// Use the whole path as title. Pulls refuse such a title by default.
    Keep,
}

/// Options for reading files.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// The treatment of permission bits.
    pub permissions: Permissions,
    /// The treatment of absolute paths.
    pub absolute_paths: AbsolutePaths,
    /// The title of standard input, and its media type.
    pub stdin: Option<FileArgument>,
    /// The limits on sizes and counts.
    pub limits: Limits,
}

/// The layers of files, and remarks for the user.
#[derive(Debug, Default)]
pub struct Layers {
    /// A layer for each argument, in their order.
    pub layers: Vec<Layer>,
    /// The paths whose titles are only their last parts.
    pub shortened: Vec<PathBuf>,
}

/// An argument with its title, found usable. Its content was not read yet.
struct Found<'a> {
    argument: &'a FileArgument,
    title: String,
    tar: Option<DirectoryTar>,
}

/// Reads files and directories. It finds every name, and refuses what no pull could write, before
/// it reads the first byte.
///
/// # Errors
/// `NotFound` for a missing file; `Invalid` for two files of one title and for special files;
/// `Limit`; `Io`.
pub fn read(arguments: &[FileArgument], options: &Options) -> Result<Layers> {
    if arguments.len() > ARTIFACT_LAYERS {
        let message = format!("an artifact has at most {ARTIFACT_LAYERS} files");
        return Err(Error::new(ErrorKind::Limit, message));
    }
    let mut shortened = Vec::new();
    let mut found = Vec::with_capacity(arguments.len());
    let mut titles: HashMap<String, &Path> = HashMap::new();
    for argument in arguments {
        let one = find(argument, options, &mut shortened)?;
        if let Some(other) = titles.insert(one.title.clone(), &argument.path) {
            return Err(Error::invalid(format!(
                "`{}` and `{}` have the same title `{}`",
                other.display(),
                argument.path.display(),
                one.title
            ))
            .with_hint("give each file once, and files of equal names by different paths"));
        }
        found.push(one);
    }
    let layers = found.iter().map(|one| layer(one, options)).collect::<Result<_>>()?;
    Ok(Layers { layers, shortened })
}

fn find<'a>(
    argument: &'a FileArgument,
    options: &Options,
    shortened: &mut Vec<PathBuf>,
) -> Result<Found<'a>> {
    if argument.is_stdin() {
        let named = options.stdin.as_ref();
        let named = named.ok_or_else(|| Error::usage("standard input, `-`, has no name"))?;
        let title = title(&named.path, false)?.text;
        return Ok(Found { argument, title, tar: None });
    }
    let path = &argument.path;
    let metadata = fs::metadata(path).map_err(|error| Error::input("read", path, error))?;
    let title = title(path, options.absolute_paths == AbsolutePaths::Keep)?;
    if title.is_shortened {
        shortened.push(path.clone());
    }
    let title = title.text;
    if metadata.is_dir() {
        let tar = Some(DirectoryTar::list(path, &title)?);
        return Ok(Found { argument, title, tar });
    }
    if !metadata.is_file() {
        let message = format!("`{}` is neither a file nor a directory", path.display());
        return Err(Error::invalid(message));
    }
    Ok(Found { argument, title, tar: None })
}

fn layer(found: &Found<'_>, options: &Options) -> Result<Layer> {
    let argument = found.argument;
    let media_type =
        |default: &'static str| argument.media_type.clone().unwrap_or_else(|| default.to_owned());
    let mut layer = if let Some(tar) = &found.tar {
        directory(tar, &media_type(media::IMAGE_LAYER_GZIP), &options.limits)?
    } else if argument.is_stdin() {
        let spooled = stdin(&options.limits)?;
        let own = options.stdin.as_ref().and_then(|named| named.media_type.clone());
        of_spooled(spooled, &own.unwrap_or_else(|| media_type(media::IMAGE_LAYER)))
    } else {
        file(&argument.path, &media_type(media::IMAGE_LAYER), options)?
    };
    layer.descriptor.annotations.insert(media::TITLE.to_owned(), found.title.clone());
    Ok(layer)
}

/// Reads a file that is no layer, such as a config.
///
/// # Errors
/// `NotFound` if it does not exist; `Io`.
pub fn config(path: &Path, media_type: &str, limits: &Limits) -> Result<Layer> {
    file(path, media_type, &Options { limits: limits.clone(), ..Options::default() })
}

/// Hashes a file. A small one is also read, so that it cannot change before it is sent.
fn file(path: &Path, media_type: &str, options: &Options) -> Result<Layer> {
    let fail = |error| Error::io("read file", path, error);
    let mut file = File::open(path).map_err(|error| Error::input("read file", path, error))?;
    let metadata = file.metadata().map_err(fail)?;
    let mut hasher = Algorithm::Sha256.hasher();
    let (content, size) = if metadata.len() <= options.limits.memory_blob {
        let mut bytes = Vec::new();
        (&mut file).take(options.limits.memory_blob + 1).read_to_end(&mut bytes).map_err(fail)?;
        hasher.update(&bytes);
        let size = bytes.len() as u64;
        if size > options.limits.memory_blob {
            let message = format!("`{}` grew while it was read", path.display());
            return Err(Error::invalid(message));
        }
        (BlobBytes::Memory(bytes.into()), size)
    } else {
        let size = hash(&mut file, &mut hasher).map_err(fail)?;
        (BlobBytes::File(BlobFile::Stored(path.to_owned())), size)
    };
    let mut descriptor = Descriptor::new(media_type, hasher.finish(), size);
    if options.permissions == Permissions::Keep {
        descriptor.annotations.insert(FILE_MODE.to_owned(), format!("{:04o}", mode(&metadata)));
    }
    Ok(Layer { descriptor, content })
}

fn hash(file: &mut File, hasher: &mut Hasher) -> io::Result<u64> {
    let mut buffer = vec![0; BUFFER];
    let mut size = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(size),
            read => {
                hasher.update(&buffer[..read]);
                size += read as u64;
            }
        }
    }
}

#[cfg(unix)]
fn mode(metadata: &fs::Metadata) -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    metadata.mode() & 0o777
}

#[cfg(not(unix))]
fn mode(_: &fs::Metadata) -> u32 {
    0o644
}

fn directory(tar: &DirectoryTar, media_type: &str, limits: &Limits) -> Result<Layer> {
    let failed = |error| Error::new(ErrorKind::Io, "cannot pack the directory").with_source(error);
    let packed = GzEncoder::new(Spool::new(limits.memory_blob, None), Compression::new(LEVEL));
    let mut out = Hashed { out: packed, hasher: Algorithm::Sha256.hasher() };
    tar.write(&mut out)?;
    let Hashed { out, hasher } = out;
    let spooled = out.finish().map_err(failed)?.finish();
    let mut layer = of_spooled(spooled, media_type);
    let annotations = &mut layer.descriptor.annotations;
    annotations.insert(CONTENT_DIGEST.to_owned(), hasher.finish().to_string());
    annotations.insert(UNPACK.to_owned(), "true".to_owned());
    Ok(layer)
}

/// Reads standard input as a blob.
///
/// # Errors
/// `Io`.
pub fn standard_input(media_type: &str, limits: &Limits) -> Result<Layer> {
    stdin(limits).map(|spooled| of_spooled(spooled, media_type))
}

fn stdin(limits: &Limits) -> Result<Spooled> {
    let fail = |error| Error::new(ErrorKind::Io, "cannot read standard input").with_source(error);
    let mut spool = Spool::new(limits.memory_blob, None);
    io::copy(&mut io::stdin().lock(), &mut spool).map_err(fail)?;
    Ok(spool.finish())
}

fn of_spooled(spooled: Spooled, media_type: &str) -> Layer {
    Layer {
        descriptor: Descriptor::new(media_type, spooled.digest, spooled.size),
        content: spooled.bytes,
    }
}

/// A writer that hashes what passes through it.
struct Hashed<W> {
    out: W,
    hasher: Hasher,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
