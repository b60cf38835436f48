//! Resolution of SRC and DST. Each side takes its own flags, the hosts of `mirror.yaml` and stored
//! credentials.

use super::{Settings, SourceSettings, file::HostEntry};
use crate::{
    Error, Result,
    chart::time::Time,
    cli::{
        Run,
        push::destination::{is_host, no_folder},
        repo,
        shell::{
            exit::Exit,
            location_grammar::LocationText,
            remote::{TransportArgs, password_from_stdin},
        },
    },
    client::{
        Client, ClientEvent, Credential, CredentialSource, EventSink, Given, HttpRedirects,
        Options, PlainHosts, RateLimit, Secret, repository::index,
    },
    limits::Limits,
    mirror::{
        PATIENCE, Sink, Source,
        sink::{self, folder as sink_folder, registry as sink_registry},
        source::{folder, layout, registry, repository},
    },
    oci::{Reference, Registry, chart::LayerOrder},
    ops::push::READ_BACK_DELAYS,
    store::{Durability, bundle::Format, layout::Layout},
    template::Template,
};
use jiff::Timestamp;
use std::{
    collections::HashMap,
    fs,
    path::Path,
    sync::Mutex,
    time::{Duration, Instant},
};

/// The largest password in a file, in bytes: a token of a cloud has a few KiB.
const MAX_SECRET: u64 = 64 * 1024;
/// The shortest time between two messages about waiting for a host.
const SELDOM: Duration = Duration::from_secs(15);

/// The settings of one side, from the flags.
#[derive(Clone, Debug, Default)]
pub(super) struct Side {
    pub(super) username: Option<String>,
    pub(super) password_stdin: bool,
    pub(super) registry_config: Option<std::path::PathBuf>,
    pub(super) transport: TransportArgs,
    pub(super) http_redirects: HttpRedirects,
    pub(super) pass_credentials: bool,
}

impl Side {
    /// Returns the credential of the flags, for any host of this side.
    pub(super) fn credential(&self) -> Result<Option<Credential>> {
        match (&self.username, self.password_stdin) {
            (Some(username), true) => Ok(Some(Credential::Basic {
                username: username.clone(),
                password: Secret::new(password_from_stdin()?),
            })),
            (None, false) => Ok(None),
            (Some(_), false) => Err(Error::usage("a user name without a password").with_hint(
                "add `--from-password-stdin` or `--to-password-stdin`, or sign in with `chartferry login`",
            )),
            (None, true) => Err(Error::usage("a password without a user name")
                .with_hint("add `--from-username` or `--to-username`")),
        }
    }
}

/// Adds the hint for selecting one version if the source is a reference with a tag.
fn one_version(text: &str, error: Error) -> Error {
    let Ok(reference) = text.parse::<Reference>() else { return error };
    let (Some(tag), None) = (&reference.tag, &reference.digest) else { return error };
    let chart = reference.repository.last_segment();
    error.with_hint(format!(
        "a source has no tag: `oci://{} --chart '{chart}@{}'` mirrors that version",
        reference.repository_path(),
        tag.to_version()
    ))
}

/// Opens both ends.
pub(super) struct Ends<'a> {
    pub(super) run: &'a Run,
    pub(super) settings: &'a Settings,
    pub(super) now: Timestamp,
    pub(super) limits: Limits,
    /// The credentials of the flags, read once.
    pub(super) from: Option<Credential>,
    pub(super) to: Option<Credential>,
    /// The exit codes of sources that could not be mirrored at all.
    pub(super) failed: Mutex<Vec<Exit>>,
}

