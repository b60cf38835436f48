//! Where a chart of a chart repository is: `repo/chart` by a configured repository's cached index, a name by the index of
//! a URL (`--repo`), and an archive's own URL. The archive is checked against the digest that the index says; Helm does
//! not do that.

use super::{
    chart_repository::{ChartRepository, Got, Opener},
    namespace,
    pull::Provenance,
    repositories::Files,
    tags::Devel,
};
use crate::{
    Error, ErrorKind, Result,
    client::classic::Fetched,
    index::{self, Index, config::Repository},
    quote,
};
use std::fmt;

/// Which version of which chart.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// A version or a range; empty for the newest.
    pub version: String,
    /// Whether prereleases count where no version is said.
    pub devel: Devel,
}

/// A chart that was found.
#[derive(Clone, Debug)]
pub struct Located {
    /// Its version as the index writes it; empty for an archive by its own URL.
    pub version: String,
    /// Where its archive is.
    pub url: String,
    /// SHA-256 of its archive, in bare hex, if the index says it.
    pub digest: Option<String>,
    /// When its index says that it was made; empty where it does not.
    pub created: String,
    /// What the user should know.
    pub notes: Vec<String>,
    repository: ChartRepository,
}

/// A located chart's archive.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The archive.
    pub got: Got,
    /// Whether the index's digest was there to compare with.
    pub check: Check,
}

/// What a digest was compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// It is the index's.
    Equal,
    /// The index has none.
    Nothing,
}

impl Wanted {
    fn range(&self) -> &str {
        match (self.version.as_str(), self.devel) {
            ("", Devel::Prereleases) => ">0.0.0-0",
            (version, _) => version,
        }
    }
}

/// Finds `chart` in a configured repository's cached index.
///
/// # Errors
/// `NotFound` with Helm's texts.
pub fn configured(
    files: &Files,
    opener: &Opener,
    repository: &Repository,
    chart: &str,
    wanted: &Wanted,
) -> Result<Located> {
    in_index(&cached(files, opener, repository)?, opener, repository, chart, wanted)
}

/// Finds `chart` in a configured repository's index.
pub(super) fn in_index(
    index: &Index,
    opener: &Opener,
    repository: &Repository,
    chart: &str,
    wanted: &Wanted,
) -> Result<Located> {
    let name = &repository.name;
    let range = wanted.range();
    let line = index.find(chart, range).map_err(|error| {
        Error::new(
            error.kind(),
            format!(
                "chart {} matching {range} not found in {name} index. (try 'helm repo update')",
                quote::go(chart)
            ),
        )
        .with_source(error)
    })?;
    let shown = quote::go(&format!("{name}/{chart}"));
    located(line, repository, opener, wanted, &format!("chart {shown}"))
}

/// The cached index of a configured repository.
///
/// # Errors
/// `NotFound` with Helm's text.
pub fn cached(files: &Files, opener: &Opener, repository: &Repository) -> Result<Index> {
    files.index(&repository.name, &opener.limits).map_err(|error| {
        Error::new(error.kind(), "no cached repo found. (try 'helm repo update')")
            .with_source(error)
            .with_hint("`chartferry repo update` fetches the indexes of all repositories")
    })
}

/// Finds `chart` in the index of a repository that need not be configured.
///
/// # Errors
/// `NotFound` with Helm's texts, and what the other side says.
pub async fn in_repository(
    opener: &Opener,
    repository: &Repository,
    chart: &str,
    wanted: &Wanted,
) -> Result<Located> {
    let url = &repository.url;
    let unreachable = |error: Error| {
        let url = quote::go(url);
        error.context(format!(
            "looks like {url} is not a valid chart repository or cannot be reached"
        ))
    };
    let index = match opener.open(repository)?.index(None).await.map_err(unreachable)? {
        Fetched::Index { bytes, .. } => {
            Index::read(bytes, url, &opener.limits).map_err(unreachable)?
        }
        Fetched::NotModified => {
            return Err(Error::new(
                ErrorKind::Protocol,
                format!("`{url}` answers a question that was not asked"),
            ));
        }
    };
    let mut shown = format!("chart {}", quote::go(chart));
    if !wanted.range().is_empty() {
        shown.push_str(&format!(" version {}", quote::go(wanted.range())));
    }
    let line = index.find(chart, wanted.range()).map_err(|error| {
        Error::new(error.kind(), format!("{shown} not found in {url} repository"))
            .with_source(error)
    })?;
    located(line, repository, opener, wanted, &shown)
}

