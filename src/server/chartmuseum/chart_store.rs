//! Charts of the ChartMuseum API in the store. A chart is a tag of the repository `NAMESPACE/NAME`.
//! If no registry allows that name, the store keeps the chart beside its repositories. The callers
//! check access first.

use super::{answer::Denial, intake::Received, provenance::Provenance};
use crate::lock::Locked as _;
use crate::{
    Result,
    chart::Metadata,
    index::Entry,
    limits::Limits,
    oci::{
        Descriptor, Digest, Document, Manifest, RepositoryName, Tag, TagOrDigest,
        chart::{LayerOrder, Parts, compose, find},
        media,
    },
    ops::{
        push::{Outgoing, prepare},
        repository::entry,
    },
    server::index_view::{Follower, Found, Item, Origin, View},
    store::{BlobSource, Catalog, Fetch, Push, Resolve, Tags},
};
use bytes::Bytes;
use http::StatusCode;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

/// Annotations with which a start finds the charts that no registry can name.
const NAMESPACE: &str = "chartferry.museum.namespace";
const FILE: &str = "chartferry.museum.file";

/// Charts of a store, and the index of them.
#[derive(Clone, Debug)]
pub(super) struct ChartStore<C>(pub(super) Follower<C>, Arc<Mutex<Asides>>);

/// Waiting provenance files, whose charts have not arrived: namespaces and file names.
type Asides = BTreeSet<(String, String)>;

/// Chart that passed the checks.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    pub(super) metadata: Metadata,
    pub(super) received: Received,
}

impl Judged {
    pub(super) fn file_name(&self) -> String {
        format!("{}-{}.tgz", self.metadata.name, self.metadata.version)
    }
}

/// Location of a version.
enum Location<R> {
    Tagged(RepositoryName, R, Tag),
    /// Tag made of the chart's namespace and file name.
    Loose(R, Tag),
}

impl<C: Catalog> ChartStore<C> {
    pub(super) fn new(charts: Follower<C>) -> Self {
        Self(charts, Arc::default())
    }

    /// Returns the same charts through another access to the store.
    pub(super) fn by_way_of(&self, catalog: C) -> Self {
        Self(self.0.by_way_of(catalog), Arc::clone(&self.1))
    }

