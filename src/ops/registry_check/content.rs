//! Charts and artifacts: without these rows, nothing works.

use super::{
    probe::{Found, Probe, differs, yes},
    row::{About, Row, Weight},
};
use crate::{
    Result, json,
    limits::MIB,
    oci::{Descriptor, Document, Manifest, TagOrDigest, media},
    store::{Fetch, Push},
};
use std::collections::BTreeMap;

const CHART: About = About {
    check: "chart",
    what: "a Helm chart goes in and out",
    means: "charts cannot be pushed here",
    remedy: Some("allow the media types of Helm charts in the registry's settings"),
    weight: Weight::Needed,
};
const ARTIFACT: About = About {
    check: "artifact",
    what: "an artifact with a type of its own goes in and out",
    means: "artifacts, SBOMs and new signatures cannot be pushed here",
    remedy: Some("older Quay has a list of permitted types; add the artifact's"),
    weight: Weight::Needed,
};
const EMPTY: About = About {
    check: "emptyConfig",
    what: "a manifest may have the empty config",
    means: "artifacts need a config of their own here",
    remedy: Some("push with the image specification 1.0"),
    weight: Weight::Limit,
};
const LARGE: About = About {
    check: "largeManifest",
    what: "a manifest of 4 MiB is accepted",
    means: "large indexes and artifacts of many files cannot be pushed here",
    remedy: None,
    weight: Weight::Comfort,
};

/// Checks charts and artifacts.
///
/// # Errors
/// `Denied` if the client may not push at all; `Network`.
pub(super) async fn rows(probe: &Probe<'_>) -> Result<Vec<Row>> {
    probe.repository.may_push().await?;
    Ok(vec![
        CHART.row(chart(probe).await),
        ARTIFACT.row(artifact(probe).await),
        EMPTY.row(empty_config(probe).await),
        LARGE.row(large(probe).await),
    ])
}

/// Pushes a manifest with a tag, and pulls it and its blobs back.
async fn there_and_back(probe: &Probe<'_>, manifest: &Manifest, tag: &str) -> Found {
    probe.put(manifest, Some(tag)).await?;
    let found = probe.repository.fetch_manifest(&TagOrDigest::Tag(tag.parse()?)).await?;
    if found.bytes() != manifest.bytes() {
        return differs("the manifest comes back with other bytes");
    }
    for blob in manifest.document().config.iter().chain(manifest.document().layers()) {
        probe.repository.fetch_blob(blob, MIB).await?;
    }
    yes()
}

async fn chart(probe: &Probe<'_>) -> Found {
    let config = br#"{"name":"check","version":"1.0.0","apiVersion":"v2"}"#;
    let config = probe.blob(media::CHART_CONFIG, config).await?;
    let layer = probe.blob(media::CHART_CONTENT, b"the bytes of an archive").await?;
    let document = Document {
        schema_version: 2,
        media_type: None,
        artifact_type: None,
        config: Some(config),
        layers: Some(vec![layer]),
        manifests: None,
        subject: None,
        annotations: BTreeMap::new(),
    };
    there_and_back(probe, &Manifest::compose(document, media::MANIFEST), "1.0.0").await
}

async fn artifact(probe: &Probe<'_>) -> Found {
    let config = probe.blob("application/vnd.chartferry.check.config+json", b"{\"a\":1}").await?;
    let layer = probe.blob("text/plain", b"text").await?;
    let document = Document {
        schema_version: 2,
        media_type: Some(media::MANIFEST.to_owned()),
        artifact_type: Some("application/vnd.chartferry.check".to_owned()),
        config: Some(config),
        layers: Some(vec![layer]),
        manifests: None,
        subject: None,
        annotations: BTreeMap::new(),
    };
    there_and_back(probe, &Manifest::compose(document, media::MANIFEST), "artifact").await
}

async fn empty_config(probe: &Probe<'_>) -> Found {
    let manifest = probe.artifact("empty config", None).await?;
    there_and_back(probe, &manifest, "empty").await
}

async fn large(probe: &Probe<'_>) -> Found {
    let manifest = probe.artifact("large", None).await?;
    let mut document = manifest.document().clone();
    // Just below 4 MiB, which is what the specification asks for.
    let filler = "x".repeat((4 * MIB - 2_048) as usize);
    document.annotations.insert("io.chartferry.filler".to_owned(), filler);
    let manifest = Manifest::parse(json::to_vec(&document).into(), Some(media::MANIFEST))?;
    there_and_back(probe, &manifest, "large").await
}

/// Returns a descriptor of content that was never pushed.
pub(super) fn absent() -> Descriptor {
    Descriptor::of("text/plain", b"this was never pushed anywhere")
}
