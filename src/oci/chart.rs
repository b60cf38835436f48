//! A chart as an artifact: its config, layers and annotations, byte for byte as Helm makes them
//! (helm.md 3.2, 3.3).

pub use super::find::{Found, describe, find, not_a_chart};
use super::{Descriptor, Document, Manifest, media};
use crate::chart::Metadata;
use bytes::Bytes;
use std::collections::BTreeMap;

/// Order of the layers of a chart with a provenance file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LayerOrder {
    /// The chart is the first layer, because Flux uses `layers[0]`.
    #[default]
    ChartFirst,
    /// The layers are in the order of their digests, as Helm sorts them, so the chart may be
    /// second.
    ByDigest,
}

/// The parts of a chart's manifest besides its metadata.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    /// The descriptor of the `.tgz`.
    pub content: Descriptor,
    /// The descriptor of the `.prov`.
    pub provenance: Option<Descriptor>,
    /// `org.opencontainers.image.created`, RFC 3339 in UTC and whole seconds.
    pub created: Option<&'a str>,
    /// The order of the layers.
    pub order: LayerOrder,
    /// The user's annotations, which are added to those of the chart.
    pub annotations: &'a BTreeMap<String, String>,
}

/// Makes the config blob and the manifest of a chart.
pub fn compose(metadata: &Metadata, parts: Parts<'_>) -> (Bytes, Manifest) {
    let config = Bytes::from(crate::json::to_vec(metadata));
    let mut layers = vec![parts.content];
    layers.extend(parts.provenance);
    if parts.order == LayerOrder::ByDigest {
        layers.sort_by(|a, b| a.digest.as_str().cmp(b.digest.as_str()));
    }
    let mut annotations = annotations(metadata, parts.created);
    annotations.extend(parts.annotations.iter().map(|(key, value)| (key.clone(), value.clone())));
    let document = Document {
        schema_version: 2,
        media_type: None,
        artifact_type: None,
        config: Some(Descriptor::of(media::CHART_CONFIG, &config)),
        layers: Some(layers),
        manifests: None,
        subject: None,
        annotations,
    };
    (config, Manifest::compose(document, media::MANIFEST))
}

