//! The command `artifact attach`.

use super::{
    dialect::Printing,
    files::{self, CreatedAt, FilesArgs},
    place::{Place, Use},
    push::{described, export, tell},
};
use crate::{
    Error, ErrorKind, Result,
    cli::{
        Run,
        shell::{exit::Exit, output::Format, remote::RemoteArgs},
    },
    oci::Platform,
    ops::{any_repository::AnyRepository, artifact::attach as op, object::manifest::of_platform},
};
use clap::{Args, ValueEnum};
use serde_json::Value;

#[derive(Debug, Args)]
pub(in crate::cli) struct AttachArgs {
    /// Attach to `host/ns/name:tag`, `host/ns/name@digest`, `oci://…` or `layout:DIR:tag`
    reference: String,
    /// Attach these files and directories, each with the media type of its layer; `-` is stdin,
    /// which needs `--name`
    #[arg(value_name = "FILE[:TYPE]")]
    files: Vec<String>,
    #[command(flatten)]
    own: FilesArgs,
    #[command(flatten)]
    subject: SubjectArgs,
    /// Note this time as the artifact's creation: `now`, or RFC 3339
    #[arg(long, value_name = "now|TIME")]
    created: Option<CreatedAt>,
    /// Give stdin this title and media type
    #[arg(long, value_name = "TITLE[:TYPE]")]
    name: Option<String>,
    /// Write the result in this format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Flags of the subject in both dialects.
#[derive(Clone, Debug, Default, Args)]
pub(in crate::cli) struct SubjectArgs {
    /// Attach to the manifest of this platform of an index, `os/arch[/variant]`
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<Platform>,
    /// Require that the registry lists the attachment itself, or list it under a tag too
    #[arg(long, value_enum, value_name = "API")]
    distribution_spec: Option<ListArg>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ListArg {
    /// The registry's own list of referrers
    #[value(name = "v1.1-referrers-api")]
    Api,
    /// The list under the tag of the subject's digest
    #[value(name = "v1.1-referrers-tag")]
    Tag,
}

/// An attachment, whatever the dialect.
pub(in crate::cli) struct Job<'a> {
    pub(in crate::cli) reference: &'a str,
    pub(in crate::cli) files: &'a [String],
    pub(in crate::cli) own: &'a FilesArgs,
    pub(in crate::cli) subject: &'a SubjectArgs,
    pub(in crate::cli) created: CreatedAt,
    pub(in crate::cli) stdin: Option<&'a str>,
    pub(in crate::cli) printing: Printing,
    pub(in crate::cli) remote: &'a RemoteArgs,
}

pub(super) fn attach(run: &Run, args: AttachArgs) -> Result<Exit> {
    run_job(
        run,
        Job {
            reference: &args.reference,
            files: &args.files,
            own: &args.own,
            subject: &args.subject,
            created: args.created.clone().unwrap_or(CreatedAt::Epoch),
            stdin: args.name.as_deref(),
            printing: Printing::Own(args.output),
            remote: &args.remote,
        },
    )
}

/// Runs an attachment and prints its result.
pub(in crate::cli) fn run_job(run: &Run, job: Job<'_>) -> Result<Exit> {
    if job.own.artifact_type.is_none() {
        return Err(Error::usage("an attachment needs a type")
            .with_hint("add `--artifact-type`, such as `--artifact-type application/spdx+json`"));
    }
    let nothing = job.own.annotation.is_empty() && job.own.annotation_file.is_none();
    if job.files.is_empty() && nothing {
        return Err(Error::usage("neither a file nor an annotation is to be attached")
            .with_hint("name a file, or add `--annotation KEY=VALUE`"));
    }
    let place = Place::open(run, job.reference, job.remote, Use::Change)?;
    for file in job.files {
        let name = file.rsplit_once(':').map_or(file.as_str(), |(name, _)| name);
        job.printing.progress(&format!("Preparing {name}"));
    }
    let options = files::options(job.stdin, false)?;
    let read = job.own.read(run, job.files, &job.created, options)?;
    let (subject, artifact) = run.block_on(async {
        // The subject is read whole: its descriptor must not depend on what a HEAD says.
        let mut subject = place.manifest(run).await?;
        if let Some(platform) = &job.subject.platform {
            subject = of_platform(&place.repository, subject, platform).await?.0;
        }
        let subject = subject.descriptor();
        let list = job.subject.distribution_spec;
        if let (AnyRepository::Registry(registry), Some(ListArg::Api)) = (&place.repository, list)
            && registry.listed_referrers(&subject.digest).await?.is_none()
        {
            let message = format!("the registry of `{}` lists no referrers itself", place.name);
            return Err(Error::new(ErrorKind::Protocol, message)
                .with_hint("nothing was sent; without the flag, the list is kept under a tag"));
        }
        if read.parts.layers.is_empty() {
            job.printing.progress("Uploading empty artifact");
        }
        let artifact = op::attach(
            &place.repository,
            &place.name,
            subject.clone(),
            read.parts,
            job.own.concurrency,
            &|step| tell(&job.printing, step),
        )
        .await?;
        if let (AnyRepository::Registry(registry), Some(ListArg::Tag)) = (&place.repository, list) {
            registry.list_under_tag(&artifact.manifest).await?;
        }
        place.finish().await?;
        Ok((subject, artifact))
    })?;
    let manifest = &artifact.manifest;
    if let Some(path) = &job.own.export_manifest {
        export(manifest, path)?;
    }
    let value = described(&place.by_digest(manifest.digest()), manifest);
    let text = || match &job.printing {
        Printing::OrasText => format!(
            "Attached to [{}] {}@{}\nDigest: {}\n",
            place.oras_kind(),
            place.oras_name(),
            subject.digest,
            manifest.digest()
        ),
        _ => format!(
            "Attached: {}\nSubject: {}\nDigest: {}\n",
            place.by_digest(manifest.digest()),
            subject.digest,
            manifest.digest()
        ),
    };
    job.printing.print(text, &Value::Object(value))?;
    Ok(Exit::Ok)
}
