//! One repository of the store on disk: its blobs, manifests, tags and referrers. Every call blocks
//! on the disk; `local` implements the asynchronous traits with it.

use super::{
    Disk,
    commit::Removed,
    file_names::{decode_tag, digest_of_file, encode_tag, file_name, in_directory},
    read_directory, read_file, read_start,
};
use crate::lock::ManyReaders as _;
use crate::{
    Error, ErrorKind, Result,
    limits::REFERRERS_LOOKED_AT,
    oci::{Descriptor, Digest, Document, Manifest, RepositoryName, Tag, TagOrDigest},
    store::verify::has_bytes,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::{
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// One repository of a [`Disk`], which may not exist yet.
#[derive(Clone, Debug)]
pub struct Repository {
    pub(crate) disk: Disk,
    name: RepositoryName,
}

/// A blob as stored on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBlob {
    /// Path of the file. The caller must not change it.
    pub path: PathBuf,
    /// The size of the blob in bytes.
    pub size: u64,
}

/// A manifest as stored on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredManifest {
    /// The digest and the media type of the push, and the size.
    pub descriptor: Descriptor,
    /// The raw bytes of the manifest.
    pub bytes: Bytes,
}

/// A page of the referrers of a manifest. Each referrer is a file that holds its descriptor as
/// JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReferrersPage {
    /// The files, in the order of the referrers' digests.
    pub files: Vec<StoredBlob>,
    /// The digest of the last referrer of this page; the next page begins after it.
    pub last: Option<Digest>,
    /// True if more pages follow.
    pub more: bool,
}

/// The rule for a manifest that names content which its repository does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missing {
    /// Refuse it: nobody could pull such a manifest.
    #[default]
    Refuse,
    /// Accept it, as a sparse mirror needs it.
    Accept,
}

/// The result of a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mounted {
    /// The repository now has the blob.
    Yes,
    /// The other repository does not have the blob.
    NotThere,
}

/// The digest of content that a manifest names and its repository does not have. It is the source
/// of the error that refuses the manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the repository does not have `{0}`")]
pub struct MissingContent(pub Digest);

/// The manifest that a target refers to, which a conditional put did not expect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionFailed {
    /// The target of the put.
    pub target: TagOrDigest,
    /// The digest of the target's manifest; `None` if it does not exist.
    pub current: Option<Digest>,
}

impl std::fmt::Display for ConditionFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let target = &self.target;
        match &self.current {
            Some(digest) => write!(f, "the condition failed: `{target}` is `{digest}`"),
            None => write!(f, "the condition failed: `{target}` does not exist"),
        }
    }
}

impl std::error::Error for ConditionFailed {}

/// Bytes of a buffer that holds any tag's file: a digest of 135 characters at most, a blank, and a
/// time.
const TAG_FILE: usize = 256;

/// The record that the repository keeps about a manifest beside its bytes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    media_type: String,
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<Digest>,
}

impl Repository {
    pub(crate) fn new(disk: Disk, name: RepositoryName) -> Self {
        Self { disk, name }
    }

    /// Returns the name of the repository.
    pub fn name(&self) -> &RepositoryName {
        &self.name
    }

    /// Returns true if anything was ever stored in the repository.
    pub fn exists(&self) -> bool {
        self.references().is_dir()
    }

    /// Returns the blob, if this repository has it.
    pub fn blob(&self, digest: &Digest) -> Result<Option<StoredBlob>> {
        let Some(marker) = read_file(&self.blob_marker(digest))? else { return Ok(None) };
        let path = self.disk.blob_path(digest);
        let Ok(metadata) = fs::metadata(&path) else { return Ok(None) };
        // A blob that lost bytes to a crash without durability does not count, so a client can push
        // it again. A marker without content says nothing about the blob.
        let noted = std::str::from_utf8(&marker).ok().and_then(|size| size.parse::<u64>().ok());
        let whole = noted.is_none_or(|size| size == metadata.len());
        Ok(whole.then_some(StoredBlob { path, size: metadata.len() }))
    }

    /// Adds a blob of the store to this repository.
    pub(crate) fn mark_blob(&self, digest: &Digest, size: u64) -> Result<()> {
        let writer = self.disk.writable()?;
        let _shared = self.disk.guard(&self.name).reading();
        writer.mark(&self.blob_marker(digest), size.to_string().as_bytes())
    }

    /// Adds a blob of the repository `from` to this one, without a copy.
    pub fn mount_blob(&self, digest: &Digest, from: &RepositoryName) -> Result<Mounted> {
        let Some(blob) = self.disk.repository(from).blob(digest)? else {
            return Ok(Mounted::NotThere);
        };
        self.mark_blob(digest, blob.size).map(|()| Mounted::Yes)
    }

