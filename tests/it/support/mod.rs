//! A place to run commands in, as a user would: a temporary home and working folder, nothing of the
//! caller's environment, and every effect of a run checked unless the test says it does not matter.
//! Registries to run against are in [`daemon`]; the real tools of others are in [`peers`].

// A test binary uses what it uses; each of these is for several modules.
#![allow(dead_code)]

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::SystemTime,
};

pub(crate) mod daemon;
pub(crate) mod fault;
pub(crate) mod fault_registry;
pub(crate) mod peers;
pub(crate) mod proxy;
pub(crate) mod web;

/// A home, a working folder and a search path of its own; gone when dropped.
pub(crate) struct Test {
    root: tempfile::TempDir,
    names: Vec<(String, String)>,
}

impl Test {
    /// An empty place.
    pub(crate) fn new() -> Self {
        let root = tempfile::Builder::new().prefix("chartferry-test-").tempdir().unwrap();
        for folder in ["home", "work", "bin", "tmp"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        Self { root, names: Vec::new() }
    }

    /// The place's root: `[TMP]` in what is printed.
    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    /// A path in the working folder.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root().join("work").join(name)
    }

    /// A path in the home.
    pub(crate) fn home(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root().join("home").join(name)
    }

    /// Writes a file in the working folder.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        self
    }

    /// Copies a folder or file of the source tree, such as `charts-fixtures/plain`, into the
    /// working folder.
    pub(crate) fn copy(&self, from: impl AsRef<Path>, name: &str) -> &Self {
        copy_tree(&source_tree(from), &self.path(name));
        self
    }

    /// Reads a file of the working folder.
    pub(crate) fn read(&self, name: impl AsRef<Path>) -> Vec<u8> {
        let path = self.path(name);
        fs::read(&path).unwrap_or_else(|error| panic!("`{}`: {error}", path.display()))
    }

    /// Puts an executable on the search path, which is otherwise empty.
    pub(crate) fn program(&self, name: &str, script: &str) -> &Self {
        let path = self.root().join("bin").join(name);
        fs::write(&path, script).unwrap();
        executable(&path);
        self
    }

    /// Puts a program of this machine on the search path.
    pub(crate) fn link_program(&self, name: &str, target: &Path) -> &Self {
        std::os::unix::fs::symlink(target, self.root().join("bin").join(name)).unwrap();
        self
    }

    /// Prints `text` as `name` in what runs print from now on; an address as `[ADDR]`, say.
    pub(crate) fn call(&mut self, text: impl Into<String>, name: &str) -> &mut Self {
        self.names.push((text.into(), name.to_owned()));
        self
    }

    /// A run of chartferry.
    pub(crate) fn run<I>(&self, args: I) -> Run<'_>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.run_program(Path::new(env!("CARGO_BIN_EXE_chartferry")), args)
    }

    /// A run of any program, in the same place.
    pub(crate) fn run_program<I>(&self, program: &Path, args: I) -> Run<'_>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        Run {
            test: self,
            program: program.to_owned(),
            args: args.into_iter().map(Into::into).collect(),
            envs: BTreeMap::new(),
            stdin: Vec::new(),
            folder: "work".into(),
            stdout: Expected::Exactly(String::new()),
            stderr: Expected::Exactly(String::new()),
            files: Some(Vec::new()),
        }
    }

    /// The environment of a run: nothing but this place.
    pub(crate) fn environment(&self, command: &mut Command) {
        let root = self.root();
        command
            .env_clear()
            .env("HOME", root.join("home"))
            .env("PATH", root.join("bin"))
            .env("TMPDIR", root.join("tmp"))
            .env("HELM_CACHE_HOME", root.join("home/helm/cache"))
            .env("HELM_CONFIG_HOME", root.join("home/helm/config"))
            .env("HELM_DATA_HOME", root.join("home/helm/data"));
    }

    /// What was printed, with this place's names for what differs from run to run.
    pub(crate) fn normalise(&self, bytes: &[u8]) -> String {
        let mut text = String::from_utf8_lossy(bytes).into_owned();
        for (from, to) in &self.names {
            text = text.replace(from, to);
        }
        text.replace(self.root().to_str().unwrap(), "[TMP]")
    }

    /// Every file below the place's root with size and time of change.
    fn files(&self) -> BTreeMap<String, (u64, SystemTime)> {
        let mut found = BTreeMap::new();
        for folder in ["work", "tmp"] {
            list(&self.root().join(folder), &mut |path, metadata| {
                let name = path.strip_prefix(self.root()).unwrap().to_str().unwrap().to_owned();
                let name = name.strip_prefix("work/").map_or(name.clone(), str::to_owned);
                found.insert(name, (metadata.len(), metadata.modified().unwrap()));
            });
        }
        found
    }
}

