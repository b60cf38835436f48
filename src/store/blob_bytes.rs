//! Verified content of a blob, in memory or in a file.

use super::RemoteBlob;
use crate::{Error, Result, atomic_file::write_file};
use bytes::Bytes;
use std::{
    fs::File,
    io::{self, Cursor, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

/// Source of a blob's content for a push. It can be read again from the start, so that a transfer
/// can be repeated.
#[derive(Clone, Debug)]
pub enum BlobSource {
    /// Content in memory.
    Bytes(Bytes),
    /// A file, read while it is sent.
    File(PathBuf),
    /// A blob of another store, read while it is sent.
    Remote(RemoteBlob),
}

/// A verified blob in a file, because it is too large for memory.
#[derive(Clone, Debug)]
pub enum BlobFile {
    /// A temporary file, removed with the last copy of this value.
    Temporary(Arc<tempfile::TempPath>),
    /// A file of a store on this machine. The caller may read it, but must not move or change it.
    Stored(PathBuf),
}

impl BlobFile {
    /// Returns the file's path.
    pub fn path(&self) -> &Path {
        match self {
            Self::Temporary(path) => path,
            Self::Stored(path) => path,
        }
    }
}

/// Content of a blob: in memory if it is small, otherwise in a file.
#[derive(Clone, Debug)]
pub enum BlobBytes {
    /// The bytes themselves, up to [`Limits::memory_blob`](crate::limits::Limits::memory_blob).
    Memory(Bytes),
    /// A file. A temporary one is removed with the last copy of this value.
    File(BlobFile),
}

impl BlobBytes {
    pub(crate) fn temporary(path: Arc<tempfile::TempPath>) -> Self {
        Self::File(BlobFile::Temporary(path))
    }

    /// Returns the content as the source of a push.
    pub fn source(&self) -> BlobSource {
        match self {
            Self::Memory(bytes) => BlobSource::Bytes(bytes.clone()),
            Self::File(file) => BlobSource::File(file.path().to_owned()),
        }
    }

    /// Opens a reader at the first byte.
    ///
    /// # Errors
    /// `Io` if its file cannot be opened.
    pub fn reader(&self) -> Result<Box<dyn Read + Send>> {
        match self {
            Self::Memory(bytes) => Ok(Box::new(Cursor::new(bytes.clone()))),
            Self::File(file) => {
                let path = file.path();
                Ok(Box::new(
                    File::open(path).map_err(|error| Error::io("open archive", path, error))?,
                ))
            }
        }
    }

    /// Writes the content to `path`: to a temporary file beside it, which is synced and then
    /// renamed over the old file.
    ///
    /// # Errors
    /// `Io`, with the path.
    pub fn save(&self, path: &Path) -> Result<()> {
        self.save_dated(path, None)
    }

    /// Saves as [`BlobBytes::save`] does, and sets the file's modification time. `None` keeps the
    /// file system's time.
    ///
    /// # Errors
    /// As [`BlobBytes::save`].
    pub fn save_dated(&self, path: &Path, modified: Option<SystemTime>) -> Result<()> {
        write_file(path, |file| {
            match self {
                Self::Memory(bytes) => file.write_all(bytes)?,
                Self::File(blob) => io::copy(&mut File::open(blob.path())?, file).map(drop)?,
            }
            // Some network file systems refuse times; the bytes are what counts.
            let _ = modified.map(|time| file.set_modified(time));
            Ok(())
        })
    }
}
