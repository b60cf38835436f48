//! The comparison of an archive with the digest in its index.

use super::candidate::{Candidate, Payload};
use crate::{
    Error,
    index::ListedDigest,
    oci::Digest,
    ops::repository::listed::{Mismatch, Verdict, compare},
};

/// Describes the difference between the bytes and the digest in the index. Returns `None` if they
/// match.
///
/// # Errors
/// `Io` if the archive must be read again to compare it.
pub(crate) fn mismatch(candidate: &Candidate, payload: &Payload) -> Result<Option<String>, Error> {
    let listed = match (&candidate.listed, &candidate.digest) {
        (ListedDigest::Missing, Some(digest)) => &ListedDigest::Digest(digest.clone()),
        (listed, _) => listed,
    };
    let manifests: Vec<Digest> =
        payload.ready.iter().map(|(_, manifest)| manifest.digest().clone()).collect();
    let verdict = compare(listed, &payload.archive, &payload.content.digest, &manifests)?;
    Ok(match verdict {
        Verdict::Differs(Mismatch { listed, found }) => {
            Some(format!("the index has {listed}, its archive has {found}"))
        }
        Verdict::Equal | Verdict::Missing | Verdict::Odd(_) => None,
    })
}
