//! A folder as source. It lists index.yaml if there is one, and hashes the archives that the index
//! lists. Otherwise it reads every archive whole, because only Chart.yaml names the chart. The
//! folder contains the archives and their `.prov` files.

use super::{
    CacheValidator, Listed, Listing, Peek,
    file_stamps::{FileStamps, digests},
    repository,
};
use crate::{
    Error, ErrorKind, Result,
    digest::Digest,
    index::{Index, ListedDigest},
    limits::Limits,
    mirror::candidate::{Ask, Candidate, ChartVersion, Fingerprint, Payload, Provenance},
    ops::{
        index,
        push::prepare::{self, Beside},
    },
    store::blocking,
};
use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, Read},
    path::{Component, Path, PathBuf},
    sync::Arc,
};

/// A folder as source.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
    identity: String,
    name: String,
    provenance: Ask,
    limits: Arc<Limits>,
}

impl Folder {
    /// Opens the folder at `root`.
    ///
    /// # Errors
    /// `Io` if it does not exist.
    pub fn open(root: &Path, limits: &Limits) -> Result<Self> {
        let whole =
            fs::canonicalize(root).map_err(|error| Error::io("open folder", root, error))?;
        let name = whole.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let identity = format!("file://{}", whole.display());
        let (root, limits) = (root.to_owned(), Arc::new(limits.clone()));
        Ok(Self { root, identity, name, provenance: Ask::Provenance, limits })
    }

    /// Returns the folder with or without its provenance files.
    #[must_use]
    pub fn with_provenance(self, provenance: Ask) -> Self {
        Self { provenance, ..self }
    }

    pub(super) fn identity(&self) -> &str {
        &self.identity
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn call(&mut self, name: &str) {
        name.clone_into(&mut self.name);
    }

    pub(super) async fn list(&self, seen: Option<&CacheValidator>) -> Result<Listing> {
        let (this, seen) = (self.clone(), seen.cloned());
        blocking(move || this.read(seen.as_ref())).await
    }

    fn read(&self, seen: Option<&CacheValidator>) -> Result<Listing> {
        let path = self.root.join("index.yaml");
        match File::open(&path) {
            Ok(file) => self.read_index(file, &path, seen),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.read_archives(seen),
            Err(error) => Err(Error::io("open index", &path, error)),
        }
    }

    fn read_index(
        &self,
        file: File,
        path: &Path,
        seen: Option<&CacheValidator>,
    ) -> Result<Listing> {
        let most = self.limits.index_bytes;
        let mut bytes = Vec::new();
        file.take(most + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| Error::io("read index", path, error))?;
        if bytes.len() as u64 > most {
            return Err(Error::new(
                ErrorKind::Limit,
                format!("`{}` has more than {most} bytes", path.display()),
            ));
        }
        let text = Fingerprint::of(&bytes);
        let index = Index::read(bytes.into(), &path.display().to_string(), &self.limits).map_err(
            |error| error.context(format!("`{}` is not an index of charts", path.display())),
        )?;
        let mut listed = repository::listed(&index, "", CacheValidator::default())?;
        // A folder is not cut, whatever its number of versions.
        listed.cut = None;
        for candidate in &mut listed.candidates {
            candidate.urls = candidate.urls.iter().filter_map(|url| self.file_of(url)).collect();
        }
        // An index does not describe the folder: files are added, replaced and removed without it.
        let archives = index::archives(&self.root, &self.limits)?;
        let named = listed.candidates.iter().filter_map(|one| one.urls.first());
        let stamps = self.stamps(named.chain(&archives));
        let fingerprint = Fingerprint::join([text, stamps.fingerprint()]);
        if seen.is_some_and(|seen| seen.fingerprint == fingerprint) {
            return Ok(Listing::Unchanged);
        }
        let files: Vec<_> = listed.candidates.iter().map(|one| one.urls.first().cloned()).collect();
        let digests = digests(&self.root, &files);
        for (candidate, digest) in listed.candidates.iter_mut().zip(digests) {
            self.describe(candidate, &stamps);
            confirm(candidate, digest);
        }
        listed.warnings.extend(unlisted(archives, &files));
        listed.seen.fingerprint = fingerprint;
        listed.index = Some(index);
        Ok(Listing::Charts(listed))
    }

    /// Returns the stamps of these archives and their provenance files.
    fn stamps<'a>(&self, archives: impl IntoIterator<Item = &'a String>) -> FileStamps {
        let files = archives.into_iter().flat_map(|name| {
            let provenance = match self.provenance {
                Ask::Provenance => Some(format!("{name}.prov")),
                Ask::Nothing => None,
            };
            [Some(name.clone()), provenance].into_iter().flatten()
        });
        FileStamps::of(&self.root, files)
    }