/// What a stream must hold.
enum Expected {
    Exactly(String),
    Containing(Vec<String>),
    Anything,
}

impl Expected {
    fn and(&mut self, text: &str) {
        match self {
            Self::Containing(texts) => texts.push(text.to_owned()),
            _ => *self = Self::Containing(vec![text.to_owned()]),
        }
    }
}

/// One run, and what must come of it. Unless told otherwise: nothing printed, nothing written to
/// the working folder, nothing left in the folder for temporary files.
#[must_use = "a run runs when it is told how it ends: `.succeeds()` or `.fails(code)`"]
pub(crate) struct Run<'a> {
    test: &'a Test,
    program: PathBuf,
    args: Vec<String>,
    envs: BTreeMap<String, String>,
    stdin: Vec<u8>,
    folder: PathBuf,
    stdout: Expected,
    stderr: Expected,
    files: Option<Vec<String>>,
}

impl Run<'_> {
    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.envs.insert(name.to_owned(), value.into());
        self
    }

    /// What is read from standard input, which is otherwise empty.
    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Runs in another folder below the working folder.
    pub(crate) fn within(mut self, folder: &str) -> Self {
        self.folder = Path::new("work").join(folder);
        self
    }

    /// The whole of standard output.
    pub(crate) fn stdout(mut self, text: impl Into<String>) -> Self {
        self.stdout = Expected::Exactly(text.into());
        self
    }

    /// A part of standard output; may be asked several times.
    pub(crate) fn stdout_has(mut self, text: &str) -> Self {
        self.stdout.and(text);
        self
    }

    /// Standard output is the test's own affair.
    pub(crate) fn any_stdout(mut self) -> Self {
        self.stdout = Expected::Anything;
        self
    }

    /// The whole of standard error.
    pub(crate) fn stderr(mut self, text: impl Into<String>) -> Self {
        self.stderr = Expected::Exactly(text.into());
        self
    }

    /// A part of standard error; may be asked several times.
    pub(crate) fn stderr_has(mut self, text: &str) -> Self {
        self.stderr.and(text);
        self
    }

    /// Standard error is the test's own affair.
    pub(crate) fn any_stderr(mut self) -> Self {
        self.stderr = Expected::Anything;
        self
    }

    /// The files of the working folder that the run writes, changes or removes.
    pub(crate) fn writes<'n>(mut self, names: impl IntoIterator<Item = &'n str>) -> Self {
        self.files = Some(names.into_iter().map(str::to_owned).collect());
        self
    }

    /// Files written are the test's own affair.
    pub(crate) fn any_files(mut self) -> Self {
        self.files = None;
        self
    }

    /// Output, warnings and files are the test's own affair: it looks at the outcome.
    pub(crate) fn anything(self) -> Self {
        self.any_stdout().any_stderr().any_files()
    }

    /// Runs, and ends with 0.
    #[track_caller]
    pub(crate) fn succeeds(self) -> Outcome {
        self.ends(0)
    }

    /// Runs, and ends with `code`.
    #[track_caller]
    pub(crate) fn fails(self, code: i32) -> Outcome {
        assert_ne!(code, 0, "0 is no failure");
        self.ends(code)
    }

    #[track_caller]
    fn ends(self, code: i32) -> Outcome {
        let before = self.test.files();
        let outcome = self.outcome();
        let shown = format!(
            "\n$ {} {}\n--- stdout\n{}--- stderr\n{}---\n",
            self.program.file_name().unwrap().to_str().unwrap(),
            self.args.join(" "),
            outcome.stdout,
            outcome.stderr
        );
        assert_eq!(outcome.code, Some(code), "wrong exit code{shown}");
        check("stdout", &self.stdout, &outcome.stdout, &shown);
        check("stderr", &self.stderr, &outcome.stderr, &shown);
        if let Some(expected) = &self.files {
            let after = self.test.files();
            let mut changed: Vec<&String> = before
                .keys()
                .chain(after.keys())
                .filter(|name| before.get(*name) != after.get(*name))
                .collect();
            changed.sort();
            changed.dedup();
            let mut expected: Vec<&String> = expected.iter().collect();
            expected.sort();
            assert_eq!(changed, expected, "wrong files written{shown}");
        }
        outcome
    }

    /// Runs, and leaves all judgement to the test.
    pub(crate) fn outcome(&self) -> Outcome {
        let mut command = Command::new(&self.program);
        self.test.environment(&mut command);
        let mut child = command
            .envs(&self.envs)
            .args(&self.args)
            .current_dir(self.test.root().join(&self.folder))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("`{}`: {error}", self.program.display()));
        let (mut pipe, input) = (child.stdin.take().unwrap(), self.stdin.clone());
        // In a thread of its own, so that a program that answers before it has read all cannot lock
        // with us. One that does not read at all is free to do so: the broken pipe is no failure.
        let writer = thread::spawn(move || drop(pipe.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Outcome {
            code: output.status.code(),
            stdout: self.test.normalise(&output.stdout),
            stderr: self.test.normalise(&output.stderr),
            bytes: output.stdout,
        }
    }
}

