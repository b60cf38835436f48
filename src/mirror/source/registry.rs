//! A namespace of a registry: the repositories it says it has, or those that are named, and every tag of each. What a tag
//! holds is seen when it is fetched.

use super::{Listed, Listing, Seen};
use crate::{
    Error, ErrorKind, Result,
    client::Client,
    limits::Limits,
    mirror::candidate::{Ask, Candidate, ChartVersion, Fingerprint, Payload, Provenance},
    oci::{Registry as Host, RepositoryName, Tag, TagOrDigest},
    ops::prepare,
    store::Tags,
};
use futures_util::{StreamExt, TryStreamExt};
use std::sync::Arc;

/// Repositories listed side by side.
const AT_ONCE: usize = 16;

/// How a registry is read.
#[derive(Clone, Debug)]
pub struct Options {
    /// Speaks to it.
    pub client: Client,
    /// The registry.
    pub registry: Host,
    /// The namespace; the whole registry without one.
    pub namespace: Option<RepositoryName>,
    /// The charts, by their names below the namespace; what the registry's catalogue lists without.
    pub charts: Vec<String>,
    /// Caps.
    pub limits: Limits,
}

/// A namespace of a registry, to be read.
#[derive(Clone, Debug)]
pub struct Registry {
    options: Arc<Options>,
    identity: String,
}

impl Registry {
    /// This namespace.
    pub fn new(options: Options) -> Self {
        let mut identity = format!("oci://{}", options.registry);
        if let Some(namespace) = &options.namespace {
            identity = format!("{identity}/{namespace}");
        }
        Self { options: Arc::new(options), identity }
    }

    pub(super) fn identity(&self) -> &str {
        &self.identity
    }

    pub(super) fn name(&self) -> &str {
        match &self.options.namespace {
            Some(namespace) => namespace.last_segment(),
            None => self.options.registry.host(),
        }
    }

    fn full_name(&self, chart: &str) -> Result<RepositoryName> {
        Ok(match &self.options.namespace {
            Some(namespace) => namespace.join(chart)?,
            None => chart.parse()?,
        })
    }

    /// The charts' names below the namespace.
    async fn charts(&self) -> Result<Vec<String>> {
        let options = &self.options;
        if !options.charts.is_empty() {
            return Ok(options.charts.clone());
        }
        let all = options.client.catalog(&options.registry).await.map_err(|error| {
            let hint =
                "name the charts with `--charts`: this registry does not list its repositories";
            match error.kind() {
                ErrorKind::Network => error,
                kind => {
                    Error::new(kind, error.message().to_owned()).with_source(error).with_hint(hint)
                }
            }
        })?;
        let prefix = options.namespace.as_ref().map(|namespace| format!("{namespace}/"));
        let mut names: Vec<String> = all
            .into_iter()
            .filter_map(|name| match &prefix {
                Some(prefix) => name.strip_prefix(prefix.as_str()).map(str::to_owned),
                None => Some(name),
            })
            .filter(|name| {
                name.rsplit('/').next() != Some(crate::mirror::sink::registry::STATE_REPOSITORY)
            })
            .collect();
        names.sort();
        Ok(names)
    }

    pub(super) async fn list(&self, seen: Option<&Seen>) -> Result<Listing> {
        let names = self.charts().await?;
        let tags = futures_util::stream::iter(names)
            .map(|name| async move {
                let repository =
                    self.options.client.repository(&self.options.registry, &self.full_name(&name)?);
                match repository.tags().await {
                    Ok(mut tags) => {
                        tags.sort();
                        Ok((name, tags))
                    }
                    Err(error) if error.kind() == ErrorKind::NotFound => Ok((name, Vec::new())),
                    Err(error) => Err(error),
                }
            })
            .buffered(AT_ONCE)
            .try_collect::<Vec<(String, Vec<String>)>>()
            .await?;
        let fingerprint = Fingerprint::of(format!("{tags:?}").as_bytes());
        if seen.is_some_and(|seen| seen.fingerprint == fingerprint) {
            return Ok(Listing::Unchanged);
        }
        let mut listed =
            Listed { seen: Seen { fingerprint, ..Seen::default() }, ..Listed::default() };
        for (name, tags) in tags {
            for tag in tags {
                // Signatures and attestations of older tools are tags of this form.
                if is_attachment(&tag) {
                    continue;
                }
                let locator = format!("{name}:{tag}");
                let Ok(parsed) = tag.parse::<Tag>() else { continue };
                listed.candidates.push(Candidate {
                    id: ChartVersion::new(name.clone(), parsed.to_version()),
                    created: String::new(),
                    digest: None,
                    fingerprint: Fingerprint::of(locator.as_bytes()),
                    essence: Some(Fingerprint::of(locator.as_bytes())),
                    urls: vec![locator],
                    deprecated: false,
                    provenance: Provenance::Unasked,
                });
            }
        }
        Ok(Listing::Charts(listed))
    }

    pub(super) async fn fetch(&self, candidate: &Candidate, ask: Ask) -> Result<Payload> {
        let locator = candidate.urls.first().map_or("", String::as_str);
        let (name, tag) = locator
            .rsplit_once(':')
            .ok_or_else(|| Error::invalid(format!("`{locator}` names no tag")))?;
        let repository =
            self.options.client.repository(&self.options.registry, &self.full_name(name)?);
        let target = TagOrDigest::Tag(tag.parse()?);
        let mut payload = prepare::from_store(&repository, &target, &self.options.limits).await?;
        if ask == Ask::Nothing {
            payload.provenance = None;
        }
        Ok(payload)
    }
}

/// `sha256-HEX.sig`, `.att`, `.sbom`, and the list of referrers itself.
fn is_attachment(tag: &str) -> bool {
    let hex = tag.strip_prefix("sha256-").map(|rest| rest.split('.').next().unwrap_or(rest));
    hex.is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
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
            ("sha256-1.0.0".to_owned(), false),
            ("1.0.0".to_owned(), false),
        ] {
            assert_eq!(is_attachment(&tag), attached, "{tag}");
        }
    }
}
