//! Values as Go's `fmt` prints them: `%v`, `print`, `println` and `printf`. An argument that does
//! not fit its verb is printed as in Go, `%!d(string=x)`. The flag `#`, indexes of arguments, `*`,
//! and hexadecimal or binary floats are errors.

use super::{
    budget::{COLUMNS, Sink},
    item::{Item, in_order},
};
use crate::{Error, Result, json, quote};

/// The output of a missing value and of null.
pub(super) const NO_VALUE: &str = "<no value>";
const NIL: &str = "<nil>";

/// A verb with its flags.
#[derive(Clone, Copy, Debug)]
struct Verb {
    letter: char,
    plus: bool,
    minus: bool,
    space: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

/// The verb `%v` or another one, without flags.
const fn plain(letter: char) -> Verb {
    let (plus, minus, space, zero) = (false, false, false, false);
    Verb { letter, plus, minus, space, zero, width: 0, precision: None }
}

/// Prints a value as `%v`. Null and a missing value are `<nil>`.
pub(super) fn value(out: &mut Sink, item: &Item<'_>) -> Result<()> {
    plain('v').print(out, item)
}

/// Prints a value as `%v`, in double quotes with escapes.
pub(super) fn quoted(out: &mut Sink, item: &Item<'_>) -> Result<()> {
    match item {
        Item::Text(text) => out.push(&quote::go(text)),
        item => {
            let mut inner = out.inner();
            value(&mut inner, item)?;
            out.push(&quote::go(&inner.into_text()))
        }
    }
}

/// Prints values, with a space between two that are both no text.
pub(super) fn print(out: &mut Sink, items: &[Item<'_>]) -> Result<()> {
    let mut before_is_text = true;
    for item in items {
        let is_text = matches!(item, Item::Text(_));
        if !is_text && !before_is_text {
            out.push(" ")?;
        }
        value(out, item)?;
        before_is_text = is_text;
    }
    Ok(())
}

/// Prints values with spaces between them and a line break at the end.
pub(super) fn println(out: &mut Sink, items: &[Item<'_>]) -> Result<()> {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(" ")?;
        }
        value(out, item)?;
    }
    out.push("\n")
}

/// Prints values by the verbs of a template.
///
/// # Errors
/// `Usage` for the flags that Go has and this module does not.
pub(super) fn printf(out: &mut Sink, template: &str, items: &[Item<'_>]) -> Result<()> {
    let mut items = items.iter();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('%') {
        out.push(before)?;
        let (verb, behind) = verb(behind)?;
        rest = behind;
        match verb {
            None => out.push("%!(NOVERB)")?,
            Some(verb) if verb.letter == '%' => out.push("%")?,
            Some(verb) => match items.next() {
                Some(item) => verb.print(out, item)?,
                None => {
                    out.push("%!")?;
                    out.push_char(verb.letter)?;
                    out.push("(MISSING)")?;
                }
            },
        }
    }
    out.push(rest)?;
    let extra = items.as_slice();
    for (at, item) in extra.iter().enumerate() {
        out.push(if at == 0 { "%!(EXTRA " } else { ", " })?;
        if !item.is_nil() {
            out.push(item.kind())?;
            out.push("=")?;
        }
        value(out, item)?;
    }
    out.push(if extra.is_empty() { "" } else { ")" })
}

/// Parses the verb after a `%`. Returns no verb at the end of the text.
fn verb(text: &str) -> Result<(Option<Verb>, &str)> {
    let mut verb = plain('v');
    let mut rest = text;
    loop {
        let flag = match rest.chars().next() {
            Some('+') => &mut verb.plus,
            Some('-') => &mut verb.minus,
            Some(' ') => &mut verb.space,
            Some('0') => &mut verb.zero,
            _ => break,
        };
        *flag = true;
        rest = &rest[1..];
    }
    if let Some(width) = columns(&mut rest)? {
        verb.width = width;
    }
    if let Some(behind) = rest.strip_prefix('.') {
        rest = behind;
        verb.precision = Some(columns(&mut rest)?.unwrap_or(0));
    }
    // Zeros at the right would change a number.
    verb.zero &= !verb.minus;
    let Some(letter) = rest.chars().next() else { return Ok((None, rest)) };
    if matches!(letter, '#' | '[' | '*') {
        return Err(Error::usage(format!("`{letter}` after `%` is not supported")));
    }
    verb.letter = letter;
    // For `%v`, Go's plus names the fields of structs.
    verb.plus &= letter != 'v';
    Ok((Some(verb), &rest[letter.len_utf8()..]))
}

/// Takes the digits of a width or a precision.
fn columns(rest: &mut &str) -> Result<Option<usize>> {
    let length = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, behind) = rest.split_at(length);
    *rest = behind;
    if digits.is_empty() {
        return Ok(None);
    }
    let columns = digits.parse().ok().filter(|columns| *columns <= COLUMNS);
    columns
        .map(Some)
        .ok_or_else(|| Error::usage(format!("a width of `%` exceeds the limit of {COLUMNS}")))
}

impl Verb {
    /// Prints an argument.
    fn print(&self, out: &mut Sink, item: &Item<'_>) -> Result<()> {
        match (self.letter, item) {
            ('T', item) => self.pad(out, if item.is_nil() { NIL } else { item.kind() }, self.zero),
            ('v', Item::Missing | Item::Null) => self.pad(out, NIL, self.zero),
            (_, Item::Missing | Item::Null) => self.bad(out, item),
            _ => self.within(out, item),
        }
    }

