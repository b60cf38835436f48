//! The repositories that are configured on this machine, in Helm's own files (helm.md 4.6). Adding,
//! updating, listing and removing work as in Helm. The server's data on its index's age is beside
//! the cached index, in a file that Helm does not know.

pub mod entry;
pub mod listed;
pub mod locate;
pub mod namespace;
pub mod open;
pub mod search;

use crate::{
    Advice, Error, ErrorKind, Result,
    advice::Occupied,
    atomic_file::write_file,
    client::repository::index::{Fetched, Validators},
    index::{
        Index,
        config::{self, Repositories, RepositoryEntry},
    },
    limits::Limits,
    quote,
};
use bytes::Bytes;
use futures_util::StreamExt;
use open::Opener;
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

/// The number of repositories updated at once.
const AT_ONCE: usize = 16;

/// The repositories that were shut down, with their successors. Helm refuses the same ones.
const GONE: [(&str, &str); 2] = [
    ("//kubernetes-charts.storage.googleapis.com", "https://charts.helm.sh/stable"),
    ("//kubernetes-charts-incubator.storage.googleapis.com", "https://charts.helm.sh/incubator"),
];

/// The paths of Helm's files.
#[derive(Clone, Debug)]
pub struct Files {
    /// The path of repositories.yaml.
    pub config: PathBuf,
    /// The folder of cached indexes.
    pub cache: PathBuf,
}

/// The repository for [`add`] to configure.
#[derive(Clone, Debug)]
pub struct Add {
    /// The settings of the repository.
    pub repository: RepositoryEntry,
    /// The action if a repository of its name has other settings.
    pub existing: Existing,
    /// The action for a repository that is known to be shut down.
    pub gone: Gone,
    /// Longest wait for its index.
    pub timeout: Duration,
}

/// The action for a name that is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// Refuse the repository.
    #[default]
    Refuse,
    /// Replace the repository.
    Replace,
}

/// The action for a repository that is known to be shut down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gone {
    /// Refuse the repository.
    #[default]
    Refuse,
    /// Accept the repository.
    Allow,
}

/// The result of adding a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// The repository was added.
    Yes,
    /// The repository had the same settings already.
    AsItWas,
}

/// An event while repositories are updated.
#[derive(Debug)]
pub enum Event<'a> {
    /// The index of one repository was updated.
    Updated(&'a RepositoryEntry, Change),
    /// The index of one repository is unavailable.
    Failed(&'a RepositoryEntry, &'a Error),
    /// A warning for the user.
    Warning(&'a str),
}

/// The change of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new index was downloaded.
    New,
    /// The server reported no change.
    NotModified,
}

impl Files {
    /// Returns the configured repositories. Empty if there is no file.
    ///
    /// # Errors
    /// Fails if the file cannot be read.
    pub fn load(&self, limits: &Limits) -> Result<Repositories> {
        Repositories::load(&self.config, limits)
    }

    /// Returns the repository of that name.
    ///
    /// # Errors
    /// `NotFound` with Helm's text.
    pub fn find(&self, name: &str, limits: &Limits) -> Result<RepositoryEntry> {
        self.load(limits)?.find(name).cloned().ok_or_else(|| {
            Error::not_found(format!("repo {name} not found")).with_advice(Advice::ChooseRepository)
        })
    }

    /// Returns the cached index of a repository.
    ///
    /// # Errors
    /// `NotFound` if there is none, and any error of the index.
    pub fn index(&self, name: &str, limits: &Limits) -> Result<Index> {
        let path = self.index_path(name)?;
        let bytes = read(&path, limits.index_bytes)?;
        Index::read(bytes, &path.display().to_string(), limits)
    }

    /// Returns the path of a repository's cached index.
    ///
    /// # Errors
    /// `Invalid` for a name that would point outside the folder.
    pub fn index_path(&self, name: &str) -> Result<PathBuf> {
        self.cached(name, "index.yaml")
    }

    fn cached(&self, name: &str, what: &str) -> Result<PathBuf> {
        if name.contains(['/', '\\', '\0']) {
            return Err(Error::invalid(format!("`{name}` is not a valid repository name")));
        }
        let name = if name.is_empty() { what.to_owned() } else { format!("{name}-{what}") };
        Ok(self.cache.join(name))
    }
}

