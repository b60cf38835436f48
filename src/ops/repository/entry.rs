//! The index entry of a chart in a registry, from its manifest and its config: two small GETs,
//! never the archive. All code that serves, writes or searches an index over a registry uses it.

use crate::{
    Error, ErrorKind, Result,
    chart::{
        Metadata,
        decode::{Decoder, Unknown},
        time::Time,
    },
    index::{Entry, json_value},
    limits::{Limits, MIB},
    oci::{Descriptor, Manifest, Tag, TagOrDigest, chart, media},
    ops::chart_manifest::chart_of,
    store::Fetch,
};
use bytes::Bytes;
use std::borrow::Cow;

/// Returns the blob with a chart's metadata. Only Helm's own config has it; other artifacts with a
/// chart describe it in annotations.
///
/// # Errors
/// `Invalid`, with the artifact's kind, if it is not a chart.
pub fn config(manifest: &Manifest) -> Result<Option<&Descriptor>> {
    let found = chart::find(manifest)?;
    Ok(found.config.filter(|config| config.media_type == media::CHART_CONFIG))
}

/// Returns the entry of a chart with this manifest and the config that [`config`] names. `urls`
/// stays empty, because the caller knows the archive's location.
///
/// # Errors
/// `Invalid` if the artifact is not a chart, or the config is not a chart's metadata.
pub fn entry(manifest: &Manifest, config: Option<&[u8]>, limits: &Limits) -> Result<Entry> {
    let content = chart::find(manifest)?.content;
    let annotations = &manifest.document().annotations;
    let text = |key: &str| annotations.get(key).cloned().unwrap_or_default();
    let mut metadata = match config {
        // JSON is YAML, and this reader knows Helm's fields.
        Some(config) => Metadata::from_yaml(&as_yaml(config), limits)
            .or_else(|error| from_json(config).ok_or(error))
            .map_err(|error| error.context("the config holds no chart's metadata"))?,
        None => Metadata {
            name: text(media::TITLE),
            version: text(media::VERSION),
            description: text(media::DESCRIPTION),
            ..Metadata::default()
        },
    };
    metadata.fill_api_version();
    if metadata.name.is_empty() || metadata.version.is_empty() {
        return Err(Error::invalid(
            "neither config nor annotations name the chart and its version",
        ));
    }
    // Helm refuses an index with an invalid time.
    let created = annotations.get(media::CREATED).and_then(|text| Time::parse(text).ok());
    Ok(Entry {
        metadata,
        urls: Vec::new(),
        created: created.unwrap_or_default().to_string(),
        digest: content.digest.hex().to_owned(),
        ..Entry::default()
    })
}

/// Reads a config that only a JSON reader accepts: one with a character beyond the basic plane as
/// two escapes, or with a long key.
fn from_json(config: &[u8]) -> Option<Metadata> {
    // The values of a list take many times its bytes; no real config comes near.
    if config.len() as u64 > MIB {
        return None;
    }
    let value = json_value(config).ok()?;
    let mut metadata = Metadata::default();
    Decoder::decode(&mut metadata, &value, Unknown::Ignored).ok()?;
    Some(metadata)
}

/// Returns JSON in a spelling that a YAML reader parses to the same value. JSON strings may have
/// characters that YAML 1.1 refuses, or takes for the end of a line.
fn as_yaml(json: &[u8]) -> Cow<'_, [u8]> {
    let special = |c: char| {
        matches!(
            c,
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
    };
    if json.iter().all(|byte| *byte < 0x7f) {
        return Cow::Borrowed(json);
    }
    // In JSON, these characters occur only in strings, where an escape has the same meaning.
    match std::str::from_utf8(json) {
        Ok(text) if json.starts_with(b"{") && text.contains(special) => {
            let mut out = String::with_capacity(text.len() + 64);
            for c in text.chars() {
                match special(c) {
                    true => out.push_str(&format!("\\u{:04x}", u32::from(c))),
                    false => out.push(c),
                }
            }
            Cow::Owned(out.into_bytes())
        }
        _ => Cow::Borrowed(json),
    }
}

/// Returns true if a tag is a version's own: the one that a push of it creates. Any other tag is an
/// alias, and may move to another version.
pub fn is_own_tag(tag: &Tag, version: &str) -> bool {
    Tag::from_version(version).as_ref() == Ok(tag)
}

