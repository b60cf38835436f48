//! The referrers of a manifest, and theirs, as a tree.

use crate::{
    Error, ErrorKind, Result,
    oci::{Descriptor, Digest},
    store::Referrers,
};
use std::collections::HashSet;

/// The depth of referrers of referrers. A signature of an SBOM of an image has depth two.
pub const MAX_DEPTH: usize = 32;
/// The referrers of one tree. A subject with more has been attacked, or signs on every build.
const MAX_REFERRERS: usize = 100_000;

/// A referrer and its own referrers.
#[derive(Clone, Debug)]
pub struct Referrer {
    /// The descriptor in its subject's list.
    pub descriptor: Descriptor,
    /// Its own referrers, in their list's order.
    pub referrers: Vec<Self>,
}

/// Returns the referrers of `subject` to a depth, of one type at the first level if that is given.
///
/// # Errors
/// `Protocol` for a list that leads back to a subject; `Limit`; any error of the store.
pub async fn discover<R: Referrers>(
    repository: &R,
    subject: &Digest,
    artifact_type: Option<&str>,
    depth: usize,
) -> Result<Vec<Referrer>> {
    let mut count = 0;
    let mut path = HashSet::from([subject.clone()]);
    level(repository, subject, artifact_type, depth, &mut path, &mut count).await
}

/// Returns one level and those below it.
fn level<'a, R: Referrers>(
    repository: &'a R,
    subject: &'a Digest,
    artifact_type: Option<&'a str>,
    depth: usize,
    path: &'a mut HashSet<Digest>,
    count: &'a mut usize,
) -> futures_util::future::BoxFuture<'a, Result<Vec<Referrer>>> {
    Box::pin(async move {
        if depth == 0 {
            return Ok(Vec::new());
        }
        let listed = repository.referrers(subject, artifact_type).await?;
        let mut found = Vec::with_capacity(listed.len());
        for descriptor in listed {
            *count += 1;
            if *count > MAX_REFERRERS {
                let message = format!("`{subject}` has more than {MAX_REFERRERS} referrers");
                return Err(Error::new(ErrorKind::Limit, message));
            }
            if !path.insert(descriptor.digest.clone()) {
                return Err(Error::new(
                    ErrorKind::Protocol,
                    format!("the referrers of `{subject}` lead back to `{}`", descriptor.digest),
                ));
            }
            let referrers =
                level(repository, &descriptor.digest, artifact_type, depth - 1, path, count)
                    .await?;
            path.remove(&descriptor.digest);
            found.push(Referrer { descriptor, referrers });
        }
        Ok(found)
    })
}
