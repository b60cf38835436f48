//! A certificate and its key from PEM files, ready to be shown to clients.

use crate::{Error, Result};
use rustls::{ServerConfig, crypto::ring};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{path::Path, sync::Arc};
use tokio_rustls::TlsAcceptor;

/// What a registry needs to be reached by HTTPS.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// Reads a chain of certificates and the key of its first one.
    ///
    /// # Errors
    /// `Invalid` when a file holds no such thing, or when the two do not belong together.
    pub fn open(certificate: &Path, key: &Path) -> Result<Self> {
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| unreadable("certificate", certificate, error))?;
        if chain.is_empty() {
            let message = format!("`{}` holds no certificate in PEM", certificate.display());
            return Err(Error::invalid(message));
        }
        let private =
            PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable("key", key, error))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
            .map_err(|error| {
                Error::invalid(format!(
                    "the certificate `{}` cannot be used with the key `{}`",
                    certificate.display(),
                    key.display()
                ))
                .with_source(error)
            })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    pub(super) fn acceptor(&self) -> &TlsAcceptor {
        &self.0
    }
}

fn unreadable(what: &str, path: &Path, error: rustls_pki_types::pem::Error) -> Error {
    match error {
        rustls_pki_types::pem::Error::Io(error) => Error::io(&format!("read {what}"), path, error),
        error => Error::invalid(format!("`{}` holds no {what} in PEM", path.display()))
            .with_source(error),
    }
}
