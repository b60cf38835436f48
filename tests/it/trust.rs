//! Which certificates are trusted: a server's own by its bytes, what can be read of the files of
//! others, and errors that name what is wrong.

use crate::{
    faults::named::assert_says,
    faults::{Bench, run, tag},
    support::{fault::FaultRegistry, fault_registry::Setup},
};
use chartferry::{
    ErrorKind,
    client::{Options, Scheme},
    oci::media,
    store::Fetch,
};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use std::{fs, path::PathBuf, sync::Arc};
use tokio_rustls::TlsAcceptor;

const MANIFEST: &str = r#"{"schemaVersion":2,"layers":[]}"#;

/// A registry with a self-signed certificate, and a folder with it.
struct Own {
    folder: tempfile::TempDir,
    registry: FaultRegistry,
    pem: String,
}

impl Own {
    /// `change` makes the certificate.
    async fn start(change: impl FnOnce(&mut rcgen::CertificateParams)) -> Self {
        let mut parameters = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        change(&mut parameters);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let registry = FaultRegistry::start_tls(Setup::default(), acceptor).await;
        registry.with(|registry| registry.hold_manifest("1", media::MANIFEST, MANIFEST));
        let own = Self { folder: tempfile::tempdir().unwrap(), registry, pem: certificate.pem() };
        own.file("own.pem", &own.pem);
        own
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn pem(&self) -> PathBuf {
        self.folder.path().join("own.pem")
    }

    /// A folder as `certs.d`, with this certificate for this host.
    fn certs_d(&self) -> PathBuf {
        self.file(&format!("certs.d/{}/ca.crt", self.registry.address()), &self.pem);
        self.folder.path().join("certs.d")
    }

    async fn ask(
        &self,
        change: impl FnOnce(&mut Options),
    ) -> (chartferry::Result<()>, Vec<String>) {
        let bench = Bench::with(|options| {
            options.scheme = Scheme::Auto;
            change(options);
        });
        let repository = bench.repository(&self.registry);
        (repository.fetch_manifest(&tag("1")).await.map(drop), bench.told())
    }
}

fn authority(parameters: &mut rcgen::CertificateParams) {
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
}

#[test]
fn a_servers_own_certificate_is_trusted_where_it_is_named() {
    run(async {
        // What `openssl req -x509` makes is an authority; path validation refuses it as a server's.
        for own in [Own::start(authority).await, Own::start(|_| {}).await] {
            let (result, _) = own.ask(|_| {}).await;
            let error = result.expect_err("not named");
            assert_says(&error, ErrorKind::Network, &["its certificate is not trusted"]);
            own.ask(|options| options.trust.ca_file = Some(own.pem())).await.0.expect("--ca-file");
            let (result, _) = own.ask(|options| options.trust.system_file = Some(own.pem())).await;
            result.expect("SSL_CERT_FILE");
            let folders = vec![own.certs_d()];
            let (result, _) = own.ask(|options| options.trust.host_folders = folders).await;
            result.expect("certs.d");
        }
    });
}

#[test]
fn a_named_certificate_still_needs_its_name_and_its_period() {
    run(async {
        let other_name = Own::start(|parameters| {
            authority(parameters);
            parameters.subject_alt_names =
                vec![rcgen::SanType::DnsName("r.example".try_into().unwrap())];
        });
        let expired = Own::start(|parameters| {
            authority(parameters);
            parameters.not_before = rcgen::date_time_ymd(2000, 1, 1);
            parameters.not_after = rcgen::date_time_ymd(2001, 1, 1);
        });
        for (own, hint) in [(other_name.await, "a host name"), (expired.await, "a new certificate")]
        {
            let (result, _) = own.ask(|options| options.trust.ca_file = Some(own.pem())).await;
            let error = result.expect_err(hint);
            assert_says(&error, ErrorKind::Network, &["its certificate is not trusted", hint]);
            assert!(own.registry.seen().is_empty());
        }
    });
}

#[test]
fn another_certificate_of_the_same_name_is_not_trusted() {
    run(async {
        let (own, other) = (Own::start(authority).await, Own::start(authority).await);
        let (result, _) = own.ask(|options| options.trust.ca_file = Some(other.pem())).await;
        assert_says(&result.expect_err("other"), ErrorKind::Network, &["not trusted"]);
    });
}

#[test]
fn a_file_in_certs_d_that_cannot_be_used_is_skipped_with_a_warning() {
    run(async {
        let own = Own::start(authority).await;
        let folder = own.certs_d();
        let host = folder.join(own.registry.address());
        let ask =
            async || own.ask(|options| options.trust.host_folders = vec![folder.clone()]).await;
        for (name, text) in [
            ("old.crt", ""),
            ("old.crt", "\u{1}\u{2}"),
            ("old.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            ("client.cert", own.pem.as_str()),
        ] {
            fs::write(host.join(name), text).unwrap();
            fs::write(host.join("client.key"), "").unwrap();
            let (result, told) = ask().await;
            result.expect(name);
            let word = if name == "client.cert" { "client.key" } else { name };
            assert!(told.iter().any(|line| line.contains(word)), "{name}: {told:?}");
            fs::remove_file(host.join(name)).unwrap();
        }
        fs::create_dir(host.join("old.crt")).unwrap();
        let (result, told) = ask().await;
        result.expect("a folder");
        assert!(told[0].contains("old.crt"));
    });
}

#[test]
fn a_missing_file_of_the_systems_certificates_is_named() {
    run(async {
        let own = Own::start(|_| {}).await;
        let gone = own.folder.path().join("gone.pem");
        let (result, told) = own
            .ask(|options| {
                options.trust.system_file = Some(gone.clone());
                options.trust.ca_file = Some(own.pem());
            })
            .await;
        result.expect("--ca-file says enough");
        assert!(told.len() == 1 && told[0].contains("SSL_CERT_FILE"), "{told:?}");
        let (result, _) = own.ask(|options| options.trust.system_file = Some(gone)).await;
        let error = result.expect_err("nothing to trust");
        assert_says(&error, ErrorKind::Network, &["gone.pem", "SSL_CERT_FILE"]);
    });
}
