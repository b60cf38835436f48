//! A single blob: its push from a file or from standard input, and its removal.

use crate::{
    Error, ErrorKind, Result,
    limits::Limits,
    oci::{Descriptor, Digest, TagOrDigest},
    ops::{
        any_repository::AnyRepository,
        artifact::layer::{self, Layer},
    },
    store::{Exists, Held, Push, Sent, Tags},
};
use std::path::Path;

/// Requirements on a blob that is pushed.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// The digest that the content must have.
    pub digest: Option<Digest>,
    /// The size in bytes that the content must have.
    pub size: Option<u64>,
}

/// Reads the content of a blob; `-` is standard input.
///
/// # Errors
/// `Integrity` if the content is not as expected; the errors of reading.
pub fn read(path: &Path, media_type: &str, expected: &Expected, limits: &Limits) -> Result<Layer> {
    let layer = match path == Path::new("-") {
        true => layer::standard_input(media_type, limits)?,
        false => layer::config(path, media_type, limits)?,
    };
    let found = &layer.descriptor;
    if let Some(digest) = expected.digest.as_ref().filter(|digest| **digest != found.digest) {
        let message = format!("the content has the digest {}, not {digest}", found.digest);
        return Err(Error::new(ErrorKind::Integrity, message).with_hint("nothing was sent"));
    }
    if let Some(size) = expected.size.filter(|size| *size != found.size) {
        let message = format!("the content has {} bytes, not {size}", found.size);
        return Err(Error::new(ErrorKind::Integrity, message).with_hint("nothing was sent"));
    }
    Ok(layer)
}

/// Pushes a blob, unless the repository has it.
///
/// # Errors
/// Any error of the repository.
pub async fn push(repository: &AnyRepository, layer: &Layer) -> Result<Sent> {
    if repository.holds_blob(&layer.descriptor).await? == Held::Yes {
        return Ok(Sent::Present);
    }
    repository.push_blob(&layer.descriptor, &layer.content.source()).await
}

/// Returns the descriptor of a blob of which only the digest is known, or `None` if the repository
/// does not have it.
///
/// # Errors
/// Any error of the repository.
pub async fn find(repository: &AnyRepository, digest: &Digest) -> Result<Option<Descriptor>> {
    let size = match repository {
        AnyRepository::Registry(repository) => repository.blob_size(digest).await?,
        AnyRepository::Layout(layout) => layout.blob_size(digest)?,
        AnyRepository::Disk(repository) => repository.blob(digest)?.map(|blob| blob.size),
    };
    Ok(size.map(|size| Descriptor::new("application/octet-stream", digest.clone(), size)))
}

/// Removes a blob. A manifest that names it stays, and cannot be pulled any more.
///
/// # Errors
/// `NotFound`; `Protocol` if the registry does not support it; any error of the repository.
pub async fn delete(repository: &AnyRepository, digest: &Digest) -> Result<()> {
    match repository {
        AnyRepository::Registry(repository) => repository.delete_blob(digest).await,
        // A layout removes the file of any digest.
        AnyRepository::Layout(_) | AnyRepository::Disk(_) => {
            repository.delete(&TagOrDigest::Digest(digest.clone())).await
        }
    }
}
