//! Destinations of a push: a registry's namespace, or an image layout.

use crate::{
    Error, Result,
    cli::{
        Run,
        shell::{location_grammar::LocationText, remote::RemoteArgs},
    },
    client::Intent,
    oci::{Reference, Registry, RepositoryName},
    ops::{any_repository::AnyRepository, saved::is_registry},
    store::layout::Layout,
};
use std::path::{Path, PathBuf};

/// The endings of archives that are not bundles.
const ARCHIVES: [&str; 10] =
    [".tgz", ".gz", ".zip", ".xz", ".txz", ".bz2", ".tbz", ".7z", ".rar", ".zst"];

/// The destination of a push.
pub(crate) enum Destination {
    Registry(Registry, Option<RepositoryName>),
    Layout(PathBuf),
}

impl Destination {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        match LocationText::parse(text) {
            LocationText::Layout(folder) => Ok(Self::Layout(PathBuf::from(folder))),
            LocationText::Oci(text) => Self::parse_registry(text),
            LocationText::Http(text) | LocationText::OtherUrl(text) => {
                let scheme = text.split("://").next().unwrap_or(text);
                Err(Error::usage(format!("scheme \"{scheme}\" not supported"))
                    .with_hint("a registry is named by `oci://host/namespace`"))
            }
            LocationText::Bare(text) => {
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

    fn parse_registry(text: &str) -> Result<Self> {
        let rest = text.strip_prefix("oci://").unwrap_or(text);
        let last = rest.rsplit('/').next().unwrap_or(rest);
        if rest.contains('/') && last.contains([':', '@']) {
            return Err(Error::usage(format!(
                "`{text}` names a tag; a destination is a registry and a namespace"
            ))
            .with_hint(format!(
                "the tag is the chart's version; for another: chartferry push --chart PATH {rest}"
            )));
        }
        let (registry, namespace) = Reference::parse_namespace(text)?;
        Ok(Self::Registry(registry, namespace))
    }

    /// Returns the place for a chart, and its name for the user.
    pub(crate) fn place(
        &self,
        run: &Run,
        remote: &RemoteArgs,
        chart: &str,
    ) -> Result<(AnyRepository, String)> {
        match self {
            Self::Registry(registry, namespace) => {
                let repository: RepositoryName = match namespace {
                    Some(namespace) => namespace.join(chart),
                    None => chart.parse(),
                }
                .map_err(|error| {
                    let error = Error::from(error)
                        .context(format!("the chart's name `{chart}` cannot be a repository's"));
                    let below = namespace.as_ref().map(|name| format!("{name}/")).unwrap_or_default();
                    match chart.to_ascii_lowercase() {
                        lower if lower != chart => error.with_hint(format!(
                            "name the repository yourself: chartferry push --chart PATH {registry}/{below}{lower}:VERSION"
                        )),
                        _ => error,
                    }
                })?;
                if namespace.as_ref().is_some_and(|namespace| namespace.last_segment() == chart) {
                    run.talk.warn(&format!(
                        "the chart goes to {registry}/{repository}: the destination is a namespace, and `push` adds the chart's name"
                    ));
                }
                let name = format!("{registry}/{repository}");
                let repository = remote
                    .client(run)?
                    .repository(registry, &repository)
                    .with_intent(Intent::Writing);
                Ok((AnyRepository::Registry(repository), name))
            }
            Self::Layout(folder) => Ok((
                AnyRepository::Layout(Box::new(Layout::create(folder)?)),
                format!("layout:{}", folder.display()),
            )),
        }
    }
}

/// Explains why a text is probably not the path of a new folder, for a verb that would create one.
pub(crate) fn no_folder(text: &str, of: &str) -> Option<Error> {
    if Path::new(text).is_dir() || text.ends_with('/') || text.starts_with("./") {
        return None;
    }
    let error = Error::usage(format!("`{text}` is not a destination {of}"));
    if is_host(text) {
        return Some(
            error
                .with_hint(format!("for a registry write `oci://{text}`, for a folder `./{text}`")),
        );
    }
    let name = text.to_ascii_lowercase();
    ARCHIVES.iter().any(|end| name.ends_with(end)).then(|| {
        error.with_hint(format!(
            "a bundle ends in .tar.zst, .tzst or .tar; for a folder write `{text}/`"
        ))
    })
}

/// Refuses a registry's address for a command that writes to a folder of this machine.
pub(crate) fn refuse_address(folder: Option<&PathBuf>) -> Result<()> {
    let Some(text) = folder.and_then(|folder| folder.to_str()) else { return Ok(()) };
    let port = text.split('/').next().is_some_and(|first| first.contains(':'));
    if LocationText::parse(text).is_url() || port && is_host(text) {
        return Err(Error::usage(format!("`{text}` is no folder"))
            .with_hint("name a folder; `chartferry mirror SRC DST` copies between registries"));
    }
    Ok(())
}

/// Returns true if a text looks like `HOST[:PORT]/PATH` rather than a path: it has a port, or a dot
/// before a path.
pub(crate) fn is_host(text: &str) -> bool {
    let (first, path) =
        text.split_once('/').map_or((text, None), |(first, path)| (first, Some(path)));
    if first.is_empty() || first.starts_with('.') || Path::new(first).exists() {
        return false;
    }
    let port = first.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
    });
    port || (path.is_some() && (first == "localhost" || first.contains('.')))
}
