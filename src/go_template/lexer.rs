//! The division of a template into text and the tokens of its actions. Trim markers and comments
//! take effect here; the parser does not see them.

/// A token with its text and its line, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind,
    pub(super) text: &'t str,
    pub(super) line: usize,
}

/// The kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text outside of actions.
    Text,
    /// The start of an action, `{{`.
    Open,
    /// The end of an action, `}}`.
    Close,
    /// Spaces or line breaks within an action.
    Space,
    /// An assignment, `=`.
    Assign,
    /// A declaration, `:=`.
    Declare,
    /// The separator of commands, `|`.
    Pipe,
    /// The separator of variables, `,`.
    Comma,
    /// An opening parenthesis.
    Left,
    /// A closing parenthesis.
    Right,
    /// A lone `.`.
    Dot,
    /// A field with its point, `.name`.
    Field,
    /// A variable with its sign, `$name` or `$`.
    Variable,
    /// A keyword or the name of a function.
    Word,
    Number,
    /// A character with its quotes, `'x'`.
    Character,
    /// A text with its double quotes.
    Quoted,
    /// A text with its back-ticks.
    Raw,
}

/// A fault of a template: its line and the reason.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) line: usize,
    pub(super) reason: String,
}

const OPEN: &str = "{{";
const CLOSE: &str = "}}";

/// Returns the tokens of a template.
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, Fault> {
    let mut lexer = Lexer { rest: text, line: 1, tokens: Vec::new() };
    lexer.template()?;
    Ok(lexer.tokens)
}

struct Lexer<'t> {
    rest: &'t str,
    line: usize,
    tokens: Vec<Token<'t>>,
}

/// Returns true for the four spaces of Go's templates.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_letter_or_digit(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// Returns true if `text` starts with a trim marker and its space, `- `.
fn trims_left(text: &str) -> bool {
    text.strip_prefix('-').is_some_and(|rest| rest.starts_with(is_space))
}

/// Returns the length of the end of an action at the start of `text`, and true if it trims.
fn close(text: &str) -> Option<(usize, bool)> {
    let marked = text.strip_prefix(is_space).and_then(|rest| rest.strip_prefix('-'));
    if marked.is_some_and(|rest| rest.starts_with(CLOSE)) {
        Some((2 + CLOSE.len(), true))
    } else {
        text.starts_with(CLOSE).then_some((CLOSE.len(), false))
    }
}

impl<'t> Lexer<'t> {
    fn fault<T>(&self, reason: impl Into<String>) -> Result<T, Fault> {
        Err(Fault { line: self.line, reason: reason.into() })
    }

    /// Takes the next `length` bytes.
    fn take(&mut self, length: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.bytes().filter(|byte| *byte == b'\n').count();
        self.rest = rest;
        taken
    }

    fn emit(&mut self, kind: Kind, length: usize) {
        let line = self.line;
        let text = self.take(length);
        self.tokens.push(Token { kind, text, line });
    }

    fn template(&mut self) -> Result<(), Fault> {
        while !self.rest.is_empty() {
            let Some(end) = self.rest.find(OPEN) else {
                self.emit(Kind::Text, self.rest.len());
                break;
            };
            let trims = trims_left(&self.rest[end + OPEN.len()..]);
            let text = &self.rest[..end];
            let kept = if trims { text.trim_end_matches(is_space).len() } else { end };
            if kept > 0 {
                self.emit(Kind::Text, kept);
            }
            self.take(end - kept);
            let marker = if trims { 2 } else { 0 };
            if self.rest[OPEN.len() + marker..].starts_with("/*") {
                self.take(OPEN.len() + marker);
                self.comment()?;
            } else {
                self.emit(Kind::Open, OPEN.len());
                self.take(marker);
                self.action()?;
            }
        }
        Ok(())
    }

    fn comment(&mut self) -> Result<(), Fault> {
        let Some(end) = self.rest[2..].find("*/") else {
            return self.fault("the comment has no end");
        };
        self.take(2 + end + 2);
        let Some((length, trims)) = close(self.rest) else {
            return self.fault("the action goes on after its comment");
        };
        self.take(length);
        self.trim(trims);
        Ok(())
    }

