//! The content store on disk. All repositories share blobs by digest. Small files record the
//! content of each repository: one file for each tag and one for each referrer, so that concurrent
//! writers cannot lose each other's entries.
//!
//! ```text
//! VERSION  LOCK
//! charts.cache                                  a server's cache of the charts; private to it
//! blobs/<algorithm>/<hh>/<hex>                  immutable, read-only
//! repos/<name>/_r/blobs/<algorithm>/<hex>       the repository has this blob; its size
//! repos/<name>/_r/manifests/<algorithm>/<hex>   media type, size, artifact type, subject
//! repos/<name>/_r/tags/<tag>                    digest and time
//! repos/<name>/_r/subjects/<digest>/<digest>    a referrer's descriptor
//! repos/_loose/                                 like a repository: content without such a name
//! uploads/<session>/{data,meta}                 an upload: its bytes; its algorithm and repository
//! tmp/                                          unfinished small files
//! ```
//! No part of a repository's name can begin with `_`, so names and these directories never collide.

pub(super) mod batch;
pub(super) mod commit;
pub(super) mod file_names;
mod intact;
pub(super) mod put_artifact;
pub mod repository;
pub(super) mod traits;
pub mod upload;
pub(super) mod upload_session;

use crate::{
    Error, Result,
    oci::{Digest, RepositoryName},
};
use commit::{Durability, Writer};
use repository::Repository;
use std::{
    fs::{self, File, TryLockError},
    io::{self, Read as _},
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
};
use upload_session::Sessions;

const VERSION: &str = "VERSION";
const VERSION_TEXT: &str = "chartferry store 1\n";
const LOCK: &str = "LOCK";
/// The folder of upload sessions, beside the repositories: a session that ends leaves no empty
/// repository, and no list visits it.
const UPLOADS: &str = "uploads";

/// A content store on disk. Clones are the same store.
#[derive(Clone, Debug)]
pub struct Disk(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    root: PathBuf,
    access: Access,
    pub(super) writer: Writer,
    pub(super) tag_case: TagCase,
    pub(super) sessions: Sessions,
    intact: intact::Intact,
    /// Locks that a writer holds alone to remove references and shared to add them, so that no
    /// manifest is added while a blob that it needs is removed. The repository's name selects the
    /// lock, so that their number is bounded.
    guards: [RwLock<()>; 64],
}

#[derive(Debug)]
enum Access {
    /// A store for reading and writing. The lock is held as long as the file is open.
    Writable {
        _lock: Lock,
    },
    ReadOnly,
}

/// The case rule of the file system. Tags distinguish `A` and `a`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TagCase {
    Kept,
    Folded,
}

impl Disk {
    /// Opens the store at `root` for reading and writing. Creates it if none exists.
    ///
    /// # Errors
    /// `Conflict` if another process has it open; `Invalid` if the directory is not a store.
    pub fn open(root: &Path, durability: Durability) -> Result<Self> {
        let temporary = root.join("tmp");
        let writer = Writer::new(durability, temporary.clone());
        refuse_foreign(root)?;
        writer.create_directory(root)?;
        let lock = lock(root)?;
        if read_version(root)?.is_none() {
            writer.create_directory(&temporary)?;
            writer.write(&root.join(VERSION), VERSION_TEXT.as_bytes())?;
        }
        writer.create_directory(&temporary)?;
        writer.create_directory(&root.join("repos"))?;
        empty(&temporary)?;
        let uploads = root.join(UPLOADS);
        if !uploads.is_dir() {
            remove_old_uploads(&root.join("repos"))?;
            writer.create_directory(&uploads)?;
        }
        Ok(Self::with(root, Access::Writable { _lock: lock }, writer))
    }

    /// Opens the store at `root` for reading alone, even while another process writes it.
    ///
    /// # Errors
    /// `NotFound` if no store exists; `Invalid` if the directory is not a store.
    pub fn open_read_only(root: &Path) -> Result<Self> {
        refuse_foreign(root)?;
        if read_version(root)?.is_none() {
            return Err(Error::not_found(format!("there is no store at `{}`", root.display())));
        }
        let writer = Writer::new(Durability::None, root.join("tmp"));
        Ok(Self::with(root, Access::ReadOnly, writer))
    }

    fn with(root: &Path, access: Access, writer: Writer) -> Self {
        // VERSION exists; only a file system that ignores case finds it by another spelling.
        let tag_case = if root.join(VERSION.to_ascii_lowercase()).exists() {
            TagCase::Folded
        } else {
            TagCase::Kept
        };
        Self(Arc::new(Inner {
            root: root.to_owned(),
            access,
            writer,
            tag_case,
            sessions: Sessions::default(),
            intact: intact::Intact::default(),
            guards: std::array::from_fn(|_| RwLock::new(())),
        }))
    }

