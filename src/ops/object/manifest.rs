//! A manifest that a user wrote: its check before it is pushed, and its removal.

use crate::{
    Error, ErrorKind, Result,
    limits::Limits,
    oci::{Descriptor, Digest, Manifest, Platform, Tag, TagOrDigest, media},
    ops::{
        lost_tags,
        push::{READ_BACK_DELAYS, Verify, read_back::read_back},
    },
    store::{Fetch, Push, Resolve, Tags},
};
use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::{collections::HashSet, fmt};

/// Bytes of an image's config, which names its platform.
const MAX_CONFIG: u64 = 4 << 20;

/// Reads a manifest. Its media type is its own, else `media_type`.
///
/// # Errors
/// `Limit` for more bytes than [`Limits::manifest_bytes`]; `Invalid` for JSON with two equal keys,
/// for another media type than its own, and for what is no manifest.
pub fn read(bytes: Bytes, media_type: Option<&str>, limits: &Limits) -> Result<Manifest> {
    let size = bytes.len() as u64;
    if size > limits.manifest_bytes {
        let message = format!(
            "the manifest has {size} bytes, more than the {} allowed",
            limits.manifest_bytes
        );
        return Err(Error::new(ErrorKind::Limit, message));
    }
    serde_json::from_slice::<Unique>(&bytes)
        .map_err(|error| Error::invalid("the manifest is not valid JSON").with_source(error))?;
    let manifest = Manifest::parse(bytes, None)?;
    let own = manifest.document().media_type.as_deref().filter(|own| !own.is_empty());
    match (own, media_type) {
        (Some(own), Some(given)) if own != given => {
            let message = format!("the manifest's media type is `{own}`, not `{given}`");
            Err(Error::invalid(message)
                .with_hint("leave out the media type, or change the manifest"))
        }
        (None, Some(given)) => Manifest::parse(manifest.bytes().clone(), Some(given)),
        _ => Ok(manifest),
    }
}

/// The result of a push of a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// True if the first tag referred to the manifest before.
    pub was_there: bool,
    /// The tags that another manifest had, with the digest of each.
    pub lost: Vec<(Tag, Digest)>,
}

/// Pushes a manifest with these tags, or by digest without one, and reads it back.
///
/// # Errors
/// `Integrity` if the repository stored something else; any error of it.
pub async fn push<R: Fetch + Push + Resolve>(
    repository: &R,
    name: &str,
    manifest: &Manifest,
    tags: &[Tag],
) -> Result<Pushed> {
    let lost = lost_tags::among(repository, manifest, tags).await?;
    let by_digest = TagOrDigest::Digest(manifest.digest().clone());
    let target =
        |tag: Option<&Tag>| tag.map_or(by_digest.clone(), |tag| TagOrDigest::Tag(tag.clone()));
    let was_there = match repository.resolve(&target(tags.first())).await {
        Ok(found) => found.is_some_and(|found| found.digest == *manifest.digest()),
        Err(error) if error.kind() == ErrorKind::Denied => false,
        Err(error) => return Err(error),
    };
    let mut targets: Vec<Option<&Tag>> = tags.iter().map(Some).collect();
    if targets.is_empty() {
        targets.push(None);
    }
    for tag in targets {
        repository.push_manifest(manifest, tag).await?;
        let delays = READ_BACK_DELAYS;
        read_back(repository, name, &target(tag), manifest, Verify::Manifest, &delays).await?;
    }
    Ok(Pushed { was_there, lost })
}

/// Removes a manifest with all its tags. Returns its descriptor, or `None` if there was none.
///
/// # Errors
/// Any error of the repository.
pub async fn delete<R: Resolve + Tags>(repository: &R, found: &Descriptor) -> Result<()> {
    repository.delete(&TagOrDigest::Digest(found.digest.clone())).await
}