    /// Sets the state of a version's provenance file.
    fn describe(&self, candidate: &mut Candidate, stamps: &FileStamps) {
        let name = candidate.urls.first();
        let stamp = name.and_then(|name| stamps.fingerprint_of(&format!("{name}.prov")));
        candidate.provenance = match stamp {
            Some(_) => Provenance::There,
            None => Provenance::Missing,
        };
        candidate.provenance_fingerprint = stamp;
    }

    /// Returns the file for an entry's URL: its path below the folder, or the last part of a web
    /// address.
    fn file_of(&self, url: &str) -> Option<String> {
        let path = match url.split_once("://") {
            Some((_, rest)) => rest.split(['?', '#']).next()?.rsplit('/').next()?,
            None => url,
        };
        let path = percent_encoding::percent_decode_str(path).decode_utf8().ok()?.into_owned();
        let safe = Path::new(&path).components().all(|part| matches!(part, Component::Normal(_)));
        (safe && !path.is_empty()).then_some(path)
    }

    fn read_archives(&self, seen: Option<&CacheValidator>) -> Result<Listing> {
        let fail = |error| Error::io("list folder", &self.root, error);
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            if name.ends_with(".tgz") {
                files.push(name);
            }
        }
        let stamps = self.stamps(&files);
        let fingerprint = stamps.fingerprint();
        if seen.is_some_and(|seen| seen.fingerprint == fingerprint) {
            return Ok(Listing::Unchanged);
        }
        let mut listed = Listed {
            seen: CacheValidator { fingerprint, ..CacheValidator::default() },
            ..Listed::default()
        };
        files.sort();
        for name in files {
            match prepare::from_archive(&self.root.join(&name), Beside::Leave, &self.limits) {
                Ok(chart) => {
                    let (is, version) = (&chart.metadata.name, &chart.metadata.version);
                    if name != format!("{is}-{version}.tgz") {
                        listed.warnings.push(format!("`{name}` holds {is} {version}"));
                    }
                    let mut candidate = Candidate {
                        id: ChartVersion::new(chart.metadata.name, chart.metadata.version),
                        created: chart.created.unwrap_or_default(),
                        fingerprint: Fingerprint::of(chart.content.digest.as_str().as_bytes()),
                        digest: Some(chart.content.digest),
                        deprecated: chart.metadata.deprecated,
                        content_fingerprint: None,
                        origin: None,
                        provenance: Provenance::Missing,
                        provenance_fingerprint: None,
                        listed: ListedDigest::Missing,
                        urls: vec![name],
                    };
                    self.describe(&mut candidate, &stamps);
                    listed.candidates.push(candidate);
                }
                // The download refuses it with the reason. It counts until it is repaired.
                Err(error) => {
                    let id = self.named(&name);
                    if id.version.is_empty() {
                        listed.warnings.push(format!("`{name}` is not a chart: {}", error.chain()));
                    }
                    let of = stamps.fingerprint_of(&name).unwrap_or_default();
                    listed.candidates.push(Candidate {
                        id,
                        created: String::new(),
                        digest: None,
                        listed: ListedDigest::Missing,
                        urls: vec![name],
                        deprecated: false,
                        fingerprint: of,
                        content_fingerprint: Some(of),
                        origin: None,
                        provenance: Provenance::Missing,
                        provenance_fingerprint: None,
                    });
                }
            }
        }
        Ok(Listing::Charts(listed))
    }

    /// Returns the name and version of an unreadable file, by its name: `NAME-VERSION.tgz`.
    fn named(&self, file: &str) -> ChartVersion {
        let stem = file.strip_suffix(".tgz").unwrap_or(file);
        let cuts = stem.match_indices('-').map(|(at, _)| (&stem[..at], &stem[at + 1..]));
        let mut cuts = cuts.filter(|(name, _)| !name.is_empty());
        match cuts.find(|(_, version)| crate::version::Version::parse_loose(version).is_ok()) {
            Some((name, version)) => ChartVersion::new(name, version),
            None => ChartVersion::new(stem, ""),
        }
    }

    pub(super) async fn peek(&self, candidate: &Candidate) -> Result<Peek> {
        let Some(name) = candidate.urls.first() else { return Ok(Peek::default()) };
        if self.provenance == Ask::Nothing {
            return Ok(Peek::default());
        }
        let (path, most) = (self.root.join(format!("{name}.prov")), self.limits.provenance_bytes);
        blocking(move || {
            let file = match File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Ok(Peek::default());
                }
                other => other.map_err(|error| Error::io("open provenance", &path, error))?,
            };
            let mut bytes = Vec::new();
            file.take(most)
                .read_to_end(&mut bytes)
                .map_err(|error| Error::io("read provenance", &path, error))?;
            Ok(Peek { provenance: Some(Digest::sha256(&bytes)), ..Peek::default() })
        })
        .await
    }

    pub(super) async fn fetch(&self, candidate: &Candidate, ask: Ask) -> Result<Payload> {
        let Some(name) = candidate.urls.first() else {
            return Err(Error::not_found("the index names no file of this folder for it"));
        };
        let path = self.root.join(name);
        let beside = match ask {
            Ask::Provenance => Beside::Take,
            Ask::Nothing => Beside::Leave,
        };
        let limits = Arc::clone(&self.limits);
        let payload = blocking(move || prepare::from_archive(&path, beside, &limits)).await?;
        Ok(match prepare::created(&candidate.created) {
            Some(created) => Payload { created: Some(created), ..payload },
            None => payload,
        })
    }
}

