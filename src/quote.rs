//! Text as Go's `%q` and `%#v` print it, for errors with Helm's wording, and text that is safe to
//! show on any terminal. [`crate::json`] has the rules of JSON.

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

/// Query parameters whose values are shown, because they only name something.
const NAMES: [&str; 10] =
    ["artifactType", "charts", "digest", "from", "last", "mount", "n", "scope", "service", "tag"];

/// Returns a text whose URLs contain no secrets. It removes credentials, and from queries all
/// values except those that only name something; signed URLs have their proof there. It also
/// removes the user from `user:password@host` without a scheme.
pub(crate) fn without_proof(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let ends_word = |c: char| c.is_whitespace() || matches!(c, '"' | '`' | '\'' | '<' | '>' | '\\');
    for part in text.split_inclusive(ends_word) {
        let word = part.trim_end_matches(ends_word);
        word_without_proof(word, &mut out);
        out.push_str(&part[word.len()..]);
    }
    out
}

/// Redacts one word: a URL, several URLs (`OLD=NEW`), or another text.
fn word_without_proof(word: &str, out: &mut String) {
    let Some(start) = word.find("://").map(|at| at + 3) else {
        let (user, bare) = word.split_at(user_end(word).unwrap_or(0));
        return out.push_str(if user.contains(':') { bare } else { word });
    };
    let (before, rest) = word.split_at(start);
    out.push_str(before);
    let scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let next = rest.find("://").map(|at| rest[..at].trim_end_matches(scheme).len());
    let (url, next) = rest.split_at(next.unwrap_or(rest.len()));
    without_secret_parts(&url[user_end(url).unwrap_or(0)..], out);
    if !next.is_empty() {
        word_without_proof(next, out);
    }
}

/// Writes a URL after its credentials, without its fragment and without the secret values of its
/// query.
fn without_secret_parts(url: &str, out: &mut String) {
    let whole = url.trim_end_matches([':', ',', ';', '.', ')']);
    let (address, _) = whole.split_once('#').unwrap_or((whole, ""));
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    out.push_str(path);
    for (at, pair) in query.split('&').filter(|_| !query.is_empty()).enumerate() {
        out.push(if at == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, _)) if !NAMES.contains(&name) => out.extend([name, "=..."]),
            _ => out.push_str(pair),
        }
    }
    out.push_str(&url[whole.len()..]);
}

/// Returns the end of `user:password@` before a host. The `@` of a digest does not count.
pub(crate) fn user_end(text: &str) -> Option<usize> {
    let end = |at: usize| {
        let rest = &text[at + 1..];
        (!rest.starts_with("sha256:") && !rest.starts_with("sha512:")).then_some(at + 1)
    };
    let authority = &text[..text.find(['/', '?', '#']).unwrap_or(text.len())];
    if let Some(at) = authority.rfind('@') {
        return end(at);
    }
    // For a password with a slash in it, the text after the colon is not a port.
    let (_, port) = authority.split_once(':').filter(|_| !authority.starts_with('['))?;
    if port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.rfind('@').and_then(end)
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

    #[test]
    fn no_proof_is_shown() {
        let digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        for (text, expected) in [
            ("http://h/x?sig=abc&n=5&force", "http://h/x?sig=...&n=5&force"),
            (
                "https://u:p@h.example:5000/v2/a/blobs/uploads/?digest=sha256:1&_state=x",
                "https://h.example:5000/v2/a/blobs/uploads/?digest=sha256:1&_state=...",
            ),
            ("http://[::1]/b?X-Amz-Signature=s&n=5&x", "http://[::1]/b?X-Amz-Signature=...&n=5&x"),
            ("https://h.example/#token", "https://h.example/"),
            (
                "failed to fetch https://u:p@h:1/x?sig=abc#y : 404",
                "failed to fetch https://h:1/x?sig=... : 404",
            ),
            (
                "`http://h?a=b`: no, \"http://h/?a=b\".",
                "`http://h?a=...`: no, \"http://h/?a=...\".",
            ),
            ("two\n  http://h?a=b,\nhttp://u@h", "two\n  http://h?a=...,\nhttp://h"),
            ("oci://ann:s3/cret@h:5000/ns", "oci://h:5000/ns"),
            ("`ann:s3cret@h:5000/ns` is none", "`h:5000/ns` is none"),
            ("mail ann@example.com: `h:5000/ns/a:1`", "mail ann@example.com: `h:5000/ns/a:1`"),
            ("http://[::1]:80/a", "http://[::1]:80/a"),
            ("ocirepo://h/ns?charts=a,b", "ocirepo://h/ns?charts=a,b"),
            ("http://h?a=b,oci://u:p@h/x=oci://u:p@i", "http://h?a=...,oci://h/x=oci://i"),
            ("file:///a/b ://x :// ://:// @ : a:@", "file:///a/b ://x :// ://:// @ : "),
        ] {
            assert_eq!(super::without_proof(text), expected);
        }
        let pinned = format!("oci://h:5000/ns/a:1@{digest} h/a@{digest} a:1@{digest}");
        assert_eq!(super::without_proof(&pinned), pinned);
    }
}
