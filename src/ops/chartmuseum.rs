//! Uploads to a ChartMuseum and deletions there. An archive is sent unchanged, with its provenance;
//! a folder is packaged first.

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

/// Options of an upload.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Options of packaging folders, and archives that are packaged again.
    pub package: package::Options,
    /// The handling of an archive if `package` sets a different version.
    pub archives: Archives,
    /// The provenance to send with an archive.
    pub provenance: Provenance,
    /// The handling of an existing version.
    pub force: Force,
    /// The limits on sizes and counts.
    pub limits: Limits,
}

impl Options {
    /// Creates options that upload each chart once, with the provenance beside it.
    pub fn new(package: package::Options) -> Self {
        Self {
            package,
            archives: Archives::default(),
            provenance: Provenance::default(),
            force: Force::default(),
            limits: Limits::default(),
        }
    }
}

/// The handling of an archive whose version is overridden.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Archives {
    /// Refuse it: archives are sent byte for byte.
    #[default]
    AsTheyAre,
    /// Package it again with that version, as `helm cm-push` does. Its provenance no longer fits
    /// and is not sent.
    Repackage,
}

/// The provenance to send with an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Provenance {
    /// The file beside the archive.
    #[default]
    Beside,
    /// This provenance file.
    Given(Bytes),
    /// No provenance.
    Leave,
}

/// The result for one chart.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The archive's name, `NAME-VERSION.tgz`.
    pub file: String,
    /// The chart's name.
    pub name: String,
    /// The version of the chart.
    pub version: String,
    /// The SHA-256 digest of the archive that was sent.
    pub digest: crate::digest::Digest,
    /// The size of the archive in bytes.
    pub size: u64,
    /// `true` if a provenance file was sent with it.
    pub provenance: bool,
    /// The result of the upload.
    pub status: Status,
}

/// The result of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The server saved the archive.
    Saved,
    /// The server already had an equal archive.
    Unchanged,
}

/// Prepares a chart: an archive unchanged, a folder packaged.
///
/// # Errors
/// `Usage` for a different version of an archive; any error of the chart.
pub fn prepare(path: &Path, options: &Options) -> Result<Outgoing> {
    if path.is_dir() {
        return prepare::from_source(path, &options.package, &options.limits);
    }
    if options.package.version.is_some() || options.package.app_version.is_some() {
        if options.archives == Archives::Repackage {
            return prepare::repackaged(path, &options.package, &options.limits);
        }
        return Err(Error::usage(format!(
            "`{}` is an archive, which is sent unchanged; another version needs its source",
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

/// Uploads a chart. If a response is lost, the upload is sent again. So an existing version with
/// the same bytes is not a conflict.
///
/// # Errors
/// `Conflict` if the server has a different archive of this version and keeps it; any other error
/// of the server.
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
    match museum.upload(&chart.archive, chart.provenance.clone(), force).await? {
        Uploaded::Saved => Ok(report),
        Uploaded::Exists
            if museum.digest(name, version).await?.as_deref() == Some(report.digest.hex()) =>
        {
            if let Some(provenance) = chart.provenance {
                // An existing provenance file is as good as this one.
                museum.upload_provenance(provenance, Force::No).await?;
            }
            Ok(Report { status: Status::Unchanged, ..report })
        }
        Uploaded::Exists => {
            let error = Error::new(
                ErrorKind::Conflict,
                format!(
                    "{} exists already, with other bytes: {}",
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
/// `NotFound` if it does not exist; any other error of the server.
pub async fn delete(museum: &ChartMuseum, name: &str, version: &str) -> Result<()> {
    match museum.delete(name, version).await? {
        Deleted::Yes => Ok(()),
        Deleted::WasAbsent => Err(Error::not_found(format!(
            "{} has no chart {name} {version}",
            museum.repository().url()
        ))),
    }
}
