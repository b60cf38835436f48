//! The look at the destination after a copy: each manifest, each list of referrers, each signature
//! and each tag.

use super::{
    graph::{Graph, Role},
    merge,
    options::Side,
    report::Report,
};
use crate::{
    ErrorKind, Result,
    oci::{Digest, TagOrDigest},
    store::{Fetch, Referrers, Resolve},
};
use std::collections::HashMap;

/// Returns what the destination lacks, one phrase each.
pub(super) async fn missing(
    target: Side<'_>,
    graph: &Graph,
    report: &Report,
) -> Result<Vec<String>> {
    let repository = target.repository;
    let mut lost = Vec::new();
    let mut lists: HashMap<&Digest, Vec<Digest>> = HashMap::new();
    for node in &graph.nodes {
        let digest = node.manifest.digest();
        match &node.role {
            Role::DigestTag { tag } => {
                if report.kept.iter().any(|kept| kept == tag.as_str()) {
                    continue;
                }
                let place = TagOrDigest::Tag(tag.clone());
                let is_there = match repository.fetch_manifest(&place).await {
                    Ok(there) => merge::has_all(&there, &node.manifest),
                    Err(error) if error.kind() == ErrorKind::NotFound => false,
                    Err(error) => return Err(error),
                };
                if !is_there {
                    lost.push(format!("the tag `{tag}`"));
                }
                continue;
            }
            Role::Referrer { subject } => {
                if !lists.contains_key(subject) {
                    let listed = repository.referrers(subject, None).await?;
                    let digests = listed.into_iter().map(|referrer| referrer.digest).collect();
                    lists.insert(subject, digests);
                }
                if !lists[subject].contains(digest) {
                    lost.push(format!("the referrer {digest} in the list of {subject}"));
                }
            }
            Role::Root | Role::Part => {}
        }
        let place = TagOrDigest::Digest(digest.clone());
        if repository.resolve(&place).await?.is_none_or(|found| found.digest != *digest) {
            lost.push(format!("the manifest {digest}"));
        }
    }
    for tag in &report.tags {
        let place = TagOrDigest::Tag(tag.parse()?);
        if repository.resolve(&place).await?.is_none_or(|found| found.digest != report.digest) {
            lost.push(format!("the tag `{tag}`"));
        }
    }
    Ok(lost)
}
