//! Access to a chart repository: over HTTP, by the `cm://` of ChartMuseum's users, or as a
//! namespace of a registry (`ocirepo://`). An entry's URL may name another host or a registry.

use super::{
    listed::OnMismatch,
    namespace::{self, Namespace},
};
use crate::{
    Advice, Error, Result,
    advice::Service,
    archive,
    chart::Metadata,
    client::{
        Client, Credential, Given, Identity, Secret, Trust, Verification,
        repository::index::{self, Credentials, Fetched, Signed, Validators},
    },
    digest::Digest,
    index::config::RepositoryEntry,
    limits::Limits,
    oci::Reference,
    ops::{
        any_repository::AnyRepository,
        pull::{self, Provenance, Pulled},
        tags::ChartRequest,
    },
    store::BlobBytes,
};
use bytes::Bytes;
use std::path::PathBuf;

/// The scheme that replaces `cm://`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MuseumScheme {
    /// HTTPS, `https://`.
    #[default]
    Https,
    /// HTTP, `http://`, if `HELM_REPO_USE_HTTP` is set.
    Http,
}

/// The settings for opening repositories.
#[derive(Clone, Debug)]
pub struct Opener {
    /// The client. Its trusted certificates and proxies apply to repositories without settings of
    /// their own, and its credentials to registries.
    pub client: Client,
    /// The TLS settings that a repository's own settings extend.
    pub trust: Trust,
    /// The scheme that replaces `cm://`.
    pub museum: MuseumScheme,
    /// The folder for cached configs of charts in registries.
    pub cache: Option<PathBuf>,
    /// The limits on sizes and counts.
    pub limits: Limits,
    /// A token, and the header for it, for repositories without a user name.
    pub token: Option<(Secret, Option<String>)>,
    /// The action for an archive whose digest differs from its index.
    pub mismatch: OnMismatch,
    /// The token for `cm://` repositories without other credentials.
    pub museum_token: Option<Secret>,
}

/// A chart repository.
#[derive(Clone, Debug)]
pub struct ChartRepository {
    opener: Opener,
    scheme: String,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Web(index::HttpRepository),
    Registry(Namespace),
    /// A registry's own scheme, which has charts but no index.
    Oci,
}

/// An archive from a repository.
#[derive(Clone, Debug)]
pub struct Got {
    /// The bytes of the archive.
    pub archive: BlobBytes,
    /// The SHA-256 digest of the bytes.
    pub digest: Digest,
    /// The size in bytes.
    pub size: u64,
    /// The digests of its manifests, in a registry.
    pub manifests: Vec<Digest>,
    /// The provenance file, if it was requested and exists.
    pub provenance: Option<Bytes>,
    /// The server's response in place of a provenance file, unless it reported that there is none.
    pub unsigned: Option<String>,
}

impl Got {
    /// Returns the metadata of the chart in the archive.
    ///
    /// # Errors
    /// Any error of the archive.
    pub fn metadata(&self, limits: &Limits) -> Result<Metadata> {
        let reader = self.archive.reader()?;
        Ok(archive::read::read(reader, archive::Keep::Nothing, limits)?.metadata)
    }
}

