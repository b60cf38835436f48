//! An image layout of charts from any tool, and a bundle, which is a layout in a file.

use super::{CacheValidator, Listed, Listing, Peek, is_attached, registry::ARTIFACT_HUB};
use crate::{
    Advice, Error, ErrorKind, Result,
    chart::Metadata,
    index::ListedDigest,
    limits::Limits,
    mirror::{
        candidate::{Ask, Candidate, ChartVersion, Fingerprint, Payload, Provenance},
        plan::needs::Need,
        sink::{self, bundle::apart},
    },
    oci::{Descriptor, Manifest, TagOrDigest, chart, media},
    ops::{
        any_repository::AnyRepository,
        bundle::{self, LoadOptions, To},
        push::prepare,
    },
    store::{
        Durability, Fetch, blocking,
        bundle::Bundle,
        layout::{Layout as Store, ref_name::RefName},
    },
};
use std::{path::Path, sync::Arc};

/// A layout as source.
#[derive(Clone, Debug)]
pub struct Layout {
    store: Store,
    identity: String,
    name: String,
    limits: Limits,
    /// The folder of an unpacked bundle. Dropping the last clone removes it.
    _folder: Option<Arc<tempfile::TempDir>>,
}

impl Layout {
    /// Opens the layout at a path.
    ///
    /// # Errors
    /// `NotFound` if it does not exist.
    pub fn open(root: &Path, limits: &Limits) -> Result<Self> {
        let store = Store::open(root)?;
        let identity = format!("layout:{}", store.root().display());
        Ok(Self { identity, name: stem(root), store, limits: limits.clone(), _folder: None })
    }

    /// Unpacks a bundle into a temporary folder.
    ///
    /// # Errors
    /// As [`Bundle::open`]; `NotFound` for a delta, which is incomplete.
    pub async fn unpack(file: &Path, limits: &Limits) -> Result<Self> {
        let whole =
            std::path::absolute(file).map_err(|error| Error::io("open bundle", file, error))?;
        let folder = tempfile::Builder::new()
            .prefix("chartferry-bundle-")
            .tempdir()
            .map_err(|error| Error::io("create", "a temporary folder", error))?;
        // The folder is temporary and ends with this process.
        let store = Store::create_with(folder.path(), Durability::None)?;
        let (path, caps) = (file.to_owned(), limits.clone());
        let packed = blocking(move || Bundle::open(&path, &caps)).await?;
        let options = LoadOptions { limits: limits.clone(), ..LoadOptions::default() };
        let to = To::Layout(Box::new(store.clone()));
        let is_delta = packed.base().is_some();
        apart(move || async move { bundle::load(&packed, &[], &to, &options).await.map(drop) })
            .await
            .map_err(|error| match (error.kind(), is_delta) {
                (ErrorKind::NotFound, true) => {
                    error.with_advice(Advice::CompleteBundle { file: file.display().to_string() })
                }
                _ => error,
            })?;
        Ok(Self {
            store,
            identity: format!("bundle:{}", whole.display()),
            name: stem(file),
            limits: limits.clone(),
            _folder: Some(Arc::new(folder)),
        })
    }

