//! A namespace of a registry as a store of many repositories: the namespace is its root, so the
//! repository `demo` of `oci://host/charts` is `charts/demo` to the registry.

use crate::{
    Advice, Error, Result,
    client::{Client, Redirects, Repository},
    oci::{Registry, RepositoryName},
    store::Catalog,
};
use std::sync::Arc;

/// A namespace of a registry. Clones are the same.
#[derive(Clone, Debug)]
pub struct Remote {
    client: Client,
    registry: Registry,
    prefix: Option<RepositoryName>,
    shown: Shown,
    redirects: Redirects,
}

/// Completeness of a list of a namespace's repositories.
#[derive(Clone, Debug, Default)]
pub enum Shown {
    /// All repositories that the registry lists (`/v2/_catalog`).
    #[default]
    All,
    /// These, by their names below the namespace. The registry is not asked.
    Listed(Arc<[RepositoryName]>),
}

impl Remote {
    /// The namespace `prefix` of a registry, or the whole of it.
    pub fn new(
        client: Client,
        registry: Registry,
        prefix: Option<RepositoryName>,
        shown: Shown,
    ) -> Self {
        Self { client, registry, prefix, shown, redirects: Redirects::Follow }
    }

    /// The same namespace, whose blobs are opened as `redirects` says.
    #[must_use]
    pub fn with_redirects(self, redirects: Redirects) -> Self {
        Self { redirects, ..self }
    }

    /// The same namespace by another client, who may have other credentials.
    #[must_use]
    pub fn with_client(&self, client: Client) -> Self {
        Self { client, ..self.clone() }
    }

    /// The registry.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The namespace.
    pub fn prefix(&self) -> Option<&RepositoryName> {
        self.prefix.as_ref()
    }

    /// A repository's name to the registry.
    ///
    /// # Errors
    /// `Usage` when it is too long.
    pub fn full_name(&self, name: &RepositoryName) -> Result<RepositoryName> {
        match &self.prefix {
            None => Ok(name.clone()),
            Some(prefix) => Ok(format!("{prefix}/{name}").parse()?),
        }
    }
}

impl Catalog for Remote {
    type Repository = Repository;

    fn repository(&self, name: &RepositoryName) -> Result<Repository> {
        let repository = self.client.repository(&self.registry, &self.full_name(name)?);
        Ok(repository.with_redirects(self.redirects))
    }

    async fn repositories(&self) -> Result<Vec<RepositoryName>> {
        if let Shown::Listed(names) = &self.shown {
            let mut names = names.to_vec();
            names.sort_unstable();
            names.dedup();
            return Ok(names);
        }
        let all = self.client.catalog(&self.registry).await.map_err(|error| {
            Error::new(error.kind(), error.message())
                .with_source(error)
                .with_advice(Advice::NameCharts)
        })?;
        let mut names: Vec<_> =
            all.iter().filter_map(|full| self.name_within(full.as_str())).collect();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// The name below the namespace of what the registry calls `full`; `None` for what lies outside
    /// of it, or is not shown.
    fn name_within(&self, full: &str) -> Option<RepositoryName> {
        let rest = match &self.prefix {
            None => full,
            Some(prefix) => full.strip_prefix(prefix.as_str())?.strip_prefix('/')?,
        };
        let name = rest.parse().ok()?;
        match &self.shown {
            Shown::Listed(names) if !names.contains(&name) => None,
            _ => Some(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Options;

    fn remote(prefix: Option<&str>) -> Remote {
        let client = Client::new(Options::default()).expect("client");
        let prefix = prefix.map(|prefix| prefix.parse().expect("prefix"));
        Remote::new(client, "registry.example".parse().expect("host"), prefix, Shown::All)
    }

    #[test]
    fn names_below_the_namespace_and_whole_names_lead_to_each_other() {
        for (prefix, full, name) in [
            (None, "charts/demo", Some("charts/demo")),
            (Some("charts"), "charts/demo", Some("demo")),
            (Some("charts"), "charts/team/demo", Some("team/demo")),
            (Some("charts"), "charts", None),
            (Some("charts"), "chartsx/demo", None),
            (Some("charts/team"), "charts/demo", None),
            (Some("charts"), "charts/Demo", None),
        ] {
            let remote = remote(prefix);
            let found = remote.name_within(full);
            assert_eq!(found.as_ref().map(RepositoryName::as_str), name, "{prefix:?} {full}");
            if let Some(found) = found {
                assert_eq!(remote.full_name(&found).expect("name").as_str(), full);
            }
        }
    }

    #[test]
    fn a_name_that_grows_too_long_is_an_error() {
        let name = "x".repeat(250).parse().expect("name");
        assert!(remote(Some("charts")).repository(&name).is_err());
    }
}
