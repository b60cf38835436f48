//! Options of a push.

use crate::{limits::Limits, oci::chart};
use std::{collections::BTreeMap, time::Duration};

/// Default pauses before a further read back. GHCR lags by a few seconds.
pub(crate) const READ_BACK_DELAYS: [Duration; 4] = [
    Duration::from_millis(500),
    Duration::from_millis(1000),
    Duration::from_millis(2000),
    Duration::from_millis(4000),
];

/// The verification of a push.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// Check only the digest headers of the responses.
    None,
    /// Read the manifest back by tag and compare it byte for byte.
    #[default]
    Manifest,
    /// Read the layers back too.
    Full,
}

/// The handling of an existing tag of a version that has a different chart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// Refuse the push.
    #[default]
    Refuse,
    /// Replace the chart, and report the digest that lost its tag.
    Overwrite,
    /// Keep the tag, whatever its content.
    Skip,
}

/// Options of a push.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The verification after the push.
    pub verify: Verify,
    /// The handling of an existing tag.
    pub existing: Existing,
    /// The order of chart and provenance.
    pub order: chart::LayerOrder,
    /// The user's annotations.
    pub annotations: BTreeMap<String, String>,
    /// Pauses before another read back, if the last one did not show our manifest. GHCR lags by a
    /// few seconds.
    pub read_back_delays: Vec<Duration>,
    /// The limits on sizes and counts.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            verify: Verify::default(),
            existing: Existing::default(),
            order: chart::LayerOrder::default(),
            annotations: BTreeMap::new(),
            read_back_delays: READ_BACK_DELAYS.to_vec(),
            limits: Limits::default(),
        }
    }
}
