//! A writer of indexes, with the same bytes as Helm: with sorted keys in YAML, in the order of its
//! structs in JSON.

use super::Entry;
use crate::json;
use crate::yaml::{self, Value};
use std::io;

/// The name of a chart and its entries, in the order in which they are written.
pub type Listing = (String, Vec<Entry>);

/// Returns the index as `helm repo index` writes it. This sorts `charts` by name, and keeps the
/// order of entries.
pub fn yaml(charts: &[Listing], generated: &str) -> String {
    let fragments: Vec<(&str, Vec<String>)> = charts
        .iter()
        .map(|(name, entries)| (name.as_str(), entries.iter().map(fragment).collect()))
        .collect();
    collected(|out| {
        let charts =
            fragments.iter().map(|(name, texts)| (*name, texts.iter().map(String::as_str)));
        yaml_pieces(charts, generated, out)
    })
}

/// Returns the index as `helm repo index --json` writes it, without a last line break.
pub fn json(charts: &[Listing], generated: &str) -> String {
    let fragments: Vec<(&str, Vec<String>)> = charts
        .iter()
        .map(|(name, entries)| (name.as_str(), entries.iter().map(json_fragment).collect()))
        .collect();
    collected(|out| {
        let charts =
            fragments.iter().map(|(name, texts)| (*name, texts.iter().map(String::as_str)));
        json_pieces(charts, generated, out)
    })
}

/// Returns one version's lines in the YAML of the whole index, with indentation and last line
/// break. A whole index is `apiVersion: v1`, `entries:`, for each chart [`key`] and its fragments,
/// and [`footer`].
pub fn fragment(entry: &Entry) -> String {
    yaml::emit_item(&entry.encode(), 2)
}

/// Returns one version's text in the JSON of the whole index, without indentation before it or a
/// comma after it.
pub(crate) fn json_fragment(entry: &Entry) -> String {
    // A line break within a string is escaped, so that every one here begins a line.
    text(json::to_vec_indented(entry)).replace('\n', "\n      ")
}

/// Returns a chart's line before its fragments. Helm writes a name of more than 128 characters in
/// another form with the same meaning.
pub fn key(name: &str) -> String {
    let text = chart(name, Value::Null);
    match text.strip_suffix(" null\n") {
        Some(key) => format!("{key}\n"),
        None => text,
    }
}

/// Returns the text of the index after the charts.
pub fn footer(generated: &str) -> String {
    let generated = Value::String(generated.to_owned());
    yaml::emit(&Value::Map(vec![("generated".to_owned(), generated)]))
}

/// Writes an index from its fragments.
pub(crate) fn yaml_pieces<'t, T: Iterator<Item = &'t str>>(
    charts: impl Iterator<Item = (&'t str, T)>,
    generated: &str,
    out: &mut dyn FnMut(&str) -> io::Result<()>,
) -> io::Result<()> {
    let mut charts: Vec<_> = charts.collect();
    charts.sort_by(|(a, _), (b, _)| yaml::compare_keys(a, b));
    out(if charts.is_empty() {
        "apiVersion: v1\nentries: {}\n"
    } else {
        "apiVersion: v1\nentries:\n"
    })?;
    for (name, texts) in charts {
        let mut texts = texts.peekable();
        if texts.peek().is_none() {
            out(&chart(name, Value::Seq(Vec::new())))?;
            continue;
        }
        out(&key(name))?;
        for text in texts {
            out(text)?;
        }
    }
    out(&footer(generated))
}

/// Writes an index from its fragments, as JSON.
pub(crate) fn json_pieces<'t, T: Iterator<Item = &'t str>>(
    charts: impl Iterator<Item = (&'t str, T)>,
    generated: &str,
    out: &mut dyn FnMut(&str) -> io::Result<()>,
) -> io::Result<()> {
    let mut charts: Vec<_> = charts.collect();
    charts.sort_by_key(|(name, _)| *name);
    let generated = text(json::to_vec(generated));
    out(&format!(
        "{{\n  \"apiVersion\": \"v1\",\n  \"generated\": {generated},\n  \"entries\": {{"
    ))?;
    let empty = charts.is_empty();
    for (at, (name, texts)) in charts.into_iter().enumerate() {
        let name = text(json::to_vec(name));
        out(&format!("{}\n    {name}: [", if at == 0 { "" } else { "," }))?;
        let mut separator = "\n      ";
        for text in texts {
            out(separator)?;
            out(text)?;
            separator = ",\n      ";
        }
        out(if separator.starts_with(',') { "\n    ]" } else { "]" })?;
    }
    out(if empty { "}\n}" } else { "\n  }\n}" })
}

/// Returns the lines of one chart.
fn chart(name: &str, entries: Value) -> String {
    let chart = Value::Map(vec![(name.to_owned(), entries)]);
    let text = yaml::emit(&Value::Map(vec![("entries".to_owned(), chart)]));
    text.strip_prefix("entries:\n").unwrap_or(&text).to_owned()
}

fn text(json: Vec<u8>) -> String {
    String::from_utf8(json).expect("JSON of strings is UTF-8")
}

fn collected(
    write: impl FnOnce(&mut dyn FnMut(&str) -> io::Result<()>) -> io::Result<()>,
) -> String {
    let mut text = String::new();
    write(&mut |piece| {
        text.push_str(piece);
        Ok(())
    })
    .expect("writing to memory does not fail");
    text
}
