//! The attachment of files to a manifest: an artifact whose subject is that manifest. It ends only
//! when the subject's list of referrers has it.

use super::{
    compose::{Artifact, Parts, compose},
    push::{self, Step},
};
use crate::{
    Error, ErrorKind, Result,
    oci::Descriptor,
    store::{Fetch, Push, Referrers, Resolve},
};

/// Attaches an artifact to `subject`.
///
/// # Errors
/// `Usage` if the artifact has no type, or neither files nor annotations; `Protocol` if the
/// registry does not list the artifact afterwards; any error of the destination.
pub async fn attach<R: Fetch + Push + Resolve + Referrers>(
    repository: &R,
    name: &str,
    subject: Descriptor,
    parts: Parts,
    at_once: usize,
    listener: &(dyn Fn(Step<'_>) + Send + Sync),
) -> Result<Artifact> {
    if parts.artifact_type.is_none() && parts.config.is_none() {
        return Err(Error::usage("an attachment needs a type"));
    }
    let subject_digest = subject.digest.clone();
    let plain = Descriptor::new(&subject.media_type, subject.digest, subject.size);
    let artifact = compose(Parts { subject: Some(plain), ..parts })?;
    push::push(repository, name, &artifact, &[], at_once, listener).await?;
    let listed = repository.referrers(&subject_digest, None).await?;
    let digest = artifact.manifest.digest();
    if listed.iter().any(|referrer| referrer.digest == *digest) {
        return Ok(artifact);
    }
    Err(Error::new(
        ErrorKind::Protocol,
        format!(
            "`{digest}` was pushed to `{name}`, but the referrers of `{subject_digest}` lack it"
        ),
    )
    .with_hint("clients will not find it from its subject; run the command again"))
}
