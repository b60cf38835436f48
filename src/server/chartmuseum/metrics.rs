//! ChartMuseum's metrics with their names, in Prometheus' text format 0.0.4. This format has
//! summaries, which libraries for OpenMetrics omit. Every label has few values: routes instead of
//! paths, and a maximum number of hosts and namespaces.

use crate::lock::Locked as _;
use crate::server::index_view::View;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    sync::Mutex,
    time::Duration,
};

/// Default buckets of Prometheus and of ChartMuseum, in seconds.
const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Number of values of the label `host`. Further hosts share one value, since a client may send any
/// name.
const MAX_HOSTS: usize = 16;
/// Number of values of the label `repo`. Further namespaces share one value.
const MAX_NAMESPACES: usize = 1000;
const OTHER: &str = "other";
/// Value of the label `handler`, in which ChartMuseum has the name of a function.
const HANDLER: &str = "museum";

/// Counters of all requests.
#[derive(Debug, Default)]
pub(super) struct Metrics(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    hosts: BTreeSet<String>,
    requests: BTreeMap<(Labels, String), u64>,
    durations: BTreeMap<Labels, Histogram>,
    asked: Summary,
    answered: Summary,
}

/// Labels of a request: status, method and route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Labels(u16, &'static str, &'static str);

#[derive(Debug, Default)]
struct Histogram {
    buckets: [u64; BUCKETS.len()],
    sum: f64,
    count: u64,
}

#[derive(Debug, Default)]
struct Summary {
    sum: u64,
    count: u64,
}

/// Request with its response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Served<'a> {
    pub(super) status: u16,
    pub(super) method: &'a http::Method,
    /// Pattern of the route.
    pub(super) pattern: &'static str,
    pub(super) host: &'a str,
    pub(super) took: Duration,
    pub(super) asked: u64,
    pub(super) answered: u64,
}

impl Metrics {
    /// Counts a request. As in ChartMuseum, a request for an unknown path does not count.
    pub(super) fn count(&self, served: Served<'_>) {
        if matches!(served.status, 404 | 405) {
            return;
        }
        let method = match served.method.as_str() {
            "GET" => "GET",
            "HEAD" => "HEAD",
            "POST" => "POST",
            "DELETE" => "DELETE",
            _ => OTHER,
        };
        let labels = Labels(served.status, method, served.pattern);
        let mut state = self.0.locked();
        let host = if state.hosts.contains(served.host) || state.hosts.len() < MAX_HOSTS {
            state.hosts.insert(served.host.to_owned());
            served.host
        } else {
            OTHER
        };
        *state.requests.entry((labels, host.to_owned())).or_default() += 1;
        let seconds = served.took.as_secs_f64();
        let histogram = state.durations.entry(labels).or_default();
        for (bucket, bound) in histogram.buckets.iter_mut().zip(BUCKETS) {
            *bucket += u64::from(seconds <= bound);
        }
        histogram.sum += seconds;
        histogram.count += 1;
        state.asked.add(served.asked);
        state.answered.add(served.answered);
    }

    /// Returns all metrics, with the numbers of charts and versions in the view.
    pub(super) fn text(&self, view: &View) -> String {
        let mut text = String::new();
        charts(&mut text, view)
            .and_then(|()| self.requests(&mut text))
            .expect("a String takes all");
        text
    }

    fn requests(&self, text: &mut String) -> std::fmt::Result {
        let state = self.0.locked();
        let name = "chartmuseum_request_duration_seconds";
        begin(text, name, "histogram", "Seconds until an answer began.")?;
        for (Labels(code, method, url), histogram) in &state.durations {
            let labels = format!("code=\"{code}\",method=\"{method}\",url=\"{url}\"");
            for (count, bound) in histogram.buckets.iter().zip(BUCKETS) {
                writeln!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}")?;
            }
            let Histogram { sum, count, .. } = histogram;
            writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {count}")?;
            writeln!(text, "{name}_sum{{{labels}}} {sum}")?;
            writeln!(text, "{name}_count{{{labels}}} {count}")?;
        }
        summary(text, "chartmuseum_request_size_bytes", "Bytes of requests.", &state.asked)?;
        let name = "chartmuseum_requests_total";
        begin(text, name, "counter", "Requests answered, by status, method, host and route.")?;
        for ((Labels(code, method, url), host), count) in &state.requests {
            let host = escape(host);
            writeln!(
                text,
                "{name}{{code=\"{code}\",handler=\"{HANDLER}\",host=\"{host}\",method=\"{method}\",url=\"{url}\"}} {count}"
            )?;
        }
        summary(text, "chartmuseum_response_size_bytes", "Bytes of answers.", &state.answered)
    }
}