    pub(super) fn identity(&self) -> &str {
        &self.identity
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn call(&mut self, name: &str) {
        name.clone_into(&mut self.name);
    }

    pub(super) async fn list(&self, seen: Option<&CacheValidator>) -> Result<Listing> {
        let store = self.store.clone();
        let mut entries = blocking(move || store.entries()).await?;
        entries.sort_by_cached_key(|entry| (RefName::of(entry), entry.digest.clone()));
        let said: Vec<_> = entries.iter().map(|e| (RefName::of(e), e.digest.as_str())).collect();
        let fingerprint = Fingerprint::of(format!("{said:?}").as_bytes());
        if seen.is_some_and(|seen| seen.fingerprint == fingerprint) {
            return Ok(Listing::Unchanged);
        }
        let mut listed = Listed {
            seen: CacheValidator { fingerprint, ..CacheValidator::default() },
            ..Listed::default()
        };
        for entry in entries {
            match self.candidate(&entry).await {
                Ok(Entry::Version(candidate)) => listed.candidates.push(*candidate),
                Ok(Entry::Attached) => listed.attached += 1,
                Ok(Entry::Metadata) => {}
                Err(error) => {
                    let name = RefName::of(&entry);
                    listed.warnings.push(format!("skipping `{name}`: {}", error.chain()));
                }
            }
        }
        Ok(Listing::Charts(listed))
    }

    /// Returns the kind of an entry, by its manifest and config.
    async fn candidate(&self, entry: &Descriptor) -> Result<Entry> {
        let target = TagOrDigest::Digest(entry.digest.clone());
        let manifest = self.store.fetch_manifest(&target).await?;
        let found = match chart::find(&manifest) {
            Ok(found) => found,
            Err(error) => return self.beside(entry, &manifest, error),
        };
        let mut metadata = Metadata::default();
        if let Some(config) = found.config.filter(|_| found.foreign.is_none()) {
            let bytes = self.store.fetch_blob(config, self.limits.config_bytes).await?;
            metadata.decode_yaml(&bytes, &self.limits)?;
        }
        let said = RefName::of(entry);
        let annotations = &manifest.document().annotations;
        let or = |own: String, key| match own.is_empty() {
            true => annotations.get(key).cloned().unwrap_or_default(),
            false => own,
        };
        let name = or(metadata.name, media::TITLE);
        // The layout lists a chart that was in a folder of its namespace by this path.
        let path = match &said.repository {
            Some(repository) if name.is_empty() || repository.last_segment() == name => {
                repository.to_string()
            }
            _ => name,
        };
        let version = or(metadata.version, media::VERSION);
        let version = match (&said.tag, version.is_empty()) {
            (Some(tag), true) => tag.to_version(),
            (_, false) => version,
            (None, true) => String::new(),
        };
        if path.is_empty() || version.is_empty() {
            return Err(Error::invalid("it does not name its chart and version"));
        }
        Ok(Entry::Version(Box::new(Candidate {
            id: ChartVersion::new(path, version),
            created: annotations.get(media::CREATED).cloned().unwrap_or_default(),
            digest: Some(found.content.digest.clone()),
            listed: ListedDigest::Missing,
            urls: vec![entry.digest.to_string()],
            deprecated: metadata.deprecated,
            fingerprint: Fingerprint::of(entry.digest.as_str().as_bytes()),
            content_fingerprint: None,
            provenance_fingerprint: None,
            origin: None,
            provenance: match found.provenance {
                Some(_) => Provenance::There,
                None => Provenance::Missing,
            },
        })))
    }

    /// Returns the repository of a version. One that is listed by another path holds no signatures
    /// of it.
    pub(super) fn repository_of(&self, candidate: &Candidate) -> Result<AnyRepository> {
        let name = candidate.id.chart.parse()?;
        Ok(AnyRepository::Layout(Box::new(self.store.repository(&name))))
    }

    /// Handles an artifact that is not a chart. If it has a tag, it is listed as a version, so that
    /// it is counted. Artifacts attached to another manifest are counted separately.
    fn beside(&self, entry: &Descriptor, manifest: &Manifest, error: Error) -> Result<Entry> {
        if sink::registry::is_chart(manifest) {
            return Err(error);
        }
        let said = RefName::of(entry);
        if said.tag.as_ref().is_some_and(|tag| tag.as_str() == ARTIFACT_HUB) {
            return Ok(Entry::Metadata);
        }
        let has_tag_of_others = said.tag.as_ref().is_some_and(|tag| is_attached(tag.as_str()));
        if has_tag_of_others || manifest.document().subject.is_some() {
            return Ok(Entry::Attached);
        }
        let Some(tag) = said.tag else { return Err(error) };
        let path = said.repository.map_or_else(|| self.name.clone(), |name| name.to_string());
        Ok(Entry::Version(Box::new(Candidate {
            id: ChartVersion::new(path, tag.to_version()),
            created: String::new(),
            digest: None,
            listed: ListedDigest::Missing,
            urls: vec![entry.digest.to_string()],
            deprecated: false,
            fingerprint: Fingerprint::of(entry.digest.as_str().as_bytes()),
            content_fingerprint: None,
            provenance_fingerprint: None,
            origin: None,
            provenance: Provenance::Missing,
        })))
    }

    pub(super) async fn other(&self, candidate: &Candidate) -> Result<Option<String>> {
        let digest = candidate.urls.first().map_or("", String::as_str);
        let target = TagOrDigest::Digest(digest.parse()?);
        let manifest = self.store.fetch_manifest(&target).await?;
        Ok(chart::find(&manifest).is_err().then(|| chart::describe(&manifest)))
    }

    pub(super) async fn peek(&self, candidate: &Candidate) -> Result<Peek> {
        let digest = candidate.urls.first().map_or("", String::as_str);
        let target = TagOrDigest::Digest(digest.parse()?);
        Peek::of(&self.store.fetch_manifest(&target).await?)
    }

    pub(super) async fn needs(&self, candidate: &Candidate) -> Result<Vec<Need>> {
        let digest = candidate.urls.first().map_or("", String::as_str);
        let target = TagOrDigest::Digest(digest.parse()?);
        let manifest = self.store.fetch_manifest(&target).await?;
        Need::of_manifest(&self.store, manifest, &self.limits).await
    }

    pub(super) async fn fetch(&self, candidate: &Candidate, ask: Ask) -> Result<Payload> {
        let digest = candidate.urls.first().map_or("", String::as_str);
        let target = TagOrDigest::Digest(digest.parse()?);
        let mut payload = prepare::from_store(&self.store, &target, &self.limits).await?;
        if ask == Ask::Nothing {
            payload.provenance = None;
        }
        Ok(payload)
    }
}

/// The kind of an entry in a layout.
enum Entry {
    /// A version of a chart, or another artifact that has a tag.
    Version(Box<Candidate>),
    /// A signature, an attestation or another referrer.
    Attached,
    /// Artifact Hub's metadata of a chart.
    Metadata,
}

/// Returns the name of a file or folder, without the suffix of a bundle.
fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let cut = [".tar.zst", ".tzst", ".tar"].iter().find_map(|end| name.strip_suffix(end));
    cut.map_or(name.clone(), str::to_owned)
}
