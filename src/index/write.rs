//! An index as text, byte for byte as Helm writes it: keys sorted in YAML, in the order of its structs in JSON.

use super::Entry;
use crate::json;
use crate::yaml::{self, Value};
use serde::Serialize;

/// A chart's name and its entries, in the order they are to be written.
pub type Listing = (String, Vec<Entry>);

/// The index as `helm repo index` writes it. `charts` are sorted by name here, entries are left as they are.
pub fn yaml(charts: &[Listing], generated: &str) -> String {
    let mut charts: Vec<_> = charts.iter().collect();
    charts.sort_by(|(a, _), (b, _)| yaml::compare_keys(a, b));
    let mut text = header(charts.is_empty());
    for (name, entries) in charts {
        text.push_str(&chart(name, entries));
    }
    text.push_str(&footer(generated));
    text
}

/// What stands before the charts.
fn header(empty: bool) -> String {
    if empty { "apiVersion: v1\nentries: {}\n" } else { "apiVersion: v1\nentries:\n" }.to_owned()
}

/// What stands after the charts.
fn footer(generated: &str) -> String {
    yaml::emit(&Value::Map(vec![("generated".to_owned(), Value::String(generated.to_owned()))]))
}

fn chart(name: &str, entries: &[Entry]) -> String {
    let entries = Value::Seq(entries.iter().map(Entry::encode).collect());
    let chart = Value::Map(vec![(name.to_owned(), entries)]);
    let text = yaml::emit(&Value::Map(vec![("entries".to_owned(), chart)]));
    text.strip_prefix("entries:\n").unwrap_or(&text).to_owned()
}

/// One version's lines as they stand in the YAML of the whole, indent and last line break included.
pub fn fragment(entry: &Entry) -> String {
    let text = chart("x", std::slice::from_ref(entry));
    text.strip_prefix("  x:\n").unwrap_or(&text).to_owned()
}

/// The index as `helm repo index --json` writes it, without a last line break.
pub fn json(charts: &[Listing], generated: &str) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Document<'d> {
        api_version: &'d str,
        generated: &'d str,
        entries: std::collections::BTreeMap<&'d str, &'d [Entry]>,
    }
    let entries = charts.iter().map(|(name, entries)| (name.as_str(), entries.as_slice()));
    let document = Document { api_version: "v1", generated, entries: entries.collect() };
    String::from_utf8(json::to_vec_indented(&document)).expect("JSON of strings is UTF-8")
}
