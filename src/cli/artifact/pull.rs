//! The command `artifact pull`.

use super::{
    dialect::{Printing, short},
    place::{Place, Use},
};
use crate::{
    Error, ErrorKind, Result,
    archive::{self, Keep},
    atomic_file::write_file,
    cli::{
        Run,
        shell::{exit::Exit, output::Format, remote::RemoteArgs},
    },
    oci::{Descriptor, Manifest, TagOrDigest, media},
    ops::{
        artifact::{
            kind::Kind,
            pull::{self as op, OldFiles, Step, Traversal, Unnamed},
        },
        pull as chart_pull,
        tags::ChartRequest,
    },
    store::{Fetch, Referrers},
};
use clap::Args;
use serde_json::{Map, Value, json};
use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

#[derive(Debug, Args)]
pub(in crate::cli) struct PullArgs {
    /// Pull `host/ns/name:tag`, `host/ns/name@digest`, `oci://…` or `layout:DIR:tag`
    reference: String,
    /// Write the files to this folder
    #[arg(long, short = 'd', value_name = "DIR", default_value = ".")]
    destination: PathBuf,
    /// Pull only the files of these titles, which may have `*`
    #[arg(long, value_name = "TITLE|GLOB")]
    file: Vec<String>,
    /// Pull only layers of this media type
    #[arg(long, value_name = "TYPE")]
    layer: Option<String>,
    /// Write the only selected layer to this file, or to stdout with `-`
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Pull what is attached to the artifact and has this type
    #[arg(long, value_name = "TYPE")]
    artifact_type: Option<String>,
    /// Of several, pull only the newest by its creation time
    #[arg(long, requires = "artifact_type")]
    latest: bool,
    /// Pull the artifact's subject too
    #[arg(long)]
    include_subject: bool,
    /// Name layers without a title by their digests
    #[arg(long)]
    unnamed: bool,
    /// Refuse to replace files
    #[arg(long, short = 'k')]
    keep_old_files: bool,
    /// Allow titles that lead out of the folder
    #[arg(long, short = 'T')]
    allow_path_traversal: bool,
    /// Unpack at most this many bytes
    #[arg(long, value_name = "BYTES")]
    max_unpacked: Option<u64>,
    /// Download this many layers at once
    #[arg(long, value_name = "N", default_value_t = 8)]
    concurrency: usize,
    /// Write the result in this format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// A pull, whatever the dialect.
pub(in crate::cli) struct Job<'a> {
    pub(in crate::cli) reference: &'a str,
    pub(in crate::cli) options: op::Options,
    pub(in crate::cli) config: Option<&'a str>,
    pub(in crate::cli) include_subject: bool,
    pub(in crate::cli) artifact_type: Option<&'a str>,
    pub(in crate::cli) latest: bool,
    pub(in crate::cli) printing: Printing,
    pub(in crate::cli) remote: &'a RemoteArgs,
}

pub(super) fn pull(run: &Run, args: PullArgs) -> Result<Exit> {
    let mut options = op::Options::new(args.destination.clone());
    options.titles.clone_from(&args.file);
    options.media_type.clone_from(&args.layer);
    options.unnamed = if args.unnamed { Unnamed::Write } else { Unnamed::Skip };
    options.old_files = old_files(args.keep_old_files);
    options.traversal = traversal(args.allow_path_traversal);
    options.unpacked = args.max_unpacked.unwrap_or(options.unpacked);
    options.at_once = args.concurrency;
    if let Some(to) = &args.to {
        return pull_one(run, &args, options, to);
    }
    run_job(
        run,
        Job {
            reference: &args.reference,
            options,
            config: None,
            include_subject: args.include_subject,
            artifact_type: args.artifact_type.as_deref(),
            latest: args.latest,
            printing: Printing::Own(args.output),
            remote: &args.remote,
        },
    )
}

/// Returns the treatment of old files for a flag.
pub(in crate::cli) fn old_files(keep: bool) -> OldFiles {
    if keep { OldFiles::Keep } else { OldFiles::Replace }
}

/// Returns the treatment of titles with `..` for a flag.
pub(in crate::cli) fn traversal(allow: bool) -> Traversal {
    if allow { Traversal::Allow } else { Traversal::Refuse }
}

