//! The look at the destination after a copy: each manifest, each list of referrers, each signature
//! and each tag.

use super::{
    graph::{Graph, Node, Role},
    merge,
    options::Side,
    report::Report,
};
use crate::{
    Error, ErrorKind, Result,
    oci::{Digest, TagOrDigest},
    store::{Fetch, Referrers, Resolve},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::collections::{HashMap, HashSet};

/// Looks in flight at once.
const AT_ONCE: usize = 8;

/// Returns what the destination lacks, one phrase each.
pub(super) async fn missing(
    target: Side<'_>,
    graph: &Graph,
    report: &Report,
) -> Result<Vec<String>> {
    let subjects: HashSet<&Digest> = graph
        .nodes
        .iter()
        .filter_map(|node| match &node.role {
            Role::Referrer { subject } => Some(subject),
            Role::Root | Role::Part | Role::DigestTag { .. } => None,
        })
        .collect();
    let lists = subjects.into_iter().map(|subject| async move {
        let listed = target.repository.referrers(subject, None).await?;
        let digests: HashSet<Digest> = listed.into_iter().map(|one| one.digest).collect();
        Ok::<_, Error>((subject, digests))
    });
    let lists: HashMap<&Digest, HashSet<Digest>> =
        stream::iter(lists).buffer_unordered(AT_ONCE).try_collect().await?;
    let looks = graph.nodes.iter().map(|node| look(target, node, &lists, report));
    let lost: Vec<Vec<String>> = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
    let mut lost: Vec<String> = lost.into_iter().flatten().collect();
    for tag in &report.tags {
        if !is_on(target, TagOrDigest::Tag(tag.parse()?), &report.digest).await? {
            lost.push(format!("the tag `{tag}`"));
        }
    }
    Ok(lost)
}

/// Returns what the destination lacks of one manifest.
async fn look(
    target: Side<'_>,
    node: &Node,
    lists: &HashMap<&Digest, HashSet<Digest>>,
    report: &Report,
) -> Result<Vec<String>> {
    let digest = node.manifest.digest();
    let mut lost = Vec::new();
    match &node.role {
        Role::DigestTag { tag, .. } => {
            if report.kept.iter().any(|kept| kept == tag.as_str()) {
                return Ok(lost);
            }
            let place = TagOrDigest::Tag(tag.clone());
            let is_there = match target.repository.fetch_manifest(&place).await {
                Ok(there) => merge::has_all(&there, &node.manifest),
                Err(error) if error.kind() == ErrorKind::NotFound => false,
                Err(error) => return Err(error),
            };
            if !is_there {
                lost.push(format!("the tag `{tag}`"));
            }
            return Ok(lost);
        }
        Role::Referrer { subject } => {
            if !lists.get(subject).is_some_and(|list| list.contains(digest)) {
                lost.push(format!("the referrer {digest} in the list of {subject}"));
            }
        }
        Role::Root | Role::Part => {}
    }
    if !is_on(target, TagOrDigest::Digest(digest.clone()), digest).await? {
        lost.push(format!("the manifest {digest}"));
    }
    Ok(lost)
}

async fn is_on(target: Side<'_>, place: TagOrDigest, digest: &Digest) -> Result<bool> {
    let found = target.repository.resolve(&place).await?;
    Ok(found.is_some_and(|found| found.digest == *digest))
}
