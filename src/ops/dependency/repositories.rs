//! The chart repositories of dependencies. It replaces aliases by URLs, names unconfigured
//! repositories in the cache, refreshes all indexes, and finds a chart in them. Order and texts are
//! Helm's (helm.md 3.13).

use super::{Event, Options};
use crate::lock::Locked as _;
use crate::{
    Advice, Error, ErrorKind, Result,
    advice::Mismatched,
    chart::Dependency,
    constraint::Constraint,
    digest::Digest,
    index::{Index, config::RepositoryEntry},
    ops::{
        pull::Provenance,
        repository::{
            self, Files,
            locate::{self, Located, VersionRequest},
            open::{Opener, archive_name},
        },
    },
    version::Version,
};
use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

/// The settings for chart repositories.
#[derive(Clone, Debug)]
pub struct Repositories {
    /// Helm's files.
    pub files: Files,
    /// The opener of repositories.
    pub opener: Opener,
    /// The choice between downloading their indexes first and using the cache.
    pub refresh: Refresh,
}

/// The choice between downloading indexes first and using the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refresh {
    /// Download the indexes first.
    #[default]
    Yes,
    /// Use the cached indexes.
    No,
}

/// The prefix for the name of an unconfigured repository's index, as in Helm.
const UNMANAGED: &str = "helm-manager-";
/// Longest wait for one index. The number is Helm's.
const PATIENCE: Duration = Duration::from_secs(120);

/// The repositories of a chart's dependencies.
pub(crate) struct Known<'a> {
    options: &'a Options<'a>,
    configured: Vec<RepositoryEntry>,
    /// The unconfigured repositories of dependencies.
    unmanaged: Vec<RepositoryEntry>,
    indexes: Mutex<HashMap<String, Arc<Index>>>,
}

/// Returns true if a dependency is in a chart repository.
pub(crate) fn is_http(one: &Dependency) -> bool {
    let repository = one.repository.as_str();
    !repository.is_empty()
        && !repository.starts_with("file://")
        && !repository.starts_with("oci://")
}

impl<'a> Known<'a> {
    /// Finds the repositories of `wanted` and replaces its aliases.
    ///
    /// # Errors
    /// `NotFound` with Helm's text for an unknown alias or an invalid URL.
    pub(crate) fn find(options: &'a Options<'a>, wanted: &mut [Dependency]) -> Result<Self> {
        let repositories = &options.repositories;
        let configured = if wanted.iter().any(is_http) {
            repositories.files.load(&options.limits)?.repositories
        } else {
            // Here, the indexes are not refreshed; Helm would refresh them.
            Vec::new()
        };
        let mut missing: Vec<String> = Vec::new();
        let mut unmanaged: Vec<RepositoryEntry> = Vec::new();
        for one in wanted.iter_mut().filter(|one| is_http(one)) {
            let alias =
                one.repository.strip_prefix('@').or_else(|| one.repository.strip_prefix("alias:"));
            if let Some(alias) = alias {
                match configured.iter().find(|known| known.name == alias) {
                    Some(known) => one.repository.clone_from(&known.url),
                    None => missing.push(one.repository.clone()),
                }
            } else if configured.iter().any(|known| same(&known.url, &one.repository)) {
            } else if !one.repository.contains("://") {
                missing.push(one.repository.clone());
            } else if !unmanaged.iter().any(|known| known.url == one.repository) {
                unmanaged.push(RepositoryEntry {
                    name: format!("{UNMANAGED}{}", Digest::sha256(one.repository.as_bytes()).hex()),
                    url: one.repository.clone(),
                    ..RepositoryEntry::default()
                });
            }
        }
        if !missing.is_empty() {
            return Err(undefined(&missing));
        }
        Ok(Self { options, configured, unmanaged, indexes: Mutex::default() })
    }

    /// Requires that all repositories are configured, as a build does.
    ///
    /// # Errors
    /// `NotFound` with Helm's text.
    pub(crate) fn require_configured(&self) -> Result<()> {
        if self.unmanaged.is_empty() {
            return Ok(());
        }
        let urls: Vec<&str> = self.unmanaged.iter().map(|one| one.url.as_str()).collect();
        Err(Error::not_found(format!(
            "no repository definition for {}. Please add the missing repos via 'helm repo add'",
            urls.join(", ")
        ))
        .with_advice(Advice::AddDependencyRepository))
    }

    /// Downloads the indexes of unconfigured repositories, then of all configured ones. It reports
    /// each failure; a later step shows if the index is needed.
    pub(crate) async fn refresh(&self) {
        if self.options.repositories.refresh == Refresh::No {
            return;
        }
        if !self.unmanaged.is_empty() {
            (self.options.tell)(Event::RefreshingUnmanaged);
            self.update(&self.unmanaged).await;
        }
        if !self.configured.is_empty() {
            (self.options.tell)(Event::Refreshing);
            self.update(&self.configured).await;
            (self.options.tell)(Event::Refreshed);
        }
    }

