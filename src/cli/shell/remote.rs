//! The flags of every command that uses a registry. The client is made of them and the environment.

use crate::{
    Error, ErrorKind, Result,
    cli::{Run, registry::login::ask_secret},
    client::{
        Client, ClientEvent, Credential, CredentialSource, EventSink, Given, HttpRedirects,
        Identity, Keyring, Options, PlainHosts, Proxies, Scheme, Secret, Surroundings, Trust,
        Verification,
    },
    digest::Digest,
};
use clap::Args;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::{
    collections::{BTreeSet, HashMap},
    io::{IsTerminal, Read},
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, atomic::Ordering},
    time::Duration,
};

/// The longest password read from stdin, in bytes: a token of a cloud has a few KiB.
const MAX_PASSWORD: u64 = 64 * 1024;

/// The flags for reaching a registry, with Helm's names.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RemoteArgs {
    /// Use this user name for the registry; without one, a password is an identity token
    #[arg(long, value_name = "NAME", help_heading = "Registry")]
    pub(crate) username: Option<String>,
    /// Use this password for the registry
    #[arg(long, value_name = "PASSWORD", help_heading = "Registry")]
    pub(crate) password: Option<String>,
    /// Read the password from stdin
    #[arg(long, conflicts_with = "password", help_heading = "Registry")]
    pub(crate) password_stdin: bool,
    /// Follow a registry's redirects of blobs from https to http, without credentials
    #[arg(long, help_heading = "Registry")]
    pub(crate) allow_http_redirects: bool,
    /// Send this header to registries, and to no other origin
    #[arg(long, value_name = "NAME: VALUE", help_heading = "Registry")]
    pub(crate) header: Vec<String>,
    #[command(flatten)]
    pub(crate) transport: TransportArgs,
    #[arg(skip)]
    client: OnceLock<Client>,
    /// The given credentials, read from stdin once.
    #[arg(skip)]
    given: OnceLock<Option<(String, Secret)>>,
}

/// The settings for reaching a registry, for any user.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct TransportArgs {
    /// Use HTTP without TLS
    #[arg(long, help_heading = "Registry")]
    pub(crate) plain_http: bool,
    /// Do not verify the registry's certificate
    #[arg(long, visible_alias = "insecure", help_heading = "Registry")]
    pub(crate) insecure_skip_tls_verify: bool,
    /// Trust these certificates beside the system's
    #[arg(long, value_name = "FILE", help_heading = "Registry")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Use this client certificate (mTLS)
    #[arg(long, value_name = "FILE", requires = "key_file", help_heading = "Registry")]
    pub(crate) cert_file: Option<PathBuf>,
    /// Use this key of the client certificate
    #[arg(long, value_name = "FILE", requires = "cert_file", help_heading = "Registry")]
    pub(crate) key_file: Option<PathBuf>,
}

