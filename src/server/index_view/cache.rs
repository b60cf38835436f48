//! Cache file of the last seen state of a store, so that the next start need not read it again. It
//! has one record per tag, appended as tags change, each with a checksum. The server ignores
//! damaged records and records of other settings, and reads those tags again.
//!
//! ```text
//! chartferry view 3 <hash of the settings and of the program's version>\n
//! <length, 4 bytes> <SHA-256 of the rest, its first 8 bytes> <facts in JSON>\n<entry>
//! ```

use super::{Format, Settings, chart_version::Item, tag_cache::Known};
use crate::lock::Locked as _;
use crate::{
    Error, Result,
    digest::Digest,
    oci::{Descriptor, RepositoryName, Tag},
};
use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use std::{
    collections::HashMap,
    fs::{self, File},
    io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

/// Cache file, or none. A failure of the file is never an error: the server logs it and only loses
/// time.
#[derive(Debug, Default)]
pub struct Cache(Option<Mutex<Store>>);

#[derive(Debug)]
struct Store {
    path: PathBuf,
    mark: String,
    /// Open file. `None` if a write failed: the server must not append to an incomplete record.
    file: Option<File>,
    /// Records of the file that no lookup has used yet.
    seen: HashMap<(RepositoryName, Tag), Known>,
    /// Size of the file in bytes.
    size: u64,
    /// Size in bytes from which the server rewrites the file. The start must end first, since the
    /// live records are unknown before.
    most: u64,
}

/// All tags, with their manifests.
pub(super) type Live = Vec<(RepositoryName, Tag, Known)>;

/// Facts before the text of a record.
#[derive(Serialize, Deserialize)]
struct Facts {
    repository: String,
    tag: String,
    /// Manifest of the tag. `None` if the tag was removed.
    manifest: Option<Digest>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    through: Vec<Digest>,
    chart: Option<Chart>,
}

#[derive(Serialize, Deserialize)]
struct Chart {
    name: Box<str>,
    version: Box<str>,
    created: Box<str>,
    archive: Descriptor,
    provenance: Option<Descriptor>,
    format: Format,
}

/// Size in bytes below which the server never rewrites the file.
const FLOOR: u64 = crate::limits::MIB;
/// Approximate bytes of a record besides the entry.
const RECORD: u64 = 512;

/// Maximum length of a record in bytes. An entry comes from a config, which has at most 8 MiB.
const LONGEST: u32 = 64 * 1024 * 1024;

impl Cache {
    /// Makes a cache without a file: every start reads the whole store.
    pub fn none() -> Self {
        Self(None)
    }

    /// Opens or creates the file at `path`. Only one process can have it open; another runs without
    /// a cache.
    pub fn open(path: &Path, settings: &Settings) -> Self {
        match Store::open(path, settings) {
            Ok(store) => Self(Some(Mutex::new(store))),
            Err(error) => {
                tracing::warn!(error = error.chain(), "the index cache is not used");
                Self(None)
            }
        }
    }

    /// Returns true if there is a cache file.
    pub(super) fn keeps(&self) -> bool {
        self.0.is_some()
    }

    fn store(&self) -> Option<MutexGuard<'_, Store>> {
        Some(self.0.as_ref()?.locked())
    }

    /// Returns the record of a tag, if it was on that manifest.
    pub(super) fn recall(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        manifest: &Digest,
    ) -> Option<Known> {
        let known = self.store()?.seen.remove(&(repository.clone(), tag.clone()))?;
        (known.manifest == *manifest).then_some(known)
    }

    /// Returns all records.
    pub(super) fn take(&self) -> Live {
        let Some(mut store) = self.store() else { return Vec::new() };
        let seen = std::mem::take(&mut store.seen);
        seen.into_iter().map(|((repository, tag), known)| (repository, tag, known)).collect()
    }

    /// Records the manifest of a tag, or that the tag was removed. If more than half of the file is
    /// obsolete, the function rewrites it from `live`.
    pub(super) fn note(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        known: Option<&Known>,
        live: impl FnOnce() -> Live,
    ) {
        let Some(mut store) = self.store() else { return };
        let record = record(repository, tag, known);
        store.append(&record);
        if store.size > store.most {
            store.compact(&live());
        }
    }

    /// Ends the start: drops unused records, and rewrites the file if more than half of it is
    /// obsolete.
    pub(super) fn settle(&self, live: impl FnOnce() -> Live) {
        let Some(mut store) = self.store() else { return };
        store.seen = HashMap::new();
        let live = live();
        let items = live.iter().filter_map(|(.., known)| known.item.as_deref());
        let entries: u64 = items.map(|item| item.text.len() as u64).sum();
        store.most = most(entries + RECORD * live.len() as u64);
        if store.size > store.most {
            store.compact(&live);
        }
    }
}

/// Returns twice the size of the live records, but at least a minimum.
fn most(live: u64) -> u64 {
    live.saturating_mul(2).saturating_add(FLOOR)
}

