//! Positions in which a tab is an error. The scanner follows YAML 1.2 and accepts tabs that
//! libyaml, and so Helm, refuses; a chart must not pass here and fail there.

use memchr::{memchr, memrchr2};

/// Returns the first tab between two events of block context, at the bytes `seen` and `at`, in a
/// position where libyaml accepts only spaces: at the start of a line, even a blank one or a
/// comment, and after `-`, `?` or the `:` that opens a line.
pub(super) fn misplaced(text: &str, seen: usize, at: usize) -> Option<usize> {
    memchr(b'\t', text.get(seen..at)?.as_bytes())?;
    let line_start = memrchr2(b'\n', b'\r', &text.as_bytes()[..seen]).map_or(0, |at| at + 1);
    let is_indicator = |c: char| matches!(c, ' ' | '-' | '?');
    // The text before `seen` on its line has been checked, unless it has only indicators.
    let from = if text[line_start..seen].trim_start_matches(is_indicator).is_empty() {
        line_start
    } else {
        seen
    };
    let mut start = from;
    for line in text[from..at].split(['\n', '\r']) {
        let rest = line.trim_start_matches(is_indicator);
        let rest = match rest.strip_prefix(':') {
            Some(after) if start != seen => after.trim_start_matches(' '),
            _ => rest,
        };
        if rest.starts_with('\t') && (start != seen || from == line_start) {
            return Some(start + line.len() - rest.len());
        }
        start += line.len() + 1;
    }
    None
}

/// Returns true if a block scalar starts with a tab in its indentation. `header` is the text before
/// its first character, with `|` or `>`.
pub(super) fn starts_block_scalar(header: &str, content: &str) -> bool {
    let line = header.trim_end().rsplit(['\n', '\r']).next().unwrap_or_default();
    let indicators = line.split('#').next().and_then(|line| line.rsplit(['|', '>']).next());
    content.starts_with('\t')
        && !indicators.is_some_and(|text| text.contains(|c: char| c.is_ascii_digit()))
}

/// Returns the text with spaces for the tabs that indent the lines of one flow collection. libyaml
/// treats them as blanks there; the scanner refuses those to the left of the parent block. `start`
/// is the offset of the collection's start.
pub(super) fn blanks_in_flow(text: &str, start: usize) -> String {
    enum Within {
        Flow,
        Comment,
        Quotes(char),
    }
    let mut out = String::with_capacity(text.len());
    out.push_str(&text[..start]);
    let mut within = Within::Flow;
    let mut depth = 0_usize;
    let (mut last, mut indentation) = (',', false);
    let mut rest = text[start..].chars();
    while let Some(c) = rest.next() {
        match (&within, c) {
            (_, '\t') if indentation => {
                out.push(' ');
                continue;
            }
            (Within::Comment, '\n' | '\r') => within = Within::Flow,
            (Within::Comment, _) => {}
            // An escape or a doubled quote is two characters of the text.
            (Within::Quotes('"'), '\\') => {
                out.push(c);
                out.extend(rest.next());
                continue;
            }
            (Within::Quotes('\''), '\'') if rest.as_str().starts_with('\'') => {
                out.push(c);
                out.extend(rest.next());
                continue;
            }
            (Within::Quotes(quote), c) if *quote == c => within = Within::Flow,
            (Within::Quotes(_), _) => {}
            // A quote opens only at the start of a node; within a word it is a letter.
            (Within::Flow, '"' | '\'') if matches!(last, '[' | '{' | ',' | ':' | '?') => {
                within = Within::Quotes(c);
            }
            (Within::Flow, '#') if out.ends_with(char::is_whitespace) => within = Within::Comment,
            (Within::Flow, '[' | '{') => depth += 1,
            (Within::Flow, ']' | '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        out.push(c);
        if c.is_whitespace() {
            indentation |= matches!(c, '\n' | '\r');
        } else {
            (last, indentation) = (c, false);
        }
        if depth == 0 && matches!(c, ']' | '}') {
            break;
        }
    }
    out.push_str(rest.as_str());
    out
}

/// Returns the last bracket before `at`, without regard to blanks.
pub(super) fn bracket_before(text: &str, at: usize) -> Option<usize> {
    let before = text.get(..at)?.trim_end();
    before.ends_with(['[', '{']).then(|| before.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tabs_that_indent_lines_of_the_collection_become_spaces() {
        for (text, blanks) in [
            ("[\n\t1,\n \t\t2\t]\n\tx", "[\n 1,\n   2\t]\n\tx"),
            ("{a: [\n\t1]}\n\t[\n\t", "{a: [\n 1]}\n\t[\n\t"),
            ("[\"\\\"]\\\\\", ''']''',\n\tit's]\n\t]", "[\"\\\"]\\\\\", ''']''',\n it's]\n\t]"),
            ("[ # ] it's\n\t]\n\t]", "[ # ] it's\n ]\n\t]"),
        ] {
            assert_eq!(blanks_in_flow(text, 0), blanks);
        }
        assert_eq!(blanks_in_flow("\t[\n\t]", 1), "\t[\n ]");
    }
}