    async fn update(&self, all: &[RepositoryEntry]) {
        let tell = self.options.tell;
        let Repositories { files, opener, .. } = &self.options.repositories;
        let shown = |one: &RepositoryEntry| {
            if one.name.starts_with(UNMANAGED) { one.url.clone() } else { one.name.clone() }
        };
        let told = |event: repository::Event<'_>| match event {
            repository::Event::Updated(one, _) => tell(Event::Updated { shown: shown(one) }),
            repository::Event::Failed(one, error) => tell(Event::NotUpdated {
                shown: shown(one),
                url: (!one.name.starts_with(UNMANAGED)).then(|| one.url.clone()),
                why: error.chain(),
            }),
            repository::Event::Warning(text) => tell(Event::Warning(text.to_owned())),
        };
        repository::update(files, opener, all, PATIENCE, &told).await;
    }

    /// Returns the current version for a dependency. `None` if none matches.
    ///
    /// # Errors
    /// `NotFound` with Helm's texts: no index, or no such chart in it.
    pub(crate) fn version(
        &self,
        one: &Dependency,
        constraint: &Constraint,
    ) -> Result<Option<String>> {
        let repository = self.repository(one)?;
        let index = self.index(repository)?;
        let chart = index.chart(&one.name).ok_or_else(|| {
            Error::not_found(format!("{} chart not found in repo {}", one.name, one.repository))
        })?;
        let fits = chart.versions().iter().find(|line| {
            line.urls().next().is_some()
                && Version::parse_loose(line.version())
                    .is_ok_and(|version| constraint.matches(&version))
        });
        Ok(fits.map(|line| line.version().to_owned()))
    }

    /// Locates a locked dependency's archive.
    ///
    /// # Errors
    /// `NotFound` with Helm's text.
    pub(crate) fn locate(&self, one: &Dependency) -> Result<Located> {
        let found = self.repository(one).and_then(|repository| {
            let index = self.index(repository)?;
            let wanted =
                VersionRequest { version: one.version.clone(), ..VersionRequest::default() };
            let opener = &self.options.repositories.opener;
            locate::in_index(&index, opener, repository, &one.name, &wanted)
        });
        found.map_err(|error| {
            error.context(format!(
                "could not find {}: chart {} not found in {}",
                one.version, one.name, one.repository
            ))
        })
    }

    /// Downloads a located archive to `folder`, under the name of the chart in it.
    ///
    /// # Errors
    /// As [`Located::fetch`].
    pub(crate) async fn download(&self, located: &Located, folder: &Path) -> Result<()> {
        let checked = located.fetch(Provenance::Leave).await.map_err(|error| {
            let error = error.context(format!("could not download {located}"));
            match error.kind() {
                ErrorKind::Integrity => {
                    error.with_advice(Advice::AcceptMismatch(Mismatched::Dependency))
                }
                _ => error,
            }
        })?;
        let warn = |text: String| (self.options.tell)(Event::Warning(text));
        for failed in &checked.failed {
            warn(format!("an address of the index was passed over: {failed}"));
        }
        checked.verdict.warning(&located.url).map(warn);
        let metadata = checked.got.metadata(&self.options.limits).map_err(|error| {
            error.context(format!("could not download {located}: it is not a valid chart archive"))
        })?;
        checked.got.archive.save(&folder.join(archive_name(&metadata)?))
    }

    fn repository(&self, one: &Dependency) -> Result<&RepositoryEntry> {
        self.configured
            .iter()
            .chain(&self.unmanaged)
            .find(|known| same(&known.url, &one.repository))
            .ok_or_else(|| undefined(std::slice::from_ref(&one.repository)))
    }

    fn index(&self, repository: &RepositoryEntry) -> Result<Arc<Index>> {
        let mut indexes = self.indexes.locked();
        if let Some(index) = indexes.get(&repository.name) {
            return Ok(Arc::clone(index));
        }
        let files = &self.options.repositories.files;
        let index = files.index(&repository.name, &self.options.limits).map_err(|error| {
            error.context(format!(
                "no cached repository for {} found. (try 'helm repo update')",
                repository.name
            ))
        })?;
        let index = Arc::new(index);
        indexes.insert(repository.name.clone(), Arc::clone(&index));
        Ok(index)
    }
}

fn undefined(missing: &[String]) -> Error {
    let mut text = format!(
        "no repository definition for {}. Please add them via 'helm repo add'",
        missing.join(", ")
    );
    let is_bare =
        |one: &String| !one.contains("//") && !one.starts_with('@') && !one.starts_with("alias:");
    if missing.iter().any(is_bare) {
        text.push_str(
            "\nNote that repositories must be URLs or aliases. For example, to refer to the \"example\"\n\
             repository, use \"https://charts.example.com/\" or \"@example\" instead of\n\
             \"example\". Don't forget to add the repo, too ('helm repo add').",
        );
    }
    Error::not_found(text)
}

/// Returns true if two URLs are the same repository. Only their paths are cleaned, as in Helm.
fn same(a: &str, b: &str) -> bool {
    cleaned(a) == cleaned(b)
}

fn cleaned(url: &str) -> String {
    let (rest, query) = url.split_once('?').unwrap_or((url, ""));
    let Some((scheme, rest)) = rest.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    format!("{scheme}://{authority}/{}?{query}", segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_one_repository_when_their_paths_are() {
        for (a, b, yes) in [
            ("https://h/charts", "https://h/charts/", true),
            ("https://h", "https://h/", true),
            ("https://h/a/../b", "https://h//b", true),
            ("https://h/a?x", "https://h/a", false),
            ("https://H/a", "https://h/a", false),
            ("https://h:443/a", "https://h/a", false),
            ("http://h/a", "https://h/a", false),
        ] {
            assert_eq!(same(a, b), yes, "{a} {b}");
        }
    }

    #[test]
    fn a_bare_name_gets_helms_advice() {
        let error = undefined(&["@x".to_owned(), "stable".to_owned()]);
        assert!(error.message().starts_with(
            "no repository definition for @x, stable. Please add them via 'helm repo add'\nNote that"
        ));
        assert!(!undefined(&["@x".to_owned()]).message().contains("Note"));
    }
}