    /// Skips the spaces after an action with a trim marker.
    fn trim(&mut self, trims: bool) {
        if trims {
            self.take(self.rest.len() - self.rest.trim_start_matches(is_space).len());
        }
    }

    fn action(&mut self) -> Result<(), Fault> {
        let mut open = 0_usize;
        loop {
            if let Some((length, trims)) = close(self.rest) {
                if open > 0 {
                    return self.fault("a parenthesis is not closed");
                }
                self.emit(Kind::Close, length);
                self.trim(trims);
                return Ok(());
            }
            let Some(first) = self.rest.chars().next() else {
                return self.fault("the action is not closed");
            };
            match first {
                c if is_space(c) => self.spaces(),
                '=' => self.emit(Kind::Assign, 1),
                ':' if self.rest.starts_with(":=") => self.emit(Kind::Declare, 2),
                '|' => self.emit(Kind::Pipe, 1),
                ',' => self.emit(Kind::Comma, 1),
                '(' => {
                    open += 1;
                    self.emit(Kind::Left, 1);
                }
                ')' => {
                    let Some(left) = open.checked_sub(1) else {
                        return self.fault("a parenthesis is not opened");
                    };
                    open = left;
                    self.emit(Kind::Right, 1);
                }
                '"' => self.quoted(Kind::Quoted, '"')?,
                '\'' => self.quoted(Kind::Character, '\'')?,
                '`' => match self.rest[1..].find('`') {
                    Some(end) => self.emit(Kind::Raw, end + 2),
                    None => return self.fault("a raw text is not closed"),
                },
                '$' => self.name(Kind::Variable)?,
                '.' if !self.rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                    self.name(Kind::Field)?;
                }
                c if c == '.' || c == '+' || c == '-' || c.is_ascii_digit() => self.number()?,
                c if is_letter_or_digit(c) => self.name(Kind::Word)?,
                c => return self.fault(format!("unexpected `{}`", c.escape_debug())),
            }
        }
    }

    fn spaces(&mut self) {
        let mut length = 0;
        while self.rest[length..].starts_with(is_space) && close(&self.rest[length..]).is_none() {
            length += 1;
        }
        self.emit(Kind::Space, length);
    }

    /// Reads a name after its first character. A lone `.` is a [`Kind::Dot`].
    fn name(&mut self, kind: Kind) -> Result<(), Fault> {
        let first = self.rest.chars().next().map_or(0, char::len_utf8);
        let rest = &self.rest[first..];
        let length = first + rest.find(|c| !is_letter_or_digit(c)).unwrap_or(rest.len());
        if let Some(next) = self.rest[length..].chars().next() {
            let ends = is_space(next) || ".,|:)(".contains(next);
            if !ends && !self.rest[length..].starts_with(CLOSE) {
                let name = &self.rest[..length];
                return self.fault(format!("unexpected `{}` after `{name}`", next.escape_debug()));
            }
        }
        self.emit(if kind == Kind::Field && length == 1 { Kind::Dot } else { kind }, length);
        Ok(())
    }

    fn quoted(&mut self, kind: Kind, quote: char) -> Result<(), Fault> {
        let mut escaped = false;
        for (at, c) in self.rest.char_indices().skip(1) {
            match c {
                '\n' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                c if c == quote => {
                    self.emit(kind, at + 1);
                    return Ok(());
                }
                _ => {}
            }
        }
        self.fault(format!("a text in {quote} is not closed"))
    }

    /// Reads a number. Its syntax is checked with its value.
    fn number(&mut self) -> Result<(), Fault> {
        let text = self.rest;
        let bytes = text.as_bytes();
        let mut length = usize::from(matches!(bytes[0], b'+' | b'-'));
        let is_hex = text[length..].starts_with("0x") || text[length..].starts_with("0X");
        while let Some(byte) = bytes.get(length) {
            let after_exponent = !is_hex && length > 0 && matches!(bytes[length - 1], b'e' | b'E');
            match byte {
                b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'.' => length += 1,
                b'+' | b'-' if after_exponent => length += 1,
                _ => break,
            }
        }
        let next = text[length..].chars().next();
        if next.is_some_and(|c| is_letter_or_digit(c) || c == '+' || c == '-') {
            return self.fault(format!("`{}` is not a number", &text[..length]));
        }
        self.emit(Kind::Number, length);
        Ok(())
    }
}
