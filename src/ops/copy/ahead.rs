//! Answers of the source, read ahead and several at once: each names what to ask for next, and the
//! graph is built from them in its own order. Over a slow line, a copy takes as long as the
//! artifact is deep, however wide it is.

use super::{
    digest_tag::DigestTags,
    options::{Attached, Options, Side},
};
use crate::{
    Result,
    oci::{Descriptor, Digest, Manifest, Tag, TagOrDigest, media},
    store::Fetch,
};
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use std::collections::{HashMap, HashSet, VecDeque};

/// Requests in flight at once.
const AT_ONCE: usize = 8;
/// Answers that are held. More are read when the graph needs them; a manifest has a few KiB, and at
/// most 8 MiB.
const HELD: usize = 10_000;

/// Answers of the source that were read ahead. Each is taken once.
#[derive(Default)]
pub(super) struct Ahead {
    manifests: HashMap<TagOrDigest, Result<Manifest>>,
    referrers: HashMap<Digest, Result<Vec<Descriptor>>>,
    digest_tags: HashMap<Digest, Result<Vec<Tag>>>,
}

enum Question {
    Manifest(TagOrDigest),
    Referrers(Digest),
    DigestTags(Digest),
}

enum Answer {
    Manifest(TagOrDigest, Box<Result<Manifest>>),
    Referrers(Digest, Result<Vec<Descriptor>>),
    DigestTags(Digest, Result<Vec<Tag>>),
}

impl Ahead {
    /// Reads what belongs to `root`: its parts, referrers and signatures, and theirs. Failures are
    /// kept as answers.
    pub(super) async fn read(
        source: Side<'_>,
        root: &Manifest,
        tags: &DigestTags,
        options: &Options,
    ) -> Self {
        let mut ahead = Self::default();
        let mut asked = HashSet::new();
        let mut queue = VecDeque::new();
        let mut running: FuturesUnordered<BoxFuture<'_, Answer>> = FuturesUnordered::new();
        follow(root, &mut queue);
        loop {
            while running.len() < AT_ONCE
                && asked.len() < HELD
                && let Some(question) = queue.pop_front()
            {
                if asked.insert(key(&question)) {
                    running.push(ask(source, tags, question));
                }
            }
            let Some(answer) = running.next().await else { return ahead };
            ahead.keep(answer, options, &mut queue);
        }
    }

    fn keep(&mut self, answer: Answer, options: &Options, queue: &mut VecDeque<Question>) {
        match answer {
            Answer::Manifest(target, found) => {
                if let Ok(manifest) = &*found {
                    follow(manifest, queue);
                }
                self.manifests.insert(target, *found);
            }
            Answer::Referrers(subject, found) => {
                let listed = found.iter().flatten().filter(|referrer| options.takes(referrer));
                queue.extend(listed.map(|referrer| by_digest(&referrer.digest)));
                self.referrers.insert(subject, found);
            }
            Answer::DigestTags(digest, found) => {
                let wanted = options.digest_tags == Attached::All;
                let tags = found.iter().flatten().filter(|_| wanted);
                queue.extend(tags.map(|tag| Question::Manifest(TagOrDigest::Tag(tag.clone()))));
                self.digest_tags.insert(digest, found);
            }
        }
    }

    /// Returns a manifest of the source.
    pub(super) async fn manifest(
        &mut self,
        source: Side<'_>,
        target: &TagOrDigest,
    ) -> Result<Manifest> {
        match self.manifests.remove(target) {
            Some(found) => found,
            None => source.repository.fetch_manifest(target).await,
        }
    }

    /// Returns the source's list of referrers.
    pub(super) async fn referrers(
        &mut self,
        source: Side<'_>,
        tags: &DigestTags,
        subject: &Digest,
    ) -> Result<Vec<Descriptor>> {
        match self.referrers.remove(subject) {
            Some(found) => found,
            None => tags.referrers(source, subject).await,
        }
    }

    /// Returns the source's tags of a digest.
    pub(super) async fn digest_tags(
        &mut self,
        source: Side<'_>,
        tags: &DigestTags,
        digest: &Digest,
    ) -> Result<Vec<Tag>> {
        match self.digest_tags.remove(digest) {
            Some(found) => found,
            None => tags.of(source, digest).await,
        }
    }
}

/// Adds the questions that a manifest raises.
fn follow(manifest: &Manifest, queue: &mut VecDeque<Question>) {
    queue.push_back(Question::Referrers(manifest.digest().clone()));
    queue.push_back(Question::DigestTags(manifest.digest().clone()));
    let children = manifest.document().manifests().iter().filter(|child| is_manifest(child));
    queue.extend(children.map(|child| by_digest(&child.digest)));
}

fn by_digest(digest: &Digest) -> Question {
    Question::Manifest(TagOrDigest::Digest(digest.clone()))
}

fn key(question: &Question) -> (u8, String) {
    match question {
        Question::Manifest(target) => (0, target.to_string()),
        Question::Referrers(digest) => (1, digest.to_string()),
        Question::DigestTags(digest) => (2, digest.to_string()),
    }
}

fn ask<'a>(source: Side<'a>, tags: &'a DigestTags, question: Question) -> BoxFuture<'a, Answer> {
    async move {
        match question {
            Question::Manifest(target) => {
                let found = source.repository.fetch_manifest(&target).await;
                Answer::Manifest(target, Box::new(found))
            }
            Question::Referrers(subject) => {
                let found = tags.referrers(source, &subject).await;
                Answer::Referrers(subject, found)
            }
            Question::DigestTags(digest) => {
                let found = tags.of(source, &digest).await;
                Answer::DigestTags(digest, found)
            }
        }
    }
    .boxed()
}

/// Returns true if an index's entry is a manifest, and not a blob.
pub(super) fn is_manifest(entry: &Descriptor) -> bool {
    matches!(
        entry.media_type.as_str(),
        media::MANIFEST | media::INDEX | media::DOCKER_MANIFEST | media::DOCKER_LIST | ""
    )
}
