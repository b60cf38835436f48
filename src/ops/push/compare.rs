//! Comparison of a tag's content with the chart to push: the same chart, one to repair, a different
//! one, or no chart.

use super::{options::Options, outgoing::Outgoing};
use crate::{
    Result, archive,
    oci::{Descriptor, Manifest, chart},
    ops::chart_archive,
    store::Fetch,
};

/// The relation of existing content to the chart to push.
pub(crate) enum Likeness {
    Same,
    /// The same chart under a media type that clients may refuse.
    Repair,
    NoChart,
    Other(&'static str),
}

pub(crate) async fn compare<R: Fetch>(
    repository: &R,
    existing: &Manifest,
    ours: &Manifest,
    chart: &Outgoing,
    provenance: Option<&Descriptor>,
    options: &Options,
) -> Result<Likeness> {
    if existing.digest() == ours.digest() {
        return Ok(Likeness::Same);
    }
    let Ok(found) = chart::find(existing) else { return Ok(Likeness::NoChart) };
    if found.content.digest != chart.content.digest {
        let limits = &options.limits;
        if found.content.size > limits.archive_bytes {
            return Ok(if found.foreign.is_some() {
                Likeness::NoChart
            } else {
                Likeness::Other("its files differ")
            });
        }
        let theirs = chart_archive::fetch(repository, found.content, limits).await?;
        match archive::read::content_digest(theirs.reader()?, limits) {
            Ok(theirs)
                if theirs == archive::read::content_digest(chart.archive.reader()?, limits)? => {}
            Ok(_) => return Ok(Likeness::Other("its files differ")),
            Err(_) if found.foreign.is_some() => return Ok(Likeness::NoChart),
            Err(_) => return Ok(Likeness::Other("its archive is broken")),
        }
    }
    if found.foreign.is_some() {
        return Ok(Likeness::Repair);
    }
    // A provenance file belongs to the exact archive, so a new one is a change. This does not
    // notice a lost one.
    if provenance
        .is_some_and(|ours| found.provenance.is_none_or(|theirs| theirs.digest != ours.digest))
    {
        return Ok(Likeness::Other("its provenance differs"));
    }
    let theirs = &existing.document().annotations;
    if options.annotations.iter().any(|(key, value)| theirs.get(key) != Some(value)) {
        return Ok(Likeness::Other("its annotations differ"));
    }
    Ok(Likeness::Same)
}
