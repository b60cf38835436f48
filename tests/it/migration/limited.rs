//! A registry that answers every third request with 429: nothing is lost, and nothing is sent inside the window that it
//! named. The clock is virtual: waiting takes no time, and each request is written down with the time at which it came.

use super::{
    Fate, Migration,
    front::{Passed, WINDOW},
};
use chartferry::{
    client::{Client, Options, Pace, classic},
    limits::Limits,
    mirror::{
        self, Sink, Source,
        sink::registry::{Composing, Options as To, Registry},
        source::repository::{Options as From, Repository},
    },
};
use std::time::Duration;

fn carry(place: &Migration, at_once: usize) -> mirror::Report {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let limits = Limits::default();
    let mut options = Options::default();
    options.clock = place.front.clock().into();
    options.pace = Pace { at_once, per_second: None };
    let client = Client::new(options).unwrap();
    let repository = client.classic(classic::Options::new(place.source())).unwrap();
    let source = Source::Repository(Repository::new(From {
        client: client.clone(),
        repository,
        name: None,
        limits: limits.clone(),
    }));
    let sink = Sink::Registry(Registry::new(To {
        client,
        registry: place.front.address().parse().unwrap(),
        namespace: Some("moved".parse().unwrap()),
        template: None,
        state: None,
        create: None,
        composing: Composing { limits, ..Composing::default() },
    }));
    let options = mirror::Options {
        at_once,
        ..mirror::Options::new("2026-01-01T00:00:00Z".parse().unwrap())
    };
    runtime.block_on(mirror::run(&source, &sink, &options)).unwrap()
}

/// Requests that came after a 429 and before its window was over.
fn inside(passed: &[Passed]) -> usize {
    let mut open: Option<Duration> = None;
    let mut count = 0;
    for one in passed {
        count += usize::from(open.is_some_and(|end| one.at < end));
        if one.status == 429 {
            open = Some(open.map_or(one.at + WINDOW, |end| end.max(one.at + WINDOW)));
        }
    }
    count
}

#[test]
fn one_at_a_time_nothing_is_lost_and_no_window_is_entered() {
    let place = Migration::new(20);
    place.front.limit(3);
    let report = carry(&place, 1);
    let carried = place.made.versions.iter().filter(|one| one.fate == Fate::Carried).count();
    assert_eq!((report.counts.sent, report.counts.failed), (carried, 0), "{report:#?}");
    let passed = place.front.take();
    let limited = passed.iter().filter(|one| one.status == 429).count();
    assert!(limited * 3 >= passed.len() - 3 && limited > 50, "{limited} of {}", passed.len());
    assert_eq!(inside(&passed), 0);
    place.compare_registry(&format!("{}/moved", place.registry.oci()), "folder");
}

#[test]
fn many_at_once_only_what_was_under_way_comes_inside_a_window() {
    let place = Migration::new(60);
    place.front.limit(3);
    let report = carry(&place, 16);
    let carried = place.made.versions.iter().filter(|one| one.fate == Fate::Carried).count();
    assert_eq!((report.counts.sent, report.counts.failed), (carried, 0), "{report:#?}");
    let passed = place.front.take();
    let windows = passed.iter().filter(|one| one.status == 429).count();
    // Fifteen others may be on their way when the first 429 comes; the gate then lets few through at a time.
    assert!(inside(&passed) <= 2 * windows, "{} in {windows} windows", inside(&passed));
    place.compare_registry(&format!("{}/moved", place.registry.oci()), "folder");
}
