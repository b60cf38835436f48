//! The copy of one artifact, step by step.

use super::{
    blobs::copy_blobs,
    digest_tag::DigestTags,
    graph::{Graph, Node, Role},
    identity,
    journal::Journal,
    merge,
    options::{Existing, Options, Replaces, Side},
    platform,
    report::{Moved, Report},
    step::{Listener, Step},
    verify,
};
use crate::{
    Error, ErrorKind, Result,
    oci::{Digest, Tag, TagOrDigest},
    store::{Fetch, Push, Referrers as _, Resolve},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

/// Copies an artifact of a repository whose tags of digests are known.
pub(super) async fn copy_one(
    source: Side<'_>,
    target: Side<'_>,
    from: &TagOrDigest,
    tags: &[Tag],
    known: &DigestTags,
    options: &Options,
    listener: Listener<'_>,
) -> Result<Report> {
    let root =
        source.repository.fetch_manifest(from).await.map_err(|error| {
            error.context(format!("cannot copy `{}`", shown(source.name, from)))
        })?;
    let digest = root.digest().clone();
    listener(Step::Resolved(&digest));
    if let Some(expected) = options.expect.as_ref().filter(|expected| **expected != digest) {
        return Err(Error::new(
            ErrorKind::Conflict,
            format!("`{}` is {digest}, not {expected}", shown(source.name, from)),
        )
        .with_hint("nothing was copied; the tag has moved since its digest was read"));
    }
    let before = tags_before(target, tags, options).await?;
    let chosen = platform::choose(source, root, options).await?;
    let mut left_behind = 0;
    let mut warnings = Vec::new();
    if *chosen.digest() != digest {
        left_behind = attached_to(source, &digest, known).await?;
        warnings
            .push(format!("the chosen platforms of {digest} have the digest {}", chosen.digest()));
    }
    let graph = Graph::read(source, chosen, known, options).await?;
    let (resolved, digest) = (digest, graph.root().digest().clone());
    let mut report = Report {
        manifests: graph.nodes.len(),
        referrers: graph.count(|role| matches!(role, Role::Referrer { .. })),
        digest_tags: graph.count(|role| matches!(role, Role::DigestTag { .. })),
        left_behind: left_behind + graph.left_behind,
        warnings: warnings.into_iter().chain(graph.warnings.clone()).collect(),
        ..Report::of(&digest)
    };
    if options.signed_names {
        for name in identity::other_names(source, &graph, target.name).await? {
            report.warnings.push(format!(
                "a signature names the repository `{name}`: cosign accepts it at the destination, \
                 containers/image does not"
            ));
        }
    }
    if options.dry_run {
        report.tags = tags.iter().map(ToString::to_string).collect();
        return Ok(report);
    }
    let mut journal = Journal::open(options.journal.as_deref(), target.name, &digest)?;
    let carry = Carry { source, target, options, listener };
    if let Err(error) = carry.all(&graph, &journal, &mut report).await {
        // A registry removes blobs that no manifest names after a time of its own.
        let is_stale = error.registry_codes().iter().any(|code| code == "MANIFEST_BLOB_UNKNOWN");
        if !is_stale || journal.is_empty() {
            return Err(error);
        }
        journal.forget();
        carry.all(&graph, &journal, &mut report).await?;
    }
    require_unmoved(source, from, &resolved).await?;
    for (tag, old) in tags.iter().zip(before) {
        let differs = old.as_ref().filter(|old| **old != digest);
        if differs.is_some() && options.existing == Existing::Keep {
            report.kept.push(tag.to_string());
            continue;
        }
        if old.as_ref() != Some(&digest) {
            target.repository.push_manifest(graph.root(), Some(tag)).await?;
        }
        report.tags.push(tag.to_string());
        report.moved.extend(differs.map(|from| Moved { tag: tag.to_string(), from: from.clone() }));
    }
    report.lost = verify::missing(target, &graph, &report).await?;
    // What is lost must be sent again.
    journal.remove();
    Ok(report)
}

/// The transfer of a graph's blobs and manifests.
struct Carry<'a> {
    source: Side<'a>,
    target: Side<'a>,
    options: &'a Options,
    listener: Listener<'a>,
}

