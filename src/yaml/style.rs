//! Style of a scalar as libyaml's emitter chooses it: quotes, folding, escapes. These rules, odd
//! ones included, determine bytes that are hashed and signed.

use super::scalar::{self, Scalar, Timestamps};

/// Columns after which a line is folded at the next space.
const WIDTH: usize = 80;
/// Bytes of the longest key that is written without `?`.
const SIMPLE_KEY: usize = 128;

/// A document being written.
#[derive(Debug)]
pub(super) struct Out {
    text: String,
    /// Characters on this line.
    column: usize,
    /// True if the last thing written separates tokens.
    spaced: bool,
    /// True if the line has only indentation and indicators so far.
    indented: bool,
    merge: MergeKey,
}

/// The style of the key `<<`. Go writes it plain and reads it as a merge of mappings, so Helm
/// cannot read a document with a text as its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MergeKey {
    /// Plain, as Go writes it.
    Plain,
    /// Quoted, as a text.
    Quoted,
}

/// Permission to break a scalar into lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Context {
    Key,
    Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
}

impl Default for Out {
    fn default() -> Self {
        Self {
            text: String::with_capacity(1024),
            column: 0,
            spaced: true,
            indented: true,
            merge: MergeKey::Plain,
        }
    }
}

impl Out {
    pub(super) fn with(merge: MergeKey) -> Self {
        Self { merge, ..Self::default() }
    }

    /// Ends the document.
    pub(super) fn finish(mut self) -> String {
        self.indent(0);
        self.text
    }

    pub(super) fn is_indented(&self) -> bool {
        self.indented
    }

    /// Moves to the given indentation, on a new line if this one is already beyond it.
    pub(super) fn indent(&mut self, indent: isize) {
        let indent = usize::try_from(indent).unwrap_or(0);
        if !self.indented || self.column > indent || (self.column == indent && !self.spaced) {
            self.line_break();
        }
        while self.column < indent {
            self.push(' ');
        }
        self.spaced = true;
        self.indented = true;
    }

    /// Writes `-`, `?` or `:` before a node.
    pub(super) fn indicator(&mut self, indicator: &str) {
        self.separate();
        self.push_str(indicator);
        self.spaced = false;
    }

    /// Writes the colon after a key.
    pub(super) fn colon(&mut self) {
        self.push(':');
        self.token_written();
    }

    /// Writes a scalar that needs no quotes and no folding.
    pub(super) fn plain(&mut self, text: &str) {
        self.separate();
        self.push_str(text);
        self.token_written();
    }

    /// Returns true if a key is short and on one line.
    pub(super) fn is_simple_key(&self, key: &str) -> bool {
        key.len() <= SIMPLE_KEY && (is_word(key) || !key.contains(is_break))
    }

    /// Writes a string so that readers see a string. Further lines are indented by `indent`.
    pub(super) fn string(&mut self, text: &str, context: Context, indent: isize) {
        // Nearly every key and most values are such words.
        if is_word(text) && is_string(text) {
            if context == Context::Key || self.column + text.len() <= WIDTH {
                self.plain(text);
            } else {
                self.words(text, indent);
            }
            return;
        }
        let style = match self.merge {
            MergeKey::Quoted if context == Context::Key && text == "<<" => Style::DoubleQuoted,
            _ => style(text, context),
        };
        match style {
            Style::Plain => {
                self.separate();
                self.flow(text, context, indent, Style::Plain);
            }
            Style::SingleQuoted => {
                self.separate();
                self.push('\'');
                self.indented = false;
                self.flow(text, context, indent, Style::SingleQuoted);
                self.push('\'');
            }
            Style::DoubleQuoted => {
                self.separate();
                self.push('"');
                self.double_quoted(text, context, indent);
                self.push('"');
            }
            Style::Literal => return self.literal(text, indent),
        }
        self.token_written();
    }

    /// Writes a long text that [`is_word`], folded as [`Self::flow`] folds: at single spaces beyond
    /// the width.
    fn words(&mut self, text: &str, indent: isize) {
        self.separate();
        let bytes = text.as_bytes();
        let mut start = 0;
        for space in memchr::memchr_iter(b' ', bytes) {
            self.push_str(&text[start..space]);
            // A word has no space at either end.
            let is_single = bytes[space - 1] != b' ' && bytes[space + 1] != b' ';
            if is_single && self.column > WIDTH {
                self.indent(indent);
            } else {
                self.push(' ');
            }
            start = space + 1;
        }
        self.push_str(&text[start..]);
        self.token_written();
    }

