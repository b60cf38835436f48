//! The rules of STYLE.md that a program can check, over doc comments, help texts (which are doc
//! comments too) and pages. There are no exceptions.

use std::{
    fs,
    path::{Path, PathBuf},
};

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
fn doc_comments_and_help_texts_keep_the_rules() {
    let wrong: Vec<String> = sources()
        .into_iter()
        .flat_map(|file| {
            let name = file.strip_prefix(root()).unwrap().display().to_string();
            blocks(&name, &fs::read_to_string(&file).unwrap())
        })
        .filter_map(|(at, text)| {
            let reasons = reasons(&text);
            (!reasons.is_empty()).then(|| format!("{at}: {}: {text}", reasons.join(", ")))
        })
        .collect();
    assert!(wrong.is_empty(), "see STYLE.md:\n{}", wrong.join("\n"));
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
    let source =
        "/// A\n/// b.\npub struct A;\n    /// C.\n    c: u8,\n//! D.\n//// No doc comment.\n";
    let expected = [("x:1", "A b."), ("x:4", "C."), ("x:6", "D.")];
    assert_eq!(blocks("x", source), expected.map(|(at, text)| (at.to_owned(), text.to_owned())));
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

/// Doc comments of a source file, each with its place. A code fence belongs to its comment.
fn blocks(name: &str, source: &str) -> Vec<(String, String)> {
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
        found.push((format!("{name}:{}", at + 1), text.join(" ").trim().to_owned()));
        at = end;
    }
    found
}

fn mark(line: &str) -> Option<&'static str> {
    let line = line.trim_start();
    ["///", "//!"].into_iter().find(|mark| line.starts_with(mark) && !line.starts_with("////"))
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
