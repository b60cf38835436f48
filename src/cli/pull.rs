//! The command `pull`: into a folder, as in Helm now, or into the store of saved charts, as `helm
//! chart pull` did.

use super::{
    Run,
    fetch::fetch_with,
    push::{destination::refuse_address, legacy},
    shell::{
        exit::Exit,
        location::{LayoutReference, Location, is_in_repository},
        location_grammar::LocationText,
        output::Format,
        progress::Progress,
        remote::RemoteArgs,
        repository_flags::{self, Chart, RepositoryArgs},
        results::{Printed, conclude},
    },
};
use crate::{
    Error, ErrorKind, Result, archive,
    atomic_file::write_file,
    limits::Limits,
    oci::{Digest, Tag, TagOrDigest, media},
    ops::{
        pull::{self as op, Provenance, Pulled},
        repository::open::{archive_name, beside, file_name},
        tags::{ChartRequest, Devel},
    },
    redact::without_proof,
    store::BlobBytes,
    version::Version,
};
use clap::Args;
use futures_util::StreamExt;
use serde_json::json;
use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::SystemTime,
};

#[derive(Debug, Args)]
pub(super) struct PullArgs {
    /// Pull `oci://host/ns/name[:tag][@digest]`, `repo/chart`, `https://….tgz`, `layout:DIR[:tag]`;
    /// or save `host/ns/name:tag` here
    #[arg(required = true, value_name = "REFERENCE")]
    references: Vec<String>,
    /// Use this version, range or tag
    #[arg(long)]
    version: Option<String>,
    /// Include prereleases if no version is given
    #[arg(long)]
    devel: bool,
    /// Write to this folder
    #[arg(long, short = 'd', value_name = "DIR")]
    destination: Option<PathBuf>,
    /// Unpack the chart instead of keeping its archive
    #[arg(long)]
    untar: bool,
    /// Unpack to this folder, within the destination
    #[arg(long, value_name = "DIR")]
    untardir: Option<PathBuf>,
    /// Pull the provenance file too
    #[arg(long)]
    prov: bool,
    /// Write the result in this format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    chart_repository: RepositoryArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(super) fn pull(run: &Run, args: PullArgs) -> Result<Exit> {
    args.chart_repository.check()?;
    args.remote.require_one_host(&args.references)?;
    refuse_address(args.destination.as_ref())?;
    let limits = Limits::default();
    let progress = Progress::start(run, "pulled", "charts", args.references.len());
    // The store of saved charts has one writer, so saves run one after another.
    let files = args.references.iter().all(|text| {
        args.wants_file() || !LocationText::parse(text).is_bare() || is_in_repository(text)
    });
    run.block_on(async {
        let results: Vec<Result<Printed>> = futures_util::stream::iter(&args.references)
            .map(|text| {
                let (args, limits, counts) = (&args, &limits, progress.counts());
                async move {
                    let result = one(run, args, text, limits).await;
                    counts.items.fetch_add(1, Ordering::Relaxed);
                    result
                }
            })
            .buffered(if files { AT_ONCE } else { 1 })
            .collect()
            .await;
        drop(progress);
        let outcomes = args.references.iter().cloned().zip(results).collect();
        conclude(run, args.output, "pulled", outcomes)
    })
}

/// The number of charts pulled at once.
const AT_ONCE: usize = 8;

