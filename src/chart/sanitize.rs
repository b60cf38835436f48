//! Removal of characters from a chart's texts that could harm a terminal. It applies only to the
//! fields that Helm cleans: versions, types and annotations stay unchanged.

use crate::quote::is_print;

/// Replaces spaces by U+0020 and removes characters that cannot be printed. This is Helm's
/// `sanitizeString`, so that no chart sends escape sequences to a terminal (CVE-2021-21303).
pub(crate) fn sanitize(text: &mut String) {
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return;
    }
    *text = text
        .chars()
        .filter_map(|c| match c {
            _ if c.is_whitespace() => Some(' '),
            _ if is_print(c) => Some(c),
            _ => None,
        })
        .collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_printed_goes_and_spaces_become_plain() {
        for (dirty, clean) in [
            ("plain 'text' \"with\" \\", "plain 'text' \"with\" \\"),
            ("\u{1b}[31mred\u{1b}[0m", "[31mred[0m"),
            ("a\tb\nc\u{a0}d\u{2028}e\u{3000}f\u{85}g", "a b c d e f g"),
            (
                "soft\u{ad} zero\u{200b} joiner\u{200d} bom\u{feff} private\u{e000}",
                "soft zero joiner bom private",
            ),
            ("e\u{301} 👍\u{fe0f} 日本 ﷺ \u{fffd}", "e\u{301} 👍\u{fe0f} 日本 ﷺ \u{fffd}"),
            ("\0\u{7f}\u{9b}", ""),
        ] {
            let mut text = dirty.to_owned();
            sanitize(&mut text);
            assert_eq!(text, clean, "{dirty:?}");
        }
    }
}
