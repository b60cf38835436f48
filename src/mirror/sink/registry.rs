//! A namespace of a registry: one repository a chart, one tag a version, as Helm pushes them.

use super::{
    Held, Naming, Putting, Stored, Target, artifact_hub,
    registry_quirks::{self, Creation},
    registry_states::States,
};
use crate::lock::Locked as _;
use crate::{
    Error, ErrorKind, Result,
    client::{Client, Intent, Repository},
    digest::Digest,
    limits::Limits,
    mirror::{candidate::Payload, plan::needs, state::Key},
    oci::{
        Descriptor, Document, Manifest, Registry as Host, RepositoryName, Tag, TagOrDigest, chart,
        media,
    },
    ops::{
        any_repository::AnyRepository,
        push::{self, read_back},
    },
    store::{BlobSource, Fetch, Push, Resolve, Tags},
    template::Template,
};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

/// The name of the repository for states, in the destination's namespace.
pub const STATE_REPOSITORY: &str = "chartferry-state";

/// Options of a destination registry.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The client for the registry.
    pub client: Client,
    /// The registry.
    pub registry: Host,
    /// The namespace; the registry's root without one.
    pub namespace: Option<RepositoryName>,
    /// The path of a chart's repository below the namespace; its name without one.
    pub template: Option<Template>,
    /// The location of states. `None` means [`STATE_REPOSITORY`] in the namespace.
    pub state: Option<(Host, RepositoryName)>,
    /// The command that creates a missing repository. `/bin/sh` runs it with `$REGISTRY` and
    /// `$REPOSITORY`.
    pub create: Option<String>,
    /// Options of composing manifests.
    pub composing: Composing,
}

impl Options {
    /// Returns the default options: charts below `namespace` under their own names.
    pub fn new(client: Client, registry: Host, namespace: Option<RepositoryName>) -> Self {
        let composing = Composing::default();
        Self { client, registry, namespace, template: None, state: None, create: None, composing }
    }
}

/// Options of composing and verifying manifests, for every kind of store.
#[derive(Clone, Debug, Default)]
pub struct Composing {
    /// The order of chart and provenance in new manifests.
    pub order: chart::LayerOrder,
    /// Pauses before another read back, if the last one did not show our manifest.
    pub read_back_delays: Vec<std::time::Duration>,
    /// The limits on sizes and counts.
    pub limits: Limits,
}

/// A namespace of a registry as destination.
#[derive(Clone, Debug)]
pub struct Registry {
    options: Arc<Options>,
    identity: String,
    /// `true` once the state's repository is known to have the empty config.
    prepared: Arc<AtomicBool>,
    states: Arc<States>,
    creation: Arc<Creation>,
    /// The repositories that did not exist; `true` once a push has created one.
    new: Arc<Mutex<HashMap<String, bool>>>,
}

impl Registry {
    /// Creates a sink for a namespace.
    pub fn new(options: Options) -> Self {
        let mut identity = format!("oci://{}", options.registry);
        if let Some(namespace) = &options.namespace {
            identity = format!("{identity}/{namespace}");
        }
        let creation = Arc::new(Creation::new(options.create.clone()));
        Self {
            options: Arc::new(options),
            identity,
            prepared: Arc::default(),
            states: Arc::default(),
            creation,
            new: Arc::default(),
        }
    }

    pub(super) fn identity(&self) -> &str {
        &self.identity
    }

    pub(super) fn place(&self, naming: &Naming<'_>) -> Result<Target> {
        let path = match &self.options.template {
            Some(template) => template.render(naming)?,
            None => naming.chart.to_owned(),
        };
        let name = match &self.options.namespace {
            Some(namespace) => namespace.join(&path),
            None => path.parse(),
        }?;
        registry_quirks::check(&self.options.registry, &name)?;
        let tag = Tag::from_version(naming.version)?;
        Ok(Target { group: name.to_string(), name: tag.to_string() })
    }

    pub(super) fn show(&self, place: &Target) -> String {
        format!("oci://{}/{}:{}", self.options.registry, place.group, place.name)
    }

    pub(super) fn group_at(&self, address: &str, chart: &str) -> Option<String> {
        needs::group_below(&self.identity, self.options.registry.as_str(), address, chart)
    }

    /// Returns the repository for a caller who knows its content: it sends blobs without asking for
    /// them first.
    fn repository(&self, group: &str) -> Result<Repository> {
        let name: RepositoryName = group.parse()?;
        let repository = self.options.client.repository(&self.options.registry, &name);
        Ok(repository.with_intent(Intent::Filling))
    }

    pub(super) fn repository_at(&self, group: &str) -> Result<AnyRepository> {
        Ok(AnyRepository::Registry(self.repository(group)?))
    }

