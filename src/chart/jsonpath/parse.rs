//! A parser of templates to pieces.

use super::{Filter, Piece, Slice, To};

type Result<T> = std::result::Result<T, String>;

/// Parses text and actions, in turn.
pub(super) fn template(text: &str) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        let mut scanner = Scanner { text: behind, at: 0 };
        pieces.push(Piece::Steps(scanner.steps(End::Brace)?));
        rest = &behind[scanner.at..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Ok(pieces)
}

/// Parses the steps within brackets or on a side of a comparison.
fn fragment(text: &str) -> Result<Vec<Piece>> {
    Scanner { text, at: 0 }.steps(End::Text)
}

/// The end of a list of steps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The list ends at a closing brace.
    Brace,
    /// The list ends at the end of the text.
    Text,
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

/// Returns true for a letter, a digit or the underscore, of which words consist.
fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

impl<'a> Scanner<'a> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// Reads characters while `wanted` returns true.
    fn run(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = &self.text[self.at..];
        let length = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn steps(&mut self, end: End) -> Result<Vec<Piece>> {
        let mut steps = Vec::new();
        loop {
            match self.peek() {
                None if end == End::Text => return Ok(steps),
                None | Some('\n' | '\r') => return Err("unclosed action".to_owned()),
                Some('}') if end == End::Brace => {
                    self.take();
                    return Ok(steps);
                }
                Some(' ' | '@' | '$') => {
                    self.take();
                }
                Some('[') => steps.extend(self.brackets()?),
                Some(quote @ ('"' | '\'')) => steps.push(self.quoted(quote)?),
                Some('.') => self.field(&mut steps),
                Some('+' | '-' | '0'..='9') => steps.push(self.number()?),
                Some(c) if is_word(c) => steps.push(match self.run(is_word) {
                    "true" => Piece::Bool(true),
                    "false" => Piece::Bool(false),
                    word => Piece::Word(word.to_owned()),
                }),
                Some(c) => {
                    let shown =
                        if crate::quote::is_print(c) { format!(" '{c}'") } else { String::new() };
                    return Err(format!(
                        "unrecognized character in action: U+{:04X}{shown}",
                        u32::from(c)
                    ));
                }
            }
        }
    }

    /// Parses `.name`, `.*`, `..` or `..name`.
    fn field(&mut self, steps: &mut Vec<Piece>) {
        self.take();
        if self.peek() == Some('.') {
            self.take();
            steps.push(Piece::Recursive);
            if !self.peek().is_some_and(is_word) {
                return;
            }
        }
        let mut name = String::new();
        while let Some(c) = self.peek() {
            if matches!(c, ' ' | '\t' | '\n' | '\r' | '.' | ',' | '[' | ']' | '$' | '@' | '{' | '}')
            {
                break;
            }
            self.take();
            if c == '\\' {
                name.extend(self.take().filter(|c| *c != '\\'));
            } else {
                name.push(c);
            }
        }
        steps.push(if name == "*" { Piece::Wildcard } else { Piece::Field(name) });
    }

    fn number(&mut self) -> Result<Piece> {
        let start = self.at;
        self.take();
        self.run(|c| c.is_ascii_digit() || c == '.');
        let text = &self.text[start..self.at];
        if let Ok(value) = text.parse() {
            return Ok(Piece::Int(value));
        }
        text.parse().map(Piece::Float).map_err(|_| format!("cannot parse number {text}"))
    }

    fn quoted(&mut self, quote: char) -> Result<Piece> {
        let start = self.at;
        self.take();
        loop {
            match self.take() {
                None | Some('\n') => return Err("unterminated quoted string".to_owned()),
                Some('\\') => {
                    self.take();
                }
                Some(c) if c == quote => break,
                Some(_) => {}
            }
        }
        let text = &self.text[start..self.at];
        unquote(&text[1..text.len() - 1], quote)
            .map(Piece::Text)
            .ok_or_else(|| format!("unquote string {text} error invalid syntax"))
    }

    fn brackets(&mut self) -> Result<Vec<Piece>> {
        self.take();
        if self.text[self.at..].starts_with("?(") {
            self.at += 2;
            return self.filter().map(|filter| vec![filter]);
        }
        let inner = self.run(|c| !matches!(c, ']' | '\n'));
        if self.take() != Some(']') {
            return Err("unterminated array".to_owned());
        }
        inside(inner)
    }

    /// Parses the rest of a filter after `[?(`.
    fn filter(&mut self) -> Result<Piece> {
        let start = self.at;
        let mut quote = None;
        loop {
            match self.take() {
                None | Some('\n') => return Err("unterminated filter".to_owned()),
                Some(c @ ('"' | '\'')) if quote.is_none() => quote = Some(c),
                Some(c) if quote == Some(c) => quote = None,
                Some(')') if quote.is_none() => break,
                Some(_) => {}
            }
        }
        let text = &self.text[start..self.at - 1];
        if self.take() != Some(']') {
            return Err("unclosed array expect ]".to_owned());
        }
        let Some((left, operator, right)) = sides(text) else {
            let left = fragment(text)?;
            return Ok(Piece::Filter(Box::new(Filter { left, comparison: None })));
        };
        let (left, right) = (fragment(left)?, fragment(right)?);
        let comparison = Some((operator.to_owned(), right));
        Ok(Piece::Filter(Box::new(Filter { left, comparison })))
    }
}

