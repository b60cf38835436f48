//! Preparation of a chart on this machine for a push. An archive is validated and hashed in one
//! pass. A source is packaged first, in memory or, if it is large, to a temporary file.

use super::outgoing::Outgoing;
use crate::{
    Error, ErrorKind, Result,
    archive::{self, Keep},
    limits::Limits,
    oci::{Descriptor, Hasher, Manifest, TagOrDigest, chart, digest::Algorithm, media},
    ops::{chart_archive, package, pull::chart_of, repository::open::Got},
    spool::{Spool, Spooled},
    store::{BlobBytes, BlobFile, Fetch},
};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

/// The choice for the provenance beside an archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Beside {
    /// Include `FILE.prov` if it exists, as Helm does.
    #[default]
    Take,
    /// Leave it out.
    Leave,
}

/// Prepares an archive. It is decompressed whole, validated as Helm's loader does, and hashed in
/// one pass.
///
/// # Errors
/// `NotFound` with Helm's `FILE: no such file`; any error of the archive.
pub fn from_archive(path: &Path, beside: Beside, limits: &Limits) -> Result<Outgoing> {
    let meta = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Error::not_found(format!("{}: no such file", path.display())));
        }
        other => other.map_err(|error| Error::io("look at", path, error))?,
    };
    if meta.len() > limits.archive_bytes {
        return Err(Error::new(
            ErrorKind::Limit,
            format!(
                "`{}` has {} bytes, more than the limit of {}",
                path.display(),
                meta.len(),
                limits.archive_bytes
            ),
        ));
    }
    let file = File::open(path).map_err(|error| Error::io("open archive", path, error))?;
    let (archive, content, metadata) = if meta.len() <= limits.memory_blob {
        let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0));
        file.take(limits.memory_blob + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| Error::io("read archive", path, error))?;
        let chart = archive::read::read(&bytes[..], Keep::Nothing, limits)
            .map_err(|error| in_file(path, error))?;
        let content = Descriptor::of(media::CHART_CONTENT, &bytes);
        (BlobBytes::Memory(bytes.into()), content, chart.metadata)
    } else {
        let mut hashing = Hashing { inner: file, hasher: Algorithm::Sha256.hasher(), size: 0 };
        let chart = archive::read::read(
            BufReader::with_capacity(256 * 1024, &mut hashing),
            Keep::Nothing,
            limits,
        )
        .map_err(|error| in_file(path, error))?;
        io::copy(&mut hashing, &mut io::sink())
            .map_err(|error| Error::io("read archive", path, error))?;
        let content = Descriptor::new(media::CHART_CONTENT, hashing.hasher.finish(), hashing.size);
        (BlobBytes::File(BlobFile::Stored(path.to_owned())), content, chart.metadata)
    };
    let provenance = match beside {
        Beside::Take => provenance_beside(path, limits)?,
        Beside::Leave => None,
    };
    let modified = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let created = modified.and_then(|since| rfc3339(i64::try_from(since.as_secs()).ok()?));
    let (notes, warnings) = (Vec::new(), Vec::new());
    Ok(Outgoing { metadata, archive, content, provenance, created, ready: None, notes, warnings })
}

/// Adds the file's name to an archive's error.
fn in_file(path: &Path, error: Error) -> Error {
    error.context(format!("`{}` is not a valid chart archive", path.display()))
}

fn provenance_beside(path: &Path, limits: &Limits) -> Result<Option<Bytes>> {
    let mut name = path.as_os_str().to_owned();
    name.push(".prov");
    let path = PathBuf::from(name);
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|error| Error::io("open provenance", &path, error))?,
    };
    let mut bytes = Vec::new();
    file.take(limits.provenance_bytes + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::io("read provenance", &path, error))?;
    if bytes.len() as u64 > limits.provenance_bytes {
        return Err(Error::new(
            ErrorKind::Limit,
            format!("`{}` has more than {} bytes", path.display(), limits.provenance_bytes),
        ));
    }
    Ok(Some(bytes.into()))
}

/// Prepares a chart from a chart repository and validates it like an archive on this machine.
/// `listed` is its creation time in the index.
///
/// # Errors
/// Any error of the archive.
pub fn from_repository(got: Got, listed: &str, limits: &Limits) -> Result<Outgoing> {
    let judged = archive::read::read(got.archive.reader()?, Keep::Nothing, limits)?;
    Ok(Outgoing {
        metadata: judged.metadata,
        content: Descriptor::new(media::CHART_CONTENT, got.digest, got.size),
        archive: got.archive,
        provenance: got.provenance,
        created: created(listed),
        ready: None,
        notes: Vec::new(),
        warnings: Vec::new(),
    })
}

/// Converts an index's time to UTC and whole seconds, as in manifests.
pub fn created(text: &str) -> Option<String> {
    let seconds = text.parse::<jiff::Timestamp>().ok()?.as_second();
    // Go's zero time means that there is none.
    rfc3339(Some(seconds).filter(|seconds| *seconds > -62_135_596_800)?)
}

