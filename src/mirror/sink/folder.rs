//! A folder: archives, their `.prov` files, and an index.yaml that is updated at the end. States
//! are in files beside them whose names begin with a dot.

use super::{Held, Naming, Putting, Stored, Target, artifact_hub};
use crate::lock::Locked as _;
use crate::{
    Error, ErrorKind, Result,
    atomic_file::{sweep, write_file},
    chart::time::Time,
    digest::{Algorithm, Digest},
    limits::Limits,
    mirror::{candidate::Payload, state::Key},
    ops::index,
    store::blocking,
    template::Template,
};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

/// Options of a destination folder.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The folder, which the first stored archive creates.
    pub root: PathBuf,
    /// The path of an archive below it; `NAME-VERSION.tgz` without one.
    pub template: Option<Template>,
    /// The prefix of the archives' names in index.yaml. If empty, they are relative.
    pub url: String,
    /// The current time, for index.yaml.
    pub now: Time,
    /// The limits on sizes and counts.
    pub limits: Limits,
}

impl Options {
    /// Creates options for `NAME-VERSION.tgz` below `root` with relative URLs. `now` is the
    /// `generated` time of index.yaml.
    pub fn new(root: PathBuf, now: Time) -> Self {
        Self { root, template: None, url: String::new(), now, limits: Limits::default() }
    }
}

/// A folder as destination.
#[derive(Clone, Debug)]
pub struct Folder {
    options: Arc<Options>,
    identity: String,
    /// The creation time of each stored archive, by path.
    created: Arc<Mutex<BTreeMap<String, String>>>,
    /// The folders that no longer have leftovers of killed runs.
    swept: Arc<Mutex<HashSet<PathBuf>>>,
}

impl Folder {
    /// Creates a sink for a folder.
    ///
    /// # Errors
    /// `Io` if the path cannot be made absolute.
    pub fn new(options: Options) -> Result<Self> {
        let root = &options.root;
        let whole =
            std::path::absolute(root).map_err(|error| Error::io("open folder", root, error))?;
        let identity = format!("file://{}", whole.display());
        Ok(Self {
            options: Arc::new(options),
            identity,
            created: Arc::default(),
            swept: Arc::default(),
        })
    }

    pub(super) fn identity(&self) -> &str {
        &self.identity
    }

    pub(super) fn place(&self, naming: &Naming<'_>) -> Result<Target> {
        let path = match &self.options.template {
            Some(template) => template.render(naming)?,
            None if naming.version.contains('/') => String::new(),
            None => {
                let name = naming.chart.rsplit('/').next().unwrap_or_default();
                format!("{name}-{}.tgz", naming.version)
            }
        };
        let bad = |segment: &str| {
            segment.is_empty()
                || segment.starts_with('.')
                || segment.contains(['\\', ':'])
                || segment.chars().any(char::is_control)
        };
        if path.split('/').any(bad) || !path.ends_with(".tgz") {
            let Naming { chart, version, .. } = naming;
            return Err(Error::invalid(format!("`{chart}-{version}.tgz` can be no file here")));
        }
        let (group, name) = path.rsplit_once('/').unwrap_or(("", &path));
        Ok(Target { group: group.to_owned(), name: name.to_owned() })
    }

    pub(super) fn show(&self, place: &Target) -> String {
        self.path(place).display().to_string()
    }

    fn path(&self, place: &Target) -> PathBuf {
        self.options.root.join(&place.group).join(&place.name)
    }

