//! A file on its way into a chart, and the documents that must parse for it to be one. What they
//! come to is [`super::assemble`]'s business.

use super::{assemble::LoadContext, retain::Retain};
use crate::{
    Error, Result,
    archive::{Chart, bom::StripBom, gzip},
    chart::Metadata,
    error::Context as _,
    limits::Limits,
    yaml::{self, Duplicates, Value},
};
use bytes::Bytes;
use std::{fs, io::Read, path::Path};

/// A file on its way into a chart.
pub(crate) struct Item<'a> {
    pub(crate) modified: i64,
    /// Bytes as they lie in the archive or on disk.
    pub(crate) size: u64,
    pub(crate) source: ItemSource<'a>,
}

/// Source of a file's content.
pub(crate) enum ItemSource<'a> {
    /// A stream, its byte order mark gone; what is left of it is somebody else's to skip.
    Stream(&'a mut dyn Read),
    /// A file on disk.
    File(&'a Path),
}

impl Item<'_> {
    /// The whole of a document, its byte order mark gone.
    pub(crate) fn read(&mut self, name: &str, limits: &Limits) -> Result<Bytes> {
        let limit = match name {
            "Chart.yaml" => limits.chart_metadata_bytes.min(limits.chart_document_bytes),
            _ => limits.chart_document_bytes,
        };
        if self.size > limit {
            return Err(crate::archive::read::file_too_large(name, limit));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(self.size).unwrap_or(0));
        match &mut self.source {
            ItemSource::Stream(content) => {
                content.read_to_end(&mut bytes).map_err(gzip::error)?;
            }
            &mut ItemSource::File(path) => {
                let read = |file| StripBom::new(file)?.take(limit + 1).read_to_end(&mut bytes);
                fs::File::open(path)
                    .and_then(read)
                    .map_err(|error| Error::io("read chart file", path, error))?;
                if bytes.len() as u64 > limit {
                    return Err(crate::archive::read::file_too_large(name, limit));
                }
            }
        }
        Ok(bytes.into())
    }

    /// The chart in an archive within a chart.
    pub(crate) fn nested<K: Retain>(
        self,
        bench: &mut LoadContext<'_, K>,
    ) -> Result<Chart<K::Data>> {
        match self.source {
            ItemSource::Stream(content) => crate::archive::read::nested(content, bench),
            ItemSource::File(path) => {
                let fail = |error| Error::io("read subchart", path, error);
                let file = fs::File::open(path).map_err(fail)?;
                crate::archive::read::nested(&mut StripBom::new(file).map_err(fail)?, bench)
            }
        }
    }
}

/// Every document of values.yaml must be a mapping, or nothing. (Helm merges them; that is a
/// template's need.)
pub(crate) fn check_values(bytes: &[u8], limits: &Limits) -> Result<()> {
    if yaml::is_mapping(bytes, limits) {
        return Ok(());
    }
    let context = || "cannot unmarshal yaml document".to_owned();
    for value in yaml::parse_all(bytes, Duplicates::LastWins, limits)
        .map_err(Error::from)
        .context(context)?
    {
        value.require_json().map_err(Error::from).context(context)?;
        if !matches!(value, Value::Map(_) | Value::Null) {
            let kind = value.go_kind();
            let text = format!(
                "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {kind} \
                 into Go value of type map[string]interface {{}}"
            );
            return Err(Error::invalid(text).context(context()));
        }
    }
    Ok(())
}

/// Dependencies of charts for Helm 2. Helm lets the file say anything that Chart.yaml can, its name
/// and version included, so that a chart is not what its Chart.yaml says; we take the dependencies
/// alone.
pub(crate) fn read_requirements(
    metadata: &mut Metadata,
    bytes: &[u8],
    limits: &Limits,
) -> Result<()> {
    let mut all = metadata.clone();
    all.decode_yaml(bytes, limits).context(|| "cannot load requirements.yaml".to_owned())?;
    metadata.dependencies = all.dependencies;
    Ok(())
}
