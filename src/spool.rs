//! Buffer for content of unknown size: in memory while small, then in a temporary file. Every
//! writer that receives an archive uses it: `pull` from a chart repository, `push` of a folder,
//! and uploads to the ChartMuseum API.

use crate::{
    digest::{Algorithm, Digest, Hasher},
    store::BlobBytes,
};
use bytes::BytesMut;
use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
};
use tempfile::NamedTempFile;

/// Prefix of the temporary files. The client's cache removes files with this prefix that an
/// interrupted run left behind.
pub(crate) const PREFIX: &str = "blob-";

/// Buffer that computes the SHA-256 digest of its content while it is written.
pub(crate) struct Spool {
    most_memory: u64,
    folder: Option<PathBuf>,
    memory: BytesMut,
    file: Option<NamedTempFile>,
    hasher: Hasher,
    size: u64,
}

/// Finished content of a [`Spool`].
pub(crate) struct Spooled {
    pub(crate) bytes: BlobBytes,
    pub(crate) digest: Digest,
    /// Size in bytes.
    pub(crate) size: u64,
}

impl Spool {
    /// Creates a buffer that holds at most `most_memory` bytes in memory. Larger content moves to a
    /// file in `folder`, or in the system's temporary folder for `None`. The spool creates
    /// `folder` when it needs the file.
    pub(crate) fn new(most_memory: u64, folder: Option<PathBuf>) -> Self {
        Self {
            most_memory,
            folder,
            memory: BytesMut::new(),
            file: None,
            hasher: Algorithm::Sha256.hasher(),
            size: 0,
        }
    }

    /// Returns the number of bytes written.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Returns true if `count` further bytes stay in memory, so that writing them cannot block.
    pub(crate) fn stays_in_memory(&self, count: usize) -> bool {
        self.file.is_none() && self.size.saturating_add(count as u64) <= self.most_memory
    }

    /// Removes the content; the limits stay.
    pub(crate) fn restart(&mut self) {
        *self = Self::new(self.most_memory, self.folder.take());
    }

    pub(crate) fn finish(self) -> Spooled {
        let bytes = match self.file {
            Some(file) => BlobBytes::temporary(Arc::new(file.into_temp_path())),
            None => BlobBytes::Memory(self.memory.freeze()),
        };
        Spooled { bytes, digest: self.hasher.finish(), size: self.size }
    }

    fn create_file(&self) -> io::Result<NamedTempFile> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX);
        match &self.folder {
            Some(folder) => {
                fs::create_dir_all(folder)?;
                builder.tempfile_in(folder)
            }
            None => builder.tempfile(),
        }
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stays_in_memory(bytes.len()) {
            self.memory.extend_from_slice(bytes);
        } else {
            if self.file.is_none() {
                let mut file = self.create_file()?;
                file.write_all(&std::mem::take(&mut self.memory))?;
                self.file = Some(file);
            }
            if let Some(file) = &mut self.file {
                file.write_all(bytes)?;
            }
        }
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn content_beyond_the_memory_limit_moves_to_a_file_and_keeps_its_digest() {
        let folder = tempfile::tempdir().expect("folder");
        let below = folder.path().join("cache/blobs");
        for (parts, in_memory) in [
            (vec![], true),
            (vec!["0123"], true),
            (vec!["0123", "4"], false),
            (vec!["01234567"], false),
        ] {
            let mut spool = Spool::new(4, Some(below.clone()));
            for part in &parts {
                spool.write_all(part.as_bytes()).expect("write");
            }
            let whole = parts.concat();
            let spooled = spool.finish();
            assert_eq!(matches!(spooled.bytes, BlobBytes::Memory(_)), in_memory, "{parts:?}");
            assert_eq!(spooled.size, whole.len() as u64);
            assert!(spooled.digest.matches(whole.as_bytes()), "{parts:?}");
            let mut text = String::new();
            let read = spooled.bytes.reader().expect("reader").read_to_string(&mut text);
            assert_eq!((read.expect("text"), text), (whole.len(), whole));
        }
        // The file is removed with the last copy of its content.
        assert_eq!(fs::read_dir(&below).expect("folder").count(), 0);
    }

    #[test]
    fn a_restarted_spool_is_empty_and_forgets_its_file() {
        let mut spool = Spool::new(2, None);
        spool.write_all(b"to a file").expect("write");
        spool.restart();
        assert_eq!(spool.size(), 0);
        assert!(spool.stays_in_memory(2) && !spool.stays_in_memory(3));
        spool.write_all(b"x").expect("write");
        assert!(spool.finish().digest.matches(b"x"));
    }
}
