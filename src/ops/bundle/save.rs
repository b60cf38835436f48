//! `bundle save`: writes chosen charts from any source to one file. The same content gives the same
//! bytes, in whatever order the charts were named or downloaded.

use super::{Base, blobs_of, listed};
use crate::{
    Advice, Error, ErrorKind, Result,
    atomic_file::write_file,
    digest::Digest,
    error::Context as _,
    limits::Limits,
    oci::{Descriptor, Manifest, RepositoryName, TagOrDigest, chart, media},
    ops::{chart_archive::check_size, chart_manifest::chart_of},
    store::{
        BlobFile, BlobSource, Fetch, blocking,
        bundle::{Entry, Format, Writer},
    },
};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::{
    collections::{BTreeMap, HashSet},
    io::{BufWriter, Write},
    path::Path,
};
use tokio::sync::mpsc;

/// The number of manifests and blobs downloaded at once. A blob in memory uses 4 MiB at most, so
/// this limits the memory.
const AT_ONCE: usize = 12;

/// The handling of an artifact that is not a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insist {
    /// Fail, because the user named it.
    Chart,
    /// Skip and report it, because a range or a namespace included it.
    Nothing,
}

/// A selected version.
#[derive(Clone, Debug)]
pub struct Chosen<R> {
    /// The repository of the version.
    pub repository: R,
    /// The repository's name for people.
    pub shown: String,
    /// The name of its repository in the bundle.
    pub name: RepositoryName,
    /// The tag or digest of the version.
    pub target: TagOrDigest,
    /// The handling of an artifact that is not a chart.
    pub insist: Insist,
}

/// Options of saving.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SaveOptions {
    /// The compression of the tar.
    pub format: Format,
    /// The base of a delta. `None` saves everything.
    pub base: Option<Base>,
    /// The limits on sizes and counts.
    pub limits: Limits,
}

/// The result of saving.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// The number of charts in the bundle.
    pub charts: usize,
    /// The number of blobs and manifests in the bundle.
    pub blobs: usize,
    /// The number of blobs and manifests of its charts that only the base has.
    pub left_out: usize,
    /// The size of the file in bytes.
    pub size: u64,
    /// The artifacts that are not charts, each with its kind.
    pub skipped: Vec<String>,
}

/// Saves a bundle. The file appears complete or not at all.
///
/// # Errors
/// `NotFound` if nothing was chosen; `Conflict` if two charts would have one name; any error of the
/// repositories.
pub async fn save<R: Fetch + Clone + Send + 'static>(
    chosen: Vec<Chosen<R>>,
    file: &Path,
    options: &SaveOptions,
) -> Result<Saved> {
    let found: Vec<(Chosen<R>, Found)> = stream::iter(chosen)
        .map(|one| async move {
            let found = look(&one).await?;
            Ok::<_, Error>((one, found))
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let mut saved = Saved::default();
    let plan = plan(found, options, &mut saved)?;
    let (sender, receiver) = mpsc::channel(2);
    let path = file.to_owned();
    let format = options.format;
    let base = options.base.as_ref().map(|base| base.identity.clone());
    let fetching = fetch_all(plan.blobs, &options.limits, sender);
    let content = Content { entries: plan.entries, manifests: plan.manifests, blobs: saved.blobs };
    let writing = blocking(move || write(&path, format, base.as_ref(), &content, receiver));
    // If one of the two fails, the other ends too, because its side of the channel is closed.
    let (size, fetched) = tokio::join!(writing, fetching);
    fetched?;
    saved.size = size?;
    Ok(saved)
}

enum Found {
    Chart(Box<Manifest>),
    Other(String),
    /// The state of a mirror, which is not a chart.
    State,
}

async fn look<R: Fetch>(one: &Chosen<R>) -> Result<Found> {
    let manifest = one
        .repository
        .fetch_manifest(&one.target)
        .await
        .context(|| format!("cannot save {}", one.shown))?;
    // Of a chart among images, only its own manifest is saved, without the index.
    let manifest = match chart_of(&one.repository, manifest.clone()).await {
        Ok(chart) if matches!(one.target, TagOrDigest::Tag(_)) => chart,
        // A digest names the index itself.
        Ok(_) => manifest,
        Err(error) if error.kind() == ErrorKind::Invalid => manifest,
        Err(error) => return Err(error.context(format!("cannot save {}", one.shown))),
    };
    match chart::find(&manifest) {
        Ok(found) if found.foreign.is_none() && found.config.is_some() => {
            Ok(Found::Chart(Box::new(manifest)))
        }
        _ if one.insist == Insist::Nothing
            && manifest.document().effective_artifact_type() == Some(media::MIRROR_STATE) =>
        {
            Ok(Found::State)
        }
        _ if one.insist == Insist::Nothing => {
            Ok(Found::Other(format!("{}: {}", one.shown, chart::describe(&manifest))))
        }
        _ => Err(chart::not_a_chart(&manifest).context(format!("cannot save {}", one.shown))),
    }
}

struct Plan<R> {
    entries: Vec<Entry>,
    manifests: Vec<Manifest>,
    blobs: Vec<(R, Descriptor)>,
}

/// Returns all content in the order of the file: entries by name, manifests and blobs by digest.
fn plan<R>(
    found: Vec<(Chosen<R>, Found)>,
    options: &SaveOptions,
    saved: &mut Saved,
) -> Result<Plan<R>>
where
    R: Clone,
{
    let mut entries: BTreeMap<String, (Entry, String)> = BTreeMap::new();
    let mut manifests: BTreeMap<Digest, Manifest> = BTreeMap::new();
    let mut blobs: BTreeMap<Digest, (R, Descriptor)> = BTreeMap::new();
    let mut of_base: HashSet<Digest> = HashSet::new();
    let mut all: HashSet<Digest> = HashSet::new();
    for (one, found) in found {
        let manifest = match found {
            Found::Chart(manifest) => manifest,
            Found::Other(what) => {
                saved.skipped.push(what);
                continue;
            }
            Found::State => continue,
        };
        let entry = Entry::new(one.name.clone(), &one.target, manifest.descriptor());
        let name = match &one.target {
            TagOrDigest::Tag(tag) => format!("{}:{tag}", one.name),
            TagOrDigest::Digest(digest) => format!("{}@{digest}", one.name),
        };
        if let Some((other, shown)) = entries.get(&name)
            && other.digest() != manifest.digest()
        {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("{} and {shown} would both be `{name}` in the bundle", one.shown),
            )
            .with_advice(Advice::SaveCommonNamespace));
        }
        entries.insert(name, (entry, one.shown.clone()));
        if let Some(base) = &options.base
            && base.manifests.contains(manifest.digest())
        {
            of_base.insert(manifest.digest().clone());
            of_base.extend(blobs_of(&manifest).map(|blob| blob.digest.clone()));
        }
        all.insert(manifest.digest().clone());
        for blob in blobs_of(&manifest) {
            let limit = options.limits.archive_bytes.max(options.limits.config_bytes);
            if blob.size > limit {
                return Err(Error::new(
                    ErrorKind::Limit,
                    format!("{} has a layer of {} bytes, more than {limit}", one.shown, blob.size),
                ));
            }
            all.insert(blob.digest.clone());
            blobs
                .entry(blob.digest.clone())
                .or_insert_with(|| (one.repository.clone(), blob.clone()));
        }
        manifests.insert(manifest.digest().clone(), *manifest);
    }
    if entries.is_empty() {
        let error = Error::not_found("no chart was chosen, so there is nothing to save");
        return Err(match saved.skipped.is_empty() {
            true => error,
            false => {
                error.with_hint(format!("no artifact found is a chart: {}", listed(&saved.skipped)))
            }
        });
    }
    let there = |digest: &Digest| {
        of_base.contains(digest)
            || options
                .base
                .as_ref()
                .is_some_and(|base| base.blobs.contains(digest) || base.manifests.contains(digest))
    };
    manifests.retain(|digest, _| !there(digest));
    // A blob of one chart may also be the manifest of another, if somebody intends it. The bundle
    // then has it once.
    blobs.retain(|digest, _| !there(digest) && !manifests.contains_key(digest));
    saved.charts = entries.len();
    saved.blobs = manifests.len() + blobs.len();
    saved.left_out = all.len() - saved.blobs;
    Ok(Plan {
        entries: entries.into_values().map(|(entry, _)| entry).collect(),
        manifests: manifests.into_values().collect(),
        blobs: blobs.into_values().collect(),
    })
}

