//! Text as Go's `%q` and `%#v` print it, for errors with Helm's wording, and text that is safe to
//! show on any terminal. [`crate::redact`] removes secrets. [`crate::json`] has the rules of JSON.

use std::{borrow::Cow, fmt::Write};

/// Returns `text` in double quotes as Go's `strconv.Quote` writes it.
pub(crate) fn go(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if is_print(c) => out.push(c),
            c => {
                let code = u32::from(c);
                let written = match code {
                    0..=0x7f => write!(out, "\\x{code:02x}"),
                    0x80..=0xffff => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
                debug_assert!(written.is_ok(), "writing to a String cannot fail");
            }
        }
    }
    out.push('"');
    out
}

/// Returns Go's `unicode.IsPrint`: letters, marks, numbers, punctuation, symbols and U+0020.
/// `escape_debug` judges by the same categories, perhaps of a newer Unicode. The letter before `c`
/// keeps it from escaping a combining mark, as it would at the start.
pub(crate) fn is_print(c: char) -> bool {
    if c.is_ascii() {
        return c == ' ' || c.is_ascii_graphic();
    }
    let mut pair = [b'a', 0, 0, 0, 0];
    let end = 1 + c.encode_utf8(&mut pair[1..]).len();
    std::str::from_utf8(&pair[..end]).is_ok_and(|text| text.escape_debug().eq(['a', c]))
}

/// Returns a text that cannot move the cursor, change colors or hide anything on a terminal.
/// Control characters become `\u001b`, which is valid in a JSON string too. Line feeds, tabs and
/// letters of every script stay. A carriage return, which some terminals take for a new line,
/// becomes an escape, and so do the characters that reverse the order of text.
#[cfg_attr(not(feature = "cli"), allow(dead_code, reason = "messages are for a terminal"))]
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| match c {
        '\n' | '\t' => true,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => false,
        c => !c.is_control(),
    };
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_plain(c) {
            out.push(c);
        } else {
            let written = write!(out, "\\u{:04x}", u32::from(c));
            debug_assert!(written.is_ok(), "writing to a String cannot fail");
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    #[test]
    fn text_is_quoted_as_go_quotes_it() {
        for (text, quoted) in [
            ("", r#""""#),
            ("a\"b\\", r#""a\"b\\""#),
            ("\t\n\u{1}\u{7f}", r#""\t\n\x01\x7f""#),
            ("é e\u{301} \u{a0}\u{200b}\u{feff}", "\"é e\u{301} \\u00a0\\u200b\\ufeff\""),
            ("😀\u{e0001}", "\"😀\\U000e0001\""),
        ] {
            assert_eq!(super::go(text), quoted);
        }
    }

    #[test]
    fn nothing_that_is_shown_moves_the_cursor() {
        for (text, shown) in [
            ("größe\t大\r\n", "größe\t大\\u000d\n"),
            ("\u{1b}]0;owned\u{7}", "\\u001b]0;owned\\u0007"),
            ("a\rb\u{8}\u{7f}\u{9b}2J", "a\\u000db\\u0008\\u007f\\u009b2J"),
            ("\u{202e}gpj.exe", "\\u202egpj.exe"),
            ("e\u{301}\u{200d}", "e\u{301}\u{200d}"),
        ] {
            assert_eq!(super::printable(text), shown);
        }
    }
}
