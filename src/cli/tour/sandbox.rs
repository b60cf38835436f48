//! The sandbox of the tour: a temporary folder in which the tour runs this program, shows its
//! output and checks its effects.

use crate::{Error, ErrorKind, Result, cli::shell::output};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Instant,
};
use tempfile::TempDir;

/// The number of lines shown of a command's output. The rest is counted.
const LINES: usize = 14;

/// Variables that could make a step read or write outside of the sandbox.
const FOREIGN: &[&str] = &[
    "HELM_",
    "XDG_",
    "DOCKER_",
    "REGISTRY_AUTH_FILE",
    "CHARTFERRY_",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
];

/// The sandbox of a tour.
#[derive(Debug)]
pub(crate) struct Stage {
    folder: TempDir,
    program: PathBuf,
}

impl Stage {
    pub(crate) fn new() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("chartferry-tour-")
            .tempdir()
            .map_err(|error| Error::io("create", "a temporary folder", error))?;
        let program =
            std::env::current_exe().map_err(|error| Error::io("find", "this program", error))?;
        Ok(Self { folder, program })
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// Makes a folder of the user visible in the sandbox under a short name.
    #[cfg(unix)]
    pub(crate) fn link(&self, folder: &Path, name: &str) -> Result<()> {
        let target =
            fs::canonicalize(folder).map_err(|error| Error::io("find folder", folder, error))?;
        let path = self.path(name);
        std::os::unix::fs::symlink(target, &path).map_err(|error| Error::io("link", &path, error))
    }

    pub(crate) fn say(&self, text: &str) -> Result<()> {
        output::println(text)
    }

    pub(crate) fn heading(&self, text: &str) -> Result<()> {
        output::println(format!("\n# {text}"))
    }

    /// Fails the tour if `holds` is false.
    pub(crate) fn check(&self, holds: bool, what: &str) -> Result<()> {
        if holds {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Integrity,
            format!("the tour found a difference; this is false: {what}"),
        ))
    }

    pub(crate) fn read(&self, path: &Path) -> Result<Vec<u8>> {
        fs::read(path).map_err(|error| Error::io("read", path, error))
    }

    /// Runs this program with `args`, prints the command, its output and its duration, and returns
    /// its stdout.
    pub(crate) fn run(&self, args: &[String]) -> Result<String> {
        output::println(format!("$ chartferry {}", typed(args)))?;
        let start = Instant::now();
        let ended = self
            .command()
            .args(args)
            .output()
            .map_err(|error| Error::io("run", &self.program, error))?;
        let time = start.elapsed();
        let stdout = String::from_utf8_lossy(&ended.stdout).into_owned();
        let all = format!("{stdout}{}", String::from_utf8_lossy(&ended.stderr));
        let count = all.lines().count();
        for line in all.lines().take(LINES) {
            output::println(format!("  {line}"))?;
        }
        if count > LINES {
            output::println(format!("  … {} more lines", count - LINES))?;
        }
        output::println(format!("  ({:.1} ms)", time.as_secs_f64() * 1000.0))?;
        if !ended.status.success() {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("the step ended with {}", ended.status),
            ));
        }
        Ok(stdout)
    }

    /// Returns this program's command for the sandbox, which reads and writes none of the user's
    /// files.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        for (key, _) in std::env::vars_os() {
            let name = key.to_string_lossy().to_uppercase();
            if FOREIGN.iter().any(|foreign| name.starts_with(foreign)) {
                command.env_remove(&key);
            }
        }
        command.current_dir(self.root()).env("HOME", self.path("home")).stdin(Stdio::null());
        command
    }

    /// Removes the sandbox.
    pub(crate) fn leave(self) -> Result<()> {
        let path = self.root().to_owned();
        self.folder.close().map_err(|error| Error::io("remove folder", path, error))
    }
}

/// Formats a command as a user would type it, with long lists of files shortened.
fn typed(args: &[String]) -> String {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    const HEAD: usize = 3;
    const TAIL: usize = 2;
    if words.len() <= HEAD + TAIL + 2 {
        return words.join(" ");
    }
    let (head, tail) = (&words[..HEAD], &words[words.len() - TAIL..]);
    format!("{} … {} ({} more)", head.join(" "), tail.join(" "), words.len() - HEAD - TAIL)
}

/// A running `chartferry serve` in a separate process.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    address: String,
}

impl Server {
    /// Starts a server on a free port, with these additional arguments.
    pub(crate) fn start(stage: &Stage, more: &[&str]) -> Result<Self> {
        let args = [&["serve", "--listen", "127.0.0.1:0"], more].concat();
        output::println(format!("$ chartferry {} &", args.join(" ")))?;
        let mut process = stage
            .command()
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| Error::io("run", &stage.program, error))?;
        let mut line = String::new();
        if let Some(stdout) = process.stdout.take() {
            BufReader::new(stdout)
                .read_line(&mut line)
                .map_err(|error| Error::io("read from", "the server", error))?;
        }
        let address =
            line.trim().rsplit("://").next().unwrap_or_default().trim_end_matches('/').to_owned();
        let server = Self { process, address };
        if server.address.is_empty() {
            return Err(Error::new(ErrorKind::Network, "the server did not start"));
        }
        output::println(format!("  {}", line.trim()))?;
        Ok(server)
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn stop(mut self) -> Result<()> {
        self.process.kill().map_err(|error| Error::io("stop", "the server", error))?;
        self.process.wait().map_err(|error| Error::io("wait for", "the server", error))?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After `stop`, neither call has an effect.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
