//! The index of one namespace at one moment: joined, and compressed, when it is first asked for, once for everybody who
//! asks before the next change.

use super::{Format, Settings, item::Item, namespace::Sum};
use crate::{
    index::write,
    store::blocking,
    yaml::{self, Value},
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use std::{io::Write, sync::Arc};
use tokio::sync::OnceCell;

/// The charts by name, each with its versions, newest first.
pub(super) type Charts = Vec<(Arc<str>, Vec<Arc<Item>>)>;

/// How an index is encoded on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
    Zstd,
}

impl Coding {
    /// Its name in `Content-Encoding`, if it needs one.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }
}

/// The index of a namespace.
#[derive(Debug)]
pub(super) struct Index {
    settings: Arc<Settings>,
    sum: Sum,
    charts: Charts,
    generated: jiff::Timestamp,
    plain: OnceCell<Bytes>,
    gzip: OnceCell<Bytes>,
    zstd: OnceCell<Bytes>,
}

impl Index {
    pub(super) fn new(
        settings: Arc<Settings>,
        sum: Sum,
        charts: Charts,
        generated: jiff::Timestamp,
    ) -> Self {
        Self {
            settings,
            sum,
            charts,
            generated,
            plain: OnceCell::new(),
            gzip: OnceCell::new(),
            zstd: OnceCell::new(),
        }
    }

    /// The ETag in one coding; other bytes need another.
    pub(super) fn etag(settings: &Settings, sum: Sum, coding: Coding) -> String {
        let base = base_of_etag(settings, sum);
        match coding.name() {
            None => format!("\"{base}\""),
            Some(name) => format!("\"{base}-{name}\""),
        }
    }

    /// What the index is the hash of.
    pub(super) fn sum(&self) -> Sum {
        self.sum
    }

    /// The whole text in that coding.
    pub(super) async fn body(self: &Arc<Self>, coding: Coding) -> Bytes {
        let plain = self.plain.get_or_init(|| {
            let this = Arc::clone(self);
            blocking(move || Bytes::from(this.text()))
        });
        let plain = plain.await;
        let (cell, compress): (_, fn(&[u8]) -> Vec<u8>) = match coding {
            Coding::Identity => return plain.clone(),
            Coding::Gzip => (&self.gzip, gzip),
            Coding::Zstd => (&self.zstd, zstd),
        };
        let packed = cell.get_or_init(|| {
            let plain = plain.clone();
            blocking(move || Bytes::from(compress(&plain)))
        });
        packed.await.clone()
    }

    fn text(&self) -> Vec<u8> {
        match self.settings.format {
            Format::Yaml => self.yaml().into_bytes(),
            Format::Json => self.json().into_bytes(),
        }
    }

    /// As Helm writes an index, with `serverInfo`, from which clients of the ChartMuseum API learn its context path.
    fn yaml(&self) -> String {
        let items = self.charts.iter().flat_map(|(_, items)| items);
        let size = items.map(|item| item.yaml.len()).sum::<usize>() + self.charts.len() * 64 + 256;
        let mut text = String::with_capacity(size);
        text.push_str("apiVersion: v1\nentries:");
        text.push_str(if self.charts.is_empty() { " {}\n" } else { "\n" });
        let mut charts: Vec<_> = self.charts.iter().collect();
        charts.sort_by(|(a, _), (b, _)| yaml::compare_keys(a, b));
        for (name, items) in charts {
            text.push_str(&write::key(name));
            items.iter().for_each(|item| text.push_str(&item.yaml));
        }
        let pair = |key: &str, value| (key.to_owned(), value);
        let path = &self.settings.context_path;
        let server = if path.is_empty() {
            Value::Map(Vec::new())
        } else {
            Value::Map(vec![pair("contextPath", Value::String(path.clone()))])
        };
        let generated = Value::String(self.generated.to_string());
        text.push_str(&yaml::emit(&Value::Map(vec![
            pair("generated", generated),
            pair("serverInfo", server),
        ])));
        text
    }

    fn json(&self) -> String {
        let items = self.charts.iter().flat_map(|(_, items)| items);
        let size = items.map(|item| item.json.len() + 1).sum::<usize>() + self.charts.len() * 64;
        let mut text = String::with_capacity(size + 256);
        text.push_str(&format!(
            r#"{{"apiVersion":"v1","generated":"{}","entries":{{"#,
            self.generated
        ));
        for (at, (name, items)) in self.charts.iter().enumerate() {
            text.push_str(if at == 0 { "" } else { "," });
            text.push_str(&json_string(name));
            text.push_str(":[");
            for (at, item) in items.iter().enumerate() {
                text.push_str(if at == 0 { "" } else { "," });
                text.push_str(&item.json);
            }
            text.push(']');
        }
        text.push_str(r#"},"serverInfo":{"#);
        if !self.settings.context_path.is_empty() {
            text.push_str(r#""contextPath":"#);
            text.push_str(&json_string(&self.settings.context_path));
        }
        text.push_str("}}");
        text
    }
}

fn json_string(text: &str) -> String {
    String::from_utf8_lossy(&crate::json::to_vec(text)).into_owned()
}

/// What does not change with the coding: the sum of the entries, and what is written around them.
fn base_of_etag(settings: &Settings, sum: Sum) -> String {
    let form = match settings.format {
        Format::Yaml => "y",
        Format::Json => "j",
    };
    // The path is short and rarely there; as hex it cannot break the quotes.
    let path: String = settings.context_path.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{sum}{form}{path}")
}

/// Whether `If-None-Match` names what we have, in whatever coding: the text is the same.
pub(super) fn names(if_none_match: &str, settings: &Settings, sum: Sum) -> bool {
    let base = base_of_etag(settings, sum);
    if_none_match.split(',').map(str::trim).any(|tag| {
        let bare = tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"');
        let bare =
            bare.strip_suffix("-gzip").or_else(|| bare.strip_suffix("-zstd")).unwrap_or(bare);
        tag == "*" || bare == base
    })
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 6), Compression::new(LEVEL));
    encoder.write_all(plain).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

/// An index is text that repeats itself.
const LEVEL: u32 = 5;

fn zstd(plain: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(plain, ruzstd::encoding::CompressionLevel::Fastest)
}
