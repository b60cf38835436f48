//! Text as Go's `%q` and `%#v` print it, for the errors whose wording must be Helm's. Not for JSON: that is [`crate::json`].

use std::fmt::Write;

/// `text` in double quotes as Go's `strconv.Quote` writes it.
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

/// Go's `unicode.IsPrint`: letters, marks, numbers, punctuation, symbols and U+0020. `escape_debug` judges by the same
/// categories, of perhaps a newer Unicode; the letter before `c` keeps it from escaping a combining mark, as it would
/// at the start.
pub(crate) fn is_print(c: char) -> bool {
    if c.is_ascii() {
        return c == ' ' || c.is_ascii_graphic();
    }
    let mut pair = [b'a', 0, 0, 0, 0];
    let end = 1 + c.encode_utf8(&mut pair[1..]).len();
    std::str::from_utf8(&pair[..end]).is_ok_and(|text| text.escape_debug().eq(['a', c]))
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
}
