//! Scalars of a document, and lists of them in brackets, skipped by a [`Cursor`]. Each span records
//! the position and the style; [`super::quick::text`] decodes the text on request.

use super::cursor::{Cursor, Fallback, FastResult};
use memchr::{memchr, memchr3};
use std::ops::Range;

/// A scalar as a range of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scalar {
    /// An empty scalar.
    Null,
    /// A plain scalar on one line.
    Plain(Range<usize>),
    /// A plain scalar on several lines.
    Folded(Range<usize>),
    /// A scalar in quotes, on one line, without escapes.
    Quoted(Range<usize>),
    /// Any other string: its text with quotes or header, which the full reader decodes.
    Complex(Range<usize>),
}

impl Cursor<'_> {
    /// Reads a scalar after a key or dash, whose block is indented by `parent`, and moves to the
    /// next line.
    pub(crate) fn scalar(&mut self, parent: isize) -> FastResult<Scalar> {
        self.at += self.spaces(self.at);
        if self.ends_here()? {
            self.next_line()?;
            // A value on a separate line is rare.
            return if self.indent > parent { Err(Fallback) } else { Ok(Scalar::Null) };
        }
        match self.byte() {
            Some(quote @ (b'"' | b'\'')) => self.in_quotes(quote, parent),
            Some(b'|' | b'>') => self.block(parent),
            Some(
                b'[' | b']' | b'{' | b'}' | b',' | b'&' | b'*' | b'!' | b'%' | b'@' | b'`' | b'#',
            ) => Err(Fallback),
            Some(b'-' | b'?' | b':')
                if self.is_blank(self.at + 1)
                    || matches!(self.bytes[self.at + 1], b',' | b'[' | b']' | b'{' | b'}') =>
            {
                Err(Fallback)
            }
            _ => self.plain(parent),
        }
    }

    fn plain(&mut self, parent: isize) -> FastResult<Scalar> {
        let start = self.at;
        let (mut end, mut commented) = self.plain_line(start)?;
        self.next_line()?;
        if self.indent <= parent {
            return Ok(Scalar::Plain(start..end));
        }
        while self.indent > parent {
            let indicator = matches!(self.byte(), Some(b'-' | b'?' | b':'));
            if commented || self.commented || indicator && self.is_blank(self.at + 1) {
                return Err(Fallback);
            }
            (end, commented) = self.plain_line(self.at)?;
            self.next_line()?;
        }
        Ok(Scalar::Folded(start..end))
    }

    /// Returns the end of the plain text on this line, and true if a comment follows it.
    fn plain_line(&self, start: usize) -> FastResult<(usize, bool)> {
        let end = memchr(b'\n', &self.bytes[start..]).map_or(self.bytes.len(), |at| start + at);
        let line = &self.bytes[start..end];
        let mut from = 0;
        let mut length = line.len();
        let mut commented = false;
        while let Some(found) = memchr3(b':', b'#', b'\t', &line[from..]) {
            let at = from + found;
            match line[at] {
                b'\t' => return Err(Fallback),
                b':' if matches!(line.get(at + 1), None | Some(b' ' | b'\t' | b'\r')) => {
                    return Err(Fallback);
                }
                b'#' if at > 0 && line[at - 1] == b' ' => {
                    (length, commented) = (at, true);
                    break;
                }
                _ => from = at + 1,
            }
        }
        let text = &line[..length];
        let blank = text.iter().rev().take_while(|byte| matches!(**byte, b' ' | b'\r')).count();
        Ok((start + length - blank, commented))
    }

    /// Reads a text in quotes, from the first quote to the end of the last.
    fn in_quotes(&mut self, quote: u8, parent: isize) -> FastResult<Scalar> {
        let start = self.at;
        let mut simple = true;
        self.at += 1;
        loop {
            match self.bytes.get(self.at) {
                None => return Err(Fallback),
                Some(b'\'') if quote == b'\'' && self.bytes.get(self.at + 1) == Some(&b'\'') => {
                    simple = false;
                    self.at += 2;
                }
                Some(byte) if *byte == quote => break,
                Some(b'\n') => {
                    simple = false;
                    self.quoted_line(parent)?;
                }
                Some(b'\\') if quote == b'"' => {
                    simple = false;
                    self.escape()?;
                }
                Some(_) => self.at += 1,
            }
        }
        self.close(start, simple)
    }

    /// Moves from a line break within quotes to the content of the next line.
    fn quoted_line(&mut self, parent: isize) -> FastResult<()> {
        let mut start = self.at + 1;
        loop {
            let at = start + self.spaces(start);
            match self.bytes.get(at) {
                Some(b'\n') => start = at + 1,
                Some(b'\r') => start = at + 2,
                None | Some(b'\t') => return Err(Fallback),
                Some(_) => {
                    let indent = isize::try_from(at - start).map_err(|_| Fallback)?;
                    self.at = at;
                    return if indent > parent { Ok(()) } else { Err(Fallback) };
                }
            }
        }
    }

    /// Moves to the end of an escape, if it is a common one.
    fn escape(&mut self) -> FastResult<()> {
        let digits = match self.bytes.get(self.at + 1) {
            Some(b'\n') => {
                // The line break itself is checked as any other.
                self.at += 1;
                return Ok(());
            }
            Some(b'0' | b'a' | b'b' | b't' | b'n' | b'v' | b'f' | b'e' | b' ' | b'"' | b'\\') => 0,
            Some(b'x') => 2,
            Some(b'u') => 4,
            _ => return Err(Fallback),
        };
        let digits = self.text.get(self.at + 2..self.at + 2 + digits).ok_or(Fallback)?;
        if !digits.is_empty() {
            let code = u32::from_str_radix(digits, 16).map_err(|_| Fallback)?;
            if digits.starts_with('+') || char::from_u32(code).is_none() {
                return Err(Fallback);
            }
        }
        self.at += 2 + digits.len();
        Ok(())
    }

    /// Ends a quoted scalar at its last quote.
    fn close(&mut self, start: usize, simple: bool) -> FastResult<Scalar> {
        let end = self.at;
        self.at += 1;
        self.at += self.spaces(self.at);
        if !self.ends_here()? {
            return Err(Fallback);
        }
        self.next_line()?;
        Ok(if simple { Scalar::Quoted(start + 1..end) } else { Scalar::Complex(start..end + 1) })
    }

    /// Reads a literal or folded scalar: every line with enough indentation.
    fn block(&mut self, parent: isize) -> FastResult<Scalar> {
        let start = self.at;
        self.at += 1;
        if self.byte().is_some_and(|byte| matches!(byte, b'-' | b'+')) {
            self.at += 1;
        }
        self.at += self.spaces(self.at);
        // A digit for the indentation is rare.
        if !self.ends_here()? {
            return Err(Fallback);
        }
        let mut line = self.line_end(self.at);
        let (mut end, mut margin) = (line, None);
        let mut widest = 0;
        while line < self.bytes.len() {
            let spaces = self.spaces(line);
            match self.bytes.get(line + spaces) {
                // Blank lines before the first line with content must not be wider than it.
                None | Some(b'\n' | b'\r') => {
                    if margin.is_none() {
                        widest = widest.max(spaces);
                    }
                }
                Some(first) => {
                    let wanted = margin.unwrap_or_else(|| spaces.max(widest));
                    let inside = isize::try_from(spaces).map_err(|_| Fallback)? > parent;
                    if *first == b'\t' && spaces <= wanted || margin.is_none() && spaces < widest {
                        return Err(Fallback);
                    }
                    if spaces < wanted || !inside {
                        // Between its own margin and that of its parent block, nothing is allowed,
                        // not even a comment.
                        if inside {
                            return Err(Fallback);
                        }
                        break;
                    }
                    margin = Some(wanted);
                }
            }
            line = self.line_end(line + spaces);
            end = line;
        }
        self.tail = end;
        self.settle(end)?;
        if margin.is_none() {
            // For an empty block scalar, the full reader decides about the next lines.
            return Err(Fallback);
        }
        Ok(Scalar::Complex(start..end))
    }

    /// Reads a list in brackets on one line, of words with the same meaning in brackets and
    /// outside. Returns `None` if there is no bracket.
    pub(crate) fn flow_list(&mut self) -> FastResult<Option<Vec<Scalar>>> {
        let at = self.at + self.spaces(self.at);
        if self.bytes.get(at) != Some(&b'[') {
            return Ok(None);
        }
        self.at = at + 1;
        let mut items = Vec::new();
        loop {
            self.at += self.spaces(self.at);
            let start = self.at;
            match self.byte() {
                Some(b']') => break,
                Some(quote @ (b'"' | b'\'')) => {
                    items.push(Scalar::Quoted(self.quoted(quote)?));
                }
                Some(byte) if byte.is_ascii_alphanumeric() => {
                    let word = |byte: &&u8| {
                        byte.is_ascii_alphanumeric()
                            || matches!(
                                **byte,
                                b'_' | b'-' | b'.' | b'/' | b'+' | b'~' | b'=' | b':'
                            )
                    };
                    let length = self.bytes[start..].iter().take_while(word).count();
                    self.at = start + length;
                    if self.bytes[self.at - 1] == b':' {
                        return Err(Fallback);
                    }
                    items.push(Scalar::Plain(start..self.at));
                }
                _ => return Err(Fallback),
            }
            self.at += self.spaces(self.at);
            match self.byte() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(Fallback),
            }
        }
        self.close_flow()?;
        Ok(Some(items))
    }
}