impl Opener {
    /// Opens a repository.
    ///
    /// # Errors
    /// `Usage` with Helm's text for a scheme that nothing handles.
    pub fn open(&self, repository: &RepositoryEntry) -> Result<ChartRepository> {
        let url = &repository.url;
        let mut opener = self.clone();
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme).to_owned();
        let kind = match &*scheme {
            "http" | "https" | "cm" => {
                Kind::Web(self.client.chart_repository(self.options(repository))?)
            }
            namespace::SCHEME => {
                // Its archives are in the same registry and use the same credentials.
                opener.client = self.registry_client(repository)?;
                let (cache, limits) = (self.cache.clone(), self.limits.clone());
                Kind::Registry(Namespace::parse(&opener.client, url, cache, limits)?)
            }
            "oci" => Kind::Oci,
            other => {
                return Err(Error::usage(format!("could not find protocol handler for: {other}"))
                    .with_hint(
                        "a repository's URL begins with https://, http://, cm:// or ocirepo://",
                    ));
            }
        };
        Ok(ChartRepository { opener, scheme, kind })
    }

    /// Returns a repository's settings for the client.
    pub fn options(&self, repository: &RepositoryEntry) -> index::Options {
        let mut options = index::Options::new(self.web(&repository.url));
        if !repository.username.is_empty() || !repository.password.is_empty() {
            options.credential = Some(Credential::Basic {
                username: repository.username.clone(),
                password: Secret::new(&*repository.password),
            });
        } else if let Some((token, header)) = &self.token {
            options.credential = Some(Credential::Bearer(token.clone()));
            options.token_header.clone_from(header);
        } else if repository.url.starts_with("cm://") {
            options.credential = self.museum_token.clone().map(Credential::Bearer);
        }
        if repository.pass_credentials_all {
            options.credentials = Credentials::Everywhere;
        }
        options.trust = self.trust(repository);
        options
    }

    /// Returns the client for a repository in a registry, `ocirepo://`, with the repository's
    /// credentials and trusted certificates.
    ///
    /// # Errors
    /// `Io` if a file of certificates cannot be read.
    pub fn registry_client(&self, repository: &RepositoryEntry) -> Result<Client> {
        let mut options = self.options(repository);
        if repository.username.is_empty() && repository.password.is_empty() {
            // A token is for web servers. The registry's credentials are found by its host.
            options.credential = None;
        }
        if options.credential.is_none() && options.trust.is_none() {
            return Ok(self.client.clone());
        }
        let host = repository.url.split_once("://").map_or("", |(_, rest)| rest);
        let host = host.split(['/', '?']).next().unwrap_or_default();
        let given = options.credential.map(|credential| Given {
            credential,
            registry: match options.credentials {
                Credentials::Everywhere => None,
                Credentials::SameOrigin => host.parse().ok(),
            },
        });
        self.client.with(given, options.trust)
    }

    /// Returns the repository's own TLS settings, if it has any.
    fn trust(&self, repository: &RepositoryEntry) -> Option<Trust> {
        let path = |text: &str| (!text.is_empty()).then(|| PathBuf::from(text));
        let (ca, certificate, key) =
            (path(&repository.ca_file), path(&repository.cert_file), path(&repository.key_file));
        let insecure = repository.insecure_skip_tls_verify;
        if ca.is_none() && certificate.is_none() && key.is_none() && !insecure {
            return None;
        }
        let mut trust = self.trust.clone();
        if ca.is_some() {
            trust.ca_file = ca;
        }
        if let (Some(certificate), Some(key)) = (certificate, key) {
            trust.identity = Some(Identity { certificate, key });
        }
        if insecure {
            trust.verification = Verification::Off;
        }
        Some(trust)
    }

    /// Returns the URL with `cm://` replaced.
    fn web(&self, url: &str) -> String {
        let scheme = match self.museum {
            MuseumScheme::Https => "https",
            MuseumScheme::Http => "http",
        };
        url.strip_prefix("cm://")
            .map_or_else(|| url.to_owned(), |rest| format!("{scheme}://{rest}"))
    }
}

impl ChartRepository {
    /// Returns the action for an archive whose digest differs from its index.
    pub fn mismatch(&self) -> OnMismatch {
        self.opener.mismatch
    }

    /// Returns the limits on its responses.
    pub fn limits(&self) -> &Limits {
        &self.opener.limits
    }

    /// Downloads the index, unless it is the one that `known` describes.
    ///
    /// # Errors
    /// Any error of the server.
    pub async fn index(&self, known: Option<&Validators>) -> Result<Fetched> {
        match &self.kind {
            Kind::Web(repository) => {
                let museum = self.opener.museum == MuseumScheme::Https && self.scheme == "cm";
                let index = repository.index(known).await;
                index.map_err(|error| match error.advice() {
                    Some(Advice::UsePlainHttp(_)) if museum => {
                        error.with_advice(Advice::UsePlainHttp(Service::CmRepository))
                    }
                    _ => error,
                })
            }
            Kind::Registry(namespace) => {
                let bytes = namespace.index().await?;
                Ok(Fetched::Index { bytes, validators: Validators::default() })
            }
            Kind::Oci => Err(Error::usage("a registry has no index.yaml").with_hint(
                "charts in registries need no `repo add`: name them `oci://HOST/NAMESPACE/NAME`, \
                 or add the namespace as `ocirepo://HOST/NAMESPACE`",
            )),
        }
    }

