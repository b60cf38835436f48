//! A namespace of a registry: the repositories in its catalog, or the named ones, and every tag of
//! each. The content of a tag is known once it is downloaded.

use super::{
    CacheValidator, Listed, Listing, Peek,
    tagged::{self, Tagged},
};
use crate::{
    Advice, Error, ErrorKind, Result,
    client::{Client, Repository},
    digest::Digest,
    index::ListedDigest,
    limits::Limits,
    mirror::{
        candidate::{Ask, Candidate, ChartVersion, Fingerprint, Payload, Provenance},
        plan::needs::Need,
        sink,
    },
    oci::{Registry as Host, RepositoryName, Tag, TagOrDigest, chart},
    ops::{any_repository::AnyRepository, copy::DigestTags, pull::chart_of, push::prepare},
    store::{Fetch, Resolve, Tags},
};
use futures_util::{StreamExt, TryStreamExt};
use std::sync::Arc;

/// The number of an index's entries to examine for a chart.
const INDEX_ENTRIES: usize = 64;
/// The number of repositories listed at once.
const AT_ONCE: usize = 16;

/// The tag of Artifact Hub's metadata.
pub(super) const ARTIFACT_HUB: &str = "artifacthub.io";

/// Options of a source registry.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The client for the registry.
    pub client: Client,
    /// The registry.
    pub registry: Host,
    /// The namespace; the whole registry without one.
    pub namespace: Option<RepositoryName>,
    /// The charts, by their names below the namespace. If empty, the registry's catalog.
    pub charts: Vec<String>,
    /// The guarantee for its tags.
    pub tags: super::Tags,
    /// The limits on sizes and counts.
    pub limits: Limits,
}

impl Options {
    /// Creates options for every chart of a namespace that the registry lists.
    pub fn new(client: Client, registry: Host, namespace: Option<RepositoryName>) -> Self {
        Self {
            client,
            registry,
            namespace,
            charts: Vec::new(),
            tags: super::Tags::default(),
            limits: Limits::default(),
        }
    }
}

/// A namespace of a registry as source.
#[derive(Clone, Debug)]
pub struct Registry {
    options: Arc<Options>,
    identity: String,
    name: String,
}