    /// Adds a blob of another repository to this one. It takes the blob from the repository with
    /// the nearest name that has the blob and that `may_pull` allows. It examines at most `most`
    /// repositories.
    pub fn mount_nearest(
        &self,
        digest: &Digest,
        most: usize,
        may_pull: impl Fn(&RepositoryName) -> bool,
    ) -> Result<Mounted> {
        if !self.disk.blob_path(digest).exists() {
            return Ok(Mounted::NotThere);
        }
        let mut found = Mounted::NotThere;
        let mut left = most;
        self.disk.visit_near(&self.name, &mut |name| {
            if left == 0 {
                return Ok(ControlFlow::Break(()));
            }
            left -= 1;
            let other = self.disk.repository(&name);
            // The check of the file comes before the check of the right, which may cost more.
            if let Some(blob) = other.blob(digest)?
                && may_pull(&name)
            {
                self.mark_blob(digest, blob.size)?;
                found = Mounted::Yes;
                return Ok(ControlFlow::Break(()));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    /// Removes a blob from this repository. Its bytes stay while another repository has it.
    pub fn delete_blob(&self, digest: &Digest) -> Result<Removed> {
        let writer = self.disk.writable()?;
        let _alone = self.disk.guard(&self.name).writing();
        writer.remove(&self.blob_marker(digest))
    }

    /// Returns the descriptor of a manifest, if this repository has it.
    pub fn find(&self, target: &TagOrDigest) -> Result<Option<Descriptor>> {
        let Some(digest) = self.digest_of(target)? else { return Ok(None) };
        let Some(record) = self.record(&digest)? else { return Ok(None) };
        let there = fs::metadata(self.disk.blob_path(&digest)).map(|metadata| metadata.len());
        // As with blobs, a manifest that lost bytes does not count.
        Ok(there
            .is_ok_and(|size| size == record.size)
            .then(|| Descriptor::new(&record.media_type, digest, record.size)))
    }

    /// Returns a manifest with its raw bytes, if this repository has it.
    pub fn manifest(&self, target: &TagOrDigest) -> Result<Option<StoredManifest>> {
        let Some(descriptor) = self.find(target)? else { return Ok(None) };
        let bytes = read_file(&self.disk.blob_path(&descriptor.digest))?;
        Ok(bytes.map(|bytes| StoredManifest { descriptor, bytes: bytes.into() }))
    }

    /// Stores a manifest under `digest`, lists it as a referrer of its subject, and moves `tags` to
    /// it, in this order.
    ///
    /// # Errors
    /// `Integrity` if the bytes have another digest; `Invalid` with a [`MissingContent`] as its
    /// source.
    pub fn put_manifest(
        &self,
        manifest: &Manifest,
        digest: &Digest,
        tags: &[Tag],
        missing: Missing,
    ) -> Result<()> {
        let _shared = self.disk.guard(&self.name).reading();
        self.write_manifest(manifest, digest, tags, missing)
    }

    /// Stores a manifest as [`Self::put_manifest`] does, if `may_put` accepts the manifest that
    /// `target` refers to. No other request can change the repository between the check and the
    /// write.
    ///
    /// # Errors
    /// `Conflict` with a [`ConditionFailed`] as its source; the errors of [`Self::put_manifest`].
    pub fn put_manifest_if(
        &self,
        manifest: &Manifest,
        digest: &Digest,
        (target, tags): (&TagOrDigest, &[Tag]),
        missing: Missing,
        may_put: impl Fn(Option<&Digest>) -> bool,
    ) -> Result<()> {
        let _alone = self.disk.guard(&self.name).writing();
        let current = self.find(target)?.map(|found| found.digest);
        if !may_put(current.as_ref()) {
            let failed = ConditionFailed { target: target.clone(), current };
            return Err(Error::new(ErrorKind::Conflict, failed.to_string()).with_source(failed));
        }
        self.write_manifest(manifest, digest, tags, missing)
    }

    fn write_manifest(
        &self,
        manifest: &Manifest,
        digest: &Digest,
        tags: &[Tag],
        missing: Missing,
    ) -> Result<()> {
        let writer = self.disk.writable()?;
        let bytes = manifest.bytes();
        if digest != manifest.digest() && !digest.matches(bytes) {
            return Err(Error::new(
                ErrorKind::Integrity,
                format!("the manifest does not have the digest `{digest}`"),
            ));
        }
        self.require_content(manifest.document(), missing, |_| None)?;
        let place = self.disk.blob_path(digest);
        // A damaged file has the right length too, so the bytes are compared.
        if has_bytes(&place, bytes) {
            writer.sync_parent(&place)?;
        } else {
            writer.write(&place, bytes)?;
        }
        for (path, content) in self.entries(manifest, digest) {
            writer.write(&path, &content)?;
        }
        tags.iter().try_for_each(|tag| {
            let (path, content) = self.tag_file(tag, digest);
            writer.write(&path, &content)
        })
    }

    /// Returns the files that the store keeps for a manifest beside its bytes: its record, and its
    /// entry among the referrers of its subject.
    pub(crate) fn entries(&self, manifest: &Manifest, digest: &Digest) -> Vec<(PathBuf, Vec<u8>)> {
        let referrer = Descriptor { digest: digest.clone(), ..manifest.as_referrer() };
        let record = Record {
            media_type: referrer.media_type.clone(),
            size: referrer.size,
            artifact_type: referrer.artifact_type.clone(),
            subject: manifest.document().subject.as_ref().map(|subject| subject.digest.clone()),
        };
        let mut entries = vec![(self.manifest_record(digest), crate::json::to_vec(&record))];
        if let Some(subject) = &record.subject {
            entries.push((self.referrer_entry(subject, digest), crate::json::to_vec(&referrer)));
        }
        entries
    }

    /// Removes a tag, or a manifest with all its tags.
    pub fn remove(&self, target: &TagOrDigest) -> Result<Removed> {
        let writer = self.disk.writable()?;
        let _alone = self.disk.guard(&self.name).writing();
        let digest = match target {
            TagOrDigest::Tag(tag) => return writer.remove(&self.tag_path(tag)),
            TagOrDigest::Digest(digest) => digest,
        };
        let Some(record) = self.record(digest)? else { return Ok(Removed::WasAbsent) };
        for tag in self.tag_names()? {
            if self.read_tag(&tag)?.as_ref() == Some(digest) {
                writer.remove(&self.tag_path(&tag))?;
            }
        }
        if let Some(subject) = &record.subject {
            writer.remove(&self.referrer_entry(subject, digest))?;
        }
        writer.remove(&self.manifest_record(digest))
    }

    /// Returns all tags in byte order.
    pub fn tag_names(&self) -> Result<Vec<Tag>> {
        let directory = self.references().join("tags");
        let mut tags = Vec::new();
        for entry in read_directory(&directory)? {
            let entry = entry.map_err(|error| Error::io("read directory", &directory, error))?;
            tags.extend(entry.file_name().to_str().and_then(decode_tag));
        }
        tags.sort_unstable();
        Ok(tags)
    }

    /// Returns the descriptors of the manifests whose subject is `subject`, in the order of their
    /// digests.
    pub fn list_referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>> {
        let directory = self.subject_directory(subject);
        let mut referrers: Vec<Descriptor> = Vec::new();
        for entry in read_directory(&directory)? {
            let path =
                entry.map_err(|error| Error::io("read directory", &directory, error))?.path();
            // Another process may have removed it since the directory was read.
            if let Some(bytes) = read_file(&path)? {
                referrers.push(parse(&path, &bytes)?);
            }
        }
        referrers.sort_unstable_by(|a, b| a.digest.cmp(&b.digest));
        Ok(referrers)
    }

    /// Returns the referrers of `subject` after `after`, as files. It reads only their sizes, and
    /// their types if the caller wants only those of `artifact_type`.
    pub fn page_of_referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
        after: Option<&str>,
        room: u64,
    ) -> Result<ReferrersPage> {
        let directory = self.subject_directory(subject);
        let mut digests = Vec::new();
        for entry in read_directory(&directory)? {
            let entry = entry.map_err(|error| Error::io("read directory", &directory, error))?;
            let digest = entry.file_name().to_str().and_then(digest_of_file);
            digests.extend(digest.filter(|digest| after.is_none_or(|last| digest.as_str() > last)));
        }
        digests.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        let mut page = ReferrersPage::default();
        let mut left = room;
        let mut rest = digests.into_iter().enumerate().peekable();
        while let Some((at, digest)) = rest.next() {
            let path = self.referrer_entry(subject, &digest);
            // Another process may have removed it since the directory was read.
            let Ok(metadata) = fs::metadata(&path) else { continue };
            let wanted = match artifact_type {
                None => true,
                Some(wanted) => self
                    .record(&digest)?
                    .is_some_and(|record| record.artifact_type.as_deref() == Some(wanted)),
            };
            if wanted {
                if metadata.len() > left && !page.files.is_empty() {
                    page.more = true;
                    break;
                }
                left = left.saturating_sub(metadata.len());
                page.files.push(StoredBlob { path, size: metadata.len() });
            }
            page.last = Some(digest);
            if at + 1 >= REFERRERS_LOOKED_AT && rest.peek().is_some() {
                page.more = true;
                break;
            }
        }
        Ok(page)
    }

    fn digest_of(&self, target: &TagOrDigest) -> Result<Option<Digest>> {
        match target {
            TagOrDigest::Digest(digest) => Ok(Some(digest.clone())),
            TagOrDigest::Tag(tag) => self.read_tag(tag),
        }
    }

    pub(crate) fn read_tag(&self, tag: &Tag) -> Result<Option<Digest>> {
        let path = self.tag_path(tag);
        let mut bytes = [0; TAG_FILE];
        let Some(bytes) = read_start(&path, &mut bytes)? else { return Ok(None) };
        let digest = std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| text.split_ascii_whitespace().next())
            .and_then(|text| text.parse().ok());
        digest.map(Some).ok_or_else(|| damaged(&path))
    }

    /// Returns the file of a tag, and its content if the tag is on this manifest.
    pub(crate) fn tag_file(&self, tag: &Tag, digest: &Digest) -> (PathBuf, Vec<u8>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        (self.tag_path(tag), format!("{digest} {now}\n").into_bytes())
    }

    fn record(&self, digest: &Digest) -> Result<Option<Record>> {
        let path = self.manifest_record(digest);
        read_file(&path)?.map(|bytes| parse(&path, &bytes)).transpose()
    }

    /// Refuses a manifest that clients could not pull. Everything that it needs must be present or
    /// in this push, except its subject and layers that are by definition stored elsewhere. Present
    /// content must have the size that the manifest names.
    pub(crate) fn require_content(
        &self,
        document: &Document,
        missing: Missing,
        coming: impl Fn(&Digest) -> Option<u64>,
    ) -> Result<()> {
        let blobs = document.config.iter().chain(document.layers());
        for blob in blobs {
            let size = match coming(&blob.digest) {
                Some(size) => Some(size),
                None => self.blob(&blob.digest)?.map(|found| found.size),
            };
            match size {
                Some(size) => require_size("blob", blob, size)?,
                None if missing == Missing::Accept || is_elsewhere(blob) => {}
                None => return Err(missing_content("blob", &blob.digest)),
            }
        }
        for manifest in document.manifests() {
            match self.record(&manifest.digest)? {
                Some(record) => require_size("manifest", manifest, record.size)?,
                None if missing == Missing::Accept => {}
                None => return Err(missing_content("manifest", &manifest.digest)),
            }
        }
        if let Some(subject) = &document.subject
            && let Some(record) = self.record(&subject.digest)?
        {
            require_size("subject", subject, record.size)?;
        }
        Ok(())
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.disk.directory_of(&self.name)
    }

    fn references(&self) -> PathBuf {
        self.directory().join("_r")
    }

    pub(crate) fn blob_marker(&self, digest: &Digest) -> PathBuf {
        in_directory(self.references().join("blobs"), digest)
    }

    fn manifest_record(&self, digest: &Digest) -> PathBuf {
        in_directory(self.references().join("manifests"), digest)
    }

    fn subject_directory(&self, subject: &Digest) -> PathBuf {
        self.references().join("subjects").join(file_name(subject))
    }

    fn referrer_entry(&self, subject: &Digest, referrer: &Digest) -> PathBuf {
        self.subject_directory(subject).join(file_name(referrer))
    }

    fn tag_path(&self, tag: &Tag) -> PathBuf {
        self.references().join("tags").join(encode_tag(tag, self.disk.0.tag_case))
    }
}

/// Returns true for a layer whose license forbids to distribute it. Clients download it from its
/// own addresses.
fn is_elsewhere(blob: &Descriptor) -> bool {
    !blob.urls.is_empty()
        || blob.media_type.contains(".nondistributable.")
        || blob.media_type == "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
}

fn require_size(what: &str, named: &Descriptor, size: u64) -> Result<()> {
    if named.size == size {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "the manifest says that the {what} `{}` has {} bytes; it has {size}",
        named.digest, named.size
    )))
}

fn missing_content(what: &str, digest: &Digest) -> Error {
    Error::invalid(format!("the manifest names the {what} `{digest}`, which was not pushed"))
        .with_source(MissingContent(digest.clone()))
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| damaged(path).with_source(error))
}

fn damaged(path: &Path) -> Error {
    Error::new(ErrorKind::Integrity, format!("`{}` is damaged", path.display()))
}
