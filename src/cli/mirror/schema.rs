//! The schema of `mirror.yaml`, key by key. Errors name the path and the expected value. This
//! module checks types and ranges; each user of a text checks its meaning.

use crate::{Error, Result, oci::Registry};
use serde_json::{Map, Value as Json};

/// The allowed value of a key.
enum Shape {
    Text,
    Flag,
    /// A whole number from 1 on.
    Count,
    /// A number above 0.
    Rate,
    /// A number of versions, or a part: `10%`.
    Guard,
    /// A registry host, `HOST[:PORT]`.
    Host,
    /// One of these words.
    Word(&'static [&'static str]),
    List(&'static Self),
    /// An object with these keys; required keys have [`Need::Must`].
    Keys(&'static [(&'static str, Need, Self)]),
    /// A text, or the keys.
    TextOr(&'static Self),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    May,
    Must,
}

use Need::{May, Must};
use Shape::{Count, Flag, Guard, Host, Keys, List, Rate, Text, TextOr, Word};

const RULE: Shape = Keys(&[("name", Must, Text), ("versions", May, Text), ("latest", May, Count)]);
const SOURCE: Shape = Keys(&[
    ("url", Must, Text),
    ("name", May, Text),
    ("repositories", May, List(&Text)),
    ("immutableTags", May, Flag),
    ("charts", May, List(&TextOr(&RULE))),
    ("exclude", May, List(&Text)),
    ("versions", May, Text),
    ("latest", May, Count),
    ("since", May, Text),
    ("minAge", May, Text),
    ("skipDeprecated", May, Flag),
    ("skipPrerelease", May, Flag),
]);
const HOST: Shape = Keys(&[
    ("host", Must, Host),
    ("username", May, Text),
    ("passwordEnv", May, Text),
    ("passwordFile", May, Text),
    ("caFile", May, Text),
    ("plainHttp", May, Flag),
    ("concurrency", May, Count),
    ("rate", May, Rate),
]);
const DOCUMENT: Shape = Keys(&[
    ("sources", Must, List(&SOURCE)),
    (
        "destination",
        Must,
        Keys(&[
            ("url", Must, Text),
            ("template", May, Text),
            ("aliasWithoutV", May, Flag),
            ("rewriteDependencies", May, Flag),
            ("dependencyUrls", May, List(&Text)),
            ("artifacthub", May, Text),
            ("createRepositoryCommand", May, Text),
        ]),
    ),
    ("withDependencies", May, Flag),
    ("noProv", May, Flag),
    ("onDigestMismatch", May, Word(&["fail", "warn", "accept"])),
    ("onConflict", May, Word(&["fail", "skip", "overwrite"])),
    ("prune", May, Keys(&[("maxDelete", May, Guard)])),
    ("state", May, Keys(&[("file", May, Text), ("ref", May, Text)])),
    ("lookEvery", May, Text),
    ("trustTags", May, Flag),
    ("concurrency", May, Count),
    ("rate", May, Rate),
    ("hosts", May, List(&HOST)),
    ("metricsFile", May, Text),
    ("reportFile", May, Text),
]);

/// Validates a whole file.
///
/// # Errors
/// `Usage`, with the path of the key and the expected value.
pub(super) fn check(document: &Json) -> Result<()> {
    DOCUMENT.check(document, "")
}

impl Shape {
    fn check(&self, value: &Json, path: &str) -> Result<()> {
        let fits = match (self, value) {
            (Self::Keys(keys), Json::Object(entries)) => return check_keys(keys, entries, path),
            (Self::List(shape), Json::Array(values)) => {
                for (at, value) in values.iter().enumerate() {
                    shape.check(value, &format!("{path}[{at}]"))?;
                }
                return Ok(());
            }
            (Self::TextOr(_), Json::String(_)) | (Self::Text, Json::String(_)) => true,
            (Self::TextOr(shape), Json::Object(_)) => return shape.check(value, path),
            (Self::Flag, value) => value.is_boolean(),
            (Self::Count, value) => value.as_u64().is_some_and(|number| number > 0),
            (Self::Rate, value) => {
                value.as_f64().is_some_and(|number| number.is_finite() && number > 0.0)
            }
            (Self::Guard, Json::String(text)) => {
                text.parse::<crate::mirror::finish::prune::Guard>().is_ok()
            }
            (Self::Guard, value) => value.is_u64(),
            (Self::Host, Json::String(text)) => text.parse::<Registry>().is_ok(),
            (Self::Word(words), Json::String(text)) => words.contains(&text.as_str()),
            _ => false,
        };
        if fits {
            return Ok(());
        }
        let place = if path.is_empty() { "the file".to_owned() } else { format!("`{path}`") };
        Err(Error::usage(format!("{place} must be {}, not {}", self.expected(), shown(value))))
    }

