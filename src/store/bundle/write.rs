//! A writer of bundles. Equal content gives equal bytes. It refuses a blob that does not match its
//! descriptor.

use super::{BASE, Entry, INDEX, MARK, MARK_TEXT, zstd::Compressor};
use crate::{
    Error, ErrorKind, Result,
    archive::tar::header_write,
    oci::{Descriptor, Digest, Document, Manifest, media},
    store::{BlobSource, layout::ref_name::RefName, verify},
};
use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::Path,
};

/// Compression of the tar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Zstandard, for `.tar.zst` and `.tzst`.
    #[default]
    Zstd,
    /// A plain tar without compression.
    Plain,
}

impl Format {
    /// Returns the format for a file's name: plain for `.tar`, zstd for `.tar.zst` and `.tzst`.
    ///
    /// # Errors
    /// `Usage` for any other name.
    pub fn of(path: &Path) -> Result<Self> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.ends_with(".tar") {
            return Ok(Self::Plain);
        }
        if name.ends_with(".tar.zst") || name.ends_with(".tzst") || name.ends_with(".tar.zstd") {
            return Ok(Self::Zstd);
        }
        Err(Error::usage(format!("`{}` is not a bundle's file name", path.display()))
            .with_hint("a bundle's name ends in `.tar.zst`, or in `.tar`"))
    }
}

enum Out<W: Write> {
    Zstd(Compressor<W>),
    Plain(W),
}

impl<W: Write> Write for Out<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Zstd(out) => out.write(bytes),
            Self::Plain(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Zstd(out) => out.flush(),
            Self::Plain(out) => out.flush(),
        }
    }
}

/// A writer of one bundle. It writes the list first, then the blobs, which the caller passes in the
/// order of their digests.
pub struct Writer<W: Write> {
    out: Out<W>,
    buffer: Vec<u8>,
}

impl<W: Write> std::fmt::Debug for Writer<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl<W: Write> Writer<W> {
    /// Begins a bundle that lists `entries`. For a delta, `base` is the digest of the `index.json`
    /// of its base.
    ///
    /// # Errors
    /// `Io`.
    pub fn new(out: W, format: Format, entries: &[Entry], base: Option<&Digest>) -> Result<Self> {
        let out = match format {
            Format::Zstd => Out::Zstd(Compressor::new(out)),
            Format::Plain => Out::Plain(out),
        };
        let mut writer = Self { out, buffer: Vec::new() };
        writer.small(MARK, MARK_TEXT.as_bytes())?;
        writer.small(INDEX, &index(entries, base))?;
        Ok(writer)
    }

    /// Writes a manifest.
    ///
    /// # Errors
    /// `Io`.
    pub fn manifest(&mut self, manifest: &Manifest) -> Result<()> {
        self.small(&path(manifest.digest()), manifest.bytes())
    }

    /// Writes a blob.
    ///
    /// # Errors
    /// `Io`; `Integrity` if the source does not have the size and digest in its descriptor, which
    /// makes the bundle unusable.
    pub fn blob(&mut self, blob: &Descriptor, source: &BlobSource) -> Result<()> {
        self.head(&path(&blob.digest), blob.size)?;
        verify::copy(blob, source, |part| self.out.write_all(part).map_err(failed))?;
        self.pad(blob.size)
    }

    /// Ends the bundle and returns the writer beneath.
    ///
    /// # Errors
    /// `Io`.
    pub fn finish(mut self) -> Result<W> {
        self.buffer.clear();
        header_write::end(&mut self.buffer);
        self.out.write_all(&self.buffer).map_err(failed)?;
        match self.out {
            Out::Zstd(out) => out.finish().map_err(failed),
            Out::Plain(out) => Ok(out),
        }
    }

    fn small(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.head(name, bytes.len() as u64)?;
        self.out.write_all(bytes).map_err(failed)?;
        self.pad(bytes.len() as u64)
    }

    fn head(&mut self, name: &str, size: u64) -> Result<()> {
        self.buffer.clear();
        header_write::write(&mut self.buffer, name, size, 0);
        self.out.write_all(&self.buffer).map_err(failed)
    }

    fn pad(&mut self, size: u64) -> Result<()> {
        self.buffer.clear();
        header_write::pad(&mut self.buffer, size);
        self.out.write_all(&self.buffer).map_err(failed)
    }
}

/// Returns the path of a blob in a layout.
pub(crate) fn path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex())
}

fn index(entries: &[Entry], base: Option<&Digest>) -> Vec<u8> {
    let manifests = entries.iter().map(|entry| {
        let mut descriptor = Descriptor::new(
            &entry.manifest.media_type,
            entry.manifest.digest.clone(),
            entry.manifest.size,
        );
        descriptor.artifact_type.clone_from(&entry.manifest.artifact_type);
        let name = match &entry.name.repository {
            Some(repository) => RefName::write(repository, &entry.name.target(entry.digest())),
            None => entry.name.to_string(),
        };
        descriptor.annotations.insert(media::REF_NAME.to_owned(), name);
        descriptor
    });
    let document = Document {
        schema_version: 2,
        media_type: Some(media::INDEX.to_owned()),
        artifact_type: None,
        config: None,
        layers: None,
        manifests: Some(manifests.collect()),
        subject: None,
        annotations: base
            .map(|base| BTreeMap::from([(BASE.to_owned(), base.to_string())]))
            .unwrap_or_default(),
    };
    crate::json::to_vec(&document)
}

/// Converts an error. The caller adds the file's name; our own errors pass unchanged.
fn failed(error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(ours) => ours,
        Err(error) => Error::new(ErrorKind::Io, "cannot write the bundle").with_source(error),
    }
}
