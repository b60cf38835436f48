//! Every recorded exchange, asked of `serve` and compared field by field: status, headers that mean
//! something, body. Where we answer otherwise, `deviations.json` says what and why, and
//! `docs/museum.md` tells it to users.

use super::recording::{Deviation, Exchange, deviations, folder, recordings};
use crate::{
    registry::wire::{self, Answer},
    support::daemon::Daemon,
};
use serde_json::Value;
use std::{collections::BTreeSet, fs};

/// Headers that say the same in both or are wrong in one.
const HEADERS: [&str; 3] = ["content-type", "www-authenticate", "access-control-allow-origin"];

#[test]
fn strictly_serve_answers_as_chartmuseum_does() {
    replay(Mode::Strict);
}

#[test]
fn with_the_improvements_it_answers_head_as_it_does_get() {
    replay(Mode::Improved);
}

#[test]
fn every_deviation_is_in_the_guide() {
    let guide = folder().join("../../docs/museum.md");
    let guide = fs::read_to_string(guide).unwrap();
    assert!(guide.contains("`head`"), "docs/museum.md does not say what HEAD does");
    for deviation in deviations() {
        let id = format!("`{}`", deviation.id);
        assert!(guide.contains(&id), "docs/museum.md does not name {id}: {}", deviation.reason);
    }
}

/// By which rules `serve` answers. With the improvements, what `HEAD` says is compared with what
/// `GET` says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Strict,
    Improved,
}

fn replay(mode: Mode) {
    let deviations: Vec<Deviation> =
        deviations().into_iter().filter(|one| mode == Mode::Improved || one.strict).collect();
    let mut used = BTreeSet::new();
    let mut wrong = Vec::new();
    let mut asked = 0;
    for (name, recording) in recordings() {
        let mut flags = recording.flags();
        if mode == Mode::Strict {
            flags.extend(["--compat".to_owned(), "strict".to_owned()]);
        }
        let server = Daemon::chartferry(flags.iter().map(String::as_str));
        for exchange in &recording.exchanges {
            asked += 1;
            let answer = ask(&server, &exchange.method, exchange);
            if mode == Mode::Improved && exchange.method == "HEAD" {
                let get = ask(&server, "GET", exchange);
                let seen = |answer: &Answer| {
                    let header = |name| answer.header(name).map(str::to_owned);
                    (answer.status, ["content-type", "content-length", "etag"].map(header))
                };
                if seen(&answer) != seen(&get) {
                    wrong.push(format!("{name}: {}: {answer} is not {get}", exchange.what));
                }
                continue;
            }
            let here = |one: &&Deviation| {
                let matches = |pattern: &str, text: &str| pattern == "*" || pattern == text;
                one.exchanges
                    .iter()
                    .any(|(file, what)| matches(file, &name) && matches(what, &exchange.what))
            };
            let known: Vec<&Deviation> = deviations.iter().filter(here).collect();
            let mut faults = compare(exchange, &answer, &known);
            if !known.is_empty() {
                used.extend(known.iter().map(|one| one.id.clone()));
                if compare(exchange, &answer, &[]).is_empty() {
                    faults.push("it is a deviation no more".to_owned());
                }
            }
            let Exchange { what, method, path, .. } = exchange;
            wrong.extend(
                faults.iter().map(|fault| format!("{name}: {what} ({method} {path}): {fault}")),
            );
        }
    }
    wrong.extend(
        deviations
            .iter()
            .filter(|one| !used.contains(&one.id))
            .map(|one| format!("the deviation `{}` is of no exchange", one.id)),
    );
    assert!(wrong.is_empty(), "{} of {asked} exchanges differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(asked >= 130, "{asked} exchanges");
}

fn ask(server: &Daemon, method: &str, exchange: &Exchange) -> Answer {
    let headers: Vec<(&str, &str)> =
        exchange.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let address = server.address().parse().unwrap();
    let body = exchange.body().unwrap_or_default();
    wire::send(address, method, &exchange.path, &headers, &body)
}

fn compare(exchange: &Exchange, answer: &Answer, known: &[&Deviation]) -> Vec<String> {
    let mut faults = Vec::new();
    let status = known.iter().find_map(|one| one.status).unwrap_or(exchange.status);
    if answer.status != status {
        faults.push(format!("status {}, not {status}: {answer}", answer.status));
    }
    for name in HEADERS {
        let theirs = exchange.answer_headers.get(name).cloned();
        let wanted = known.iter().find_map(|one| one.headers.get(name)).cloned().unwrap_or(theirs);
        if answer.header(name) != wanted.as_deref() {
            faults.push(format!("{name} {:?}, not {wanted:?}", answer.header(name)));
        }
    }
    let id = answer.header("x-request-id");
    if let Some(theirs) = exchange.answer_headers.get("x-request-id").filter(|id| *id != "[ID]") {
        let wanted = known.iter().find_map(|one| one.headers.get("x-request-id"));
        if wanted.is_none() && id != Some(theirs) {
            faults.push(format!("id {id:?}, not {theirs}"));
        }
    } else if id.is_none() {
        faults.push("no id".to_owned());
    }
    let theirs = match known.iter().find_map(|one| one.answer.as_deref()) {
        Some("*") => return faults,
        Some(text) => text.as_bytes().to_vec(),
        None => exchange.answer(),
    };
    let kind = answer.header("content-type").unwrap_or_default();
    if body(kind, &answer.body) != body(kind, &theirs) {
        faults.push(format!(
            "body\n{}\nnot\n{}",
            String::from_utf8_lossy(&answer.body),
            String::from_utf8_lossy(&theirs)
        ));
    }
    faults
}

/// A body as it is compared.
#[derive(Debug, PartialEq)]
enum Told {
    Json(Value),
    Text(String),
    Bytes(Vec<u8>),
}

fn body(kind: &str, bytes: &[u8]) -> Told {
    if kind.starts_with("text/plain; version=") {
        return Told::Text(metric_families(&String::from_utf8_lossy(bytes)));
    }
    if (kind.starts_with("application/json") || bytes.starts_with(b"{"))
        && let Ok(mut value) = serde_json::from_slice::<Value>(bytes)
    {
        mask(&mut value);
        return Told::Json(value);
    }
    if kind == "application/x-yaml" {
        let text = String::from_utf8_lossy(bytes);
        let lines: Vec<String> = text.lines().map(masked_line).collect();
        return Told::Text(lines.join("\n"));
    }
    Told::Bytes(bytes.to_vec())
}

/// Times differ; that they are times does not.
fn mask(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if (key == "created" || key == "generated") && value.as_str().is_some_and(is_time) {
                    *value = Value::from("[TIME]");
                }
                mask(value);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(mask),
        Value::String(text) => *text = text.replace("[ROOT]/", ""),
        _ => {}
    }
}

fn masked_line(line: &str) -> String {
    for key in ["created: ", "generated: "] {
        if let Some((before, time)) = line.split_once(key)
            && before.trim().is_empty()
            && is_time(time.trim_matches('"'))
        {
            return format!("{before}{key}[TIME]");
        }
    }
    line.to_owned()
}

fn is_time(text: &str) -> bool {
    text.parse::<jiff::Timestamp>().is_ok()
}

/// ChartMuseum's own metrics by name and kind: what they count is another process's.
fn metric_families(text: &str) -> String {
    let families = text.lines().filter(|line| line.starts_with("# TYPE chartmuseum_"));
    families.collect::<Vec<_>>().join("\n")
}