async fn one(run: &Run, args: &PullArgs, text: &str, limits: &Limits) -> Result<Printed> {
    let folder = args.destination.clone().unwrap_or_else(|| PathBuf::from("."));
    if let Some(url) = &args.chart_repository.repo {
        return from_repository(run, args, Chart::In { url, chart: text }, text, &folder, limits)
            .await;
    }
    let form = LocationText::parse(text);
    if let LocationText::Http(text) | LocationText::OtherUrl(text) = form {
        let chart = Chart::Archive { url: text };
        return from_repository(run, args, chart, text, &folder, limits).await;
    }
    if is_in_repository(text)
        && let Some((first, chart)) = text.split_once('/')
    {
        let repository = &run.repository_files().find(first, limits)?;
        let chart = Chart::Configured { repository, chart };
        return from_repository(run, args, chart, text, &folder, limits).await;
    }
    let location = match form {
        LocationText::Layout(rest) => Location::Layout(LayoutReference::parse(rest)?),
        LocationText::Bare(text) if !args.wants_file() => {
            return legacy::pull(run, &args.remote, text, limits).await;
        }
        _ => Location::Registry(text.parse()?),
    };
    let wanted = |tag: Option<Tag>, digest: Option<Digest>| ChartRequest {
        tag,
        digest,
        version: args.version.clone(),
        devel: if args.devel { Devel::Prereleases } else { Devel::Releases },
    };
    let pulled =
        fetch_with(run, &location, &args.remote, wanted, args.provenance(), limits).await?;
    let (repository, name) = names(&location, &pulled);
    if matches!(location, Location::Registry(_)) {
        warn_of_another(run, text, &name, &pulled, limits);
    }
    let file = if args.untar {
        place(run, args, &folder, &name, &pulled.archive, pulled.created(), limits)?
    } else {
        op::save(&pulled, &name, &folder)?.archive
    };
    if args.prov && pulled.provenance.is_none() {
        run.talk.warn(&format!("verification not found for {text}: there is no provenance file"));
    }
    let digest = pulled.manifest.digest();
    let pulled_as = match &pulled.target {
        crate::oci::TagOrDigest::Tag(tag) => format!("{repository}:{tag}"),
        crate::oci::TagOrDigest::Digest(digest) => format!("{repository}@{digest}"),
    };
    let annotations = &pulled.manifest.document().annotations;
    let fields = json!({
        "status": "pulled",
        "name": annotations.get(media::TITLE).unwrap_or(&name),
        "version": annotations.get(media::VERSION),
        "ref": pulled_as,
        "digest": digest,
        "archiveDigest": pulled.content.digest,
        "size": pulled.content.size,
        "file": file,
    });
    Ok(Printed::new(format!("Pulled: {pulled_as}\nDigest: {digest}\n"), fields))
}

/// Warns if a registry's chart has a different name or version than its repository and tag.
/// Registries allow any name, so it is not an error. The file is named after the reference, as with
/// Helm.
fn warn_of_another(run: &Run, text: &str, name: &str, pulled: &Pulled, limits: &Limits) {
    let read = pulled
        .archive
        .reader()
        .and_then(|reader| archive::read::read(reader, archive::Keep::Nothing, limits));
    let version = match &pulled.target {
        TagOrDigest::Tag(tag) => Some(tag.to_version()),
        TagOrDigest::Digest(_) => None,
    };
    // A tag that is not a version does not identify the chart's version.
    let version = version.filter(|version| Version::parse_loose(version).is_ok());
    let other = match read {
        Ok(chart) => chart.metadata.other_than(name, version.as_deref().unwrap_or_default()),
        Err(error) => Some(format!("its archive is not a valid chart: {}", error.chain())),
    };
    if let Some(other) = other {
        run.talk.warn(&format!("{text} is not the chart that its reference names: {other}"));
    }
}

