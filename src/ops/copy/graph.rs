//! Everything that a copy carries, in the order in which it is stored: each manifest after those
//! that it names, each referrer after its subject, each signature after what it signs.

use super::{
    ahead::{Ahead, is_manifest},
    digest_tag::DigestTags,
    options::{Attached, Options, Side},
};
use crate::{
    Error, ErrorKind, Result,
    oci::{Descriptor, Digest, Manifest, Tag, TagOrDigest},
    store::Fetch,
};
use futures_util::future::BoxFuture;
use std::collections::{HashMap, HashSet};

/// Manifests of one copy. A chart has one, an image of all platforms with its attestations about
/// 50.
const MAX_NODES: usize = 1_000_000;
/// Manifests of one index.
const MAX_CHILDREN: usize = 10_000;
/// Referrers of one manifest.
const MAX_REFERRERS: usize = 100_000;
/// The depth of referrers of referrers, and of indexes within indexes.
const MAX_DEPTH: usize = 32;

/// The reason why a manifest is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The artifact itself.
    Root,
    /// A manifest of an index, or the subject of the artifact.
    Part,
    /// A referrer of a copied manifest.
    Referrer { subject: Digest },
    /// A manifest with a tag made of the digest of a copied manifest.
    DigestTag { tag: Tag, of: Digest },
}

/// A manifest to copy.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) manifest: Manifest,
    pub(super) role: Role,
}

/// Everything that a copy carries.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// The manifests, in the order in which they are stored.
    pub(super) nodes: Vec<Node>,
    /// The blobs, each once.
    pub(super) blobs: Vec<Descriptor>,
    /// The referrers and signatures that were found and are not copied, by request.
    pub(super) left_behind: usize,
    /// Remarks for the user.
    pub(super) warnings: Vec<String>,
    root: usize,
}

impl Graph {
    /// Reads everything that belongs to `root`.
    ///
    /// # Errors
    /// `Protocol` for a graph that leads back into itself; `Limit`; any error of the source. A list
    /// of referrers that cannot be read is an error: without it, signatures would be lost silently.
    pub(super) async fn read(
        source: Side<'_>,
        root: Manifest,
        tags: &DigestTags,
        options: &Options,
    ) -> Result<Self> {
        let ahead = Ahead::read(source, &root, tags, options).await;
        let mut reader = Reader {
            source,
            options,
            tags,
            ahead,
            seen: HashSet::new(),
            blobs: HashSet::new(),
            graph: Self::default(),
        };
        let subject = root.document().subject.clone();
        if let Some(subject) = subject {
            reader.subject(&subject).await?;
        }
        let digest = root.digest().clone();
        reader.node(root, Role::Root, 0).await?;
        let mut graph = reader.graph;
        graph.root = graph
            .nodes
            .iter()
            .position(|node| *node.manifest.digest() == digest)
            .ok_or_else(|| Error::new(ErrorKind::Protocol, "the artifact is its own part"))?;
        Ok(graph)
    }

    /// Returns the artifact's manifest.
    pub(super) fn root(&self) -> &Manifest {
        &self.nodes[self.root].manifest
    }

    /// Returns the manifests in groups: those of a group need only those of the groups before it.
    pub(super) fn groups(&self) -> Vec<Vec<&Node>> {
        let mut levels: HashMap<&Digest, usize> = HashMap::new();
        let mut groups: Vec<Vec<&Node>> = Vec::new();
        for node in &self.nodes {
            let document = node.manifest.document();
            let parts = document.manifests().iter().chain(&document.subject);
            let mut needed: Vec<&Digest> = parts.map(|part| &part.digest).collect();
            if let Role::DigestTag { of, .. } = &node.role {
                needed.push(of);
            }
            let above = needed.iter().filter_map(|digest| levels.get(digest)).max();
            let level = above.map_or(0, |above| above + 1);
            levels.entry(node.manifest.digest()).or_insert(level);
            if groups.len() <= level {
                groups.resize_with(level + 1, Vec::new);
            }
            groups[level].push(node);
        }
        groups
    }

    /// Counts the manifests of a role.
    pub(super) fn count(&self, is: impl Fn(&Role) -> bool) -> usize {
        self.nodes.iter().filter(|node| is(&node.role)).count()
    }
}

struct Reader<'a> {
    source: Side<'a>,
    options: &'a Options,
    tags: &'a DigestTags,
    ahead: Ahead,
    seen: HashSet<Digest>,
    blobs: HashSet<Digest>,
    graph: Graph,
}

