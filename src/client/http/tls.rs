//! TLS settings of a host: trusted roots and the client's own certificate. The client reads the
//! roots only after a server has presented its first certificate. Plain HTTP, and a host that turns
//! out to use it, therefore cost nothing (reading takes 2 ms, or 14 ms with a cold cache).

use super::pem;
use crate::{
    Error, Result,
    client::event::{ClientEvent, EventSink},
};
use rustls::{
    ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

/// Verification of server certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verification {
    /// The client verifies certificates.
    #[default]
    Full,
    /// The client accepts any certificate.
    Off,
}

/// TLS settings for every host.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Trust {
    /// Verification of server certificates.
    pub verification: Verification,
    /// PEM file of certificates that the client trusts in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM file that replaces the system's certificates, as `SSL_CERT_FILE` does.
    pub system_file: Option<PathBuf>,
    /// Client certificate and its key, in PEM files.
    pub identity: Option<Identity>,
    /// Folders in the format of Docker's `certs.d`. The client trusts `HOST[:PORT]/*.crt` for that
    /// host. A `*.cert` with a `*.key` of the same name is the client certificate there.
    pub host_folders: Vec<PathBuf>,
}

/// Client certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Path of the certificate, with its chain.
    pub certificate: PathBuf,
    /// Path of the private key.
    pub key: PathBuf,
}

/// Settings of one host in `certs.d`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HostTrust {
    roots: Vec<PathBuf>,
    identity: Option<Identity>,
}

impl HostTrust {
    /// Returns true if the host has no settings of its own.
    pub(crate) fn is_empty(&self) -> bool {
        self.roots.is_empty() && self.identity.is_none()
    }
}

impl Trust {
    /// Reads the settings of `host[:port]`. Folders that cannot be read have no effect, as in
    /// Docker.
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

    /// Builds the configuration for a host. A file that the user named must be valid. In `certs.d`,
    /// the client skips an invalid file with a warning.
    pub(crate) fn config(&self, host: &HostTrust, notify: &EventSink) -> Result<ClientConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let skip = |text: String| notify.tell(ClientEvent::Skipped { text });
        let mut extra = Vec::new();
        if let Some(path) = &self.ca_file {
            extra.extend(pem::certificates(path, &skip)?);
        }
        let verifier: Arc<dyn ServerCertVerifier> = match self.verification {
            Verification::Off => Arc::new(Anyone(Arc::clone(&provider))),
            Verification::Full => {
                for path in &host.roots {
                    match pem::certificates(path, &skip) {
                        Ok(list) => extra.extend(list),
                        Err(error) => skip(format!("{}; it is skipped", error.chain())),
                    }
                }
                Arc::new(Lazy {
                    provider: Arc::clone(&provider),
                    extra,
                    system_file: self.system_file.clone(),
                    notify: notify.clone(),
                    roots: OnceLock::new(),
                })
            }
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::usage("cannot set up TLS").with_source(error))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        if let Some(identity) = &host.identity {
            match identity.read(&skip) {
                Ok((chain, key)) => match builder.clone().with_client_auth_cert(chain, key) {
                    Ok(config) => return Ok(config),
                    Err(error) => {
                        skip(format!("{}; they are skipped", identity.unfit(error).chain()));
                    }
                },
                Err(error) => skip(format!("{}; it is skipped", error.chain())),
            }
        }
        let Some(identity) = &self.identity else { return Ok(builder.with_no_client_auth()) };
        let (chain, key) = identity.read(&skip)?;
        builder.with_client_auth_cert(chain, key).map_err(|error| identity.unfit(error))
    }
}

impl Identity {
    fn read(
        &self,
        skip: &dyn Fn(String),
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        Ok((pem::certificates(&self.certificate, skip)?, pem::key(&self.key)?))
    }

    fn unfit(&self, error: rustls::Error) -> Error {
        Error::usage(format!(
            "the certificate `{}` and the key `{}` do not match",
            self.certificate.display(),
            self.key.display()
        ))
        .with_source(error)
    }
}

