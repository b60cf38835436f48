//! A fast reader for a strict subset of YAML. It reads line by line and decodes nothing: block
//! mappings and lists, and scalars of every style, which are in [`super::span`]. For a document
//! outside of the subset, or an ambiguous one, it returns [`Fallback`] and never guesses; the full
//! reader then decides. It does not interpret a document: [`super::quick`] makes values of one,
//! [`super::walk`] skips parts, `crate::index` makes lines.

use super::Value;
use crate::yaml;
use memchr::memchr;
use std::ops::Range;

/// The error of a document that only the full reader can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fallback;

/// A result that may defer to the full reader.
pub(crate) type FastResult<T> = Result<T, Fallback>;

/// Position of the reader: a line, and its first character that is not read yet.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'t> {
    pub(crate) text: &'t str,
    pub(super) bytes: &'t [u8],
    /// Start of the line.
    pub(crate) line: usize,
    /// Indentation of the line; -1 at the end.
    pub(crate) indent: isize,
    pub(crate) at: usize,
    /// The offset after the last line with content.
    pub(crate) tail: usize,
    /// True if there were comments before this line.
    pub(super) commented: bool,
}

/// Bytes of the longest key that this reader accepts. The limit of libyaml is 1024.
const LONGEST_KEY: usize = 1000;

impl<'t> Cursor<'t> {
    /// Makes a cursor on the first line of `text` with content, after a `---` that opens the
    /// document.
    pub(crate) fn new(text: &'t str) -> FastResult<Self> {
        require_ordinary(text.as_bytes())?;
        let mut cursor = Self {
            text,
            bytes: text.as_bytes(),
            line: 0,
            indent: -1,
            at: 0,
            tail: 0,
            commented: false,
        };
        cursor.settle(marker(text))?;
        Ok(cursor)
    }

    pub(crate) fn byte(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Moves from the line, whose rest has been checked, to the next line with content.
    pub(crate) fn next_line(&mut self) -> FastResult<()> {
        let start = self.line_end(self.at);
        self.tail = start;
        self.settle(start)
    }

    /// Returns the offset after the line break of the line at `at`.
    pub(super) fn line_end(&self, at: usize) -> usize {
        memchr(b'\n', &self.bytes[at..]).map_or(self.bytes.len(), |length| at + length + 1)
    }

    /// Moves to the first line from `start` on that is neither blank nor a comment.
    pub(super) fn settle(&mut self, mut start: usize) -> FastResult<()> {
        self.commented = false;
        loop {
            let at = start + self.spaces(start);
            match self.bytes.get(at) {
                None => {
                    (self.line, self.at, self.indent) = (self.bytes.len(), self.bytes.len(), -1);
                    return Ok(());
                }
                Some(b'\n') => start = at + 1,
                Some(b'\r') => start = at + 2,
                Some(b'#') => {
                    self.commented = true;
                    start = self.line_end(at);
                }
                Some(b'\t') => return Err(Fallback),
                Some(_) => {
                    (self.line, self.at) = (start, at);
                    self.indent = isize::try_from(at - start).map_err(|_| Fallback)?;
                    let marker = [b"---".as_slice(), b"..."];
                    if at == start && marker.iter().any(|mark| self.bytes[at..].starts_with(mark)) {
                        return Err(Fallback);
                    }
                    return Ok(());
                }
            }
        }
    }

    pub(super) fn spaces(&self, at: usize) -> usize {
        self.bytes[at..].iter().take_while(|byte| **byte == b' ').count()
    }

    /// Returns true if `at` is the offset of a blank, a line break or the end.
    pub(super) fn is_blank(&self, at: usize) -> bool {
        matches!(self.bytes.get(at), None | Some(b' ' | b'\n' | b'\r' | b'\t'))
    }

    /// Returns true if the line continues with an entry of a list.
    pub(crate) fn is_dash(&self) -> bool {
        self.byte() == Some(b'-') && self.is_blank(self.at + 1)
    }

    /// Moves from the dash of a list's entry to its content, on this line or below. Returns `None`
    /// if the entry is empty.
    pub(crate) fn open_item(&mut self) -> FastResult<Option<isize>> {
        let dash = self.indent;
        self.at += 1;
        self.at += self.spaces(self.at);
        if !self.ends_here()? {
            return isize::try_from(self.at - self.line).map(Some).map_err(|_| Fallback);
        }
        self.next_line()?;
        Ok((self.indent > dash).then_some(self.indent))
    }

    /// Returns true if the rest of the line is empty or a comment.
    pub(crate) fn ends_here(&self) -> FastResult<bool> {
        match self.byte() {
            None | Some(b'\n' | b'\r') => Ok(true),
            Some(b'\t') => Err(Fallback),
            Some(b'#') if self.at > 0 && self.bytes[self.at - 1] == b' ' => Ok(true),
            _ => Ok(false),
        }
    }

    /// Skips a quoted text on one line without escapes. Returns the range between the quotes.
    pub(super) fn quoted(&mut self, quote: u8) -> FastResult<Range<usize>> {
        let start = self.at + 1;
        let rest = &self.bytes[start..];
        let length = rest
            .iter()
            .position(|byte| matches!(*byte, b'"' | b'\'' | b'\\' | b'\n' | b'\t'))
            .filter(|at| rest[*at] == quote)
            .ok_or(Fallback)?;
        self.at = start + length + 1;
        Ok(start..start + length)
    }

    /// Reads a key and its colon.
    pub(crate) fn key(&mut self) -> FastResult<&'t str> {
        let start = self.at;
        let key = match self.byte() {
            Some(quote @ (b'"' | b'\'')) => self.quoted(quote)?,
            Some(b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_') => {
                let allowed = |byte: &&u8| {
                    byte.is_ascii_alphanumeric()
                        || matches!(**byte, b'_' | b'-' | b'.' | b'/' | b'+' | b'@')
                };
                let length = self.bytes[start..].iter().take_while(allowed).count();
                self.at = start + length;
                start..self.at
            }
            _ => return Err(Fallback),
        };
        if self.byte() != Some(b':') || !self.is_blank(self.at + 1) || key.len() > LONGEST_KEY {
            return Err(Fallback);
        }
        self.at += 1;
        Ok(&self.text[key])
    }

