//! What the documentation says is true: every `console` block of README.md and docs/ runs, in
//! order, a page in one place; its tables of variables and exit codes are those of the program; its
//! links lead somewhere.

use crate::support::{
    Test,
    daemon::{Daemon, htpasswd},
    peers, source_tree,
};
use chartferry::command_line_parts::{env::VARIABLES, exit::Exit};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Where a page says `helm`, chartferry runs: it has the same verbs.
#[test]
fn every_command_of_the_documentation_does_what_it_says() {
    run_pages(&pages(), env!("CARGO_BIN_EXE_chartferry").as_ref(), 60);
}

/// `cm-push` is a plugin that no module proxy has; there chartferry stands in for it.
#[test]
#[ignore = "needs peers"]
fn helm_itself_does_what_the_readme_says_of_it() {
    let folder = tempfile::tempdir().unwrap();
    for version in ["helm", "helm3"] {
        let program = folder.path().join(version);
        let script = format!(
            "#!/bin/sh\ncase $1 in cm-push) exec {} \"$@\" ;; esac\nexec {} \"$@\"\n",
            env!("CARGO_BIN_EXE_chartferry"),
            peers::find(version).display()
        );
        fs::write(&program, script).unwrap();
        let made = Command::new("chmod").arg("+x").arg(&program).status().unwrap();
        assert!(made.success());
        run_pages(&[source_tree("README.md")], &program, 20);
    }
}

fn run_pages(pages: &[PathBuf], helm: &Path, least: usize) {
    let (mut commands, mut untrue) = (0, Vec::new());
    for page in pages {
        let text = fs::read_to_string(page).unwrap();
        if text.contains("```console\n") {
            commands += Page::new(&text, helm).run(page, &text, &mut untrue);
        }
    }
    assert!(untrue.is_empty(), "\n{}", untrue.join("\n\n"));
    assert!(commands > least, "only {commands} commands were found");
}

#[test]
fn every_variable_is_documented() {
    let text = fs::read_to_string(source_tree("docs/environment.md")).unwrap();
    let documented: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
    let expected: Vec<String> =
        VARIABLES.iter().map(|(name, what)| format!("| `{name}` | {what} |")).collect();
    assert_eq!(documented, expected);
}

#[test]
fn every_exit_code_is_documented() {
    let text = fs::read_to_string(source_tree("docs/exit-codes.md")).unwrap();
    let documented: Vec<u8> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse().ok())
        .collect();
    let all = [
        Exit::Ok,
        Exit::Failure,
        Exit::Drift,
        Exit::Partial,
        Exit::Conflict,
        Exit::NotFound,
        Exit::Denied,
        Exit::Integrity,
        Exit::Usage,
        Exit::Interrupted,
        Exit::Terminated,
    ];
    assert_eq!(documented, all.map(Exit::code));
}

#[test]
fn every_link_leads_somewhere() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split(')').next().unwrap();
            if !target.contains("://") {
                let path = page.parent().unwrap().join(target.split('#').next().unwrap());
                assert!(path.exists(), "`{}` links to `{target}`", page.display());
            }
        }
    }
}

/// README.md, CONTRIBUTING.md, CHANGELOG.md and the pages of docs.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = fs::read_dir(source_tree("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.extend(["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(source_tree));
    pages.sort();
    pages
}

/// Where the commands of one page run: two charts in the folder, an open registry at what the page
/// calls `localhost:5000`, and one at `localhost:5001` that knows ann.
struct Page {
    test: Test,
    open: Daemon,
    guarded: Option<Daemon>,
    /// What the page itself has started, by the port it names.
    started: Vec<(String, Daemon)>,
    /// What `export` has set.
    exported: Vec<(String, String)>,
}

impl Page {
    fn new(text: &str, helm: &Path) -> Self {
        let mut test = Test::new();
        test.file(
            "demo/Chart.yaml",
            "apiVersion: v2\nname: demo\nversion: 1.0.0\ndescription: A chart to show things with\n",
        )
        .file("demo/values.yaml", "replicas: 2\n")
        .file("demo/README.md", "# demo\n")
        .file("demo/templates/configmap.yaml", "kind: ConfigMap\n")
        .file("other/Chart.yaml", "apiVersion: v2\nname: other\nversion: 0.2.0\n")
        .link_program("chartferry", env!("CARGO_BIN_EXE_chartferry").as_ref())
        .link_program("helm", helm);
        #[cfg(unix)]
        if text.contains("charts-fixtures/") {
            std::os::unix::fs::symlink(
                source_tree("charts-fixtures"),
                test.root().join("work/charts-fixtures"),
            )
            .unwrap();
        }
        let users = htpasswd(test.root(), "ann", "secret");
        let open = Daemon::chartferry([]);
        test.call(open.address(), "localhost:5000");
        let guarded = text.contains("localhost:5001").then(|| {
            let guarded = Daemon::chartferry(["--htpasswd", users.to_str().unwrap()]);
            test.call(guarded.address(), "localhost:5001");
            guarded
        });
        Self { test, open, guarded, started: Vec::new(), exported: Vec::new() }
    }

