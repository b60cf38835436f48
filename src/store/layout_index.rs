//! The `index.json` of an image layout, with whatever other tools put into it kept as it was. A layout is one repository
//! and its names are tags, or it holds many, and a name is `NAME:TAG`: a [`Scope`] says which is meant.

use super::ref_name::RefName;
use crate::oci::{
    Descriptor, Digest, Manifest, Reference, RepositoryName, Tag, TagOrDigest, media,
};
use serde_json::{Map, Value, json};
use std::{borrow::Cow, collections::HashSet};

/// The whole layout as one repository, or one repository in it.
pub(super) type Scope<'a> = Option<&'a RepositoryName>;

/// A layout's index: the document as it is, and its entries as descriptors.
#[derive(Debug)]
pub(super) struct Index {
    document: Map<String, Value>,
    entries: Vec<Entry>,
}

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
        Self { document, entries: Vec::new() }
    }
}

impl Index {
    pub(super) fn parse(bytes: &[u8]) -> serde_json::Result<Self> {
        let mut document: Map<String, Value> = serde_json::from_slice(bytes)?;
        let manifests = document.get_mut("manifests").map(Value::take).unwrap_or_default();
        let raw: Option<Vec<Value>> = serde_json::from_value(manifests)?;
        let entries = raw.unwrap_or_default().into_iter().map(|mut raw| {
            // Some writers put `null` where there is nothing.
            if let Some(fields) = raw.as_object_mut() {
                fields.retain(|_, value| !value.is_null());
            }
            let descriptor = serde_json::from_value(raw.clone())?;
            Ok(Entry { descriptor, raw })
        });
        Ok(Self { entries: entries.collect::<serde_json::Result<_>>()?, document })
    }

    pub(super) fn to_vec(&self) -> Vec<u8> {
        let mut document = self.document.clone();
        let raw = self.entries.iter().map(|entry| entry.raw.clone()).collect();
        document.insert("manifests".to_owned(), Value::Array(raw));
        crate::json::to_vec(&document)
    }

    pub(super) fn descriptors(&self) -> impl Iterator<Item = &Descriptor> {
        self.entries.iter().map(|entry| &entry.descriptor)
    }

    /// An annotation of the index itself.
    pub(super) fn annotation(&self, key: &str) -> Option<&str> {
        self.document.get("annotations")?.get(key)?.as_str()
    }

    pub(super) fn by_digest(&self, digest: &Digest) -> Option<&Descriptor> {
        self.descriptors().find(|descriptor| descriptor.digest == *digest)
    }

    /// The entry of that very name, else of the one whole reference that ends in it.
    pub(super) fn by_tag(&self, scope: Scope<'_>, tag: &Tag) -> Option<&Descriptor> {
        let exact = self.descriptors().find(|entry| name(entry) == Some(&*written(scope, tag)));
        exact.or_else(|| {
            let mut ending = self
                .descriptors()
                .filter(|entry| tag_of(scope, entry).as_deref() == Some(tag.as_str()));
            let first = ending.next()?;
            ending.all(|other| other.digest == first.digest).then_some(first)
        })
    }

    /// Every tag once, in the index's order.
    pub(super) fn tags(&self, scope: Scope<'_>) -> Vec<String> {
        let mut seen = HashSet::new();
        self.descriptors()
            .filter_map(|entry| tag_of(scope, entry))
            .filter(|tag| seen.insert(tag.clone()))
            .collect()
    }

    /// Lists a manifest by its tag, which leaves what it named before, or without one.
    pub(super) fn put(&mut self, scope: Scope<'_>, manifest: &Manifest, tag: Option<&Tag>) {
        // What this index of ours lists need not be listed beside it.
        for child in manifest.document().manifests() {
            self.entries.retain(|entry| {
                entry.descriptor.digest != child.digest || name(&entry.descriptor).is_some()
            });
        }
        let mut descriptor = manifest.descriptor();
        descriptor.artifact_type.clone_from(&manifest.document().artifact_type);
        let listed = self.by_digest(manifest.digest()).is_some();
        let Some(tag) = tag else {
            if !listed {
                self.push(descriptor);
            }
            return;
        };
        if self.by_tag(scope, tag).is_some_and(|entry| entry.digest == *manifest.digest()) {
            return;
        }
        self.remove_tag(scope, tag);
        self.entries.retain(|entry| {
            entry.descriptor.digest != *manifest.digest() || name(&entry.descriptor).is_some()
        });
        descriptor.annotations.insert(media::REF_NAME.to_owned(), written(scope, tag).into_owned());
        self.push(descriptor);
    }

    /// Takes a name away; the manifest stays listed, as it stays in a registry.
    pub(super) fn remove_tag(&mut self, scope: Scope<'_>, tag: &Tag) -> bool {
        let named =
            |entry: &Entry| tag_of(scope, &entry.descriptor).as_deref() == Some(tag.as_str());
        let Some(at) = self.entries.iter().position(named) else { return false };
        let mut entry = self.entries.remove(at);
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
            self.entries.insert(at, entry);
        }
        true
    }

    /// Takes away every entry of a manifest.
    pub(super) fn remove_digest(&mut self, digest: &Digest) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.descriptor.digest != *digest);
        self.entries.len() < before
    }

    fn push(&mut self, descriptor: Descriptor) {
        let raw = serde_json::to_value(&descriptor)
            .expect("a descriptor has only fields that JSON can say");
        self.entries.push(Entry { descriptor, raw });
    }
}

fn name(descriptor: &Descriptor) -> Option<&str> {
    descriptor.annotations.get(media::REF_NAME).map(String::as_str)
}

/// A tag's name in the index.
fn written<'a>(scope: Scope<'_>, tag: &'a Tag) -> Cow<'a, str> {
    match scope {
        None => tag.as_str().into(),
        Some(repository) => RefName::write(repository, &TagOrDigest::Tag(tag.clone())).into(),
    }
}

/// An entry's tag: its name, or the tag of the whole reference that some tools write there.
fn tag_of(scope: Scope<'_>, descriptor: &Descriptor) -> Option<String> {
    let name = name(descriptor)?;
    if let Some(repository) = scope {
        let tag = name.strip_prefix(repository.as_str())?.strip_prefix(':')?;
        return tag.parse::<Tag>().is_ok().then(|| tag.to_owned());
    }
    if name.parse::<Tag>().is_ok() {
        return Some(name.to_owned());
    }
    let reference: Reference = name.parse().ok()?;
    reference.tag.map(|tag| tag.as_str().to_owned())
}
