//! Charts to a ChartMuseum and away from it. An archive goes as it is, with its provenance; a
//! folder is packaged first.

use super::{
    package,
    push::{
        Outgoing,
        prepare::{self, Beside},
    },
};
use crate::{
    Advice, Error, ErrorKind, Result,
    advice::Occupied,
    client::chartmuseum::{ChartMuseum, Deleted, Force, Uploaded},
    limits::Limits,
};
use bytes::Bytes;
use std::path::Path;

/// What is sent, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// How folders are packaged, and archives that are packaged again.
    pub package: package::Options,
    /// What becomes of an archive when `package` has another version for it.
    pub archives: Archives,
    /// Whether the provenance beside an archive goes with it.
    pub provenance: Provenance,
    /// What to do where the version is there already.
    pub force: Force,
    /// Caps.
    pub limits: Limits,
}

/// What becomes of an archive whose version is overridden.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Archives {
    /// It is refused: archives are sent byte for byte.
    #[default]
    AsTheyAre,
    /// It is packaged again with that version, as `helm cm-push` does. Its provenance no longer
    /// fits and is not sent.
    Repackage,
}

/// Which provenance goes with an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Provenance {
    /// What lies beside it.
    #[default]
    Beside,
    /// This one.
    Given(Bytes),
    /// None.
    Leave,
}

/// A chart that the server has.
#[derive(Clone, Debug)]
pub struct Report {
    /// `NAME-VERSION.tgz`.
    pub file: String,
    /// The chart's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of what was sent.
    pub digest: crate::digest::Digest,
    /// Bytes of the archive.
    pub size: u64,
    /// Whether a provenance went with it.
    pub provenance: bool,
    /// Whether it was sent, or there already.
    pub status: Status,
}

/// What an upload found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It was sent.
    Saved,
    /// The server had this very archive.
    Unchanged,
}

/// Makes a chart ready: an archive as it is, a folder packaged.
///
/// # Errors
/// `Usage` for another version of an archive, and whatever is wrong with the chart.
pub fn prepare(path: &Path, options: &Options) -> Result<Outgoing> {
    if path.is_dir() {
        return prepare::from_source(path, &options.package, &options.limits);
    }
    if options.package.version.is_some() || options.package.app_version.is_some() {
        if options.archives == Archives::Repackage {
            return prepare::repackaged(path, &options.package, &options.limits);
        }
        return Err(Error::usage(format!(
            "`{}` is an archive, which goes as it is; another version needs its source",
            path.display()
        ))
        .with_advice(Advice::PackageFolder));
    }
    let beside = match options.provenance {
        Provenance::Beside => Beside::Take,
        _ => Beside::Leave,
    };
    let mut chart = prepare::from_archive(path, beside, &options.limits)?;
    if let Provenance::Given(bytes) = &options.provenance {
        chart.provenance = Some(bytes.clone());
    }
    Ok(chart)
}

/// Uploads a chart. An upload whose answer was lost is sent again, so a version that is there with
/// these very bytes is no conflict.
///
/// # Errors
/// `Conflict` when the server has another archive of this version and keeps it, and what it says
/// otherwise.
pub async fn upload(museum: &ChartMuseum, chart: Outgoing, force: Force) -> Result<Report> {
    let metadata = &chart.metadata;
    let report = Report {
        file: format!("{}-{}.tgz", metadata.name, metadata.version),
        name: metadata.name.clone(),
        version: metadata.version.clone(),
        digest: chart.content.digest.clone(),
        size: chart.content.size,
        provenance: chart.provenance.is_some(),
        status: Status::Saved,
    };
    let (name, version) = (&report.name, &report.version);
    match museum.upload(&chart.archive.into(), chart.provenance.clone(), force).await? {
        Uploaded::Saved => Ok(report),
        Uploaded::Exists
            if museum.digest(name, version).await?.as_deref() == Some(report.digest.hex()) =>
        {
            if let Some(provenance) = chart.provenance {
                // One that is there already is as good as this.
                museum.upload_provenance(provenance, Force::No).await?;
            }
            Ok(Report { status: Status::Unchanged, ..report })
        }
        Uploaded::Exists => {
            let error = Error::new(
                ErrorKind::Conflict,
                format!(
                    "{} is there already, with other bytes: {}",
                    report.file,
                    museum.repository().url()
                ),
            );
            Err(match force {
                Force::No => error.with_advice(Advice::Overwrite(Occupied::MuseumVersion)),
                Force::Yes => error.with_hint("the server lets nobody replace a version"),
            })
        }
    }
}

/// Deletes a version.
///
/// # Errors
/// `NotFound` when it was not there, and what the server says otherwise.
pub async fn delete(museum: &ChartMuseum, name: &str, version: &str) -> Result<()> {
    match museum.delete(name, version).await? {
        Deleted::Yes => Ok(()),
        Deleted::WasAbsent => Err(Error::not_found(format!(
            "{} has no chart {name} {version}",
            museum.repository().url()
        ))),
    }
}
