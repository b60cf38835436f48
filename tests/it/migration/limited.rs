//! A registry that answers every third request with 429: nothing is lost, and nothing is sent
//! inside the window that it named. The clock is virtual: waiting takes no time. Each request is
//! written down twice: where it goes out, since a client can keep to a window only from when it has
//! heard of it, and where it comes in, so that none goes out unseen.

use super::{
    Fate, Migration,
    front::{Passed, WINDOW},
};
use chartferry::{
    client::{Client, ClientEvent, EventSink, Options, RateLimit, repository::index},
    limits::Limits,
    mirror::{
        self, Sink, Source,
        sink::registry::{Composing, Options as To, Registry},
        source::repository::{Options as From, Repository},
    },
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// Turns that others have while one waits: enough for answers that are under way to come in, and
/// for what is ready to go out to go.
const TURNS: usize = 200;

/// What the client said of its requests to the front, in order: a status where an answer had come,
/// and the time.
type Said = Vec<(Option<u16>, Duration)>;

fn carry(place: &Migration, at_once: usize) -> (mirror::Report, Said) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let limits = Limits::default();
    let mut options = Options::default();
    options.clock = place.front.clock().after_turns(TURNS).into();
    options.pace = RateLimit { at_once, per_second: None };
    let said: Arc<Mutex<Said>> = Arc::default();
    let (heard, clock, front) = (said.clone(), place.front.clock(), place.front.address());
    options.notify = EventSink::new(move |notice| {
        let (url, status) = match notice {
            ClientEvent::Asked { url, .. } => (url, None),
            ClientEvent::Answered { url, status, .. } => (url, Some(status)),
            _ => return,
        };
        // It is tried with TLS first, which the front hangs up on.
        if url.starts_with(&format!("http://{front}/")) {
            heard.lock().unwrap().push((status, clock.waited()));
        }
    });
    let client = Client::new(options).unwrap();
    let repository = client.chart_repository(index::Options::new(place.source())).unwrap();
    let mut from = From::new(client.clone(), repository);
    from.limits = limits.clone();
    let source = Source::Repository(Repository::new(from));
    let registry = place.front.address().parse().unwrap();
    let mut to = To::new(client, registry, Some("moved".parse().unwrap()));
    to.composing = Composing { limits, ..Composing::default() };
    let sink = Sink::Registry(Registry::new(to));
    let mut options = mirror::Options::new("2026-01-01T00:00:00Z".parse().unwrap());
    options.at_once = at_once;
    let report = runtime.block_on(mirror::run(&source, &sink, &options)).unwrap();
    let said = std::mem::take(&mut *said.lock().unwrap());
    (report, said)
}

/// Requests that went out after a 429 had been heard of and before its window was over.
fn inside(said: &Said) -> usize {
    let mut open = Duration::ZERO;
    let mut count = 0;
    for (status, at) in said {
        match status {
            None => count += usize::from(*at < open),
            Some(429) => open = open.max(*at + WINDOW),
            Some(_) => {}
        }
    }
    count
}

/// Requests that came in after a 429 had gone out and before its window was over, on the server's
/// side.
fn crossed(passed: &[Passed]) -> usize {
    let mut open = Duration::ZERO;
    let mut count = 0;
    for one in passed {
        count += usize::from(one.at < open);
        if one.status == 429 {
            open = open.max(one.at + WINDOW);
        }
    }
    count
}

fn keeps_to_the_windows(versions: usize, at_once: usize) -> Vec<Passed> {
    let place = Migration::new(versions);
    place.front.limit(3);
    let (report, said) = carry(&place, at_once);
    let carried = place.made.versions.iter().filter(|one| one.fate == Fate::Carried).count();
    assert_eq!((report.counts.sent, report.counts.failed), (carried, 0), "{report:#?}");
    let passed = place.front.take();
    let limited = passed.iter().filter(|one| one.status == 429).count();
    assert!(limited * 3 >= passed.len() - 3 && limited > 50, "{limited} of {}", passed.len());
    assert_eq!(inside(&said), 0, "of {} requests in {limited} windows", passed.len());
    let asked = said.iter().filter(|(status, _)| status.is_none()).count();
    assert_eq!(asked, passed.len(), "what came in is what was said to go out");
    place.compare_registry(&format!("{}/moved", place.registry.oci()), "folder");
    passed
}

#[test]
fn one_at_a_time_nothing_is_lost_and_no_window_is_entered() {
    let passed = keeps_to_the_windows(20, 1);
    assert_eq!(crossed(&passed), 0, "nor is anything under way when a window opens");
}

#[test]
fn many_at_once_nothing_is_lost_and_nothing_goes_out_inside_a_window() {
    let passed = keeps_to_the_windows(60, 16);
    // Fifteen others were on their way when the first 429 came; each halves how many are let out at
    // a time.
    assert!(crossed(&passed) <= 15 + 7 + 3 + 1, "{} crossed a 429", crossed(&passed));
}
