//! Chart metadata, lock file and rules. The module is pure: it takes bytes, returns values and uses
//! no file system.

use crate::yaml::Value;
use serde::Serialize;
use std::collections::BTreeMap;

mod address;
pub(crate) mod decode;
pub mod dependency;
pub(crate) mod glob;
mod identity;
pub mod ignore;
pub mod jsonpath;
pub mod lint;
pub mod lock;
pub mod metadata;
pub(crate) mod ordinary;
pub mod overrides;
pub(crate) mod sanitize;
pub mod schema;
pub mod time;
pub mod values;

/// Chart.yaml. Field order is that of Helm's struct, which is the key order of the OCI config blob;
/// empty fields are left out of it (helm.md 1.1).
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The chart's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its home page.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub home: String,
    /// URLs of the source code.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Its version, as written.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// One sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Words to find it by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// Maintainers. `None` stands for a null in the list, which validation refuses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub maintainers: Vec<Option<Maintainer>>,
    /// URL of a picture.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub icon: String,
    /// `v1` or `v2`; anything in practice.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// Of a subchart: what switches it on.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub condition: String,
    /// Of a subchart: tags that switch it on. A string, not a list.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tags: String,
    /// The version of what it installs.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub app_version: String,
    /// True for a chart that its author no longer recommends.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deprecated: bool,
    /// Free-form facts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Constraint on the cluster's version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kube_version: String,
    /// Dependencies. `None` stands for a null in the list, which validation refuses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<Option<Dependency>>,
    /// `application`, `library` or nothing.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
}

/// One who looks after a chart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Maintainer {
    /// Their name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Their address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub email: String,
    /// Their page.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
}

/// One dependency, as it stands in Chart.yaml, requirements.yaml or a lock.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Dependency {
    /// The chart's name; always written.
    pub name: String,
    /// A version or a range.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Repository: a URL, `oci://…`, `file://…`, `@alias` or nothing. It is always written.
    pub repository: String,
    /// A value's path that switches it on.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub condition: String,
    /// Tags that switch it on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Not for files: Helm's resolver sets it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub enabled: bool,
    /// Values of it that its parent takes over.
    #[serde(
        rename = "import-values",
        skip_serializing_if = "Vec::is_empty",
        serialize_with = "as_json"
    )]
    pub import_values: Vec<Value>,
    /// Another name for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub alias: String,
}

fn as_json<S: serde::Serializer>(values: &[Value], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values)
}