    /// Prints an argument or an element of one.
    fn within(&self, out: &mut Sink, item: &Item<'_>) -> Result<()> {
        match item {
            Item::Missing | Item::Null => out.push(NIL),
            Item::Bool(value) => match self.letter {
                't' | 'v' => self.pad(out, if *value { "true" } else { "false" }, self.zero),
                _ => self.bad(out, item),
            },
            Item::Int(value) => self.whole(out, item, i128::from(*value)),
            Item::Uint(value) => self.whole(out, item, i128::from(*value)),
            Item::Float(value) => match self.letter {
                'v' | 'e' | 'E' | 'f' | 'F' | 'g' | 'G' => self.float(out, *value),
                'x' | 'X' | 'b' => {
                    Err(Error::usage(format!("`%{}` of a float is not supported", self.letter)))
                }
                _ => self.bad(out, item),
            },
            Item::Text(text) => self.text(out, item, text),
            Item::List(_) | Item::Texts(_) => {
                out.push("[")?;
                for (at, element) in (0..).map_while(|at| Some((at, item.element(at)?))) {
                    out.push(if at > 0 { " " } else { "" })?;
                    self.within(out, &element)?;
                }
                out.push("]")
            }
            Item::Map(entries) => {
                out.push("map[")?;
                for (at, (key, value)) in in_order(entries).into_iter().enumerate() {
                    out.push(if at > 0 { " " } else { "" })?;
                    self.within(out, &Item::from(key.as_str()))?;
                    out.push(":")?;
                    self.within(out, &Item::from(value))?;
                }
                out.push("]")
            }
        }
    }

    /// Prints a value that does not fit the verb.
    fn bad(&self, out: &mut Sink, item: &Item<'_>) -> Result<()> {
        out.push("%!")?;
        out.push_char(self.letter)?;
        out.push("(")?;
        if item.is_nil() {
            out.push(NIL)?;
        } else {
            out.push(item.kind())?;
            out.push("=")?;
            Self { letter: 'v', ..*self }.within(out, item)?;
        }
        out.push(")")
    }

    fn text(&self, out: &mut Sink, item: &Item<'_>, text: &str) -> Result<()> {
        let count = self.precision.unwrap_or(usize::MAX);
        let cut = || {
            let end = text.char_indices().nth(count).map_or(text.len(), |(at, _)| at);
            &text[..end]
        };
        match self.letter {
            'v' | 's' => self.pad(out, cut(), self.zero),
            'q' if self.plus => Err(Error::usage("`%+q` is not supported")),
            'q' => self.pad(out, &quote::go(cut()), self.zero),
            'x' | 'X' => {
                let mut inner = out.inner();
                for (at, byte) in text.bytes().take(count).enumerate() {
                    inner.push(if self.space && at > 0 { " " } else { "" })?;
                    inner.push(&if self.letter == 'x' {
                        format!("{byte:02x}")
                    } else {
                        format!("{byte:02X}")
                    })?;
                }
                self.pad(out, &inner.into_text(), self.zero)
            }
            _ => self.bad(out, item),
        }
    }

