//! TLS and plain HTTP: whom we trust, as whom we come, and how a host of this machine is found to
//! speak without.

use crate::{
    faults::named::assert_says,
    faults::{Bench, run, tag, user},
    support::{
        fault::{Act, Fault, FaultRegistry},
        fault_registry::{Answer, Auth, Setup},
    },
};
use chartferry::{
    ErrorKind,
    client::{Given, Identity, Options, Scheme, Verification},
    oci::media,
    store::Fetch,
};
use rustls::{RootCertStore, ServerConfig, pki_types::PrivateKeyDer, server::WebPkiClientVerifier};
use std::{fs, path::PathBuf, sync::Arc};
use tokio_rustls::TlsAcceptor;

const MANIFEST: &str = r#"{"schemaVersion":2,"layers":[]}"#;

/// An issuer, and files it has issued.
pub(crate) struct Issuer {
    folder: tempfile::TempDir,
    certificate: rcgen::CertifiedIssuer<'static, rcgen::KeyPair>,
}

impl Issuer {
    pub(crate) fn new() -> Self {
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertifiedIssuer::self_signed(parameters, key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { folder, certificate }
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate and key as files.
    pub(crate) fn issue(&self, name: &str) -> Identity {
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let issued = parameters.signed_by(&key, &self.certificate).unwrap();
        let identity = Identity {
            certificate: self.folder.path().join(format!("{name}.cert")),
            key: self.folder.path().join(format!("{name}.key")),
        };
        fs::write(&identity.certificate, issued.pem()).unwrap();
        fs::write(&identity.key, key.serialize_pem()).unwrap();
        identity
    }

    /// A server's TLS; `clients` must come with a certificate of this issuer.
    pub(crate) fn acceptor(&self, clients: bool) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if clients {
            let mut roots = RootCertStore::empty();
            roots.add(self.certificate.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let key = rcgen::KeyPair::generate().unwrap();
        let names = vec!["127.0.0.1".to_owned(), "registry.example".to_owned()];
        let parameters = rcgen::CertificateParams::new(names).unwrap();
        let issued = parameters.signed_by(&key, &self.certificate).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        TlsAcceptor::from(Arc::new(
            builder.with_single_cert(vec![issued.der().clone()], key).unwrap(),
        ))
    }

    async fn registry(&self, clients: bool, setup: Setup) -> FaultRegistry {
        let registry = FaultRegistry::start_tls(setup, self.acceptor(clients)).await;
        registry.with(|registry| registry.hold_manifest("1", media::MANIFEST, MANIFEST));
        registry
    }
}

fn bench(change: impl FnOnce(&mut Options)) -> Bench {
    Bench::with(|options| {
        options.scheme = Scheme::Auto;
        change(options);
    })
}

#[test]
fn a_certificate_is_believed_only_when_we_were_told_to() {
    run(async {
        let issuer = Issuer::new();
        let registry = issuer.registry(false, Setup::default()).await;
        let host_folder = issuer.folder.path().join("certs.d").join(registry.address());
        fs::create_dir_all(&host_folder).unwrap();
        fs::copy(issuer.ca(), host_folder.join("ca.crt")).unwrap();
        let folders = vec![issuer.folder.path().join("certs.d")];

        for (name, bench) in [
            ("a file", bench(|options| options.trust.ca_file = Some(issuer.ca()))),
            (
                "instead of the system's",
                bench(|options| options.trust.system_file = Some(issuer.ca())),
            ),
            ("off", bench(|options| options.trust.verification = Verification::Off)),
            ("the host's folder", bench(|options| options.trust.host_folders = folders.clone())),
        ] {
            bench.repository(&registry).fetch_manifest(&tag("1")).await.expect(name);
            assert_eq!(registry.seen().len(), 1, "{name}: no request more");
            assert!(bench.told().is_empty(), "{name}");
        }

        let stranger = bench(|_| {});
        let error = stranger
            .repository(&registry)
            .fetch_manifest(&tag("1"))
            .await
            .expect_err("unknown issuer");
        assert_says(
            &error,
            ErrorKind::Network,
            &["its certificate is not trusted", "trust its certificate"],
        );
        assert!(stranger.told().is_empty(), "neither tried again nor in plain text");
        assert!(registry.seen().is_empty());
    });
}

#[test]
fn our_own_certificate_is_shown_where_it_is_asked_for() {
    run(async {
        let issuer = Issuer::new();
        let registry = issuer.registry(true, Setup::default()).await;
        let identity = issuer.issue("client");
        let host_folder = issuer.folder.path().join("certs.d").join(registry.address());
        fs::create_dir_all(&host_folder).unwrap();
        fs::copy(issuer.ca(), host_folder.join("ca.crt")).unwrap();
        fs::copy(&identity.certificate, host_folder.join("client.cert")).unwrap();
        fs::copy(&identity.key, host_folder.join("client.key")).unwrap();

        bench(|options| {
            options.trust.ca_file = Some(issuer.ca());
            options.trust.identity = Some(identity);
        })
        .repository(&registry)
        .fetch_manifest(&tag("1"))
        .await
        .expect("by option");
        bench(|options| options.trust.host_folders = vec![issuer.folder.path().join("certs.d")])
            .repository(&registry)
            .fetch_manifest(&tag("1"))
            .await
            .expect("by the host's folder");
        let error = bench(|options| options.trust.ca_file = Some(issuer.ca()))
            .repository(&registry)
            .fetch_manifest(&tag("1"))
            .await
            .expect_err("nobody");
        assert_eq!(error.kind(), ErrorKind::Network);
    });
}

#[test]
fn the_token_service_is_trusted_by_the_same_rules() {
    run(async {
        let issuer = Issuer::new();
        let setup = Setup { auth: Auth::BearerOnly, ..Setup::default() };
        let registry = issuer.registry(false, setup).await;
        let bench = bench(|options| {
            options.trust.ca_file = Some(issuer.ca());
            options.keyring.given = Some(Given { credential: user(), registry: None });
        });
        bench.repository(&registry).fetch_manifest(&tag("1")).await.expect("with a token");
    });
}

#[test]
fn https_is_never_left_for_plain_http() {
    run(async {
        let issuer = Issuer::new();
        let plain = FaultRegistry::start(Setup::default()).await;
        let registry = issuer.registry(false, Setup::default()).await;
        let location = format!("http://{}/v2/team/demo/manifests/1", plain.address());
        let away = Answer::new(307, "").with("location", &location);
        registry.fail(Fault::new("GET /manifests/", Act::Instead(away)).always());
        let bench = bench(|options| options.trust.ca_file = Some(issuer.ca()));
        let error =
            bench.repository(&registry).fetch_manifest(&tag("1")).await.expect_err("downgrade");
        assert_says(&error, ErrorKind::Protocol, &["from https to plain http", &plain.address()]);
        assert!(plain.seen().is_empty());
    });
}

#[test]
fn a_host_of_this_machine_may_answer_in_plain_text() {
    run(async {
        for name in ["127.0.0.1", "localhost"] {
            let registry =
                FaultRegistry::start(Setup { auth: Auth::Basic, ..Setup::default() }).await;
            registry.with(|registry| registry.hold_manifest("1", media::MANIFEST, MANIFEST));
            let bench = bench(|options| {
                options.keyring.given = Some(Given { credential: user(), registry: None });
            });
            let host: String = registry.address().replace("127.0.0.1", name);
            let repository =
                bench.client.repository(&host.parse().unwrap(), &"team/demo".parse().unwrap());
            for _ in 0..2 {
                repository.fetch_manifest(&tag("1")).await.expect("plain");
            }
            assert_eq!(bench.told().len(), 1);
            assert!(bench.told()[0].contains("using plain HTTP"), "{:?}", bench.told());
            // One connection to find out, one for all the rest; nothing was asked twice for it.
            assert_eq!((registry.connections(), registry.seen().len()), (2, 3));
        }
    });
}

#[test]
fn many_requests_at_once_find_out_together() {
    run(async {
        let registry = FaultRegistry::start(Setup::default()).await;
        registry.with(|registry| registry.hold_manifest("1", media::MANIFEST, MANIFEST));
        let bench = bench(|_| {});
        let (repository, tag) = (bench.repository(&registry), tag("1"));
        let reads = (0..8).map(|_| repository.fetch_manifest(&tag));
        for read in futures_util::future::join_all(reads).await {
            read.expect("plain");
        }
        assert_eq!(bench.told().len(), 1, "told once: {:?}", bench.told());
    });
}

#[test]
fn a_host_elsewhere_that_answers_in_plain_text_is_named() {
    run(async {
        let registry = FaultRegistry::start(Setup::default()).await;
        // 0.0.0.0 leads here too, but is no name of this machine.
        let host = registry.address().replace("127.0.0.1", "0.0.0.0");
        let repository =
            bench(|_| {}).client.repository(&host.parse().unwrap(), &"a".parse().unwrap());
        let error = repository.fetch_manifest(&tag("1")).await.expect_err("plain");
        assert_says(&error, ErrorKind::Network, &["does not speak TLS", "plain HTTP"]);
        assert!(registry.seen().is_empty());
    });
}

/// A host that a redirect names would learn who the user is, and could be served as that user.
#[test]
fn a_redirect_to_another_host_does_not_take_the_client_certificate_along() {
    run(async {
        let issuer = Issuer::new();
        let other = issuer.registry(true, Setup::default()).await;
        let registry = issuer.registry(false, Setup::default()).await;
        let location = format!("https://{}/v2/team/demo/manifests/1", other.address());
        let away = Answer::new(307, "").with("location", &location);
        registry.fail(Fault::new("GET /manifests/", Act::Instead(away)).always());
        let bench = bench(|options| {
            options.trust.ca_file = Some(issuer.ca());
            options.trust.identity = Some(issuer.issue("client"));
        });
        // The other host serves nobody without a certificate.
        let error = bench.repository(&registry).fetch_manifest(&tag("1")).await.expect_err("none");
        assert_eq!(error.kind(), ErrorKind::Network);
        assert!(other.seen().is_empty());
        bench.repository(&other).fetch_manifest(&tag("1")).await.expect("asked by name");
    });
}
