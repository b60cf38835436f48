//! The values of literals: numbers, characters and texts in quotes.

/// A number of the template.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Int(i64),
    Float(f64),
}

/// Parses a number as Go does: decimal, `0x`, `0o` or `0`, `0b`, a float, with `_` between digits.
/// Hexadecimal floats and complex numbers are refused.
pub(super) fn number(text: &str) -> Result<Number, String> {
    let refused = || format!("`{text}` is not a number");
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let sign = if text.starts_with('-') { "-" } else { "" };
    let prefix = unsigned.get(..2).unwrap_or_default().to_ascii_lowercase();
    let radix = match prefix.as_str() {
        "0x" => 16,
        "0o" => 8,
        "0b" => 2,
        _ => 10,
    };
    let digits = if radix == 10 { unsigned } else { &unsigned[2..] };
    let is_float = radix == 10 && digits.contains(['.', 'e', 'E']);
    let is_octal = radix == 10 && !is_float && digits.len() > 1 && digits.starts_with('0');
    let radix = if is_octal { 8 } else { radix };
    let is_digit = |c: char| if is_float { c.is_ascii_digit() } else { c.is_digit(radix) };
    // `_` separates digits, or the prefix from the digits.
    let mut before = if radix == 10 || is_octal { ' ' } else { '0' };
    for (at, c) in digits.char_indices() {
        let next = digits[at + c.len_utf8()..].chars().next();
        let known = match c {
            '_' => is_digit(before) && next.is_some_and(is_digit),
            '.' | 'e' | 'E' | '+' | '-' if is_float => true,
            c => is_digit(c),
        };
        if !known {
            return Err(refused());
        }
        before = c;
    }
    let digits = format!("{sign}{}", digits.replace('_', ""));
    if is_float {
        let value = digits.parse().ok().filter(|value: &f64| value.is_finite());
        return value.map(Number::Float).ok_or_else(refused);
    }
    match i64::from_str_radix(&digits, radix) {
        Ok(value) => Ok(Number::Int(value)),
        Err(_) if digits.len() > 1 => Err(format!("`{text}` exceeds 64 bits")),
        Err(_) => Err(refused()),
    }
}

/// Returns the code of a character in single quotes.
pub(super) fn character(text: &str) -> Result<i64, String> {
    let inner = unquoted(text, '\'')?;
    let mut chars = inner.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => Ok(i64::from(u32::from(c))),
        _ => Err(format!("{text} is not one character")),
    }
}

/// Returns a text in double quotes without them, with its escapes replaced.
pub(super) fn quoted(text: &str) -> Result<String, String> {
    unquoted(text, '"')
}

/// Returns a text in back-ticks without them. Go drops carriage returns.
pub(super) fn raw(text: &str) -> String {
    text.trim_matches('`').replace('\r', "")
}

fn unquoted(text: &str, quote: char) -> Result<String, String> {
    let inner = text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
    inner
        .and_then(|inner| unescaped(inner, quote))
        .ok_or_else(|| format!("{text} has an escape that Go does not have, or is not UTF-8"))
}

fn unescaped(text: &str, quote: char) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once('\\') {
        out.extend_from_slice(before.as_bytes());
        let c = escape.chars().next()?;
        rest = &escape[c.len_utf8()..];
        let character = match c {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '\\' => '\\',
            'u' => char::from_u32(code(&mut rest, 4, 16)?)?,
            'U' => char::from_u32(code(&mut rest, 8, 16)?)?,
            // In single quotes, these are characters; in double quotes, bytes.
            'x' | '0'..='7' => {
                let code = if c == 'x' {
                    code(&mut rest, 2, 16)?
                } else {
                    rest = escape;
                    code(&mut rest, 3, 8)?
                };
                let byte = u8::try_from(code).ok()?;
                if quote == '"' {
                    out.push(byte);
                    continue;
                }
                char::from(byte)
            }
            c if c == quote => c,
            _ => return None,
        };
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
    out.extend_from_slice(rest.as_bytes());
    String::from_utf8(out).ok()
}

/// Takes the digits of an escape from the start of `rest`.
fn code(rest: &mut &str, length: usize, radix: u32) -> Option<u32> {
    let (digits, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    let is_code = digits.chars().all(|c| c.is_digit(radix));
    is_code.then(|| u32::from_str_radix(digits, radix).ok())?
}