/// Adds a repository, if its index is available. `warn` receives the warnings about dropped
/// entries.
///
/// # Errors
/// `Conflict` for a name that is taken, and Helm's text for an index that is not available.
pub async fn add(
    files: &Files,
    opener: &Opener,
    add: &Add,
    warn: &(dyn Fn(&str) + Sync),
) -> Result<Added> {
    let repository = &add.repository;
    let (name, url) = (&repository.name, &repository.url);
    if add.gone == Gone::Refuse
        && let Some((_, now)) = GONE.iter().find(|(old, _)| url.contains(old))
    {
        let (url, now) = (quote::go(url), quote::go(now));
        return Err(Error::invalid(format!(
            "repo {url} is no longer available; try {now} instead"
        )));
    }
    let _lock = config::lock(&files.config)?;
    let mut all = files.load(&opener.limits)?;
    if name.contains('/') {
        return Err(Error::usage(format!(
            "repository name ({name}) contains '/', please specify a different name without '/'"
        )));
    }
    if add.existing == Existing::Refuse
        && let Some(known) = all.find(name)
    {
        if known == repository {
            return Ok(Added::AsItWas);
        }
        return Err(Error::new(
            ErrorKind::Conflict,
            format!("repository name ({name}) already exists, please specify a different name"),
        )
        .with_advice(Advice::Overwrite(Occupied::Repository)));
    }
    refresh(files, opener, repository, add.timeout, warn).await.map_err(|error| {
        if error.kind() == ErrorKind::Usage && !url.starts_with("oci://") {
            return error;
        }
        let url = quote::go(url);
        error.context(format!(
            "looks like {url} is not a valid chart repository or cannot be reached"
        ))
    })?;
    all.put(repository.clone());
    all.save(&files.config)?;
    Ok(Added::Yes)
}

/// Returns the repositories to update.
///
/// # Errors
/// Helm's texts: there are none, or none of that name.
pub fn chosen(files: &Files, names: &[String], limits: &Limits) -> Result<Vec<RepositoryEntry>> {
    let all = files.load(limits)?.repositories;
    if all.is_empty() {
        return Err(Error::not_found("no repositories found. You must add one before updating")
            .with_advice(Advice::AddRepository));
    }
    for name in names {
        if !all.iter().any(|one| one.name == *name) {
            return Err(Error::not_found(format!(
                "no repositories found matching '{name}'.  Nothing will be updated"
            )));
        }
    }
    Ok(all.into_iter().filter(|one| names.is_empty() || names.contains(&one.name)).collect())
}

