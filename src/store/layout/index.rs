//! The `index.json` of an image layout. Content that other tools put into it stays unchanged.
//! Either the layout is one repository and its names are tags, or it holds many and a name is
//! `NAME:TAG`; a [`Scope`] selects one of the two.

use super::ref_name::RefName;
use crate::oci::{
    Descriptor, Digest, Manifest, Reference, RepositoryName, Tag, TagOrDigest, media,
};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value, json};
use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

/// The whole layout as one repository, or one repository in it.
pub(crate) type Scope<'a> = Option<&'a RepositoryName>;

/// The index of a layout: the document as it is, and its entries as descriptors. Every lookup and
/// every change takes the same time for a list of any length: mirrors list tens of thousands of
/// versions one by one.
#[derive(Debug)]
pub(crate) struct Index {
    document: Map<String, Value>,
    /// The entries in the document's order. An entry that was removed leaves a gap, so that
    /// positions stay valid.
    entries: Vec<Option<Entry>>,
    by_digest: Positions<Digest>,
    /// Positions by name, as written.
    by_name: Positions<String>,
    /// Positions by tag, for a layout that is one repository.
    by_tag: Positions<Tag>,
    /// Positions by the part of a name before its last colon.
    by_repository: Positions<String>,
}

/// Positions of entries with a common key, in rising order.
type Positions<K> = HashMap<K, Vec<usize>>;

#[derive(Debug)]
struct Entry {
    descriptor: Descriptor,
    raw: Value,
}

impl Default for Index {
    fn default() -> Self {
        let mut document = Map::new();
        document.insert("schemaVersion".to_owned(), json!(2));
        document.insert("mediaType".to_owned(), json!(media::INDEX));
        document.insert("manifests".to_owned(), json!([]));
        Self::of(document)
    }
}

/// Serializes the document with its entries, without a copy of either.
impl Serialize for Index {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in &self.document {
            if key == MANIFESTS {
                let raw: Vec<&Value> = self.listed().map(|entry| &entry.raw).collect();
                map.serialize_entry(key, &raw)?;
            } else {
                map.serialize_entry(key, value)?;
            }
        }
        map.end()
    }
}

const MANIFESTS: &str = "manifests";

impl Index {
    fn of(document: Map<String, Value>) -> Self {
        Self {
            document,
            entries: Vec::new(),
            by_digest: HashMap::new(),
            by_name: HashMap::new(),
            by_tag: HashMap::new(),
            by_repository: HashMap::new(),
        }
    }

    pub(crate) fn parse(bytes: &[u8]) -> serde_json::Result<Self> {
        let mut document: Map<String, Value> = serde_json::from_slice(bytes)?;
        // The list keeps its place among the keys, and gets one if it had none.
        let manifests = document.insert(MANIFESTS.to_owned(), json!([])).unwrap_or_default();
        let raw: Option<Vec<Value>> = serde_json::from_value(manifests)?;
        let mut index = Self::of(document);
        for mut raw in raw.unwrap_or_default() {
            // Some writers put `null` for an empty list.
            if let Some(fields) = raw.as_object_mut() {
                fields.retain(|_, value| !value.is_null());
            }
            let descriptor = serde_json::from_value(raw.clone())?;
            index.add(Entry { descriptor, raw });
        }
        Ok(index)
    }

    pub(crate) fn to_vec(&self) -> Vec<u8> {
        crate::json::to_vec(self)
    }

    fn listed(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().flatten()
    }

    pub(crate) fn descriptors(&self) -> impl Iterator<Item = &Descriptor> {
        self.listed().map(|entry| &entry.descriptor)
    }

    /// Returns the descriptors at these positions.
    fn at<'a>(&'a self, places: Option<&'a Vec<usize>>) -> impl Iterator<Item = &'a Descriptor> {
        let places = places.into_iter().flatten();
        places.filter_map(|at| self.entries.get(*at)?.as_ref()).map(|entry| &entry.descriptor)
    }

    /// Returns an annotation of the index itself.
    pub(crate) fn annotation(&self, key: &str) -> Option<&str> {
        self.document.get("annotations")?.get(key)?.as_str()
    }

