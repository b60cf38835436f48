//! What of ChartMuseum's flags a server was started with. Who may do what is
//! [`crate::server::Access`].

use crate::server::index_view::{Format, Settings};
use std::{collections::BTreeMap, num::NonZeroUsize, path::PathBuf};

/// How the ChartMuseum API behaves. The default is ChartMuseum's own, but for the depth.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Which namespaces there are.
    pub depth: Depth,
    /// A path that stands before every other: empty, or `/` and at least one segment, without `/`
    /// at its end.
    pub context_path: String,
    /// Which routes below `/api` there are.
    pub api: Api,
    /// What happens to a version that is there.
    pub overwrite: Overwrite,
    /// What stands before the URLs in the index; empty for relative ones.
    pub chart_url: String,
    /// How many versions of a chart are kept; the oldest goes first.
    pub per_chart_limit: Option<NonZeroUsize>,
    /// How many archives and provenance files a namespace may hold.
    pub max_storage_objects: Option<NonZeroUsize>,
    /// Bytes of one request's body.
    pub max_upload_bytes: u64,
    /// The form field of an archive, beside `chart`.
    pub chart_field: String,
    /// The form field of a provenance file, beside `prov`.
    pub provenance_field: String,
    /// How the index is written.
    pub format: Format,
    /// Whether `/metrics` is there.
    pub metrics: Metrics,
    /// The repository ids of Artifact Hub by namespace; the root's is the empty one.
    pub artifact_hub: BTreeMap<String, String>,
    /// `Access-Control-Allow-Origin` of the API's answers.
    pub allow_origin: Option<String>,
    /// A folder with an `index.html` and a folder `static`, shown instead of our welcome.
    pub pages: Option<PathBuf>,
    /// How far ChartMuseum's oddities go.
    pub compat: Compat,
}

/// How many segments a namespace has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// Any number; a namespace without charts is not there, but for the root.
    #[default]
    Any,
    /// Any number; each is there, as with `--depth-dynamic`.
    Dynamic,
    /// So many, as with `--depth`.
    Exactly(usize),
}

/// Which routes below `/api` there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Api {
    /// All.
    #[default]
    Whole,
    /// None that deletes.
    WithoutDelete,
    /// None.
    Off,
}

/// What happens to a version that is there when it is uploaded again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overwrite {
    /// It is replaced when the query has `force`.
    #[default]
    ByForce,
    /// It stays.
    Never,
    /// It is replaced.
    Always,
}

/// Whether `/metrics` is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metrics {
    /// No.
    #[default]
    Off,
    /// Yes, for everybody.
    On,
}

/// How far ChartMuseum's oddities go.
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
    /// What of them the index is written by.
    pub fn settings(&self) -> Settings {
        Settings {
            chart_url: self.chart_url.clone(),
            context_path: self.context_path.clone(),
            format: self.format,
        }
    }
}

impl Overwrite {
    /// Whether a version that is there gives way.
    pub(super) fn allows(self, force: Force) -> bool {
        match self {
            Self::ByForce => force == Force::Given,
            Self::Never => false,
            Self::Always => true,
        }
    }
}

/// Whether the query has `force`, with whatever value.
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
