//! The container images of a chart: those that it declares, and those that its values suggest. No
//! template is rendered, so a guess may be wrong, and an image that a template composes is missed.

mod declared;
mod guessed;
mod name;
pub mod targets;

pub use name::ImageName;

use crate::{archive::Chart, limits::Limits};
use serde::Serialize;

/// Images of one chart, its subcharts included. No known chart has a hundred.
const MAX_IMAGES: usize = 10_000;

/// The certainty of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    /// The chart declares it.
    Declared,
    /// The chart's values suggest it.
    Guessed,
}

/// An image of a chart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Image {
    /// The whole name, with the host, and a tag or digest.
    pub image: String,
    /// The certainty.
    pub certainty: Certainty,
    /// The chart, or the path of subcharts to it: `parent/child`.
    pub chart: String,
    /// The place in the chart: an annotation, a file, or a path of values.
    pub source: String,
    /// True if the tag is the chart's `appVersion`, because the values leave it open.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub by_app_version: bool,
}

/// The images of a chart, and remarks about what could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The images, the declared ones first, each image once for each certainty.
    pub images: Vec<Image>,
    /// Remarks for the user.
    pub warnings: Vec<String>,
}

/// Finds the images of a chart and its subcharts.
pub fn find(chart: &Chart, limits: &Limits) -> Found {
    let mut found = Found::default();
    let values = guessed::values_of(chart, limits, &mut found.warnings);
    add(chart, &chart.metadata.name, values, limits, &mut found);
    found.images.sort_by(|a, b| (a.certainty, &a.image).cmp(&(b.certainty, &b.image)));
    found.images.dedup_by(|a, b| a.certainty == b.certainty && a.image == b.image);
    // What is declared needs no guess.
    let declared: Vec<String> = found
        .images
        .iter()
        .filter(|image| image.certainty == Certainty::Declared)
        .map(|image| image.image.clone())
        .collect();
    found
        .images
        .retain(|image| image.certainty == Certainty::Declared || !declared.contains(&image.image));
    found
}

/// Adds the images of one chart, whose values are merged with those of its parents, and those of
/// its subcharts.
fn add(chart: &Chart, path: &str, values: guessed::Values, limits: &Limits, found: &mut Found) {
    if found.images.len() > MAX_IMAGES {
        return;
    }
    declared::add(chart, path, limits, found);
    guessed::add(chart, path, &values, found);
    for subchart in &chart.subcharts {
        let own = guessed::values_of(subchart, limits, &mut found.warnings);
        let merged = values.of_subchart(&subchart.metadata.name, own);
        add(subchart, &format!("{path}/{}", subchart.metadata.name), merged, limits, found);
    }
}
