//! A folder of archives, `NAME-VERSION.tgz` and their `.prov`. Each archive is read whole to list it: its own Chart.yaml
//! says what it is.

use super::{Listed, Listing, Seen};
use crate::{
    Error, Result,
    limits::Limits,
    mirror::candidate::{Ask, Candidate, ChartVersion, Fingerprint, Payload, Provenance},
    ops::prepare::{self, Beside},
    store::blocking,
};
use std::{fs, path::PathBuf};

/// A folder, to be read.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
    identity: String,
    name: String,
    limits: Limits,
}

impl Folder {
    /// The folder at `root`.
    ///
    /// # Errors
    /// `Io` when there is none.
    pub fn open(root: &std::path::Path, limits: &Limits) -> Result<Self> {
        let whole =
            fs::canonicalize(root).map_err(|error| Error::io("open folder", root, error))?;
        let name = whole.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let identity = format!("file://{}", whole.display());
        Ok(Self { root: root.to_owned(), identity, name, limits: limits.clone() })
    }

    pub(super) fn identity(&self) -> &str {
        &self.identity
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) async fn list(&self, seen: Option<&Seen>) -> Result<Listing> {
        let (this, seen) = (self.clone(), seen.cloned());
        blocking(move || this.read(seen.as_ref())).await
    }

    fn read(&self, seen: Option<&Seen>) -> Result<Listing> {
        let fail = |error| Error::io("list folder", &self.root, error);
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            if !name.ends_with(".tgz") {
                continue;
            }
            let meta = entry.metadata().map_err(fail)?;
            files.push((name, meta.len(), meta.modified().ok()));
        }
        files.sort();
        let fingerprint = Fingerprint::of(format!("{files:?}").as_bytes());
        if seen.is_some_and(|seen| seen.fingerprint == fingerprint) {
            return Ok(Listing::Unchanged);
        }
        let mut listed =
            Listed { seen: Seen { fingerprint, ..Seen::default() }, ..Listed::default() };
        for (name, ..) in files {
            match prepare::from_archive(&self.root.join(&name), Beside::Leave, &self.limits) {
                Ok(chart) => listed.candidates.push(Candidate {
                    id: ChartVersion::new(chart.metadata.name, chart.metadata.version),
                    created: chart.created.unwrap_or_default(),
                    fingerprint: Fingerprint::of(chart.content.digest.as_str().as_bytes()),
                    digest: Some(chart.content.digest),
                    deprecated: chart.metadata.deprecated,
                    essence: None,
                    provenance: if self.root.join(format!("{name}.prov")).exists() {
                        Provenance::There
                    } else {
                        Provenance::Missing
                    },
                    urls: vec![name],
                }),
                Err(error) => {
                    listed.warnings.push(format!("skipping `{name}`: {}", error.chain()));
                }
            }
        }
        Ok(Listing::Charts(listed))
    }

    pub(super) async fn fetch(&self, candidate: &Candidate, ask: Ask) -> Result<Payload> {
        let path = self.root.join(candidate.urls.first().map_or("", String::as_str));
        let beside = match ask {
            Ask::Provenance => Beside::Take,
            Ask::Nothing => Beside::Leave,
        };
        let limits = self.limits.clone();
        blocking(move || prepare::from_archive(&path, beside, &limits)).await
    }
}
