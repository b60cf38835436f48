//! A classic repository or ChartMuseum, read through its index.yaml alone: one conditional GET to
//! list it, one GET for an archive, one for its provenance.

use super::{CacheValidator, Listed, Listing, Peek};
use crate::{
    Advice, Error, ErrorKind, Result,
    advice::{Service, Side},
    archive::{self, Keep},
    client::{
        Client, Repository as Distant,
        repository::index::{Fetched, Signed, Validators},
    },
    digest::{Algorithm, Digest},
    index::{self, Index, Line, ListedDigest},
    json,
    limits::Limits,
    mirror::{
        candidate::{Ask, Candidate, ChartVersion, Fingerprint, Payload, Provenance},
        mismatch::mismatch,
        side::at,
    },
    oci::{Descriptor, Reference, TagOrDigest, media},
    ops::{pull::chart_of, push::prepare, repository::listed::follow},
    store::{Fetch, blocking},
};
use std::sync::{Arc, OnceLock};

/// Options of a source repository.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The client for registries in the URLs of an index.
    pub client: Client,
    /// The repository.
    pub repository: crate::client::repository::index::HttpRepository,
    /// The choice for provenance files.
    pub provenance: Ask,
    /// The limits on sizes and counts.
    pub limits: Limits,
}

impl Options {
    /// Creates options that also download provenance files.
    pub fn new(
        client: Client,
        repository: crate::client::repository::index::HttpRepository,
    ) -> Self {
        Self { client, repository, provenance: Ask::Provenance, limits: Limits::default() }
    }
}

/// A chart repository as source.
#[derive(Clone, Debug)]
pub struct Repository {
    options: Arc<Options>,
    identity: String,
    name: String,
    /// The first response that was no provenance file. The run reports it once.
    unsigned: Arc<OnceLock<String>>,
}

impl Repository {
    /// Creates a source for a repository.
    pub fn new(options: Options) -> Self {
        let identity = options.repository.url().trim_end_matches('/').to_owned();
        let rest = identity.split_once("://").map_or(identity.as_str(), |(_, rest)| rest);
        let path = rest.split_once('/').map_or("", |(_, path)| path);
        let last = path.rsplit('/').find(|segment| !segment.is_empty());
        let host = rest.split(['/', ':']).next().unwrap_or(rest);
        let name = last.unwrap_or(host).to_owned();
        Self { options: Arc::new(options), identity, name, unsigned: Arc::default() }
    }