    /// Reads any key. A key that is not a string in YAML is an error.
    pub(crate) fn free_key(&mut self) -> FastResult<&'t str> {
        let quoted = matches!(self.byte(), Some(b'"' | b'\''));
        let key = self.key()?;
        if !quoted && yaml::resolves(key) && !matches!(yaml::plain(key), Value::String(_)) {
            return Err(Fallback);
        }
        Ok(key)
    }

    /// Reads `{}`. Returns true if it was there.
    pub(crate) fn empty_map(&mut self) -> FastResult<bool> {
        let at = self.at + self.spaces(self.at);
        if self.bytes.get(at) != Some(&b'{') {
            return Ok(false);
        }
        self.at = at + 1;
        self.at += self.spaces(self.at);
        if self.byte() != Some(b'}') {
            return Err(Fallback);
        }
        self.close_flow()?;
        Ok(true)
    }

    pub(super) fn close_flow(&mut self) -> FastResult<()> {
        self.at += 1;
        self.at += self.spaces(self.at);
        if self.ends_here()? { self.next_line() } else { Err(Fallback) }
    }

    /// Moves to the start of a list or mapping whose key has been read. Returns false if there is
    /// none.
    pub(crate) fn open_block(&mut self, parent: isize) -> FastResult<bool> {
        self.at += self.spaces(self.at);
        if !self.ends_here()? {
            return Err(Fallback);
        }
        self.next_line()?;
        Ok(self.indent > parent || self.indent == parent && self.is_dash())
    }

    /// Skips a list's entry from its start, with a dash at indentation `dash`, to its required end.
    pub(crate) fn skip_item(&mut self, start: usize, dash: isize) -> FastResult<Range<usize>> {
        let mut line = self.line_end(start);
        self.tail = line;
        while line < self.bytes.len() {
            let spaces = self.spaces(line);
            match self.bytes.get(line + spaces) {
                None | Some(b'\n' | b'\r' | b'#') => {}
                Some(_) if isize::try_from(spaces).map_err(|_| Fallback)? <= dash => break,
                Some(_) => self.tail = self.line_end(line),
            }
            line = self.line_end(line);
        }
        let range = start..self.tail;
        self.settle(line)?;
        Ok(range)
    }
}

/// Refuses characters that end lines or that YAML does not allow, except those of nearly every
/// file.
fn require_ordinary(bytes: &[u8]) -> FastResult<()> {
    let is_plain = |byte: &u8| matches!(*byte, b' '..=b'~' | b'\n');
    for (block, chunk) in bytes.chunks(64).enumerate() {
        // A loop without a branch for each byte takes a few instructions for 64 bytes.
        if chunk.iter().fold(true, |plain, byte| plain & is_plain(byte)) {
            continue;
        }
        for (within, byte) in chunk.iter().enumerate() {
            let after = &bytes[block * 64 + within + 1..];
            let ordinary = match byte {
                b' '..=b'~' | b'\n' | b'\t' => true,
                b'\r' => after.first() == Some(&b'\n'),
                0xc2 => after.first().is_some_and(|next| *next >= 0xa0),
                0xe2 => !matches!(after, [0x80, 0xa8 | 0xa9, ..]),
                0xef => !matches!(after, [0xbb, 0xbf, ..] | [0xbf, 0xbe | 0xbf, ..]),
                0x80.. => true,
                _ => false,
            };
            if !ordinary {
                return Err(Fallback);
            }
        }
    }
    Ok(())
}

/// Returns the offset after a `---` on the first line.
fn marker(text: &str) -> usize {
    let Some(rest) = text.strip_prefix("---") else { return 0 };
    let line = rest.split('\n').next().unwrap_or_default();
    if line.trim_end_matches([' ', '\r']).is_empty() { 3 + line.len() } else { 0 }
}
