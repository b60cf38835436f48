//! Credential helpers: programs named `docker-credential-…` that store credentials for other
//! programs. A helper reads a server's address on standard input and answers in JSON. If it has no
//! credential, it prints a fixed sentence on standard output.

use super::{
    credential::{Credential, TOKEN_USER},
    docker_config::key_of,
};
use crate::{Error, ErrorKind, Result, oci::Registry};
use serde::{Deserialize, Serialize};
use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Folders in which the client looks for helpers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Helpers<'a> {
    pub(crate) folders: &'a [PathBuf],
    /// Time limit for a helper. A helper that prompts on a screen without a user would otherwise
    /// wait for ever.
    pub(crate) patience: Duration,
}

const MAX_ANSWER: u64 = 1024 * 1024;
const NOT_FOUND: &str = "credentials not found in native keychain";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(default, rename = "ServerURL")]
    server: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

/// Returns the name that helpers use for a registry.
pub(crate) fn server_of(registry: &Registry) -> &str {
    key_of(registry)
}

impl Helpers<'_> {
    /// Returns the system's own helper if it is installed, with Helm's choice.
    pub(crate) fn detect(&self) -> Option<&'static str> {
        let name = if cfg!(target_os = "macos") {
            "osxkeychain"
        } else if cfg!(windows) {
            "wincred"
        } else if self.program("pass").is_some() {
            "pass"
        } else {
            "secretservice"
        };
        self.program(&program_name(name)).map(|_| name)
    }

    /// Requests the credential of a server from a helper.
    pub(crate) async fn get(&self, name: &str, server: &str) -> Result<Option<Credential>> {
        let output = self.run(name, "get", server.as_bytes()).await?;
        let text = String::from_utf8_lossy(&output.text);
        if output.ended_well {
            let entry: Entry = serde_json::from_slice(&output.text).map_err(|_| {
                // The answer may hold the secret, so the error does not repeat it.
                failed(name, "its answer is not JSON")
            })?;
            if entry.username.is_empty() && entry.secret.is_empty() {
                return Ok(None);
            }
            return Ok(Some(Credential::from_pair(entry.username, entry.secret)));
        }
        let text = text.trim();
        if text.contains(NOT_FOUND) {
            return Ok(None);
        }
        Err(failed(name, text.lines().next().unwrap_or_default()))
    }

    /// Stores a credential with a helper.
    pub(crate) async fn store(
        &self,
        name: &str,
        server: &str,
        credential: &Credential,
    ) -> Result<()> {
        let (username, secret) = match credential {
            Credential::Basic { username, password } => (username.as_str(), password),
            Credential::Identity(token) => (TOKEN_USER, token),
            Credential::Bearer(_) => {
                return Err(failed(name, "it cannot store a bearer token"));
            }
        };
        let entry = Entry {
            server: server.to_owned(),
            username: username.to_owned(),
            secret: secret.expose().to_owned(),
        };
        let output = self.run(name, "store", &crate::json::to_vec(&entry)).await?;
        output.or_failed(name)
    }

    /// Deletes a server's credential from a helper. A missing credential is no error.
    pub(crate) async fn erase(&self, name: &str, server: &str) -> Result<()> {
        let output = self.run(name, "erase", server.as_bytes()).await?;
        if String::from_utf8_lossy(&output.text).contains(NOT_FOUND) {
            return Ok(());
        }
        output.or_failed(name)
    }

    fn program(&self, name: &str) -> Option<PathBuf> {
        self.folders.iter().map(|folder| folder.join(name)).find(|path| is_program(path))
    }

    async fn run(&self, name: &str, verb: &str, input: &[u8]) -> Result<Output> {
        // The name comes from a file, so it must not point outside the folders.
        let legal = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let path = Some(name)
            .filter(|name| !name.is_empty() && name.chars().all(legal))
            .and_then(|name| self.program(&program_name(name)))
            .ok_or_else(|| {
                Error::not_found(format!(
                    "the credential helper `docker-credential-{name}` is not installed"
                ))
                .with_hint("install it, or remove its name from the credentials file")
            })?;
        let io_error = |error| Error::io("run credential helper", &path, error);
        let mut child = tokio::process::Command::new(&path)
            .arg(verb)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(io_error)?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let talk = async {
            if let Some(mut stdin) = stdin {
                match stdin.write_all(input).await {
                    // A helper may close its input before it has read everything.
                    Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
                    _ => {}
                }
            }
            let mut text = Vec::new();
            if let Some(stdout) = stdout {
                stdout.take(MAX_ANSWER).read_to_end(&mut text).await?;
            }
            let status = child.wait().await?;
            Ok(Output { text, ended_well: status.success() })
        };
        match tokio::time::timeout(self.patience, talk).await {
            Ok(output) => output.map_err(io_error),
            Err(_) => Err(failed(
                name,
                &format!("it did not answer in {} s", self.patience.as_secs_f32()),
            )),
        }
    }
}

struct Output {
    text: Vec<u8>,
    ended_well: bool,
}

impl Output {
    fn or_failed(self, name: &str) -> Result<()> {
        if self.ended_well {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&self.text);
        Err(failed(name, text.trim().lines().next().unwrap_or_default()))
    }
}

fn failed(name: &str, why: &str) -> Error {
    let why = if why.is_empty() { "it printed no message" } else { why };
    Error::new(
        ErrorKind::Denied,
        format!("the credential helper `docker-credential-{name}` failed: {why}"),
    )
}

fn program_name(name: &str) -> String {
    format!("docker-credential-{name}{}", std::env::consts::EXE_SUFFIX)
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}