    /// Returns a repository of the store, even if it does not exist yet.
    pub fn repository(&self, name: &RepositoryName) -> Repository {
        Repository::new(self.clone(), name.clone())
    }

    /// Returns the directory of the store.
    pub fn root(&self) -> &Path {
        &self.0.root
    }

    /// Returns the names of all repositories with a manifest, in byte order.
    pub fn repositories(&self) -> Result<Vec<RepositoryName>> {
        let mut names = Vec::new();
        self.walk(&mut |name, directory| {
            if holds_manifests(directory) {
                names.push(name);
            }
            Ok(())
        })?;
        names.sort_unstable();
        Ok(names)
    }

    /// Visits every directory under `repos` that has a repository's name, with or without content.
    pub(super) fn walk(
        &self,
        visit: &mut impl FnMut(RepositoryName, &Path) -> Result<()>,
    ) -> Result<()> {
        let mut pending = vec![(String::new(), self.0.root.join("repos"))];
        while let Some((prefix, directory)) = pending.pop() {
            for (name, path) in children(&prefix, &directory)? {
                visit(name.clone(), &path)?;
                pending.push((name.as_str().to_owned(), path));
            }
        }
        Ok(())
    }

    /// Visits the directories of other repositories until `visit` ends it: first those below
    /// `near`, then those that share most of the segments of its name, and equal ones in byte
    /// order.
    pub(super) fn visit_near(
        &self,
        near: &RepositoryName,
        visit: &mut impl FnMut(RepositoryName) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let mut seen = None;
        let mut top = Some(near.as_str());
        while let Some(prefix) = top {
            let mut pending = vec![prefix.to_owned()];
            while let Some(prefix) = pending.pop() {
                let at_root = prefix.is_empty();
                let is_other = prefix != near.as_str();
                let directory = self.0.root.join("repos").join(&prefix);
                if !at_root
                    && is_other
                    && let Ok(name) = prefix.parse()
                    && visit(name)?.is_break()
                {
                    return Ok(());
                }
                let mut below = children(&prefix, &directory)?;
                below.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
                let names = below.into_iter().map(|(name, _)| name.as_str().to_owned());
                pending.extend(names.filter(|name| seen != Some(name.as_str())));
            }
            seen = Some(prefix);
            top = match prefix.rsplit_once('/') {
                Some((parent, _)) => Some(parent),
                None if prefix.is_empty() => None,
                None => Some(""),
            };
        }
        Ok(())
    }

    pub(super) fn directory_of(&self, name: &RepositoryName) -> PathBuf {
        self.0.root.join("repos").join(name.as_str())
    }

    pub(super) fn uploads(&self) -> PathBuf {
        self.0.root.join(UPLOADS)
    }

    /// Returns true if the store has a blob with this size and digest. It reads the file unless the
    /// blob is known to be intact since the store was opened.
    pub(super) fn has_intact(&self, digest: &Digest, size: u64) -> bool {
        self.0.intact.check(&self.blob_path(digest), digest, size)
    }

    /// Records that a blob was just written with the right digest.
    pub(super) fn note_intact(&self, digest: &Digest) {
        self.0.intact.note(digest);
    }

    /// Forgets a blob that a read found damaged.
    pub(super) fn forget_intact(&self, digest: &Digest) {
        self.0.intact.forget(digest);
    }

    pub(super) fn blob_path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        let mut path = self.0.root.join("blobs");
        path.push(digest.algorithm().as_str());
        path.push(&hex[..2]);
        path.push(hex);
        path
    }

    pub(super) fn guard(&self, name: &RepositoryName) -> &RwLock<()> {
        let sum = name
            .as_str()
            .bytes()
            .fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
        &self.0.guards[sum % self.0.guards.len()]
    }

    /// Returns the writer. Refuses a change of a store that was opened for reading.
    pub(super) fn writable(&self) -> Result<&Writer> {
        match self.0.access {
            Access::Writable { .. } => Ok(&self.0.writer),
            Access::ReadOnly => Err(Error::new(
                crate::ErrorKind::Io,
                format!("the store at `{}` is open for reading only", self.0.root.display()),
            )),
        }
    }
}

/// Returns the directories in `directory` that have a repository's name, which begins with
/// `prefix`.
fn children(prefix: &str, directory: &Path) -> Result<Vec<(RepositoryName, PathBuf)>> {
    let mut found = Vec::new();
    for entry in read_directory(directory)? {
        let entry = entry.map_err(|error| Error::io("read directory", directory, error))?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !name.starts_with('_')) else { continue };
        let name = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        if let Ok(name) = name.parse() {
            found.push((name, entry.path()));
        }
    }
    Ok(found)
}

