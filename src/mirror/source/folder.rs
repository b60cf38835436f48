//! A folder as source. It lists index.yaml if there is one. Otherwise it reads every archive whole,
//! because only Chart.yaml names the chart. The folder contains the archives and their `.prov`
//! files.

use super::{CacheValidator, Listed, Listing, Peek, repository};
use crate::{
    Error, ErrorKind, Result,
    digest::Digest,
    index::{Index, ListedDigest},
    limits::Limits,
    mirror::candidate::{Ask, Candidate, ChartVersion, Fingerprint, Payload, Provenance},
    ops::push::prepare::{self, Beside},
    store::blocking,
};
use std::{
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

    /// Returns true if a file of the folder has provenance, and the run wants it.
    fn is_signed(&self, name: &str) -> bool {
        self.provenance == Ask::Provenance && self.root.join(format!("{name}.prov")).exists()
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
        let mut signed = Vec::new();
        // A folder is not cut, whatever its number of versions.
        listed.cut = None;
        for candidate in &mut listed.candidates {
            let files: Vec<String> =
                candidate.urls.iter().filter_map(|url| self.file_of(url)).collect();
            candidate.provenance = match files.first() {
                Some(name) if self.is_signed(name) => {
                    signed.push(Fingerprint::of(name.as_bytes()));
                    Provenance::There
                }
                _ => Provenance::Missing,
            };
            candidate.urls = files;
        }
        // An index does not list provenance files, so a later file does not change it.
        let fingerprint = Fingerprint::join(signed.into_iter().chain([text]));
        if seen.is_some_and(|seen| seen.fingerprint == fingerprint) {
            return Ok(Listing::Unchanged);
        }
        listed.seen.fingerprint = fingerprint;
        listed.index = Some(index);
        Ok(Listing::Charts(listed))
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
            if !name.ends_with(".tgz") && !name.ends_with(".tgz.prov") {
                continue;
            }
            if name.ends_with(".prov") && self.provenance == Ask::Nothing {
                continue;
            }
            let meta = entry.metadata().map_err(fail)?;
            files.push((name, meta.len(), meta.modified().ok()));
        }
        files.sort();
        let fingerprint = Fingerprint::of(format!("{files:?}").as_bytes());
        if seen.is_some_and(|seen| seen.fingerprint == fingerprint) {
            return Ok(Listing::Unchanged);
        }
        let mut listed = Listed {
            seen: CacheValidator { fingerprint, ..CacheValidator::default() },
            ..Listed::default()
        };
        for (name, size, _) in files {
            if name.ends_with(".prov") {
                continue;
            }
            match prepare::from_archive(&self.root.join(&name), Beside::Leave, &self.limits) {
                Ok(chart) => {
                    let (is, version) = (&chart.metadata.name, &chart.metadata.version);
                    if name != format!("{is}-{version}.tgz") {
                        listed.warnings.push(format!("`{name}` holds {is} {version}"));
                    }
                    listed.candidates.push(Candidate {
                        id: ChartVersion::new(chart.metadata.name, chart.metadata.version),
                        created: chart.created.unwrap_or_default(),
                        fingerprint: Fingerprint::of(chart.content.digest.as_str().as_bytes()),
                        digest: Some(chart.content.digest),
                        deprecated: chart.metadata.deprecated,
                        content_fingerprint: None,
                        origin: None,
                        provenance: if self.is_signed(&name) {
                            Provenance::There
                        } else {
                            Provenance::Missing
                        },
                        listed: ListedDigest::Missing,
                        urls: vec![name],
                    });
                }
                // The download refuses it with the reason. It counts until it is repaired.
                Err(error) => {
                    let id = self.named(&name);
                    if id.version.is_empty() {
                        listed.warnings.push(format!("`{name}` is not a chart: {}", error.chain()));
                    }
                    let of = format!("{name} {size}");
                    listed.candidates.push(Candidate {
                        id,
                        created: String::new(),
                        digest: None,
                        listed: ListedDigest::Missing,
                        urls: vec![name],
                        deprecated: false,
                        fingerprint: Fingerprint::of(of.as_bytes()),
                        content_fingerprint: Some(Fingerprint::of(of.as_bytes())),
                        origin: None,
                        provenance: Provenance::Missing,
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
