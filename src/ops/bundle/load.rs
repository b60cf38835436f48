//! `bundle load`: copies a bundle's charts to a registry, an image layout or a folder. It first
//! finds present, missing and conflicting versions, and only then writes.

use super::{
    blobs_of,
    charts::{Charts, Identity},
    listed,
    names::{self, Names},
};
use crate::{
    Advice, Error, ErrorKind, Result,
    advice::Occupied,
    chart::time::Time,
    client::{Client, Intent},
    digest::Digest,
    error::Context as _,
    limits::Limits,
    oci::{Descriptor, Manifest, Registry, RepositoryName, Tag, TagOrDigest, chart, media},
    ops::{any_repository::AnyRepository, index, push::Existing},
    store::{
        Exists, Fetch, Held, Push, Resolve, blocking,
        bundle::{Bundle, Entry, Part},
        layout::Layout,
    },
};
use futures_util::{StreamExt, TryStreamExt, stream, stream::FuturesUnordered};
use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::mpsc;

/// The number of requests at once.
const AT_ONCE: usize = 32;
/// The number of blobs pushed at once; each uses 4 MiB of memory at most.
const BLOBS_AT_ONCE: usize = 8;

/// The destination of a bundle.
#[derive(Clone, Debug)]
pub enum To {
    /// A namespace of a registry. Charts are stored below it, with the names that they have in the
    /// bundle.
    Registry {
        /// The client for the registry.
        client: Client,
        /// The registry.
        registry: Registry,
        /// The namespace; the registry's root without one.
        namespace: Option<RepositoryName>,
    },
    /// An image layout of many charts.
    Layout(Box<Layout>),
    /// A folder of archives with their provenance.
    Folder(PathBuf),
}

/// Options of loading.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LoadOptions {
    /// The handling of an existing version that is a different chart.
    pub existing: Existing,
    /// The entries to load.
    pub only: Only,
    /// The current time, for the index.yaml of a folder.
    pub now: Time,
    /// The limits on sizes and counts.
    pub limits: Limits,
}

/// The selection of a bundle's entries.
#[derive(Clone, Debug, Default)]
pub enum Only {
    /// All entries.
    #[default]
    All,
    /// The entries at these positions of [`Bundle::entries`].
    At(HashSet<usize>),
}

/// The result of loading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// New versions at the destination, by their names there.
    pub loaded: Vec<String>,
    /// The number of versions that the destination had already.
    pub present: usize,
    /// Versions skipped because their place has a different chart.
    pub skipped: Vec<String>,
    /// The number of blobs sent.
    pub blobs: usize,
    /// A sentence for each loaded chart whose name differs from its repository or tag.
    pub others: Vec<String>,
}

/// A version that is being loaded.
struct Item {
    entry: Entry,
    name: RepositoryName,
    tag: Option<Tag>,
    digest: Digest,
    manifest: Option<Manifest>,
    shown: String,
}

impl Item {
    fn target(&self) -> TagOrDigest {
        match &self.tag {
            Some(tag) => TagOrDigest::Tag(tag.clone()),
            None => TagOrDigest::Digest(self.digest.clone()),
        }
    }
}

/// The action for a version.
enum Verdict {
    Present,
    Skip,
    Conflict,
    Missing,
    /// Load the version; the bundles must supply these blobs.
    Load(Box<Item>, Vec<Descriptor>),
}