impl Store {
    fn open(path: &Path, settings: &Settings) -> Result<Self> {
        let fail = |error| Error::io("open cache", path, error);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)
                .map_err(|error| Error::io("create directory", folder, error))?;
        }
        let options = File::options().read(true).write(true).create(true).truncate(false).clone();
        let mut file = options.open(path).map_err(fail)?;
        file.try_lock().map_err(|error| fail(error.into()))?;
        let mark = mark(settings);
        let mut this = Self {
            path: path.to_owned(),
            mark,
            file: None,
            seen: HashMap::new(),
            size: 0,
            most: u64::MAX,
        };
        let good = this.read(&file).map_err(fail)?;
        if good == 0 {
            file.set_len(0).map_err(fail)?;
            file.rewind().map_err(fail)?;
            file.write_all(this.mark.as_bytes()).map_err(fail)?;
            this.size = this.mark.len() as u64;
        } else {
            // The rest is incomplete after a kill, or damaged.
            file.set_len(good).map_err(fail)?;
            this.size = file.seek(SeekFrom::End(0)).map_err(fail)?;
        }
        this.file = Some(file);
        Ok(this)
    }

    /// Reads the valid records, and returns the offset of their end.
    fn read(&mut self, file: &File) -> std::io::Result<u64> {
        let mut reader = BufReader::with_capacity(1 << 20, file);
        let mut head = vec![0; self.mark.len()];
        if reader.read_exact(&mut head).is_err() || head != self.mark.as_bytes() {
            return Ok(0);
        }
        let mut good = head.len() as u64;
        let mut bytes = Vec::new();
        loop {
            let mut frame = [0; 12];
            if reader.read_exact(&mut frame).is_err() {
                return Ok(good);
            }
            let length = u32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]]);
            if length > LONGEST {
                return Ok(good);
            }
            bytes.clear();
            let read = (&mut reader).take(length.into()).read_to_end(&mut bytes)?;
            if read != length as usize || check(&bytes) != frame[4..] {
                return Ok(good);
            }
            let Some((repository, tag, known)) = parse(&bytes) else { return Ok(good) };
            good += 12 + u64::from(length);
            match known {
                Some(known) => drop(self.seen.insert((repository, tag), known)),
                None => drop(self.seen.remove(&(repository, tag))),
            }
        }
    }

    fn append(&mut self, record: &[u8]) {
        let Some(file) = &mut self.file else { return };
        // Without a flush: a crash loses records, and the next start reads those tags again.
        match file.write_all(record) {
            Ok(()) => self.size += record.len() as u64,
            Err(error) => {
                let error = Error::io("write cache", &self.path, error);
                tracing::warn!(error = error.chain(), "the index cache is not written any longer");
                self.file = None;
            }
        }
    }

    fn compact(&mut self, live: &Live) {
        if let Err(error) = self.rewrite(live) {
            tracing::warn!(error = error.chain(), "cannot write the index cache");
            self.file = None;
        }
    }

    /// Rewrites the file in place. The file is locked, and a crash in between loses only its
    /// records.
    fn rewrite(&mut self, live: &Live) -> Result<()> {
        let path = self.path.clone();
        let fail = |error| Error::io("write cache", &path, error);
        let Some(file) = &mut self.file else { return Ok(()) };
        file.set_len(0).map_err(fail)?;
        file.rewind().map_err(fail)?;
        let mut writer = BufWriter::with_capacity(1 << 20, &mut *file);
        writer.write_all(self.mark.as_bytes()).map_err(fail)?;
        let mut size = self.mark.len() as u64;
        for (repository, tag, known) in live {
            let record = record(repository, tag, Some(known));
            writer.write_all(&record).map_err(fail)?;
            size += record.len() as u64;
        }
        writer.flush().map_err(fail)?;
        drop(writer);
        self.size = size;
        self.most = most(size);
        Ok(())
    }
}

/// Returns the first line. Texts from other settings or another version of this program are
/// unusable.
fn mark(settings: &Settings) -> String {
    let made_by = format!("{}\n{settings:?}", env!("CARGO_PKG_VERSION"));
    format!("chartferry view 3 {}\n", Digest::sha256(made_by.as_bytes()).hex())
}

fn check(bytes: &[u8]) -> [u8; 8] {
    let hash: [u8; 32] = sha2::Sha256::digest(bytes).into();
    let mut start = [0; 8];
    start.copy_from_slice(&hash[..8]);
    start
}

fn record(repository: &RepositoryName, tag: &Tag, known: Option<&Known>) -> Vec<u8> {
    let item = known.and_then(|known| known.item.as_deref());
    let chart = item.map(|item| Chart {
        name: item.name.clone(),
        version: item.version.clone(),
        created: item.created.clone(),
        archive: item.archive.clone(),
        provenance: item.provenance.clone(),
        format: item.format,
    });
    let facts = Facts {
        repository: repository.as_str().to_owned(),
        tag: tag.as_str().to_owned(),
        manifest: known.map(|known| known.manifest.clone()),
        through: known.map(|known| known.through.clone()).unwrap_or_default(),
        chart,
    };
    let mut payload = crate::json::to_vec(&facts);
    payload.push(b'\n');
    if let Some(item) = item {
        payload.extend_from_slice(item.text.as_bytes());
    }
    let mut record = Vec::with_capacity(payload.len() + 12);
    record.extend_from_slice(&(payload.len() as u32).to_be_bytes());
    record.extend_from_slice(&check(&payload));
    record.append(&mut payload);
    record
}

fn parse(bytes: &[u8]) -> Option<(RepositoryName, Tag, Option<Known>)> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let facts: Facts = serde_json::from_slice(&bytes[..end]).ok()?;
    let text = std::str::from_utf8(&bytes[end + 1..]).ok()?;
    let item = match facts.chart {
        None => None,
        Some(chart) => Some(Arc::new(Item {
            name: chart.name,
            version: chart.version,
            created: chart.created,
            archive: chart.archive,
            provenance: chart.provenance,
            text: text.into(),
            format: chart.format,
        })),
    };
    let through = facts.through;
    let known = facts.manifest.map(|manifest| Known { manifest, item, through });
    Some((facts.repository.parse().ok()?, facts.tag.parse().ok()?, known))
}
