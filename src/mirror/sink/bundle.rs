//! A bundle: a layout in a folder beside the file, packed into the file once it is complete.
//! Existing content of the file is copied before the first change. A killed run leaves the folder,
//! and the next run continues with it.

use super::{Held, Naming, Putting, Stored, Target, layout, registry};
use crate::{
    Error, ErrorKind, Result,
    digest::Digest,
    limits::Limits,
    mirror::candidate::Payload,
    ops::{
        bundle::{self, LoadOptions, SaveOptions, To, select},
        push::Existing,
    },
    store::{
        blocking,
        bundle::{Bundle as File, Format},
        layout::Layout as Store,
    },
    template::Template,
};
use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};
use tokio::sync::OnceCell;

/// A bundle as destination.
#[derive(Clone, Debug)]
pub struct Bundle {
    file: PathBuf,
    format: Format,
    identity: String,
    work: PathBuf,
    template: Option<Template>,
    options: registry::Composing,
    earlier: Arc<OnceCell<Earlier>>,
    layout: Arc<OnceCell<layout::Layout>>,
    /// The content of a killed run, once it was read.
    left: Arc<OnceLock<Option<Store>>>,
}

/// The content of the file, by repository and tag.
#[derive(Debug)]
struct Earlier {
    file: File,
    tags: HashMap<String, HashMap<String, Digest>>,
}

impl Earlier {
    fn open(path: &Path, limits: &Limits) -> Result<Self> {
        let file = File::open(path, limits)?;
        let mut tags: HashMap<String, HashMap<String, Digest>> = HashMap::new();
        for entry in file.entries() {
            if let (Some(repository), Some(tag)) = (&entry.name.repository, &entry.name.tag) {
                let tags = tags.entry(repository.to_string()).or_default();
                tags.entry(tag.to_string()).or_insert_with(|| entry.digest().clone());
            }
        }
        Ok(Self { file, tags })
    }
}