impl Ends<'_> {
    /// Opens the source at a location, with its name in the settings.
    pub(super) async fn source(&self, settings: &SourceSettings) -> Result<Source> {
        let source = self.open(settings).await?;
        Ok(match &settings.name {
            Some(name) => source.named(name),
            None => source,
        })
    }

    async fn open(&self, settings: &SourceSettings) -> Result<Source> {
        let text = settings.location.as_str();
        let from = &self.settings.from;
        match LocationText::parse(text) {
            LocationText::Oci(text) => return self.registry(text, settings, self.from.clone()),
            LocationText::Http(text) => {
                // A user who copies the address of the index means the repository.
                let url = text.strip_suffix("/index.yaml").unwrap_or(text);
                let mut options = index::Options::new(url);
                if from.pass_credentials {
                    options.credentials = index::Credentials::Everywhere;
                }
                return self.chart_repository(options);
            }
            LocationText::Layout(root) => {
                let layout = layout::Layout::open(Path::new(root), &self.limits)?;
                return Ok(Source::Layout(Box::new(layout)));
            }
            LocationText::OtherUrl(_) | LocationText::Bare(_) => {}
        }
        let path = Path::new(text);
        if path.is_file() && is_bundle(text) {
            let bundle = layout::Layout::unpack(path, &self.limits).await?;
            return Ok(Source::Layout(Box::new(bundle)));
        }
        if path.is_dir() {
            let folder = folder::Folder::open(path, &self.limits)?;
            return Ok(Source::Folder(folder.with_provenance(self.settings.provenance)));
        }
        let named = self.run.repository_files().load(&self.limits)?;
        let Some(repository) = named.find(text) else { return Err(no_source(text)) };
        let mut options = repo::opener(self.run)?.options(repository);
        if let Some(rest) = options.url.strip_prefix("ocirepo://") {
            // A query names the charts for the getter; here, `--charts` does so.
            let place = rest.split('?').next().unwrap_or(rest);
            let known = self.from.clone().or_else(|| options.credential.clone());
            return self.registry(&format!("oci://{place}"), settings, known);
        }
        if from.pass_credentials {
            options.credentials = index::Credentials::Everywhere;
        }
        Ok(self.chart_repository(options)?.named(text))
    }

    fn registry(
        &self,
        text: &str,
        settings: &SourceSettings,
        known: Option<Credential>,
    ) -> Result<Source> {
        let (host, namespace) =
            Reference::parse_namespace(text).map_err(|error| one_version(text, error.into()))?;
        let from = &self.settings.from;
        let client = self.client(from, known, host.as_str(), Some(&host))?;
        Ok(Source::Registry(registry::Registry::new(registry::Options {
            client,
            registry: host,
            namespace,
            charts: settings.repositories.clone(),
            tags: settings.tags,
            limits: self.limits.clone(),
        })))
    }

    fn chart_repository(&self, mut options: index::Options) -> Result<Source> {
        let host = host_of(&options.url);
        let client = self.client(&self.settings.from, None, &host, None)?;
        if let Some(given) = &self.from {
            options.credential = Some(given.clone());
        } else if options.credential.is_none() {
            options.credential = self.secret_of(&host)?;
        }
        let repository = client.chart_repository(options)?;
        Ok(Source::Repository(repository::Repository::new(repository::Options {
            client,
            repository,
            provenance: self.settings.provenance,
            limits: self.limits.clone(),
        })))
    }

    /// Opens the destination.
    pub(super) async fn sink(&self) -> Result<Sink> {
        let text = self.settings.destination.as_str();
        let template = self.settings.template.as_deref().map(Template::parse).transpose()?;
        let composing = sink_registry::Composing {
            order: LayerOrder::default(),
            read_back_delays: READ_BACK_DELAYS.to_vec(),
            limits: self.limits.clone(),
        };
        let to = &self.settings.to;
        match LocationText::parse(text) {
            LocationText::Http(_) if template.is_some() => {
                return Err(Error::usage("a ChartMuseum places charts by itself")
                    .with_hint("leave the template out"));
            }
            LocationText::Http(url) => return self.museum(url),
            LocationText::Layout(folder) => {
                let store = Layout::create_with(Path::new(folder), Durability::Late)?;
                let layout = sink::layout::Layout::new(store, template, composing);
                return Ok(Sink::Layout(Box::new(layout)));
            }
            LocationText::Oci(text) => {
                let (host, namespace) = Reference::parse_namespace(text)?;
                let client = self.client(to, self.to.clone(), host.as_str(), Some(&host))?;
                return Ok(Sink::Registry(sink_registry::Registry::new(sink_registry::Options {
                    client,
                    registry: host,
                    namespace,
                    template,
                    state: self.settings.state_ref.as_deref().map(state_reference).transpose()?,
                    create: self.settings.create.clone(),
                    composing,
                })));
            }
            LocationText::OtherUrl(_) => {
                return Err(Error::usage(format!("`{text}` is not a destination of a mirror"))
                    .with_hint("write `oci://HOST/NAMESPACE`, a folder, `layout:DIR`, a bundle, or a ChartMuseum's address"));
            }
            LocationText::Bare(_) => {}
        }
        if is_bundle(text) {
            let bundle = sink::bundle::Bundle::new(Path::new(text), template, composing)?;
            return Ok(Sink::Bundle(Box::new(bundle)));
        }
        if let Some(error) = no_folder(text, "of a mirror") {
            return Err(error);
        }
        let seconds = self.now.as_second();
        Ok(Sink::Folder(sink::folder::Folder::new(sink_folder::Options {
            root: text.into(),
            template,
            url: String::new(),
            now: Time::from_unix(seconds, 0).unwrap_or_default(),
            limits: self.limits.clone(),
        })?))
    }

    /// Opens a ChartMuseum as the destination.
    fn museum(&self, url: &str) -> Result<Sink> {
        let mut options = index::Options::new(url);
        let host = host_of(url);
        options.credential = match &self.to {
            Some(given) => Some(given.clone()),
            None => self.secret_of(&host)?,
        };
        let client = self.client(&self.settings.to, None, &host, None)?;
        let museum = client.museum(options, None)?;
        let museum = sink::chartmuseum::ChartMuseum::new(museum, &self.limits);
        Ok(Sink::Museum(Box::new(museum)))
    }

    /// Creates a client for one side; `host` is its server.
    fn client(
        &self,
        side: &Side,
        given: Option<Credential>,
        host: &str,
        registry: Option<&Registry>,
    ) -> Result<Client> {
        let mut run = self.run.clone();
        if let Some(path) = &side.registry_config {
            run.global.registry_config = Some(path.clone());
        }
        let mut transport = side.transport.clone();
        let entry = self.host(host);
        if let Some(entry) = entry {
            transport.ca_file = transport.ca_file.or_else(|| entry.ca_file.clone());
        }
        let mut options: Options = transport.options(&run)?;
        options.limits = self.limits.clone();
        options.http_redirects = side.http_redirects;
        self.plain_hosts(&mut options);
        if let (Some(credential), Some(registry)) = (given, registry) {
            options.keyring.given = Some(Given { credential, registry: Some(registry.clone()) });
        } else if let Some(registry) = registry
            && let Some(credential) = self.secret_of(host)?
        {
            options.keyring.given = Some(Given { credential, registry: Some(registry.clone()) });
        }
        // The archives of an index and the states may be in other registries of the file.
        for entry in &self.settings.hosts {
            if let Some(Credential::Basic { username, password }) = self.secret(entry)? {
                let document = serde_json::json!({
                    "auths": { entry.host.as_str(): { "username": username, "password": password.expose() } }
                });
                let place = CredentialSource::Inline(Secret::new(document.to_string()));
                options.keyring.places.insert(0, place);
            }
        }
        options.notify = seldom(options.notify);
        options.unreachable = Some(PATIENCE);
        let pace = RateLimit { at_once: self.settings.concurrency, per_second: self.settings.rate };
        options.pace = pace;
        options.paces = self
            .settings
            .hosts
            .iter()
            .map(|entry| {
                let own = RateLimit {
                    at_once: entry.concurrency.unwrap_or(pace.at_once),
                    per_second: entry.rate.or(pace.per_second),
                };
                (entry.host.clone(), own)
            })
            .collect();
        Client::new(options)
    }

    fn plain_hosts(&self, options: &mut Options) {
        let mut plain: Vec<String> =
            self.run.env.text("CHARTFERRY_PLAIN_HTTP").into_iter().collect();
        let hosts = self.settings.hosts.iter().filter(|entry| entry.plain_http);
        plain.extend(hosts.map(|entry| entry.host.clone()));
        options.plain_hosts = PlainHosts::parse(&plain.join(","));
    }

    /// Returns the file's settings for a host, by `host:port` or by host alone.
    fn host(&self, host: &str) -> Option<&HostEntry> {
        let bare = host.rsplit_once(':').map_or(host, |(bare, _)| bare);
        let hosts = &self.settings.hosts;
        hosts
            .iter()
            .find(|entry| entry.host == host)
            .or_else(|| hosts.iter().find(|entry| entry.host == bare))
    }

    /// Returns the secret for a host. It is for one port only, by default the usual one: another
    /// port may belong to anybody.
    fn secret_of(&self, host: &str) -> Result<Option<Credential>> {
        let entry = self.settings.hosts.iter().find(|entry| usual(&entry.host) == usual(host));
        if let Some(entry) = entry {
            return self.secret(entry);
        }
        if let Some(entry) = self.host(host)
            && self.secret(entry)?.is_some()
        {
            self.run.talk.warn_once(&format!(
                "the password of the host `{}` is not sent to `{host}`; write the port in `hosts`",
                entry.host
            ));
        }
        Ok(None)
    }

    fn secret(&self, entry: &HostEntry) -> Result<Option<Credential>> {
        let secret = match (&entry.password_env, &entry.password_file) {
            (Some(name), None) => Some(self.run.env.secret(name).ok_or_else(|| {
                Error::usage(format!(
                    "the variable `{name}` for the password for `{}` is not set",
                    entry.host
                ))
            })?),
            (None, Some(path)) => Some(read_secret(path)?),
            (None, None) => None,
            (Some(_), Some(_)) => {
                return Err(Error::usage(format!(
                    "`{}` has both a `passwordEnv` and a `passwordFile`",
                    entry.host
                )));
            }
        };
        match (&entry.username, secret) {
            (Some(username), Some(secret)) => Ok(Some(Credential::Basic {
                username: username.clone(),
                password: Secret::new(secret),
            })),
            // The entry has a token only.
            (None, Some(secret)) => Ok(Some(Credential::Bearer(Secret::new(secret)))),
            (Some(_), None) => {
                Err(Error::usage(format!("`{}` has a user name without a password", entry.host))
                    .with_hint("add `passwordEnv` or `passwordFile`"))
            }
            (None, None) => Ok(None),
        }
    }
}

