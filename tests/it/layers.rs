//! The order of the rooms: each may use those before it in [`ROOMS`], never those after it. Read
//! from the text of `src`, so that a wrong arrow fails here and not in a review. The length of
//! files is held here too, and that advice is worded by the command line alone. It judges only what
//! the paths say; what a room does with what it may use is the compiler's affair.

use std::{
    collections::BTreeSet,
    fs,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

/// The rooms, each of which may use those to its left. `main` and `lib` stand outside.
const ROOMS: [&str; 25] = [
    "advice",
    "error",
    "limits",
    "atomic_file",
    "lock",
    "digest",
    "quote",
    "redact",
    "version",
    "constraint",
    "template",
    "json",
    "go_template",
    "yaml",
    "chart",
    "archive",
    "index",
    "oci",
    "store",
    "spool",
    "client",
    "ops",
    "mirror",
    "server",
    "cli",
];

/// What a room may not use although it stands to its left, with the reason.
const FORBIDDEN: [(&str, &str, &str); 2] = [
    ("server", "client", "a server that serves an upstream is given it as a store"),
    ("server", "mirror", "a server is an end of a mirror, not a part of it"),
];

/// Literals below the command line that look like a flag or a command of ours, each with its
/// reason.
const NO_ADVICE: [(&str, &str, &str); 5] = [
    ("client/chartmuseum.rs", "--max-upload-size", "the server's flag, in ChartMuseum as in ours"),
    ("mirror/sink/chartmuseum.rs", "--allow-overwrite", "a flag of ChartMuseum, for its operator"),
    ("mirror/state/mod.rs", "chartferry wrote it", "the program's name in a sentence"),
    ("server/index_view/cache.rs", "chartferry view 3", "the first line of a file"),
    ("store/disk/mod.rs", "chartferry store 1", "the first line of a file"),
];

/// Lines of a source file, its tests apart, beyond which it must be divided.
const LONGEST: usize = 600;

#[test]
fn rooms_use_only_those_before_them() {
    let mut wrong = Vec::new();
    for file in sources() {
        let place = file.strip_prefix(src()).unwrap();
        let Some(room) = room_of(place) else { continue };
        let rank = rank(&room).unwrap_or_else(|| {
            panic!("`src/{}` lies in no room of the table: `{room}`", place.display())
        });
        let code = without_tests(&without_comments(&fs::read_to_string(&file).unwrap()));
        for used in used_rooms(&code) {
            let place = place.display();
            match self::rank(&used) {
                None => wrong.push(format!("src/{place}: `crate::{used}` is no room")),
                Some(used_rank) if used_rank > rank => {
                    wrong.push(format!("src/{place}: `{room}` must not use `{used}`"));
                }
                Some(_) => {
                    for (from, to, reason) in FORBIDDEN {
                        if from == room && to == used {
                            wrong.push(format!(
                                "src/{place}: `{room}` must not use `{used}`: {reason}"
                            ));
                        }
                    }
                }
            }
        }
        if code.contains("super::super") {
            wrong.push(format!(
                "src/{}: write `crate::` for what lies beyond the parent",
                place.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn files_are_short() {
    let mut lengths: Vec<(usize, PathBuf)> = sources()
        .into_iter()
        .filter(|file| !is_test(file))
        .map(|file| {
            // Comments count as the lines they are; tests do not.
            let code = without_comments(&fs::read_to_string(&file).unwrap());
            (without_tests(&code).lines().count(), file)
        })
        .collect();
    lengths.sort();
    let median = lengths[lengths.len() / 2].0;
    let long: Vec<_> = lengths
        .iter()
        .filter(|(lines, _)| *lines > 400)
        .map(|(lines, file)| format!("{lines} {}", file.strip_prefix(src()).unwrap().display()))
        .collect();
    println!("{} files, median {median} lines; over 400: {long:?}", lengths.len());
    let (lines, longest) = lengths.last().unwrap();
    assert!(*lines <= LONGEST, "`{}` has {lines} lines, more than {LONGEST}", longest.display());
}

#[test]
fn files_lie_at_most_two_folders_deep_and_say_what_they_are_for() {
    for file in sources() {
        let place = file.strip_prefix(src()).unwrap();
        // Two folders and the file; a file of tests may lie one deeper, beside what it tests.
        let deepest = if is_test(&file) { 4 } else { 3 };
        assert!(place.components().count() <= deepest, "`src/{}` lies too deep", place.display());
        let stem = place.file_stem().unwrap().to_str().unwrap();
        assert!(
            !["utils", "util", "helpers", "common", "misc"].contains(&stem),
            "`src/{}` has a name that says nothing",
            place.display()
        );
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("//!"), "`src/{}` does not open with `//!`", place.display());
    }
}

#[test]
fn rooms_below_the_command_line_name_none_of_its_flags_and_commands() {
    let mut wrong = Vec::new();
    let mut excused = BTreeSet::new();
    for file in sources() {
        let place = file.strip_prefix(src()).unwrap();
        let Some(room) = room_of(place).filter(|room| room != "cli") else { continue };
        let text = fs::read_to_string(&file).unwrap();
        for (line, literal) in literals(&text) {
            let Some(name) = named(literal) else { continue };
            let place = place.to_str().unwrap();
            let excuse = NO_ADVICE
                .iter()
                .position(|(file, part, _)| *file == place && name.starts_with(part));
            match excuse {
                Some(excuse) => drop(excused.insert(excuse)),
                None => wrong.push(format!(
                    "src/{place}:{line}: `{room}` names {name}: return an `Advice`, which `cli` words"
                )),
            }
        }
    }
    for (at, (file, part, _)) in NO_ADVICE.iter().enumerate() {
        if !excused.contains(&at) {
            wrong.push(format!("src/{file} names no `{part}` any more: strike its excuse"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_literals_sees_flags_and_commands_outside_of_tests() {
    for (code, expected) in [
        (r#"f("give --force, or wait")"#, Some((1, "--force, or wait\""))),
        ("\nf(\"`--a`\")", Some((2, "--a`\""))),
        (r#"f("log in by `chartferry login`")"#, Some((1, "chartferry login`\""))),
        (r###"f(r#"x --force"#)"###, Some((1, "--force\"#"))),
        (r#"f("-----BEGIN", "a--b", "--{boundary}", "--", "chartferry/1", "chartferry-x")"#, None),
        ("// \"--force\"\n/* \"--force\" */ let c = '\"'; // --force", None),
        ("#[cfg(test)]\nmod tests {\n    fn f() { g(\"--force\") }\n}\n", None),
        ("#[cfg(test)]\nmod tests {\n}\nf(\"--force\")", Some((4, "--force\""))),
    ] {
        let mut seen =
            literals(code).into_iter().filter_map(|(line, text)| Some((line, named(text)?)));
        assert_eq!(seen.next(), expected, "{code}");
    }
}

#[test]
fn the_reader_of_paths_sees_what_it_must_see() {
    for (code, expected) in [
        ("use crate::oci::Digest;", vec!["oci"]),
        (
            "use crate::{\n    Error, Result,\n    oci::{Digest, Tag},\n    store,\n};",
            vec!["error", "oci", "store"],
        ),
        ("pub(crate) use crate::json;", vec!["json"]),
        ("fn f() -> crate::Result<()> { crate::yaml::parse(x) }", vec!["error", "yaml"]),
        ("use crate::{self, chart::{lock::{self, Lock}, Metadata}};", vec!["chart"]),
        (
            "// crate::cli\n/* crate::server */ let s = \"crate::ops\"; let c = '\"'; crate::json::x()",
            vec!["json"],
        ),
        ("let s = r#\"crate::ops \" \"#; crate::yaml::x()", vec!["yaml"]),
        (
            "#[cfg(test)]\nmod tests {\n    use crate::cli::X;\n    fn f() { if a { b } }\n}\nuse crate::oci::X;",
            vec!["oci"],
        ),
        ("#[cfg(test)]\nmod tests;\nuse crate::oci::X;", vec!["oci"]),
        ("pub(in crate::archive) fn f() {}", vec!["archive"]),
        ("fn f<'a>(x: &'a str) { crate::json::x(x) }", vec!["json"]),
        ("struct S { #[cfg(test)] a: Vec<crate::cli::X>, b: crate::oci::Y }", vec!["oci"]),
        ("S { #[cfg(test)] a: crate::cli::x(1, 2) } crate::json", vec!["json"]),
        ("#[cfg(test)]\nfn f<A, B>(a: A) -> B { crate::cli::x() }\ncrate::oci::x()", vec!["oci"]),
    ] {
        let seen = used_rooms(&without_tests(&without_comments(code)));
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), expected, "{code}");
    }
}

pub(crate) fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

pub(crate) fn sources() -> Vec<PathBuf> {
    fn walk(dir: &Path, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                into.push(path);
            }
        }
    }
    let mut files = Vec::new();
    walk(&src(), &mut files);
    files.sort();
    assert!(files.len() > 20, "found only {files:?}");
    files
}

/// A module that holds only tests: `tests.rs`, or a file in a folder `tests`.
pub(crate) fn is_test(file: &Path) -> bool {
    file.file_stem().is_some_and(|stem| stem == "tests")
        || file.parent().and_then(Path::file_name).is_some_and(|folder| folder == "tests")
}

/// The room a file belongs to: its first folder, or its own name at the top.
fn room_of(place: &Path) -> Option<String> {
    if is_test(place) {
        return None;
    }
    let mut parts = place.components().map(|part| part.as_os_str().to_str().unwrap());
    let first = parts.next().unwrap();
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (name != "lib" && name != "main").then(|| name.to_owned())
}

fn rank(room: &str) -> Option<usize> {
    ROOMS.iter().position(|one| *one == room)
}

/// The rooms that code without comments names as `crate::room` or in `crate::{room, …}`.
fn used_rooms(code: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        let heads = match rest.strip_prefix('{') {
            Some(group) => heads_of_group(group),
            None => vec![word(rest)],
        };
        for head in heads {
            match head {
                "" | "self" => {}
                // What lib.rs re-exports comes from the room of errors.
                _ if head.starts_with(char::is_uppercase) => drop(rooms.insert("error".into())),
                _ => drop(rooms.insert(head.to_owned())),
            }
        }
    }
    rooms
}

/// The first words of the members of `{…}`, whose opening brace has been read.
fn heads_of_group(group: &str) -> Vec<&str> {
    let mut heads = Vec::new();
    let (mut depth, mut start) = (0, true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            c if start && !c.is_whitespace() => {
                heads.push(word(&group[at..]));
                start = false;
            }
            _ => {}
        }
    }
    heads
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// What a piece of a file is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    Code,
    Comment,
    /// A string or a character.
    Literal,
}

/// The pieces of a file, in its order.
fn pieces(text: &str) -> Vec<(Piece, &str)> {
    let mut pieces = Vec::new();
    let (mut code, mut at) = (0, 0);
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let kept = text[code..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let (piece, length) = match first {
            '/' if rest.starts_with("//") => {
                (Piece::Comment, rest.find('\n').unwrap_or(rest.len()))
            }
            '/' if rest.starts_with("/*") => {
                (Piece::Comment, rest.find("*/").map_or(rest.len(), |end| end + 2))
            }
            '"' => (Piece::Literal, quoted(rest)),
            '\'' => (Piece::Literal, character(rest)),
            'r' | 'b' | 'c' if !kept => (Piece::Literal, raw_string(rest)),
            _ => (Piece::Code, 0),
        };
        if length == 0 {
            at += first.len_utf8();
            continue;
        }
        pieces.push((Piece::Code, &text[code..at]));
        pieces.push((piece, &rest[..length]));
        at += length;
        code = at;
    }
    pieces.push((Piece::Code, &text[code..]));
    pieces
}

/// The code with comments, strings and characters blanked; lines stay where they are.
pub(crate) fn without_comments(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    for (piece, text) in pieces(text) {
        match piece {
            Piece::Code => code.push_str(text),
            _ => code.extend(text.chars().map(|c| if c == '\n' { '\n' } else { ' ' })),
        }
    }
    code
}

/// The literals outside of tests, each with its line, counted from 1.
fn literals(text: &str) -> Vec<(usize, &str)> {
    let code = without_comments(text);
    let tests = test_lines(&code);
    let mut line = 1;
    let mut literals = Vec::new();
    for (piece, text) in pieces(text) {
        if piece == Piece::Literal && !tests.iter().any(|lines| lines.contains(&line)) {
            literals.push((line, text));
        }
        line += text.matches('\n').count();
    }
    literals
}

/// The lines of the `#[cfg(test)]` items in code whose comments are blanked.
fn test_lines(code: &str) -> Vec<RangeInclusive<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = code[at..].find("#[cfg(test)]").map(|found| at + found) {
        at = start + item(&code[start..]);
        let line = |end: usize| 1 + code[..end].matches('\n').count();
        found.push(line(start)..=line(at));
    }
    found
}

/// The flag or the command of this program that a literal names.
fn named(literal: &str) -> Option<&str> {
    let lower = |text: &str| text.starts_with(|c: char| c.is_ascii_lowercase());
    let command = "chartferry ";
    let commands = literal.match_indices(command).map(|(at, _)| (at, at + command.len()));
    let flags = literal
        .match_indices("--")
        .filter(|(at, _)| !literal[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '-'))
        .map(|(at, _)| (at, at + 2));
    flags.chain(commands).find(|(_, end)| lower(&literal[*end..])).map(|(at, _)| &literal[at..])
}

/// Length of the string literal that `text` opens with.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Length of the character literal that `text` opens with; nothing for a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => text[2..].find('\'').map_or(0, |end| {
            // `'\''` closes with the third quote.
            if end == 0 { 4 } else { end + 3 }
        }),
        Some(_) => match chars.next() {
            Some((at, '\'')) => at + 1,
            _ => 0,
        },
        None => 0,
    }
}

/// Length of the raw string literal that `text` opens with (`r"…"`, `br#"…"#`, …); nothing for any
/// other word.
fn raw_string(text: &str) -> usize {
    let opening = text.trim_start_matches(['b', 'c']);
    let Some(hashes) = opening.strip_prefix('r') else { return 0 };
    let count = hashes.len() - hashes.trim_start_matches('#').len();
    if !hashes[count..].starts_with('"') {
        return 0;
    }
    let start = text.len() - hashes.len() + count + 1;
    let close = format!("\"{}", "#".repeat(count));
    text[start..].find(&close).map_or(text.len(), |end| start + end + close.len())
}

/// The code, comments already blanked, without its `#[cfg(test)]` items.
pub(crate) fn without_tests(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        kept.push_str(&rest[..at]);
        rest = &rest[at..];
        rest = &rest[item(rest)..];
    }
    kept.push_str(rest);
    kept
}

/// Length of what a `#[cfg(test)]` at the start of `code` is on: an item, to its `;` or closing
/// brace, or a field, to its comma or the end of what holds it.
fn item(code: &str) -> usize {
    let (mut depth, mut generics, mut before) = (0_usize, 0_usize, ' ');
    for (at, c) in code.char_indices().skip("#[cfg(test)]".len()) {
        match c {
            ';' if depth == 0 => return at + 1,
            ',' if depth == 0 && generics == 0 => return at + 1,
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' if depth == 0 => return at,
            '}' if depth == 1 => return at + 1,
            '}' | ')' | ']' => depth -= 1,
            '<' => generics += 1,
            '>' if before != '-' && before != '=' => generics = generics.saturating_sub(1),
            _ => {}
        }
        before = c;
    }
    code.len()
}