    fn expected(&self) -> String {
        match self {
            Self::Text => "a text".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Count => "a whole number of at least 1".to_owned(),
            Self::Rate => "a number above 0".to_owned(),
            Self::Guard => "a number, or a part such as `10%`".to_owned(),
            Self::Host => "`HOST[:PORT]`, as in `registry.example.com:5000`".to_owned(),
            Self::Word(words) => words.join(", "),
            Self::List(_) => "a list".to_owned(),
            Self::Keys(keys) => format!("a mapping of {}", names(keys)),
            Self::TextOr(shape) => format!("a text, or {}", shape.expected()),
        }
    }
}

fn check_keys(keys: &[(&str, Need, Shape)], entries: &Map<String, Json>, path: &str) -> Result<()> {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    for (key, value) in entries {
        match keys.iter().find(|(name, ..)| name == key) {
            Some((_, _, shape)) => shape.check(value, &below(key))?,
            None => {
                return Err(Error::usage(format!("unknown key `{}`", below(key)))
                    .with_hint(format!("known are {}", names(keys))));
            }
        }
    }
    match keys.iter().find(|(name, need, _)| *need == Must && !entries.contains_key(*name)) {
        Some((name, _, shape)) => {
            Err(Error::usage(format!("`{}` is missing: {}", below(name), shape.expected())))
        }
        None => Ok(()),
    }
}

fn names(keys: &[(&str, Need, Shape)]) -> String {
    keys.iter().map(|(name, ..)| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn shown(value: &Json) -> String {
    match value {
        Json::Null => "nothing".to_owned(),
        Json::Array(_) => "a list".to_owned(),
        Json::Object(_) => "a mapping".to_owned(),
        value => format!("`{value}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_wrong_is_said_by_its_path_and_what_is_expected() {
        let good = json!({"sources": [{"url": "a"}], "destination": {"url": "b"}});
        check(&good).expect("good");
        for (key, value, said) in [
            (
                "concurrency",
                json!(0),
                "`concurrency` must be a whole number of at least 1, not `0`",
            ),
            ("concurrency", json!("x"), "`concurrency` must be a whole number"),
            ("rate", json!(-1), "`rate` must be a number above 0, not `-1`"),
            ("hosts", json!([{"host": "http://h"}]), "`hosts[0].host` must be `HOST[:PORT]`"),
            (
                "hosts",
                json!([{"host": "h", "rate": 0}]),
                "`hosts[0].rate` must be a number above 0",
            ),
            ("sources", json!("a"), "`sources` must be a list, not `\"a\"`"),
            ("sources", json!([{"url": "a", "latest": 0}]), "`sources[0].latest` must be"),
            (
                "sources",
                json!([{"url": "a", "charts": [1]}]),
                "`sources[0].charts[0]` must be a text, or a mapping of",
            ),
            (
                "sources",
                json!([{"url": "a", "charts": [{"versions": "1"}]}]),
                "`sources[0].charts[0].name` is missing",
            ),
            ("destination", json!("x"), "`destination` must be a mapping of `url`"),
            (
                "destination",
                json!({"url": "x", "aliasWithoutV": 1}),
                "`destination.aliasWithoutV` must be true or false",
            ),
            (
                "onConflict",
                json!("win"),
                "`onConflict` must be fail, skip, overwrite, not `\"win\"`",
            ),
            ("prune", json!({"maxDelete": "many"}), "`prune.maxDelete` must be a number"),
            ("colour", json!("red"), "unknown key `colour`"),
        ] {
            let mut bad = good.clone();
            bad[key] = value;
            let error = check(&bad).expect_err(said);
            assert!(error.message().starts_with(said), "{said}\n{error:?}");
        }
        check(&json!([])).expect_err("no mapping");
    }
}