    /// Runs a page's commands, notes what is not as the page says, and gives the number of
    /// commands.
    fn run(&mut self, page: &Path, text: &str, untrue: &mut Vec<String>) -> usize {
        let mut commands = 0;
        for block in text.split("```console\n").skip(1) {
            let block = block.split("```").next().unwrap();
            for session in block.split("\n$ ") {
                let session = session.strip_prefix("$ ").unwrap_or(session);
                let (command, expected) = session.split_once('\n').unwrap_or((session, ""));
                commands += 1;
                if let Err(found) = self.command(command, expected) {
                    untrue.push(format!("{}: $ {command}\n{found}", page.display()));
                }
            }
        }
        commands
    }

    fn command(&mut self, command: &str, expected: &str) -> Result<(), String> {
        if let Some(server) = command.strip_suffix(" &") {
            return self.server(server, expected);
        }
        if let Some(variable) = command.strip_prefix("export ") {
            let (name, value) = variable.split_once('=').unwrap();
            self.exported.push((name.to_owned(), value.to_owned()));
            return Ok(());
        }
        let line = self.addressed(command);
        let path = format!("{}:/usr/bin:/bin", self.test.root().join("bin").display());
        let mut run = self.test.run_program("/bin/sh".as_ref(), ["-c", &line]).env("PATH", path);
        for (name, value) in &self.exported {
            run = run.env(name, value);
        }
        let outcome = run.outcome();
        if outcome.code == Some(0) && matches(expected.trim_end(), outcome.stdout.trim_end()) {
            return Ok(());
        }
        Err(format!(
            "exit code {:?}\n{}--- and on stderr\n{}--- instead of\n{expected}",
            outcome.code, outcome.stdout, outcome.stderr
        ))
    }
}

impl Page {
    /// A server that the page starts and that stays to the end of the page, on whatever port is
    /// free.
    fn server(&mut self, command: &str, expected: &str) -> Result<(), String> {
        let line = self.addressed(command);
        let words: Vec<&str> = line.split(' ').collect();
        let port = words
            .iter()
            .find_map(|word| word.strip_prefix("127.0.0.1:"))
            .ok_or("a server says where it listens: --listen 127.0.0.1:PORT")?;
        let named = format!("127.0.0.1:{port}");
        if expected.trim_end() != format!("Listening on http://{named}") {
            return Err(format!("it says where it listens, not\n{expected}"));
        }
        let mut server = Command::new(env!("CARGO_BIN_EXE_chartferry"));
        server.env_clear().env("HOME", self.test.root());
        for pair in words.windows(2) {
            match *pair {
                ["--listen", _] => server.arg("127.0.0.1:0"),
                ["--storage", folder] => server.arg(self.test.root().join("work").join(folder)),
                [_, word] => server.arg(word),
                _ => unreachable!("windows of two"),
            };
        }
        let daemon = Daemon::start(server, tempfile::tempdir().unwrap());
        self.test.call(daemon.address(), &format!("localhost:{port}"));
        self.started.push((port.to_owned(), daemon));
        Ok(())
    }

    /// A command with the addresses that the servers really have.
    fn addressed(&self, command: &str) -> String {
        let mut line = command.to_owned();
        for (port, daemon) in &self.started {
            line = line.replace(&format!("localhost:{port}"), &daemon.address());
        }
        line = line.replace("localhost:5000", &self.open.address());
        match &self.guarded {
            Some(guarded) => line.replace("localhost:5001", &guarded.address()),
            None => line,
        }
    }
}

/// Whether text is what a pattern says, in which `…` stands for anything within a line, and as a
/// line of its own for any lines.
fn matches(pattern: &str, text: &str) -> bool {
    fn lines(pattern: &[&str], text: &[&str]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((&"…", rest)) => (0..=text.len()).any(|skipped| lines(rest, &text[skipped..])),
            Some((first, rest)) => text
                .split_first()
                .is_some_and(|(line, text)| within(first, line) && lines(rest, text)),
        }
    }
    fn within(pattern: &str, line: &str) -> bool {
        match pattern.split_once('…') {
            None => pattern == line,
            Some((start, rest)) => line.strip_prefix(start).is_some_and(|line| {
                line.char_indices()
                    .map(|(at, _)| at)
                    .chain([line.len()])
                    .any(|at| within(rest, &line[at..]))
            }),
        }
    }
    lines(
        &pattern.lines().map(str::trim_end).collect::<Vec<_>>(),
        &text.lines().map(str::trim_end).collect::<Vec<_>>(),
    )
}

#[test]
fn the_pattern_language_of_the_pages_is_strict() {
    for (pattern, text, same) in [
        ("a\n…\nd", "a\nb\nc\nd", true),
        ("a\n…", "a", true),
        ("sha256:… x", "sha256:abc x", true),
        ("sha256:… x", "sha256:abc y", false),
        ("", "anything", false),
        ("a", "a\nb", false),
        ("…", "", true),
    ] {
        assert_eq!(matches(pattern, text), same, "{pattern:?} {text:?}");
    }
}
