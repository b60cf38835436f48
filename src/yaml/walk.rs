//! Functions of a [`Cursor`] that skip parts of a document without making values: lists, bools and
//! arbitrary values. The caller reads the items of lists.

use super::cursor::{Cursor, Fallback, FastResult};
use super::span::Scalar;
use super::{Value, scalar};
use crate::limits::Limits;
use std::collections::HashSet;

/// Depth of mappings and lists in an arbitrary value. One level needs a few stack frames.
pub(crate) const DEEPEST: usize = 32;

/// Returns true if a document is one mapping in block style that JSON could represent. The full
/// reader accepts more documents, and reports the errors of the others.
pub(super) fn is_mapping(bytes: &[u8], limits: &Limits) -> bool {
    let walk = |text| -> FastResult<bool> {
        let mut cursor = Cursor::new(text)?;
        if cursor.indent != 0 || cursor.is_dash() {
            return Err(Fallback);
        }
        cursor.any_mapping(0, DEEPEST)?;
        Ok(cursor.indent == -1)
    };
    is_within(bytes, limits) && str::from_utf8(bytes).is_ok_and(|text| walk(text) == Ok(true))
}

/// Returns true if a document is so short that it cannot exceed a limit of nodes: each node but the
/// last takes at least a byte.
pub(crate) fn is_within(bytes: &[u8], limits: &Limits) -> bool {
    bytes.len() < limits.yaml_nodes && limits.yaml_depth > DEEPEST
}

impl<'t> Cursor<'t> {
    /// Reads a bool. Returns false for an empty value.
    pub(crate) fn truth(&mut self, column: isize) -> FastResult<bool> {
        match self.scalar(column)? {
            Scalar::Null => Ok(false),
            Scalar::Plain(range) => match scalar::plain(&self.text[range]) {
                Value::Bool(value) => Ok(value),
                _ => Err(Fallback),
            },
            _ => Err(Fallback),
        }
    }

    /// Reads a list of texts, in a block or in brackets, of a key that is indented by `column`.
    pub(crate) fn list(
        &mut self,
        column: isize,
        each: &mut dyn FnMut(&mut Self, &Scalar) -> FastResult<()>,
    ) -> FastResult<()> {
        if let Some(items) = self.flow_list()? {
            return items.iter().try_for_each(|item| each(self, item));
        }
        self.items(column, &mut |cursor| {
            let dash = cursor.indent;
            cursor.at += 1;
            let scalar = cursor.scalar(dash)?;
            each(cursor, &scalar)
        })
    }

    /// Reads a list in a block. `item` reads one item from its dash to its end.
    pub(crate) fn items(
        &mut self,
        column: isize,
        item: &mut dyn FnMut(&mut Self) -> FastResult<()>,
    ) -> FastResult<()> {
        if let Some(items) = self.flow_list()? {
            return if items.is_empty() { Ok(()) } else { Err(Fallback) };
        }
        if !self.open_block(column)? {
            return Ok(());
        }
        let dash = self.indent;
        if !self.is_dash() {
            return Err(Fallback);
        }
        while self.indent == dash && self.is_dash() {
            item(self)?;
            if self.indent > dash {
                return Err(Fallback);
            }
        }
        if self.indent > column { Err(Fallback) } else { Ok(()) }
    }

    /// Moves to the first key of the mapping under a key indented by `column`, and returns that
    /// key's indentation, or `None` if the mapping is empty or missing.
    pub(crate) fn open_map(&mut self, column: isize) -> FastResult<Option<isize>> {
        if self.empty_map()? || !self.open_block(column)? {
            return Ok(None);
        }
        if self.indent == column { Err(Fallback) } else { Ok(Some(self.indent)) }
    }

    /// Skips a list of arbitrary items.
    pub(crate) fn anys(&mut self, column: isize, deepest: usize) -> FastResult<()> {
        self.items(column, &mut |cursor| cursor.any_item(deepest))
    }

    /// Skips an arbitrary value of a key.
    pub(crate) fn any(&mut self, column: isize, deepest: usize) -> FastResult<()> {
        let deepest = deepest.checked_sub(1).ok_or(Fallback)?;
        if self.empty_map()? {
            return Ok(());
        }
        if let Some(items) = self.flow_list()? {
            return items.iter().try_for_each(|item| self.require_json(item));
        }
        let before = self.clone();
        if !matches!(self.open_block(column), Ok(true)) {
            *self = before;
            let scalar = self.scalar(column)?;
            return self.require_json(&scalar);
        }
        if self.is_dash() {
            *self = before;
            return self.anys(column, deepest);
        }
        let inner = self.indent;
        self.any_mapping(inner, deepest)?;
        if self.indent > column { Err(Fallback) } else { Ok(()) }
    }

    fn any_mapping(&mut self, column: isize, deepest: usize) -> FastResult<()> {
        let mut seen = Seen::default();
        while self.indent == column {
            seen.insert(self.free_key()?)?;
            self.any(column, deepest)?;
        }
        Ok(())
    }

    fn any_item(&mut self, deepest: usize) -> FastResult<()> {
        let deepest = deepest.checked_sub(1).ok_or(Fallback)?;
        let dash = self.indent;
        let before = self.clone();
        let Some(column) = self.open_item()? else { return Ok(()) };
        let inside = self.clone();
        if self.free_key().is_ok() {
            *self = inside;
            self.indent = column;
            return self.any_mapping(column, deepest);
        }
        *self = before;
        self.at += 1;
        let scalar = self.scalar(dash)?;
        self.require_json(&scalar)
    }

    /// Refuses an infinity, which JSON does not have.
    fn require_json(&self, place: &Scalar) -> FastResult<()> {
        match place {
            Scalar::Plain(range) if scalar::resolves(&self.text[range.clone()]) => {
                let value = scalar::plain(&self.text[range.clone()]);
                value.require_json().map_err(|_| Fallback)
            }
            _ => Ok(()),
        }
    }
}

/// Number of a mapping's keys that are searched one after the other.
const FEW: usize = 16;

/// The keys of one mapping, of which there are usually few.
#[derive(Default)]
pub(crate) struct Seen<'t> {
    few: [&'t str; FEW],
    count: usize,
    many: HashSet<&'t str>,
}

impl<'t> Seen<'t> {
    /// Adds a key. A duplicate returns [`Fallback`].
    pub(crate) fn insert(&mut self, key: &'t str) -> FastResult<()> {
        if self.count < FEW {
            if self.few[..self.count].contains(&key) {
                return Err(Fallback);
            }
            self.few[self.count] = key;
            self.count += 1;
            return Ok(());
        }
        if self.many.is_empty() {
            self.many.extend(self.few);
        }
        if self.many.insert(key) { Ok(()) } else { Err(Fallback) }
    }
}