/// Compares an entry with the digest of its file. If they differ, or there is no such file, only
/// the download can decide, so the candidate gets no digest.
fn confirm(candidate: &mut Candidate, file: Option<Digest>) {
    let found = file.as_ref().map_or("no file", Digest::as_str);
    let line = [candidate.fingerprint, Fingerprint::of(found.as_bytes())];
    candidate.fingerprint = Fingerprint::join(line);
    candidate.content_fingerprint = Some(candidate.fingerprint);
    candidate.digest = match &candidate.listed {
        ListedDigest::Missing => file,
        _ => candidate.digest.take().filter(|listed| file.as_ref() == Some(listed)),
    };
}

/// Warns of the archives that the index does not list.
fn unlisted(archives: Vec<String>, listed: &[Option<String>]) -> Option<String> {
    /// The number of archives that the warning names.
    const NAMED: usize = 3;
    let listed: HashSet<&str> = listed.iter().flatten().map(String::as_str).collect();
    let others: Vec<String> = archives
        .into_iter()
        .filter(|name| !listed.contains(name.as_str()))
        .map(|name| format!("`{name}`"))
        .collect();
    let names = others[..others.len().min(NAMED)].join(", ");
    match others.len() {
        0 => None,
        1 => Some(format!("index.yaml does not list {names}, so it is skipped")),
        2..=NAMED => Some(format!("index.yaml does not list {names}, so they are skipped")),
        many => Some(format!(
            "index.yaml does not list {many} archives of the folder, so they are skipped: {names} \
             and {} more",
            many - NAMED
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_mean_files_of_the_folder_and_never_others() {
        let folder = tempfile::tempdir().expect("folder");
        let folder = Folder::open(folder.path(), &Limits::default()).expect("folder");
        for (url, file) in [
            ("a-1.0.0.tgz", Some("a-1.0.0.tgz")),
            ("charts/a-1.0.0%2Bx.tgz", Some("charts/a-1.0.0+x.tgz")),
            ("https://r.example/charts/a-1.0.0.tgz?x=1", Some("a-1.0.0.tgz")),
            ("../a.tgz", None),
            ("/a.tgz", None),
            ("https://r.example/%2E%2E", None),
            ("", None),
        ] {
            assert_eq!(folder.file_of(url).as_deref(), file, "{url}");
        }
    }
}