    pub(crate) fn by_digest(&self, digest: &Digest) -> Option<&Descriptor> {
        self.at(self.by_digest.get(digest)).next()
    }

    /// Returns true if a manifest is listed under any name.
    pub(crate) fn names(&self, digest: &Digest) -> bool {
        self.at(self.by_digest.get(digest)).any(|entry| name(entry).is_some())
    }

    /// Returns the entry with exactly that name, else that of the one whole reference that ends in
    /// it.
    pub(crate) fn by_tag(&self, scope: Scope<'_>, tag: &Tag) -> Option<&Descriptor> {
        let exact = self.at(self.by_name.get(&*written(scope, tag))).next();
        exact.or_else(|| {
            // Within a repository there is only one way to write a tag.
            let places = self.by_tag.get(tag).filter(|_| scope.is_none());
            let mut ending = self.at(places);
            let first = ending.next()?;
            ending.all(|other| other.digest == first.digest).then_some(first)
        })
    }

    /// Returns every tag once, in the index's order.
    pub(crate) fn tags(&self, scope: Scope<'_>) -> Vec<Tag> {
        let mut seen = HashSet::new();
        let mut tags = Vec::new();
        let mut take = |entry: &Descriptor| {
            if let Some(tag) = tag_of(scope, entry)
                && seen.insert(tag.clone())
            {
                tags.push(tag);
            }
        };
        match scope {
            None => self.descriptors().for_each(&mut take),
            Some(name) => self.at(self.by_repository.get(name.as_str())).for_each(&mut take),
        }
        tags
    }

    /// Lists a manifest with its tag or without one. The tag leaves its former manifest.
    pub(crate) fn put(&mut self, scope: Scope<'_>, listing: Listing, tag: Option<&Tag>) {
        let Listing { mut descriptor, children } = listing;
        // The manifests that an image index of ours lists need no entry beside it.
        for child in &children {
            self.remove_unnamed(child);
        }
        let listed = self.by_digest(&descriptor.digest).is_some();
        let Some(tag) = tag else {
            if !listed {
                self.push(descriptor);
            }
            return;
        };
        if self.by_tag(scope, tag).is_some_and(|entry| entry.digest == descriptor.digest) {
            return;
        }
        self.remove_tag(scope, tag);
        self.remove_unnamed(&descriptor.digest);
        descriptor.annotations.insert(media::REF_NAME.to_owned(), written(scope, tag).into_owned());
        self.push(descriptor);
    }

    /// Removes a name. The manifest stays listed, as in a registry.
    pub(crate) fn remove_tag(&mut self, scope: Scope<'_>, tag: &Tag) -> bool {
        let places = match scope {
            None => self.by_tag.get(tag),
            Some(_) => self.by_name.get(&*written(scope, tag)),
        };
        let Some(&at) = places.and_then(|places| places.first()) else { return false };
        let Some(mut entry) = self.take(at) else { return false };
        if self.by_digest(&entry.descriptor.digest).is_none() {
            entry.descriptor.annotations.remove(media::REF_NAME);
            if let Some(annotations) =
                entry.raw.get_mut("annotations").and_then(Value::as_object_mut)
            {
                annotations.shift_remove(media::REF_NAME);
                if annotations.is_empty() {
                    entry.raw.as_object_mut().map(|fields| fields.shift_remove("annotations"));
                }
            }
            self.set(at, entry);
        }
        true
    }

    /// Removes every entry of a manifest.
    pub(crate) fn remove_digest(&mut self, digest: &Digest) -> bool {
        let places = self.by_digest.get(digest).cloned().unwrap_or_default();
        for at in &places {
            self.take(*at);
        }
        !places.is_empty()
    }

    /// Removes the entries of a manifest that have no name.
    fn remove_unnamed(&mut self, digest: &Digest) {
        for at in self.by_digest.get(digest).cloned().unwrap_or_default() {
            let entry = self.entries.get(at).and_then(Option::as_ref);
            if entry.is_some_and(|entry| name(&entry.descriptor).is_none()) {
                self.take(at);
            }
        }
    }

