//! The list of a layout, kept in memory as long as its files do not change. A layout of tens of
//! thousands of versions has an index of many megabytes; the time to read it for each version would
//! grow with the square of their number.

use super::{
    index::Index,
    journal::{self as journal, Change},
};
use crate::lock::Locked as _;
use crate::{
    Error, ErrorKind, Result,
    store::disk::{commit::Writer, open_regular},
};
use std::{
    fs::{self, File, Metadata},
    io::Read,
    path::Path,
    sync::{Mutex, MutexGuard},
    time::SystemTime,
};

const INDEX: &str = "index.json";
/// Bytes of a journal that do not yet make a new index worthwhile.
const SMALL: u64 = 1 << 20;

/// The length of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Journal {
    Short,
    Long,
}

/// The list of one layout, which all its clones share.
#[derive(Debug, Default)]
pub(crate) struct List(Mutex<Option<Known>>);

#[derive(Debug)]
struct Known {
    index: Index,
    of: Seen,
    journal: Option<Seen>,
    /// Bytes of the journal that are whole lines.
    whole: u64,
}

/// A file that was read. It stays open, so that no other file can get its inode number.
#[derive(Debug)]
struct Seen {
    file: File,
    marks: Marks,
}

/// The properties that show that a path still names the file that was read.
#[derive(Debug, PartialEq, Eq)]
struct Marks {
    file: (u64, u64),
    size: u64,
    modified: Option<SystemTime>,
}

impl Marks {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let file = {
            use std::os::unix::fs::MetadataExt;
            (metadata.dev(), metadata.ino())
        };
        #[cfg(not(unix))]
        let file = (0, 0);
        Self { file, size: metadata.len(), modified: metadata.modified().ok() }
    }

    fn at(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|metadata| Self::of(&metadata))
    }
}

impl Seen {
    fn of(file: File, path: &Path) -> Result<Self> {
        let metadata = file.metadata().map_err(|error| Error::io("read", path, error))?;
        Ok(Self { marks: Marks::of(&metadata), file })
    }
}

impl List {
    /// Passes the list to `look`. Reads it again if the files have changed.
    pub(crate) fn look<T>(
        &self,
        root: &Path,
        most: u64,
        look: impl FnOnce(&Index) -> T,
    ) -> Result<T> {
        let mut known = self.lock();
        Ok(look(&fresh(&mut known, root, most)?.index))
    }

    /// Changes the list and writes it whole. The caller holds the layout's lock.
    pub(crate) fn rewrite<T>(
        &self,
        root: &Path,
        most: u64,
        writer: &Writer,
        change: impl FnOnce(&mut Index) -> Result<T>,
    ) -> Result<T> {
        let mut guard = self.lock();
        let known = fresh(&mut guard, root, most)?;
        // A list that is changed in part is never kept.
        let changed = change(&mut known.index);
        let written = changed.and_then(|value| {
            writer.write(&root.join(INDEX), &known.index.to_vec())?;
            // The journal is removed after the index has its changes; until then both files agree.
            writer.remove(&journal::path(root))?;
            Ok(value)
        });
        let outcome = written.and_then(|value| {
            known.adopt(root)?;
            Ok(value)
        });
        if outcome.is_err() {
            *guard = None;
        }
        outcome
    }

    /// Changes the list by lines of the journal. The caller holds the layout's lock. When the
    /// journal has become long, this writes the whole list. All writing together is then a small
    /// multiple of the list, and reading it stays cheap.
    pub(crate) fn note(
        &self,
        root: &Path,
        most: u64,
        writer: &Writer,
        changes: Vec<Change>,
    ) -> Result<Journal> {
        let mut guard = self.lock();
        let known = fresh(&mut guard, root, most)?;
        let noted = known.note(root, writer, changes);
        let size = known.of.marks.size;
        let due = known.whole > SMALL.max(size);
        if noted.is_err() {
            *guard = None;
        }
        noted.map(|()| if due { Journal::Long } else { Journal::Short })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Known>> {
        self.0.locked()
    }
}

impl Known {
    fn read(root: &Path, most: u64) -> Result<Self> {
        // The journal is read first: it is removed only after an index with its changes is in
        // place.
        let journal = journal::open(root)?;
        let path = root.join(INDEX);
        let fail = |error| Error::io("read layout's index", &path, error);
        let of = Seen::of(open_regular(&path)?.map_err(fail)?, &path)?;
        if of.marks.size > most {
            let message = format!("`{}` has {} bytes", path.display(), of.marks.size);
            return Err(Error::new(ErrorKind::Limit, message));
        }
        let mut bytes = Vec::new();
        (&of.file).take(most).read_to_end(&mut bytes).map_err(fail)?;
        let mut index = Index::parse(&bytes).map_err(|error| {
            Error::invalid(format!("`{}` is not an image index", path.display())).with_source(error)
        })?;
        let mut whole = 0;
        let journal = match journal {
            None => None,
            Some(file) => {
                let path = journal::path(root);
                whole = journal::replay(&file, &path, most, &mut index)?;
                Some(Seen::of(file, &path)?)
            }
        };
        Ok(Self { index, of, journal, whole })
    }

    fn is_current(&self, root: &Path) -> bool {
        let journal = self.journal.as_ref().map(|seen| &seen.marks);
        Marks::at(&journal::path(root)).as_ref() == journal
            && Marks::at(&root.join(INDEX)).as_ref() == Some(&self.of.marks)
    }

    fn note(&mut self, root: &Path, writer: &Writer, changes: Vec<Change>) -> Result<()> {
        let whole = journal::append(root, writer, self.whole, &changes)?;
        for change in changes {
            change.apply(&mut self.index)?;
        }
        self.whole = whole;
        let path = journal::path(root);
        self.journal = journal::open(root)?.map(|file| Seen::of(file, &path)).transpose()?;
        Ok(())
    }

    /// Records the index that was just written as the known one.
    fn adopt(&mut self, root: &Path) -> Result<()> {
        let path = root.join(INDEX);
        let file =
            File::open(&path).map_err(|error| Error::io("read layout's index", &path, error))?;
        self.of = Seen::of(file, &path)?;
        self.journal = None;
        self.whole = 0;
        Ok(())
    }
}

/// Returns the current list.
fn fresh<'a>(known: &'a mut Option<Known>, root: &Path, most: u64) -> Result<&'a mut Known> {
    let current = known.take().filter(|known| known.is_current(root));
    let current = match current {
        Some(current) => current,
        None => Known::read(root, most)?,
    };
    Ok(known.insert(current))
}
