//! A namespace of a registry as a chart repository, without a server.
//! `ocirepo://HOST/NS/index.yaml` is built from the registry's lists, manifests and configs.
//! `ocirepo://HOST/NS/NAME-VERSION.tgz` is a chart's archive. Configs are cached in a folder by
//! digest, so that each is downloaded once.

use super::entry;
use crate::{
    Error, ErrorKind, Result,
    atomic_file::write_file,
    client::Client,
    digest::Digest,
    index::{self, Entry},
    limits::Limits,
    oci::{Descriptor, Registry, RepositoryName, Tag, TagOrDigest, chart},
    ops::{
        any_repository::AnyRepository,
        pull::{self, Provenance, Pulled},
        tags::ChartRequest,
    },
    store::{Fetch, Tags, blocking},
    version::Version,
};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, btree_map},
    io::Write,
    path::{Path, PathBuf},
};

/// The scheme of these URLs.
pub const SCHEME: &str = "ocirepo";

/// The number of manifests and configs downloaded at once. A registry on the other side of a
/// continent handles 64 at once in the time of one.
const AT_ONCE: usize = 32;

/// The time of an index without charts, which is Go's zero time.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// A namespace of a registry.
#[derive(Clone, Debug)]
pub struct Namespace {
    client: Client,
    registry: Registry,
    /// The prefix of the repositories, `ns/`. It is empty for the whole registry.
    prefix: String,
    /// The names of the charts, for a registry without a catalog.
    charts: Vec<String>,
    cache: Option<PathBuf>,
    limits: Limits,
}

/// The URLs of archives in an index of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Urls {
    /// Files beside the index, `NAME-VERSION.tgz`.
    Files,
    /// Addresses in the registry, `oci://HOST/NS/NAME:TAG`, which Helm follows since 3.17.
    Oci,
    /// Addresses on a server that serves the namespace as a chart repository:
    /// `URL/charts/NAME-VERSION.tgz`.
    Below(String),
}