/// Loads a bundle, with the content of its bases, into `to`.
///
/// # Errors
/// Before anything is written: `NotFound` if neither the bundles nor the destination have a blob,
/// such as for a delta without its base. `Conflict` if a version exists as a different chart and
/// `existing` refuses that. `Conflict` also if two charts would be one file of a folder. `Invalid`
/// for two manifests under one name. Before a version gets its name: `Invalid` if an archive
/// differs from its manifest, its config or its file's name. Also any error of the destination.
pub async fn load(
    bundle: &Bundle,
    bases: &[Bundle],
    to: &To,
    options: &LoadOptions,
) -> Result<Loaded> {
    let sources: Vec<&Bundle> = std::iter::once(bundle).chain(bases).collect();
    let items = items(bundle, &sources, to, &options.only)?;
    let judged: Vec<(String, Verdict)> = stream::iter(items)
        .map(|item| judge(item, &sources, to, options))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let mut loaded = Loaded::default();
    let (mut conflicts, mut missing, mut going) = (Vec::new(), Vec::new(), Vec::new());
    for (shown, verdict) in judged {
        match verdict {
            Verdict::Present => loaded.present += 1,
            Verdict::Skip => loaded.skipped.push(shown),
            Verdict::Conflict => conflicts.push(shown),
            Verdict::Missing => missing.push(shown),
            Verdict::Load(item, blobs) => going.push((item, blobs)),
        }
    }
    if !missing.is_empty() {
        return Err(lacking(bundle, &missing));
    }
    if !conflicts.is_empty() {
        return Err(Error::new(
            ErrorKind::Conflict,
            match conflicts.as_slice() {
                [one] => format!("{one} holds another chart"),
                many => format!("{} tags hold other charts: {}", many.len(), listed(many)),
            },
        )
        .with_advice(Advice::Overwrite(Occupied::Names)));
    }
    loaded.loaded = going.iter().map(|(item, _)| item.shown.clone()).collect();
    let charts = charts(&going, to)?;
    loaded.blobs = match to {
        To::Folder(folder) => {
            let written = fill(folder, &going, &sources, &charts, &options.limits).await?;
            list(folder, &going, options).await?;
            written
        }
        _ => {
            let sent = send(&going, &sources, to, &charts, &options.limits).await?;
            charts.finish()?;
            name_all(&going, to).await?;
            sent
        }
    };
    loaded.others = charts.finish()?;
    Ok(loaded)
}

/// Returns the comparison for archives from the bundles.
fn charts(going: &[(Box<Item>, Vec<Descriptor>)], to: &To) -> Result<Arc<Charts>> {
    let mut charts = Charts::default();
    for (item, _) in going {
        let Some(manifest) = &item.manifest else { continue };
        match to {
            To::Folder(_) => charts.add_file(&item.entry, manifest, file_identity(item))?,
            _ => charts.add(&item.entry, manifest)?,
        }
    }
    Ok(Arc::new(charts))
}

/// Compares a blob with its chart's manifest before it is written anywhere.
async fn judge_part(charts: &Arc<Charts>, part: &Part, limits: &Limits) -> Result<()> {
    if !charts.wants(&part.digest) {
        return Ok(());
    }
    let (charts, part, limits) = (charts.clone(), part.clone(), limits.clone());
    blocking(move || charts.read(&part, &limits)).await
}

fn lacking(bundle: &Bundle, missing: &[String]) -> Error {
    let file = bundle.path().display();
    let error = |what: &str| {
        Error::not_found(format!(
            "`{file}` {what}; of {} charts, blobs are neither in it nor at the destination: {}",
            missing.len(),
            listed(missing)
        ))
    };
    match bundle.base() {
        Some(base) => {
            error(&format!("is a delta to the bundle {base}")).with_advice(Advice::LoadBase)
        }
        None => error("is not whole").with_hint("nothing was loaded; save the bundle again"),
    }
}

