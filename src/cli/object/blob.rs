//! The commands `blob fetch|push|delete`.

use super::{
    confirm::agrees,
    document,
    manifest::{Deleting, as_given, deleted, missing, require_force},
};
use crate::{
    Error, Result,
    atomic_file::write_file,
    cli::{
        Run,
        artifact::{
            dialect::{Printing, short},
            place::{Place, Use},
        },
        shell::{exit::Exit, output::Format, remote::RemoteArgs},
    },
    limits::Limits,
    oci::{Descriptor, Digest, media},
    ops::object::blob as op,
    store::{Fetch, Sent},
};
use clap::Args;
use serde_json::json;
use std::{
    fs::File,
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
};

#[derive(Debug, Args)]
pub(in crate::cli) struct FetchArgs {
    /// Fetch `host/ns/name@digest`, `oci://…` or `layout:DIR@digest`
    reference: String,
    /// Print its descriptor
    #[arg(long)]
    descriptor: bool,
    /// Write it to this file; `-` is stdout
    #[arg(long, value_name = "FILE", required_unless_present = "descriptor")]
    to: Option<PathBuf>,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PushArgs {
    /// Push to `host/ns/name[@digest]`, `oci://…` or `layout:DIR[@digest]`
    reference: String,
    /// Push this file; `-` is stdin
    file: PathBuf,
    /// Require that the content has this many bytes
    #[arg(long, value_name = "BYTES")]
    size: Option<u64>,
    /// Write the result in this format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DeleteArgs {
    /// Delete `host/ns/name@digest`, `oci://…` or `layout:DIR@digest`
    reference: String,
    /// Do not ask
    #[arg(long, short = 'f')]
    force: bool,
    /// Write the result in this format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(super) fn fetch(run: &Run, args: &FetchArgs) -> Result<Exit> {
    let descriptor = args.descriptor.then_some(false);
    fetch_job(run, &args.reference, descriptor, args.to.as_deref(), &args.remote)
}

/// Returns the digest of a reference.
fn digest_of<'p>(place: &'p Place, reference: &str) -> Result<&'p Digest> {
    place.digest.as_ref().ok_or_else(|| {
        Error::usage(format!("`{reference}` names no digest"))
            .with_hint("a blob is named by its digest: `REPOSITORY@sha256:…`")
    })
}

/// Writes a blob, or prints its descriptor; `Some(true)` indents it.
pub(in crate::cli) fn fetch_job(
    run: &Run,
    reference: &str,
    descriptor: Option<bool>,
    to: Option<&Path>,
    remote: &RemoteArgs,
) -> Result<Exit> {
    document::refuse_both(descriptor.is_some(), to)?;
    let place = Place::open(run, reference, remote, Use::Read)?;
    let digest = digest_of(&place, reference)?;
    let to_stdout = to.is_some_and(document::is_stdout);
    if to_stdout && descriptor.is_none() && io::stdout().is_terminal() {
        return Err(Error::usage("a blob is not written to a terminal")
            .with_hint("name a file to write it to"));
    }
    let blob = run.block_on(find(&place, digest))?;
    if let Some(pretty) = descriptor {
        document::print_descriptor(&blob, pretty)?;
    }
    let Some(to) = to else { return Ok(Exit::Ok) };
    run.block_on(async {
        let found = place.repository.fetch_blob_file(&blob).await?;
        let fail = |error| Error::io("read blob", found.path(), error);
        let mut from = File::open(found.path()).map_err(fail)?;
        if to_stdout {
            return match io::copy(&mut from, &mut io::stdout().lock()) {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(fail(error)),
                _ => Ok(()),
            };
        }
        write_file(to, |file| io::copy(&mut from, file).map(drop))
    })?;
    Ok(Exit::Ok)
}

async fn find(place: &Place, digest: &Digest) -> Result<Descriptor> {
    op::find(&place.repository, digest)
        .await?
        .ok_or_else(|| Error::not_found(format!("`{}` has no blob `{digest}`", place.name)))
}

