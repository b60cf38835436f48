//! Location of a chart in a chart repository: `repo/chart` by a configured repository's cached
//! index, a name by the index of a URL (`--repo`), or an archive's own URL. The archive is checked
//! against the index's digest, name and version; Helm does not do that.

use super::{
    Files,
    listed::{self, Mismatch, OnMismatch, Verdict},
    namespace,
    open::{ChartRepository, Got, Opener},
};
use crate::{
    Advice, Error, ErrorKind, Result,
    advice::Mismatched,
    client::repository::index::Fetched,
    index::{self, Index, Line, ListedDigest, config::RepositoryEntry},
    ops::{pull::Provenance, tags::Devel},
    quote,
    redact::without_proof,
    store::blocking,
};
use std::fmt;

/// The version of a chart to find.
#[derive(Clone, Debug, Default)]
pub struct VersionRequest {
    /// A version or a range; empty for the newest.
    pub version: String,
    /// The choice for prereleases if no version is given.
    pub devel: Devel,
}

/// A chart that was found.
#[derive(Clone, Debug)]
pub struct Located {
    /// The name in the index. Empty for an archive by its own URL, which may have any chart.
    pub chart: String,
    /// The version as the index writes it. It is empty for an archive by its own URL.
    pub version: String,
    /// The URL of its archive.
    pub url: String,
    /// The alternative URLs: other URLs of the entry, and entries of the same version with the same
    /// digest. They are tried in turn if the first URL has no archive, or other bytes.
    pub others: Vec<String>,
    /// The digest of its archive in the index.
    pub digest: ListedDigest,
    /// The creation time in its index. Empty if there is none.
    pub created: String,
    /// The notes for the user.
    pub notes: Vec<String>,
    repository: ChartRepository,
    /// `true` if the index came from the cache, so that it may be older than the repository.
    cached: bool,
}

/// A located chart's archive.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The archive.
    pub got: Got,
    /// The result of comparing it with the digest in the index.
    pub verdict: Verdict,
    /// The addresses that failed before this one, with the reasons.
    pub failed: Vec<String>,
}

impl VersionRequest {
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
    repository: &RepositoryEntry,
    chart: &str,
    wanted: &VersionRequest,
) -> Result<Located> {
    in_index(&cached(files, opener, repository)?, opener, repository, chart, wanted)
}

/// Finds `chart` in a configured repository's index.
pub(crate) fn in_index(
    index: &Index,
    opener: &Opener,
    repository: &RepositoryEntry,
    chart: &str,
    wanted: &VersionRequest,
) -> Result<Located> {
    let name = &repository.name;
    let range = wanted.range();
    let line = index.find(chart, range).map_err(|error| {
        let error = explained(error, index, chart);
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
    let found =
        located((index, chart, line), repository, opener, wanted, &format!("chart {shown}"))?;
    Ok(Located { cached: true, ..found })
}

/// Returns the cached index of a configured repository.
///
/// # Errors
/// `NotFound` with Helm's text.
pub fn cached(files: &Files, opener: &Opener, repository: &RepositoryEntry) -> Result<Index> {
    files.index(&repository.name, &opener.limits).map_err(|error| {
        Error::new(error.kind(), "no cached repo found. (try 'helm repo update')")
            .with_source(error)
            .with_advice(Advice::RefreshIndexes)
    })
}

/// Finds `chart` in the index of a repository that need not be configured.
///
/// # Errors
/// `NotFound` with Helm's texts, and any error of the server.
pub async fn in_repository(
    opener: &Opener,
    repository: &RepositoryEntry,
    chart: &str,
    wanted: &VersionRequest,
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
        let error = explained(error, &index, chart);
        Error::new(error.kind(), format!("{shown} not found in {url} repository"))
            .with_source(error)
    })?;
    let mut located = located((&index, chart, line), repository, opener, wanted, &shown)?;
    located.notes.extend(index.dropped(chart).iter().cloned());
    Ok(located)
}

/// Locates an archive by its own URL, with the settings of its configured repository, if there is
/// one.
///
/// # Errors
/// Fails if the file of repositories cannot be read.
pub fn by_url(
    files: &Files,
    opener: &Opener,
    url: &str,
    given: &RepositoryEntry,
) -> Result<Located> {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    if !matches!(scheme, "http" | "https" | "cm" | namespace::SCHEME | "oci") {
        return Err(Error::usage(format!("scheme {} not supported", quote::go(scheme))));
    }
    let all = files.load(&opener.limits)?.repositories;
    let owner = all.into_iter().find(|one| lies_in(url, &one.url));
    let repository = match owner {
        Some(owner) if given.username.is_empty() => owner,
        _ => RepositoryEntry { url: url.to_owned(), ..given.clone() },
    };
    Ok(Located {
        chart: String::new(),
        version: String::new(),
        url: url.to_owned(),
        others: Vec::new(),
        digest: ListedDigest::Missing,
        created: String::new(),
        notes: Vec::new(),
        repository: opener.open(&repository)?,
        cached: false,
    })
}

