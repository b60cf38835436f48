//! How the content of a chart's files is held: in memory, or where it lies until it is written. What of a
//! chart is held, is [`super::Keep`]'s business.

use crate::{Error, ErrorKind, Result};
use bytes::{Buf, Bytes};
use std::{
    fs::File,
    io::{self, BufRead, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// Turns a file that is wanted into what stands for it.
pub(super) trait Keeper {
    /// What stands for a file's content.
    type Data;

    /// Takes a stream of about `size` bytes.
    fn stream(&mut self, size: u64, content: &mut dyn Read) -> Result<Self::Data>;

    /// Takes a document that was read already.
    fn document(&mut self, content: Bytes) -> Result<Self::Data>;

    /// Takes a file on disk, and what of it was read already.
    fn file(&mut self, path: &Path, size: u64, content: Option<Bytes>) -> Result<Self::Data>;
}

/// Everything in memory.
#[derive(Debug)]
pub(super) struct Memory;

impl Keeper for Memory {
    type Data = Bytes;

    fn stream(&mut self, size: u64, content: &mut dyn Read) -> Result<Bytes> {
        let mut data = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        content.read_to_end(&mut data).map_err(super::gzip::error)?;
        Ok(data.into())
    }

    fn document(&mut self, content: Bytes) -> Result<Bytes> {
        Ok(content)
    }

    fn file(&mut self, path: &Path, size: u64, content: Option<Bytes>) -> Result<Bytes> {
        match content {
            Some(content) => Ok(content),
            None => {
                let opened = Content(Place::File { path: path.to_owned(), size }).open()?;
                let mut bytes = Vec::with_capacity(usize::try_from(opened.size).unwrap_or(0));
                opened.copy(&mut vec![0; 16 * 1024], |piece| {
                    bytes.extend_from_slice(piece);
                    Ok(())
                })?;
                Ok(bytes.into())
            }
        }
    }
}

/// The content of a file of a chart that is about to be written: in memory, on disk, or set aside.
#[derive(Clone, Debug)]
pub struct Content(Place);

#[derive(Clone, Debug)]
enum Place {
    Memory(Bytes),
    File { path: PathBuf, size: u64 },
    Aside { file: Arc<Mutex<File>>, at: u64, size: u64 },
}

/// Files on disk stay there; what comes out of subcharts' archives is held in memory up to a bound, and then
/// set aside in a file without a name.
#[derive(Debug)]
pub(super) struct Aside {
    directory: Option<PathBuf>,
    left: u64,
    file: Option<(Arc<Mutex<File>>, u64)>,
}

/// Bytes of subcharts' files held in memory before they are set aside. The largest public chart with all its
/// subcharts inflates to 9 MB.
const HELD: u64 = 12 * 1024 * 1024;

impl Aside {
    /// Sets aside in `directory`, or without one holds everything in memory.
    pub(super) fn new(directory: Option<PathBuf>) -> Self {
        Self { directory, left: HELD, file: None }
    }

    fn file_in(&mut self, directory: &Path) -> Result<&mut (Arc<Mutex<File>>, u64)> {
        if self.file.is_none() {
            let file = tempfile::tempfile_in(directory)
                .map_err(|error| Error::io("create temporary file in", directory, error))?;
            self.file = Some((Arc::new(Mutex::new(file)), 0));
        }
        Ok(self.file.as_mut().expect("it was just set"))
    }
}

impl Keeper for Aside {
    type Data = Content;

    fn stream(&mut self, size: u64, content: &mut dyn Read) -> Result<Content> {
        let directory = match (&self.directory, self.left.checked_sub(size)) {
            (Some(directory), None) => directory.clone(),
            (_, left) => {
                self.left = left.unwrap_or(0);
                let data = Memory.stream(size, content)?;
                return Ok(Content(Place::Memory(data)));
            }
        };
        let (file, end) = self.file_in(&directory)?;
        let at = *end;
        let mut writer = file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut buffer = [0; 16 * 1024];
        loop {
            let read = content.read(&mut buffer).map_err(super::gzip::error)?;
            if read == 0 {
                break;
            }
            writer
                .write_all(&buffer[..read])
                .map_err(|error| Error::io("write temporary file in", &directory, error))?;
            *end += read as u64;
        }
        drop(writer);
        Ok(Content(Place::Aside { file: Arc::clone(file), at, size: *end - at }))
    }

    fn document(&mut self, content: Bytes) -> Result<Content> {
        self.left = self.left.saturating_sub(content.len() as u64);
        Ok(Content(Place::Memory(content)))
    }

    fn file(&mut self, path: &Path, size: u64, _content: Option<Bytes>) -> Result<Content> {
        Ok(Content(Place::File { path: path.to_owned(), size }))
    }
}

impl Content {
    /// Opens the content. A file on disk must still have the size it had when the chart was judged.
    pub(super) fn open(&self) -> Result<Opened> {
        match &self.0 {
            Place::Memory(bytes) => {
                let source = Source::Memory(bytes.clone().reader());
                Ok(Opened { size: bytes.len() as u64, source })
            }
            Place::Aside { file, at, size } => {
                let source = Source::Aside { file: Arc::clone(file), at: *at, left: *size };
                Ok(Opened { size: *size, source })
            }
            Place::File { path, size } => {
                let fail = |error| Error::io("read chart file", path, error);
                let file = File::open(path).map_err(fail)?;
                let now = file.metadata().map_err(fail)?;
                if !now.is_file() || now.len() != *size {
                    return Err(changed(path));
                }
                let file = Unmarked::new(file).map_err(fail)?;
                let size = if file.was_marked() { size - BOM.len() as u64 } else { *size };
                Ok(Opened { size, source: Source::File { path: path.clone(), file } })
            }
        }
    }
}

/// Content on its way out.
#[derive(Debug)]
pub(super) struct Opened {
    /// Bytes of it.
    pub(super) size: u64,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Memory(bytes::buf::Reader<Bytes>),
    Aside { file: Arc<Mutex<File>>, at: u64, left: u64 },
    File { path: PathBuf, file: Unmarked<File> },
}

impl Opened {
    /// Hands all of it, exactly `size` bytes, to `take`, in pieces of at most `buffer`.
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
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
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

/// The byte order mark of UTF-8, which Helm drops from the start of every file.
const BOM: [u8; 3] = [0xef, 0xbb, 0xbf];

/// A reader without the byte order mark that it may start with.
#[derive(Debug)]
pub(super) struct Unmarked<R> {
    start: [u8; 3],
    /// What of `start` is still to be read.
    from: usize,
    to: usize,
    rest: R,
}

impl<R: Read> Unmarked<R> {
    /// Reads the first bytes.
    pub(super) fn new(mut reader: R) -> io::Result<Self> {
        let mut start = [0; 3];
        let mut filled = 0;
        while filled < start.len() {
            match reader.read(&mut start[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let from = if start == BOM { filled } else { 0 };
        Ok(Self { start, from, to: filled, rest: reader })
    }

    /// Whether there was a mark.
    fn was_marked(&self) -> bool {
        self.start == BOM
    }
}

impl<R: BufRead> BufRead for Unmarked<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.from == self.to {
            self.rest.fill_buf()
        } else {
            Ok(&self.start[self.from..self.to])
        }
    }

    fn consume(&mut self, amount: usize) {
        if self.from == self.to {
            self.rest.consume(amount);
        } else {
            self.from += amount;
        }
    }
}

impl<R: Read> Read for Unmarked<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.from == self.to {
            return self.rest.read(into);
        }
        let length = into.len().min(self.to - self.from);
        into[..length].copy_from_slice(&self.start[self.from..self.from + length]);
        self.from += length;
        Ok(length)
    }
}
