//! The commit protocol of the stores on disk: data, `fdatasync`, rename, directory `fsync`, and
//! only then the reference. A crash at any point leaves at most bytes that nothing refers to, never
//! a reference to missing bytes. What is written and where is the stores' business.

use crate::{Error, Result};
use std::{
    ffi::OsStr,
    fs::{self, File},
    hash::{BuildHasher, Hasher, RandomState},
    io::{self, Write},
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
};

/// Effort of a store so that acknowledged writes survive a loss of power.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Files and directories reach the disk before a write is acknowledged.
    #[default]
    Full,
    /// Files do; the directory entries follow when the file system likes. Enough where a lost write
    /// is done again.
    File,
    /// Nothing is forced until a layout's index is written, which makes everything before it reach
    /// the disk at once. A loss of power loses what was written since; the next writer of the
    /// layout finds that out. On Linux only: elsewhere it is [`Self::Full`].
    Late,
    /// Nothing is forced. Survives a crash of the process, not of the machine.
    None,
}

/// One step of the protocol, as the tests' seam sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Write,
    SyncFile,
    Rename,
    SyncDirectory,
    SyncAll,
    Remove,
}

/// Looks at every step before it is taken; an error stops it there, as a full disk or a crash
/// would.
#[cfg(test)]
pub(crate) type Seam = std::sync::Arc<dyn Fn(Step, &Path) -> io::Result<()> + Send + Sync>;

/// Writer of files with a chosen durability.
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
    /// A writer that keeps unfinished files in `temporary`, a directory on the file system of all
    /// its targets.
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

    /// Makes everything that was written late reach the disk, and returns a writer of what may name
    /// it now. `root` is any directory of the file system.
    pub(crate) fn catch_up(&self, root: &Path) -> Result<Self> {
        if self.durability != Durability::Late {
            return Ok(self.clone());
        }
        self.step(Step::SyncAll, root)
            .and_then(|()| sync_file_system(root))
            .map_err(|error| Error::io("flush", root, error))?;
        Ok(Self { durability: Durability::Full, ..self.clone() })
    }

    /// Writes a whole small file, or replaces it: readers see the old content or the new, never a
    /// part.
    pub(crate) fn write(&self, path: &Path, content: &[u8]) -> Result<()> {
        let unfinished = self.unfinished();
        let result = self.fill(&unfinished, content).and_then(|()| self.rename(&unfinished, path));
        if result.is_err() {
            // The first failure is the one to report; start-up empties the directory of unfinished
            // files.
            let _ = fs::remove_file(&unfinished);
        }
        result
    }

    /// Writes a whole small file unless there is one: of two writers, the first wins.
    pub(crate) fn write_once(&self, path: &Path, content: &[u8]) -> Result<()> {
        let unfinished = self.unfinished();
        let result = self.fill(&unfinished, content).and_then(|()| self.link(&unfinished, path));
        // It has its second name, or is not wanted.
        let _ = fs::remove_file(&unfinished);
        result
    }

    /// Writes a small file that says what it says by being there: its content may be lost with the
    /// power, its name may not. One that is there already stays.
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
        // Who made it may not have got this far.
        self.sync_parent(path)
    }

    /// Appends `content` to a file of the caller's.
    pub(crate) fn append(&self, file: &mut File, path: &Path, content: &[u8]) -> Result<()> {
        self.step(Step::Write, path)
            .and_then(|()| file.write_all(content))
            .map_err(|error| Error::io("write", path, error))
    }

    /// Makes the bytes that a growing file has now reach the disk, while more are appended.
    pub(crate) fn sync_ahead(&self, file: &File, path: &Path) -> Result<Option<Ahead>> {
        if self.is_lazy() {
            return Ok(None);
        }
        let file = file.try_clone().map_err(|error| Error::io("flush", path, error))?;
        Ok(Some(Ahead(thread::spawn(move || file.sync_data()))))
    }

    /// Makes a finished file's bytes reach the disk.
    pub(crate) fn sync_file(&self, file: &File, path: &Path) -> Result<()> {
        if self.is_lazy() {
            return Ok(());
        }
        self.step(Step::SyncFile, path)
            .and_then(|()| file.sync_data())
            .map_err(|error| Error::io("flush", path, error))
    }

    /// Moves a finished file to its place, and makes the move reach the disk.
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.create_parent(to)?;
        self.step(Step::Rename, to)
            .and_then(|()| fs::rename(from, to))
            .map_err(|error| Error::io("put in place", to, error))?;
        self.sync_parent(to)
    }

    /// Gives a finished file a second name; one that is there already stays.
    pub(crate) fn link(&self, from: &Path, to: &Path) -> Result<()> {
        self.create_parent(to)?;
        match self.step(Step::Rename, to).and_then(|()| fs::hard_link(from, to)) {
            Ok(()) => self.sync_parent(to),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(Error::io("link", to, error)),
        }
    }

    /// Removes a file and says whether it was there.
    pub(crate) fn remove(&self, path: &Path) -> Result<Removed> {
        match self.step(Step::Remove, path).and_then(|()| fs::remove_file(path)) {
            Ok(()) => self.sync_parent(path).map(|()| Removed::Yes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Removed::WasAbsent),
            Err(error) => Err(Error::io("remove", path, error)),
        }
    }

    /// Creates a directory and those above it, each of which reaches the disk with its parent.
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

    /// Returns the writer's durability.
    pub(crate) fn durability(&self) -> Durability {
        self.durability
    }

    /// Returns true if single files are not forced to the disk.
    fn is_lazy(&self) -> bool {
        matches!(self.durability, Durability::Late | Durability::None)
    }

    fn create_parent(&self, path: &Path) -> Result<()> {
        folder_of(path).map_or(Ok(()), |parent| self.create_directory(parent))
    }

    /// A new path for an unfinished file.
    pub(crate) fn unfinished(&self) -> PathBuf {
        self.temporary.join(format!(".{}{UNFINISHED}", unique()))
    }

    fn fill(&self, path: &Path, content: &[u8]) -> Result<()> {
        let mut file =
            File::create_new(path).map_err(|error| Error::io("create file", path, error))?;
        self.append(&mut file, path, content)?;
        self.sync_file(&file, path)
    }

    /// Makes the directory that `path` is in reach the disk.
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

