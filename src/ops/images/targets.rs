//! The places of a chart's images below a namespace, and the lock that a copy of them makes.

use super::ImageName;
use crate::{
    Error, Result,
    oci::{Digest, RepositoryName},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// An image that was copied, with the digest that its tag had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Locked {
    /// The image as the chart names it.
    pub image: String,
    /// The digest of its manifest or index.
    pub digest: Digest,
    /// The place from which it was copied, by digest.
    pub source: String,
    /// The place to which it was copied.
    pub destination: String,
}

/// Returns the repository of each image below a namespace: its path, without its host.
///
/// # Errors
/// `Usage` if two images would get one place, with both; and for a path that is too long.
pub fn targets(
    images: &[ImageName],
    namespace: Option<&RepositoryName>,
) -> Result<Vec<RepositoryName>> {
    let mut taken: BTreeMap<String, &ImageName> = BTreeMap::new();
    let mut targets = Vec::with_capacity(images.len());
    for image in images {
        let name = match namespace {
            Some(namespace) => namespace.join(&image.path)?,
            None => image.path.parse()?,
        };
        let tag = image.tag.as_ref().map(ToString::to_string).unwrap_or_default();
        if let Some(other) = taken.insert(format!("{name}:{tag}"), image)
            && other != image
        {
            let message = format!("`{other}` and `{image}` would both become `{name}:{tag}`");
            return Err(Error::usage(message)
                .with_hint("copy the images of one registry at a time, to different namespaces"));
        }
        targets.push(name);
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_images_of_one_place_are_refused_before_anything_is_sent() {
        let images = |names: &[&str]| -> Vec<ImageName> {
            names.iter().map(|name| name.parse().expect("image")).collect()
        };
        let namespace: RepositoryName = "mirror".parse().expect("name");
        let fine = images(&["quay.io/a/b:1", "ghcr.io/a/b:2", "nginx:1"]);
        let targets_of = |images: &[ImageName]| targets(images, Some(&namespace));
        let names: Vec<String> =
            targets_of(&fine).expect("targets").iter().map(ToString::to_string).collect();
        assert_eq!(names, ["mirror/a/b", "mirror/a/b", "mirror/library/nginx"]);
        let error =
            targets_of(&images(&["quay.io/a/b:1", "ghcr.io/a/b:1"])).expect_err("one place");
        let message = error.message();
        assert!(
            message.contains("quay.io/a/b:1") && message.contains("ghcr.io/a/b:1"),
            "{message}"
        );
    }
}
