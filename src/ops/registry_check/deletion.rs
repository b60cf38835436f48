//! Deletions, by tag and by digest.

use super::{
    probe::{Found, Probe, differs, no, yes},
    row::{About, Row, Weight},
};
use crate::{
    oci::TagOrDigest,
    store::{Resolve as _, Tags as _},
};

const UNTAGGED: About = About {
    check: "untagged",
    what: "a manifest without a tag stays",
    means: "referrers that have no tag may vanish here",
    remedy: Some("turn off the removal of untagged manifests for this repository"),
    weight: Weight::Limit,
};
const BY_TAG: About = About {
    check: "deleteTag",
    what: "a tag can be deleted",
    means: "a tag can only be removed by way of an empty manifest that is deleted",
    remedy: Some("Harbor, GHCR and Docker Hub delete tags by their own pages and interfaces"),
    weight: Weight::Comfort,
};
const KEEPS: About = About {
    check: "tagKeepsManifest",
    what: "a manifest survives the deletion of its tag",
    means: "the removal of a tag puts the manifest back, with its other tags",
    remedy: None,
    weight: Weight::Comfort,
};
const BY_DIGEST: About = About {
    check: "deleteManifest",
    what: "a manifest can be deleted",
    means: "old versions and this check's own artifacts stay",
    remedy: Some("distribution needs `storage.delete.enabled: true`"),
    weight: Weight::Limit,
};

pub(super) async fn rows(probe: &Probe<'_>) -> Vec<Row> {
    let (by_tag, keeps) = by_tag(probe).await;
    let mut rows = vec![UNTAGGED.row(untagged(probe).await), BY_TAG.row(by_tag)];
    rows.extend(keeps.map(|keeps| KEEPS.row(keeps)));
    rows.push(BY_DIGEST.row(by_digest(probe).await));
    rows
}

async fn untagged(probe: &Probe<'_>) -> Found {
    let manifest = probe.artifact("without a tag", None).await?;
    probe.put(&manifest, None).await?;
    let target = TagOrDigest::Digest(manifest.digest().clone());
    match probe.repository.resolve(&target).await? {
        Some(_) => yes(),
        None => no("it is gone at once"),
    }
}

/// Deletes a tag; if that works, the second result is that for its manifest.
async fn by_tag(probe: &Probe<'_>) -> (Found, Option<Found>) {
    let deleted = async {
        let manifest = probe.artifact("to be untagged", None).await?;
        probe.put(&manifest, Some("to-be-deleted")).await?;
        let tag = TagOrDigest::Tag("to-be-deleted".parse()?);
        probe.repository.delete(&tag).await?;
        let is_gone = probe.repository.resolve(&tag).await?.is_none();
        Ok::<_, crate::Error>((manifest, is_gone))
    };
    match deleted.await {
        Err(error) => (Err(error), None),
        Ok((_, false)) => (no("the registry accepts it, and the tag is still there"), None),
        Ok((manifest, true)) => {
            let target = TagOrDigest::Digest(manifest.digest().clone());
            let keeps = match probe.repository.resolve(&target).await {
                Ok(Some(_)) => yes(),
                Ok(None) => differs("the manifest is deleted with its tag"),
                Err(error) => Err(error),
            };
            (yes(), Some(keeps))
        }
    }
}

async fn by_digest(probe: &Probe<'_>) -> Found {
    let manifest = probe.artifact("to be deleted", None).await?;
    probe.put(&manifest, Some("deleted-by-digest")).await?;
    let target = TagOrDigest::Digest(manifest.digest().clone());
    probe.repository.delete(&target).await?;
    if probe.repository.resolve(&target).await?.is_some() {
        return no("the registry accepts it, and the manifest is still there");
    }
    let tag = TagOrDigest::Tag("deleted-by-digest".parse()?);
    match probe.repository.resolve(&tag).await? {
        None => yes(),
        Some(_) => differs("the manifest is gone, and its tag is not"),
    }
}