/// Returns a `host[:port]` without the default ports of http and https.
fn usual(host: &str) -> &str {
    host.strip_suffix(":443").or_else(|| host.strip_suffix(":80")).unwrap_or(host)
}

/// Limits the messages about waiting for one host. With many requests throttled at once, each would
/// print a line.
fn seldom(notify: EventSink) -> EventSink {
    let told: Mutex<HashMap<String, Instant>> = Mutex::default();
    EventSink::new(move |notice| {
        if let ClientEvent::Waiting { host, .. } = &notice {
            let Ok(mut told) = told.lock() else { return };
            if told.get(host).is_some_and(|last| last.elapsed() < SELDOM) {
                return;
            }
            told.insert(host.clone(), Instant::now());
        }
        notify.tell(notice);
    })
}

/// Returns the error for a text that names no source: neither an address nor an existing path.
fn no_source(text: &str) -> Error {
    let kinds = "write a repository's address, a name of `chartferry repo list`, a folder, `oci://HOST/NAMESPACE`, \
                 `layout:DIR` or a bundle";
    let path = Path::new(text);
    if path.is_file() {
        return Error::usage(format!(
            "`{text}` is not a source of charts: it is a file, but not a bundle"
        ))
        .with_hint(
            "a bundle ends in .tar.zst, .tzst or .tar; an archive is pushed by `chartferry push`",
        );
    }
    if is_host(text) {
        return Error::usage(format!("`{text}` is not a source of charts"))
            .with_hint(format!("for a registry write `oci://{text}`"));
    }
    if !LocationText::parse(text).is_bare() || text.is_empty() {
        return Error::usage(format!("`{text}` is not a source of charts")).with_hint(kinds);
    }
    let what = match is_bundle(text) {
        true => format!("there is no bundle `{text}`"),
        false => format!("there is no folder `{text}`, and no repository of that name"),
    };
    Error::not_found(what).with_hint(kinds)
}

/// Returns true if a path has the name of a bundle.
fn is_bundle(text: &str) -> bool {
    Format::of(Path::new(text)).is_ok()
}

fn read_secret(path: &Path) -> Result<String> {
    let size = fs::metadata(path).map_err(|error| Error::input("read secret", path, error))?.len();
    if size > MAX_SECRET {
        return Err(Error::usage(format!("`{}` is too long for a secret", path.display())));
    }
    let text = fs::read_to_string(path).map_err(|error| Error::io("read secret", path, error))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn state_reference(text: &str) -> Result<(Registry, crate::oci::RepositoryName)> {
    let reference: Reference = text.parse()?;
    if reference.tag.is_some() || reference.digest.is_some() {
        return Err(Error::usage(format!("`{text}` names a tag; states have tags of their own"))
            .with_hint("name a repository: `oci://HOST/NAMESPACE/NAME`"));
    }
    Ok((reference.registry, reference.repository))
}

/// Returns the `host[:port]` of an address.
pub(super) fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_owned()
}
