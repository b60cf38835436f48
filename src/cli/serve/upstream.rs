//! The flags of `serve --upstream`, and the registry that they name. The server implements them.

use super::flags::shared;
use crate::lock::Locked as _;
use crate::{
    Error, ErrorKind, Result,
    cli::{
        Run,
        shell::{location_grammar::LocationText, remote::RemoteArgs},
    },
    client::{
        Client, ClientEvent, Credential, EventSink, Given, Keyring, Options, Persistence,
        Redirects, Remote, Secret, Shown,
    },
    oci::{Reference, RepositoryName},
    server::{Access, Config, NotifySecret, Sent, Upstream, Writes},
};
use clap::{Args, ValueEnum};
use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

#[derive(Debug, Args)]
#[command(next_help_heading = "Upstream")]
pub(crate) struct UpstreamArgs {
    /// Serve the charts of a registry elsewhere, `oci://host/ns`, as a chart repository; store
    /// nothing here
    #[arg(long, value_name = "OCI-URL", conflicts_with = "storage")]
    pub(crate) upstream: Option<String>,
    /// Upload and delete there with these credentials
    #[arg(long, value_enum, value_name = "HOW", default_value_t, requires = "upstream")]
    upstream_auth: UpstreamAuth,
    /// Show these charts of a registry that does not list its own
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', requires = "upstream")]
    charts: Vec<String>,
    /// Look at the lists of tags after this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, requires = "upstream",
          value_parser = clap::value_parser!(u64).range(1..))]
    poll: u64,
    /// Keep the cache in this folder, for the next start
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Redirect clients to an archive's storage, if the registry gives it
    #[arg(long, requires = "upstream")]
    redirect: bool,
    /// Require the secret in this file for `POST /notify`
    #[arg(long, value_name = "FILE", requires = "upstream")]
    notify_secret_file: Option<PathBuf>,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// The credentials for uploads and deletions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum UpstreamAuth {
    /// Use the user and password of each request
    #[default]
    Passthrough,
    /// Use the server's own credentials
    Config,
}

/// The timeout for a connection to the registry while a client waits.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(30);
/// The longest `Retry-After` of the registry for which the server waits.
const RETRY_AFTER: Duration = Duration::from_secs(20);
/// The number of clients kept, by their credentials. A token is valid for minutes; a new client
/// costs milliseconds.
const MAX_CLIENTS: usize = 256;
/// The largest secret in bytes.
const MAX_SECRET: u64 = 64 * 1024;

impl UpstreamArgs {
    /// Returns the warning for uploads and deletions that need no user here and use the server's
    /// own credentials there.
    pub(crate) fn of_everyone(&self, config: &Config) -> Option<&'static str> {
        let everyone = matches!(config.access, Access::Everyone);
        (self.upstream.is_some() && self.upstream_auth == UpstreamAuth::Config && everyone).then_some(
            "there are no users: everybody who reaches this server pushes and deletes at the upstream with the server's own \
             credentials; give it users with `--htpasswd FILE`",
        )
    }

    /// Returns the registry, if there is one to serve.
    pub(crate) fn upstream(&self, run: &Run, config: &Config) -> Result<Option<Upstream<Remote>>> {
        let Some(url) = &self.upstream else {
            return match &self.cache {
                None => Ok(None),
                Some(cache) if cache.as_os_str() == "redis" => Err(shared("cache redis")),
                Some(_) => Err(Error::usage("`--cache` is for `--upstream`")
                    .with_hint("with a folder, `serve` keeps its cache in that folder")),
            };
        };
        if matches!(LocationText::parse(url), LocationText::Http(_) | LocationText::OtherUrl(_)) {
            return Err(Error::usage(format!("`{url}` is no `oci://HOST/NAMESPACE`")).with_hint(
                "`--upstream` takes a registry; one without TLS is named `oci://…` too, with `--plain-http`",
            ));
        }
        let (registry, prefix) = Reference::parse_namespace(url)?;
        let mut options = self.remote.options(run)?;
        (options.connect, options.headers, options.grace) = (CONNECT, ANSWER, ANSWER);
        (options.retry_after, options.persistence) = (RETRY_AFTER, Persistence::Short);
        options.notify = EventSink::new(|notice| match notice {
            ClientEvent::Moved { .. } => {}
            ClientEvent::Asked { .. } | ClientEvent::Answered { .. } => tracing::debug!("{notice}"),
            ClientEvent::Warning { .. } | ClientEvent::Credentials { .. } => {
                tracing::warn!("{notice}");
            }
            _ => tracing::info!("{notice}"),
        });
        let names: Vec<RepositoryName> =
            self.charts.iter().map(|name| name.trim().parse()).collect::<Result<_, _>>()?;
        let shown = if names.is_empty() { Shown::All } else { Shown::Listed(names.into()) };
        let redirects = if self.redirect { Redirects::HandOver } else { Redirects::Follow };
        let remote = Remote::new(Client::new(options.clone())?, registry, prefix, shown)
            .with_redirects(redirects);
        let writes = match self.upstream_auth {
            UpstreamAuth::Config => Writes::AsServer,
            UpstreamAuth::Passthrough => passed_on(options, remote.clone()),
        };
        let every = Duration::from_secs(self.poll);
        let mut upstream =
            Upstream::new(remote, config, every, self.cache.as_deref()).with_writes(writes);
        if let Some(path) = &self.notify_secret_file {
            upstream = upstream.with_secret(secret(path)?);
        }
        Ok(Some(upstream))
    }
}

/// Returns the registry with only the credentials of a request. A request without credentials is
/// sent on without any.
fn passed_on(options: Options, remote: Remote) -> Writes<Remote> {
    let clients: Mutex<HashMap<Option<Sent>, Client>> = Mutex::default();
    Writes::AsSent(Arc::new(move |sent: Option<Sent>| {
        let mut clients = clients.locked();
        if let Some(client) = clients.get(&sent) {
            return Ok(remote.with_client(client.clone()));
        }
        let given = sent.as_ref().map(|sent| Given {
            credential: Credential::Basic {
                username: sent.user.clone(),
                password: Secret::new(sent.password.clone()),
            },
            registry: Some(remote.registry().clone()),
        });
        let mut options = options.clone();
        options.keyring = Keyring { given, ..Keyring::default() };
        let client = Client::new(options)?;
        if clients.len() >= MAX_CLIENTS {
            clients.clear();
        }
        clients.insert(sent, client.clone());
        Ok(remote.with_client(client))
    }))
}

fn secret(path: &std::path::Path) -> Result<NotifySecret> {
    let fail = |error| Error::io("read secret", path, error);
    let length = std::fs::metadata(path).map_err(fail)?.len();
    if length > MAX_SECRET {
        let message = format!("`{}` has {length} bytes, too many for a secret", path.display());
        return Err(Error::new(ErrorKind::Limit, message));
    }
    let text = std::fs::read_to_string(path).map_err(fail)?;
    let text = text.trim();
    if text.is_empty() {
        return Err(Error::usage(format!("the secret in `{}` is empty", path.display())));
    }
    Ok(NotifySecret::new(text))
}
