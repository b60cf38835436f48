//! The full reader: decodes every entry as Helm does (helm.md 4.2).

use super::document::Document;
use super::{Chart, Entry, Index, Line, order};
use crate::chart::decode::{Decoder, Unknown};
use crate::limits::Limits;
use crate::yaml::{self, Duplicates, Value};
use crate::{Error, Result, quote};
use bytes::Bytes;

impl Index {
    /// Reads an index as Helm does: JSON leniently, anything else as YAML strictly (an unknown or doubled key anywhere
    /// refuses it whole). Entries that are no charts are dropped with a warning, which names `source`.
    ///
    /// # Errors
    /// Helm's text without the file's name.
    pub fn read(bytes: Bytes, source: &str, limits: &Limits) -> Result<Self> {
        if bytes.is_empty() {
            return Err(Error::invalid("empty index.yaml file"));
        }
        let mut document = Document::default();
        if let Ok(value) = serde_json::from_slice::<serde_json::Value>(&bytes) {
            Decoder::decode(&mut document, &from_json(value), Unknown::Ignored)
        } else {
            let limits = Limits { yaml_nodes: usize::MAX, ..limits.clone() };
            let value = yaml::parse(&bytes, Duplicates::Error, &limits)?;
            Decoder::decode(&mut document, &value, Unknown::Refused)
        }
        .map_err(Error::invalid)?;
        judge(document, source)
    }
}

/// Drops what is no chart, sorts the rest.
fn judge(document: Document, source: &str) -> Result<Index> {
    let (mut charts, mut lines, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    let mut listed = 0;
    for (name, rows) in document.entries.0 {
        let mut kept = Vec::with_capacity(rows.len());
        listed += rows.len();
        for row in rows.into_iter().rev() {
            let quoted = quote::go(&name);
            let Some(row) = row else {
                warnings.push(format!(
                    "skipping loading invalid entry for chart {quoted} from {source}: empty entry"
                ));
                continue;
            };
            let mut entry = Entry::from(row);
            entry.metadata.fill_api_version();
            match entry.metadata.validate() {
                Err(error) if !is_tolerated(&error) => warnings.push(format!(
                    "skipping loading invalid entry for chart {quoted} {} from {source}: {}",
                    quote::go(&entry.metadata.version),
                    error.message()
                )),
                _ => kept.push(Line::new(entry)),
            }
        }
        kept.reverse();
        order::sort(&mut kept, Line::version);
        let start = lines.len();
        lines.append(&mut kept);
        charts.push(Chart { name: name.into(), lines: start..lines.len() });
    }
    if document.api_version.is_empty() {
        return Err(Error::invalid("no API version specified"));
    }
    let context_path = document.server_info.0.get("contextPath").and_then(Value::to_go_string);
    Ok(Index {
        charts,
        lines,
        listed,
        warnings,
        generated: document.generated.to_string(),
        context_path: context_path.unwrap_or_default(),
    })
}

/// JFrog's repositories strip aliases, so that dependencies seem to stand twice (helm #12748).
fn is_tolerated(error: &Error) -> bool {
    error.message().starts_with("validation: more than one dependency with name or alias")
}

fn from_json(value: serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => number
            .as_i128()
            .map_or_else(|| Value::Float(number.as_f64().unwrap_or_default()), Value::Int),
        Json::String(text) => Value::String(text),
        Json::Array(values) => Value::Seq(values.into_iter().map(from_json).collect()),
        Json::Object(entries) => {
            Value::Map(entries.into_iter().map(|(key, value)| (key, from_json(value))).collect())
        }
    }
}