/// Writes the only selected layer to a file or to stdout.
fn pull_one(run: &Run, args: &PullArgs, options: op::Options, to: &Path) -> Result<Exit> {
    let place = Place::open(run, &args.reference, &args.remote, Use::Read)?;
    run.block_on(async {
        let manifest = place.manifest(run).await?;
        let layers = op::selected(&manifest, &place.name, &options)?;
        let [layer] = layers.as_slice() else {
            let message = format!("`--to` takes one layer, and {} are selected", layers.len());
            return Err(Error::usage(message).with_hint("select one by `--file` or `--layer`"));
        };
        let blob = place.repository.fetch_blob_file(layer).await?;
        let fail = |error| Error::io("write file", to, error);
        let mut from = File::open(blob.path()).map_err(fail)?;
        if to == Path::new("-") {
            let copied = io::copy(&mut from, &mut io::stdout().lock());
            return match copied {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(fail(error)),
                _ => Ok(()),
            };
        }
        write_file(to, |file| {
            io::copy(&mut from, file)?;
            file.flush()
        })
    })?;
    Ok(Exit::Ok)
}

/// Runs a pull and prints its result.
pub(in crate::cli) fn run_job(run: &Run, job: Job<'_>) -> Result<Exit> {
    let place = Place::open(run, job.reference, job.remote, Use::Read)?;
    let mut files = Vec::new();
    let mut skipped = false;
    let root = run.block_on(async {
        let root = place.manifest(run).await?;
        for manifest in manifests(&place, &root, &job).await? {
            skipped |= one(&place, &manifest, &job, &mut files).await?;
        }
        Ok(root)
    })?;
    let value = json!({
        "reference": place.by_digest(root.digest()),
        "files": files,
    });
    let text = || text(&job, &place, &root, &files, skipped);
    job.printing.print(text, &value)?;
    if skipped && matches!(job.printing, Printing::Own(_)) {
        run.talk.info("layers without a title were skipped; `--unnamed` writes them too");
    }
    Ok(Exit::Ok)
}

/// Returns the manifests to pull: the artifact, its subject, or what is attached to it.
async fn manifests(place: &Place, root: &Manifest, job: &Job<'_>) -> Result<Vec<Manifest>> {
    let fetch =
        |digest| async move { place.repository.fetch_manifest(&TagOrDigest::Digest(digest)).await };
    if let Some(kind) = job.artifact_type {
        let listed = place.repository.referrers(root.digest(), Some(kind)).await?;
        let mut found = Vec::with_capacity(listed.len());
        for referrer in listed {
            found.push(fetch(referrer.digest).await?);
        }
        if found.is_empty() {
            return Err(Error::not_found(format!(
                "nothing of type `{kind}` is attached to `{}`",
                place.by_digest(root.digest())
            )));
        }
        let created = |one: &Manifest| one.document().annotations.get(media::CREATED).cloned();
        if job.latest {
            found.sort_by_key(created);
            found.drain(..found.len() - 1);
        }
        return Ok(found);
    }
    let mut all = vec![root.clone()];
    let mut next = root.document().subject.clone().filter(|_| job.include_subject);
    // A subject may have one of its own.
    while let Some(subject) = next {
        if all.len() > 32 {
            return Err(Error::new(ErrorKind::Limit, "the subjects do not end"));
        }
        let manifest = fetch(subject.digest).await?;
        next = manifest.document().subject.clone();
        all.push(manifest);
    }
    Ok(all)
}

/// Pulls one manifest's files. Returns true if layers without a title were skipped.
async fn one(
    place: &Place,
    manifest: &Manifest,
    job: &Job<'_>,
    files: &mut Vec<Value>,
) -> Result<bool> {
    let printing = &job.printing;
    let line = format!("{} {}", short(manifest.digest()), manifest.media_type());
    printing.progress(&format!("Downloading {line}"));
    if Kind::of(manifest) == Kind::Chart && job.options.unnamed == Unnamed::Skip {
        return chart(place, manifest, job, files).await.map(|()| false);
    }
    printing.progress(&format!("Processing  {line}"));
    let report = op::pull(&place.repository, &place.name, manifest, &job.options, &|step| {
        let (verb, layer) = match step {
            Step::Begun(layer) => ("Downloading", layer),
            Step::Done(layer) => ("Downloaded ", layer),
            Step::Unnamed(layer) => ("Skipped    ", layer),
        };
        let shown = layer.annotations.get(media::TITLE).unwrap_or(&layer.media_type);
        printing.progress(&format!("{verb} {} {shown}", short(&layer.digest)));
    })
    .await?;
    printing.progress(&format!("Downloaded  {line}"));
    for file in &report.files {
        files.push(entry(place, &file.layer, &file.path, file.is_folder));
    }
    if let Some(config) = job.config {
        let path = config_file(place, manifest, config, &job.options.folder).await?;
        files.extend(path);
    }
    Ok(!report.unnamed.is_empty())
}

