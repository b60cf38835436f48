//! `bundle verify`: checks that a bundle has every byte of every listed chart, and that its
//! archives are these charts. Opening the bundle has already compared each blob with its digest.

use super::{blobs_of, charts::Charts, listed, names::Names};
use crate::{Advice, Error, Result, error::Context as _, limits::Limits, store::bundle::Bundle};
use std::collections::HashSet;

/// The result of verifying a bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// The number of charts in the bundle.
    pub charts: usize,
    /// The number of manifests and their blobs in the bundle or the given bases.
    pub blobs: usize,
    /// The number of a delta's charts that need a base which was not given.
    pub in_base: usize,
    /// A sentence for each chart whose name differs from its repository or tag.
    pub others: Vec<String>,
}

/// Verifies an opened bundle, together with the bases of a delta. It reads the bundle once more,
/// and blocks.
///
/// # Errors
/// `NotFound` if content is missing; for a delta, only if a base was given. `Invalid` if it lists
/// an artifact that is not a chart, an entry without a valid name, or two manifests under one name.
/// `Invalid` also if an archive differs from its manifest or its config.
pub fn verify(bundle: &Bundle, bases: &[Bundle], limits: &Limits) -> Result<Verified> {
    let sources: Vec<&Bundle> = std::iter::once(bundle).chain(bases).collect();
    let mut held = HashSet::new();
    let mut lacking = Vec::new();
    let mut charts = Charts::default();
    let mut names = Names::default();
    for entry in bundle.entries() {
        let manifest = sources.iter().find_map(|source| source.manifest(entry.digest()));
        names.add(bundle, entry, manifest)?;
        let Some(manifest) = manifest else {
            lacking.push(entry.name.to_string());
            continue;
        };
        charts
            .add(entry, manifest)
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
        return Err(Error::not_found(message).with_advice(match bundle.base() {
            Some(base) => Advice::NameBase { base: base.to_string() },
            None => "save the bundle again".into(),
        }));
    }
    let mut read = HashSet::new();
    for source in sources {
        let fresh = |digest: &_| charts.wants(digest) && !read.contains(digest);
        let mut now = Vec::new();
        source.blobs(fresh, |part| {
            charts.read(&part, limits)?;
            now.push(part.digest);
            Ok(())
        })?;
        read.extend(now);
    }
    Ok(Verified {
        charts: bundle.entries().len(),
        blobs: held.len(),
        in_base: lacking.len(),
        others: charts.finish()?,
    })
}
