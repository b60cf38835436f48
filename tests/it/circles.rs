//! Files that import each other. A circle of files must be read as one, so each is either a parent with its children,
//! listed in [`ACCEPTED`], or a fault. The order of the folders within `client` and `server` is held here too.
//! It follows `use` and paths from the root; what a method calls is the compiler's affair.

use super::layers::{is_test, sources, src, without_comments, without_tests};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

/// Groups of files that may import each other, each by the shortest path in it. The list may only get shorter.
const ACCEPTED: &[(&str, usize)] = &[
    ("archive/read.rs", 7),
    ("chart/decode.rs", 2),
    ("cli/fetch.rs", 2),
    ("cli/index/mod.rs", 2),
    ("cli/shell/remote.rs", 2),
    ("cli/mirror/mod.rs", 2),
    ("cli/mod.rs", 3),
    ("client/mod.rs", 7),
    ("client/options.rs", 2),
    ("client/registry/upload.rs", 2),
    ("client/repository/index.rs", 2),
    ("index/mod.rs", 10),
    ("mirror/mod.rs", 9),
    ("mirror/sink/mod.rs", 4),
    ("mirror/source/tagged.rs", 2),
    ("ops/bundle/mod.rs", 4),
    ("ops/dependency/mod.rs", 4),
    ("ops/index/mod.rs", 5),
    ("server/auth/mod.rs", 3),
    ("server/config.rs", 5),
    ("server/index_view/mod.rs", 8),
    ("store/bundle/mod.rs", 4),
    ("store/disk/mod.rs", 5),
    ("store/mod.rs", 3),
    ("yaml/mod.rs", 4),
];

/// The order of the folders in a room: each may use those before it.
const ORDERS: &[(&str, &[&str])] = &[
    ("client", &["http", "auth", "registry", "repository"]),
    ("server", &["net", "auth", "index_view", "chartmuseum", "registry", "upstream"]),
];

/// Arrows against the order that still stand. The list may only get shorter.
const AGAINST: &[(&str, &str)] = &[
    ("client/auth/access.rs", "client/registry/host.rs"),
    ("server/auth/mod.rs", "server/registry/route.rs"),
    ("server/chartmuseum/files.rs", "server/registry/blobs.rs"),
    ("server/chartmuseum/leave.rs", "server/upstream/mod.rs"),
    ("server/chartmuseum/mod.rs", "server/upstream/mod.rs"),
    ("server/registry/mod.rs", "server/upstream/mod.rs"),
];

/// A path of modules from the root, and what it ends in.
type Path = Vec<String>;

struct House {
    /// Modules, by their paths; the value is the file.
    modules: BTreeMap<Path, String>,
    /// Names that a module imports, and where they come from.
    imports: BTreeMap<Path, BTreeMap<String, Path>>,
    /// The absolute paths that a file names.
    named: BTreeMap<String, Vec<Path>>,
}

#[test]
fn files_form_no_new_circles() {
    let house = House::read();
    let found: BTreeSet<(String, usize)> = circles(&house.arrows())
        .into_iter()
        .map(|circle| {
            let first = circle.iter().min_by_key(|file| (file.matches('/').count(), file.len()));
            (first.unwrap().clone(), circle.len())
        })
        .collect();
    for (file, files) in &found {
        println!("{files} {file}");
    }
    let wrong: Vec<_> = found
        .iter()
        .filter(|(file, files)| {
            !ACCEPTED.iter().any(|(known, most)| known == file && files <= most)
        })
        .collect();
    assert!(wrong.is_empty(), "new circles, or larger ones: {wrong:?}");
    let gone: Vec<_> = ACCEPTED
        .iter()
        .filter(|(known, most)| !found.contains(&((*known).to_owned(), *most)))
        .collect();
    assert!(gone.is_empty(), "take these out of the list, or lower them: {gone:?}");
}

