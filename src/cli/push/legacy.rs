//! The commands `helm chart push|pull` of Helm 3.0 to 3.6, with the store of saved charts (helm.md
//! 7).

use super::{
    CreatedFrom, From,
    candidates::{candidates, choose},
    print_notes,
    report::Told,
};
use crate::{
    Error, Result,
    archive::{self, Keep},
    cli::{
        Run, fetch,
        shell::{links::LinkArgs, remote::RemoteArgs, results::Printed},
        size,
    },
    client::Intent,
    limits::Limits,
    oci::{Digest, Manifest, Reference, Tag, TagOrDigest, chart as oci_chart, media},
    ops::{
        any_repository::AnyRepository,
        pull::{self as pull_op, Provenance},
        push::{self as push_op, Outgoing, prepare},
        saved::SavedReference,
        tags::ChartRequest,
    },
    store::Resolve,
};
use serde_json::json;
use std::path::Path;

/// Returns the error for a reference that is not saved here.
pub(crate) fn not_saved(reference: &str) -> Error {
    Error::not_found(format!("Chart not found: {reference}"))
        .with_hint(format!("`chartferry list` lists the saved charts; `chartferry pull {reference}` downloads it from its registry"))
}

/// Returns the block of lines that the old commands printed for a chart.
pub(crate) fn summary(reference: &str, manifest: &Manifest) -> Result<String> {
    let found = oci_chart::find(manifest)?;
    let annotations = &manifest.document().annotations;
    let text = |key: &str| annotations.get(key).map_or("", String::as_str);
    Ok(block(
        reference,
        manifest.digest(),
        found.content.size,
        text(media::TITLE),
        text(media::VERSION),
    ))
}

/// Returns that block from its parts.
pub(crate) fn block(
    reference: &str,
    digest: &Digest,
    bytes: u64,
    name: &str,
    version: &str,
) -> String {
    format!(
        "ref:     {reference}\ndigest:  {}\nsize:    {}\nname:    {name}\nversion: {version}\n",
        digest.hex(),
        size(bytes)
    )
}

/// Runs `pull REF`: it pulls from the registry into the store of saved charts.
pub(crate) async fn pull(
    run: &Run,
    remote: &RemoteArgs,
    text: &str,
    limits: &Limits,
) -> Result<Printed> {
    let mut reference: Reference = text.parse::<Reference>().map_err(|error| {
        Error::from(error).with_hint("a chart in a registry is named `host/namespace/name:tag`, or `oci://host/namespace/name`")
    })?;
    let place = AnyRepository::Registry(
        remote.client(run)?.repository(&reference.registry, &reference.repository),
    );
    let name = reference.repository_path();
    let wanted = ChartRequest {
        tag: reference.tag.clone(),
        digest: reference.digest.clone(),
        ..ChartRequest::default()
    };
    let pulled = pull_op::pull(&place, &name, &wanted, Provenance::IfPresent, limits).await?;
    fetch::warn_of(run, &pulled.warnings);
    let judged = archive::read::read(pulled.archive.reader()?, Keep::Nothing, limits)?;
    // A reference with only a digest is saved under the chart's version, because saved charts are
    // named by tags.
    let tag = match (&pulled.target, &reference.tag) {
        (TagOrDigest::Tag(tag), _) => tag.clone(),
        (TagOrDigest::Digest(_), Some(tag)) => tag.clone(),
        (TagOrDigest::Digest(_), None) => Tag::from_version(&judged.metadata.version)?,
    };
    reference.tag = Some(tag.clone());
    reference.digest = None;
    let saved: SavedReference = reference.to_string().parse()?;
    let store = run.saved().write(&saved)?;
    let before = store.resolve(&TagOrDigest::Tag(tag.clone())).await?;
    let fresh = before.is_none_or(|before| before.digest != *pulled.manifest.digest());
    let found = oci_chart::find(&pulled.manifest)?;
    let config = match found.config {
        Some(config) => fetch_config(&place, config, limits).await?,
        None => bytes::Bytes::from_static(b"{}"),
    };
    let chart = Outgoing {
        metadata: judged.metadata.clone(),
        archive: pulled.archive.clone(),
        content: pulled.content.clone(),
        provenance: pulled.provenance.clone(),
        created: None,
        ready: Some((config, pulled.manifest.clone())),
        notes: Vec::new(),
        warnings: Vec::new(),
    };
    prepare::save(&store, &chart, &tag).await?;
    let status = if fresh {
        format!("Downloaded newer chart for {reference}")
    } else {
        format!("Chart is up to date for {reference}")
    };
    let (metadata, content) = (&judged.metadata, &pulled.content);
    let (reference, digest) = (reference.to_string(), pulled.manifest.digest());
    let block = block(&reference, digest, content.size, &metadata.name, &metadata.version);
    let fields = json!({
        "status": if fresh { "pulled" } else { "unchanged" },
        "name": metadata.name,
        "version": metadata.version,
        "ref": reference,
        "digest": digest,
        "archiveDigest": content.digest,
        "size": content.size,
    });
    Ok(Printed::new(format!("{tag}: Pulling from {name}\n{block}Status: {status}\n"), fields))
}

async fn fetch_config(
    place: &AnyRepository,
    config: &crate::oci::Descriptor,
    limits: &Limits,
) -> Result<bytes::Bytes> {
    use crate::store::Fetch;
    place.fetch_blob(config, limits.config_bytes).await
}

/// The chart of `push REF`, and its creation time.
pub(crate) struct Source<'a> {
    pub(crate) chart: Option<&'a Path>,
    pub(crate) from: Option<From>,
    pub(crate) links: LinkArgs,
    pub(crate) created: &'a CreatedFrom,
}

/// Runs `push REF`: it finds the chart for REF, prints it, and pushes it.
pub(crate) async fn push(
    run: &Run,
    remote: &RemoteArgs,
    text: &str,
    source: Source<'_>,
    options: &push_op::Options,
    limits: &Limits,
) -> Result<Told> {
    let reference: Reference = text.parse::<Reference>().map_err(|error| {
        Error::from(error)
            .with_hint("write `push HOST/NS/NAME:TAG`, or `push CHART.tgz oci://HOST/NS`")
    })?;
    if reference.digest.is_some() {
        return Err(Error::usage(format!("`{text}` names a digest; a push names a tag")));
    }
    let all = candidates(run, &reference, source.chart, source.from, source.links, limits).await?;
    let mut chosen = choose(&reference, all, limits)?;
    print_notes(run, &chosen.chart);
    if chosen.chart.ready.is_none() {
        source.created.date(&mut chosen.chart, limits)?;
    }
    let name = reference.repository_path();
    let tag = match &reference.tag {
        Some(tag) => tag.clone(),
        None => Tag::from_version(&chosen.chart.metadata.version)?,
    };
    run.talk.info(&format!("pushing {} ({})", chosen.described, chosen.chart.content.digest));
    let client = remote.client(run)?;
    let place = AnyRepository::Registry(
        client.repository(&reference.registry, &reference.repository).with_intent(Intent::Writing),
    );
    let report = push_op::push(&place, &name, &chosen.chart, &tag, options).await?;
    Ok(Told { name, report })
}
