//! A fast reader for documents of block mappings and lists in the strict subset of
//! [`super::cursor`]. Nearly every Chart.yaml and values.yaml is such a document. It leaves all
//! others, also invalid ones, to the full reader, which alone reports errors.

use super::cursor::{Cursor, Fallback, FastResult};
use super::span::Scalar;
use super::{Duplicates, Value, scalar};
use crate::limits::Limits;

/// Depth of collections. This reader recurses; the full reader, which does not, takes over beyond.
const DEEPEST: usize = 32;

/// Reads a document that is one mapping in block style.
pub(super) fn read(bytes: &[u8], limits: &Limits) -> FastResult<Value> {
    let text = str::from_utf8(bytes).map_err(|_| Fallback)?;
    let cursor = Cursor::new(text)?;
    if cursor.indent != 0 || cursor.is_dash() {
        return Err(Fallback);
    }
    let mut quick = Quick { cursor, nodes: limits.yaml_nodes };
    let value = quick.mapping(0, DEEPEST.min(limits.yaml_depth))?;
    if quick.cursor.indent == -1 { Ok(value) } else { Err(Fallback) }
}

struct Quick<'t> {
    cursor: Cursor<'t>,
    nodes: usize,
}

impl Quick<'_> {
    fn count(&mut self, nodes: usize) -> FastResult<()> {
        self.nodes = self.nodes.checked_sub(nodes).ok_or(Fallback)?;
        Ok(())
    }

    /// Reads a mapping whose keys are indented by `column`.
    fn mapping(&mut self, column: isize, deepest: usize) -> FastResult<Value> {
        let deepest = deepest.checked_sub(1).ok_or(Fallback)?;
        self.count(1)?;
        let mut entries: Vec<(String, Value)> = Vec::new();
        while self.cursor.indent == column {
            let key = self.cursor.free_key()?;
            // In a long mapping, every key would be compared with every other.
            if entries.len() == 64 || entries.iter().any(|(known, _)| known == key) {
                return Err(Fallback);
            }
            let key = key.to_owned();
            self.count(1)?;
            let value = self.value(column, deepest)?;
            entries.push((key, value));
        }
        Ok(Value::Map(entries))
    }

    /// Reads the value of a key that is indented by `column`.
    fn value(&mut self, column: isize, deepest: usize) -> FastResult<Value> {
        if self.cursor.empty_map()? {
            self.count(1)?;
            return Ok(Value::Map(Vec::new()));
        }
        if let Some(items) = self.cursor.flow_list()? {
            self.count(1 + items.len())?;
            let values = items.iter().map(|item| self.resolved(item));
            return Ok(Value::Seq(values.collect::<FastResult<_>>()?));
        }
        let before = self.cursor.clone();
        if !matches!(self.cursor.open_block(column), Ok(true)) {
            self.cursor = before;
            return self.scalar(column);
        }
        let value = if self.cursor.is_dash() {
            self.list(deepest)?
        } else {
            let inner = self.cursor.indent;
            self.mapping(inner, deepest)?
        };
        if self.cursor.indent > column { Err(Fallback) } else { Ok(value) }
    }

    fn scalar(&mut self, parent: isize) -> FastResult<Value> {
        self.count(1)?;
        let place = self.cursor.scalar(parent)?;
        self.resolved(&place)
    }

    fn resolved(&self, place: &Scalar) -> FastResult<Value> {
        match place {
            Scalar::Null => Ok(Value::Null),
            Scalar::Plain(range) => Ok(scalar::plain(&self.cursor.text[range.clone()])),
            place => text(self.cursor.text, place).map(Value::String),
        }
    }

    /// Reads a list, from its first dash.
    fn list(&mut self, deepest: usize) -> FastResult<Value> {
        let deepest = deepest.checked_sub(1).ok_or(Fallback)?;
        self.count(1)?;
        let dash = self.cursor.indent;
        let mut values = Vec::new();
        while self.cursor.indent == dash && self.cursor.is_dash() {
            let before = self.cursor.clone();
            let value = match self.cursor.open_item()? {
                None => {
                    self.count(1)?;
                    Value::Null
                }
                Some(column) => {
                    let inside = self.cursor.clone();
                    if self.cursor.free_key().is_ok() {
                        self.cursor = inside;
                        self.cursor.indent = column;
                        self.mapping(column, deepest)?
                    } else {
                        self.cursor = before;
                        self.cursor.at += 1;
                        self.scalar(dash)?
                    }
                }
            };
            values.push(value);
            if self.cursor.indent > dash {
                return Err(Fallback);
            }
        }
        Ok(Value::Seq(values))
    }
}

