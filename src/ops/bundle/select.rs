//! The arguments of `bundle save`: references, ranges of versions, globs of names, whole
//! namespaces. It resolves them to the charts of a registry or a layout.

use super::{Chosen, Insist};
use crate::{
    Advice, Error, ErrorKind, Result,
    chart::glob::Glob,
    client::Client,
    constraint::Constraint,
    digest::Digest,
    oci::{Registry, RepositoryName, Tag, TagOrDigest},
    ops::{any_repository::AnyRepository, chart_manifest::first_chart, tags},
    store::{
        Fetch, Tags,
        layout::{Layout, ref_name::RefName},
    },
    version::Version,
};
use futures_util::{StreamExt, TryStreamExt, stream};

/// The number of repositories listed at once.
const AT_ONCE: usize = 16;

/// The charts of a registry to save: `HOST/PATH[:TAG|:RANGE][@DIGEST]`; `PATH` may be a glob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    registry: Registry,
    path: String,
    versions: Versions,
}

/// The versions of a chart to save.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Versions {
    /// The newest release.
    Newest,
    /// Every tag.
    All,
    /// A tag, or all tags within a range.
    Matching(String),
    Digest(Digest),
}

impl Pattern {
    /// Parses the text after `oci://`.
    ///
    /// # Errors
    /// `Usage`, with the reason.
    pub fn parse(text: &str) -> Result<Self> {
        let bare = text.strip_prefix("oci://").unwrap_or(text);
        let (rest, digest) = match bare.rsplit_once("@sha") {
            Some((rest, digest)) => (rest, Some(format!("sha{digest}").parse::<Digest>()?)),
            None => (bare, None),
        };
        let (host, path) = rest.split_once('/').ok_or_else(|| {
            Error::usage(format!("`{text}` names no chart"))
                .with_advice(Advice::SaveAll { name: text.to_owned() })
        })?;
        let (path, versions) = match path.rsplit_once(':') {
            Some((path, versions)) if !versions.contains('/') => (path, Some(versions.trim())),
            _ => (path, None),
        };
        let versions = match (digest, versions) {
            (Some(digest), _) => Versions::Digest(digest),
            (None, Some(versions)) => Versions::Matching(versions.to_owned()),
            (None, None) => Versions::Newest,
        };
        Ok(Self { registry: host.parse()?, path: path.trim_matches('/').to_owned(), versions })
    }

    /// Selects every version of every chart below `HOST[/PATH]`, or of that one chart.
    ///
    /// # Errors
    /// `Usage`, with the reason.
    pub fn all(text: &str) -> Result<Self> {
        let bare = text.strip_prefix("oci://").unwrap_or(text).trim_end_matches('/');
        let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
        Ok(Self { registry: host.parse()?, path: path.to_owned(), versions: Versions::All })
    }

    fn is_glob(&self) -> bool {
        self.path.contains(['*', '?', '['])
    }

    /// Returns the matching charts in the registry.
    ///
    /// # Errors
    /// `NotFound` if nothing matches; any error of the registry.
    pub async fn choose(&self, client: &Client) -> Result<Vec<Chosen<AnyRepository>>> {
        let repositories = self.repositories(client).await?;
        let chosen: Vec<Vec<Chosen<AnyRepository>>> = stream::iter(repositories)
            .map(|(full, name)| self.versions(client, full, name))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let chosen: Vec<_> = chosen.into_iter().flatten().collect();
        if chosen.is_empty() {
            return Err(Error::not_found(format!("nothing matches `{}`", self.shown())));
        }
        Ok(chosen)
    }

    fn shown(&self) -> String {
        let base = format!("oci://{}/{}", self.registry, self.path);
        match &self.versions {
            Versions::Matching(versions) => format!("{base}:{versions}"),
            Versions::Digest(digest) => format!("{base}@{digest}"),
            Versions::Newest | Versions::All => base,
        }
    }

