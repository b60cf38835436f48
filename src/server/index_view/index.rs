//! Index of one namespace at one moment. The first request joins and compresses it for all requests
//! before the next change. Unchanged parts are not compressed again.

use super::{
    Format, Settings,
    chart_version::Item,
    compress::{self, Deflated, Gzip},
    namespace::Sum,
};
use crate::{
    index::write,
    store::blocking,
    yaml::{self, Value},
};
use bytes::Bytes;
use std::sync::{Arc, OnceLock};
use tokio::sync::OnceCell;

/// Part of an index: consecutive charts with their versions, newest first.
#[derive(Debug)]
pub(super) struct Part {
    charts: Vec<(Arc<str>, Vec<Arc<Item>>)>,
    gzip: OnceLock<Deflated>,
    zstd: OnceLock<Bytes>,
}

impl Part {
    pub(super) fn new(charts: impl Iterator<Item = (Arc<str>, Vec<Arc<Item>>)>) -> Self {
        Self { charts: charts.collect(), gzip: OnceLock::new(), zstd: OnceLock::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.charts.is_empty()
    }

    fn items(&self) -> impl Iterator<Item = &Arc<Item>> {
        self.charts.iter().flat_map(|(_, items)| items)
    }

    /// Returns the approximate length of the text in bytes.
    fn size(&self) -> usize {
        self.items().map(|item| item.text.len() + 1).sum::<usize>() + self.charts.len() * 32
    }

    fn write(&self, format: Format, text: &mut String) {
        for (at, (name, items)) in self.charts.iter().enumerate() {
            match format {
                Format::Yaml => {
                    text.push_str(&write::key(name));
                    items.iter().for_each(|item| text.push_str(&item.text));
                }
                Format::Json => {
                    text.push_str(if at == 0 { "" } else { "," });
                    text.push_str(&json_string(name));
                    text.push_str(":[");
                    for (at, item) in items.iter().enumerate() {
                        text.push_str(if at == 0 { "" } else { "," });
                        text.push_str(&item.text);
                    }
                    text.push(']');
                }
            }
        }
    }

    fn text(&self, format: Format) -> String {
        let mut text = String::with_capacity(self.size());
        self.write(format, &mut text);
        text
    }
}

/// Content coding of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
    Zstd,
}

impl Coding {
    /// Returns the name for `Content-Encoding`, if the coding needs one.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }
}

/// Index of a namespace.
#[derive(Debug)]
pub(super) struct Index {
    settings: Arc<Settings>,
    sum: Sum,
    parts: Vec<Arc<Part>>,
    generated: jiff::Timestamp,
    plain: OnceCell<Bytes>,
    gzip: OnceCell<Bytes>,
    zstd: OnceCell<Bytes>,
}

impl Index {
    pub(super) fn new(
        settings: Arc<Settings>,
        sum: Sum,
        parts: Vec<Arc<Part>>,
        generated: jiff::Timestamp,
    ) -> Self {
        Self {
            settings,
            sum,
            parts,
            generated,
            plain: OnceCell::new(),
            gzip: OnceCell::new(),
            zstd: OnceCell::new(),
        }
    }

    /// Returns the sum over which the ETag is computed.
    pub(super) fn sum(&self) -> Sum {
        self.sum
    }

    /// Returns the whole text in that coding.
    pub(super) async fn body(self: &Arc<Self>, coding: Coding) -> Bytes {
        let (cell, make): (_, fn(&Self) -> Bytes) = match coding {
            Coding::Identity => (&self.plain, Self::plain),
            Coding::Gzip => (&self.gzip, Self::gzip),
            Coding::Zstd => (&self.zstd, Self::zstd),
        };
        let made = cell.get_or_init(|| {
            let this = Arc::clone(self);
            blocking(move || make(&this))
        });
        made.await.clone()
    }

    fn plain(&self) -> Bytes {
        let format = self.settings.format;
        let size = self.parts.iter().map(|part| part.size()).sum::<usize>();
        let mut text = String::with_capacity(size + 1024);
        text.push_str(&self.head());
        for (at, part) in self.parts.iter().enumerate() {
            text.push_str(self.separator(at));
            part.write(format, &mut text);
        }
        text.push_str(&self.foot());
        text.into()
    }

    fn gzip(&self) -> Bytes {
        let parts: Vec<&Deflated> = self
            .parts
            .iter()
            .map(|part| {
                let text = || part.text(self.settings.format);
                part.gzip.get_or_init(|| compress::deflate(text().as_bytes()))
            })
            .collect();
        let mut gzip = Gzip::new(parts.iter().map(|part| part.len() + 8).sum::<usize>() + 1024);
        gzip.text(&self.head());
        for (at, part) in parts.into_iter().enumerate() {
            gzip.text(self.separator(at));
            gzip.part(part);
        }
        gzip.text(&self.foot());
        gzip.finish()
    }

    fn zstd(&self) -> Bytes {
        let mut frames = compress::zstd(self.head().as_bytes()).to_vec();
        for (at, part) in self.parts.iter().enumerate() {
            if !self.separator(at).is_empty() {
                frames.extend_from_slice(&compress::zstd(self.separator(at).as_bytes()));
            }
            let text = || part.text(self.settings.format);
            frames.extend_from_slice(part.zstd.get_or_init(|| compress::zstd(text().as_bytes())));
        }
        frames.extend_from_slice(&compress::zstd(self.foot().as_bytes()));
        frames.into()
    }

    /// Returns the text before the charts, in Helm's form. The order of charts differs: Helm sorts
    /// an index in YAML so that `a9` comes before `a10`. No client depends on that order.
    fn head(&self) -> String {
        match self.settings.format {
            Format::Yaml if self.parts.is_empty() => "apiVersion: v1\nentries: {}\n".to_owned(),
            Format::Yaml => "apiVersion: v1\nentries:\n".to_owned(),
            Format::Json => {
                let generated = self.generated;
                format!(r#"{{"apiVersion":"v1","generated":"{generated}","entries":{{"#)
            }
        }
    }

    fn separator(&self, at: usize) -> &'static str {
        match self.settings.format {
            Format::Json if at > 0 => ",",
            _ => "",
        }
    }

    /// Returns the text after the charts, with `serverInfo`, from which clients of the ChartMuseum
    /// API read its context path.
    fn foot(&self) -> String {
        let path = &self.settings.context_path;
        match self.settings.format {
            Format::Yaml => {
                let pair = |key: &str, value| (key.to_owned(), value);
                let server = if path.is_empty() {
                    Value::Map(Vec::new())
                } else {
                    Value::Map(vec![pair("contextPath", Value::String(path.clone()))])
                };
                let generated = Value::String(self.generated.to_string());
                yaml::emit(&Value::Map(vec![
                    pair("generated", generated),
                    pair("serverInfo", server),
                ]))
            }
            Format::Json if path.is_empty() => r#"},"serverInfo":{}}"#.to_owned(),
            Format::Json => {
                format!(r#"}},"serverInfo":{{"contextPath":{}}}}}"#, json_string(path))
            }
        }
    }
}

fn json_string(text: &str) -> String {
    String::from_utf8_lossy(&crate::json::to_vec(text)).into_owned()
}
