//! The commit protocol of the stores on disk: data, `fdatasync`, rename, directory `fsync`, and
//! only then the reference. A crash at any point leaves at most bytes without a reference, never a
//! reference to missing bytes. The stores choose the content and the paths.

use crate::{Error, Result};
use std::{
    ffi::OsStr,
    fs::{self, File},
    hash::{BuildHasher, Hasher, RandomState},
    io::{self, Write},
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
};

/// The protection of acknowledged writes against a loss of power.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Full protection: files and directories reach the disk before a write is acknowledged.
    #[default]
    Full,
    /// Protection of files only. The file system writes the directory entries later. This is enough
    /// if a lost write is repeated.
    File,
    /// Protection from the moment when a layout's index is written, which flushes everything before
    /// it at once. A loss of power loses everything since then; the next writer of the layout
    /// detects that. Linux only: other systems use [`Self::Full`].
    Late,
    /// No flushes. Writes survive a crash of the process, not of the machine.
    None,
}

/// A step of the protocol, for the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Write,
    SyncFile,
    Rename,
    SyncDirectory,
    SyncAll,
    Remove,
}

/// A hook that the tests use to see every step before it is taken. An error stops the protocol
/// there, as a full disk or a crash would.
#[cfg(test)]
pub(crate) type Seam = std::sync::Arc<dyn Fn(Step, &Path) -> io::Result<()> + Send + Sync>;

/// A writer that takes the steps with the durability of its store.
#[derive(Clone)]
pub(crate) struct Writer {
    durability: Durability,
    temporary: PathBuf,
    #[cfg(test)]
    pub(crate) seam: Option<Seam>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("durability", &self.durability).finish_non_exhaustive()
    }
}

impl Writer {
    /// Makes a writer that keeps unfinished files in `temporary`, a directory on the file system of
    /// all its targets.
    pub(crate) fn new(durability: Durability, temporary: PathBuf) -> Self {
        let durability = match durability {
            Durability::Late if !cfg!(target_os = "linux") => Durability::Full,
            as_asked => as_asked,
        };
        Self {
            durability,
            temporary,
            #[cfg(test)]
            seam: None,
        }
    }

    /// Flushes everything that was written late, and returns a writer for files that refer to it.
    /// `root` is any directory of the file system.
    pub(crate) fn catch_up(&self, root: &Path) -> Result<Self> {
        if self.durability != Durability::Late {
            return Ok(self.clone());
        }
        self.step(Step::SyncAll, root)
            .and_then(|()| sync_file_system(root))
            .map_err(|error| Error::io("flush", root, error))?;
        Ok(Self { durability: Durability::Full, ..self.clone() })
    }

    /// Writes or replaces a whole small file. Readers see the old content or the new, never a part.
    pub(crate) fn write(&self, path: &Path, content: &[u8]) -> Result<()> {
        let unfinished = self.unfinished();
        let result = self.fill(&unfinished, content).and_then(|()| self.rename(&unfinished, path));
        if result.is_err() {
            // The first error is the one to report. The next start removes unfinished files.
            let _ = fs::remove_file(&unfinished);
        }
        result
    }

    /// Writes a whole small file if none exists. Of two writers, the first wins.
    pub(crate) fn write_once(&self, path: &Path, content: &[u8]) -> Result<()> {
        let unfinished = self.unfinished();
        let result = self.fill(&unfinished, content).and_then(|()| self.link(&unfinished, path));
        // The file has its second name, or nobody needs it.
        let _ = fs::remove_file(&unfinished);
        result
    }

    /// Writes a small file whose existence is its content: a loss of power may lose its bytes but
    /// not its name. An existing file stays.
    pub(crate) fn mark(&self, path: &Path, content: &[u8]) -> Result<()> {
        self.create_parent(path)?;
        let create = || match File::create_new(path) {
            Ok(mut file) => file.write_all(content),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        };
        self.step(Step::Write, path)
            .and_then(|()| create())
            .map_err(|error| Error::io("write", path, error))?;
        // The process that made it may have stopped before this step.
        self.sync_parent(path)
    }

    /// Appends `content` to the caller's file.
    pub(crate) fn append(&self, file: &mut File, path: &Path, content: &[u8]) -> Result<()> {
        self.step(Step::Write, path)
            .and_then(|()| file.write_all(content))
            .map_err(|error| Error::io("write", path, error))
    }

    /// Flushes the present bytes of a growing file to the disk, while more are appended.
    pub(crate) fn sync_ahead(&self, file: &File, path: &Path) -> Result<Option<Ahead>> {
        if self.is_lazy() {
            return Ok(None);
        }
        let file = file.try_clone().map_err(|error| Error::io("flush", path, error))?;
        Ok(Some(Ahead(thread::spawn(move || file.sync_data()))))
    }

    /// Flushes the bytes of a finished file to the disk.
    pub(crate) fn sync_file(&self, file: &File, path: &Path) -> Result<()> {
        if self.is_lazy() {
            return Ok(());
        }
        self.step(Step::SyncFile, path)
            .and_then(|()| file.sync_data())
            .map_err(|error| Error::io("flush", path, error))
    }

