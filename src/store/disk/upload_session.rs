//! Upload sessions as this process knows them: the bytes received, and their hash so far. A session
//! of an earlier process is restored from its files.

use super::{
    commit::Ahead,
    read_file,
    upload::{DATA, META},
};
use crate::lock::Locked as _;
use crate::{
    Result,
    oci::{Digest, Hasher, RepositoryName, digest::Algorithm},
    store::verify::read_through,
};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, atomic::AtomicU64},
};

/// The sessions that this process has used, by their directory.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<HashMap<PathBuf, Arc<Session>>>);

impl Sessions {
    pub(crate) fn map(&self) -> MutexGuard<'_, HashMap<PathBuf, Arc<Session>>> {
        self.0.locked()
    }
}

#[derive(Debug)]
pub(crate) struct Session {
    /// The only repository whose requests can reach the session.
    pub(crate) repository: RepositoryName,
    pub(crate) size: AtomicU64,
    pub(crate) state: Mutex<State>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) hashers: Hashers,
    /// A counter of the requests that took over the session; an earlier request must then stop.
    pub(crate) turn: u64,
    /// True once a request has finished or canceled the session: no request may take it over any
    /// more.
    pub(crate) ended: bool,
    /// A flush of the first bytes in progress, and their number.
    pub(crate) ahead: Option<Ahead>,
    pub(crate) flushed: u64,
}

/// The hash states: always SHA-256, so that the store keeps content once under any digest, and the
/// other algorithm if the client asked for it.
#[derive(Clone, Debug)]
pub(crate) struct Hashers {
    pub(crate) sha256: Hasher,
    pub(crate) other: Option<Hasher>,
}

impl Hashers {
    fn new(algorithm: Algorithm) -> Self {
        let other = (algorithm != Algorithm::Sha256).then(|| algorithm.hasher());
        Self { sha256: Algorithm::Sha256.hasher(), other }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        if let Some(other) = &mut self.other {
            other.update(bytes);
        }
    }
}

impl Session {
    pub(crate) fn new(algorithm: Algorithm, repository: &RepositoryName) -> Arc<Self> {
        Arc::new(Self::with(Hashers::new(algorithm), 0, repository))
    }

    fn with(hashers: Hashers, size: u64, repository: &RepositoryName) -> Self {
        let state = State { hashers, turn: 0, ended: false, ahead: None, flushed: size };
        let repository = repository.clone();
        Self { repository, size: AtomicU64::new(size), state: Mutex::new(state) }
    }
}

pub(crate) fn lock(session: &Session) -> MutexGuard<'_, State> {
    session.state.locked()
}

/// Reads the algorithm and the repository of a session from its files. Returns `None` if the
/// session does not exist or is incomplete.
pub(crate) fn read_meta(directory: &Path) -> Result<Option<(Algorithm, RepositoryName)>> {
    let Some(meta) = read_file(&directory.join(META))? else { return Ok(None) };
    let parts = std::str::from_utf8(&meta).ok().and_then(|text| text.trim_end().split_once(' '));
    Ok(parts.and_then(|(algorithm, name)| Some((algorithm.parse().ok()?, name.parse().ok()?))))
}

/// Restores a session of an earlier process, if it belongs to `repository`: its length is that of
/// its file, whose content is hashed again.
pub(crate) fn revive(directory: &Path, repository: &RepositoryName) -> Result<Option<Session>> {
    let Some((algorithm, name)) = read_meta(directory)? else { return Ok(None) };
    if name != *repository {
        return Ok(None);
    }
    let data = directory.join(DATA);
    let mut hashers = Hashers::new(algorithm);
    let read = read_through(&data, |bytes| {
        hashers.update(bytes);
        Ok(())
    });
    let size = match read {
        // The session ended meanwhile.
        Err(_) if !data.exists() => return Ok(None),
        read => read?,
    };
    Ok(Some(Session::with(hashers, size, repository)))
}

pub(crate) fn hash_file(path: &Path, algorithm: Algorithm) -> Result<Digest> {
    let mut hasher = algorithm.hasher();
    read_through(path, |bytes| {
        hasher.update(bytes);
        Ok(())
    })?;
    Ok(hasher.finish())
}
