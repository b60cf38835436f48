//! The removal of a tag that keeps its manifest. The specification leaves open what a registry
//! does: some remove the manifest with its tag, and some refuse.

use crate::{
    Error, ErrorKind, Result, json,
    oci::{Descriptor, Digest, Document, Manifest, Tag, TagOrDigest, media},
    store::{BlobSource, Fetch, Push, Resolve, Tags},
};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::collections::BTreeMap;

/// Tags of a repository that are compared to find those of one manifest. Each costs a request.
const MOST_TAGS: usize = 1_000;
/// Tags that are compared at once.
const AT_ONCE: usize = 16;

/// Codes of registries that delete manifests by digest only: the specification's, and those of
/// older registries that take the tag for a broken digest. Another code, such as that of a tag
/// that may not change, says that the tag is to stay.
const NO_DELETION: [&str; 3] = ["UNSUPPORTED", "DIGEST_INVALID", "MANIFEST_INVALID"];

/// The way to remove a tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Means {
    /// Ask the registry to delete the tag.
    #[default]
    Tag,
    /// Move the tag to a manifest of its own, and delete that. It works on registries that delete
    /// manifests only.
    Dummy,
}

/// Options of the removal of a tag.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The way to remove it.
    pub means: Means,
    /// True to remove it although the repository has too many tags to look which others its
    /// manifest has.
    pub force: bool,
}

/// The result of the removal of a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untagged {
    /// The digest of the manifest that had the tag.
    pub digest: Digest,
    /// True if the registry removed the manifest too, so that it was put back.
    pub was_put_back: bool,
    /// The other tags that were put back with it.
    pub restored: Vec<Tag>,
    /// True if nobody looked which other tags the manifest had. Those are lost if the registry
    /// removed the manifest.
    pub is_unlooked: bool,
}

/// Removes a tag and keeps its manifest.
///
/// # Errors
/// `NotFound`; `Protocol` if the registry does not remove tags; `Partial`, with what is left, if a
/// second step failed.
pub async fn untag<R: Fetch + Push + Resolve + Tags>(
    repository: &R,
    name: &str,
    tag: &Tag,
    options: Options,
) -> Result<Untagged> {
    let target = TagOrDigest::Tag(tag.clone());
    let manifest = repository.fetch_manifest(&target).await?;
    let digest = manifest.digest().clone();
    let others = others(repository, name, tag, &digest, options.force).await?;
    let is_unlooked = others.is_none();
    match options.means {
        Means::Tag => match repository.delete(&target).await {
            // The tag existed; a deletion that is sent again after a lost answer finds none.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            other => other.map_err(|error| unsupported(error, name))?,
        },
        Means::Dummy => replace_and_delete(repository, name, tag).await?,
    }
    if matches!(repository.resolve(&target).await, Ok(Some(_))) {
        let message =
            format!("the registry accepted the removal, but `{name}:{tag}` is still there");
        return Err(Error::new(ErrorKind::Protocol, message));
    }
    let by_digest = TagOrDigest::Digest(digest.clone());
    // Anything but a clear yes puts the manifest back.
    // A PUT by digest changes nothing if it stayed.
    if matches!(repository.resolve(&by_digest).await, Ok(Some(_))) {
        return Ok(Untagged { digest, was_put_back: false, restored: Vec::new(), is_unlooked });
    }
    let others = others.unwrap_or_default();
    let restore = async {
        repository.push_manifest(&manifest, None).await?;
        for other in &others {
            repository.push_manifest(&manifest, Some(other)).await?;
        }
        Ok::<_, Error>(())
    };
    restore.await.map_err(|error| {
        let message = format!(
            "the registry removed the manifest {digest} with the tag `{tag}`, and it could not be put back"
        );
        Error::new(ErrorKind::Partial, message).with_source(error)
    })?;
    Ok(Untagged { digest, was_put_back: true, restored: others, is_unlooked })
}

/// Returns the other tags of the manifest, which a registry might remove with it; `None` if they
/// are too many to look at and `force` says to go on.
async fn others<R: Resolve + Tags>(
    repository: &R,
    name: &str,
    tag: &Tag,
    digest: &Digest,
    force: bool,
) -> Result<Option<Vec<Tag>>> {
    let all = match repository.tags().await {
        Ok(all) => all,
        Err(_) if force => return Ok(None),
        Err(error) => return Err(error),
    };
    if all.len() > MOST_TAGS {
        if force {
            return Ok(None);
        }
        let message = format!(
            "`{name}` has {} tags, too many to look which others the manifest has",
            all.len()
        );
        return Err(Error::new(ErrorKind::Limit, message).with_hint(
            "some registries remove a manifest with one of its tags; force the removal if this one does not",
        ));
    }
    let looked = all.into_iter().filter(|other| other != tag).map(|other| async move {
        let found = repository.resolve(&TagOrDigest::Tag(other.clone())).await?;
        Ok::<_, Error>(found.filter(|found| found.digest == *digest).map(|_| other))
    });
    let found: Vec<Option<Tag>> = stream::iter(looked).buffered(AT_ONCE).try_collect().await?;
    Ok(Some(found.into_iter().flatten().collect()))
}

fn unsupported(error: Error, name: &str) -> Error {
    let codes = error.registry_codes();
    let is_about_deletion =
        codes.is_empty() || codes.iter().any(|code| NO_DELETION.contains(&code.as_str()));
    if error.kind() != ErrorKind::Protocol || !is_about_deletion {
        return error;
    }
    let message = format!("the registry of `{name}` does not remove tags");
    Error::new(ErrorKind::Protocol, message)
        .with_source(error)
        .with_advice(crate::Advice::UntagByDummy)
}

/// Moves the tag to a manifest that nothing else refers to, and deletes that by its digest.
async fn replace_and_delete<R: Push + Tags>(repository: &R, name: &str, tag: &Tag) -> Result<()> {
    let empty = Descriptor::of(media::EMPTY, b"{}");
    repository.push_blob(&empty, &BlobSource::Bytes(Bytes::from_static(b"{}"))).await?;
    let unique = format!("{:?} {}", std::time::SystemTime::now(), std::process::id());
    let document = Document {
        schema_version: 2,
        media_type: Some(media::MANIFEST.to_owned()),
        artifact_type: Some("application/vnd.chartferry.untag".to_owned()),
        config: Some(empty.clone()),
        layers: Some(vec![empty]),
        manifests: None,
        subject: None,
        annotations: BTreeMap::from([("io.chartferry.untag".to_owned(), unique)]),
    };
    let dummy = Manifest::parse(json::to_vec(&document).into(), Some(media::MANIFEST))?;
    repository.push_manifest(&dummy, Some(tag)).await?;
    let target = TagOrDigest::Digest(dummy.digest().clone());
    repository.delete(&target).await.map_err(|error| {
        let message = format!(
            "`{name}:{tag}` refers to the empty manifest {} now, which could not be deleted",
            dummy.digest()
        );
        Error::new(ErrorKind::Partial, message).with_source(error)
    })
}
