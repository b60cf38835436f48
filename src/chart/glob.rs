//! Patterns of Go's `filepath.Match` on Unix, which `.helmignore` uses. They differ from those of
//! gitignore: there is no `**`; `*`, `?` and literals stop at `/`; a negated class is `[^a]`, and a
//! class does match `/`.

/// A pattern. It may be malformed from some `*` on, which Go notices only if a name matches up to
/// there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glob(Vec<Chunk>);

/// The error of a malformed pattern: Go's `ErrBadPattern`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("syntax error in pattern")]
pub(crate) struct BadPattern;

/// A part of a pattern between two `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Chunk {
    after_star: bool,
    items: Result<Vec<Item>, BadPattern>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Byte(u8),
    AnyButSlash,
    Class { negated: bool, ranges: Vec<(char, char)> },
}

impl Glob {
    pub(crate) fn new(pattern: &[u8]) -> Self {
        let mut rest = pattern;
        let mut chunks = Vec::new();
        loop {
            let stars = rest.iter().take_while(|byte| **byte == b'*').count();
            rest = &rest[stars..];
            let items = items(&mut rest);
            let last = rest.is_empty() || items.is_err();
            chunks.push(Chunk { after_star: stars > 0, items });
            if last {
                return Self(chunks);
            }
        }
    }

    /// Returns true if no part is malformed.
    pub(crate) fn is_sound(&self) -> bool {
        self.0.iter().all(|chunk| chunk.items.is_ok())
    }

    /// Returns true if the whole of `name` matches. As in Go, each chunk takes the first match and
    /// is never tried again; with classes that match `/`, that differs from trying all.
    pub(crate) fn matches(&self, name: &[u8]) -> Result<bool, BadPattern> {
        let mut name = name;
        for (at, chunk) in self.0.iter().enumerate() {
            let last = at + 1 == self.0.len();
            let items = chunk.items.as_ref().map_err(|error| *error)?;
            if chunk.after_star && items.is_empty() {
                return Ok(!name.contains(&b'/')); // a closing `*`
            }
            let reach = if chunk.after_star { leading_segment(name) } else { 0 };
            let rest = (0..=reach)
                .filter_map(|skipped| match_items(items, &name[skipped..]))
                .find(|rest| !last || rest.is_empty());
            match rest {
                Some(rest) => name = rest,
                None => return Ok(false),
            }
        }
        Ok(name.is_empty())
    }
}

/// Parses the items before the next `*` or the end.
fn items(rest: &mut &[u8]) -> Result<Vec<Item>, BadPattern> {
    let mut items = Vec::new();
    while let [first, tail @ ..] = *rest {
        if *first == b'*' {
            break;
        }
        *rest = tail;
        items.push(match first {
            b'?' => Item::AnyButSlash,
            b'[' => class(rest)?,
            b'\\' => {
                let (escaped, tail) = rest.split_first().ok_or(BadPattern)?;
                *rest = tail;
                Item::Byte(*escaped)
            }
            byte => Item::Byte(*byte),
        });
    }
    Ok(items)
}

/// Returns the number of bytes before the first `/`, which a `*` can skip.
fn leading_segment(name: &[u8]) -> usize {
    memchr::memchr(b'/', name).unwrap_or(name.len())
}

/// Matches the items at the start of `name` and returns the rest.
fn match_items<'n>(items: &[Item], name: &'n [u8]) -> Option<&'n [u8]> {
    let mut name = name;
    for item in items {
        let first = *name.first()?;
        let width = match item {
            Item::Byte(byte) if *byte == first => 1,
            Item::AnyButSlash if first != b'/' => decode(name).1,
            Item::Class { negated, ranges } => {
                let (c, width) = decode(name);
                let inside = ranges.iter().any(|(low, high)| (*low..=*high).contains(&c));
                if inside == *negated {
                    return None;
                }
                width
            }
            _ => return None,
        };
        name = &name[width..];
    }
    Some(name)
}