/// Returns the bundle's entries, each once, with its name at the destination.
fn items(bundle: &Bundle, sources: &[&Bundle], to: &To, only: &Only) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    let mut names = Names::default();
    let mut files = names::Files::default();
    let mut seen = HashSet::new();
    for (at, entry) in bundle.entries().iter().enumerate() {
        if matches!(only, Only::At(places) if !places.contains(&at)) {
            continue;
        }
        let manifest = sources.iter().find_map(|source| source.manifest(entry.digest())).cloned();
        if let Some(manifest) = &manifest {
            chart::find(manifest).context(|| {
                format!("`{}` cannot be loaded: {}", bundle.path().display(), entry.name)
            })?;
        }
        let name = names.add(bundle, entry, manifest.as_ref())?;
        let name = match to {
            To::Registry { namespace: Some(namespace), .. } => namespace.join(name.as_str())?,
            _ => name,
        };
        let tag = entry.name.tag.clone();
        let mut item = Item {
            entry: entry.clone(),
            name,
            tag,
            digest: entry.digest().clone(),
            manifest,
            shown: String::new(),
        };
        item.shown = shown(&item, to);
        // Tags of one chart are one file in a folder.
        let is_new = match to {
            To::Folder(_) => {
                files.add(&item.shown, entry, item.manifest.as_ref())? == names::Taken::No
            }
            _ => seen.insert((item.name.to_string(), item.shown.clone())),
        };
        if is_new {
            items.push(item);
        }
    }
    Ok(items)
}

fn shown(item: &Item, to: &To) -> String {
    let name = match item.target() {
        TagOrDigest::Tag(tag) => format!("{}:{tag}", item.name),
        TagOrDigest::Digest(digest) => format!("{}@{digest}", item.name),
    };
    match to {
        To::Registry { registry, .. } => format!("{registry}/{name}"),
        To::Layout(_) => name,
        To::Folder(_) => file_name(item),
    }
}

/// Returns the file name, `NAME-VERSION.tgz`.
fn file_name(item: &Item) -> String {
    let Identity { name, version } = file_identity(item);
    format!("{name}-{version}.tgz")
}

fn file_identity(item: &Item) -> Identity {
    names::of_file(&item.entry, &item.name, item.manifest.as_ref())
}

fn place(name: &RepositoryName, to: &To) -> Option<AnyRepository> {
    match to {
        To::Registry { client, registry, .. } => Some(AnyRepository::Registry(
            client.repository(registry, name).with_intent(Intent::Writing),
        )),
        To::Layout(layout) => Some(AnyRepository::Layout(Box::new(layout.repository(name)))),
        To::Folder(_) => None,
    }
}

async fn judge(
    mut item: Item,
    sources: &[&Bundle],
    to: &To,
    options: &LoadOptions,
) -> Result<(String, Verdict)> {
    let shown = item.shown.clone();
    let context = || format!("cannot read the content of {shown}");
    let Some(place) = place(&item.name, to) else {
        let To::Folder(folder) = to else { return Ok((shown, Verdict::Skip)) };
        let verdict = judge_file(item, sources, folder, options)?;
        return Ok((shown, verdict));
    };
    match place.resolve(&item.target()).await.context(context)? {
        Some(there) if there.digest == item.digest => return Ok((shown, Verdict::Present)),
        Some(_) => match options.existing {
            Existing::Refuse => return Ok((shown, Verdict::Conflict)),
            Existing::Skip => return Ok((shown, Verdict::Skip)),
            Existing::Overwrite => {}
        },
        None => {}
    }
    let by_digest = TagOrDigest::Digest(item.digest.clone());
    let Some(manifest) = &item.manifest else {
        // The base supplies these. If it has a manifest, it has the manifest's blobs.
        return match place.fetch_manifest(&by_digest).await {
            Ok(manifest) => {
                item.manifest = Some(manifest);
                Ok((shown, Verdict::Load(Box::new(item), Vec::new())))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok((shown, Verdict::Missing)),
            Err(error) => Err(error.context(context())),
        };
    };
    let mut taken = Vec::new();
    for blob in blobs_of(manifest) {
        if sources.iter().any(|source| source.holds(&blob.digest).is_some()) {
            taken.push(blob.clone());
        } else if place.holds_blob(blob).await.context(context)? == Held::Unknown {
            return Ok((shown, Verdict::Missing));
        }
    }
    Ok((shown, Verdict::Load(Box::new(item), taken)))
}

/// Compares the chart with a folder's file by the archive's digest, because a folder has archives,
/// not manifests.
fn judge_file(
    item: Item,
    sources: &[&Bundle],
    folder: &Path,
    options: &LoadOptions,
) -> Result<Verdict> {
    let Some(manifest) = &item.manifest else {
        return Ok(Verdict::Missing);
    };
    let found = chart::find(manifest)?;
    let wanted: Vec<Descriptor> =
        std::iter::once(found.content).chain(found.provenance).cloned().collect();
    let path = folder.join(&item.shown);
    if let Some(there) = digest_of(&path)? {
        if there == found.content.digest {
            let beside = digest_of(&beside(&path))?;
            if found.provenance.is_none_or(|prov| beside.as_ref() == Some(&prov.digest)) {
                return Ok(Verdict::Present);
            }
        } else {
            match options.existing {
                Existing::Refuse => return Ok(Verdict::Conflict),
                Existing::Skip => return Ok(Verdict::Skip),
                Existing::Overwrite => {}
            }
        }
    }
    let held = |blob: &Descriptor| sources.iter().any(|s| s.holds(&blob.digest).is_some());
    Ok(match wanted.iter().all(held) {
        true => Verdict::Load(Box::new(item), wanted),
        false => Verdict::Missing,
    })
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".prov");
    name.into()
}