    pub(super) async fn present(&self, group: &str) -> Result<HashMap<String, Option<Digest>>> {
        let folder = self.options.root.join(group);
        blocking(move || {
            let entries = match fs::read_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashMap::new()),
                other => other.map_err(|error| Error::io("list folder", &folder, error))?,
            };
            let mut names = HashMap::new();
            for entry in entries {
                let entry = entry.map_err(|error| Error::io("list folder", &folder, error))?;
                if let Some(name) = entry.file_name().to_str().filter(|name| name.ends_with(".tgz"))
                {
                    names.insert(name.to_owned(), None);
                }
            }
            Ok(names)
        })
        .await
    }

    pub(super) async fn look(&self, place: &Target) -> Result<Held> {
        let path = self.path(place);
        blocking(move || match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Held::Nothing),
            Err(error) => Err(Error::io("open archive", &path, error)),
            Ok(file) => {
                let content = hash(file, &path)?;
                let beside = beside(&path);
                let provenance = match File::open(&beside) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                    Err(error) => return Err(Error::io("open provenance", &beside, error)),
                    Ok(file) => Some(hash(file, &beside)?),
                };
                Ok(Held::Chart { content, manifest: None, provenance: provenance.into() })
            }
        })
        .await
    }

    pub(super) fn has_lost(&self, place: &Target) -> bool {
        fs::metadata(self.path(place)).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    pub(super) async fn put(
        &self,
        place: &Target,
        payload: &Payload,
        putting: Putting<'_>,
    ) -> Result<Stored> {
        let (path, payload) = (self.path(place), payload.clone());
        let (wanted, verify) = (payload.content.digest.clone(), putting.verify);
        let swept = Arc::clone(&self.swept);
        if let Some(created) = &payload.created {
            let key = if place.group.is_empty() {
                place.name.clone()
            } else {
                format!("{}/{}", place.group, place.name)
            };
            let mut times = self.created.locked();
            times.insert(key, created.clone());
        }
        blocking(move || {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)
                    .map_err(|error| Error::io("create folder", folder, error))?;
                let mut swept = swept.locked();
                if swept.insert(folder.to_owned()) {
                    sweep(folder);
                }
            }
            // The provenance file is written first, so that an existing archive is never without
            // it.
            let beside = beside(&path);
            match &payload.provenance {
                Some(bytes) => write_file(&beside, |file| file.write_all(bytes))?,
                None => remove(&beside)?,
            }
            payload.archive.save(&path)?;
            if verify != crate::ops::push::Verify::None {
                let file = File::open(&path).map_err(|e| Error::io("open archive", &path, e))?;
                let found = hash(file, &path)?;
                if found != wanted {
                    return Err(Error::new(
                        ErrorKind::Integrity,
                        format!("`{}` holds {found} where {wanted} was written", path.display()),
                    ));
                }
            }
            Ok(Stored::default())
        })
        .await
    }

    pub(super) async fn delete(&self, place: &Target) -> Result<()> {
        let path = self.path(place);
        blocking(move || {
            remove(&path)?;
            remove(&beside(&path))
        })
        .await
    }

    /// Writes the metadata beside index.yaml, where Artifact Hub expects it.
    pub(super) async fn describe(&self, metadata: &Bytes) -> Result<()> {
        let (root, metadata) = (self.options.root.clone(), metadata.clone());
        blocking(move || {
            fs::create_dir_all(&root).map_err(|error| Error::io("create folder", &root, error))?;
            let path = root.join(artifact_hub::FILE);
            if fs::read(&path).is_ok_and(|there| there == metadata) {
                return Ok(());
            }
            write_file(&path, |file| file.write_all(&metadata))
        })
        .await
    }

    pub(super) async fn finish(&self) -> Result<()> {
        let created = self.created.locked().clone();
        let mut options = index::Options::new(self.options.now);
        options.url.clone_from(&self.options.url);
        options.limits = self.options.limits.clone();
        options.created = index::Created::Given(created);
        // A template may place archives at any depth.
        options.depth = index::Depth::Every;
        let root = self.options.root.clone();
        blocking(move || {
            sweep(&root);
            index::index(&root, &options)
        })
        .await
        .map(drop)
    }

    pub(super) async fn recall(&self, key: &Key) -> Result<Option<Bytes>> {
        recall(&self.options.root, key, self.options.limits.state_bytes).await
    }

    pub(super) async fn remember(&self, key: &Key, state: &[u8]) -> Result<()> {
        remember(&self.options.root, key, state).await
    }
}

/// Returns the file of a state in a folder.
fn state_file(root: &Path, key: &Key) -> PathBuf {
    root.join(format!(".chartferry-mirror-{key}"))
}

/// Reads the state from a folder.
pub(super) async fn recall(root: &Path, key: &Key, most: u64) -> Result<Option<Bytes>> {
    let path = state_file(root, key);
    blocking(move || {
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|error| Error::io("open state", &path, error))?,
        };
        let mut bytes = Vec::new();
        file.take(most + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| Error::io("read state", &path, error))?;
        if bytes.len() as u64 > most {
            return Err(Error::new(
                ErrorKind::Limit,
                format!("`{}` has more than {most} bytes", path.display()),
            ));
        }
        Ok(Some(bytes.into()))
    })
    .await
}

/// Writes a state to a folder.
pub(super) async fn remember(root: &Path, key: &Key, state: &[u8]) -> Result<()> {
    let (root, path, state) = (root.to_owned(), state_file(root, key), state.to_vec());
    blocking(move || {
        fs::create_dir_all(&root).map_err(|error| Error::io("create folder", &root, error))?;
        write_file(&path, |file| file.write_all(&state))
    })
    .await
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".prov");
    PathBuf::from(name)
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("remove", path, error))
        }
        _ => Ok(()),
    }
}

fn hash(mut file: File, path: &Path) -> Result<Digest> {
    let mut hasher = Algorithm::Sha256.hasher();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) => return Err(Error::io("read archive", path, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(template: Option<&str>) -> Folder {
        let template = template.map(|text| Template::parse(text).expect(text));
        Folder::new(Options {
            root: "charts".into(),
            template,
            url: String::new(),
            now: Time::default(),
            limits: Limits::default(),
        })
        .expect("folder")
    }

    #[test]
    fn archives_lie_flat_unless_a_template_says_otherwise_and_never_outside() {
        let naming = |chart, version| Naming { repo: "r", chart, version };
        for (template, chart, version, place) in [
            (None, "demo", "1.0.0+x", Some(("", "demo-1.0.0+x.tgz"))),
            (None, "team/demo", "1.0.0", Some(("", "demo-1.0.0.tgz"))),
            (None, "demo", "../1", None),
            (None, "..", "1", None),
            (Some("{{repo}}/{{chart}}.tgz"), "demo", "1.0.0", Some(("r", "demo.tgz"))),
            (Some("../{{chart}}.tgz"), "demo", "1.0.0", None),
            (Some("/{{chart}}.tgz"), "demo", "1.0.0", None),
            (Some("{{chart}}"), "demo", "1.0.0", None),
        ] {
            let found = folder(template).place(&naming(chart, version)).ok();
            let expected = place.map(|(group, name): (&str, &str)| Target {
                group: group.into(),
                name: name.into(),
            });
            assert_eq!(found, expected, "{template:?} {chart} {version}");
        }
    }
}