/// Returns a text as the full reader decodes it.
pub(crate) fn text(text: &str, place: &Scalar) -> FastResult<String> {
    match place {
        Scalar::Null => Ok(String::new()),
        Scalar::Plain(range) => match scalar::plain(&text[range.clone()]) {
            Value::String(text) => Ok(text),
            other => other.to_go_string().ok_or(Fallback),
        },
        Scalar::Quoted(range) => Ok(text[range.clone()].to_owned()),
        Scalar::Folded(range) => Ok(fold(&text[range.clone()])),
        Scalar::Complex(range) if text[range.clone()].starts_with('|') => {
            Ok(literal(&text[range.clone()]))
        }
        Scalar::Complex(range) => {
            let document = format!("x: {}", &text[range.clone()]);
            let value =
                super::parse_fully(document.as_bytes(), Duplicates::Error, &Limits::default());
            match value.map_err(|_| Fallback)?.get("x") {
                Some(Value::String(text)) => Ok(text.clone()),
                _ => Err(Fallback),
            }
        }
    }
}

/// Decodes a literal block as the cursor returns it: a header without a number, then lines. The
/// first line that is not blank has the margin of all.
fn literal(block: &str) -> String {
    let (header, body) = block.split_once('\n').unwrap_or((block, ""));
    let is_blank = |line: &str| line.bytes().all(|byte| matches!(byte, b' ' | b'\r'));
    let spaces = |line: &str| line.bytes().take_while(|byte| *byte == b' ').count();
    let margin = body.split('\n').find(|line| !is_blank(line)).map_or(0, spaces);
    let mut found = String::with_capacity(body.len());
    // All, one or none of the line breaks at the end belong to it.
    let mut kept = 0;
    for line in body.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        let line = line.strip_suffix('\r').filter(|_| !end.is_empty()).unwrap_or(line);
        // A blank line may be shorter than the margin. The part beyond the margin counts.
        let line = line.get(margin.min(spaces(line))..).unwrap_or_default();
        found.push_str(line);
        if !line.is_empty() {
            kept = found.len();
        }
        found.push_str(end);
    }
    match header.as_bytes().get(1) {
        Some(b'+') => {}
        Some(b'-') => found.truncate(kept),
        _ => found.truncate(found.len().min(kept + 1)),
    }
    found
}

/// Decodes plain text on several lines: a line break is a space, and each further blank line is a
/// line break.
fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut breaks = 0_usize;
    for (at, line) in text.split('\n').enumerate() {
        let line = line.trim_matches([' ', '\r', '\t']);
        if at > 0 {
            breaks += 1;
        }
        if line.is_empty() {
            continue;
        }
        match breaks {
            0 => {}
            1 => folded.push(' '),
            more => folded.extend(std::iter::repeat_n('\n', more - 1)),
        }
        breaks = 0;
        folded.push_str(line);
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Asserts that the full reader agrees with every result of this one.
    fn assert_agreed(text: &str) {
        let limits = Limits::default();
        if let Ok(quick) = read(text.as_bytes(), &limits) {
            let full = crate::yaml::parse_fully(text.as_bytes(), Duplicates::Error, &limits);
            assert_eq!(Ok(quick), full, "{text}");
        }
    }

    #[test]
    fn ordinary_documents_are_read_fast() {
        for text in [
            "apiVersion: v2\nname: a\nversion: 1.0.0\nkeywords:\n  - a\n  - b: c\n    d: 1\n  -\n  - ~\nx: {}\nw: []\nz: |\n  a\n\n  b\nnn:\n  m:\n    o: 0x10\n",
            "---\n# c\na: 'b' # c\nb: \"c\\td\"\nc: d\n  e\nd: .inf\ne:\n- a\n",
        ] {
            assert!(read(text.as_bytes(), &Limits::default()).is_ok(), "{text}");
            assert_agreed(text);
        }
    }

    proptest! {
        #[test]
        fn a_literal_block_is_what_the_full_reader_makes_of_it(
            header in "(\\||\\|-|\\|\\+)( #c)?\r?",
            lines in proptest::collection::vec("( {0,5}|    )(a|b c|- d|# e|\t|x:|)\r?", 0..7),
            end in "(|\n)",
        ) {
            let text = format!("k: {header}\n{}{end}", lines.join("\n"));
            assert_agreed(&text);
            assert_agreed(&format!("a:\n  - {text}"));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(600))]

        #[test]
        fn what_is_sure_is_right(
            changes in prop::collection::vec((any::<prop::sample::Index>(), "[-a:#'\"|>\\[\\]{}&*!?,0 \n\t\\\\]{1,3}", any::<bool>()), 1..6),
        ) {
            let mut text = include_str!("../../testdata/index/styles.yaml").to_owned();
            for (at, piece, line) in changes {
                let mut at = at.index(text.len());
                while !text.is_char_boundary(at) {
                    at -= 1;
                }
                if line {
                    at = text[..at].rfind('\n').map_or(0, |at| at + 1);
                }
                text.insert_str(at, &piece);
                assert_agreed(&text);
            }
        }
    }
}
