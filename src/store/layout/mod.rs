//! OCI image layouts, as other tools write and read them: `oci-layout`, `index.json`,
//! `blobs/<algorithm>/<hex>`. Either a layout is one repository, and an entry's name, its
//! `org.opencontainers.image.ref.name`, is a tag; or it holds many, and an entry's name is
//! `NAME:TAG`.

pub(super) mod index;
pub(super) mod journal;
mod links;
pub(super) mod listing;
pub mod ref_name;
pub mod tar_file;

use super::{
    BlobFile, BlobSource, Exists, Fetch, Held, Push, Referrers, Resolve, Sent, Tags,
    disk::{
        commit::{Durability, Writer, is_unfinished},
        open_regular, read_file,
        traits::blocking,
    },
    verify::{self, check_blob, damaged, read_blob},
};
use crate::{
    Error, ErrorKind, Result,
    limits::Limits,
    oci::{Descriptor, Digest, Manifest, RepositoryName, Tag, TagOrDigest, media},
};
use bytes::Bytes;
use index::{Index, Listing};
use journal::Change;
use listing::{Journal, List};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

const MARK: &str = "oci-layout";
const MARK_TEXT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;
const INDEX: &str = "index.json";
const BLOBS: &str = "blobs";

/// An OCI image layout on disk. Clones are the same layout.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
    repository: Option<RepositoryName>,
    writer: Writer,
    limits: Limits,
    list: Arc<List>,
}

/// The time without a write after which the writer of an unfinished file counts as dead.
const LEFT_BEHIND: Duration = Duration::from_secs(3600);

