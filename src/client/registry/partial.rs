//! Partial download of a blob: the received bytes, their hash and the destination. In the cache
//! folder the file is `partial-ALGORITHM-HEX`. A later run hashes its content (2 GB/s) and resumes
//! it. A lock prevents two runs from sharing one file.

use crate::{
    Error, Result,
    oci::{Descriptor, Digest, Hasher},
    spool::PREFIX,
    store::BlobFile,
};
use bytes::{Bytes, BytesMut};
use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::{NamedTempFile, TempPath};

/// Destination of a blob's bytes.
pub(crate) trait Sink: Send {
    /// Adds bytes at the end.
    fn append(&mut self, bytes: &[u8]) -> Result<()>;
    /// Removes all bytes.
    fn clear(&mut self) -> Result<()>;
}

/// Received part of a blob.
#[derive(Debug)]
pub(crate) struct Partial<S> {
    sink: S,
    start: Hasher,
    hasher: Hasher,
    length: u64,
    etag: Option<String>,
}

impl<S: Sink> Partial<S> {
    fn new(blob: &Descriptor, sink: S) -> Self {
        let start = blob.digest.algorithm().hasher();
        Self { sink, hasher: start.clone(), start, length: 0, etag: None }
    }

    /// Returns the number of bytes received.
    pub(crate) fn len(&self) -> u64 {
        self.length
    }

    /// Returns the digest of the received bytes.
    pub(crate) fn digest(&self) -> Digest {
        self.hasher.clone().finish()
    }

    /// Returns the strong ETag of the received bytes.
    pub(crate) fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    pub(crate) fn set_etag(&mut self, etag: Option<String>) {
        self.etag = etag;
    }

    /// Appends the next bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.sink.append(bytes)?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Drops the received bytes.
    pub(crate) fn restart(&mut self) -> Result<()> {
        self.sink.clear()?;
        self.hasher = self.start.clone();
        self.length = 0;
        self.etag = None;
        Ok(())
    }
}

/// Maximum memory in bytes to reserve before the first byte has come. The size in a descriptor is
/// unproven.
const FIRST_MEMORY: u64 = 1024 * 1024;

impl Partial<BytesMut> {
    /// Makes a partial download in memory. The caller has compared the size with a limit.
    pub(crate) fn in_memory(blob: &Descriptor) -> Self {
        let first = usize::try_from(blob.size.min(FIRST_MEMORY)).unwrap_or_default();
        Self::new(blob, BytesMut::with_capacity(first))
    }

    /// Returns the bytes received.
    pub(crate) fn into_bytes(self) -> Bytes {
        self.sink.freeze()
    }
}

impl Sink for BytesMut {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.extend_from_slice(bytes);
        Ok(())
    }

    fn clear(&mut self) -> Result<()> {
        Self::clear(self);
        Ok(())
    }
}

/// Partial download in a file.
#[derive(Debug)]
pub(crate) struct Disk {
    file: File,
    path: DiskPath,
}

#[derive(Debug)]
enum DiskPath {
    /// File in the cache folder, which remains there until it is complete.
    Kept(PathBuf),
    /// Temporary file, which the drop removes.
    Passing(TempPath),
}

impl Disk {
    fn passing(file: NamedTempFile) -> Self {
        let (file, path) = file.into_parts();
        Self { file, path: DiskPath::Passing(path) }
    }

    fn path(&self) -> &Path {
        match &self.path {
            DiskPath::Kept(path) => path,
            DiskPath::Passing(path) => path,
        }
    }

    fn named(&self, act: &str) -> impl Fn(io::Error) -> Error {
        move |error| Error::io(act, self.path(), error)
    }
}

impl Sink for Disk {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.write_all(bytes);
        written.map_err(self.named("write blob"))
    }

    fn clear(&mut self) -> Result<()> {
        let cleared = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        cleared.map(drop).map_err(self.named("truncate"))
    }
}

impl Partial<Disk> {
    /// Makes a partial download in a file, with the bytes of an earlier run in the cache folder.
    pub(crate) async fn in_file(blob: &Descriptor, cache: Option<&Path>) -> Result<Self> {
        let Some(folder) = cache else {
            return Ok(Self::new(blob, Disk::passing(temporary(cache)?)));
        };
        create(folder)?;
        let name = format!("partial-{}-{}", blob.digest.algorithm().as_str(), blob.digest.hex());
        let path = folder.join(name);
        let Some(file) = lock(&path)? else {
            // Another process downloads the same blob. Each uses its own file.
            return Ok(Self::new(blob, Disk::passing(temporary_in(folder)?)));
        };
        let mut partial = Self::new(blob, Disk { file, path: DiskPath::Kept(path) });
        partial.take_up(blob.size).await?;
        Ok(partial)
    }