fn digest_of(path: &Path) -> Result<Option<Digest>> {
    let mut file = match fs::File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|error| Error::io("open", path, error))?,
    };
    let mut hasher = crate::digest::Algorithm::Sha256.hasher();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match std::io::Read::read(&mut file, &mut buffer) {
            Ok(0) => return Ok(Some(hasher.finish())),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) => return Err(Error::io("read", path, error)),
        }
    }
}

/// Maps each blob to the first bundle that has it.
fn givers<'a>(
    sources: &[&'a Bundle],
    wanted: impl Iterator<Item = &'a Digest>,
) -> Vec<(Bundle, HashSet<Digest>)> {
    let mut all: Vec<(Bundle, HashSet<Digest>)> =
        sources.iter().map(|bundle| ((*bundle).clone(), HashSet::new())).collect();
    for digest in wanted {
        if let Some((_, own)) = all.iter_mut().find(|(bundle, _)| bundle.holds(digest).is_some()) {
            own.insert(digest.clone());
        }
    }
    all.retain(|(_, own)| !own.is_empty());
    all
}

/// Reads the wanted blobs on a separate thread, in the bundles' order.
fn read(
    givers: Vec<(Bundle, HashSet<Digest>)>,
) -> (mpsc::Receiver<Part>, impl Future<Output = Result<()>>) {
    let (sender, receiver) = mpsc::channel(2);
    let reading = blocking(move || {
        for (bundle, wanted) in givers {
            let gone = || Error::new(ErrorKind::Interrupted, "nobody takes the blobs");
            bundle.blobs(
                |digest| wanted.contains(digest),
                |part| sender.blocking_send(part).map_err(|_| gone()),
            )?;
        }
        Ok(())
    });
    (receiver, reading)
}

async fn send(
    going: &[(Box<Item>, Vec<Descriptor>)],
    sources: &[&Bundle],
    to: &To,
    charts: &Arc<Charts>,
    limits: &Limits,
) -> Result<usize> {
    let mut places: HashMap<&Digest, HashMap<&RepositoryName, &Descriptor>> = HashMap::new();
    for (item, blobs) in going {
        for blob in blobs {
            places.entry(&blob.digest).or_default().insert(&item.name, blob);
        }
    }
    let (parts, reading) = read(givers(sources, places.keys().copied()));
    let pushing = async {
        // The receiver is dropped with the first error, so that the reader does not wait for it.
        let mut parts = parts;
        let mut sent = 0;
        let mut under_way = FuturesUnordered::new();
        while let Some(part) = parts.recv().await {
            judge_part(charts, &part, limits).await?;
            for (name, blob) in places.get(&part.digest).into_iter().flatten() {
                let Some(place) = place(name, to) else { continue };
                let (content, blob) = (part.content.clone(), (*blob).clone());
                under_way.push(async move {
                    let pushed = place.push_blob(&blob, &content.source()).await;
                    pushed.context(|| format!("cannot load `{}`", blob.digest))
                });
                sent += 1;
            }
            while under_way.len() >= BLOBS_AT_ONCE {
                under_way.try_next().await?;
            }
        }
        while under_way.try_next().await?.is_some() {}
        Ok::<usize, Error>(sent)
    };
    let (sent, read) = tokio::join!(pushing, reading);
    let sent = sent?;
    read?;
    Ok(sent)
}

