//! Referrers of a manifest, from the registry's referrers API or, without one, from an index. The
//! index has a tag made of the subject's digest (distribution-spec, "referrers tag schema").
//!
//! The index has no lock, and concurrent clients can overwrite each other's index. After a write,
//! the client therefore reads the index again until it has the change.

use super::{
    list::Asked,
    manifest::{Fetched, PutCondition},
};
use crate::{
    Error, ErrorKind, Result,
    client::{
        Repository,
        auth::access::Action,
        http::{
            error_response,
            message::{Request, Response, text},
        },
    },
    oci::{Descriptor, Digest, Document, Manifest, Tag, TagOrDigest, media},
    store::Referrers,
};
use ::http::Method;
use std::{collections::HashSet, time::Duration};

/// Maximum number of writes of the index before the client reports a failure.
const WRITES: usize = 10;
const PAUSE: Duration = Duration::from_millis(300);

impl Referrers for Repository {
    async fn referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>> {
        let mut list = match self.listed(subject, artifact_type).await? {
            Some(list) => list,
            None => match self.index(subject).await? {
                Some(fetched) => fetched.manifest.document().manifests().to_vec(),
                None => Vec::new(),
            },
        };
        if let Some(kind) = artifact_type {
            list.retain(|own| own.artifact_type.as_deref() == Some(kind));
        }
        Ok(list)
    }
}

impl Repository {
    /// Returns the manifests that the registry's API lists as referrers of a digest. The result is
    /// `None` if the registry has no such API.
    ///
    /// # Errors
    /// Fails if the registry does not answer, or not as the specification requires.
    pub async fn listed_referrers(&self, subject: &Digest) -> Result<Option<Vec<Descriptor>>> {
        self.listed(subject, None).await
    }

