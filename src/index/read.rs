//! The entry point for reading an index, which selects a reader.

use super::build::Build;
use super::{Index, full, json, scan};
use crate::limits::Limits;
use crate::{Error, ErrorKind, Result};
use bytes::Bytes;

impl Index {
    /// Reads an index as Helm does: JSON tolerantly, any other text strictly as YAML, so that an
    /// unknown or duplicate key anywhere refuses the index. Entries that are not charts are dropped
    /// with a warning, which names `source`.
    ///
    /// # Errors
    /// Helm's text without the file's name; `Limit` if there are more bytes or entries than
    /// [`Limits`] allows for an index.
    pub fn read(bytes: Bytes, source: &str, limits: &Limits) -> Result<Self> {
        if bytes.is_empty() {
            return Err(Error::invalid("empty index.yaml file"));
        }
        if bytes.len() as u64 > limits.index_bytes {
            let message = format!("index is larger than {} bytes", limits.index_bytes);
            return Err(Error::new(ErrorKind::Limit, message));
        }
        let mut build = Build::new(source, limits);
        if let Some(head) = json::read(&bytes, &mut build, limits) {
            return build.finish(head?);
        }
        if let Ok(head) = scan::scan(&bytes, &mut build) {
            return build.finish(head);
        }
        Self::read_fully(&bytes, source, limits)
    }

    /// Reads YAML with the full reader alone.
    pub(super) fn read_fully(bytes: &[u8], source: &str, limits: &Limits) -> Result<Self> {
        let mut build = Build::new(source, limits);
        let head = full::read(bytes, &mut build, limits)?;
        build.finish(head)
    }
}