/// What came of a run.
pub(crate) struct Outcome {
    /// The exit code; `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    /// Standard output, normalised.
    pub(crate) stdout: String,
    /// Standard error, normalised.
    pub(crate) stderr: String,
    /// Standard output as it came.
    pub(crate) bytes: Vec<u8>,
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, stdout, stderr, .. } = self;
        write!(f, "exit code {code:?}\n--- stdout\n{stdout}--- stderr\n{stderr}---")
    }
}

impl Outcome {
    /// The first `sha256:…` on standard output.
    #[track_caller]
    pub(crate) fn digest(&self) -> String {
        let at = self.stdout.find("sha256:").unwrap_or_else(|| panic!("no digest in\n{self:?}"));
        self.stdout[at..].chars().take("sha256:".len() + 64).collect()
    }
}

/// A path of the source tree.
pub(crate) fn source_tree(path: impl AsRef<Path>) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Copies a file or a folder with all that is in it; links stay links, and times of change are
/// kept.
pub(crate) fn copy_tree(from: &Path, to: &Path) {
    let metadata = fs::symlink_metadata(from)
        .unwrap_or_else(|error| panic!("cannot copy `{}`: {error}", from.display()));
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    if metadata.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy_tree(&entry.path(), &to.join(entry.file_name()));
        }
    } else if metadata.is_symlink() {
        std::os::unix::fs::symlink(fs::read_link(from).unwrap(), to).unwrap();
    } else {
        fs::copy(from, to).unwrap();
        fs::File::options()
            .write(true)
            .open(to)
            .unwrap()
            .set_modified(metadata.modified().unwrap())
            .unwrap();
    }
}

/// Calls `each` with every file below `folder` that is not a folder.
pub(crate) fn list(folder: &Path, each: &mut impl FnMut(&Path, &fs::Metadata)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            list(&path, each);
        } else {
            each(&path, &metadata);
        }
    }
}

/// Makes a file executable.
fn executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[track_caller]
fn check(stream: &str, expected: &Expected, found: &str, shown: &str) {
    match expected {
        Expected::Anything => {}
        Expected::Exactly(text) => assert_eq!(found, text, "wrong {stream}{shown}"),
        Expected::Containing(texts) => {
            for text in texts {
                assert!(found.contains(text.as_str()), "no `{text}` on {stream}{shown}");
            }
        }
    }
}

/// A builder that let everything pass would make every test that uses it worthless.
mod tests {
    use super::*;

    fn sh<'a>(test: &'a Test, script: &str) -> Run<'a> {
        test.run_program(Path::new("/bin/sh"), ["-c", script])
    }

    #[test]
    fn a_run_that_does_what_was_said_passes() {
        let test = Test::new();
        test.file("a", "old");
        sh(&test, "echo $HOME; echo oops >&2; : > b; IFS= read -r x; printf %s \"$x\" > a; exit 3")
            .stdin("new\n")
            .stdout("[TMP]/home\n")
            .stderr("oops\n")
            .writes(["b", "a"])
            .fails(3);
        assert_eq!(test.read("a"), b"new");
        sh(&test, "echo one two").stdout_has("one").stdout_has("two").succeeds();
    }

    #[test]
    fn a_run_that_does_anything_else_fails() {
        for (script, said) in [
            ("exit 1", "wrong exit code"),
            ("echo x", "wrong stdout"),
            ("echo x >&2", "wrong stderr"),
            (": > new", "wrong files written"),
            (": > $TMPDIR/left-over", "wrong files written"),
        ] {
            let failed = std::panic::catch_unwind(|| sh(&Test::new(), script).succeeds());
            let message = *failed.unwrap_err().downcast::<String>().unwrap();
            assert!(message.contains(said), "{script}: {message}");
        }
    }
}
