//! The file `repositories.yaml`: the user's chart repositories with their names and credentials.
//! The caller gives its path; other modules cache the indexes.

use crate::chart::decode::{Decoder, Target, Unknown, go_struct};
use crate::chart::time::Time;
use crate::limits::Limits;
use crate::yaml::{self, Duplicates};
use crate::{
    Error, Result,
    atomic_file::{self, Readers, Sync},
};
use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The time for which [`lock`] waits, as in Helm.
const LOCK_WAIT: Duration = Duration::from_secs(30);

/// The content of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Repositories {
    api_version: String,
    generated: Time,
    /// The repositories, in the file's order.
    pub repositories: Vec<RepositoryEntry>,
}

/// A repository of the file.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RepositoryEntry {
    /// The local name of the repository.
    pub name: String,
    /// The URL of the repository, without `index.yaml`.
    pub url: String,
    /// The user name; empty without credentials.
    pub username: String,
    /// The password, in clear text.
    pub password: String,
    /// The path of a client certificate.
    pub cert_file: String,
    /// The path of the certificate's key.
    pub key_file: String,
    /// The path of certificates to trust.
    pub ca_file: String,
    /// True if the client accepts any certificate.
    pub insecure_skip_tls_verify: bool,
    /// True if the client sends the credentials to other hosts too.
    pub pass_credentials_all: bool,
}

go_struct!(RepositoryEntry, "repo", "Entry", {
    "name" => name: always,
    "url" => url: always,
    "username" => username: always,
    "password" => password: always,
    "certFile" => cert_file: always,
    "keyFile" => key_file: always,
    "caFile" => ca_file: always,
    "insecure_skip_tls_verify" => insecure_skip_tls_verify: always,
    "pass_credentials_all" => pass_credentials_all: always,
});

#[derive(Default)]
struct Document {
    api_version: String,
    generated: Time,
    repositories: Vec<Option<RepositoryEntry>>,
}

go_struct!(Document, "repo", "File", {
    "apiVersion" => api_version: always,
    "generated" => generated: always,
    "repositories" => repositories: always,
});

impl fmt::Debug for RepositoryEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository")
            .field("name", &self.name)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Repositories {
    /// Parses the text of the file.
    ///
    /// # Errors
    /// An error for a text that is not YAML, or for a value of the wrong type.
    pub fn from_yaml(bytes: &[u8], limits: &Limits) -> Result<Self> {
        let value = yaml::parse(bytes, Duplicates::LastWins, limits)?;
        let mut document = Document::default();
        Decoder::decode(&mut document, &value, Unknown::Ignored).map_err(Error::invalid)?;
        Ok(Self {
            api_version: document.api_version,
            generated: document.generated,
            repositories: document.repositories.into_iter().flatten().collect(),
        })
    }

    /// Reads the file at `path`. A missing file has no repositories.
    ///
    /// # Errors
    /// The errors of [`Self::from_yaml`], and `Io`.
    pub fn load(path: &Path, limits: &Limits) -> Result<Self> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(Error::io("read repositories file", path, error)),
        };
        Self::from_yaml(&bytes, limits).map_err(|error| {
            error.context(format!("cannot read repositories file `{}`", path.display()))
        })
    }

    /// Returns the text of the file as Helm writes it.
    pub fn to_yaml(&self) -> String {
        let document = Document {
            api_version: self.api_version.clone(),
            generated: self.generated,
            repositories: self.repositories.iter().cloned().map(Some).collect(),
        };
        yaml::emit_node(&document.encode())
    }

    /// Replaces the file at `path` in one step. Only its owner may read it.
    ///
    /// # Errors
    /// `Io`.
    pub fn save(&self, path: &Path) -> Result<()> {
        let io = |error| Error::io("write repositories file", path, error);
        fs::create_dir_all(atomic_file::folder_of(path)).map_err(io)?;
        // The file may hold passwords of repositories.
        let text = self.to_yaml();
        atomic_file::replace(path, Readers::Owner, Sync::Now, |file| {
            file.write_all(text.as_bytes())
        })
        .map_err(io)
    }

    /// Returns the repository of that name.
    pub fn find(&self, name: &str) -> Option<&RepositoryEntry> {
        self.repositories.iter().find(|repository| repository.name == name)
    }

    /// Replaces the repository of the same name, or adds one at the end.
    pub fn put(&mut self, repository: RepositoryEntry) {
        match self.repositories.iter_mut().find(|known| known.name == repository.name) {
            Some(known) => *known = repository,
            None => self.repositories.push(repository),
        }
    }

    /// Removes the repository of that name.
    pub fn remove(&mut self, name: &str) -> Option<RepositoryEntry> {
        let at = self.repositories.iter().position(|repository| repository.name == name)?;
        Some(self.repositories.remove(at))
    }
}

/// A lock that prevents other programs, such as Helm, from changing the file until it is dropped.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "closing it is what unlocks")] File);

/// Locks the file at `path` with the file beside it whose extension is `lock`. It blocks, at most
/// as long as Helm does.
///
/// # Errors
/// `Io`, and `Conflict` if another program held the lock for 30 seconds.
pub fn lock(path: &Path) -> Result<Lock> {
    let beside: PathBuf = path.with_extension("lock");
    let io = |error| Error::io("lock repositories file", &beside, error);
    if let Some(folder) = beside.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(io)?;
    }
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    // The lock file is as private as the file that it protects, as in Helm.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&beside).map_err(io)?;
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Lock(file)),
            Err(fs::TryLockError::WouldBlock) if start.elapsed() < LOCK_WAIT => {
                // Helm tries once a second; a shorter interval costs little.
                std::thread::sleep(Duration::from_millis(100));
            }
            Err(fs::TryLockError::WouldBlock) => {
                return Err(Error::new(
                    crate::ErrorKind::Conflict,
                    format!("another process keeps the lock `{}`", beside.display()),
                ));
            }
            Err(fs::TryLockError::Error(error)) => return Err(io(error)),
        }
    }
}
