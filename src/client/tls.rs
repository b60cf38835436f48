//! Whom we trust and as whom we come: the TLS settings of a host. Roots are read only when a server shows its first
//! certificate, so that plain HTTP, and a host that turns out to speak it, cost nothing (reading them takes 2 ms, 14 with
//! a cold cache).

use crate::{Error, Result};
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

/// Whether servers must prove who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verification {
    /// They must.
    #[default]
    Full,
    /// Any certificate will do.
    Off,
}

/// The TLS settings that hold for every host.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Trust {
    /// Whether servers must prove who they are.
    pub verification: Verification,
    /// A PEM file of certificates that are trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// A PEM file that stands in for the system's certificates, as `SSL_CERT_FILE` says it.
    pub system_file: Option<PathBuf>,
    /// Our own certificate and its key, PEM files.
    pub identity: Option<Identity>,
    /// Folders laid out as Docker's `certs.d`: `HOST[:PORT]/*.crt` are trusted for that host, `*.cert` with the `*.key`
    /// of the same name is our certificate there.
    pub host_folders: Vec<PathBuf>,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, with its chain.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// What `certs.d` says of one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HostTrust {
    roots: Vec<PathBuf>,
    identity: Option<Identity>,
}

impl HostTrust {
    /// Whether it adds nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.roots.is_empty() && self.identity.is_none()
    }
}

impl Trust {
    /// What the folders say of `host[:port]`. Folders that cannot be read say nothing, as in Docker.
    pub(crate) fn of_host(&self, host: &str) -> HostTrust {
        let mut found = HostTrust::default();
        for folder in &self.host_folders {
            let Ok(entries) = std::fs::read_dir(folder.join(host)) else { continue };
            let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
            paths.sort();
            for path in paths {
                match path.extension().and_then(|extension| extension.to_str()) {
                    Some("crt") => found.roots.push(path),
                    Some("cert") if found.identity.is_none() => {
                        let key = path.with_extension("key");
                        if key.exists() {
                            found.identity = Some(Identity { certificate: path, key });
                        }
                    }
                    _ => {}
                }
            }
        }
        found
    }

    /// The configuration for a host.
    pub(crate) fn config(&self, host: &HostTrust) -> Result<ClientConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut extra = Vec::new();
        for path in self.ca_file.iter().chain(&host.roots) {
            extra.extend(certificates(path)?);
        }
        let verifier: Arc<dyn ServerCertVerifier> = match self.verification {
            Verification::Off => Arc::new(Anyone(Arc::clone(&provider))),
            Verification::Full => Arc::new(Lazy {
                provider: Arc::clone(&provider),
                extra,
                system_file: self.system_file.clone(),
                roots: OnceLock::new(),
            }),
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::usage("cannot set up TLS").with_source(error))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let Some(identity) = host.identity.as_ref().or(self.identity.as_ref()) else {
            return Ok(builder.with_no_client_auth());
        };
        let chain = certificates(&identity.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&identity.key)
            .map_err(|error| bad_file("private key", &identity.key, error))?;
        builder.with_client_auth_cert(chain, key).map_err(|error| {
            Error::usage(format!(
                "the certificate `{}` and the key `{}` do not fit",
                identity.certificate.display(),
                identity.key.display()
            ))
            .with_source(error)
        })
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let list = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| bad_file("certificates", path, error))?;
    if list.is_empty() {
        return Err(Error::usage(format!("`{}` holds no certificate in PEM", path.display())));
    }
    Ok(list)
}

fn bad_file(what: &str, path: &Path, error: rustls::pki_types::pem::Error) -> Error {
    match error {
        rustls::pki_types::pem::Error::Io(error) => Error::io(&format!("read {what}"), path, error),
        error => {
            Error::usage(format!("cannot read {what} `{}`", path.display())).with_source(error)
        }
    }
}

/// Reads its roots when it is first asked.
#[derive(Debug)]
struct Lazy {
    provider: Arc<CryptoProvider>,
    extra: Vec<CertificateDer<'static>>,
    system_file: Option<PathBuf>,
    roots: OnceLock<Result<Arc<dyn ServerCertVerifier>, rustls::Error>>,
}

impl Lazy {
    fn load(&self) -> Result<Arc<dyn ServerCertVerifier>, rustls::Error> {
        let extra = || self.extra.iter().cloned();
        if let Some(file) = &self.system_file {
            let own = certificates(file).map_err(|error| rustls::Error::General(error.chain()))?;
            return self.web_pki(own.into_iter().chain(extra()));
        }
        let platform = |extra: Vec<_>| {
            rustls_platform_verifier::Verifier::new_with_extra_roots(extra, self.provider.clone())
        };
        // Asked without ours first: with them it would not say that the system has none.
        match platform(Vec::new()) {
            Ok(verifier) if self.extra.is_empty() => Ok(Arc::new(verifier)),
            Ok(_) => Ok(Arc::new(platform(self.extra.clone())?)),
            // A bare container image has no certificates at all.
            Err(_) => self
                .web_pki(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned().chain(extra())),
        }
    }

    fn web_pki(
        &self,
        roots: impl Iterator<Item = CertificateDer<'static>>,
    ) -> Result<Arc<dyn ServerCertVerifier>, rustls::Error> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots);
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(store), self.provider.clone())
                .build()
                .map_err(|error| rustls::Error::General(error.to_string()))?;
        Ok(verifier)
    }
}

impl ServerCertVerifier for Lazy {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verifier = self.roots.get_or_init(|| self.load()).as_ref().map_err(Clone::clone)?;
        verifier.verify_server_cert(certificate, chain, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Believes any certificate, since the user said so; signatures are still checked, so that the connection is with
/// whoever holds that certificate's key.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hosts_folder_gives_roots_and_identity() {
        let folder = tempfile::tempdir().expect("folder");
        let host = folder.path().join("r.example:5000");
        std::fs::create_dir(&host).expect("host");
        for name in ["b.crt", "a.crt", "client.cert", "client.key", "lone.cert", "x.txt"] {
            std::fs::write(host.join(name), "").expect(name);
        }
        let trust = Trust {
            host_folders: vec!["/nowhere".into(), folder.path().into()],
            ..Trust::default()
        };
        let found = trust.of_host("r.example:5000");
        assert_eq!(found.roots, [host.join("a.crt"), host.join("b.crt")]);
        assert_eq!(
            found.identity,
            Some(Identity { certificate: host.join("client.cert"), key: host.join("client.key") })
        );
        assert!(trust.of_host("r.example").is_empty());
    }

    #[test]
    fn files_that_are_no_certificates_are_named() {
        let file = tempfile::NamedTempFile::new().expect("file");
        let path = file.path().to_path_buf();
        for (trust, words) in [
            (
                Trust { ca_file: Some("/nowhere/ca.pem".into()), ..Trust::default() },
                "/nowhere/ca.pem",
            ),
            (Trust { ca_file: Some(path), ..Trust::default() }, "holds no certificate"),
        ] {
            let error = trust.config(&HostTrust::default()).expect_err(words);
            assert!(error.chain().contains(words), "{error:?}");
        }
    }
}
