//! The check of a registry: what it can do of what this program uses, found out in a repository of
//! its own. The repository is emptied again.

mod blobs;
mod content;
mod deletion;
mod manifests;
mod probe;
pub mod profile;
mod row;
mod tags;

pub use row::{Finding, Report, Row, Verdict};

use crate::{Result, client::Repository};
use probe::Probe;

/// A check of the registry of two repositories that are used for nothing else. Blobs are mounted
/// from the second.
pub struct Checker<'a>(Probe<'a>);

impl std::fmt::Debug for Checker<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Checker").field(self.0.repository).finish()
    }
}

impl<'a> Checker<'a> {
    /// Makes a check. It sends nothing yet.
    pub fn new(repository: &'a Repository, beside: &'a Repository) -> Self {
        Self(Probe::new(repository, beside))
    }

    /// Runs all checks. `listener` gets each row as it is known.
    ///
    /// # Errors
    /// `Denied` if the registry does not let the client push at all; `Network`. Anything else is a
    /// row.
    pub async fn run(&self, listener: &(dyn Fn(&Row) + Send + Sync)) -> Result<Vec<Row>> {
        let probe = &self.0;
        let mut rows = content::rows(probe).await?;
        rows.iter().for_each(listener);
        for more in [
            manifests::rows(probe).await,
            tags::rows(probe).await,
            blobs::rows(probe).await,
            deletion::rows(probe).await,
        ] {
            more.iter().for_each(listener);
            rows.extend(more);
        }
        Ok(rows)
    }

    /// Deletes everything that the check has pushed, also if it broke off. Returns what is left.
    pub async fn clean(&self) -> Vec<String> {
        self.0.clean().await
    }
}
