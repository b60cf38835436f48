//! The pull of an artifact's files. Everything is downloaded, checked and unpacked in a folder
//! beside the target first; then all files are moved into place, or none.

use super::{
    CONTENT_DIGEST, FILE_MODE, UNPACK,
    kind::Kind,
    move_files::{self, Move, move_all},
    titles,
};
use crate::{
    Error, ErrorKind, Result,
    archive::untar::{Bounds, untar},
    chart::glob::Glob,
    digest::{Algorithm, Digest, Hasher},
    limits::{ARTIFACT_LAYERS, ARTIFACT_UNPACKED, Limits},
    oci::{Descriptor, Manifest, media},
    store::{BlobFile, Fetch, blocking},
};
use flate2::bufread::MultiGzDecoder;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

pub use super::move_files::OldFiles;
pub use super::titles::Traversal;

/// The treatment of layers without a title.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unnamed {
    /// Skip them, as ORAS does.
    #[default]
    Skip,
    /// Write each as the first 12 digits of its digest with an ending by its type.
    Write,
}

/// Options of a pull.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The folder for the files, which is created.
    pub folder: PathBuf,
    /// The treatment of titles with `..`.
    pub traversal: Traversal,
    /// The treatment of existing files.
    pub old_files: OldFiles,
    /// The treatment of layers without a title.
    pub unnamed: Unnamed,
    /// Only layers whose titles match one of these globs; all if empty.
    pub titles: Vec<String>,
    /// Only layers of this type.
    pub media_type: Option<String>,
    /// Bytes of all files together.
    pub unpacked: u64,
    /// The number of layers downloaded at once.
    pub at_once: usize,
    /// The limits on sizes and counts.
    pub limits: Limits,
}

impl Options {
    /// Returns the options to write every titled layer to a folder.
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            traversal: Traversal::default(),
            old_files: OldFiles::default(),
            unnamed: Unnamed::default(),
            titles: Vec::new(),
            media_type: None,
            unpacked: ARTIFACT_UNPACKED,
            at_once: 3,
            limits: Limits::default(),
        }
    }
}

/// A file or folder that was written.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// The layer.
    pub layer: Descriptor,
    /// The title, or the made name.
    pub title: String,
    /// The path.
    pub path: PathBuf,
    /// `true` if the layer was unpacked to a folder.
    pub is_folder: bool,
}

/// The result of a pull.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// The written files, in the order of the layers.
    pub files: Vec<Pulled>,
    /// The layers that were skipped because they have no title.
    pub unnamed: Vec<Descriptor>,
}

