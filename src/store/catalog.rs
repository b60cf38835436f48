//! A store of many repositories with blobs that are read as a stream. A server uses one, over a
//! folder of this machine or over a remote registry.

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
    /// The type of a repository in this store.
    type Repository: Fetch + Push + Resolve + Tags + Referrers + StreamBlob + Clone + 'static;

    /// Returns the repository with that name, even if it does not exist yet. For a namespace of a
    /// remote registry, names are relative to the namespace.
    ///
    /// # Errors
    /// `Usage` if the namespace and the name together are not a valid name.
    fn repository(&self, name: &RepositoryName) -> Result<Self::Repository>;

    /// Returns the names of all repositories with content, in byte order.
    ///
    /// # Errors
    /// `Denied`, `NotFound` or `Protocol` from a registry that does not list its repositories.
    fn repositories(&self) -> impl Future<Output = Result<Vec<RepositoryName>>> + Send;

    /// Returns the store for content that no repository can have by its name. A remote registry has
    /// none.
    fn loose(&self) -> Option<Self::Repository> {
        None
    }

    /// Returns the repository that a notification calls `full`, or `None` if it is outside of this
    /// store.
    fn name_within(&self, full: &str) -> Option<RepositoryName> {
        full.parse().ok()
    }
}

/// A blob, opened to be read.
pub enum Opened {
    /// A file of a store on this machine. The caller may read it but never change it.
    File(StoredBlob),
    /// The requested bytes, as they arrive. The store verifies the digest of a whole blob before it
    /// yields the last part; a mismatch ends in an error.
    Stream(BoxStream<'static, Result<Bytes>>),
    /// An address from which the client can download the blob.
    Elsewhere(String),
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(blob) => f.debug_tuple("File").field(blob).finish(),
            Self::Stream(_) => f.write_str("Stream"),
            // The address holds a signature that gives access to everybody.
            Self::Elsewhere(_) => f.write_str("Elsewhere"),
        }
    }
}

/// Access to blobs as streams, without a download first.
pub trait StreamBlob: Send + Sync {
    /// Opens a blob, or a part of it.
    ///
    /// # Errors
    /// `NotFound` if the store reports that it does not exist.
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
        // No part of a repository's name can begin like this, so no request reaches it and no list
        // shows it.
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
