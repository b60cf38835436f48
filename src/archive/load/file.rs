//! A file to be added to a chart, and the checks of the documents that must parse.
//! [`super::assemble`] makes the chart of them.

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

/// A file to be added to a chart.
pub(crate) struct Item<'a> {
    pub(crate) modified: i64,
    /// Bytes of the file in the archive or on disk.
    pub(crate) size: u64,
    pub(crate) source: ItemSource<'a>,
}

/// The source of a file's content.
pub(crate) enum ItemSource<'a> {
    /// A stream without its byte order mark. The caller skips the unread rest.
    Stream(&'a mut dyn Read),
    /// The path of a file on disk.
    File(&'a Path),
}

impl Item<'_> {
    /// Reads a whole document, without its byte order mark.
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

    /// Loads the chart in an archive within a chart.
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

/// Checks that every document of values.yaml is a mapping or empty. (Helm merges them; only
/// templates need that.)
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

/// Reads dependencies of charts for Helm 2. In Helm, the file may override everything in
/// Chart.yaml, name and version included, so that the chart differs from its Chart.yaml. This
/// function uses only the dependencies.
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
