//! Lookup of credentials: given directly, or stored in the files of Helm, Docker and Podman and in
//! the credential helpers that these name. The lookup is lazy: it does not run before a registry
//! asks for credentials.

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

/// A credential that the user gave outright.
#[derive(Clone, Debug)]
pub struct Given {
    /// The credential.
    pub credential: Credential,
    /// The registry it is for; `None` is every one that asks.
    pub registry: Option<Registry>,
}

/// A place where credentials are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialSource {
    /// A file in Docker's format. Helm's, Docker's and Podman's all are; a missing one holds
    /// nothing.
    File(PathBuf),
    /// Helm's own file: as [`CredentialSource::File`], and while it says nothing at all of
    /// credentials the system's helper is asked, as Helm does.
    Helm(PathBuf),
    /// Docker's old `.dockercfg`, which is the `auths` of the others alone.
    Old(PathBuf),
    /// A document in Docker's format itself, as `DOCKER_AUTH_CONFIG` holds it.
    Inline(Secret),
}

/// Environment variables that name credential files, before their order is applied.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Surroundings {
    /// `--registry-config`, `HELM_REGISTRY_CONFIG` or Helm's default file.
    pub helm_file: Option<PathBuf>,
    /// Value of `REGISTRY_AUTH_FILE`: a path.
    pub auth_file: Option<PathBuf>,
    /// Value of `DOCKER_AUTH_CONFIG`: a JSON document, not a path.
    pub docker_document: Option<String>,
    /// `DOCKER_CONFIG`, or `.docker` in the home folder.
    pub docker_folder: Option<PathBuf>,
    /// Value of `XDG_RUNTIME_DIR`: a folder.
    pub runtime_folder: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`, or `.config` in the home folder.
    pub config_folder: Option<PathBuf>,
    /// The home folder.
    pub home: Option<PathBuf>,
}

impl Surroundings {
    /// The places in the order in which they are asked: what was named for this purpose first, then
    /// Docker's, then Podman's, then the oldest.
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
    /// Given outright; where it applies nothing else is asked.
    pub given: Option<Given>,
    /// Stored, in the order in which they are asked.
    pub places: Vec<CredentialSource>,
    /// The folders in which helpers (`docker-credential-…`) are looked for, as `PATH` says it.
    pub programs: Vec<PathBuf>,
    /// Longest wait for a helper.
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

/// A credential and how we came by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) credential: Credential,
    pub(crate) origin: Kept,
}

/// Origin of a credential: given for this run, or stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Given now: it is used or fails.
    Given,
    /// Found in a file or helper: reads may go without.
    Stored,
}

/// The longest file of credentials we read.
const MAX_FILE: u64 = MIB;

impl Keyring {
    /// The credential for a repository; for the registry as a whole without one.
    ///
    /// # Errors
    /// Only when Helm's own file is there and cannot be read or understood. For the files of other
    /// tools, and for a helper that is missing or fails, it gives a warning and asks the next
    /// place.
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
                // Another tool's file is that tool's business.
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

/// Docker Hub has three names.
fn same_registry(a: &Registry, b: &Registry) -> bool {
    a == b || (a.is_docker_hub() && b.is_docker_hub())
}

impl CredentialSource {
    /// Checks that every file can be read and understood. A file that does not exist holds no
    /// credentials.
    ///
    /// # Errors
    /// `Io`, or `Invalid` saying where the text is wrong.
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

/// A small file; nothing when it is not there.
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
