//! References of artifacts: `HOST/NS/NAME[:TAG[,TAG…]][@DIGEST]`, with or without `oci://`, and
//! `layout:DIR[:TAG[,TAG…]][@DIGEST]`.

use crate::{
    Error, Result,
    cli::{
        Run,
        shell::{
            location::LayoutReference, location_grammar::LocationText, remote::RemoteArgs,
            side_flags::SideArgs,
        },
    },
    client::Intent,
    oci::{Digest, Manifest, Reference, Tag, TagOrDigest},
    ops::{any_repository::AnyRepository, tag_not_found},
    store::{
        Durability, Fetch,
        layout::{Layout, tar_file},
    },
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::TempDir;

/// The use of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Use {
    /// Read it. A layout must exist.
    Read,
    /// Write to what is there. A layout must exist.
    Change,
    /// Write to it. A layout is created.
    Write,
}

/// A repository with the tags and the digest of a reference.
#[derive(Debug)]
pub(in crate::cli) struct Place {
    pub(in crate::cli) repository: AnyRepository,
    /// The name for messages, such as `host/ns/name`.
    pub(in crate::cli) name: String,
    pub(in crate::cli) tags: Vec<Tag>,
    pub(in crate::cli) digest: Option<Digest>,
    /// The tar file of a layout, and the folder to which it is unpacked.
    tar: Option<Arc<(PathBuf, TempDir)>>,
}

impl Place {
    /// Opens the repository of a reference.
    pub(in crate::cli) fn open(
        run: &Run,
        text: &str,
        remote: &RemoteArgs,
        usage: Use,
    ) -> Result<Self> {
        let (one, further) = split_tags(text)?;
        if let LocationText::Layout(rest) = LocationText::parse(&one) {
            let found = LayoutReference::parse(rest)?;
            let tar = match found.folder.extension() {
                Some(end) if end == "tar" && !found.folder.is_dir() => {
                    Some(Arc::new((found.folder.clone(), unpacked(&found.folder, usage)?)))
                }
                _ => None,
            };
            let layout = match (&tar, usage) {
                (None, Use::Read | Use::Change) => found.open()?,
                (None, Use::Write) => Layout::create(&found.folder)?,
                // Only the tar file outlives this run.
                (Some(tar), _) => Layout::create_with(tar.1.path(), Durability::Late)?,
            };
            return Ok(Self {
                repository: AnyRepository::Layout(Box::new(layout)),
                name: format!("layout:{}", found.folder.display()),
                tags: found.tag.into_iter().chain(further).collect(),
                digest: found.digest,
                tar,
            });
        }
        let reference: Reference = one.parse()?;
        let client = remote.client(run)?;
        let repository = client.repository(&reference.registry, &reference.repository);
        let repository = match usage {
            Use::Read => repository,
            Use::Change | Use::Write => repository.with_intent(Intent::Writing),
        };
        Ok(Self {
            repository: AnyRepository::Registry(repository),
            name: reference.repository_path(),
            tags: reference.tag.into_iter().chain(further).collect(),
            digest: reference.digest,
            tar: None,
        })
    }

    /// Returns another repository below this place.
    pub(in crate::cli) fn below(&self, repository: AnyRepository, name: String) -> Self {
        Self { repository, name, tags: Vec::new(), digest: None, tar: self.tar.clone() }
    }

    /// Finishes a run that wrote to this place: it writes the tar file of a layout anew.
    pub(in crate::cli) async fn finish(&self) -> Result<()> {
        let (Some(tar), AnyRepository::Layout(layout)) = (&self.tar, &self.repository) else {
            return Ok(());
        };
        layout.settle().await?;
        tar_file::pack(tar.1.path(), &tar.0)
    }

    /// Opens the repositories of both sides of a copy.
    pub(in crate::cli) fn open_both(
        run: &Run,
        source: &str,
        destination: &str,
        sides: &SideArgs,
        remote: &RemoteArgs,
    ) -> Result<(Self, Self)> {
        let with_scheme = |text: &str| match text.contains("://") || text.starts_with("layout:") {
            true => text.to_owned(),
            false => format!("oci://{text}"),
        };
        remote.require_one_host(&[with_scheme(source), with_scheme(destination)])?;
        let (from_side, to_side) = sides.both(run, remote)?;
        let source = Self::open(&from_side.run, source, &from_side.remote, Use::Read)?;
        let target = Self::open(&to_side.run, destination, &to_side.remote, Use::Write)?;
        Ok((source, target))
    }

