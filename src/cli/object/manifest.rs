//! The commands `manifest fetch|fetch-config|push|delete`.

use super::{confirm::agrees, document};
use crate::{
    Error, ErrorKind, Result,
    cli::{
        Run,
        artifact::{
            dialect::{Printing, short},
            place::{Place, Use},
        },
        shell::{
            exit::Exit,
            journal::JournalArgs,
            output::{self, Format},
            remote::RemoteArgs,
        },
    },
    limits::Limits,
    oci::{Descriptor, Manifest, Platform},
    ops::object::manifest as op,
    store::{Fetch, Resolve},
};
use clap::Args;
use serde_json::{Value, json};
use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

#[derive(Debug, Args)]
pub(in crate::cli) struct FetchArgs {
    /// Print the manifest of `host/ns/name:tag`, `host/ns/name@digest`, `oci://…` or
    /// `layout:DIR:tag`
    reference: String,
    /// Print its descriptor
    #[arg(long)]
    descriptor: bool,
    /// Indent the JSON
    #[arg(long)]
    pretty: bool,
    /// Take the manifest of this platform of an index, `os/arch[/variant]`
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<Platform>,
    /// Write it to this file
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct FetchConfigArgs {
    /// Print the config of `host/ns/name:tag`, `host/ns/name@digest`, `oci://…` or `layout:DIR:tag`
    reference: String,
    /// Print its descriptor
    #[arg(long)]
    descriptor: bool,
    /// Indent the JSON
    #[arg(long)]
    pretty: bool,
    /// Take the manifest of this platform of an index, `os/arch[/variant]`
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<Platform>,
    /// Write it to this file
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PushArgs {
    /// Push to `host/ns/name[:tag,…|@digest]`, `oci://…` or `layout:DIR[:tag,…|@digest]`
    reference: String,
    /// Push the manifest in this file; `-` is stdin
    file: PathBuf,
    /// Use this media type if the manifest names none
    #[arg(long, value_name = "TYPE")]
    media_type: Option<String>,
    /// Write the result in this format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    journal: JournalArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DeleteArgs {
    /// Delete the manifest of `host/ns/name:tag`, `host/ns/name@digest`, `oci://…` or
    /// `layout:DIR:tag`, with all its tags
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

/// Reading a manifest or a config, whatever the dialect.
pub(in crate::cli) struct Reading<'a> {
    pub(in crate::cli) reference: &'a str,
    pub(in crate::cli) descriptor: bool,
    pub(in crate::cli) pretty: bool,
    pub(in crate::cli) platform: Option<&'a Platform>,
    pub(in crate::cli) to: Option<&'a Path>,
    pub(in crate::cli) printing: Printing,
    pub(in crate::cli) remote: &'a RemoteArgs,
}

pub(super) fn fetch(run: &Run, args: &FetchArgs) -> Result<Exit> {
    let FetchArgs { reference, descriptor, pretty, platform, to, remote } = args;
    let printing = Printing::Own(Format::Text);
    let (descriptor, pretty) = (*descriptor, *pretty);
    let (platform, to) = (platform.as_ref(), to.as_deref());
    fetch_job(run, &Reading { reference, descriptor, pretty, platform, to, printing, remote })
}

pub(super) fn fetch_config(run: &Run, args: &FetchConfigArgs) -> Result<Exit> {
    let FetchConfigArgs { reference, descriptor, pretty, platform, to, remote } = args;
    let printing = Printing::Own(Format::Text);
    let (descriptor, pretty) = (*descriptor, *pretty);
    let (platform, to) = (platform.as_ref(), to.as_deref());
    config_job(run, &Reading { reference, descriptor, pretty, platform, to, printing, remote })
}

async fn read(run: &Run, place: &Place, job: &Reading<'_>) -> Result<(Manifest, Descriptor)> {
    let manifest = place.manifest(run).await?;
    match job.platform {
        Some(platform) => op::of_platform(&place.repository, manifest, platform).await,
        None => {
            let descriptor = manifest.descriptor();
            Ok((manifest, descriptor))
        }
    }
}

/// Prints a manifest.
pub(in crate::cli) fn fetch_job(run: &Run, job: &Reading<'_>) -> Result<Exit> {
    document::refuse_both(job.descriptor, job.to)?;
    if job.printing.is_document() && (job.descriptor || job.to.is_some_and(document::is_stdout)) {
        let message = "a formatted result excludes the descriptor, and the content on stdout";
        return Err(Error::usage(message));
    }
    let place = Place::open(run, job.reference, job.remote, Use::Read)?;
    let (manifest, descriptor) = run.block_on(read(run, &place, job))?;
    if job.printing.is_document() {
        let content: Value = serde_json::from_slice(manifest.bytes())
            .map_err(|error| Error::invalid("the manifest is not JSON").with_source(error))?;
        let value = json!({
            "reference": place.by_digest(manifest.digest()),
            "mediaType": manifest.media_type(),
            "digest": manifest.digest(),
            "size": manifest.bytes().len(),
            "content": document::sorted(content),
        });
        job.printing.print(String::new, &value)?;
    }
    if job.descriptor {
        document::print_descriptor(&descriptor, job.pretty)?;
    }
    if job.to.is_none() && (job.descriptor || job.printing.is_document()) {
        return Ok(Exit::Ok);
    }
    document::write(manifest.bytes(), job.pretty, job.to)
}

/// Prints the config of a manifest.
pub(in crate::cli) fn config_job(run: &Run, job: &Reading<'_>) -> Result<Exit> {
    document::refuse_both(job.descriptor, job.to)?;
    let place = Place::open(run, job.reference, job.remote, Use::Read)?;
    let (config, bytes) = run.block_on(async {
        let (manifest, _) = read(run, &place, job).await?;
        let config = manifest.document().config.clone().ok_or_else(|| {
            Error::not_found(format!("`{}` has no config", place.by_digest(manifest.digest())))
        })?;
        let cap = Limits::default().config_bytes;
        let bytes = place.repository.fetch_blob(&config, cap).await?;
        Ok((config, bytes))
    })?;
    if job.descriptor {
        document::print_whole(&config, job.pretty)?;
        if job.to.is_none() {
            return Ok(Exit::Ok);
        }
    }
    document::write(&bytes, job.pretty, job.to)
}

/// A push, whatever the dialect.
pub(in crate::cli) struct Pushing<'a> {
    pub(in crate::cli) reference: &'a str,
    pub(in crate::cli) file: &'a Path,
    pub(in crate::cli) media_type: Option<&'a str>,
    /// `Some` to print the descriptor, `Some(true)` to indent it.
    pub(in crate::cli) descriptor: Option<bool>,
    pub(in crate::cli) printing: Printing,
    pub(in crate::cli) journal: &'a JournalArgs,
    pub(in crate::cli) remote: &'a RemoteArgs,
}

pub(super) fn push(run: &Run, args: &PushArgs) -> Result<Exit> {
    push_job(
        run,
        &Pushing {
            reference: &args.reference,
            file: &args.file,
            media_type: args.media_type.as_deref(),
            descriptor: None,
            printing: Printing::Own(args.output),
            journal: &args.journal,
            remote: &args.remote,
        },
    )
}

/// Pushes a manifest.
pub(in crate::cli) fn push_job(run: &Run, job: &Pushing<'_>) -> Result<Exit> {
    let limits = Limits::default();
    let manifest = op::read(bytes_of(job.file, &limits)?.into(), job.media_type, &limits)
        .map_err(|error| error.context(format!("cannot push `{}`", job.file.display())))?;
    let place = Place::open(run, job.reference, job.remote, Use::Write)?;
    if let Some(digest) = place.digest.as_ref().filter(|digest| *digest != manifest.digest()) {
        let message = format!("the manifest has the digest {}, not {digest}", manifest.digest());
        return Err(Error::new(ErrorKind::Integrity, message).with_hint("nothing was sent"));
    }
    let pushed = run.block_on(async {
        let pushed = op::push(&place.repository, &place.name, &manifest, &place.tags).await?;
        place.finish().await.map(|()| pushed)
    })?;
    let moved = pushed.lost.iter().map(|(tag, digest)| (place.name.as_str(), tag.as_str(), digest));
    job.journal.note(run, "manifest push", moved);
    if let Some(pretty) = job.descriptor {
        document::print_descriptor(&manifest.descriptor(), pretty)?;
        return Ok(Exit::Ok);
    }
    let digest = manifest.digest();
    let value = json!({
        "reference": place.by_digest(digest),
        "mediaType": manifest.media_type(),
        "digest": digest,
        "size": manifest.bytes().len(),
        "tags": place.tags.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    let text = || match &job.printing {
        Printing::Own(_) => own_lines(&place, digest.as_str()),
        _ => oras_lines(&place, &manifest, pushed.was_there),
    };
    job.printing.print(text, &value)?;
    Ok(Exit::Ok)
}

fn own_lines(place: &Place, digest: &str) -> String {
    let mut text = String::new();
    for tag in &place.tags {
        text.push_str(&format!("pushed {}:{tag}\n", place.name));
    }
    if place.tags.is_empty() {
        text.push_str(&format!("pushed {}@{digest}\n", place.name));
    }
    text.push_str(&format!("digest {digest}\n"));
    text
}

fn oras_lines(place: &Place, manifest: &Manifest, was_there: bool) -> String {
    let (kind, digest) = (manifest.media_type(), manifest.digest());
    let brief = short(digest);
    let mut text = match was_there {
        true => format!("Exists    {brief} {kind}\n"),
        false => format!("Uploading {brief} {kind}\nUploaded  {brief} {kind}\n"),
    };
    text.push_str(&format!("Pushed: [{}] {}\n", place.oras_kind(), as_given(place)));
    for tag in place.tags.iter().skip(1) {
        text.push_str(&format!("Tagged {tag}\n"));
    }
    text.push_str(&format!("Digest: {digest}\n"));
    text
}

/// Returns the reference as ORAS prints it: with its first tag or its digest.
pub(super) fn as_given(place: &Place) -> String {
    given(place, place.oras_name())
}

fn given(place: &Place, name: &str) -> String {
    match (place.tags.first(), &place.digest) {
        (Some(tag), _) => format!("{name}:{tag}"),
        (None, Some(digest)) => format!("{name}@{digest}"),
        (None, None) => name.to_owned(),
    }
}

/// Reads a manifest's file, up to one byte more than a manifest may have.
fn bytes_of(path: &Path, limits: &Limits) -> Result<Vec<u8>> {
    let most = limits.manifest_bytes + 1;
    let mut bytes = Vec::new();
    let read = match path == Path::new("-") {
        true => io::stdin().lock().take(most).read_to_end(&mut bytes),
        false => fs::File::open(path)
            .map_err(|error| Error::input("read file", path, error))?
            .take(most)
            .read_to_end(&mut bytes),
    };
    read.map_err(|error| Error::io("read file", path, error))?;
    if bytes.len() as u64 == most {
        let most = limits.manifest_bytes;
        let found = match fs::metadata(path) {
            Ok(found) => format!("`{}` has {} bytes,", path.display(), found.len()),
            Err(_) => "the input has".to_owned(),
        };
        let message = format!("{found} more than the {most} bytes of a manifest");
        return Err(Error::new(ErrorKind::Limit, message));
    }
    Ok(bytes)
}

/// A deletion, whatever the dialect.
pub(in crate::cli) struct Deleting<'a> {
    pub(in crate::cli) reference: &'a str,
    pub(in crate::cli) force: bool,
    /// `Some` to print the descriptor, `Some(true)` to indent it.
    pub(in crate::cli) descriptor: Option<bool>,
    pub(in crate::cli) printing: Printing,
    pub(in crate::cli) remote: &'a RemoteArgs,
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

/// Deletes a manifest.
pub(in crate::cli) fn delete_job(run: &Run, job: &Deleting<'_>) -> Result<Exit> {
    require_force(job)?;
    let place = Place::open(run, job.reference, job.remote, Use::Read)?;
    let target = place.target()?;
    let Some(found) = run.block_on(place.repository.resolve(&target))? else {
        return missing(&place, job, &format!("there is no manifest `{}`", as_given(&place)));
    };
    let question = format!(
        "Are you sure you want to delete the manifest \"{}\" and all tags associated with it?",
        found.digest
    );
    if !job.force && !agrees(run, &job.printing, &question)? {
        return Ok(Exit::Ok);
    }
    run.block_on(async {
        op::delete(&place.repository, &found).await?;
        place.finish().await
    })?;
    deleted(&place, job, &found)
}

/// Refuses to ask where the descriptor is the result, as ORAS does.
pub(super) fn require_force(job: &Deleting<'_>) -> Result<()> {
    if job.descriptor.is_some() && !job.force {
        return Err(Error::usage("a deletion that prints the descriptor does not ask")
            .with_hint("confirm the deletion with `--force`"));
    }
    Ok(())
}

/// Reports an object that is not there: with force that is no error, as in ORAS.
pub(super) fn missing(place: &Place, job: &Deleting<'_>, message: &str) -> Result<Exit> {
    if !job.force || job.descriptor.is_some() {
        return Err(Error::not_found(message));
    }
    let text = || match &job.printing {
        Printing::Own(_) => format!("missing {}\n", given(place, &place.name)),
        _ => format!("Missing {}\n", as_given(place)),
    };
    job.printing.print(text, &json!({ "reference": as_given(place), "deleted": false }))?;
    Ok(Exit::Ok)
}

/// Reports a deleted object.
pub(super) fn deleted(place: &Place, job: &Deleting<'_>, found: &Descriptor) -> Result<Exit> {
    if let Some(pretty) = job.descriptor {
        document::print_descriptor(found, pretty)?;
        return Ok(Exit::Ok);
    }
    let text = || match &job.printing {
        Printing::Own(_) => format!("deleted {}\n", place.by_digest(&found.digest)),
        _ => format!("Deleted [{}] {}\n", place.oras_kind(), as_given(place)),
    };
    let value = json!({ "reference": as_given(place), "digest": found.digest, "deleted": true });
    job.printing.print(text, &value)?;
    Ok(Exit::Ok)
}

/// Prints a text of ORAS.
pub(super) fn say(line: &str) -> Result<()> {
    output::println(line)
}
