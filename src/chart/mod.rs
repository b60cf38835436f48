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

/// The content of Chart.yaml. The order of the fields is that of Helm's struct, which is the key
/// order of the OCI config blob; that omits empty fields (helm.md 1.1).
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The name of the chart.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The URL of its home page.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub home: String,
    /// URLs of the source code.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// The version of the chart, as written.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// The description in one sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The keywords for a search.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// The maintainers. `None` represents a null in the list, which validation refuses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub maintainers: Vec<Option<Maintainer>>,
    /// The URL of a picture.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub icon: String,
    /// The version of the chart format: `v1` or `v2`, but charts have any text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// The path of a value that enables the chart as a subchart.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub condition: String,
    /// The tags that enable the chart as a subchart. It is a string, not a list.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tags: String,
    /// The version of the application that the chart installs.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub app_version: String,
    /// True for a chart that its author no longer recommends.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deprecated: bool,
    /// Additional properties with any names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The constraint on the cluster's version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kube_version: String,
    /// The dependencies. `None` represents a null in the list, which validation refuses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<Option<Dependency>>,
    /// The type of the chart: `application`, `library` or empty.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
}

/// A maintainer of a chart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Maintainer {
    /// The name of the maintainer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The e-mail address of the maintainer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub email: String,
    /// The URL of the maintainer's page.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
}

/// A dependency in a Chart.yaml, a requirements.yaml or a lock.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Dependency {
    /// The name of the chart. It is always written.
    pub name: String,
    /// The version or a range.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// The repository: a URL, `oci://…`, `file://…`, `@alias` or empty. It is always written.
    pub repository: String,
    /// The path of a value that enables the dependency.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub condition: String,
    /// The tags that enable the dependency.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The result of Helm's resolver. Files do not contain it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub enabled: bool,
    /// The values of the dependency that its parent uses.
    #[serde(
        rename = "import-values",
        skip_serializing_if = "Vec::is_empty",
        serialize_with = "as_json"
    )]
    pub import_values: Vec<Value>,
    /// Another name for the dependency.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub alias: String,
}

fn as_json<S: serde::Serializer>(values: &[Value], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values)
}
