//! The names of a bundle's entries: each entry needs a valid name, and no name may have two
//! manifests. Otherwise a user with two charts of one name would get the one listed last.

use super::charts::Identity;
use crate::{
    Error, ErrorKind, Result,
    digest::Digest,
    oci::{Manifest, RepositoryName, Tag, chart, media},
    store::bundle::{Bundle, Entry},
};
use std::collections::{BTreeMap, HashMap, hash_map};

/// The names of the entries so far, each with its manifest.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<(RepositoryName, Tag), Digest>);

impl Names {
    /// Adds an entry, and returns the name of its repository.
    ///
    /// # Errors
    /// `Invalid` for an entry without a name that a repository can have, and for a second manifest
    /// under one name. `1.0.0+b` and `1.0.0_b` are one tag.
    pub(super) fn add(
        &mut self,
        bundle: &Bundle,
        entry: &Entry,
        manifest: Option<&Manifest>,
    ) -> Result<RepositoryName> {
        let file = bundle.path().display();
        let digest = entry.digest();
        let name = repository(entry, manifest).ok_or_else(|| {
            Error::invalid(format!("`{file}` lists {digest} without a chart's name"))
        })?;
        let Some(tag) = &entry.name.tag else { return Ok(name) };
        match self.0.entry((name.clone(), tag.clone())) {
            hash_map::Entry::Vacant(place) => {
                place.insert(digest.clone());
            }
            hash_map::Entry::Occupied(taken) if taken.get() == digest => {}
            hash_map::Entry::Occupied(taken) => {
                let message = format!(
                    "`{file}` lists {name}:{tag} twice, as {} and as {digest}",
                    taken.get()
                );
                return Err(Error::invalid(message)
                    .with_hint("save the bundle again, from a registry that you trust"));
            }
        }
        Ok(name)
    }
}

/// Returns the chart's repository: its name in the bundle, else the chart's own name.
fn repository(entry: &Entry, manifest: Option<&Manifest>) -> Option<RepositoryName> {
    let said = |annotations: &BTreeMap<String, String>| annotations.get(media::TITLE)?.parse().ok();
    entry
        .name
        .repository
        .clone()
        .or_else(|| said(&manifest?.document().annotations))
        .or_else(|| said(&entry.manifest.annotations))
}

/// The files of charts in a folder so far. Each has the digests of its archive and provenance file,
/// and the chart's name in the bundle.
#[derive(Debug, Default)]
pub(super) struct Files(HashMap<String, (Digest, Option<Digest>, String)>);

/// The result of looking up a chart's file, which another tag may have added already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Yes,
    No,
}

impl Files {
    /// Adds the file of a chart.
    ///
    /// # Errors
    /// `Conflict` for a file that is another chart's, such as one of another namespace.
    pub(super) fn add(
        &mut self,
        file: &str,
        entry: &Entry,
        manifest: Option<&Manifest>,
    ) -> Result<Taken> {
        // If only a base has its manifest, nothing is written.
        let Some(manifest) = manifest else { return Ok(Taken::No) };
        let found = chart::find(manifest)?;
        let content = found.content.digest.clone();
        let provenance = found.provenance.map(|layer| layer.digest.clone());
        let Some((archive, signed, first)) = self.0.get_mut(file) else {
            self.0.insert(file.to_owned(), (content, provenance, entry.name.to_string()));
            return Ok(Taken::No);
        };
        let same = *archive == content
            && (signed.is_none() || provenance.is_none() || *signed == provenance);
        if !same {
            let message = format!("{first} and {} would both be the file `{file}`", entry.name);
            return Err(Error::new(ErrorKind::Conflict, message)
                .with_hint("load each namespace into a separate folder"));
        }
        if signed.is_none() && provenance.is_some() {
            *signed = provenance;
            return Ok(Taken::No);
        }
        Ok(Taken::Yes)
    }
}

/// Returns the chart that the name of its file gives: from the manifest, else from the entry's name
/// in the bundle.
pub(super) fn of_file(
    entry: &Entry,
    repository: &RepositoryName,
    manifest: Option<&Manifest>,
) -> Identity {
    let annotation = |key| Some(manifest?.document().annotations.get(key)?.as_str());
    let safe = |text: &&str| !text.is_empty() && !text.contains(['/', '\\']) && *text != "..";
    let name = annotation(media::TITLE).filter(safe).unwrap_or(repository.last_segment());
    let version = annotation(media::VERSION).filter(safe).map(str::to_owned);
    let version = version.unwrap_or_else(|| match &entry.name.tag {
        Some(tag) => tag.to_version(),
        None => entry.digest().hex().to_owned(),
    });
    Identity { name: name.to_owned(), version }
}
