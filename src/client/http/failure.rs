//! Failures of a connection: the module sorts the errors of the libraries into
//! [`TransportErrorKind`]s, and has the user's message for each.

use super::{network::Inner, retry::TransportErrorKind, tls::NoRoots};
use crate::{
    Advice, Error, ErrorKind,
    advice::{Service, Untrusted},
};
use rustls::OtherError;
use std::{error::Error as StdError, io};

/// Failure of a request without a complete response.
#[derive(Debug)]
pub(crate) struct TransportError {
    pub(crate) kind: TransportErrorKind,
    /// Host of the connection, `host[:port]`.
    pub(crate) host: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
    /// Advice, if the kind alone does not determine it.
    remedy: Option<Advice>,
}

impl TransportError {
    /// Makes an error that the client itself detected.
    pub(crate) fn new(kind: TransportErrorKind, host: &str) -> Self {
        Self { kind, host: host.to_owned(), source: None, remedy: None }
    }

    /// Adds the underlying cause.
    pub(crate) fn with_source(
        mut self,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Sorts an error of the HTTP client.
    pub(crate) fn sort(error: reqwest::Error, host: &str) -> Self {
        let mut kind = if error.is_builder() {
            TransportErrorKind::Local
        } else if error.is_dns() {
            TransportErrorKind::Name
        } else if error.is_connect() {
            TransportErrorKind::Connect
        } else {
            TransportErrorKind::Cut
        };
        let connecting = error.is_connect();
        let mut remedy = None;
        visit(&error, &mut |cause| {
            if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
                (kind, remedy) = (of_tls(tls), remedy_of(tls));
            } else if cause.is::<Inner>() {
                (kind, remedy) = (TransportErrorKind::Local, Some(INNER.into()));
            } else if let Some(io) = cause.downcast_ref::<io::Error>() {
                // A server without TLS may just close the connection. A refused connection never
                // gets so far.
                let ended = matches!(
                    io.kind(),
                    io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
                );
                if connecting && ended && kind == TransportErrorKind::Connect {
                    kind = TransportErrorKind::Handshake;
                }
            } else if cause.to_string().contains("proxy authorization required") {
                kind = TransportErrorKind::Proxy;
            }
        });
        // Addresses may contain signatures or tokens in their query.
        let source = Some(Box::new(error.without_url()) as _);
        Self { kind, host: host.to_owned(), source, remedy }
    }

    /// Describes the failure in a few words, without the host.
    pub(crate) fn why(&self) -> &'static str {
        match self.kind {
            TransportErrorKind::Name => "its name cannot be resolved",
            TransportErrorKind::Connect => "no connection can be made",
            TransportErrorKind::Handshake => "the TLS handshake fails",
            TransportErrorKind::Terms => {
                "it has no TLS key type or cipher in common with this program"
            }
            TransportErrorKind::Certificate => "its certificate is not trusted",
            TransportErrorKind::NotTls => "it does not speak TLS",
            TransportErrorKind::Proxy => "the proxy requires a name and password",
            TransportErrorKind::Silent => "it does not answer in time",
            TransportErrorKind::Stalled => "the connection stalls",
            TransportErrorKind::Cut => "the connection breaks off",
            TransportErrorKind::Garbled => "its answer is not valid HTTP",
            TransportErrorKind::Local => "the request cannot be made",
        }
    }

    /// Returns the whole error for the user.
    pub(crate) fn into_error(self, act: &str) -> Error {
        let message = format!("cannot {act}: `{}`: {}", self.host, self.why());
        let advice = self.remedy.or_else(|| {
            Some(match self.kind {
                TransportErrorKind::NotTls => Advice::UsePlainHttp(Service::Registry),
                TransportErrorKind::Certificate => Advice::TrustCertificate(Untrusted::Issuer),
                TransportErrorKind::Proxy => {
                    "put them into HTTPS_PROXY as http://name:password@host:port".into()
                }
                TransportErrorKind::Name | TransportErrorKind::Connect => {
                    "check the name, the network and HTTPS_PROXY".into()
                }
                _ => return None,
            })
        });
        let mut error = Error::new(ErrorKind::Network, message);
        if let Some(advice) = advice {
            error = error.with_advice(advice);
        }
        match self.source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }
}

