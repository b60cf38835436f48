//! The content of values.yaml as Helm has it in memory: documents merged, every number a float,
//! keys sorted.

use crate::{
    Error, Result,
    error::Context as _,
    limits::Limits,
    yaml::{self, Duplicates},
};
use serde_json::{Map, Number, Value};

/// Reads a values file of any number of documents. A later one overrides those before it.
///
/// # Errors
/// `Invalid` for a text that is not YAML, and for a document that is not a mapping.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<Value> {
    let mut values = Map::new();
    for document in yaml::parse_all(bytes, Duplicates::LastWins, limits)? {
        document.require_json()?;
        let kind = document.go_kind();
        match json(document) {
            Value::Object(entries) => merge(&mut values, entries),
            Value::Null => {}
            _ => {
                let text = format!(
                    "json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
                );
                return Err(Error::invalid(text))
                    .context(|| "error unmarshaling JSON: while decoding JSON".to_owned());
            }
        }
    }
    sort(&mut values);
    Ok(Value::Object(values))
}

/// Merges `over` into `base`: mappings entry by entry, any other value as a whole.
pub fn merge(base: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Object(there)), Value::Object(entries)) => merge(there, entries),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// Sorts the keys, as Go does for output.
fn sort(entries: &mut Map<String, Value>) {
    entries.sort_keys();
    entries.values_mut().for_each(sort_within);
}

fn sort_within(value: &mut Value) {
    match value {
        Value::Object(entries) => sort(entries),
        Value::Array(values) => values.iter_mut().for_each(sort_within),
        _ => {}
    }
}

/// Converts integers to floats, as Helm does through JSON.
fn json(value: yaml::Value) -> Value {
    let float = |value: f64| Number::from_f64(value).map_or(Value::Null, Value::Number);
    match value {
        yaml::Value::Null => Value::Null,
        yaml::Value::Bool(value) => Value::Bool(value),
        yaml::Value::Int(value) => float(value as f64),
        yaml::Value::Float(value) => float(value),
        yaml::Value::String(text) => Value::String(text),
        yaml::Value::Seq(values) => values.into_iter().map(json).collect(),
        yaml::Value::Map(entries) => {
            entries.into_iter().map(|(key, value)| (key, json(value))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_merged_and_numbers_are_floats() {
        let bytes = b"b: {x: 1, c: [1]}\na: 1\n---\nb: {c: [2], z: yes}\n---\n";
        let values = read(bytes, &Limits::default()).expect("values");
        assert_eq!(values.to_string(), r#"{"a":1.0,"b":{"c":[2.0],"x":1.0,"z":true}}"#);
        assert_eq!(read(b"", &Limits::default()).expect("nothing").to_string(), "{}");
        read(b"- a\n", &Limits::default()).expect_err("a sequence");
        read(b"a: .inf\n", &Limits::default()).expect_err("no JSON");
    }
}
