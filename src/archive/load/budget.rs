//! Budget of bytes and files for a chart and everything in it, nested archives included.

use crate::{Error, ErrorKind, Result, archive::tar::reader::Allowance, limits::Limits};

/// The budget for a chart and everything in it.
#[derive(Debug)]
pub(crate) struct Budget<'a> {
    pub(crate) limits: &'a Limits,
    entries: u64,
    held: u64,
    /// Inflated bytes of archives within archives: content, headers, padding and the bytes after
    /// the end. All archives share this budget, at every depth: with one budget for each archive, a
    /// thousand small ones would inflate to a hundred gigabytes.
    pub(crate) nested: Allowance,
    /// The present depth of archives within archives.
    pub(crate) nesting: usize,
    /// Links that were skipped, at every depth.
    pub(crate) links: Links,
}

/// Links that were skipped.
#[derive(Debug, Default)]
pub(crate) struct Links {
    shown: Vec<String>,
    more: usize,
}

/// Links that are named, each with at most `path_bytes` of its name. The rest are counted.
const LINKS_SHOWN: usize = 8;

impl Links {
    /// Records a skipped link, in words.
    pub(crate) fn skip(&mut self, what: &str) {
        if self.shown.len() == LINKS_SHOWN {
            self.more += 1;
        } else {
            self.shown.push(format!("{what}; it was skipped"));
        }
    }

    /// Returns a sentence for each named link, and one for the rest.
    pub(crate) fn sentences(&mut self) -> Vec<String> {
        let mut sentences = std::mem::take(&mut self.shown);
        match std::mem::take(&mut self.more) {
            0 => {}
            1 => sentences.push("1 more link was skipped".to_owned()),
            more => sentences.push(format!("{more} more links were skipped")),
        }
        sentences
    }
}

impl<'a> Budget<'a> {
    pub(crate) fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            entries: limits.chart_entries,
            held: limits.chart_held_bytes,
            nested: Allowance::new(limits.nested_bytes, nested_too_large),
            nesting: 0,
            links: Links::default(),
        }
    }

    /// Counts a file or directory.
    pub(crate) fn entry(&mut self) -> Result<()> {
        self.entries = self.entries.checked_sub(1).ok_or_else(|| {
            let count = self.limits.chart_entries;
            Error::new(
                ErrorKind::Limit,
                format!("chart has more than {count} files and directories"),
            )
        })?;
        Ok(())
    }

    /// Counts bytes that stay in memory.
    pub(crate) fn hold(&mut self, bytes: usize) -> Result<()> {
        self.held = self.held.checked_sub(bytes as u64).ok_or_else(|| {
            let bytes = self.limits.chart_held_bytes;
            let what = "metadata and locks of the chart and its subcharts";
            Error::new(ErrorKind::Limit, format!("{what} are larger than {bytes} bytes in all"))
        })?;
        Ok(())
    }
}

fn nested_too_large(limit: u64) -> Error {
    let message = format!("archives within the chart are larger than {limit} bytes in all");
    Error::new(ErrorKind::Limit, message)
}