/// Advice for an unsupported kind of key.
const KEYS: &str = "P-521 keys are not supported; the certificate and its issuers need RSA, P-256, P-384 or Ed25519 keys";

/// Advice for a token service at a private address.
const INNER: &str =
    "no credentials were sent; correct the token address in the registry's configuration";

/// Returns the advice for a TLS error that is not simply an unknown issuer.
fn remedy_of(error: &rustls::Error) -> Option<Advice> {
    use rustls::{AlertDescription, CertificateError as Bad, Error};
    let text = match error {
        Error::AlertReceived(AlertDescription::HandshakeFailure) => KEYS,
        Error::InvalidCertificate(
            Bad::UnsupportedSignatureAlgorithmContext { .. }
            | Bad::UnsupportedSignatureAlgorithmForPublicKeyContext { .. },
        ) => KEYS,
        Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => {
            "the server needs a new certificate; if it has one, check this machine's clock"
        }
        Error::InvalidCertificate(Bad::NotValidYet | Bad::NotValidYetContext { .. }) => {
            "check the clocks of this machine and of the server"
        }
        Error::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => {
            "use a host name that the server's certificate contains"
        }
        Error::Other(OtherError(cause)) if cause.is::<NoRoots>() => {
            return Some(Advice::TrustCertificate(Untrusted::NoRoots));
        }
        _ => return None,
    };
    Some(text.into())
}

fn of_tls(error: &rustls::Error) -> TransportErrorKind {
    use rustls::{AlertDescription as Alert, Error, InvalidMessage};
    match error {
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => TransportErrorKind::NotTls,
        Error::InvalidCertificate(_)
        | Error::NoCertificatesPresented
        | Error::UnsupportedNameType
        | Error::General(_)
        | Error::Other(_)
        | Error::AlertReceived(
            Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::CertificateRequired,
        ) => TransportErrorKind::Certificate,
        Error::AlertReceived(Alert::HandshakeFailure) => TransportErrorKind::Terms,
        _ => TransportErrorKind::Handshake,
    }
}

/// Visits the causes of an error. `source` skips the error inside an `io::Error`, so the function
/// visits that one too.
fn visit(error: &(dyn StdError + 'static), look: &mut dyn FnMut(&(dyn StdError + 'static))) {
    look(error);
    if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        visit(inner, look);
        return;
    }
    if let Some(source) = error.source() {
        visit(source, look);
    }
}

/// Error of one try. `Again` has the cause, for the retry policy to decide about; by default the
/// cause is a failed connection.
#[derive(Debug)]
pub(crate) enum AttemptError<Cause = TransportError> {
    /// A failure that another try may change.
    Again(Cause),
    /// A failure that no retry can change.
    Fatal(Error),
}

impl From<TransportError> for AttemptError {
    fn from(error: TransportError) -> Self {
        Self::Again(error)
    }
}

impl<Cause> From<Error> for AttemptError<Cause> {
    fn from(error: Error) -> Self {
        Self::Fatal(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::{AlertDescription, CertificateError};

    #[test]
    fn the_hint_fits_what_is_wrong_with_a_certificate() {
        let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let alert = rustls::Error::AlertReceived(AlertDescription::HandshakeFailure);
        let expired = rustls::Error::InvalidCertificate(CertificateError::Expired);
        for (error, kind, hint) in [
            (unknown, TransportErrorKind::Certificate, "trust its certificate"),
            // A server with only a P-521 key supports none of our offers.
            (alert, TransportErrorKind::Terms, "P-521"),
            (expired, TransportErrorKind::Certificate, "clock"),
        ] {
            let fault = TransportError {
                kind: of_tls(&error),
                host: "r.example".to_owned(),
                remedy: remedy_of(&error),
                source: None,
            };
            assert_eq!(fault.kind, kind);
            let error = fault.into_error("act");
            assert!(error.hint().is_some_and(|own| own.contains(hint)), "{error:?}");
        }
    }
}