impl Layout {
    /// Opens the layout at `root`.
    ///
    /// # Errors
    /// `NotFound` if no layout exists; `Invalid` if it has an unknown version.
    pub fn open(root: &Path) -> Result<Self> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Mark {
            image_layout_version: String,
        }
        let root = &absolute(root)?;
        let path = root.join(MARK);
        let text = read_file(&path)?.ok_or_else(|| {
            Error::not_found(format!("`{}` is not an OCI image layout", root.display()))
                .with_hint(format!("a layout has a file `{MARK}`"))
        })?;
        let mark: Mark = serde_json::from_slice(&text).map_err(|error| {
            Error::invalid(format!("`{}` cannot be read", path.display())).with_source(error)
        })?;
        if !mark.image_layout_version.starts_with("1.") {
            let version = mark.image_layout_version;
            return Err(Error::invalid(format!(
                "`{}` is a layout of version `{version}`, and we know version 1",
                root.display()
            )));
        }
        Ok(Self::at(root, Durability::Full))
    }

    /// Opens the layout at `root`, or makes one of a directory that is empty or does not exist.
    ///
    /// # Errors
    /// `Conflict` if the directory has other content.
    pub fn create(root: &Path) -> Result<Self> {
        Self::create_with(root, Durability::Full)
    }

    /// Does the same as [`Self::create`], with another protection against a loss of power.
    ///
    /// # Errors
    /// The errors of [`Self::create`].
    pub fn create_with(root: &Path, durability: Durability) -> Result<Self> {
        let root = &absolute(root)?;
        if root.join(MARK).exists() {
            sweep(root);
            let layout =
                Self { writer: Writer::new(durability, root.clone()), ..Self::open(root)? };
            if durability != Durability::None {
                layout.judge_noted()?;
            }
            // Other tools now see the changes that a killed run left in the journal too.
            layout.settle_now()?;
            return Ok(layout);
        }
        let layout = Self::at(root, durability);
        layout.writer.create_directory(root)?;
        let mut entries = fs::read_dir(root)
            .map_err(|error| Error::io("read directory", root, error))?
            .filter_map(|entry| entry.ok().map(|entry| entry.file_name()));
        // `index.json` and `blobs` alone remain of a layout whose creation was interrupted.
        let ours = |name: &std::ffi::OsStr| {
            name == INDEX
                || name == BLOBS
                || name == MARK
                || is_unfinished(name)
                || journal::is_journal(name)
        };
        if entries.any(|name| !ours(&name)) {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("`{}` is not empty and is not an OCI image layout", root.display()),
            ));
        }
        links::refuse(root, [BLOBS, "blobs/sha256"])?;
        layout.writer.create_directory(&root.join("blobs/sha256"))?;
        layout.writer.write_once(&root.join(INDEX), &Index::default().to_vec())?;
        layout.writer.write_once(&root.join(MARK), MARK_TEXT.as_bytes())?;
        Ok(layout)
    }

    fn at(root: &Path, durability: Durability) -> Self {
        Self {
            root: root.to_owned(),
            repository: None,
            writer: Writer::new(durability, root.to_owned()),
            limits: Limits::default(),
            list: Arc::default(),
        }
    }

    /// Returns one repository of a layout that holds many. Its entries are those named `NAME:TAG`.
    #[must_use]
    pub fn repository(&self, name: &RepositoryName) -> Self {
        Self { repository: Some(name.clone()), ..self.clone() }
    }

    /// Lists many manifests at once, each by its name. Their blobs must exist already. The index,
    /// which is one file, is written once and not once for each manifest.
    ///
    /// # Errors
    /// `Io`.
    pub async fn push_manifests(
        &self,
        all: Vec<(RepositoryName, Manifest, Option<Tag>)>,
    ) -> Result<()> {
        let this = self.clone();
        blocking(move || {
            this.store_manifests(&all)?;
            this.change(|index| {
                for (name, manifest, tag) in &all {
                    index.put(Some(name), Listing::from(manifest), tag.as_ref());
                }
                Ok(())
            })
        })
        .await
    }

    /// Adds many manifests to the journal of the index. Their blobs should exist already: if this
    /// process ends early, the layout drops a manifest without its blobs. It keeps the others in
    /// any case. [`Self::settle`] writes the index, for tools that read only that file.
    ///
    /// # Errors
    /// `Io`.
    pub async fn note_manifests(
        &self,
        all: Vec<(RepositoryName, Manifest, Option<Tag>)>,
    ) -> Result<()> {
        let this = self.clone();
        blocking(move || {
            this.store_manifests(&all)?;
            let noted = all
                .iter()
                .map(|(name, manifest, tag)| Change::put(Some(name), manifest, tag.as_ref()));
            this.note(noted.collect())
        })
        .await
    }

    fn store_manifests(&self, all: &[(RepositoryName, Manifest, Option<Tag>)]) -> Result<()> {
        for (_, manifest, _) in all {
            let bytes = BlobSource::Bytes(manifest.bytes().clone());
            self.store_blob(&manifest.descriptor(), &bytes)?;
        }
        Ok(())
    }

    /// Removes a tag, and its manifest if no other name refers to it. The change goes into the
    /// journal, as with [`Self::note_manifests`]. A tag or manifest that does not exist is not an
    /// error.
    ///
    /// # Errors
    /// `Io`.
    pub async fn forget(&self, tag: &Tag, manifest: Option<&Digest>) -> Result<()> {
        let (this, tag, manifest) = (self.clone(), tag.clone(), manifest.cloned());
        blocking(move || {
            let repository = this.repository.as_ref().map(ToString::to_string);
            this.note(vec![Change::RemoveTag { repository, tag: tag.to_string() }])?;
            // The manifest stays listed without a name, as in a registry; but here nothing would
            // ever remove it.
            let Some(digest) = manifest else { return Ok(()) };
            if this.look(|index| index.names(&digest))? {
                return Ok(());
            }
            this.note(vec![Change::RemoveDigest { digest: digest.clone() }])?;
            this.writer.remove(&this.place_to_change(&digest)?).map(drop)
        })
        .await
    }

    /// Writes the changes of the journal into `index.json`.
    ///
    /// # Errors
    /// `Io`.
    pub async fn settle(&self) -> Result<()> {
        let this = self.clone();
        blocking(move || this.settle_now()).await
    }

    fn settle_now(&self) -> Result<()> {
        if self.is_settled() { Ok(()) } else { self.change(|_| Ok(())) }
    }

    /// Returns true if `index.json` has everything that the layout lists.
    pub fn is_settled(&self) -> bool {
        !journal::exists(&self.root)
    }

    /// Returns true if the layout lists a tag, of this repository if the layout holds many. Reads
    /// the index only if it has changed.
    ///
    /// # Errors
    /// The error of reading the index.
    pub fn lists(&self, tag: &Tag) -> Result<bool> {
        self.look(|index| index.by_tag(self.repository.as_ref(), tag).is_some())
    }

    /// Returns the directory of the layout.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the entries of `index.json`, with and without names, in its order.
    pub fn entries(&self) -> Result<Vec<Descriptor>> {
        self.look(|index| index.descriptors().cloned().collect())
    }

    /// Returns the chart's name for an entry, by the title of the entry or of its manifest.
    pub fn chart_name(&self, entry: &Descriptor) -> Option<RepositoryName> {
        let title = entry.annotations.get(media::TITLE).cloned();
        let title = title.or_else(|| {
            let manifest = self.read_manifest(entry).ok()?;
            manifest.document().annotations.get(media::TITLE).cloned()
        });
        title?.parse().ok()
    }

    fn look<T>(&self, look: impl FnOnce(&Index) -> T) -> Result<T> {
        self.list.look(&self.root, self.limits.layout_index_bytes, look)
    }

    /// Changes `index.json` under the lock, which excludes other processes.
    fn change<T>(&self, change: impl FnOnce(&mut Index) -> Result<T>) -> Result<T> {
        let _lock = self.lock()?;
        self.rewrite(change)
    }

    /// Changes `index.json` under a lock that the caller holds. The index is written after
    /// everything that it lists is on disk.
    fn rewrite<T>(&self, change: impl FnOnce(&mut Index) -> Result<T>) -> Result<T> {
        let writer = self.writer.catch_up(&self.root)?;
        self.list.rewrite(&self.root, self.limits.layout_index_bytes, &writer, change)
    }

    /// Appends to the journal under the lock, which excludes other processes.
    fn note(&self, changes: Vec<Change>) -> Result<()> {
        let _lock = self.lock()?;
        match self.list.note(&self.root, self.limits.layout_index_bytes, &self.writer, changes)? {
            Journal::Short => Ok(()),
            Journal::Long => self.rewrite(|_| Ok(())),
        }
    }

    /// Removes entries from the list that the journal of an interrupted run names and whose content
    /// the disk does not have: at a loss of power, the journal may have reached the disk before the
    /// content.
    fn judge_noted(&self) -> Result<()> {
        let noted = journal::listed(&self.root, self.limits.layout_index_bytes)?;
        let lost: Vec<Digest> = noted
            .into_iter()
            .filter(|manifest| !self.is_whole(manifest))
            .map(|manifest| manifest.digest)
            .collect();
        if lost.is_empty() {
            return Ok(());
        }
        self.change(|index| {
            for digest in &lost {
                index.remove_digest(digest);
            }
            Ok(())
        })
    }

    /// Returns true if a manifest and everything that it names are stored, byte for byte.
    fn is_whole(&self, listed: &Descriptor) -> bool {
        let Ok(manifest) = self.read_manifest(listed) else { return false };
        let document = manifest.document();
        document
            .config
            .iter()
            .chain(document.layers.iter().flatten())
            .all(|blob| self.is_stored(blob))
    }

    /// Returns true if a blob is stored, byte for byte.
    fn is_stored(&self, blob: &Descriptor) -> bool {
        let path = self.blob_path(&blob.digest);
        path.is_file() && check_blob(path, blob).is_ok()
    }

    /// Takes the lock on `oci-layout`, which is never replaced. The lock is held as long as the
    /// file is open.
    fn lock(&self) -> Result<File> {
        let path = self.root.join(MARK);
        let lock = open_regular(&path)?.map_err(|error| Error::io("open", &path, error))?;
        lock.lock().map_err(|error| Error::io("lock", &path, error))?;
        Ok(lock)
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root.join(BLOBS).join(digest.algorithm().as_str()).join(digest.hex())
    }

    /// Returns the size of a blob in bytes. `None` if the layout does not have it.
    ///
    /// # Errors
    /// `Io`.
    pub fn blob_size(&self, digest: &Digest) -> Result<Option<u64>> {
        let path = self.blob_path(digest);
        match fs::metadata(&path) {
            Ok(found) => Ok(Some(found.len())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read blob", &path, error)),
        }
    }

    /// Returns the path of a blob that is written or removed. Readers follow blobs that are links,
    /// since they compare the bytes with the digests; some build tools make such layouts.
    fn place_to_change(&self, digest: &Digest) -> Result<PathBuf> {
        let algorithm = format!("{BLOBS}/{}", digest.algorithm().as_str());
        let blob = format!("{algorithm}/{}", digest.hex());
        links::refuse(&self.root, [BLOBS, &algorithm, &blob])?;
        Ok(self.root.join(blob))
    }

    fn find(&self, target: &TagOrDigest) -> Result<Option<Descriptor>> {
        match target {
            TagOrDigest::Tag(tag) => {
                self.look(|index| index.by_tag(self.repository.as_ref(), tag).cloned())
            }
            TagOrDigest::Digest(digest) => {
                match self.look(|index| index.by_digest(digest).cloned())? {
                    None => self.find_unlisted(digest),
                    found => Ok(found),
                }
            }
        }
    }

    /// Finds a manifest that only another manifest lists. Its type is only in its own bytes.
    fn find_unlisted(&self, digest: &Digest) -> Result<Option<Descriptor>> {
        let path = self.blob_path(digest);
        let size = fs::metadata(&path).map_or(u64::MAX, |metadata| metadata.len());
        if size > self.limits.manifest_bytes {
            return Ok(None);
        }
        let Some(bytes) = read_file(&path)? else { return Ok(None) };
        let manifest = Manifest::parse(bytes.into(), None)
            .ok()
            .filter(|manifest| manifest.is_index() || manifest.document().config.is_some());
        Ok(manifest.map(|manifest| Descriptor { digest: digest.clone(), ..manifest.descriptor() }))
    }

    fn read_manifest(&self, descriptor: &Descriptor) -> Result<Manifest> {
        let path = self.blob_path(&descriptor.digest);
        if fs::metadata(&path).is_ok_and(|found| !found.is_file()) {
            return Err(Error::invalid(format!("`{}` is not a regular file", path.display())));
        }
        let bytes = read_blob(&path, descriptor, self.limits.manifest_bytes)?;
        Manifest::parse(bytes, Some(&descriptor.media_type))
    }

    fn store_blob(&self, blob: &Descriptor, source: &BlobSource) -> Result<Sent> {
        let place = self.place_to_change(&blob.digest)?;
        let same_size = fs::metadata(&place).is_ok_and(|there| there.len() == blob.size);
        // After a loss of power, a file that was written late may have other content.
        let trusted = self.writer.durability() != Durability::Late;
        if same_size && (trusted || self.is_stored(blob)) {
            return Ok(Sent::Present);
        }
        let unfinished = self.writer.unfinished();
        let result = self.fill(&unfinished, blob, source);
        match result.and_then(|()| self.writer.rename(&unfinished, &place)) {
            Ok(()) => Ok(Sent::Uploaded),
            Err(error) => {
                // The first error is the one to report.
                let _ = fs::remove_file(&unfinished);
                Err(error)
            }
        }
    }

    fn fill(&self, path: &Path, blob: &Descriptor, source: &BlobSource) -> Result<()> {
        let mut file =
            File::create_new(path).map_err(|error| Error::io("create file", path, error))?;
        verify::copy(blob, source, |part| self.writer.append(&mut file, path, part))?;
        self.writer.sync_file(&file, path)
    }

    fn store_manifest(&self, manifest: &Manifest, tag: Option<&Tag>) -> Result<()> {
        self.store_blob(&manifest.descriptor(), &BlobSource::Bytes(manifest.bytes().clone()))?;
        self.change(|index| {
            index.put(self.repository.as_ref(), Listing::from(manifest), tag);
            Ok(())
        })
    }

    fn remove(&self, target: &TagOrDigest) -> Result<()> {
        let removed = match target {
            TagOrDigest::Tag(tag) => {
                self.change(|index| Ok(index.remove_tag(self.repository.as_ref(), tag)))?
            }
            TagOrDigest::Digest(digest) => {
                let path = self.place_to_change(digest)?;
                let _lock = self.lock()?;
                // The entry goes first: an interrupted run leaves no entry without its content.
                let listed = self.look(|index| index.by_digest(digest).is_some())?
                    && self.rewrite(|index| Ok(index.remove_digest(digest)))?;
                listed | (self.writer.remove(&path)? == super::Removed::Yes)
            }
        };
        if removed { Ok(()) } else { Err(self.no_manifest(target)) }
    }

    fn list_referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>> {
        let mut referrers = Vec::new();
        for entry in self.entries()? {
            // A layout may list content that it does not have.
            if self.blob_path(&entry.digest).exists() {
                let manifest = self.read_manifest(&entry)?;
                if manifest.speaks_of(subject) {
                    referrers.push(manifest.as_referrer());
                }
            }
        }
        Ok(referrers)
    }

    fn no_manifest(&self, target: &TagOrDigest) -> Error {
        Error::not_found(format!("layout `{}` has no manifest `{target}`", self.root.display()))
    }

    fn require_blob(&self, blob: &Descriptor) -> Result<PathBuf> {
        let path = self.blob_path(&blob.digest);
        if path.is_file() {
            return Ok(path);
        }
        let message = format!("layout `{}` has no blob `{}`", self.root.display(), blob.digest);
        Err(Error::not_found(message))
    }
}