    /// Downloads the registry's own list. The result is `None` if the registry has none.
    async fn listed(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Option<Vec<Descriptor>>> {
        let act =
            format!("list the referrers of `{subject}` in `{}/{}`", self.registry(), self.name);
        let limits = &self.client.options().limits;
        let mut url = self.url(&format!("referrers/{subject}"))?;
        if let Some(kind) = artifact_type {
            url.query_pairs_mut().append_pair("artifactType", kind);
        }
        let ticket = self.ticket(Action::Read);
        let mut list = Vec::new();
        let (mut asked, mut seen) = (Asked::default(), HashSet::new());
        for page in 0..limits.pages {
            let call = Request::new(Method::GET, url.clone()).header("accept", media::INDEX);
            let answer = self.client.settle(&ticket, &act, &call, limits.manifest_bytes).await?;
            if page == 0 && is_unsupported(&answer) {
                return Ok(None);
            }
            if answer.status.as_u16() != 200 || error_response::is_page(&answer) {
                return Err(error_response::from_registry(self.registry(), &act, &answer));
            }
            let index: Document = serde_json::from_slice(&answer.body).map_err(|error| {
                Error::new(ErrorKind::Protocol, format!("cannot {act}: the list is not an index"))
                    .with_source(error)
            })?;
            // An error document with 200 is not an empty list.
            if index.manifests.is_none() {
                return Err(error_response::from_registry(self.registry(), &act, &answer));
            }
            let page = index.manifests.unwrap_or_default().into_iter();
            list.extend(page.filter(|referrer| seen.insert(referrer.digest.clone())));
            match asked.next(&act, &answer)? {
                Some(next) => url = next,
                None => return Ok(Some(list)),
            }
        }
        Err(Error::new(ErrorKind::Limit, format!("cannot {act}: the list does not end")))
    }

    /// Returns the index with the subject's tag, if the tag points to an index. Some registries
    /// return the subject itself for that tag.
    async fn index(&self, subject: &Digest) -> Result<Option<Fetched>> {
        let tag = tag_of(subject)?;
        match self.get_manifest(&TagOrDigest::Tag(tag)).await {
            Ok(fetched) if fetched.manifest.digest() == subject => Ok(None),
            Ok(fetched) if fetched.manifest.document().manifests.is_some() => Ok(Some(fetched)),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes sure that clients can find a pushed manifest from its subject. `answer` is the
    /// registry's response to the push.
    pub(crate) async fn register(
        &self,
        manifest: &Manifest,
        subject: &Descriptor,
        answer: &Response,
    ) -> Result<()> {
        // Some registries confirm the subject and yet have no list, so the client checks the list
        // too.
        if text(&answer.headers, "oci-subject").is_some()
            && (self.host.lists_referrers(&self.name)
                || self.listed(&subject.digest, None).await?.is_some())
        {
            self.host.does_list_referrers(&self.name);
            return Ok(());
        }
        self.change_index(&subject.digest, &Change::Add(Box::new(entry_of(manifest)))).await
    }

    /// Adds a manifest to the list of its subject's referrers under a tag, whether or not the
    /// registry keeps a list itself. Old clients read only that tag.
    ///
    /// # Errors
    /// `Conflict` if the list does not keep it; any error of the registry.
    pub async fn list_under_tag(&self, manifest: &Manifest) -> Result<()> {
        let Some(subject) = manifest.document().subject.as_ref() else { return Ok(()) };
        self.change_index(&subject.digest, &Change::Add(Box::new(entry_of(manifest)))).await
    }

    /// Removes a deleted manifest from the list of its subject's referrers, if the registry keeps
    /// none itself and has such a list.
    pub(crate) async fn unregister(&self, subject: &Digest, referrer: &Digest) -> Result<()> {
        if self.listed(subject, None).await?.is_some() {
            self.host.does_list_referrers(&self.name);
            return Ok(());
        }
        self.change_index(subject, &Change::Remove(referrer.clone())).await
    }

    /// Changes the index of a subject's referrers, and reads it again until it has the change.
    async fn change_index(&self, subject: &Digest, change: &Change) -> Result<()> {
        let target = TagOrDigest::Tag(tag_of(subject)?);
        let lock = self.host.index_lock(&format!("{}:{target}", self.name));
        let _one_at_a_time = lock.lock().await;
        let clock = &self.client.options().clock;
        for _ in 0..WRITES {
            let found = self.index(subject).await?;
            if change.is_in(found.as_ref().map(|found| &found.manifest)) {
                return Ok(());
            }
            let (index, condition) = match found {
                Some(Fetched { manifest, etag }) => {
                    // A weak entity tag cannot be a condition.
                    let strong = etag.filter(|etag| etag.starts_with('"'));
                    let condition = strong.map_or(PutCondition::None, PutCondition::Matches);
                    (change.applied_to(manifest.bytes())?, condition)
                }
                None => (change.applied_to(EMPTY_INDEX)?, PutCondition::IsAbsent),
            };
            let answer = self.put(&index, &target, &condition).await?;
            let status = answer.status.as_u16();
            if !answer.status.is_success() && !matches!(status, 409 | 412) {
                let act = format!("push the list of referrers of `{subject}`");
                return Err(error_response::from_registry(self.registry(), &act, &answer));
            }
            clock.wait(clock.jitter(PAUSE)).await;
        }
        let found = self.index(subject).await?;
        if change.is_in(found.as_ref().map(|found| &found.manifest)) {
            return Ok(());
        }
        let message = match change {
            Change::Add(entry) => format!(
                "`{}` was pushed, but the list of referrers of `{subject}` does not keep it",
                entry.digest
            ),
            Change::Remove(digest) => format!(
                "`{digest}` was deleted, but it stays in the list of referrers of `{subject}`"
            ),
        };
        Err(Error::new(ErrorKind::Conflict, message).with_hint(
            "other clients write the same list; run the command again when they are done",
        ))
    }
}

/// Returns the entry of a referrer in a list.
fn entry_of(manifest: &Manifest) -> Descriptor {
    let mut entry = manifest.descriptor();
    entry.artifact_type = manifest.document().effective_artifact_type().map(str::to_owned);
    entry.annotations = manifest.document().annotations.clone();
    entry
}

/// Change of an index of referrers.
enum Change {
    Add(Box<Descriptor>),
    Remove(Digest),
}

impl Change {
    /// Returns true if `index` needs no change. Without an index there is nothing to remove.
    fn is_in(&self, index: Option<&Manifest>) -> bool {
        let has = |digest: &Digest| {
            index.is_some_and(|index| {
                index.document().manifests().iter().any(|own| own.digest == *digest)
            })
        };
        match self {
            Self::Add(entry) => has(&entry.digest),
            Self::Remove(digest) => !has(digest),
        }
    }

    /// Returns the changed index. Content of other clients stays, with fields that are unknown
    /// here.
    fn applied_to(&self, index: &[u8]) -> Result<Manifest> {
        let bad =
            |error| Error::invalid("the list of referrers is not an index").with_source(error);
        let mut value: serde_json::Value = serde_json::from_slice(index).map_err(bad)?;
        let entries = value.get_mut("manifests").and_then(serde_json::Value::as_array_mut);
        if let Some(entries) = entries {
            match self {
                Self::Add(entry) => entries.push(serde_json::to_value(entry).map_err(bad)?),
                Self::Remove(digest) => {
                    let digest = digest.as_str();
                    entries.retain(|entry| entry["digest"].as_str() != Some(digest));
                }
            }
        }
        Manifest::parse(crate::json::to_vec(&value).into(), Some(media::INDEX))
    }
}

const EMPTY_INDEX: &[u8] =
    br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

/// Returns true if a response means that the registry has no such lists.
fn is_unsupported(answer: &Response) -> bool {
    matches!(answer.status.as_u16(), 400 | 404 | 405 | 501) && !error_response::is_page(answer)
        // Some registries route unknown paths to their web pages.
        || (answer.status.as_u16() == 404 && error_response::is_page(answer))
}

/// Returns the tag for a subject: `algorithm-hex`, cut to the maximum length of a tag.
fn tag_of(subject: &Digest) -> Result<Tag> {
    let hex = &subject.hex()[..subject.hex().len().min(64)];
    Ok(format!("{}-{hex}", subject.algorithm().as_str()).parse::<Tag>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::digest::Algorithm;

    #[test]
    fn a_subjects_tag_fits_a_tag() {
        let sha256 = Digest::sha256(b"x");
        assert_eq!(tag_of(&sha256).expect("tag").as_str(), format!("sha256-{}", sha256.hex()));
        let sha512 = Digest::of(Algorithm::Sha512, b"x");
        assert_eq!(
            tag_of(&sha512).expect("tag").as_str(),
            format!("sha512-{}", &sha512.hex()[..64])
        );
    }
}
