//! The fast reader: one strict scan over the text of an index. It accepts only known keys, each
//! once, and values of the right types. It decodes only the few texts that select a version. It
//! leaves an ambiguous entry, or a whole ambiguous document, to the full reader. It never refuses
//! anything and never warns; only the full reader does, so the two cannot disagree about faults.

mod shape;

use super::draft::Draft;
use super::line::{Form, Line, Which};
use crate::chart::time::Time;
use crate::yaml::cursor::Cursor;
pub(super) use crate::yaml::cursor::{Fallback, FastResult};
pub(super) use crate::yaml::span::Scalar;
use crate::yaml::{self, Value, quick};
use bytes::Bytes;
use shape::{Entry, Kind, Shape};
use std::collections::HashSet;
use std::ops::Range;

/// The receiver of an index's charts and entries, as the scan finds them.
pub(super) trait Sink {
    /// Begins a chart.
    fn chart(&mut self, name: &str) -> FastResult<()>;
    /// Receives the chart's next entry, which has no faults.
    fn line(&mut self, line: Line) -> FastResult<()>;
    /// Receives the text of the chart's next entry, with its dash, which the full reader must
    /// check.
    fn odd(&mut self, text: Bytes) -> FastResult<()>;
}

/// The fields of the index besides its entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) api_version: String,
    pub(super) generated: String,
    pub(super) context_path: String,
}

/// Scans an index.
pub(super) fn scan(bytes: &Bytes, sink: &mut dyn Sink) -> FastResult<Head> {
    let start = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let bytes = bytes.slice(start..);
    let text = str::from_utf8(&bytes).map_err(|_| Fallback)?;
    let mut scan =
        Scan { cursor: Cursor::new(text)?, bytes: &bytes, sink, draft: Draft::default() };
    scan.document()
}

struct Scan<'t> {
    cursor: Cursor<'t>,
    bytes: &'t Bytes,
    sink: &'t mut dyn Sink,
    draft: Draft,
}

impl<'t> Scan<'t> {
    fn document(&mut self) -> FastResult<Head> {
        let mut head = Head { generated: Time::default().to_string(), ..Head::default() };
        if self.cursor.indent != 0 {
            return Err(Fallback);
        }
        let mut seen = HashSet::new();
        while self.cursor.indent == 0 {
            let key = self.cursor.key()?;
            if !seen.insert(key) {
                return Err(Fallback);
            }
            match key {
                "apiVersion" => head.api_version = self.owned(0)?,
                "generated" => match self.cursor.scalar(0)? {
                    Scalar::Null => {}
                    scalar => {
                        let text = quick::text(self.cursor.text, &scalar)?;
                        head.generated = Time::parse(&text).map_err(|_| Fallback)?.to_string();
                    }
                },
                "entries" => self.charts()?,
                "publicKeys" => self.cursor.list(0, &mut |_, _| Ok(()))?,
                "annotations" => self.shaped(Kind::Map(Shape::Strings), 0)?,
                "serverInfo" => head.context_path = self.server_info()?,
                _ => return Err(Fallback),
            }
        }
        if self.cursor.indent == -1 { Ok(head) } else { Err(Fallback) }
    }

    /// Reads a text and keeps a copy.
    fn owned(&mut self, parent: isize) -> FastResult<String> {
        let scalar = self.cursor.scalar(parent)?;
        quick::text(self.cursor.text, &scalar)
    }

    fn server_info(&mut self) -> FastResult<String> {
        let mut path = String::new();
        if self.cursor.empty_map()? || !self.cursor.open_block(0)? {
            return Ok(path);
        }
        let column = self.cursor.indent;
        let mut seen = HashSet::new();
        while self.cursor.indent == column {
            let key = self.cursor.free_key()?;
            if column == 0 || !seen.insert(key) {
                return Err(Fallback);
            }
            if key == "contextPath" {
                path = self.owned(column)?;
            } else {
                self.shaped(Kind::Any, column)?;
            }
        }
        if self.cursor.indent > 0 { Err(Fallback) } else { Ok(path) }
    }