    /// Returns the repositories, each with its name in the bundle: its path below the namespace, or
    /// the last part of its path.
    async fn repositories(&self, client: &Client) -> Result<Vec<(RepositoryName, RepositoryName)>> {
        if !self.is_glob() && self.versions != Versions::All {
            let full: RepositoryName = self.path.parse()?;
            let name = full.last_segment().parse()?;
            return Ok(vec![(full, name)]);
        }
        let listed = client.catalog(&self.registry).await.map_err(|error| {
            let unlisted = "many registries do not list their repositories: name each chart";
            match (error.kind(), error.advice().cloned()) {
                (ErrorKind::Network, _) => error,
                // The user may have to log in first.
                (ErrorKind::Denied, Some(first)) => error.with_advice(Advice::Else {
                    first: Box::new(first),
                    otherwise: unlisted.to_owned(),
                }),
                _ => error.with_hint(unlisted),
            }
        });
        let listed = match listed {
            Ok(listed) => listed,
            // For one chart, no list is necessary.
            Err(error) => match self.path.parse::<RepositoryName>() {
                Ok(full) if !self.is_glob() && self.exists(client, &full).await => {
                    vec![full]
                }
                _ => return Err(error),
            },
        };
        let glob = Glob::new(self.path.as_bytes());
        let literal = self.path.split(['*', '?', '[']).next().unwrap_or_default();
        let above = match (self.is_glob(), self.path.is_empty()) {
            (true, _) => literal.rfind('/').map_or(0, |at| at + 1),
            (false, true) => 0,
            (false, false) => self.path.len() + 1,
        };
        let mut found = Vec::new();
        for full in listed {
            let text = full.as_str();
            let inside = match self.is_glob() {
                true => glob
                    .matches(text.as_bytes())
                    .map_err(|_| Error::usage(format!("`{}` is not a pattern", self.path)))?,
                false => self.path.is_empty() || text.starts_with(&format!("{}/", self.path)),
            };
            if inside {
                let name = text[above..].parse()?;
                found.push((full, name));
            } else if text == self.path {
                let name = full.last_segment().parse()?;
                found.push((full, name));
            }
        }
        Ok(found)
    }

    async fn exists(&self, client: &Client, full: &RepositoryName) -> bool {
        client.repository(&self.registry, full).tags().await.is_ok_and(|tags| !tags.is_empty())
    }

    async fn versions(
        &self,
        client: &Client,
        full: RepositoryName,
        name: RepositoryName,
    ) -> Result<Vec<Chosen<AnyRepository>>> {
        let repository = client.repository(&self.registry, &full);
        let base = format!("{}/{full}", self.registry);
        let insist = match self.is_glob() || self.versions == Versions::All {
            true => Insist::Nothing,
            false => Insist::Chart,
        };
        let targets = match &self.versions {
            Versions::Digest(digest) => vec![TagOrDigest::Digest(digest.clone())],
            Versions::Matching(text)
                if Version::parse_strict(text.strip_prefix('v').unwrap_or(text)).is_ok() =>
            {
                vec![TagOrDigest::Tag(Tag::from_version(text)?)]
            }
            _ => {
                let listed = match repository.tags().await {
                    Err(error) if error.kind() == ErrorKind::NotFound && self.is_glob() => {
                        return Ok(Vec::new());
                    }
                    listed => listed?,
                };
                let tags = match self.versions {
                    Versions::Newest => newest(&repository, &base, &listed).await?,
                    _ => self.matching(&listed)?,
                };
                tags.into_iter().map(TagOrDigest::Tag).collect()
            }
        };
        Ok(targets
            .into_iter()
            .map(|target| Chosen {
                repository: AnyRepository::Registry(repository.clone()),
                shown: match &target {
                    TagOrDigest::Tag(tag) => format!("{base}:{tag}"),
                    TagOrDigest::Digest(digest) => format!("{base}@{digest}"),
                },
                name: name.clone(),
                target,
                insist,
            })
            .collect())
    }