/// A step of a pull, for its progress.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// A layer is being downloaded.
    Begun(&'a Descriptor),
    /// A layer was downloaded and found right.
    Done(&'a Descriptor),
    /// A layer is skipped, because it has no title.
    Unnamed(&'a Descriptor),
}

/// Writes the files of a manifest's layers to a folder.
///
/// # Errors
/// `Usage` for an image or an index, which has no files; `NotFound` if no layer matches; `Invalid`
/// for titles that lead elsewhere; `Integrity` for wrong bytes; `Conflict` for files that are to be
/// kept; `Limit`; any error of the store. The folder is as it was before then.
pub async fn pull<R: Fetch>(
    repository: &R,
    name: &str,
    manifest: &Manifest,
    options: &Options,
    listener: &(dyn Fn(Step<'_>) + Send + Sync),
) -> Result<Report> {
    let Choice { named: layers, unnamed } = choose(manifest, name, options)?;
    unnamed.iter().for_each(|layer| listener(Step::Unnamed(layer)));
    let mut report = Report { files: Vec::new(), unnamed };
    if layers.is_empty() {
        return Ok(report);
    }
    let all: Vec<&str> = layers.iter().map(|(title, _)| title.as_str()).collect();
    let segments = titles::check(&all, options.traversal)?;
    let folder = &options.folder;
    fs::create_dir_all(folder).map_err(|error| Error::io("create folder", folder, error))?;
    let scratch = tempfile::Builder::new()
        .prefix(".chartferry-")
        .tempdir_in(folder)
        .map_err(|error| Error::io("create a temporary folder in", folder, error))?;
    let left = Arc::new(AtomicU64::new(options.unpacked));
    let fetched = layers.iter().enumerate().map(|(at, (title, layer))| {
        let (left, place) = (Arc::clone(&left), scratch.path().join(format!("new-{at}")));
        async move {
            listener(Step::Begun(layer));
            let made = fetch(repository, title, layer, place, &left).await?;
            listener(Step::Done(layer));
            Ok::<_, Error>((at, made))
        }
    });
    let mut made: Vec<(usize, Made)> =
        stream::iter(fetched).buffer_unordered(options.at_once.max(1)).try_collect().await?;
    made.sort_by_key(|(at, _)| *at);
    let mut moves = Vec::with_capacity(made.len());
    for ((at, made), segments) in made.into_iter().zip(segments) {
        let (title, layer) = layers[at].clone();
        let path = move_files::place(folder, &segments);
        report.files.push(Pulled { layer, title, path, is_folder: made.is_folder });
        moves.push(Move { from: made.path, segments });
    }
    let (target, old_files) = (folder.clone(), options.old_files);
    blocking(move || {
        let aside = scratch.path().join("old");
        fs::create_dir(&aside).map_err(|error| Error::io("create folder", &aside, error))?;
        move_all(&moves, &target, &aside, old_files)
    })
    .await?;
    Ok(report)
}

/// Bytes up to which a file is held in memory while it is downloaded. A larger one goes through a
/// file, which a later run can resume.
const IN_MEMORY: u64 = crate::limits::MIB;

/// The layers of a pull.
struct Choice {
    /// The layers to write, with their names.
    named: Vec<(String, Descriptor)>,
    /// The layers to skip, because they have no name.
    unnamed: Vec<Descriptor>,
}

/// Chooses the layers to write.
fn choose(manifest: &Manifest, name: &str, options: &Options) -> Result<Choice> {
    let document = manifest.document();
    if document.manifests.is_some() {
        return Err(Error::usage(format!("`{name}` is an index of several manifests"))
            .with_hint("choose one by its digest; `copy` moves all of them"));
    }
    let layers = document.layers();
    if layers.len() > ARTIFACT_LAYERS {
        let message = format!("`{name}` has more than {ARTIFACT_LAYERS} layers");
        return Err(Error::new(ErrorKind::Limit, message));
    }
    let is_named = |layer: &Descriptor| layer.annotations.contains_key(media::TITLE);
    let nothing_named = !layers.iter().any(is_named);
    if nothing_named && options.unnamed == Unnamed::Skip && Kind::of(manifest) == Kind::Image {
        return Err(Error::usage(format!("`{name}` is an image; `copy` moves it")));
    }
    let globs: Vec<Glob> = options.titles.iter().map(|title| Glob::new(title.as_bytes())).collect();
    let (mut chosen, mut unnamed) = (Vec::new(), Vec::new());
    for layer in layers.iter().filter(|layer| layer.media_type != media::EMPTY) {
        if options.media_type.as_ref().is_some_and(|kind| *kind != layer.media_type) {
            continue;
        }
        let title = match (layer.annotations.get(media::TITLE), options.unnamed) {
            (Some(title), _) => title.clone(),
            (None, Unnamed::Write) => made_name(layer),
            (None, Unnamed::Skip) => {
                unnamed.push(layer.clone());
                continue;
            }
        };
        let takes = |glob: &Glob| glob.matches(title.as_bytes()).unwrap_or(false);
        if globs.is_empty() || globs.iter().any(takes) {
            chosen.push((title, layer.clone()));
        }
    }
    let is_narrowed = !options.titles.is_empty() || options.media_type.is_some();
    if chosen.is_empty() && is_narrowed {
        let titles: Vec<&str> = layers
            .iter()
            .filter_map(|layer| layer.annotations.get(media::TITLE))
            .map(String::as_str)
            .collect();
        return Err(Error::not_found(format!("no layer of `{name}` matches"))
            .with_hint(format!("its titles are: {}", titles.join(", "))));
    }
    Ok(Choice { named: chosen, unnamed })
}

/// Returns the layers that the options select.
///
/// # Errors
/// The errors of [`pull`] for the choice.
pub fn selected(manifest: &Manifest, name: &str, options: &Options) -> Result<Vec<Descriptor>> {
    let Choice { named, unnamed } = choose(manifest, name, options)?;
    Ok(named.into_iter().map(|(_, layer)| layer).chain(unnamed).collect())
}

/// Returns a file's name for a layer without a title.
fn made_name(layer: &Descriptor) -> String {
    let kind = &layer.media_type;
    let ending = if kind.contains("tar") && (kind.contains("gzip") || kind.ends_with(".gz")) {
        ".tar.gz"
    } else if kind.ends_with("json") {
        ".json"
    } else {
        ".bin"
    };
    format!("{}{ending}", &layer.digest.hex()[..12])
}

/// A downloaded file or unpacked folder, not in its place yet.
struct Made {
    path: PathBuf,
    is_folder: bool,
}

async fn fetch<R: Fetch>(
    repository: &R,
    title: &str,
    layer: &Descriptor,
    place: PathBuf,
    left: &Arc<AtomicU64>,
) -> Result<Made> {
    let is_folder = layer.annotations.get(UNPACK).is_some_and(|value| value == "true");
    // The store compares the digest before anything is unpacked.
    if layer.size <= IN_MEMORY && !is_folder {
        spend(left, layer.size)?;
        let bytes = repository.fetch_blob(layer, IN_MEMORY).await?;
        let layer = layer.clone();
        return blocking(move || {
            let fail = |error| Error::io("write file", &place, error);
            File::create_new(&place).and_then(|mut file| file.write_all(&bytes)).map_err(fail)?;
            set_mode(&place, &layer)?;
            Ok(Made { path: place, is_folder })
        })
        .await;
    }
    let blob = repository.fetch_blob_file(layer).await?;
    let (title, layer, left) = (title.to_owned(), layer.clone(), Arc::clone(left));
    blocking(move || {
        let path = if is_folder {
            unpack(blob, &title, &layer, &place, &left)?
        } else {
            spend(&left, layer.size)?;
            write(blob, &place)?;
            set_mode(&place, &layer)?;
            place
        };
        Ok(Made { path, is_folder })
    })
    .await
}

fn spend(left: &AtomicU64, bytes: u64) -> Result<()> {
    let spent =
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
    spent.map(drop).map_err(|_| {
        Error::new(ErrorKind::Limit, "the files are larger than a pull may write")
            .with_hint("set a higher bound, if you trust the artifact")
    })
}

/// Moves a temporary file, or copies a file of a store.
fn write(blob: BlobFile, place: &Path) -> Result<()> {
    let fail = |error| Error::io("write file", place, error);
    let source = match blob {
        BlobFile::Temporary(path) => match Arc::try_unwrap(path) {
            Ok(path) => match path.persist(place) {
                Ok(()) => return share(place).map_err(fail),
                // It is on another file system.
                Err(error) => BlobFile::Temporary(Arc::new(error.path)),
            },
            Err(path) => BlobFile::Temporary(path),
        },
        stored @ BlobFile::Stored(_) => stored,
    };
    let mut from = File::open(source.path()).map_err(fail)?;
    let mut to = File::create_new(place).map_err(fail)?;
    io::copy(&mut from, &mut to).map(drop).map_err(fail)
}

/// Gives a temporary file the mode of an ordinary new one.
#[cfg(unix)]
fn share(place: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    // A new file shows the user's mask, which cannot be read without setting it.
    let model = place.with_extension("mode");
    let mode = File::create_new(&model)?.metadata()?.mode();
    fs::remove_file(&model)?;
    fs::set_permissions(place, fs::Permissions::from_mode(mode & 0o777))
}

#[cfg(not(unix))]
fn share(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Sets the mode that a push has kept.
#[cfg(unix)]
fn set_mode(place: &Path, layer: &Descriptor) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = layer.annotations.get(FILE_MODE).and_then(|text| u32::from_str_radix(text, 8).ok());
    let Some(mode) = mode else { return Ok(()) };
    fs::set_permissions(place, fs::Permissions::from_mode(mode & 0o777))
        .map_err(|error| Error::io("set the mode of", place, error))
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: &Descriptor) -> Result<()> {
    Ok(())
}

/// Unpacks a folder's tar. Returns the folder.
fn unpack(
    blob: BlobFile,
    title: &str,
    layer: &Descriptor,
    place: &Path,
    left: &AtomicU64,
) -> Result<PathBuf> {
    let fail = |error| Error::io("open", blob.path(), error);
    fs::create_dir(place).map_err(|error| Error::io("create folder", place, error))?;
    let file = BufReader::new(File::open(blob.path()).map_err(fail)?);
    let bounds = Bounds { packed: layer.size, unpacked: left.load(Ordering::Relaxed) };
    let base: Vec<&str> =
        title.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let base = base.join("/");
    let named = |error: Error| error.context(format!("cannot unpack `{title}`"));
    let is_gzip = layer.media_type.ends_with("gzip") || layer.media_type.ends_with(".gz");
    let input: Box<dyn BufRead> = match is_gzip {
        true => Box::new(BufReader::new(MultiGzDecoder::new(file))),
        false => Box::new(file),
    };
    let mut hashed = Hashed { input, hasher: Algorithm::Sha256.hasher() };
    let written = untar(&mut hashed, place, &base, bounds).map_err(named)?;
    spend(left, written)?;
    if let Some(said) = layer.annotations.get(CONTENT_DIGEST) {
        let found = hashed.hasher.finish();
        if said.parse::<Digest>().ok().is_none_or(|said| said != found) {
            return Err(Error::new(
                ErrorKind::Integrity,
                format!("the tar of `{title}` has the digest {found}, and its layer says `{said}`"),
            ));
        }
    }
    let folder = base.split('/').fold(place.to_owned(), |path, part| path.join(part));
    if !folder.is_dir() {
        return Err(Error::invalid(format!("the tar of `{title}` has no such folder")));
    }
    Ok(folder)
}

/// A reader that hashes what passes through it.
struct Hashed {
    input: Box<dyn BufRead>,
    hasher: Hasher,
}

impl Read for Hashed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(into)?;
        self.hasher.update(&into[..read]);
        Ok(read)
    }
}

impl BufRead for Hashed {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        if let Ok(buffer) = self.input.fill_buf() {
            self.hasher.update(&buffer[..amount]);
        }
        self.input.consume(amount);
    }
}