/// Writes the config to a file, as `--config FILE[:TYPE]` of ORAS.
async fn config_file(
    place: &Place,
    manifest: &Manifest,
    text: &str,
    folder: &Path,
) -> Result<Option<Value>> {
    let (name, kind) = match text.rsplit_once(':') {
        Some((name, kind)) => (name, Some(kind)),
        None => (text, None),
    };
    let Some(config) = &manifest.document().config else { return Ok(None) };
    if kind.is_some_and(|kind| kind != config.media_type) {
        return Ok(None);
    }
    let limits = crate::limits::Limits::default();
    let bytes = place.repository.fetch_blob(config, limits.config_bytes).await?;
    let path = folder.join(name);
    write_file(&path, |file| file.write_all(&bytes))?;
    Ok(Some(entry(place, config, &path, false)))
}

/// Writes a chart as its archive, with its provenance file.
async fn chart(
    place: &Place,
    manifest: &Manifest,
    job: &Job<'_>,
    files: &mut Vec<Value>,
) -> Result<()> {
    let folder = &job.options.folder;
    let wanted =
        ChartRequest { digest: Some(manifest.digest().clone()), ..ChartRequest::default() };
    let with = chart_pull::Provenance::IfPresent;
    let limits = &job.options.limits;
    let pulled = chart_pull::pull(&place.repository, &place.name, &wanted, with, limits).await?;
    // A pull by digest would name the file by the digest; an artifact's file has the chart's name.
    let metadata = archive::read::read(pulled.archive.reader()?, Keep::Nothing, limits)?.metadata;
    let path = folder.join(format!("{}-{}.tgz", metadata.name, metadata.version));
    if job.options.old_files == OldFiles::Keep && path.exists() {
        let message = format!("`{}` exists, and old files are to be kept", path.display());
        return Err(Error::new(ErrorKind::Conflict, message));
    }
    std::fs::create_dir_all(folder).map_err(|error| Error::io("create folder", folder, error))?;
    let mut layers = manifest.document().layers().iter();
    let provenance = layers.find(|layer| layer.media_type == media::CHART_PROVENANCE);
    let beside = path.with_extension("tgz.prov");
    if let Some(bytes) = &pulled.provenance {
        write_file(&beside, |file| file.write_all(bytes))?;
    }
    pulled.archive.save_dated(&path, pulled.created())?;
    files.push(entry(place, &pulled.content, &path, false));
    if let (Some(layer), true) = (provenance, pulled.provenance.is_some()) {
        files.push(entry(place, layer, &beside, false));
    }
    Ok(())
}

fn entry(place: &Place, layer: &Descriptor, path: &Path, is_folder: bool) -> Value {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let slash = if is_folder { "/" } else { "" };
    let mut value = Map::new();
    value.insert("path".into(), format!("{}{slash}", whole.display()).into());
    value.insert("reference".into(), place.by_digest(&layer.digest).into());
    value.insert("mediaType".into(), layer.media_type.as_str().into());
    value.insert("digest".into(), layer.digest.as_str().into());
    value.insert("size".into(), layer.size.into());
    if !layer.annotations.is_empty() {
        value.insert("annotations".into(), json!(layer.annotations));
    }
    Value::Object(value)
}

fn text(job: &Job<'_>, place: &Place, root: &Manifest, files: &[Value], skipped: bool) -> String {
    let digest = root.digest();
    let target = match place.tags.first() {
        Some(tag) if place.digest.is_none() => format!(":{tag}"),
        _ => format!("@{digest}"),
    };
    match &job.printing {
        Printing::OrasText if skipped && files.is_empty() => format!(
            "Skipped pulling layers without file name in \"{}\"\nUse 'oras copy {name}{target} --to-oci-layout <layout-dir>' to pull all layers.\n",
            media::TITLE,
            name = place.oras_name(),
        ),
        Printing::OrasText => format!(
            "Pulled [{}] {}{target}\nDigest: {digest}\n",
            place.oras_kind(),
            place.oras_name()
        ),
        _ => {
            let mut text = format!("Pulled: {}{target}\nDigest: {digest}\n", place.name);
            for file in files {
                text.push_str(&format!("File: {}\n", file["path"].as_str().unwrap_or_default()));
            }
            text
        }
    }
}