    fn push(&mut self, descriptor: Descriptor) {
        let raw = serde_json::to_value(&descriptor)
            .expect("a descriptor has only fields that JSON can say");
        self.add(Entry { descriptor, raw });
    }

    fn add(&mut self, entry: Entry) {
        self.entries.push(None);
        self.set(self.entries.len() - 1, entry);
    }

    /// Fills a gap.
    fn set(&mut self, at: usize, entry: Entry) {
        let Keys { digest, name, tag, repository } = Keys::of(&entry.descriptor);
        note(&mut self.by_digest, Some(digest), at);
        note(&mut self.by_name, name, at);
        note(&mut self.by_tag, tag, at);
        note(&mut self.by_repository, repository, at);
        self.entries[at] = Some(entry);
    }

    /// Makes a gap.
    fn take(&mut self, at: usize) -> Option<Entry> {
        let entry = self.entries.get_mut(at)?.take()?;
        let Keys { digest, name, tag, repository } = Keys::of(&entry.descriptor);
        forget(&mut self.by_digest, Some(&digest), at);
        forget(&mut self.by_name, name.as_ref(), at);
        forget(&mut self.by_tag, tag.as_ref(), at);
        forget(&mut self.by_repository, repository.as_ref(), at);
        Some(entry)
    }
}

/// A manifest in the form in which a layout lists it.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    pub(crate) descriptor: Descriptor,
    /// The digests of the manifests that an image index lists.
    pub(crate) children: Vec<Digest>,
}

impl From<&Manifest> for Listing {
    fn from(manifest: &Manifest) -> Self {
        let mut descriptor = manifest.descriptor();
        descriptor.artifact_type.clone_from(&manifest.document().artifact_type);
        let children = manifest.document().manifests().iter();
        Self { descriptor, children: children.map(|child| child.digest.clone()).collect() }
    }
}

/// The keys under which an entry is found.
struct Keys {
    digest: Digest,
    name: Option<String>,
    tag: Option<Tag>,
    repository: Option<String>,
}

impl Keys {
    fn of(entry: &Descriptor) -> Self {
        let name = name(entry).map(str::to_owned);
        let repository = name.as_deref().and_then(|name| name.rsplit_once(':'));
        Self {
            digest: entry.digest.clone(),
            repository: repository.map(|(repository, _)| repository.to_owned()),
            tag: tag_of(None, entry),
            name,
        }
    }
}

fn note<K: std::hash::Hash + Eq>(positions: &mut Positions<K>, key: Option<K>, at: usize) {
    let Some(key) = key else { return };
    let places = positions.entry(key).or_default();
    let before = places.partition_point(|place| *place < at);
    places.insert(before, at);
}

fn forget<K: std::hash::Hash + Eq>(positions: &mut Positions<K>, key: Option<&K>, at: usize) {
    let Some(key) = key else { return };
    if let Some(places) = positions.get_mut(key) {
        places.retain(|place| *place != at);
        if places.is_empty() {
            positions.remove(key);
        }
    }
}

fn name(descriptor: &Descriptor) -> Option<&str> {
    descriptor.annotations.get(media::REF_NAME).map(String::as_str)
}

/// Returns a tag's name in the index.
fn written<'a>(scope: Scope<'_>, tag: &'a Tag) -> Cow<'a, str> {
    match scope {
        None => tag.as_str().into(),
        Some(repository) => RefName::write(repository, &TagOrDigest::Tag(tag.clone())).into(),
    }
}

/// Returns an entry's tag: its name, or the tag of the whole reference that some tools write there.
fn tag_of(scope: Scope<'_>, descriptor: &Descriptor) -> Option<Tag> {
    let name = name(descriptor)?;
    if let Some(repository) = scope {
        let tag = name.strip_prefix(repository.as_str())?.strip_prefix(':')?;
        return tag.parse().ok();
    }
    if let Ok(tag) = name.parse() {
        return Some(tag);
    }
    let reference: Reference = name.parse().ok()?;
    reference.tag
}
