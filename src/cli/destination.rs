//! Where charts are pushed: a registry's namespace, or an image layout.

use super::{Run, remote::RemoteArgs};
use crate::{
    Error, Result,
    client::Intent,
    oci::{Reference, Registry, RepositoryName},
    ops::{place::Place, saved::is_registry},
    store::layout::Layout,
};
use std::path::PathBuf;

/// Where charts are pushed.
pub(super) enum Destination {
    Registry(Registry, Option<RepositoryName>),
    Layout(PathBuf),
}

impl Destination {
    pub(super) fn parse(text: &str) -> Result<Self> {
        if let Some(folder) = text.strip_prefix("layout:") {
            return Ok(Self::Layout(PathBuf::from(folder)));
        }
        if let Some(rest) = text.strip_prefix("oci://") {
            let last = rest.rsplit('/').next().unwrap_or(rest);
            if rest.contains('/') && last.contains([':', '@']) {
                return Err(Error::usage(format!("`{text}` names a tag; a destination is a registry and a namespace"))
                    .with_hint(format!("the tag is the chart's version; for another: chartferry push --chart PATH {rest}")));
            }
            let (registry, namespace) = Reference::parse_namespace(text)?;
            return Ok(Self::Registry(registry, namespace));
        }
        match text.split_once("://") {
            Some((scheme, _)) => Err(Error::usage(format!("scheme \"{scheme}\" not supported"))
                .with_hint("a registry is named by `oci://host/namespace`")),
            None => {
                let error = Error::usage("scheme prefix missing from remote (e.g. \"oci://\")");
                let registry = text.split('/').next().is_some_and(is_registry);
                Err(if registry {
                    error.with_hint(format!("did you mean `oci://{text}`?"))
                } else {
                    error.with_hint("the last argument is the destination: `oci://host/namespace`")
                })
            }
        }
    }

    /// The place for a chart, and its name for the user.
    pub(super) fn place(
        &self,
        run: &Run,
        remote: &RemoteArgs,
        chart: &str,
    ) -> Result<(Place, String)> {
        match self {
            Self::Registry(registry, namespace) => {
                let repository: RepositoryName = match namespace {
                    Some(namespace) => namespace.join(chart),
                    None => chart.parse(),
                }
                .map_err(|error| {
                    Error::from(error)
                        .context(format!("the chart's name `{chart}` cannot be a repository's"))
                })?;
                if namespace.as_ref().is_some_and(|namespace| namespace.last_segment() == chart) {
                    run.talk.warn(&format!(
                        "the chart goes to {registry}/{repository}: the destination is a namespace and the chart's name is added to it"
                    ));
                }
                let name = format!("{registry}/{repository}");
                let repository = remote
                    .client(run)?
                    .repository(registry, &repository)
                    .with_intent(Intent::Writing);
                Ok((Place::Registry(repository), name))
            }
            Self::Layout(folder) => Ok((
                Place::Layout(Box::new(Layout::create(folder)?)),
                format!("layout:{}", folder.display()),
            )),
        }
    }
}
