//! The rules of STYLE.md that a program can check, over doc comments, help texts and pages. Public
//! items, help texts and pages have no exceptions. Private comments have a budget that may only
//! fall.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Offences in comments of private items. Lower it with each one you remove.
const PRIVATE: usize = 364;

/// Columns of a line of prose.
const COLUMNS: usize = 100;

/// First words that hide the subject of a doc comment.
const OPENINGS: [&str; 13] = [
    "What", "Who", "Whoever", "Whom", "Where", "Whether", "Which", "It", "When", "How", "That",
    "Those", "So",
];

/// Passives without an actor.
const ACTORLESS: [&str; 8] =
    ["is told", "are told", "is said", "are said", "be told", "be said", "is let in", "are let in"];

#[test]
fn comments_of_public_items_and_help_texts_keep_the_rules() {
    let wrong: Vec<String> = offences()
        .into_iter()
        .filter(|(block, _)| block.public)
        .map(|(block, reasons)| format!("{}: {}: {}", block.at, reasons.join(", "), block.text))
        .collect();
    assert!(wrong.is_empty(), "see STYLE.md:\n{}", wrong.join("\n"));
}

#[test]
fn comments_of_private_items_stay_within_the_budget() {
    let private: Vec<String> = offences()
        .into_iter()
        .filter(|(block, _)| !block.public)
        .map(|(block, reasons)| format!("{}: {}: {}", block.at, reasons.join(", "), block.text))
        .collect();
    let count = private.len();
    assert!(count <= PRIVATE, "{count} of at most {PRIVATE}:\n{}", private.join("\n"));
    assert!(count == PRIVATE, "only {count} are left: lower `PRIVATE` from {PRIVATE}");
}

#[test]
fn pages_name_an_actor_and_have_short_lines() {
    let mut wrong = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let mut code = false;
        for (number, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                code = !code;
                continue;
            }
            if code {
                continue;
            }
            let at = format!("{}:{}", page.display(), number + 1);
            let prose = without_code(line);
            for passive in ACTORLESS.iter().filter(|passive| has(&prose, passive)) {
                wrong.push(format!("{at}: \"{passive}\""));
            }
            let table = line.trim_start().starts_with('|');
            if line.chars().count() > COLUMNS && !table && !line.contains("://") {
                wrong.push(format!("{at}: more than {COLUMNS} columns"));
            }
        }
    }
    assert!(wrong.is_empty(), "see STYLE.md:\n{}", wrong.join("\n"));
}