/// Stores manifests last, so that a name never refers to missing content.
async fn name_all(going: &[(Box<Item>, Vec<Descriptor>)], to: &To) -> Result<()> {
    if going.is_empty() {
        return Ok(());
    }
    let named = going.iter().filter_map(|(item, _)| Some((item, item.manifest.clone()?)));
    if let To::Layout(layout) = to {
        let all = named.map(|(item, manifest)| (item.name.clone(), manifest, item.tag.clone()));
        return layout.push_manifests(all.collect()).await;
    }
    let push = named.filter_map(|(item, manifest)| {
        let place = place(&item.name, to)?;
        Some(async move {
            let pushed = place.push_manifest(&manifest, item.tag.as_ref()).await;
            pushed.context(|| format!("cannot load {}", item.shown))
        })
    });
    stream::iter(push).buffer_unordered(AT_ONCE).try_collect().await
}

async fn fill(
    folder: &Path,
    going: &[(Box<Item>, Vec<Descriptor>)],
    sources: &[&Bundle],
    charts: &Arc<Charts>,
    limits: &Limits,
) -> Result<usize> {
    fs::create_dir_all(folder).map_err(|error| Error::io("create folder", folder, error))?;
    let mut files: HashMap<&Digest, HashSet<PathBuf>> = HashMap::new();
    for (item, blobs) in going {
        let path = folder.join(&item.shown);
        for (at, blob) in blobs.iter().enumerate() {
            let path = if at == 0 { path.clone() } else { beside(&path) };
            files.entry(&blob.digest).or_default().insert(path);
        }
    }
    // Configs are read first: they are not written, and each archive is compared with its config
    // before it is written.
    let (mut parts, reading) = read(givers(sources, charts.configs()));
    let comparing = async {
        while let Some(part) = parts.recv().await {
            judge_part(charts, &part, limits).await?;
        }
        drop(parts);
        Ok::<(), Error>(())
    };
    let (compared, read_configs) = tokio::join!(comparing, reading);
    compared?;
    read_configs?;
    let (parts, reading) = read(givers(sources, files.keys().copied()));
    let writing = async {
        let mut parts = parts;
        let mut written = 0;
        while let Some(part) = parts.recv().await {
            judge_part(charts, &part, limits).await?;
            for path in files.get(&part.digest).into_iter().flatten() {
                let (part, path) = (part.clone(), path.clone());
                blocking(move || part.content.save(&path)).await?;
                written += 1;
            }
        }
        Ok::<usize, Error>(written)
    };
    let (written, read) = tokio::join!(writing, reading);
    let written = written?;
    read?;
    Ok(written)
}

/// Updates the folder's index.yaml, with the times in the manifests.
async fn list(
    folder: &Path,
    going: &[(Box<Item>, Vec<Descriptor>)],
    options: &LoadOptions,
) -> Result<()> {
    if going.is_empty() && folder.join("index.yaml").exists() {
        return Ok(());
    }
    let created = going.iter().filter_map(|(item, _)| {
        let annotations = &item.manifest.as_ref()?.document().annotations;
        Some((item.shown.clone(), annotations.get(media::CREATED)?.clone()))
    });
    let mut indexing = index::Options::new(options.now);
    indexing.created = index::Created::Given(created.collect());
    indexing.depth = index::Depth::Every;
    indexing.limits = options.limits.clone();
    let folder = folder.to_owned();
    blocking(move || index::index(&folder, &indexing)).await.map(drop)
}