/// Returns true if a URL is below a repository's.
fn lies_in(url: &str, repository: &str) -> bool {
    let folder = repository.split(['?', '#']).next().unwrap_or(repository).trim_end_matches('/');
    url.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// Adds the dropped entries of a chart or version to the error that it was not found.
fn explained(error: Error, index: &Index, chart: &str) -> Error {
    match index.dropped(chart) {
        [] => error,
        [only] => Error::not_found(only.clone()).with_source(error),
        [first, rest @ ..] => {
            Error::not_found(format!("{first}; and {} more entries of it", rest.len()))
                .with_source(error)
        }
    }
}

fn located(
    (index, chart, line): (&Index, &str, &Line),
    repository: &RepositoryEntry,
    opener: &Opener,
    wanted: &VersionRequest,
    shown: &str,
) -> Result<Located> {
    let references = index.chart(chart).map(|listed| listed.urls(line)).unwrap_or_default();
    let entry = listed::Entry { chart, version: line.version() };
    let mut urls: Vec<String> = Vec::with_capacity(references.len());
    let mut refused = None;
    for reference in references {
        match listed::address(&repository.url, reference, entry) {
            Ok(url) if !urls.contains(&url) => urls.push(url),
            Ok(_) => {}
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    let mut urls = urls.into_iter();
    let url = urls.next().ok_or_else(|| {
        refused.unwrap_or_else(|| Error::invalid(format!("{shown} has no downloadable URLs")))
    })?;
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
        chart: chart.to_owned(),
        version: line.version().to_owned(),
        url,
        others: urls.collect(),
        digest: line.listed_digest(),
        created: line.created().to_owned(),
        notes,
        repository: opener.open(repository)?,
        cached: false,
    })
}

impl Located {
    /// Downloads the archive and checks it. If an address has no archive, a different chart, or
    /// different bytes, the next address is tried.
    ///
    /// # Errors
    /// `Integrity` if no address has the archive of the index, unless the repository's
    /// [`OnMismatch`] accepts other bytes. `Invalid` for a different chart or version. Any error of
    /// the server.
    pub async fn fetch(&self, provenance: Provenance) -> Result<Checked> {
        let mut failed = Vec::new();
        let mut unreached = None;
        let mut other = None;
        for url in std::iter::once(&self.url).chain(&self.others) {
            let got = match self.repository.archive(url, provenance).await {
                Ok(got) => got,
                Err(error) => {
                    failed.push(format!("{url}: {}", error.chain()));
                    unreached = unreached.or(Some(error));
                    continue;
                }
            };
            let (got, verdict) = judge(got, self.digest.clone()).await?;
            let Verdict::Differs(mismatch) = verdict else {
                match self.identify(url, got).await {
                    Ok(got) => return Ok(Checked { got, verdict, failed }),
                    Err(error) => {
                        failed.push(error.chain());
                        unreached = unreached.or(Some(error));
                        continue;
                    }
                }
            };
            failed.push(format!("{url}: its digest is `{}`", mismatch.found));
            other = other.or(Some((url, got, mismatch)));
        }
        match (other, unreached) {
            (Some((url, _, mismatch)), _) if self.repository.mismatch() == OnMismatch::Fail => {
                Err(wrong(url, &mismatch))
            }
            (Some((url, got, mismatch)), _) => {
                let got = self.identify(url, got).await?;
                Ok(Checked { got, verdict: Verdict::Differs(mismatch), failed: Vec::new() })
            }
            (None, Some(error)) => {
                let stale = self.cached && error.kind() == ErrorKind::NotFound;
                Err(if stale { error.with_advice(Advice::RefreshIndexes) } else { error })
            }
            (None, None) => Err(Error::not_found("the index lists no address")),
        }
    }
}

impl Located {
    /// Refuses a chart that differs from the entry in the index, so that it is not saved, pushed or
    /// read under that name.
    async fn identify(&self, url: &str, got: Got) -> Result<Got> {
        if self.chart.is_empty() {
            return Ok(got);
        }
        let limits = self.repository.limits().clone();
        let (got, metadata) = blocking(move || {
            let metadata = got.metadata(&limits);
            Ok::<_, Error>((got, metadata))
        })
        .await?;
        // The readers refuse an archive that is not a chart.
        let other = metadata.ok().and_then(|chart| chart.other_than(&self.chart, &self.version));
        let Some(other) = other else { return Ok(got) };
        let url = without_proof(url);
        Err(Error::invalid(format!("{url} is not the chart that its index lists: {other}"))
            .with_hint("the repository serves another chart than it lists: ask its owner"))
    }
}

/// Compares the download with the digest in the index. Hashing a large archive again would block
/// the runtime.
async fn judge(got: Got, digest: ListedDigest) -> Result<(Got, Verdict)> {
    blocking(move || {
        let verdict = listed::compare(&digest, &got.archive, &got.digest, &got.manifests)?;
        Ok((got, verdict))
    })
    .await
}

fn wrong(url: &str, mismatch: &Mismatch) -> Error {
    let message = Verdict::Differs(mismatch.clone()).warning(url).unwrap_or_default();
    Error::new(ErrorKind::Integrity, message).with_advice(Advice::AcceptMismatch(Mismatched::Chart))
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
