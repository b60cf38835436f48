//! Tag cache of a follower: the manifest of each tag, and the charts among the manifests.

use super::{
    cache::Live,
    chart_version::{Item, Origin},
};
use crate::{
    digest::Digest,
    oci::{RepositoryName, Tag},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// Cached content of a tag.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// Digest of the manifest.
    pub(super) manifest: Digest,
    /// Chart of the manifest, if it holds one.
    pub(super) item: Option<Arc<Item>>,
    /// Manifests between an index and the chart. The list is empty if the tag points to the chart's
    /// own manifest.
    pub(super) through: Vec<Digest>,
}

/// Cached tags of all repositories.
#[derive(Debug, Default)]
pub(super) struct TagCache(HashMap<RepositoryName, RepositoryTags>);

#[derive(Debug, Default)]
struct RepositoryTags {
    tags: BTreeMap<Tag, Known>,
    /// Manifests of these tags, with the number of tags for each. The follower need not download a
    /// known manifest for another tag.
    manifests: HashMap<Digest, (Known, usize)>,
}

impl RepositoryTags {
    fn drop_manifest(&mut self, digest: &Digest) {
        if let Some((_, count)) = self.manifests.get_mut(digest) {
            *count -= 1;
            if *count == 0 {
                self.manifests.remove(digest);
            }
        }
    }
}

impl TagCache {
    /// Returns the cached facts about a tag.
    pub(super) fn tag(&self, repository: &RepositoryName, tag: &Tag) -> Option<&Known> {
        self.0.get(repository)?.tags.get(tag)
    }

    /// Returns the content of a manifest, if some tag refers to it.
    pub(super) fn manifest(&self, repository: &RepositoryName, manifest: &Digest) -> Option<Known> {
        let (known, _) = self.0.get(repository)?.manifests.get(manifest)?;
        Some(known.clone())
    }

    /// Records the manifest of a tag, or that it was removed. Returns the previous value.
    pub(super) fn set(
        &mut self,
        repository: &RepositoryName,
        tag: &Tag,
        known: Option<Known>,
    ) -> Option<Known> {
        let all = self.0.entry(repository.clone()).or_default();
        let before = match known {
            Some(known) => {
                let fresh = || (known.clone(), 0);
                let manifest = all.manifests.entry(known.manifest.clone()).or_insert_with(fresh);
                *manifest = (known.clone(), manifest.1 + 1);
                all.tags.insert(tag.clone(), known)
            }
            None => all.tags.remove(tag),
        };
        if let Some(before) = &before {
            all.drop_manifest(&before.manifest);
        }
        if all.tags.is_empty() {
            self.0.remove(repository);
        }
        before
    }

    /// Returns the tags that point to a manifest.
    pub(super) fn tags_on(&self, repository: &RepositoryName, manifest: &Digest) -> Vec<Tag> {
        let tags = self.0.get(repository).into_iter().flat_map(|all| &all.tags);
        tags.filter(|(_, known)| known.manifest == *manifest).map(|(tag, _)| tag.clone()).collect()
    }

    /// Returns the tags of an index whose chart is in a given manifest.
    pub(super) fn tags_through(&self, repository: &RepositoryName, manifest: &Digest) -> Vec<Tag> {
        let tags = self.0.get(repository).into_iter().flat_map(|all| &all.tags);
        tags.filter(|(_, known)| known.through.contains(manifest))
            .map(|(tag, _)| tag.clone())
            .collect()
    }

    /// Returns all tags of a repository.
    pub(super) fn tags(&self, repository: &RepositoryName) -> BTreeSet<Tag> {
        self.0.get(repository).map(|all| all.tags.keys().cloned().collect()).unwrap_or_default()
    }

    /// Returns all repositories that have a tag.
    pub(super) fn repositories(&self) -> BTreeSet<RepositoryName> {
        self.0.keys().cloned().collect()
    }

    /// Returns every tag with its content.
    pub(super) fn all(&self) -> impl Iterator<Item = (&RepositoryName, &Tag, &Known)> {
        self.0.iter().flat_map(|(repository, all)| {
            all.tags.iter().map(move |(tag, known)| (repository, tag, known))
        })
    }

    /// Returns a copy of the whole cache.
    pub(super) fn live(&self) -> Live {
        self.all()
            .map(|(repository, tag, known)| (repository.clone(), tag.clone(), known.clone()))
            .collect()
    }

    /// Returns the number of tags.
    pub(super) fn len(&self) -> usize {
        self.0.values().map(|all| all.tags.len()).sum()
    }
}

/// Returns the namespace of a repository: the name without its last segment.
pub(super) fn namespace_of(repository: &RepositoryName) -> &str {
    repository.as_str().rsplit_once('/').map_or("", |(namespace, _)| namespace)
}

/// Makes the origin of a version from a tag.
pub(super) fn origin(repository: &RepositoryName, tag: &Tag, manifest: &Digest) -> Origin {
    Origin::Tag { repository: repository.clone(), tag: tag.clone(), manifest: manifest.clone() }
}