/// Removes the files that a killed writer left. Other writers may be active, but none leaves a file
/// unchanged for so long.
fn sweep(root: &Path) {
    let Ok(entries) = fs::read_dir(root) else { return };
    for entry in entries.filter_map(Result::ok).filter(|entry| is_unfinished(&entry.file_name())) {
        let rested = entry.metadata().ok().filter(fs::Metadata::is_file).and_then(|meta| {
            meta.modified().ok()?.elapsed().ok().filter(|rested| *rested > LEFT_BEHIND)
        });
        if rested.is_some() {
            // The next sweep tries again.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Returns a path whose every parent has a name, so that each can be made and flushed.
fn absolute(root: &Path) -> Result<PathBuf> {
    if root.as_os_str().is_empty() {
        return Err(Error::usage("`layout:` names no folder").with_hint("`layout:DIR`"));
    }
    std::path::absolute(root).map_err(|error| Error::io("find", root, error))
}

impl Fetch for Layout {
    async fn fetch_manifest(&self, target: &TagOrDigest) -> Result<Manifest> {
        let (this, target) = (self.clone(), target.clone());
        blocking(move || {
            let found = this.find(&target)?.ok_or_else(|| this.no_manifest(&target))?;
            if !this.blob_path(&found.digest).exists() {
                return Err(this.no_manifest(&target));
            }
            let manifest = this.read_manifest(&found)?;
            match &target {
                TagOrDigest::Digest(digest) if !digest.matches(manifest.bytes()) => {
                    Err(damaged(digest))
                }
                _ => Ok(manifest),
            }
        })
        .await
    }

    async fn fetch_blob(&self, blob: &Descriptor, cap: u64) -> Result<Bytes> {
        let (this, blob) = (self.clone(), blob.clone());
        blocking(move || read_blob(&this.require_blob(&blob)?, &blob, cap)).await
    }

    async fn fetch_blob_file(&self, blob: &Descriptor) -> Result<BlobFile> {
        let (this, blob) = (self.clone(), blob.clone());
        blocking(move || check_blob(this.require_blob(&blob)?, &blob)).await
    }
}

impl Push for Layout {
    async fn push_blob(&self, blob: &Descriptor, source: &BlobSource) -> Result<Sent> {
        let (this, blob, source) = (self.clone(), blob.clone(), source.clone());
        blocking(move || this.store_blob(&blob, &source)).await
    }

    async fn push_manifest(&self, manifest: &Manifest, tag: Option<&Tag>) -> Result<()> {
        let (this, manifest, tag) = (self.clone(), manifest.clone(), tag.cloned());
        blocking(move || this.store_manifest(&manifest, tag.as_ref())).await
    }
}

impl Exists for Layout {
    async fn holds_blob(&self, blob: &Descriptor) -> Result<Held> {
        let there = fs::metadata(self.blob_path(&blob.digest));
        Ok(match there {
            Ok(there) if there.len() == blob.size => Held::Yes,
            _ => Held::Unknown,
        })
    }
}

impl Resolve for Layout {
    async fn resolve(&self, target: &TagOrDigest) -> Result<Option<Descriptor>> {
        let (this, target) = (self.clone(), target.clone());
        blocking(move || this.find(&target)).await
    }
}

impl Tags for Layout {
    async fn tags(&self) -> Result<Vec<Tag>> {
        let this = self.clone();
        blocking(move || this.look(|index| index.tags(this.repository.as_ref()))).await
    }

    async fn delete(&self, target: &TagOrDigest) -> Result<()> {
        let (this, target) = (self.clone(), target.clone());
        blocking(move || this.remove(&target)).await
    }
}

impl Referrers for Layout {
    async fn referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>> {
        let (this, subject) = (self.clone(), subject.clone());
        let mut found = blocking(move || this.list_referrers(&subject)).await?;
        if artifact_type.is_some() {
            found.retain(|referrer| referrer.artifact_type.as_deref() == artifact_type);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
