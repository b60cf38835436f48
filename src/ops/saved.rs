//! Saved charts: the store on this machine that the old `chart save|push|pull|export|list|remove`
//! verbs work with. It is a content store like a registry's; a reference, with or without host,
//! becomes a repository in it.

use crate::{
    Error, ErrorKind, Result,
    oci::{Registry, RepositoryName, Tag},
    store::{
        Durability,
        disk::{Disk, repository::Repository},
    },
};
use std::{
    fmt, io,
    path::{Path, PathBuf},
    str::FromStr,
    time::{Duration, Instant},
};

/// The name of a saved chart: `[host[:port]/]name:tag`. Unlike in a registry's reference the host
/// may be missing, as in Helm 3.6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedReference {
    /// The registry, if the name begins with one.
    pub registry: Option<Registry>,
    /// The rest of the name.
    pub repository: RepositoryName,
    /// The tag, if one was written.
    pub tag: Option<Tag>,
}

impl SavedReference {
    /// Returns `host/name`, without the tag.
    pub fn repository_path(&self) -> String {
        match &self.registry {
            Some(registry) => format!("{registry}/{}", self.repository),
            None => self.repository.to_string(),
        }
    }

    /// Returns the repository in the store. A host gets a separate folder below `h`, with invalid
    /// characters of a name escaped.
    fn stored_as(&self) -> Result<RepositoryName> {
        let text = match &self.registry {
            None => format!("n/{}", self.repository),
            Some(registry) => format!("h/{}/{}", encode(registry), self.repository),
        };
        text.parse().map_err(|error: crate::oci::ParseReferenceError| error.into())
    }

    fn from_stored(name: &RepositoryName, tag: Tag) -> Option<Self> {
        let (registry, repository) = match name.as_str().split_once('/')? {
            ("n", rest) => (None, rest),
            ("h", rest) => {
                let (host, rest) = rest.split_once('/')?;
                (Some(decode(host)?), rest)
            }
            _ => return None,
        };
        Some(Self { registry, repository: repository.parse().ok()?, tag: Some(tag) })
    }
}

fn encode(registry: &Registry) -> String {
    let mut text = match registry.host().parse::<std::net::Ipv6Addr>() {
        Ok(address) => {
            let groups: Vec<String> =
                address.segments().iter().map(|group| format!("{group:x}")).collect();
            format!("v6-{}", groups.join("-"))
        }
        Err(_) => registry.host().to_ascii_lowercase(),
    };
    if let Some(port) = registry.port() {
        text.push_str(&format!("__{port}"));
    }
    text
}

fn decode(text: &str) -> Option<Registry> {
    let (host, port) = match text.rsplit_once("__") {
        Some((host, port)) => (host, format!(":{port}")),
        None => (text, String::new()),
    };
    let host = match host.strip_prefix("v6-").filter(|groups| groups.split('-').count() == 8) {
        Some(groups) => {
            let address: std::net::Ipv6Addr = groups.replace('-', ":").parse().ok()?;
            format!("[{address}]")
        }
        None => host.to_owned(),
    };
    format!("{host}{port}").parse().ok()
}

impl FromStr for SavedReference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bare = text.strip_prefix("oci://").unwrap_or(text);
        if bare.is_empty() {
            return Err(Error::usage("the reference is empty"));
        }
        if bare.contains('@') {
            return Err(Error::usage(format!(
                "`{text}` names a digest; a saved chart is named by its tag"
            )));
        }
        let (path, tag) = match bare.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, Some(Tag::from_version(tag)?)),
            _ => (bare, None),
        };
        let (registry, name) = match path.split_once('/') {
            Some((host, rest)) if is_registry(host) => (Some(host.parse::<Registry>()?), rest),
            _ => (None, path),
        };
        Ok(Self { registry, repository: name.parse::<RepositoryName>()?, tag })
    }
}

/// Returns true if the first segment of a bare name is a registry: it has a `.` or a `:`, or is
/// `localhost`.
pub fn is_registry(segment: &str) -> bool {
    segment == "localhost" || segment.contains(['.', ':'])
}

impl fmt::Display for SavedReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository_path())?;
        match &self.tag {
            Some(tag) => write!(f, ":{tag}"),
            None => Ok(()),
        }
    }
}

/// The time that a second process waits for a writer: 20 s. A save takes milliseconds.
const LOCK_PATIENCE: Duration = Duration::from_secs(20);

/// The store of saved charts.
#[derive(Clone, Debug)]
pub struct SavedCharts {
    root: PathBuf,
}

impl SavedCharts {
    /// Returns the store at `root`. The first save creates it.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Returns the path of the store.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Opens a repository for writing. The store is locked until it is dropped.
    ///
    /// # Errors
    /// `Io`, or the lock's own error if another process keeps it.
    pub fn write(&self, reference: &SavedReference) -> Result<Repository> {
        Ok(self.lock()?.repository(&reference.stored_as()?))
    }

    fn lock(&self) -> Result<Disk> {
        let deadline = Instant::now() + LOCK_PATIENCE;
        loop {
            match Disk::open(&self.root, Durability::File) {
                Err(error) if error.kind() == ErrorKind::Conflict && Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                other => return other,
            }
        }
    }

    /// Opens a repository for reading, if the store exists.
    ///
    /// # Errors
    /// `Io`.
    pub fn read(&self, reference: &SavedReference) -> Result<Option<Repository>> {
        match self.open()? {
            Some(disk) => Ok(Some(disk.repository(&reference.stored_as()?))),
            None => Ok(None),
        }
    }

    fn open(&self) -> Result<Option<Disk>> {
        match self.root.join("VERSION").try_exists() {
            Ok(true) => Disk::open_read_only(&self.root).map(Some),
            Ok(false) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("look into the store of saved charts", &self.root, error)),
        }
    }

    /// Returns every saved reference, sorted.
    ///
    /// # Errors
    /// `Io`.
    pub async fn list(&self) -> Result<Vec<SavedReference>> {
        use crate::store::Tags;
        let Some(disk) = self.open()? else { return Ok(Vec::new()) };
        let mut all = Vec::new();
        for name in disk.repositories()? {
            for tag in disk.repository(&name).tags().await? {
                all.extend(SavedReference::from_stored(&name, tag));
            }
        }
        all.sort_by_cached_key(ToString::to_string);
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_comes_back_from_its_place_in_the_store() {
        for text in [
            "localhost:5000/ns/demo:1.0.0",
            "127.0.0.1:41234/demo:1.0.0_b1",
            "registry.example.com/a/b/c:latest",
            "demo:1.0.0",
            "team/demo:x",
            "[::1]:5000/demo:1",
            "h/demo:1",
        ] {
            let reference: SavedReference = text.parse().expect(text);
            assert_eq!(reference.to_string(), text);
            let tag = reference.tag.clone().expect("tag");
            let stored = reference.stored_as().expect(text);
            assert_eq!(SavedReference::from_stored(&stored, tag), Some(reference), "{stored}");
        }
    }

    #[test]
    fn a_first_segment_is_a_registry_only_if_it_looks_like_one() {
        let plain: SavedReference = "team/demo".parse().expect("plain");
        assert_eq!(plain.registry, None);
        assert_eq!(plain.tag, None);
        assert!("h/x@sha256:abc".parse::<SavedReference>().is_err());
    }
}