    /// Writes the inside of a plain or single-quoted scalar.
    fn flow(&mut self, text: &str, context: Context, indent: isize, style: Style) {
        let (mut after_space, mut after_break) = (false, false);
        let mut first = style == Style::SingleQuoted;
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            if c == ' ' {
                let last = style == Style::SingleQuoted && rest.peek().is_none();
                let inner = !first && !last && !after_space && rest.peek() != Some(&' ');
                if inner && context == Context::Value && self.column > WIDTH {
                    self.indent(indent);
                } else {
                    self.push(c);
                }
                after_space = true;
            } else if is_break(c) {
                if !after_break && c == '\n' {
                    self.line_break();
                }
                self.push_break(c);
                after_break = true;
            } else {
                if after_break {
                    self.indent(indent);
                }
                if c == '\'' && style == Style::SingleQuoted {
                    self.push(c);
                }
                self.push(c);
                self.indented = false;
                (after_space, after_break) = (false, false);
            }
            first = false;
        }
    }

    /// Writes the inside of a double-quoted scalar.
    fn double_quoted(&mut self, text: &str, context: Context, indent: isize) {
        // At every character, libyaml looks for a byte order mark at the start of the text.
        let escape_all = text.starts_with('\u{feff}');
        let (mut first, mut after_space) = (true, false);
        let mut rest = text.chars().peekable();
        self.indented = false;
        while let Some(c) = rest.next() {
            if escape_all || !is_printable(c) || is_break(c) || matches!(c, '"' | '\\') {
                self.escape(c);
                after_space = false;
            } else if c == ' ' {
                let inner = !first && !after_space && rest.peek().is_some();
                if inner && context == Context::Value && self.column > WIDTH {
                    self.indent(indent);
                    if rest.peek() == Some(&' ') {
                        self.push('\\');
                    }
                } else {
                    self.push(c);
                }
                after_space = true;
            } else {
                self.push(c);
                after_space = false;
            }
            self.indented = false;
            first = false;
        }
    }

    fn escape(&mut self, c: char) {
        self.push('\\');
        match c {
            '\0' => self.push('0'),
            '\u{7}' => self.push('a'),
            '\u{8}' => self.push('b'),
            '\t' => self.push('t'),
            '\n' => self.push('n'),
            '\u{b}' => self.push('v'),
            '\u{c}' => self.push('f'),
            '\r' => self.push('r'),
            '\u{1b}' => self.push('e'),
            '"' | '\\' => self.push(c),
            '\u{85}' => self.push('N'),
            '\u{a0}' => self.push('_'),
            '\u{2028}' => self.push('L'),
            '\u{2029}' => self.push('P'),
            _ => match u32::from(c) {
                code @ 0..=0xff => self.push_str(&format!("x{code:02X}")),
                code @ 0x100..=0xffff => self.push_str(&format!("u{code:04X}")),
                code => self.push_str(&format!("U{code:08X}")),
            },
        }
    }

    fn literal(&mut self, text: &str, indent: isize) {
        self.separate();
        self.push('|');
        if text.starts_with([' ', '\n', '\u{2028}', '\u{2029}']) {
            self.push('2');
        }
        let mut end = text.chars().rev();
        match (end.next().is_some_and(is_break), end.next().is_none_or(is_break)) {
            (false, _) => self.push('-'),
            (true, true) => self.push('+'),
            (true, false) => {}
        }
        self.line_break();
        self.indented = true;
        self.spaced = true;
        if text.is_ascii() && !text.contains('\r') {
            for line in text.split_inclusive('\n') {
                let (line, end) =
                    line.strip_suffix('\n').map_or((line, false), |line| (line, true));
                if !line.is_empty() {
                    self.indent(indent);
                    self.push_str(line);
                    self.indented = false;
                }
                if end {
                    self.push_break('\n');
                }
            }
            return;
        }
        let mut after_break = true;
        for c in text.chars() {
            if is_break(c) {
                self.push_break(c);
                after_break = true;
            } else {
                if after_break {
                    self.indent(indent);
                }
                self.push(c);
                self.indented = false;
                after_break = false;
            }
        }
    }

    /// Writes a space before a token, unless there is one.
    fn separate(&mut self) {
        if !self.spaced {
            self.push(' ');
        }
    }

    fn token_written(&mut self) {
        self.spaced = false;
        self.indented = false;
    }

    fn push(&mut self, c: char) {
        self.text.push(c);
        self.column += 1;
    }

    fn push_str(&mut self, text: &str) {
        self.text.push_str(text);
        self.column += if text.is_ascii() { text.len() } else { text.chars().count() };
    }

    fn line_break(&mut self) {
        self.text.push('\n');
        self.column = 0;
    }

    /// Writes a line break that belongs to the text.
    fn push_break(&mut self, c: char) {
        self.text.push(c);
        self.column = 0;
        self.indented = true;
    }
}