impl RemoteArgs {
    /// Returns the client; it is the same for every registry of a command.
    pub(crate) fn client(&self, run: &Run) -> Result<Client> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        let client = Client::new(self.options(run)?)?;
        Ok(self.client.get_or_init(|| client).clone())
    }

    /// Returns the client's options, with stored credentials.
    ///
    /// # Errors
    /// `Denied` if the file of `--registry-config` does not exist. Otherwise a mistyped name would
    /// only show as a 401.
    pub(crate) fn options(&self, run: &Run) -> Result<Options> {
        let given = self.given()?;
        let mut options = match &given {
            // In this case, no file of credentials is read.
            Some(_) => self.transport.options_to_write(run)?,
            None => self.transport.options(run)?,
        };
        options.http_redirects = http_redirects(self.allow_http_redirects);
        options.registry_headers = headers(&self.header)?;
        options.keyring.given = given.map(|(username, password)| Given {
            credential: match username.is_empty() {
                true => Credential::Identity(password),
                false => Credential::Basic { username, password },
            },
            registry: None,
        });
        Ok(options)
    }

    /// Refuses a user name or password for references of several hosts, because each host would get
    /// them.
    ///
    /// # Errors
    /// `Usage` if the references name more than one host.
    pub(crate) fn require_one_host<'t>(
        &self,
        references: impl IntoIterator<Item = &'t String>,
    ) -> Result<()> {
        let named = self.username.is_some() || self.password.is_some() || self.password_stdin;
        if !named && self.header.is_empty() {
            return Ok(());
        }
        let hosts: BTreeSet<&str> = references
            .into_iter()
            .filter_map(|text| text.split_once("://"))
            .filter_map(|(_, rest)| rest.split(['/', '?', '#']).next())
            .map(|host| host.rsplit_once('@').map_or(host, |(_, host)| host))
            .collect();
        let mut hosts = hosts.into_iter();
        let (Some(one), Some(other)) = (hosts.next(), hosts.next()) else { return Ok(()) };
        Err(Error::usage(format!(
            "{} are for one registry, not for `{one}` and `{other}`",
            if named { "`--username` and `--password`" } else { "the headers of `--header`" }
        ))
        .with_hint("run the command once for each registry"))
    }

    /// Returns the flags without user name and password, for a server that they are not meant for.
    pub(crate) fn nameless(&self) -> Self {
        let Self { allow_http_redirects, transport, .. } = self;
        let (allow_http_redirects, transport) = (*allow_http_redirects, transport.clone());
        Self { allow_http_redirects, transport, ..Self::default() }
    }

    /// Returns the user name and password of the flags.
    pub(crate) fn given(&self) -> Result<Option<(String, Secret)>> {
        if let Some(given) = self.given.get() {
            return Ok(given.clone());
        }
        let password = match (&self.password, self.password_stdin) {
            (Some(password), _) => Some(password.clone()),
            (None, true) => Some(password_from_stdin()?),
            (None, false) => None,
        };
        let given = match (&self.username, password) {
            (None, None) => None,
            // A variable of the job is probably not set.
            (None, Some(password)) if password.is_empty() => None,
            (Some(username), Some(password)) if username.is_empty() && password.is_empty() => None,
            // Without a user name, the password is an identity token.
            (username, Some(password)) => {
                Some((username.clone().unwrap_or_default(), Secret::new(password)))
            }
            (Some(username), None) if std::io::stdin().is_terminal() => {
                Some((username.clone(), Secret::new(ask_secret("Password: ")?)))
            }
            (Some(_), None) => {
                return Err(Error::usage("`--username` without a password")
                    .with_hint("add `--password-stdin`"));
            }
        };
        Ok(self.given.get_or_init(|| given).clone())
    }
}

impl TransportArgs {
    /// Returns the client's options, with stored credentials.
    ///
    /// # Errors
    /// `Denied` if the file of `--registry-config` does not exist. Otherwise a mistyped name would
    /// only show as a 401.
    pub(crate) fn options(&self, run: &Run) -> Result<Options> {
        if let Some(named) = run.global.registry_config.as_ref().filter(|named| !named.exists()) {
            let named = named.display();
            let message = format!("there is no file of credentials `{named}`");
            return Err(Error::new(ErrorKind::Denied, message).with_hint(format!(
                "log in with `chartferry login HOST --registry-config {named}`, which makes the file"
            )));
        }
        self.options_to_write(run)
    }

