//! The whole of an index as Helm's struct has it, for the reader that decodes everything.

use super::entry::Row;
use crate::chart::decode::{Decoder, Target, go_struct};
use crate::chart::time::Time;
use crate::yaml::Value;
use std::collections::BTreeMap;

/// index.yaml.
#[derive(Default)]
pub(super) struct Document {
    pub(super) server_info: Object,
    pub(super) api_version: String,
    pub(super) generated: Time,
    pub(super) entries: Entries,
    pub(super) public_keys: Vec<String>,
    pub(super) annotations: BTreeMap<String, String>,
}

go_struct!(Document, "v1", "IndexFile", {
    "serverInfo" => server_info,
    "apiVersion" => api_version,
    "generated" => generated: always,
    "entries" => entries: always,
    "publicKeys" => public_keys,
    "annotations" => annotations,
});

/// A map of anything.
#[derive(Default)]
pub(super) struct Object(pub(super) Value);

impl Target for Object {
    fn go_type() -> String {
        "map[string]interface {}".to_owned()
    }

    fn decode(&mut self, value: &Value, decoder: &mut Decoder) {
        for (key, value) in decoder.entries::<Self>(value) {
            let mut member = Value::Null;
            member.decode(value, decoder);
            if let Value::Map(entries) = &mut self.0 {
                entries.push((key.clone(), member));
            } else {
                self.0 = Value::Map(vec![(key.clone(), member)]);
            }
        }
    }

    fn encode(&self) -> Value {
        self.0.clone()
    }

    fn is_empty(&self) -> bool {
        self.0 == Value::Null
    }
}

/// Charts and their versions.
#[derive(Default)]
pub(super) struct Entries(pub(super) BTreeMap<String, Vec<Option<Row>>>);

impl Target for Entries {
    fn go_type() -> String {
        "map[string]v1.ChartVersions".to_owned()
    }

    fn decode(&mut self, value: &Value, decoder: &mut Decoder) {
        for (key, value) in decoder.entries::<Self>(value) {
            let mut rows = Vec::new();
            rows.decode(value, decoder);
            self.0.insert(key.clone(), rows);
        }
    }

    fn encode(&self) -> Value {
        Value::Map(self.0.iter().map(|(name, rows)| (name.clone(), rows.encode())).collect())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
