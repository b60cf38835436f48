//! `bundle verify`: whether a bundle holds every byte of every chart that it lists. That each blob has its name's digest was
//! found out when it was opened.

use super::bundle::{blobs_of, listed};
use crate::{Error, Result, error::Context as _, oci::chart, store::bundle::Bundle};
use std::collections::HashSet;

/// What a bundle was found to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Charts that it lists.
    pub charts: usize,
    /// Manifests and blobs of theirs in it or in the bases that were given.
    pub blobs: usize,
    /// Charts of a delta of which something is left to a base that was not given.
    pub in_base: usize,
}

/// Verifies an opened bundle, together with the bases of a delta.
///
/// # Errors
/// `NotFound` when something is missing: of a delta only when a base was given; `Invalid` when it lists what is no chart.
pub fn verify(bundle: &Bundle, bases: &[Bundle]) -> Result<Verified> {
    let sources: Vec<&Bundle> = std::iter::once(bundle).chain(bases).collect();
    let mut held = HashSet::new();
    let mut lacking = Vec::new();
    for entry in bundle.entries() {
        let Some(manifest) = sources.iter().find_map(|source| source.manifest(entry.digest()))
        else {
            lacking.push(entry.name.to_string());
            continue;
        };
        chart::find(manifest)
            .context(|| format!("`{}` lists {}", bundle.path().display(), entry.name))?;
        held.insert(entry.digest());
        let mut whole = true;
        for blob in blobs_of(manifest) {
            if sources.iter().any(|source| source.holds(&blob.digest) == Some(blob.size)) {
                held.insert(&blob.digest);
            } else {
                whole = false;
            }
        }
        if !whole {
            lacking.push(entry.name.to_string());
        }
    }
    let open = bundle.base().is_some() && bases.is_empty();
    if !lacking.is_empty() && !open {
        let message = format!(
            "`{}` is not whole: blobs of {} charts are missing: {}",
            bundle.path().display(),
            lacking.len(),
            listed(&lacking)
        );
        return Err(Error::not_found(message).with_hint(match bundle.base() {
            Some(base) => {
                format!("it is a delta to the bundle {base}; name that one with `--base FILE`")
            }
            None => "save the bundle again".to_owned(),
        }));
    }
    Ok(Verified { charts: bundle.entries().len(), blobs: held.len(), in_base: lacking.len() })
}