/// Returns the entries of a directory, or none if it does not exist.
pub(super) fn read_directory(
    path: &Path,
) -> Result<impl Iterator<Item = io::Result<fs::DirEntry>> + use<>> {
    match fs::read_dir(path) {
        Ok(entries) => Ok(Some(entries).into_iter().flatten()),
        Err(error) if is_absent(&error) => Ok(None.into_iter().flatten()),
        Err(error) => Err(Error::io("read directory", path, error)),
    }
}

/// Reads a whole small file. Returns `None` if it does not exist.
pub(super) fn read_file(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(Error::io("read", path, error)),
    }
}

/// Opens a file that somebody else may have made: opening a FIFO or a device could wait without
/// end.
///
/// # Errors
/// `Invalid` if it is not a regular file. The inner result has the system's error.
pub(super) fn open_regular(path: &Path) -> Result<io::Result<File>> {
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(Error::invalid(format!("`{}` is not a regular file", path.display())));
    }
    Ok(File::open(path))
}

/// Reads the start of a file that is known to be short. Returns `None` if it does not exist. At its
/// start, a server reads one for each tag, so each call to the system counts.
pub(super) fn read_start<'b>(path: &Path, buffer: &'b mut [u8]) -> Result<Option<&'b [u8]>> {
    let fail = |error| Error::io("read", path, error);
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(fail(error)),
    };
    let length = file.read(buffer).map_err(fail)?;
    Ok(Some(&buffer[..length]))
}

/// Returns true if the error means that a file does not exist. A repository `a` without content may
/// be a directory on the way to `a/b`; to look for the children of a plain file is absence too.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn holds_manifests(directory: &Path) -> bool {
    ["sha256", "sha512"].iter().any(|algorithm| {
        fs::read_dir(directory.join("_r/manifests").join(algorithm))
            .is_ok_and(|mut entries| entries.next().is_some())
    })
}

/// Refuses a directory with foreign content, so that it does not become a store.
fn refuse_foreign(root: &Path) -> Result<()> {
    if read_version(root)?.is_some() {
        return Ok(());
    }
    for entry in read_directory(root)? {
        let entry = entry.map_err(|error| Error::io("read directory", root, error))?;
        // A first start that was killed leaves these, before it has written the version.
        if entry.file_name() != LOCK && entry.file_name() != "tmp" {
            return Err(Error::invalid(format!(
                "`{}` is not empty and is not a store of chartferry",
                root.display()
            ))
            .with_hint("name an empty directory, or one that does not exist"));
        }
    }
    Ok(())
}

fn read_version(root: &Path) -> Result<Option<()>> {
    let path = root.join(VERSION);
    match read_file(&path)? {
        None => Ok(None),
        Some(text) if text == VERSION_TEXT.as_bytes() => Ok(Some(())),
        Some(text) => Err(Error::invalid(format!(
            "`{}` says `{}`, which this version does not know",
            path.display(),
            String::from_utf8_lossy(&text[..text.len().min(80)]).trim_end()
        ))),
    }
}

/// The lock of a store. Closing its file is not enough: a program that is just being started may
/// still have it open.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // If this fails, the file is closed anyway.
        let _ = self.0.unlock();
    }
}

fn lock(root: &Path) -> Result<Lock> {
    let path = root.join(LOCK);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| Error::io("open lock", &path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(Error::new(
            crate::ErrorKind::Conflict,
            format!("the store is in use: another process holds the lock `{}`", path.display()),
        )
        .with_hint("stop the other process, or name another directory")),
        Err(TryLockError::Error(error)) => Err(Error::io("lock", &path, error)),
    }
}

/// Removes the sessions of earlier versions, which were within the repositories, and the
/// repositories with no other content.
fn remove_old_uploads(directory: &Path) -> Result<()> {
    for entry in read_directory(directory)? {
        let entry = entry.map_err(|error| Error::io("read directory", directory, error))?;
        let (name, path) = (entry.file_name(), entry.path());
        if name == "_u" {
            fs::remove_dir_all(&path).map_err(|error| Error::io("remove", &path, error))?;
        } else if !name.to_string_lossy().starts_with('_')
            && entry.file_type().is_ok_and(|kind| kind.is_dir())
        {
            remove_old_uploads(&path)?;
            // This removes only an empty directory; any other stays.
            let _ = fs::remove_dir(&path);
        }
    }
    Ok(())
}

/// Removes the files of writers that were killed.
fn empty(temporary: &Path) -> Result<()> {
    for entry in read_directory(temporary)? {
        let path = entry.map_err(|error| Error::io("read directory", temporary, error))?.path();
        fs::remove_file(&path).map_err(|error| Error::io("remove", &path, error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