#[test]
fn folders_use_only_those_before_them() {
    let arrows = House::read().arrows();
    let mut against = BTreeSet::new();
    for (room, order) in ORDERS {
        let rank = |file: &str| {
            let folder = file.strip_prefix(room)?.strip_prefix('/')?.split_once('/')?.0;
            order.iter().position(|known| *known == folder)
        };
        for (from, targets) in &arrows {
            for to in targets {
                if let (Some(here), Some(there)) = (rank(from), rank(to))
                    && there > here
                {
                    against.insert((from.as_str(), to.as_str()));
                }
            }
        }
    }
    let accepted: BTreeSet<(&str, &str)> = AGAINST.iter().copied().collect();
    assert_eq!(against, accepted, "arrows against the order of the folders");
}

#[test]
fn the_reader_of_imports_sees_what_it_must_see() {
    for (text, expected) in [
        ("use super::a::B;", vec!["super::a::B"]),
        ("pub use a::{self, b::{C, D as E}};", vec!["a", "a::b::C", "a::b::D"]),
        ("pub(crate) use crate::{\n    a::*,\n    b,\n};", vec!["crate::a::*", "crate::b"]),
    ] {
        let seen: Vec<String> =
            imports(text).into_iter().map(|import| import.path.join("::")).collect();
        assert_eq!(seen, expected, "{text}");
    }
    let arrows = |pairs: &[(&str, &str)]| {
        let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in pairs {
            arrows.entry((*from).to_owned()).or_default().insert((*to).to_owned());
            arrows.entry((*to).to_owned()).or_default();
        }
        arrows
    };
    let found = circles(&arrows(&[("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "e")]));
    assert_eq!(found, [BTreeSet::from(["a", "b", "c"].map(str::to_owned))]);
}

struct Import {
    path: Path,
    alias: Option<String>,
}

impl House {
    fn read() -> Self {
        let mut house =
            Self { modules: BTreeMap::new(), imports: BTreeMap::new(), named: BTreeMap::new() };
        let files: Vec<(String, Path, String)> = sources()
            .into_iter()
            .filter(|file| !is_test(file))
            .filter_map(|file| {
                let name = file.strip_prefix(src()).unwrap().to_str().unwrap().to_owned();
                let path = module(&name)?;
                let code = without_tests(&without_comments(&fs::read_to_string(&file).unwrap()));
                Some((name, path, code))
            })
            .collect();
        for (name, path, _) in &files {
            house.modules.insert(path.clone(), name.clone());
        }
        for (name, path, code) in &files {
            let mut named = Vec::new();
            for import in imports(code) {
                let Some(absolute) = house.absolute(&import.path, path) else { continue };
                let called = import.alias.unwrap_or_else(|| absolute.last().unwrap().clone());
                house.imports.entry(path.clone()).or_default().insert(called, absolute.clone());
                named.push(absolute);
            }
            named.extend(paths(code).iter().filter_map(|said| house.absolute(said, path)));
            house.named.insert(name.clone(), named);
        }
        house
    }

    /// A path from the root; `None` for one of another crate.
    fn absolute(&self, path: &[String], within: &[String]) -> Option<Path> {
        let join = |base: &[String], rest: &[String]| [base, rest].concat();
        match path[0].as_str() {
            "crate" => Some(path[1..].to_vec()),
            "self" => Some(join(within, &path[1..])),
            "super" => Some(join(&within[..within.len().checked_sub(1)?], &path[1..])),
            _ => {
                let child = join(within, &path[..1]);
                self.modules.contains_key(&child).then(|| join(within, path))
            }
        }
    }

    /// The file that has what a path names, re-exports followed.
    fn file(&self, path: &[String], hops: usize) -> Option<&String> {
        let length = (1..=path.len()).rev().find(|n| self.modules.contains_key(&path[..*n]))?;
        let (module, rest) = path.split_at(length);
        if let Some(name) = rest.first()
            && let Some(from) = self.imports.get(module).and_then(|names| names.get(name))
            && from.as_slice() != path
            && hops < 8
        {
            return self.file(&[from, &rest[1..]].concat(), hops + 1);
        }
        self.modules.get(module)
    }

    fn arrows(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut arrows = BTreeMap::new();
        for (file, named) in &self.named {
            let mut targets: BTreeSet<String> =
                named.iter().filter_map(|path| self.file(path, 0)).cloned().collect();
            targets.remove(file);
            arrows.insert(file.clone(), targets);
        }
        arrows
    }
}

/// The module of a file of `src`; `None` for `lib.rs` and `main.rs`.
fn module(file: &str) -> Option<Path> {
    let mut path: Path = file.strip_suffix(".rs").unwrap().split('/').map(str::to_owned).collect();
    if path.last().is_some_and(|last| last == "mod") {
        path.pop();
    }
    (path != ["lib"] && path != ["main"]).then_some(path)
}

/// Every `use` of code without comments.
fn imports(code: &str) -> Vec<Import> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("use ") {
        let before = code[..at].trim_end_matches(' ');
        if !(before.is_empty()
            || before.ends_with(['\n', ';', '}', '{', ')'])
            || before.ends_with("pub"))
        {
            continue;
        }
        let Some(end) = code[at..].find(';') else { continue };
        tree(&tokens(&code[at + 4..at + end]), &mut 0, &[], &mut found);
    }
    found
}

fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("::") {
            2
        } else if first.is_alphanumeric() || first == '_' {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    tokens
}

fn tree(tokens: &[&str], at: &mut usize, prefix: &[String], found: &mut Vec<Import>) {
    let mut path = prefix.to_vec();
    while let Some(token) = tokens.get(*at) {
        *at += 1;
        match *token {
            "::" => {}
            "{" => {
                while tokens.get(*at).is_some_and(|token| *token != "}") {
                    tree(tokens, at, &path, found);
                    if tokens.get(*at) == Some(&",") {
                        *at += 1;
                    }
                }
                *at += 1;
                return;
            }
            word => {
                if word != "self" || path.is_empty() {
                    path.push(word.to_owned());
                }
                if tokens.get(*at) != Some(&"::") {
                    break;
                }
            }
        }
    }
    let mut alias = None;
    if tokens.get(*at) == Some(&"as") {
        alias = tokens.get(*at + 1).map(|name| (*name).to_owned());
        *at += 2;
    }
    found.push(Import { path, alias });
}

/// Paths outside `use` that begin at the root, the parent or the module itself.
fn paths(code: &str) -> Vec<Path> {
    let mut found = Vec::new();
    for head in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(head) {
            let before = &code[..at];
            if before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
                || before.ends_with("pub(in ")
            {
                continue;
            }
            let end = code[at..]
                .find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':')
                .map_or(code.len(), |end| at + end);
            let path: Path = code[at..end]
                .split("::")
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect();
            if path.len() > 1 {
                found.push(path);
            }
        }
    }
    found
}

/// Groups of two and more that reach each other.
fn circles(arrows: &BTreeMap<String, BTreeSet<String>>) -> Vec<BTreeSet<String>> {
    let reach: BTreeMap<&String, BTreeSet<&String>> = arrows
        .keys()
        .map(|from| {
            let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
            while let Some(file) = next.pop() {
                for to in arrows.get(file).into_iter().flatten() {
                    if seen.insert(to) {
                        next.push(to);
                    }
                }
            }
            (from, seen)
        })
        .collect();
    let mut found: Vec<BTreeSet<String>> = Vec::new();
    for (from, seen) in &reach {
        if found.iter().any(|circle| circle.contains(*from)) || !seen.contains(from) {
            continue;
        }
        let circle: BTreeSet<String> = seen
            .iter()
            .filter(|to| reach.get(**to).is_some_and(|back| back.contains(from)))
            .map(|to| (*to).clone())
            .chain([(*from).clone()])
            .collect();
        if circle.len() > 1 {
            found.push(circle);
        }
    }
    found
}
