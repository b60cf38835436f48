//! Namespace of a registry as a store of many repositories. The namespace is the root: the
//! repository `demo` of `oci://host/charts` is `charts/demo` on the registry.

use crate::{
    Advice, Error, Result,
    client::{Client, Redirects, Repository},
    oci::{Registry, RepositoryName},
    store::Catalog,
};
use std::sync::Arc;

/// Namespace of a registry. All clones refer to the same one.
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
    /// These repositories, by their names below the namespace. The client does not ask the registry
    /// for the list.
    Listed(Arc<[RepositoryName]>),
}

impl Remote {
    /// Opens the namespace `prefix` of a registry, or the whole registry.
    pub fn new(
        client: Client,
        registry: Registry,
        prefix: Option<RepositoryName>,
        shown: Shown,
    ) -> Self {
        Self { client, registry, prefix, shown, redirects: Redirects::Follow }
    }

    /// Returns the same namespace with `redirects` as the policy for its blobs.
    #[must_use]
    pub fn with_redirects(self, redirects: Redirects) -> Self {
        Self { redirects, ..self }
    }

    /// Returns the same namespace with another client, which may have other credentials.
    #[must_use]
    pub fn with_client(&self, client: Client) -> Self {
        Self { client, ..self.clone() }
    }

    /// Returns the registry.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Returns the namespace's name.
    pub fn prefix(&self) -> Option<&RepositoryName> {
        self.prefix.as_ref()
    }

    /// Returns the name of a repository on the registry.
    ///
    /// # Errors
    /// `Usage` if the name is too long.
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

    /// Returns the name below the namespace of the registry's repository `full`. The result is
    /// `None` for a repository outside of it, or one that is not listed.
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
