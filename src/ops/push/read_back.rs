//! The verification of a push by reading it back. The registry may return the same bytes, not
//! return them yet, or have changed them.

use super::{options::Verify, report::Verified};
use crate::{
    Error, ErrorKind, Result,
    oci::{Manifest, TagOrDigest},
    store::Fetch,
};
use std::time::Duration;

pub(crate) async fn read_back<R: Fetch>(
    repository: &R,
    name: &str,
    target: &TagOrDigest,
    ours: &Manifest,
    how: Verify,
    read_back_delays: &[Duration],
) -> Result<Verified> {
    let mut pauses = read_back_delays.iter();
    loop {
        let wrong = match repository.fetch_manifest(target).await {
            Ok(theirs) if theirs.bytes() == ours.bytes() => break,
            Ok(theirs) => stored_otherwise(name, target, ours, &theirs),
            Err(error) if error.kind() == ErrorKind::Denied => return Ok(Verified::Unreadable),
            Err(error) if error.kind() == ErrorKind::NotFound => Error::new(
                ErrorKind::Integrity,
                format!("{name}:{target} was pushed and accepted, but is not there"),
            )
            .with_source(error),
            Err(error) => {
                return Err(
                    error.context(format!("{name}:{target} was pushed, but cannot be read back"))
                );
            }
        };
        match pauses.next() {
            Some(pause) => tokio::time::sleep(*pause).await,
            None => return Err(wrong),
        }
    }
    if how == Verify::Full {
        let document = ours.document();
        for blob in document.config.iter().chain(document.layers()) {
            repository.fetch_blob_file(blob).await.map_err(|error| {
                error.context(format!("{name}:{target} was pushed, but reading it back failed"))
            })?;
        }
    }
    Ok(Verified::Yes)
}

/// Names the registry's change to the manifest, and the remedy.
fn stored_otherwise(name: &str, target: &TagOrDigest, ours: &Manifest, theirs: &Manifest) -> Error {
    let (pushed, stored) = (ours.document(), theirs.document());
    let config = |document: &crate::oci::Document| {
        document.config.as_ref().map(|config| config.media_type.clone())
    };
    let harbor = "it does not support OCI artifacts, or the support is disabled; in Harbor, see the project's settings";
    let (what, remedy) = if pushed.artifact_type.is_some() && stored.artifact_type.is_none() {
        ("the artifact type is dropped", harbor)
    } else if config(pushed) != config(stored) {
        ("the config has another media type", harbor)
    } else if pushed.annotations != stored.annotations {
        ("the annotations differ", REWRITES)
    } else if pushed == stored {
        ("it is the same manifest in other bytes", REWRITES)
    } else {
        (
            "it is another manifest",
            "someone else may have pushed the same tag just now; otherwise the registry rewrites manifests",
        )
    };
    Error::new(
        ErrorKind::Integrity,
        format!(
            "{name}:{target} holds {} after the push of {}: {what}",
            theirs.digest(),
            ours.digest()
        ),
    )
    .with_hint(format!("the registry stored other content than it received: {remedy}"))
}

const REWRITES: &str =
    "it rewrites manifests, which changes digests and breaks signatures; it needs an update";
