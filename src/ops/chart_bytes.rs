//! A chart's archive on its way, in memory or in a file, and how a file is written whole or not at
//! all.

use crate::{
    Error, ErrorKind, Result,
    atomic_file::write_file,
    limits::Limits,
    oci::Descriptor,
    store::{BlobFile, Fetch},
};
use bytes::Bytes;
use std::{
    fs::File,
    io::{self, Cursor, Read, Write},
    path::Path,
    time::SystemTime,
};

/// A chart's archive, verified.
#[derive(Clone, Debug)]
pub enum ChartBytes {
    /// Small enough for memory.
    Memory(Bytes),
    /// A file.
    File(BlobFile),
}

/// Refuses a blob that is too large to be a chart's archive. It checks every blob before a download
/// to a file, because a registry may claim and send any size.
///
/// # Errors
/// `Limit` if the blob is too large.
pub fn check_size(blob: &Descriptor, limits: &Limits) -> Result<()> {
    if blob.size <= limits.archive_bytes {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Limit,
        format!(
            "the chart's layer has {} bytes, more than the limit of {}",
            blob.size, limits.archive_bytes
        ),
    ))
}

impl ChartBytes {
    /// Downloads a chart's archive to memory, or to a file if it is large.
    ///
    /// # Errors
    /// `Limit` before the first request if it is too large; any error of the store.
    pub async fn fetch<R: Fetch>(
        repository: &R,
        blob: &Descriptor,
        limits: &Limits,
    ) -> Result<Self> {
        check_size(blob, limits)?;
        Ok(if blob.size <= limits.memory_blob {
            Self::Memory(repository.fetch_blob(blob, limits.memory_blob).await?)
        } else {
            Self::File(repository.fetch_blob_file(blob).await?)
        })
    }

    /// Reads it from the start.
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

    /// Writes it to `path`: to a temporary file beside it, which is synced and then renamed over
    /// the old file.
    ///
    /// # Errors
    /// `Io`, with the path.
    pub fn save(&self, path: &Path) -> Result<()> {
        self.save_dated(path, None)
    }

    /// Saves as [`ChartBytes::save`] does, and sets the file's modification time. `None` keeps the
    /// file system's time.
    ///
    /// # Errors
    /// As [`ChartBytes::save`].
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
