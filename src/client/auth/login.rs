//! Login and logout. A login tests a credential before it stores it in Helm's place. A logout
//! removes it.

use super::{
    challenge::Challenge,
    credential::{Credential, basic, secret_header},
    credentials::{CredentialSource, read_file},
    docker_config::{AuthFile, key_beneath, key_of},
    scope::Scopes,
    token::{self, Grant, Realm},
};
use crate::{
    Advice, Error, ErrorKind, Result,
    atomic_file::{self, Readers, Sync},
    client::{
        Client,
        event::ClientEvent,
        http::{
            error_response,
            message::{Authorized, Request, Response},
            retry::Origin,
        },
    },
    oci::{Registry, RepositoryName},
};
use ::http::{HeaderValue, Method, header::WWW_AUTHENTICATE};
use std::{io::Write, path::Path};

/// Result of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// The registry accepted the credential.
    Confirmed,
    /// The registry asks for no credentials, so the test proves nothing.
    Unasked,
}

/// Result of a logout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// The client removed a credential.
    Removed,
    /// There was no credential.
    Absent,
}

impl Client {
    /// Tests a credential with a registry, then stores it.
    ///
    /// # Errors
    /// `Denied` if the registry does not accept the credential. The client then stores nothing.
    pub async fn login(&self, registry: &Registry, credential: &Credential) -> Result<Probe> {
        self.login_to(registry, None, credential).await
    }

    /// Logs in as [`Self::login`], and stores the credential for one namespace of the registry.
    ///
    /// # Errors
    /// As [`Self::login`].
    pub async fn login_to(
        &self,
        registry: &Registry,
        namespace: Option<&RepositoryName>,
        credential: &Credential,
    ) -> Result<Probe> {
        let probe = self
            .login_probe(registry, credential)
            .await
            .map_err(|error| error.context(format!("authenticating to \"{registry}\"")))?;
        match namespace {
            None => self.store_credential(registry, credential).await?,
            // Helpers support hosts only.
            Some(namespace) => {
                let (path, _) = self.own_file()?;
                let mut file = read(path)?;
                file.set(&key_beneath(registry, namespace), credential)?;
                write(path, &file)?;
            }
        }
        Ok(probe)
    }

    /// Tests if a registry accepts a credential.
    ///
    /// # Errors
    /// `Denied` if it does not.
    pub async fn login_probe(&self, registry: &Registry, credential: &Credential) -> Result<Probe> {
        let first = self.ping(registry, None).await?;
        if first.status.is_success() {
            // If everyone may read, only a wrong name causes an error.
            let Credential::Basic { .. } = credential else { return Ok(Probe::Unasked) };
            let answer = self.ping(registry, Some(&basic(credential)?)).await?;
            return match answer.status.as_u16() {
                401 | 403 => Err(denied(registry, &answer)),
                _ => Ok(Probe::Unasked),
            };
        }
        // After a redirect, a challenge would decide to which host the password goes.
        if first.from == Origin::Elsewhere {
            return Err(error_response::from_registry(registry, "log in", &first));
        }
        let values = first.headers.get_all(WWW_AUTHENTICATE);
        let list = Challenge::parse(values.iter().filter_map(|value| value.to_str().ok()));
        let bearer = list.iter().find(|c| c.is("Bearer") && c.parameter("realm").is_some());
        let takes_basic = list.iter().any(|c| c.is("Basic"));
        if first.status.as_u16() != 401 || (bearer.is_none() && !takes_basic) {
            return Err(error_response::from_registry(registry, "log in", &first));
        }
        let header = match (bearer, credential) {
            (_, Credential::Bearer(token)) => secret_header(&format!("Bearer {}", token.expose()))?,
            (None, credential) => basic(credential)?,
            (Some(challenge), credential) => {
                let realm = Realm::of(challenge, &first.url, registry, first.network)?;
                let scopes = challenge.parameter("scope").map(Scopes::parse).unwrap_or_default();
                self.login_token(registry, &realm, credential, &scopes).await?
            }
        };
        let mut answer = self.ping(registry, Some(&header)).await?;
        if answer.status.as_u16() == 401 && bearer.is_some() && takes_basic {
            // Harbor's `/v2/` accepts no token without a scope, but accepts a name and password.
            answer = self.ping(registry, Some(&basic(credential)?)).await?;
        }
        match answer.status.as_u16() {
            200..=299 => Ok(Probe::Confirmed),
            401 | 403 => Err(denied(registry, &answer)),
            _ => Err(error_response::from_registry(registry, "log in", &answer)),
        }
    }

    /// Requests a token for a login: with the grant for names and passwords if the service supports
    /// it, else as for any request.
    async fn login_token(
        &self,
        registry: &Registry,
        realm: &Realm,
        credential: &Credential,
        scopes: &Scopes,
    ) -> Result<HeaderValue> {
        if let Credential::Basic { username, password } = credential
            && let Some(Grant::Token(token)) =
                self.grant_login(realm, username, password.expose(), scopes).await?
        {
            return Ok(token.header);
        }
        match self.grant(realm, Some(credential), scopes).await? {
            Grant::Token(token) => Ok(token.header),
            Grant::Refused(answer) => Err(token::refused(registry, &answer, Authorized::Yes)),
        }
    }