/// A blob to write to the file. Its temporary file lives as long as this.
struct Ready {
    blob: Descriptor,
    source: BlobSource,
    _file: Option<BlobFile>,
}

/// Downloads several at once and passes them on in order.
async fn fetch_all<R: Fetch + Send>(
    blobs: Vec<(R, Descriptor)>,
    limits: &Limits,
    sender: mpsc::Sender<Ready>,
) -> Result<()> {
    let mut ready = stream::iter(blobs)
        .map(|(repository, blob)| async move {
            if blob.size <= limits.memory_blob {
                let bytes = repository.fetch_blob(&blob, limits.memory_blob).await?;
                return Ok(Ready { blob, source: BlobSource::Bytes(bytes), _file: None });
            }
            check_size(&blob, limits)?;
            let file = repository.fetch_blob_file(&blob).await?;
            let source = BlobSource::File(file.path().to_owned());
            Ok::<_, Error>(Ready { blob, source, _file: Some(file) })
        })
        .buffered(AT_ONCE);
    while let Some(one) = ready.next().await {
        // The writer went away with an error of its own, which is the one to report.
        if sender.send(one?).await.is_err() {
            break;
        }
    }
    Ok(())
}

struct Content {
    entries: Vec<Entry>,
    manifests: Vec<Manifest>,
    /// The number of manifests and blobs.
    blobs: usize,
}

fn write(
    path: &Path,
    format: Format,
    base: Option<&Digest>,
    content: &Content,
    mut blobs: mpsc::Receiver<Ready>,
) -> Result<u64> {
    let mut failure = None;
    let mut size = 0;
    let written = write_file(path, |file| {
        let mut fill = || -> Result<()> {
            let out = BufWriter::with_capacity(256 * 1024, &mut *file);
            let mut writer = Writer::new(out, format, &content.entries, base)?;
            for manifest in &content.manifests {
                writer.manifest(manifest)?;
            }
            let mut written = content.manifests.len();
            while let Some(one) = blobs.blocking_recv() {
                writer.blob(&one.blob, &one.source)?;
                written += 1;
            }
            if written < content.blobs {
                // The other side has the reason.
                return Err(Error::new(ErrorKind::Interrupted, "the bundle was not finished"));
            }
            writer.finish()?.flush().map_err(|error| Error::io("write", path, error))
        };
        fill().map_err(|error| {
            failure = Some(error);
            std::io::Error::other("the bundle was not finished")
        })?;
        size = file.metadata()?.len();
        Ok(())
    });
    match (failure, written) {
        (Some(error), _) => Err(error),
        (None, Err(error)) => Err(error),
        (None, Ok(())) => Ok(size),
    }
}