impl Reader<'_> {
    /// Reads the subject of an artifact that is a referrer itself. It may have been deleted.
    async fn subject(&mut self, subject: &Descriptor) -> Result<()> {
        let target = TagOrDigest::Digest(subject.digest.clone());
        match self.source.repository.fetch_manifest(&target).await {
            Ok(manifest) => self.parts(manifest, 0).await,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let text = format!("its subject {} does not exist at the source", subject.digest);
                self.graph.warnings.push(text);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Adds a manifest with its parts, without what refers to it.
    fn parts(&mut self, manifest: Manifest, depth: usize) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            if !self.seen.insert(manifest.digest().clone()) {
                return Ok(());
            }
            self.below(&manifest, depth, false).await?;
            self.add(manifest, Role::Part)
        })
    }

    /// Adds a manifest, its parts before it, and what refers to it after it.
    fn node(&mut self, manifest: Manifest, role: Role, depth: usize) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            if !self.seen.insert(manifest.digest().clone()) {
                // The same manifest under a tag of its own still needs that tag.
                if let Role::DigestTag { .. } = role {
                    self.graph.nodes.push(Node { manifest, role });
                }
                return Ok(());
            }
            if depth > MAX_DEPTH {
                return Err(Error::new(
                    ErrorKind::Limit,
                    format!("`{}` lies more than {MAX_DEPTH} levels deep", manifest.digest()),
                ));
            }
            let digest = manifest.digest().clone();
            self.below(&manifest, depth, true).await?;
            self.add(manifest, role)?;
            self.referrers(&digest, depth).await?;
            self.signatures(&digest, depth).await
        })
    }

    /// Adds what a manifest names.
    async fn below(&mut self, manifest: &Manifest, depth: usize, attached: bool) -> Result<()> {
        let document = manifest.document();
        let children = document.manifests();
        if children.len() > MAX_CHILDREN {
            let message =
                format!("the index {} has more than {MAX_CHILDREN} manifests", manifest.digest());
            return Err(Error::new(ErrorKind::Limit, message));
        }
        for child in children {
            if !is_manifest(child) {
                self.blob(child);
                continue;
            }
            let target = TagOrDigest::Digest(child.digest.clone());
            let inner = self.ahead.manifest(self.source, &target).await.map_err(|error| {
                error.context(format!("cannot copy a manifest of the index {}", manifest.digest()))
            })?;
            if attached {
                self.node(inner, Role::Part, depth + 1).await?;
            } else {
                self.parts(inner, depth + 1).await?;
            }
        }
        for blob in document.config.iter().chain(document.layers()) {
            self.blob(blob);
        }
        Ok(())
    }

    fn blob(&mut self, blob: &Descriptor) {
        // A foreign layer is not in the registry.
        if !blob.urls.is_empty() {
            let text = "layers with addresses of their own were not copied".to_owned();
            if !self.graph.warnings.contains(&text) {
                self.graph.warnings.push(text);
            }
            return;
        }
        if self.blobs.insert(blob.digest.clone()) {
            self.graph.blobs.push(blob.clone());
        }
    }

    fn add(&mut self, manifest: Manifest, role: Role) -> Result<()> {
        if self.graph.nodes.len() >= MAX_NODES {
            let message = format!("the artifact has more than {MAX_NODES} manifests");
            return Err(Error::new(ErrorKind::Limit, message));
        }
        self.graph.nodes.push(Node { manifest, role });
        Ok(())
    }

    /// Adds the referrers of a manifest: those of the registry's list, and those of the list that
    /// clients keep under a tag, which a registry that gained the list may not have.
    async fn referrers(&mut self, subject: &Digest, depth: usize) -> Result<()> {
        let mut listed = self.ahead.referrers(self.source, self.tags, subject).await?;
        if let Some(tag) = self.tags.list_of(subject) {
            listed.extend(self.tagged_list(&tag, subject).await?);
        }
        let mut digests = HashSet::new();
        listed.retain(|referrer| digests.insert(referrer.digest.clone()));
        if listed.len() > MAX_REFERRERS {
            let message = format!("`{subject}` has more than {MAX_REFERRERS} referrers");
            return Err(Error::new(ErrorKind::Limit, message));
        }
        let total = listed.len();
        listed.retain(|referrer| self.options.takes(referrer));
        self.graph.left_behind += total - listed.len();
        for referrer in listed {
            let target = TagOrDigest::Digest(referrer.digest.clone());
            let manifest = match self.ahead.manifest(self.source, &target).await {
                Ok(manifest) => manifest,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    self.graph.warnings.push(format!(
                        "the source lists the referrer {} of {subject}, and does not have it",
                        referrer.digest
                    ));
                    continue;
                }
                Err(error) => return Err(error),
            };
            if !manifest.speaks_of(subject) {
                self.graph.warnings.push(format!(
                    "the source lists {} as a referrer of {subject}, which it is not",
                    referrer.digest
                ));
                continue;
            }
            let role = Role::Referrer { subject: subject.clone() };
            self.node(manifest, role, depth + 1).await?;
        }
        Ok(())
    }

    /// Returns the entries of the list under a tag, if the tag is one. Some registries answer such
    /// a tag with the subject itself.
    async fn tagged_list(&self, tag: &Tag, subject: &Digest) -> Result<Vec<Descriptor>> {
        match self.source.repository.fetch_manifest(&TagOrDigest::Tag(tag.clone())).await {
            Ok(list) if list.digest() != subject => Ok(list.document().manifests().to_vec()),
            Ok(_) => Ok(Vec::new()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Adds the manifests under tags of a digest.
    async fn signatures(&mut self, digest: &Digest, depth: usize) -> Result<()> {
        let tags = self.ahead.digest_tags(self.source, self.tags, digest).await?;
        if self.options.digest_tags == Attached::None {
            self.graph.left_behind += tags.len();
            return Ok(());
        }
        for tag in tags {
            let target = TagOrDigest::Tag(tag.clone());
            let manifest = match self.ahead.manifest(self.source, &target).await {
                Ok(manifest) => manifest,
                // It was removed meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let role = Role::DigestTag { tag, of: digest.clone() };
            self.node(manifest, role, depth + 1).await?;
        }
        Ok(())
    }
}
