//! An index that a user composes of manifests of one repository, as ORAS does.

use super::manifest::platform_of;
use crate::{
    Error, Result,
    oci::{Descriptor, Digest, Document, Manifest, TagOrDigest, media},
    store::Fetch,
};
use std::collections::BTreeMap;

/// The kind of an index's entries: what a list of manifests needs of each.
///
/// # Errors
/// Any error of the repository.
pub async fn entry<R: Fetch>(repository: &R, manifest: &Manifest) -> Result<Descriptor> {
    let mut entry = Descriptor {
        annotations: BTreeMap::new(),
        ..Descriptor::new(
            manifest.media_type(),
            manifest.digest().clone(),
            manifest.bytes().len() as u64,
        )
    };
    if manifest.document().manifests.is_none() {
        entry.platform = platform_of(repository, manifest).await?;
    }
    entry.artifact_type = artifact_type(manifest.document());
    Ok(entry)
}

/// Returns the type of an artifact: its own, else that of a config which is neither an image's nor
/// empty.
fn artifact_type(document: &Document) -> Option<String> {
    let own = document.artifact_type.as_deref().filter(|own| !own.is_empty());
    let config = document.config.as_ref().map(|config| config.media_type.as_str());
    let is_plain = |kind: &&str| {
        matches!(*kind, media::EMPTY | media::IMAGE_CONFIG | media::DOCKER_IMAGE_CONFIG | "")
    };
    own.or(config.filter(|kind| !is_plain(kind))).map(str::to_owned)
}

/// Makes an index.
pub fn compose(
    entries: Vec<Descriptor>,
    artifact_type: Option<String>,
    annotations: BTreeMap<String, String>,
) -> Manifest {
    let document = Document {
        schema_version: 2,
        media_type: Some(media::INDEX.to_owned()),
        artifact_type: artifact_type.filter(|kind| !kind.is_empty()),
        config: None,
        layers: None,
        manifests: Some(entries),
        subject: None,
        annotations,
    };
    Manifest::compose(document, media::INDEX)
}

/// The changes of an index.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Entries to add. One that is there stays where it is.
    pub add: Vec<Descriptor>,
    /// Indexes whose entries are added.
    pub merge: Vec<Manifest>,
    /// Digests of entries to remove.
    pub remove: Vec<Digest>,
    /// The type of the index; an empty one removes it. `None` keeps it.
    pub artifact_type: Option<String>,
}

/// Returns the changed index. Its own fields, such as annotations, stay. As in ORAS, entries are
/// removed before others are added and merged.
///
/// # Errors
/// `Usage` for what is no index, and for the removal of an entry that is not there.
pub fn update(index: &Manifest, changes: Changes) -> Result<Manifest> {
    let mut document = index.document().clone();
    let Some(mut entries) = document.manifests.take() else {
        return Err(Error::usage(format!("`{}` is no index", index.digest())));
    };
    for other in &changes.merge {
        if other.document().manifests.is_none() {
            return Err(Error::usage(format!("`{}` is no index to merge", other.digest())));
        }
    }
    for digest in &changes.remove {
        let before = entries.len();
        entries.retain(|entry| entry.digest != *digest);
        if entries.len() == before {
            return Err(Error::usage(format!("the index has no entry {digest} to remove")));
        }
    }
    let merged = changes.merge.iter().flat_map(|other| other.document().manifests().to_vec());
    for entry in changes.add.into_iter().chain(merged) {
        if !entries.iter().any(|known| known.digest == entry.digest) {
            entries.push(entry);
        }
    }
    document.manifests = Some(entries);
    if let Some(kind) = changes.artifact_type {
        document.artifact_type = Some(kind).filter(|kind| !kind.is_empty());
    }
    Ok(Manifest::compose(document, index.media_type()))
}

/// Reads the manifest of an entry: a tag or a digest of the same repository.
///
/// # Errors
/// `Usage` for neither; `NotFound`.
pub async fn source<R: Fetch>(repository: &R, text: &str) -> Result<Manifest> {
    let target = match text.contains(':') {
        true => TagOrDigest::Digest(text.parse()?),
        false => TagOrDigest::Tag(text.parse()?),
    };
    repository
        .fetch_manifest(&target)
        .await
        .map_err(|error| error.context(format!("could not find the manifest `{text}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(text: &str) -> Descriptor {
        Descriptor::of(media::MANIFEST, text.as_bytes())
    }

    fn digests(index: &Manifest) -> Vec<Digest> {
        index.document().manifests().iter().map(|entry| entry.digest.clone()).collect()
    }

    #[test]
    fn an_index_without_entries_has_an_empty_list() {
        let index = compose(Vec::new(), None, BTreeMap::new());
        // The digest is that of ORAS 1.3.6.
        let digest = "sha256:dff9de10919148711140d349bf03f1a99eb06f94b03e51715ccebfa7cdc518e2";
        assert_eq!(index.digest().as_str(), digest);
    }

    #[test]
    fn changes_unite_by_digest() {
        let [one, two, three] = ["one", "two", "three"].map(described);
        let index = compose(vec![one.clone(), two.clone()], Some("a/b".into()), BTreeMap::new());
        let other = compose(vec![two.clone(), three.clone()], None, BTreeMap::new());
        let changed = |changes| update(&index, changes);
        let added =
            changed(Changes { add: vec![one.clone(), three.clone()], ..Changes::default() });
        let all = [&one, &two, &three].map(|entry| entry.digest.clone());
        assert_eq!(digests(&added.expect("added")), all);
        let merged = changed(Changes { merge: vec![other], ..Changes::default() });
        assert_eq!(digests(&merged.expect("merged")), all);
        let removed = changed(Changes { remove: vec![two.digest], ..Changes::default() });
        assert_eq!(digests(&removed.expect("removed")), [one.digest]);
        let absent = changed(Changes { remove: vec![three.digest], ..Changes::default() });
        assert!(absent.expect_err("absent").message().contains("has no entry"));
        let untyped = changed(Changes { artifact_type: Some(String::new()), ..Changes::default() });
        assert_eq!(untyped.expect("changed").document().artifact_type, None);
    }

    #[test]
    fn the_type_of_an_entry_is_its_own_or_that_of_its_config() {
        let of = |own: Option<&str>, config: Option<&str>| {
            artifact_type(&Document {
                artifact_type: own.map(str::to_owned),
                config: config.map(|kind| Descriptor::of(kind, b"{}")),
                ..compose(Vec::new(), None, BTreeMap::new()).document().clone()
            })
        };
        for (own, config, expected) in [
            (Some("a/b"), Some("c/d"), Some("a/b")),
            (None, Some("c/d"), Some("c/d")),
            (Some(""), Some("c/d"), Some("c/d")),
            (None, Some(media::IMAGE_CONFIG), None),
            (None, Some(media::DOCKER_IMAGE_CONFIG), None),
            (None, Some(media::EMPTY), None),
            (None, None, None),
        ] {
            assert_eq!(of(own, config).as_deref(), expected, "{own:?} {config:?}");
        }
    }
}