    /// Moves a finished file to its place, and flushes the directory.
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.create_parent(to)?;
        self.step(Step::Rename, to)
            .and_then(|()| fs::rename(from, to))
            .map_err(|error| Error::io("put in place", to, error))?;
        self.sync_parent(to)
    }

    /// Gives a finished file a second name. An existing file of that name stays.
    pub(crate) fn link(&self, from: &Path, to: &Path) -> Result<()> {
        self.create_parent(to)?;
        match self.step(Step::Rename, to).and_then(|()| fs::hard_link(from, to)) {
            Ok(()) => self.sync_parent(to),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(Error::io("link", to, error)),
        }
    }

    /// Removes a file. Returns [`Removed::WasAbsent`] if it did not exist.
    pub(crate) fn remove(&self, path: &Path) -> Result<Removed> {
        match self.step(Step::Remove, path).and_then(|()| fs::remove_file(path)) {
            Ok(()) => self.sync_parent(path).map(|()| Removed::Yes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Removed::WasAbsent),
            Err(error) => Err(Error::io("remove", path, error)),
        }
    }

    /// Creates a directory and its parents, and flushes each of them.
    pub(crate) fn create_directory(&self, path: &Path) -> Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        self.create_parent(path)?;
        match fs::create_dir(path) {
            Ok(()) => self.sync_parent(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(Error::io("create directory", path, error)),
        }
    }

    /// Returns the durability of this writer.
    pub(crate) fn durability(&self) -> Durability {
        self.durability
    }

    /// Returns true if single files are not flushed to the disk.
    fn is_lazy(&self) -> bool {
        matches!(self.durability, Durability::Late | Durability::None)
    }

    fn create_parent(&self, path: &Path) -> Result<()> {
        folder_of(path).map_or(Ok(()), |parent| self.create_directory(parent))
    }

    /// Returns a new path for an unfinished file.
    pub(crate) fn unfinished(&self) -> PathBuf {
        self.temporary.join(format!(".{}{UNFINISHED}", unique()))
    }

    fn fill(&self, path: &Path, content: &[u8]) -> Result<()> {
        let mut file =
            File::create_new(path).map_err(|error| Error::io("create file", path, error))?;
        self.append(&mut file, path, content)?;
        self.sync_file(&file, path)
    }

    /// Flushes the directory of `path` to the disk.
    pub(crate) fn sync_parent(&self, path: &Path) -> Result<()> {
        let Some(parent) = folder_of(path) else { return Ok(()) };
        if self.durability != Durability::Full {
            return Ok(());
        }
        self.step(Step::SyncDirectory, parent)
            .and_then(|()| sync_directory(parent))
            .map_err(|error| Error::io("flush directory", parent, error))
    }

    #[cfg(test)]
    pub(crate) fn step(&self, step: Step, path: &Path) -> io::Result<()> {
        self.seam.as_ref().map_or(Ok(()), |seam| seam(step, path))
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "the seam exists in tests")]
    pub(crate) fn step(&self, _step: Step, _path: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// A flush in progress. The system reports its failure only once, here: the last flush of the file
/// would not report it again.
#[derive(Debug)]
pub(crate) struct Ahead(JoinHandle<io::Result<()>>);

impl Ahead {
    /// Waits for the end of the flush.
    pub(crate) fn wait(self, path: &Path) -> Result<()> {
        let outcome = self.0.join().unwrap_or_else(|_| Err(io::Error::other("it panicked")));
        outcome.map_err(|error| Error::io("flush", path, error))
    }
}

/// Result of a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// The object existed and was removed.
    Yes,
    /// The object did not exist.
    WasAbsent,
}

const UNFINISHED: &str = ".unfinished";

/// Returns true if the name is that of an unfinished file.
pub(crate) fn is_unfinished(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.ends_with(UNFINISHED))
}

/// Returns 128 bits in lower-case hex, each time different, as the name of a session or an
/// unfinished file. `RandomState` is seeded from the system and gets a new key each time, so nobody
/// can derive the next name from the last one.
pub(crate) fn unique() -> String {
    let half = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", half(), half())
}

#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Does nothing. Other systems cannot open a directory as a file, and keep their own journal of
/// names.
#[cfg(not(unix))]
fn sync_directory(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Flushes the whole file system in one call. A flush of each file waits for the disk's own cache,
/// 4 ms for each of 110,000 files.
#[cfg(target_os = "linux")]
fn sync_file_system(root: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(root)?)?)
}

/// Does nothing. Other systems have no such call, and nothing is written late there.
#[cfg(not(target_os = "linux"))]
fn sync_file_system(_root: &Path) -> io::Result<()> {
    Ok(())
}
/// Returns the folder of a path: `.` for a bare name, whose parent is an empty path, and `None` for
/// the root.
pub(super) fn folder_of(path: &Path) -> Option<&Path> {
    let parent = path.parent()?;
    Some(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })
}

#[cfg(test)]
mod tests {
    use super::folder_of;
    use std::path::Path;

    #[test]
    fn a_bare_name_lies_in_the_working_folder() {
        for (path, folder) in
            [("store", Some(".")), ("a/store", Some("a")), ("/store", Some("/")), ("/", None)]
        {
            assert_eq!(folder_of(Path::new(path)), folder.map(Path::new), "{path}");
        }
    }
}
