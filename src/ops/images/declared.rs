//! Images that a chart declares: in the annotations of Artifact Hub, Bitnami and HIP-0015, and in a
//! file Images.lock.

use super::{Certainty, Found, Image, ImageName};
use crate::{
    archive::Chart,
    limits::Limits,
    yaml::{self, Duplicates, Value},
};

/// The annotations that list images, as YAML with `image` in each entry.
const ANNOTATIONS: [&str; 3] = ["artifacthub.io/images", "images", "helm.sh/images"];
/// The file that Bitnami's packaging writes.
const LOCK: &str = "Images.lock";

pub(super) fn add(chart: &Chart, path: &str, limits: &Limits, found: &mut Found) {
    for name in ANNOTATIONS {
        let Some(text) = chart.metadata.annotations.get(name) else { continue };
        let source = format!("annotation {name}");
        match yaml::parse(text.as_bytes(), Duplicates::LastWins, limits) {
            Ok(list) => add_all(&list, path, &source, found),
            Err(error) => {
                found.warnings.push(format!("`{path}`: the {source} is not YAML: {error}"));
            }
        }
    }
    if let Some(file) = chart.file(LOCK) {
        match yaml::parse(&file.data, Duplicates::LastWins, limits) {
            Ok(lock) => match lock.get("images") {
                Some(list) => add_all(list, path, LOCK, found),
                None => found.warnings.push(format!("`{path}`: {LOCK} has no images")),
            },
            Err(error) => {
                found.warnings.push(format!("`{path}`: {LOCK} is not YAML: {error}"));
            }
        }
    }
}

/// Adds the images of a list, whose entries are names or mappings with one.
fn add_all(list: &Value, path: &str, source: &str, found: &mut Found) {
    let Value::Seq(entries) = list else {
        found.warnings.push(format!("`{path}`: the {source} is no list"));
        return;
    };
    for entry in entries {
        let name = match entry {
            Value::String(name) => Some(name.as_str()),
            entry => match entry.get("image") {
                Some(Value::String(name)) => Some(name.as_str()),
                _ => None,
            },
        };
        match name.map(str::parse::<ImageName>) {
            Some(Ok(image)) => found.images.push(Image {
                image: image.to_string(),
                certainty: Certainty::Declared,
                chart: path.to_owned(),
                source: source.to_owned(),
                by_app_version: false,
            }),
            Some(Err(error)) => found.warnings.push(format!("`{path}`: the {source}: {error}")),
            None => {
                found.warnings.push(format!("`{path}`: an entry of the {source} names no image"));
            }
        }
    }
}
