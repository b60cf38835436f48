//! Lookup of credentials: given by the user, or stored. The stored ones are in the files of Helm,
//! Docker and Podman, and in the credential helpers that these files name. The lookup runs only
//! after a registry has asked for credentials.

use super::{
    credential::{Credential, Secret},
    credential_helper::{self, Helpers},
    docker_config::{AuthFile, Hit},
};
use crate::{
    Error, Result,
    client::event::{ClientEvent, EventSink},
    limits::MIB,
    oci::{Registry, RepositoryName},
};
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// Credential that the user gave for this run.
#[derive(Clone, Debug)]
pub struct Given {
    /// Credential itself.
    pub credential: Credential,
    /// Registry of the credential. `None` means every registry that asks for credentials.
    pub registry: Option<Registry>,
}

/// A place where credentials are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialSource {
    /// File in Docker's format, as Helm, Docker and Podman write it. A missing file counts as
    /// empty.
    File(PathBuf),
    /// Helm's own file. It is read as [`CredentialSource::File`]. While it has no setting for
    /// credentials, the client asks the system's helper, as Helm does.
    Helm(PathBuf),
    /// Docker's old `.dockercfg`, which has only the `auths` part of the newer format.
    Old(PathBuf),
    /// Document in Docker's format, the value of `DOCKER_AUTH_CONFIG`.
    Inline(Secret),
}

/// Environment variables that name credential files, before their order is applied.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Surroundings {
    /// Path from `--registry-config` or `HELM_REGISTRY_CONFIG`, or Helm's default file.
    pub helm_file: Option<PathBuf>,
    /// Value of `REGISTRY_AUTH_FILE`: a path.
    pub auth_file: Option<PathBuf>,
    /// Value of `DOCKER_AUTH_CONFIG`: a JSON document, not a path.
    pub docker_document: Option<String>,
    /// Value of `DOCKER_CONFIG`, or the folder `.docker` in the home folder.
    pub docker_folder: Option<PathBuf>,
    /// Value of `XDG_RUNTIME_DIR`: a folder.
    pub runtime_folder: Option<PathBuf>,
    /// Value of `XDG_CONFIG_HOME`, or the folder `.config` in the home folder.
    pub config_folder: Option<PathBuf>,
    /// Home folder of the user.
    pub home: Option<PathBuf>,
}

