//! Storage of the content of a chart's files: in memory, or at its offset in the input until it is
//! written. [`crate::archive::Keep`] selects the files to hold.

use crate::{Error, Result, archive::Content};
use bytes::Bytes;
use std::{
    fs::File,
    io::{ErrorKind, Read, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// Turns a file that is wanted into what stands for it.
pub(crate) trait Retain {
    /// Representation of a file's content.
    type Data;

    /// Takes a stream of about `size` bytes.
    fn stream(&mut self, size: u64, content: &mut dyn Read) -> Result<Self::Data>;

    /// Takes a document that was read already.
    fn document(&mut self, content: Bytes) -> Result<Self::Data>;

    /// Takes a file on disk, and what of it was read already.
    fn file(&mut self, path: &Path, size: u64, content: Option<Bytes>) -> Result<Self::Data>;
}

/// All of a stream of at most `size` bytes, which the limits allow. Read into the whole of it at
/// once, a large file is inflated where it stays.
pub(crate) fn read_whole(size: u64, content: &mut dyn Read) -> Result<Vec<u8>> {
    let mut data = vec![0; usize::try_from(size).unwrap_or(0)];
    let mut filled = 0;
    while filled < data.len() {
        match content.read(&mut data[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(crate::archive::gzip::error(error)),
        }
    }
    data.truncate(filled);
    Ok(data)
}

/// Everything in memory.
#[derive(Debug)]
pub(crate) struct Memory;

impl Retain for Memory {
    type Data = Bytes;

    fn stream(&mut self, size: u64, content: &mut dyn Read) -> Result<Bytes> {
        read_whole(size, content).map(Bytes::from)
    }

    fn document(&mut self, content: Bytes) -> Result<Bytes> {
        Ok(content)
    }

    fn file(&mut self, path: &Path, size: u64, content: Option<Bytes>) -> Result<Bytes> {
        match content {
            Some(content) => Ok(content),
            None => {
                let opened = Content::file(path, size).open()?;
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

/// Files on disk stay there; what comes out of subcharts' archives is held in memory up to a bound,
/// and then set aside in a file without a name.
#[derive(Debug)]
pub(crate) struct Spill {
    directory: Option<PathBuf>,
    left: u64,
    file: Option<(Arc<Mutex<File>>, u64)>,
}

/// Bytes of subcharts' files held in memory before they are set aside. The largest public chart
/// with all its subcharts inflates to 9 MB.
const HELD: u64 = 12 * 1024 * 1024;

impl Spill {
    /// Sets aside in `directory`, or without one holds everything in memory.
    pub(crate) fn new(directory: Option<PathBuf>) -> Self {
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

impl Retain for Spill {
    type Data = Content;

    fn stream(&mut self, size: u64, content: &mut dyn Read) -> Result<Content> {
        let directory = match (&self.directory, self.left.checked_sub(size)) {
            (Some(directory), None) => directory.clone(),
            (_, left) => {
                self.left = left.unwrap_or(0);
                let data = Memory.stream(size, content)?;
                return Ok(data.into());
            }
        };
        let (file, end) = self.file_in(&directory)?;
        let at = *end;
        let mut writer = file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut buffer = [0; 16 * 1024];
        loop {
            let read = content.read(&mut buffer).map_err(crate::archive::gzip::error)?;
            if read == 0 {
                break;
            }
            writer
                .write_all(&buffer[..read])
                .map_err(|error| Error::io("write temporary file in", &directory, error))?;
            *end += read as u64;
        }
        drop(writer);
        Ok(Content::aside(Arc::clone(file), at, *end - at))
    }

    fn document(&mut self, content: Bytes) -> Result<Content> {
        self.left = self.left.saturating_sub(content.len() as u64);
        Ok(content.into())
    }

    fn file(&mut self, path: &Path, size: u64, _content: Option<Bytes>) -> Result<Content> {
        Ok(Content::file(path, size))
    }
}