/// Error for an unusable file in place of the system's certificates.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NoRoots(String);

/// Verifier that reads its roots at its first use.
#[derive(Debug)]
struct Lazy {
    provider: Arc<CryptoProvider>,
    /// Certificates that the client trusts in addition to the system's: as issuers, and as servers'
    /// own certificates.
    extra: Vec<CertificateDer<'static>>,
    system_file: Option<PathBuf>,
    notify: EventSink,
    roots: OnceLock<Result<Arc<dyn ServerCertVerifier>, rustls::Error>>,
}

impl Lazy {
    fn load(&self) -> Result<Arc<dyn ServerCertVerifier>, rustls::Error> {
        let extra = || self.extra.iter().cloned();
        if let Some(file) = &self.system_file {
            let skip = |text: String| self.notify.tell(ClientEvent::Skipped { text });
            let own = match pem::certificates(file, &skip) {
                Ok(own) => own,
                Err(error) if self.extra.is_empty() => {
                    let what = format!("SSL_CERT_FILE: {}", error.chain());
                    return Err(rustls::Error::Other(OtherError(Arc::new(NoRoots(what)))));
                }
                Err(error) => {
                    skip(format!("SSL_CERT_FILE: {}; it is skipped", error.chain()));
                    Vec::new()
                }
            };
            return self.web_pki(own.into_iter().chain(extra()));
        }
        let platform = |extra: Vec<_>| {
            rustls_platform_verifier::Verifier::new_with_extra_roots(extra, self.provider.clone())
        };
        // The first check is without ours: with them the error would not say that the system has
        // none.
        match platform(Vec::new()) {
            Ok(verifier) if self.extra.is_empty() => Ok(Arc::new(verifier)),
            Ok(_) => Ok(Arc::new(platform(self.extra.clone())?)),
            // A minimal container image has no certificates at all.
            Err(_) => self
                .web_pki(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned().chain(extra())),
        }
    }

    /// Checks if the user trusts a server's certificate by its bytes. Many are self-signed
    /// authorities (as from `openssl req -x509`), which path validation refuses as servers'
    /// certificates. Name and period still count.
    fn trusts_itself(
        &self,
        certificate: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use rustls::{CertificateError as Bad, Error::InvalidCertificate};
        let itself = self.web_pki(std::iter::once(certificate.clone().into_owned()))?;
        match itself.verify_server_cert(certificate, &[], name, &[], now) {
            Ok(_) => {}
            // The verifier checks the period before the path. An error of the path does not matter
            // here.
            Err(InvalidCertificate(Bad::UnknownIssuer | Bad::Other(_))) => {}
            Err(InvalidCertificate(
                Bad::UnsupportedSignatureAlgorithmContext { .. }
                | Bad::UnsupportedSignatureAlgorithmForPublicKeyContext { .. },
            )) => {}
            Err(error) => return Err(error),
        }
        verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
        Ok(ServerCertVerified::assertion())
    }

    /// Returns true if `SSL_CERT_FILE` contains this certificate as a server's own. Loading the
    /// roots already reported unreadable files.
    fn is_named(&self, certificate: &CertificateDer<'_>) -> bool {
        self.extra.iter().any(|own| own == certificate)
            || self.system_file.as_ref().is_some_and(|file| {
                pem::certificates(file, &|_| {}).is_ok_and(|list| list.contains(certificate))
            })
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
        verifier.verify_server_cert(certificate, chain, name, ocsp, now).or_else(|error| {
            if self.is_named(certificate) {
                return self.trusts_itself(certificate, name, now);
            }
            Err(error)
        })
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

/// Verifier that accepts any certificate, since the user chose so. It still checks signatures, so
/// the other end holds the certificate's key.
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
            let error =
                trust.config(&HostTrust::default(), &EventSink::default()).expect_err(words);
            assert!(error.chain().contains(words), "{error:?}");
        }
    }
}