impl Namespace {
    /// Parses `ocirepo://HOST[:PORT][/NS][?charts=NAME,…]`. Configs are cached in `cache`.
    ///
    /// # Errors
    /// `Usage` for an invalid URL.
    pub fn parse(
        client: &Client,
        url: &str,
        cache: Option<PathBuf>,
        limits: Limits,
    ) -> Result<Self> {
        let bad =
            |why: &str| Error::usage(format!("`{url}` is no `ocirepo://HOST/NAMESPACE`: {why}"));
        let rest = url.strip_prefix("ocirepo://").ok_or_else(|| bad("another scheme"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let registry = host.parse::<Registry>().map_err(|error| bad(&error.to_string()))?;
        let path = path.trim_matches('/');
        let prefix = if path.is_empty() {
            String::new()
        } else {
            let name = path.parse::<RepositoryName>().map_err(|error| bad(&error.to_string()))?;
            format!("{name}/")
        };
        let charts = query
            .split('&')
            .filter_map(|pair| pair.strip_prefix("charts="))
            .flat_map(|list| list.split(','))
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect();
        Ok(Self { client: client.clone(), registry, prefix, charts, cache, limits })
    }

    /// Splits a file's URL into its namespace and the file's name.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn of_file(
        client: &Client,
        url: &str,
        cache: Option<PathBuf>,
        limits: Limits,
    ) -> Result<(Self, String)> {
        let (path, query) =
            url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
        let (folder, file) =
            path.rsplit_once('/').ok_or_else(|| Error::usage(format!("`{url}` names no file")))?;
        let folder = match query {
            Some(query) => format!("{folder}?{query}"),
            None => folder.to_owned(),
        };
        let file = percent_encoding::percent_decode_str(file).decode_utf8_lossy().into_owned();
        Ok((Self::parse(client, &folder, cache, limits)?, file))
    }

    /// Returns the index of every chart directly in the namespace. It requests one manifest for
    /// each tag, and one config for each unknown chart.
    ///
    /// # Errors
    /// Any error of the registry, with a hint if it does not list its repositories.
    pub async fn index(&self) -> Result<Bytes> {
        let (charts, generated) = self.entries(&Urls::Files).await?;
        Ok(index::write::yaml(&charts, &generated).into())
    }

    /// Returns the index as entries, for use in another index: the charts by name, their versions
    /// newest first, and the time of the index.
    ///
    /// # Errors
    /// As [`Self::index`].
    pub async fn entries(&self, urls: &Urls) -> Result<(Vec<index::write::Listing>, String)> {
        let names = self.names().await?;
        let tags: Vec<(String, AnyRepository, Tag)> = futures_util::stream::iter(names)
            .map(|name| self.tags_of(name))
            .buffered(AT_ONCE)
            .try_concat()
            .await?;
        let found: Vec<Option<Shown>> = futures_util::stream::iter(tags)
            .map(|(name, place, tag)| async move {
                let found = self.entry(&place, &tag).await?;
                Ok::<_, Error>(found.map(|(manifest, entry)| Shown { name, tag, manifest, entry }))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut charts: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
        for mut shown in one_of_each(found.into_iter().flatten()) {
            shown.entry.urls = vec![self.url(urls, &shown)];
            charts.entry(shown.entry.metadata.name.clone()).or_default().push(shown.entry);
        }
        let mut charts: Vec<_> = charts.into_iter().collect();
        for (_, entries) in &mut charts {
            entries.sort_by_cached_key(|entry| {
                Reverse(Version::parse_loose(&entry.metadata.version).ok())
            });
        }
        // The time of the newest chart replaces the current time, so that the same charts give the
        // same index.
        let times = charts.iter().flat_map(|(_, entries)| entries).map(|entry| &*entry.created);
        let generated = times.max().unwrap_or(NEVER).to_owned();
        Ok((charts, generated))
    }

    /// Returns the URL of an archive for an index. A tag that is not the version's own may move.
    /// Such a version is named by its digest, which Helm follows too.
    fn url(&self, urls: &Urls, shown: &Shown) -> String {
        let Shown { name, tag, manifest, entry } = shown;
        let (registry, prefix) = (&self.registry, &self.prefix);
        match (urls, shown.is_own()) {
            (Urls::Files, true) => format!("{name}-{}.tgz", tag.to_version()),
            (Urls::Files, false) => {
                format!("{name}@{}-{}.tgz", manifest.algorithm().as_str(), manifest.hex())
            }
            (Urls::Oci, true) => format!("oci://{registry}/{prefix}{name}:{tag}"),
            (Urls::Oci, false) => format!("oci://{registry}/{prefix}{name}@{manifest}"),
            (Urls::Below(base), _) => {
                let base = base.trim_end_matches('/');
                format!("{base}/charts/{}-{}.tgz", entry.metadata.name, entry.metadata.version)
            }
        }
    }

    /// Pulls the archive and the provenance of the chart for `NAME-VERSION.tgz`.
    ///
    /// # Errors
    /// `NotFound` if no split of the file's name gives a chart.
    pub async fn pull(&self, file: &str, provenance: Provenance) -> Result<Pulled> {
        let mut missing = None;
        for (place, name, target) in self.candidates(file) {
            let wanted = match target {
                TagOrDigest::Tag(tag) => ChartRequest { tag: Some(tag), ..ChartRequest::default() },
                TagOrDigest::Digest(digest) => {
                    ChartRequest { digest: Some(digest), ..ChartRequest::default() }
                }
            };
            match pull::pull(&place, &name, &wanted, provenance, &self.limits).await {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    missing.get_or_insert(error);
                }
                pulled => return pulled,
            }
        }
        Err(missing.unwrap_or_else(|| {
            Error::not_found(format!("`{file}` is not a chart's NAME-VERSION.tgz"))
        }))
    }

    /// Downloads only the provenance of the chart for `NAME-VERSION.tgz`.
    ///
    /// # Errors
    /// Any error of the registry. A chart that does not exist has no provenance.
    pub async fn provenance(&self, file: &str) -> Result<Option<Bytes>> {
        for (place, _, target) in self.candidates(file) {
            let manifest = match place.fetch_manifest(&target).await {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                manifest => manifest?,
            };
            let manifest = pull::chart_of(&place, manifest).await?;
            return match chart::find(&manifest)?.provenance {
                Some(blob) => place.fetch_blob(blob, self.limits.provenance_bytes).await.map(Some),
                None => Ok(None),
            };
        }
        Ok(None)
    }

    /// Returns the possible locations of a file's chart, most likely first: the repository, its
    /// name for people, the tag or digest.
    fn candidates(&self, file: &str) -> Vec<(AnyRepository, String, TagOrDigest)> {
        let stem = file.strip_suffix(".tgz").unwrap_or(file);
        let candidate = |(name, target): (&str, TagOrDigest)| {
            let name: RepositoryName = format!("{}{name}", self.prefix).parse().ok()?;
            let place = AnyRepository::Registry(self.client.repository(&self.registry, &name));
            Some((place, format!("{}/{name}", self.registry), target))
        };
        if let Some((name, digest)) = stem.split_once('@') {
            let digest = digest.replacen('-', ":", 1).parse::<Digest>().ok();
            let target = digest.map(|digest| (name, TagOrDigest::Digest(digest)));
            return target.and_then(candidate).into_iter().collect();
        }
        divisions(stem)
            .into_iter()
            .filter_map(|(name, version)| {
                candidate((name, TagOrDigest::Tag(Tag::from_version(version).ok()?)))
            })
            .collect()
    }

    /// Returns the charts' names, without `ns/`.
    async fn names(&self) -> Result<Vec<String>> {
        if !self.charts.is_empty() {
            return Ok(self.charts.clone());
        }
        let all =
            self.client.catalog(&self.registry).await.map_err(|error| match error.kind() {
                ErrorKind::Network | ErrorKind::Denied => error,
                _ => error.with_hint(format!(
                    "a registry that does not list its repositories must be told which: \
                 ocirepo://{}/{}?charts=NAME,NAME",
                    self.registry,
                    self.prefix.trim_end_matches('/')
                )),
            })?;
        let mut names: Vec<String> = all
            .iter()
            .filter_map(|name| name.as_str().strip_prefix(&self.prefix))
            .filter(|rest| !rest.is_empty() && !rest.contains('/'))
            .map(str::to_owned)
            .collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Returns the tags of one chart that are versions.
    async fn tags_of(&self, name: String) -> Result<Vec<(String, AnyRepository, Tag)>> {
        let repository: RepositoryName = format!("{}{name}", self.prefix).parse()?;
        let place = AnyRepository::Registry(self.client.repository(&self.registry, &repository));
        let mut tags = match place.tags().await {
            // A registry still lists a repository without content.
            Err(error) if error.kind() == ErrorKind::NotFound && self.charts.is_empty() => {
                Vec::new()
            }
            tags => tags?,
        };
        tags.retain(|tag| tag.version().is_some());
        tags.sort_by_key(|tag| (tag.as_str().starts_with('v'), tag.clone()));
        Ok(tags.into_iter().map(|tag| (name.clone(), place.clone(), tag)).collect())
    }

    async fn entry(&self, place: &AnyRepository, tag: &Tag) -> Result<Option<(Digest, Entry)>> {
        let manifest = match place.fetch_manifest(&TagOrDigest::Tag(tag.clone())).await {
            // Somebody deleted it after the list was made.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            manifest => manifest?,
        };
        let leads_to = manifest.digest().clone();
        let manifest = match pull::chart_of(place, manifest).await {
            Err(error) if matches!(error.kind(), ErrorKind::Invalid | ErrorKind::NotFound) => {
                return Ok(None);
            }
            manifest => manifest?,
        };
        let Ok(config) = entry::config(&manifest) else { return Ok(None) };
        let config = match config {
            Some(blob) => Some(self.config(place, blob).await?),
            None => None,
        };
        let entry = entry::entry(&manifest, config.as_deref(), &self.limits).ok();
        Ok(entry.map(|entry| (leads_to, entry)))
    }

    /// Returns a config, from the cache if that has a valid copy.
    async fn config(&self, place: &AnyRepository, blob: &Descriptor) -> Result<Bytes> {
        let path = self.cache.as_ref().map(|folder| {
            folder.join(format!("{}-{}.json", blob.digest.algorithm().as_str(), blob.digest.hex()))
        });
        if let Some(path) = path.clone() {
            let wanted = blob.clone();
            let read = blocking(move || read_kept(&path, &wanted)).await;
            if let Some(bytes) = read {
                return Ok(bytes);
            }
        }
        let bytes = place.fetch_blob(blob, self.limits.config_bytes).await?;
        if let Some(path) = path {
            let kept = bytes.clone();
            // The command works without the cache, so an error of writing it is ignored.
            let _ = blocking(move || keep(&path, &kept)).await;
        }
        Ok(bytes)
    }
}

/// A tag, and the version that it names.
#[derive(Clone, Debug)]
struct Shown {
    /// The repository, without `ns/`.
    name: String,
    tag: Tag,
    manifest: Digest,
    entry: Entry,
}

impl Shown {
    fn is_own(&self) -> bool {
        entry::is_own_tag(&self.tag, &self.entry.metadata.version)
    }

    fn rank(&self) -> (bool, bool, &str, &str) {
        let elsewhere = self.name.rsplit('/').next() != Some(&*self.entry.metadata.name);
        (elsewhere, !self.is_own(), &self.name, self.tag.as_str())
    }
}

/// Keeps one of several tags for one version: the version's own, in the repository of the chart's
/// name, as servers show it.
fn one_of_each(found: impl Iterator<Item = Shown>) -> impl Iterator<Item = Shown> {
    let mut kept: BTreeMap<(String, String), Shown> = BTreeMap::new();
    for shown in found {
        let metadata = &shown.entry.metadata;
        match kept.entry((metadata.name.clone(), metadata.version.clone())) {
            btree_map::Entry::Vacant(free) => {
                free.insert(shown);
            }
            btree_map::Entry::Occupied(mut taken) => {
                if shown.rank() < taken.get().rank() {
                    taken.insert(shown);
                }
            }
        }
    }
    kept.into_values()
}

fn read_kept(path: &Path, blob: &Descriptor) -> Option<Bytes> {
    let length = std::fs::metadata(path).ok()?.len();
    if length != blob.size {
        return None;
    }
    let bytes = std::fs::read(path).ok()?;
    blob.digest.matches(&bytes).then(|| bytes.into())
}

fn keep(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|error| Error::io("create the cache folder", folder, error))?;
    }
    write_file(path, |file| file.write_all(bytes))
}

/// Returns every split of `NAME-VERSION`, most likely first: the longest strict version, then a
/// loose one.
fn divisions(stem: &str) -> Vec<(&str, &str)> {
    let all: Vec<(&str, &str)> = stem
        .match_indices('-')
        .map(|(at, _)| (&stem[..at], &stem[at + 1..]))
        .filter(|(name, version)| !name.is_empty() && Version::parse_loose(version).is_ok())
        .collect();
    let (mut strict, loose): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(_, version)| Version::parse_strict(version).is_ok());
    strict.extend(loose);
    strict
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_is_divided_where_the_version_begins() {
        for (stem, divided) in [
            ("demo-1.0.0", vec![("demo", "1.0.0")]),
            ("my-demo-1.0.0-rc.1", vec![("my-demo", "1.0.0-rc.1")]),
            ("demo-1-2.0.0", vec![("demo-1", "2.0.0"), ("demo", "1-2.0.0")]),
            ("demo-1.0.0-2.0.0", vec![("demo", "1.0.0-2.0.0"), ("demo-1.0.0", "2.0.0")]),
            ("demo-v1.0.0+a", vec![("demo", "v1.0.0+a")]),
            ("demo", vec![]),
        ] {
            assert_eq!(divisions(stem), divided, "{stem}");
        }
    }

    #[test]
    fn urls_are_read() {
        let client = Client::new(crate::client::Options::default()).expect("client");
        let parse = |url: &str| Namespace::parse(&client, url, None, Limits::default());
        let one = parse("ocirepo://127.0.0.1:5000/a/b/?charts=x,y").expect("namespace");
        assert_eq!((one.registry.as_str(), one.prefix.as_str()), ("127.0.0.1:5000", "a/b/"));
        assert_eq!(one.charts, ["x", "y"]);
        assert_eq!(parse("ocirepo://r.example").expect("root").prefix, "");
        for bad in ["oci://r.example/a", "ocirepo://", "ocirepo://r.example/A"] {
            assert_eq!(parse(bad).expect_err(bad).kind(), ErrorKind::Usage);
        }
        let url = "ocirepo://r.example/ns/demo-1.0.0%2Ba.tgz?charts=demo";
        let (namespace, file) =
            Namespace::of_file(&client, url, None, Limits::default()).expect("file");
        assert_eq!((namespace.prefix.as_str(), file.as_str()), ("ns/", "demo-1.0.0+a.tgz"));
        assert_eq!(namespace.charts, ["demo"]);
    }
}
