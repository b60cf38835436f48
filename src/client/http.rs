//! One request on the wire.

use super::{Client, Options};
use crate::{Error, ErrorKind, Result};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode};

/// Builds the one HTTP client.
pub(crate) fn build(options: &Options) -> Result<reqwest::Client> {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::usage("cannot set up TLS").with_source(error))?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder()
        .user_agent(options.user_agent.clone())
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(options.connect)
        .tls_backend_preconfigured(tls)
        .build()
        .map_err(|error| Error::usage("cannot set up HTTP").with_source(error))
}

/// An answer with its whole body.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl Client {
    pub(crate) async fn call(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<reqwest::Body>,
        cap: u64,
    ) -> Result<Answer> {
        let mut request = self.inner.http.request(method, url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let network = |error: reqwest::Error| {
            Error::new(ErrorKind::Network, format!("cannot reach `{url}`")).with_source(error)
        };
        let mut response = request.send().await.map_err(network)?;
        let mut bytes = BytesMut::new();
        let (status, headers) = (response.status(), response.headers().clone());
        while let Some(chunk) = response.chunk().await.map_err(network)? {
            if bytes.len() as u64 + chunk.len() as u64 > cap {
                return Err(Error::new(
                    ErrorKind::Limit,
                    format!("`{url}` answers with more than {cap} bytes"),
                ));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Answer { status, headers, body: bytes.freeze() })
    }
}
