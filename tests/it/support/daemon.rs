//! Servers as processes of their own: started on a free port, known by the address they print,
//! ended when dropped.

use super::{Test, peers};
use std::{
    fs,
    io::{BufRead as _, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{self, Sender},
    },
    thread,
    time::Duration,
};

/// How long a server may take to say where it listens. A bound for a broken one; nothing waits it
/// out.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server.
pub(crate) struct Daemon {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
    _root: tempfile::TempDir,
}

impl Daemon {
    /// `chartferry serve` with an empty store.
    pub(crate) fn chartferry<'a>(args: impl IntoIterator<Item = &'a str>) -> Self {
        let root = tempfile::tempdir().unwrap();
        let storage = root.path().join("store");
        Self::chartferry_over(root, &storage, args)
    }

    /// `chartferry serve` over the store of a folder that outlives it.
    pub(crate) fn chartferry_at<'a>(
        storage: &Path,
        args: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Self::chartferry_over(tempfile::tempdir().unwrap(), storage, args)
    }

    /// `chartferry serve` over a namespace elsewhere: `oci://host/ns`.
    pub(crate) fn chartferry_upstream<'a>(
        upstream: &str,
        args: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let root = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_chartferry"));
        command
            .env_clear()
            .env("HOME", root.path())
            .args(["serve", "--listen", "127.0.0.1:0", "--upstream", upstream, "--plain-http"])
            .args(args);
        Self::start(command, root)
    }

    fn chartferry_over<'a>(
        root: tempfile::TempDir,
        storage: &Path,
        args: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chartferry"));
        command
            .env_clear()
            .env("HOME", root.path())
            .args(["serve", "--listen", "127.0.0.1:0", "--storage"])
            .arg(storage)
            .args(args);
        Self::start(command, root)
    }

    /// Debian's `docker-registry`, distribution 2.8.
    pub(crate) fn docker_registry() -> Self {
        Self::distribution(&peers::find("docker-registry"), "")
    }

    /// Distribution 3.
    pub(crate) fn distribution_3() -> Self {
        Self::distribution(&peers::find("distribution"), "")
    }

    /// One of them by its name, which tells a URL of every event, in the configuration of
    /// docs/bridge.md.
    pub(crate) fn distribution_telling(name: &str, url: &str) -> Self {
        let more = format!(
            "notifications:\n  endpoints:\n    - name: chartferry\n      url: {url}\n      headers:\n        \
             Authorization: [Bearer the-secret]\n"
        );
        Self::distribution(&peers::find(name), &more)
    }

    fn distribution(program: &Path, more: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let config = root.path().join("config.yml");
        let storage = root.path().join("store");
        fs::write(
            &config,
            format!(
                "version: 0.1\nlog:\n  accesslog:\n    disabled: true\nhttp:\n  addr: 127.0.0.1:0\n\
                 storage:\n  delete:\n    enabled: true\n  filesystem:\n    rootdirectory: {}\n{more}",
                storage.display()
            ),
        )
        .unwrap();
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", root.path())
            .env("OTEL_TRACES_EXPORTER", "none")
            .arg("serve")
            .arg(config);
        Self::start(command, root)
    }

    /// Starts a server and waits until it has printed its address.
    pub(crate) fn start(mut command: Command, root: tempfile::TempDir) -> Self {
        let mut child = command
            .current_dir(root.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("`{command:?}`: {error}"));
        let log = Arc::new(Mutex::new(String::new()));
        let (found, address) = mpsc::channel();
        follow(child.stdout.take().unwrap(), &log, found.clone());
        follow(child.stderr.take().unwrap(), &log, found);
        let Ok(address) = address.recv_timeout(PATIENCE) else {
            let ended = child.try_wait();
            drop((child.kill(), child.wait()));
            let log = log.lock().unwrap();
            panic!("`{command:?}` named no address; it ended with {ended:?} and said\n{log}");
        };
        Self { child, address, log, _root: root }
    }

    /// Its address: host and port.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// A reference's beginning: `oci://host:port`.
    pub(crate) fn oci(&self) -> String {
        format!("oci://{}", self.address)
    }

    /// What it has printed up to now.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Asks it to end, as a service manager does, and waits for it.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(sent.success());
        self.child.wait().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody to tell.
        drop((self.child.kill(), self.child.wait()));
    }
}

/// A place and a `chartferry serve` to run against: `[ADDR]` in what is printed.
pub(crate) fn test_with_registry() -> (Test, Daemon) {
    let registry = Daemon::chartferry([]);
    let mut test = Test::new();
    test.call(registry.address(), "[ADDR]");
    (test, registry)
}

/// Writes an htpasswd file with one user, at the lowest cost there is: it guards nothing.
pub(crate) fn htpasswd(folder: &Path, user: &str, password: &str) -> PathBuf {
    let path = folder.join("htpasswd");
    let hash = bcrypt::hash(password, 4).unwrap();
    fs::write(&path, format!("{user}:{hash}\n")).unwrap();
    path
}

/// Reads a server's output to its end, and passes on the first address in it.
fn follow(stream: impl Read + Send + 'static, log: &Arc<Mutex<String>>, found: Sender<SocketAddr>) {
    let log = Arc::clone(log);
    thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { break };
            if let Some(address) = address_in(&line) {
                // Only the first is waited for.
                let _ = found.send(address);
            }
            let mut log = log.lock().unwrap();
            log.push_str(&line);
            log.push('\n');
        }
    });
}

/// The address a line says a server listens on.
fn address_in(line: &str) -> Option<SocketAddr> {
    // Servers name other addresses too: of the registry behind them, say.
    let line = &line[line.find("istening on")?..];
    let start = line.find("127.0.0.1:")?;
    let address: String =
        line[start..].chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect();
    let address: SocketAddr = address.trim_end_matches(['.', ':']).parse().ok()?;
    (address.port() != 0).then_some(address)
}