/// Flush in progress. The operating system reports its failure only once, to this flush; the last
/// flush of the file would not repeat it.
#[derive(Debug)]
pub(crate) struct Ahead(JoinHandle<io::Result<()>>);

impl Ahead {
    /// Waits for its end.
    pub(crate) fn wait(self, path: &Path) -> Result<()> {
        let outcome = self.0.join().unwrap_or_else(|_| Err(io::Error::other("it panicked")));
        outcome.map_err(|error| Error::io("flush", path, error))
    }
}

/// Result of a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// The object existed and is removed.
    Yes,
    /// There was nothing.
    WasAbsent,
}

const UNFINISHED: &str = ".unfinished";

/// Returns true if a file's name is one of an unfinished file.
pub(crate) fn is_unfinished(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.ends_with(UNFINISHED))
}

/// Returns 128 bits in lower-case hexadecimal, never the same twice: a name for a session or an
/// unfinished file. `RandomState` is seeded from the system and keyed anew each time, so that
/// nobody can derive the next name from the last.
pub(crate) fn unique() -> String {
    let half = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", half(), half())
}

#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Other systems cannot open a directory as a file, and keep their own journal of names.
#[cfg(not(unix))]
fn sync_directory(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// One call for all files: a flush of each waits for the disk's own cache, 4 ms for each of 110,000
/// files.
#[cfg(target_os = "linux")]
fn sync_file_system(root: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(root)?)?)
}

/// Other systems have no such call, and nothing is written late there.
#[cfg(not(target_os = "linux"))]
fn sync_file_system(_root: &Path) -> io::Result<()> {
    Ok(())
}
/// The folder that a path lies in; `.` for a bare name, whose parent is an empty path. `None` for
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