impl Bundle {
    /// Creates a sink for the bundle at a path, which need not exist yet.
    ///
    /// # Errors
    /// `Usage` if the name is not that of a bundle.
    pub fn new(
        file: &Path,
        template: Option<Template>,
        options: registry::Composing,
    ) -> Result<Self> {
        let format = Format::of(file)?;
        let whole =
            std::path::absolute(file).map_err(|error| Error::io("open bundle", file, error))?;
        let name = whole.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self {
            file: file.to_owned(),
            format,
            identity: format!("bundle:{}", whole.display()),
            work: file.with_file_name(format!(".{name}.unfinished")),
            template,
            options,
            earlier: Arc::default(),
            layout: Arc::default(),
            left: Arc::default(),
        })
    }

    pub(super) fn identity(&self) -> &str {
        &self.identity
    }

    /// Returns the layout that becomes the file. It starts with the file's content.
    async fn layout(&self) -> Result<&layout::Layout> {
        self.layout
            .get_or_try_init(|| async {
                let taken = self.work.join("oci-layout").exists();
                let store = layout::create(self.work.clone()).await?;
                if !taken && self.file.exists() {
                    self.take_over(&store).await?;
                }
                Ok(layout::Layout::new(store, self.template.clone(), self.options.clone()))
            })
            .await
    }

    async fn take_over(&self, store: &Store) -> Result<()> {
        let (file, limits) = (self.file.clone(), self.options.limits.clone());
        let earlier = blocking(move || File::open(&file, &limits)).await?;
        let options = LoadOptions {
            existing: Existing::Overwrite,
            limits: self.options.limits.clone(),
            ..LoadOptions::default()
        };
        let store = Box::new(store.clone());
        apart(move || async move {
            bundle::load(&earlier, &[], &To::Layout(store), &options).await.map(drop)
        })
        .await
        .map_err(|error| {
            error
                .context(format!("`{}` cannot be brought up to date", self.file.display()))
                .with_hint("a delta cannot; write another file")
        })
    }

    pub(super) fn place(&self, naming: &Naming<'_>) -> Result<Target> {
        let path = match &self.template {
            Some(template) => template.render(naming)?,
            None => naming.chart.to_owned(),
        };
        let name: crate::oci::RepositoryName = path.parse()?;
        let tag = crate::oci::Tag::from_version(naming.version)?;
        Ok(Target { group: name.to_string(), name: tag.to_string() })
    }

    pub(super) fn show(&self, place: &Target) -> String {
        format!("{}:{}:{}", self.file.display(), place.group, place.name)
    }

    pub(super) fn is_bare(&self) -> bool {
        !self.is_unfinished() && !self.file.exists()
    }

    /// Returns the content of the file, as long as nothing was changed.
    async fn earlier(&self) -> Result<Option<&Earlier>> {
        if self.is_unfinished() || !self.file.exists() {
            return Ok(None);
        }
        let (file, limits) = (self.file.clone(), self.options.limits.clone());
        let open = || blocking(move || Earlier::open(&file, &limits));
        self.earlier.get_or_try_init(open).await.map(Some)
    }

    pub(super) async fn present(&self, group: &str) -> Result<HashMap<String, Option<Digest>>> {
        let Some(earlier) = self.earlier().await? else {
            return match self.is_unfinished() {
                true => self.layout().await?.present(group).await,
                false => Ok(HashMap::new()),
            };
        };
        let tags = earlier.tags.get(group).into_iter().flat_map(HashMap::keys);
        Ok(tags.map(|tag| (tag.clone(), None)).collect())
    }

    pub(super) async fn look(&self, place: &Target) -> Result<Held> {
        let Some(earlier) = self.earlier().await? else {
            return match self.is_unfinished() {
                true => self.layout().await?.look(place).await,
                false => Ok(Held::Nothing),
            };
        };
        let digest = earlier.tags.get(&place.group).and_then(|tags| tags.get(&place.name));
        Ok(match digest.map(|digest| earlier.file.manifest(digest)) {
            None => Held::Nothing,
            Some(Some(manifest)) => registry::held(manifest),
            Some(None) => Held::Other("a chart of the file's base".to_owned()),
        })
    }

    pub(super) async fn put(
        &self,
        place: &Target,
        payload: &Payload,
        putting: Putting<'_>,
    ) -> Result<Stored> {
        self.layout().await?.put(place, payload, putting).await
    }

    pub(super) async fn tag(&self, place: &Target, alias: &str) -> Result<()> {
        self.layout().await?.tag(place, alias).await
    }

    pub(super) async fn delete(&self, place: &Target, manifest: Option<&Digest>) -> Result<()> {
        self.layout().await?.delete(place, manifest).await
    }

    /// Returns true if a killed run's content no longer exists, as after a loss of power.
    pub(super) fn has_lost(&self, place: &Target) -> bool {
        let open = || Store::open(&self.work).ok().filter(|_| self.is_unfinished());
        let left = self.left.get_or_init(open);
        left.as_ref().is_some_and(|store| layout::lists(store, place) == Some(false))
    }

    /// Returns true if a run was interrupted, so that the file must be written even if nothing more
    /// is copied.
    pub(super) fn is_unfinished(&self) -> bool {
        self.work.join("oci-layout").exists()
    }

    /// Packs the layout into the file if it has changes, and removes it.
    pub(super) async fn finish(&self) -> Result<()> {
        if self.is_unfinished() {
            let layout = self.layout().await?;
            let chosen = select::of_layout(layout.store(), None, None)?;
            let limits = self.options.limits.clone();
            let options = SaveOptions { format: self.format, base: None, limits };
            let file = self.file.clone();
            apart(move || async move { bundle::save(chosen, &file, &options).await.map(drop) })
                .await
                .map_err(|error| match error.kind() {
                    // A loss of power may remove content that a kill does not.
                    ErrorKind::Integrity | ErrorKind::NotFound => error.with_hint(format!(
                        "remove `{}` and run the mirror again",
                        self.work.display()
                    )),
                    _ => error,
                })?;
        }
        self.discard()
    }

    /// Removes the layout: the file is up to date.
    pub(super) fn discard(&self) -> Result<()> {
        match fs::remove_dir_all(&self.work) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("remove folder", &self.work, error))
            }
            _ => Ok(()),
        }
    }
}

/// Runs work between files on a separate thread, because it hashes and packs more than it waits.
pub(crate) async fn apart<T: Send + 'static, F: Future<Output = Result<T>>>(
    work: impl FnOnce() -> F + Send + 'static,
) -> Result<T> {
    let runtime = tokio::runtime::Handle::current();
    blocking(move || runtime.block_on(work())).await
}