/// A push, whatever the dialect.
pub(in crate::cli) struct Pushing<'a> {
    pub(in crate::cli) reference: &'a str,
    pub(in crate::cli) file: &'a Path,
    pub(in crate::cli) media_type: &'a str,
    pub(in crate::cli) size: Option<u64>,
    /// `Some` to print the descriptor, `Some(true)` to indent it.
    pub(in crate::cli) descriptor: Option<bool>,
    pub(in crate::cli) printing: Printing,
    pub(in crate::cli) remote: &'a RemoteArgs,
}

pub(super) fn push(run: &Run, args: &PushArgs) -> Result<Exit> {
    push_job(
        run,
        &Pushing {
            reference: &args.reference,
            file: &args.file,
            media_type: media::IMAGE_LAYER,
            size: args.size,
            descriptor: None,
            printing: Printing::Own(args.output),
            remote: &args.remote,
        },
    )
}

/// Pushes a blob.
pub(in crate::cli) fn push_job(run: &Run, job: &Pushing<'_>) -> Result<Exit> {
    let place = Place::open(run, job.reference, job.remote, Use::Write)?;
    if !place.tags.is_empty() {
        return Err(Error::usage(format!("`{}` names a tag; a blob has none", job.reference)));
    }
    let expected = op::Expected { digest: place.digest.clone(), size: job.size };
    let layer = op::read(job.file, job.media_type, &expected, &Limits::default())?;
    let blob = &layer.descriptor;
    let sent = run.block_on(async {
        let sent = op::push(&place.repository, &layer).await?;
        place.finish().await.map(|()| sent)
    })?;
    if let Some(pretty) = job.descriptor {
        document::print_descriptor(blob, pretty)?;
        return Ok(Exit::Ok);
    }
    let (brief, kind) = (short(&blob.digest), &blob.media_type);
    let text = || match (&job.printing, sent) {
        (Printing::Own(_), Sent::Present) => format!("there {}\n", place.by_digest(&blob.digest)),
        (Printing::Own(_), Sent::Uploaded) => {
            format!("pushed {}\n", place.by_digest(&blob.digest))
        }
        (_, sent) => {
            let lines = match sent {
                Sent::Present => format!("Exists    {brief} {kind}\n"),
                Sent::Uploaded => format!("Uploading {brief} {kind}\nUploaded  {brief} {kind}\n"),
            };
            let given = as_given(&place);
            let (of, digest) = (place.oras_kind(), &blob.digest);
            format!("{lines}Pushed: [{of}] {given}\nDigest: {digest}\n")
        }
    };
    let value = json!({
        "reference": place.by_digest(&blob.digest),
        "digest": blob.digest,
        "size": blob.size,
        "sent": sent == Sent::Uploaded,
    });
    job.printing.print(text, &value)?;
    Ok(Exit::Ok)
}

pub(super) fn delete(run: &Run, args: &DeleteArgs) -> Result<Exit> {
    delete_job(
        run,
        &Deleting {
            reference: &args.reference,
            force: args.force,
            descriptor: None,
            printing: Printing::Own(args.output),
            remote: &args.remote,
        },
    )
}

/// Deletes a blob.
pub(in crate::cli) fn delete_job(run: &Run, job: &Deleting<'_>) -> Result<Exit> {
    require_force(job)?;
    let place = Place::open(run, job.reference, job.remote, Use::Read)?;
    let digest = digest_of(&place, job.reference)?;
    let Some(found) = run.block_on(op::find(&place.repository, digest))? else {
        let message = format!("`{}` has no blob `{digest}`", place.name);
        return missing(&place, job, &message);
    };
    let question = format!("Are you sure you want to delete the blob \"{digest}\"?");
    if !job.force && !agrees(run, &job.printing, &question)? {
        return Ok(Exit::Ok);
    }
    run.block_on(async {
        op::delete(&place.repository, digest).await?;
        place.finish().await
    })?;
    deleted(&place, job, &found)
}
