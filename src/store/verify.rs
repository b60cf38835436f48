//! A reader of stored files that does not trust them: it checks size and digest before it returns
//! any bytes.

use super::{BlobFile, BlobSource};
use crate::{
    Error, ErrorKind, Result,
    oci::{Descriptor, Digest},
};
use bytes::Bytes;
use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Reads a whole blob into memory. Refuses it if its descriptor names more than `cap` bytes.
pub(super) fn read_blob(path: &Path, blob: &Descriptor, cap: u64) -> Result<Bytes> {
    check_cap(blob, cap)?;
    let mut bytes = Vec::new();
    // One byte more than the blob may have, so that a longer file is detected and not read to its
    // end.
    File::open(path)
        .and_then(|file| file.take(blob.size + 1).read_to_end(&mut bytes))
        .map_err(|error| Error::io("read blob", path, error))?;
    check_size(blob, bytes.len() as u64)?;
    if blob.digest.matches(&bytes) { Ok(bytes.into()) } else { Err(damaged(&blob.digest)) }
}

/// Returns a blob as its stored file.
pub(super) fn check_blob(path: PathBuf, blob: &Descriptor) -> Result<BlobFile> {
    let mut hasher = blob.digest.algorithm().hasher();
    let size = read_through(&path, |bytes| {
        hasher.update(bytes);
        Ok(())
    })?;
    check_size(blob, size)?;
    if hasher.finish() == blob.digest {
        Ok(BlobFile::Stored(path))
    } else {
        Err(damaged(&blob.digest))
    }
}

/// Returns true if the file at `path` has exactly these bytes.
pub(super) fn has_bytes(path: &Path, bytes: &[u8]) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.len() == bytes.len() as u64)
        && fs::read(path).is_ok_and(|stored| stored == bytes)
}

/// Refuses a blob whose descriptor names more than `cap` bytes.
pub(super) fn check_cap(blob: &Descriptor, cap: u64) -> Result<()> {
    if blob.size <= cap {
        return Ok(());
    }
    let message = format!("blob `{}` has {} bytes, more than {cap}", blob.digest, blob.size);
    Err(Error::new(ErrorKind::Limit, message))
}

/// Refuses a blob that does not have the size in its descriptor.
pub(super) fn check_size(blob: &Descriptor, size: u64) -> Result<()> {
    if blob.size == size {
        return Ok(());
    }
    let message = format!("blob `{}` has {size} bytes, not {}", blob.digest, blob.size);
    Err(Error::new(ErrorKind::Integrity, message))
}

/// Copies a blob, and checks it against its descriptor.
pub(super) fn copy(
    blob: &Descriptor,
    source: &BlobSource,
    mut write: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut hasher = blob.digest.algorithm().hasher();
    let size = read_source(source, |bytes| {
        hasher.update(bytes);
        write(bytes)
    })?;
    check_size(blob, size)?;
    let actual = hasher.finish();
    if actual == blob.digest {
        return Ok(());
    }
    let message = format!("the content has the digest `{actual}`, not `{}`", blob.digest);
    Err(Error::new(ErrorKind::Integrity, message))
}

/// Makes the error for stored bytes that do not match their digest.
pub(super) fn damaged(digest: &Digest) -> Error {
    Error::new(ErrorKind::Integrity, format!("the stored content of `{digest}` is damaged"))
}

/// Passes every byte of a source to `take`.
pub(super) fn read_source(
    source: &BlobSource,
    mut take: impl FnMut(&[u8]) -> Result<()>,
) -> Result<u64> {
    match source {
        BlobSource::Bytes(bytes) => take(bytes).map(|()| bytes.len() as u64),
        BlobSource::File(path) => read_through(path, take),
        // This code runs on a thread for blocking work, which may wait.
        BlobSource::Remote(blob) => {
            tokio::runtime::Handle::current().block_on(blob.read_through(take))
        }
    }
}

/// Passes every byte of a file to `take`. Returns their number.
pub(super) fn read_through(path: &Path, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<u64> {
    let fail = |error| Error::io("read", path, error);
    let mut file = File::open(path).map_err(fail)?;
    let mut buffer = vec![0; 256 * 1024];
    let mut size = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(size),
            Ok(count) => {
                take(&buffer[..count])?;
                size += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(fail(error)),
        }
    }
}