/// Returns the annotations that Helm gives a chart's manifest. The chart's own may replace any of
/// them but its title and version.
pub fn annotations(metadata: &Metadata, created: Option<&str>) -> BTreeMap<String, String> {
    let authors: Vec<String> = metadata
        .maintainers
        .iter()
        .flatten()
        .map(|one| {
            if one.email.is_empty() {
                one.name.clone()
            } else {
                format!("{} ({})", one.name, one.email)
            }
        })
        .collect();
    let mut all = BTreeMap::new();
    for (key, value) in [
        (media::DESCRIPTION, metadata.description.as_str()),
        (media::TITLE, &metadata.name),
        (media::VERSION, &metadata.version),
        (media::URL, &metadata.home),
        (media::CREATED, created.unwrap_or_default()),
        (media::SOURCE, metadata.sources.first().map_or("", String::as_str)),
        (media::AUTHORS, &authors.join(", ")),
    ] {
        if !value.trim().is_empty() {
            all.insert(key.to_owned(), value.to_owned());
        }
    }
    for (key, value) in &metadata.annotations {
        if key != media::TITLE && key != media::VERSION {
            all.insert(key.clone(), value.clone());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Digest;

    const CONTENT: &str = "sha256:e5ef611620fb97704d8751c16bab17fedb68883bfb0edc76f78a70e9173f9b55";
    const PROVENANCE: &str =
        "sha256:b0a02b7412f78ae93324d48df8fcc316d8482e5ad7827b5b238657a29a22f256";

    fn signtest() -> Metadata {
        Metadata {
            name: "signtest".into(),
            version: "0.1.0".into(),
            description: "A Helm chart for Kubernetes".into(),
            api_version: "v1".into(),
            ..Metadata::default()
        }
    }

    fn descriptor(media_type: &str, digest: &str, size: u64) -> Descriptor {
        Descriptor::new(media_type, digest.parse::<Digest>().expect("digest"), size)
    }

    fn manifest(provenance: Option<Descriptor>, order: LayerOrder) -> (Bytes, Manifest) {
        let none = BTreeMap::new();
        compose(
            &signtest(),
            Parts {
                content: descriptor(media::CHART_CONTENT, CONTENT, 973),
                provenance,
                created: Some("1977-09-02T22:04:05Z"),
                order,
                annotations: &none,
            },
        )
    }

    /// Expected output of Helm 4.2.4 for its own `signtest-0.1.0.tgz` (helm.md 3.2 and 3.3).
    #[test]
    fn config_and_manifest_are_those_of_helm() {
        let (config, chart) = manifest(None, LayerOrder::ChartFirst);
        assert_eq!(config.len(), 99);
        assert!(Digest::sha256(&config).hex().starts_with("8d17cb6bf6ccd8c2"));
        assert_eq!(chart.bytes().len(), 581);
        assert!(chart.digest().hex().starts_with("ff259992f2279cdd"), "{chart:?}");

        let signed = Some(descriptor(media::CHART_PROVENANCE, PROVENANCE, 695));
        let (_, by_digest) = manifest(signed.clone(), LayerOrder::ByDigest);
        assert_eq!(by_digest.bytes().len(), 742);
        assert!(by_digest.digest().hex().starts_with("fbbade96da6050f6"), "{by_digest:?}");

        let (_, chart_first) = manifest(signed, LayerOrder::ChartFirst);
        assert_eq!(chart_first.document().layers()[0].media_type, media::CHART_CONTENT);
    }

    #[test]
    fn a_chart_may_replace_annotations_but_not_its_title_and_version() {
        let mut metadata = signtest();
        metadata.maintainers = vec![
            Some(crate::chart::Maintainer {
                name: "A".into(),
                email: "a@x".into(),
                url: String::new(),
            }),
            Some(crate::chart::Maintainer { name: "B".into(), ..Default::default() }),
        ];
        metadata.annotations.insert(media::TITLE.into(), "other".into());
        metadata.annotations.insert(media::DESCRIPTION.into(), "mine".into());
        metadata.home = "  ".into();
        let all = annotations(&metadata, None);
        assert_eq!(all[media::TITLE], "signtest");
        assert_eq!(all[media::DESCRIPTION], "mine");
        assert_eq!(all[media::AUTHORS], "A (a@x), B");
        assert!(!all.contains_key(media::URL) && !all.contains_key(media::CREATED));
    }

    #[test]
    fn charts_under_foreign_types_are_found_and_images_are_not() {
        let layer =
            |kind: &str| format!(r#"{{"mediaType":"{kind}","digest":"{CONTENT}","size":9}}"#);
        let parse = |config: &str, layers: &[String]| {
            let text = format!(
                r#"{{"schemaVersion":2,"config":{{"mediaType":"{config}","digest":"{CONTENT}","size":2}},"layers":[{}]}}"#,
                layers.join(",")
            );
            Manifest::parse(text.into(), None).expect("manifest")
        };
        for kind in media::CHART_CONTENT_FOREIGN {
            let one = parse("application/vnd.unknown.config.v1+json", &[layer(kind)]);
            assert_eq!(find(&one).expect(kind).foreign, Some(kind));
        }
        let image = parse(
            media::IMAGE_CONFIG,
            &[layer(media::IMAGE_LAYER_GZIP), layer(media::IMAGE_LAYER_GZIP)],
        );
        assert_eq!(
            find(&image).expect_err("image").message(),
            "it is a container image, not a chart"
        );
        let text = parse("application/vnd.unknown.config.v1+json", &[layer("text/plain")]);
        assert!(find(&text).expect_err("text").message().contains("an artifact with config type"));
    }
}
