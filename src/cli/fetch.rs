//! The download of a chart from any location except a folder: a registry, a layout, the saved
//! charts.

use super::{
    Run,
    push::legacy,
    shell::{
        advice::{ReadBy, render},
        location::Location,
        remote::RemoteArgs,
    },
};
use crate::{
    Error, Result,
    digest::Digest,
    limits::Limits,
    oci::Tag,
    ops::{
        any_repository::AnyRepository,
        pull::{self as op, Provenance, Pulled},
        tags::ChartRequest,
    },
};

/// Pulls from a registry, a layout or the saved charts, without provenance.
pub(super) async fn fetch(
    run: &Run,
    location: &Location,
    remote: &RemoteArgs,
    wanted: impl FnOnce(Option<Tag>, Option<Digest>) -> ChartRequest,
    limits: &Limits,
) -> Result<Pulled> {
    fetch_with(run, location, remote, wanted, Provenance::Leave, limits).await
}

/// Pulls from a registry, a layout or the saved charts.
pub(super) async fn fetch_with(
    run: &Run,
    location: &Location,
    remote: &RemoteArgs,
    wanted: impl FnOnce(Option<Tag>, Option<Digest>) -> ChartRequest,
    provenance: Provenance,
    limits: &Limits,
) -> Result<Pulled> {
    let (place, name, wanted) = match location {
        Location::Registry(reference) => (
            AnyRepository::Registry(
                remote.client(run)?.repository(&reference.registry, &reference.repository),
            ),
            reference.repository_path(),
            wanted(reference.tag.clone(), reference.digest.clone()),
        ),
        Location::Layout(layout) => (
            AnyRepository::Layout(Box::new(layout.open()?)),
            format!("layout:{}", layout.folder.display()),
            wanted(layout.tag.clone(), layout.digest.clone()),
        ),
        Location::Saved(reference) => (
            AnyRepository::Disk(
                run.saved()
                    .read(reference)?
                    .ok_or_else(|| legacy::not_saved(&reference.to_string()))?,
            ),
            reference.repository_path(),
            wanted(reference.tag.clone(), None),
        ),
        Location::Path(path) => {
            return Err(Error::usage(format!("`{}` is not in a registry", path.display())));
        }
        Location::Url(url) => return Err(Error::usage(format!("`{url}` is not in a registry"))),
        Location::Chart { repository, chart } => {
            let name = &repository.name;
            return Err(Error::usage(format!("`{name}/{chart}` is not in a registry")));
        }
    };
    let pulled = op::pull(&place, &name, &wanted, provenance, limits).await?;
    warn_of(run, &pulled.warnings);
    Ok(pulled)
}

/// Prints the faults of a pulled chart.
pub(super) fn warn_of(run: &Run, warnings: &[op::Warning]) {
    for warning in warnings {
        run.talk.warn(&warning.describe(|advice| render(advice, ReadBy::Unknown)));
    }
}