/// Pulls from a chart repository. Helm prints nothing about it, and neither does chartferry.
async fn from_repository(
    run: &Run,
    args: &PullArgs,
    chart: Chart<'_>,
    text: &str,
    folder: &Path,
    limits: &Limits,
) -> Result<Printed> {
    // A user who writes the URL of an archive chose the file's name. An index may contain any name.
    let typed = match chart {
        Chart::Archive { url } => file_name(url).ok().filter(|name| is_archive(name)),
        _ => None,
    };
    let located = args
        .chart_repository
        .locate(run, &args.remote, chart, args.version.as_deref(), args.devel)
        .await?;
    let got = repository_flags::fetch(run, &located, args.provenance()).await?;
    let metadata = got.metadata(limits).map_err(|error| {
        error.context(format!("{} is not a valid chart archive", without_proof(&located.url)))
    })?;
    let name = typed.map_or_else(|| archive_name(&metadata), Ok)?;
    let created = op::file_time(&located.created);
    let file = place(run, args, folder, &name, &got.archive, created, limits)?;
    if args.prov {
        match &got.provenance {
            // An unpacked chart has no archive beside which the file could be.
            Some(_) if args.untar => {}
            Some(bytes) => {
                let path = folder.join(format!("{name}.prov"));
                write_file(&path, |file| file.write_all(bytes))?;
            }
            None => run.talk.warn(&format!(
                "verification not found for {text}: failed to fetch {} : {}",
                beside(&located.url),
                got.unsigned.as_deref().unwrap_or("404 Not Found")
            )),
        }
    }
    let fields = json!({
        "status": "pulled",
        "name": metadata.name,
        "version": metadata.version,
        "url": without_proof(&located.url),
        "archiveDigest": got.digest,
        "size": got.size,
        "file": file,
    });
    Ok(Printed::new(String::new(), fields))
}

impl PullArgs {
    /// Returns true if a flag requests a file, whatever the reference looks like.
    fn wants_file(&self) -> bool {
        self.untar
            || self.prov
            || self.devel
            || self.version.is_some()
            || self.destination.is_some()
    }

    fn provenance(&self) -> Provenance {
        if self.prov { Provenance::IfPresent } else { Provenance::Leave }
    }
}

fn is_archive(name: &str) -> bool {
    [".tgz", ".tar.gz"].iter().any(|ending| name.ends_with(ending) && name.len() > ending.len())
}

/// Writes the archive, or unpacks it.
fn place(
    run: &Run,
    args: &PullArgs,
    folder: &Path,
    name: &str,
    archive: &BlobBytes,
    created: Option<SystemTime>,
    limits: &Limits,
) -> Result<PathBuf> {
    std::fs::create_dir_all(folder).map_err(|error| Error::io("create folder", folder, error))?;
    if args.untar {
        let folder =
            args.untardir.as_ref().map_or_else(|| folder.to_owned(), |inner| folder.join(inner));
        std::fs::create_dir_all(&folder)
            .map_err(|error| Error::io("create folder", &folder, error))?;
        let expanded = archive::expand::expand(
            archive.reader()?,
            &folder,
            archive::expand::Existing::Refuse,
            limits,
        )
        .map_err(untar)?;
        for warning in &expanded.skipped {
            run.talk.warn(warning);
        }
        return Ok(expanded.path);
    }
    let path = folder.join(name);
    archive.save_dated(&path, created)?;
    Ok(path)
}

fn untar(error: Error) -> Error {
    if error.kind() == ErrorKind::Conflict { error.context("failed to untar") } else { error }
}

/// Returns the repository to print, and the start of the archive's file name.
fn names(location: &Location, pulled: &Pulled) -> (String, String) {
    let title = || {
        let title = pulled.manifest.document().annotations.get(media::TITLE);
        title
            .filter(|title| !title.contains(['/', '\\']))
            .cloned()
            .unwrap_or_else(|| "chart".to_owned())
    };
    match location {
        Location::Registry(reference) => {
            (reference.repository_path(), reference.repository.last_segment().to_owned())
        }
        Location::Saved(reference) => {
            (reference.repository_path(), reference.repository.last_segment().to_owned())
        }
        Location::Layout(layout) => (format!("layout:{}", layout.folder.display()), title()),
        Location::Path(path) => (path.display().to_string(), title()),
        Location::Url(url) => (url.clone(), title()),
        Location::Chart { repository, chart } => {
            (format!("{}/{chart}", repository.name), chart.clone())
        }
    }
}
