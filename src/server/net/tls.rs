//! Certificate and key of a server from PEM files, and the authorities for client certificates, if
//! the server requires them.

use crate::{Error, Result};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{path::Path, sync::Arc};
use tokio_rustls::TlsAcceptor;

/// Certificate and key of a registry with HTTPS.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    clients: Clients,
}

/// Clients that a server accepts by TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clients {
    Anyone,
    /// Clients with a certificate of the authority.
    Certified,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// Reads a chain of certificates and the key of its first one.
    ///
    /// # Errors
    /// `Invalid` if a file holds no certificate or key, or if the two do not match.
    pub fn open(certificate: &Path, key: &Path) -> Result<Self> {
        let verifier = WebPkiClientVerifier::no_client_auth();
        Self::with(certificate, key, verifier, Clients::Anyone)
    }

    /// Reads as [`Self::open`]. The server then accepts only clients with a certificate from one of
    /// the authorities in a file.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_for(certificate: &Path, key: &Path, authorities: &Path) -> Result<Self> {
        let refuse = |error| {
            Error::invalid(format!(
                "`{}` holds no certificate of an authority",
                authorities.display()
            ))
            .with_source(error)
        };
        let mut roots = RootCertStore::empty();
        for authority in chain(authorities)? {
            roots.add(authority).map_err(refuse)?;
        }
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| refuse(rustls::Error::General(error.to_string())))?;
        Self::with(certificate, key, verifier, Clients::Certified)
    }

    fn with(
        certificate: &Path,
        key: &Path,
        verifier: Arc<dyn ClientCertVerifier>,
        clients: Clients,
    ) -> Result<Self> {
        let chain = chain(certificate)?;
        let private =
            PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable("key", key, error))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder.with_client_cert_verifier(verifier).with_single_cert(chain, private)
            })
            .map_err(|error| {
                Error::invalid(format!(
                    "the certificate `{}` cannot be used with the key `{}`",
                    certificate.display(),
                    key.display()
                ))
                .with_source(error)
            })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), clients })
    }

    pub(crate) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    pub(crate) fn clients(&self) -> Clients {
        self.clients
    }
}

/// Reads the certificates of a file, which must have at least one.
fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let chain = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable("certificate", path, error))?;
    if chain.is_empty() {
        return Err(Error::invalid(format!("`{}` holds no certificate in PEM", path.display())));
    }
    Ok(chain)
}

fn unreadable(what: &str, path: &Path, error: rustls_pki_types::pem::Error) -> Error {
    match error {
        rustls_pki_types::pem::Error::Io(error) => Error::io(&format!("read {what}"), path, error),
        error => Error::invalid(format!("`{}` holds no {what} in PEM", path.display()))
            .with_source(error),
    }
}