/// Returns true if a text is plain in any context: every character is an ordinary one.
fn is_word(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ([first, ..], [.., last]) = (bytes, bytes) else { return false };
    (first.is_ascii_alphanumeric() || matches!(first, b'/' | b'_' | b'.' | b'(' | b'^'))
        && *last != b' '
        && *last != b':'
        && bytes.iter().fold(true, |plain, byte| plain & (b' '..=b'~').contains(byte))
        && !text.starts_with("...")
        && memchr::memchr2_iter(b':', b'#', bytes).all(|at| match bytes[at] {
            b':' => bytes[at + 1] != b' ',
            _ => bytes[at - 1] != b' ',
        })
}

/// Chooses the style of a string: plain if possible, literal for lines, quotes if necessary.
fn style(text: &str, context: Context) -> Style {
    let shape = Shape::of(text);
    let quote = if shape.single_quotable() { Style::SingleQuoted } else { Style::DoubleQuoted };
    if text.contains('\n') {
        let literal = context == Context::Value && shape.literal();
        return if literal { Style::Literal } else { Style::DoubleQuoted };
    }
    if context == Context::Key && shape.breaks || !is_string(text) {
        return Style::DoubleQuoted;
    }
    if shape.plain() { Style::Plain } else { quote }
}

/// Returns true if a plain scalar of this text is read as a string, by yaml.v2 and by readers that
/// still know sexagesimal numbers.
fn is_string(text: &str) -> bool {
    // A version: no number and no time has two points.
    if text.starts_with(|first: char| first.is_ascii_digit())
        && text.bytes().filter(|byte| *byte == b'.').count() > 1
    {
        return true;
    }
    scalar::resolve(text, Timestamps::Known) == Scalar::String && !is_base_60(text)
}

/// Matches `[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?`.
fn is_base_60(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return false;
    }
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let (text, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = text.split(':');
    let whole = parts.next().unwrap_or_default();
    let mut sixtieths = parts.peekable();
    digits(whole)
        && digits(fraction)
        && sixtieths.peek().is_some()
        && sixtieths
            .all(|part| matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']))
}

/// Properties of a text that forbid a style.
#[derive(Debug, Default)]
struct Shape {
    indicators: bool,
    breaks: bool,
    unprintable: bool,
    space_at_start: bool,
    space_at_end: bool,
    space_after_break: bool,
    space_before_break: bool,
}

impl Shape {
    fn of(text: &str) -> Self {
        let mut shape = Self {
            indicators: text.starts_with("---") || text.starts_with("..."),
            space_at_start: text.starts_with(' '),
            space_at_end: text.ends_with(' '),
            ..Self::default()
        };
        let mut before = None;
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            let blank_follows = rest.peek().is_none_or(|next| matches!(next, ' ' | '\t'));
            shape.indicators |= match (before, c) {
                (
                    None,
                    '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"'
                    | '%' | '@' | '`',
                ) => true,
                (None, '?' | '-') | (_, ':') => blank_follows,
                (Some(before), '#') => matches!(before, ' ' | '\t' | '\0') || is_break(before),
                _ => false,
            };
            shape.unprintable |= !is_printable(c);
            shape.breaks |= is_break(c);
            shape.space_after_break |= c == ' ' && before.is_some_and(is_break);
            shape.space_before_break |= is_break(c) && before == Some(' ');
            before = Some(c);
        }
        shape
    }

    fn plain(&self) -> bool {
        !(self.indicators || self.breaks || self.space_at_start || self.space_at_end)
            && self.single_quotable()
    }

    fn single_quotable(&self) -> bool {
        !(self.space_after_break || self.space_before_break || self.unprintable)
    }

    fn literal(&self) -> bool {
        !(self.space_at_end || self.space_before_break || self.unprintable)
    }
}

fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Returns true for a character that libyaml does not escape. It escapes everything beyond the
/// basic plane.
fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
        && c != '\u{feff}'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(write: impl FnOnce(&mut Out)) -> String {
        let mut out = Out::default();
        out.plain("key");
        out.colon();
        write(&mut out);
        out.finish()
    }

    proptest! {
        #[test]
        fn the_short_ways_write_what_the_long_ones_do(
            words in "[a-z/(][a-z1:#. ]{0,9}( {1,3}[a-z:#\\.-]{1,40}){0,9}",
            lines in "([a-z \t]{0,3}\n{0,2}){0,6}",
        ) {
            if is_word(&words) && is_string(&words) {
                prop_assert_eq!(style(&words, Context::Value), Style::Plain);
                let long = written(|out| {
                    out.separate();
                    out.flow(&words, Context::Value, 2, Style::Plain);
                    out.token_written();
                });
                prop_assert_eq!(written(|out| out.words(&words, 2)), &long[..]);
                prop_assert_eq!(written(|out| out.string(&words, Context::Value, 2)), long);
            }
            // A letter beyond ASCII takes the slow path; it is one column like any other.
            let long = written(|out| out.literal(&format!("é{lines}"), 2));
            let short = written(|out| out.literal(&format!("e{lines}"), 2));
            prop_assert_eq!(long.replace('é', "e"), short);
        }
    }
}