    /// Returns the one target of a reference to read: its digest, else its tag.
    ///
    /// # Errors
    /// `Usage` without either, and for several tags.
    pub(in crate::cli) fn target(&self) -> Result<TagOrDigest> {
        match (&self.digest, self.tags.as_slice()) {
            (Some(digest), _) => Ok(TagOrDigest::Digest(digest.clone())),
            (None, [tag]) => Ok(TagOrDigest::Tag(tag.clone())),
            (None, []) => {
                Err(Error::usage(format!("`{}` has neither a tag nor a digest", self.name))
                    .with_hint(format!("write `{}:TAG` or `{}@sha256:…`", self.name, self.name)))
            }
            (None, _) => Err(Error::usage(format!("`{}` has several tags to read", self.name))),
        }
    }

    /// Downloads the manifest of the target. With a tag and a digest, the digest counts.
    ///
    /// # Errors
    /// `NotFound`, with similar tags, for a tag that does not exist.
    pub(in crate::cli) async fn manifest(&self, run: &Run) -> Result<Manifest> {
        let target = self.target()?;
        let manifest = match (self.repository.fetch_manifest(&target).await, &target) {
            (Ok(manifest), _) => manifest,
            (Err(error), TagOrDigest::Tag(tag)) if error.kind() == crate::ErrorKind::NotFound => {
                let missing = tag_not_found::error(&self.repository, &self.name, tag, None).await;
                return Err(missing.with_source(error));
            }
            (Err(error), _) => return Err(error),
        };
        if let (Some(digest), [tag]) = (&self.digest, self.tags.as_slice()) {
            self.warn_of_moved(run, tag, digest).await;
        }
        Ok(manifest)
    }

    async fn warn_of_moved(&self, run: &Run, tag: &Tag, digest: &Digest) {
        use crate::store::Resolve as _;
        let found = self.repository.resolve(&TagOrDigest::Tag(tag.clone())).await;
        if let Ok(Some(found)) = found
            && found.digest != *digest
        {
            let name = &self.name;
            run.talk
                .warn(&format!("`{name}:{tag}` is {}; the digest {digest} counts", found.digest));
        }
    }

    /// Returns the reference by digest.
    pub(in crate::cli) fn by_digest(&self, digest: &Digest) -> String {
        format!("{}@{digest}", self.name)
    }

    /// Returns the kind of place as ORAS names it.
    pub(in crate::cli) fn oras_kind(&self) -> &'static str {
        match self.repository {
            AnyRepository::Layout(_) => "oci-layout",
            AnyRepository::Registry(_) | AnyRepository::Disk(_) => "registry",
        }
    }

    /// Returns the name as ORAS prints it: without the prefix of a layout.
    pub(in crate::cli) fn oras_name(&self) -> &str {
        self.name.strip_prefix("layout:").unwrap_or(&self.name)
    }
}

/// Unpacks a tar file beside which there is room for it. One that does not exist is empty, if it is
/// to be written.
fn unpacked(file: &Path, usage: Use) -> Result<TempDir> {
    let fail = |error| Error::io("create a temporary folder for", file, error);
    let parent = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let folder = match usage {
        Use::Read => tempfile::tempdir(),
        Use::Change | Use::Write => tempfile::tempdir_in(parent),
    }
    .map_err(fail)?;
    match usage {
        Use::Write if !file.exists() => {}
        Use::Read | Use::Change | Use::Write => tar_file::unpack(file, folder.path())?,
    }
    Ok(folder)
}

/// Splits `NAME:a,b,c` into `NAME:a` and the further tags.
fn split_tags(text: &str) -> Result<(String, Vec<Tag>)> {
    let after_path = text.rfind('/').map_or(0, |at| at + 1);
    let Some(colon) = text[after_path..].rfind(':').map(|at| after_path + at) else {
        return Ok((text.to_owned(), Vec::new()));
    };
    let mut tags = text[colon + 1..].split(',');
    if text.contains('@') {
        return Ok((text.to_owned(), Vec::new()));
    }
    let first = tags.next().unwrap_or_default();
    let further = tags.map(str::parse).collect::<Result<_, _>>()?;
    Ok((format!("{}:{first}", &text[..colon]), further))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_tags_follow_the_first() {
        for (text, one, further) in [
            ("h/ns/a:1,2,latest", "h/ns/a:1", &["2", "latest"][..]),
            ("h:5000/ns/a", "h:5000/ns/a", &[]),
            ("layout:dir:1,2", "layout:dir:1", &["2"]),
            ("h/a@sha256:00", "h/a@sha256:00", &[]),
        ] {
            let (found, tags) = split_tags(text).expect(text);
            assert_eq!(found, one);
            assert_eq!(tags, further, "{text}");
        }
        assert!(split_tags("h/a:1,b/c").is_err() || split_tags("h/a:1,!").is_err());
    }
}
