//! A host that dies in the middle of a run is given up after ten seconds. The clock is virtual:
//! waiting takes no time.

use super::archive;
use crate::support::{daemon::Daemon, proxy::Proxy, web::Web};
use chartferry::{
    client::{Client, Options, RateLimit, VirtualClock, repository::index},
    limits::Limits,
    mirror::{
        self, PATIENCE, Report, Sink, Source,
        sink::registry::{Composing, Options as To, Registry},
        source::repository::{Options as From, Repository},
    },
};
use std::time::Duration;

const VERSIONS: usize = 60;
const AT_ONCE: usize = 8;

/// The report of a mirror whose source or destination dies after so many requests, and how long the
/// run has waited.
fn mirror(source: usize, destination: usize) -> (Report, Duration) {
    let web = Web::start();
    let mut index = "apiVersion: v1\nentries:\n  demo:\n".to_owned();
    for n in 0..VERSIONS {
        web.file(&format!("/demo-0.{n}.0.tgz"), archive("demo", &format!("0.{n}.0"), "made"));
        index.push_str(&format!("  - name: demo\n    version: 0.{n}.0\n"));
        index.push_str(&format!("    urls: [demo-0.{n}.0.tgz]\n"));
    }
    web.file("/index.yaml", index);
    let registry = Daemon::chartferry([]);
    let web = Proxy::mortal(&web.address(), source);
    let front = Proxy::mortal(&registry.address(), destination);

    let (limits, clock) = (Limits::default(), VirtualClock::default());
    let mut options = Options::default();
    options.clock = clock.clone().into();
    options.pace = RateLimit { at_once: AT_ONCE, per_second: None };
    options.unreachable = Some(PATIENCE);
    let client = Client::new(options).unwrap();
    let url = format!("http://{}", web.address());
    let repository = client.chart_repository(index::Options::new(url)).unwrap();
    let mut from = From::new(client.clone(), repository);
    from.limits = limits.clone();
    let source = Source::Repository(Repository::new(from));
    let registry = front.address().parse().unwrap();
    let mut to = To::new(client, registry, Some("charts".parse().unwrap()));
    to.composing = Composing { limits, ..Composing::default() };
    let sink = Sink::Registry(Registry::new(to));
    let mut options = mirror::Options::new("2026-01-01T00:00:00Z".parse().unwrap());
    options.at_once = AT_ONCE;
    // The run itself looks at the real clock, which hardly moves here.
    options.patience = Duration::ZERO;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let report = runtime.block_on(mirror::run(&source, &sink, &options)).unwrap();
    (report, clock.waited())
}

#[test]
fn a_host_that_dies_in_the_middle_of_a_run_is_given_up_after_ten_seconds() {
    for (what, source, destination) in [("source", 40, usize::MAX), ("destination", usize::MAX, 60)]
    {
        let (report, waited) = mirror(source, destination);
        let counts = &report.counts;
        assert!(counts.sent > 0, "{what}: {report:#?}");
        assert_eq!(counts.sent + counts.failed, VERSIONS, "{what}: {report:#?}");
        let causes: std::collections::BTreeSet<_> =
            report.versions.iter().filter_map(|told| told.cause.clone()).collect();
        let not_tried = "not tried, since a host no longer answers";
        assert!(causes.contains(not_tried) && causes.len() <= 3, "{what}: {causes:#?}");
        // A connection that broke off waits once more before it is refused.
        assert!(waited >= PATIENCE && waited < PATIENCE * 2, "{what}: {waited:?}");
    }
}