    /// Returns the options for a command that may create the file of credentials.
    pub(crate) fn options_to_write(&self, run: &Run) -> Result<Options> {
        let env = &run.env;
        if let Some(named) = &run.global.registry_config {
            // Stored files are read only if needed; a file that the user names must be valid, as in
            // Helm.
            CredentialSource::Helm(named.clone()).check()?;
        }
        let mut options = Options {
            scheme: if self.plain_http { Scheme::Plain } else { Scheme::Auto },
            plain_hosts: PlainHosts::parse(&env.text("CHARTFERRY_PLAIN_HTTP").unwrap_or_default()),
            cache: Some(env.blob_cache()),
            trust: Trust {
                verification: if self.insecure_skip_tls_verify {
                    Verification::Off
                } else {
                    Verification::Full
                },
                ca_file: self.ca_file.clone(),
                system_file: env.path("SSL_CERT_FILE"),
                identity: self
                    .cert_file
                    .clone()
                    .zip(self.key_file.clone())
                    .map(|(certificate, key)| Identity { certificate, key }),
                host_folders: env.certificate_folders(),
            },
            proxies: Proxies {
                https: env.proxy("HTTPS_PROXY"),
                http: env.http_proxy(),
                all: env.proxy("ALL_PROXY"),
                except: env.proxy("NO_PROXY"),
            },
            keyring: Keyring {
                places: Surroundings {
                    helm_file: Some(run.registry_config()),
                    auth_file: env.path("REGISTRY_AUTH_FILE"),
                    docker_document: env.text("DOCKER_AUTH_CONFIG"),
                    docker_folder: Some(env.docker_folder()),
                    runtime_folder: env.path("XDG_RUNTIME_DIR"),
                    config_folder: Some(env.config_folder()),
                    home: Some(env.home()),
                }
                .places(),
                programs: env.programs(),
                ..Keyring::default()
            },
            notify: notify(run),
            ..Options::default()
        };
        if let Some(seconds) = env.text("CHARTFERRY_RETRY_MAX_WAIT") {
            let seconds = seconds.parse().map_err(|_| {
                Error::usage(format!(
                    "CHARTFERRY_RETRY_MAX_WAIT `{seconds}` is not a number of seconds"
                ))
            })?;
            options.retry_after = Duration::from_secs(seconds);
        }
        Ok(options)
    }
}

/// Reads headers, `NAME: VALUE`. Their values may be secrets.
fn headers(lines: &[String]) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for line in lines {
        // The value is not repeated: it may be a secret.
        let bad = || Error::usage("`--header` is not of the form `NAME: VALUE`");
        let (name, value) = line.split_once(':').ok_or_else(bad)?;
        let name: HeaderName = name.trim().parse().map_err(|error| bad().with_source(error))?;
        if matches!(name.as_str(), "host" | "content-length" | "transfer-encoding" | "connection") {
            return Err(Error::usage(format!("`--header` cannot set `{name}`")));
        }
        let mut value: HeaderValue =
            value.trim().parse().map_err(|error| bad().with_source(error))?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

/// Returns the policy for `--allow-http-redirects`.
pub(crate) fn http_redirects(allowed: bool) -> HttpRedirects {
    if allowed { HttpRedirects::Blobs } else { HttpRedirects::Refuse }
}

/// Returns the sink that prints the client's events as messages and counts transferred bytes.
fn notify(run: &Run) -> EventSink {
    let (talk, counts) = (run.talk.clone(), Arc::clone(&run.counts));
    let seen: Mutex<HashMap<Digest, u64>> = Mutex::default();
    EventSink::new(move |notice| match notice {
        ClientEvent::Moved { digest, done, .. } => {
            let Ok(mut seen) = seen.lock() else { return };
            let before = seen.insert(digest, done).unwrap_or(0);
            counts.bytes.fetch_add(done.saturating_sub(before), Ordering::Relaxed);
        }
        ClientEvent::Warning { .. } => talk.warn(&notice.to_string()),
        ClientEvent::Credentials { .. } | ClientEvent::Skipped { .. } => {
            talk.warn_once(&notice.to_string());
        }
        ClientEvent::PlainHttp { .. }
        | ClientEvent::Asked { .. }
        | ClientEvent::Answered { .. } => {
            tracing::debug!("{notice}");
        }
        _ => talk.info(&notice.to_string()),
    })
}

/// Reads a password from stdin and drops one line ending, as Helm does.
pub(crate) fn password_from_stdin() -> Result<String> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return Err(Error::usage("`--password-stdin` with a terminal as stdin")
            .with_hint("pipe the password in"));
    }
    let mut text = String::new();
    stdin
        .lock()
        .take(MAX_PASSWORD)
        .read_to_string(&mut text)
        .map_err(|error| Error::io("read the password from", "stdin", error))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        Err(Error::usage("the password on stdin is empty"))
    } else {
        Ok(text.to_owned())
    }
}