impl Surroundings {
    /// Returns the sources in the order of the lookup: first those that the user named for this
    /// purpose, then Docker's, Podman's and the oldest.
    pub fn places(&self) -> Vec<CredentialSource> {
        let below = |folder: &Option<PathBuf>, rest: &str| folder.as_ref().map(|f| f.join(rest));
        [
            self.helm_file.clone().map(CredentialSource::Helm),
            self.auth_file.clone().map(CredentialSource::File),
            self.docker_document.clone().map(|text| CredentialSource::Inline(Secret::new(text))),
            below(&self.docker_folder, "config.json").map(CredentialSource::File),
            below(&self.runtime_folder, "containers/auth.json").map(CredentialSource::File),
            below(&self.config_folder, "containers/auth.json").map(CredentialSource::File),
            below(&self.home, ".dockercfg").map(CredentialSource::Old),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Sources of credentials. The default has none and finds none.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Keyring {
    /// Credential of the user for this run. If it applies, the client asks no other source.
    pub given: Option<Given>,
    /// Sources of stored credentials, in the order of the lookup.
    pub places: Vec<CredentialSource>,
    /// Folders in which the client looks for helpers (`docker-credential-…`), as in `PATH`.
    pub programs: Vec<PathBuf>,
    /// Time limit for a helper.
    pub patience: Duration,
}

impl Default for Keyring {
    fn default() -> Self {
        Self {
            given: None,
            places: Vec::new(),
            programs: Vec::new(),
            patience: Duration::from_secs(30),
        }
    }
}

/// Credential with its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) credential: Credential,
    pub(crate) origin: Kept,
}

/// Origin of a credential: given for this run, or stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// The user gave it for this run: the client uses it or fails.
    Given,
    /// A file or helper holds it: the client may read without it.
    Stored,
}

/// Maximum size of a credential file.
const MAX_FILE: u64 = MIB;

impl Keyring {
    /// Looks up the credential for a repository or, without one, for the registry as a whole.
    ///
    /// # Errors
    /// Only if Helm's own file exists and cannot be read or parsed. For the files of other tools,
    /// and for a helper that is missing or fails, the client gives a warning and asks the next
    /// source.
    pub(crate) async fn find(
        &self,
        registry: &Registry,
        repository: Option<&RepositoryName>,
        notify: &EventSink,
    ) -> Result<Option<Found>> {
        if let Some(given) = &self.given
            && given.registry.as_ref().is_none_or(|own| same_registry(own, registry))
        {
            return Ok(Some(Found { credential: given.credential.clone(), origin: Kept::Given }));
        }
        let helpers = self.helpers();
        for place in &self.places {
            let file = match place.read() {
                Ok(file) => file,
                Err(error) if matches!(place, CredentialSource::Helm(_)) => return Err(error),
                // The user need not repair another tool's file for chartferry.
                Err(error) => {
                    let text = format!("{}; the credentials in it are skipped", error.chain());
                    notify.tell(ClientEvent::Credentials { text });
                    continue;
                }
            };
            let hit = match file.find(registry, repository) {
                None if matches!(place, CredentialSource::Helm(_)) && file.says_nothing() => {
                    helpers.detect().map(|name| Hit::Helper(name.to_owned()))
                }
                hit => hit,
            };
            let credential = match hit {
                None => None,
                Some(Hit::Stored(credential)) => Some(credential),
                Some(Hit::Helper(name)) => {
                    match helpers.get(&name, credential_helper::server_of(registry)).await {
                        Ok(credential) => credential,
                        Err(error) => {
                            notify.tell(ClientEvent::Credentials { text: error.chain() });
                            None
                        }
                    }
                }
            };
            if let Some(credential) = credential {
                return Ok(Some(Found { credential, origin: Kept::Stored }));
            }
        }
        Ok(None)
    }
}

impl Keyring {
    pub(crate) fn helpers(&self) -> Helpers<'_> {
        Helpers { folders: &self.programs, patience: self.patience }
    }
}

/// Compares two registries. Docker Hub has three names.
fn same_registry(a: &Registry, b: &Registry) -> bool {
    a == b || (a.is_docker_hub() && b.is_docker_hub())
}

impl CredentialSource {
    /// Checks that every file can be read and parsed. A file that does not exist holds no
    /// credentials.
    ///
    /// # Errors
    /// `Io`, or `Invalid` with the position of the syntax error.
    pub fn check(&self) -> Result<()> {
        self.read().map(drop)
    }

    fn read(&self) -> Result<AuthFile> {
        match self {
            Self::File(path) | Self::Helm(path) => AuthFile::parse(&read_file(path)?)
                .map_err(|error| error.context(format!("cannot use `{}`", path.display()))),
            Self::Old(path) => AuthFile::parse_old(&read_file(path)?)
                .map_err(|error| error.context(format!("cannot use `{}`", path.display()))),
            Self::Inline(text) => AuthFile::parse(text.expose().as_bytes())
                .map_err(|error| error.context("cannot use DOCKER_AUTH_CONFIG")),
        }
    }
}

/// Reads a small file. The result is empty if the file does not exist.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>> {
    use io::Read;
    let act = "read credentials in";
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(Error::io(act, path, error)),
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| Error::io(act, path, error))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Error::new(
            crate::ErrorKind::Limit,
            format!("`{}` is larger than {MAX_FILE} bytes", path.display()),
        ));
    }
    Ok(bytes)
}
