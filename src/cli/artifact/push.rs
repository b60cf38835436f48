//! The command `artifact push`.

use super::{
    dialect::{Printing, short},
    files::{self, CreatedAt, FilesArgs},
    place::{Place, Use},
};
use crate::{
    Error, Result,
    atomic_file::write_file,
    cli::{
        Run,
        shell::{exit::Exit, journal::JournalArgs, output::Format, remote::RemoteArgs},
    },
    oci::Manifest,
    ops::artifact::{
        compose::{Artifact, ImageSpec, compose, platform_config},
        push::{self as op, Step},
    },
    store::Sent,
};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use std::{io::Write, path::Path};

#[derive(Debug, Args)]
pub(in crate::cli) struct PushArgs {
    /// Push to `host/ns/name[:tag,…]`, `oci://…` or `layout:DIR[:tag,…]`
    reference: String,
    /// Push these files and directories, each with the media type of its layer; `-` is stdin, which
    /// needs `--name`
    #[arg(value_name = "FILE[:TYPE]")]
    files: Vec<String>,
    #[command(flatten)]
    own: FilesArgs,
    /// Follow this version of the image specification
    #[arg(long, value_enum)]
    image_spec: Option<ImageSpecArg>,
    /// Set the platform
    #[arg(long, value_name = "OS/ARCH", conflicts_with = "config")]
    artifact_platform: Option<String>,
    /// Note this time as the artifact's creation: `now`, or RFC 3339
    #[arg(long, value_name = "now|TIME")]
    created: Option<CreatedAt>,
    /// Give stdin this title and media type
    #[arg(long, value_name = "TITLE[:TYPE]")]
    name: Option<String>,
    /// Keep the permissions of single files
    #[arg(long)]
    preserve_permissions: bool,
    /// Write the result in this format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    journal: JournalArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ImageSpecArg {
    /// Version 1.1, with the field `artifactType`
    #[value(name = "v1.1")]
    V1_1,
    /// Version 1.0, with the type in the config
    #[value(name = "v1.0")]
    V1_0,
}

/// A push, whatever the dialect.
pub(in crate::cli) struct Job<'a> {
    pub(in crate::cli) reference: &'a str,
    pub(in crate::cli) files: &'a [String],
    pub(in crate::cli) own: &'a FilesArgs,
    pub(in crate::cli) image_spec: Option<ImageSpecArg>,
    pub(in crate::cli) platform: Option<&'a str>,
    pub(in crate::cli) created: CreatedAt,
    pub(in crate::cli) stdin: Option<&'a str>,
    pub(in crate::cli) preserve_permissions: bool,
    pub(in crate::cli) printing: Printing,
    pub(in crate::cli) journal: &'a JournalArgs,
    pub(in crate::cli) remote: &'a RemoteArgs,
}

pub(super) fn push(run: &Run, args: PushArgs) -> Result<Exit> {
    run_job(
        run,
        Job {
            reference: &args.reference,
            files: &args.files,
            own: &args.own,
            image_spec: args.image_spec,
            platform: args.artifact_platform.as_deref(),
            created: args.created.clone().unwrap_or(CreatedAt::Epoch),
            stdin: args.name.as_deref(),
            preserve_permissions: args.preserve_permissions,
            printing: Printing::Own(args.output),
            journal: &args.journal,
            remote: &args.remote,
        },
    )
}