/// Parses a class after its `[`.
fn class(rest: &mut &[u8]) -> Result<Item, BadPattern> {
    let negated = rest.first() == Some(&b'^');
    if negated {
        *rest = &rest[1..];
    }
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty() && rest.first() == Some(&b']') {
            *rest = &rest[1..];
            return Ok(Item::Class { negated, ranges });
        }
        let low = class_char(rest)?;
        let mut high = low;
        if rest.first() == Some(&b'-') {
            *rest = &rest[1..];
            high = class_char(rest)?;
        }
        ranges.push((low, high));
    }
}

/// Parses one end of a range, which may be escaped. More text must follow it, because the class has
/// to be closed.
fn class_char(rest: &mut &[u8]) -> Result<char, BadPattern> {
    match rest.first() {
        None | Some(b'-' | b']') => return Err(BadPattern),
        Some(b'\\') => *rest = &rest[1..],
        Some(_) => {}
    }
    if rest.is_empty() {
        return Err(BadPattern);
    }
    let (c, width) = decode(rest);
    let invalid = c == char::REPLACEMENT_CHARACTER && width == 1;
    *rest = &rest[width..];
    if invalid || rest.is_empty() { Err(BadPattern) } else { Ok(c) }
}

/// Returns the first character and its width, of bytes that are not empty. A byte that begins no
/// character counts as U+FFFD of width 1, as in Go, whose `*` steps by bytes and so may stop within
/// a character.
fn decode(bytes: &[u8]) -> (char, usize) {
    let head = &bytes[..bytes.len().min(4)];
    let valid = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default(),
    };
    valid.chars().next().map_or((char::REPLACEMENT_CHARACTER, 1), |c| (c, c.len_utf8()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Glob::new(pattern.as_bytes()).matches(name.as_bytes()).expect("a pattern")
    }

    #[test]
    fn stars_take_the_first_fit_and_stop_at_slashes() {
        assert!(matches("a*b*c", "abbc"));
        assert!(matches("*", "") && matches("a*", "a") && matches("**", "a"));
        assert!(!matches("*", "a/b") && !matches("a*b", "a/b") && !matches("?", "/"));
        assert!(matches("a[^b]c", "a/c"));
        assert!(
            !matches("*[^a]*b", "xx/b"),
            "the class takes the first x, and then `*` stops at the slash"
        );
        assert!(matches("*x", "xxx") && matches("*/x", "a/x"));
    }

    #[test]
    fn stars_step_by_bytes_as_in_go() {
        assert!(matches("?", "€") && !matches("??", "€"));
        assert!(matches("*[^a]?", "€"), "stopped within the character");
        assert!(matches("[α-ω]*", "λx") && !matches("[α-ω]*", "x"));
    }

    #[test]
    fn bad_patterns_are_told_apart_from_odd_ones() {
        for bad in
            ["[", "[a", "[]a]", "[-]", "[x-]", "[-x]", "[a-b-c]", "[^]", "a\\", "[\\", "[a\\", "*["]
        {
            assert_eq!(Glob::new(bad.as_bytes()).matches(b"a"), Err(BadPattern), "{bad}");
        }
        assert_eq!(Glob::new(b"[\xff]").matches(b"a"), Err(BadPattern));
        for odd in ["]", "a]b", "[\\]a]", "[\\-x]", "[x\\-]", "[^^]", "[[]", "[b-a]", "", "\\*"] {
            assert!(Glob::new(odd.as_bytes()).matches(b"a").is_ok(), "{odd}");
        }
        assert!(matches("[\\-x]", "-") && matches("\\*", "*") && !matches("[b-a]", "a"));
    }

    #[test]
    fn a_fault_behind_a_star_is_met_only_by_names_that_get_there() {
        let glob = Glob::new(b"x*y*[");
        assert_eq!(glob.matches(b"abc"), Ok(false));
        assert_eq!(glob.matches(b"xy"), Err(BadPattern));
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_without_panic(pattern in proptest::collection::vec(any::<u8>(), 0..24), name in ".{0,16}") {
            let _ = Glob::new(&pattern).matches(name.as_bytes());
        }

        #[test]
        fn an_escaped_name_matches_itself_alone(name in "[^/]{1,12}", other in "[^/]{1,12}") {
            let escaped: String = name.chars().flat_map(|c| ['\\', c]).collect();
            prop_assert!(matches(&escaped, &name));
            prop_assert_eq!(matches(&escaped, &other), name == other);
        }
    }
}