    async fn ping(&self, registry: &Registry, header: Option<&HeaderValue>) -> Result<Response> {
        let host = self.host(registry);
        let call = Request::new(Method::GET, host.url("")?);
        let cap = self.options().limits.answer_bytes;
        let act = format!("log in to `{registry}`");
        let answer = self.settle_with(&host, header, &act, &call, cap).await?;
        // A challenge identifies a registry, regardless of the body. Quay serves its `true` as
        // HTML.
        let asks = answer.status.as_u16() == 401 && answer.headers.contains_key(WWW_AUTHENTICATE);
        let json = serde_json::from_slice::<serde::de::IgnoredAny>(&answer.body).is_ok();
        let page = !asks && !json && error_response::is_page(&answer);
        if page || !matches!(answer.status.as_u16(), 200..=299 | 401 | 403) {
            return Err(error_response::from_registry(registry, &act, &answer));
        }
        Ok(answer)
    }

    /// Stores a credential in the first file of the list, or with the helper that the file names.
    async fn store_credential(&self, registry: &Registry, credential: &Credential) -> Result<()> {
        let keyring = &self.options().keyring;
        let (path, helm) = self.own_file()?;
        let mut file = read(path)?;
        let helpers = keyring.helpers();
        if let Some(name) = file.keeper(registry) {
            return helpers.store(&name, key_of(registry), credential).await.map_err(|error| {
                let path = path.display();
                error.with_hint(format!("repair the helper, or remove its name from `{path}`"))
            });
        }
        let detected = (helm && file.says_nothing()).then(|| helpers.detect()).flatten();
        if let Some(name) = detected {
            match helpers.store(name, key_of(registry), credential).await {
                Ok(()) => return Ok(()),
                // The user did not configure this helper, so a failure gives only a warning.
                Err(error) => self.options().notify.tell(ClientEvent::Credentials {
                    text: format!(
                        "{}; the credential is stored in `{}`",
                        error.chain(),
                        path.display()
                    ),
                }),
            }
        }
        file.set(key_of(registry), credential)?;
        write(path, &file)
    }

    /// Removes a registry's credential.
    ///
    /// # Errors
    /// Fails if the file cannot be read or written, or if the helper that it names fails.
    pub async fn logout(&self, registry: &Registry) -> Result<Removed> {
        self.logout_from(registry, None).await
    }

    /// Removes the credential of one namespace of a registry. The registry's own credential
    /// remains.
    ///
    /// # Errors
    /// As [`Self::logout`].
    pub async fn logout_from(
        &self,
        registry: &Registry,
        namespace: Option<&RepositoryName>,
    ) -> Result<Removed> {
        let keyring = &self.options().keyring;
        let (path, helm) = self.own_file()?;
        let mut file = read(path)?;
        let helpers = keyring.helpers();
        let (key, mut removed) = (key_of(registry), Removed::Absent);
        let keeper = file.keeper(registry).filter(|_| namespace.is_none());
        if let Some(name) = keeper {
            if matches!(helpers.get(&name, key).await, Ok(Some(_))) {
                removed = Removed::Removed;
            }
            helpers.erase(&name, key).await?;
        } else if helm
            && namespace.is_none()
            && file.says_nothing()
            && let Some(name) = helpers.detect()
            && matches!(helpers.get(name, key).await, Ok(Some(_)))
        {
            helpers.erase(name, key).await?;
            removed = Removed::Removed;
        }
        if file.remove(registry, namespace) {
            write(path, &file)?;
            removed = Removed::Removed;
        }
        Ok(removed)
    }

    /// Returns the file to which a login writes, and true if it is Helm's.
    fn own_file(&self) -> Result<(&Path, bool)> {
        let places = &self.options().keyring.places;
        places
            .iter()
            .find_map(|place| match place {
                CredentialSource::Helm(path) => Some((path.as_path(), true)),
                CredentialSource::File(path) => Some((path.as_path(), false)),
                CredentialSource::Old(_) | CredentialSource::Inline(_) => None,
            })
            .ok_or_else(|| {
                Error::usage("no file for credentials is configured")
                    .with_advice(Advice::NameCredentialsFile)
            })
    }
}

fn denied(registry: &Registry, answer: &Response) -> Error {
    let words = error_response::words(answer).map(|words| format!(": {words}")).unwrap_or_default();
    Error::new(ErrorKind::Denied, format!("`{registry}` answers {}{words}", answer.status.as_u16()))
        .with_hint("check the name and the password; nothing was stored")
}

fn read(path: &Path) -> Result<AuthFile> {
    AuthFile::parse(&read_file(path)?)
        .map_err(|error| error.context(format!("cannot use `{}`", path.display())))
}

/// Replaces the file in one step, with read access for its owner only. If the path is a link, the
/// function replaces the link's target.
fn write(path: &Path, file: &AuthFile) -> Result<()> {
    let target = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let folder = atomic_file::folder_of(&target);
    let named = |error| Error::io("write credentials to", path, error);
    std::fs::create_dir_all(folder).map_err(named)?;
    atomic_file::replace(&target, Readers::Owner, Sync::Now, |out| out.write_all(&file.to_bytes()))
        .map_err(named)
}
