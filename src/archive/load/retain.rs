//! The ways to keep the content of a chart's files: in memory, or at their place on disk until they
//! are written. [`crate::archive::Keep`] selects the files.

use crate::lock::Locked as _;
use crate::{Error, Result, archive::Content};
use bytes::Bytes;
use std::{
    fs::File,
    io::{ErrorKind, Read, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

/// A way to keep the content of the selected files.
pub(crate) trait Retain {
    /// The representation of a file's content.
    type Data;

    /// Keeps a stream of about `size` bytes.
    fn stream(&mut self, size: u64, content: &mut dyn Read) -> Result<Self::Data>;

    /// Keeps a document that was read already.
    fn document(&mut self, content: Bytes) -> Result<Self::Data>;

    /// Keeps a file on disk. `content` is set if the file was read already.
    fn file(&mut self, path: &Path, size: u64, content: Option<Bytes>) -> Result<Self::Data>;
}

/// Reads a whole stream of at most `size` bytes, which the limits allow. With one buffer of that
/// size, a large file is inflated without a copy.
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

/// Storage of all content in memory.
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

/// Storage for packaging. Files on disk stay there. The content of subcharts' archives is kept in
/// memory up to a bound, and beyond it in a file without a name.
#[derive(Debug)]
pub(crate) struct Spill {
    directory: Option<PathBuf>,
    left: u64,
    file: Option<(Arc<Mutex<File>>, u64)>,
}

/// Bytes of subcharts' files in memory before the rest goes to a file. The largest public chart
/// with all its subcharts inflates to 9 MB.
const HELD: u64 = 12 * 1024 * 1024;

impl Spill {
    /// Makes a storage with its file in `directory`, or without one, in memory alone.
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
        let mut writer = file.locked();
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
