//! A store of many repositories, and blobs that are read as they come: what a server stands on,
//! over a folder of this machine or over a registry elsewhere alike.

use super::{
    Fetch, Push, Referrers, Resolve, Tags, blocking,
    disk::{
        Disk,
        repository::{Repository, StoredBlob},
    },
};
use crate::{
    Error, Result,
    oci::{Descriptor, RepositoryName},
};
use bytes::Bytes;
use futures_util::stream::BoxStream;
use std::{future::Future, ops::RangeInclusive};

/// A store of many repositories. Clones are the same store.
pub trait Catalog: Clone + Send + Sync + 'static {
    /// One of its repositories.
    type Repository: Fetch + Push + Resolve + Tags + Referrers + StreamBlob + Clone + 'static;

    /// The repository of that name, whether it exists yet or not. Of a remote registry's namespace,
    /// names are those below it.
    ///
    /// # Errors
    /// `Usage` when the whole name, with what stands before it, is none.
    fn repository(&self, name: &RepositoryName) -> Result<Self::Repository>;

    /// The names of all repositories that hold something, in byte order.
    ///
    /// # Errors
    /// `Denied`, `NotFound` or `Protocol` from a registry that does not tell.
    fn repositories(&self) -> impl Future<Output = Result<Vec<RepositoryName>>> + Send;

    /// Returns the store's own repository, whose name no other can have. A remote registry has
    /// none.
    fn loose(&self) -> Option<Self::Repository> {
        None
    }

    /// The repository that whoever tells of changes calls `full`; `None` for what is not ours to
    /// look at.
    fn name_within(&self, full: &str) -> Option<RepositoryName> {
        full.parse().ok()
    }
}

/// A blob, opened to be read.
pub enum Opened {
    /// A file of a store on this machine: to be read, never changed.
    File(StoredBlob),
    /// The requested bytes, as they arrive. The store verifies the digest of a whole blob before it
    /// yields the last part; a mismatch ends in an error.
    Stream(BoxStream<'static, Result<Bytes>>),
    /// The content is available at this URL.
    Elsewhere(String),
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(blob) => f.debug_tuple("File").field(blob).finish(),
            Self::Stream(_) => f.write_str("Stream"),
            // Such an address holds a signature that lets anybody in.
            Self::Elsewhere(_) => f.write_str("Elsewhere"),
        }
    }
}

/// Opens blobs without fetching them first.
pub trait StreamBlob: Send + Sync {
    /// Opens a blob, or a part of it.
    ///
    /// # Errors
    /// `NotFound` when the store said that it is not there.
    fn open_blob(
        &self,
        blob: &Descriptor,
        part: Option<RangeInclusive<u64>>,
    ) -> impl Future<Output = Result<Opened>> + Send;
}

impl Catalog for Disk {
    type Repository = Repository;

    fn repository(&self, name: &RepositoryName) -> Result<Repository> {
        Ok(Self::repository(self, name))
    }

    async fn repositories(&self) -> Result<Vec<RepositoryName>> {
        let this = self.clone();
        blocking(move || Self::repositories(&this)).await
    }

    fn loose(&self) -> Option<Repository> {
        // No component of a repository's name can begin like this, so that no request reaches it
        // and no list shows it.
        Some(Self::repository(self, &RepositoryName::reserved("_loose")))
    }
}

impl StreamBlob for Repository {
    async fn open_blob(
        &self,
        blob: &Descriptor,
        _part: Option<RangeInclusive<u64>>,
    ) -> Result<Opened> {
        let found = self.blob(&blob.digest)?.ok_or_else(|| {
            Error::not_found(format!("`{}` has no blob `{}`", self.name(), blob.digest))
        })?;
        Ok(Opened::File(found))
    }
}