    pub(super) async fn present(&self, group: &str) -> Result<HashMap<String, Option<Digest>>> {
        let tags = match self.repository(group)?.tags().await {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            tags => tags?,
        };
        if tags.is_empty() {
            self.unseen().insert(group.to_owned(), false);
        }
        Ok(tags.into_iter().map(|tag| (tag.to_string(), None)).collect())
    }

    fn unseen(&self) -> MutexGuard<'_, HashMap<String, bool>> {
        self.new.locked()
    }

    pub(super) fn final_warning(&self) -> Option<String> {
        let made = self.unseen().values().filter(|made| **made).count();
        registry_quirks::final_warning(&self.options.registry, made)
    }

    pub(super) async fn look(&self, place: &Target) -> Result<Held> {
        look(&self.repository(&place.group)?, place).await
    }

    pub(super) async fn put(
        &self,
        place: &Target,
        payload: &Payload,
        putting: Putting<'_>,
    ) -> Result<Stored> {
        let repository = self.repository(&place.group)?;
        let (shown, composing) = (self.show(place), &self.options.composing);
        let registry = &self.options.registry;
        let mut stored = put(&repository, &shown, place, payload, putting, composing).await;
        if stored.as_ref().is_err_and(|error| self.creation.is_due(error)) {
            self.creation.create(registry, &place.group).await?;
            stored = put(&repository, &shown, place, payload, putting, composing).await;
        }
        if stored.is_ok()
            && let Some(made) = self.unseen().get_mut(&place.group)
        {
            *made = true;
        }
        stored.map_err(|error| registry_quirks::explain(registry, &place.group, error))
    }

    pub(super) async fn tag(&self, place: &Target, alias: &str) -> Result<()> {
        tag(&self.repository(&place.group)?, place, alias).await
    }

    pub(super) async fn delete(&self, place: &Target, manifest: Option<&Digest>) -> Result<()> {
        let repository = self.repository(&place.group)?;
        let tag = TagOrDigest::Tag(place.name.parse()?);
        let deleted = match (repository.delete(&tag).await, manifest) {
            // Distribution 2 and others remove manifests only.
            (Err(error), Some(manifest)) if error.kind() == ErrorKind::Protocol => {
                repository.delete(&TagOrDigest::Digest(manifest.clone())).await
            }
            (other, _) => other,
        };
        match deleted {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // A 202 is only a promise, and some registries keep content that they promised to delete. A
        // promised deletion is never retried.
        match repository.resolve(&tag).await {
            Ok(None) => Ok(()),
            Ok(Some(there)) => Err(Error::new(
                ErrorKind::Protocol,
                format!(
                    "the registry accepted the removal, but `{tag}` still refers to {}",
                    there.digest
                ),
            )),
            // Credentials may permit to delete but not to read.
            Err(error) if error.kind() == ErrorKind::Denied => Ok(()),
            Err(error) => Err(error.context("the registry does not confirm the removal")),
        }
    }

    pub(super) async fn describe(&self, group: &str, metadata: &Bytes) -> Result<()> {
        artifact_hub::put(&self.repository(group)?, metadata).await
    }

    fn state_repository(&self) -> Result<Repository> {
        let options = &self.options;
        let (registry, name) = match &options.state {
            Some((registry, name)) => (registry, name.clone()),
            None => {
                let name = match &options.namespace {
                    Some(namespace) => namespace.join(STATE_REPOSITORY)?,
                    None => STATE_REPOSITORY.parse()?,
                };
                (&options.registry, name)
            }
        };
        Ok(options.client.repository(registry, &name).with_intent(Intent::Filling))
    }

    pub(super) async fn recall(&self, key: &Key) -> Result<Option<Bytes>> {
        let repository = self.state_repository()?;
        let target = TagOrDigest::Tag(key.as_str().parse()?);
        let manifest = match repository.fetch_manifest(&target).await {
            Ok(manifest) => manifest,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let document = manifest.document();
        let [layer] = document.layers() else { return Err(no_state(&manifest)) };
        if document.effective_artifact_type() != Some(media::MIRROR_STATE) {
            return Err(no_state(&manifest));
        }
        let bytes = repository.fetch_blob(layer, self.options.composing.limits.state_bytes).await?;
        self.states.found(key, &manifest);
        self.prepared.store(true, Ordering::Relaxed);
        Ok(Some(bytes))
    }

    pub(super) async fn remember(&self, key: &Key, state: &[u8]) -> Result<()> {
        let repository = self.state_repository()?;
        match self.remember_in(&repository, key, state).await {
            Err(error) if self.creation.is_due(&error) => {
                let name = repository.name().to_string();
                self.creation.create(repository.registry(), &name).await?;
                self.remember_in(&repository, key, state).await
            }
            other => other,
        }
    }

    async fn remember_in(&self, repository: &Repository, key: &Key, state: &[u8]) -> Result<()> {
        let empty = Descriptor::of(media::EMPTY, b"{}");
        if !self.prepared.load(Ordering::Relaxed) {
            repository.push_blob(&empty, &BlobSource::Bytes(Bytes::from_static(b"{}"))).await?;
            self.prepared.store(true, Ordering::Relaxed);
        }
        let layer = Descriptor::of(media::MIRROR_STATE_LAYER, state);
        repository.push_blob(&layer, &BlobSource::Bytes(Bytes::copy_from_slice(state))).await?;
        let document = Document {
            schema_version: 2,
            media_type: Some(media::MANIFEST.to_owned()),
            artifact_type: Some(media::MIRROR_STATE.to_owned()),
            config: Some(empty),
            layers: Some(vec![layer]),
            manifests: None,
            subject: None,
            annotations: States::annotations(key),
        };
        let manifest = Manifest::compose(document, media::MANIFEST);
        repository.push_manifest(&manifest, Some(&key.as_str().parse()?)).await?;
        self.states.replace(repository, key, &manifest).await;
        Ok(())
    }
}

fn no_state(manifest: &Manifest) -> Error {
    Error::invalid(format!("it is {}, not a state of a mirror", chart::describe(manifest)))
}

/// Returns the content of a place's tag in a repository.
pub(super) async fn look<R: Fetch>(repository: &R, place: &Target) -> Result<Held> {
    let target = TagOrDigest::Tag(place.name.parse()?);
    match repository.fetch_manifest(&target).await {
        Ok(manifest) => Ok(held(&manifest)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Held::Nothing),
        Err(error) => Err(error),
    }
}

/// Gives a tagged manifest a second tag.
pub(super) async fn tag<R: Fetch + Push>(
    repository: &R,
    place: &Target,
    alias: &str,
) -> Result<()> {
    let manifest = repository.fetch_manifest(&TagOrDigest::Tag(place.name.parse()?)).await?;
    repository.push_manifest(&manifest, Some(&alias.parse()?)).await
}

/// Returns true if a manifest has a chart, rather than an image of one layer.
pub(in crate::mirror) fn is_chart(manifest: &Manifest) -> bool {
    matches!(held(manifest), Held::Chart { .. })
}

/// Returns a mirror's view of a manifest.
pub fn held(manifest: &Manifest) -> Held {
    let config = manifest.document().config.as_ref().map(|config| config.media_type.as_str());
    let image = matches!(config, Some(media::IMAGE_CONFIG | media::DOCKER_IMAGE_CONFIG));
    match chart::find(manifest) {
        // An image of one layer is not a chart. A chart in the form of an image does not count
        // either, because a mirror does not leave it in its place.
        Ok(found) if !(image && found.foreign.is_some()) => Held::Chart {
            content: found.content.digest.clone(),
            manifest: Some(manifest.digest().clone()),
            provenance: found.provenance.map(|layer| layer.digest.clone()).into(),
        },
        _ => Held::Other(chart::describe(manifest)),
    }
}

/// Stores a chart in any repository for manifests: blobs in parallel, then the manifest with its
/// tag.
///
/// # Errors
/// Any error of the repository; `Integrity` if it stored something else.
pub async fn put<R: Fetch + Push>(
    repository: &R,
    shown: &str,
    place: &Target,
    payload: &Payload,
    putting: Putting<'_>,
    options: &Composing,
) -> Result<Stored> {
    let provenance = payload.provenance_descriptor();
    let (config, manifest) = payload.manifest(options.order, &BTreeMap::new());
    push::send(repository, payload, &config, provenance.as_ref()).await?;
    let tag: Tag = place.name.parse()?;
    repository.push_manifest(&manifest, Some(&tag)).await?;
    if let Some(alias) = putting.alias {
        repository.push_manifest(&manifest, Some(&alias.parse()?)).await?;
    }
    let mut warnings = Vec::new();
    if putting.verify != push::Verify::None {
        let target = TagOrDigest::Tag(tag);
        let verified = read_back::read_back(
            repository,
            shown,
            &target,
            &manifest,
            putting.verify,
            &options.read_back_delays,
        )
        .await?;
        if verified == push::Verified::Unreadable {
            warnings.push(format!(
                "{shown} was not read back: these credentials may push but not read"
            ));
        }
    }
    Ok(Stored { manifest: Some(manifest.digest().clone()), warnings })
}
