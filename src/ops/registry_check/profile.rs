//! The part of a check's report that another command uses: it saves requests that would find out
//! the same, and permits what only a check proves.

use super::{Finding, Report};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, io::Read as _, path::Path};

/// Bytes of a profile. A check has about 25 rows of 300 bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Knowledge of what a registry does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// The registry, `host[:port]`.
    pub registry: String,
    /// The findings, by the names of the checks.
    pub findings: BTreeMap<String, Finding>,
}

impl Profile {
    /// Makes the profile of a report.
    pub fn of(registry: &str, report: &Report) -> Self {
        let findings = report.rows.iter().map(|row| (row.check.to_owned(), row.finding));
        Self { registry: registry.to_owned(), findings: findings.collect() }
    }

    /// Reads the JSON that `registry check` writes.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for another document.
    pub fn read(path: &Path) -> Result<Self> {
        let mut bytes = Vec::new();
        std::fs::File::open(path)
            .map_err(|error| Error::input("read profile", path, error))?
            .take(MAX_BYTES)
            .read_to_end(&mut bytes)
            .map_err(|error| Error::io("read profile", path, error))?;
        serde_json::from_slice(&bytes).map_err(|error| {
            let message = format!("`{}` is not the result of a registry's check", path.display());
            Error::invalid(message).with_source(error)
        })
    }

    /// Returns true if the registry is known to do this.
    pub fn does(&self, check: &str) -> bool {
        self.findings.get(check) == Some(&Finding::Yes)
    }
}
