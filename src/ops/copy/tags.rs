//! The copy of many tags of a repository. A tag that refers to the same manifest on both sides,
//! with the same tags of its digest, is there already and costs one request on each side.

use super::{
    artifact::copy_one,
    digest_tag::{self, DigestTags},
    options::{Options, Side},
    report::Report,
    step::Listener,
};
use crate::{
    Error, Result,
    oci::{Tag, TagOrDigest},
    store::{Resolve, Tags},
};
use futures_util::{StreamExt, stream};
use regex::Regex;
use std::collections::HashSet;

/// The number of tags in work at once. Most of the time of a small artifact is that of answers, and
/// the client bounds the requests to each host.
const AT_ONCE: usize = 32;

/// The choice among the tags of a repository.
#[derive(Clone, Debug, Default)]
pub struct TagChoice {
    /// Only tags that match one of these; all if empty.
    pub include: Vec<Regex>,
    /// No tags that match one of these.
    pub exclude: Vec<Regex>,
    /// True to look for new referrers of manifests that are there.
    pub look: bool,
}

/// The outcome for many tags.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct TagsReport {
    /// The copied tags, in their order.
    pub copied: Vec<(Tag, Report)>,
    /// The tags that were there by their digests.
    pub there: usize,
    /// The tags that could not be copied.
    pub failed: Vec<(Tag, Error)>,
}

/// Copies the chosen tags, each under its own name.
///
/// # Errors
/// Any error of listing the source's tags. The report has the failures of single tags.
pub async fn copy_tags(
    source: Side<'_>,
    target: Side<'_>,
    choice: &TagChoice,
    options: &Options,
    listener: Listener<'_>,
) -> Result<TagsReport> {
    let all = source.repository.tags().await?;
    let known = DigestTags::among(all.iter().cloned());
    // A repository that does not exist yet has no tags.
    let theirs: HashSet<Tag> =
        target.repository.tags().await.unwrap_or_default().into_iter().collect();
    let chosen = all.into_iter().filter(|tag| {
        let matches = |all: &[Regex]| all.iter().any(|one| one.is_match(tag.as_str()));
        let included = choice.include.is_empty() || matches(&choice.include);
        included && !matches(&choice.exclude) && !digest_tag::is_one(tag)
    });
    let work = stream::iter(chosen).map(|tag| {
        let (known, theirs) = (&known, &theirs);
        async move {
            let done = one(source, target, &tag, known, theirs, choice, options, listener).await;
            (tag, done)
        }
    });
    let done: Vec<(Tag, Result<Option<Report>>)> = work.buffered(AT_ONCE).collect().await;
    let mut report = TagsReport::default();
    for (tag, outcome) in done {
        match outcome {
            Ok(Some(copied)) => report.copied.push((tag, copied)),
            Ok(None) => report.there += 1,
            Err(error) => report.failed.push((tag, error)),
        }
    }
    Ok(report)
}

/// Copies one tag. Returns `None` if it is there.
#[expect(clippy::too_many_arguments, reason = "both sides, their tags and the options")]
async fn one(
    source: Side<'_>,
    target: Side<'_>,
    tag: &Tag,
    known: &DigestTags,
    theirs: &HashSet<Tag>,
    choice: &TagChoice,
    options: &Options,
    listener: Listener<'_>,
) -> Result<Option<Report>> {
    let from = TagOrDigest::Tag(tag.clone());
    if !choice.look && theirs.contains(tag) {
        let ours = source.repository.resolve(&from).await?;
        let there = target.repository.resolve(&from).await?;
        if let (Some(ours), Some(there)) = (ours, there)
            && ours.digest == there.digest
        {
            let signatures = known.of(source, &ours.digest).await?;
            if signatures.iter().all(|signature| theirs.contains(signature)) {
                return Ok(None);
            }
        }
    }
    let tags = [tag.clone()];
    copy_one(source, target, &from, &tags, known, options, listener).await.map(Some)
}
