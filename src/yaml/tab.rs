//! Where a tab may not stand. The scanner follows YAML 1.2 and takes tabs that libyaml, and so Helm, refuses; a chart must not pass
//! here and fail there.

use memchr::{memchr, memrchr2};

/// The first tab between two events of block context, the bytes `seen` and `at`, where libyaml takes only spaces: at the start of a
/// line, be it blank or a comment, and after `-`, `?` or the `:` that opens a line.
pub(super) fn misplaced(text: &str, seen: usize, at: usize) -> Option<usize> {
    memchr(b'\t', text.get(seen..at)?.as_bytes())?;
    let line_start = memrchr2(b'\n', b'\r', &text.as_bytes()[..seen]).map_or(0, |at| at + 1);
    let is_indicator = |c: char| matches!(c, ' ' | '-' | '?');
    // What stands before `seen` on its line has been judged, unless it is nothing but indicators.
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

/// Whether a block scalar starts with a tab where its indentation is to be found. `header` is the text in front of its first
/// character, `|` or `>` included.
pub(super) fn starts_block_scalar(header: &str, content: &str) -> bool {
    let line = header.trim_end().rsplit(['\n', '\r']).next().unwrap_or_default();
    let indicators = line.split('#').next().and_then(|line| line.rsplit(['|', '>']).next());
    content.starts_with('\t')
        && !indicators.is_some_and(|text| text.contains(|c: char| c.is_ascii_digit()))
}