/// Runs a push and prints its result.
pub(in crate::cli) fn run_job(run: &Run, job: Job<'_>) -> Result<Exit> {
    let place = Place::open(run, job.reference, job.remote, Use::Write)?;
    if place.digest.is_some() {
        let message = format!("`{}` names a digest; a push names tags", job.reference);
        return Err(Error::usage(message));
    }
    for file in job.files {
        let name = file.rsplit_once(':').map_or(file.as_str(), |(name, _)| name);
        job.printing.progress(&format!("Preparing {name}"));
    }
    let options = files::options(job.stdin, job.preserve_permissions)?;
    let read = job.own.read(run, job.files, &job.created, options)?;
    files::tell_shortened(run, &read.shortened);
    let mut parts = read.parts;
    parts.image_spec = job.image_spec.map(|spec| match spec {
        ImageSpecArg::V1_0 => ImageSpec::V1_0,
        ImageSpecArg::V1_1 => ImageSpec::V1_1,
    });
    let is_empty = parts.layers.is_empty();
    if let Some(platform) = job.platform {
        // Such an artifact is of version 1.1, with or without a type.
        parts.config = Some(platform_config(platform)?);
        if parts.artifact_type.is_none() && parts.image_spec != Some(ImageSpec::V1_0) {
            parts.artifact_type = Some(crate::ops::artifact::compose::UNKNOWN_ARTIFACT.to_owned());
        }
    }
    let artifact = compose(parts)?;
    if is_empty {
        job.printing.progress("Uploading empty artifact");
    }
    let lost = run.block_on(async {
        let lost = op::push(
            &place.repository,
            &place.name,
            &artifact,
            &place.tags,
            job.own.concurrency,
            &|step| tell(&job.printing, step),
        )
        .await?;
        place.finish().await.map(|()| lost)
    })?;
    let moved = lost.iter().map(|(tag, digest)| (place.name.as_str(), tag.as_str(), digest));
    job.journal.note(run, "artifact push", moved);
    if let Some(path) = &job.own.export_manifest {
        export(&artifact.manifest, path)?;
    }
    let manifest = &artifact.manifest;
    let mut value = described(&place.by_digest(manifest.digest()), manifest);
    let tags = place.tags.iter().map(|tag| format!("{}:{tag}", place.name).into()).collect();
    value.insert("referenceAsTags".into(), Value::Array(tags));
    job.printing.print(|| text(&job.printing, &place, &artifact), &Value::Object(value))?;
    Ok(Exit::Ok)
}

fn text(printing: &Printing, place: &Place, artifact: &Artifact) -> String {
    let digest = artifact.manifest.digest();
    let first = place.tags.first().map(|tag| format!(":{tag}"));
    let first = first.unwrap_or_default();
    let (name, kind) = (&place.name, place.oras_kind());
    match printing {
        Printing::OrasText => {
            let artifact_type =
                artifact.manifest.document().effective_artifact_type().unwrap_or_default();
            let further: String =
                place.tags.iter().skip(1).map(|tag| format!("Tagged {tag}\n")).collect();
            format!(
                "Pushed [{kind}] {}{first}\n{further}ArtifactType: {artifact_type}\nDigest: {digest}\n",
                place.oras_name()
            )
        }
        _ if place.tags.is_empty() => format!("Pushed: {name}@{digest}\nDigest: {digest}\n"),
        _ => {
            let tags: String =
                place.tags.iter().map(|tag| format!("Pushed: {name}:{tag}\n")).collect();
            format!("{tags}Digest: {digest}\n")
        }
    }
}

/// Prints a step of a push as ORAS does.
pub(super) fn tell(printing: &Printing, step: Step<'_>) {
    match step {
        Step::Begun(_) | Step::Tagged(_) => {}
        Step::Blob(blob, sent) => {
            let line = format!("{} {}", short(&blob.descriptor.digest), blob.shown());
            match sent {
                Sent::Present => printing.progress(&format!("Exists    {line}")),
                Sent::Uploaded => {
                    printing.progress(&format!("Uploading {line}"));
                    printing.progress(&format!("Uploaded  {line}"));
                }
            }
        }
        Step::Manifest(manifest) => {
            let line = format!("{} {}", short(manifest.digest()), manifest.media_type());
            printing.progress(&format!("Uploading {line}"));
            printing.progress(&format!("Uploaded  {line}"));
        }
    }
}

/// Writes a manifest to a file.
pub(super) fn export(manifest: &Manifest, path: &Path) -> Result<()> {
    write_file(path, |file| file.write_all(manifest.bytes()))
}

/// Returns the fields of a manifest in the order of ORAS.
pub(super) fn described(reference: &str, manifest: &Manifest) -> Map<String, Value> {
    let mut value = Map::new();
    value.insert("reference".into(), reference.into());
    value.insert("mediaType".into(), manifest.media_type().into());
    value.insert("digest".into(), manifest.digest().as_str().into());
    value.insert("size".into(), (manifest.bytes().len() as u64).into());
    let document = manifest.document();
    if !document.annotations.is_empty() {
        value.insert("annotations".into(), json!(document.annotations));
    }
    if let Some(kind) = document.effective_artifact_type() {
        value.insert("artifactType".into(), kind.into());
    }
    value
}