    fn whole(&self, out: &mut Sink, item: &Item<'_>, value: i128) -> Result<()> {
        let magnitude = value.unsigned_abs();
        let digits = match self.letter {
            'v' | 'd' => magnitude.to_string(),
            'b' => format!("{magnitude:b}"),
            'o' | 'O' => format!("{magnitude:o}"),
            'x' => format!("{magnitude:x}"),
            'X' => format!("{magnitude:X}"),
            'c' | 'q' | 'U' => return self.character(out, value),
            // ORAS has only floats, and its templates print them with these verbs.
            'e' | 'E' | 'f' | 'F' | 'g' | 'G' => return self.float(out, value as f64),
            _ => return self.bad(out, item),
        };
        let prefix = if self.letter == 'O' { "0o" } else { "" };
        let sign = self.sign(value < 0);
        let least = match self.precision {
            Some(0) if value == 0 => return self.pad(out, "", false),
            Some(precision) => precision,
            None if self.zero => self.width.saturating_sub(sign.len()),
            None => 0,
        };
        self.pad(out, &format!("{sign}{prefix}{digits:0>least$}"), false)
    }

    fn character(&self, out: &mut Sink, value: i128) -> Result<()> {
        let known = u32::try_from(value).ok().and_then(char::from_u32);
        let c = known.unwrap_or(char::REPLACEMENT_CHARACTER);
        let text = match self.letter {
            'c' => c.to_string(),
            'U' => format!("U+{value:04X}"),
            _ if self.plus => return Err(Error::usage("`%+q` is not supported")),
            _ if c == '\'' => r"'\''".to_owned(),
            _ if c == '"' => "'\"'".to_owned(),
            _ => {
                let quoted = quote::go(c.encode_utf8(&mut [0; 4]));
                format!("'{}'", &quoted[1..quoted.len() - 1])
            }
        };
        self.pad(out, &text, self.zero && self.letter != 'U')
    }

    fn sign(&self, is_negative: bool) -> &'static str {
        match self {
            _ if is_negative => "-",
            Self { plus: true, .. } => "+",
            Self { space: true, .. } => " ",
            _ => "",
        }
    }

    fn float(&self, out: &mut Sink, value: f64) -> Result<()> {
        let magnitude = value.abs();
        let digits = match (self.letter, self.precision) {
            ('e' | 'E', precision) => {
                exponential(&format!("{magnitude:.*e}", precision.unwrap_or(6)))
            }
            ('f' | 'F', precision) => format!("{magnitude:.*}", precision.unwrap_or(6)),
            (_, None) => general(&json::shortest(magnitude), 6),
            (_, Some(precision)) => {
                let precision = precision.max(1);
                general(&rounded(magnitude, precision), precision)
            }
        };
        let digits = if matches!(self.letter, 'E' | 'G') { digits.to_uppercase() } else { digits };
        let sign = self.sign(value.is_sign_negative());
        let least = if self.zero { self.width.saturating_sub(sign.len()) } else { 0 };
        self.pad(out, &format!("{sign}{digits:0>least$}"), false)
    }

    /// Writes a text with spaces or zeros up to the width.
    fn pad(&self, out: &mut Sink, text: &str, zero: bool) -> Result<()> {
        let missing = match self.width {
            0 => 0,
            width => width.saturating_sub(text.chars().count()),
        };
        if self.minus {
            out.push(text)?;
        }
        out.push(&if zero { "0" } else { " " }.repeat(missing))?;
        if self.minus { Ok(()) } else { out.push(text) }
    }
}

/// Returns a number rounded to some digits, as `1.25e-7`, without zeros at the end.
fn rounded(value: f64, digits: usize) -> String {
    let text = format!("{value:.*e}", digits - 1);
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let mantissa = match mantissa.contains('.') {
        true => mantissa.trim_end_matches('0').trim_end_matches('.'),
        false => mantissa,
    };
    format!("{mantissa}e{exponent}")
}

/// Writes `1.25e-7` with an exponent below 1e-4 and from 10 to the power of `digits` on.
fn general(text: &str, digits: usize) -> String {
    let exponent = text.split_once('e').and_then(|(_, exponent)| exponent.parse::<i64>().ok());
    match exponent {
        Some(exponent) if exponent < -4 || exponent >= digits as i64 => exponential(text),
        _ => json::without_exponent(text),
    }
}

/// Writes the exponent of `1.25e-7` with its sign and two digits.
fn exponential(text: &str) -> String {
    let Some((mantissa, exponent)) = text.split_once('e') else { return text.to_owned() };
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{exponent:0>2}")
}
