//! The rule for a push to a tag that exists: leave it, refuse the push, or move the tag. The tag of
//! the chart's own version never moves to another chart unless the user asks for it.

use super::{
    compare::{Likeness, compare},
    options::{Existing, Options},
    outgoing::Outgoing,
};
use crate::{
    Advice, Error, ErrorKind, Result,
    advice::Occupied,
    oci::{Descriptor, Manifest, Tag, chart},
    store::Fetch,
};

/// The chart that a push would store.
pub(super) struct Pushed<'a> {
    pub(super) chart: &'a Outgoing,
    pub(super) manifest: &'a Manifest,
    pub(super) provenance: Option<&'a Descriptor>,
}

/// The next step for an existing tag.
pub(super) enum Decision {
    /// Send nothing: the tag has this chart.
    Unchanged,
    /// Send nothing: the tag keeps its other content, with the archive of a chart.
    Keep(Option<Box<Descriptor>>),
    /// Send the chart and move the tag.
    Move,
}

/// Decides about a tag that refers to `existing`.
///
/// # Errors
/// `Conflict` if the tag has a different chart or no chart.
pub(super) async fn decide<R: Fetch>(
    repository: &R,
    name: &str,
    tag: &Tag,
    existing: &Manifest,
    pushed: &Pushed<'_>,
    options: &Options,
) -> Result<Decision> {
    let Pushed { chart, manifest, provenance } = *pushed;
    if options.existing == Existing::Skip {
        let archive = chart::find(existing).ok().map(|found| found.content.clone());
        let same = archive.as_ref().is_some_and(|there| there.digest == chart.content.digest);
        return Ok(if same { Decision::Unchanged } else { Decision::Keep(archive.map(Box::new)) });
    }
    match compare(repository, existing, manifest, chart, provenance, options).await? {
        Likeness::Same => Ok(Decision::Unchanged),
        Likeness::Repair => Ok(Decision::Move),
        Likeness::NoChart => Err(no_chart(name, tag, existing)),
        Likeness::Other(difference) => {
            let versioned =
                Tag::from_version(&chart.metadata.version).is_ok_and(|version| version == *tag);
            if versioned && options.existing == Existing::Refuse {
                return Err(taken(name, tag, existing, difference));
            }
            Ok(Decision::Move)
        }
    }
}

fn no_chart(name: &str, tag: &Tag, existing: &Manifest) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!("{name}:{tag} holds {}, not a chart", chart::describe(existing)),
    )
    .with_hint(
        "it is never overwritten: push to another repository or tag, or delete it there first",
    )
}

fn taken(name: &str, tag: &Tag, existing: &Manifest, difference: &str) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!("{name}:{tag} already holds another chart ({}): {difference}", existing.digest()),
    )
    .with_advice(Advice::Overwrite(Occupied::Tag))
}
