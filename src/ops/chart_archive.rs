//! Download of a chart's archive, with the size limit checked first.

use crate::{
    Error, ErrorKind, Result,
    limits::Limits,
    oci::Descriptor,
    store::{BlobBytes, Fetch},
};

/// Refuses a blob that is too large to be a chart's archive. It checks every blob before a download
/// to a file, because a registry may claim and send any size.
///
/// # Errors
/// `Limit` if the blob is larger than [`Limits::archive_bytes`].
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

/// Downloads a chart's archive to memory, or to a file if it is larger than
/// [`Limits::memory_blob`].
///
/// # Errors
/// `Limit` before the first request if it is too large; any error of the store.
pub async fn fetch<R: Fetch>(
    repository: &R,
    blob: &Descriptor,
    limits: &Limits,
) -> Result<BlobBytes> {
    check_size(blob, limits)?;
    Ok(if blob.size <= limits.memory_blob {
        BlobBytes::Memory(repository.fetch_blob(blob, limits.memory_blob).await?)
    } else {
        BlobBytes::File(repository.fetch_blob_file(blob).await?)
    })
}
