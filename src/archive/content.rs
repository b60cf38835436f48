//! The content of files that will be written, in memory or on disk. [`super::load::retain`] puts it
//! there.

use super::bom::{BOM, StripBom};
use crate::lock::Locked as _;
use crate::{Error, ErrorKind, Result};
use bytes::{Buf, Bytes};
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

/// The content of a chart's file that will be written: in memory, on disk, or set aside in a shared
/// file.
#[derive(Clone, Debug)]
pub struct Content(Storage);

#[derive(Clone, Debug)]
enum Storage {
    Memory(Bytes),
    File { path: PathBuf, size: u64 },
    Aside { file: Arc<Mutex<File>>, at: u64, size: u64 },
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        Self(Storage::Memory(bytes))
    }
}

impl Content {
    /// Makes the content of a file of `size` bytes.
    pub(super) fn file(path: &Path, size: u64) -> Self {
        Self(Storage::File { path: path.to_owned(), size })
    }

    /// Makes the content of `size` bytes at `at` in a file that holds many contents.
    pub(super) fn aside(file: Arc<Mutex<File>>, at: u64, size: u64) -> Self {
        Self(Storage::Aside { file, at, size })
    }

    /// Opens the content. A file on disk must still have the size that it had when the chart was
    /// loaded.
    pub(super) fn open(&self) -> Result<Opened> {
        match &self.0 {
            Storage::Memory(bytes) => {
                let source = Source::Memory(bytes.clone().reader());
                Ok(Opened { size: bytes.len() as u64, source })
            }
            Storage::Aside { file, at, size } => {
                let source = Source::Aside { file: Arc::clone(file), at: *at, left: *size };
                Ok(Opened { size: *size, source })
            }
            Storage::File { path, size } => {
                let fail = |error| Error::io("read chart file", path, error);
                let file = File::open(path).map_err(fail)?;
                let now = file.metadata().map_err(fail)?;
                if !now.is_file() || now.len() != *size {
                    return Err(changed(path));
                }
                let file = StripBom::new(file).map_err(fail)?;
                let size = if file.was_marked() { size - BOM.len() as u64 } else { *size };
                Ok(Opened { size, source: Source::File { path: path.clone(), file } })
            }
        }
    }
}

/// Content that is being written.
#[derive(Debug)]
pub(super) struct Opened {
    /// Bytes of the content.
    pub(super) size: u64,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Memory(bytes::buf::Reader<Bytes>),
    Aside { file: Arc<Mutex<File>>, at: u64, left: u64 },
    File { path: PathBuf, file: StripBom<File> },
}

impl Opened {
    /// Passes exactly `size` bytes to `take`, in pieces of at most `buffer`.
    pub(super) fn copy(
        mut self,
        buffer: &mut [u8],
        mut take: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut left = self.size;
        while left > 0 {
            let length = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
            let read =
                self.source.read(&mut buffer[..length]).map_err(|error| self.error(error))?;
            if read == 0 {
                return Err(self.error(io::ErrorKind::UnexpectedEof.into()));
            }
            take(&buffer[..read])?;
            left -= read as u64;
        }
        Ok(())
    }

    fn error(&self, error: io::Error) -> Error {
        match &self.source {
            Source::File { path, .. } if error.kind() == io::ErrorKind::UnexpectedEof => {
                changed(path)
            }
            Source::File { path, .. } => Error::io("read chart file", path, error),
            _ => Error::new(ErrorKind::Io, "cannot read temporary file").with_source(error),
        }
    }
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Memory(bytes) => bytes.read(into),
            Self::File { file, .. } => file.read(into),
            Self::Aside { file, at, left } => {
                let mut file = file.locked();
                file.seek(SeekFrom::Start(*at))?;
                let length = usize::try_from(*left).map_or(into.len(), |left| left.min(into.len()));
                let read = file.read(&mut into[..length])?;
                *at += read as u64;
                *left -= read as u64;
                Ok(read)
            }
        }
    }
}

fn changed(path: &Path) -> Error {
    Error::invalid(format!("chart file `{}` changed while it was read", path.display()))
}