    /// Hashes the existing bytes.
    async fn take_up(&mut self, size: u64) -> Result<()> {
        let named = self.sink.named("read the partial download");
        let length = self.sink.file.metadata().map_err(&named)?.len();
        let mut file = self.sink.file.try_clone().map_err(&named)?;
        drop(named);
        if length == 0 || length > size {
            return self.restart();
        }
        let mut hasher = self.start.clone();
        // The clone shares its position with the file, which is at the end afterwards.
        let hashed = tokio::task::spawn_blocking(move || -> io::Result<(Hasher, u64)> {
            let mut buffer = vec![0; 1024 * 1024];
            let mut length = 0;
            loop {
                match file.read(&mut buffer)? {
                    0 => return Ok((hasher, length)),
                    read => {
                        hasher.update(&buffer[..read]);
                        length += read as u64;
                    }
                }
            }
        });
        let hashed = hashed.await.map_err(io::Error::other).and_then(|hashed| hashed);
        (self.hasher, self.length) =
            hashed.map_err(self.sink.named("read the partial download"))?;
        Ok(())
    }

    /// Returns the received bytes as a file that is removed after its last use.
    pub(crate) fn into_file(self) -> Result<BlobFile> {
        let path = match self.sink.path {
            DiskPath::Passing(path) => path,
            DiskPath::Kept(path) => {
                // The file gets a name of its own, so that the next download of this blob starts
                // anew.
                let folder = path.parent().unwrap_or(Path::new("."));
                let own = temporary_in(folder)?.into_temp_path();
                std::fs::rename(&path, &own)
                    .map_err(|error| Error::io("rename the finished download", &path, error))?;
                own
            }
        };
        Ok(BlobFile::Temporary(Arc::new(path)))
    }
}

/// Maximum number of attempts to open a file that another process renames in between.
const REOPENED: usize = 4;

/// Opens or creates the file at `path`, and locks it. The result is `None` if another process holds
/// the lock.
fn lock(path: &Path) -> Result<Option<File>> {
    for _ in 0..REOPENED {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|error| Error::io("open the partial download", path, error))?;
        if file.try_lock().is_err() {
            return Ok(None);
        }
        if is_at(&file, path) {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

/// Returns true if the open file is the one at `path`. Between opening and locking, the other
/// process may have renamed its finished file. The lock would then be on that file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), path.metadata()) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// Other systems do not allow a rename of an open file.
#[cfg(not(unix))]
fn is_at(_file: &File, _path: &Path) -> bool {
    true
}

/// Makes a file that its handle removes: in the cache folder, or in the system's temporary folder.
pub(crate) fn temporary(cache: Option<&Path>) -> Result<NamedTempFile> {
    match cache {
        Some(folder) => {
            create(folder)?;
            temporary_in(folder)
        }
        None => NamedTempFile::new()
            .map_err(|error| Error::io("create a file in", "the temporary folder", error)),
    }
}

fn temporary_in(folder: &Path) -> Result<NamedTempFile> {
    NamedTempFile::with_prefix_in(PREFIX, folder)
        .map_err(|error| Error::io("create a file in", folder, error))
}

fn create(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)
        .map_err(|error| Error::io("create the cache folder", folder, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().expect("runtime").block_on(future)
    }

    #[test]
    fn what_one_run_leaves_the_next_takes_up() {
        let folder = tempfile::tempdir().expect("folder");
        let cache = Some(folder.path());
        let blob = Descriptor::of("t", b"0123456789");
        block_on(async {
            let mut first = Partial::in_file(&blob, cache).await.expect("first");
            first.write(b"01234").expect("write");

            let rival = Partial::in_file(&blob, cache).await.expect("rival");
            assert_eq!(rival.len(), 0, "another's file is not taken");
            drop(first);

            let mut second = Partial::in_file(&blob, cache).await.expect("second");
            assert_eq!(second.len(), 5);
            second.write(b"56789").expect("write");
            assert_eq!(second.digest(), blob.digest);
            let file = second.into_file().expect("file");
            assert_eq!(std::fs::read(file.path()).expect("read"), b"0123456789");
            drop((file, rival));
        });
        assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_was_renamed_away_before_it_was_locked_is_not_taken() {
        let folder = tempfile::tempdir().expect("folder");
        let (path, away) = (folder.path().join("partial-x"), folder.path().join("blob-x"));
        let file = lock(&path).expect("lock").expect("free");
        assert!(is_at(&file, &path));
        std::fs::rename(&path, &away).expect("rename");
        assert!(!is_at(&file, &path), "nothing is there");
        std::fs::write(&path, "another's").expect("write");
        assert!(!is_at(&file, &path), "another file is there");
    }

    #[test]
    fn a_partial_longer_than_the_blob_is_not_believed() {
        let folder = tempfile::tempdir().expect("folder");
        let blob = Descriptor::of("t", b"01");
        let name = format!("partial-sha256-{}", blob.digest.hex());
        std::fs::write(folder.path().join(name), b"012").expect("write");
        let partial = block_on(Partial::in_file(&blob, Some(folder.path()))).expect("partial");
        assert_eq!(partial.len(), 0);
    }
}