    fn asides(&self) -> MutexGuard<'_, Asides> {
        self.1.locked()
    }

    /// Returns true if a provenance file waits under this name.
    pub(super) fn is_waiting(&self, namespace: &str, file: &str) -> bool {
        self.asides().contains(&(namespace.to_owned(), file.to_owned()))
    }

    /// Returns the number of provenance files in a namespace that wait for their charts.
    pub(super) fn waiting(&self, namespace: &str) -> usize {
        self.asides().iter().filter(|(of, _)| of == namespace).count()
    }

    pub(super) fn view(&self) -> &View {
        self.0.view()
    }

    fn catalog(&self) -> &C {
        self.0.catalog()
    }

    /// Stores a chart and adds it to the index. After the response, the chart survives a loss of
    /// power. Before it stores the chart, the function reads it back as the next start will, from
    /// manifest and config only.
    pub(super) async fn put(
        &self,
        namespace: &str,
        chart: Judged,
        provenance: Option<Bytes>,
        limits: &Limits,
    ) -> Result<(), Denial> {
        let file = chart.file_name();
        let Judged { metadata, received } = chart;
        // The time has microseconds, since the server removes the oldest of several first.
        let created = now();
        let place = self.place(namespace, &metadata.name, &metadata.version)?;
        let annotations = match &place {
            Location::Tagged(..) => BTreeMap::new(),
            Location::Loose(..) => found_by(namespace, &file),
        };
        let parts = Parts {
            content: received.content.clone(),
            provenance: provenance
                .as_ref()
                .map(|bytes| Descriptor::of(media::CHART_PROVENANCE, bytes)),
            created: Some(&created),
            order: LayerOrder::default(),
            annotations: &annotations,
        };
        let (config, manifest) = compose(&metadata, parts);
        let entry = read_back(&metadata, &config, &manifest, limits)?;
        let outgoing = Outgoing {
            metadata,
            archive: received.archive,
            content: received.content,
            provenance,
            created: Some(created),
            ready: Some((config, manifest.clone())),
            notes: Vec::new(),
            warnings: Vec::new(),
        };
        match place {
            Location::Tagged(repository, store, tag) => {
                let item = self.0.item(&repository, &manifest, entry).map_err(refused)?;
                item.json().map_err(refused)?;
                let turn = self.0.turn(&repository, &tag).await;
                prepare::save(&store, &outgoing, &tag).await?;
                turn.holds(&manifest, item).await;
            }
            Location::Loose(store, tag) => {
                let item = self.loose_item(namespace, &manifest, entry, limits).map_err(refused)?;
                item.json().map_err(refused)?;
                prepare::save(&store, &outgoing, &tag).await?;
                self.view().put(namespace, Origin::Museum, Arc::new(item));
            }
        }
        Ok(())
    }

    /// Builds the index's item of a chart that no registry can name.
    fn loose_item(
        &self,
        namespace: &str,
        manifest: &Manifest,
        entry: Entry,
        limits: &Limits,
    ) -> Result<Item> {
        let found = find(manifest)?;
        let (archive, provenance) = (found.content.clone(), found.provenance.cloned());
        let item = self.view().item(namespace, entry, archive, provenance);
        item.require_at_most(limits.entry_bytes)?;
        Ok(item)
    }

    /// Adds a provenance file to an existing chart, or replaces its file. The function builds a new
    /// manifest and moves the tag to it.
    pub(super) async fn sign(
        &self,
        namespace: &str,
        found: &Found,
        provenance: &Bytes,
    ) -> Result<(), Denial> {
        let (store, target, tag) = self.whereabouts(namespace, found)?;
        let turn = match &found.origin {
            Origin::Tag { repository, tag, .. } => Some(self.0.turn(repository, tag).await),
            Origin::Museum => None,
        };
        let manifest = store.fetch_manifest(&target).await?;
        if manifest.is_index() {
            let message = format!(
                "tag `{tag}` is on an image index that lists the chart; its provenance file must be pushed to the registry"
            );
            return Err(Denial::new(StatusCode::CONFLICT, message));
        }
        let blob = Descriptor::of(media::CHART_PROVENANCE, provenance);
        let mut document = manifest.document().clone();
        let mut layers = document.layers.take().unwrap_or_default();
        layers.retain(|layer| layer.media_type != media::CHART_PROVENANCE);
        layers.push(blob.clone());
        document.layers = Some(layers);
        let manifest = Manifest::compose(document, manifest.media_type());
        store.push_blob(&blob, &BlobSource::Bytes(provenance.clone())).await?;
        store.push_manifest(&manifest, Some(&tag)).await?;
        match turn {
            Some(turn) => turn.refresh().await?,
            None => {
                let mut item = (*found.item).clone();
                item.provenance = Some(blob);
                self.view().put(namespace, Origin::Museum, Arc::new(item));
            }
        }
        Ok(())
    }

    /// Removes a version, with all its tags and files.
    pub(super) async fn remove(
        &self,
        namespace: &str,
        name: &str,
        version: &str,
    ) -> Result<(), Denial> {
        for found in self.view().origins(namespace, name, version) {
            let (store, target, _) = self.whereabouts(namespace, &found)?;
            match store.delete(&target).await {
                Ok(()) => {}
                // The removal of another tag removed this one too.
                Err(error) if error.kind() == crate::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
            match &found.origin {
                Origin::Tag { repository, manifest, .. } => {
                    self.0.refresh_manifest(repository, manifest).await?;
                }
                Origin::Museum => {
                    self.view().remove(namespace, name, version, &Origin::Museum);
                }
            }
        }
        Ok(())
    }

    /// Stores a provenance file until its chart arrives.
    pub(super) async fn put_aside(
        &self,
        namespace: &str,
        provenance: &Provenance,
    ) -> Result<(), Denial> {
        let store = self.catalog().loose().ok_or_else(|| {
            Denial::not_found(
                "the chart does not exist, and a registry stores no provenance file without its chart",
            )
        })?;
        let file = provenance.file_name();
        let blob = Descriptor::of(media::CHART_PROVENANCE, &provenance.bytes);
        let config = Bytes::from_static(b"{}");
        let config_blob = Descriptor::of(media::EMPTY, &config);
        let document = Document {
            schema_version: 2,
            media_type: None,
            artifact_type: Some(media::CHART_PROVENANCE.to_owned()),
            config: Some(config_blob.clone()),
            layers: Some(vec![blob.clone()]),
            manifests: None,
            subject: None,
            annotations: found_by(namespace, &file),
        };
        let manifest = Manifest::compose(document, media::MANIFEST);
        store.push_blob(&config_blob, &BlobSource::Bytes(config)).await?;
        store.push_blob(&blob, &BlobSource::Bytes(provenance.bytes.clone())).await?;
        store.push_manifest(&manifest, Some(&loose_tag(namespace, &file))).await?;
        self.asides().insert((namespace.to_owned(), file));
        Ok(())
    }

    /// Returns the waiting provenance file with this name.
    pub(super) async fn aside(
        &self,
        namespace: &str,
        file: &str,
    ) -> Result<Option<(C::Repository, Descriptor)>> {
        let Some(store) = self.catalog().loose() else { return Ok(None) };
        let target = TagOrDigest::Tag(loose_tag(namespace, file));
        if store.resolve(&target).await?.is_none() {
            return Ok(None);
        }
        let manifest = store.fetch_manifest(&target).await?;
        let layer = manifest
            .document()
            .layers()
            .iter()
            .find(|layer| layer.media_type == media::CHART_PROVENANCE)
            .cloned();
        Ok(layer.map(|layer| (store, layer)))
    }

    /// Reads the waiting provenance file with this name. The file remains until
    /// [`Self::forget_aside`].
    pub(super) async fn read_aside(
        &self,
        namespace: &str,
        file: &str,
        limits: &Limits,
    ) -> Result<Option<Bytes>> {
        let Some((store, layer)) = self.aside(namespace, file).await? else { return Ok(None) };
        store.fetch_blob(&layer, limits.provenance_bytes).await.map(Some)
    }

    /// Removes the provenance file that waits under this name, because its chart is now stored with
    /// it. If that fails, the server logs a warning and the unused file stays.
    pub(super) async fn forget_aside(&self, namespace: &str, file: &str) {
        let Some(store) = self.catalog().loose() else { return };
        match store.delete(&TagOrDigest::Tag(loose_tag(namespace, file))).await {
            Err(error) if error.kind() != crate::ErrorKind::NotFound => {
                tracing::warn!(
                    file,
                    error = error.chain(),
                    "cannot remove a provenance file that is stored twice"
                );
            }
            _ => drop(self.asides().remove(&(namespace.to_owned(), file.to_owned()))),
        }
    }

    /// Returns the provenance file of a version.
    pub(super) async fn provenance_of(
        &self,
        namespace: &str,
        found: &Found,
        limits: &Limits,
    ) -> Result<Option<Bytes>, Denial> {
        let Some(blob) = &found.item.provenance else { return Ok(None) };
        let store = self.repository(namespace, found)?;
        Ok(Some(store.fetch_blob(blob, limits.provenance_bytes).await?))
    }

    /// Returns true if the tag of a version points to something other than a chart.
    pub(super) async fn is_taken(
        &self,
        namespace: &str,
        name: &str,
        version: &str,
    ) -> Result<bool, Denial> {
        match self.place(namespace, name, version)? {
            Location::Tagged(_, store, tag) => {
                Ok(store.resolve(&TagOrDigest::Tag(tag)).await?.is_some())
            }
            Location::Loose(..) => Ok(false),
        }
    }

    /// Returns the repository with a version's blobs.
    pub(super) fn repository(
        &self,
        namespace: &str,
        found: &Found,
    ) -> Result<C::Repository, Denial> {
        self.whereabouts(namespace, found).map(|(store, ..)| store)
    }

    fn whereabouts(
        &self,
        namespace: &str,
        found: &Found,
    ) -> Result<(C::Repository, TagOrDigest, Tag), Denial> {
        match &found.origin {
            Origin::Tag { repository, tag, manifest } => {
                let store = self.catalog().repository(repository)?;
                Ok((store, TagOrDigest::Digest(manifest.clone()), tag.clone()))
            }
            Origin::Museum => {
                let store = self.catalog().loose().ok_or_else(unnameable)?;
                let tag = loose_tag(namespace, &found.item.file_name());
                Ok((store, TagOrDigest::Tag(tag.clone()), tag))
            }
        }
    }

    fn place(
        &self,
        namespace: &str,
        name: &str,
        version: &str,
    ) -> Result<Location<C::Repository>, Denial> {
        let path =
            if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") };
        if let (Ok(repository), Ok(tag)) =
            (path.parse::<RepositoryName>(), Tag::from_version(version))
            && let Ok(store) = self.catalog().repository(&repository)
        {
            return Ok(Location::Tagged(repository, store, tag));
        }
        let store = self.catalog().loose().ok_or_else(unnameable)?;
        Ok(Location::Loose(store, loose_tag(namespace, &format!("{name}-{version}.tgz"))))
    }

    /// Loads the charts that no registry can name from the store. The function skips damaged
    /// entries, and logs a line for each.
    ///
    /// # Errors
    /// Returns the error of the store if it cannot list them.
    pub(super) async fn show_loose(&self, limits: &Limits) -> Result<()> {
        let Some(store) = self.catalog().loose() else { return Ok(()) };
        let tags = match store.tags().await {
            Err(error) if error.kind() == crate::ErrorKind::NotFound => return Ok(()),
            tags => tags?,
        };
        for tag in tags {
            if let Err(error) = self.show_one(&store, &tag, limits).await {
                tracing::warn!(%tag, error = error.chain(), "skipping a chart with a name or version that a registry cannot hold");
            }
        }
        Ok(())
    }

    async fn show_one(&self, store: &C::Repository, tag: &Tag, limits: &Limits) -> Result<()> {
        let manifest = store.fetch_manifest(&TagOrDigest::Tag(tag.clone())).await?;
        let annotations = &manifest.document().annotations;
        let Some(namespace) = annotations.get(NAMESPACE) else { return Ok(()) };
        let Ok(found) = find(&manifest) else {
            // The item is a provenance file that waits for its chart.
            if let Some(file) = annotations.get(FILE) {
                self.asides().insert((namespace.clone(), file.clone()));
            }
            return Ok(());
        };
        let Some(config) = found.config else { return Ok(()) };
        let bytes = store.fetch_blob(config, limits.config_bytes).await?;
        let entry = entry::entry(&manifest, Some(&bytes), limits)?;
        let item = self.loose_item(namespace, &manifest, entry, limits)?;
        self.view().put(namespace, Origin::Museum, Arc::new(item));
        Ok(())
    }
}