impl Carry<'_> {
    async fn all(&self, graph: &Graph, journal: &Journal, report: &mut Report) -> Result<()> {
        let Self { source, target, options, listener } = *self;
        let at_once = options.at_once.max(1);
        report.blobs = copy_blobs(source, target, graph, options, listener, journal).await?;
        for group in graph.groups() {
            let stored = group.into_iter().map(|node| async move {
                let digest = node.manifest.digest();
                let is_plain = !matches!(node.role, Role::DigestTag { .. });
                let outcome = match is_plain && journal.has(digest) {
                    true => merge::Outcome::Stored,
                    false => put(target, source, node).await?,
                };
                if is_plain {
                    journal.note(digest);
                }
                listener(Step::Manifest(&node.manifest));
                Ok::<_, Error>((node, outcome))
            });
            let stored: Vec<(&Node, merge::Outcome)> =
                stream::iter(stored).buffered(at_once).try_collect().await?;
            for (node, outcome) in stored {
                note(target, node, outcome, report);
            }
        }
        Ok(())
    }
}

/// Counts the referrers and signatures of an index of which only a part is copied.
async fn attached_to(source: Side<'_>, digest: &Digest, known: &DigestTags) -> Result<usize> {
    let referrers = source.repository.referrers(digest, None).await?;
    Ok(referrers.len() + known.of(source, digest).await?.len())
}

/// Returns the digests that the tags have at the destination before the copy.
async fn tags_before(
    target: Side<'_>,
    tags: &[Tag],
    options: &Options,
) -> Result<Vec<Option<Digest>>> {
    let mut all = Vec::with_capacity(tags.len());
    for tag in tags {
        let found = match target.repository.resolve(&TagOrDigest::Tag(tag.clone())).await {
            Ok(found) => found.map(|found| found.digest),
            // Credentials that may only push cannot see the tag. A requirement needs the answer.
            Err(error) if error.kind() == ErrorKind::Denied && options.replaces.is_none() => None,
            Err(error) => return Err(error),
        };
        let place = format!("{}:{tag}", target.name);
        let wrong = match (&options.replaces, &found) {
            (None, _) | (Some(Replaces::Nothing), None) => None,
            (Some(Replaces::Nothing), Some(found)) => Some(format!("`{place}` exists, as {found}")),
            (Some(Replaces::Digest(wanted)), Some(found)) if wanted == found => None,
            (Some(Replaces::Digest(wanted)), Some(found)) => {
                Some(format!("`{place}` is {found}, not {wanted}"))
            }
            (Some(Replaces::Digest(wanted)), None) => {
                Some(format!("`{place}` does not exist, and should be {wanted}"))
            }
        };
        if let Some(wrong) = wrong {
            return Err(Error::new(ErrorKind::Conflict, wrong).with_hint("nothing was copied"));
        }
        all.push(found);
    }
    Ok(all)
}

/// Stores a manifest at the destination, under its digest or under its own tag.
async fn put(target: Side<'_>, source: Side<'_>, node: &Node) -> Result<merge::Outcome> {
    match &node.role {
        Role::DigestTag { tag, .. } => {
            merge::store(source.repository, target.repository, tag, &node.manifest).await
        }
        Role::Root | Role::Part | Role::Referrer { .. } => {
            target.repository.push_manifest(&node.manifest, None).await?;
            Ok(merge::Outcome::Stored)
        }
    }
}

/// Adds the outcome for a tag of a digest to the report.
fn note(target: Side<'_>, node: &Node, outcome: merge::Outcome, report: &mut Report) {
    let Role::DigestTag { tag, .. } = &node.role else { return };
    match outcome {
        merge::Outcome::Stored => {}
        merge::Outcome::Merged => report
            .warnings
            .push(format!("`{}:{tag}` had other signatures; it has both now", target.name)),
        merge::Outcome::Kept => {
            report.kept.push(tag.to_string());
            report
                .warnings
                .push(format!("`{}:{tag}` has other content, which was kept", target.name));
        }
    }
}

/// Requires that the source's tag still refers to what was copied.
async fn require_unmoved(source: Side<'_>, from: &TagOrDigest, digest: &Digest) -> Result<()> {
    let TagOrDigest::Tag(tag) = from else { return Ok(()) };
    match source.repository.resolve(from).await? {
        Some(found) if found.digest == *digest => Ok(()),
        found => {
            let now = found.map_or("nothing".to_owned(), |found| found.digest.to_string());
            Err(Error::new(
                ErrorKind::Conflict,
                format!("`{}:{tag}` moved from {digest} to {now} during the copy", source.name),
            )
            .with_hint("no tag was written at the destination; run the command again"))
        }
    }
}

/// Returns a reference as text.
fn shown(name: &str, target: &TagOrDigest) -> String {
    match target {
        TagOrDigest::Tag(tag) => format!("{name}:{tag}"),
        TagOrDigest::Digest(digest) => format!("{name}@{digest}"),
    }
}
