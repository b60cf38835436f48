//! Tags made of a digest: `sha256-<hex>.<anything>` for cosign's signatures, attestations and SBOMs
//! of a manifest, and the bare `sha256-<hex>`, the list of referrers of a registry without their
//! API.

use super::options::Side;
use crate::{
    Error, ErrorKind, Result,
    oci::{Descriptor, Digest, Tag, TagOrDigest},
    ops::any_repository::AnyRepository,
    store::{Referrers as _, Resolve, Tags},
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Hexadecimal digits of a digest in such a tag. Those of a SHA-512 are cut, so that they fit.
const DIGITS: usize = 64;

/// Returns the tag's text for a digest, without any ending.
pub(super) fn stem(digest: &Digest) -> String {
    let hex = digest.hex();
    format!("{}-{}", digest.algorithm().as_str(), &hex[..hex.len().min(DIGITS)])
}

/// Returns true if a tag is made of a digest: with an ending, or the bare tag of a list of
/// referrers.
pub(super) fn is_one(tag: &Tag) -> bool {
    stem_of(tag).is_some() || {
        let Some((algorithm, hex)) = tag.as_str().split_once('-') else { return false };
        matches!(algorithm, "sha256" | "sha512")
            && hex.len() == DIGITS
            && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    }
}

/// Returns the stem of a tag with an ending, if it is one: `sha256-<hex>` of `sha256-<hex>.sig`.
pub(super) fn stem_of(tag: &Tag) -> Option<&str> {
    let (stem, ending) = tag.as_str().split_once('.')?;
    let (algorithm, hex) = stem.split_once('-')?;
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let fits = matches!(algorithm, "sha256" | "sha512")
        && hex.len() == DIGITS
        && hex.bytes().all(is_hex)
        && !ending.is_empty();
    fits.then_some(stem)
}

/// The endings that are asked for where a registry does not list its tags.
const ENDINGS: [&str; 3] = ["sig", "att", "sbom"];

/// Pages of the list of tags that a copy of one artifact reads. A page of the largest registries
/// has 1,000 tags; beyond, a few questions for each manifest cost less.
const PAGES: usize = 3;
/// Tags of one page after a manifest's stem. More endings are not known.
const AFTER: usize = 100;

/// The tags of a repository that are made of digests.
#[derive(Clone, Debug)]
pub struct DigestTags {
    known: Known,
    /// True once the registry is known to keep no lists of referrers. Its manifests exist, so a 404
    /// cannot mean that the repository is missing.
    listless: Arc<AtomicBool>,
}

#[derive(Clone, Debug)]
enum Known {
    /// The tags by their stems.
    Listed(BTreeMap<String, Vec<Tag>>),
    /// The repository does not list its tags, or lists too many of them.
    Unlisted,
}

impl DigestTags {
    /// Lists the tags of a repository.
    ///
    /// # Errors
    /// Any error of the source, except of one that does not list its tags.
    pub async fn list(source: Side<'_>) -> Result<Self> {
        let tags = match source.repository.tags_within(PAGES).await {
            Ok(Some(tags)) => tags,
            Ok(None) => return Ok(Self::of_known(Known::Unlisted)),
            Err(error) if has_no_list(&error) => return Ok(Self::of_known(Known::Unlisted)),
            Err(error) => return Err(error),
        };
        Ok(Self::among(tags))
    }

    /// Returns the tags of digests among all tags of a repository.
    pub fn among(tags: impl IntoIterator<Item = Tag>) -> Self {
        let mut all: BTreeMap<String, Vec<Tag>> = BTreeMap::new();
        for tag in tags {
            if let Some(stem) = stem_of(&tag) {
                all.entry(stem.to_owned()).or_default().push(tag);
            } else if tag.as_str().starts_with("sha256-") || tag.as_str().starts_with("sha512-") {
                all.entry(tag.as_str().to_owned()).or_default();
            }
        }
        Self::of_known(Known::Listed(all))
    }

    fn of_known(known: Known) -> Self {
        Self { known, listless: Arc::default() }
    }

    /// Returns the referrers that the repository itself lists. Those of a list under a tag come by
    /// [`Self::list_of`].
    pub(super) async fn referrers(
        &self,
        source: Side<'_>,
        subject: &Digest,
    ) -> Result<Vec<Descriptor>> {
        match source.repository {
            AnyRepository::Registry(_) if self.listless.load(Ordering::Relaxed) => Ok(Vec::new()),
            AnyRepository::Registry(registry) => {
                let listed = registry.listed_referrers(subject).await?;
                if listed.is_none() {
                    self.listless.store(true, Ordering::Relaxed);
                }
                Ok(listed.unwrap_or_default())
            }
            other => other.referrers(subject, None).await,
        }
    }

    /// Returns the tags of a digest.
    pub(super) async fn of(&self, source: Side<'_>, digest: &Digest) -> Result<Vec<Tag>> {
        let stem = stem(digest);
        match &self.known {
            Known::Listed(all) => Ok(all.get(&stem).cloned().unwrap_or_default()),
            Known::Unlisted => {
                let mut found = Vec::new();
                for ending in ENDINGS {
                    let tag: Tag = format!("{stem}.{ending}").parse()?;
                    if source.repository.resolve(&TagOrDigest::Tag(tag.clone())).await?.is_some() {
                        found.push(tag);
                    }
                }
                found.extend(listed_after(source, &stem, &found).await?);
                Ok(found)
            }
        }
    }

    /// Returns the number of a digest's tags, the list of its referrers among them, as far as they
    /// are listed.
    pub fn count_of(&self, digest: &Digest) -> usize {
        match &self.known {
            Known::Listed(all) => {
                let stem = stem(digest);
                all.get(&stem).map_or(0, |tags| tags.len().max(1))
            }
            Known::Unlisted => 0,
        }
    }

    /// Returns the tag of a digest's list of referrers, if it may exist.
    pub(super) fn list_of(&self, digest: &Digest) -> Option<Tag> {
        let stem = stem(digest);
        match &self.known {
            Known::Listed(all) if !all.contains_key(&stem) => None,
            Known::Listed(_) | Known::Unlisted => stem.parse().ok(),
        }
    }
}

/// Returns the other tags with this stem, which come right after it in a sorted list. A list that
/// is not sorted says nothing, and a registry without a list has answered for the usual endings.
async fn listed_after(source: Side<'_>, stem: &str, known: &[Tag]) -> Result<Vec<Tag>> {
    let listed = match source.repository.tags_after(stem, AFTER).await {
        Ok(listed) => listed,
        Err(error) if has_no_list(&error) => Vec::new(),
        Err(error) => return Err(error),
    };
    if !listed.is_sorted_by(|a, b| a.as_str() <= b.as_str()) {
        return Ok(Vec::new());
    }
    let is_new = |tag: &Tag| stem_of(tag) == Some(stem) && !known.contains(tag);
    Ok(listed.into_iter().filter(is_new).collect())
}

/// Returns true if a registry has no list of tags for this client. Any other failure must not pass
/// for an empty list, or signatures would be lost.
fn has_no_list(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Denied | ErrorKind::Protocol)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_of_a_digest_has_its_stem_and_an_ending() {
        let digest = Digest::sha256(b"x");
        let stem = stem(&digest);
        for (ending, found) in
            [(".sig", true), (".att", true), (".x.y", true), ("", false), (".", false)]
        {
            let tag: Tag = format!("{stem}{ending}").parse().expect("tag");
            assert_eq!(stem_of(&tag), found.then_some(stem.as_str()), "{ending}");
        }
        for other in ["1.0.0", "sha256-abc.sig", "latest"] {
            assert_eq!(stem_of(&other.parse().expect("tag")), None, "{other}");
        }
    }
}