/// Returns the modification time of an archive's Chart.yaml, as manifests write it.
///
/// # Errors
/// Any error of the archive.
pub fn created_in(archive: &BlobBytes, limits: &Limits) -> Result<Option<String>> {
    Ok(rfc3339(archive::read::read(archive.reader()?, Keep::Nothing, limits)?.modified))
}

/// Packages a chart's source for a push. It leaves no files on disk.
///
/// # Errors
/// Any error of packaging.
pub fn from_source(path: &Path, options: &package::Options, limits: &Limits) -> Result<Outgoing> {
    let (packaged, spool) =
        package::package_to(path, Spool::new(limits.memory_blob, None), None, options)?;
    Ok(outgoing(packaged, spool))
}

/// Packages an archive's chart again with the version of the options. It leaves no files on disk.
///
/// # Errors
/// Any error of the archive or of packaging.
pub fn repackaged(path: &Path, options: &package::Options, limits: &Limits) -> Result<Outgoing> {
    let chart = archive::read::open(path, Keep::Everything, limits)
        .map_err(|error| in_file(path, error))?;
    let (packaged, spool) =
        package::repackage_to(chart, Spool::new(limits.memory_blob, None), options)?;
    Ok(outgoing(packaged, spool))
}

fn outgoing(packaged: package::Packaged, spool: Spool) -> Outgoing {
    let Spooled { bytes: archive, digest, size } = spool.finish();
    let content = Descriptor::new(media::CHART_CONTENT, digest, size);
    Outgoing {
        metadata: packaged.metadata,
        archive,
        content,
        provenance: None,
        created: rfc3339(packaged.newest),
        ready: None,
        notes: packaged.notes,
        warnings: packaged.warnings,
    }
}

/// Reads a chart from a store, to push it elsewhere unchanged: the same manifest, the same digest.
///
/// # Errors
/// Any error of the store; `Invalid` if the artifact is not a chart.
pub async fn from_store<R: Fetch>(
    repository: &R,
    target: &TagOrDigest,
    limits: &Limits,
) -> Result<Outgoing> {
    let found = repository.fetch_manifest(target).await?;
    from_manifest(repository, found, limits).await
}

/// Does the same for the manifest of a tag or digest: a chart's manifest, or an index with one
/// chart in it.
///
/// # Errors
/// As [`from_store`].
pub async fn from_manifest<R: Fetch>(
    repository: &R,
    found: Manifest,
    limits: &Limits,
) -> Result<Outgoing> {
    let manifest = chart_of(repository, found).await?;
    let found = chart::find(&manifest)?;
    let archive = chart_archive::fetch(repository, found.content, limits).await?;
    let judged = archive::read::read(archive.reader()?, Keep::Nothing, limits)?;
    let provenance = match found.provenance {
        Some(blob) => Some(repository.fetch_blob(blob, limits.provenance_bytes).await?),
        None => None,
    };
    let ready = match (found.config, found.foreign) {
        (Some(config), None) => {
            Some((repository.fetch_blob(config, limits.config_bytes).await?, manifest.clone()))
        }
        _ => None,
    };
    Ok(Outgoing {
        metadata: judged.metadata,
        archive,
        content: found.content.clone(),
        provenance,
        created: manifest.document().annotations.get(media::CREATED).cloned(),
        ready,
        notes: Vec::new(),
        warnings: Vec::new(),
    })
}

/// Formats seconds since 1970 as RFC 3339 in UTC.
fn rfc3339(seconds: i64) -> Option<String> {
    jiff::Timestamp::from_second(seconds).ok().map(|time| time.to_string())
}

/// Saves the manifest of an outgoing chart in a store that keeps it as a registry would.
///
/// # Errors
/// Any error of the store.
pub async fn save<R: crate::store::Push>(
    repository: &R,
    chart: &Outgoing,
    tag: &crate::oci::Tag,
) -> Result<Manifest> {
    save_annotated(repository, chart, tag, &BTreeMap::new()).await
}

/// Saves as [`save`] does, with annotations on top of the chart's.
///
/// # Errors
/// Any error of the store.
pub async fn save_annotated<R: crate::store::Push>(
    repository: &R,
    chart: &Outgoing,
    tag: &crate::oci::Tag,
    annotations: &BTreeMap<String, String>,
) -> Result<Manifest> {
    let provenance = chart.provenance_descriptor();
    let (config, manifest) = chart.manifest(chart::LayerOrder::default(), annotations);
    let blobs = super::blobs(chart, &config, provenance.as_ref());
    repository.push_artifact(&blobs, &manifest, Some(tag)).await?;
    Ok(manifest)
}

struct Hashing<R> {
    inner: R,
    hasher: Hasher,
    size: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.size += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_become_whole_seconds_in_utc() {
        for (text, expected) in [
            ("2019-01-02T03:04:05.678901234+02:00", Some("2019-01-02T01:04:05Z")),
            ("2019-01-02T03:04:05Z", Some("2019-01-02T03:04:05Z")),
            ("0001-01-01T00:00:00Z", None),
            ("", None),
            ("yesterday", None),
        ] {
            assert_eq!(created(text).as_deref(), expected, "{text}");
        }
    }
}