/// Updates the cached indexes of repositories, many at once, and reports each result. Returns the
/// URLs of those that failed.
pub async fn update(
    files: &Files,
    opener: &Opener,
    repositories: &[RepositoryEntry],
    timeout: Duration,
    tell: &(dyn Fn(Event<'_>) + Sync),
) -> Vec<String> {
    futures_util::stream::iter(repositories)
        .map(|repository| async move {
            let warn = |text: &str| tell(Event::Warning(text));
            match refresh(files, opener, repository, timeout, &warn).await {
                Ok(change) => {
                    tell(Event::Updated(repository, change));
                    None
                }
                Err(error) => {
                    tell(Event::Failed(repository, &error));
                    Some(repository.url.clone())
                }
            }
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(|failed| async { failed })
        .collect()
        .await
}

/// Removes repositories and their cached indexes, one after the other, and reports each.
///
/// # Errors
/// Helm's texts: there are none, or none of that name.
pub fn remove(
    files: &Files,
    names: &[String],
    limits: &Limits,
    mut tell: impl FnMut(&str) -> Result<()>,
) -> Result<()> {
    let _lock = config::lock(&files.config)?;
    let mut all = files.load(limits)?;
    if all.repositories.is_empty() {
        return Err(Error::not_found("no repositories configured"));
    }
    for name in names {
        if all.remove(name).is_none() {
            return Err(Error::not_found(format!("no repo named {} found", quote::go(name))));
        }
        all.save(&files.config)?;
        for what in ["index.yaml", "charts.txt", VALIDATORS] {
            let path = files.cached(name, what)?;
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::io("remove", &path, error));
                }
                _ => {}
            }
        }
        tell(name)?;
    }
    Ok(())
}

/// Downloads the index of one repository to the cache, if the server has a new one.
///
/// # Errors
/// Any error of the server or the index. The cached index is kept then.
pub async fn refresh(
    files: &Files,
    opener: &Opener,
    repository: &RepositoryEntry,
    timeout: Duration,
    warn: &(dyn Fn(&str) + Sync),
) -> Result<Change> {
    let path = files.index_path(&repository.name)?;
    let beside = files.cached(&repository.name, VALIDATORS)?;
    let known = Kept::load(&beside, &path, &repository.url);
    let opened = opener.open(repository)?;
    let fetched = tokio::time::timeout(timeout, opened.index(known.as_ref())).await;
    let fetched = fetched.map_err(|_| {
        let message = format!("no whole answer within {} s", timeout.as_secs_f64());
        Error::new(ErrorKind::Network, message).with_advice(Advice::WaitLonger)
    })??;
    let Fetched::Index { bytes, validators } = fetched else { return Ok(Change::NotModified) };
    let index = Index::read(bytes.clone(), &repository.url, &opener.limits)?;
    index.warnings().iter().for_each(|warning| warn(warning));
    store(files, &repository.name, &index, &bytes)?;
    Kept::save(&beside, &path, &repository.url, validators);
    Ok(Change::New)
}

/// Writes the cached index and the list of its charts.
fn store(files: &Files, name: &str, index: &Index, bytes: &Bytes) -> Result<()> {
    fs::create_dir_all(&files.cache)
        .map_err(|error| Error::io("create folder", &files.cache, error))?;
    let names: String = index.charts().map(|chart| format!("{}\n", chart.name())).collect();
    write_file(&files.cached(name, "charts.txt")?, |file| file.write_all(names.as_bytes()))?;
    write_file(&files.index_path(name)?, |file| file.write_all(bytes))
}

/// The suffix of the file of [`Kept`], after the repository's name.
const VALIDATORS: &str = "index.chartferry.json";
/// Largest size of such a file in bytes: two headers and a URL.
const VALIDATORS_BYTES: u64 = 64 * 1024;

/// The server's data on the cached index's age. It applies only to the file that was written with
/// it, because Helm may have written another since.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    url: String,
    etag: Option<String>,
    last_modified: Option<String>,
    size: u64,
    modified: u64,
}

impl Kept {
    fn load(path: &Path, index: &Path, url: &str) -> Option<Validators> {
        let kept: Self = serde_json::from_slice(&read(path, VALIDATORS_BYTES).ok()?).ok()?;
        let holds = kept.url == url && stamp(index) == Some((kept.size, kept.modified));
        holds.then_some(Validators { etag: kept.etag, last_modified: kept.last_modified })
    }

    /// Saves the validators. Without them, the next update downloads the whole index, so a failure
    /// does not concern the user.
    fn save(path: &Path, index: &Path, url: &str, validators: Validators) {
        let stamp = stamp(index).filter(|_| !validators.is_empty());
        let Some((size, modified)) = stamp else {
            let _ = fs::remove_file(path);
            return;
        };
        let Validators { etag, last_modified } = validators;
        let kept = Self { url: url.to_owned(), etag, last_modified, size, modified };
        if let Ok(text) = serde_json::to_vec(&kept) {
            let _ = write_file(path, |file| file.write_all(&text));
        }
    }
}

/// Returns a file's size in bytes and its modification time in nanoseconds.
fn stamp(path: &Path) -> Option<(u64, u64)> {
    let meta = fs::metadata(path).ok()?;
    let since = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some((meta.len(), u64::try_from(since.as_nanos()).ok()?))
}

fn read(path: &Path, cap: u64) -> Result<Bytes> {
    let fail = |error: io::Error| {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Io,
        };
        Error::new(kind, format!("cannot read `{}`", path.display())).with_source(error)
    };
    let file = fs::File::open(path).map_err(fail)?;
    let length = file.metadata().map_err(fail)?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(cap)).unwrap_or_default());
    file.take(cap + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > cap {
        return Err(Error::new(
            ErrorKind::Limit,
            format!("`{}` has more than {cap} bytes", path.display()),
        ));
    }
    Ok(bytes.into())
}
