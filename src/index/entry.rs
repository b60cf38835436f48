//! One version of a chart as an index has it: its metadata and where its archive is.

use crate::chart::decode::{Target, go_struct};
use crate::chart::time::Time;
use crate::chart::{Dependency, Maintainer, Metadata};
use crate::yaml::Value;
use serde::Serialize;
use std::collections::BTreeMap;

/// One version of a chart.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Entry {
    /// What its Chart.yaml says.
    #[serde(flatten)]
    pub metadata: Metadata,
    /// Where its archive is, relative to the repository; Helm takes the first.
    #[serde(serialize_with = "or_null")]
    pub urls: Vec<String>,
    /// When it was added, as RFC 3339 has it.
    pub created: String,
    /// Whether it was taken away; nobody looks at it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
    /// SHA-256 of its archive as it is written: bare hex, or with `sha256:` in front; empty where the index has none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// What Helm 2 wrote; carried along.
    #[serde(flatten)]
    pub legacy: Legacy,
}

/// Fields of Helm 2's indexes. Nobody looks at them, but Helm writes them again when it merges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Legacy {
    /// Now `digest`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub checksum: String,
    /// A template engine's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub engine: String,
    /// A constraint on Tiller's version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tiller_version: String,
    /// Now `urls`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
}

impl Entry {
    /// The digest as bare hex, however it is written.
    pub fn sha256(&self) -> Option<&str> {
        let digest = self.digest.strip_prefix("sha256:").unwrap_or(&self.digest);
        (!digest.is_empty()).then_some(digest)
    }

    /// The entry as Helm's struct has it.
    pub(super) fn encode(&self) -> Value {
        let mut value = Target::encode(&self.metadata);
        if let Value::Map(entries) = &mut value {
            // Helm's writer knows no URL by a null.
            let urls = if self.urls.is_empty() { Value::Null } else { self.urls.encode() };
            entries.push(("urls".to_owned(), urls));
            entries.push(("created".to_owned(), Value::String(self.created.clone())));
            if self.removed {
                entries.push(("removed".to_owned(), Value::Bool(true)));
            }
            for (key, text) in [
                ("digest", &self.digest),
                ("checksum", &self.legacy.checksum),
                ("engine", &self.legacy.engine),
                ("tillerVersion", &self.legacy.tiller_version),
                ("url", &self.legacy.url),
            ] {
                if !text.is_empty() {
                    entries.push((key.to_owned(), Value::String(text.clone())));
                }
            }
        }
        value
    }
}

/// Helm's writer knows no URL by a null.
fn or_null<S: serde::Serializer>(urls: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    if urls.is_empty() { serializer.serialize_unit() } else { urls.serialize(serializer) }
}

/// Every key an entry may have: Chart.yaml's, the index's own, and four of Helm 2's.
#[derive(Default)]
pub(super) struct Row {
    name: String,
    home: String,
    sources: Vec<String>,
    version: String,
    description: String,
    keywords: Vec<String>,
    maintainers: Vec<Option<Maintainer>>,
    icon: String,
    api_version: String,
    condition: String,
    tags: String,
    app_version: String,
    deprecated: bool,
    annotations: BTreeMap<String, String>,
    kube_version: String,
    dependencies: Vec<Option<Dependency>>,
    kind: String,
    urls: Vec<String>,
    created: Time,
    removed: bool,
    digest: String,
    checksum: String,
    engine: String,
    tiller_version: String,
    url: String,
}

go_struct!(Row, "v1", "ChartVersion", {
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
                name: row.name,
                home: row.home,
                sources: row.sources,
                version: row.version,
                description: row.description,
                keywords: row.keywords,
                maintainers: row.maintainers,
                icon: row.icon,
                api_version: row.api_version,
                condition: row.condition,
                tags: row.tags,
                app_version: row.app_version,
                deprecated: row.deprecated,
                annotations: row.annotations,
                kube_version: row.kube_version,
                dependencies: row.dependencies,
                kind: row.kind,
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
