//! The fields of an index other than its entries, as in Helm's struct, for the reader that decodes
//! everything.

use crate::chart::decode::{Decoder, Target, go_struct};
use crate::chart::time::Time;
use crate::yaml::{Node, Value};
use std::collections::BTreeMap;

/// The content of index.yaml, with undecoded entries.
#[derive(Default)]
pub(super) struct Document {
    pub(super) server_info: Object,
    pub(super) api_version: String,
    pub(super) generated: Time,
    pub(super) entries: Entries,
    pub(super) public_keys: Vec<String>,
    pub(super) annotations: BTreeMap<String, String>,
}

go_struct!(Document, "repo", "IndexFile", {
    "serverInfo" => server_info,
    "apiVersion" => api_version,
    "generated" => generated: always,
    "entries" => entries: always,
    "publicKeys" => public_keys,
    "annotations" => annotations,
});

/// A map of arbitrary values.
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

    fn encode(&self) -> Node<'_> {
        Node::from(&self.0)
    }

    fn is_empty(&self) -> bool {
        self.0 == Value::Null
    }
}

/// Charts and the lists of their versions. Other functions decode the items.
#[derive(Default)]
pub(super) struct Entries(pub(super) BTreeMap<String, Vec<Value>>);

/// The list of a chart's versions.
#[derive(Default)]
struct Versions(Vec<Value>);

impl Target for Entries {
    fn go_type() -> String {
        "map[string]repo.ChartVersions".to_owned()
    }

    fn decode(&mut self, value: &Value, decoder: &mut Decoder) {
        for (key, value) in decoder.entries::<Self>(value) {
            let mut versions = Versions::default();
            versions.decode(value, decoder);
            self.0.insert(key.clone(), versions.0);
        }
    }

    fn encode(&self) -> Node<'_> {
        let charts = self.0.iter().map(|(name, versions)| {
            (name.as_str(), Node::Seq(versions.iter().map(Node::from).collect()))
        });
        Node::Map(charts.collect())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Target for Versions {
    fn go_type() -> String {
        "repo.ChartVersions".to_owned()
    }

    fn decode(&mut self, value: &Value, decoder: &mut Decoder) {
        match value {
            Value::Seq(values) => self.0.clone_from(values),
            Value::Null => {}
            other => decoder.mismatch::<Self>(other),
        }
    }

    fn encode(&self) -> Node<'_> {
        Node::Seq(self.0.iter().map(Node::from).collect())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
