//! The full reader. It decodes everything as Helm does, with Helm's errors (helm.md 4.2). It reads
//! the input that the fast reader leaves to it: one entry or all of them.

use super::build::Build;
use super::document::Document;
use super::entry::{Row, read_fragment};
use super::line::{Form, Line};
use super::scan::{Fallback, FastResult, Head};
use super::{Entry, json};
use crate::chart::decode::{Decoder, Syntax, Unknown};
use crate::chart::metadata::DuplicateDependency;
use crate::limits::Limits;
use crate::yaml::{self, Duplicates, Step, Value};
use crate::{Error, ErrorKind, Result};

/// Reads an index in YAML, entry by entry.
pub(super) fn read(bytes: &[u8], build: &mut Build<'_>, limits: &Limits) -> Result<Head> {
    // One budget covers everything beside the entries, which for charts without any is two nodes
    // each; and each entry has one.
    let limits =
        &Limits { yaml_nodes: limits.yaml_nodes.max(limits.index_entries), ..limits.clone() };
    let mut rows: Vec<Option<Judged>> = Vec::new();
    let mut refused: Option<String> = None;
    let document = yaml::parse_items(bytes, "entries", limits, &mut |step| {
        let Step::Item(value) = step else {
            rows.clear();
            refused = None;
            return None;
        };
        if rows.len() == limits.index_entries {
            return None;
        }
        match decode(&value, Syntax::Yaml) {
            Ok(row) => rows.push(Some(judge(row))),
            Err(text) => {
                refused.get_or_insert(text);
                rows.push(None);
            }
        }
        Some(Value::Int(rows.len() as i128 - 1))
    })?;
    let mut found = Document::default();
    Decoder::decode(&mut found, &document, Unknown::Refused).map_err(Error::invalid)?;
    if let Some(text) = refused {
        return Err(Error::invalid(text));
    }
    drop(document);
    for (name, places) in std::mem::take(&mut found.entries.0) {
        build.chart(&name).map_err(|Fallback| too_many(limits))?;
        for place in places {
            let judged = match place {
                Value::Int(at) => usize::try_from(at).ok().and_then(|at| rows.get_mut(at)?.take()),
                // The key `<<` merged it into the mapping, so the reader did not pass it as an
                // item.
                other => Some(judge(decode(&other, Syntax::Yaml).map_err(Error::invalid)?)),
            };
            build.require_room()?;
            build.take(judged.unwrap_or(Judged::Empty));
        }
    }
    Ok(found.into_head())
}

fn judge(row: Option<Row>) -> Judged {
    Judged::of(row.map(Entry::from), |entry| Line::new(json::write(entry), Form::Json, entry))
}

/// Reads one entry alone, as a list of one item. Returns `None` for a null.
pub(super) fn read_item(text: &[u8], limits: &Limits) -> FastResult<Option<Entry>> {
    match yaml::parse(text, Duplicates::Error, limits) {
        Ok(Value::Seq(items)) => match items.as_slice() {
            [item] => Ok(decode(item, Syntax::Yaml).map_err(|_| Fallback)?.map(Entry::from)),
            _ => Err(Fallback),
        },
        _ => Err(Fallback),
    }
}

/// Returns the entry that [`super::write::fragment`] wrote.
#[cfg_attr(not(feature = "server"), allow(dead_code, reason = "the server reads entries back"))]
pub(crate) fn fragment_entry(text: &str) -> Result<Entry> {
    if let Ok(entry) = read_fragment(text) {
        return Ok(entry);
    }
    let entry = read_item(text.as_bytes(), &Limits::default()).ok().flatten();
    entry.ok_or_else(|| Error::invalid("cannot read an index's entry again"))
}

/// Decodes the entry of a line in YAML.
pub(super) fn decode_yaml(raw: &[u8]) -> Result<Entry> {
    let entry = read_item(raw, &Limits::default()).ok().flatten();
    let mut entry = entry.ok_or_else(|| Error::invalid("cannot read an index's entry again"))?;
    validate(&mut entry)?;
    Ok(entry)
}

/// Decodes the entry of a line in JSON.
pub(super) fn decode_json(raw: &[u8]) -> Result<Entry> {
    let row = decode(&json::value(raw)?, Syntax::Json).map_err(Error::invalid)?;
    let mut entry = Entry::from(row.unwrap_or_default());
    validate(&mut entry)?;
    Ok(entry)
}

/// Decodes an entry. Returns `None` for a null.
pub(super) fn decode(value: &Value, syntax: Syntax) -> Result<Option<Row>, String> {
    let mut row: Option<Row> = None;
    let place = ("IndexFile", ["entries"].as_slice());
    let unknown = match syntax {
        Syntax::Yaml => Unknown::Refused,
        Syntax::Json => Unknown::Ignored,
    };
    Decoder::decode_within(&mut row, value, syntax, unknown, place)?;
    Ok(row)
}

/// Helm's verdict on a readable entry.
#[derive(Debug)]
pub(super) enum Judged {
    Good(Line),
    /// A dropped entry: its version and the reason.
    Bad(String, Error),
    /// A null, which is dropped.
    Empty,
}

impl Judged {
    /// Checks an entry. `line` makes a line of it after the cleaning.
    pub(super) fn of(entry: Option<Entry>, line: impl FnOnce(&Entry) -> Line) -> Self {
        let Some(mut entry) = entry else { return Self::Empty };
        match validate(&mut entry) {
            Ok(()) => Self::Good(line(&entry)),
            Err(error) => Self::Bad(entry.metadata.version, error),
        }
    }
}

fn validate(entry: &mut Entry) -> Result<()> {
    // JFrog's repositories remove aliases, so dependencies appear to be duplicates (helm #12748).
    entry.metadata.fill_api_version();
    match entry.metadata.validate() {
        Err(error) if error.find::<DuplicateDependency>().is_none() => Err(error),
        _ => Ok(()),
    }
}

/// Makes the error of an index with too many entries.
pub(super) fn too_many(limits: &Limits) -> Error {
    let message = format!("index has more than {} entries", limits.index_entries);
    Error::new(ErrorKind::Limit, message)
}

impl Document {
    pub(super) fn into_head(self) -> Head {
        let context_path = self.server_info.0.get("contextPath").and_then(Value::to_go_string);
        Head {
            api_version: self.api_version,
            generated: self.generated.to_string(),
            context_path: context_path.unwrap_or_default(),
        }
    }
}