/// Downloads the data of an entry. `None` if the artifact is not a chart.
///
/// # Errors
/// Any error of the store.
pub async fn fetch<R: Fetch>(
    repository: &R,
    target: &TagOrDigest,
    limits: &Limits,
) -> Result<Option<(Manifest, Entry)>> {
    let manifest = match chart_of(repository, repository.fetch_manifest(target).await?).await {
        Ok(manifest) if chart::find(&manifest).is_ok() => manifest,
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == ErrorKind::Invalid => return Ok(None),
        Err(error) => return Err(error),
    };
    let bytes: Option<Bytes> = match config(&manifest)? {
        Some(blob) => Some(repository.fetch_blob(blob, limits.config_bytes).await?),
        None => None,
    };
    match entry(&manifest, bytes.as_deref(), limits) {
        Ok(entry) => Ok(Some((manifest, entry))),
        Err(error) if error.kind() == ErrorKind::Invalid => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::chart::{LayerOrder, Parts, compose};
    use std::collections::BTreeMap;

    fn metadata() -> Metadata {
        Metadata {
            name: "demo".to_owned(),
            version: "1.0.0+a".to_owned(),
            api_version: "v2".to_owned(),
            description: "<b> & \"c\"".to_owned(),
            keywords: vec!["x".to_owned()],
            ..Metadata::default()
        }
    }

    fn composed(created: Option<&str>) -> (Bytes, Manifest) {
        let annotations = BTreeMap::new();
        let parts = Parts {
            content: Descriptor::of(media::CHART_CONTENT, b"archive"),
            provenance: None,
            created,
            order: LayerOrder::ChartFirst,
            annotations: &annotations,
        };
        compose(&metadata(), parts)
    }

    #[test]
    fn an_entry_says_what_the_config_says_and_where_the_layer_is() {
        let (config, manifest) = composed(Some("2024-05-01T10:00:00Z"));
        let entry = entry(&manifest, Some(&config), &Limits::default()).expect("entry");
        assert_eq!(entry.metadata, metadata());
        assert_eq!(entry.created, "2024-05-01T10:00:00Z");
        assert_eq!(entry.digest, crate::digest::Digest::sha256(b"archive").hex());
    }

    #[test]
    fn a_config_is_read_as_json_though_yaml_knows_fewer_characters() {
        let text: String = "a\u{7f}b\u{9b}c\u{85} d\u{feff}e\u{ffff}f\u{2028} <g>".to_owned();
        let metadata = Metadata { annotations: [("a".to_owned(), text)].into(), ..metadata() };
        let (config, manifest) = compose(
            &metadata,
            Parts {
                content: Descriptor::of(media::CHART_CONTENT, b"archive"),
                provenance: None,
                created: None,
                order: LayerOrder::ChartFirst,
                annotations: &BTreeMap::new(),
            },
        );
        let entry = entry(&manifest, Some(&config), &Limits::default()).expect("entry");
        assert_eq!(entry.metadata, metadata);
    }

    #[test]
    fn a_config_may_have_escaped_pairs_and_long_keys() {
        let (_, manifest) = composed(None);
        let key = "k".repeat(2000);
        let config = format!(
            r#"{{"name":"demo","version":"1.0.0","apiVersion":"v2","description":"\ud83d\ude00","annotations":{{"{key}":"x"}}}}"#
        );
        let entry = entry(&manifest, Some(config.as_bytes()), &Limits::default()).expect("entry");
        assert_eq!(entry.metadata.description, "\u{1f600}");
        assert_eq!(entry.metadata.annotations[&key], "x");
        let text = crate::index::write::fragment(&entry);
        assert_eq!(crate::index::fragment_entry(&text).expect("read back"), entry);
    }

    #[test]
    fn without_a_config_the_annotations_speak_and_a_bad_time_is_none() {
        let (_, manifest) = composed(Some("yesterday"));
        let entry = entry(&manifest, None, &Limits::default()).expect("entry");
        assert_eq!(
            (entry.metadata.name.as_str(), entry.metadata.version.as_str()),
            ("demo", "1.0.0+a")
        );
        assert_eq!(entry.created, "0001-01-01T00:00:00Z");
    }
}
