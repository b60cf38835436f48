//! A decoder of bytes as in yaml.v2's reader: UTF-8, or UTF-16 with a byte order mark. It removes
//! the mark and refuses control characters.

use super::YamlError;
use granit_parser::Marker;
use std::borrow::Cow;

/// Decodes a whole YAML stream.
pub(super) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, YamlError> {
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => Cow::Owned(decode_utf16(rest, u16::from_le_bytes)?),
        [0xfe, 0xff, rest @ ..] => Cow::Owned(decode_utf16(rest, u16::from_be_bytes)?),
        [0xef, 0xbb, 0xbf, rest @ ..] => Cow::Borrowed(decode_utf8(rest)?),
        _ => Cow::Borrowed(decode_utf8(bytes)?),
    };
    match find_control(&text) {
        Some(at) => Err(YamlError::content("control characters are not allowed", mark(&text, at))),
        None => Ok(breaks(text)),
    }
}

/// Converts the line ends of YAML 1.1 that YAML 1.2, which our scanner reads, treats as ordinary
/// characters. U+0085 becomes a line feed. U+2028 and U+2029 stay, but like every line end they
/// remove the blanks around them. That is exact in quoted and plain scalars, where Helm itself
/// writes them; a block scalar loses spaces that belong to the text.
fn breaks(text: Cow<'_, str>) -> Cow<'_, str> {
    const BREAKS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];
    // Text in ASCII, which nearly all documents are, needs no work.
    if memchr::memchr2(0xc2, 0xe2, text.as_bytes()).is_none() || !text.contains(BREAKS) {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = &*text;
    let mut line_starts = true;
    while let Some((before, after)) = rest.split_once(BREAKS) {
        let c = rest[before.len()..].chars().next().unwrap_or('\n');
        let (starts, line) = match before.rsplit_once('\n') {
            Some((_, line)) => (true, line),
            None => (line_starts, before),
        };
        // A comment ends with its line.
        line_starts = c == '\u{85}' || (starts && line.trim_start_matches(' ').starts_with('#'));
        if line_starts {
            out.push_str(before);
            out.push('\n');
            rest = after;
        } else {
            out.push_str(before.trim_end_matches([' ', '\t']));
            out.push(c);
            rest = after.trim_start_matches([' ', '\t']);
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn decode_utf8(bytes: &[u8]) -> Result<&str, YamlError> {
    str::from_utf8(bytes).map_err(|error| {
        let (good, bad) = bytes.split_at(error.valid_up_to());
        let message = match (error.error_len(), bad.first()) {
            (None, _) => "incomplete UTF-8 octet sequence",
            (_, Some(0x80..=0xbf | 0xf8..)) => "invalid leading UTF-8 octet",
            _ => "invalid trailing UTF-8 octet",
        };
        YamlError::content(message, mark(&String::from_utf8_lossy(good), good.len()))
    })
}

fn decode_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, YamlError> {
    let start = Marker::new(0, 1, 0);
    let (pairs, rest) = bytes.as_chunks();
    if !rest.is_empty() {
        return Err(YamlError::content("incomplete UTF-16 character", start));
    }
    char::decode_utf16(pairs.iter().map(|pair| unit(*pair)))
        .collect::<Result<_, _>>()
        .map_err(|_| YamlError::content("unexpected low surrogate area", start))
}

/// Returns the first character that YAML 1.1 does not allow.
fn find_control(text: &str) -> Option<usize> {
    let mut bytes = text.bytes().enumerate();
    // Bytes are enough in nearly all cases: all of ASCII by themselves, the rest by three lead
    // bytes.
    bytes.find_map(|(at, byte)| {
        let bad = match byte {
            b' '..=b'~' | b'\n' | b'\r' | b'\t' => false,
            0..b' ' | 0x7f => true,
            0xc2 | 0xef => match text[at..].chars().next() {
                Some(c) => {
                    matches!(c, '\u{80}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}'..='\u{ffff}')
                }
                None => false,
            },
            _ => false,
        };
        bad.then_some(at)
    })
}

/// Returns the line and column of a byte.
pub(super) fn mark(text: &str, at: usize) -> Marker {
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    Marker::new(before.chars().count(), line, before[line_start..].chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In YAML 1.2, the text on the right has the meaning that Helm 4.3.1 gives these line ends.
    #[test]
    fn the_line_ends_of_old_are_line_ends() {
        for (text, read) in [
            ("a: 'x \u{2028}   y'", "a: 'x\u{2028}y'"),
            ("a: x\u{2028}\u{2029}  y", "a: x\u{2028}\u{2029}y"),
            ("a: x \u{85}  y", "a: x \n  y"),
            ("# b\u{2028}a: y\u{2028} z", "# b\na: y\u{2028}z"),
            ("a: 'x\u{2028}# y\u{2028} z'", "a: 'x\u{2028}# y\u{2028}z'"),
            ("a: é â", "a: é â"),
        ] {
            assert_eq!(breaks(Cow::Borrowed(text)), read, "{text:?}");
        }
    }
}