    /// Downloads only the provenance of the archive at an absolute URL.
    ///
    /// # Errors
    /// As [`Self::archive`].
    pub async fn provenance(&self, url: &str) -> Result<Option<Bytes>> {
        match &self.kind {
            Kind::Web(repository) => repository.provenance(&beside(&self.opener.web(url))).await,
            Kind::Registry(namespace) => namespace.provenance(&file_name(url)?).await,
            _ => Ok(self.archive(url, Provenance::IfPresent).await?.provenance),
        }
    }

    /// Downloads the archive at an absolute URL, and its provenance.
    ///
    /// # Errors
    /// Any error of the server; `Usage` with Helm's text for an unsupported scheme.
    pub async fn archive(&self, url: &str, provenance: Provenance) -> Result<Got> {
        let opener = &self.opener;
        match url.split_once("://").map_or("", |(scheme, _)| scheme) {
            "http" | "https" | "cm" => {
                let url = opener.web(url);
                let repository = match &self.kind {
                    Kind::Web(repository) => repository.clone(),
                    _ => opener.client.chart_repository(index::Options::new(&*url))?,
                };
                let found = repository.archive(&url, opener.limits.archive_bytes).await?;
                let (provenance, unsigned) = match provenance {
                    Provenance::Leave => (None, None),
                    Provenance::IfPresent => match repository.signed(&beside(&url)).await? {
                        Signed::Found(bytes) => (Some(bytes), None),
                        Signed::Absent => (None, None),
                        Signed::Unusable(why) => (None, Some(why)),
                    },
                };
                let archive = found.bytes;
                Ok(Got {
                    archive,
                    digest: found.digest,
                    size: found.size,
                    manifests: Vec::new(),
                    provenance,
                    unsigned,
                })
            }
            namespace::SCHEME => {
                let (namespace, file) = Namespace::of_file(
                    &opener.client,
                    url,
                    opener.cache.clone(),
                    opener.limits.clone(),
                )?;
                Ok(namespace.pull(&file, provenance).await?.into())
            }
            "oci" => {
                let reference: Reference = url.parse()?;
                let place = AnyRepository::Registry(
                    opener.client.repository(&reference.registry, &reference.repository),
                );
                let name = reference.repository_path();
                let wanted = ChartRequest {
                    tag: reference.tag,
                    digest: reference.digest,
                    ..ChartRequest::default()
                };
                let pulled = pull::pull(&place, &name, &wanted, provenance, &opener.limits).await?;
                Ok(pulled.into())
            }
            other => Err(Error::usage(format!("scheme {other:?} not supported"))),
        }
    }
}

impl From<Pulled> for Got {
    fn from(pulled: Pulled) -> Self {
        Self {
            manifests: vec![pulled.manifest.digest().clone(), pulled.root],
            digest: pulled.content.digest,
            size: pulled.content.size,
            archive: pulled.archive,
            provenance: pulled.provenance,
            unsigned: None,
        }
    }
}

/// Returns the URL of the provenance beside an archive: `.prov` after its path, with the same
/// query.
pub fn beside(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let (path, query) = url.split_at(end);
    format!("{path}.prov{query}")
}

/// Returns the name of a chart's archive: `NAME-VERSION.tgz`. A URL's last part may be any name
/// from an index, such as `Makefile`.
///
/// # Errors
/// `Invalid` for a name that is not a valid file name.
pub fn archive_name(chart: &Metadata) -> Result<String> {
    let name = format!("{}-{}.tgz", chart.name, chart.version);
    if name.contains(['/', '\\', '\0']) {
        return Err(Error::invalid(format!("`{name}` is not a valid file name")));
    }
    Ok(name)
}