#[test]
fn comments_have_short_lines() {
    let mut wrong = Vec::new();
    for file in sources() {
        for (number, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            let comment = line.trim_start().starts_with("//");
            if comment && line.chars().count() > COLUMNS && !line.contains("://") {
                wrong.push(format!("{}:{}", file.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "more than {COLUMNS} columns:\n{}", wrong.join("\n"));
}

#[test]
fn the_rules_find_what_they_forbid() {
    for (text, expected) in [
        ("Whether it is there.", vec!["opening"]),
        ("It.", vec!["opening", "one word"]),
        ("Caps.", vec!["one word"]),
        ("An error that is told to nobody.", vec!["no actor"]),
        ("The word `is told` as code.", vec![]),
        ("Whereas another word begins alike.", vec![]),
        ("Returns the digest.", vec![]),
    ] {
        assert_eq!(reasons(text), expected, "{text}");
    }
    let source = "/// A.\npub struct A;\n    /// B.\n    #[arg(long)]\n    b: u8,\n/// C.\nfn c() {}\n\
                  pub enum E {\n    /// D.\n    D,\n}\nenum F {\n    /// G.\n    G,\n}\n//! H.\n";
    let found: Vec<(String, bool)> =
        blocks("x", source).into_iter().map(|block| (block.text, block.public)).collect();
    let expected =
        [("A.", true), ("B.", true), ("C.", false), ("D.", true), ("G.", false), ("H.", true)];
    assert_eq!(found, expected.map(|(text, public)| (text.to_owned(), public)));
}

/// One doc comment.
struct Block {
    /// `src/…:line`.
    at: String,
    text: String,
    /// True for a public item, a variant of one, a module, and a help text.
    public: bool,
}

fn offences() -> Vec<(Block, Vec<&'static str>)> {
    sources()
        .into_iter()
        .flat_map(|file| {
            let name = file.strip_prefix(root()).unwrap().display().to_string();
            blocks(&name, &fs::read_to_string(&file).unwrap())
        })
        .map(|block| {
            let reasons = reasons(&block.text);
            (block, reasons)
        })
        .filter(|(_, reasons)| !reasons.is_empty())
        .collect()
}

fn reasons(text: &str) -> Vec<&'static str> {
    let mut reasons = Vec::new();
    let first: String = text.chars().take_while(|c| c.is_alphanumeric()).collect();
    if OPENINGS.contains(&first.as_str()) {
        reasons.push("opening");
    }
    if text.split_whitespace().count() == 1 {
        reasons.push("one word");
    }
    let prose = without_code(text);
    if ACTORLESS.iter().any(|passive| has(&prose, passive)) {
        reasons.push("no actor");
    }
    reasons
}

/// Returns true if `text` has `words` as whole words.
fn has(text: &str, words: &str) -> bool {
    let letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    text.match_indices(words).any(|(at, _)| {
        !letter(text[..at].chars().next_back()) && !letter(text[at + words.len()..].chars().next())
    })
}

/// Removes what stands between back-ticks.
fn without_code(text: &str) -> String {
    text.split('`').step_by(2).collect::<Vec<_>>().join(" ")
}

/// Doc comments of a source file. Text inside a code fence counts as part of its comment.
fn blocks(name: &str, source: &str) -> Vec<Block> {
    let lines: Vec<&str> = source.lines().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let Some(mark) = mark(lines[at]) else {
            at += 1;
            continue;
        };
        let end = (at..lines.len())
            .find(|&line| self::mark(lines[line]) != Some(mark))
            .unwrap_or(lines.len());
        let text: Vec<&str> = lines[at..end]
            .iter()
            .map(|line| line.trim_start().trim_start_matches(mark).trim())
            .collect();
        found.push(Block {
            at: format!("{name}:{}", at + 1),
            text: text.join(" ").trim().to_owned(),
            public: mark == "//!" || is_public(&lines, at, end),
        });
        at = end;
    }
    found
}

fn mark(line: &str) -> Option<&'static str> {
    let line = line.trim_start();
    ["///", "//!"].into_iter().find(|mark| line.starts_with(mark) && !line.starts_with("////"))
}

/// Returns true if the item below the comment in `lines[start..end]` is public.
fn is_public(lines: &[&str], start: usize, end: usize) -> bool {
    let below = |line: &&&str| !line.trim().is_empty();
    if lines[end..].iter().find(below).is_some_and(|line| {
        ["#[arg(", "#[command("].iter().any(|attribute| line.trim_start().starts_with(attribute))
    }) {
        return true;
    }
    let item = lines[end..]
        .iter()
        .map(|line| line.trim())
        .find(|line| !line.is_empty() && !line.starts_with("#["))
        .unwrap_or_default();
    if item.starts_with("pub ") {
        return true;
    }
    let indent = |line: &str| line.len() - line.trim_start().len();
    let keywords = ["pub(", "fn ", "struct ", "enum ", "const ", "static ", "type ", "trait "];
    if keywords.iter().any(|keyword| item.starts_with(keyword)) {
        let in_trait = enclosing(lines, start, indent).starts_with("pub trait");
        return in_trait && !item.starts_with("pub(");
    }
    let outer = enclosing(lines, start, indent);
    outer.starts_with("pub enum") || outer.starts_with("pub trait")
}

/// The nearest line above that opens the block around `lines[start]`.
fn enclosing<'a>(lines: &[&'a str], start: usize, indent: impl Fn(&str) -> usize) -> &'a str {
    lines[..start]
        .iter()
        .rev()
        .find(|line| {
            !line.trim().is_empty()
                && indent(line) < indent(lines[start])
                && line.trim_end().ends_with('{')
        })
        .map(|line| line.trim())
        .unwrap_or_default()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<PathBuf> {
    files_below(&root().join("src"), "rs")
}

fn pages() -> Vec<PathBuf> {
    let top =
        ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "STYLE.md"].map(|name| root().join(name));
    files_below(&root().join("docs"), "md").into_iter().chain(top).collect()
}

fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}