    pub(super) fn identity(&self) -> &str {
        &self.identity
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn call(&mut self, name: &str) {
        name.clone_into(&mut self.name);
    }

    pub(super) async fn list(&self, seen: Option<&CacheValidator>) -> Result<Listing> {
        let known = seen.map(|seen| Validators {
            etag: seen.etag.clone(),
            last_modified: seen.last_modified.clone(),
        });
        let index = self.options.repository.index(known.as_ref()).await.map_err(refused)?;
        let (bytes, validators) = match index {
            Fetched::NotModified => return Ok(Listing::Unchanged),
            Fetched::Index { bytes, validators } => (bytes, validators),
        };
        let (this, before) = (self.clone(), seen.map(|seen| seen.fingerprint));
        blocking(move || {
            let fingerprint = Fingerprint::of(&bytes);
            if before == Some(fingerprint) {
                return Ok(Listing::Unchanged);
            }
            let index = Index::read(bytes, &this.identity, &this.options.limits)
                .map_err(|error| unreadable(error, &this.identity))?;
            let seen = CacheValidator {
                etag: validators.etag,
                last_modified: validators.last_modified,
                fingerprint,
            };
            let listed = listed(&index, &this.identity, seen)?;
            Ok(Listing::Charts(Listed { index: Some(index), ..listed }))
        })
        .await
    }

    pub(super) async fn peek(&self, candidate: &Candidate) -> Result<Peek> {
        let Some(url) = candidate.urls.first() else { return Ok(Peek::default()) };
        let url = &follow(url, candidate.entry())?;
        if url.starts_with("oci://") {
            let (repository, target) = self.place_of(url)?;
            let found = repository.fetch_manifest(&target).await?;
            return Peek::of(&chart_of(&repository, found).await?);
        }
        let provenance = self.provenance(url).await?.map(|bytes| Digest::sha256(&bytes));
        Ok(Peek { provenance, ..Peek::default() })
    }

    pub(super) async fn fetch(&self, candidate: &Candidate, ask: Ask) -> Result<Payload> {
        let mut failed = None;
        let mut other = None;
        for url in &candidate.urls {
            match self.fetch_from(url, candidate, ask).await {
                // Another address may have the archive that the index lists.
                Ok(payload) if mismatch(candidate, &payload)?.is_some() => {
                    other = other.or(Some(payload));
                }
                Ok(payload) => return Ok(payload),
                // Another address may still have the archive. The first error is the one to report.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        match (other, failed) {
            (Some(payload), _) => Ok(payload),
            (None, Some(error)) => Err(error),
            (None, None) => Err(Error::not_found("the index names no address for it")),
        }
    }

    async fn fetch_from(&self, url: &str, candidate: &Candidate, ask: Ask) -> Result<Payload> {
        let options = &self.options;
        let url = &follow(url, candidate.entry())?;
        if url.starts_with("oci://") {
            return self.fetch_from_registry(url).await;
        }
        let archive = options.repository.archive(url, options.limits.archive_bytes);
        let archive = archive.await.map_err(|error| {
            let elsewhere = origin(url) != origin(&self.identity);
            match (error.kind(), elsewhere) {
                (ErrorKind::Denied, true) => {
                    let origin = origin(url).to_owned();
                    error.with_advice(Advice::PassCredentials { origin }.at(Side::Source))
                }
                _ => refused(error),
            }
        })?;
        let content = Descriptor::new(media::CHART_CONTENT, archive.digest, archive.size);
        let archive = archive.bytes;
        let (read, limits) = (archive.clone(), options.limits.clone());
        let judged = async {
            blocking(move || archive::read::read(read.reader()?, Keep::Nothing, &limits)).await
        };
        let provenance = async {
            match ask {
                Ask::Provenance => self.provenance(url).await,
                Ask::Nothing => Ok(None),
            }
        };
        let (judged, provenance) = futures_util::future::join(judged, provenance).await;
        Ok(Payload {
            metadata: judged?.metadata,
            archive,
            content,
            provenance: provenance?,
            created: prepare::created(&candidate.created),
            ready: None,
            notes: Vec::new(),
            warnings: Vec::new(),
        })
    }

    async fn provenance(&self, url: &str) -> Result<Option<bytes::Bytes>> {
        if self.options.provenance == Ask::Nothing {
            return Ok(None);
        }
        // Object stores without list permission deny access to missing files. The server allowed
        // the archive beside it, so access is not the problem.
        let why = match self.options.repository.signed(&provenance_url(url)).await {
            Ok(Signed::Found(bytes)) => return Ok(Some(bytes)),
            Ok(Signed::Absent) => return Ok(None),
            Ok(Signed::Unusable(why)) => why,
            Err(error) if error.kind() == ErrorKind::Denied => error.message().to_owned(),
            Err(error) => return Err(error),
        };
        self.unsigned.get_or_init(|| format!("{} : {why}", provenance_url(url)));
        Ok(None)
    }

    /// Returns the final warning for the user, once the run is over.
    pub(super) fn final_warning(&self) -> Option<String> {
        self.unsigned.get().map(|first| {
            format!(
                "{} answers for some or all provenance files with something else, which is taken to mean that there are \
                 none: {first}",
                self.identity
            )
        })
    }

    /// Downloads a chart that the index places in a registry.
    async fn fetch_from_registry(&self, url: &str) -> Result<Payload> {
        let (repository, target) = self.place_of(url)?;
        prepare::from_store(&repository, &target, &self.options.limits).await
    }

    fn place_of(&self, url: &str) -> Result<(Distant, TagOrDigest)> {
        let reference: Reference = url.parse()?;
        let repository = self.options.client.repository(&reference.registry, &reference.repository);
        let target = reference
            .target()
            .ok_or_else(|| Error::invalid(format!("`{url}` has neither tag nor digest")))?;
        Ok((repository, target))
    }
}

/// Returns the scheme, host and port of an address.
fn origin(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find('/').map_or(url.len(), |at| start + at);
    &url[..end]
}

/// Adds advice to an error of a repository that denies reading or is unreachable.
fn refused(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Denied => {
            error.with_advice(Advice::Authenticate(Service::Repository).at(Side::Source))
        }
        _ => at(Side::Source, error),
    }
}

fn unreadable(error: Error, repository: &str) -> Error {
    let what = format!("`{repository}/index.yaml` is not an index of charts");
    error
        .context(what)
        .with_hint("the server may have returned a login page, or the address may be wrong")
}

/// Returns every version of an index. Without a `base`, URLs stay unchanged.
pub(super) fn listed(index: &Index, base: &str, seen: CacheValidator) -> Result<Listed> {
    let mut listed = Listed { seen, warnings: index.warnings().to_vec(), ..Listed::default() };
    if index.is_cut() || base.contains("/packages/helm") {
        listed.cut = Some(format!(
            "its index lists {} versions, which may be the newest part of more",
            index.versions()
        ));
    }
    listed.candidates.reserve(index.versions());
    let mut odd: Vec<String> = Vec::new();
    for chart in index.charts() {
        for line in chart.versions() {
            let candidate = candidate(chart.name(), line, base)?;
            if let ListedDigest::Odd(text) = &candidate.listed {
                odd.push(format!("{}: `{text}`", candidate.id));
            }
            listed.candidates.push(candidate);
        }
    }
    if let Some(first) = odd.first() {
        listed.warnings.push(format!(
            "the index lists digests that are neither SHA-256 nor SHA-512 for {} versions, which are not compared, such as {first}",
            odd.len()
        ));
    }
    Ok(listed)
}

fn candidate(chart: &str, line: &Line, base: &str) -> Result<Candidate> {
    let said = line.listed_digest();
    // For an archive in a registry, the digest may be the manifest's. It describes the archive only
    // once both were downloaded.
    let in_registry = line.urls().any(|url| url.starts_with("oci://"));
    let digest = said
        .digest()
        .filter(|digest| digest.algorithm() == Algorithm::Sha256 && !in_registry)
        .cloned();
    let content_fingerprint = match digest {
        Some(_) => None,
        None => {
            let entry = line.decode()?;
            let mut text = json::to_vec(&entry.metadata);
            text.extend(entry.urls.join("\n").as_bytes());
            text.extend(entry.digest.as_bytes());
            Some(Fingerprint::of(&text))
        }
    };
    Ok(Candidate {
        id: ChartVersion::new(chart, line.version()),
        created: line.created().to_owned(),
        digest,
        listed: said,
        // The download finds an invalid address.
        urls: line
            .urls()
            .map(|url| match base {
                "" => url.to_owned(),
                base => index::url::resolve(base, url).unwrap_or_else(|_| url.to_owned()),
            })
            .collect(),
        deprecated: line.deprecated(),
        fingerprint: Fingerprint::of(line.fingerprint().as_str().as_bytes()),
        content_fingerprint,
        provenance_fingerprint: None,
        origin: None,
        provenance: Provenance::Unasked,
    })
}

/// Returns the URL of the provenance file beside an archive, with the same query.
fn provenance_url(url: &str) -> String {
    match url.split_once('?') {
        Some((path, query)) => format!("{path}.prov?{query}"),
        None => format!("{url}.prov"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_becomes_candidates_with_whole_addresses() {
        let text = "apiVersion: v1\nentries:\n  a:\n  - name: a\n    version: 1.0.0\n    apiVersion: v1\n    \
                    urls: [charts/a-1.0.0.tgz]\n    created: \"2020-01-02T03:04:05Z\"\n    \
                    digest: sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n  \
                    b:\n  - name: b\n    version: v1\n    apiVersion: v2\n    urls: [\"https://o.example/b.tgz?x=1\"]\n";
        let index = Index::read(text.into(), "test", &Limits::default()).expect("index");
        let listed =
            listed(&index, "https://r.example/charts", CacheValidator::default()).expect("listed");
        let [a, b] = &listed.candidates[..] else { panic!("{listed:?}") };
        assert_eq!(a.urls, ["https://r.example/charts/charts/a-1.0.0.tgz"]);
        assert!(a.digest.is_some() && a.content_fingerprint.is_none());
        assert_eq!(b.urls, ["https://o.example/b.tgz?x=1"]);
        assert!(b.digest.is_none() && b.content_fingerprint.is_some());
        assert_eq!(provenance_url(&b.urls[0]), "https://o.example/b.tgz.prov?x=1");
        assert!(listed.cut.is_none());
    }
}