/// Splits a comparison. The operator is the first run of `!<>=` with text on both sides.
fn sides(text: &str) -> Option<(&str, &str, &str)> {
    let is_operator = |c| matches!(c, '!' | '<' | '>' | '=');
    let start = text.find(is_operator).filter(|start| *start > 0)?;
    let length = text[start..].find(|c| !is_operator(c)).unwrap_or(text.len() - start);
    // If a run ends the text, its last character is the right side.
    let length = if start + length == text.len() { length - 1 } else { length };
    let end = start + length;
    (length > 0).then(|| (&text[..start], &text[start..end], &text[end..]))
}

/// Parses the content of brackets without a filter.
fn inside(text: &str) -> Result<Vec<Piece>> {
    let quoted = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
    if let Some(name) = quoted.filter(|name| !name.contains('\'')) {
        return fragment(&format!(".{name}"));
    }
    if text.contains(',') {
        let parts = text.split(',').map(|part| inside(part.trim_matches(' ')));
        return Ok(vec![Piece::Union(parts.collect::<Result<_>>()?)]);
    }
    if text == "*" {
        return Ok(vec![Piece::Slice(Slice { from: None, to: To::End, step: None })]);
    }
    let parts: Vec<&str> = text.split(':').collect();
    let is_index = |part: &&str| {
        let digits = part.strip_prefix('-').unwrap_or(part);
        digits.bytes().all(|c| c.is_ascii_digit())
    };
    if parts.len() > 3 || !parts.iter().all(is_index) {
        return Err(format!("invalid array index {text}"));
    }
    let index = |part: Option<&&str>| match part {
        None | Some(&"") => Ok(None),
        Some(part) => {
            part.parse().map(Some).map_err(|_| format!("array index {part} is not a number"))
        }
    };
    let (from, to, step) = (index(parts.first())?, index(parts.get(1))?, index(parts.get(2))?);
    let to = match to {
        _ if parts.len() == 1 => To::One,
        Some(to) => To::Index(to),
        None => To::End,
    };
    Ok(vec![Piece::Slice(Slice { from, to, step })])
}

/// Returns a string without its quotes, with its escapes replaced as in Go. Returns `None` if Go
/// does not have the escape, or if the result is not UTF-8.
fn unquote(text: &str, quote: char) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once('\\') {
        out.extend_from_slice(before.as_bytes());
        let c = escape.chars().next()?;
        rest = &escape[c.len_utf8()..];
        let mut code = |length: usize| {
            let (digits, behind) = rest.split_at_checked(length)?;
            rest = behind;
            u32::from_str_radix(digits, 16).ok()
        };
        let character = match c {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '\\' => '\\',
            'x' => {
                out.push(u8::try_from(code(2)?).ok()?);
                continue;
            }
            'u' => char::from_u32(code(4)?)?,
            'U' => char::from_u32(code(8)?)?,
            c if c == quote => c,
            _ => return None,
        };
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
    out.extend_from_slice(rest.as_bytes());
    String::from_utf8(out).ok()
}