impl Summary {
    fn add(&mut self, value: u64) {
        self.sum += value;
        self.count += 1;
    }
}

fn charts(text: &mut String, view: &View) -> std::fmt::Result {
    let mut held: Vec<(Box<str>, usize, usize)> = Vec::new();
    for namespace in view.namespaces() {
        let counts = view.counts(&namespace);
        let full = held.len() > MAX_NAMESPACES;
        match held.last_mut().filter(|_| full) {
            Some((name, charts, versions)) => {
                *name = OTHER.into();
                *charts += counts.charts;
                *versions += counts.versions;
            }
            _ => held.push((namespace, counts.charts, counts.versions)),
        }
    }
    let name = "chartmuseum_chart_versions_served_total";
    begin(text, name, "gauge", "Versions of charts that are served now.")?;
    for (namespace, _, versions) in &held {
        writeln!(text, "{name}{{repo=\"{}\"}} {versions}", escape(namespace))?;
    }
    let name = "chartmuseum_charts_served_total";
    begin(text, name, "gauge", "Charts that are served now.")?;
    for (namespace, charts, _) in &held {
        writeln!(text, "{name}{{repo=\"{}\"}} {charts}", escape(namespace))?;
    }
    Ok(())
}

fn summary(text: &mut String, name: &str, help: &str, of: &Summary) -> std::fmt::Result {
    begin(text, name, "summary", help)?;
    writeln!(text, "{name}_sum {}\n{name}_count {}", of.sum, of.count)
}

fn begin(text: &mut String, name: &str, kind: &str, help: &str) -> std::fmt::Result {
    writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

/// Escapes the value of a label.
fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(status: u16, host: &str) -> Served<'_> {
        Served {
            status,
            method: &http::Method::GET,
            pattern: "/:repo/index.yaml",
            host,
            took: Duration::from_millis(7),
            asked: 3,
            answered: 40,
        }
    }

    #[test]
    fn requests_are_counted_and_what_is_not_there_is_not() {
        let metrics = Metrics::default();
        for status in [200, 200, 404, 405, 500] {
            metrics.count(served(status, "h"));
        }
        let text = metrics.text(&View::default());
        for line in [
            "chartmuseum_requests_total{code=\"200\",handler=\"museum\",host=\"h\",method=\"GET\",url=\"/:repo/index.yaml\"} 2",
            "chartmuseum_request_duration_seconds_bucket{code=\"200\",method=\"GET\",url=\"/:repo/index.yaml\",le=\"0.005\"} 0",
            "chartmuseum_request_duration_seconds_bucket{code=\"200\",method=\"GET\",url=\"/:repo/index.yaml\",le=\"0.01\"} 2",
            "chartmuseum_request_size_bytes_sum 9",
            "chartmuseum_response_size_bytes_count 3",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}\n{text}");
        }
        assert!(!text.contains("404"), "{text}");
    }

    #[test]
    fn hosts_beyond_a_number_are_one() {
        let metrics = Metrics::default();
        for number in 0..100 {
            metrics.count(served(200, &format!("h{number}\"\n")));
        }
        let text = metrics.text(&View::default());
        let hosts = text.lines().filter(|line| line.starts_with("chartmuseum_requests_total{"));
        assert_eq!(hosts.count(), MAX_HOSTS + 1);
        assert!(text.contains("host=\"h0\\\"\\n\""), "{text}");
    }
}