    /// Returns the matching tags of a list.
    fn matching(&self, listed: &[Tag]) -> Result<Vec<Tag>> {
        let range = match &self.versions {
            Versions::All => return Ok(listed.to_vec()),
            Versions::Newest | Versions::Digest(_) => {
                let any = constraint("*")?;
                return Ok(tags::fitting(listed, "*", &any).into_iter().take(1).collect());
            }
            Versions::Matching(range) => range,
        };
        if let Some(exact) = listed.iter().find(|tag| tag.as_str() == range) {
            return Ok(vec![exact.clone()]);
        }
        let range = constraint(range)?;
        let inside = |tag: &&Tag| tag.version().is_some_and(|version| range.matches(&version));
        Ok(listed.iter().filter(inside).cloned().collect())
    }
}

/// Returns the newest tag that refers to a chart. A repository may have images beside charts.
async fn newest<R: Fetch>(repository: &R, name: &str, listed: &[Tag]) -> Result<Vec<Tag>> {
    match &tags::fitting(listed, "*", &constraint("*")?)[..] {
        [] => Ok(Vec::new()),
        fitting @ [first, ..] => match first_chart(repository, name, fitting).await {
            Ok(found) => Ok(vec![found.tag]),
            // Saving reports the kind of the artifact.
            Err(error) if error.kind() == ErrorKind::Invalid => Ok(vec![first.clone()]),
            Err(error) => Err(error),
        },
    }
}

fn constraint(text: &str) -> Result<Constraint> {
    Constraint::parse(text).map_err(|error| {
        Error::usage(format!("`{text}` is neither an existing tag nor a range")).with_source(error)
    })
}

/// Returns all entries of a layout, or those with a matching tag.
///
/// # Errors
/// `NotFound` if nothing matches; `Invalid` if an entry does not have its name.
pub fn of_layout(
    layout: &Layout,
    tag: Option<&Tag>,
    digest: Option<&Digest>,
) -> Result<Vec<Chosen<AnyRepository>>> {
    let shown = format!("layout:{}", layout.root().display());
    let mut chosen = Vec::new();
    for entry in layout.entries()? {
        let said = RefName::of(&entry);
        let wanted = tag.is_none_or(|tag| said.tag.as_ref() == Some(tag))
            && digest.is_none_or(|digest| entry.digest == *digest);
        if !wanted {
            continue;
        }
        let name = said.repository.clone().or_else(|| layout.chart_name(&entry));
        let Some(name) = name else { continue };
        let target = match digest {
            Some(digest) => TagOrDigest::Digest(digest.clone()),
            None => said.target(&entry.digest),
        };
        let place = match &said.repository {
            Some(repository) => layout.repository(repository),
            None => layout.clone(),
        };
        chosen.push(Chosen {
            repository: AnyRepository::Layout(Box::new(place)),
            shown: format!("{shown}:{said}"),
            name,
            target,
            insist: if tag.is_some() { Insist::Chart } else { Insist::Nothing },
        });
    }
    if chosen.is_empty() {
        return Err(Error::not_found(format!("`{shown}` lists nothing that is wanted")));
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pattern: &str, listed: &[&str]) -> Vec<String> {
        let listed: Vec<Tag> = listed.iter().map(|tag| tag.parse().expect(tag)).collect();
        let pattern = Pattern::parse(pattern).expect(pattern);
        pattern.matching(&listed).expect("range").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn versions_are_a_tag_a_range_or_the_newest() {
        let all = ["1.0.0", "1.2.0_b1", "v1.3.0", "2.0.0-rc.1", "latest", "1.x"];
        assert_eq!(tags("oci://h/a", &all), ["1.2.0_b1"]);
        assert_eq!(tags("oci://h/a:^1", &all), ["1.0.0", "1.2.0_b1", "v1.3.0"]);
        assert_eq!(tags("oci://h/a:>=1.1 <2", &all), ["1.2.0_b1", "v1.3.0"]);
        assert_eq!(tags("oci://h/a:latest", &all), ["latest"]);
        assert_eq!(tags("oci://h/a:1.x", &all), ["1.x"], "a tag comes first");
        assert_eq!(tags("oci://h/a:2.x", &all), Vec::<String>::new());
    }

    #[test]
    fn patterns_that_are_none_are_refused() {
        for text in ["oci://h", "oci://h:x:y/a"] {
            assert_eq!(Pattern::parse(text).expect_err(text).kind(), ErrorKind::Usage, "{text}");
        }
    }
}