    fn charts(&mut self) -> FastResult<()> {
        if self.cursor.empty_map()? || !self.cursor.open_block(0)? {
            return Ok(());
        }
        let column = self.cursor.indent;
        if column == 0 {
            return Err(Fallback);
        }
        let mut seen = HashSet::new();
        while self.cursor.indent == column {
            let name = self.cursor.free_key()?;
            if !seen.insert(name) {
                return Err(Fallback);
            }
            self.sink.chart(name)?;
            if let Some(items) = self.cursor.flow_list()? {
                if !items.is_empty() {
                    return Err(Fallback);
                }
                continue;
            }
            if !self.cursor.open_block(column)? {
                continue;
            }
            let dash = self.cursor.indent;
            while self.cursor.indent == dash && self.cursor.is_dash() {
                let start = self.cursor.clone();
                if let Ok(line) = self.entry(dash) {
                    self.sink.line(line)?;
                } else {
                    self.cursor = start;
                    let range = self.cursor.skip_item(self.cursor.line, dash)?;
                    self.sink.odd(self.bytes.slice(range))?;
                }
            }
            if self.cursor.indent > column {
                return Err(Fallback);
            }
        }
        if self.cursor.indent > 0 { Err(Fallback) } else { Ok(()) }
    }

    /// Reads an entry, from its dash to its end.
    fn entry(&mut self, dash: isize) -> FastResult<Line> {
        let start = self.cursor.line;
        self.draft.clear(start);
        let column = self.cursor.open_item()?.ok_or(Fallback)?;
        let mut seen = 0_u32;
        let (mut created, mut kind) = (Scalar::Null, Scalar::Null);
        loop {
            let field = Entry::of(self.cursor.key()?).ok_or(Fallback)?;
            let bit = 1 << field as u32;
            if seen & bit != 0 {
                return Err(Fallback);
            }
            seen |= bit;
            match field {
                Entry::Name => self.text(Which::Name, column)?,
                Entry::Version => self.text(Which::Version, column)?,
                Entry::AppVersion => self.text(Which::AppVersion, column)?,
                Entry::Description => self.text(Which::Description, column)?,
                Entry::Digest => {
                    let scalar = self.cursor.scalar(column)?;
                    self.draft.set(Which::Digest, self.cursor.text, &scalar)?;
                }
                Entry::Created => created = self.cursor.scalar(column)?,
                Entry::Type => kind = shape::word(&mut self.cursor, column)?,
                Entry::Deprecated => self.draft.deprecated = self.cursor.truth(column)?,
                Entry::Urls => self
                    .cursor
                    .list(column, &mut |cursor, scalar| self.draft.push_url(cursor.text, scalar))?,
                Entry::Keywords => self.cursor.list(column, &mut |cursor, scalar| {
                    let scalar = strict(cursor.text, scalar.clone())?;
                    self.draft.push_keyword(cursor.text, &scalar)
                })?,
                other => self.shaped(other.kind(), column)?,
            }
            if self.cursor.indent != column {
                break;
            }
        }
        if self.cursor.indent > dash {
            return Err(Fallback);
        }
        self.finish(start..self.cursor.tail, &created, &kind)
    }

    fn text(&mut self, which: Which, column: isize) -> FastResult<()> {
        let scalar = shape::word(&mut self.cursor, column)?;
        self.draft.set(which, self.cursor.text, &scalar)
    }

    /// Checks an entry as Helm does. It leaves one that Helm would drop to the full reader, which
    /// reports the reason.
    fn finish(&mut self, range: Range<usize>, created: &Scalar, kind: &Scalar) -> FastResult<Line> {
        let text = self.cursor.text;
        if *created != Scalar::Null {
            self.draft.set(Which::Created, text, created)?;
            if self.draft.is_empty(Which::Created) {
                // A null is not a time, and an empty text is not one in Go.
                return Err(Fallback);
            }
        }
        let kind = quick::text(text, kind)?;
        self.draft.judge(text, &kind)?;
        Ok(self.draft.line(self.bytes.slice(range), Form::Yaml))
    }
}

fn strict(text: &str, scalar: Scalar) -> FastResult<Scalar> {
    match &scalar {
        Scalar::Plain(range) if yaml::resolves(&text[range.clone()]) => {
            match yaml::plain(&text[range.clone()]) {
                Value::String(_) => Ok(scalar),
                Value::Null => Ok(Scalar::Null),
                _ => Err(Fallback),
            }
        }
        _ => Ok(scalar),
    }
}