/// An archive by its own URL, with the settings of the configured repository that it lies in, if there is one.
///
/// # Errors
/// A file of repositories that cannot be read.
pub fn by_url(files: &Files, opener: &Opener, url: &str, given: &Repository) -> Result<Located> {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    if !matches!(scheme, "http" | "https" | "cm" | namespace::SCHEME | "oci") {
        return Err(Error::usage(format!("scheme {} not supported", quote::go(scheme))));
    }
    let all = files.load(&opener.limits)?.repositories;
    let owner = all.into_iter().find(|one| lies_in(url, &one.url));
    let repository = match owner {
        Some(owner) if given.username.is_empty() => owner,
        _ => Repository { url: url.to_owned(), ..given.clone() },
    };
    Ok(Located {
        version: String::new(),
        url: url.to_owned(),
        digest: None,
        created: String::new(),
        notes: Vec::new(),
        repository: opener.open(&repository)?,
    })
}

/// Whether a URL lies beneath a repository's.
fn lies_in(url: &str, repository: &str) -> bool {
    let folder = repository.split(['?', '#']).next().unwrap_or(repository).trim_end_matches('/');
    url.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

fn located(
    line: &index::Line,
    repository: &Repository,
    opener: &Opener,
    wanted: &Wanted,
    shown: &str,
) -> Result<Located> {
    let reference = line
        .urls()
        .next()
        .ok_or_else(|| Error::invalid(format!("{shown} has no downloadable URLs")))?;
    let url = index::url::resolve(&repository.url, reference)
        .map_err(|error| error.context("failed to make chart URL absolute"))?;
    let mut notes = Vec::new();
    let asked = wanted.version.as_str();
    if !asked.is_empty() && !index::is_range(asked) && line.version() != asked {
        notes.push(format!(
            "unable to find exact version requested; falling back to closest available version: \
             {asked} was asked for, {} is taken",
            line.version()
        ));
    }
    if line.deprecated() {
        notes.push(format!("{shown} is deprecated"));
    }
    Ok(Located {
        version: line.version().to_owned(),
        url,
        digest: line.digest().map(str::to_ascii_lowercase),
        created: line.created().to_owned(),
        notes,
        repository: opener.open(repository)?,
    })
}

impl Located {
    /// Fetches the archive and checks it.
    ///
    /// # Errors
    /// `Integrity` when it is not what the index says, and what the other side says.
    pub async fn fetch(&self, provenance: Provenance) -> Result<Checked> {
        let got = self.repository.archive(&self.url, provenance).await?;
        let check = match &self.digest {
            None => Check::Nothing,
            Some(digest) if *digest == got.digest.hex() => Check::Equal,
            Some(digest) => {
                return Err(Error::new(
                    ErrorKind::Integrity,
                    format!(
                        "{} is not the archive that the index names: it has the digest `{}`, the index says `{digest}`",
                        self.url,
                        got.digest.hex()
                    ),
                )
                .with_hint(format!(
                    "refresh the index with `chartferry repo update`; if it still differs, the repository serves other bytes \
                     than it lists: ask its owner, or take the archive by its URL, {}",
                    self.url
                )));
            }
        };
        Ok(Checked { got, check })
    }
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_lies_in_a_repository_by_whole_segments() {
        for (url, repository, yes) in [
            ("https://h/charts/a.tgz", "https://h/charts", true),
            ("https://h/charts/a.tgz", "https://h/charts/", true),
            ("https://h/charts-x/a.tgz", "https://h/charts", false),
            ("http://h/charts/a.tgz", "https://h/charts", false),
            ("https://h.evil/a.tgz", "https://h", false),
        ] {
            assert_eq!(lies_in(url, repository), yes, "{url}");
        }
    }
}