impl Registry {
    /// Creates a source for a namespace.
    pub fn new(options: Options) -> Self {
        let mut identity = format!("oci://{}", options.registry);
        if let Some(namespace) = &options.namespace {
            identity = format!("{identity}/{namespace}");
        }
        let name = match &options.namespace {
            Some(namespace) => namespace.last_segment(),
            None => options.registry.host(),
        };
        Self { name: name.to_owned(), options: Arc::new(options), identity }
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

    fn full_name(&self, chart: &str) -> Result<RepositoryName> {
        Ok(match &self.options.namespace {
            Some(namespace) => namespace.join(chart)?,
            None => chart.parse()?,
        })
    }

    /// Returns the charts' names below the namespace, each with its repository.
    async fn charts(&self) -> Result<Vec<(String, RepositoryName)>> {
        let options = &self.options;
        let full = |name: String| Ok((name.clone(), self.full_name(&name)?));
        if !options.charts.is_empty() {
            return options.charts.iter().cloned().map(full).collect();
        }
        let all = match options.client.catalog(&options.registry).await {
            Ok(all) => all,
            Err(error) if error.kind() == ErrorKind::Network => return Err(error),
            // For one chart, no list is necessary.
            Err(error) => match &options.namespace {
                Some(one) if self.has_tags(one).await => vec![one.clone()],
                _ => return Err(unlisted(error, &options.registry)),
            },
        };
        let prefix = options.namespace.as_ref().map(|namespace| format!("{namespace}/"));
        let mut names: Vec<String> = all
            .iter()
            .filter_map(|name| match &prefix {
                Some(prefix) => name.as_str().strip_prefix(prefix.as_str()).map(str::to_owned),
                None => Some(name.to_string()),
            })
            .filter(|name| {
                name.rsplit('/').next() != Some(crate::mirror::sink::registry::STATE_REPOSITORY)
            })
            .collect();
        names.sort();
        match &options.namespace {
            // The namespace is itself a chart's repository.
            Some(one) if names.is_empty() && all.contains(one) => {
                Ok(vec![(one.last_segment().to_owned(), one.clone())])
            }
            _ => names.into_iter().map(full).collect(),
        }
    }

    async fn has_tags(&self, name: &RepositoryName) -> bool {
        let repository = self.options.client.repository(&self.options.registry, name);
        repository.tags().await.is_ok_and(|tags| !tags.is_empty())
    }

    pub(super) async fn list(&self, seen: Option<&CacheValidator>) -> Result<Listing> {
        let names = self.charts().await?;
        let tags = futures_util::stream::iter(names)
            .map(|(name, full)| async move {
                let repository = self.options.client.repository(&self.options.registry, &full);
                match repository.tags().await {
                    Ok(mut tags) => {
                        tags.sort();
                        Ok((name, full, tags))
                    }
                    Err(error) if error.kind() == ErrorKind::NotFound => {
                        Ok((name, full, Vec::new()))
                    }
                    Err(error) => Err(error),
                }
            })
            .buffered(AT_ONCE)
            .try_collect::<Vec<(String, RepositoryName, Vec<Tag>)>>()
            .await?;
        // State files hold this fingerprint, so its text must stay the same.
        let said: Vec<(&String, Vec<&str>)> = tags
            .iter()
            .map(|(name, _, tags)| (name, tags.iter().map(Tag::as_str).collect()))
            .collect();
        let fingerprint = Fingerprint::of(format!("{said:?}").as_bytes());
        // A repository in a catalog may be empty, but a requested one must exist.
        let absent: Vec<String> = tags
            .iter()
            .filter(|(_, _, tags)| tags.is_empty() && !self.options.charts.is_empty())
            .map(|(name, ..)| format!("there is no chart `{name}` in {}", self.identity))
            .collect();
        if absent.is_empty() && seen.is_some_and(|seen| seen.fingerprint == fingerprint) {
            return Ok(Listing::Unchanged);
        }
        let seen = CacheValidator { fingerprint, ..CacheValidator::default() };
        let mut listed = Listed { seen, absent, ..Listed::default() };
        let sorted = futures_util::stream::iter(tags)
            .map(|(name, full, tags)| async move {
                let repository = self.options.client.repository(&self.options.registry, &full);
                let sorted = tagged::sort(&repository, &tags, &self.options.limits).await?;
                Ok::<_, Error>((name, full, sorted))
            })
            .buffered(AT_ONCE)
            .try_collect::<Vec<_>>()
            .await?;
        for (name, full, sorted) in sorted {
            listed.aliases += sorted.aliases;
            listed.attached += sorted.attached.len();
            let tags = Arc::new(DigestTags::among(sorted.attached));
            listed.digest_tags.insert(full.to_string(), tags);
            for Tagged { tag, version, sight } in sorted.versions {
                let locator = format!("{name}:{tag}");
                let (origin, created) = sight.map(|seen| (seen.origin, seen.created)).unzip();
                listed.candidates.push(Candidate {
                    id: ChartVersion::new(name.clone(), version),
                    created: created.unwrap_or_default(),
                    digest: None,
                    fingerprint: Fingerprint::of(locator.as_bytes()),
                    content_fingerprint: Some(Fingerprint::of(locator.as_bytes())),
                    provenance_fingerprint: None,
                    origin,
                    listed: ListedDigest::Missing,
                    urls: vec![format!("{full}:{tag}")],
                    deprecated: false,
                    provenance: Provenance::Unasked,
                });
            }
        }
        Ok(Listing::Charts(listed))
    }

    pub(super) async fn peek(&self, candidate: &Candidate) -> Result<Peek> {
        let (repository, target) = self.place_of(candidate)?;
        let found = repository.fetch_manifest(&target).await?;
        let origin = found.digest().clone();
        let seen = Peek::of(&chart_of(&repository, found).await?)?;
        Ok(Peek { manifest: Some(origin), ..seen })
    }

    /// Sets a version's creation time and resolves its tag.
    pub(super) async fn date(&self, candidate: &mut Candidate) -> Result<()> {
        let (repository, TagOrDigest::Tag(tag)) = self.tag_of(candidate)? else { return Ok(()) };
        if let Some(seen) = tagged::see(&repository, &tag, &self.options.limits).await? {
            candidate.created = seen.created;
            candidate.origin = Some(seen.origin);
        }
        Ok(())
    }

    pub(super) fn tags(&self) -> super::Tags {
        self.options.tags
    }

    pub(super) async fn origin(&self, candidate: &Candidate) -> Result<Option<Digest>> {
        let (repository, target) = self.tag_of(candidate)?;
        Ok(repository.resolve(&target).await?.map(|manifest| manifest.digest))
    }

    pub(super) async fn manifest_of(
        &self,
        candidate: &Candidate,
        version: &str,
    ) -> Result<Option<Digest>> {
        let (repository, _) = self.tag_of(candidate)?;
        let tag = TagOrDigest::Tag(Tag::from_version(version)?);
        Ok(repository.resolve(&tag).await?.map(|manifest| manifest.digest))
    }

    pub(super) async fn other(&self, candidate: &Candidate) -> Result<Option<String>> {
        let (repository, target) = self.place_of(candidate)?;
        let found = repository.fetch_manifest(&target).await?;
        for entry in found.document().manifests().iter().take(INDEX_ENTRIES) {
            let inner = TagOrDigest::Digest(entry.digest.clone());
            if sink::registry::is_chart(&repository.fetch_manifest(&inner).await?) {
                return Ok(None);
            }
        }
        let other = found.is_index() || !sink::registry::is_chart(&found);
        Ok(other.then(|| chart::describe(&found)))
    }

    pub(super) async fn referrers(
        &self,
        candidate: &Candidate,
        of: &Digest,
    ) -> Result<Option<usize>> {
        let (repository, _) = self.tag_of(candidate)?;
        Ok(repository.listed_referrers(of).await?.map(|list| list.len()))
    }

    pub(super) fn repository_of(&self, candidate: &Candidate) -> Result<AnyRepository> {
        Ok(AnyRepository::Registry(self.tag_of(candidate)?.0))
    }

    /// Returns the place of a version's manifest: the digest of its resolved tag, so that a whole
    /// run uses the same manifest.
    fn place_of(&self, candidate: &Candidate) -> Result<(Repository, TagOrDigest)> {
        let (repository, tag) = self.tag_of(candidate)?;
        Ok((repository, candidate.origin.clone().map_or(tag, TagOrDigest::Digest)))
    }

    fn tag_of(&self, candidate: &Candidate) -> Result<(Repository, TagOrDigest)> {
        let locator = candidate.urls.first().map_or("", String::as_str);
        let (name, tag) = locator
            .rsplit_once(':')
            .ok_or_else(|| Error::invalid(format!("`{locator}` names no tag")))?;
        let repository = self.options.client.repository(&self.options.registry, &name.parse()?);
        Ok((repository, TagOrDigest::Tag(tag.parse()?)))
    }

    pub(super) async fn needs(&self, candidate: &Candidate) -> Result<Vec<Need>> {
        let (repository, target) = self.place_of(candidate)?;
        let manifest = repository.fetch_manifest(&target).await?;
        match Need::of_manifest(&repository, manifest, &self.options.limits).await {
            // An artifact that is not a chart is refused later, when it is downloaded.
            Err(error) if error.kind() == ErrorKind::Invalid => Ok(Vec::new()),
            needs => needs,
        }
    }

    pub(super) async fn fetch(
        &self,
        candidate: &Candidate,
        ask: Ask,
    ) -> Result<(Payload, Option<Digest>)> {
        let (repository, target) = self.place_of(candidate)?;
        let found = repository.fetch_manifest(&target).await?;
        let origin = found.digest().clone();
        let mut payload = prepare::from_manifest(&repository, found, &self.options.limits).await?;
        if ask == Ask::Nothing {
            payload.provenance = None;
        }
        Ok((payload, Some(origin)))
    }
}

/// Explains a catalog request that failed: the registry denies it to this user, or to everybody.
fn unlisted(error: Error, registry: &Host) -> Error {
    let refused_by = (error.kind() == ErrorKind::Denied).then(|| registry.to_string());
    Error::new(error.kind(), error.message().to_owned())
        .with_source(error)
        .with_advice(Advice::Unlisted { refused_by })
}

/// Returns true if other tools use a tag beside charts: `sha256-HEX.sig`, `.att`, `.sbom`, the list
/// of referrers itself, and Artifact Hub's metadata.
pub(super) fn of_others(tag: &str) -> bool {
    let hex = tag.strip_prefix("sha256-").map(|rest| rest.split('.').next().unwrap_or(rest));
    tag == ARTIFACT_HUB
        || hex
            .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_attached_to_a_chart_is_no_version_of_it() {
        let hex = "a".repeat(64);
        for (tag, attached) in [
            (format!("sha256-{hex}.sig"), true),
            (format!("sha256-{hex}"), true),
            ("artifacthub.io".to_owned(), true),
            ("sha256-1.0.0".to_owned(), false),
            ("1.0.0".to_owned(), false),
        ] {
            assert_eq!(of_others(&tag), attached, "{tag}");
        }
    }
}