/// Returns a safe name for a URL's file; `NAME-VERSION.tgz` for a chart in a registry.
///
/// # Errors
/// `Usage` if the URL has none.
pub fn file_name(url: &str) -> Result<String> {
    if url.starts_with("oci://") {
        let reference: Reference = url.parse()?;
        let name = reference.repository.last_segment();
        return Ok(match (reference.tag, reference.digest) {
            (Some(tag), _) => format!("{name}-{}.tgz", tag.to_version()),
            (None, Some(digest)) => {
                format!("{name}@{}-{}.tgz", digest.algorithm().as_str(), digest.hex())
            }
            (None, None) => format!("{name}.tgz"),
        });
    }
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let name = path.rsplit('/').next().unwrap_or_default();
    let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy().into_owned();
    let plain =
        !name.is_empty() && !name.contains(['/', '\\', '\0']) && name != "." && name != "..";
    if plain { Ok(name) } else { Err(Error::usage(format!("`{url}` names no file"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opener() -> Opener {
        Opener {
            client: Client::new(crate::client::Options::default()).expect("client"),
            trust: Trust::default(),
            museum: MuseumScheme::Https,
            cache: None,
            limits: Limits::default(),
            token: None,
            mismatch: OnMismatch::default(),
            museum_token: None,
        }
    }

    fn at(url: &str) -> RepositoryEntry {
        RepositoryEntry { url: url.to_owned(), ..RepositoryEntry::default() }
    }

    #[test]
    fn the_scheme_says_how_a_repository_is_reached() {
        for (url, error) in [
            ("http://r.example", None),
            ("cm://r.example", None),
            ("ocirepo://r.example/ns", None),
            ("oci://r.example/ns", None),
            ("ftp://r.example", Some("could not find protocol handler for: ftp")),
            ("file:///x", Some("could not find protocol handler for: file")),
            ("x", Some("could not find protocol handler for: ")),
        ] {
            let opened = opener().open(&at(url)).err().map(|error| error.message().to_owned());
            assert_eq!(opened.as_deref(), error, "{url}");
        }
        let plain = Opener { museum: MuseumScheme::Http, ..opener() };
        assert_eq!(plain.options(&at("cm://r.example/x")).url, "http://r.example/x");
    }

    #[test]
    fn a_token_for_chartmuseums_goes_to_those_that_nobody_is_named_to() {
        let opener = Opener { museum_token: Some(Secret::new("cf")), ..opener() };
        let named = RepositoryEntry { username: "u".to_owned(), ..at("cm://r.example") };
        for (repository, token) in
            [(at("cm://r.example"), Some("cf")), (at("https://r.example"), None), (named, None)]
        {
            let said = match opener.options(&repository).credential {
                Some(Credential::Bearer(token)) => Some(token.expose().to_owned()),
                _ => None,
            };
            assert_eq!(said.as_deref(), token, "{repository:?}");
        }
        let own = Opener { token: Some((Secret::new("own"), None)), ..opener };
        let credential = own.options(&at("cm://r.example")).credential;
        assert!(matches!(credential, Some(Credential::Bearer(token)) if token.expose() == "own"));
    }

    #[test]
    fn a_provenance_lies_beside_its_archive() {
        assert_eq!(beside("http://h/a.tgz?x=1"), "http://h/a.tgz.prov?x=1");
        assert_eq!(beside("http://h/a.tgz"), "http://h/a.tgz.prov");
    }

    #[test]
    fn only_a_plain_name_is_a_files_name() {
        for (url, name) in [
            ("http://h/c/demo-1.0.0%2Ba.tgz?x#y", Some("demo-1.0.0+a.tgz")),
            ("oci://h/ns/demo:1.0.0_a", Some("demo-1.0.0+a.tgz")),
            ("http://h/..%2Fx", None),
            ("http://h/", None),
        ] {
            assert_eq!(file_name(url).ok().as_deref(), name, "{url}");
        }
    }
}
