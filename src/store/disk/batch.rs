//! Many files put in place together, by the commit protocol of [`super::commit`] with concurrent
//! flushes. One after another, each flush waits for a commit of the file system's journal.
//! Concurrent flushes share a commit, also with those of other requests. The stores choose the
//! content and the paths.

use super::commit::{Durability, Removed, Step, Writer, folder_of};
use crate::{Error, Result};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    thread,
};

/// The turn in which a file gets its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The first turn, for data.
    First,
    /// The last turn, after everything else is on disk, for a file that refers to the rest.
    Last,
}

/// The rule for a file that exists already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Writable,
    ReadOnly,
}

/// Files on their way to their places. A batch that is dropped early leaves no file.
#[derive(Debug)]
pub(crate) struct Batch<'w> {
    writer: &'w Writer,
    staged: Vec<Staged>,
    directories: BTreeSet<PathBuf>,
}

#[derive(Debug)]
struct Staged {
    unfinished: PathBuf,
    file: File,
    place: PathBuf,
    turn: Turn,
}

impl<'w> Batch<'w> {
    pub(crate) fn new(writer: &'w Writer) -> Self {
        Self { writer, staged: Vec::new(), directories: BTreeSet::new() }
    }

    /// Writes a file whose final path is `place`.
    pub(crate) fn stage(
        &mut self,
        place: PathBuf,
        turn: Turn,
        mode: Mode,
        fill: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>,
    ) -> Result<()> {
        let unfinished = self.writer.unfinished();
        let file = File::create_new(&unfinished)
            .map_err(|error| Error::io("create file", &unfinished, error))?;
        // The list has the file from here on, so a failure removes it.
        self.staged.push(Staged { unfinished: unfinished.clone(), file, place, turn });
        let Some(Staged { file, .. }) = self.staged.last_mut() else { return Ok(()) };
        fill(&mut |bytes| self.writer.append(file, &unfinished, bytes))?;
        if mode == Mode::ReadOnly {
            let fail = |error| Error::io("change the permissions of", &unfinished, error);
            let mut permissions = file.metadata().map_err(fail)?.permissions();
            permissions.set_readonly(true);
            file.set_permissions(permissions).map_err(fail)?;
        }
        Ok(())
    }

    /// Writes a small file whose existence is its content, as [`Writer::mark`] does.
    pub(crate) fn mark(&mut self, place: &Path, content: &[u8]) -> Result<()> {
        let parent = self.parent(place)?;
        self.writer.step(Step::Write, place).map_err(|error| Error::io("write", place, error))?;
        let made = File::create_new(place).and_then(|mut file| file.write_all(content));
        match made {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::io("write", place, error));
            }
            // The process that made it may have stopped before it flushed the directory.
            _ => self.directories.insert(parent),
        };
        Ok(())
    }

    /// Accepts a file that another process put in place and may not have flushed yet.
    pub(crate) fn trust(&mut self, place: &Path) -> Result<()> {
        let parent = self.parent(place)?;
        self.directories.insert(parent);
        Ok(())
    }

    /// Flushes the bytes of everything staged to the disk.
    pub(crate) fn flush(&self) -> Result<()> {
        let files: Vec<&Staged> = self.staged.iter().collect();
        self.side_by_side(&files, |staged| self.writer.sync_file(&staged.file, &staged.unfinished))
    }

    /// Puts the files of one turn in place, in the order in which they were staged, and flushes
    /// their directories.
    pub(crate) fn place(&mut self, turn: Turn) -> Result<()> {
        let mut rest = Vec::new();
        for staged in std::mem::take(&mut self.staged) {
            if staged.turn != turn {
                rest.push(staged);
                continue;
            }
            let moved = self.parent(&staged.place).and_then(|parent| {
                self.writer
                    .step(Step::Rename, &staged.place)
                    .and_then(|()| fs::rename(&staged.unfinished, &staged.place))
                    .map_err(|error| Error::io("put in place", &staged.place, error))?;
                Ok(parent)
            });
            match moved {
                Ok(parent) => {
                    self.directories.insert(parent);
                }
                Err(error) => {
                    rest.push(staged);
                    self.staged.append(&mut rest);
                    return Err(error);
                }
            }
        }
        self.staged = rest;
        let directories: Vec<PathBuf> = std::mem::take(&mut self.directories).into_iter().collect();
        // The path of any file in a directory represents the directory.
        self.side_by_side(&directories, |directory| self.writer.sync_parent(&directory.join("x")))
    }

    fn parent(&self, place: &Path) -> Result<PathBuf> {
        let parent = folder_of(place).unwrap_or(Path::new("."));
        self.writer.create_directory(parent)?;
        Ok(parent.to_owned())
    }

    fn side_by_side<T: Sync>(
        &self,
        items: &[T],
        act: impl Fn(&T) -> Result<()> + Sync,
    ) -> Result<()> {
        if self.writer.durability() == Durability::None {
            return items.iter().try_for_each(act);
        }
        let Some((first, others)) = items.split_first() else { return Ok(()) };
        thread::scope(|scope| {
            let act = &act;
            let others: Vec<_> = others.iter().map(|item| scope.spawn(move || act(item))).collect();
            let mut outcome = act(first);
            for other in others {
                let ended = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                outcome = outcome.and(ended);
            }
            outcome
        })
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        for staged in &self.staged {
            // The caller has the error already, and the next start empties the directory.
            let _: Result<Removed, _> = fs::remove_file(&staged.unfinished).map(|()| Removed::Yes);
        }
    }
}
