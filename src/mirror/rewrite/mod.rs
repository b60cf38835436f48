//! Rewritten dependencies: chartferry repackages a chart whose dependencies name old repositories,
//! with the addresses of the destination. The new archive differs, so its old provenance file is
//! omitted.

use super::{candidate::Payload, plan::needs::Need};
use crate::{
    Error, Result,
    archive::{self, Chart, Content, File, Keep, write},
    chart::{Dependency, dependency, lock::Lock},
    limits::Limits,
    oci::{Descriptor, media},
    store::BlobBytes,
    version::Version,
};
use bytes::Bytes;
use std::num::NonZeroUsize;

/// The rules that map old addresses to new ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules(Vec<(String, String)>);

/// A chart after the rewrite, changed or not.
#[derive(Clone, Debug)]
pub struct Rewritten {
    /// The version, unchanged or repackaged.
    pub payload: Payload,
    /// The changes and their cost. `None` if the version is unchanged.
    pub note: Option<String>,
    /// The dependencies that have another address now.
    pub pointed: Vec<Need>,
}

impl Rules {
    /// Creates rules from pairs of an old and a new address.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(pairs.into_iter().map(|(old, new)| (bare(&old), bare(&new))).collect())
    }

    /// Adds other rules. If both have a rule for an address, these win.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// Returns the new address of a repository, if a rule gives one.
    fn of(&self, repository: &str) -> Option<&str> {
        let wanted = bare(repository);
        let exact = self.0.iter().find(|(old, _)| *old == wanted);
        exact.map(|(_, new)| new.as_str()).filter(|new| *new != wanted)
    }

    /// Rewrites a chart's dependencies, if any of them has a new address.
    ///
    /// # Errors
    /// Any error of the archive.
    pub fn apply(&self, payload: Payload, limits: &Limits) -> Result<Rewritten> {
        let concerned = |one: &Option<Dependency>| {
            one.as_ref().is_some_and(|d| self.of(&d.repository).is_some())
        };
        if !payload.metadata.dependencies.iter().any(concerned) {
            return Ok(Rewritten { payload, note: None, pointed: Vec::new() });
        }
        let chart = archive::read::read(payload.archive.reader()?, Keep::Everything, limits)?;
        let mut chart = writable(chart);
        let (changes, pointed) = self.change(&mut chart)?;
        let options = write::Options { epoch: None, threads: NonZeroUsize::MIN };
        let bytes = Bytes::from(write::write(&chart, Vec::new(), options)?);
        let lost = match payload.provenance {
            Some(_) => "; its provenance file belongs to the old archive and was omitted",
            None => "",
        };
        let note = format!("packaged anew: {}{lost}", changes.join(", "));
        Ok(Rewritten {
            payload: Payload {
                metadata: chart.metadata,
                content: Descriptor::of(media::CHART_CONTENT, &bytes),
                archive: BlobBytes::Memory(bytes),
                provenance: None,
                created: payload.created,
                ready: None,
                notes: Vec::new(),
                warnings: Vec::new(),
            },
            note: Some(note),
            pointed,
        })
    }

    /// Sets the new addresses in dependencies and lock, and describes each change.
    fn change(&self, chart: &mut Chart<Content>) -> Result<(Vec<String>, Vec<Need>)> {
        let (mut changes, mut pointed) = (Vec::new(), Vec::new());
        let locked = chart.lock.as_ref().map(|lock| lock.dependencies.clone()).unwrap_or_default();
        let vendored: Vec<(String, String)> = chart
            .subcharts
            .iter()
            .map(|chart| (chart.metadata.name.clone(), chart.metadata.version.clone()))
            .collect();
        for dependency in chart.metadata.dependencies.iter_mut().flatten() {
            let Some(new) = self.of(&dependency.repository) else { continue };
            let mut change = format!("dependency `{}` at {new}", dependency.name);
            // Old clients resolve no ranges in registries, and no client does if it may not list
            // tags.
            if new.starts_with("oci://") && Version::parse_strict(&dependency.version).is_err() {
                let exact = locked
                    .iter()
                    .find(|one| one.name == dependency.name)
                    .map(|one| &one.version)
                    .or_else(|| {
                        let found = vendored.iter().find(|(name, _)| *name == dependency.name);
                        found.map(|(_, version)| version)
                    });
                match exact {
                    Some(exact) => {
                        change.push_str(&format!(" in {exact} for `{}`", dependency.version));
                        dependency.version.clone_from(exact);
                    }
                    None => change.push_str(&format!(
                        " in `{}`, a range, because neither a lock nor charts/ has its version",
                        dependency.version
                    )),
                }
            }
            dependency.repository = new.to_owned();
            changes.push(change);
            pointed.push(Need {
                repository: new.to_owned(),
                name: dependency.name.clone(),
                version: dependency.version.clone(),
            });
        }
        let requested: Vec<Dependency> =
            chart.metadata.dependencies.iter().flatten().cloned().collect();
        if let Some(lock) = &chart.lock {
            let mut locked = lock.dependencies.clone();
            for one in &mut locked {
                if let Some(new) = self.of(&one.repository) {
                    one.repository = new.to_owned();
                }
            }
            chart.lock = Some(Lock::new(lock.generated, &requested, locked));
        }
        if chart.metadata.api_version == "v1" {
            let lock = chart.lock.as_ref().map(Lock::to_yaml);
            for file in &mut chart.files {
                let text = match (file.name.as_str(), &lock) {
                    ("requirements.yaml", _) => dependency::requirements(&requested),
                    ("requirements.lock", Some(lock)) => lock.clone(),
                    _ => continue,
                };
                file.data = Bytes::from(text).into();
            }
        }
        Ok((changes, pointed))
    }
}

/// Parses `OLD=NEW`.
impl std::str::FromStr for Rules {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (old, new) = text.split_once('=').unwrap_or((text, ""));
        if old.is_empty() || !new.contains("://") {
            return Err(Error::usage(format!("`{text}` is not of the form OLD-URL=NEW-URL")));
        }
        Ok(Self::new([(old.to_owned(), new.to_owned())]))
    }
}

/// Removes the closing slash: addresses that differ only by it are the same.
fn bare(address: &str) -> String {
    address.trim().trim_end_matches('/').to_owned()
}

fn writable(chart: Chart) -> Chart<Content> {
    Chart {
        followed: Vec::new(),
        skipped: Vec::new(),
        metadata: chart.metadata,
        modified: chart.modified,
        lock: chart.lock,
        files: chart
            .files
            .into_iter()
            .map(|file| File { name: file.name, modified: file.modified, data: file.data.into() })
            .collect(),
        subcharts: chart.subcharts.into_iter().map(writable).collect(),
        warnings: chart.warnings,
    }
}

#[cfg(test)]
mod tests;
