//! Options of the ChartMuseum API. [`crate::server::Access`] has the options of access.

use crate::server::index_view::{Format, Settings};
use std::{collections::BTreeMap, num::NonZeroUsize, path::PathBuf};

/// Options of the ChartMuseum API. The defaults are ChartMuseum's own, except for the depth.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Number of segments of a namespace.
    pub depth: Depth,
    /// Path prefix of every route: empty, or `/` and at least one segment, without a trailing `/`.
    pub context_path: String,
    /// Routes below `/api` that the server offers.
    pub api: Api,
    /// Rule for an upload of an existing version.
    pub overwrite: Overwrite,
    /// Prefix of URLs in the index. An empty one makes relative URLs.
    pub chart_url: String,
    /// Number of versions to keep of each chart. The server deletes the oldest first.
    pub per_chart_limit: Option<NonZeroUsize>,
    /// Maximum number of archives and provenance files in a namespace.
    pub max_storage_objects: Option<NonZeroUsize>,
    /// Maximum size of one request's body in bytes.
    pub max_upload_bytes: u64,
    /// Form field of an archive, in addition to `chart`.
    pub chart_field: String,
    /// Form field of a provenance file, in addition to `prov`.
    pub provenance_field: String,
    /// Format of the index.
    pub format: Format,
    /// Switch for `/metrics`.
    pub metrics: Metrics,
    /// Repository ids of Artifact Hub by namespace. The root has the empty namespace.
    pub artifact_hub: BTreeMap<String, String>,
    /// Value of `Access-Control-Allow-Origin` in the API's responses.
    pub allow_origin: Option<String>,
    /// Folder with an `index.html` and a folder `static`, which replaces our welcome page.
    pub pages: Option<PathBuf>,
    /// Choice between ChartMuseum's deviations and the improved behaviour.
    pub compat: Compat,
}

/// Number of segments of a namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// Any number. A namespace without charts does not exist, except the root.
    #[default]
    Any,
    /// Any number. Every namespace exists, as with `--depth-dynamic`.
    Dynamic,
    /// Exactly this number of segments, as with `--depth`.
    Exactly(usize),
}

/// Routes below `/api` that the server offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Api {
    /// All routes.
    #[default]
    Whole,
    /// All routes except those that delete.
    WithoutDelete,
    /// No routes.
    Off,
}

/// Rule for an upload of an existing version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overwrite {
    /// The upload replaces the version if the query has `force`.
    #[default]
    ByForce,
    /// The server refuses the upload.
    Never,
    /// The upload replaces the version.
    Always,
}

/// Switch for `/metrics`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metrics {
    /// The server has no `/metrics`.
    #[default]
    Off,
    /// The server answers `/metrics` for every client, without credentials.
    On,
}

/// Choice between ChartMuseum's deviations and the improved behaviour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compat {
    /// Improved: the server answers `HEAD` for every route of `GET`, with the same status and
    /// headers, and limits also count forms.
    #[default]
    Improved,
    /// Strict: the server behaves as ChartMuseum does.
    Strict,
}

impl Options {
    /// Returns the settings for the index.
    pub fn settings(&self) -> Settings {
        Settings {
            chart_url: self.chart_url.clone(),
            context_path: self.context_path.clone(),
            format: self.format,
        }
    }
}

impl Overwrite {
    /// Returns true if an upload may replace an existing version.
    pub(super) fn allows(self, force: Force) -> bool {
        match self {
            Self::ByForce => force == Force::Given,
            Self::Never => false,
            Self::Always => true,
        }
    }
}

/// Presence of `force` in the query, with any value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Force {
    Given,
    Not,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            depth: Depth::default(),
            context_path: String::new(),
            api: Api::default(),
            overwrite: Overwrite::default(),
            chart_url: String::new(),
            per_chart_limit: None,
            max_storage_objects: None,
            max_upload_bytes: 20 * crate::limits::MIB,
            chart_field: CHART_FIELD.to_owned(),
            provenance_field: PROVENANCE_FIELD.to_owned(),
            format: Format::default(),
            metrics: Metrics::default(),
            artifact_hub: BTreeMap::new(),
            allow_origin: None,
            pages: None,
            compat: Compat::default(),
        }
    }
}

/// Form field of an archive that the server always accepts.
pub(super) const CHART_FIELD: &str = "chart";
/// Form field of a provenance file that the server always accepts.
pub(super) const PROVENANCE_FIELD: &str = "prov";
