//! A version of a chart in an index: its metadata and the URLs of its archive.

use crate::chart::decode::{Decoder, Target, go_struct};
use crate::chart::ordinary::{Field, Struct};
use crate::chart::time::Time;
use crate::chart::{Dependency, Maintainer, Metadata};
use crate::yaml::cursor::{Cursor, Fallback, FastResult};
use crate::yaml::{Node, Value};
use serde::Serialize;
use std::collections::BTreeMap;

/// A version of a chart.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Entry {
    /// The metadata from Chart.yaml.
    #[serde(flatten)]
    pub metadata: Metadata,
    /// The URLs of the archive, relative to the repository. Helm uses the first.
    #[serde(serialize_with = "or_null")]
    pub urls: Vec<String>,
    /// The time of the addition, in RFC 3339.
    pub created: String,
    /// True for a removed entry. Helm ignores the field.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
    /// The SHA-256 of the archive as written: bare hex, or after `sha256:`; empty if the index has
    /// none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// The fields of Helm 2, kept unchanged.
    #[serde(flatten)]
    pub legacy: Legacy,
}

/// Fields of Helm 2's indexes. No program uses them, but Helm writes them again when it merges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Legacy {
    /// The digest. Its present field is `digest`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub checksum: String,
    /// The name of a template engine.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub engine: String,
    /// The constraint on Tiller's version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tiller_version: String,
    /// The URL. Its present field is `urls`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
}

impl Entry {
    /// Returns the digest as bare hex, for both spellings.
    pub fn sha256(&self) -> Option<&str> {
        let digest = self.digest.strip_prefix("sha256:").unwrap_or(&self.digest);
        (!digest.is_empty()).then_some(digest)
    }

    /// Returns the entry as Helm's struct has it.
    pub(super) fn encode(&self) -> Node<'_> {
        let mut node = Target::encode(&self.metadata);
        if let Node::Map(entries) = &mut node {
            // Helm writes a null if there are no URLs.
            let urls = if self.urls.is_empty() { Node::Null } else { self.urls.encode() };
            entries.push(("urls", urls));
            entries.push(("created", Node::from(self.created.as_str())));
            if self.removed {
                entries.push(("removed", Node::Bool(true)));
            }
            for (key, text) in [
                ("digest", &self.digest),
                ("checksum", &self.legacy.checksum),
                ("engine", &self.legacy.engine),
                ("tillerVersion", &self.legacy.tiller_version),
                ("url", &self.legacy.url),
            ] {
                if !text.is_empty() {
                    entries.push((key, Node::from(text.as_str())));
                }
            }
        }
        node
    }
}

/// Writes a null if there are no URLs, as Helm does.
fn or_null<S: serde::Serializer>(urls: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    if urls.is_empty() { serializer.serialize_unit() } else { urls.serialize(serializer) }
}

/// Every key that an entry may have: those of Chart.yaml, those of the index, and four of Helm 2.
#[derive(Default)]
pub(super) struct Row {
    name: Embedded<String>,
    home: Embedded<String>,
    sources: Embedded<Vec<String>>,
    version: Embedded<String>,
    description: Embedded<String>,
    keywords: Embedded<Vec<String>>,
    maintainers: Embedded<Vec<Option<Maintainer>>>,
    icon: Embedded<String>,
    api_version: Embedded<String>,
    condition: Embedded<String>,
    tags: Embedded<String>,
    app_version: Embedded<String>,
    deprecated: Embedded<bool>,
    annotations: Embedded<BTreeMap<String, String>>,
    kube_version: Embedded<String>,
    dependencies: Embedded<Vec<Option<Dependency>>>,
    kind: Embedded<String>,
    urls: Vec<String>,
    created: Time,
    removed: bool,
    digest: String,
    checksum: String,
    engine: String,
    tiller_version: String,
    url: String,
}

go_struct!(ordinary Row, "repo", "ChartVersion", {
    "name" => name,
    "home" => home,
    "sources" => sources,
    "version" => version,
    "description" => description,
    "keywords" => keywords,
    "maintainers" => maintainers,
    "icon" => icon,
    "apiVersion" => api_version,
    "condition" => condition,
    "tags" => tags,
    "appVersion" => app_version,
    "deprecated" => deprecated,
    "annotations" => annotations,
    "kubeVersion" => kube_version,
    "dependencies" => dependencies,
    "type" => kind,
    "urls" => urls,
    "created" => created: always,
    "removed" => removed,
    "digest" => digest,
    "checksum" => checksum,
    "engine" => engine,
    "tillerVersion" => tiller_version,
    "url" => url,
});

impl From<Row> for Entry {
    fn from(row: Row) -> Self {
        Self {
            metadata: Metadata {
                name: row.name.0,
                home: row.home.0,
                sources: row.sources.0,
                version: row.version.0,
                description: row.description.0,
                keywords: row.keywords.0,
                maintainers: row.maintainers.0,
                icon: row.icon.0,
                api_version: row.api_version.0,
                condition: row.condition.0,
                tags: row.tags.0,
                app_version: row.app_version.0,
                deprecated: row.deprecated.0,
                annotations: row.annotations.0,
                kube_version: row.kube_version.0,
                dependencies: row.dependencies.0,
                kind: row.kind.0,
            },
            urls: row.urls,
            created: row.created.to_string(),
            removed: row.removed,
            digest: row.digest,
            legacy: Legacy {
                checksum: row.checksum,
                engine: row.engine,
                tiller_version: row.tiller_version,
                url: row.url,
            },
        }
    }
}

/// A field of the metadata, which Helm's struct embeds.
#[derive(Default)]
struct Embedded<T>(T);

impl<T: Target> Target for Embedded<T> {
    fn go_type() -> String {
        T::go_type()
    }

    fn decode(&mut self, value: &Value, decoder: &mut Decoder) {
        decoder.embedded("Metadata", &mut self.0, value);
    }

    fn encode(&self) -> Node<'_> {
        self.0.encode()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A field in the output of [`super::write::fragment`]. That quotes every text, so there is nothing
/// to convert or to refuse.
impl<T: Field> Field for Embedded<T> {
    fn value(cursor: &mut Cursor<'_>, column: isize) -> FastResult<Self> {
        T::value(cursor, column).map(Self)
    }
}

impl Field for Time {
    fn value(cursor: &mut Cursor<'_>, column: isize) -> FastResult<Self> {
        let text: String = Field::value(cursor, column)?;
        Self::parse(&text).map_err(|_| Fallback)
    }
}

/// Reads the output of [`super::write::fragment`] into an entry, without a tree of values.
///
/// # Errors
/// [`Fallback`] if only the full reader can read it.
#[cfg_attr(not(feature = "server"), allow(dead_code, reason = "the server reads entries back"))]
pub(super) fn read_fragment(text: &str) -> FastResult<Entry> {
    let mut cursor = Cursor::new(text)?;
    if !cursor.is_dash() {
        return Err(Fallback);
    }
    let column = cursor.open_item()?.ok_or(Fallback)?;
    cursor.indent = column;
    let row = Row::read(&mut cursor, column)?;
    if cursor.indent == -1 { Ok(row.into()) } else { Err(Fallback) }
}