/// Returns the manifest of a platform: the entry of an index, or the manifest itself if it is an
/// image of this platform.
///
/// # Errors
/// `NotFound`, with the platforms that there are.
pub async fn of_platform<R: Fetch>(
    repository: &R,
    manifest: Manifest,
    platform: &Platform,
) -> Result<(Manifest, Descriptor)> {
    let found: Vec<serde_json::Value> = match &manifest.document().manifests {
        Some(entries) => {
            let of = |entry: &&Descriptor| {
                entry.platform.as_ref().is_some_and(|found| platform.matches(found))
            };
            if let Some(entry) = entries.iter().find(of) {
                let target = TagOrDigest::Digest(entry.digest.clone());
                return Ok((repository.fetch_manifest(&target).await?, entry.clone()));
            }
            entries.iter().filter_map(|entry| entry.platform.clone()).collect()
        }
        None => {
            let own = platform_of(repository, &manifest).await?;
            if own.as_ref().is_some_and(|own| platform.matches(own)) {
                let descriptor = manifest.descriptor();
                return Ok((manifest, descriptor));
            }
            own.into_iter().collect()
        }
    };
    let known: Vec<String> = found
        .iter()
        .filter_map(Platform::of_json)
        .filter(|platform| platform.os != "unknown")
        .map(|platform| platform.to_string())
        .collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Err(Error::not_found(format!("there is no manifest for the platform `{platform}`"))
        .with_hint(format!("the platforms are: {known}")))
}

/// Returns the platform in an image's config. Another artifact has none.
pub(super) async fn platform_of<R: Fetch>(
    repository: &R,
    manifest: &Manifest,
) -> Result<Option<serde_json::Value>> {
    let config = manifest.document().config.as_ref().filter(|config| {
        matches!(config.media_type.as_str(), media::IMAGE_CONFIG | media::DOCKER_IMAGE_CONFIG)
    });
    let Some(config) = config else { return Ok(None) };
    let bytes = repository.fetch_blob(config, MAX_CONFIG).await?;
    // A config that is no JSON names nothing.
    let config: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    if Platform::of_json(&config).is_none() {
        return Ok(None);
    }
    // The fields and their order are those of Go's struct.
    let mut platform = serde_json::Map::new();
    for field in ["architecture", "os", "os.version", "os.features", "variant"] {
        let value = &config[field];
        let is_empty = value.as_str() == Some("") || value.as_array().is_some_and(Vec::is_empty);
        if !value.is_null() && !is_empty {
            platform.insert(field.to_owned(), value.clone());
        }
    }
    Ok(Some(platform.into()))
}

/// JSON without two equal keys in one object. Readers would disagree on which of the two counts.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Self, A::Error> {
        while all.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self, A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = fields.next_key::<String>()? {
            fields.next_value::<Self>()?;
            if let Some(twice) = keys.replace(key) {
                return Err(serde::de::Error::custom(format!("the key `{twice}` is there twice")));
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str, media_type: Option<&str>) -> String {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        read(bytes, media_type, &Limits::default()).expect_err(text).chain()
    }

    #[test]
    fn a_manifest_that_readers_would_not_agree_on_is_refused() {
        for (text, words) in [
            (r#"{"schemaVersion":2,"layers":[],"layers":[]}"#, "the key `layers` is there twice"),
            (r#"{"config":{"size":1,"size":2}}"#, "the key `size` is there twice"),
            (r#"{"layers":[{"a":1,"a":1}]}"#, "the key `a` is there twice"),
            ("{", "not valid JSON"),
            ("[]", "not a JSON object"),
        ] {
            let refused = refused(text, None);
            assert!(refused.contains(words), "{refused}");
        }
    }

    #[test]
    fn the_media_type_is_the_manifests_own_or_the_given_one() {
        let own = format!(r#"{{"schemaVersion":2,"mediaType":"{}"}}"#, media::INDEX);
        let typed = |text: &str, given| {
            let bytes = Bytes::copy_from_slice(text.as_bytes());
            let manifest = read(bytes, given, &Limits::default()).expect("manifest");
            manifest.media_type().to_owned()
        };
        assert_eq!(typed(&own, None), media::INDEX);
        assert_eq!(typed(&own, Some(media::INDEX)), media::INDEX);
        let bare = r#"{"schemaVersion":2,"layers":[]}"#;
        assert_eq!(
            typed(bare, Some("application/vnd.example+json")),
            "application/vnd.example+json"
        );
        assert_eq!(typed(bare, None), media::MANIFEST);
        assert!(refused(&own, Some(media::MANIFEST)).contains("the manifest's media type is"));
    }

    #[test]
    fn a_manifest_that_is_too_large_names_the_cap() {
        let text = format!("{{{}}}", " ".repeat(9 << 20));
        let refused = refused(&text, None);
        assert_eq!(refused, "the manifest has 9437186 bytes, more than the 8388608 allowed");
    }
}
