//! ChartMuseum's options of a server. [`crate::server::Access`] holds the access options.

use crate::server::index_view::{Format, Settings};
use std::{collections::BTreeMap, num::NonZeroUsize, path::PathBuf};

/// Options of the ChartMuseum API. The defaults are ChartMuseum's own, except for the depth.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The number of segments of a namespace.
    pub depth: Depth,
    /// The path prefix of every route: empty, or `/` and at least one segment, without a trailing
    /// `/`.
    pub context_path: String,
    /// The routes below `/api` that the server offers.
    pub api: Api,
    /// The rule for uploading a version that exists.
    pub overwrite: Overwrite,
    /// The prefix of URLs in the index; empty for relative ones.
    pub chart_url: String,
    /// The number of versions to keep of each chart. The server deletes the oldest first.
    pub per_chart_limit: Option<NonZeroUsize>,
    /// The maximum number of archives and provenance files in a namespace.
    pub max_storage_objects: Option<NonZeroUsize>,
    /// Bytes of one request's body.
    pub max_upload_bytes: u64,
    /// The form field of an archive, beside `chart`.
    pub chart_field: String,
    /// The form field of a provenance file, beside `prov`.
    pub provenance_field: String,
    /// The format of the index.
    pub format: Format,
    /// The switch for `/metrics`.
    pub metrics: Metrics,
    /// The repository ids of Artifact Hub by namespace; the root's is the empty one.
    pub artifact_hub: BTreeMap<String, String>,
    /// `Access-Control-Allow-Origin` of the API's answers.
    pub allow_origin: Option<String>,
    /// A folder with an `index.html` and a folder `static`, shown instead of our welcome.
    pub pages: Option<PathBuf>,
    /// The extent to which the server copies ChartMuseum's oddities.
    pub compat: Compat,
}

/// The number of segments of a namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// Any number; a namespace without charts is not there, but for the root.
    #[default]
    Any,
    /// Any number; each is there, as with `--depth-dynamic`.
    Dynamic,
    /// Exactly this number of levels, as `--depth` sets.
    Exactly(usize),
}

/// The routes below `/api` that the server offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Api {
    /// All routes.
    #[default]
    Whole,
    /// None that deletes.
    WithoutDelete,
    /// No routes.
    Off,
}

/// The rule for uploading a version that exists.
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

/// The switch for `/metrics`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metrics {
    /// The server has no `/metrics`.
    #[default]
    Off,
    /// Yes, for everybody.
    On,
}

/// The extent to which the server copies ChartMuseum's oddities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compat {
    /// `HEAD` is answered wherever `GET` is, with the same status and headers; limits count forms
    /// too.
    #[default]
    Improved,
    /// As ChartMuseum does it.
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
    /// Reports whether an upload may replace a version that exists.
    pub(super) fn allows(self, force: Force) -> bool {
        match self {
            Self::ByForce => force == Force::Given,
            Self::Never => false,
            Self::Always => true,
        }
    }
}

/// The presence of `force` in the query, with any value.
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

/// The form field of an archive that is always looked for.
pub(super) const CHART_FIELD: &str = "chart";
/// The form field of a provenance file that is always looked for.
pub(super) const PROVENANCE_FIELD: &str = "prov";
