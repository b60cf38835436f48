//! An index while it is read: its charts and lines, and the dropped entries with their reasons.

use super::full::{self, Judged};
use super::line::{Form, Line};
use super::scan::{Fallback, FastResult, Head, Sink};
use super::{Chart, Index, order};
use crate::limits::Limits;
use crate::{Error, Result, quote};
use bytes::Bytes;

/// The part of the index that has been read.
pub(super) struct Build<'s> {
    source: &'s str,
    limits: &'s Limits,
    charts: Vec<Chart>,
    lines: Vec<Line>,
    listed: usize,
    warnings: Vec<String>,
    /// The dropped entries of the current chart. Helm reads its entries from the last to the first.
    dropped: Vec<String>,
}

impl<'s> Build<'s> {
    pub(super) fn new(source: &'s str, limits: &'s Limits) -> Self {
        Self {
            source,
            limits,
            charts: Vec::new(),
            lines: Vec::new(),
            listed: 0,
            warnings: Vec::new(),
            dropped: Vec::new(),
        }
    }

    /// Begins a chart.
    pub(super) fn chart(&mut self, name: &str) -> FastResult<()> {
        self.end_chart();
        if self.charts.len() >= self.limits.index_entries {
            return Err(Fallback);
        }
        let end = self.lines.len();
        self.charts.push(Chart { name: name.into(), lines: end..end, dropped: 0..0 });
        Ok(())
    }

    fn end_chart(&mut self) {
        if let Some(chart) = self.charts.last_mut() {
            chart.lines.end = self.lines.len();
            order::sort(&mut self.lines[chart.lines.clone()], Line::version);
            chart.dropped = self.warnings.len()..self.warnings.len() + self.dropped.len();
        }
        self.warnings.extend(self.dropped.drain(..).rev());
    }

    /// Refuses more entries than an index may have.
    pub(super) fn require_room(&self) -> Result<()> {
        if self.listed < self.limits.index_entries {
            Ok(())
        } else {
            Err(full::too_many(self.limits))
        }
    }

    /// Adds the chart's next entry, or the reason why it is dropped.
    pub(super) fn take(&mut self, judged: Judged) {
        self.listed += 1;
        let chart = quote::go(self.charts.last().map_or("", |chart| &chart.name));
        let source = self.source;
        let dropped = match judged {
            Judged::Good(line) => return self.lines.push(line),
            Judged::Bad(version, error) => {
                let (version, reason) = (quote::go(&version), error.message().to_owned());
                format!(
                    "skipping loading invalid entry for chart {chart} {version} from {source}: {reason}"
                )
            }
            Judged::Empty => {
                format!(
                    "skipping loading invalid entry for chart {chart} from {source}: empty entry"
                )
            }
        };
        self.dropped.push(dropped);
    }

    /// Returns the finished index.
    pub(super) fn finish(mut self, head: Head) -> Result<Index> {
        self.end_chart();
        if head.api_version.is_empty() {
            return Err(Error::invalid("no API version specified"));
        }
        self.charts.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Index {
            charts: self.charts,
            lines: self.lines,
            listed: self.listed,
            warnings: self.warnings,
            generated: head.generated,
            context_path: head.context_path,
        })
    }
}

impl Sink for Build<'_> {
    fn chart(&mut self, name: &str) -> FastResult<()> {
        Build::chart(self, name)
    }

    fn line(&mut self, line: Line) -> FastResult<()> {
        self.require_room().map_err(|_| Fallback)?;
        self.listed += 1;
        self.lines.push(line);
        Ok(())
    }

    fn odd(&mut self, text: Bytes) -> FastResult<()> {
        self.require_room().map_err(|_| Fallback)?;
        let entry = full::read_item(&text, self.limits)?;
        self.take(Judged::of(entry, |entry| Line::new(text, Form::Yaml, entry)));
        Ok(())
    }
}