/// Builds the entry that the next start will build from a manifest and its config.
fn read_back(
    metadata: &Metadata,
    config: &Bytes,
    manifest: &Manifest,
    limits: &Limits,
) -> Result<Entry, Denial> {
    if config.len() as u64 > limits.config_bytes {
        return Err(Denial::bad_request("the chart's metadata is too long as JSON"));
    }
    let entry = entry::entry(manifest, Some(config), limits).map_err(refused)?;
    if (&entry.metadata.name, &entry.metadata.version) != (&metadata.name, &metadata.version) {
        return Err(Denial::bad_request("the chart's metadata changes when it is stored"));
    }
    Ok(entry)
}

fn refused(error: crate::Error) -> Denial {
    Denial::bad_request(error.context("the chart's metadata cannot be shown in an index").chain())
}

fn found_by(namespace: &str, file: &str) -> BTreeMap<String, String> {
    [(NAMESPACE, namespace), (FILE, file)]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// Returns the tag for a chart that no registry can name.
fn loose_tag(namespace: &str, file: &str) -> Tag {
    let digest = Digest::sha256(format!("{namespace}\0{file}").as_bytes());
    digest.hex().parse().expect("64 hexadecimal digits are a tag")
}

fn unnameable() -> Denial {
    Denial::new(
        StatusCode::BAD_REQUEST,
        "the upstream registry cannot hold a chart of this name and version",
    )
}

fn now() -> String {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now).to_string()
}
