//! A reader of indexes in JSON, which Helm reads tolerantly: it ignores unknown keys, accepts keys
//! in any case, and uses the last of duplicate keys. But a text field does not accept a number.

use super::build::Build;
use super::document::Document;
use super::draft::Draft;
use super::full::{self, Judged};
use super::line::{Form, Line};
use super::scan::Head;
use super::{Entry, json_scan};
use crate::chart::decode::{Decoder, Syntax, Unknown, find_field};
use crate::limits::Limits;
use crate::yaml::Value;
use crate::{Error, Result, json};
use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

/// Reads an index in JSON. Returns `None` if it is not JSON.
pub(super) fn read(bytes: &Bytes, build: &mut Build<'_>, limits: &Limits) -> Option<Result<Head>> {
    // A YAML mapping in braces is rare, so it may cost two readings.
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace())?;
    if !b"{[\"0123456789-tfn".contains(first) {
        return None;
    }
    let raw: &RawValue = serde_json::from_slice(bytes).ok()?;
    Some(read_document(bytes, raw, build, limits))
}

fn read_document(
    bytes: &Bytes,
    raw: &RawValue,
    build: &mut Build<'_>,
    limits: &Limits,
) -> Result<Head> {
    let mut rest = Vec::new();
    let mut charts: BTreeMap<String, &RawValue> = BTreeMap::new();
    match serde_json::from_str::<Pairs<'_>>(raw.get()) {
        Ok(Pairs(members)) => {
            for (key, value) in members {
                match serde_json::from_str::<Pairs<'_>>(value.get()) {
                    Ok(Pairs(entries)) if find_field(&["entries"], &key).is_some() => {
                        charts.extend(entries);
                    }
                    _ => rest.push((key, self::value(value.get().as_bytes())?)),
                }
            }
            decode_document(&Value::Map(rest))
        }
        Err(_) => decode_document(&self::value(raw.get().as_bytes())?),
    }
    .and_then(|document| {
        for (name, list) in charts {
            read_chart(bytes, &name, list, build, limits)?;
        }
        Ok(document.into_head())
    })
}

fn decode_document(value: &Value) -> Result<Document> {
    let mut document = Document::default();
    let (syntax, unknown) = (Syntax::Json, Unknown::Ignored);
    Decoder::decode_within(&mut document, value, syntax, unknown, ("", &[]))
        .map_err(Error::invalid)?;
    Ok(document)
}

fn read_chart(
    bytes: &Bytes,
    name: &str,
    list: &RawValue,
    build: &mut Build<'_>,
    limits: &Limits,
) -> Result<()> {
    let Ok(items) = serde_json::from_str::<Option<Vec<&RawValue>>>(list.get()) else {
        let chart = Value::Map(vec![(name.to_owned(), self::value(list.get().as_bytes())?)]);
        return decode_document(&Value::Map(vec![("entries".to_owned(), chart)])).map(drop);
    };
    build.chart(name).map_err(|_| full::too_many(limits))?;
    let mut draft = Draft::default();
    for item in items.unwrap_or_default() {
        build.require_room()?;
        if let Ok(line) = json_scan::entry(bytes.slice_ref(item.get().as_bytes()), &mut draft) {
            build.take(Judged::Good(line));
            continue;
        }
        let value = self::value(item.get().as_bytes())?;
        let row = full::decode(&value, Syntax::Json).map_err(Error::invalid)?;
        let raw = bytes.slice_ref(item.get().as_bytes());
        let entry = row.map(Entry::from);
        build.take(Judged::of(entry, |entry| Line::new(raw, Form::Json, entry)));
    }
    Ok(())
}

/// Writes the text of an entry for a line that has none.
pub(super) fn write(entry: &Entry) -> Bytes {
    json::to_vec(entry).into()
}

/// Reads a JSON value, with duplicate keys.
pub(crate) fn value(bytes: &[u8]) -> Result<Value> {
    serde_json::from_slice::<Any>(bytes)
        .map(|any| any.0)
        .map_err(|error| Error::invalid("cannot read JSON").with_source(error))
}

/// The members of an object, in their order.
struct Pairs<'j>(Vec<(String, &'j RawValue)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Pairs(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

struct Any(Value);

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whatever;
        impl<'de> Visitor<'de> for Whatever {
            type Value = Any;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any JSON")
            }

            fn visit_unit<E>(self) -> Result<Any, E> {
                Ok(Any(Value::Null))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Any, E> {
                Ok(Any(Value::Bool(value)))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Any, E> {
                Ok(Any(Value::Int(value.into())))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Any, E> {
                Ok(Any(Value::Int(value.into())))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Any, E> {
                Ok(Any(Value::Float(value)))
            }

            fn visit_str<E>(self, value: &str) -> Result<Any, E> {
                Ok(Any(Value::String(value.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Any, A::Error> {
                let mut values = Vec::new();
                while let Some(Any(value)) = seq.next_element()? {
                    values.push(value);
                }
                Ok(Any(Value::Seq(values)))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Any, A::Error> {
                let mut entries = Vec::new();
                while let Some((key, Any(value))) = map.next_entry()? {
                    entries.push((key, value));
                }
                Ok(Any(Value::Map(entries)))
            }
        }
        deserializer.deserialize_any(Whatever)
    }
}
