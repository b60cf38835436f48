//! Attacks by pointing elsewhere and by names: redirects of what changes something, and lists with
//! lines of a stranger.

use crate::{
    faults::named::assert_says,
    faults::{Bench, run, tag, user},
    support::{
        fault::{Act, Fault, FaultRegistry},
        fault_registry::{Answer, Auth, Setup},
        web::{File, Web},
    },
};
use chartferry::{
    Error, ErrorKind,
    client::{Given, chartmuseum::Force, repository::index},
    oci::media,
    store::{Fetch, Tags},
};

/// A chart went to another host as a whole, and that host's word counted as success.
#[test]
fn an_upload_follows_no_redirect_to_another_origin() {
    for status in [307, 308] {
        run(async {
            let (museum, stranger) = (Web::start(), Web::start());
            for (path, answer) in
                [("/api/charts", "{\"saved\":true}"), ("/api/prov", "{\"saved\":true}")]
            {
                stranger.put(path, File::Answer(201, Vec::new(), answer.into()));
                let there = vec![("location", format!("{}{path}", stranger.url()))];
                museum.put(path, File::Answer(status, there, Vec::new()));
            }
            let version = "/api/charts/demo/1.0.0";
            stranger.put(version, File::Answer(200, Vec::new(), "{\"deleted\":true}".into()));
            let there = vec![("location", format!("{}{version}", stranger.url()))];
            museum.put(version, File::Answer(status, there, Vec::new()));

            let bench = Bench::new();
            let client = bench.client.museum(index::Options::new(museum.url()), Some(""));
            let client = client.expect("museum");
            let archive = chartferry::store::BlobBytes::Memory("archive".into());
            let refused = |error: Error| {
                let hint = format!("use {} as the address", stranger.url());
                assert_says(&error, ErrorKind::Protocol, &["redirects", &hint]);
            };
            refused(client.upload(&archive, None, Force::No).await.expect_err("upload"));
            let provenance = client.upload_provenance("prov".into(), Force::No).await;
            refused(provenance.expect_err("provenance"));
            refused(client.delete("demo", "1.0.0").await.expect_err("deletion"));
            assert_eq!(stranger.asked(), Vec::<String>::new());
            assert_eq!(museum.asked().len(), 3, "it is not tried again");
        });
    }
}

/// The error blamed credentials that were never sent to the host that refused.
#[test]
fn a_refusal_of_another_origin_says_that_no_credentials_were_sent_there() {
    run(async {
        let registry = FaultRegistry::start(Setup { auth: Auth::Basic, ..Setup::default() }).await;
        registry.with(|registry| registry.hold_manifest("1", media::MANIFEST, "{}"));
        let stranger = FaultRegistry::start(Setup::default()).await;
        let asks = Answer::new(401, "").with("www-authenticate", "Basic realm=\"r\"");
        stranger.fail(Fault::new("GET /evil", Act::Instead(asks)).always());
        let bench = Bench::with(|options| {
            options.keyring.given = Some(Given { credential: user(), registry: None });
        });
        let repository = bench.repository(&registry);
        repository.tags().await.expect("tags");
        let there = format!("http://{}/evil", stranger.address());
        let away = Act::Instead(Answer::new(307, "").with("location", &there));
        registry.fail(Fault::new("GET /manifests/", away).always());
        let error = repository.fetch_manifest(&tag("1")).await.expect_err("refused");
        assert_says(
            &error,
            ErrorKind::Denied,
            &["redirects, answers 401", "credentials do not follow"],
        );
        assert!(!error.chain().contains("which were sent"), "{}", error.chain());
    });
}

/// Names of a list went raw into messages, where they could look like lines of ours; one that is no
/// name ended a mirror.
#[test]
fn a_list_holds_no_lines_of_a_stranger() {
    run(async {
        let registry = FaultRegistry::start(Setup::default()).await;
        let tags = r#"{"tags":["1.0.0","2.0.0\r\nerror: forged","-x",""]}"#;
        let names = r#"{"repositories":["team/demo","team/\r\nerror: forged","UP","a/../b"]}"#;
        registry.fail(Fault::new("GET /tags/list", Act::Instead(Answer::new(200, tags))).always());
        registry.fail(Fault::new("GET /_catalog", Act::Instead(Answer::new(200, names))).always());
        let bench = Bench::new();
        let host = registry.address().parse().expect("host");
        for _ in 0..2 {
            assert_eq!(bench.repository(&registry).tags().await.expect("tags"), ["1.0.0"]);
            assert_eq!(bench.client.catalog(&host).await.expect("names"), ["team/demo"]);
        }
        let told = bench.told();
        assert_eq!(told.len(), 2, "{told:?}");
        for (line, shown) in told.iter().zip(["\"2.0.0\\r\\nerror", "\"team/\\r\\nerror"]) {
            assert!(line.contains("it lists 3 names") && line.contains(shown), "{line}");
            assert!(!line.contains(['\r', '\n']), "{line}");
        }
    });
}
